#![allow(clippy::unwrap_used)]

use super::*;

const BAD: &[&str] =
    &["\r\nBcc: e@x.test", "\r", "\n", "\0", "\u{1b}[2J", "\u{85}", "\u{2028}", "\u{2029}", "\u{202e}", "\u{feff}"];

fn hidden(bad: &str) -> String {
    let hex: String = bad.bytes().map(|byte| format!("={byte:02X}")).collect();
    format!("=?utf-8?q?x{hex}y?=")
}

fn draft(message: &str) -> Result<Draft, DraftError> {
    draft_of_bytes(message.as_bytes())
}

fn draft_of_bytes(message: &[u8]) -> Result<Draft, DraftError> {
    Draft::from_message(Zeroizing::new(message.to_vec()).into(), Timestamp::UNIX_EPOCH, [1; 16])
}

#[test]
fn control_characters_are_refused_everywhere() {
    for bad in BAD {
        for text in [format!("x{bad}y"), hidden(bad)] {
            let control =
                |result: Result<(), DraftError>| assert!(matches!(result, Err(DraftError::Control { .. })), "{text:?}");
            control(Draft::checked_subject(&text).map(drop));
            control(Field::new("X-Test", &text).map(drop));
            control(Field::new("List-Id", &text).map(drop));
            control(Field::new(&text, "x").map(drop));
            control(Field::parse(&format!("X-Test: {text}")).map(drop));
            control(MessageId::parse(&format!("<{text}@example.org>")).map(drop));
            control(MessageId::parse(&format!("a@{text}")).map(drop));
            control(Attachment::new(&text, Zeroizing::default()).map(drop));
            control(
                Attachment::new("a", Zeroizing::default()).unwrap().with_media_type(&format!("text/{text}")).map(drop),
            );
        }
        let message = format!("From: a@x.test\r\nSubject: {}\r\n\r\nhi", hidden(bad));
        assert!(matches!(draft(&message), Err(DraftError::Control { .. })), "{message:?}");
        for field in ["To", "Cc", "Bcc"] {
            let message = format!("From: a@x.test\r\n{field}: {} <b@x.test>\r\n\r\nhi", hidden(bad));
            let refused = draft(&message);
            assert!(matches!(refused, Err(DraftError::Address { error: AddressError::Control(_), .. })), "{message:?}");
        }
    }
}

#[test]
fn fields_that_sealpost_sets_cannot_be_given() {
    for name in ["From", "to", "CC", "Bcc", "Subject", "Date", "Message-Id", "MIME-Version", "Content-Type", "HP-Outer"]
    {
        assert!(matches!(Field::parse(&format!("{name}: <a@b.test>")), Err(DraftError::Reserved(_))), "{name}");
    }
    for name in ["Received", "Return-Path", "DKIM-Signature", "Resent-To", "In-Reply-To", "References"] {
        assert!(matches!(Field::parse(&format!("{name}: x")), Err(DraftError::Reserved(_))), "{name}");
    }
    for line in ["no colon", ": x", "a b: x", "ä: x", "X : y"] {
        assert!(matches!(Field::parse(line), Err(DraftError::Malformed { .. })), "{line}");
    }
    assert!(matches!(Field::parse("Reply-To: a b c"), Err(DraftError::Address { .. })));
    assert_eq!(Field::parse("X-Ticket:  4711 ").unwrap().value(), "4711");
    assert!(Field::parse("List-Id: ä").is_err());
}

#[test]
fn a_message_id_of_another_domain_tells_the_machine_and_is_replaced() {
    let draft = draft("From: a@x.test\nMessage-ID: <1@laptop.local>\n\nhello\n").unwrap();
    assert_eq!(draft.message_id.domain(), "x.test");
}

#[test]
fn message_ids() {
    assert_eq!(MessageId::parse("a@b").unwrap().as_str(), "<a@b>");
    for text in ["", "<>", "a", "<a@b", "a@b>", "a b@c", "<a@b> <c@d>", "a@b@c", "@b", "a@", "ä@b", "a@b,c@d"] {
        assert!(MessageId::parse(text).is_err(), "{text}");
    }
    assert!(MessageId::parse(&format!("{}@x", "a".repeat(300))).is_err());
}

#[test]
fn attachment_names_and_types() {
    for name in ["", ".", "..", "a/b", "/etc/x", "../x", "C:\\x", &"n".repeat(256)] {
        assert!(Attachment::new(name, Zeroizing::default()).is_err(), "{name}");
    }
    for name in [".bashrc", "Jahresabschluß 2024.pdf", "a;b\"c.txt", "漢字"] {
        assert!(Attachment::new(name, Zeroizing::default()).is_ok(), "{name}");
    }
    for media_type in ["text", "text/", "/x", "text/x; y=z", "text/x y", "multipart/mixed", "text/x\"", "tëxt/x"] {
        assert!(
            Attachment::new("a", Zeroizing::default()).unwrap().with_media_type(media_type).is_err(),
            "{media_type}"
        );
    }
}

