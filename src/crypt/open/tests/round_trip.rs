#![allow(clippy::unwrap_used)]

//! What sealpost composes and seals, it opens: fields, protection, body, attachments.

use jiff::Timestamp;

use super::super::*;
use crate::{
    crypt::{
        Binding, PayloadUse, Recipient, Recipients, Sealing,
        pgp::{Key, Pgp, Profile, Reader},
    },
    mail::{
        self, Attachment as Draftment, Composition, Content as DraftContent, Draft, Envelope, Mailbox, MessageId,
        Uniques, protect::HeaderPolicy, protected::Protection,
    },
};

const SUBJECT: &str = "Zoë’s dinner — 👨‍👩‍👧 plans";

fn at() -> Timestamp {
    "2026-11-24T10:00:00Z".parse().unwrap()
}

fn draft(html: bool) -> Draft {
    let from = Mailbox::parse("\"Alice, of old\" <alice@example.org>").unwrap();
    Draft {
        message_id: MessageId::from_random([7; 16], &from.address),
        from,
        to: Mailbox::parse_list("Bob <bob@example.org>").unwrap(),
        cc: Vec::new(),
        bcc: Vec::new(),
        subject: Some(SUBJECT.to_owned()),
        date: at(),
        in_reply_to: vec![MessageId::parse("<a@b>").unwrap()],
        references: Vec::new(),
        fields: Vec::new(),
        content: DraftContent::Parts {
            text: Zeroizing::new("Let's eat\n\nSubject: not this\n".to_owned()),
            html: html.then(|| Zeroizing::new("<p>Let's eat</p>".to_owned())),
            attachments: vec![Draftment::new("Menü 1.pdf", Zeroizing::new(vec![0, 255, 10, 13])).unwrap()],
        },
    }
}

fn round_trip(html: bool, how: &Composition, sign: bool, profile: Profile) -> Released {
    let make = |mailbox: &str| Key::make(&Mailbox::parse(mailbox).unwrap(), profile, at()).unwrap().0;
    let (alice, bob) = (make("Alice <alice@example.org>"), make("Bob <bob@example.org>"));
    let mut draft = draft(html);
    let mut next = 0_u8;
    let mut uniques = Uniques::new(move || {
        next += 1;
        [next; 16]
    });
    let composed = mail::compose(&mut draft, how, &mut uniques).unwrap();
    let usable = Pgp::check(&bob.certificate(), &(), at()).unwrap();
    let to = draft.to[0].address.clone();
    let recipients = Recipients::new(vec![Recipient::new(to, usable, Binding::Named).unwrap()]).unwrap();
    let signer = alice.signer(at()).unwrap();
    let sealed = Pgp::seal(Sealing {
        payload: PayloadUse::Owned(composed.payload),
        outer: &composed.outer,
        confidential_subject: composed.confidential_subject.as_deref(),
        unseen: &[],
        envelope: Envelope::new(draft.from.address.clone(), draft.recipients()).unwrap(),
        recipients: &recipients,
        signer: sign.then_some(&signer),
        form: (),
        at: at(),
        boundary: &uniques.boundary(),
    })
    .unwrap();
    let message: Vec<u8> = sealed.pieces().flatten().copied().collect();
    let certificates = [alice.certificate(), bob.certificate()];
    let reader = Reader { keys: &[bob], lent: &[], certificates: &certificates, at: at(), limit: 1 << 20 };
    open(message, &super::pgp_only(reader), at()).unwrap().release(&Requirement::None).unwrap()
}

fn field(released: &Released, name: &str) -> (String, Protection) {
    let shown = released.summary().headers.0.iter().find(|field| field.name == name).unwrap();
    (shown.value.clone(), shown.protection)
}

#[test]
fn what_is_sealed_opens() {
    for policy in [HeaderPolicy::Baseline, HeaderPolicy::Shy] {
        for (legacy_display, html) in [(false, false), (true, false), (true, true)] {
            for (sign, profile) in [(true, Profile::Rfc4880), (false, Profile::Rfc9580), (true, Profile::Rfc9580)] {
                let released =
                    round_trip(html, &Composition { policy, legacy_display, ..Composition::default() }, sign, profile);
                let summary = released.summary();
                assert_eq!(summary.signature.state, if sign { State::Good } else { State::None });
                assert!(summary.encrypted && summary.warnings.is_empty(), "{:?}", summary.warnings);
                let hidden = if sign { Protection::SignedAndEncrypted } else { Protection::Encrypted };
                assert_eq!(field(&released, "subject"), (SUBJECT.to_owned(), hidden));
                let (from, protection) = field(&released, "from");
                assert_eq!(from, "\"Alice, of old\" <alice@example.org>");
                let seen = if sign { Protection::Signed } else { Protection::Unprotected };
                let shy = policy == HeaderPolicy::Shy;
                assert_eq!(protection, if shy { hidden } else { seen });
                assert_eq!(field(&released, "message-id").1, seen);
                assert_eq!(field(&released, "in-reply-to").0, "<a@b>");
                assert_eq!(released.text(), "Let's eat\n\nSubject: not this\n", "{policy:?} {legacy_display} {html}");
                let [attachment] = released.attachments() else { panic!("{:?}", released.attachments()) };
                assert_eq!((attachment.name.as_str(), attachment.size), ("Menü 1.pdf", 4));
                let mut bytes = Vec::new();
                released.write_attachment(attachment, &mut bytes).unwrap();
                assert_eq!(bytes, [0, 255, 10, 13]);
            }
        }
    }
}
