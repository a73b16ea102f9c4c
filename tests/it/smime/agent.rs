//! Keys for S/MIME that stay in a real gpg-agent, and are used there: `key import --from-gnupg HOME --agent`.

use std::{fs, os::unix::net::UnixListener, process::Command};

use serde_json::Value;

use super::{ENTITY, HEAD, IN, authority, der, home, message};
use crate::{
    key_agent::the_secret_half_takes_the_place_of_the_note,
    support::{Algorithm, Authority, Gpgsm, Home, MailServer, Mailbox, OpensslCms, Outcome, Run, Wish, run},
};

/// Alice's key is in the agent of her GnuPG home, under the passphrase `specimen`; Bob has his own.
struct Scene {
    authority: Authority,
    openssl: OpensslCms,
    alice: Mailbox,
    bob: Mailbox,
    gnupg: Gpgsm,
    home: Home,
}

impl Scene {
    fn new() -> Self {
        Self::of(Algorithm::Rsa(3072))
    }

    fn of(algorithm: Algorithm) -> Self {
        let (authority, openssl) = authority();
        let alice = authority.issue(&Wish::new("alice@example.test").algorithm(algorithm));
        let bob = authority.rsa("bob@example.test");
        let gnupg = Gpgsm::new(authority.root());
        match algorithm {
            Algorithm::Rsa(_) => gnupg.import_key(&alice),
            _ => gnupg.give_to_agent(&alice),
        }
        let home = home(&authority.pem(), None, &[&bob], "");
        home.file("other", "other\n");
        Self { authority, openssl, alice, bob, gnupg, home }
    }

    fn gnupg(&self) -> &str {
        self.gnupg.home().to_str().unwrap()
    }

    fn import(&self, more: &[&str]) -> Value {
        let line = ["key", "import", "--json", "--from-gnupg", self.gnupg(), "--agent"];
        self.home.sealpost(line.iter().chain(more)).run().expect(0).json()
    }

    fn seal(&self, more: &[&str]) -> Run {
        self.home.sealpost(["seal", "-t", "bob@example.test"].iter().chain(more)).stdin(IN)
    }

    /// A message to alice in a file.
    fn to_alice(&self, bytes: &[u8]) -> String {
        self.home.file("to-alice.eml", bytes).to_str().unwrap().to_owned()
    }

    /// One by openssl.
    fn message_to_alice(&self) -> String {
        self.to_alice(&self.openssl.encrypt(&[&self.alice], &[&["-aes-256-cbc"][..], &HEAD].concat(), ENTITY))
    }

    fn open(&self, message: &str, more: &[&str]) -> Run {
        self.home.sealpost(["open", message].iter().chain(more))
    }

    fn agent(&self, verb: [&str; 2]) -> Outcome {
        let mut conf = Command::new("gpgconf");
        conf.env("GNUPGHOME", self.gnupg.home()).args(verb);
        run(conf, b"").expect(0)
    }

    /// The agent knows no passphrase any more.
    fn forget(&self) {
        self.agent(["--reload", "gpg-agent"]);
    }
}

#[test]
fn gpgsm_reads_what_it_signed_and_it_opens_what_gpgsm_sealed() {
    let scene = Scene::new();
    let told = scene.import(&[]);
    let key = &told["keys"][0];
    assert_eq!((&key["outcome"], &key["home"], &key["suite"]), (&"imported".into(), &"agent".into(), &"smime".into()));
    assert_eq!((&key["gnupg_home"], &key["fingerprint"]), (&scene.gnupg().into(), &scene.alice.fingerprint().into()));

    // No secret is stored.
    let stored = scene.home.state().join("keys").join(format!("{}.smime.agent", scene.alice.fingerprint()));
    let stored = fs::read_to_string(stored).unwrap();
    assert!(stored.matches("BEGIN CERTIFICATE").count() == 3 && !stored.contains("PRIVATE"), "{stored}");

    let bob = Gpgsm::new(scene.authority.root());
    bob.import_key(&scene.bob);
    bob.import(&scene.alice.pem()).expect(0);
    for (signature, verify) in [("detached", false), ("opaque", true)] {
        let config = scene.home.state().join("config.toml");
        let text = fs::read_to_string(&config).unwrap();
        fs::write(&config, format!("{}\nsignature = \"{signature}\"\n", text.split("\nsignature").next().unwrap()))
            .unwrap();
        let sealed = scene.seal(&["--passphrase", "file:pw"]).run().expect(0).stdout;
        assert!(scene.openssl.open(&scene.bob, &sealed).expect(0).text().contains("hello"));
        let opened = bob.decrypt(&der(&sealed)).expect(0);
        assert!(opened.words().contains("DECRYPTION_OKAY"), "{opened:?}");
        if verify {
            let told = bob.run(&["--status-fd", "2", "--verify"], &der(&opened.stdout)).expect(0).words();
            assert!(told.contains("GOODSIG") && told.contains("TRUST_FULLY"), "{told}");
        }
    }

    let sealed = message("enveloped-data", &bob.encrypt("alice@example.test", ENTITY));
    let opened = scene.open(&scene.to_alice(&sealed), &["--passphrase", "file:pw"]).run().expect(0);
    assert_eq!(opened.text(), "hello\n");
    assert!(opened.words().contains("\nsmime, encrypted; "), "{}", opened.words());
}

