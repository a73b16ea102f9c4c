//! The Cryptographic Envelope undone (RFC 9787, 4.4): the unbroken run of layers from the outermost part inwards,
//! and nothing deeper. Signed means RFC 3156, 5, encrypted RFC 3156, 4.

use zeroize::{Zeroize, Zeroizing};

use super::{
    Reads,
    summary::{Warning, WarningKind},
    unproven::{Stopped, begins_as_entity},
};
use crate::{
    crypt::{BadReason, Fingerprint, OpenError, SignatureFact, SuiteName, Verdict, smime},
    mail::{
        body,
        parse::{Limit, Part, Tree},
        protected::HeaderSection,
    },
};

/// The most layers in one envelope.
const MAX_LAYERS: usize = 8;
/// The most errant and inline signatures that are verified in one message.
const MAX_ERRANT: usize = 8;

/// The largest application/pkcs7-mime that may hold certificates only, encoded.
const MAX_CERTIFICATES: usize = 1 << 20;

const BEGIN_MESSAGE: &[u8] = b"-----BEGIN PGP MESSAGE-----";
const END_MESSAGE: &[u8] = b"-----END PGP MESSAGE-----";
const BEGIN_SIGNED: &[u8] = b"-----BEGIN PGP SIGNED MESSAGE-----";
const END_SIGNATURE: &[u8] = b"-----END PGP SIGNATURE-----";

/// A message without its envelope.
pub(super) struct Unwrapped {
    /// The header section that servers saw.
    pub outer: HeaderSection,
    /// What the envelope held.
    pub content: Content,
    /// The suite of the innermost encryption, if there was one.
    pub encrypted: Option<SuiteName>,
    /// Whether nothing proves that the innermost encryption was not changed.
    pub unauthenticated: bool,
    /// Whether nothing proves that some encryption was not changed.
    pub unproven: bool,
    /// Whose keys decrypted it.
    pub opened_by: Vec<Fingerprint>,
    /// The signature layers inside the encryption, from the outermost.
    pub signatures: Vec<SignatureLayer>,
    /// Signatures that hold over a part only.
    pub part: Vec<SignatureFact>,
    /// What was noticed on the way.
    pub warnings: Vec<Warning>,
}

/// What an envelope held.
pub(super) enum Content {
    /// A MIME entity, the payload's root at a part of it.
    Entity { bytes: Zeroizing<Vec<u8>>, tree: Tree, root: usize },
    /// The text of an inline OpenPGP message, in a character set.
    Text { bytes: Zeroizing<Vec<u8>>, charset: Option<String> },
}

/// One signature layer.
pub(super) struct SignatureLayer {
    pub suite: SuiteName,
    /// Its signatures, or what is wrong with its form.
    pub facts: Result<Vec<SignatureFact>, BadReason>,
}

/// What a part is to the envelope.
pub(super) enum Layer {
    /// Encrypted: the part that holds the ciphertext.
    Encrypted { ciphertext: usize, repaired: bool },
    /// Signed: the payload and the signature, or what is wrong with the form.
    Signed { suite: SuiteName, form: Result<(usize, usize), BadReason> },
    /// A body that is one armored message.
    Inline,
    /// CMS: encrypted, signed or compressed.
    Cms,
    /// No layer: the payload.
    Payload,
}

/// Undoes the layers of a message.
pub(super) fn unwrap(message: Vec<u8>, reader: &dyn Reads) -> Result<Unwrapped, Stopped> {
    let bytes = Zeroizing::new(message);
    let tree = parse(&bytes)?;
    let outer = HeaderSection::read(&bytes[tree.part(0).header.clone()]);
    if outer.is_empty() {
        return Err(OpenError::Malformed("it has no header field").into());
    }
    let mut found = Found::default();
    match undo(&mut found, bytes, tree, reader) {
        Ok(content) => Ok(found.into_unwrapped(outer, content)),
        Err(error) => Err(Stopped { error, unproven: found.unproven.then_some(outer) }),
    }
}

