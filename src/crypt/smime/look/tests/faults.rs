//! One fault at a time.

use openssl::nid::Nid;

use super::*;
use crate::crypt::smime::{
    ContentEncryption, Form,
    asn1::der::{OCTET_STRING, algorithm, set_of, small},
    asn1::oid,
    seal::wrap,
};

fn form(content: ContentEncryption) -> Form {
    Form { content, ..Form::default() }
}

fn ec_person(name: &'static str) -> Person {
    person(name, ec(Nid::X9_62_PRIME256V1))
}

#[test]
fn a_fault_of_the_lines_or_the_header_is_refused() {
    let (alice, bob) = (ec_person("alice"), ec_person("bob"));
    let good = sealed(TEXT, Some(&alice), &[&bob], Form::default());
    assert_eq!(parse(&good, &[&bob]), Ok(()));
    let text = String::from_utf8(good).unwrap();
    let (head, body) = text.split_at(text.find("\r\n\r\n").unwrap() + 4);
    let first = body.lines().next().unwrap();
    let broken = [
        ("text before", format!("{head}hello\r\n{body}")),
        ("blank line before", format!("{head}\r\n{body}")),
        ("text behind", format!("{text}hello\r\n")),
        ("base64 behind", format!("{text}aGVsbG8h\r\n")),
        ("text behind a blank line", format!("{text}\r\nhello\r\n")),
        ("base64 behind a blank line", format!("{text}\r\n{body}")),
        ("twice", format!("{text}{body}")),
        ("no base64", text.replacen(first, &first.replacen('M', "!", 1), 1)),
        ("a line that is broken", text.replacen(first, &format!("{}\r\n{}", &first[..8], &first[8..]), 1)),
        ("a blank within", text.replacen(first, &format!("{} {}", &first[..8], &first[8..]), 1)),
        ("padding within", text.replacen(first, &format!("{}=", &first[..63]), 1)),
        ("padding alone", format!("{head}====\r\n")),
        ("a longer line", text.replacen(&format!("{first}\r\n"), first, 1)),
        ("a line that is missing", text.replacen(&format!("{first}\r\n"), "", 1)),
        ("the last line is missing", text[..text.trim_end().rfind("\r\n").unwrap() + 2].to_owned()),
        ("the last byte is missing", format!("{}\r\n", &text[..text.len() - 6])),
        ("bcc", format!("Bcc: dave@example.org\r\n{text}")),
        ("two types", format!("Content-Type: text/plain\r\n{text}")),
        ("no type", text.replace("Content-Type: application/pkcs7-mime; name=\"smime.p7m\";\r\n", "X: x;\r\n")),
        ("type of a signature", text.replace("enveloped-data", "signed-data")),
        ("type of another encryption", text.replace("enveloped-data", "authEnveloped-data")),
        ("no smime-type", text.replace("smime-type=enveloped-data", "x=y")),
        ("smime-type twice", text.replace("smime-type=", "smime-type=signed-data; smime-type=")),
        ("not pkcs7-mime", text.replace("application/pkcs7-mime", "application/pkcs7-signature")),
        ("multipart", text.replace("application/pkcs7-mime", "multipart/mixed; boundary=x")),
        ("7bit", text.replace("Encoding: base64", "Encoding: 7bit")),
        ("no encoding", text.replace("Content-Transfer-Encoding: base64\r\n", "")),
        ("a field of the content", format!("Content-Language: hello\r\n{text}")),
        ("no MIME-Version", text.replace("MIME-Version: 1.0\r\n", "")),
        ("lone LF", text.replacen("\r\n", "\n", 1)),
        ("8-bit", text.replacen("[...]", "é", 1)),
        ("NUL", text.replacen("[...]", "\0", 1)),
        ("no body", head.to_owned()),
        ("no blank line", head[..head.len() - 2].to_owned()),
        ("empty", String::new()),
        ("plain", "MIME-Version: 1.0\r\nContent-Type: text/plain\r\n\r\nhello\r\n".to_owned()),
    ];
    for (what, message) in broken {
        assert_ne!(message, text, "{what}");
        assert!(parse(message.as_bytes(), &[&bob]).is_err(), "{what} passed");
    }
    assert_eq!(parse(format!("{text}\r\n\r\n").as_bytes(), &[&bob]), Ok(()));
}