#[test]
fn keys_on_curves_sign_and_open_through_the_agent() {
    for algorithm in [Algorithm::P256, Algorithm::P384] {
        let scene = Scene::of(algorithm);
        assert_eq!(scene.import(&["alice@example.test"])["keys"][0]["outcome"], "imported", "{algorithm:?}");
        // Chance has it how long a signature is.
        for _ in 0..8 {
            let sealed = scene.seal(&[]).run().expect(0).stdout;
            assert!(scene.openssl.open(&scene.bob, &sealed).expect(0).text().contains("hello"));
        }
        assert_eq!(scene.open(&scene.message_to_alice(), &[]).run().expect(0).text(), "hello\n");
    }
}

#[test]
fn the_passphrase_comes_from_its_source_or_from_the_agents_own_memory() {
    let scene = Scene::new();
    scene.import(&[]);
    scene.forget();
    let message = scene.message_to_alice();

    let none = scene.seal(&["--json", "--output", "out"]).run().expect(77).error();
    assert!(none["text"].as_str().unwrap().contains("needs its passphrase"), "{none}");
    let wrong = scene.seal(&["--passphrase", "file:other"]).run().expect(77).words();
    assert!(wrong.starts_with("sealpost: nothing was sent: ") && wrong.contains("it is wrong"), "{wrong}");
    let none = scene.open(&message, &[]).run().expect(77).words();
    assert!(none.contains("needs its passphrase") && none.contains("\nhint: gpg-connect-agent --homedir"), "{none}");
    assert!(scene.open(&message, &["--passphrase", "file:other"]).run().expect(77).words().contains("it is wrong"));

    scene.seal(&["--passphrase", "file:pw"]).run().expect(0);
    assert_eq!(scene.open(&message, &["--passphrase", "file:pw"]).run().expect(0).text(), "hello\n");
    // It remembers for a while.
    scene.seal(&[]).run().expect(0);
    assert_eq!(scene.open(&message, &[]).run().expect(0).text(), "hello\n");

    // By stdin the message comes once; the passphrase may be that of the suite alone.
    scene.forget();
    let config = scene.home.state().join("config.toml");
    let account = "\n[account.x]\nfrom = \"alice@example.test\"\nsmime_passphrase = \"file:pw\"\n";
    fs::write(&config, fs::read_to_string(&config).unwrap() + account).unwrap();
    let piped = scene.home.sealpost(["open", "--account", "x", "-"]).stdin(fs::read(&message).unwrap()).run().expect(0);
    assert_eq!(piped.text(), "hello\n");
}

