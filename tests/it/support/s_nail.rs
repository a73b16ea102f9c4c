//! s-nail, a mail reader for scripts, in its batch mode.

use std::{fs, process::Command};

use super::{Mailbox, Outcome, run};

/// Decrypts, verifies and shows a message.
pub fn open(with: &Mailbox, anchor: &[u8], message: &[u8]) -> Outcome {
    let folder = tempfile::tempdir().unwrap();
    let text = String::from_utf8_lossy(message).replace("\r\n", "\n");
    fs::write(folder.path().join("mbox"), format!("From x@example.test Thu Jan  1 00:00:00 2026\n{text}\n")).unwrap();
    fs::write(folder.path().join("ca.pem"), anchor).unwrap();
    fs::write(folder.path().join("own.pem"), [with.certificate_pem(), with.key_pem()].concat()).unwrap();
    let commands = "set smime-ca-file=ca.pem smime-ca-no-defaults smime-sign-cert=own.pem from=own@example.test\n\
                    decrypt 1 plain\nfile plain\nverify 1\ntype 1\nxit\n";
    let mut command = Command::new("s-nail");
    command.args(["-:/", "-#", "-f", "mbox"]).env("HOME", folder.path()).current_dir(folder.path());
    run(command, commands.as_bytes())
}

/// Signs and encrypts a text: the message that it would hand to a server.
pub fn seal(by: &Mailbox, from: &str, to: (&Mailbox, &str), text: &str) -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, bytes: Vec<u8>| fs::write(folder.path().join(name), bytes).unwrap();
    write("signer.pem", [by.certificate_pem(), by.key_pem()].concat());
    write("chain.pem", by.chain.iter().flat_map(|one| one.to_pem().unwrap()).collect());
    write("to.pem", to.0.certificate_pem());
    let mut command = Command::new("s-nail");
    command.args(["-:/", "-#", "-S", &format!("from={from}"), "-S", "smime-sign", "-S", "smime-sign-cert=signer.pem"]);
    command.args(["-S", "smime-sign-include-certs=chain.pem", "-S", "smime-force-encryption"]);
    command.args([
        "-S",
        &format!("smime-encrypt-{}=to.pem", to.1),
        "-S",
        "smime-cipher=aes256",
        "-S",
        "mta=test://out",
    ]);
    command.args(["-s", "subject", "-.", to.1]).env("HOME", folder.path()).current_dir(folder.path());
    run(command, text.as_bytes()).expect(0);
    let mbox = fs::read(folder.path().join("out")).unwrap();
    // Behind the mbox line.
    let start = mbox.iter().position(|&byte| byte == b'\n').unwrap() + 1;
    mbox[start..].to_vec()
}
