//! `sealpost key import --from-gnupg HOME --agent`: keys that stay in a real gpg-agent, and are used there.

use std::{fs, os::unix::net::UnixListener, process::Command};

use serde_json::Value;

use crate::support::{Gpg, Home, Run, run};

/// A home in which bob's certificate is known, and alice's key is in the agent of her GnuPG home.
struct Scene {
    alice: Gpg,
    bob: Gpg,
    home: Home,
}

impl Scene {
    fn new(algorithm: &str, passphrase: &str) -> Self {
        let (alice, bob, home) = (Gpg::new(), Gpg::new(), Home::new());
        alice.make_locked_key("alice@example.test", algorithm, passphrase);
        if algorithm != "default" {
            let subkey = if algorithm == "ed25519" { "cv25519" } else { algorithm };
            let fingerprint = fingerprint(&alice);
            let add = ["--passphrase", passphrase, "--quick-add-key", &fingerprint, subkey, "encr", "1y"];
            run(alice.command(add), b"").expect(0);
        }
        bob.make_key("bob@example.test", "default");
        bob.import(&alice.export("alice@example.test")).expect(0);
        let bob_cert = home.file("bob.asc", bob.export("bob@example.test"));
        home.file("pw", "right\n");
        home.file("other", "other\n");
        home.sealpost(["cert", "import", bob_cert.to_str().unwrap()]).run().expect(0);
        Self { alice, bob, home }
    }

    fn import(&self, more: &[&str]) -> Value {
        let line = ["key", "import", "--json", "--from-gnupg", self.gnupg(), "--agent"];
        self.home.sealpost(line.iter().chain(more)).run().expect(0).json()
    }

    fn gnupg(&self) -> &str {
        self.alice.home().to_str().unwrap()
    }

    fn seal(&self, more: &[&str]) -> Run {
        let line = ["seal", "-t", "bob@example.test", "--from", "alice@example.test"];
        let message = "From: alice@example.test\nTo: bob@example.test\nSubject: x\n\nhello bob\n";
        self.home.sealpost(line.iter().chain(more)).stdin(message)
    }

    /// Bob's gpg reads it and finds alice's signature good.
    fn bob_reads(&self, sealed: &[u8]) {
        let opened = self.bob.open(&armor(sealed)).unwrap();
        assert!(String::from_utf8_lossy(&opened.plaintext).contains("hello bob"));
        assert!(opened.says("GOODSIG"), "{opened:?}");
    }

    /// A message from bob's gpg, in a file.
    fn message_of_bob(&self) -> String {
        let inner = b"Content-Type: text/plain\n\nhello alice\n";
        let armored = self.bob.seal("bob@example.test", &["alice@example.test"], inner);
        let message = format!(
            "From: bob@example.test\nTo: alice@example.test\nSubject: x\nMIME-Version: 1.0\nContent-Type: \
             multipart/encrypted; protocol=\"application/pgp-encrypted\"; boundary=b\n\n--b\nContent-Type: \
             application/pgp-encrypted\n\nVersion: 1\n\n--b\nContent-Type: application/octet-stream\n\n{}\n--b--\n",
            String::from_utf8(armored).unwrap()
        );
        self.home.file("from-bob.eml", message).to_str().unwrap().to_owned()
    }

    /// The agent knows no passphrase any more.
    fn forget(&self) {
        let mut reload = Command::new("gpgconf");
        reload.env("GNUPGHOME", self.alice.home()).args(["--reload", "gpg-agent"]);
        run(reload, b"").expect(0);
    }
}

fn fingerprint(gpg: &Gpg) -> String {
    let listed = run(gpg.command(["--with-colons", "--list-keys", "alice@example.test"]), b"").expect(0).text();
    listed.lines().find_map(|line| line.strip_prefix("fpr:::::::::")).unwrap().trim_end_matches(':').to_owned()
}

fn armor(message: &[u8]) -> Vec<u8> {
    let text = String::from_utf8_lossy(message).into_owned();
    let (begin, end) = ("-----BEGIN PGP MESSAGE-----", "-----END PGP MESSAGE-----");
    text.as_bytes()[text.find(begin).unwrap()..text.find(end).unwrap() + end.len()].to_vec()
}

