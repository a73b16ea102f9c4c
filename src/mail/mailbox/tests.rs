#![allow(clippy::unwrap_used)]

use std::time::Instant;

use proptest::prelude::*;

use super::*;

fn list(text: &str) -> Vec<(Option<String>, String)> {
    Mailbox::parse_list(text).unwrap().into_iter().map(|m| (m.name, m.address.to_string())).collect()
}

fn named(name: &str, address: &str) -> (Option<String>, String) {
    (Some(name.to_owned()), address.to_owned())
}

#[test]
fn lists_of_rfc_5322_appendix_a() {
    assert_eq!(
        list(r#"Mary Smith <mary@x.test>, jdoe@example.org, "Who?" <one@y.test>, <boss@nil.test>"#),
        [
            named("Mary Smith", "mary@x.test"),
            (None, "jdoe@example.org".to_owned()),
            named("Who?", "one@y.test"),
            (None, "boss@nil.test".to_owned())
        ]
    );
    assert_eq!(
        list(r#""Giant; \"Big\" Box" <sysservices@example.net>"#),
        [named(r#"Giant; "Big" Box"#, "sysservices@example.net")]
    );
    assert_eq!(
        list("A Group:Ed Jones <c@a.test>,joe@where.test,John <jdoe@one.test>;, x@y.test"),
        [
            named("Ed Jones", "c@a.test"),
            (None, "joe@where.test".to_owned()),
            named("John", "jdoe@one.test"),
            (None, "x@y.test".to_owned())
        ]
    );
    assert_eq!(list("Undisclosed recipients:;"), []);
    assert_eq!(
        list(r"Pete(A nice \) chap) <pete(x)@silly.test>".replace("(x)", "").as_str()),
        [named("Pete", "pete@silly.test")]
    );
    assert_eq!(list(" , a@b.test ,, (c) "), [(None, "a@b.test".to_owned())]);
    assert_eq!(list("k@[IPv6:2001:db8::1], x <y@[192.0.2.1]>").len(), 2);
}

#[test]
fn encoded_words_are_decoded() {
    assert_eq!(
        list(
            "=?UTF-8?Q?J=C3=BCrgen?= =?utf-8?b?IE3DvGxsZXI=?= <j@a.test>, Zoë B. <z@a.test>, =?iso-8859-1?q?Andr=E9?= Pirard <a@b.test>"
        ),
        [named("Jürgen Müller", "j@a.test"), named("Zoë B.", "z@a.test"), named("André Pirard", "a@b.test")]
    );
    assert_eq!(list(r#""=?utf-8?q?K=C3=B6ln?=" <k@a.test>"#), [named("Köln", "k@a.test")]);
}

#[test]
fn what_is_no_list_is_refused() {
    for text in [
        "a@b.test c@d.test",
        "a@b.test <c@d.test>",
        "<@a.test,@b.test:c@d.test>",
        "x <a@b.test> y",
        "x <a@b.test",
        "x a@b.test>",
        "\"x <a@b.test>",
        "(x a@b.test",
        "g: a@b.test",
        "g: h: a@b.test;;",
        "a@b.test;",
        "g:; a@b.test",
        "Kim <>",
        "Kim",
    ] {
        assert!(matches!(Mailbox::parse_list(text), Err(AddressError::Malformed(_))), "{text:?}");
    }
    for text in ["a@b.test, c@d.test", "g: a@b.test;", "", "a@b.test,"] {
        assert!(Mailbox::parse(text).is_err(), "{text:?}");
    }
}

#[test]
fn control_characters_are_refused_in_the_clear_and_encoded() {
    for bad in ["\r\nBcc: e@x.test", "\n", "\r", "\0", "\u{1b}[0m", "\u{85}", "\u{2028}", "\u{2029}", "\u{202e}"] {
        let hex: String = bad.bytes().map(|byte| format!("={byte:02X}")).collect();
        for text in [
            format!("Kim{bad} <k@a.test>"),
            format!("\"Kim{bad}\" <k@a.test>"),
            format!("k@a.test{bad}"),
            format!("{bad}k@a.test"),
            format!("<k@a.test{bad}>"),
            format!("k@a.test ({bad})"),
            format!("=?utf-8?q?Kim{hex}?= <k@a.test>"),
            format!("\"=?utf-8?q?Kim{hex}?=\" <k@a.test>"),
            format!("=?utf-8?q?Kim{hex}?=: k@a.test;"),
            format!("g{bad}: k@a.test;"),
        ] {
            assert!(matches!(Mailbox::parse_list(&text), Err(AddressError::Control(_))), "{text:?}");
        }
    }
}

#[test]
fn a_hundred_thousand_recipients_take_linear_time() {
    let many = |n: usize| (0..n).map(|i| format!("\"R, {i}\" (c) <r{i}@example.org>, ")).collect::<String>();
    let time = |text: &str| {
        let start = Instant::now();
        let count = Mailbox::parse_list(text).unwrap().len();
        (start.elapsed(), count)
    };
    let ((small, _), (large, count)) = (time(&many(10_000)), time(&many(100_000)));
    assert_eq!(count, 100_000);
    assert!(large < small * 40 + std::time::Duration::from_millis(200), "{small:?} {large:?}");
    for hostile in ["(", "\"", "<", "=?", "=?utf-8?q?", "[", "\\", ":", "a:", "g:;,"] {
        let start = Instant::now();
        let _ = Mailbox::parse_list(&hostile.repeat(200_000));
        assert!(start.elapsed().as_secs() < 10, "{hostile}");
    }
}

proptest! {
    #[test]
    fn no_text_panics_or_lets_a_control_through(text in "\\PC*|[\"<>@,;:(a.=?\\[\\]\\\\ \r\n)]{0,40}") {
        for mailbox in Mailbox::parse_list(&text).unwrap_or_default() {
            prop_assert!(!mailbox.name.unwrap_or_default().contains(is_control));
            prop_assert!(!mailbox.address.to_string().contains(is_control));
        }
    }
}
