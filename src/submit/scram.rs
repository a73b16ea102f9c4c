//! SCRAM-SHA-256 (RFC 5802, RFC 7677): the client's half, without any input or output.

use base64::{Engine, engine::general_purpose::STANDARD};
use icu_normalizer::ComposingNormalizerBorrowed;
use openssl::{
    error::ErrorStack, hash::MessageDigest, memcmp, pkcs5::pbkdf2_hmac, pkey::PKey, sha::sha256, sign::Signer,
};
use zeroize::Zeroizing;

/// Fewer than RFC 7677, 4 asks for would make guessing cheap for whoever recorded the exchange; more than the upper
/// bound costs seconds of computing at the word of a server that has proved nothing yet.
const ITERATIONS: std::ops::RangeInclusive<u32> = 4096..=2_000_000;

/// How the exchange is tied to the channel (RFC 5802, 6).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Binding {
    /// The server offers none, although we could.
    NotOffered,
    /// There is no data to bind to.
    Impossible,
    /// By the data of this type.
    Bound(&'static str, Vec<u8>),
}

/// An exchange under way.
pub(super) struct Scram {
    gs2: String,
    binding: Vec<u8>,
    bare: String,
    nonce: String,
    proof: Option<ServerProof>,
}

struct ServerProof(Zeroizing<Vec<u8>>);

/// Why the server is not believed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum ScramFault {
    /// Its part is wrong.
    Server(&'static str),
    /// It refused, in its own words (RFC 5802, 7: `e=`).
    Refused(String),
    /// OpenSSL failed.
    Library(String),
}

impl From<ErrorStack> for ScramFault {
    fn from(error: ErrorStack) -> Self {
        Self::Library(error.to_string())
    }
}

impl Scram {
    /// Begins one; the nonce is 18 random bytes.
    pub(super) fn new(user: &str, binding: Binding, nonce: &[u8; 18]) -> Self {
        let (gs2, binding) = match binding {
            Binding::NotOffered => ("y,,".to_owned(), Vec::new()),
            Binding::Impossible => ("n,,".to_owned(), Vec::new()),
            Binding::Bound(name, data) => (format!("p={name},,"), data),
        };
        let nonce = STANDARD.encode(nonce);
        let user = prepared(user).replace('=', "=3D").replace(',', "=2C");
        Self { gs2, binding, bare: format!("n={user},r={nonce}"), nonce, proof: None }
    }

    /// client-first-message.
    pub(super) fn first(&self) -> String {
        format!("{}{}", self.gs2, self.bare)
    }

    /// client-final-message, made from server-first-message.
    pub(super) fn last(&mut self, server: &[u8], password: &str) -> Result<String, ScramFault> {
        let malformed = ScramFault::Server("its challenge is malformed");
        let server = std::str::from_utf8(server).map_err(|_| malformed.clone())?;
        let mut parts = server.split(',');
        let (Some(nonce), Some(salt), Some(count)) = (
            parts.next().and_then(|part| part.strip_prefix("r=")),
            parts.next().and_then(|part| part.strip_prefix("s=")),
            parts.next().and_then(|part| part.strip_prefix("i=")),
        ) else {
            return Err(refusal(server).unwrap_or(malformed));
        };
        if !nonce.starts_with(&self.nonce) || nonce.len() == self.nonce.len() {
            return Err(ScramFault::Server("its nonce does not carry ours on"));
        }
        let salt = STANDARD.decode(salt).map_err(|_| malformed.clone())?;
        let count: u32 = count.parse().map_err(|_| malformed.clone())?;
        if salt.is_empty() {
            return Err(malformed);
        }
        if !ITERATIONS.contains(&count) {
            return Err(ScramFault::Server("its iteration count is outside of 4,096 to 2,000,000"));
        }

        let mut salted = Zeroizing::new([0; 32]);
        let password = Zeroizing::new(prepared(password));
        pbkdf2_hmac(password.as_bytes(), &salt, count as usize, MessageDigest::sha256(), &mut *salted)?;
        let channel = STANDARD.encode([self.gs2.as_bytes(), &self.binding].concat());
        let without_proof = format!("c={channel},r={nonce}");
        let message = format!("{},{server},{without_proof}", self.bare);
        let client_key = hmac(&*salted, b"Client Key")?;
        let signature = hmac(&sha256(&client_key), message.as_bytes())?;
        let proof: Zeroizing<Vec<u8>> =
            Zeroizing::new(client_key.iter().zip(signature.iter()).map(|(key, signature)| key ^ signature).collect());
        let server_key = hmac(&*salted, b"Server Key")?;
        self.proof = Some(ServerProof(hmac(&server_key, message.as_bytes())?));
        Ok(format!("{without_proof},p={}", STANDARD.encode(&*proof)))
    }

