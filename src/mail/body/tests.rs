#![allow(clippy::unwrap_used)]

use proptest::prelude::*;

use super::*;

fn read(message: &str, encrypted: bool) -> (String, Vec<String>) {
    let tree = Tree::parse(message.as_bytes()).unwrap();
    let left_out = encrypted.then(|| legacy_display(&tree, 0, message.as_bytes())).flatten();
    let main = main_body(&tree, 0, left_out);
    let text = main.map(|index| text(tree.part(index), message.as_bytes(), encrypted)).unwrap_or_default();
    let rest = attachments(&tree, 0, main, left_out);
    (text, rest.iter().map(|index| tree.part(*index).media.essence().to_owned()).collect())
}

#[test]
fn names_from_strangers() {
    for (name, safe) in [
        ("../../x", "x"),
        ("/etc/x", "x"),
        ("C:\\x", "x"),
        ("C:x", "x"),
        ("a/b", "b"),
        ("..", "f"),
        (".", "f"),
        ("", "f"),
        ("a/", "f"),
        (".bashrc", "bashrc"),
        ("x\0.exe", "x"),
        ("\u{202e}fdp.exe", "fdp.exe"),
        ("-rf", "_-rf"),
        ("menü 1.pdf", "menü 1.pdf"),
        ("a\r\nb", "a  b"),
    ] {
        assert_eq!(safe_file_name(name, "f"), safe, "{name:?}");
    }
    let long = safe_file_name(&format!("{}.pdf", "ü".repeat(300)), "f");
    assert!(long.len() <= 200 && long.ends_with(".pdf"));
}

#[test]
fn flowed_text_is_joined() {
    let flowed = |text: &str| flowed::unwrap(text, false);
    assert_eq!(flowed("one \ntwo\nthree\n"), "one two\nthree\n");
    assert_eq!(flowed("> a \n> b\n>> c\n d\n"), "> a b\n>> c\nd\n");
    assert_eq!(flowed("> a \nb\n-- \nsig \n"), "> a \nb\n-- \nsig \n");
    assert_eq!(flowed::unwrap("wo \nrd\n", true), "word\n");
}

#[test]
fn html_is_text_and_nothing_else() {
    let text = |html: &str| html::to_text(html, false);
    assert_eq!(
        text("<html><head><title>t</title><style>p{}</style></head><body><p>Hello <b>w</b>orld</p><p>a<br>b</body>"),
        "Hello world\n\na\nb\n"
    );
    assert_eq!(text("<script>alert('</p>')</script >x<!-- <p>no</p> -->y<img src='http://e/x' alt=\">\">z"), "xyz\n");
    assert_eq!(text("a &lt;b&gt; &amp; &#228;&#x20AC; &nbsp;c &bogus; &#27; 1 < 2"), "a <b> & ä€  c &bogus; 1 < 2\n");
    assert_eq!(text("<ul><li>a<li>b</ul><pre>x\n  y</pre>"), "- a\n- b\n\nx\n  y\n");
    assert_eq!(text("<style>never closed <p>x"), "");
    assert_eq!(text(&"<div>".repeat(100_000)), "");
}

#[test]
fn legacy_display_goes_only_inside_encryption() {
    let plain = "Content-Type: text/plain; hp-legacy-display=1\n\nSubject: secret\n\nhello\n";
    assert_eq!(read(plain, true).0, "hello\n");
    assert_eq!(read(plain, false).0, "Subject: secret\n\nhello\n");
    let html = "Content-Type: text/html; hp-legacy-display=\"1\"\n\n<div class=\"header-protection-legacy-display\"><pre>Subject: s<div>x</div></pre></div><p>hello</p>";
    assert_eq!(read(html, true).0, "hello\n");
    assert!(read(html, false).0.contains("Subject: s"));
    let unmarked = "Content-Type: text/plain\n\nSubject: secret\n\nhello\n";
    assert_eq!(read(unmarked, true).0, "Subject: secret\n\nhello\n");
}

