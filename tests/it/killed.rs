//! Killed at any point, or two at once: nothing is lost, nothing is half there, and the same command ends the work.

use std::{thread, time::Duration};

use crate::support::Home;

/// Certificates of twelve, in one file.
fn many() -> (Vec<u8>, usize) {
    let home = with_passphrase();
    let names: Vec<_> = (0..12).map(|number| format!("kim{number}@example.test")).collect();
    let mut all = Vec::new();
    for name in &names {
        home.sealpost(["key", "make", name, "--passphrase", "file:pw"]).run().expect(0);
        all.extend(home.sealpost(["cert", "export", name]).run().expect(0).stdout);
    }
    (all, names.len())
}

/// Home's stored certificates; there is no warning of a damaged one.
fn stored(home: &Home) -> usize {
    let listed = home.sealpost(["cert", "list"]).run().expect(0);
    assert_eq!(listed.words(), "");
    listed.text().lines().count()
}

fn with_passphrase() -> Home {
    let home = Home::new();
    home.file("pw", "specimen\n");
    home
}

#[test]
fn an_import_goes_on_where_it_was_killed() {
    let (all, count) = many();
    let home = Home::new();
    let import = || home.sealpost(["cert", "import", "-"]).stdin(all.clone());
    for tick in 0..12 {
        import().killed_after(Duration::from_millis(10 + 12 * tick));
        stored(&home);
    }
    import().run().expect(0);
    assert_eq!(stored(&home), count);
}

#[test]
fn two_imports_at_once_lose_nothing() {
    let (all, count) = many();
    let home = Home::new();
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| home.sealpost(["cert", "import", "-"]).stdin(all.clone()).run().expect(0));
        }
    });
    assert_eq!(stored(&home), count);
}

#[test]
fn a_key_that_is_changed_when_it_is_killed_opens_and_signs_still() {
    let home = with_passphrase();
    home.sealpost(["key", "make", "kim@example.test", "--passphrase", "file:pw"]).run().expect(0);
    let message = "From: kim@example.test\nTo: kim@example.test\nSubject: s\n\nhello\n";
    let seal = || home.sealpost(["seal", "--passphrase", "file:pw"]).stdin(message).run().expect(0).stdout;
    let old = seal();
    for tick in 0..8 {
        let verb = ["rotate", "extend"][tick % 2];
        let change = home.sealpost(["key", verb, "kim@example.test", "--passphrase", "file:pw"]);
        change.killed_after(Duration::from_millis(20 + 40 * tick as u64));
        assert_eq!(home.sealpost(["key", "list"]).run().expect(0).words(), "");
    }
    home.sealpost(["key", "rotate", "kim@example.test", "--passphrase", "file:pw"]).run().expect(0);
    for message in [old, seal()] {
        let open = ["open", "-", "--json", "--passphrase", "file:pw", "--signed-by", "kim@example.test"];
        home.sealpost(open).stdin(message).run().expect(0);
    }
}