#[test]
fn keys_of_each_algorithm_sign_and_open_and_no_secret_is_stored() {
    for algorithm in ["default", "ed25519", "nistp256", "nistp384", "rsa2048"] {
        let scene = Scene::new(algorithm, "");
        let told = scene.import(&[]);
        let key = &told["keys"][0];
        assert_eq!((&key["outcome"], &key["home"]), (&Value::from("imported"), &Value::from("agent")), "{told}");
        assert_eq!(key["gnupg_home"], scene.gnupg());
        scene.bob_reads(&scene.seal(&[]).run().expect(0).stdout);
        let opened = scene.home.sealpost(["open", &scene.message_of_bob()]).run().expect(0);
        assert_eq!(opened.text(), "hello alice\n", "{algorithm}");

        let files: Vec<_> = fs::read_dir(scene.home.state().join("keys")).unwrap().map(|file| file.unwrap()).collect();
        let names: Vec<_> = files.iter().filter(|file| file.file_name().to_string_lossy().len() > 10).collect();
        assert_eq!(names.len(), 1, "{files:?}");
        let stored = fs::read_to_string(names[0].path()).unwrap();
        assert!(stored.contains("BEGIN PGP PUBLIC KEY BLOCK") && !stored.contains("PRIVATE"), "{stored}");
        assert_eq!(scene.import(&["alice@example.test"])["keys"][0]["outcome"], "unchanged");
    }
}

#[test]
fn the_passphrase_comes_from_its_source_or_from_the_agents_own_memory() {
    let scene = Scene::new("default", "right");
    scene.import(&[]);
    scene.forget();
    let message = scene.message_of_bob();
    let open = |more: &[&str]| scene.home.sealpost(["open", &message].iter().chain(more));

    let none = scene.seal(&["--json", "--output", "out"]).run().expect(77).error();
    assert!(none["text"].as_str().unwrap().contains("needs its passphrase"), "{none}");
    let wrong = scene.seal(&["--passphrase", "file:other"]).run().expect(77).words();
    assert!(wrong.starts_with("sealpost: nothing was sent: ") && wrong.contains("it is wrong"), "{wrong}");
    let none = open(&[]).run().expect(77).words();
    assert!(none.contains("needs its passphrase") && none.contains("\nhint: gpg --homedir"), "{none}");
    assert!(open(&["--passphrase", "file:other"]).run().expect(77).words().contains("it is wrong"));

    scene.bob_reads(&scene.seal(&["--passphrase", "file:pw"]).run().expect(0).stdout);
    assert_eq!(open(&["--passphrase", "file:pw"]).run().expect(0).text(), "hello alice\n");
    // It remembers for a while.
    scene.bob_reads(&scene.seal(&[]).run().expect(0).stdout);

    // By stdin the message comes once.
    scene.forget();
    let bytes = fs::read(&message).unwrap();
    let piped = scene.home.sealpost(["open", "--passphrase", "file:pw", "-"]).stdin(bytes).run().expect(0);
    assert_eq!(piped.text(), "hello alice\n");

    // An agent that takes none from programs still has what it remembers, and says so where it does not.
    fs::write(scene.alice.home().join("gpg-agent.conf"), "no-allow-loopback-pinentry\n").unwrap();
    scene.forget();
    let refused = scene.seal(&["--passphrase", "file:pw"]).run().expect(77).words();
    assert!(refused.contains("no-allow-loopback-pinentry"), "{refused}");
}

#[test]
fn an_agent_that_is_gone_or_forgot_the_key_is_told_and_its_cure_works() {
    let scene = Scene::new("default", "");
    scene.import(&[]);
    let message = scene.message_of_bob();
    let agent = |verb: [&str; 2]| {
        let mut conf = Command::new("gpgconf");
        conf.env("GNUPGHOME", scene.alice.home()).args(verb);
        run(conf, b"").expect(0);
    };
    agent(["--kill", "gpg-agent"]);
    let gone = scene.seal(&["--json", "--output", "out"]).run().expect(77).error();
    assert!(gone["text"].as_str().unwrap().contains("there is no gpg-agent for"), "{gone}");
    scene.home.sealpost(["open", &message]).run().expect(77);
    let hint: Vec<&str> = gone["hints"][0].as_array().unwrap().iter().map(|word| word.as_str().unwrap()).collect();
    let mut cure = Command::new(hint[0]);
    cure.args(&hint[1..]);
    run(cure, b"").expect(0);
    scene.bob_reads(&scene.seal(&[]).run().expect(0).stdout);

    for file in fs::read_dir(scene.alice.home().join("private-keys-v1.d")).unwrap() {
        fs::remove_file(file.unwrap().path()).unwrap();
    }
    agent(["--reload", "gpg-agent"]);
    assert!(scene.seal(&[]).run().expect(77).words().contains("does not have its secret half"));
    assert!(scene.home.sealpost(["open", &message]).run().expect(77).words().contains("does not have its secret half"));

    // Something else where the agent was: it ends at once.
    agent(["--kill", "gpg-agent"]);
    let mut where_ = Command::new("gpgconf");
    where_.env("GNUPGHOME", scene.alice.home()).args(["--list-dirs", "agent-socket"]);
    let socket = run(where_, b"").expect(0).text();
    let _ = fs::remove_file(socket.trim_end());
    let listener = UnixListener::bind(socket.trim_end()).unwrap();
    std::thread::spawn(move || listener.incoming().for_each(drop));
    assert!(scene.seal(&[]).run().expect(77).words().contains("gpg-agent"));
}

