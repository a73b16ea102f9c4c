//! Opening one message: bytes, keys, certificates, a time and a requirement in; what may be read out. It reads no
//! file and prints nothing; [`save`] writes attachments.

pub mod save;

use jiff::Timestamp;

use crate::crypt::{
    OpenError,
    open::{Doubt, Readers, Released, Report, Requirement, Summary, Withheld, open_for},
    pgp, smime,
};

/// The most plaintext that one message may hold, in bytes: 100 MiB of attachments in base64, and some.
pub const MAX_PLAINTEXT: usize = 192 << 20;

/// The largest message that is opened, in bytes; a caller need not read further.
pub const MAX_MESSAGE: usize = 288 << 20;

/// With what to open, and what to require.
pub struct Opening<'a> {
    /// In OpenPGP.
    pub openpgp: OpenPgp<'a>,
    /// In S/MIME.
    pub smime: Smime<'a>,
    /// The time of judging.
    pub at: Timestamp,
    /// Which certificates of either suite are not genuine, and why.
    pub doubt: Doubt<'a>,
    /// What must hold before anything is read.
    pub requirement: &'a Requirement,
}

/// What OpenPGP messages are opened with.
pub struct OpenPgp<'a> {
    /// Unlocked keys.
    pub keys: &'a [pgp::Key],
    /// Keys that agents have.
    pub lent: &'a [pgp::Lent],
    /// Certificates at hand, the public halves of the keys among them.
    pub certificates: &'a [pgp::Certificate],
}

/// What S/MIME messages are opened with.
pub struct Smime<'a> {
    /// Unlocked keys.
    pub keys: &'a [smime::Key],
    /// Certificates at hand; genuine only by a chain or a pin.
    pub certificates: &'a [smime::Certificate],
    /// Whom to believe.
    pub authorities: &'a smime::Authorities,
    /// Certificates that need no chain.
    pub pins: &'a smime::Pins,
}

/// What opening comes to.
#[derive(Debug)]
pub enum Outcome {
    /// It may be read (exit 0).
    Released(Box<Released>),
    /// The requirement is not met (exit 3, `signature-required`): there is a summary and no text.
    Withheld(Box<Withheld>),
}

impl Opening<'_> {
    /// Opens one RFC 5322 message.
    ///
    /// ```
    /// # use sealpost::{crypt::{open::Requirement, smime::Authorities}, flow::open::{OpenPgp, Opening, Outcome, Smime}};
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let openpgp = OpenPgp { keys: &[], lent: &[], certificates: &[] };
    /// let smime = Smime { keys: &[], certificates: &[], authorities: &Authorities::default(), pins: &[] };
    /// let (at, doubt, requirement) = (jiff::Timestamp::UNIX_EPOCH, &|_, _: &_, _: &_| None, &Requirement::None);
    /// let opening = Opening { openpgp, smime, at, doubt, requirement };
    /// let outcome = opening.open(b"Subject: hello\n\nworld\n".to_vec())?;
    /// let Outcome::Released(message) = &outcome else { return Err("withheld".into()) };
    /// assert_eq!(message.text(), "world\n");
    /// assert!(serde_json::to_string(&outcome.report(None))?.starts_with(r#"{"version":1,"suite":null,"encrypted":false"#));
    /// # Ok(())
    /// # }
    /// ```
    pub fn open(&self, message: Vec<u8>) -> Result<Outcome, OpenError> {
        if message.len() > MAX_MESSAGE {
            return Err(OpenError::Limit("a message of more than 288 MiB"));
        }
        let (at, limit) = (self.at, MAX_PLAINTEXT);
        let OpenPgp { keys, lent, certificates } = self.openpgp;
        let pgp = pgp::Reader { keys, lent, certificates, at, limit };
        let Smime { keys, certificates, authorities, pins } = self.smime;
        let smime = smime::Reader { keys, certificates, authorities, pins, at, limit };
        let released = open_for(message, &Readers { pgp, smime, doubt: self.doubt }, self.requirement, at)?;
        Ok(match released {
            Ok(released) => Outcome::Released(Box::new(released)),
            Err(withheld) => Outcome::Withheld(Box::new(withheld)),
        })
    }
}

impl Outcome {
    /// What is known of the message.
    pub fn summary(&self) -> &Summary {
        match self {
            Self::Released(released) => released.summary(),
            Self::Withheld(withheld) => withheld.summary(),
        }
    }

    /// The public JSON; `file` where several were opened.
    pub fn report<'a>(&'a self, file: Option<&'a str>) -> Report<'a> {
        match self {
            Self::Released(released) => released.report(file),
            Self::Withheld(withheld) => withheld.report(file),
        }
    }
}