fn undo(
    found: &mut Found,
    mut bytes: Zeroizing<Vec<u8>>,
    mut tree: Tree,
    reader: &dyn Reads,
) -> Result<Content, OpenError> {
    let mut root = 0;
    for depth in 0.. {
        let layer = classify(&tree, root, &bytes, depth == 0)?;
        if depth >= MAX_LAYERS && !matches!(layer, Layer::Payload) {
            return Err(OpenError::Limit("more than 8 cryptographic layers"));
        }
        match layer {
            Layer::Payload => break,
            Layer::Cms => {
                let part = tree.part(root);
                // Certificates alone are no layer, and are shown as they came; all else is read in its own memory.
                let cms = if part.body.len() <= MAX_CERTIFICATES {
                    Zeroizing::new(part.decoded(&bytes).into_owned())
                } else {
                    part.decode_in_place(&mut bytes);
                    std::mem::take(&mut bytes)
                };
                let lacks_tag = smime::lacks_tag(&cms);
                let read = reader.read_cms(cms, &mut found.budget);
                found.unproven |= lacks_tag && matches!(read, Err(OpenError::Undecryptable));
                match read? {
                    smime::Layer::Certificates if bytes.is_empty() => {
                        return Err(OpenError::Limit("certificates of more than 1 MiB"));
                    }
                    smime::Layer::Certificates => {
                        found.root_is_told = true;
                        break;
                    }
                    smime::Layer::Encrypted { plaintext, opened_by, authenticated, weak } => {
                        found.decrypted(SuiteName::Smime, opened_by, Vec::new());
                        found.unauthenticated = !authenticated;
                        found.unproven |= !authenticated;
                        // One in 256 wrong keys has a padding that fits, and gives garbage.
                        if !authenticated && !begins_as_entity(&plaintext) {
                            return Err(OpenError::Undecryptable);
                        }
                        if weak {
                            found
                                .warn(WarningKind::WeakKey, "the message is encrypted with 3DES, which is weak by now");
                        }
                        bytes = plaintext;
                    }
                    smime::Layer::Signed { content, facts } => {
                        found.signatures.push(SignatureLayer { suite: SuiteName::Smime, facts });
                        bytes = content;
                    }
                    // It adds no protection and takes none away: what stands outside it covers what is in it.
                    smime::Layer::Compressed { content } => bytes = content,
                }
                release_rest(&mut bytes);
                tree = parse(&bytes)?;
                root = 0;
            }
            Layer::Encrypted { ciphertext, repaired } => {
                let decrypted = reader.decrypt(&tree.part(ciphertext).decoded(&bytes))?;
                found.decrypted(SuiteName::OpenPgp, decrypted.opened_by, decrypted.signatures);
                if repaired {
                    found.warn(
                        WarningKind::Repaired,
                        "the message was mangled on its way (multipart/mixed), and mended",
                    );
                }
                // The ciphertext is not held beside the plaintext.
                bytes = decrypted.plaintext;
                tree = parse(&bytes)?;
                root = 0;
            }
            Layer::Signed { suite, form } => {
                let facts = match form {
                    Ok((payload, signature)) => {
                        let facts = verify(&tree, (payload, signature), &bytes, suite, reader, &mut found.budget)?;
                        root = payload;
                        facts
                    }
                    Err(reason) => Err(reason),
                };
                let ends = facts.is_err() && form.is_err();
                found.signatures.push(SignatureLayer { suite, facts });
                if ends {
                    found.root_is_told = true;
                    break;
                }
            }
            Layer::Inline => {
                let part = tree.part(root);
                let charset = part.media.parameter("charset").map(str::to_owned);
                let text = found.inline(part.decoded(&bytes).trim_ascii(), reader)?;
                return Ok(Content::Text { bytes: text, charset });
            }
        }
    }
    found.errant(&tree, root, &bytes, reader)?;
    Ok(Content::Entity { bytes, tree, root })
}

pub(super) fn parse(bytes: &[u8]) -> Result<Tree, OpenError> {
    Tree::parse(bytes).map_err(|limit| {
        OpenError::Limit(match limit {
            Limit::Parts => "too many parts",
            Limit::Depth => "parts nested too deep",
            Limit::Header => "a header section that is too large",
        })
    })
}

