//! How much work the signatures of one message may make: anybody can send many, with certificates of his own making.

use super::super::asn1::Fault;

/// The most signers of one message.
const MOST_SIGNERS: usize = 16;
/// The most verifications, several certificates of one name counted each.
const MOST_VERIFICATIONS: usize = 32;
/// A verification counts once more for each of these, in bytes, where it is over the content itself.
const LARGE: usize = 16 << 20;

/// What is left to be spent on the signatures of one message, over all its layers.
#[derive(Debug)]
pub struct Budget {
    signers: usize,
    verifications: usize,
}

impl Default for Budget {
    fn default() -> Self {
        Self { signers: MOST_SIGNERS, verifications: MOST_VERIFICATIONS }
    }
}

impl Budget {
    /// Spends a number of signers.
    pub(in crate::crypt::smime) fn take_signers(&mut self, count: usize) -> Result<(), Fault> {
        take(&mut self.signers, count, "it has too many signers")
    }

    /// Spends one verification over so many bytes of content.
    pub(in crate::crypt::smime) fn take_verification(&mut self, length: usize) -> Result<(), Fault> {
        take(&mut self.verifications, 1 + length / LARGE, "its signatures may be by too many certificates")
    }
}

fn take(left: &mut usize, count: usize, what: &'static str) -> Result<(), Fault> {
    *left = left.checked_sub(count).ok_or(Fault::Limit(what))?;
    Ok(())
}
