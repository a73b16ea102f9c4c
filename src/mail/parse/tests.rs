#![allow(clippy::unwrap_used)]

use proptest::prelude::*;

use super::*;

fn shape(text: &str) -> Vec<(Option<usize>, String, String)> {
    let tree = Tree::parse(text.as_bytes()).unwrap();
    let parts = tree.parts().iter();
    let shown = parts.map(|part| {
        let body = if part.children.is_empty() { &text[part.body.clone()] } else { "" };
        (part.parent, part.media.essence().to_owned(), body.to_owned())
    });
    shown.collect()
}

fn part(parent: usize, media: &str, body: &str) -> (Option<usize>, String, String) {
    (Some(parent), media.to_owned(), body.to_owned())
}

#[test]
fn parts_end_before_the_delimiters_line_break() {
    for line_break in ["\n", "\r\n"] {
        let text = "Subject: x\nContent-Type: multipart/mixed; boundary=\"b\"\n\npreamble\n--b\n\none\n\n--b  \nContent-Type: text/html\n\ntwo\n--b--\nepilogue\n--b\n\nthree\n";
        let shape = shape(&text.replace('\n', line_break));
        assert_eq!(shape[1..], [part(0, "text/plain", &format!("one{line_break}")), part(0, "text/html", "two")]);
    }
}

#[test]
fn a_boundary_that_begins_like_another_is_another() {
    let text = "Content-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: multipart/mixed; boundary=b1\n\n--b1\n\ninner\n--b1--\n--b\n\nouter\n--bc\nstill\n--b--\n";
    assert_eq!(
        shape(text)[1..],
        [part(0, "multipart/mixed", ""), part(1, "text/plain", "inner"), part(0, "text/plain", "outer\n--bc\nstill")]
    );
}

#[test]
fn an_outer_delimiter_ends_what_was_not_closed() {
    let text = "Content-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: multipart/mixed; boundary=c\n\n--c\n\ninner\n--b\n\nouter";
    assert_eq!(
        shape(text)[1..],
        [part(0, "multipart/mixed", ""), part(1, "text/plain", "inner"), part(0, "text/plain", "outer")]
    );
}

#[test]
fn boundaries_of_odd_lengths() {
    for (boundary, parts) in [("", 1), ("b", 2), (&"b".repeat(70), 2), (&"b".repeat(71), 2), (&"b".repeat(5000), 1)] {
        let text =
            format!("Content-Type: multipart/mixed; boundary=\"{boundary}\"\n\n--{boundary}\n\nx\n--{boundary}--\n");
        assert_eq!(shape(&text).len(), parts, "{}", boundary.len());
    }
}

#[test]
fn an_inner_boundary_equal_to_an_outer_one_is_none() {
    let text = "Content-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: multipart/mixed; boundary=b\n\n--b\n\nx\n--b--\n";
    assert_eq!(shape(text)[1..], [part(0, "multipart/mixed", ""), part(0, "text/plain", "x")]);
}

#[test]
fn messages_and_digests_are_looked_into() {
    let text = "Content-Type: multipart/digest; boundary=b\n\n--b\n\nSubject: inner\n\ntext\n--b\nContent-Type: text/plain\n\nx\n--b--\n";
    assert_eq!(
        shape(text)[1..],
        [part(0, "message/rfc822", ""), part(1, "text/plain", "text"), part(0, "text/plain", "x")]
    );
}

#[test]
fn lines_that_are_no_fields_are_skipped() {
    let text =
        "From alice@example.org Mon Jan  1 00:00:00 2026\nSubject: a\n b\nnot a field\n  goes on: x\nTo : c\n\nbody";
    let found: Vec<_> = fields(text.split("\n\n").next().unwrap().as_bytes()).map(|f| (f.name, f.text())).collect();
    assert_eq!(found, [("Subject", "a b".into()), ("To", "c".into())]);
    assert_eq!(shape(text)[0].2, "body");
}

#[test]
fn what_readers_read_differently_is_ambiguous() {
    for header in [
        "Content-Type: text/plain\nContent-Type: text/html",
        "Content-Type: multipart/mixed; boundary=a; boundary=b",
        "Content-Type: multipart/mixed; boundary=a; BOUNDARY*0=b",
        "Content-Transfer-Encoding: base64\nContent-Transfer-Encoding: 7bit",
    ] {
        assert!(Tree::parse(format!("{header}\n\nx").as_bytes()).unwrap().part(0).ambiguous, "{header}");
    }
    let named = "Content-Type: application/octet-stream; name=\"a.asc\"; name*=utf-8''a.asc\n\nx";
    assert!(!Tree::parse(named.as_bytes()).unwrap().part(0).ambiguous, "programs name a file in both ways");
}

