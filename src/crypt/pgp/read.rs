//! Reading: decrypting and verifying. Nothing comes out before the end of a message is proven (RFC 9580, 13.7),
//! and every failure below the packets that name the recipients is the same (13.4, 13.5).

mod survey;

use std::{
    io::{self, Read},
    path::Path,
};

use jiff::Timestamp;
use sequoia_openpgp as openpgp;
use zeroize::Zeroizing;

use openpgp::{
    Cert, KeyHandle,
    crypto::SessionKey,
    packet::{PKESK, SKESK, Tag, key},
    parse::{
        Dearmor, PacketParser, PacketParserBuilder, PacketParserResult, Parse,
        stream::{
            DecryptionHelper, DecryptorBuilder, DetachedVerifierBuilder, MessageLayer, MessageStructure,
            VerificationError, VerificationHelper, VerifierBuilder,
        },
    },
    types::{PublicKeyAlgorithm, SymmetricAlgorithm},
};

use crate::crypt::{
    AgentFailure,
    collect::{Content, collect},
};

use super::{
    Certificate, Fingerprint, Key, Lent, OpenError, SignatureFact,
    agent_key::{LentPart, PublicKey},
    armor::{self, Input, Kind},
    policy, verify,
};
use survey::Survey;

pub use survey::recipients_of;

/// With what to open.
pub struct Reader<'a> {
    /// Unlocked keys.
    pub keys: &'a [Key],
    /// Keys that agents have; they are asked last.
    pub lent: &'a [Lent],
    /// Certificates held genuine, those of the keys among them.
    pub certificates: &'a [Certificate],
    /// The time of judging.
    pub at: Timestamp,
    /// The most that may come out, in bytes.
    pub limit: usize,
}

/// Signature layers from the outermost, each with its signatures.
pub type Layers = Vec<Vec<SignatureFact>>;

/// What came out of an encrypted OpenPGP message, whole and proven.
pub struct Decrypted {
    /// The content of the literal packet.
    pub plaintext: Zeroizing<Vec<u8>>,
    /// The signature layers inside the encryption, from the outermost, each with its signatures.
    pub signatures: Layers,
    /// The certificate whose key opened it.
    pub opened_by: Fingerprint,
}

/// How much the library holds back. Nothing is given out before the end anyway, but below what its own buffers hold
/// it takes the beginning for the end and reads all the rest into memory, before our limit counts it.
const HELD_BACK: usize = 1 << 22;

/// The most trials of a key on a packet that is for it, or hides its recipient.
const MOST_TRIALS: usize = 1_000;

/// The most of them that an agent is asked for: a smartcard takes a second for each.
const MOST_LENT: usize = 20;

/// The most compression layers, and the most signatures.
const MOST_COMPRESSIONS: usize = 2;
const MOST_SIGNATURES: usize = 100;

