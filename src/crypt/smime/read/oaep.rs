//! RSAES-OAEP (RFC 8017, 7.1; RFC 4055, 4.1): its parameters, and taking the padding away where an agent leaves it.

use openssl::{
    error::ErrorStack,
    md::{Md, MdRef},
    md_ctx::MdCtx,
    pkey_ctx::PkeyCtxRef,
    rsa::Padding,
};
use zeroize::Zeroizing;

use super::super::asn1::{
    Algorithm,
    ber::{Cursor, Element, tag},
    oid,
};

/// RSAES-OAEP-params (RFC 4055, 4.1).
pub(super) struct Oaep {
    digest: &'static MdRef,
    mask: &'static MdRef,
    label: Vec<u8>,
}

impl Oaep {
    pub(super) fn read(algorithm: &Algorithm<'_>) -> Option<Self> {
        let mut oaep = Self { digest: Md::sha1(), mask: Md::sha1(), label: Vec::new() };
        let Some(parameters) = algorithm.parameters else { return Some(oaep) };
        let mut fields = parameters.inside(tag::SEQUENCE).ok()?;
        if let Some(digest) = explicit(&mut fields, 0)? {
            oaep.digest = digest_named(&Algorithm::read(digest).ok()?)?;
        }
        if let Some(mask) = explicit(&mut fields, 1)? {
            let mask = Algorithm::read(mask).ok().filter(|mask| mask.is(&oid::MGF1))?;
            oaep.mask = digest_named(&Algorithm::read(mask.parameters?).ok()?)?;
        }
        if let Some(label) = explicit(&mut fields, 2)? {
            let label = Algorithm::read(label).ok().filter(|label| label.is(&oid::P_SPECIFIED))?;
            oaep.label = label.parameters?.octets(tag::OCTET_STRING).ok()?.into_owned();
        }
        fields.end().ok()?;
        Some(oaep)
    }

    /// Has the library do it.
    pub(super) fn prepare<T>(&self, context: &mut PkeyCtxRef<T>) -> Result<(), ErrorStack> {
        context.set_rsa_padding(Padding::PKCS1_OAEP)?;
        context.set_rsa_oaep_md(self.digest)?;
        context.set_rsa_mgf1_md(self.mask)?;
        if self.label.is_empty() { Ok(()) } else { context.set_rsa_oaep_label(&self.label) }
    }

    /// What stands in a frame, a number, of a modulus of so many bytes, where its length is known. How long that takes
    /// does not tell what is wrong with it: that a number is too large is enough for whoever asks often (J. Manger,
    /// CRYPTO 2001).
    pub(super) fn unpad(&self, number: &[u8], size: usize, length: usize) -> Option<Zeroizing<Vec<u8>>> {
        // Agents put a zero before a number that has the highest bit.
        let (over, number) = number.split_at(number.len().saturating_sub(size));
        let mut frame = Zeroizing::new(vec![0; size - number.len()]);
        frame.extend_from_slice(number);
        let width = self.digest.size();
        let (first, masked) = frame.split_first()?;
        let (masked_seed, masked_block) = masked.split_at_checked(width)?;
        let seed = xor(masked_seed, &self.generate(masked_block, width).ok()?);
        let block = xor(masked_block, &self.generate(&seed, masked_block.len()).ok()?);

        let (label, rest) = block.split_at_checked(width)?;
        let (padding, key) = rest.split_at_checked(rest.len().checked_sub(length)?)?;
        let (one, zeros) = padding.split_last()?;
        let mut wrong = first | (one ^ 1);
        for (byte, due) in label.iter().zip(digest(self.digest, &[&self.label]).ok()?.iter()) {
            wrong |= byte ^ due;
        }
        wrong |= zeros.iter().chain(over).fold(0, |wrong, byte| wrong | byte);
        (std::hint::black_box(wrong) == 0).then(|| Zeroizing::new(key.to_vec()))
    }

    /// MGF1 (RFC 8017, B.2.1).
    fn generate(&self, seed: &[u8], length: usize) -> Result<Zeroizing<Vec<u8>>, ErrorStack> {
        let mut mask = Zeroizing::new(Vec::with_capacity(length + 64));
        let mut counter = 0u32;
        while mask.len() < length {
            mask.extend_from_slice(&digest(self.mask, &[seed, &counter.to_be_bytes()])?);
            counter += 1;
        }
        mask.truncate(length);
        Ok(mask)
    }
}

fn digest(by: &MdRef, parts: &[&[u8]]) -> Result<Zeroizing<Vec<u8>>, ErrorStack> {
    let mut context = MdCtx::new()?;
    context.digest_init(by)?;
    for part in parts {
        context.digest_update(part)?;
    }
    let mut out = Zeroizing::new(vec![0; by.size()]);
    context.digest_final(&mut out)?;
    Ok(out)
}

