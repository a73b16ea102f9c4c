//! config.toml, environment and flags together.

#![allow(clippy::unwrap_used)]

use std::{ffi::OsString, path::Path, time::Duration};

use super::*;
use crate::{
    config::ValueError,
    submit::{Auth, Port, PortError, Tls},
};

const FULL: &str = r#"
default = "work"
[account.work]
from = "Backup <backup@example.org>"
passphrase = "credential:sealpost-key"
header_policy = "shy"
legacy_display = true
[account.work.submission]
host = "mail.example.org"
ports = ["587", 465, "2526/tls"]
user = "backup@example.org"
auth = "plain"
password = "command:pass show mail"
ca_file = "/etc/ssl/in-house.pem"
timeout = "90s"
[account.work.imap]
host = "mail.example.org"
sent = true
[account.home]
from = "me@example.net"
sign = false
[smime]
trust_anchors = ["ca.pem"]
crl = ["a.crl", "b.crl"]
system_roots = false
ocsp = true
ocsp_private = true
"#;

fn resolve(file: &str, variables: &[(&str, &str)], flags: &Overrides) -> Result<Account, ConfigError> {
    let lookup =
        |name: &str| variables.iter().find(|(known, _)| *known == name).map(|(_, value)| OsString::from(value));
    Account::resolve(Config::from_text(file)?, &Overrides::from_environment(&lookup)?, flags)
}

fn refusal(file: &str) -> ConfigError {
    resolve(file, &[], &Overrides::default()).unwrap_err()
}

#[test]
fn the_whole_file_is_typed() {
    let account = resolve(FULL, &[], &Overrides::default()).unwrap();
    assert_eq!(account.name.as_deref(), Some("work"));
    assert_eq!(account.from.unwrap().address.to_string(), "backup@example.org");
    assert!(account.sign && account.legacy_display && !account.gcm);
    assert_eq!(account.header_policy, HeaderPolicy::Shy);
    assert_eq!(account.passphrase, Some(Source::Credential("sealpost-key".into())));
    let submission = account.submission;
    assert_eq!(submission.host.as_deref(), Some("mail.example.org"));
    assert_eq!(
        submission.ports,
        [(587, Tls::StartTls), (465, Tls::Implicit), (2526, Tls::Implicit)]
            .map(|(number, tls)| Port::new(number, tls).unwrap())
    );
    assert_eq!(submission.auth, Auth::Plain);
    assert_eq!(submission.password, Some(Source::parse("command:pass show mail").unwrap()));
    assert_eq!(submission.ca_file.as_deref(), Some(Path::new("/etc/ssl/in-house.pem")));
    assert_eq!(submission.timeout, Duration::from_secs(90));
    let config = Config::from_text(FULL).unwrap();
    assert!(config.smime().ocsp && config.smime().ocsp_private && !config.smime().system_roots);
}

#[test]
fn without_a_file_the_defaults_count() {
    let config = Config::read(Path::new("/no/such/folder/config.toml")).unwrap();
    assert!(!config.smime().ocsp && !config.smime().ocsp_private);
    let account = Account::resolve(config, &Overrides::default(), &Overrides::default()).unwrap();
    assert_eq!((account.name, account.from, account.sign), (None, None, true));
    assert_eq!(account.submission.ports, Port::DEFAULT);
    assert_eq!(account.submission.timeout, Submission::TIMEOUT);
    assert_eq!(account.submission.auth, Auth::Auto);
}

#[test]
fn flags_win_over_the_environment_and_that_over_the_file() {
    let variables = [
        ("SEALPOST_HOST", "env.example"),
        ("SEALPOST_PORTS", "5587"),
        ("SEALPOST_USER", "env"),
        ("SEALPOST_TIMEOUT", ""),
        ("SEALPOST_TOKEN", "env:SOME_TOKEN"),
    ];
    let flags = Overrides { host: Some("flag.example".into()), sign: Some(false), ..Overrides::default() };
    let account = resolve(FULL, &variables, &flags).unwrap();
    assert!(!account.sign);
    let submission = account.submission;
    assert_eq!(submission.host.as_deref(), Some("flag.example"));
    assert_eq!(submission.ports, [Port::new(5587, Tls::StartTls).unwrap()]);
    assert_eq!(submission.user.as_deref(), Some("env"));
    assert_eq!(submission.timeout, Duration::from_secs(90));
    assert_eq!(submission.token, Some(Source::Environment("SOME_TOKEN".into())));
    assert_eq!(submission.password, None, "a login in a higher layer hides the one below");
}

