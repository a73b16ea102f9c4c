#![allow(clippy::unwrap_used)]

use std::{io::Write, os::unix::net::UnixListener};

use super::*;

/// An agent that listens in a folder of its own; each connection gets these bytes, and then silence or the end.
fn stand_in(says: Vec<u8>, stays: bool, deadline: Duration) -> (tempfile::TempDir, GpgAgent) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("socket");
    let listener = UnixListener::bind(&path).unwrap();
    thread::spawn(move || {
        let mut held = Vec::new();
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { return };
            let _ = stream.write_all(&says);
            held.extend(stays.then_some(stream));
        }
    });
    let agent = GpgAgent {
        home: folder.path().to_owned(),
        socket: OnceLock::from(path),
        passphrase: Some(Zeroizing::new("right".to_owned())),
        deadline,
        wrong: Mutex::default(),
    };
    (folder, agent)
}

/// Long enough for a slow machine; nothing waits for it.
const PLENTY: Duration = Duration::from_secs(60);

fn error(says: &[u8], stays: bool) -> AgentError {
    error_within(says, stays, PLENTY)
}

fn error_within(says: &[u8], stays: bool, deadline: Duration) -> AgentError {
    let (_folder, agent) = stand_in(says.to_vec(), stays, deadline);
    let grip = Keygrip::parse(&"A".repeat(40)).unwrap();
    let signed = agent.sign(&grip, 10, &[0; 64]).unwrap_err();
    let opened = agent.decrypt(&grip, SealedKey::Rsa(&[1; 256])).err().unwrap();
    assert_eq!(signed.is_final(), opened.is_final(), "{signed:?}, {opened:?}");
    signed
}

/// Only root can make one; the check is the same for everybody.
#[test]
#[cfg(target_os = "linux")]
fn one_of_another_user_is_told_nothing() {
    use std::os::unix::{fs::PermissionsExt as _, process::CommandExt as _};
    if !rustix::process::geteuid().is_root() {
        return;
    }
    // Short, and readable by others below.
    let folder = tempfile::Builder::new().prefix("agent-").tempdir_in("/tmp").unwrap();
    std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o777)).unwrap();
    let path = folder.path().join("S");
    // It has its name once it listens.
    let listen = "$s = IO::Socket::UNIX->new(Local => \"$ARGV[0].new\", Listen => 1) or die; \
                  rename \"$ARGV[0].new\", $ARGV[0] or die; \
                  $c = $s->accept; $c->print(\"OK\\n\"); print while <$c>";
    let mut perl = std::process::Command::new("perl");
    perl.args(["-MIO::Socket::UNIX", "-e", listen]).arg(&path).uid(65534).stdout(std::process::Stdio::piped());
    let peer = perl.spawn().unwrap();
    while !path.exists() {
        thread::sleep(Duration::from_millis(5));
    }
    let agent = GpgAgent {
        home: folder.path().to_owned(),
        socket: OnceLock::from(path),
        passphrase: Some(Zeroizing::new("right".to_owned())),
        deadline: PLENTY,
        wrong: Mutex::default(),
    };
    let grip = Keygrip::parse(&"A".repeat(40)).unwrap();
    let refused = agent.sign(&grip, 10, &[0; 64]).unwrap_err();
    assert!(matches!(&refused, AgentError::NotThere { why, .. } if why.contains("another user, 65534")), "{refused:?}");
    assert_eq!(peer.wait_with_output().unwrap().stdout, b"");
}

#[test]
fn one_that_is_silent_is_not_waited_for() {
    for says in [&b""[..], b"OK hello", b"OK hello\n", b"OK\nOK\nOK\nOK\n", b"OK\nS X\n"] {
        let short = Duration::from_millis(200);
        assert_eq!(error_within(says, true, short), AgentError::Silent(short), "{says:?}");
    }
}

#[test]
fn one_that_sends_rubbish_is_none() {
    let endless = vec![b'x'; 1 << 20];
    let comments = b"OK\nOK\n".iter().copied().chain(b"# x\n".repeat(100_000)).collect::<Vec<_>>();
    for says in [&b"\n"[..], b"220 mail.example.test ESMTP\r\n", b"\0\xff\n", &endless, &comments] {
        assert!(matches!(error(says, false), AgentError::Protocol(_) | AgentError::NotThere { .. }));
    }
    let nothing = b"OK\nOK\nOK\nOK\nOK\n";
    assert_eq!(error(nothing, true), AgentError::Protocol("it gives no signature"));
    let other = b"OK\nOK\nOK\nOK\nD (7:sig-val(3:dsa(1:r1:a)(1:s1:b)))\nOK\n";
    assert_eq!(error(other, true), AgentError::Protocol("it gives no signature"));
}

#[test]
fn each_refusal_has_its_meaning() {
    let refused = |line: &str| error(format!("OK\nOK\nERR {line}\nERR {line}\n").as_bytes(), true);
    assert_eq!(refused("67108881 No secret key"), AgentError::NoSecret);
    // A card says so of a padding too.
    assert!(matches!(refused("100663404 Card error <SCD>"), AgentError::Refused(_)));
    assert!(matches!(refused("100663408 Card not present <SCD>"), AgentError::Card(_)));
    assert_eq!(refused("67108949 No pinentry"), AgentError::NoPassphrase);
    assert_eq!(refused("100663408 Card not present"), AgentError::Card("Card not present".to_owned()));
    assert_eq!(refused("67109115 Forbidden"), AgentError::Refused("Forbidden".to_owned()));
    // It takes no passphrase, and is told once more to ask nobody.
    let says = b"OK\nERR 67108924 Not supported\nOK\nERR 67108949 No pinentry\n";
    assert_eq!(error(says, true), AgentError::TakesNoPassphrase);
    // A wrong one is told once.
    let says = b"OK\nOK\nINQUIRE PASSPHRASE\nERR 67108875 Bad passphrase\nERR 67108875 Bad passphrase\n";
    assert_eq!(error(says, true), AgentError::WrongPassphrase);
    // Of a token it is its PIN, unless the token itself was asked for.
    for (kind, meaning) in [("T", AgentError::WrongPin), ("D", AgentError::WrongPassphrase)] {
        let info = format!("S KEYINFO {} {kind} D27600012401115031319909A5ED1111 - - - - - -\nOK\n", "A".repeat(40));
        let says = format!("OK\nOK\nINQUIRE PASSPHRASE\nERR 67108951 Bad PIN\n{info}");
        assert_eq!(error(says.as_bytes(), true), meaning);
    }
}