/// Gives back what a content leaves of the memory of its message, wiped.
fn release_rest(bytes: &mut Vec<u8>) {
    const WORTH_IT: usize = 1 << 20;
    let length = bytes.len();
    if bytes.capacity() - length < WORTH_IT {
        return;
    }
    // All of it was filled once.
    bytes.resize(bytes.capacity(), 0);
    bytes[length..].zeroize();
    bytes.truncate(length);
    bytes.shrink_to_fit();
}

/// What a part is to the envelope. The repair and inline messages exist outermost only.
pub(super) fn classify(tree: &Tree, root: usize, bytes: &[u8], outermost: bool) -> Result<Layer, OpenError> {
    let part = tree.part(root);
    if part.ambiguous {
        return Ok(Layer::Payload);
    }
    let children = &part.children[..];
    match part.media.essence() {
        "multipart/encrypted" => match part.media.parameter("protocol").map(str::to_ascii_lowercase).as_deref() {
            Some("application/pgp-encrypted") => match children {
                [control, ciphertext]
                    if is_control(tree.part(*control), bytes) && is_octets(tree.part(*ciphertext)) =>
                {
                    Ok(Layer::Encrypted { ciphertext: *ciphertext, repaired: false })
                }
                _ => Err(OpenError::Malformed("multipart/encrypted without its two parts (RFC 3156, 4)")),
            },
            None => Err(OpenError::Malformed("multipart/encrypted without a protocol (RFC 1847, 2.2)")),
            Some(_) => Ok(Layer::Payload),
        },
        "multipart/signed" => Ok(signed(tree, part)),
        "application/pkcs7-mime" | "application/x-pkcs7-mime" => Ok(Layer::Cms),
        "multipart/mixed" if outermost => match children {
            [empty, control, ciphertext]
                if is_empty_text(tree.part(*empty), bytes)
                    && is_control(tree.part(*control), bytes)
                    && is_octets(tree.part(*ciphertext)) =>
            {
                Ok(Layer::Encrypted { ciphertext: *ciphertext, repaired: true })
            }
            _ => Ok(Layer::Payload),
        },
        "text/plain" if outermost && is_one_message(&part.decoded(bytes)) => Ok(Layer::Inline),
        _ => Ok(Layer::Payload),
    }
}

/// The form of a multipart/signed.
fn signed(tree: &Tree, part: &Part) -> Layer {
    let protocol = part.media.parameter("protocol").unwrap_or_default().to_ascii_lowercase();
    let suite = if protocol.contains("pkcs7") { SuiteName::Smime } else { SuiteName::OpenPgp };
    let expected = |media: &str| match protocol.as_str() {
        "application/pgp-signature" => media == "application/pgp-signature",
        "application/pkcs7-signature" | "application/x-pkcs7-signature" => {
            matches!(media, "application/pkcs7-signature" | "application/x-pkcs7-signature")
        }
        _ => false,
    };
    let form = match part.children[..] {
        [] | [_] => Err(BadReason::Missing),
        [payload, signature] if expected(tree.part(signature).media.essence()) && !tree.part(signature).ambiguous => {
            Ok((payload, signature))
        }
        _ => Err(BadReason::Malformed),
    };
    Layer::Signed { suite, form }
}

/// Verifies the signature of a well-formed multipart/signed, given its payload and signature.
fn verify(
    tree: &Tree,
    (payload, signature): (usize, usize),
    bytes: &[u8],
    suite: SuiteName,
    reader: &dyn Reads,
    budget: &mut smime::Budget,
) -> Result<Result<Vec<SignatureFact>, BadReason>, OpenError> {
    let signature = tree.part(signature).decoded(bytes);
    if signature.trim_ascii().is_empty() {
        return Ok(Err(BadReason::Missing));
    }
    let over = tree.part(payload).canonical(bytes);
    let verified = match suite {
        SuiteName::OpenPgp => reader.verify_detached(&signature, &over),
        SuiteName::Smime => reader.verify_cms(&signature, &over, budget),
    };
    match verified {
        Ok(facts) => Ok(Ok(facts)),
        Err(OpenError::Limit(limit)) => Err(OpenError::Limit(limit)),
        Err(_) => Ok(Err(BadReason::Malformed)),
    }
}

