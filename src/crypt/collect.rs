//! Collecting what a reader gives out, with a bound, and without a copy that is not wiped.

use std::io::{self, Read};

use zeroize::Zeroizing;

/// What a reader gave.
pub(in crate::crypt) enum Content {
    /// All of it.
    Whole(Zeroizing<Vec<u8>>),
    /// More than allowed.
    TooLarge,
}

/// Collects everything, `limit` bytes at most. `guess` is the size expected.
///
/// # Errors
/// The reader's own.
pub(in crate::crypt) fn collect(reader: &mut impl Read, guess: usize, limit: usize) -> io::Result<Content> {
    let most = limit.saturating_add(1);
    let mut all = Zeroizing::new(vec![0u8; guess.clamp(4096, 1 << 30).min(most)]);
    let mut filled = 0;
    loop {
        match reader.read(all.get_mut(filled..).unwrap_or_default()) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => (),
            Err(error) => return Err(error),
        }
        if filled > limit {
            return Ok(Content::TooLarge);
        }
        if filled == all.len() {
            // A vector that grows by itself leaves what it held where it was.
            let mut larger = Zeroizing::new(vec![0u8; all.len().saturating_mul(2).min(most)]);
            larger[..filled].copy_from_slice(&all);
            all = larger;
        }
    }
    all.truncate(filled);
    Ok(Content::Whole(all))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn all_that_is_allowed_comes_whole() {
        let text: Vec<u8> = (0..100_000u32).map(|number| number as u8).collect();
        for (guess, limit) in [(0, 100_000), (1 << 20, 100_000), (5000, usize::MAX), (100_000, 100_000)] {
            let Content::Whole(all) = collect(&mut &text[..], guess, limit).unwrap() else { panic!("{guess}") };
            assert_eq!(*all, text);
        }
        for limit in [0, 4096, 99_999] {
            assert!(matches!(collect(&mut &text[..], 0, limit), Ok(Content::TooLarge)));
        }
    }
}
