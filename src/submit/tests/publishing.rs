//! Servers that a domain names by SRV records, told by a name server of our own.

use std::net::{Ipv4Addr, SocketAddr, UdpSocket};

use super::*;
use crate::net::dns::Dns;

/// Answers each question for `name` with an SRV record, all others with NXDOMAIN.
fn name_server(records: Vec<(&'static str, u16, &'static str)>) -> Dns {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address: SocketAddr = socket.local_addr().unwrap();
    std::thread::spawn(move || {
        let mut buffer = [0; 1500];
        while let Ok((length, from)) = socket.recv_from(&mut buffer) {
            let question = &buffer[..length];
            let end = 12 + question[12..].iter().position(|&b| b == 0).unwrap() + 5;
            let asked = labels(&question[12..end]);
            let found: Vec<_> = records.iter().filter(|(name, ..)| *name == asked).collect();
            let code = if found.is_empty() { 3 } else { 0 };
            let mut reply = question[..2].to_vec();
            reply.extend([0x81, 0x80 | code, 0, 1, 0, found.len() as u8, 0, 0, 0, 0]);
            reply.extend(&question[12..end]);
            for (_, port, target) in found {
                let mut name = Vec::new();
                for label in target.split('.').filter(|label| !label.is_empty()) {
                    name.push(label.len() as u8);
                    name.extend(label.as_bytes());
                }
                name.push(0);
                reply.extend([0xc0, 12, 0, 33, 0, 1, 0, 0, 0, 60, 0, name.len() as u8 + 6, 0, 1, 0, 1]);
                reply.extend(port.to_be_bytes());
                reply.extend(name);
            }
            socket.send_to(&reply, from).unwrap();
        }
    });
    Dns::asking(address)
}

fn labels(mut name: &[u8]) -> String {
    let mut text = Vec::new();
    while let Some((length, rest)) = name.split_first().filter(|(length, _)| **length > 0) {
        text.push(String::from_utf8_lossy(&rest[..usize::from(*length)]).to_lowercase());
        name = &rest[usize::from(*length)..];
    }
    text.join(".")
}

fn published(domain: &str, dns: Dns) -> Settings {
    let mut settings = settings(&[(1, Tls::StartTls)]);
    (settings.host, settings.domain, settings.dns) = (None, domain.to_owned(), dns);
    settings
}

#[test]
fn a_server_inside_the_domain_is_used() {
    // The one target that resolves everywhere without a resolver, and lies inside of a domain.
    let server = LyingServer::start(&face(), honest(&[]));
    let dns = name_server(vec![
        ("_submission._tcp.0.0.1", server.port(), "127.0.0.1"),
        ("_submissions._tcp.0.0.1", closed_port(), "."),
    ]);
    let accepted = send(&published("0.0.1", dns), &mut Given::default()).unwrap();
    assert_eq!((accepted.endpoint.host.as_str(), accepted.endpoint.port), ("127.0.0.1", server.port()));
}

#[test]
fn a_server_outside_of_the_domain_is_not_believed() {
    let dns = name_server(vec![("_submissions._tcp.example.test", 465, "mail.evil.test")]);
    let failure = send(&published("example.test", dns), &mut Given::default()).unwrap_err();
    let Cause::ForeignServer { target, .. } = &*failure.cause else { panic!("{failure}") };
    assert_eq!(target, "mail.evil.test");
    for trick in ["notexample.test", "example.test.evil.test"] {
        let dns = name_server(vec![("_submission._tcp.example.test", 587, trick)]);
        let failure = send(&published("example.test", dns), &mut Given::default()).unwrap_err();
        assert!(matches!(*failure.cause, Cause::ForeignServer { .. }));
    }
}

#[test]
fn a_domain_that_names_none_is_unresolved() {
    let failure = send(&published("example.test", name_server(Vec::new())), &mut Given::default()).unwrap_err();
    assert!(matches!(*failure.cause, Cause::NoServer { .. }), "{failure}");
}

#[test]
fn a_silent_name_server_ends_at_the_deadline() {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let mut settings = published("example.test", Dns::asking(socket.local_addr().unwrap()));
    settings.timeout = Duration::from_millis(500);
    let start = Instant::now();
    let failure = send(&settings, &mut Given::default()).unwrap_err();
    assert!(matches!(*failure.cause, Cause::NoServer { .. }), "{failure}");
    assert!(start.elapsed() < Duration::from_secs(2));
}
