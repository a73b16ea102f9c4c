//! The Cryptographic Summary (RFC 9787, 3): what is known of a message once its layers are undone. Its JSON is the
//! public one of `sealpost open`: fields are added, never renamed.

use serde::{Serialize, Serializer};

use crate::{
    crypt::{BadReason, SuiteName, UnknownReason},
    mail::{Address, protected::ShownField},
};

/// What is known of a message.
#[derive(Clone, Debug)]
pub struct Summary {
    /// Of which suite its layers are, that of the encryption first; none without a layer.
    pub suite: Option<SuiteName>,
    /// Whether a layer of the Cryptographic Envelope was decrypted.
    pub encrypted: bool,
    /// The state of the signature over the whole message.
    pub signature: Signature,
    /// The header fields, with the protection of each.
    pub headers: Headers,
    /// What a reader should know besides, each kind once.
    pub warnings: Vec<Warning>,
}

/// The signature, about the whole message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Signature {
    /// Whether it holds.
    pub state: State,
    /// What it covers.
    pub covers: Covers,
    /// Why it is not good; none if it is, or if there is none.
    pub reason: Option<Reason>,
    /// On what the reason rests, in words, where it says too little; what comes from outside is not made visible
    /// here.
    pub detail: Option<String>,
    /// Who made it, as far as is known.
    pub signers: Vec<Signer>,
}

/// Whether the signature holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// Over the whole message, by the one author, with a genuine certificate and strong algorithms.
    Good,
    /// It may hold.
    Unknown,
    /// It does not count.
    Bad,
    /// No signature in the envelope.
    None,
}

/// What a signature covers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Covers {
    /// The whole message.
    Message,
    /// A part: an inline or errant signature that holds.
    Part,
    /// Nothing.
    None,
}

/// Why a signature is not good.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Reason {
    /// It may hold.
    Unknown(UnknownReason),
    /// It does not count.
    Bad(BadReason),
}

impl Reason {
    /// As it stands in JSON.
    pub fn word(self) -> &'static str {
        match self {
            Self::Unknown(UnknownReason::NoCertificate) => "no-certificate",
            Self::Unknown(UnknownReason::Untrusted) => "untrusted",
            Self::Bad(BadReason::Invalid) => "invalid",
            Self::Bad(BadReason::Missing) => "missing",
            Self::Bad(BadReason::Weak) => "weak",
            Self::Bad(BadReason::Expired) => "expired",
            Self::Bad(BadReason::Revoked) => "revoked",
            Self::Bad(BadReason::NotYetValid) => "not-yet-valid",
            Self::Bad(BadReason::WrongSigner) => "wrong-signer",
            Self::Bad(BadReason::SeveralFrom) => "several-from",
            Self::Bad(BadReason::NoFrom) => "no-from",
            Self::Bad(BadReason::SeveralLayers) => "several-layers",
            Self::Bad(BadReason::Malformed) => "malformed",
        }
    }
}

/// One signer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Signer {
    /// The author's address if the certificate bears it, else its first; none without a certificate at hand.
    #[serde(serialize_with = "as_text")]
    pub address: Option<Address>,
    /// Of the certificate, or what the signature names.
    pub fingerprint: String,
}

/// The fields shown, in order; in JSON an object by name.
#[derive(Clone, Debug)]
pub struct Headers(pub Vec<ShownField>);

/// One thing that a reader should know.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Warning {
    /// Of which kind.
    pub kind: WarningKind,
    /// In words; what comes from outside is not made visible here.
    pub text: String,
}

/// The closed list of warnings.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum WarningKind {
    /// A cryptographic layer that is not part of the envelope.
    ErrantLayer,
    /// A signature outside an encryption covers ciphertext only.
    OuterSignature,
    /// A clear-signed text.
    InlineSignature,
    /// S/MIME CBC without a good signature inside.
    UnauthenticatedEncryption,
    /// The inner From is not the outer one.
    FromMismatch,
    /// Several From fields or mailboxes.
    SeveralFrom,
    /// A display name that looks like another address.
    DisplayName,
    /// The Date is more than an hour from the time of signing.
    DateMismatch,
    /// A key that is too weak by now.
    WeakKey,
    /// A key that had expired.
    ExpiredKey,
    /// An address that looks like another.
    Lookalike,
    /// A mangled message that was mended.
    Repaired,
    /// Something was left out, because it is too much.
    Limit,
}

impl Summary {
    /// Whether it has a good signature by an address.
    pub fn is_signed_by(&self, address: &Address) -> bool {
        self.signature.state == State::Good
            && self.signature.signers.iter().any(|signer| signer.address.as_ref() == Some(address))
    }

    /// Whether a warning was given.
    pub fn warns(&self, kind: WarningKind) -> bool {
        self.warnings.iter().any(|warning| warning.kind == kind)
    }
}

impl Serialize for Headers {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Value<'a> {
            value: &'a str,
            protection: crate::mail::protected::Protection,
        }
        let fields = self.0.iter();
        serializer
            .collect_map(fields.map(|field| (field.name, Value { value: &field.value, protection: field.protection })))
    }
}

fn as_text<S: Serializer>(address: &Option<Address>, serializer: S) -> Result<S::Ok, S::Error> {
    match address {
        Some(address) => serializer.collect_str(address),
        None => serializer.serialize_none(),
    }
}