fn xor(one: &[u8], other: &[u8]) -> Zeroizing<Vec<u8>> {
    Zeroizing::new(one.iter().zip(other).map(|(one, other)| one ^ other).collect())
}

/// The element in an explicit tag, if it is there.
fn explicit<'a>(fields: &mut Cursor<'a>, number: u8) -> Option<Option<Element<'a>>> {
    let Some(outer) = fields.next_if(&[tag::context(number)]).ok()? else { return Some(None) };
    let mut inside = outer.inside(tag::context(number)).ok()?;
    let element = inside.next().ok()?;
    inside.end().ok()?;
    Some(Some(element))
}

fn digest_named(algorithm: &Algorithm<'_>) -> Option<&'static MdRef> {
    let known = [
        (oid::SHA1, Md::sha1()),
        (oid::SHA224, Md::sha224()),
        (oid::SHA256, Md::sha256()),
        (oid::SHA384, Md::sha384()),
        (oid::SHA512, Md::sha512()),
    ];
    known.into_iter().find(|(oid, _)| algorithm.is(oid)).map(|(_, digest)| digest)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use openssl::{
        pkey::{PKey, Private},
        pkey_ctx::PkeyCtx,
        rsa::Rsa,
    };
    use proptest::prelude::*;

    use super::*;

    /// What the library encrypts, as a number that an agent gives: decrypted, and no zero before it.
    fn frame(oaep: &Oaep, key: &PKey<Private>, text: &[u8]) -> Vec<u8> {
        let mut encrypt = PkeyCtx::new(key).unwrap();
        encrypt.encrypt_init().unwrap();
        oaep.prepare(&mut encrypt).unwrap();
        let (mut number, mut frame) = (Vec::new(), Vec::new());
        encrypt.encrypt_to_vec(text, &mut number).unwrap();
        let mut decrypt = PkeyCtx::new(key).unwrap();
        decrypt.decrypt_init().unwrap();
        decrypt.set_rsa_padding(Padding::NONE).unwrap();
        decrypt.decrypt_to_vec(&number, &mut frame).unwrap();
        let zeros = frame.iter().take_while(|byte| **byte == 0).count();
        frame.split_off(zeros)
    }

    #[test]
    fn what_the_library_padded_comes_out_and_one_changed_bit_does_not() {
        let key = PKey::from_rsa(Rsa::generate(2048).unwrap()).unwrap();
        for (digest, mask) in [(Md::sha1(), Md::sha1()), (Md::sha256(), Md::sha256()), (Md::sha512(), Md::sha1())] {
            for label in [&b""[..], b"label"] {
                let oaep = Oaep { digest, mask, label: label.to_vec() };
                for length in [0, 16, 32] {
                    let text: Vec<u8> = (1..).take(length).collect();
                    let frame = frame(&oaep, &key, &text);
                    assert_eq!(oaep.unpad(&frame, 256, length).unwrap().as_slice(), text);
                    for other in [length + 1, length + 16, 300].into_iter().chain(length.checked_sub(1)) {
                        assert!(oaep.unpad(&frame, 256, other).is_none(), "{other} for {length}");
                    }
                    for before in [&[0][..], &[0, 0]] {
                        let behind = |frame: &[u8]| [before, frame].concat();
                        let whole = [vec![0; 256 - frame.len()], frame.clone()].concat();
                        assert_eq!(oaep.unpad(&behind(&whole), 256, length).unwrap().as_slice(), text);
                        let large = [&[0x80], &whole[1..]].concat();
                        assert!(oaep.unpad(&behind(&large), 256, length).is_none());
                        assert!(oaep.unpad(&[&[1], &behind(&whole)[1..]].concat(), 256, length).is_none());
                    }
                    let other = Oaep { label: b"other".to_vec(), ..oaep };
                    assert!(other.unpad(&frame, 256, length).is_none());
                    for at in [0, 5, 100, frame.len() - 1] {
                        let mut changed = frame.clone();
                        changed[at] ^= 1;
                        assert!(Oaep { label: label.to_vec(), ..other }.unpad(&changed, 256, length).is_none());
                    }
                }
            }
        }
    }

    proptest! {
        #[test]
        fn rubbish_never_panics(number in prop::collection::vec(any::<u8>(), 0..300), size in 0usize..300, length in 0usize..300) {
            let oaep = Oaep { digest: Md::sha256(), mask: Md::sha256(), label: Vec::new() };
            prop_assert!(oaep.unpad(&number, size, length).is_none());
        }
    }
}
