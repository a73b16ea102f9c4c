//! What each fuzz target does with its bytes: shared by cargo-fuzz and by `tests/it/corpus.rs`. A panic is a finding,
//! and so is each assertion.

use std::sync::OnceLock;

use jiff::Timestamp;
use sealpost::{
    config::{Config, Recipients},
    crypt::{
        Verdict,
        open::{Readers, Requirement, open as open_message},
        pgp::{Certificate, Key, Reader},
        smime,
    },
    mail::{Address, Draft, Mailbox},
    submit::Reply,
};
use zeroize::Zeroizing;

/// What may come out of a message here, in bytes: enough to find faults, too little to wait for.
const LIMIT: usize = 4 << 20;

/// One of the targets.
pub type Entry = fn(&[u8]);

/// All targets by name, which is that of their folder below `fuzz/corpus` too.
#[allow(dead_code, reason = "each fuzz target uses its own only")]
pub const ALL: [(&str, Entry); 5] =
    [("open", open), ("cms", cms), ("address", address), ("reply", reply), ("config", config)];

/// A received message, opened with Bob's key, Alice's certificate at hand.
pub fn open(bytes: &[u8]) {
    static PEOPLE: OnceLock<(Vec<Key>, Vec<Certificate>)> = OnceLock::new();
    let (keys, certificates) = PEOPLE.get_or_init(|| {
        let bob = Key::parse_all(include_bytes!("../keys/bob.key")).unwrap_or_default();
        let passphrase = Zeroizing::new("specimen".to_owned());
        let keys: Vec<Key> = bob.iter().filter_map(|key| key.unlock(&passphrase).ok()).collect();
        assert!(!keys.is_empty(), "the specimen key does not open");
        (keys, Certificate::parse_all(include_bytes!("../keys/alice.asc")).unwrap_or_default())
    });
    let at = Timestamp::UNIX_EPOCH + jiff::SignedDuration::from_hours(24 * 365 * 56);
    let pgp = Reader { keys, lent: &[], certificates, at, limit: LIMIT };
    let authorities = smime::Authorities::default();
    let smime = smime::Reader { keys: &[], certificates: &[], authorities: &authorities, pins: &[], at, limit: LIMIT };
    if let Ok(opened) = open_message(bytes.to_vec(), &Readers { pgp, smime, doubt: &|_, _, _| None }, at)
        && let Ok(released) = opened.release(&Requirement::None)
    {
        let _ = released.text();
    }
    let _ = Draft::from_message(Zeroizing::new(bytes.to_vec()).into(), at, [7; 16]);
}

/// A CMS structure, read with the keys of Bob and Dave: nothing is good but what Alice or Dave signed, and nothing
/// larger than the input comes out but what was compressed.
pub fn cms(bytes: &[u8]) {
    static PEOPLE: OnceLock<(Vec<smime::Key>, smime::Authorities)> = OnceLock::new();
    let (keys, authorities) = PEOPLE.get_or_init(|| {
        let passphrase = Zeroizing::new("specimen".to_owned());
        let files: [&[u8]; 2] = [include_bytes!("../keys/bob.p12"), include_bytes!("../keys/dave.p12")];
        let keys = files.iter().flat_map(|file| smime::Key::parse_all(file).unwrap_or_default());
        let keys: Vec<smime::Key> = keys.filter_map(|key| key.unlock(&passphrase).ok()).collect();
        assert_eq!(keys.len(), 2, "the specimen keys do not open");
        let mut authorities = smime::Authorities::default();
        assert!(authorities.add_anchors(include_bytes!("../keys/ca.pem")).is_ok());
        (keys, authorities)
    });
    let at = Timestamp::UNIX_EPOCH + jiff::SignedDuration::from_hours(24 * 365 * 57);
    let reader = smime::Reader { keys, certificates: &[], authorities, pins: &[], at, limit: LIMIT };
    match reader.read(bytes) {
        Ok(smime::Layer::Encrypted { plaintext, .. }) => assert!(plaintext.len() < bytes.len()),
        Ok(smime::Layer::Signed { content, facts }) => {
            assert!(content.len() < bytes.len());
            for fact in facts.iter().flatten().filter(|fact| fact.verdict == Verdict::Good) {
                assert!(fact.certificate.is_some());
                assert_eq!(*content, *b"Content-Type: text/plain\r\n\r\nhello\r\n");
            }
        }
        Ok(smime::Layer::Compressed { content }) => assert!(content.len() <= LIMIT),
        Ok(smime::Layer::Certificates) | Err(_) => {}
    }
    let _ = reader.verify_detached(bytes, b"Content-Type: text/plain\r\n\r\nhello\r\n", &mut smime::Budget::default());
    let _ = smime::certificates_in(bytes);
    let _ = smime::recipients_of(bytes);
}

/// A list of mailboxes: what is read reads back as the same when it is written.
pub fn address(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    if let Ok(address) = Address::parse(&text) {
        assert_eq!(Address::parse(&address.to_string()).ok(), Some(address));
    }
    for mailbox in Mailbox::parse_list(&text).unwrap_or_default() {
        let written = mailbox.address.to_string();
        assert!(!written.contains(char::is_control), "{written:?}");
        assert_eq!(Address::parse(&written).ok(), Some(mailbox.address));
        assert!(!mailbox.name.unwrap_or_default().contains(char::is_control));
    }
}

/// What a server says: nothing of it steers a terminal.
pub fn reply(bytes: &[u8]) {
    for reply in Reply::read_all(bytes).unwrap_or_default() {
        assert!((200..560).contains(&reply.code()));
        assert!(!reply.to_string().contains(char::is_control), "{reply:?}");
    }
}

/// Both settings files.
pub fn config(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    if let Err(error) = Config::from_text(&text) {
        let _ = error.to_string();
    }
    match Recipients::from_text(&text) {
        Err(error) => drop(error.to_string()),
        Ok(recipients) => {
            for group in recipients.groups() {
                let _ = recipients.expand(group);
            }
        }
    }
}
