#![allow(clippy::unwrap_used)]

use std::os::unix::fs::{MetadataExt, symlink};

use jiff::Timestamp;

use super::*;
use crate::{
    crypt::{open::Requirement, smime::Authorities},
    flow::open::{OpenPgp, Opening, Outcome, Smime},
};

fn message(names: &[&str]) -> Box<Released> {
    let mut text = "From: a@example.org\nContent-Type: multipart/mixed; boundary=b\n\n--b\n\nhello\n".to_owned();
    for name in names {
        text +=
            &format!("--b\nContent-Type: application/x-test\nContent-Disposition: attachment; filename=\"{name}\"\n");
        text += "Content-Transfer-Encoding: base64\n\nAAECAw==\n";
    }
    text += "--b--\n";
    let smime = Smime { keys: &[], certificates: &[], authorities: &Authorities::default(), pins: &[] };
    let opening = Opening {
        openpgp: OpenPgp { keys: &[], lent: &[], certificates: &[] },
        smime,
        at: Timestamp::UNIX_EPOCH,
        doubt: &|_, _, _| None,
        requirement: &Requirement::None,
    };
    match opening.open(text.into_bytes()).unwrap() {
        Outcome::Released(released) => released,
        Outcome::Withheld(_) => unreachable!(),
    }
}

#[test]
fn nothing_is_overwritten_and_no_link_followed() {
    let home = tempfile::tempdir().unwrap();
    let folder = home.path().join("in");
    std::fs::create_dir(&folder).unwrap();
    std::fs::write(folder.join("menu.pdf"), "old").unwrap();
    symlink(home.path().join("target"), folder.join("link")).unwrap();
    let mut message = message(&["menu.pdf", "menu.pdf", "link", "../../up"]);
    let paths = save(&mut message, &folder).unwrap();
    let names: Vec<_> = paths.iter().map(|path| path.file_name().unwrap().to_str().unwrap()).collect();
    assert_eq!(names, ["menu-1.pdf", "menu-2.pdf", "link-1", "up"]);
    assert_eq!(std::fs::read(folder.join("menu.pdf")).unwrap(), b"old");
    assert!(!home.path().join("target").exists());
    for (path, attachment) in paths.iter().zip(message.attachments()) {
        assert_eq!(attachment.saved.as_deref(), path.to_str());
        assert_eq!(path.parent().unwrap(), folder);
        assert_eq!(std::fs::metadata(path).unwrap().mode() & 0o777, 0o600);
        assert_eq!(std::fs::read(path).unwrap(), [0, 1, 2, 3]);
    }
}

#[test]
fn a_message_is_saved_once() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("message.eml");
    save_message(&message(&[]), &path).unwrap();
    assert!(std::fs::read(&path).unwrap().starts_with(b"From: a@example.org\n"));
    assert_eq!(std::fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
    assert!(matches!(save_message(&message(&[]), &path), Err(SaveError::Create { .. })));
}
