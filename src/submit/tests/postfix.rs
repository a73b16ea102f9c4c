//! The same against Postfix with Dovecot's SASL.

use super::{
    support::{Door, MailServer},
    *,
};

const USER: &str = MailServer::USER;

#[test]
fn a_real_server_takes_mail_by_every_door_and_login() {
    let (server, ca) = MailServer::with_ca();
    let mut pem = NamedTempFile::new().unwrap();
    pem.write_all(&ca.pem()).unwrap();
    let at = |door, tls, auth| {
        let mut settings = settings(&[(closed_port(), Tls::StartTls), (server.port(door), tls)]);
        settings.ca_file = Some(pem.path().to_owned());
        (settings.user, settings.auth) = (Some(USER.to_owned()), auth);
        settings.timeout = Duration::from_secs(20);
        settings
    };
    let by_password = || Given { password: Some(MailServer::PASSWORD), ..Given::default() };
    let by_token = |first: String| Given { tokens: vec![first, server.token()], ..Given::default() };
    let mut count = 0;
    for (door, tls, auth, mut secrets) in [
        (Door::StartTls, Tls::StartTls, Auth::Auto, by_password()),
        (Door::StartTls, Tls::StartTls, Auth::ScramSha256, by_password()),
        (Door::Implicit, Tls::Implicit, Auth::Plain, by_password()),
        (Door::Third, Tls::StartTls, Auth::Login, by_password()),
        (Door::Implicit, Tls::Implicit, Auth::OAuthBearer, by_token(server.expired_token())),
        (Door::StartTls, Tls::StartTls, Auth::XOAuth2, by_token(server.expired_token())),
    ] {
        let body = format!("Subject: [...]\r\n\r\n.\r\n..dots\r\nby {auth}\r\n");
        let sealed = message(&["bob@example.test", "carol@example.test"], body.as_bytes());
        let accepted = deliver(&at(door, tls, auth), &mut secrets, &sealed)
            .unwrap_or_else(|failure| panic!("{auth}: {failure}\n{}", server.log()));
        assert_eq!(outcomes(&accepted.attempts), [Outcome::Refused]);
        assert!(accepted.reply.contains("queued as"), "{accepted:?}");
        count += 1;
        let delivered = server.delivered("carol", count);
        let text = String::from_utf8_lossy(&delivered).replace("\r\n", "\n");
        assert!(text.ends_with(&format!("\n\n.\n..dots\nby {auth}\n")), "{text}");
        let hello = text.lines().find(|line| line.starts_with("Received:")).unwrap();
        assert!(hello.contains("[127.0.0.1]"), "{hello}");
    }

    let wrong = || Given { password: Some("wrong"), ..Given::default() };
    for auth in [Auth::ScramSha256, Auth::Plain, Auth::Login] {
        let failure = send(&at(Door::StartTls, Tls::StartTls, auth), &mut wrong()).unwrap_err();
        assert_eq!(outcomes(&failure.attempts), [Outcome::Refused, Outcome::BadLogin], "{failure}");
    }
    let stale = Given { tokens: vec![server.expired_token()], ..Given::default() };
    for auth in [Auth::OAuthBearer, Auth::XOAuth2] {
        let mut stale = Given { tokens: stale.tokens.clone(), ..Given::default() };
        let failure = send(&at(Door::StartTls, Tls::StartTls, auth), &mut stale).unwrap_err();
        let Cause::LoginRefused { reason, .. } = &*failure.cause else { panic!("{failure}") };
        assert!(reason.as_ref().is_some_and(|reason| reason.contains("status")), "{failure}");
    }
    let sealed = message(&["bob@example.test", "nobody@example.test"], MESSAGE);
    let before = server.mailbox("bob").len();
    let failure = deliver(&at(Door::StartTls, Tls::StartTls, Auth::Auto), &mut by_password(), &sealed).unwrap_err();
    assert_eq!(failure.refused().len(), 1);
    assert_eq!(server.mailbox("bob").len(), before);

    let big = [&b"x".repeat(70)[..], b"\r\n"].concat().repeat(200_000);
    let sealed = message(&["dave@example.test"], &big);
    deliver(&at(Door::StartTls, Tls::StartTls, Auth::Auto), &mut by_password(), &sealed).unwrap();
    assert!(server.delivered("dave", 1).len() > 200_000 * 71);
}
