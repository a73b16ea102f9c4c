//! Every package that is built carries a licence that `deny.toml` allows. Works offline.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    process::Command,
};

use serde_json::Value;

use crate::support::{package, run};

/// What `deny.toml` allows, to all and to single packages.
struct Allowed {
    all: BTreeSet<String>,
    exceptions: BTreeMap<String, BTreeSet<String>>,
}

#[test]
fn every_licence_is_allowed() {
    let allowed = Allowed::read();
    let metadata = metadata();
    let built: BTreeSet<&str> =
        metadata["resolve"]["nodes"].as_array().unwrap().iter().map(|node| node["id"].as_str().unwrap()).collect();
    assert!(built.len() > 100, "only {} packages read", built.len());
    let packages = metadata["packages"].as_array().unwrap().iter();
    let refused: Vec<String> = packages
        .filter(|package| built.contains(package["id"].as_str().unwrap()))
        .filter_map(|package| {
            let name = package["name"].as_str().unwrap();
            let licence = package["license"].as_str().unwrap_or("none");
            (!allowed.satisfies(name, licence)).then(|| format!("{name}: {licence}"))
        })
        .collect();
    assert!(refused.is_empty(), "not allowed by deny.toml: {refused:#?}");
}

#[test]
fn exceptions_are_needed_and_expressions_are_understood() {
    let allowed = Allowed::read();
    let metadata = metadata();
    for name in allowed.exceptions.keys() {
        let packages = metadata["packages"].as_array().unwrap();
        assert!(packages.iter().any(|package| package["name"] == **name), "{name} is not built: drop its exception");
    }
    for (expression, satisfied) in [
        ("MIT", true),
        ("GPL-3.0-only", false),
        ("GPL-3.0-only OR MIT", true),
        ("GPL-3.0-only AND MIT", false),
        ("(MIT OR GPL-3.0-only) AND Unicode-3.0", true),
        ("MIT AND (GPL-2.0-only OR GPL-3.0-only)", false),
        ("MIT/GPL-3.0", true),
        ("Apache-2.0 WITH LLVM-exception", true),
        ("LGPL-2.0-or-later", false),
        ("none", false),
    ] {
        assert_eq!(allowed.satisfies("some-package", expression), satisfied, "{expression}");
    }
    assert!(allowed.satisfies("sequoia-openpgp", "LGPL-2.0-or-later"));
}

fn metadata() -> Value {
    let mut cargo = Command::new(env!("CARGO"));
    let platform = format!("{}-unknown-linux-gnu", std::env::consts::ARCH);
    cargo
        .args(["metadata", "--offline", "--locked", "--format-version", "1", "--filter-platform", &platform])
        .current_dir(package());
    run(cargo, b"").expect(0).json()
}

impl Allowed {
    fn read() -> Self {
        let text = fs::read_to_string(package().join("deny.toml")).unwrap();
        let settings: toml::Table = text.parse().unwrap();
        let texts = |value: &toml::Value| -> BTreeSet<String> {
            value.as_array().unwrap().iter().map(|text| text.as_str().unwrap().to_owned()).collect()
        };
        let exceptions = settings["licenses"]["exceptions"].as_array().unwrap().iter();
        Self {
            all: texts(&settings["licenses"]["allow"]),
            exceptions: exceptions
                .map(|one| (one["crate"].as_str().unwrap().to_owned(), texts(&one["allow"])))
                .collect(),
        }
    }

    /// Judges an SPDX expression; the older `A/B` means `A OR B`.
    fn satisfies(&self, package: &str, expression: &str) -> bool {
        let spaced = expression.replace('/', " OR ").replace('(', " ( ").replace(')', " ) ");
        let words: Vec<&str> = spaced.split_whitespace().collect();
        let mut rest = &words[..];
        let satisfied = self.either(package, &mut rest);
        satisfied && rest.is_empty()
    }

    fn either(&self, package: &str, rest: &mut &[&str]) -> bool {
        let mut satisfied = self.both(package, rest);
        while rest.first() == Some(&"OR") {
            *rest = &rest[1..];
            satisfied |= self.both(package, rest);
        }
        satisfied
    }

    fn both(&self, package: &str, rest: &mut &[&str]) -> bool {
        let mut satisfied = self.one(package, rest);
        while rest.first() == Some(&"AND") {
            *rest = &rest[1..];
            satisfied &= self.one(package, rest);
        }
        satisfied
    }

    fn one(&self, package: &str, rest: &mut &[&str]) -> bool {
        let Some((first, after)) = rest.split_first() else { return false };
        *rest = after;
        if *first == "(" {
            let satisfied = self.either(package, rest);
            *rest = rest.strip_prefix(&[")"][..]).unwrap_or(rest);
            return satisfied;
        }
        let mut licence = (*first).to_owned();
        if let [with, exception, after @ ..] = *rest
            && *with == "WITH"
        {
            licence = format!("{licence} WITH {exception}");
            *rest = after;
        }
        self.all.contains(&licence) || self.exceptions.get(package).is_some_and(|own| own.contains(&licence))
    }
}