impl Reader<'_> {
    /// Opens an encrypted OpenPGP message, armored or binary; nothing comes out before its end is proven.
    pub fn decrypt(&self, message: &[u8]) -> Result<Decrypted, OpenError> {
        let input = message_in(message)?;
        let mut helper = Helper::new(self);
        let chunked = helper.survey(&input)?;
        let strict = policy::strict(self.at);
        let opened = DecryptorBuilder::from_reader(input.reader())
            .map(|builder| builder.buffer_size(HELD_BACK))
            .and_then(|builder| builder.with_policy(&strict, policy::system_time(self.at), &mut helper))
            .map_err(|_| ())
            .and_then(|mut decryptor| match collect(&mut decryptor, input.size(), self.limit).map_err(|_| ())? {
                Content::TooLarge if !chunked => prove(decryptor, self.limit).map(|()| Content::TooLarge),
                content => Ok(content),
            });
        match opened {
            Ok(Content::Whole(plaintext)) => match helper.opened_by {
                Some(opened_by) => {
                    Ok(Decrypted { plaintext, signatures: helper.layers, opened_by: policy::fingerprint(&opened_by) })
                }
                None => Err(OpenError::Malformed("it is not encrypted")),
            },
            Ok(Content::TooLarge) => Err(OpenError::Limit("its content is too large")),
            Err(()) => Err(helper.failure()),
        }
    }

    /// Verifies detached signatures, armored or binary, over the exact bytes given.
    ///
    /// # Errors
    /// [`OpenError::Malformed`] if `signatures` holds none.
    pub fn verify_detached(&self, signatures: &[u8], over: &[u8]) -> Result<Vec<SignatureFact>, OpenError> {
        const NONE: OpenError = OpenError::Malformed("there is no signature where one is due");
        let input = Input::find(signatures).map_err(OpenError::Malformed)?;
        if !matches!(input, Input::Binary(_) | Input::Armored(Kind::Signature | Kind::Message, _))
            || packets(&input).is_err()
        {
            return Err(NONE);
        }
        let mut helper = Helper::new(self);
        let strict = policy::strict(self.at);
        let verified = DetachedVerifierBuilder::from_reader(input.reader())
            .and_then(|builder| builder.with_policy(&strict, policy::system_time(self.at), &mut helper))
            .and_then(|mut verifier| verifier.verify_bytes(over));
        let facts: Vec<SignatureFact> = helper.layers.into_iter().flatten().collect();
        match (verified, helper.refused, facts.is_empty()) {
            (_, Some(Refusal::Limit(what)), _) => Err(OpenError::Limit(what)),
            (Err(_), ..) | (.., true) => Err(NONE),
            (Ok(()), ..) => Ok(facts),
        }
    }

    /// Reads a signed message that is not encrypted: a cleartext-signed one, or one-pass signed.
    pub fn verify_inline(&self, message: &[u8]) -> Result<(Zeroizing<Vec<u8>>, Layers), OpenError> {
        const NOT_ONE: OpenError = OpenError::Malformed("it is not a signed OpenPGP message");
        let clear = message.trim_ascii_start().starts_with(b"-----BEGIN PGP SIGNED MESSAGE-----");
        let packets: Box<dyn Read + Send + Sync> = if clear {
            if !armor::is_one_clear_signed(message) {
                return Err(OpenError::Malformed("something stands beside its signed text"));
            }
            Box::new(message.trim_ascii_start())
        } else {
            let input = message_in(message)?;
            packets(&input).map_err(|_| NOT_ONE)?;
            input.reader()
        };
        let mut helper = Helper::new(self);
        let strict = policy::strict(self.at);
        let read = VerifierBuilder::from_reader(packets)
            .map(|builder| builder.buffer_size(HELD_BACK))
            .and_then(|builder| builder.with_policy(&strict, policy::system_time(self.at), &mut helper))
            .map_err(|_| ())
            .and_then(|mut verifier| collect(&mut verifier, message.len(), self.limit).map_err(|_| ()));
        match (read, helper.refused) {
            (_, Some(Refusal::Limit(what))) => Err(OpenError::Limit(what)),
            (Ok(Content::TooLarge), _) => Err(OpenError::Limit("its content is too large")),
            (Ok(Content::Whole(text)), None) if !helper.layers.is_empty() => Ok((text, helper.layers)),
            _ => Err(NOT_ONE),
        }
    }
}

/// The one message, armored as such or in packets.
fn message_in(bytes: &[u8]) -> Result<Input<'_>, OpenError> {
    match Input::find(bytes).map_err(OpenError::Malformed)? {
        Input::Armored(kind, _) if kind != Kind::Message => Err(OpenError::Malformed("its armor is of another kind")),
        input => Ok(input),
    }
}

/// The packets of an input as they are: what the library itself would take for armor is none.
fn packets<'a>(input: &Input<'a>) -> openpgp::Result<PacketParserResult<'a>> {
    PacketParserBuilder::from_reader(input.reader())?.dearmor(Dearmor::Disabled).build()
}

/// Why we stopped ourselves.
#[derive(Clone, Copy)]
enum Refusal {
    Limit(&'static str),
    Nested,
}

/// What the library asks while it reads.
struct Helper<'a> {
    keys: &'a [Key],
    lent: &'a [Lent],
    judge: verify::Judge<'a>,
    survey: Option<Survey>,
    opened_by: Option<openpgp::Fingerprint>,
    /// A packet was for a key of ours, or may have been in a way that must not be told from it.
    matched: bool,
    containers: usize,
    compressions: usize,
    signatures: usize,
    refused: Option<Refusal>,
    /// Why an agent did nothing.
    agent: Option<AgentFailure>,
    /// A key that is here was tried: what an agent says then would tell how far that one came.
    tried_here: bool,
    layers: Layers,
}

impl<'a> Helper<'a> {
    fn new(reader: &Reader<'a>) -> Self {
        Self {
            keys: reader.keys,
            lent: reader.lent,
            judge: verify::Judge { certificates: reader.certificates, at: reader.at, reader: None },
            survey: None,
            opened_by: None,
            matched: false,
            containers: 0,
            compressions: 0,
            signatures: 0,
            refused: None,
            agent: None,
            tried_here: false,
            layers: Vec::new(),
        }
    }