#[test]
fn a_whole_message_comes_apart() {
    let message = "From root@x.test Mon Nov  2 00:00:00 2026\n\
        Received: from laptop (10.0.0.1)\n\tby mx\n\
        From: =?utf-8?q?J=C3=BCrgen?= <j@x.test>\n\
        To: Bob <bob@x.test>,\n carol@x.test\n\
        Cc: team: dan@x.test;\n\
        Bcc: eve@x.test\n\
        bcc: frank@x.test\n\
        Resent-To: grace@x.test\n\
        Subject: =?utf-8?q?K=C3=A4se?= and\n wine\n\
        Date: Mon, 2 Nov 2026 10:00:00 +0100\n\
        Message-Id: <own@x.test>\n\
        References: <a@x.test>\n <b@x.test>\n\
        User-Agent: mutt on laptop\n\
        X-Note: =?utf-8?b?w6Q=?=\n\
        MIME-Version: 1.0\n\
        Content-Type: text/plain;\n\tcharset=utf-8\n\
        \n\
        body\n";
    let draft = draft(message).unwrap();
    let addresses = |list: &[Mailbox]| list.iter().map(|one| one.address.to_string()).collect::<Vec<_>>().join(" ");
    assert_eq!(draft.from.name.as_deref(), Some("Jürgen"));
    assert_eq!(addresses(&draft.to), "bob@x.test carol@x.test");
    assert_eq!(addresses(&draft.cc), "dan@x.test");
    assert_eq!(addresses(&draft.bcc), "eve@x.test frank@x.test");
    assert_eq!(draft.subject.as_deref(), Some("Käse and wine"));
    assert_eq!(draft.date.to_string(), "2026-11-02T09:00:00Z");
    assert_eq!(draft.message_id.as_str(), "<own@x.test>");
    assert_eq!(draft.references.len(), 2);
    assert_eq!(draft.fields, [Field::new("X-Note", "ä").unwrap()]);
    let Content::Entity { fields, body } = &draft.content else { panic!() };
    assert_eq!(fields[0].value(), "text/plain; charset=utf-8");
    assert_eq!(body.as_slice(), b"body\n");
}

#[test]
fn what_a_message_lacks_is_given() {
    let draft = draft("From: a@x.test\nDate: never\nMessage-ID: none\n\nhällo\n").unwrap();
    assert_eq!(
        (draft.date, draft.message_id.as_str()),
        (Timestamp::UNIX_EPOCH, "<01010101010101010101010101010101@x.test>")
    );
    assert!(matches!(&draft.content, Content::Parts { text, .. } if text.as_str() == "hällo\n"));
    assert!(draft_of_bytes(b"From: a@x.test").is_ok());
    assert_eq!(draft_of_bytes(b"From: a@x.test\n\na\xff").err(), Some(DraftError::NoText(1)));
}

#[test]
fn dates_as_mail_writes_them() {
    for date in ["Mon, 2 Nov 2026 10:00:00 +0100 (CET)", "2 Nov 2026 09:00 GMT", "Tue, 02 Nov 2026 04:00:00 -0500"] {
        let draft = draft(&format!("From: a@x.test\nDate: {date}\n\n")).unwrap();
        assert_eq!(draft.date.to_string(), "2026-11-02T09:00:00Z", "{date}");
    }
}

#[test]
fn a_structured_value_that_cannot_fold_is_refused() {
    for value in ["x".repeat(990), "x  ".repeat(400), "x".repeat(5000)] {
        assert!(matches!(Field::new("List-Id", &value), Err(DraftError::Malformed { .. })));
    }
    assert!(Field::new("List-Unsubscribe", &format!("<https://example.org/{}>", "x".repeat(900))).is_ok());
}

#[test]
fn what_is_no_message_is_refused() {
    use DraftError::{Address, Control, Count, Malformed};
    assert!(matches!(draft(""), Err(Count { name: "From", count: 0 })));
    assert!(matches!(draft("From: a@x.test\nFROM: b@x.test\n\n"), Err(Count { name: "From", count: 2 })));
    assert!(matches!(draft("From: a@x.test, b@x.test\n\n"), Err(Malformed { what: "From", .. })));
    assert!(matches!(draft("From: a@x.test\nSubject: a\nSubject: b\n\n"), Err(Count { name: "Subject", count: 2 })));
    assert!(matches!(draft("From: a@x.test\nTo: nobody\n\n"), Err(Address { .. })));
    assert!(matches!(draft("From: a@x.test\nno field\n\n"), Err(Malformed { .. })));
    assert!(matches!(draft(" folded\nFrom: a@x.test\n\n"), Err(Malformed { .. })));
    assert!(matches!(draft("From: a@x.test\nSubject: a\0b\n\n"), Err(Control { .. })));
    assert!(matches!(draft("From: a@x.test\nSubject: a\rBcc: b@x.test\n\n"), Err(Control { .. })));
    assert!(matches!(draft("From: a@x.test\nX-A: \u{2028}\n\n"), Err(Control { .. })));
    assert!(draft_of_bytes(b"From: a@x.test\nSubject: \xff\n\n").is_err());
}
