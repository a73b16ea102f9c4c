//! recipients.toml.

#![allow(clippy::unwrap_used)]

use super::*;
use crate::config::Origin;

const A: &str = "EB85BB5FA33A75E15E944E63F231550C4F47E38E";
const B: &str = "D1A66E1A23B182C9980F788CFBFCC82A015E7330";

fn read(text: &str) -> Result<Recipients, ConfigError> {
    Recipients::from_text(text)
}

fn address(text: &str) -> Address {
    Address::parse(text).unwrap()
}

fn line(error: &ConfigError) -> usize {
    let (ConfigError::BadValue { origin: Origin::File { line, .. }, .. }
    | ConfigError::UnknownKey { origin: Origin::File { line, .. }, .. }
    | ConfigError::UnknownGroup { origin: Some(Origin::File { line, .. }), .. }
    | ConfigError::GroupLoop { origin: Some(Origin::File { line, .. }), .. }) = error
    else {
        unreachable!("{error:?}")
    };
    *line
}

#[test]
fn an_address_wins_over_its_domain() {
    let recipients = read(&format!(
        "[recipient.\"kim@example.org\"]\npin = [\"{A}\"]\nsuite = \"smime\"\ngcm = true\nnote = \"met\"\n\
         [recipient.\"@Example.ORG\"]\npin = \"{}\"\n",
        B.to_lowercase()
    ))
    .unwrap();
    let pin = recipients.pins_for(&address("KIM@example.org")).unwrap();
    assert_eq!(pin.fingerprints, [Fingerprint::parse(A).unwrap()]);
    assert_eq!((pin.suite, pin.gcm, pin.legacy_display), (Some(SuiteName::Smime), Some(true), None));
    let pin = recipients.pins_for(&address("lee@example.org")).unwrap();
    assert_eq!(pin.fingerprints, [Fingerprint::parse(B).unwrap()]);
    assert!(recipients.pins_for(&address("kim@sub.example.org")).is_none());
    assert!(
        Recipients::read(Path::new("/no/such/recipients.toml")).unwrap().pins_for(&address("a@b.example")).is_none()
    );
}

#[test]
fn groups_hold_groups() {
    let recipients = read(
        "[group.ops]\nmembers = [\"kim@example.org\", \"@night\", \"Kim <KIM@example.org>\"]\n\
         [group.night]\nmembers = [\"@late\", \"lee@example.org\"]\n[group.late]\nmembers = [\"max@example.org\"]\n\
         [group.all]\nmembers = [\"@late\", \"@ops\"]\n[group.nobody]\n",
    )
    .unwrap();
    let expand =
        |name: &str| -> Vec<String> { recipients.expand(name).unwrap().iter().map(ToString::to_string).collect() };
    assert_eq!(expand("@ops"), ["kim@example.org", "max@example.org", "lee@example.org"]);
    assert_eq!(expand("all"), ["max@example.org", "kim@example.org", "lee@example.org"]);
    assert!(expand("nobody").is_empty());
    let error = recipients.expand("@opps").unwrap_err();
    assert!(matches!(&error, ConfigError::UnknownGroup { nearest: Some(near), .. } if near == "ops"), "{error}");
}

#[test]
fn what_is_wrong_is_told_with_its_line() {
    for short in ["4F47E38E", "F231550C4F47E38E", "", "0xEB85BB5FA33A75E15E944E63F231550C4F47E38E"] {
        let error = read(&format!("[recipient.\"kim@example.org\"]\npin = [\n\"{A}\",\n\"{short}\"]")).unwrap_err();
        assert!(matches!(error, ConfigError::BadValue { error: ValueError::Fingerprint(_), .. }), "{error}");
        assert_eq!(line(&error), 4);
    }
    let error = read("[recipient.\"kim@example.org\"]\npins = []").unwrap_err();
    assert!(matches!(&error, ConfigError::UnknownKey { nearest: Some(near), .. } if near.ends_with(".pin")), "{error}");
    assert_eq!(line(&error), 2);
    let error = read("[group.ops]\nmembers = [\n\"kim@example.org\",\n\"@nihgt\"]\n[group.night]").unwrap_err();
    assert!(matches!(&error, ConfigError::UnknownGroup { nearest: Some(near), .. } if near == "night"), "{error}");
    assert_eq!(line(&error), 4);
    for text in [
        "[recipient.kim]",
        "[recipient.\"@\"]",
        "[recipient.\"@a b\"]",
        "[recipient.\"kim@example.org\"]\nsuite = \"pgp\"",
        "[group.\"@ops\"]",
        "[group.ops]\nmembers = [\"kim\"]",
        "[recipient.\"kim@example.org\"]\n[recipient.\"Kim@Example.org\"]",
    ] {
        assert!(matches!(read(text), Err(ConfigError::BadValue { .. })), "{text}");
    }
}

#[test]
fn loops_are_refused() {
    for (text, way) in [
        ("[group.a]\nmembers = [\"@a\"]", "a > a"),
        ("[group.a]\nmembers = [\"@b\"]\n[group.b]\nmembers = [\"@c\"]\n[group.c]\nmembers = [\"@b\"]", "b > c > b"),
    ] {
        let error = read(text).unwrap_err();
        let ConfigError::GroupLoop { groups, .. } = &error else { unreachable!("{error}") };
        assert_eq!(groups.join(" > "), way);
    }
    let chain: String = (0..20_000).map(|i| format!("[group.g{i}]\nmembers = [\"@g{}\"]\n", i + 1)).collect();
    let recipients = read(&format!("{chain}[group.g20000]\nmembers = [\"kim@example.org\"]")).unwrap();
    assert_eq!(recipients.expand("@g0").unwrap().len(), 1);
}

proptest::proptest! {
    #[test]
    fn no_text_panics(text in "(\\PC|[\\n\\r\\t\\[\\]=.\"'#{},@])*") {
        let _ = read(&text);
        let _ = read(&format!("[group.ops]\nmembers = [{text:?}]"));
    }
}

#[test]
fn an_entry_that_pins_nothing_leaves_the_pins_of_its_domain() {
    let recipients = read(&format!(
        "[recipient.\"@partner.example\"]\npin = [\"{A}\"]\n[recipient.\"kim@partner.example\"]\nlegacy_display = true\n\
         [recipient.\"lee@partner.example\"]\npin = [\"{B}\"]\n"
    ))
    .unwrap();
    let pins =
        |text: &str| recipients.fingerprints_for(&address(text)).iter().map(ToString::to_string).collect::<Vec<_>>();
    assert_eq!(pins("kim@partner.example"), [A]);
    assert_eq!(pins("lee@partner.example"), [B]);
    assert_eq!(pins("ann@partner.example"), [A]);
    assert!(pins("kim@example.org").is_empty());
}
