//! What GnuPG says for programs to read: `--with-colons` and `--status-fd` (doc/DETAILS of GnuPG).

use std::collections::BTreeMap;

use super::{GnupgError, GnupgKey, Whereabouts};
use crate::crypt::{Fingerprint, Keygrip, SuiteName};

/// The codes of libgpg-error that a passphrase leads to; the upper bits name the part that failed.
const BAD_PASSPHRASE: u32 = 11;
const CANCELED: u32 = 99;
const FULLY_CANCELED: u32 = 198;
const CODE: u32 = 0xffff;

/// The keys of gpg: `sec` and `ssb` tell in their field 15 where the secret half is.
pub fn openpgp(listed: &[u8]) -> Vec<GnupgKey> {
    let mut keys: Vec<GnupgKey> = Vec::new();
    let mut primary = None;
    // The part that is being told of, where its secret half is, and its fingerprint once that was told.
    let mut part = (Whereabouts::Missing, None);
    for line in String::from_utf8_lossy(listed).lines() {
        let fields: Vec<&str> = line.split(':').collect();
        match fields[0] {
            "sec" => {
                part = (whereabouts(&fields), None);
                primary = Some(part.0);
            }
            "grp" => {
                let (Some(last), Some(grip)) = (keys.last_mut(), fields.get(9).and_then(|grip| Keygrip::parse(grip)))
                else {
                    continue;
                };
                if let (Whereabouts::Here | Whereabouts::Card, Some(fingerprint)) = (part.0, part.1.take()) {
                    last.parts.push((fingerprint, grip));
                }
            }
            "fpr" => {
                part.1 = fields.get(9).and_then(|digits| Fingerprint::parse(digits));
                // the first one after `sec`; the others are of subkeys
                let Some((whereabouts, name)) = primary.take().zip(fields.get(9)) else { continue };
                keys.extend(key(SuiteName::OpenPgp, name, name, whereabouts));
            }
            "ssb" => {
                part = (whereabouts(&fields), None);
                // what is revoked, expired, invalid or disabled may be anywhere
                let counts = !fields.get(1).is_some_and(|validity| matches!(*validity, "r" | "e" | "i" | "d"));
                if counts && let Some(last) = keys.last_mut().filter(|last| last.whereabouts == Whereabouts::Here) {
                    last.whereabouts = whereabouts(&fields);
                }
            }
            _ => {}
        }
    }
    keys
}

/// The keys of gpgsm: `crs`, with both fingerprints of the certificate, where it tells the newer one, and the keygrip.
pub fn smime(listed: &[u8]) -> Vec<GnupgKey> {
    let mut keys: Vec<GnupgKey> = Vec::new();
    let mut secret = None;
    for line in String::from_utf8_lossy(listed).lines() {
        let fields: Vec<&str> = line.split(':').collect();
        let Some(value) = fields.get(9) else { continue };
        match fields[0] {
            kind @ ("crs" | "crt") => secret = (kind == "crs").then(|| whereabouts(&fields)),
            "fpr" => keys.extend(secret.and_then(|whereabouts| key(SuiteName::Smime, value, value, whereabouts))),
            "fp2" if secret.is_some() => {
                if let Some((last, fingerprint)) = keys.last_mut().zip(Fingerprint::parse(value)) {
                    last.fingerprint = fingerprint;
                }
            }
            "grp" if secret.is_some() => {
                if let Some((last, grip)) = keys.last_mut().zip(Keygrip::parse(value)) {
                    last.parts = vec![(last.fingerprint.clone(), grip)];
                }
            }
            _ => {}
        }
    }
    keys
}

/// The fingerprints of the certificates behind one, the nearest first, by field 13 of each `fpr` of gpgsm: its issuer's.
pub fn behind(listed: &[u8], name: &str) -> Vec<String> {
    let listed = String::from_utf8_lossy(listed);
    let issuers: BTreeMap<&str, &str> = listed
        .lines()
        .filter_map(|line| {
            let fields: Vec<&str> = line.split(':').collect();
            Some((*fields.get(9)?, *fields.get(12)?)).filter(|(own, _)| fields[0] == "fpr" && !own.is_empty())
        })
        .collect();
    let mut names: Vec<String> = Vec::new();
    let mut last = name;
    while let Some(issuer) = issuers.get(last).filter(|issuer| issuers.contains_key(**issuer)) {
        if *issuer == name || names.iter().any(|there| there == issuer) {
            break;
        }
        names.push((*issuer).to_owned());
        last = issuer;
    }
    names
}

/// Why gpg did not export a key, where the passphrase is the reason.
pub fn refusal(said: &str) -> Option<GnupgError> {
    let codes = said.lines().filter_map(|line| line.strip_prefix("[GNUPG:] ERROR ")?.split(' ').nth(1)?.parse().ok());
    codes.into_iter().find_map(|code: u32| match code & CODE {
        BAD_PASSPHRASE => Some(GnupgError::WrongPassphrase),
        CANCELED | FULLY_CANCELED => Some(GnupgError::Cancelled),
        _ => None,
    })
}

