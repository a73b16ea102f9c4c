//! A client and servers that lie.
#![allow(clippy::unwrap_used, clippy::expect_used)]

/// The servers of the integration tests.
#[allow(dead_code, unused_imports, missing_docs, clippy::duplicate_mod)]
#[path = "../../../tests/it/support"]
mod support {
    mod ca;
    pub mod lying_server;

    pub use ca::{Ca, Flaw, Identity};
}

use std::{
    io::Write,
    sync::{Arc, LazyLock},
    time::Duration,
};

use super::*;
use support::{
    Ca, Flaw, Identity,
    lying_server::{Face, LyingServer, Step as S, closed_port},
};

static AUTHORITY: LazyLock<Ca> = LazyLock::new(Ca::new);

const LIMIT: usize = 1000;

fn face(Identity { certificate, key }: Identity) -> Face {
    Face::new(certificate, key)
}

/// Reads the header of a request, and so many octets behind it.
fn request(body: usize) -> Vec<S> {
    let header = S::Do(Arc::new(|conversation| {
        while !conversation.line()?.is_empty() {}
        Ok(())
    }));
    vec![header, S::Bytes(body)]
}

fn serve(steps: &[S]) -> LyingServer {
    LyingServer::start(&face(AUTHORITY.server()), [request(0), steps.to_vec()].concat())
}

fn answering(text: &str) -> LyingServer {
    serve(&[S::Say(text.as_bytes().to_vec())])
}

/// One that redirects somewhere.
fn redirecting(status: u16, to: &str) -> LyingServer {
    answering(&format!("HTTP/1.1 {status} Moved\r\nLocation: {to}\r\nContent-Length: 0\r\n\r\n"))
}

fn ask_by(client: &Client, url: &str, post: Option<(&str, Vec<u8>)>) -> Result<Answer, HttpError> {
    ask_within(Duration::from_secs(20), client, url, post)
}

fn ask_within(
    patience: Duration,
    client: &Client,
    url: &str,
    post: Option<(&str, Vec<u8>)>,
) -> Result<Answer, HttpError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let limits = Limits { deadline: Instant::now() + patience, body: LIMIT };
        client.ask(&Request { url, accept: "text/plain", post }, limits).await
    })
}

fn own() -> Client {
    Client::new(Reach::Private)
}

fn ask(url: &str) -> Result<Answer, HttpError> {
    ask_by(&own(), url, None)
}

fn at(server: &LyingServer) -> String {
    format!("http://127.0.0.1:{}/a/b?c=d", server.port())
}

/// One that believes the authority of the tests.
fn believing() -> Client {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(&AUTHORITY.pem()).unwrap();
    own().believing(file.path()).unwrap()
}

fn secure(identity: Identity, steps: &[S]) -> LyingServer {
    LyingServer::start(&face(identity), [vec![S::Tls], request(0), steps.to_vec()].concat())
}

#[test]
fn it_gets_and_says_nothing_of_who_asks() {
    let server = answering("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 5\r\n\r\nhello more");
    let answer = ask(&(at(&server) + "#fragment")).unwrap();
    assert_eq!((answer.status, answer.body.as_slice()), (200, b"hello".as_slice()));
    assert_eq!(answer.media_type.as_deref(), Some("text/plain"));
    let expected = format!(
        "GET /a/b?c=d HTTP/1.1\r\nhost: 127.0.0.1:{}\r\naccept: text/plain\r\nconnection: close\r\n\r\n",
        server.port()
    );
    assert_eq!(server.record().clear_text(), expected);
}

#[test]
fn it_posts() {
    let said = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n";
    let script = [request(3), vec![S::Say(said.to_vec())]].concat();
    let server = LyingServer::start(&face(AUTHORITY.server()), script);
    let answer = ask_by(&own(), &at(&server), Some(("text/x", b"abc".to_vec()))).unwrap();
    assert_eq!(answer.body, b"hello");
    let said = server.record().clear_text();
    assert!(said.starts_with("POST /a/b?c=d HTTP/1.1\r\n") && said.ends_with("\r\n\r\nabc"), "{said}");
    assert!(said.contains("content-type: text/x\r\n") && said.contains("content-length: 3\r\n"), "{said}");
}

#[test]
fn any_status_is_an_answer() {
    let server = answering("HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\nno");
    assert_eq!(ask(&at(&server)).unwrap().status, 404);
    // What has no length ends with the connection.
    let server = answering("HTTP/1.1 200 OK\r\n\r\nhello");
    assert_eq!(ask(&at(&server)).unwrap().body, b"hello");
}

