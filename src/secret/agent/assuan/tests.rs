#![allow(clippy::unwrap_used)]

use std::io::{Cursor, Read};

use proptest::prelude::*;

use super::*;

/// What an agent says, and what it is told.
pub struct Script {
    says: Cursor<Vec<u8>>,
    pub told: Vec<u8>,
}

impl Read for Script {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.says.read(buffer)
    }
}

impl Write for Script {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.told.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// One command after the greeting.
fn asked(says: &[u8], reply: &[u8]) -> (Result<Answer, AssuanError>, Vec<u8>) {
    let script = Script { says: Cursor::new([b"OK hello\n", says].concat()), told: Vec::new() };
    let mut dialogue = Dialogue::begin(script).unwrap();
    let answer = dialogue.command("PKSIGN", &mut |_| Some(Zeroizing::new(reply.to_vec())));
    (answer, dialogue.stream.told)
}

fn protocol(says: &[u8]) -> &'static str {
    match asked(says, b"").0 {
        Err(AssuanError::Protocol(what)) => what,
        other => panic!("{other:?}"),
    }
}

#[test]
fn data_and_status_are_read_to_the_end() {
    let (answer, told) = asked(b"# a comment\nS PADDING 0\nD (5:value3:%25%0A\nD )x\nOK\n", b"");
    let answer = answer.unwrap();
    assert_eq!(answer.data.as_slice(), b"(5:value3:%\n)x");
    assert_eq!(answer.status, [("PADDING".to_owned(), "0".to_owned())]);
    assert_eq!(told, b"PKSIGN\n");
}

#[test]
fn an_inquiry_gets_its_answer_in_short_lines() {
    let long = vec![b'%'; 1000];
    let (answer, told) = asked(b"INQUIRE PASSPHRASE more\nOK\n", &long);
    answer.unwrap();
    let lines: Vec<_> = told.split(|byte| *byte == b'\n').collect();
    assert!(lines.iter().all(|line| line.len() < LINE), "{lines:?}");
    assert_eq!(told.iter().filter(|byte| **byte == b'2').count(), 1000);
    assert!(told.ends_with(b"\nEND\n"));
}

#[test]
fn a_refusal_has_its_code_without_who_refused() {
    let Err(AssuanError::Refused(code, words)) = asked(b"ERR 67108875 Bad passphrase <GPG Agent>\n", b"").0 else {
        panic!()
    };
    assert_eq!((code, words.as_str()), (11, "Bad passphrase <GPG Agent>"));
}

#[test]
fn what_breaks_the_protocol_ends_it() {
    assert!(protocol(&[b'x'; 5000]).contains("1000 bytes"));
    assert!(protocol(b"HELLO\n").contains("does not know"));
    assert!(protocol(b"").contains("ended the connection"));
    assert!(protocol(b"D %2").contains("ended the connection"));
    for broken in ["D %2\n", "D %zz\n", "D %", "D %+1\n"] {
        let says = format!("{broken}\n");
        assert!(protocol(says.as_bytes()).contains("escape"), "{broken}");
    }
    assert!(protocol(b"ERR\n").contains("reason"));
    assert!(protocol(&b"S MORE 1\n".repeat(2000)).contains("without end"));
    assert!(protocol(&[&b"D "[..], &[b'a'; 900], b"\n"].concat().repeat(100)).contains("more data"));
    assert!(protocol(&b"INQUIRE PASSPHRASE\n".repeat(2000)).contains("without end"));
}

proptest! {
    #[test]
    fn rubbish_never_panics(lines in prop::collection::vec((prop_oneof!["OK", "ERR", "D", "S", "INQUIRE", "#", ""], prop::collection::vec(any::<u8>(), 0..60)), 0..20)) {
        let says: Vec<u8> = lines.iter().flat_map(|(word, rest)| [word.as_bytes(), b" ", rest, b"\n"].concat()).collect();
        let _ = asked(&says, b"x");
    }

    #[test]
    fn what_is_escaped_comes_back(data in prop::collection::vec(any::<u8>(), 0..900)) {
        let (_, told) = asked(b"INQUIRE X\nOK\n", &data);
        let lines = told.split(|byte| *byte == b'\n').filter_map(|line| line.strip_prefix(b"D "));
        let back: Vec<u8> = lines.flat_map(|line| unescape(line).unwrap().to_vec()).collect();
        prop_assert_eq!(back, data);
    }
}