/// What is said to people.
pub fn words(said: &str) -> String {
    let words: Vec<&str> = said.lines().filter(|line| !line.starts_with("[GNUPG:] ")).collect();
    words.join("; ")
}

fn key(suite: SuiteName, fingerprint: &str, name: &str, whereabouts: Whereabouts) -> Option<GnupgKey> {
    let fingerprint = Fingerprint::parse(fingerprint)?;
    Some(GnupgKey { suite, fingerprint, whereabouts, parts: Vec::new(), name: name.to_owned() })
}

/// `+` is here, `#` is missing, else the serial number of a card; older versions tell nothing.
fn whereabouts(fields: &[&str]) -> Whereabouts {
    match fields.get(14).copied().unwrap_or_default() {
        "" | "+" => Whereabouts::Here,
        "#" => Whereabouts::Missing,
        _ => Whereabouts::Card,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: &str = "FF9F254B7255A5E2103350D1AEFEA12C6F5B5D7C";
    const B: &str = "41C20E0A1DC87FCF881EA777D4155EEA2AA5601F";

    /// One key: its primary key and two subkeys, as gpg 2.2 lists them, with their validity and their field 15.
    fn listed(fingerprint: &str, parts: [(&str, &str); 3]) -> String {
        let [primary, one, two] = parts;
        format!(
            "sec:{}:255:22:D4155EEA2AA5601F:1795878506:1827414506::u:::scSC:::{}::ed25519:::0:\n\
             fpr:::::::::{fingerprint}:\n\
             grp:::::::::5131F0F550AAA05B61A9125338F3CB8C8F6F033D:\n\
             uid:u::::1795878506::A534502C21B02B8029CC90593957FCBE8FF5F753::<b@x.test>::::::::::0:\n\
             ssb:{}:3072:1:51DB763F773B34E7:1795878509::::::e:::{}:::23:\n\
             fpr:::::::::BDE7D33AB13A230644EE326651DB763F773B34E7:\n\
             ssb:{}:3072:1:8CCC631A96C21849:1795878514::::::s:::{}:::23:\n\
             fpr:::::::::69383698C2DC437F71BCC9068CCC631A96C21849:\n",
            primary.0, primary.1, one.0, one.1, two.0, two.1
        )
    }

    fn found(listed: &str) -> Vec<(String, Whereabouts)> {
        openpgp(listed.as_bytes()).into_iter().map(|key| (key.fingerprint.to_string(), key.whereabouts)).collect()
    }

    #[test]
    fn every_valid_part_of_a_key_has_to_be_here() {
        use Whereabouts::{Card, Here, Missing};
        for (parts, expected) in [
            ([("u", "+"), ("u", "+"), ("u", "+")], Here),
            ([("u", ""), ("u", ""), ("u", "")], Here),
            ([("u", "#"), ("u", "+"), ("u", "+")], Missing),
            ([("u", "+"), ("u", "#"), ("u", "+")], Missing),
            ([("u", "+"), ("u", "+"), ("u", "D2760001240103040006123456780000")], Card),
            ([("u", "D2760001240103040006123456780000"), ("u", "+"), ("u", "+")], Card),
            ([("u", "+"), ("e", "#"), ("u", "+")], Here),
            ([("u", "+"), ("r", "D2760001240103040006123456780000"), ("u", "+")], Here),
        ] {
            assert_eq!(found(&listed(A, parts)), [(A.to_owned(), expected)], "{parts:?}");
        }
        let here = [("u", "+"), ("u", "+"), ("u", "+")];
        let two = listed(A, [("u", "#"), ("u", "+"), ("u", "+")]) + &listed(B, here);
        assert_eq!(found(&two), [(A.to_owned(), Missing), (B.to_owned(), Here)]);
    }

    #[test]
    fn each_part_that_is_somewhere_has_its_keygrip() {
        let grip = |digit: &str| digit.repeat(40);
        let listed = format!(
            "sec:u:255:22:D4155EEA2AA5601F:1795878506:1827414506::u:::scSC:::#::ed25519:::0:\n\
             fpr:::::::::{A}:\ngrp:::::::::{}:\n\
             ssb:u:3072:1:51DB763F773B34E7:1795878509::::::e:::D2760001240103040006123456780000:::23:\n\
             fpr:::::::::{B}:\ngrp:::::::::{}:\n\
             ssb:e:3072:1:8CCC631A96C21849:1795878514::::::s:::+:::23:\n\
             fpr:::::::::69383698C2DC437F71BCC9068CCC631A96C21849:\ngrp:::::::::{}:\ngrp:::::::::zz:\n",
            grip("1"),
            grip("2"),
            grip("3")
        );
        let keys = openpgp(listed.as_bytes());
        let parts: Vec<_> = keys[0].parts.iter().map(|(part, grip)| (part.as_str(), grip.as_str())).collect();
        let (second, third) = (grip("2"), grip("3"));
        let expected = [(B, second.as_str()), ("69383698C2DC437F71BCC9068CCC631A96C21849", third.as_str())];
        assert_eq!(parts, expected);
        assert_eq!(openpgp(format!("grp:::::::::{second}:\n").as_bytes()), []);
    }

    #[test]
    fn what_is_no_listing_names_no_key() {
        for text in ["", "sec", "fpr:::::::::", "sec:u\nfpr:::::::::41C2", "ssb:::", "crs\nfpr", "\u{fffd}:"] {
            assert_eq!(openpgp(text.as_bytes()), []);
            assert_eq!(smime(text.as_bytes()), []);
        }
    }

    #[test]
    fn a_key_of_gpgsm_is_named_by_its_newer_fingerprint() {
        let sha256 = "68DDC4B3F2861CC51247904DDADC8987EBCBB0C241136A1E6156C49FD713DD72";
        let listed = format!(
            "/home/alice/.gnupg/pubring.kbx\n------------------------------\n\
             crt:n:2048:1:D4155EEA2AA5601F:20261128T151018:20270924T151018:1C::CN=ca::escESC::::::23:\n\
             fpr:::::::::{B}:::{B}:\nfp2:::::::::{sha256}::::\n\
             crs:n:2048:1:AEFEA12C6F5B5D7C:20261128T151018:20270924T151018:1C::CN=x::escESC::::::23:\n\
             fpr:::::::::{A}:::{A}:\nfp2:::::::::{sha256}::::\nuid:n::::::::<x@x.test>::\n"
        );
        let keys = smime(listed.as_bytes());
        assert_eq!(keys.len(), 1, "{keys:?}");
        assert_eq!((keys[0].fingerprint.to_string(), keys[0].name.as_str()), (sha256.to_owned(), A));
        assert_eq!(keys[0].whereabouts, Whereabouts::Here);
    }

    #[test]
    fn a_key_of_gpgsm_has_its_keygrip_and_may_be_on_a_card() {
        let sha256 = "68DDC4B3F2861CC51247904DDADC8987EBCBB0C241136A1E6156C49FD713DD72";
        let grip = "59121DBC46BF6D7B380278049C824B2EC0E64ADD";
        let listed = format!(
            "crs::2048:1:EDA2474D0730DB66:20261128T210957:20270226T210957:5A::CN=ca::esES:::D27600012401115031319909A5ED1111:::23:\n\
             fpr:::::::::{A}:::{B}:\nfp2:::::::::{sha256}::::\ngrp:::::::::{grip}:\n\
             crt::2048:1:EDA2474D0730DB66:20261128T210957:20270226T210957:5B::CN=ca::esES::::::23:\n\
             fpr:::::::::{B}:::{B}:\ngrp:::::::::0000000000000000000000000000000000000000:\n"
        );
        let keys = smime(listed.as_bytes());
        assert_eq!((keys.len(), keys[0].whereabouts), (1, Whereabouts::Card), "{keys:?}");
        let parts: Vec<_> = keys[0].parts.iter().map(|(part, grip)| (part.as_str(), grip.as_str())).collect();
        assert_eq!(parts, [(sha256, grip)]);
    }

    #[test]
    fn the_chain_ends_at_its_root_wherever_it_turns() {
        let listed = |pairs: &[(&str, &str)]| -> String {
            pairs.iter().map(|(own, issuer)| format!("crt:::\nfpr:::::::::{own}:::{issuer}:\n")).collect()
        };
        for (pairs, expected) in [
            (&[("A", "B"), ("B", "C"), ("C", "C")][..], &["B", "C"][..]),
            (&[("A", "B")], &[]),
            (&[("A", "A")], &[]),
            (&[("A", "B"), ("B", "A")], &["B"]),
            (&[("A", "B"), ("B", "C"), ("C", "B")], &["B", "C"]),
            (&[("A", ""), ("", "")], &[]),
            (&[], &[]),
        ] {
            assert_eq!(behind(listed(pairs).as_bytes(), "A"), expected, "{pairs:?}");
        }
        assert!(behind(b"fpr:::::::::A\nfpr", "A").is_empty());
    }

    #[test]
    fn a_refusal_is_known_by_its_code() {
        let said = "gpg: key X: error receiving key from agent: Bad passphrase - skipped\n\
                    [GNUPG:] ERROR export_keys.secret 67108875\n[GNUPG:] EXPORT_RES 1 1 0";
        assert!(matches!(refusal(said), Some(GnupgError::WrongPassphrase)));
        assert!(matches!(refusal("[GNUPG:] ERROR export_keys.secret 83886179"), Some(GnupgError::Cancelled)));
        assert!(refusal("[GNUPG:] ERROR export_keys.secret 83918950\n[GNUPG:] ERROR\n").is_none());
        assert_eq!(words(said), "gpg: key X: error receiving key from agent: Bad passphrase - skipped");
    }
}
