//! AUTH, told by a server that knows the password, or does not.

use std::sync::Arc;

use base64::{Engine, engine::general_purpose::STANDARD};
use openssl::{hash::MessageDigest, pkcs5::pbkdf2_hmac, pkey::PKey, sha::sha256, sign::Signer, ssl::SslVersion};

use super::*;
use support::lying_server::Conversation;

const PASSWORD: &str = "correct horse";

fn by_password() -> Given {
    Given { password: Some(PASSWORD), ..Given::default() }
}

fn by_token(tokens: &[&str]) -> Given {
    Given { tokens: tokens.iter().map(|token| (*token).to_owned()).collect(), ..Given::default() }
}

fn as_alice(server: &LyingServer, auth: Auth) -> Settings {
    let mut settings = starttls(server);
    settings.user = Some("alice".to_owned());
    settings.auth = auth;
    settings
}

/// A login by these answers, then a message.
fn logging_in(offers: &[&str], answers: &[&str]) -> LyingServer {
    let answers = join(answers.iter().map(|line| answer(line)));
    LyingServer::start(&face(), join([opening(offers), answers, envelope_taken(), taken()]))
}

#[test]
fn plain_login_and_external_are_spoken() {
    let server = logging_in(&["AUTH LOGIN PLAIN"], &["235 welcome"]);
    send(&as_alice(&server, Auth::Auto), &mut by_password()).unwrap();
    let line = format!("AUTH PLAIN {}\r\n", STANDARD.encode("\0alice\0correct horse"));
    assert!(server.record().secured_text().contains(&line));

    let server = logging_in(&["AUTH LOGIN PLAIN"], &["334 VXNlcm5hbWU6", "334 UGFzc3dvcmQ6", "235 welcome"]);
    send(&as_alice(&server, Auth::Login), &mut by_password()).unwrap();
    let lines = format!("AUTH LOGIN\r\n{}\r\n{}\r\n", STANDARD.encode("alice"), STANDARD.encode(PASSWORD));
    assert!(server.record().secured_text().contains(&lines));
}

#[test]
fn a_client_certificate_logs_in() {
    let Identity { certificate, key } = AUTHORITY.0.server();
    let identity =
        crate::net::tls::Identity::from_pem(&certificate.to_pem().unwrap(), &key.private_key_to_pem_pkcs8().unwrap());
    for (user, word) in [(None, "="), (Some("alice"), "YWxpY2U=")] {
        let script = join([opening(&["AUTH EXTERNAL"]), answer("235 welcome"), envelope_taken(), taken()]);
        let server = LyingServer::start(&face(), script);
        let mut settings = starttls(&server);
        settings.user = user.map(str::to_owned);
        settings.auth = Auth::External;
        settings.identity = Some(identity.as_ref().unwrap().clone());
        send(&settings, &mut Given::default()).unwrap();
        assert!(server.record().secured_text().contains(&format!("AUTH EXTERNAL {word}\r\n")));
    }
}

#[test]
fn a_client_certificate_that_is_demanded_and_missing_is_bad_tls() {
    let demanding = face().demand(Ca::new().server().certificate);
    let server = LyingServer::start(&demanding, opening(&[]));
    let failure = send(&starttls(&server), &mut Given::default()).unwrap_err();
    assert_eq!(outcomes(&failure.attempts), [Outcome::BadTls], "{failure}");
}

#[test]
fn refusals_and_wants_are_bad_logins() {
    for (offers, reply, outcome) in [
        (&["AUTH PLAIN"][..], "535 5.7.8 no", Outcome::BadLogin),
        (&["AUTH PLAIN"], "504 no", Outcome::BadLogin),
        (&["AUTH PLAIN"], "454 later", Outcome::Temporary),
        (&["AUTH PLAIN"], "250 what", Outcome::Protocol),
        (&["AUTH GSSAPI NTLM"], "", Outcome::BadLogin),
        (&[], "", Outcome::BadLogin),
    ] {
        let server = LyingServer::start(&face(), join([opening(offers), answer(reply), answer("221 bye")]));
        let failure = send(&as_alice(&server, Auth::Auto), &mut by_password()).unwrap_err();
        assert_eq!(outcomes(&failure.attempts), [outcome], "{reply}: {failure}");
        let said = server.record().secured_text();
        assert!(!said.contains("MAIL"));
        assert!(said.matches("AUTH").count() <= 1, "no weaker mechanism after a refusal");
    }
}

#[test]
fn a_mechanism_that_is_asked_for_is_the_only_one() {
    let server = LyingServer::start(&face(), join([opening(&["AUTH PLAIN LOGIN"]), answer("221 bye")]));
    let failure = send(&as_alice(&server, Auth::ScramSha256), &mut by_password()).unwrap_err();
    let Cause::NoMechanism { offered, .. } = &*failure.cause else { panic!("{failure}") };
    assert_eq!(offered, &["PLAIN", "LOGIN"]);
}

