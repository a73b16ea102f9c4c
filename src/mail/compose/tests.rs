#![allow(clippy::unwrap_used)]

use base64::{Engine, engine::general_purpose::STANDARD};
use jiff::Timestamp;
use mail_parser::{MessageParser, MimeHeaders};
use proptest::prelude::*;

use super::*;
use crate::mail::{Attachment, Mailbox, MessageId};

fn uniques() -> Uniques {
    let mut counter = 0;
    Uniques::new(move || {
        counter += 1;
        [counter; 16]
    })
}

fn mailbox(text: &str) -> Mailbox {
    Mailbox::parse(text).unwrap()
}

fn draft(text: &str) -> Draft {
    Draft {
        from: mailbox("Alice Ä <alice@example.org>"),
        to: vec![mailbox("Bob <bob@example.org>")],
        cc: vec![],
        bcc: vec![mailbox("Hidden Eve <eve@secret.example>")],
        subject: Some("Dinner plans".to_owned()),
        date: Timestamp::from_second(1_793_610_000).unwrap(),
        message_id: MessageId::parse("<1@example.org>").unwrap(),
        in_reply_to: vec![],
        references: vec![],
        fields: vec![],
        content: Content::Parts { text: Zeroizing::new(text.to_owned()), html: None, attachments: vec![] },
    }
}

fn with_parts(html: Option<&str>, attachments: Vec<Attachment>) -> Draft {
    let html = html.map(|html| Zeroizing::new(html.to_owned()));
    Draft { content: Content::Parts { text: Zeroizing::new("text\n".to_owned()), html, attachments }, ..draft("") }
}

fn attachment(name: &str, bytes: &[u8]) -> Attachment {
    Attachment::new(name, Zeroizing::new(bytes.to_vec())).unwrap()
}

fn entity(message: &[u8]) -> Draft {
    Draft::from_message(Zeroizing::new(message.to_vec()).into(), Timestamp::UNIX_EPOCH, [1; 16]).unwrap()
}

fn bytes(composed: &Composed) -> Vec<u8> {
    composed.payload.chunks().flatten().copied().collect()
}

fn composed(draft: &mut Draft) -> (String, String) {
    composed_as(draft, &Composition::default())
}

fn composed_as(draft: &mut Draft, how: &Composition) -> (String, String) {
    let composed = compose(draft, how, &mut uniques()).unwrap();
    let payload = String::from_utf8(bytes(&composed)).unwrap();
    assert!(is_canonical(payload.as_bytes()), "{payload:?}");
    (payload, composed.outer.iter().map(Field::folded).collect())
}

fn is_canonical(payload: &[u8]) -> bool {
    let mut lines = payload.split(|&byte| byte == b'\n').peekable();
    while let Some(line) = lines.next() {
        let line = if lines.peek().is_some() { line.strip_suffix(b"\r") } else { Some(line) };
        if line.is_none_or(|line| line.len() > 998 || line.contains(&b'\r') || line.contains(&0)) {
            return false;
        }
    }
    true
}

#[test]
fn baseline_as_in_rfc_9788() {
    let (payload, outer) = composed(&mut draft("Hi Bob\n"));
    let date = "Mon, 02 Nov 2026 09:00:00 +0000";
    assert_eq!(
        payload,
        format!(
            "From: =?utf-8?q?Alice_=C3=84?= <alice@example.org>\r\n\
             To: Bob <bob@example.org>\r\n\
             Subject: Dinner plans\r\n\
             Date: {date}\r\n\
             Message-ID: <1@example.org>\r\n\
             HP-Outer: From: =?utf-8?q?Alice_=C3=84?= <alice@example.org>\r\n\
             HP-Outer: To: Bob <bob@example.org>\r\n\
             HP-Outer: Subject: [...]\r\n\
             HP-Outer: Date: {date}\r\n\
             HP-Outer: Message-ID: <1@example.org>\r\n\
             Content-Type: text/plain; charset=\"utf-8\"; hp=\"cipher\"; protected-headers=\"v1\"\r\n\
             Content-Transfer-Encoding: 7bit\r\n\r\n\
             Hi Bob\r\n"
        )
    );
    assert_eq!(
        outer,
        format!(
            "From: =?utf-8?q?Alice_=C3=84?= <alice@example.org>\r\nTo: Bob <bob@example.org>\r\n\
             Subject: [...]\r\nDate: {date}\r\nMessage-ID: <1@example.org>\r\n"
        )
    );
}

