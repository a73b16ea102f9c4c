//! `key publish --keyserver`: what goes out, what the keyserver says of it, and keyservers that lie.

use std::fs;

use serde_json::{Value, json};

use super::{HKPS, Scene, VKS};
use crate::support::{Flaw, Gpg, Home, Outcome, Publisher, Reply, people, run};

const UPLOAD: &str = "vks.example.test/vks/v1/upload";
const VERIFY: &str = "vks.example.test/vks/v1/request-verify";
const ADD: &str = "hkps.example.test/pks/add";

/// A scene with a key of three user IDs, two addresses and a name without one.
fn scene() -> (Scene, String) {
    let scene = Scene { home: Home::new(), ..Scene::new() };
    scene.set("", &[VKS, HKPS]);
    scene.home.file("pw", "specimen\n");
    let gpg = Gpg::new();
    gpg.make_key("kim@example.test", "default");
    for more in ["Kim at home <Kim.Private@example.test>", "Only a name"] {
        run(gpg.command(["--passphrase", "", "--quick-add-uid", "kim@example.test", more]), b"").expect(0);
    }
    let import = scene.home.sealpost(["key", "import", "-", "--passphrase", "file:pw", "--json"]);
    let imported = import.stdin(gpg.export_secret("kim@example.test")).run().expect(0).json();
    let fingerprint = imported["keys"][0]["fingerprint"].as_str().unwrap().to_owned();
    (scene, fingerprint)
}

fn publish(scene: &Scene, name: &str, more: &[&str]) -> Outcome {
    scene.home.sealpost(["key", "publish", name, "--json", "--keyserver"].iter().chain(more)).run()
}

fn told(fingerprint: &str, status: &Value) -> Reply {
    Reply::Body(json!({ "key_fpr": fingerprint, "token": "T0", "status": status }).to_string().into_bytes())
}

/// The packets of a certificate, as gpg lists them.
fn packets(armored: &[u8]) -> String {
    run(Gpg::new().command(["--list-packets"]), armored).expect(0).text()
}

fn keytext(posted: &str) -> Vec<u8> {
    let posted: Value = serde_json::from_str(posted).unwrap();
    assert_eq!(posted.as_object().unwrap().len(), 1);
    posted["keytext"].as_str().unwrap().as_bytes().to_vec()
}

#[test]
fn the_certificate_goes_out_and_the_mail_is_asked_for() {
    let (scene, fingerprint) = scene();
    scene.server.will(UPLOAD, told(&fingerprint, &json!({ "kim@example.test": "unpublished" })));
    scene.server.will(VERIFY, told(&fingerprint, &json!({ "kim@example.test": "pending" })));
    let published = publish(&scene, "Kim@example.test", &[]).expect(0).json();
    assert_eq!(
        published,
        json!({ "version": 1, "fingerprint": fingerprint, "source": "vks", "keyserver": format!("https://{VKS}"),
                "addresses": [{ "address": "Kim@example.test", "status": "pending" }] })
    );
    let posted = scene.server.posted();
    let packets = packets(&keytext(&posted[0]));
    assert!(packets.contains(":public key packet:") && packets.contains(":public sub key packet:"), "{packets}");
    assert!(!packets.contains("secret") && packets.matches(":user ID packet:").count() == 1, "{packets}");
    let asked: Value = serde_json::from_str(&posted[1]).unwrap();
    assert_eq!(asked, json!({ "token": "T0", "addresses": ["kim@example.test"], "locale": ["en_US"] }));
    assert_eq!(posted.len(), 2);
    let heard = scene.server.heard().to_lowercase();
    assert!(heard.contains("content-type: application/json\r\n") && !heard.contains("user-agent"), "{heard}");

    let words = scene.home.sealpost(["key", "publish", "kim@example.test", "--keyserver"]).env("LANG", "de_DE.UTF-8");
    let words = words.run().expect(0).words();
    assert!(words.contains(&format!("uploaded certificate {fingerprint} to https://{VKS}")), "{words}");
    assert!(words.contains("kim@example.test: pending: the keyserver has sent a mail there; open the link"), "{words}");
    assert!(scene.server.posted()[3].contains("\"locale\":[\"de_DE\"]"));
}