    /// Whether server-final-message proves that the server knows the password.
    pub(super) fn verify(&self, server: &[u8]) -> Result<(), ScramFault> {
        let malformed = ScramFault::Server("its proof is malformed");
        let server = std::str::from_utf8(server).map_err(|_| malformed.clone())?;
        if let Some(refused) = refusal(server) {
            return Err(refused);
        }
        let given =
            server.split(',').next().and_then(|part| part.strip_prefix("v=")).ok_or_else(|| malformed.clone())?;
        let given = STANDARD.decode(given).map_err(|_| malformed)?;
        match &self.proof {
            Some(ServerProof(expected)) if expected.len() == given.len() && memcmp::eq(expected, &given) => Ok(()),
            _ => Err(ScramFault::Server("its proof is wrong")),
        }
    }
}

fn refusal(server: &str) -> Option<ScramFault> {
    server.strip_prefix("e=").map(|reason| ScramFault::Refused(super::reply::shown(reason.as_bytes())))
}

fn hmac(key: &[u8], data: &[u8]) -> Result<Zeroizing<Vec<u8>>, ErrorStack> {
    let key = PKey::hmac(key)?;
    let mut signer = Signer::new(MessageDigest::sha256(), &key)?;
    signer.update(data)?;
    signer.sign_to_vec().map(Zeroizing::new)
}

/// The mappings of SASLprep (RFC 4013, 2.1 and 2.2): other spaces become spaces, what is commonly mapped to nothing
/// goes, the rest is put into NFKC.
fn prepared(text: &str) -> String {
    let mapped: Zeroizing<String> = Zeroizing::new(
        text.chars()
            .filter(|c| {
                !matches!(c, '\u{ad}' | '\u{34f}' | '\u{1806}' | '\u{180b}'..='\u{180d}' | '\u{200b}'..='\u{200d}'
                    | '\u{2060}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}')
            })
            .map(|c| {
                if matches!(c, '\u{a0}' | '\u{1680}' | '\u{2000}'..='\u{200b}' | '\u{202f}' | '\u{205f}' | '\u{3000}') {
                    ' '
                } else {
                    c
                }
            })
            .collect(),
    );
    ComposingNormalizerBorrowed::new_nfkc().normalize(&mapped).into_owned()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    /// The exchange of RFC 7677, 3, whose nonce is not made as ours are.
    fn published() -> Scram {
        let nonce = "rOprNGfwEbeRWgbNEkqO";
        Scram {
            gs2: "n,,".into(),
            binding: Vec::new(),
            bare: format!("n=user,r={nonce}"),
            nonce: nonce.into(),
            proof: None,
        }
    }

    const SERVER_FIRST: &[u8] =
        b"r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096";

    #[test]
    fn the_published_exchange_comes_out() {
        let mut scram = published();
        assert_eq!(scram.first(), "n,,n=user,r=rOprNGfwEbeRWgbNEkqO");
        assert_eq!(
            scram.last(SERVER_FIRST, "pencil").unwrap(),
            "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="
        );
        scram.verify(b"v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=").unwrap();
    }

    #[test]
    fn a_server_that_does_not_know_the_password_is_not_believed() {
        let mut scram = published();
        scram.last(SERVER_FIRST, "pencil").unwrap();
        for wrong in [&b"v=7rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="[..], b"v=", b"v=%", b"", b"\xff"] {
            assert!(matches!(scram.verify(wrong), Err(ScramFault::Server(_))));
        }
        assert_eq!(scram.verify(b"e=invalid-proof"), Err(ScramFault::Refused("invalid-proof".into())));
        assert!(published().verify(b"v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=").is_err());
    }

    #[test]
    fn a_challenge_out_of_bounds_is_refused() {
        for wrong in [
            &b"r=rOprNGfwEbeRWgbNEkqO,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"[..],
            b"r=other,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096",
            b"r=rOprNGfwEbeRWgbNEkqOx,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4095",
            b"r=rOprNGfwEbeRWgbNEkqOx,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4294967295",
            b"r=rOprNGfwEbeRWgbNEkqOx,s=,i=4096",
            b"m=ext,r=rOprNGfwEbeRWgbNEkqOx,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096",
            b"",
        ] {
            assert!(matches!(published().last(wrong, "pencil"), Err(ScramFault::Server(_))), "{wrong:?}");
        }
    }

    #[test]
    fn names_and_bindings_are_written_as_the_grammar_asks() {
        let scram = Scram::new("a=b,c", Binding::NotOffered, &[0; 18]);
        assert_eq!(scram.first(), "y,,n=a=3Db=2Cc,r=AAAAAAAAAAAAAAAAAAAAAAAA");
        let scram = Scram::new("a", Binding::Bound("tls-exporter", vec![1]), &[0; 18]);
        assert!(scram.first().starts_with("p=tls-exporter,,n=a,"));
    }

    #[test]
    fn texts_are_prepared_as_rfc_4013_shows() {
        for (text, prepared_text) in
            [("I\u{ad}X", "IX"), ("user", "user"), ("\u{aa}", "a"), ("\u{2168}", "IX"), ("a\u{a0}b", "a b")]
        {
            assert_eq!(prepared(text), prepared_text);
        }
    }
}
