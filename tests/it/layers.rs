//! The law of the layers, read from the sources: imports go downward only (the table in `src/lib.rs`),
//! the pure layers touch no world, OpenPGP and unsafe code each have one place.

use std::{collections::BTreeMap, fmt, fs, path::Path};

use proc_macro2::{Delimiter, TokenStream, TokenTree};

use crate::support::package;

/// The layer of each top module.
type Layers = BTreeMap<String, u8>;

/// Layers that may not know of files, network, environment, clock and terminal.
const PURE: [u8; 2] = [1, 2];

/// What a pure layer may not name, by how the path begins or ends.
const WORLD: [&str; 9] = [
    "std::fs",
    "std::env",
    "std::net",
    "std::process",
    "std::io::stdin",
    "std::io::stdout",
    "std::io::stderr",
    "tokio",
    "rustix",
];

/// What reads and writes the structures of CMS and X.509.
const STRUCTURES: [&str; 6] = ["cms::", "der::", "spki::", "x509_cert::", "openssl::cms", "openssl::pkcs12"];

/// The clocks.
const CLOCKS: [&str; 4] = ["SystemTime::now", "Timestamp::now", "Zoned::now", "Instant::now"];

/// Macros that print.
const PRINTING: [&str; 5] = ["println", "print", "eprintln", "eprint", "dbg"];

/// Types of `std::net` that are mere values.
const ADDRESSES: [&str; 4] = ["IpAddr", "Ipv4Addr", "Ipv6Addr", "AddrParseError"];

/// One law broken at one place.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Breach {
    /// A module imports from its own floor or from above.
    Upward { from: String, to: String },
    /// A pure layer names the world.
    Impure { module: String, path: String },
    /// OpenPGP outside `crypt::pgp`.
    Sequoia { module: String },
    /// The structures of CMS and X.509 outside `crypt::smime`.
    Structures { module: String, path: String },
    /// Unsafe code outside `ffi`.
    Unsafe { module: String },
}

/// One path as written, made absolute where it is the crate's own, and where it stands.
struct Mention {
    module: Vec<String>,
    path: Vec<String>,
    in_test: bool,
}

#[test]
fn the_sources_keep_the_layers() {
    let layers = layers(&fs::read_to_string(package().join("src/lib.rs")).unwrap());
    assert!(layers.len() >= 10, "{layers:?}");
    let mut breaches = Vec::new();
    let mut files = 0;
    walk(&package().join("src"), &mut |path| {
        let relative = path.strip_prefix(package().join("src")).unwrap();
        files += 1;
        breaches.extend(judge(&module_of(relative), &fs::read_to_string(path).unwrap(), &layers));
    });
    assert!(files > 20, "only {files} files read");
    assert!(breaches.is_empty(), "{}", breaches.iter().map(|breach| format!("\n{breach}")).collect::<String>());
}

#[test]
fn every_top_module_has_a_layer() {
    let source = fs::read_to_string(package().join("src/lib.rs")).unwrap();
    let layers = layers(&source);
    for module in source.lines().filter_map(|line| line.trim_start_matches("pub ").strip_prefix("mod ")) {
        assert!(layers.contains_key(module.trim_end_matches(';')), "{module} is not in the table of src/lib.rs");
    }
}

#[test]
fn planted_breaches_are_caught() {
    let layers = layers(
        "//! | 6 | [`cli`] | words |\n//! | 5 | [`config`], [`flow`] | jobs |\n//! | 3 | [`net`] | TLS |\n//! | 2 | [`crypt`] | pure |\n//! | 1 | [`mail`] | pure |\n//! | 0 | [`ffi`] | unsafe |\n",
    );
    let found = |file: &str, source: &str| judge(&module_of(Path::new(file)), source, &layers);
    let upward = |from: &str, to: &str| vec![Breach::Upward { from: from.into(), to: to.into() }];
    let impure = |module: &str, path: &str| vec![Breach::Impure { module: module.into(), path: path.into() }];

    assert_eq!(found("mail/parse.rs", "use crate::crypt::Sealed;"), upward("mail::parse", "crypt::Sealed"));
    assert_eq!(found("flow/send.rs", "use crate::config::Settings;"), upward("flow::send", "config::Settings"));
    assert_eq!(found("mail/mod.rs", "fn f() { super::net::dial() }"), upward("mail", "net::dial"));
    assert_eq!(
        found("crypt/pgp/open.rs", "use super::super::super::{mail::Address, cli::{run, words}};"),
        [upward("crypt::pgp::open", "cli::run"), upward("crypt::pgp::open", "cli::words")].concat()
    );
    assert_eq!(
        found("mail/draft.rs", "mod tests { use super::super::super::flow; }"),
        upward("mail::draft::tests", "flow")
    );
    assert_eq!(found("mail/parse.rs", "use std::{collections::BTreeMap, fs};"), impure("mail::parse", "std::fs"));
    assert_eq!(found("crypt/mod.rs", "fn f() { jiff::Timestamp::now(); }"), impure("crypt", "jiff::Timestamp::now"));
    assert_eq!(found("mail/mod.rs", "fn f() { println!(\"x\") }"), impure("mail", "println"));
    assert_eq!(
        found("crypt/smime.rs", "use sequoia_openpgp as pgp;"),
        [Breach::Sequoia { module: "crypt::smime".into() }]
    );
    assert_eq!(
        found("cli/key/import.rs", "use openssl::pkcs12::Pkcs12;"),
        [Breach::Structures { module: "cli::key::import".into(), path: "openssl::pkcs12::Pkcs12".into() }]
    );
    assert_eq!(found("net/mod.rs", "fn f() { unsafe { g() } }"), [Breach::Unsafe { module: "net".into() }]);
}

