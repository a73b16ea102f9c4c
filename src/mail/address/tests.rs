#![allow(clippy::unwrap_used)]

use proptest::prelude::*;

use super::*;

fn parsed(text: &str) -> String {
    Address::parse(text).unwrap().to_string()
}

#[test]
fn what_an_address_may_be() {
    for (text, canonical) in [
        ("kim@example.org", "kim@example.org"),
        ("Kim@EXAMPLE.org", "Kim@example.org"),
        ("kim@localhost", "kim@localhost"),
        ("a@b_c.d", "a@b_c.d"),
        ("a+b/c=d@e.f", "a+b/c=d@e.f"),
        ("\"a b\"@c.d", "\"a b\"@c.d"),
        ("\"a@b\"@c.d", "\"a@b\"@c.d"),
        ("\"a\\\"b\"@c.d", "\"a\\\"b\"@c.d"),
        ("\"kim\"@c.d", "kim@c.d"),
        ("\"k\\im\"@c.d", "kim@c.d"),
        ("a@[192.0.2.1]", "a@[192.0.2.1]"),
        ("a@[ipv6:2001:DB8:0::1]", "a@[IPv6:2001:db8::1]"),
        ("a@bücher.example", "a@xn--bcher-kva.example"),
        ("a@BÜCHER.Example", "a@xn--bcher-kva.example"),
        ("a@xn--bcher-kva.example", "a@xn--bcher-kva.example"),
        ("a@straße.example", "a@xn--strae-oqa.example"),
        ("a@உதாரணம்.பரிட்சை", "a@xn--zkc6cc5bi7f6e.xn--hlcj6aya9esc7a"),
        ("a@例え。テスト", "a@xn--r8jz45g.xn--zckzah"),
        ("jürgen@example.org", "jürgen@example.org"),
        ("ju\u{308}rgen@example.org", "jürgen@example.org"),
        ("用户@例子.广告", "用户@xn--fsqu00a.xn--4rr70v"),
    ] {
        assert_eq!(parsed(text), canonical);
    }
}

#[test]
fn equal_without_case() {
    assert_eq!(Address::parse("KIM@Example.ORG").unwrap(), Address::parse("kim@example.org").unwrap());
    assert_eq!(Address::parse("ÄÖ@bücher.de").unwrap(), Address::parse("äö@xn--bcher-kva.de").unwrap());
    assert_ne!(Address::parse("kim@example.org").unwrap(), Address::parse("kim@example.com").unwrap());
    assert!(Address::parse("jürgen@a.de").unwrap().needs_smtputf8());
    assert!(!Address::parse("j@ü.de").unwrap().needs_smtputf8());
}

#[test]
fn what_an_address_may_not_be() {
    for text in [
        "",
        "@",
        "a",
        "a@",
        "@b",
        "a..b@c.d",
        ".a@c.d",
        "a.@c.d",
        "a@b.",
        "a@.b",
        "a@b..c",
        "a@-b.c",
        "a@b-.c",
        "a b@c.d",
        "a@b c",
        "a@b@c",
        "<a@b>",
        "Kim <a@b.c>",
        "a@[192.0.2.256]",
        "a@[x:y]",
        "a@[]",
        "a@[192.0.2.1",
        "\"\"@c.d",
        "\"a\"b\"@c.d",
        "\"a\\\"@c.d",
        "a@b,c",
        "a@b;c",
        "a,b@c.d",
        "a(x)@b.c",
        "a@b.c(x)",
        " a@b.c",
        "a@b.c ",
        "a@b/c",
        "a@b:25",
        "a@b%c",
        "a\u{a0}b@c.d",
        "a@xn--a.example",
        "a\\b@c.d",
    ] {
        assert!(matches!(Address::parse(text), Err(AddressError::Malformed(_))), "{text:?}");
    }
    let long =
        |local: usize, label: usize| format!("{}@{}.org", "l".repeat(local), vec!["d".repeat(label); 3].join("."));
    assert!(Address::parse(&long(64, 61)).is_ok());
    assert!(Address::parse(&long(65, 5)).is_err());
    assert!(Address::parse(&long(64, 63)).is_err());
    assert!(Address::parse(&format!("a@{}.org", "d".repeat(64))).is_err());
    assert!(Address::parse(&format!("{}@a.org", "ü".repeat(33))).is_err());
}

#[test]
fn nothing_unseen_stands_in_an_address() {
    for bad in [
        "\r", "\n", "\0", "\t", "\u{7f}", "\u{85}", "\u{ad}", "\u{200b}", "\u{200d}", "\u{200e}", "\u{2028}",
        "\u{2029}",
    ]
    .into_iter()
    .chain(["\u{202e}", "\u{2060}", "\u{2066}", "\u{feff}", "\u{e0041}", "\u{fe0f}"])
    {
        for text in [
            format!("a{bad}b@c.d"),
            format!("a@c{bad}c.d"),
            format!("\"a{bad}\"@c.d"),
            format!("{bad}a@c.d"),
            format!("a@c.d{bad}"),
        ] {
            assert!(matches!(Address::parse(&text), Err(AddressError::Control(_))), "{text:?}");
        }
    }
}

proptest! {
    #[test]
    fn reading_is_stable(text in "[a-zA-Zü\"\\\\. +]{1,12}@[a-zA-Zß_.\\-]{1,12}|\\PC{1,8}@\\PC{1,8}") {
        if let Ok(address) = Address::parse(&text) {
            let again = Address::parse(&address.to_string()).unwrap();
            prop_assert_eq!(address.to_string(), again.to_string());
            prop_assert!(address.domain().is_ascii());
            prop_assert!(!address.to_string().contains(is_invisible));
            prop_assert!(address.to_string().len() <= 254);
        }
    }

    #[test]
    fn any_quoted_content_survives(content in "[ -~]{1,30}") {
        let address = Address::parse(&format!("{}@example.org", quote(&content))).unwrap();
        let local = address.local();
        let read = match local.strip_prefix('"') { Some(rest) => unquote(rest.strip_suffix('"').unwrap()).unwrap(), None => local.to_owned() };
        prop_assert_eq!(read, content);
    }
}
