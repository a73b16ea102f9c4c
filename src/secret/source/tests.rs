//! Sources as they are written, read and refused.

#![allow(clippy::unwrap_used)]

use std::{
    env, fs,
    io::Write,
    os::fd::AsRawFd,
    os::unix::{fs::PermissionsExt, net::UnixListener},
    process::Command,
    thread,
    time::{Duration, Instant},
};

use super::*;

fn file(folder: &tempfile::TempDir, bytes: &[u8], mode: u32) -> Source {
    let path = folder.path().join("secret");
    fs::write(&path, bytes).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
    Source::parse(&format!("file:{}", path.display())).unwrap()
}

#[test]
fn the_six_kinds_are_read() {
    assert_eq!(Source::parse("file:/a:b").unwrap(), Source::File("/a:b".into()));
    assert_eq!(Source::parse("fd:3").unwrap(), Source::Descriptor(3));
    let words = ["pass", "show", "a b", "c\"d"].map(str::to_owned).to_vec();
    assert_eq!(Source::parse("command:pass show 'a b' \"c\\\"d\"").unwrap(), Source::Command(words));
    assert_eq!(Source::parse("credential:mail.pw").unwrap(), Source::Credential("mail.pw".into()));
    assert_eq!(Source::parse("keyring:mail").unwrap(), Source::Keyring("mail".into()));
    assert_eq!(Source::parse("env:MAIL_PW").unwrap(), Source::Environment("MAIL_PW".into()));
}

#[test]
fn bare_values_are_refused_and_never_repeated() {
    for text in [
        "hunter2",
        "",
        "hunter2:x",
        "File:hunter2",
        " file:hunter2",
        "fd:hunter2",
        "fd:-1",
        "fd:+1",
        "fd:4294967295",
        "fd:",
        "command:",
        "command:  ",
        "command:'' x",
        "command:echo 'hunter2",
        "credential:../hunter2",
        "credential:..",
        "credential:",
        "keyring:",
        "env:",
        "env:hunter2=1",
        "file:",
        "file:hunter2\0",
        "https://hunter2",
    ] {
        let error = Source::parse(text).unwrap_err();
        assert!(matches!(error, SecretError::Malformed(_)), "{text:?}");
        assert!(!format!("{error} {error:?}").contains("hunter2"), "{text:?}");
    }
}

#[test]
fn a_file_gives_its_first_line() {
    let folder = tempfile::tempdir().unwrap();
    for (bytes, expected) in [
        (&b"one"[..], "one"),
        (b"one\n", "one"),
        (b"one\r\ntwo\n", "one"),
        (b" one two \n", " one two "),
        ("\u{fc}\n".as_bytes(), "\u{fc}"),
        (b"one\n\xff", "one"),
    ] {
        assert_eq!(*file(&folder, bytes, 0o600).read().unwrap(), expected);
    }
}

#[test]
fn what_is_wrong_with_a_file_is_told_apart() {
    let folder = tempfile::tempdir().unwrap();
    for mode in [0o640, 0o604, 0o644, 0o440] {
        let error = file(&folder, b"hunter2", mode).read().unwrap_err();
        assert!(matches!(error, SecretError::Exposed { mode: found, .. } if found == mode), "{error}");
    }
    for empty in [&b""[..], b"\n", b"\r\nsecond\n"] {
        let source = file(&folder, empty, 0o400);
        assert!(matches!(source.read(), Err(SecretError::Empty(_))));
        assert_eq!(*source.read_or_empty().unwrap(), "");
    }
    assert!(matches!(file(&folder, b"\xff\xfe\n", 0o600).read(), Err(SecretError::NotText(_))));
    assert!(matches!(file(&folder, &vec![b'x'; LIMIT + 1], 0o600).read(), Err(SecretError::TooLong(_))));
    assert_eq!(file(&folder, &vec![b'x'; LIMIT], 0o600).read().unwrap().len(), LIMIT);
    let missing = Source::File(folder.path().join("none"));
    assert!(matches!(missing.read(), Err(SecretError::Missing(_))));
    let below_file = Source::File(folder.path().join("secret/none"));
    assert!(matches!(below_file.read(), Err(SecretError::Missing(_))));
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o700)).unwrap();
    assert!(matches!(Source::File(folder.path().to_owned()).read(), Err(SecretError::Unreadable { .. })));
}

#[test]
fn a_descriptor_is_read_to_its_end() {
    let (reader, mut writer) = std::io::pipe().unwrap();
    let source = Source::parse(&format!("fd:{}", reader.as_raw_fd())).unwrap();
    let thread = thread::spawn(move || {
        writer.write_all(b"from a").unwrap();
        thread::sleep(Duration::from_millis(20));
        writer.write_all(b" pipe\nmore\n").unwrap();
    });
    assert_eq!(*source.read().unwrap(), "from a pipe");
    thread.join().unwrap();
    assert!(matches!(Source::Descriptor(987_654).read(), Err(SecretError::Missing(_))));
}