#[test]
fn everything_is_bounded() {
    let head = b"HTTP/1.1 200 OK\r\n";
    let endless = |head: &[u8]| serve(&[S::Say(head.to_vec()), S::Flood(b"xxxxxxxx\r\n", 1 << 30)]);
    let body = [&head[..], b"\r\n"].concat();
    assert!(matches!(ask(&at(&endless(&body))), Err(HttpError::TooLarge { limit: LIMIT, .. })));
    let named = [&head[..], b"Content-Length: 1073741824\r\n\r\n"].concat();
    assert!(matches!(ask(&at(&endless(&named))), Err(HttpError::TooLarge { .. })));
    let header = [&head[..], b"X: "].concat();
    let flood = serve(&[S::Say(header), S::Flood(b"xxxxxxxx", 1 << 30)]);
    assert!(matches!(ask(&at(&flood)), Err(HttpError::Protocol { .. })));
    let fields = serve(&[S::Say(head.to_vec()), S::Flood(b"X-Y: xxxxxxxx\r\n", 1 << 30)]);
    assert!(matches!(ask(&at(&fields)), Err(HttpError::Protocol { .. })));
    let exact = "x".repeat(LIMIT);
    let server = answering(&format!("HTTP/1.1 200 OK\r\nContent-Length: {LIMIT}\r\n\r\n{exact}"));
    assert_eq!(ask(&at(&server)).unwrap().body.len(), LIMIT);
}

#[test]
fn the_deadline_is_for_all_of_it() {
    let text = b"HTTP/1.1 200 OK\r\nContent-Length: 900\r\n\r\n".to_vec();
    let drip = S::Drip([text.clone(), vec![b'x'; 900]].concat(), Duration::from_millis(20));
    let before = Instant::now();
    for steps in [vec![S::Silence], vec![drip], vec![S::Say(text), S::Silence]] {
        let server = serve(&steps);
        let late = ask_within(Duration::from_millis(300), &own(), &at(&server), None);
        assert!(matches!(late, Err(HttpError::Deadline(_))), "{late:?}");
    }
    assert!(before.elapsed() < Duration::from_secs(10));
}

#[test]
fn what_is_no_http_is_an_error() {
    for text in [
        "",
        "hello\r\n\r\n",
        "220 mail.example.org ESMTP\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello",
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello!",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel",
    ] {
        let broken = ask(&at(&answering(text)));
        assert!(matches!(broken, Err(HttpError::Protocol { .. })), "{text:?}: {broken:?}");
    }
    let refused = ask(&format!("http://127.0.0.1:{}/", closed_port()));
    assert!(matches!(refused, Err(HttpError::Refused { .. })), "{refused:?}");
    let unresolved = ask("http://nowhere.invalid/");
    assert!(matches!(unresolved, Err(HttpError::Unresolved { .. })), "{unresolved:?}");
}

#[test]
fn only_plain_urls_are_asked() {
    for url in [
        "",
        "/relative",
        "ftp://example.org/",
        "file:///etc/passwd",
        "ldap://example.org/",
        "javascript:alert(1)",
        "http://",
        "http://user@127.0.0.1/",
        "http://:secret@127.0.0.1/",
        "http://127.0.0.1:99999/",
    ] {
        let refused = ask(url);
        assert!(matches!(refused, Err(HttpError::Url(_))), "{url:?}: {refused:?}");
    }
}

#[test]
fn redirects_are_followed_three_times() {
    let end = answering("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nend");
    let third = redirecting(308, &at(&end));
    let second = redirecting(301, &at(&third));
    // Relative to where it came from.
    let scripts = |first: Vec<S>| [request(0), first].concat();
    let relative = S::Say(b"HTTP/1.1 302 Found\r\nLocation: ../z\r\nContent-Length: 0\r\n\r\n".to_vec());
    let absolute = format!("HTTP/1.1 302 Found\r\nLocation: {}\r\nContent-Length: 0\r\n\r\n", at(&end));
    let first = LyingServer::starts(
        &face(AUTHORITY.server()),
        vec![scripts(vec![relative]), scripts(vec![S::Say(absolute.into_bytes())])],
    );
    assert_eq!(ask(&at(&first)).unwrap().body, b"end");
    assert!(first.records()[1].clear_text().starts_with("GET /z HTTP/1.1\r\n"));
    assert_eq!(ask(&at(&second)).unwrap().body, b"end");
    let fourth = redirecting(302, &at(&redirecting(302, &at(&second))));
    assert!(matches!(ask(&at(&fourth)), Err(HttpError::Redirects(_))));
    let nowhere = answering("HTTP/1.1 302 Found\r\nContent-Length: 0\r\n\r\n");
    assert!(matches!(ask(&at(&nowhere)), Err(HttpError::Redirects(_))));
    for elsewhere in ["file:///etc/passwd", "http://user:secret@127.0.0.1/", "gopher://127.0.0.1/"] {
        assert!(matches!(ask(&at(&redirecting(302, elsewhere))), Err(HttpError::Url(_))), "{elsewhere}");
    }
}