#[test]
fn a_fault_of_the_structure_is_refused() {
    let (alice, bob, carol) = (ec_person("alice"), person("bob", rsa()), ec_person("carol"));
    let to = [&bob, &carol];
    let certificate = alice.certificate.to_der();
    let label = b"attack at dawn, all of us, behind the old mill; bring whatever you have and tell nobody else of it";
    for content in [ContentEncryption::Cbc, ContentEncryption::Gcm] {
        let good = Parts::of(&sealed(TEXT, Some(&alice), &to, form(content)));
        assert_eq!(parse(&good.message(), &to), Ok(()));
        let attributes = set_of(context(1), vec![sequence(&[&der::oid(oid::DATA), &set_of(der::SET, vec![])])]);
        let key_id = element(0x80, &[&[1; 20]]);
        let named = wrap::issuer_and_serial(&bob.certificate).unwrap();
        // That for RSA is the SEQUENCE of the two.
        let rsa = good.infos.iter().position(|info| info[0] == der::SEQUENCE).unwrap();
        let curve = 1 - rsa;
        let within = |which: usize, change: &dyn Fn(&mut Vec<Vec<u8>>)| {
            let mut parts = children(&good.infos[which]);
            change(&mut parts);
            element(good.infos[which][0], &[&parts.concat()])
        };
        let info = |changed: Vec<u8>, which: usize| good.with(|parts| parts.infos[which] = changed);
        let broken = [
            ("its kind", good.with(|parts| parts.kind = der::oid(oid::SIGNED_DATA))),
            ("its version", good.with(|parts| parts.version = small(4).to_vec())),
            ("a long version", good.with(|parts| parts.version = element(2, &[label]))),
            (
                "an originator",
                good.with(|parts| parts.originator = element(context(0), &[&element(context(0), &[&certificate])])),
            ),
            ("an empty originator", good.with(|parts| parts.originator = element(context(0), &[]))),
            ("no recipient", good.with(|parts| parts.infos.clear())),
            ("one recipient fewer", good.with(|parts| parts.infos.truncate(1))),
            ("one too many", good.with(|parts| parts.infos.push(parts.infos[0].clone()))),
            ("one twice", good.with(|parts| parts.infos[0] = parts.infos[1].clone())),
            ("a content type", good.with(|parts| parts.data = der::oid(oid::SIGNED_DATA))),
            (
                "3DES",
                good.with(|parts| {
                    parts.algorithm =
                        algorithm("1.2.840.113549.3.7".parse().unwrap(), &element(OCTET_STRING, &[&[0; 8]]))
                }),
            ),
            ("no parameters", good.with(|parts| parts.algorithm = algorithm(oid::AES256_CBC, &[]))),
            (
                "a long IV",
                good.with(|parts| parts.algorithm = algorithm(oid::AES256_CBC, &element(OCTET_STRING, &[label]))),
            ),
            (
                "a short tag",
                good.with(|parts| {
                    let nonce = element(OCTET_STRING, &[&[0; 12]]);
                    parts.algorithm = algorithm(oid::AES256_GCM, &sequence(&[&nonce, &small(12)]));
                }),
            ),
            (
                "a default tag",
                good.with(|parts| {
                    parts.algorithm = algorithm(oid::AES256_GCM, &sequence(&[&element(OCTET_STRING, &[&[0; 12]])]))
                }),
            ),
            (
                "AES of another mode",
                good.with(|parts| {
                    parts.algorithm =
                        algorithm("2.16.840.1.101.3.4.1.41".parse().unwrap(), &element(OCTET_STRING, &[&[0; 16]]))
                }),
            ),
            ("no ciphertext", good.with(|parts| parts.ciphertext.clear())),
            ("another thing for it", good.with(|parts| parts.ciphertext[0] = OCTET_STRING)),
            ("attributes", good.with(|parts| parts.tail.extend_from_slice(&attributes))),
            (
                "attributes before the tag",
                good.with(|parts| parts.tail = [attributes.clone(), parts.tail.clone()].concat()),
            ),
            (
                "attributes behind",
                good.with(|parts| parts.tail.extend_from_slice(&element(context(2), &[&attributes]))),
            ),
            ("a tag too many", good.with(|parts| parts.tail.extend_from_slice(&element(OCTET_STRING, &[&[0; 16]])))),
            ("something behind", good.with(|parts| parts.behind = small(0).to_vec())),
            ("text behind", good.with(|parts| parts.behind = label.to_vec())),
            ("a key identifier", info(within(rsa, &|parts| parts[1] = key_id.clone()), rsa)),
            ("another serial", info(within(rsa, &|parts| *parts[1].last_mut().unwrap() ^= 1), rsa)),
            ("a version of RSA's", info(within(rsa, &|parts| parts[0] = small(2).to_vec()), rsa)),
            (
                "a label",
                info(
                    within(rsa, &|parts| {
                        parts[2] = algorithm(oid::RSA_OAEP, &[&element(OCTET_STRING, &[label])[..]; 2].concat())
                    }),
                    rsa,
                ),
            ),
            (
                "a key of any length",
                info(within(rsa, &|parts| parts[3] = element(OCTET_STRING, &[&[b'x'; 4000]])), rsa),
            ),
            (
                "a key that is too short",
                info(within(rsa, &|parts| parts[3] = element(OCTET_STRING, &[&[b'x'; 255]])), rsa),
            ),
            (
                "RSA's name in an agreement",
                info(
                    within(curve, &|parts| {
                        parts[3] = sequence(&[&sequence(&[&named, &element(OCTET_STRING, &[&[7; 40]])])])
                    }),
                    curve,
                ),
            ),
            (
                "an agreed key of any length",
                info(
                    within(curve, &|parts| {
                        let agreed = wrap::issuer_and_serial(&carol.certificate).unwrap();
                        parts[3] = sequence(&[&sequence(&[&agreed, &element(OCTET_STRING, &[label])])]);
                    }),
                    curve,
                ),
            ),
            ("something behind RSA's", info(within(rsa, &|parts| parts.push(small(0).to_vec())), rsa)),
            (
                "an originator's certificate",
                info(within(curve, &|parts| parts[1] = element(context(0), &[&named])), curve),
            ),
            (
                "an originator's key identifier",
                info(within(curve, &|parts| parts[1] = element(context(0), &[&key_id])), curve),
            ),
            (
                "long key material",
                info(
                    within(curve, &|parts| parts.insert(2, element(context(1), &[&element(OCTET_STRING, &[label])]))),
                    curve,
                ),
            ),
            ("a key encryption key", info(element(context(2), &[&small(4)]), curve)),
            ("a password", info(element(context(3), &[&small(0)]), curve)),
            (
                "another kind",
                info(element(context(4), &[&der::oid(oid::DATA), &element(OCTET_STRING, &[label])]), curve),
            ),
        ];
        for (what, message) in broken {
            assert!(parse(&message, &to).is_err(), "{what} passed in {content:?}");
        }
    }
}