#[test]
fn an_agent_that_is_gone_or_forgot_the_key_is_told_and_its_cure_works() {
    let scene = Scene::of(Algorithm::P256);
    scene.import(&[]);
    let message = scene.message_to_alice();
    let hint = |error: &Value| -> Vec<String> {
        error["hints"][0].as_array().unwrap().iter().map(|word| word.as_str().unwrap().to_owned()).collect()
    };
    let cure = |words: Vec<String>| {
        let mut cure = Command::new(&words[0]);
        cure.args(&words[1..]);
        run(cure, b"").expect(0)
    };
    scene.agent(["--kill", "gpg-agent"]);
    let gone = scene.seal(&["--json", "--output", "out"]).run().expect(77).error();
    assert!(gone["text"].as_str().unwrap().contains("there is no gpg-agent for"), "{gone}");
    scene.open(&message, &[]).run().expect(77);
    cure(hint(&gone));
    scene.seal(&[]).run().expect(0);

    let keys = scene.gnupg.home().join("private-keys-v1.d");
    let file = fs::read_dir(&keys).unwrap().next().unwrap().unwrap().path();
    let secret = fs::read(&file).unwrap();
    fs::remove_file(&file).unwrap();
    scene.forget();
    let lost = scene.seal(&["--json", "--output", "out"]).run().expect(77).error();
    assert!(lost["text"].as_str().unwrap().contains("does not have its secret half"), "{lost}");
    assert!(scene.open(&message, &[]).run().expect(77).words().contains("does not have its secret half"));
    fs::write(&file, secret).unwrap();
    scene.forget();
    assert!(cure(hint(&lost)).text().contains("alice@example.test"));

    // Something else where the agent was: it ends at once.
    scene.agent(["--kill", "gpg-agent"]);
    let socket = scene.agent(["--list-dirs", "agent-socket"]).text();
    let _ = fs::remove_file(socket.trim_end());
    let listener = UnixListener::bind(socket.trim_end()).unwrap();
    std::thread::spawn(move || listener.incoming().for_each(drop));
    assert!(scene.seal(&[]).run().expect(77).words().contains("gpg-agent"));
    assert!(scene.open(&message, &[]).run().expect(77).words().contains("gpg-agent"));
}

#[test]
fn lists_show_its_home_and_what_needs_the_secret_is_refused() {
    let scene = Scene::new();
    scene.import(&[]);
    let (home, fingerprint) = (&scene.home, scene.alice.fingerprint());
    let listed = home.sealpost(["key", "list"]).run().expect(0).text();
    assert!(listed.contains(&format!("in gpg-agent of {}", scene.gnupg())), "{listed}");
    let listed = home.sealpost(["key", "list", "--json"]).run().expect(0).json();
    assert_eq!((listed["keys"].as_array().unwrap().len(), &listed["keys"][0]["home"]), (1, &"agent".into()));
    let shown = home.sealpost(["key", "show", "--json", &fingerprint]).run().expect(0).json();
    assert_eq!((&shown["key"]["home"], &shown["key"]["gnupg_home"]), (&"agent".into(), &scene.gnupg().into()));

    let words = home.sealpost(["cert", "check", "--within", "0d"]).run().expect(0).text();
    assert!(words.contains("alice@example.test (in gpg-agent)"), "{words}");
    let checked = home.sealpost(["cert", "check", "--json", "--within", "300d"]).run().expect(67);
    assert_eq!(checked.json()["keys"][0]["home"], "agent");
    let hints = checked.error()["hints"].clone();
    assert!(hints.as_array().unwrap().iter().any(|hint| hint[0] == "gpgsm" && hint[4] == "--generate-key"), "{hints}");

    for verb in [&["export"][..], &["extend"], &["change-passphrase", "--to-passphrase", "file:pw"]] {
        let line = [&["key", verb[0], "alice@example.test", "--json"], &verb[1..]].concat();
        let error = home.sealpost(line).run().expect(77).error();
        let words = error["text"].as_str().unwrap();
        assert!(words.contains(&format!("key {fingerprint} is in gpg-agent of {}", scene.gnupg())), "{error}");
        assert_eq!((&error["hints"][0][0], &error["hints"][0][2]), (&"gpgsm".into(), &scene.gnupg().into()));
    }
    for verb in [&["rotate"][..], &["revoke"], &["publish", "--wkd", "www"]] {
        let words =
            home.sealpost([&["key", verb[0], "alice@example.test"], &verb[1..]].concat()).run().expect(64).words();
        assert!(words.contains("is for S/MIME"), "{words}");
    }
    // The hint of an export, as it stands.
    let error = home.sealpost(["key", "export", &fingerprint, "--json"]).run().expect(77).error();
    let hint: Vec<&str> = error["hints"][0].as_array().unwrap().iter().map(|word| word.as_str().unwrap()).collect();
    let exported = scene.gnupg.run(&[&["--batch"], &hint[1..]].concat(), b"").expect(0).text();
    assert!(exported.contains("BEGIN PKCS12"), "{exported}");

    // A backup has no secret of it, says so, and brings it back, with its certificate; on paper too.
    for paper in [&[][..], &["--paper"]] {
        let line = ["key", "backup", "--json", "--output", "all.backup", "--passphrase", "file:pw"];
        let made = home.sealpost(line.iter().chain(paper)).run().expect(0);
        assert!(made.words().is_empty() && made.json()["agent_keys"] == 1, "{made:?}");
        let other = super::home(&scene.authority.pem(), None, &[&scene.bob], "");
        let backup = home.path("all.backup").display().to_string();
        let told = other.sealpost(["key", "import", &backup, "--passphrase", "file:pw", "--json"]).run();
        let told = if paper.is_empty() { told.expect(73) } else { told.expect(0) }.json();
        let name = format!("keys/{fingerprint}.smime.agent");
        let restored = told["restored"].as_array().unwrap().iter().find(|one| one["file"] == *name).unwrap();
        assert_eq!(restored["outcome"], "restored");
        let sealed = other.sealpost(["seal", "-t", "bob@example.test", "--passphrase", "file:pw"]).stdin(IN).run();
        assert!(scene.openssl.open(&scene.bob, &sealed.expect(0).stdout).expect(0).text().contains("hello"));
        assert!(other.sealpost(["cert", "list"]).run().expect(0).text().contains(&fingerprint));
        fs::remove_file(home.path("all.backup")).unwrap();

        // What is damaged is told, and nothing is asked of it.
        fs::write(other.state().join(name), "{\"version\":1}").unwrap();
        let told = other.sealpost(["key", "list"]).run().expect(0).words();
        assert!(told.contains("does not say which agent has the key"), "{told}");
    }
}

