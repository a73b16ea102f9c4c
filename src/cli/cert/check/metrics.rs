//! What `cert check` found as metrics, in the text format that a Prometheus node exporter collects from files.

use std::fmt::Write;

use jiff::Timestamp;

use super::Checked;
use crate::flow::check::{Finding, State};

/// All metrics. No expiry is `+Inf`; what has no certificate has no days.
pub fn text(checked: &Checked, at: Timestamp) -> String {
    let mut out = String::new();
    head(&mut out, "sealpost_certificate_days_left", "Whole days until the certificate of a recipient expires.");
    for (name, finding) in &checked.recipients {
        if let (Some(suite), Some(days)) = (finding.suite, days(finding)) {
            let address = escaped(name);
            let _ = writeln!(out, "sealpost_certificate_days_left{{address=\"{address}\",suite=\"{suite}\"}} {days}");
        }
    }
    head(&mut out, "sealpost_recipients", "How many recipients are in a state.");
    for state in State::OF_RECIPIENTS {
        let count = checked.recipients.iter().filter(|(_, finding)| finding.state == state).count();
        let _ = writeln!(out, "sealpost_recipients{{state=\"{}\"}} {count}", state.word());
    }
    head(&mut out, "sealpost_key_days_left", "Whole days until an own key expires.");
    for (addresses, finding) in &checked.keys {
        if let (Some(suite), Some(fingerprint), Some(days)) = (finding.suite, &finding.fingerprint, days(finding)) {
            for address in addresses {
                let address = escaped(&address.to_string());
                let _ = writeln!(
                    out,
                    "sealpost_key_days_left{{address=\"{address}\",suite=\"{suite}\",fingerprint=\"{fingerprint}\"}} {days}"
                );
            }
        }
    }
    head(&mut out, "sealpost_keys", "How many own keys are in a state.");
    for state in State::OF_KEYS {
        let count = checked.keys.iter().filter(|(_, finding)| finding.state == state).count();
        let _ = writeln!(out, "sealpost_keys{{state=\"{}\"}} {count}", state.word());
    }
    head(&mut out, "sealpost_check_time_seconds", "As of when this was judged, in seconds since 1970.");
    let _ = writeln!(out, "sealpost_check_time_seconds {}", at.as_second());
    out
}

fn head(out: &mut String, name: &str, help: &str) {
    let _ = writeln!(out, "# HELP {name} {help}\n# TYPE {name} gauge");
}

fn days(finding: &Finding) -> Option<String> {
    match (finding.days_left, finding.state) {
        (Some(days), _) => Some(days.to_string()),
        (None, State::Ok) => Some("+Inf".to_owned()),
        (None, _) => None,
    }
}

fn escaped(value: &str) -> String {
    value.replace('\\', r"\\").replace('"', "\\\"").replace('\n', r"\n")
}