#[test]
fn the_account_is_chosen() {
    let name = |file: &str, variables: &[(&str, &str)], account: Option<&str>, from: Option<&str>| {
        let flags = Overrides { account: account.map(Into::into), from: from.map(Into::into), ..Overrides::default() };
        resolve(file, variables, &flags).map(|account| account.name)
    };
    assert_eq!(name(FULL, &[], None, None).unwrap().as_deref(), Some("work"));
    assert_eq!(name(FULL, &[], None, Some("Me <ME@example.net>")).unwrap().as_deref(), Some("home"));
    assert_eq!(name(FULL, &[], None, Some("other@example.net")).unwrap().as_deref(), Some("work"));
    assert_eq!(name(FULL, &[], Some("home"), Some("backup@example.org")).unwrap().as_deref(), Some("home"));
    assert_eq!(name(FULL, &[("SEALPOST_ACCOUNT", "home")], None, None).unwrap().as_deref(), Some("home"));
    assert_eq!(name("[account.one]\nsign = true", &[], None, None).unwrap().as_deref(), Some("one"));
    assert_eq!(name("[account.one]\n[account.two]", &[], None, None).unwrap(), None);
    let error = name(FULL, &[], Some("hom"), None).unwrap_err();
    assert!(matches!(error, ConfigError::UnknownAccount { nearest: Some(near), .. } if near == "home"));
    let error = refusal("default = \"wrok\"\n[account.work]");
    assert!(matches!(error, ConfigError::UnknownAccount { nearest: Some(near), .. } if near == "work"));
}

#[test]
fn unknown_keys_name_the_nearest() {
    for (file, line, key, near) in [
        ("defautl = \"x\"", 1, "defautl", Some("default")),
        ("[account.work]\nfrom = \"a@b.example\"\nsing = true", 3, "account.work.sing", Some("account.work.sign")),
        ("[account.work.submision]", 1, "account.work.submision", Some("account.work.submission")),
        (
            "[account.\"a b\".submission]\n\npasword = 1",
            3,
            "account.\"a b\".submission.pasword",
            Some("account.\"a b\".submission.password"),
        ),
        ("[smime]\nzzzzzzzzzz = 1", 2, "smime.zzzzzzzzzz", None),
    ] {
        let ConfigError::UnknownKey { origin, nearest } = refusal(file) else { unreachable!("{file}") };
        assert_eq!(origin, Origin::File { path: "config.toml".into(), line, key: key.into() });
        assert_eq!(nearest.as_deref(), near);
    }
}

#[test]
fn bad_values_are_told_with_their_line() {
    for (file, line, key) in [
        ("\n[account.work.submission]\nports = [\n  \"587\",\n  \"x\"]", 5, "account.work.submission.ports"),
        ("[account.work.submission]\ntimeout = 0", 2, "account.work.submission.timeout"),
        ("[account.work]\nfrom = \"nobody\"", 2, "account.work.from"),
        ("[account.work]\nheader_policy = \"none\"", 2, "account.work.header_policy"),
        ("[account.work.imap]\nhost = \"\"", 2, "account.work.imap.host"),
        ("[account.work.submission]\nca_file = \"\"", 2, "account.work.submission.ca_file"),
    ] {
        let ConfigError::BadValue { origin, .. } = refusal(file) else { unreachable!("{file}") };
        assert_eq!(origin, Origin::File { path: "config.toml".into(), line, key: key.into() });
    }
    for file in ["account = 1", "[account]\nwork = 1", "[account.work]\nsign = \"yes\"", "[account.work]\nfrom = []"] {
        assert!(matches!(refusal(file), ConfigError::WrongType { .. }), "{file}");
    }
    let flags = Overrides { ports: Some("25".into()), ..Overrides::default() };
    let error = resolve("", &[], &flags).unwrap_err();
    let ConfigError::BadValue { origin: Origin::Flag("--ports"), error: ValueError::Port(PortError::Relay) } = error
    else {
        unreachable!("{error}")
    };
    let error = resolve("", &[("SEALPOST_PORTS", "25")], &Overrides::default()).unwrap_err();
    assert!(matches!(error, ConfigError::BadValue { origin: Origin::Environment("SEALPOST_PORTS"), .. }));
}

#[test]
fn a_password_in_place_of_a_source_is_never_repeated() {
    for file in [
        "[account.work.submission]\npassword = \"hunter2\"",
        "[account.work.submission]\ntoken = \"hunter2:x\"",
        "[account.work.imap]\npassword = \"hunter2\"",
        "[account.work]\npassphrase = \"hunter2\"",
        "[account.work]\npassphrase = hunter2",
        "[account.work]\npassphrase = \"hunter2",
        "[account.work]\npassphrase = 'x'hunter2",
        "[account.work]\npassphrase = [\"hunter2\"]",
    ] {
        let error = refusal(file);
        assert!(!format!("{error} {error:?}").contains("hunter2"), "{error:?}");
    }
    let flags = Overrides { password: Some("hunter2".into()), ..Overrides::default() };
    for error in [
        resolve("", &[], &flags).unwrap_err(),
        resolve("", &[("SEALPOST_PASSWORD", "hunter2")], &Overrides::default()).unwrap_err(),
    ] {
        assert!(!format!("{error} {error:?}").contains("hunter2"), "{error:?}");
    }
}

#[test]
fn deep_nesting_is_refused() {
    assert!(matches!(refusal(&format!("account = {}", "[".repeat(200_000))), ConfigError::Syntax { line: 1, .. }));
    assert!(matches!(
        refusal(&format!("{}b = 1", "a.".repeat(5_000))),
        ConfigError::Syntax { .. } | ConfigError::UnknownKey { .. }
    ));
}

proptest::proptest! {
    #[test]
    fn no_text_panics(text in "(\\PC|[\\n\\r\\t\\[\\]=.\"'#{},@])*") {
        let _ = Config::from_text(&text);
        let _ = Config::from_text(&format!("[account.work.submission]\nports = {text}"));
    }
}