#[test]
fn a_command_runs_without_a_shell() {
    let read = |text: &str| Source::parse(text).unwrap().read();
    assert_eq!(*read("command:printf '%s\\n' '$HOME; a  b'").unwrap(), "$HOME; a  b");
    assert_eq!(*read("command:sh -c 'cat; echo end'").unwrap(), "end");
    assert!(matches!(read("command:true"), Err(SecretError::Empty(_))));
    assert!(matches!(read("command:/no/such/program"), Err(SecretError::Missing(_))));
    assert!(matches!(read("command:/etc/passwd"), Err(SecretError::Unreadable { .. })));
    let error = read("command:sh -c 'printf \"no\\033[31m way\\n\" >&2; echo hunter2; exit 3'").unwrap_err();
    assert!(matches!(&error, SecretError::CommandFailed { status, .. } if status.code() == Some(3)));
    let words = error.to_string();
    assert!(words.contains("no\\u{1b}[31m way") && !words.contains('\u{1b}') && !words.contains("hunter2"), "{words}");
}

#[test]
fn a_missing_keyring_entry_or_variable_is_missing() {
    assert!(matches!(Source::Environment("SEALPOST_TEST_NOT_SET".into()).read(), Err(SecretError::Missing(_))));
}

/// Runs one ignored test of this file in a child process, with an environment of its own.
fn in_child(test: &str, environment: &[(&str, &str)]) {
    let mut command = Command::new(env::current_exe().unwrap());
    command.args(["--exact", "--ignored", "--nocapture", &format!("secret::source::tests::{test}")]);
    let output = command.envs(environment.iter().copied()).output().unwrap();
    let words = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && words.contains("1 passed"), "{words}");
}

#[test]
fn variables_are_read_and_withheld_from_commands() {
    in_child("child_reads_variables", &[("SEALPOST_TEST_SECRET", "hunter2"), ("SEALPOST_TEST_EMPTY", "")]);
}

#[test]
#[ignore = "run by variables_are_read_and_withheld_from_commands"]
fn child_reads_variables() {
    let source = Source::parse("env:SEALPOST_TEST_SECRET").unwrap();
    let command = Source::parse("command:sh -c 'echo \"<$SEALPOST_TEST_SECRET>\"'").unwrap();
    assert_eq!(*command.read().unwrap(), "<>");
    assert_eq!(*source.read().unwrap(), "hunter2");
    assert!(matches!(Source::parse("env:SEALPOST_TEST_EMPTY").unwrap().read(), Err(SecretError::Empty(_))));
}

#[test]
fn credentials_come_from_their_folder() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("key"), "hunter2\n").unwrap();
    fs::set_permissions(folder.path().join("key"), fs::Permissions::from_mode(0o440)).unwrap();
    in_child("child_reads_credentials", &[("CREDENTIALS_DIRECTORY", folder.path().to_str().unwrap())]);
    in_child("child_without_credentials", &[("CREDENTIALS_DIRECTORY", "")]);
}

#[test]
#[ignore = "run by credentials_come_from_their_folder"]
fn child_reads_credentials() {
    assert_eq!(*Source::parse("credential:key").unwrap().read().unwrap(), "hunter2");
    assert!(matches!(Source::parse("credential:none").unwrap().read(), Err(SecretError::Missing(_))));
}

#[test]
#[ignore = "run by credentials_come_from_their_folder"]
fn child_without_credentials() {
    assert!(matches!(Source::parse("credential:key").unwrap().read(), Err(SecretError::NoCredentials(_))));
}

#[test]
fn without_a_bus_there_is_no_keyring() {
    in_child("child_finds_no_keyring", &[("DBUS_SESSION_BUS_ADDRESS", "unix:path=/nonexistent/bus")]);
}

#[test]
#[ignore = "run by without_a_bus_there_is_no_keyring"]
fn child_finds_no_keyring() {
    let error = Source::parse("keyring:mail").unwrap().read().unwrap_err();
    assert!(matches!(error, SecretError::NoKeyring(_)), "{error}");
}

#[test]
fn a_silent_bus_is_given_up_after_two_seconds() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("bus");
    let listener = UnixListener::bind(&path).unwrap();
    thread::spawn(move || {
        let mut held = Vec::new();
        while let Ok((stream, _)) = listener.accept() {
            held.push(stream);
        }
    });
    in_child("child_meets_a_silent_bus", &[("DBUS_SESSION_BUS_ADDRESS", &format!("unix:path={}", path.display()))]);
}

#[test]
#[ignore = "run by a_silent_bus_is_given_up_after_two_seconds"]
fn child_meets_a_silent_bus() {
    let start = Instant::now();
    for _ in 0..2 {
        let error = Source::parse("keyring:mail").unwrap().read().unwrap_err();
        assert!(matches!(error, SecretError::Deadline { .. }), "{error}");
    }
    let destination = crate::secret::Destination::parse("keyring:mail").unwrap();
    assert!(destination.write("secret").is_err());
    assert!(start.elapsed() >= keyring::DEADLINE * 3 && start.elapsed() < Duration::from_secs(20));
}
