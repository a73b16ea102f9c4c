//! The two containers of what is encrypted to keys (RFC 9580, 5.13), and what is written into them as it comes.

use std::io::{self, Write};

use openssl::{cipher::Cipher, cipher_ctx::CipherCtx, hash::Hasher, hash::MessageDigest, rand::rand_bytes};
use sequoia_openpgp as openpgp;
use zeroize::Zeroizing;

use openpgp::{
    Packet,
    crypto::SessionKey,
    packet::{Tag, header::BodyLength, header::CTB, pkesk::PKESK3},
    serialize::{
        Marshal,
        stream::{Encryptor, Message, Recipient, padding::padme},
    },
    types::{Features, SymmetricAlgorithm::AES256},
};

use super::super::policy::Target;
use crate::threads::{Relay, relay};

/// AES.
const BLOCK: usize = 16;

/// How much of a container comes behind one partial length, in bytes: a power of two (RFC 9580, 4.2.1.4).
const PART: usize = 1 << 16;

/// How much padding is made at a time, in bytes.
const STEP: usize = 1 << 16;

/// Encrypts what `fill` writes, about `amount` bytes, as SEIPDv2 (RFC 9580, 5.13.2), and pads it: how long the message
/// is tells little of its content.
pub(super) fn seipdv2(
    sink: &mut dyn Relay,
    targets: &[Target],
    amount: usize,
    fill: impl FnOnce(&mut dyn Relay) -> io::Result<()>,
) -> openpgp::Result<()> {
    let features = Features::empty().set_seipdv1().set_seipdv2();
    let to = targets.iter().map(|target| Recipient::new(features.clone(), target.handle(), &target.key));
    let container = Encryptor::for_recipients(Message::new(sink), to).symmetric_algo(AES256).build()?;
    let mut counted = relay(amount, Counted { sink: container, count: 0 }, fill)?;
    let padding = usize::try_from(padme(counted.count).saturating_sub(counted.count))?;
    pad(&mut counted.sink, padding)?;
    counted.sink.finalize()
}

/// Writes a padding packet (RFC 9580, 5.14) whose content is of some bytes. Readers pass over it.
fn pad(sink: &mut impl Write, amount: usize) -> openpgp::Result<()> {
    header(sink, Tag::Padding, BodyLength::Full(amount.try_into()?))?;
    let mut bytes = vec![0; STEP];
    let mut rest = amount;
    while rest > 0 {
        let now = &mut bytes[..rest.min(STEP)];
        rand_bytes(now)?;
        sink.write_all(now)?;
        rest -= now.len();
    }
    Ok(())
}

/// Encrypts what `fill` writes, about `amount` bytes, as SEIPDv1 (RFC 9580, 5.13.1). It is not padded: older readers do
/// not know the padding packet.
pub(super) fn seipdv1(
    mut sink: &mut dyn Relay,
    targets: &[Target],
    amount: usize,
    fill: impl FnOnce(&mut dyn Relay) -> io::Result<()>,
) -> openpgp::Result<()> {
    let key = SessionKey::new(AES256.key_size()?)?;
    for target in targets {
        let mut wrapped = PKESK3::for_recipient(AES256, &key, &target.key)?;
        wrapped.set_recipient(Some(target.handle().into()));
        Packet::PKESK(wrapped.into()).serialize(&mut sink)?;
    }
    relay(amount, IntegrityProtected::new(sink, &key)?, fill)?.finish()
}

/// An SEIPDv1 packet in the making. Sequoia would hash by a SHA-1 that looks for collisions and takes four times as
/// long; of a hash within the encryption, of what is made here, nobody chooses the two sides of one.
struct IntegrityProtected<W> {
    sink: W,
    cipher: CipherCtx,
    digest: Hasher,
    /// What follows the next length.
    part: Vec<u8>,
}

impl<W: Write> IntegrityProtected<W> {
    /// Begins with a random block, of which the last two bytes stand there again.
    fn new(mut sink: W, key: &SessionKey) -> openpgp::Result<Self> {
        CTB::new(Tag::SEIP).serialize(&mut sink)?;
        let mut cipher = CipherCtx::new()?;
        cipher.encrypt_init(Some(Cipher::aes_256_cfb128()), Some(key), Some(&[0; BLOCK]))?;
        let mut part = Vec::with_capacity(PART + BLOCK);
        part.push(1);
        let mut container = Self { sink, cipher, digest: Hasher::new(MessageDigest::sha1())?, part };
        let mut random = Zeroizing::new([0; BLOCK + 2]);
        rand_bytes(&mut random[..BLOCK])?;
        random.copy_within(BLOCK - 2..BLOCK, BLOCK);
        container.write_all(&random[..])?;
        Ok(container)
    }

    /// Writes the modification detection code and what is left.
    fn finish(mut self) -> openpgp::Result<()> {
        let mut code = Vec::new();
        header(&mut code, Tag::MDC, BodyLength::Full(20))?;
        self.digest.update(&code)?;
        code.extend_from_slice(&self.digest.finish()?);
        self.cipher.cipher_update_vec(&code, &mut self.part)?;
        BodyLength::Full(self.part.len().try_into()?).serialize(&mut self.sink)?;
        self.sink.write_all(&self.part)?;
        Ok(())
    }
}

impl<W: Write> Write for IntegrityProtected<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let now = &bytes[..bytes.len().min(PART - self.part.len())];
        self.digest.update(now)?;
        self.cipher.cipher_update_vec(now, &mut self.part)?;
        if self.part.len() == PART {
            BodyLength::Partial(PART as u32).serialize(&mut self.sink).map_err(io::Error::other)?;
            self.sink.write_all(&self.part)?;
            self.part.clear();
        }
        Ok(now.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Counts what is written.
struct Counted<W> {
    sink: W,
    count: u64,
}

impl<W: Write> Write for Counted<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.sink.write(bytes)?;
        self.count += count as u64;
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.sink.flush()
    }
}

fn header(sink: &mut impl Write, tag: Tag, length: BodyLength) -> openpgp::Result<()> {
    CTB::new(tag).serialize(sink)?;
    length.serialize(sink)
}