#[test]
fn what_is_allowed_is_not_a_breach() {
    let layers = layers("//! | 2 | [`crypt`] | pure |\n//! | 1 | [`mail`] | pure |\n//! | 0 | [`ffi`] | unsafe |\n");
    for (file, source) in [
        ("crypt/pgp/mod.rs", "use crate::mail::Address; use super::Suite; fn f() -> sequoia_openpgp::Cert {}"),
        ("crypt/pgp/mod.rs", "//! not crate::cli::run\n/// nor std::fs\nfn f() { \"std::fs\"; } // unsafe println!()"),
        ("mail/address.rs", "use std::net::{IpAddr, Ipv6Addr};"),
        ("mail/draft.rs", "#[cfg(test)] mod tests { fn f() { println!() } }"),
        ("mail/draft/tests.rs", "fn f() { std::fs::read(x) }"),
        ("ffi.rs", "fn f() { unsafe { g() } }"),
        ("main.rs", "fn main() { sealpost::cli::run() }"),
    ] {
        assert_eq!(judge(&module_of(Path::new(file)), source, &layers), [], "{file}: {source}");
    }
}

/// Reads the rows `| layer | [`module`], ... | charge |`.
fn layers(source: &str) -> Layers {
    let mut layers = Layers::new();
    for row in source.lines().filter_map(|line| line.strip_prefix("//! | ")) {
        let mut cells = row.split(" | ");
        let (Some(layer), Some(modules)) = (cells.next().and_then(|cell| cell.parse().ok()), cells.next()) else {
            continue;
        };
        layers.extend(modules.split(", ").map(|module| (module.trim_matches(&['[', '`', ']'][..]).to_owned(), layer)));
    }
    layers
}

fn walk(folder: &Path, visit: &mut impl FnMut(&Path)) {
    let mut paths: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    for path in paths {
        if path.is_dir() {
            walk(&path, visit);
        } else if path.extension().is_some_and(|end| end == "rs") {
            visit(&path);
        }
    }
}

/// `crypt/pgp/mod.rs` is `crypt::pgp`, `lib.rs` the root.
fn module_of(file: &Path) -> Vec<String> {
    let path = file.with_extension("");
    let mut module: Vec<String> = path.iter().map(|part| part.to_str().unwrap().to_owned()).collect();
    if module.last().is_some_and(|last| matches!(last.as_str(), "mod" | "lib")) {
        module.pop();
    }
    module
}

fn judge(module: &[String], source: &str, layers: &Layers) -> Vec<Breach> {
    let tokens: TokenStream = source.parse().unwrap_or_else(|error| panic!("{}: {error}", module.join("::")));
    let mut mentions = Vec::new();
    let in_test = module.iter().any(|name| name == "tests");
    collect(tokens, module, in_test, &mut mentions);
    mentions.iter().filter_map(|mention| breach(mention, layers)).collect()
}

fn breach(mention: &Mention, layers: &Layers) -> Option<Breach> {
    let Mention { module, path, in_test } = mention;
    let here = module.join("::");
    if path[0] == "unsafe" && here != "ffi" {
        return Some(Breach::Unsafe { module: here });
    }
    if path[0] == "sequoia_openpgp" && !module.starts_with(&["crypt".to_owned(), "pgp".to_owned()]) {
        return Some(Breach::Sequoia { module: here });
    }
    let structures = STRUCTURES.iter().any(|home| path.join("::").starts_with(home));
    // In tests libcrypto's own CMS is the twin.
    if structures && !in_test && !module.starts_with(&["crypt".to_owned(), "smime".to_owned()]) {
        return Some(Breach::Structures { module: here, path: path.join("::") });
    }
    let own = *layers.get(module.first()?)?;
    if let Some(to) = own_path(module, path) {
        let upward =
            to.first().filter(|top| **top != module[0]).and_then(|top| layers.get(top)).is_some_and(|to| *to >= own);
        return upward.then(|| Breach::Upward { from: here, to: to.join("::") });
    }
    let written = path.join("::");
    let outside = WORLD.iter().any(|world| written == *world || written.starts_with(&format!("{world}::")));
    let value = written.starts_with("std::net::") && ADDRESSES.contains(&path[2].as_str());
    let clock = CLOCKS.iter().any(|clock| written.ends_with(clock));
    let prints = path.len() == 1 && PRINTING.iter().any(|name| *name == path[0]);
    let impure = (outside && !value) || clock || prints;
    (PURE.contains(&own) && !in_test && impure).then_some(Breach::Impure { module: here, path: written })
}