    /// Whether each chunk of the container is proven by itself (SEIPDv2).
    fn survey(&mut self, input: &Input<'_>) -> Result<bool, OpenError> {
        let survey = Survey::of(input)?;
        let modern = survey.modern;
        self.survey = Some(survey);
        Ok(modern)
    }

    /// One name for all that may go wrong once a key fits; what stands in clear may be told.
    fn failure(self) -> OpenError {
        let Some(survey) = self.survey else { return OpenError::Undecryptable };
        match (self.refused, self.agent) {
            // Nothing was decrypted, so it tells nothing of what is in it.
            (None, Some(failure)) if self.opened_by.is_none() && !self.tried_here => {
                return OpenError::Agent(Box::new(failure));
            }
            _ => (),
        }
        match self.refused {
            // Before the end is proven, only an authenticated chunk may say what is in it.
            Some(_) if self.opened_by.is_some() && !survey.modern => OpenError::Undecryptable,
            Some(Refusal::Limit(what)) => OpenError::Limit(what),
            Some(Refusal::Nested) => OpenError::Malformed("it is encrypted inside the encryption"),
            None if self.matched => OpenError::Undecryptable,
            None => OpenError::NoKey { recipients: survey.recipients, hidden: survey.hidden },
        }
    }

    /// Every packet with every key that it may be for, those in agents last.
    fn trials<'p>(&self, pkesks: &'p [PKESK]) -> Vec<(&'p PKESK, &'a Cert, Secret<'a>)> {
        let keys = self.keys.iter().map(|key| &key.cert);
        let here =
            keys.flat_map(|cert| cert.keys().unencrypted_secret().map(move |key| (cert, Secret::Here(key.key()))));
        let lent = self.lent.iter().flat_map(Lent::parts).map(|(cert, part)| (cert, Secret::Lent(Box::new(part))));
        let secrets: Vec<_> = here.chain(lent).collect();
        let fits = |pkesk: &PKESK, key: &PublicKey| {
            key.pk_algo().for_encryption()
                && key.pk_algo() == pkesk.pk_algo()
                && pkesk.recipient().is_none_or(|recipient| recipient.aliases(key.key_handle()))
        };
        let mut trials = Vec::new();
        for pkesk in pkesks {
            let fitting = secrets.iter().filter(|(_, secret)| fits(pkesk, secret.public()));
            trials.extend(fitting.map(|(cert, secret)| (pkesk, *cert, secret.clone())));
            if trials.len() > MOST_TRIALS {
                break;
            }
        }
        trials.sort_by_key(|(pkesk, _, secret)| (secret.is_lent(), pkesk.recipient().is_none()));
        trials
    }

    fn try_key(
        &mut self,
        pkesk: &PKESK,
        secret: Secret<'_>,
        algorithm: Option<SymmetricAlgorithm>,
        decrypt: &mut dyn FnMut(Option<SymmetricAlgorithm>, &SessionKey) -> bool,
    ) -> bool {
        let opened = match secret {
            Secret::Here(secret) => {
                self.tried_here = true;
                let pair = secret.clone().into_keypair().ok();
                pair.and_then(|mut pair| pkesk.decrypt(&mut pair, algorithm))
            }
            Secret::Lent(part) if self.is_gone(part.home()) => None,
            Secret::Lent(mut part) => {
                let opened = pkesk.decrypt(&mut *part, algorithm);
                self.agent = part.failed.or(self.agent.take());
                opened
            }
        };
        opened.is_some_and(|(algorithm, session_key)| decrypt(algorithm, &session_key))
    }

    /// Whether the agent of a GnuPG home need not be asked again.
    fn is_gone(&self, home: &Path) -> bool {
        self.agent.as_ref().is_some_and(|failure| failure.error.is_final() && failure.home == home)
    }

    fn refuse<T>(&mut self, why: Refusal) -> openpgp::Result<T> {
        self.refused = self.refused.or(Some(why));
        Err(openpgp::Error::MalformedMessage("refused".into()).into())
    }
}