#[test]
fn shy_shows_addr_specs_only() {
    let how = Composition { policy: HeaderPolicy::Shy, ..Composition::default() };
    let (payload, outer) = composed_as(&mut draft("Hi"), &how);
    assert!(outer.starts_with("From: alice@example.org\r\nTo: bob@example.org\r\nSubject: [...]\r\nDate: "));
    assert!(outer.contains(" +0000\r\n"));
    assert!(payload.contains("HP-Outer: From: alice@example.org\r\n") && payload.contains("To: Bob <bob@example.org>"));
}

#[test]
fn further_fields_go_inside_only_but_for_those_servers_need() {
    let mut draft = draft("x");
    draft.in_reply_to = vec![MessageId::parse("0@example.org").unwrap()];
    draft.fields = [
        "Keywords: k",
        "Comments: c",
        "X-Secret: s",
        "Reply-To: Ä <r@example.org>",
        "Auto-Submitted: auto-generated",
        "List-Id: <l.example.org>",
    ]
    .into_iter()
    .map(|line| Field::parse(line).unwrap())
    .collect();
    let (payload, outer) = composed(&mut draft);
    for inside in ["Keywords: k", "Comments: c", "X-Secret: s", "Reply-To: =?utf-8?b?w4Q=?= <r@example.org>"] {
        assert!(payload.contains(&format!("\r\n{inside}\r\n")), "{inside}");
        assert!(!outer.contains(&format!("\n{}:", inside.split(':').next().unwrap())), "{inside}");
    }
    for both in ["Auto-Submitted: auto-generated", "List-Id: <l.example.org>", "In-Reply-To: <0@example.org>"] {
        assert!(payload.contains(&format!("\r\n{both}\r\n")) && payload.contains(&format!("\r\nHP-Outer: {both}\r\n")));
        assert!(outer.contains(&format!("{both}\r\n")));
    }
}

#[test]
fn bcc_is_nowhere() {
    let hidden = "Bcc: Hidden Eve <eve@secret.example>\nResent-Bcc: eve@secret.example";
    let drafts = || {
        [
            draft("x"),
            with_parts(Some("<p>x</p>"), vec![attachment("a.bin", b"x")]),
            entity(format!("From: a@x.test\nTo: b@x.test\n{hidden}\n\nx").as_bytes()),
        ]
    };
    for policy in [HeaderPolicy::Baseline, HeaderPolicy::Shy] {
        for draft in &mut drafts() {
            assert_eq!(draft.recipients().len(), 2);
            let (payload, outer) =
                composed_as(draft, &Composition { policy, legacy_display: true, ..Composition::default() });
            for trace in ["eve", "Eve", "secret", "Bcc", "bcc"] {
                assert!(!payload.contains(trace) && !outer.contains(trace), "{trace}");
            }
        }
    }
}

#[test]
fn a_large_text_that_stands_goes_inside_without_a_copy() {
    let text = "a line\r\n".repeat(20_000);
    let message = format!("From: a@x.test\nContent-Type: text/plain\n\n{text}");
    for mut draft in [draft(&text), entity(message.as_bytes())] {
        let before = match &draft.content {
            Content::Parts { text, .. } => text.as_ptr(),
            Content::Entity { body, .. } => body.as_ptr(),
        };
        let composed = compose(&mut draft, &Composition::default(), &mut uniques()).unwrap();
        let last = composed.payload.chunks().last().unwrap();
        assert_eq!((last, last.as_ptr()), (text.as_bytes(), before));
        assert_eq!(composed.payload.len(), bytes(&composed).len());
    }
    // What does not stand is changed first.
    for text in ["a line\n".repeat(20_000), "ä line\r\n".repeat(20_000)] {
        let (payload, _) = composed(&mut draft(&text));
        let read = MessageParser::new().parse(payload.as_bytes()).unwrap().body_text(0).unwrap().replace("\r\n", "\n");
        assert!(read == text.replace("\r\n", "\n"));
    }
}

#[test]
fn the_same_arguments_give_the_same_bytes() {
    let draft = || with_parts(Some("<p>ä</p>"), vec![attachment("ä.pdf", &[0; 5000])]);
    assert_eq!(composed(&mut draft()), composed(&mut draft()));
}