#[test]
fn of_a_fingerprint_all_user_ids_go_out_and_each_address_is_told() {
    let (scene, fingerprint) = scene();
    let status = json!({ "kim@example.test": "published", "kim.private@example.test": "unpublished" });
    scene.server.will(UPLOAD, told(&fingerprint, &status));
    scene.server.will(VERIFY, told(&fingerprint, &json!({ "kim.private@example.test": "pending" })));
    let published = publish(&scene, &fingerprint, &[]).expect(0).json();
    let status = |address: &str, published: &Value| {
        let all = published["addresses"].as_array().unwrap();
        all.iter().find(|one| one["address"] == address).map(|one| one["status"].clone())
    };
    assert_eq!(status("kim@example.test", &published), Some("published".into()), "{published}");
    assert_eq!(status("Kim.Private@example.test", &published), Some("pending".into()), "{published}");
    let posted = scene.server.posted();
    let packets = packets(&keytext(&posted[0]));
    assert!(!packets.contains("secret") && packets.matches(":user ID packet:").count() == 3, "{packets}");
    // Where all is proven, or was asked for, no mail is.
    for standing in ["published", "pending", "revoked"] {
        let status = json!({ "kim@example.test": standing, "kim.private@example.test": standing });
        scene.server.will(UPLOAD, told(&fingerprint, &status));
        let before = scene.server.asked();
        let published = publish(&scene, &fingerprint, &[]).expect(0).json();
        assert!(published["addresses"].as_array().unwrap().iter().all(|one| one["status"] == standing), "{published}");
        assert_eq!(scene.server.asked(), before + 1);
    }
}

#[test]
fn addresses_that_were_not_chosen_are_left_alone() {
    let (scene, fingerprint) = scene();
    let status =
        json!({ "kim.private@example.test": "unpublished", "lee@example.test": "unpublished", "no": "pending" });
    scene.server.will(UPLOAD, told(&fingerprint, &status));
    let published = publish(&scene, "kim@example.test", &[]).expect(0).json();
    assert_eq!(published["addresses"], json!([{ "address": "kim@example.test", "status": "unknown" }]));
    assert_eq!(scene.server.posted().len(), 1, "no mail is asked for to others");
}

