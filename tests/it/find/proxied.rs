//! Looking up through a proxy, which resolves the names and sees ciphertext.

use super::{ADVANCED, Scene, VKS, made, vks, wkd};
use crate::support::{
    Reply,
    proxy::{Proxy, Tongue},
};

#[test]
fn certificates_are_found_through_a_proxy_of_either_kind() {
    for (tongue, scheme) in [(Tongue::Http, "http"), (Tongue::Socks, "socks5h")] {
        let scene = Scene::new();
        let (kim, fingerprint) = made("kim@example.test", &[]);
        scene.server.will(&vks(), Reply::Body(kim));
        let proxy = Proxy::to(scene.server.port(), tongue);
        scene.set(&format!("proxy = \"{scheme}://127.0.0.1:{}\"\n", proxy.port()), &[]);
        let found = scene.find(&[]).expect(0).json();
        assert_eq!(found["results"][0]["certificates"][0]["fingerprint"], fingerprint.as_str());
        assert_eq!(found["results"][0]["source"], "vks");
        assert_eq!(proxy.asked(), [format!("{ADVANCED}:443"), format!("{VKS}:443")]);
    }
}

#[test]
fn the_environment_names_one_and_the_settings_win() {
    let scene = Scene::new();
    scene.server.will(&wkd(ADVANCED), Reply::Body(made("kim@example.test", &[]).0));
    let proxy = Proxy::to(scene.server.port(), Tongue::Http);
    let find = |variable: &str, value: &str, exit| {
        let find = scene.home.sealpost(["cert", "find", "kim@example.test", "--json", "--source", "wkd"]);
        find.env(variable, value).run().expect(exit)
    };
    scene.set("", &[]);
    find("https_proxy", &format!("http://127.0.0.1:{}", proxy.port()), 0);
    assert_eq!(proxy.asked().len(), 1);
    let unusable = find("HTTPS_PROXY", "http://user:hunter2@127.0.0.1:1", 78);
    assert!(unusable.words().contains("HTTPS_PROXY") && !unusable.words().contains("hunter2"), "{unusable:?}");
    scene.set("proxy = \"direct\"\n", &[ADVANCED]);
    find("https_proxy", "http://127.0.0.1:1", 0);
    // A host that the user placed is gone to directly.
    scene.set(&format!("proxy = \"http://127.0.0.1:{}\"\n", proxy.port()), &[ADVANCED]);
    find("x", "y", 0);
    assert_eq!(proxy.asked().len(), 1);
}

#[test]
fn a_proxy_that_does_not_lead_there_is_told() {
    let scene = Scene::new();
    let (kim, _) = made("kim@example.test", &[]);
    let refusing = Proxy::to(scene.server.port(), Tongue::Refusing);
    scene.set(&format!("proxy = \"http://127.0.0.1:{}\"\n", refusing.port()), &[]);
    let told = scene.find(&["--source", "vks"]).expect(75).error().to_string();
    assert!(told.contains("through the proxy 127.0.0.1") && told.contains("403 Forbidden"), "{told}");
    // It speaks another language.
    scene.set(&format!("proxy = \"socks5h://127.0.0.1:{}\"\n", scene.server.port()), &[]);
    scene.find(&["--source", "vks"]).expect(75);
    // A redirect into one's own network is followed through no proxy.
    let leading = Proxy::to(scene.server.port(), Tongue::Http);
    scene.set(&format!("proxy = \"http://127.0.0.1:{}\"\n", leading.port()), &[]);
    for private in ["https://127.0.0.1/x", "https://localhost/x", "https://printer/x"] {
        scene.server.will(&vks(), Reply::Redirect(private.to_owned()));
        let told = scene.find(&["--source", "vks"]).expect(76).error().to_string();
        assert!(told.contains("not on the public network"), "{told}");
    }
    assert!(leading.asked().iter().all(|host| host == &format!("{VKS}:443")));
    scene.server.will(&vks(), Reply::Body(kim));
    scene.find(&["--source", "vks"]).expect(0);
    scene.set("proxy = \"https://127.0.0.1:1\"\n", &[]);
    scene.find(&[]).expect(78);
}
