//! Whether certificates were revoked, by asking those who issued them (RFC 6960): all at once, within one deadline.
//!
//! Responders fail, and whoever sits between can silence them: no answer is no refusal, it is said.

use std::time::Duration;

use jiff::Timestamp;
use tokio::{
    task::JoinSet,
    time::{Instant, timeout_at},
};

use crate::{
    crypt::smime::{AnswerFault, Authorities, Certificate, Inquiry, Status, Unasked},
    net::http::{Client, HttpError, Limits, Request},
};

/// For all certificates together.
const PATIENCE: Duration = Duration::from_secs(10);

/// The largest answer; those in use have some 2 KiB.
const LARGEST: usize = 256 * 1024;

/// The most connections at a time.
const MOST_AT_ONCE: usize = 64;

/// What is known of a certificate.
#[derive(Debug)]
pub enum Standing {
    /// It was not revoked, says its authority.
    Good,
    /// It was, since then.
    Revoked(Option<Timestamp>),
    /// Nobody knows.
    Unknown(Doubt),
}

/// Why nobody knows.
#[derive(Debug, thiserror::Error)]
pub enum Doubt {
    /// Nobody can be asked.
    #[error(transparent)]
    Unasked(#[from] Unasked),
    /// The question cannot be put.
    #[error("the crypto library cannot put the question")]
    Library,
    /// A responder gave no answer.
    #[error("its responder {url} gave no answer: {error}")]
    Silent {
        /// Which.
        url: String,
        /// Why.
        error: HttpError,
    },
    /// A responder answered with something else.
    #[error("its responder {url} gave no answer but status {status}")]
    Status {
        /// Which.
        url: String,
        /// Of HTTP.
        status: u16,
    },
    /// An answer counts for nothing.
    #[error("its responder {url} is not believed: {fault}")]
    Answer {
        /// Whose.
        url: String,
        /// Why.
        fault: AnswerFault,
    },
    /// A responder does not know the certificate.
    #[error("its responder {0} does not know it")]
    Stranger(String),
    /// There were so many that the time was over before its turn.
    #[error("the time was over before its responder could be asked")]
    NoTime,
}

/// Asks for each of these certificates, and gives what is known of each, in order.
pub async fn ask(
    certificates: &[Certificate],
    authorities: &Authorities,
    client: &Client,
    at: Timestamp,
) -> Vec<Standing> {
    let deadline = Instant::now() + PATIENCE;
    let mut standings: Vec<_> = certificates.iter().map(|_| Standing::Unknown(Doubt::NoTime)).collect();
    let mut waiting = certificates.iter().map(|one| Inquiry::new(one, authorities, at)).enumerate();
    let mut running: JoinSet<(usize, Standing)> = JoinSet::new();
    loop {
        while running.len() < MOST_AT_ONCE
            && Instant::now() < deadline
            && let Some((index, inquiry)) = waiting.next()
        {
            let client = client.clone();
            running.spawn(async move {
                let standing = match inquiry {
                    Ok(inquiry) => one(&inquiry, &client, deadline, at).await,
                    Err(unasked) => Standing::Unknown(unasked.into()),
                };
                (index, standing)
            });
        }
        match timeout_at(deadline + GRACE, running.join_next()).await {
            Ok(Some(joined)) => {
                if let Ok((index, standing)) = joined
                    && let Some(place) = standings.get_mut(index)
                {
                    *place = standing;
                }
            }
            Ok(None) | Err(_) => return standings,
        }
    }
}

/// Each look-up ends by itself at the deadline; this is for it to say so.
const GRACE: Duration = Duration::from_millis(100);

/// Asks the responders of one certificate in turn, until one is believed.
async fn one(inquiry: &Inquiry, client: &Client, deadline: Instant, at: Timestamp) -> Standing {
    let Ok(request) = inquiry.request() else { return Standing::Unknown(Doubt::Library) };
    let mut doubt = Doubt::NoTime;
    for (index, url) in inquiry.responders().iter().enumerate() {
        // A silent one leaves time for the next.
        let left = inquiry.responders().len().saturating_sub(index).max(1) as u32;
        let now = Instant::now();
        let own = now + deadline.saturating_duration_since(now) / left;
        match put(url, &request, client, own).await.and_then(|body| judge(inquiry, url, &body, at)) {
            Ok(standing) => return standing,
            Err(why) => doubt = why,
        }
    }
    Standing::Unknown(doubt)
}

async fn put(url: &str, request: &[u8], client: &Client, deadline: Instant) -> Result<Vec<u8>, Doubt> {
    let post = Some(("application/ocsp-request", request.to_vec()));
    let request = Request { url, accept: "application/ocsp-response", post };
    let answer = client.ask(&request, Limits { deadline, body: LARGEST }).await;
    let answer = answer.map_err(|error| Doubt::Silent { url: url.to_owned(), error })?;
    match answer.status {
        200 => Ok(answer.body),
        status => Err(Doubt::Status { url: url.to_owned(), status }),
    }
}

fn judge(inquiry: &Inquiry, url: &str, body: &[u8], at: Timestamp) -> Result<Standing, Doubt> {
    match inquiry.judge(body, at) {
        Ok(Status::Good) => Ok(Standing::Good),
        Ok(Status::Revoked(since)) => Ok(Standing::Revoked(since)),
        Ok(Status::Unknown) => Err(Doubt::Stranger(url.to_owned())),
        Err(fault) => Err(Doubt::Answer { url: url.to_owned(), fault }),
    }
}
