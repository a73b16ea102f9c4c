//! `sealpost key backup --paper`: what is printed, what was typed in again, and what of it comes back.

use std::{collections::BTreeSet, fs, process::Command};

use serde_json::Value;

use crate::support::{Gpg, Home, Outcome, people, run};

/// A home with keys of both suites, one that waits, certificates of others and settings.
fn full() -> Home {
    let home = people::alice_of_both();
    let waiting =
        ["key", "make", "kim@example.test", "--suite", "smime", "--algorithm", "p256", "--request", "kim.csr"];
    home.sealpost(waiting.iter().chain(&["--passphrase", "file:pw"])).run().expect(0);
    home.sealpost(["key", "make", "kim@example.test", "--passphrase", "file:pw"]).run().expect(0);
    fs::write(home.state().join("recipients.toml"), "[group.ops]\nmembers = [\"bob@example.test\"]\n").unwrap();
    home
}

fn print(home: &Home) -> (String, Value) {
    let backup = ["key", "backup", "--paper", "--output", "paper.txt", "--passphrase", "file:pw", "--json"];
    let told = home.sealpost(backup).run().expect(0).json();
    (fs::read_to_string(home.path("paper.txt")).unwrap(), told)
}

fn import(home: &Home, typed: &str) -> Outcome {
    home.file("pw", "specimen\n");
    home.sealpost(["key", "import", "-", "--passphrase", "file:pw", "--json"]).stdin(typed).run()
}

/// The lines with numbers.
fn numbered(text: &str) -> Vec<&str> {
    text.lines().filter(|line| line.trim_start().starts_with(|c: char| c.is_ascii_digit())).collect()
}

fn keys(home: &Home) -> BTreeSet<String> {
    let keys = home.sealpost(["key", "list", "--json"]).run().expect(0).json();
    keys["keys"].as_array().unwrap().iter().map(ToString::to_string).collect()
}

#[test]
fn what_was_printed_comes_back_by_what_was_typed() {
    let home = full();
    let (text, told) = print(&home);
    let contents: Vec<_> = told["contents"].as_array().unwrap().iter().map(|name| name.as_str().unwrap()).collect();
    assert!(contents.iter().all(|name| name.starts_with("keys/")), "{told}");
    assert!(contents.iter().any(|name| name.ends_with(".rev.asc")), "{told}");
    assert!(contents.iter().any(|name| name.ends_with(".request.pem")), "{told}");
    assert_eq!(told["lines"], text.lines().count());
    assert!(text.is_ascii() && text.lines().all(|line| line.len() <= 80), "{text}");
    assert!(text.contains("sealpost key import FILE") && text.starts_with("SEALPOST PAPER BACKUP\n\nA backup of "));
    // Without the words, in small letters, and with other spaces.
    let typed: String =
        numbered(&text).iter().map(|line| format!("{}\n\n", line.to_lowercase().replace("  ", "\t"))).collect();
    let new = Home::new();
    let restored = import(&new, &typed).expect(0).json();
    let outcomes = restored["restored"].as_array().unwrap();
    assert_eq!(outcomes.len(), contents.len());
    assert!(outcomes.iter().all(|one| one["outcome"] == "restored"), "{restored}");
    assert_eq!(keys(&new), keys(&home));
    for name in &contents {
        assert_eq!(fs::read(new.state().join(name)).unwrap(), fs::read(home.state().join(name)).unwrap(), "{name}");
    }
    let again = import(&new, &text).expect(0).json();
    assert!(again["restored"].as_array().unwrap().iter().all(|one| one["outcome"] == "unchanged"), "{again}");
    // One can write to oneself with it, and read that.
    let seal = ["seal", "--passphrase", "file:pw", "--suite", "openpgp", "-t", "kim@example.test"];
    let sealed = new.sealpost(seal).stdin("From: kim@example.test\n\nhello\n").run().expect(0).stdout;
    new.sealpost(["open", "-", "--passphrase", "file:pw"]).stdin(sealed).run().expect(0);
    let smime = new.sealpost(["cert", "list", "--json"]).run().expect(0).json();
    assert!(smime["certificates"].as_array().unwrap().iter().any(|one| one["suite"] == "smime"), "{smime}");
}

