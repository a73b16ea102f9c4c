#![allow(clippy::unwrap_used)]

use proptest::prelude::*;

use super::{Address, AddressError, Mailbox};

#[test]
fn addresses_of_every_kind_are_read() {
    for (text, wire) in [
        ("kim@example.org", "kim@example.org"),
        ("Kim.Lee+tag@EXAMPLE.org", "Kim.Lee+tag@example.org"),
        ("kim@b\u{fc}cher.example", "kim@xn--bcher-kva.example"),
        ("k\u{ef}m@example.org", "k\u{ef}m@example.org"),
        ("a@b_c.d", "a@b_c.d"),
        ("\"a b\"@c.d", "\"a b\"@c.d"),
        ("a@[192.0.2.1]", "a@[192.0.2.1]"),
        ("a@[IPv6:2001:db8::1]", "a@[ipv6:2001:db8::1]"),
        ("a@localhost", "a@localhost"),
    ] {
        assert_eq!(Address::parse(text).unwrap().to_string(), wire);
    }
    assert!(Address::parse("k\u{ef}m@example.org").unwrap().needs_smtputf8());
    assert!(!Address::parse("kim@b\u{fc}cher.example").unwrap().needs_smtputf8());
}

#[test]
fn what_is_no_address_is_refused() {
    let long = format!("{}@example.org", "a".repeat(65));
    for text in [
        "",
        "a",
        "@",
        "a@",
        "@b.c",
        "a..b@c.d",
        ".a@c.d",
        "a.@c.d",
        "a@c..d",
        "a@c.d.",
        "a@.c",
        "a b@c.d",
        "a@c d",
        "<a@b.c>",
        "a@b@c.d",
        "\"a@c.d",
        "\"a\"b\"@c.d",
        "a@[1.2.3]",
        "a@[",
        "a@-b.c",
        "a@b-.c",
        "a@b/c.d",
        &long,
    ] {
        assert!(matches!(Address::parse(text), Err(AddressError::Malformed(_))), "{text:?}");
    }
    for hidden in ['\r', '\n', '\0', '\u{7f}', '\u{85}', '\u{2028}', '\u{2029}', '\u{202e}', '\u{200b}', '\u{feff}'] {
        let text = format!("a{hidden}@b.c");
        assert!(matches!(Address::parse(&text), Err(AddressError::Control(_))), "{text:?}");
    }
}

#[test]
fn equality_minds_neither_case_nor_the_form_of_the_domain() {
    let one = Address::parse("Kim@B\u{fc}cher.example").unwrap();
    assert_eq!(one, Address::parse("kim@xn--bcher-kva.EXAMPLE").unwrap());
    assert_ne!(one, Address::parse("kim@example.org").unwrap());
}

#[test]
fn lists_are_read_with_names_groups_and_comments() {
    let list =
        r#""Lee, Kim" <kim@example.org> (the one), =?utf-8?q?J=C3=BCrgen?= <j@x.y>, team: a@b.c, D E <d@e.f>;, z@x.y"#;
    let read = Mailbox::parse_list(list).unwrap();
    let shown: Vec<_> = read.iter().map(|m| (m.name.as_deref(), m.address.to_string())).collect();
    assert_eq!(
        shown,
        [
            (Some("Lee, Kim"), "kim@example.org".to_owned()),
            (Some("J\u{fc}rgen"), "j@x.y".to_owned()),
            (None, "a@b.c".to_owned()),
            (Some("D E"), "d@e.f".to_owned()),
            (None, "z@x.y".to_owned()),
        ]
    );
    assert_eq!(Mailbox::parse_list("undisclosed recipients:;").unwrap(), []);
    assert_eq!(Mailbox::parse_list(" , ").unwrap(), []);
}

#[test]
fn malformed_lists_name_the_mailbox() {
    for text in
        ["a@b.c d@e.f", "<a@b.c> x", "a <b", "\"a", "(a", "x: a@b.c", "a@b.c;", "<@r.s:a@b.c>", "a@b.c <d@e.f> g", ">"]
    {
        assert!(Mailbox::parse_list(text).is_err(), "{text:?}");
    }
}

#[test]
fn an_encoded_word_cannot_hide_a_line_break() {
    let hidden = "=?utf-8?q?a=0D=0ABcc=3A_x=40y.z?= <a@b.c>";
    assert!(matches!(Mailbox::parse_list(hidden), Err(AddressError::Control(_))));
}

#[test]
fn a_hundred_thousand_recipients_are_read_in_one_pass() {
    let list: Vec<_> = (0..100_000).map(|n| format!("\"R {n}\" <r{n}@example.org>")).collect();
    assert_eq!(Mailbox::parse_list(&list.join(", ")).unwrap().len(), 100_000);
}

proptest! {
    #[test]
    fn no_text_panics_and_what_is_read_reads_back(text in "\\PC{0,40}") {
        if let Ok(address) = Address::parse(&text) {
            prop_assert_eq!(Address::parse(&address.to_string()).unwrap(), address);
        }
        let _ = Mailbox::parse_list(&text);
    }

    #[test]
    fn lists_of_marks_never_panic(text in r#"[a-z@<>()",:;\\\[\]. ]{0,30}"#) {
        let _ = Mailbox::parse_list(&text);
    }
}
