//! A test file that `main.rs` does not list would never run.

use std::{collections::BTreeSet, fs, path::Path};

use crate::support::package;

/// The modules that a folder holds as files or folders, without the file that lists them.
fn present(folder: &Path) -> BTreeSet<String> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let modules =
        entries.filter(|path| path.extension().is_some_and(|end| end == "rs") || path.join("mod.rs").exists());
    let names = modules.map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned());
    names.filter(|name| !matches!(name.as_str(), "main" | "mod")).collect()
}

/// The modules that a source declares.
fn listed(source: &str) -> BTreeSet<String> {
    let lines = source.lines().map(|line| line.trim_start_matches("pub "));
    lines.filter_map(|line| line.strip_prefix("mod ")?.strip_suffix(';')).map(str::to_owned).collect()
}

#[test]
fn every_test_file_is_listed() {
    for root in ["tests/it/main.rs", "tests/it/smime/mod.rs", "tests/it/support/mod.rs"] {
        let root = package().join(root);
        assert_eq!(present(root.parent().unwrap()), listed(&fs::read_to_string(&root).unwrap()), "{}", root.display());
    }
}

#[test]
fn a_forgotten_file_is_noticed() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["main.rs", "open.rs", "send.rs", "notes.md"] {
        fs::write(folder.path().join(name), "").unwrap();
    }
    let missing: Vec<String> = present(folder.path()).difference(&listed("mod open;\n")).cloned().collect();
    assert_eq!(missing, ["send"]);
}
