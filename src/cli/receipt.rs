//! The JSON of `send`, `seal` and `--plan`, and the same facts in words.

use std::fmt;

use serde::Serialize;

use super::printable::Printable;
use crate::{crypt::SuiteName, submit};

/// What became of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// A server took every message.
    Accepted,
    /// Nothing was sent: this is what would be.
    Planned,
    /// Written, not submitted.
    Sealed,
    /// The connection broke after the final dot.
    Unknown,
    /// Some messages were accepted, a later one was not.
    Partly,
}

/// The whole receipt.
#[derive(Clone, Debug, Serialize)]
pub struct Receipt {
    /// Always 1.
    pub version: u8,
    /// What became of it.
    pub status: Status,
    /// With angle brackets; none for a plan.
    pub message_id: Option<String>,
    /// One for each suite and each Bcc recipient.
    pub messages: Vec<MessageJson>,
    /// Endpoints tried before the one that accepted.
    pub attempts: Vec<AttemptJson>,
    /// For a plan: the endpoints in the order of trying.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub endpoints: Option<Vec<PlannedEndpoint>>,
    /// What does not stop the run but should be known.
    pub warnings: Vec<WarningJson>,
}

/// One sealed message.
#[derive(Clone, Debug, Serialize)]
pub struct MessageJson {
    /// Of which suite.
    pub suite: SuiteName,
    /// The size on the wire; none before it is sealed.
    pub bytes: Option<usize>,
    /// For whom.
    pub recipients: Vec<RecipientJson>,
    /// Which endpoint took it; none if none did.
    pub endpoint: Option<EndpointJson>,
    /// What the server said at the end, also where it did not take it.
    pub reply: Option<String>,
    /// Where `seal --output` wrote it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
}

/// One recipient.
#[derive(Clone, Debug, Serialize)]
pub struct RecipientJson {
    /// Whom.
    pub address: String,
    /// Of the certificate.
    pub fingerprint: String,
    /// Whole days until it expires; null without an expiry.
    pub days_left: Option<i64>,
    /// How the certificate is known: `pinned`, `given` for this run, `found`, `imported`, `candidate` or `keyserver`.
    pub trust: &'static str,
}

/// The endpoint that took a message.
#[derive(Clone, Debug, Serialize)]
pub struct EndpointJson {
    /// Its name.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// `starttls` or `implicit`.
    pub tls: &'static str,
    /// `TLSv1.3` and so on.
    pub protocol: String,
    /// The key exchange group.
    pub group: Option<String>,
}

/// An endpoint that was tried.
#[derive(Clone, Debug, Serialize)]
pub struct AttemptJson {
    /// Its name.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// How it ended; null if the message may have been taken.
    pub outcome: Option<submit::Outcome>,
    /// What was seen.
    pub detail: String,
}

/// An endpoint that would be tried.
#[derive(Clone, Debug, Serialize)]
pub struct PlannedEndpoint {
    /// Its name; null where SRV records would say.
    pub host: Option<String>,
    /// Its port.
    pub port: u16,
    /// `starttls` or `implicit`.
    pub tls: &'static str,
}

/// Something to know.
#[derive(Clone, Debug, Serialize)]
pub struct WarningJson {
    /// A word for programs.
    pub kind: &'static str,
    /// A sentence for people.
    pub text: String,
}

impl fmt::Display for AttemptJson {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The detail names host and port.
        write!(f, "{}", Printable(&self.detail))
    }
}

impl fmt::Display for Receipt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut lines = Vec::new();
        for attempt in &self.attempts {
            lines.push(format!("tried {attempt}"));
        }
        for message in &self.messages {
            let took = match (&message.endpoint, &message.reply, message.bytes) {
                (Some(at), Some(reply), _) => format!(
                    "accepted by {}:{} ({}, {}{}): {}",
                    Printable(&at.host),
                    at.port,
                    at.tls,
                    at.protocol,
                    at.group.as_ref().map(|group| format!(", {group}")).unwrap_or_default(),
                    Printable(reply)
                ),
                (_, _, Some(bytes)) if self.status == Status::Sealed => format!("sealed, {bytes} bytes"),
                _ if self.status == Status::Planned => "would be sealed".to_owned(),
                (_, Some(reply), _) => format!("not accepted: {}", Printable(reply)),
                _ if self.status == Status::Unknown => "may have been accepted".to_owned(),
                _ => "not accepted".to_owned(),
            };
            lines.push(format!("{} message {took}", message.suite));
            for to in &message.recipients {
                let left = to.days_left.map_or("no expiry".to_owned(), |days| format!("{days} days left"));
                lines.push(format!(
                    "  to {}, certificate {} ({}, {left})",
                    Printable(&to.address),
                    to.fingerprint,
                    to.trust
                ));
            }
            if let Some(file) = &message.file {
                lines.push(format!("  written to {}", Printable(file)));
            }
        }
        for endpoint in self.endpoints.iter().flatten() {
            let host = endpoint.host.as_deref().unwrap_or("(by SRV records)");
            lines.push(format!("would try {}:{} ({})", Printable(host), endpoint.port, endpoint.tls));
        }
        for warning in &self.warnings {
            lines.push(format!("warning: {}", Printable(&warning.text)));
        }
        f.write_str(&lines.join("\n"))
    }
}