#[test]
fn lists_show_its_home_and_what_only_gpg_can_do_is_refused_with_its_command() {
    let scene = Scene::new("default", "");
    scene.import(&[]);
    let home = &scene.home;
    let fingerprint = fingerprint(&scene.alice);

    assert!(
        home.sealpost(["key", "list"]).run().expect(0).text().contains(&format!("in gpg-agent of {}", scene.gnupg()))
    );
    assert_eq!(home.sealpost(["key", "list", "--json"]).run().expect(0).json()["keys"][0]["home"], "agent");
    assert_eq!(home.sealpost(["key", "show", "--json", &fingerprint]).run().expect(0).json()["key"]["home"], "agent");
    assert!(home.sealpost(["cert", "check"]).run().expect(0).text().contains("alice@example.test (in gpg-agent)"));
    assert_eq!(home.sealpost(["cert", "check", "--json"]).run().expect(0).json()["keys"][0]["home"], "agent");

    for verb in
        [&["export"][..], &["extend"], &["rotate"], &["revoke"], &["change-passphrase", "--to-passphrase", "file:pw"]]
    {
        let line = [&["key", verb[0], "alice@example.test", "--json"], &verb[1..]].concat();
        let error = home.sealpost(line).run().expect(77).error();
        assert_eq!(error["hints"][0][0], "gpg", "{error}");
        assert_eq!(error["hints"][0][2], scene.gnupg());
    }

    // What gpg extends comes along when it is taken again, by the hints as they stand.
    let before = home.sealpost(["key", "list", "--json"]).run().expect(0).json()["keys"][0]["expires"].clone();
    let error = home.sealpost(["key", "extend", "alice@example.test", "--json"]).run().expect(77).error();
    for hint in error["hints"].as_array().unwrap() {
        let words: Vec<&str> = hint.as_array().unwrap().iter().map(|word| word.as_str().unwrap()).collect();
        match words[0] {
            "gpg" => {
                let mut gpg = Command::new("gpg");
                gpg.args(["--batch", "--pinentry-mode", "loopback", "--passphrase", ""]).args(&words[1..]);
                run(gpg, b"").expect(0);
            }
            _ => {
                let told = home.sealpost(&words[1..]).run().expect(0).words();
                assert!(told.contains("taken again: "), "{told}");
            }
        }
    }
    let after = home.sealpost(["key", "list", "--json"]).run().expect(0).json()["keys"][0]["expires"].clone();
    assert!(after.as_str() > before.as_str(), "{before} {after}");
    scene.bob_reads(&scene.seal(&[]).run().expect(0).stdout);

    // A backup has no secret of it, says so, and brings it back.
    let made = home.sealpost(["key", "backup", "--output", "all.backup", "--passphrase", "file:pw"]).run().expect(0);
    assert!(made.words().contains("no secret"), "{}", made.words());
    let other = Home::new();
    other.file("pw", "right\n");
    let backup = home.path("all.backup").display().to_string();
    other.sealpost(["key", "import", &backup, "--passphrase", "file:pw"]).run().expect(0);
    assert_eq!(other.sealpost(["key", "list", "--json"]).run().expect(0).json()["keys"][0]["home"], "agent");

    // What is damaged is told, and nothing is asked of it.
    fs::write(other.state().join("keys").join(format!("{fingerprint}.agent")), "{\"version\":1}").unwrap();
    let told = other.sealpost(["key", "list"]).run().expect(0).words();
    assert!(told.contains("does not say which agent has the key"), "{told}");
}