#[test]
fn missing_parts_are_told_before_anything_is_tried() {
    let settings = |auth, user: Option<&str>| {
        let mut settings = settings(&[(1, Tls::StartTls)]);
        (settings.auth, settings.user) = (auth, user.map(str::to_owned));
        settings
    };
    for (auth, user, mut secrets) in [
        (Auth::Plain, None, by_password()),
        (Auth::Plain, Some("alice"), by_token(&["t"])),
        (Auth::XOAuth2, Some("alice"), by_password()),
        (Auth::External, Some("alice"), by_password()),
        (Auth::Auto, Some("alice"), Given::default()),
    ] {
        let failure = send(&settings(auth, user), &mut secrets).unwrap_err();
        assert!(matches!(*failure.cause, Cause::Incomplete { .. }), "{failure}");
        assert_eq!(failure.attempts, []);
    }
}

#[test]
fn tokens_of_any_length_go_through() {
    for length in [10, 3_000, 100_000] {
        let token = "t".repeat(length);
        let initial = STANDARD.encode(format!("user=alice\x01auth=Bearer {token}\x01\x01"));
        let own_line = length > 100;
        let answers: &[&str] = if own_line { &["334 ", "235 welcome"] } else { &["235 welcome"] };
        let server = logging_in(&["AUTH XOAUTH2 PLAIN"], answers);
        send(&as_alice(&server, Auth::Auto), &mut by_token(&[&token])).unwrap();
        let between = if own_line { "\r\n" } else { " " };
        assert!(server.record().secured_text().contains(&format!("AUTH XOAUTH2{between}{initial}\r\n")));
    }
}

#[test]
fn a_token_is_fetched_once_more_after_a_refusal() {
    let reason = STANDARD.encode(r#"{"status":"401","schemes":"bearer"}"#);
    let refusal = format!("334 {reason}");
    let server = logging_in(&["AUTH OAUTHBEARER"], &[&refusal, "535 no", "235 welcome"]);
    let mut secrets = by_token(&["stale-token", "fresh-token"]);
    send(&as_alice(&server, Auth::OAuthBearer), &mut secrets).unwrap();
    assert_eq!(secrets.asked, 2);
    let said = server.record().secured_text();
    let initial = |token: &str| {
        let port = server.port();
        STANDARD.encode(format!("n,a=alice,\x01host=localhost\x01port={port}\x01auth=Bearer {token}\x01\x01"))
    };
    assert!(said.contains(&format!(
        "AUTH OAUTHBEARER {}\r\nAQ==\r\nAUTH OAUTHBEARER {}\r\n",
        initial("stale-token"),
        initial("fresh-token")
    )));
}

#[test]
fn the_reason_of_a_refused_token_is_shown() {
    let reason = format!("334 {}", STANDARD.encode("{\"status\":\"400\",\"token\":\"stale-token\"}\x1b[2J"));
    let twice: Vec<_> = [&reason, "535 5.7.8 no", &reason, "535 5.7.8 no", "221 bye"].into_iter().map(answer).collect();
    let server = LyingServer::start(&face(), join([opening(&["AUTH XOAUTH2"]), join(twice)]));
    let mut secrets = by_token(&["stale-token"]);
    let failure = send(&as_alice(&server, Auth::Auto), &mut secrets).unwrap_err();
    let Cause::LoginRefused { reason: Some(reason), .. } = &*failure.cause else { panic!("{failure}") };
    assert_eq!(reason, "{\"status\":\"400\",\"token\":\"***\"}\u{fffd}[2J");
    assert_eq!(secrets.asked, 2);
}

#[test]
fn a_secret_that_the_server_says_back_is_not_shown() {
    let line = STANDARD.encode("\0alice\0correct horse");
    let reply = format!("535 {line} is wrong, so is {PASSWORD}");
    let server = LyingServer::start(&face(), join([opening(&["AUTH PLAIN"]), answer(&reply), answer("221 bye")]));
    let failure = send(&as_alice(&server, Auth::Auto), &mut by_password()).unwrap_err();
    let shown = format!("{failure} {failure:?}");
    assert!(!shown.contains(&line) && !shown.contains(PASSWORD), "{shown}");
}

/// The server's half of SCRAM-SHA-256, which ends as it is told.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Half {
    Honest,
    WrongProof,
    NoProof,
    WeakCount,
}

