#![allow(clippy::unwrap_used)]

use mail_parser::MessageParser;
use proptest::prelude::*;

use super::*;

fn lines_fit(folded: &str) {
    assert!(folded.ends_with("\r\n"));
    for line in folded.strip_suffix("\r\n").unwrap().split("\r\n") {
        assert!(line.len() <= 998 && !line.trim().is_empty(), "{folded:?}");
        assert!(!line.contains(['\r', '\n']), "{folded:?}");
    }
}

fn subject(text: &str) -> String {
    let folded = fold("Subject", &encode_text(text));
    lines_fit(&folded);
    assert!(folded.is_ascii() && folded.lines().all(|line| line.len() <= 78), "{folded:?}");
    let message = format!("{folded}\r\n");
    MessageParser::new().parse_headers(message.as_bytes()).unwrap().subject().unwrap_or_default().to_owned()
}

#[test]
fn plain_text_stays_plain() {
    assert_eq!(fold("Subject", &encode_text("Dinner plans")), "Subject: Dinner plans\r\n");
    assert_eq!(fold("Subject", &encode_text("Käse")), "Subject: =?utf-8?b?S8Okc2U=?=\r\n");
    assert_eq!(fold("Subject", ""), "Subject:\r\n");
}

#[test]
fn texts_that_readers_would_change_are_encoded() {
    for text in [
        "=?utf-8?q?x?=",
        "a  b",
        "a =?x",
        &"x".repeat(3000),
        &"ü".repeat(700),
        "漢字 ".repeat(90).trim(),
        "👩‍👩‍👧 family",
        "word ".repeat(60).trim(),
        "?=",
        "tail=",
    ] {
        assert_eq!(subject(text), text);
    }
}

#[test]
fn names_are_quoted_or_encoded_as_they_need() {
    let phrase = |name: &str| encode_phrase(name);
    assert_eq!(phrase("Kim Lee"), "Kim Lee");
    assert_eq!(phrase("Lee, Kim"), "\"Lee, Kim\"");
    assert_eq!(phrase("Dr. Kim"), "\"Dr. Kim\"");
    assert_eq!(phrase("Jürgen"), "=?utf-8?q?J=C3=BCrgen?=");
}

proptest! {
    #[test]
    fn any_subject_reads_back_the_same(text in "([ -~]|\\PC|[äöü漢]){0,200}") {
        let text = text.trim();
        prop_assume!(!text.contains(super::super::character::is_control));
        prop_assert_eq!(subject(text), text);
    }

    #[test]
    fn any_name_reads_back_the_same(name in "([ -~]|\\PC|[\"\\\\,;:<>@()=?ä]){1,60}", local in "[a-z]{1,60}") {
        let name = name.split_whitespace().collect::<Vec<_>>().join(" ");
        prop_assume!(!name.is_empty() && !super::super::character::holds_control(&name));
        let mailbox = Mailbox { name: Some(name.clone()), address: Address::parse(&format!("{local}@example.org")).unwrap() };
        let value = encode_mailboxes([&mailbox, &mailbox]);
        let folded = fold("To", &value);
        lines_fit(&folded);
        prop_assert_eq!(Mailbox::parse_list(&value).unwrap(), vec![mailbox.clone(), mailbox.clone()]);
        let message = format!("{folded}\r\n");
        let parsed = MessageParser::new().parse_headers(message.as_bytes()).unwrap();
        let read = parsed.to().unwrap().as_list().unwrap();
        prop_assert_eq!(read.len(), 2);
        for one in read {
            prop_assert_eq!(one.name.as_deref(), Some(name.as_str()));
            prop_assert_eq!(one.address.as_deref().map(str::to_owned), Some(mailbox.address.to_string()));
        }
    }

    #[test]
    fn folding_unfolds_to_the_same(value in "[ a-z]{0,300}") {
        let value = value.trim();
        let folded = fold("X-Long", value);
        lines_fit(&folded);
        let unfolded = folded.replace("\r\n ", " ");
        let expected = if value.is_empty() { "X-Long:\r\n".to_owned() } else { format!("X-Long: {value}\r\n") };
        prop_assert_eq!(unfolded, expected);
    }
}
