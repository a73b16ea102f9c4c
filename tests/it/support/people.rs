//! The specimen people of `keys/`, set up in a home: Alice writes in either suite; Bob (OpenPGP version 4, or S/MIME),
//! Carol (OpenPGP version 6) and Dave (S/MIME) read; Erin has nothing.

use std::fs;

use super::{Home, Outcome, package};

/// What sets a home up for Alice: her key, the certificates of Bob and Carol, the passphrase in `pw`.
pub fn alice() -> Home {
    let home = Home::new();
    home.file("pw", "specimen\n");
    home.file("alice.key", specimen("alice.key"));
    home.sealpost(["key", "import", "alice.key", "--passphrase", "file:pw"]).run().expect(0);
    for name in ["bob.asc", "carol.asc"] {
        home.file(name, specimen(name));
        home.sealpost(["cert", "import", name]).run().expect(0);
    }
    home
}

/// What sets a home up for Alice in both suites: Bob and Dave read S/MIME, Carol OpenPGP.
pub fn alice_of_both() -> Home {
    let home = Home::new();
    home.file("pw", "specimen\n");
    let anchor = home.file("ca.pem", specimen("ca.pem"));
    fs::write(home.state().join("config.toml"), format!("[smime]\ntrust_anchors = [\"{}\"]\n", anchor.display()))
        .unwrap();
    for name in ["alice.key", "alice.p12"] {
        home.file(name, specimen(name));
        home.sealpost(["key", "import", name, "--passphrase", "file:pw"]).run().expect(0);
    }
    for name in ["bob.pem", "carol.asc", "dave.pem"] {
        home.file(name, specimen(name));
        home.sealpost(["cert", "import", name]).run().expect(0);
    }
    home
}

/// A file of `keys/`.
pub fn specimen(name: &str) -> Vec<u8> {
    fs::read(package().join("keys").join(name)).unwrap()
}

/// A home with the key of one of them, `own.key`, its passphrase, and Alice's certificate.
pub fn reader(who: &str) -> Home {
    let home = Home::new();
    home.file("pw", "specimen\n");
    home.file("own.key", specimen(&format!("{who}.key")));
    home.file("alice.asc", specimen("alice.asc"));
    home
}

/// Opens a message as one of them, with Alice's certificate at hand.
pub fn open_as(who: &str, message: &[u8], more: &[&str]) -> Outcome {
    let home = reader(who);
    home.file("message.eml", message);
    let arguments = ["open", "--json", "--key", "own.key", "--cert", "alice.asc", "--passphrase", "file:pw"];
    home.sealpost(arguments.iter().chain(more).chain(&["message.eml"])).run()
}

/// Opens an S/MIME message as one of them, with the specimens' root as trust anchor.
pub fn open_smime_as(who: &str, message: &[u8], more: &[&str]) -> Outcome {
    let home = Home::new();
    home.file("pw", "specimen\n");
    home.file("own.p12", specimen(&format!("{who}.p12")));
    home.file("ca.pem", specimen("ca.pem"));
    home.file("message.eml", message);
    let arguments = ["open", "--json", "--key", "own.p12", "--passphrase", "file:pw", "--trust-anchor", "ca.pem"];
    home.sealpost(arguments.iter().chain(more).chain(&["message.eml"])).run()
}