#[test]
fn a_wrong_line_is_named_and_nothing_is_written() {
    let home = full();
    let (text, _) = print(&home);
    let lines = numbered(&text);
    let new = Home::new();
    for place in (0..lines.len()).step_by(7) {
        let mut typed: Vec<_> = lines.iter().map(ToString::to_string).collect();
        // The first of a group.
        let at = 6 + 6 * (place % 8);
        let other = if &typed[place][at..=at] == "7" { "8" } else { "7" };
        typed[place].replace_range(at..=at, other);
        let refused = import(&new, &typed.join("\n")).expect(65).error();
        let text = refused["text"].as_str().unwrap();
        assert!(text.ends_with(&format!("line {} is not as it was printed", place + 1)), "{refused}");
    }
    let without: Vec<_> = lines.iter().enumerate().filter(|(place, _)| *place != 4).map(|(_, line)| *line).collect();
    let refused = import(&new, &without.join("\n")).expect(65).error();
    assert!(refused["text"].as_str().unwrap().ends_with("line 5 is missing"), "{refused}");
    new.file("wrong", "wrong\n");
    new.sealpost(["key", "import", "-", "--passphrase", "file:wrong"]).stdin(text).run().expect(77);
    assert!(!new.state().join("keys").exists());
}

#[test]
fn gpg_and_tar_open_it_by_what_its_words_say() {
    let home = full();
    let (text, told) = print(&home);
    let mut bytes = Vec::new();
    for line in numbered(&text) {
        let symbols: Vec<_> = line.split_whitespace().skip(1).collect::<String>().bytes().take(40).collect();
        let alphabet = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
        for group in symbols.chunks(8) {
            let number =
                group.iter().fold(0, |number, letter| number << 5 | alphabet.find(char::from(*letter)).unwrap() as u64);
            bytes.extend_from_slice(&number.to_be_bytes()[3..]);
        }
    }
    let length = usize::from(bytes[1]) << 16 | usize::from(bytes[2]) << 8 | usize::from(bytes[3]);
    let message = &bytes[4..4 + length];
    assert_eq!(openssl::sha::sha256(&bytes[..4 + length])[..8], bytes[4 + length..][..8]);
    let archive = run(Gpg::new().command(["--passphrase", "specimen", "--decrypt"]), message).expect(0).stdout;
    let mut tar = Command::new("tar");
    tar.args(["tf", "-"]);
    let names = run(tar, &archive).expect(0).text();
    assert_eq!(names.lines().count(), told["contents"].as_array().unwrap().len());
}

#[test]
fn what_cannot_be_printed_is_refused_first() {
    let home = Home::new();
    home.file("bob.asc", people::specimen("bob.asc"));
    home.sealpost(["cert", "import", "bob.asc"]).run().expect(0);
    let backup = |more: &[&str]| home.sealpost(["key", "backup", "--paper"].iter().chain(more)).run();
    backup(&["--output", "p", "--new-passphrase", "file:new"]).expect(66);
    backup(&["--new-passphrase", "file:new"]).expect(64);
    assert!(!home.path("new").exists() && !home.path("p").exists());
    home.sealpost(["key", "make", "kim@example.test", "--new-passphrase", "file:pw"]).run().expect(0);
    backup(&["--output", "p"]).expect(64);
    backup(&["--output", "pw", "--passphrase", "file:pw"]).expect(73);
    let words = backup(&["--output", "p", "--passphrase", "file:pw"]).expect(0).words();
    assert!(
        words.contains("wrote 2 files, 1 of them keys, to p") && words.contains("hint: sealpost key import p"),
        "{words}"
    );
    home.sealpost(["key", "import", "p", "--passphrase", "file:pw"]).run().expect(0);
}