#[test]
fn faults_of_one_form_alone_are_refused() {
    let bob = ec_person("bob");
    let cbc = Parts::of(&sealed(TEXT, None, &[&bob], form(ContentEncryption::Cbc)));
    let gcm = Parts::of(&sealed(TEXT, None, &[&bob], form(ContentEncryption::Gcm)));
    let octets = |count: usize| element(0x80, &[&vec![7; count]]);
    let refused = |message: Vec<u8>| parse(&message, &[&bob]).is_err();
    for count in [0, 1, 15, 17, 31] {
        assert!(refused(cbc.with(|parts| parts.ciphertext = octets(count))), "{count}");
    }
    assert!(!refused(cbc.with(|parts| parts.ciphertext = octets(32))));
    for count in [0, 4, 12, 15, 17] {
        assert!(refused(gcm.with(|parts| parts.tail = element(OCTET_STRING, &[&vec![7; count]]))), "{count}");
    }
    assert!(refused(gcm.with(|parts| parts.tail.clear())));
    assert!(refused(cbc.with(|parts| parts.tail = gcm.tail.clone())));
    assert!(refused(cbc.with(|parts| parts.algorithm = gcm.algorithm.clone())));
    assert!(refused(gcm.with(|parts| parts.algorithm = cbc.algorithm.clone())));
    assert!(refused(gcm.with(|parts| parts.version = small(2).to_vec())));
}

#[test]
fn it_is_for_just_these_people() {
    let [bob, carol, dave] = [ec_person("bob"), person("carol", rsa()), ec_person("dave")];
    let both = sealed(TEXT, None, &[&bob, &carol], Form::default());
    assert_eq!(parse(&both, &[&carol, &bob]), Ok(()));
    assert_eq!(parse(&both, &[&bob]), Err("it is encrypted to somebody else too"));
    assert_eq!(parse(&both, &[&bob, &carol, &dave]), Err("it is not encrypted to every recipient"));
    assert_eq!(parse(&both, &[&bob, &dave]), Err("it is not encrypted to every recipient"));
    // Another certificate of the same name.
    assert!(parse(&both, &[&ec_person("bob"), &carol]).is_err());
    let elsewhere = Sealed::parse(both, envelope(&[&bob]), &recipients(&[&bob, &carol]));
    assert!(matches!(elsewhere, Err(SealError::LastLook(_))));
}

#[test]
fn one_certificate_for_two_addresses_is_named_once() {
    let bob = ec_person("bob");
    let team = Person { name: "team", ..bob.clone() };
    let message = sealed(TEXT, None, &[&bob, &team], Form::default());
    assert_eq!(Parts::of(&message).infos.len(), 1);
    assert_eq!(parse(&message, &[&bob, &team]), Ok(()));
}

/// The bytes for one recipient hold no trace of another (threat 11).
#[test]
fn a_message_apart_betrays_nobody() {
    let (alice, bob, dave) = (ec_person("alice"), ec_person("bob"), ec_person("dave"));
    let trace = wrap::issuer_and_serial(&dave.certificate).unwrap();
    let point = dave.certificate.x509.public_key().unwrap().public_key_to_der().unwrap();
    let holds = |message: &[u8], needle: &[u8]| Parts::of(message).der().windows(needle.len()).any(|w| w == needle);
    let to_dave = sealed(TEXT, Some(&alice), &[&dave], Form::default());
    let to_bob = sealed(TEXT, Some(&alice), &[&bob], Form::default());
    assert!(holds(&to_dave, &trace));
    assert!(!holds(&to_bob, &trace) && !holds(&to_bob, &point[point.len() - 32..]));
    assert!(!holds(&to_bob, b"dave"));
    assert_eq!(Parts::of(&to_bob).infos.len(), 1);
}