impl VerificationHelper for &mut Helper<'_> {
    fn inspect(&mut self, parser: &PacketParser<'_>) -> openpgp::Result<()> {
        match parser.packet.tag() {
            Tag::SEIP | Tag::SED | Tag::AED => {
                self.containers += 1;
                if self.containers > 1 {
                    return self.refuse(Refusal::Nested);
                }
            }
            Tag::PKESK | Tag::SKESK if self.opened_by.is_some() => return self.refuse(Refusal::Nested),
            Tag::CompressedData => {
                self.compressions += 1;
                if self.compressions > MOST_COMPRESSIONS {
                    return self.refuse(Refusal::Limit("it is compressed too often"));
                }
            }
            Tag::OnePassSig | Tag::Signature => {
                self.signatures += 1;
                if self.signatures > 2 * MOST_SIGNATURES {
                    return self.refuse(Refusal::Limit("it has too many signatures"));
                }
            }
            _ => (),
        }
        Ok(())
    }

    fn get_certs(&mut self, _: &[KeyHandle]) -> openpgp::Result<Vec<Cert>> {
        // The library's verdicts do not tell what must be told: `check` judges each signature itself.
        Ok(Vec::new())
    }

    fn check(&mut self, structure: MessageStructure<'_>) -> openpgp::Result<()> {
        self.judge.reader = self.opened_by.clone();
        for layer in structure {
            let MessageLayer::SignatureGroup { results } = layer else { continue };
            let facts = results.into_iter().map(|result| match result {
                Ok(good) => self.judge.judge(good.sig),
                Err(
                    VerificationError::MissingKey { sig }
                    | VerificationError::UnboundKey { sig, .. }
                    | VerificationError::BadKey { sig, .. }
                    | VerificationError::BadSignature { sig, .. }
                    | VerificationError::MalformedSignature { sig, .. },
                ) => self.judge.judge(sig),
                Err(_) => verify::malformed(),
            });
            let facts: Vec<SignatureFact> = facts.collect();
            self.layers.push(facts);
        }
        Ok(())
    }
}

impl DecryptionHelper for &mut Helper<'_> {
    fn decrypt(
        &mut self,
        pkesks: &[PKESK],
        _: &[SKESK],
        algorithm: Option<SymmetricAlgorithm>,
        decrypt: &mut dyn FnMut(Option<SymmetricAlgorithm>, &SessionKey) -> bool,
    ) -> openpgp::Result<Option<Cert>> {
        let trials = self.trials(pkesks);
        // Before the first one: whether it is told must depend on no decryption.
        if trials.len() > MOST_TRIALS {
            return self.refuse(Refusal::Limit("it may be for the keys at hand in too many ways"));
        }
        let spared = trials.iter().filter(|(.., secret)| secret.is_lent()).count().saturating_sub(MOST_LENT);
        let tried = trials.len() - spared;
        for (pkesk, key, secret) in trials.into_iter().take(tried) {
            // The padding of RSA tells what it must not; the others are authenticated.
            self.matched |= pkesk.recipient().is_some() || is_rsa(secret.public().pk_algo());
            if self.try_key(pkesk, secret, algorithm, decrypt) {
                self.matched = true;
                self.opened_by = Some(key.fingerprint());
                return Ok(Some(key.clone()));
            }
        }
        if spared > 0 && self.agent.is_none() {
            return self.refuse(Refusal::Limit("it may be for the keys in gpg-agent in too many ways"));
        }
        Err(openpgp::Error::MissingSessionKey("none".into()).into())
    }
}

type SecretKey = openpgp::packet::Key<key::SecretParts, key::UnspecifiedRole>;

/// A secret half that is here, or one that an agent has.
#[derive(Clone)]
enum Secret<'a> {
    Here(&'a SecretKey),
    Lent(Box<LentPart>),
}

impl Secret<'_> {
    fn is_lent(&self) -> bool {
        matches!(self, Self::Lent(_))
    }

    fn public(&self) -> &PublicKey {
        match self {
            Self::Here(key) => key.parts_as_public(),
            Self::Lent(part) => &part.public,
        }
    }
}

fn is_rsa(algorithm: PublicKeyAlgorithm) -> bool {
    #[allow(deprecated)]
    {
        matches!(algorithm, PublicKeyAlgorithm::RSAEncryptSign | PublicKeyAlgorithm::RSAEncrypt)
    }
}

/// Reads on to the end, where the MDC is, and gives nothing out: what is in a container of the older kind (SEIPDv1) is
/// told of a genuine one only. One with more than so many bytes left stays unproven.
fn prove(mut reader: impl Read, most: usize) -> Result<(), ()> {
    let mut chunk = Zeroizing::new(vec![0u8; 64 << 10]);
    let mut left = most;
    loop {
        match reader.read(&mut chunk) {
            Ok(0) => return Ok(()),
            Ok(count) => left = left.checked_sub(count).ok_or(())?,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => (),
            Err(_) => return Err(()),
        }
    }
}
