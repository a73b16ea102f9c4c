//! What a reader sees of a message that was released.

use super::*;

#[test]
fn headers_are_decoded_and_harmless() {
    let read = json(
        "From: =?utf-8?q?Eve=3C=3E=0D=0A=1B[31m?= <eve@example.org>\nSubject: =?utf-8?q?a=0D=0ABcc:_x=E2=80=AE?=\n b\nIn-Reply-To: <a@b>\n\tx\n\nx\n",
    );
    for name in ["from", "subject", "in-reply-to"] {
        let value = read["headers"][name]["value"].as_str().unwrap();
        assert!(!value.contains(|c: char| c.is_control() || c == '\u{202e}'), "{value:?}");
    }
    assert!(read["headers"]["from"]["value"].as_str().unwrap().ends_with(" <eve@example.org>"));
}

#[test]
fn the_message_can_be_had_as_it_was() {
    let write = |message: &str| {
        let mut out = Vec::new();
        opened(message).release(&Requirement::None).unwrap().write_message(&mut out).unwrap();
        String::from_utf8(out).unwrap()
    };
    let plain = "From: a@example.org\n\nx\n";
    assert_eq!(write(plain), plain);
    let whole = write(&encrypted(OUTER, "alice", &payload("; hp=cipher")));
    assert!(
        whole.starts_with("To: bob@example.org\nDate: Tue, 24 Nov 2026 10:00:00 +0000\nMIME-Version: 1.0\nFrom: Alice")
    );
    assert!(whole.contains("Subject: Dinner plans") && !whole.contains("multipart/encrypted"));
    assert!(whole.ends_with("\n\nLet's eat\n"));
    let turned = format!("{OUTER}Reply-To: eve@example.net\nMail-Followup-To: eve@example.net\n");
    assert!(!write(&encrypted(&turned, "alice", &payload("; hp=cipher"))).contains("eve@example.net"));
    let own = payload("; hp=cipher").replace("Subject: Dinner", "Reply-To: al@example.org\nSubject: Dinner");
    let own = write(&encrypted(&turned, "alice", &own));
    assert!(own.contains("Reply-To: al@example.org") && !own.contains("eve@example.net"));
    assert!(write(&signed(&turned, "alice", &payload("; hp=clear"))).contains("Reply-To: eve@example.net"));
    let one = signed(OUTER, "alice", &payload("")).replace("--s\nContent-Type: application/pgp-signature", "");
    assert_eq!(write(&one), one);
    let clear = write(&signed(OUTER, "alice", &payload("; hp=clear")));
    assert!(clear.starts_with("To: bob@example.org") && clear.ends_with("\n\nLet's eat\n"), "{clear}");
    assert!(write(&format!("{OUTER}\n{ARMOR}")).ends_with("\r\n\r\nsecret"));
}

#[test]
fn attachments_have_safe_names_and_true_sizes() {
    let mixed = "Content-Type: multipart/mixed; boundary=m\n\n--m\n\nhi\n--m\nContent-Type: application/pdf; name=x\nContent-Disposition: attachment; filename*=utf-8''..%2F..%2Fmen%C3%BC.pdf\nContent-Transfer-Encoding: base64\n\nAAECAw==\n--m--\n";
    let released = opened(&encrypted(OUTER, "alice", mixed)).release(&Requirement::None).unwrap();
    let attachment = &released.attachments()[0];
    assert_eq!(
        (attachment.name.as_str(), attachment.media_type.as_str(), attachment.size),
        ("menü.pdf", "application/pdf", 4)
    );
    let mut bytes = Vec::new();
    released.write_attachment(attachment, &mut bytes).unwrap();
    assert_eq!(bytes, [0, 1, 2, 3]);
}