#[test]
fn by_hkp_where_the_url_or_the_setting_says_so() {
    let (scene, fingerprint) = scene();
    scene.server.will(ADD, Reply::Says(200, "<html>added</html>".into()));
    let hkps = format!("hkps://{HKPS}");
    let published = publish(&scene, "kim@example.test", &[&hkps]).expect(0).json();
    assert_eq!(published["addresses"], json!([{ "address": "kim@example.test", "status": "uploaded" }]));
    assert_eq!((&published["source"], &published["fingerprint"]), (&"hkps".into(), &fingerprint.as_str().into()));
    let posted = scene.server.posted().remove(0);
    let form = posted.strip_prefix("keytext=").unwrap();
    assert!(form.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~%".contains(&byte)), "{form}");
    let bytes = url_decoded(form);
    let packets = packets(&bytes);
    assert!(!packets.contains("secret") && packets.matches(":user ID packet:").count() == 1, "{packets}");
    scene.set("order = [\"hkps\", \"vks\"]\n", &[VKS, HKPS]);
    assert_eq!(publish(&scene, "kim@example.test", &[]).expect(0).json()["source"], "hkps");
    // The URL wins over the settings.
    scene.server.will(UPLOAD, told(&fingerprint, &json!({ "kim@example.test": "published" })));
    assert_eq!(publish(&scene, "kim@example.test", &[&format!("https://{VKS}/")]).expect(0).json()["source"], "vks");
    scene.server.will(ADD, Reply::Status(503));
    let later = publish(&scene, "kim@example.test", &[&hkps]).expect(75).error();
    scene.server.will(ADD, Reply::Body(Vec::new()));
    let hint: Vec<_> = later["hints"][0].as_array().unwrap().iter().map(|word| word.as_str().unwrap()).collect();
    scene.home.sealpost(&hint[1..]).run().expect(0);
    let heard = scene.server.heard();
    assert!(heard.contains("/pks/add"), "{heard}");
}

fn url_decoded(text: &str) -> Vec<u8> {
    let mut pieces = text.split('%');
    let mut bytes = pieces.next().unwrap().as_bytes().to_vec();
    for piece in pieces {
        bytes.push(u8::from_str_radix(&piece[..2], 16).unwrap());
        bytes.extend(piece[2..].bytes());
    }
    bytes
}

#[test]
fn a_keyserver_that_fails_or_lies_is_told() {
    let (scene, fingerprint) = scene();
    let good = json!({ "kim@example.test": "published" });
    let says = |status: u16, words: &str| Reply::Says(status, words.to_owned());
    let faults: Vec<(Reply, u8, &str)> = vec![
        (
            says(400, "{\"error\":\"Parsing of key data failed.\\u001b[2J\"}"),
            69,
            "status 400: Parsing of key data failed.",
        ),
        (says(400, "no JSON"), 69, "refused it with status 400"),
        (Reply::Status(413), 69, "status 413"),
        (says(503, "{\"error\":\"maintenance\"}"), 75, "status 503: maintenance"),
        (Reply::Status(429), 75, "status 429"),
        (Reply::Status(500), 75, "status 500"),
        (says(200, "<html>hello</html>"), 76, "does not answer as a keyserver does"),
        (says(200, "{\"key_fpr\":\"\",\"token\":\"t\"}"), 76, "does not answer as a keyserver does"),
        (told(&"A".repeat(40), &good), 76, "answered for another certificate, AAAA"),
        (Reply::Flood(1 << 30), 76, "larger than 1048576 bytes"),
        (Reply::Drip(vec![b' '; 900]), 75, "in time"),
        (Reply::Redirect(format!("http://{VKS}/x")), 76, "out of TLS"),
        (Reply::Redirect("https://127.0.0.1:1/x".to_owned()), 76, "not on the public network"),
        (Reply::Redirect(format!("https://{UPLOAD}")), 76, "without end"),
    ];
    for (reply, exit, said) in faults {
        scene.server.will(UPLOAD, reply);
        let failed = publish(&scene, "kim@example.test", &[]).expect(exit.into());
        let text = failed.error()["text"].as_str().unwrap().to_owned();
        assert!(text.contains("kim@example.test") && text.contains(said), "{said}: {text}");
        assert!(!failed.words().contains('\u{1b}') && failed.stdout.is_empty(), "{failed:?}");
        // What fails for a time is to be tried again, and else the certificate is to be given out otherwise.
        let cure = if exit == 75 { "publish" } else { "export" };
        assert_eq!(failed.error()["hints"][0][2], cure, "{failed:?}");
    }
    // A word that is not known is no failure: the certificate is there.
    scene.server.will(UPLOAD, told(&fingerprint, &json!({ "kim@example.test": "uploaded" })));
    let taken = publish(&scene, "kim@example.test", &[]).expect(0).json();
    assert_eq!(taken["addresses"][0]["status"], "unknown");
    // A redirect within TLS takes the body along.
    scene.server.will(UPLOAD, Reply::Redirect(format!("https://{HKPS}/moved")));
    scene.server.will(&format!("{HKPS}/moved"), told(&fingerprint, &good));
    assert_eq!(publish(&scene, "kim@example.test", &[]).expect(0).json()["addresses"][0]["status"], "published");
    let posted = scene.server.posted();
    assert_eq!(posted[posted.len() - 1], posted[posted.len() - 2]);
    // The certificate is there, the mail is not: both are told, and a second run asks again.
    scene.server.will(UPLOAD, told(&fingerprint, &json!({ "kim@example.test": "unpublished" })));
    scene.server.will(VERIFY, Reply::Status(503));
    let half = publish(&scene, "kim@example.test", &[]).expect(75);
    assert_eq!(half.json()["addresses"][0]["status"], "unpublished");
    assert!(half.error()["text"].as_str().unwrap().contains("was not asked for"), "{half:?}");
    assert_eq!(half.error()["hints"][0], json!(["sealpost", "key", "publish", "kim@example.test", "--keyserver"]));
}

#[test]
fn nothing_goes_out_to_whom_it_should_not() {
    let (scene, fingerprint) = scene();
    // A server that cannot prove its name hears nothing.
    for flaw in [Flaw::Expired, Flaw::WrongHost, Flaw::SelfSigned] {
        let liar = Scene { server: Publisher::showing(scene.ca.flawed(flaw)), ..self::scene().0 };
        liar.set("", &[VKS]);
        publish(&liar, "kim@example.test", &[]).expect(76);
        assert_eq!(liar.server.heard(), "");
    }
    // One's own network is out of reach, unless it is allowed.
    let server = Publisher::new(&scene.ca, &["localhost"]);
    let port = server.port();
    server.will(
        &format!("localhost:{port}/vks/v1/upload"),
        told(&fingerprint, &json!({ "kim@example.test": "published" })),
    );
    for (private, exit) in [(false, 76), (true, 0)] {
        scene.set(&format!("private = {private}\n"), &[]);
        publish(&scene, "kim@example.test", &[&format!("https://localhost:{port}")]).expect(exit);
    }
    assert_eq!(server.asked(), 1);
    // What is no keyserver, and what is no key for one.
    scene.set("", &[VKS, HKPS]);
    for url in
        ["http://vks.example.test", "https://u:hunter2@vks.example.test", "vks.example.test", "hkps://a.example/b"]
    {
        let refused = publish(&scene, "kim@example.test", &[url]).expect(64);
        assert!(!refused.words().contains("hunter2"), "{refused:?}");
    }
    scene.home.sealpost(["key", "publish", "kim@example.test"]).run().expect(64);
    scene.home.sealpost(["key", "publish", "kim@example.test", "--wkd", "web", "--keyserver"]).run().expect(64);
    publish(&scene, "nobody@example.test", &[]).expect(66);
    assert_eq!(scene.server.asked(), 0);
    assert!(fs::read_dir(scene.home.path("web")).is_err());
}

#[test]
fn a_key_for_smime_goes_to_no_keyserver() {
    let scene = Scene { home: people::alice_of_both(), ..Scene::new() };
    scene.set("", &[VKS, HKPS]);
    let keys = scene.home.sealpost(["key", "list", "--json"]).run().expect(0).json();
    let smime = keys["keys"].as_array().unwrap().iter().find(|key| key["suite"] == "smime").unwrap().clone();
    let refused = publish(&scene, smime["fingerprint"].as_str().unwrap(), &[]).expect(64).error();
    assert!(refused["text"].as_str().unwrap().contains("keyservers are for OpenPGP"), "{refused}");
    let hint: Vec<_> = refused["hints"][0].as_array().unwrap()[1..].iter().map(|word| word.as_str().unwrap()).collect();
    scene.home.sealpost(hint).run().expect(0);
    // Nor one that waits for its certificate.
    let make =
        ["key", "make", "lee@example.test", "--suite", "smime", "--algorithm", "p256", "--passphrase", "file:pw"];
    scene.home.sealpost(make).run().expect(0);
    let refused = publish(&scene, "lee@example.test", &[]).expect(64).error();
    assert_eq!(refused["hints"][0], json!(["sealpost", "key", "show", "lee@example.test"]));
    scene.home.sealpost(["key", "show", "lee@example.test"]).run().expect(0);
    assert_eq!(scene.server.asked(), 0);
}