#[test]
fn a_redirect_keeps_the_method_unless_it_says_see_other() {
    for (status, method) in [(301, "POST"), (302, "POST"), (303, "GET"), (307, "POST"), (308, "POST")] {
        let end = answering("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nend");
        let first = redirecting(status, &at(&end));
        ask_by(&own(), &at(&first), Some(("text/x", b"abc".to_vec()))).unwrap();
        assert!(end.record().clear_text().starts_with(method), "{status}: {:?}", end.record());
    }
}

#[test]
fn strangers_do_not_lead_into_one_s_own_network() {
    let server = answering("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nend");
    let port = server.port();
    let hosts = "127.0.0.1 localhost 2130706433 0x7f.1 0177.0.0.1 [::1] [::ffff:127.0.0.1] [::ffff:7f00:1] 0 \
                 127.0.0.1.nip.invalid.@127.0.0.1 10.0.0.1 169.254.169.254 [fe80::1]";
    for host in hosts.split_whitespace() {
        let refused = ask_by(&Client::default(), &format!("http://{host}:{port}/"), None);
        assert!(matches!(refused, Err(HttpError::Private(_) | HttpError::Url(_))), "{host}: {refused:?}");
    }
    // By a redirect from one that may be asked.
    let client = Client::new(Reach::Also("127.0.0.1".parse().unwrap()));
    let door = redirecting(302, &format!("http://127.0.0.2:{port}/"));
    assert!(matches!(ask_by(&client, &at(&door), None), Err(HttpError::Private(host)) if host == "127.0.0.2"));
    assert!(ask_by(&client, &at(&server), None).is_ok());
    assert_eq!(server.records().len(), 1);
}

#[test]
fn https_is_checked_and_stays() {
    let good = S::Say(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nend".to_vec());
    let url = |server: &LyingServer| format!("https://localhost:{}/", server.port());
    let server = secure(AUTHORITY.server(), std::slice::from_ref(&good));
    assert_eq!(ask_by(&believing(), &url(&server), None).unwrap().body, b"end");
    assert!(server.record().secured_text().starts_with("GET / HTTP/1.1\r\n"));
    for flaw in [Flaw::Expired, Flaw::WrongHost, Flaw::SelfSigned] {
        let server = secure(AUTHORITY.flawed(flaw), std::slice::from_ref(&good));
        let refused = ask_by(&believing(), &url(&server), None);
        assert!(matches!(refused, Err(HttpError::Tls { .. })), "{flaw:?}: {refused:?}");
        assert_eq!(server.record().secured_text(), "");
    }
    let stranger = secure(Ca::new().server(), std::slice::from_ref(&good));
    assert!(matches!(ask_by(&believing(), &url(&stranger), None), Err(HttpError::Tls { .. })));

    let plain = answering("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nend");
    let out = format!("HTTP/1.1 302 Found\r\nLocation: {}\r\nContent-Length: 0\r\n\r\n", at(&plain));
    let server = secure(AUTHORITY.server(), &[S::Say(out.into_bytes())]);
    assert!(matches!(ask_by(&believing(), &url(&server), None), Err(HttpError::Downgrade(_))));
    assert!(plain.records().is_empty());
    // The other way is an improvement.
    let server = secure(AUTHORITY.server(), &[good]);
    let door = redirecting(302, &url(&server));
    assert_eq!(ask_by(&believing(), &at(&door), None).unwrap().body, b"end");
}

#[test]
fn a_host_is_where_the_user_says() {
    let good = S::Say(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nend".to_vec());
    let server = secure(AUTHORITY.server(), std::slice::from_ref(&good));
    let place = |host: &str, port: u16| HashMap::from([(host.to_owned(), SocketAddr::from(([127, 0, 0, 1], port)))]);
    let client = believing().placing(place("localhost", server.port()));
    let client = Client { reach: Reach::Public, ..client };
    assert_eq!(ask_by(&client, "https://localhost/", None).unwrap().body, b"end");
    assert!(server.record().secured_text().contains("host: localhost\r\n"));
    // Its certificate is checked all the same, and other hosts are where they are.
    let other = secure(AUTHORITY.server(), std::slice::from_ref(&good));
    let client = believing().placing(place("keys.example.test", other.port()));
    assert!(matches!(ask_by(&client, "https://keys.example.test/", None), Err(HttpError::Tls { .. })));
    let client = Client { reach: Reach::Public, ..client };
    let elsewhere = ask_by(&client, &format!("https://127.0.0.1:{}/", other.port()), None);
    assert!(matches!(elsewhere, Err(HttpError::Private(_))), "{elsewhere:?}");
}