#[test]
fn the_mark_stands_on_the_root_alone() {
    let drafts = [
        draft("x"),
        with_parts(Some("<p>x</p>"), vec![]),
        with_parts(None, vec![attachment("a", b"")]),
        with_parts(Some("<p>x</p>"), vec![attachment("a", b"")]),
        entity(b"From: a@x.test\nContent-Type: multipart/mixed; boundary=b; hp=\"clear\"; protected-headers=v1\nHP-Outer: Subject: x\n\n--b\n\nx\n--b--\n"),
    ];
    for mut draft in drafts {
        let (payload, _) = composed(&mut draft);
        let (header, body) = payload.split_once("\r\n\r\n").unwrap();
        assert_eq!(header.matches("hp=\"cipher\"").count(), 1);
        assert_eq!(header.matches("protected-headers=").count(), 1);
        assert!(!payload.contains("clear") && !header.contains("HP-Outer: Subject: x"));
        assert!(!body.contains("hp=") && !body.contains("HP-Outer"));
        for machine in ["User-Agent", "X-Mailer", "localhost", "Content-Description", "sealpost"] {
            assert!(!payload.contains(machine), "{machine}");
        }
    }
}

#[test]
fn text_is_canonical_whatever_it_holds() {
    for text in [
        "a\n.\nMAIL FROM:<x@y.test>\n",
        "a\r.\r",
        "a\0b\n",
        "a\r\n\r\nb",
        "last line",
        "ünïcödé\n",
        "\u{1b}[2J",
        "tail \n",
        &"long ".repeat(500),
        &"x".repeat(5000),
        "From me\n",
        "",
        "\n",
        "\r\r\n\n\r",
    ] {
        let (payload, _) = composed(&mut draft(text));
        assert!(payload.is_ascii());
        let message = MessageParser::new().parse(payload.as_bytes()).unwrap();
        let expected = text.replace("\r\n", "\n").replace('\r', "\n");
        let read = message.body_text(0).unwrap_or_default().replace("\r\n", "\n");
        assert_eq!(read, expected, "{payload}");
    }
}

#[test]
fn attachments_read_back_byte_for_byte() {
    let long = format!("{}.pdf", "n".repeat(240));
    for (name, bytes, media_type) in [
        ("a.pdf", &b"%PDF \0\r\n\r\n"[..], "application/pdf"),
        ("Jahresabschluß, \"2024\".csv", "ä;ö\n\rx".as_bytes(), "text/csv"),
        ("notes.txt", b"a\nb\rc\r\n", "text/plain"),
        ("x.eml", b"From: a@b\r\n\r\nx\r\n", "message/rfc822"),
        ("y.eml", b"From: a@b\n\nx\n", "application/octet-stream"),
        ("z.eml", "From: ä@b\r\n\r\nx".as_bytes(), "application/octet-stream"),
        ("unknown", b"", "application/octet-stream"),
        (".bashrc", b"x", "application/octet-stream"),
        ("=?utf-8?q?x?=.bin", b"x", "application/octet-stream"),
        ("two  blanks .bin", b"x", "application/octet-stream"),
        ("漢字漢字漢字漢字漢字漢字漢字漢字漢字漢字漢字漢字漢字漢字.zip", &[255; 300], "application/zip"),
        (&long, b"x", "application/pdf"),
    ] {
        let (payload, _) = composed(&mut with_parts(None, vec![attachment(name, bytes)]));
        assert!(payload.is_ascii());
        let message = MessageParser::new().parse(payload.as_bytes()).unwrap();
        let part = message.attachment(0).unwrap();
        assert_eq!(part.attachment_name(), Some(name), "{payload}");
        let content_type = part.content_type().unwrap();
        assert_eq!(format!("{}/{}", content_type.ctype(), content_type.subtype().unwrap()), media_type);
        if media_type == "message/rfc822" {
            assert!(payload.contains(str::from_utf8(bytes).unwrap()));
        } else {
            assert_eq!(part.contents(), bytes, "{name}");
        }
    }
}

#[test]
fn an_injection_behind_the_types_is_refused() {
    let bad = "x\r\nBcc: e@x.test";
    let name = Draft { from: Mailbox { name: Some(bad.to_owned()), ..mailbox("a@x.test") }, ..draft("") };
    let subject = Draft { subject: Some(bad.to_owned()), ..draft("") };
    let file = Attachment { name: bad.to_owned(), media_type: None, bytes: Zeroizing::default() };
    let kind =
        Attachment { name: "a".to_owned(), media_type: Some(format!("text/{bad}")), bytes: Zeroizing::default() };
    for mut draft in [name, subject, with_parts(None, vec![file]), with_parts(None, vec![kind])] {
        let refused = compose(&mut draft, &Composition::default(), &mut uniques());
        assert!(matches!(refused, Err(ComposeError::Draft(DraftError::Control { .. }))));
    }
}