#[test]
fn limits_have_names() {
    let deep = |n: usize| {
        (0..n).map(|i| format!("Content-Type: multipart/mixed; boundary=b{i}\n\n--b{i}\n")).collect::<String>()
    };
    assert!(Tree::parse(deep(MAX_DEPTH).as_bytes()).is_ok());
    assert_eq!(Tree::parse(deep(50_000).as_bytes()).unwrap_err(), Limit::Depth);
    let messages = "Content-Type: message/rfc822\n\n".repeat(1_000_000);
    assert_eq!(Tree::parse(messages.as_bytes()).unwrap_err(), Limit::Depth);
    let wide = format!("Content-Type: multipart/mixed; boundary=b\n\n{}", "--b\n\nx\n".repeat(10_000));
    assert_eq!(Tree::parse(wide.as_bytes()).unwrap_err(), Limit::Parts);
    let long = format!("Subject: {}\n\nx", "a".repeat(1_000_000));
    assert_eq!(Tree::parse(long.as_bytes()).unwrap_err(), Limit::Header);
}

#[test]
fn transfer_encodings_are_undone() {
    let decode = |encoding: TransferEncoding, text: &str| {
        let mut out = Vec::new();
        encoding.decode(text.as_bytes(), &mut |piece| out.extend_from_slice(piece));
        String::from_utf8_lossy(&out).into_owned()
    };
    assert_eq!(decode(TransferEncoding::Base64, "aGVs\r\nbG8=!\naGk="), "hellohi");
    assert_eq!(decode(TransferEncoding::QuotedPrintable, "a=3Db =\r\nc =ZZ \t\r\nd="), "a=b c =ZZ\r\nd");
}

#[test]
fn canonical_text_is_borrowed_when_it_is_so_already() {
    assert!(matches!(canonical(b"a\r\nb\r\n"), Cow::Borrowed(_)));
    assert_eq!(canonical(b"a\nb\r\n\n"), b"a\r\nb\r\n\r\n".as_slice());
}

#[test]
fn hidden_characters_go() {
    assert_eq!(harmless("a\u{202e}b\u{1b}[31m\u{200b}c\r\n d\0"), "ab[31mc   d");
}

proptest! {
    #[test]
    fn any_bytes_are_taken_apart(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
        if let Ok(tree) = Tree::parse(&bytes) {
            for part in tree.parts() {
                let _ = part.decoded(&bytes);
                let _ = part.canonical(&bytes);
            }
        }
    }

    #[test]
    fn any_lines_are_taken_apart(lines in proptest::collection::vec(prop_oneof![
        Just("Content-Type: multipart/mixed; boundary=b"), Just("Content-Type: multipart/signed; boundary=\"b--\""),
        Just("Content-Type: message/rfc822"), Just("--b"), Just("--b--"), Just("--b----"), Just(""), Just("x"),
        Just("Content-Type: multipart/digest; boundary*0=a; boundary*1=b"), Just("--ab"), Just("Subject: =?utf-8?q?=?="),
    ], 0..60), crlf in any::<bool>()) {
        let text = lines.join(if crlf { "\r\n" } else { "\n" });
        let tree = Tree::parse(text.as_bytes()).unwrap();
        for (index, part) in tree.parts().iter().enumerate() {
            prop_assert!(part.header.end <= part.body.start && part.body.start <= part.body.end);
            // An empty body's line break is the delimiter's too: the inner part may end one break later.
            let encloses = |parent: usize| parent < index && tree.parts()[parent].range().end + 2 >= part.range().end;
            prop_assert!(part.parent.is_none_or(encloses));
        }
    }

    #[test]
    fn any_field_value_is_read(value in "\\PC{0,80}", raw in proptest::collection::vec(any::<u8>(), 0..80)) {
        let _ = (MediaType::parse(value.as_bytes()), MediaType::parse(&raw), TransferEncoding::parse(&raw));
    }

    #[test]
    fn any_parameter_soup_is_read(value in "[a-z/;=*'\"%0-9 ()\\\\?q]{0,60}") {
        let _ = MediaType::parse(value.as_bytes());
    }
}

#[test]
fn what_is_decoded_in_place_is_the_same() {
    for encoding in ["base64", "quoted-printable", "7bit"] {
        for body in ["aGVsbG8=\r\nd29y bGQ\r\n=", "a=20b=\r\nc =3D  \r\n=zz\n", "", "=", "plain text\r\n"] {
            let message = format!("Content-Transfer-Encoding: {encoding}\r\n\r\n{body}").into_bytes();
            let tree = Tree::parse(&message).unwrap();
            let decoded = tree.part(0).decoded(&message).into_owned();
            let mut buffer = message.clone();
            tree.part(0).decode_in_place(&mut buffer);
            assert_eq!(buffer, decoded, "{encoding} {body:?}");
        }
    }
}