#[test]
fn which_keys_are_meant_is_exact_and_a_key_with_its_secret_here_stays() {
    let scene = Scene::new();
    let home = &scene.home;
    let line = |more: &[&'static str]| [&["key", "import", "--from-gnupg", scene.gnupg()], more].concat();
    let none = home.sealpost(line(&["--agent", "kim@example.test"])).run().expect(66).words();
    assert!(none.contains("has no key of kim@example.test") && none.contains("\nhint: gpgsm --homedir"), "{none}");
    assert_eq!(scene.import(&[&scene.alice.fingerprint()])["keys"].as_array().unwrap().len(), 1);
    assert_eq!(scene.import(&[])["keys"][0]["outcome"], "unchanged");
    the_secret_half_takes_the_place_of_the_note(home, scene.gnupg());
}

#[test]
fn a_certificate_that_gpgsm_got_anew_signs_and_the_old_one_opens() {
    let scene = Scene::of(Algorithm::P256);
    scene.import(&[]);
    let old = scene.message_to_alice();
    let wish = Wish::new("alice@example.test").days(-5..300);
    let renewed = Mailbox { certificate: scene.authority.certify(&wish, &scene.alice.key), ..scene.alice.clone() };
    scene.gnupg.import(&renewed.certificate_pem()).expect(0);
    let told = scene.import(&[]);
    let outcomes: Vec<_> = told["keys"].as_array().unwrap().iter().map(|key| &key["outcome"]).collect();
    assert!(outcomes.contains(&&"imported".into()) && outcomes.contains(&&"unchanged".into()), "{told}");
    let sealed = scene.seal(&[]).run().expect(0).stdout;
    let inner = scene.openssl.decrypt(&scene.bob, &sealed).expect(0).stdout;
    scene.openssl.file("inner.eml", &inner);
    let signer = ["cms", "-verify", "-in", "inner.eml", "-CAfile", "ca.pem", "-no-CApath", "-signer", "by.pem"];
    scene.openssl.run(&signer, b"").expect(0);
    let by = scene.openssl.run(&["x509", "-in", "by.pem", "-noout", "-fingerprint", "-sha256"], b"").expect(0).text();
    assert!(by.replace(':', "").contains(&renewed.fingerprint()), "{by}");
    assert_eq!(scene.open(&old, &[]).run().expect(0).text(), "hello\n");
}

#[test]
fn send_signs_through_the_agent_and_sends_nothing_without_it() {
    let scene = Scene::of(Algorithm::P256);
    scene.import(&[]);
    let (server, ca) = MailServer::with_ca();
    scene.home.file("server.pem", ca.pem());
    scene.home.file("smtp-pw", MailServer::PASSWORD);
    let ports = server.ports();
    let line =
        ["send", "--json", "--from", "alice@example.test", "-t", "bob@example.test", "-s", "x", "--host", "localhost"];
    let login =
        ["--ports", &ports, "--ca-file", "server.pem", "--user", MailServer::USER, "--password", "file:smtp-pw"];
    let send = || scene.home.sealpost(line.iter().chain(&login)).stdin("hello\n").run();
    assert_eq!(send().expect(0).json()["status"], "accepted");
    let wire = server.delivered("bob", 1);
    assert!(scene.openssl.open(&scene.bob, &wire).expect(0).text().contains("hello"));
    scene.agent(["--kill", "gpg-agent"]);
    let gone = send().expect(77).error();
    assert!(gone["text"].as_str().unwrap().contains("there is no gpg-agent for"), "{gone}");
    assert_eq!(server.mailbox("bob").len(), 1);
}

#[test]
fn two_keys_in_an_agent_for_one_address_are_both_ones_own() {
    let scene = Scene::of(Algorithm::P256);
    let subject = Wish::new("alice.two@example.test").algorithm(Algorithm::P384);
    let second = scene.authority.issue(&subject.also("alice@example.test"));
    scene.gnupg.give_to_agent(&second);
    scene.import(&[]);
    let to_me = IN.replace("To: bob@example.test", "To: alice@example.test");
    let sealed = scene.home.sealpost(["seal", "-t", "alice@example.test"]).stdin(to_me).run().expect(0).stdout;
    assert!(scene.open(&scene.to_alice(&sealed), &[]).run().expect(0).text().contains("hello"));
}

#[test]
fn oaep_opens() {
    let scene = Scene::new();
    scene.import(&[]);
    scene.openssl.file("alice.pem", &scene.alice.certificate_pem());
    let oaep = ["-recip", "alice.pem", "-keyopt", "rsa_padding_mode:oaep"];
    let line = [&["cms", "-encrypt", "-aes-256-cbc"][..], &HEAD, &oaep].concat();
    let message = scene.to_alice(&scene.openssl.run(&line, ENTITY).expect(0).stdout);
    assert_eq!(scene.open(&message, &["--passphrase", "file:pw"]).run().expect(0).text(), "hello\n");
}

#[test]
fn a_renewed_certificate_of_its_key_is_used_with_the_agent_too() {
    let scene = Scene::new();
    scene.import(&[]);
    let wish = Wish::new("alice@example.test").days(-1..300);
    let renewed = scene.authority.certify(&wish, &scene.alice.key).to_pem().unwrap();
    scene.home.file("renewed.pem", renewed);
    let joined = scene.home.sealpost(["cert", "import", "renewed.pem"]).run().expect(0);
    assert!(joined.words().contains("is of a key of yours"), "{joined:?}");
    let listed = scene.home.sealpost(["key", "list", "--json"]).run().expect(0).json();
    let homes: Vec<_> = listed["keys"].as_array().unwrap().iter().map(|key| key["home"].as_str()).collect();
    assert_eq!(homes, [Some("agent"), Some("agent")], "{listed}");
    // Both open: the newer one is written to.
    let to_alice = "From: alice@example.test\nTo: alice@example.test\nSubject: x\n\nhello alice\n";
    let sealed = scene.home.sealpost(["seal", "--passphrase", "file:pw"]).stdin(to_alice).run().expect(0).stdout;
    for message in [scene.to_alice(&sealed), scene.message_to_alice()] {
        assert!(scene.open(&message, &["--passphrase", "file:pw"]).run().expect(0).text().contains("hello"));
    }
    // As an answer it is told the same.
    let again = scene.home.sealpost(["key", "import", "renewed.pem"]).run().expect(65).words();
    assert!(again.contains("no key here waits"), "{again}");
}