#[test]
fn only_a_key_that_is_surely_on_disk_is_on_no_token() {
    let grip = Keygrip::parse(&"A".repeat(40)).unwrap();
    let asked = |says: &str, deadline| {
        let (_folder, agent) = stand_in(format!("OK\nOK\n{says}").into_bytes(), true, deadline);
        agent.is_on_token(&grip)
    };
    for (says, expected) in [
        ("S KEYINFO A D - - - P - - -\nOK\n", false),
        ("S KEYINFO A T D276 X/1 - - - - -\nOK\n", true),
        ("S KEYINFO A X - - - - - - -\nOK\n", true),
        ("S KEYINFO A - - - - - - - -\nOK\n", true),
        ("S KEYINFO\nOK\n", true),
        ("OK\n", true),
        ("ERR 67108891 Not found\n", true),
    ] {
        assert_eq!(asked(says, PLENTY), Ok(expected), "{says}");
    }
    assert!(matches!(asked("rubbish\n", PLENTY), Err(AgentError::Protocol(_))));
    let short = Duration::from_millis(200);
    assert_eq!(asked("", short), Err(AgentError::Silent(short)));
}

#[test]
fn a_wrong_passphrase_is_told_once_however_often_the_agent_is_used() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("socket");
    let listener = UnixListener::bind(&path).unwrap();
    let server = thread::spawn(move || {
        let mut told = Vec::new();
        for stream in listener.incoming().take(3) {
            let mut stream = stream.unwrap();
            let refusal = "INQUIRE PASSPHRASE\nERR 67108875 Bad passphrase\nOK\n";
            stream.write_all(format!("OK\nOK\n{refusal}").as_bytes()).unwrap();
            stream.read_to_end(&mut told).unwrap();
        }
        String::from_utf8(told).unwrap()
    });
    let passphrase = Some(Zeroizing::new("right".to_owned()));
    let agent = GpgAgent { socket: OnceLock::from(path), ..GpgAgent::of(folder.path(), passphrase) };
    let grip = Keygrip::parse(&"A".repeat(40)).unwrap();
    for _ in 0..3 {
        assert_eq!(agent.sign(&grip, 10, &[0; 64]), Err(AgentError::WrongPassphrase));
    }
    assert_eq!(server.join().unwrap().matches("D right").count(), 1);
}

#[test]
fn a_wrong_pin_is_told_for_one_key_alone_and_a_wrong_passphrase_hinders_no_other_key() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("socket");
    let listener = UnixListener::bind(&path).unwrap();
    let (token, disk) = ("S KEYINFO X T - - - - - - -\nOK\n", "S KEYINFO X D - - - - - - -\nOK\n");
    let asks = "OK\nINQUIRE PASSPHRASE\nERR 67108951 Bad PIN\n";
    let server = thread::spawn(move || {
        let says = [
            format!("OK\n{asks}{disk}"),
            format!("OK\n{asks}{token}"),
            // It is looked first where the key is.
            format!("OK\n{token}OK\nERR 67108949 No pinentry\n{token}"),
            format!("OK\n{disk}{asks}{disk}"),
        ];
        let told = says.map(|says| {
            let (mut stream, _) = listener.accept().unwrap();
            stream.write_all(says.as_bytes()).unwrap();
            let mut told = String::new();
            stream.read_to_string(&mut told).unwrap();
            told.contains("D right")
        });
        assert_eq!(told, [true, true, false, true]);
    });
    let passphrase = Some(Zeroizing::new("right".to_owned()));
    let agent = GpgAgent { socket: OnceLock::from(path), ..GpgAgent::of(folder.path(), passphrase) };
    let expected =
        [AgentError::WrongPassphrase, AgentError::WrongPin, AgentError::WrongPin, AgentError::WrongPassphrase];
    for (digit, expected) in ["A", "B", "C", "D"].into_iter().zip(expected) {
        let grip = Keygrip::parse(&digit.repeat(40)).unwrap();
        assert_eq!(agent.sign(&grip, 10, &[0; 64]), Err(expected), "{digit}");
    }
    server.join().unwrap();
}

#[test]
fn one_that_is_not_there_is_told() {
    let (folder, agent) = stand_in(Vec::new(), false, PLENTY);
    let gone = GpgAgent { socket: OnceLock::from(folder.path().join("gone")), ..agent };
    let grip = Keygrip::parse(&"A".repeat(40)).unwrap();
    assert!(matches!(gone.sign(&grip, 10, &[0; 64]), Err(AgentError::NotThere { .. })));
}

#[test]
fn what_is_to_be_decrypted_is_an_expression() {
    assert_eq!(enclosed(SealedKey::Rsa(b"ab")), b"(7:enc-val(3:rsa(1:a2:ab)))");
    assert_eq!(enclosed(SealedKey::Ecdh(b"e", b"ss")), b"(7:enc-val(4:ecdh(1:s2:ss)(1:e1:e)))");
}
