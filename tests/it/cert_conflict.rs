//! Another certificate than the known one for an address: `send` and `seal` stop, show both, and the hints end it.

use std::{collections::BTreeSet, fs};

use serde_json::Value;

use crate::support::{Authority, Home, Mailbox, Outcome, Wish, days_from_now, people::alice};

const MESSAGE: &str = "From: alice@example.test\nTo: bob@example.test\n\nx\n";

fn plan(home: &Home) -> Outcome {
    home.sealpost(["seal", "-n", "--json"]).stdin(MESSAGE).run()
}

fn chosen(home: &Home) -> String {
    plan(home).expect(0).json()["messages"][0]["recipients"][0]["fingerprint"].as_str().unwrap().to_owned()
}

/// Imports a certificate and gives its fingerprint.
fn import(home: &Home, certificate: impl Into<Vec<u8>>) -> String {
    let imported = home.sealpost(["cert", "import", "-", "--json"]).stdin(certificate).run().expect(0).json();
    imported["certificates"][0]["fingerprint"].as_str().unwrap().to_owned()
}

/// A certificate that names Bob, and is not his.
fn impostor() -> Vec<u8> {
    let home = Home::new();
    home.sealpost(["key", "make", "bob@example.test", "--new-passphrase", "file:pw"]).run().expect(0);
    home.sealpost(["cert", "export", "bob@example.test"]).run().expect(0).stdout
}

fn words(hint: &Value) -> Vec<String> {
    hint.as_array().unwrap().iter().map(|word| word.as_str().unwrap().to_owned()).collect()
}

#[test]
fn another_openpgp_certificate_stops_until_the_user_decides_by_one_of_the_hints() {
    for decision in 0..4 {
        let home = alice();
        let known = chosen(&home);
        let day = days_from_now(0);
        let other = import(&home, impostor());
        let error = plan(&home).expect(67).error();
        let reason = error["recipients"][0]["reason"].as_str().unwrap();
        assert!(reason.contains(&known) && reason.contains(&other), "{error}");
        assert_eq!(reason.matches(&format!("(imported, known since {}", &day[..8])).count(), 2, "{error}");
        let hints: Vec<_> = error["hints"].as_array().unwrap().iter().map(words).collect();
        assert_eq!(hints.len(), 4, "{error}");
        let told: BTreeSet<_> = hints.iter().map(|hint| (hint[2].as_str(), hint[3].as_str())).collect();
        let fingerprints = [known.as_str(), other.as_str()];
        let expected = ["verify", "remove"].into_iter().flat_map(|verb| fingerprints.map(|one| (verb, one)));
        assert_eq!(told, expected.collect(), "{error}");

        let checked = home.sealpost(["cert", "check", "--json", "bob@example.test"]).run().expect(67);
        assert_eq!(checked.json()["recipients"][0]["state"], "conflicting");
        assert_eq!(checked.error()["hints"], error["hints"]);

        let hint = &hints[decision];
        home.sealpost(&hint[1..]).run().expect(0);
        let named = &hint[3];
        let other = *fingerprints.iter().find(|one| *one != named).unwrap();
        let left = if hint[2] == "verify" { named } else { other };
        assert_eq!(chosen(&home), *left);
        // What is pinned stays, whatever comes.
        if hint[2] == "verify" {
            import(&home, impostor());
            assert_eq!(chosen(&home), *left);
        } else {
            import(&home, impostor());
            plan(&home).expect(67);
        }
    }
}

#[test]
fn what_the_user_names_for_this_run_wins_and_own_keys_are_of_one_owner() {
    let home = alice();
    let bob = chosen(&home);
    import(&home, impostor());
    let given = home.sealpost(["seal", "-n", "--json", "--cert", "bob.asc"]).stdin(MESSAGE).run().expect(0).json();
    assert_eq!(given["messages"][0]["recipients"][0]["fingerprint"], *bob);

    let made = home.sealpost(["key", "make", "alice@example.test", "--new-passphrase", "file:pw2", "--json"]);
    let new = made.run().expect(0).json()["key"]["fingerprint"].as_str().unwrap().to_owned();
    let own = home.sealpost(["seal", "-n", "--json", "-t", "alice@example.test"]).stdin(MESSAGE).run().expect(0).json();
    assert_eq!(own["messages"][0]["recipients"][0]["fingerprint"], *new, "the newest of one's own");
}

