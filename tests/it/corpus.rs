//! The fuzz targets' corpus as an ordinary test, for toolchains without a fuzzer: every seed as it is, cut off at many
//! places, and with bytes changed, all of it the same in every run.

use std::fs;

use crate::support::package;

#[path = "../../fuzz/entries.rs"]
mod entries;

/// How many variants of each seed.
const VARIANTS: u64 = 60;

/// Bytes that mean something to one of the readers.
const TELLING: &[u8] = b"\0\r\n\t \"\\<>()[]{},;:=.@#-+%?*/'\x1b\x7f\x80\xc3\xff09aZ";

/// SplitMix64, so that a failure is the same everywhere.
fn next(state: &mut u64) -> usize {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut mixed = (*state ^ (*state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    usize::try_from((mixed ^ (mixed >> 31)) >> 32).unwrap()
}

fn variant(seed: &[u8], number: u64) -> Vec<u8> {
    let mut bytes = seed.to_vec();
    let mut state = number;
    for _ in 0..=next(&mut state) % 4 {
        if bytes.is_empty() {
            break;
        }
        let at = next(&mut state) % bytes.len();
        let telling = TELLING[next(&mut state) % TELLING.len()];
        match next(&mut state) % 6 {
            0 => bytes.truncate(at),
            1 => bytes[at] = telling,
            2 => bytes.insert(at, telling),
            3 => drop(bytes.remove(at)),
            4 => bytes[at] ^= 1 << (next(&mut state) % 8),
            _ => {
                let end = (at + 1 + next(&mut state) % 40).min(bytes.len());
                let piece = bytes[at..end].to_vec();
                bytes.splice(at..at, piece);
            }
        }
    }
    bytes
}

#[test]
fn no_seed_and_no_variant_of_one_is_more_than_an_error() {
    for (name, entry) in entries::ALL {
        let mut seeds: Vec<_> =
            fs::read_dir(package().join("fuzz/corpus").join(name)).unwrap().map(|file| file.unwrap().path()).collect();
        seeds.sort();
        assert!(seeds.len() >= 5, "{name} has {} seeds", seeds.len());
        for path in seeds {
            let seed = fs::read(&path).unwrap();
            entry(&seed);
            for number in 0..VARIANTS {
                let bytes = variant(&seed, number);
                let outcome = std::panic::catch_unwind(|| entry(&bytes));
                assert!(
                    outcome.is_ok(),
                    "variant {number} of {}: {:?}",
                    path.display(),
                    String::from_utf8_lossy(&bytes)
                );
            }
        }
    }
}
