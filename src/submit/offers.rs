//! What a server offers, as its EHLO reply says (RFC 5321, 4.1.1.1).

use super::Reply;

/// The extensions that matter here. All of it comes from the EHLO inside TLS; of the one in clear nothing but
/// `starttls` is looked at (RFC 3207, 4.2).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Offers {
    /// STARTTLS (RFC 3207).
    pub starttls: bool,
    /// PIPELINING (RFC 2920).
    pub pipelining: bool,
    /// SIZE (RFC 1870): the most that a message may have, in bytes; 0 sets no limit.
    pub size: Option<u64>,
    /// 8BITMIME (RFC 6152).
    pub eight_bit: bool,
    /// SMTPUTF8 (RFC 6531).
    pub smtputf8: bool,
    /// DSN (RFC 3461).
    pub dsn: bool,
    /// REQUIRETLS (RFC 8689).
    pub require_tls: bool,
    /// The mechanisms of AUTH (RFC 4954) in upper case.
    pub auth: Vec<String>,
}

impl Offers {
    /// Reads a reply to EHLO; keywords count without regard to case.
    pub(super) fn read(reply: &Reply) -> Self {
        let mut offers = Self::default();
        for line in reply.lines().iter().skip(1) {
            let line = line.to_ascii_uppercase();
            // `AUTH=LOGIN PLAIN` is how servers spoke before RFC 2554, and some still do.
            let line = line.replacen("AUTH=", "AUTH ", 1);
            let mut words = line.split_ascii_whitespace();
            match words.next() {
                Some("STARTTLS") => offers.starttls = true,
                Some("PIPELINING") => offers.pipelining = true,
                Some("SIZE") => offers.size = Some(words.next().and_then(|size| size.parse().ok()).unwrap_or(0)),
                Some("8BITMIME") => offers.eight_bit = true,
                Some("SMTPUTF8") => offers.smtputf8 = true,
                Some("DSN") => offers.dsn = true,
                Some("REQUIRETLS") => offers.require_tls = true,
                Some("AUTH") => {
                    for mechanism in words.map(str::to_owned) {
                        if !offers.auth.contains(&mechanism) {
                            offers.auth.push(mechanism);
                        }
                    }
                }
                _ => {}
            }
        }
        offers
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::submit::reply::Replies;

    #[test]
    fn keywords_are_read_without_case() {
        let mut replies = Replies::default();
        replies.push(
            b"250-SIZE\r\n250-size 1000\r\n250-Auth plain LOGIN\r\n250-AUTH=LOGIN\r\n250-pipelining\r\n250 dsn\r\n",
        );
        let offers = Offers::read(&replies.next().unwrap().unwrap());
        assert_eq!(
            offers,
            Offers {
                pipelining: true,
                size: Some(1000),
                dsn: true,
                auth: vec!["PLAIN".into(), "LOGIN".into()],
                ..Offers::default()
            }
        );
    }
}