/// `application/pgp-encrypted` with `Version: 1` and nothing else (RFC 3156, 4).
fn is_control(part: &Part, bytes: &[u8]) -> bool {
    part.media.essence() == "application/pgp-encrypted"
        && !part.ambiguous
        && part.decoded(bytes).trim_ascii().eq_ignore_ascii_case(b"Version: 1")
}

fn is_octets(part: &Part) -> bool {
    part.media.essence() == "application/octet-stream" && !part.ambiguous
}

fn is_empty_text(part: &Part, bytes: &[u8]) -> bool {
    part.media.essence() == "text/plain" && part.decoded(bytes).trim_ascii().is_empty()
}

/// Whether a body is exactly one armored message.
fn is_one_message(body: &[u8]) -> bool {
    let body = body.trim_ascii();
    body.starts_with(BEGIN_MESSAGE)
        && body.ends_with(END_MESSAGE)
        && lines_with(body, b"-----BEGIN ").count() == 1
        && lines_with(body, b"-----END ").count() == 1
}

/// Where the lines begin that start with a text, white space and quote marks before it aside.
fn lines_with<'a>(body: &'a [u8], start: &'a [u8]) -> impl Iterator<Item = usize> + 'a {
    let mut at = 0;
    body.split_inclusive(|byte| *byte == b'\n').filter_map(move |line| {
        let from = at;
        at += line.len();
        let indent = line.iter().take_while(|byte| matches!(byte, b' ' | b'\t' | b'>')).count();
        line[indent..].starts_with(start).then_some(from + indent)
    })
}

/// Whether a part's content begins as an armored message.
fn is_armor(part: &Part, bytes: &[u8]) -> bool {
    let body = &bytes[part.body.clone()];
    let mut begin = Vec::new();
    part.encoding.decode(&body[..body.len().min(1024)], &mut |piece| begin.extend_from_slice(piece));
    begin.trim_ascii_start().starts_with(BEGIN_MESSAGE)
}

/// What was found on the way.
#[derive(Default)]
struct Found {
    encrypted: Option<SuiteName>,
    unauthenticated: bool,
    unproven: bool,
    opened_by: Vec<Fingerprint>,
    signatures: Vec<SignatureLayer>,
    part: Vec<SignatureFact>,
    warnings: Vec<Warning>,
    /// What is left for the S/MIME signatures.
    budget: smime::Budget,
    /// Whether the payload's root is a layer of a wrong form that was counted, or certificates: not errant.
    root_is_told: bool,
}

impl Found {
    fn warn(&mut self, kind: WarningKind, text: &str) {
        if !self.warnings.iter().any(|warning| warning.kind == kind) {
            self.warnings.push(Warning { kind, text: text.to_owned() });
        }
    }

    /// Notes a layer that was decrypted. Signatures outside it cover ciphertext only.
    fn decrypted(&mut self, suite: SuiteName, by: Fingerprint, signatures: Vec<Vec<SignatureFact>>) {
        if !self.signatures.is_empty() {
            self.signatures.clear();
            self.warn(WarningKind::OuterSignature, "a signature outside the encryption covers ciphertext only");
        }
        self.encrypted = Some(suite);
        self.unauthenticated = false;
        self.opened_by.push(by);
        let layers = signatures.into_iter().map(|facts| SignatureLayer { suite, facts: Ok(facts) });
        self.signatures.extend(layers);
    }