#[test]
fn which_keys_are_meant_is_exact_and_a_key_with_its_secret_here_stays() {
    let scene = Scene::new("default", "right");
    let home = &scene.home;
    let line = |more: &[&'static str]| [&["key", "import", "--from-gnupg", scene.gnupg()], more].concat();
    home.sealpost(line(&["--agent", "nobody"])).run().expect(64);
    home.sealpost(line(&["--agent", "--passphrase", "file:pw"])).run().expect(64);
    home.sealpost(["key", "import", "--agent", "alice@example.test"]).run().expect(64);
    let none = home.sealpost(line(&["--agent", "kim@example.test"])).run().expect(66).words();
    assert!(none.contains("has no key of kim@example.test"), "{none}");

    scene.import(&[]);
    the_secret_half_takes_the_place_of_the_note(home, scene.gnupg());
}

/// That an agent has it, and not the other way.
pub fn the_secret_half_takes_the_place_of_the_note(home: &Home, gnupg: &str) {
    let line = |more: &[&'static str]| [&["key", "import", "--from-gnupg", gnupg], more].concat();
    let told = home.sealpost(line(&["--passphrase", "file:pw", "--json"])).run().expect(0).json();
    assert_eq!((&told["keys"][0]["outcome"], &told["keys"][0]["home"]), (&"imported".into(), &"store".into()));
    let listed = home.sealpost(["key", "list", "--json"]).run().expect(0).json();
    assert_eq!((listed["keys"].as_array().unwrap().len(), &listed["keys"][0]["home"]), (1, &"store".into()));
    let refused = home.sealpost(line(&["--agent", "--json"])).run().expect(73);
    assert_eq!(refused.json()["keys"][0]["outcome"], "refused");
}

#[test]
fn two_keys_in_an_agent_for_one_address_are_both_ones_own() {
    let scene = Scene::new("default", "");
    scene.alice.make_key("alice@example.test", "default");
    scene.import(&[]);
    let message = "From: alice@example.test\nTo: alice@example.test\nSubject: x\n\nhello me\n";
    let sealed = scene.home.sealpost(["seal", "-t", "alice@example.test"]).stdin(message).run().expect(0).stdout;
    scene.home.file("to-me.eml", sealed);
    assert_eq!(scene.home.sealpost(["open", "to-me.eml"]).run().expect(0).text(), "hello me\n");
}

#[test]
fn an_older_backup_takes_no_part_away_and_a_damaged_note_is_written_anew() {
    let scene = Scene::new("ed25519", "");
    scene.import(&[]);
    scene.home.sealpost(["key", "backup", "--output", "b", "--passphrase", "file:pw"]).run().expect(0);
    let fingerprint = fingerprint(&scene.alice);
    run(scene.alice.command(["--passphrase", "", "--quick-add-key", &fingerprint, "cv25519", "encr"]), b"").expect(0);
    scene.import(&[]);
    let note = scene.home.state().join("keys").join(format!("{fingerprint}.agent"));
    let parts = || {
        let read: Value = serde_json::from_slice(&fs::read(&note).unwrap()).unwrap();
        read["keygrips"].as_array().unwrap().len()
    };
    assert_eq!(parts(), 3);
    scene.home.sealpost(["key", "import", "b", "--passphrase", "file:pw"]).run().expect(0);
    assert_eq!(parts(), 3);
    fs::write(&note, "rubbish").unwrap();
    let unread = scene.seal(&[]).run().expect(65);
    assert!(unread.words().contains("does not say which agent has the key"), "{unread:?}");
    scene.import(&[]);
    assert_eq!(parts(), 3);
    scene.bob_reads(&scene.seal(&[]).run().expect(0).stdout);
}

#[test]
fn a_message_to_a_key_that_is_here_opens_whatever_the_agent_of_another_says() {
    let scene = Scene::new("ed25519", "right");
    scene.import(&[]);
    scene.home.sealpost(["key", "make", "lou@example.test", "--new-passphrase", "file:lou"]).run().expect(0);
    let message = "From: bob@example.test\nTo: alice@example.test, lou@example.test\nSubject: x\n\nhello both\n";
    let sealed = scene.home.sealpost(["seal", "--no-sign"]).stdin(message).run().expect(0).stdout;
    scene.home.file("both.eml", sealed);
    let open = || {
        let opened = scene.home.sealpost(["open", "both.eml", "--passphrase", "file:lou"]).run().expect(0);
        assert!(opened.text().contains("hello both"), "{opened:?}");
    };
    scene.forget();
    open();
    let mut kill = Command::new("gpgconf");
    kill.env("GNUPGHOME", scene.alice.home()).args(["--kill", "gpg-agent"]);
    run(kill, b"").expect(0);
    open();
}