#[test]
fn the_older_legacy_display_may_stand_as_it_is_read_or_as_in_a_header() {
    let message = |shown: &str| {
        format!(
            "Content-Type: multipart/mixed; boundary=x; protected-headers=\"v1\"\nSubject: =?utf-8?q?s=C3=BC=C3=9F?=\n\n\
             --x\nContent-Type: text/plain; charset=utf-8; protected-headers=\"v1\"\n\nSubject: {shown}\n\
             --x\nContent-Type: text/plain\n\nhello\n--x--\n"
        )
    };
    for shown in ["süß", "=?utf-8?q?s=C3=BC=C3=9F?="] {
        assert_eq!(read(&message(shown), true).0, "hello");
    }
    assert_eq!(read(&message("sauer"), true).0, "Subject: sauer");
}

#[test]
fn a_part_that_shows_protected_fields_again_is_left_out_if_it_holds_nothing_else() {
    let message = |root: &str, first: &str, shown: &str| {
        format!(
            "Subject: =?utf-8?q?s=C3=BC=C3=9F?=\nTo: bob@example.org,\n carol@example.org\n\
             Content-Type: multipart/mixed; boundary=m{root}\n\n\
             --m\nContent-Type: {first}\n\n{shown}\n--m\nContent-Type: text/plain\n\nhello\n--m\n\nmore\n--m--\n"
        )
    };
    const MARK: &str = "; protected-headers=\"v1\"";
    let subject = "Subject: =?utf-8?q?s=C3=BC=C3=9F?=\n";
    let both = format!("{subject}To: bob@example.org,\n carol@example.org\n\n");
    for (kind, shown) in [("text/plain", subject), ("text/rfc822-headers", subject), ("text/plain", both.as_str())] {
        let shown = message(MARK, &format!("{kind}{MARK}"), shown);
        assert_eq!(read(&shown, true), ("hello".to_owned(), vec!["text/plain".to_owned()]), "{kind}");
        assert_ne!(read(&shown, false).1.len(), 1, "{kind}");
    }
    let told = |message: String| read(&message, true).0.contains("Subject");
    let first = format!("text/plain{MARK}");
    assert!(told(message("", &first, subject)) && told(message(MARK, "text/plain", subject)));
    for other in ["Subject: other\n", &format!("{subject}\nPay Mallory\n"), &format!("{subject}Cc: x@y\n")] {
        assert!(told(message(MARK, &first, other)), "{other}");
    }
}

#[test]
fn the_body_is_one_part() {
    let message = "Content-Type: multipart/mixed; boundary=m\n\n--m\nContent-Type: multipart/alternative; boundary=a\n\n--a\nContent-Type: text/html\n\n<p>html\n--a\n\nplain\n--a--\n--m\nContent-Type: image/png\n\nx\n--m\n\nsecond\n--m\nContent-Type: message/rfc822\n\nSubject: s\n\ninner\n--m--\n";
    let (text, rest) = read(message, false);
    assert_eq!(text, "plain");
    assert_eq!(rest, ["image/png", "text/plain", "message/rfc822"]);
    let attached = "Content-Type: text/plain\nContent-Disposition: attachment; filename=x.txt\n\nx";
    assert_eq!(read(attached, false), (String::new(), vec!["text/plain".to_owned()]));
}

#[test]
fn character_sets() {
    assert_eq!(decode(b"caf\xe9", Some("iso-8859-1")), "café");
    assert_eq!(decode("café".as_bytes(), None), "café");
    assert_eq!(decode("café".as_bytes(), Some("us-ascii")), "café");
    assert_eq!(decode(b"caf\xe9", Some("no-such")), "caf\u{fffd}");
    assert_eq!(line_breaks("a\r\nb\rc\n".to_owned()), "a\nb\nc\n");
}

proptest! {
    #[test]
    fn any_html_is_read(html in "[<>/!a-z\"'= &;#0-9\n-]{0,200}") {
        let text = html::to_text(&html, true);
        prop_assert!(text.len() <= html.len() * 3 + 1);
    }

    #[test]
    fn any_text_is_read(text in "\\PC{0,100}", charset in "[a-z0-9-]{0,12}") {
        let _ = html::to_text(&text, false);
        let _ = flowed::unwrap(&text, true);
        let _ = decode(text.as_bytes(), Some(&charset));
        let name = safe_file_name(&text, "f");
        prop_assert!(!name.is_empty() && !name.starts_with('.') && !name.contains(['/', '\\']) && name.len() <= 201);
    }
}