    /// Opens a body that is one armored message. Its signature covers no header, so it is about a part.
    fn inline(&mut self, armor: &[u8], reader: &dyn Reads) -> Result<Zeroizing<Vec<u8>>, OpenError> {
        let (text, layers) = match reader.decrypt(armor) {
            Ok(decrypted) => {
                self.encrypted = Some(SuiteName::OpenPgp);
                self.opened_by.push(decrypted.opened_by);
                (decrypted.plaintext, decrypted.signatures)
            }
            // Armored, but not encrypted: signed at most.
            Err(OpenError::Malformed(what)) => {
                let read = reader.verify_inline(armor).map_err(|error| match error {
                    limit @ OpenError::Limit(_) => limit,
                    _ => OpenError::Malformed(what),
                })?;
                self.warn(WarningKind::InlineSignature, "an inline signature covers no header");
                read
            }
            Err(other) => return Err(other),
        };
        self.holds_in_part(layers.into_iter().flatten().collect());
        Ok(text)
    }

    /// Looks for layers below the payload's root: they are named, never decrypted, and give no status.
    fn errant(&mut self, tree: &Tree, root: usize, bytes: &[u8], reader: &dyn Reads) -> Result<(), OpenError> {
        let mut left = MAX_ERRANT;
        for index in tree.subtree(root) {
            let part = tree.part(index);
            let layer = match part.media.essence() {
                "multipart/signed"
                | "multipart/encrypted"
                | "application/pkcs7-mime"
                | "application/x-pkcs7-mime"
                | "application/pgp-encrypted" => index != root || !self.root_is_told,
                "application/octet-stream" | "application/pgp" => is_armor(part, bytes),
                media if media.starts_with("text/") => self.inline_texts(part, bytes, reader, &mut left),
                _ => false,
            };
            if !layer {
                continue;
            }
            self.warn(
                WarningKind::ErrantLayer,
                "a cryptographic layer deeper inside is not opened and gives no status",
            );
            if part.media.essence() == "multipart/signed"
                && !part.ambiguous
                && self.signatures.is_empty()
                && let Layer::Signed { suite, form: Ok((payload, signature)) } = signed(tree, part)
                && !tree.inside_message(root, index)
                && self.one_more(&mut left)
            {
                let facts = verify(tree, (payload, signature), bytes, suite, reader, &mut self.budget)?;
                self.holds_in_part(facts.unwrap_or_default());
            }
        }
        Ok(())
    }

    /// Whether one more signature over a part may be verified; says so if it may not.
    fn one_more(&mut self, left: &mut usize) -> bool {
        if *left == 0 {
            self.warn(WarningKind::Limit, "of the signatures over parts only the first 8 were looked at");
            return false;
        }
        *left -= 1;
        true
    }

    /// Whether a text holds an armored message. A clear-signed text is verified, and named.
    fn inline_texts(&mut self, part: &Part, bytes: &[u8], reader: &dyn Reads, left: &mut usize) -> bool {
        let body = part.decoded(bytes);
        if let Some(begin) = lines_with(&body, BEGIN_SIGNED).next() {
            self.warn(WarningKind::InlineSignature, "a clear-signed text covers no header and counts for nothing");
            let end = lines_with(&body, END_SIGNATURE).find(|end| *end > begin);
            if let Some(end) = end
                && self.signatures.is_empty()
                && self.one_more(left)
                && let Ok((_, layers)) = reader.verify_inline(&body[begin..end + END_SIGNATURE.len()])
            {
                self.holds_in_part(layers.into_iter().flatten().collect());
            }
        }
        if part.media.essence() != "text/html" {
            return lines_with(&body, BEGIN_MESSAGE).next().is_some();
        }
        // Its lines are those that a reader sees.
        memchr::memmem::find(&body, BEGIN_MESSAGE).is_some()
            && lines_with(body::text(part, bytes, false).as_bytes(), BEGIN_MESSAGE).next().is_some()
    }

    fn holds_in_part(&mut self, facts: Vec<SignatureFact>) {
        if facts.iter().all(|fact| fact.verdict == Verdict::Good) {
            self.part.extend(facts);
        }
    }

    fn into_unwrapped(self, outer: HeaderSection, content: Content) -> Unwrapped {
        let Self { encrypted, unauthenticated, unproven, opened_by, signatures, part, warnings, .. } = self;
        Unwrapped { outer, content, encrypted, unauthenticated, unproven, opened_by, signatures, part, warnings }
    }
}