#[test]
fn an_entity_is_kept_byte_for_byte() {
    let body = "preamble\n--b\nContent-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: 8bit\n\nhällo \n--b\nContent-Type: application/x; name=\"a;b\"\n\n.\n--b--\nepilogue\n";
    let message = format!(
        "From: a@x.test\nSubject: s\nContent-Type: Multipart/Mixed; (c;d) x=\"1;2\";\n\tboundary=b; HP=clear;hp*=utf-8''x; protected-headers=\"v0\"\nContent-Language: de\n\n{body}"
    );
    let (payload, _) = composed(&mut entity(message.as_bytes()));
    let (header, kept) = payload.split_once("\r\n\r\n").unwrap();
    assert_eq!(kept, body.replace('\n', "\r\n"));
    let header = header.replace("\r\n ", " ");
    assert!(
        header.contains(
            "Content-Type: Multipart/Mixed; (c;d) x=\"1;2\"; boundary=b; hp=\"cipher\"; protected-headers=\"v1\"\r\n"
        ),
        "{header}"
    );
    assert!(header.contains("Content-Language: de"));
}

#[test]
fn a_layer_is_not_the_root() {
    let body = "--b\r\n\r\nhello \r\n--b\r\nContent-Type: application/pgp-signature\r\n\r\nx\r\n--b--\r\n";
    for content_type in ["multipart/signed; boundary=b; protocol=x", "Application/X-PKCS7-mime; smime-type=signed-data"]
    {
        let message = format!("From: a@x.test\nSubject: s\nContent-Type: {content_type}\n\n{body}");
        let (payload, _) = composed(&mut entity(message.as_bytes()));
        let message = MessageParser::new().parse(payload.as_bytes()).unwrap();
        let root = message.content_type().unwrap();
        assert_eq!((root.ctype(), root.subtype()), ("multipart", Some("mixed")), "{payload}");
        assert_eq!(root.attribute("hp"), Some("cipher"));
        // What its signature covers is kept to the byte, and it bears no mark.
        assert!(payload.contains(&format!("\r\nContent-Type: {content_type}\r\n\r\n{body}\r\n--")), "{payload}");
    }
}

#[test]
fn a_leaf_that_is_not_seven_bit_is_encoded() {
    for (encoding, body, expected) in [
        ("8bit", &b"h\xc3\xa4llo\n"[..], &b"h\xc3\xa4llo\r\n"[..]),
        ("7bit", b"a\0b\n", b"a\0b\r\n"),
        ("binary", b"\xff\n\r\0", b"\xff\n\r\0"),
        ("8bit\nX-Note: utf-16", b"a\0b\n", b"a\0b\r\n"),
    ] {
        let mut message =
            format!("From: a@x.test\nContent-Type: application/x\nContent-Transfer-Encoding: {encoding}\n\n")
                .into_bytes();
        message.extend_from_slice(body);
        let (payload, _) = composed(&mut entity(&message));
        assert!(payload.is_ascii() && payload.contains("Content-Transfer-Encoding: base64\r\n\r\n"));
        let encoded = payload.split_once("\r\n\r\n").unwrap().1.replace("\r\n", "");
        assert_eq!(STANDARD.decode(encoded).unwrap(), expected);
    }
    let wide = b"From: a@x.test\nContent-Type: text/plain; charset=\"UTF-16\"\n\n\xff\xfeh\0\n\0";
    let (payload, _) = composed(&mut entity(wide));
    assert!(payload.ends_with(&format!("\r\n\r\n{}\r\n", STANDARD.encode(b"\xff\xfeh\0\n\0"))), "{payload}");
    let mut nul = entity(b"From: a@x.test\nContent-Type: multipart/mixed; boundary=b\n\n--b\n\n\0\n--b--\n");
    assert!(matches!(compose(&mut nul, &Composition::default(), &mut uniques()), Err(ComposeError::Nul(_))));
    let mut twice = entity(b"From: a@x.test\nContent-Type: text/plain\nContent-Type: text/html\n\nx");
    assert!(matches!(
        compose(&mut twice, &Composition::default(), &mut uniques()),
        Err(ComposeError::Draft(DraftError::Count { .. }))
    ));
}