/// A path from the crate's root, if it is one of the crate's own.
fn own_path(module: &[String], path: &[String]) -> Option<Vec<String>> {
    let mut base: Vec<String> = module.to_vec();
    let mut rest = path;
    match path[0].as_str() {
        "crate" => base.clear(),
        "self" => {}
        "super" => {
            base.pop();
        }
        _ => return None,
    }
    rest = &rest[1..];
    while rest.first().is_some_and(|first| first == "super") {
        base.pop();
        rest = &rest[1..];
    }
    Some([&base, rest].concat())
}

/// All paths that a stream of tokens holds, those of `use` trees written out.
fn collect(tokens: TokenStream, module: &[String], in_test: bool, mentions: &mut Vec<Mention>) {
    let tokens: Vec<TokenTree> = tokens.into_iter().collect();
    let mut at = 0;
    let mut test_next = false;
    while at < tokens.len() {
        match &tokens[at] {
            TokenTree::Ident(word) if word == "mod" && matches!(tokens.get(at + 2), Some(TokenTree::Group(_))) => {
                let (TokenTree::Ident(name), TokenTree::Group(body)) = (&tokens[at + 1], &tokens[at + 2]) else {
                    panic!("`mod` without a name in {}", module.join("::"));
                };
                let inner = [module, &[name.to_string()]].concat();
                collect(body.stream(), &inner, in_test || test_next, mentions);
                test_next = false;
                at += 3;
            }
            TokenTree::Ident(_) => {
                at = path(&tokens, at, &[], &mut |path| {
                    mentions.push(Mention { module: module.to_vec(), path, in_test });
                })
            }
            TokenTree::Group(group) => {
                let attribute = group.delimiter() == Delimiter::Bracket && group.stream().to_string() == "cfg (test)";
                test_next |= attribute;
                collect(group.stream(), module, in_test, mentions);
                at += 1;
            }
            TokenTree::Punct(_) | TokenTree::Literal(_) => at += 1,
        }
    }
}

/// Reads the path that begins at a word, and gives where it ends.
fn path(tokens: &[TokenTree], mut at: usize, prefix: &[String], found: &mut impl FnMut(Vec<String>)) -> usize {
    let mut path = prefix.to_vec();
    while let Some(TokenTree::Ident(word)) = tokens.get(at) {
        path.push(word.to_string());
        at += 1;
        if !(is_colon(tokens.get(at)) && is_colon(tokens.get(at + 1))) {
            break;
        }
        match tokens.get(at + 2) {
            Some(TokenTree::Ident(_)) => at += 2,
            Some(TokenTree::Group(tree)) if tree.delimiter() == Delimiter::Brace => {
                branches(tree.stream(), &path, found);
                return at + 3;
            }
            _ => break,
        }
    }
    found(path);
    at
}

fn branches(tree: TokenStream, prefix: &[String], found: &mut dyn FnMut(Vec<String>)) {
    let tokens: Vec<TokenTree> = tree.into_iter().collect();
    for branch in tokens.split(|token| matches!(token, TokenTree::Punct(comma) if comma.as_char() == ',')) {
        match branch.first() {
            Some(TokenTree::Ident(_)) => {
                path(branch, 0, prefix, &mut |path| found(path));
            }
            Some(_) => found(prefix.to_vec()),
            None => {}
        }
    }
}

fn is_colon(token: Option<&TokenTree>) -> bool {
    matches!(token, Some(TokenTree::Punct(colon)) if colon.as_char() == ':')
}

impl fmt::Display for Breach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Upward { from, to } => write!(f, "{from} imports {to}, which is not below it"),
            Self::Impure { module, path } => write!(f, "{module} is pure and names {path}"),
            Self::Sequoia { module } => write!(f, "{module} names sequoia_openpgp, which lives in crypt::pgp"),
            Self::Structures { module, path } => write!(f, "{module} names {path}, which lives in crypt::smime"),
            Self::Unsafe { module } => write!(f, "{module} has unsafe code, which lives in ffi"),
        }
    }
}