/// A home that trusts two authorities.
fn trusting(authorities: [&Authority; 2]) -> Home {
    let home = Home::new();
    let files: Vec<_> = authorities
        .iter()
        .enumerate()
        .map(|(number, authority)| home.file(&format!("ca-{number}.pem"), authority.pem()).display().to_string())
        .collect();
    fs::write(home.state().join("config.toml"), format!("[smime]\ntrust_anchors = {files:?}\n")).unwrap();
    home
}

#[test]
fn a_renewal_by_the_same_authority_for_the_same_name_is_no_conflict_and_one_by_another_is() {
    // Two that bear different names: the second is what the first certified, standing for itself.
    let (one, two) = (Authority::new(), Authority::new());
    let wish = Wish::new("bob@example.test");
    let old = one.issue(&wish.clone().days(-20..20));
    let new = one.issue(&wish.clone().days(-5..40));
    let own_name = wish.clone().days(-5..40).self_signed();
    for order in [[&old, &new], [&new, &old]] {
        let home = trusting([&one, &two]);
        for certificate in order {
            import(&home, certificate.pem());
        }
        assert_eq!(chosen(&home), new.fingerprint(), "the newest of one owner");
    }
    // Trusted as an anchor of its own, but neither the same key nor the same issuer.
    let home = trusting([&one, &two]);
    let config = home.state().join("config.toml");
    let anchor = home.file("own.pem", own_name.pem());
    let text = fs::read_to_string(&config)
        .unwrap()
        .replace("trust_anchors = [", &format!("trust_anchors = [\"{}\", ", anchor.display()));
    fs::write(config, text).unwrap();
    let both: [&Mailbox; 2] = [&old, &own_name];
    both.into_iter().for_each(|certificate| drop(import(&home, certificate.pem())));
    let error = plan(&home).expect(67).error();
    let reason = error["recipients"][0]["reason"].as_str().unwrap();
    assert!(both.iter().all(|one| reason.contains(&one.fingerprint())), "{error}");
}

#[test]
fn an_expired_one_is_in_nobodys_way() {
    let home = alice();
    let past = Home::new();
    let made = days_from_now(-800);
    past.sealpost(["key", "make", "kim@example.test", "--new-passphrase", "file:pw", "--at", &made]).run().expect(0);
    import(&home, past.sealpost(["cert", "export", "kim@example.test", "--at", &made]).run().expect(0).stdout);
    let present = Home::new();
    present.sealpost(["key", "make", "kim@example.test", "--new-passphrase", "file:pw"]).run().expect(0);
    let new = import(&home, present.sealpost(["cert", "export", "kim@example.test"]).run().expect(0).stdout);
    let report = home.sealpost(["cert", "check", "kim@example.test", "--json"]).run().expect(0).json();
    assert_eq!(report["recipients"][0]["fingerprint"], *new);
}

#[test]
fn since_when_survives_damage_and_loss() {
    let home = alice();
    import(&home, impostor());
    let log = home.state().join("known");
    let text = fs::read_to_string(&log).unwrap();
    assert_eq!(text.lines().count(), 4, "Alice, Bob, Carol and the impostor: {text}");
    // As a kill half-way leaves it: the half line counts for nothing, and what follows is whole.
    fs::write(&log, format!("2026-01-02T03:04:05Z {text}rubbish\n2020-01-01T00:00:00Z ABC")).unwrap();
    import(&home, impostor());
    assert!(fs::read_to_string(&log).unwrap().lines().last().unwrap().ends_with(" bob@example.test"));
    plan(&home).expect(67);
    fs::remove_file(&log).unwrap();
    let error = plan(&home).expect(67).error();
    assert_eq!(error["recipients"][0]["reason"].as_str().unwrap().matches("known since").count(), 3, "{error}");
}