#[test]
fn legacy_display_as_in_rfc_9788() {
    let html = "<html><body class=\"a>b\">\n<p>x</p></body></html>";
    let how = Composition { legacy_display: true, ..Composition::default() };
    let mut draft = with_parts(Some(html), vec![attachment("a.txt", b"x")]);
    draft.subject = Some("<b>\"Ä\" & 'o'".to_owned());
    let (payload, _) = composed_as(&mut draft, &how);
    let message = MessageParser::new().parse(payload.as_bytes()).unwrap();
    assert_eq!(message.body_text(0).unwrap(), "Subject: <b>\"Ä\" & 'o'\r\n\r\ntext\r\n");
    assert_eq!(
        message.body_html(0).unwrap(),
        "<html><body class=\"a>b\"><div class=\"header-protection-legacy-display\">\r\n\
         <pre>Subject: &lt;b&gt;&quot;Ä&quot; &amp; &#39;o&#39;\r\n</pre>\r\n</div>\r\n\r\n<p>x</p></body></html>"
    );
    assert_eq!(payload.matches("hp-legacy-display=\"1\"").count(), 2);
    draft.subject = None;
    assert!(!composed_as(&mut draft, &how).0.contains("legacy"));
}

#[test]
fn only_a_local_part_needs_smtputf8() {
    let mut draft = draft("x");
    assert!(!compose(&mut draft, &Composition::default(), &mut uniques()).unwrap().needs_smtputf8());
    draft.to.push(mailbox("Ü <jürgen@bücher.example>"));
    let composed = compose(&mut draft, &Composition::default(), &mut uniques()).unwrap();
    assert!(composed.needs_smtputf8());
    assert_eq!(composed.outer[1].value(), "Bob <bob@example.org>, =?utf-8?b?w5w=?= <jürgen@xn--bcher-kva.example>");
}

#[test]
fn a_large_attachment_is_in_few_chunks_that_are_not_too_large() {
    let mut draft = with_parts(None, vec![attachment("a.bin", &vec![7; 8 << 20])]);
    let composed = compose(&mut draft, &Composition::default(), &mut uniques()).unwrap();
    assert!(composed.payload.len() > 10 << 20);
    assert!(composed.payload.chunks().all(|chunk| chunk.len() <= 8 << 20));
    assert!(composed.payload.chunks().count() < 16);
}

proptest! {
    #[test]
    fn what_is_inside_reads_back_the_same(
        subject in "([ -~]|\\PC){0,120}",
        name in "([ -~]|[äöü漢]){0,40}",
        note in "([ -~]|\\PC){0,120}",
        text in "(\\PC|[\r\n\t]){0,200}",
        file in "[a-zäöü ;\"'=?*%.漢]{1,60}",
    ) {
        let clean = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
        let (subject, name, note) = (clean(&subject), clean(&name), clean(&note));
        prop_assume!(![&subject, &name, &note].into_iter().any(|text| crate::mail::character::holds_control(text)));
        prop_assume!(!subject.is_empty() && !name.is_empty() && !note.is_empty() && file.trim() == file && file != "." && file != "..");
        let mut draft = draft(&text);
        draft.subject = Some(subject.clone());
        draft.from.name = Some(name.clone());
        draft.fields = vec![Field::new("X-Note", &note).unwrap()];
        if let Content::Parts { attachments, .. } = &mut draft.content {
            attachments.push(attachment(&file, b"x"));
        }
        let (payload, outer) = composed(&mut draft);
        prop_assert!(payload.is_ascii() && outer.is_ascii());
        let message = MessageParser::new().parse(payload.as_bytes()).unwrap();
        prop_assert_eq!(message.subject(), Some(subject.as_str()));
        prop_assert_eq!(message.from().unwrap().first().unwrap().name.as_deref(), Some(name.as_str()));
        prop_assert_eq!(message.header_raw("X-Note").map(|raw| crate::mail::character::decode_words(&raw.trim().replace("\r\n ", " ")).into_owned()), Some(note));
        prop_assert_eq!(message.attachment(0).unwrap().attachment_name(), Some(file.as_str()));
        let read = message.body_text(0).unwrap_or_default().replace("\r\n", "\n");
        prop_assert_eq!(read, text.replace("\r\n", "\n").replace('\r', "\n"));
    }

    #[test]
    fn no_message_panics(message in "(From: a@x.test\n)?([A-Z][a-z]{1,5}: \\PC{0,20}\n|Content-Type: [a-z/;=\"( ]{0,20}\n| \\PC{0,5}\n){0,5}\n?(\\PC|[\r\n\0]){0,60}") {
        if let Ok(mut draft) = Draft::from_message(Zeroizing::new(message.into_bytes()).into(), Timestamp::UNIX_EPOCH, [1; 16])
            && let Ok(composed) = compose(&mut draft, &Composition::default(), &mut uniques())
        {
            let payload = bytes(&composed);
            prop_assert!(is_canonical(&payload));
        }
    }
}
