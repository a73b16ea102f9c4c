//! `--expect-plan`: whether the plan is still the one that somebody looked at.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

use crate::cli::{exit::Kind, failure::Failure, input, receipt::Receipt};

/// Refuses when the plan differs from the one in a file in messages, recipients, certificates or endpoints.
pub fn expect(plan: &Receipt, file: &Path) -> Result<(), Failure> {
    let malformed = |why: String| Failure::new(Kind::Malformed, format!("--expect-plan {}: {why}", file.display()));
    let expected: serde_json::Value =
        serde_json::from_slice(&input::file(file)?).map_err(|error| malformed(error.to_string()))?;
    let now = serde_json::to_value(plan).map_err(|error| malformed(error.to_string()))?;
    let drift = drift(&essence(&expected), &essence(&now));
    match drift {
        None => Ok(()),
        Some(what) => Err(Failure::new(
            Kind::Plan,
            format!("nothing was sent: the plan is not the one in {}: {what}", file.display()),
        )),
    }
}

/// The part of a plan that must not change: who gets which message under which certificate, and where it is handed in.
fn essence(plan: &serde_json::Value) -> BTreeMap<String, String> {
    let mut lines = BTreeMap::new();
    let text = |value: &serde_json::Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    for (index, message) in plan["messages"].as_array().into_iter().flatten().enumerate() {
        for to in message["recipients"].as_array().into_iter().flatten() {
            let what = format!("message {}, {}, {}", index + 1, text(&message["suite"]), text(&to["fingerprint"]));
            lines.insert(text(&to["address"]), what);
        }
    }
    for (index, endpoint) in plan["endpoints"].as_array().into_iter().flatten().enumerate() {
        let what = format!("{}:{}/{}", text(&endpoint["host"]), text(&endpoint["port"]), text(&endpoint["tls"]));
        lines.insert(format!("endpoint {}", index + 1), what);
    }
    lines
}

fn drift(expected: &BTreeMap<String, String>, now: &BTreeMap<String, String>) -> Option<String> {
    let keys: BTreeSet<_> = expected.keys().chain(now.keys()).collect();
    let differs = keys.into_iter().find(|key| expected.get(*key) != now.get(*key))?;
    let side = |map: &BTreeMap<String, String>| map.get(differs).cloned().unwrap_or_else(|| "none".to_owned());
    Some(format!("{differs}: expected {}, now {}", side(expected), side(now)))
}
