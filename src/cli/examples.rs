//! Examples as data: help and man pages show them, `tests/it/examples.rs` runs each one as it stands.

use clap::Command;

/// A command line for a shell, and what it is for.
pub struct Example {
    /// The verb whose help shows it; two words for the verbs of `key` and `cert`.
    pub verb: &'static str,
    /// What it does.
    pub purpose: &'static str,
    /// The line.
    pub line: &'static str,
}

const fn example(verb: &'static str, purpose: &'static str, line: &'static str) -> Example {
    Example { verb, purpose, line }
}

/// All of them. They speak of alice@example.org, who writes, and bob@example.org, who reads.
pub const ALL: &[Example] = &[
    example("send", "Send a line", "echo 'Dinner at eight' | sealpost send -t bob@example.org -s 'Dinner plans'"),
    example(
        "send",
        "Attach what a program prints",
        "tar c report | sealpost send -t bob@example.org --body note.txt -a -:report.tar",
    ),
    example("send", "See who would get it under which certificate", "sealpost send -t bob@example.org -n < /dev/null"),
    example("send", "Send a finished message", "sealpost send --message message.eml"),
    example("seal", "A filter in front of another mail program", "sealpost seal -t bob@example.org < in.eml > out.eml"),
    example(
        "seal",
        "Write several messages, each with its envelope",
        "sealpost seal -t bob@example.org --bcc alice@example.org --output sealed < in.eml",
    ),
    example("open", "Read a message", "sealpost open sealed.eml"),
    example(
        "open",
        "Act on a message only if it is signed by Alice",
        "sealpost open --json --signed-by alice@example.org sealed.eml > order.json",
    ),
    example(
        "key make",
        "With a passphrase that nobody could guess",
        "sealpost key make kim@example.org --new-passphrase file:kim-passphrase",
    ),
    example("key export", "A backup; the key stays locked", "sealpost key export alice@example.org --output alice.key"),
    example("key extend", "Two years more", "sealpost key extend alice@example.org"),
    example("key rotate", "New subkeys for two years", "sealpost key rotate alice@example.org"),
    example(
        "key change-passphrase",
        "Let nobody know the passphrase",
        "sealpost key change-passphrase alice@example.org --new-passphrase file:alice-passphrase",
    ),
    example(
        "key backup",
        "Everything in one file, under a passphrase to be kept elsewhere",
        "sealpost key backup --output sealpost.backup --new-passphrase file:backup-passphrase",
    ),
    example(
        "key backup",
        "The keys as a text to be printed",
        "sealpost key backup --paper --output paper.txt --passphrase file:backup-passphrase",
    ),
    example(
        "key import",
        "What a backup holds, on another machine",
        "sealpost --home elsewhere key import sealpost.backup --passphrase file:backup-passphrase",
    ),
    example(
        "key import",
        "A key that stays in gpg-agent, or on a smartcard",
        "sealpost key import --from-gnupg --agent ruth@example.org",
    ),
    example(
        "key import",
        "All secret keys that GnuPG has",
        "sealpost key import --from-gnupg --passphrase file:gnupg-passphrase",
    ),
    example(
        "key publish",
        "For a web server whose root is public",
        "sealpost key publish alice@example.org --wkd public && find public -type f",
    ),
    example(
        "key publish",
        "On the keyserver that others ask; the link in its mail ends it",
        "sealpost key publish alice@example.org --keyserver",
    ),
    example("cert import", "Take in a correspondent's certificate", "sealpost cert import bob.asc"),
    example("cert find", "See what an address's own domain publishes", "sealpost cert find mary@example.org"),
    example("cert find", "Keep it, and write to it", "sealpost cert find --import mary@example.org"),
    example("cert refresh", "What is new, nightly from cron", "sealpost cert refresh mary@example.org --quiet"),
    example("cert export", "For those who write to you", "sealpost cert export alice@example.org > alice.asc"),
    example(
        "cert check",
        "From cron: speaks up, and exits with 67, only when somebody is not well",
        "sealpost cert check --within 14d --quiet",
    ),
    example("cert check", "For a monitoring system", "sealpost cert check --prometheus sealpost.prom > /dev/null"),
    example(
        "key revoke",
        "Give a key up, and tell the others",
        "sealpost key revoke kim@example.org --reason retired --passphrase file:kim-passphrase && sealpost cert export kim@example.org > kim.asc",
    ),
];

/// The grammar with its examples below each verb's help.
pub fn in_help(mut command: Command) -> Command {
    for verb in verbs() {
        let shown = text(verb);
        let mut words = verb.split(' ');
        let (first, second) = (words.next().unwrap_or_default(), words.next());
        command = command.mut_subcommand(first, |outer| match second {
            None => outer.after_help(shown),
            Some(inner) => outer.mut_subcommand(inner, |inner| inner.after_help(shown)),
        });
    }
    command
}

fn verbs() -> std::collections::BTreeSet<&'static str> {
    ALL.iter().map(|example| example.verb).collect()
}

fn text(verb: &str) -> String {
    let mut text = "Examples:".to_owned();
    for Example { purpose, line, .. } in ALL.iter().filter(|example| example.verb == verb) {
        text += &format!("\n  {purpose}:\n    {line}");
    }
    text
}