fn scram(half: Half, bound: Option<&'static str>) -> S {
    S::Do(Arc::new(move |conversation: &mut Conversation| {
        let hmac = |key: &[u8], data: &[u8]| {
            let key = PKey::hmac(key).unwrap();
            let mut signer = Signer::new(MessageDigest::sha256(), &key).unwrap();
            signer.update(data).unwrap();
            signer.sign_to_vec().unwrap()
        };
        let line = conversation.line()?;
        let first = String::from_utf8(STANDARD.decode(line.rsplit(' ').next().unwrap()).unwrap()).unwrap();
        let (gs2, bare) = first.split_once(",,").map(|(gs2, bare)| (format!("{gs2},,"), bare.to_owned())).unwrap();
        assert_eq!(gs2, bound.map_or("y,,".to_owned(), |name| format!("p={name},,")));
        let nonce = bare.rsplit_once("r=").unwrap().1.to_owned();
        let count = if half == Half::WeakCount { 1 } else { 4096 };
        let server_first = format!("r={nonce}server,s=c2FsdHNhbHQ=,i={count}");
        conversation.say(format!("334 {}\r\n", STANDARD.encode(&server_first)).as_bytes())?;

        let line = conversation.line()?;
        if line == "*" {
            return conversation.say(b"501 aborted\r\n");
        }
        let last = String::from_utf8(STANDARD.decode(&line).unwrap()).unwrap();
        let (without_proof, proof) = last.rsplit_once(",p=").unwrap();
        let mut data = vec![0; 32];
        let ssl = conversation.ssl().unwrap();
        match bound {
            Some("tls-exporter") => {
                ssl.export_keying_material(&mut data, "EXPORTER-Channel-Binding", Some(b"")).unwrap()
            }
            Some(_) => {
                data.resize(64, 0);
                let length = ssl.peer_finished(&mut data);
                data.truncate(length);
            }
            None => data.clear(),
        }
        let channel = STANDARD.encode([gs2.as_bytes(), &data].concat());
        assert_eq!(without_proof, format!("c={channel},r={nonce}server"));
        let mut salted = [0; 32];
        pbkdf2_hmac(PASSWORD.as_bytes(), b"saltsalt", 4096, MessageDigest::sha256(), &mut salted).unwrap();
        let message = format!("{bare},{server_first},{without_proof}");
        let client_key = hmac(&salted, b"Client Key");
        let signature = hmac(&sha256(&client_key), message.as_bytes());
        let expected: Vec<u8> = client_key.iter().zip(&signature).map(|(a, b)| a ^ b).collect();
        if STANDARD.decode(proof).unwrap() != expected {
            return conversation.say(b"535 wrong password\r\n");
        }
        let mut proof = hmac(&hmac(&salted, b"Server Key"), message.as_bytes());
        match half {
            Half::NoProof => return conversation.say(b"235 welcome\r\n"),
            Half::WrongProof => proof[0] ^= 1,
            _ => {}
        }
        let server_final = format!("v={}", STANDARD.encode(proof));
        conversation.say(format!("334 {}\r\n", STANDARD.encode(server_final)).as_bytes())?;
        match conversation.line()?.as_str() {
            "" => conversation.say(b"235 welcome\r\n"),
            _ => conversation.say(b"501 aborted\r\n"),
        }
    }))
}

#[test]
fn scram_is_taken_before_plain_and_bound_where_it_can_be() {
    for (face, offers, bound) in [
        (face(), "AUTH PLAIN SCRAM-SHA-256", None),
        (face(), "AUTH PLAIN SCRAM-SHA-256 SCRAM-SHA-256-PLUS", Some("tls-exporter")),
        (face().up_to(SslVersion::TLS1_2), "AUTH SCRAM-SHA-256-PLUS", Some("tls-unique")),
    ] {
        let script = join([opening(&[offers]), vec![scram(Half::Honest, bound)], envelope_taken(), taken()]);
        let server = LyingServer::start(&face, script);
        send(&as_alice(&server, Auth::Auto), &mut by_password()).unwrap();
        assert!(!server.record().secured_text().contains(PASSWORD));
    }
}

#[test]
fn a_server_that_does_not_prove_itself_gets_no_mail() {
    for half in [Half::WrongProof, Half::NoProof, Half::WeakCount] {
        let script = join([opening(&["AUTH SCRAM-SHA-256"]), vec![scram(half, None)], answer("221 bye")]);
        let server = LyingServer::start(&face(), script);
        let failure = send(&as_alice(&server, Auth::Auto), &mut by_password()).unwrap_err();
        assert!(matches!(*failure.cause, Cause::Unproven { .. }), "{failure}");
        assert_eq!(outcomes(&failure.attempts), [Outcome::BadLogin]);
        assert!(!server.record().secured_text().contains("MAIL"));
    }
}

#[test]
fn a_wrong_password_is_told_by_scram_too() {
    let script = join([opening(&["AUTH SCRAM-SHA-256"]), vec![scram(Half::Honest, None)], answer("221 bye")]);
    let server = LyingServer::start(&face(), script);
    let mut secrets = Given { password: Some("wrong"), ..Given::default() };
    let failure = send(&as_alice(&server, Auth::Auto), &mut secrets).unwrap_err();
    assert!(matches!(*failure.cause, Cause::LoginRefused { .. }));
}
