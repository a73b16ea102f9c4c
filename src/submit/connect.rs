//! Which endpoint is taken: each gets its start when the last one is refused, or after a head start when it stays
//! silent; the first to greet is taken, and no other is tried after it.

use std::time::Duration;

use tokio::{
    task::{AbortHandle, JoinSet},
    time::{Instant, sleep_until},
};

use super::{Attempt, Cause, Endpoint, Failure, Port, Settings, Tls, door::Door};
use crate::net::{
    Heard,
    dns::Dns,
    tls::Context,
};

/// How long an endpoint may stay silent before the next is tried beside it.
const HEAD_START: Duration = Duration::from_secs(2);

/// One endpoint in the race.
struct Runner {
    endpoint: Endpoint,
    heard: Heard,
    abort: Option<AbortHandle>,
    ended: Option<Cause>,
}

/// Goes to the endpoints in order, and gives the first that greets with the attempts that failed before.
pub(super) async fn race(
    endpoints: Vec<Endpoint>,
    context: &Context,
    timeout: Duration,
    deadline: Instant,
) -> Result<(Door, Vec<Attempt>), Failure> {
    let share = timeout / u32::try_from(endpoints.len() + 1).unwrap_or(u32::MAX);
    let head_start = HEAD_START.min(share);
    let mut runners: Vec<Runner> = endpoints
        .into_iter()
        .map(|endpoint| Runner { endpoint, heard: Heard::default(), abort: None, ended: None })
        .collect();
    let mut running: JoinSet<(usize, Result<Door, Cause>)> = JoinSet::new();
    let mut next = 0;
    let mut start = Instant::now();
    loop {
        tokio::select! {
            biased;
            Some(joined) = running.join_next() => match joined {
                Ok((index, Ok(door))) => return Ok((door, attempts(&mut runners, Some(index)))),
                Ok((index, Err(cause))) => {
                    let ends = !cause.moves_on();
                    runners[index].ended = Some(cause);
                    if ends {
                        return Err(failed(runners, Some(index)));
                    }
                    start = Instant::now();
                }
                Err(_) => {}
            },
            () = sleep_until(start.min(deadline)), if next < runners.len() => {
                let runner = &mut runners[next];
                let (endpoint, context, heard) = (runner.endpoint.clone(), context.clone(), runner.heard.clone());
                let index = next;
                runner.abort =
                    Some(running.spawn(async move { (index, Door::reach(endpoint, context, heard).await) }));
                next += 1;
                start = Instant::now() + head_start;
            }
            () = sleep_until(deadline), if !running.is_empty() => return Err(failed(runners, None)),
            else => return Err(failed(runners, None)),
        }
    }
}

/// The attempts in order, the one at `except` left out; what still runs was silent.
fn attempts(runners: &mut [Runner], except: Option<usize>) -> Vec<Attempt> {
    let mut attempts = Vec::new();
    for (index, runner) in runners.iter_mut().enumerate() {
        let Some(abort) = runner.abort.take() else { continue };
        abort.abort();
        if Some(index) != except {
            let cause = runner.ended.get_or_insert_with(|| silence(&runner.endpoint, &runner.heard));
            attempts.push(Attempt::of(runner.endpoint.clone(), cause));
        }
    }
    attempts
}

/// The failure of all, or of the one that ended it.
fn failed(mut runners: Vec<Runner>, ender: Option<usize>) -> Failure {
    let mut attempts = attempts(&mut runners, ender);
    let ender = ender.or_else(|| runners.iter().rposition(|runner| runner.ended.is_some()));
    let cause = ender.and_then(|index| runners.into_iter().nth(index)).and_then(|runner| {
        let cause = runner.ended?;
        if !cause.moves_on() {
            attempts.push(Attempt::of(runner.endpoint, &cause));
        }
        Some(cause)
    });
    let nowhere = || Cause::NoServer { domain: String::new(), detail: "no endpoint is given".to_owned() };
    Failure { attempts, cause: Box::new(cause.unwrap_or_else(nowhere)) }
}

/// Nothing in time: a handshake that had begun hung, everything else was silent.
fn silence(endpoint: &Endpoint, heard: &Heard) -> Cause {
    match (endpoint.tls, heard.first()) {
        (Tls::Implicit, Some(_)) => Cause::HungTls(endpoint.clone()),
        _ => Cause::Silent(endpoint.clone()),
    }
}

/// The endpoints in the order of trying: the one that worked the last time first, if it is still among them.
pub(super) async fn endpoints(settings: &Settings, deadline: Instant) -> Result<Vec<Endpoint>, Failure> {
    let mut all: Vec<Endpoint> = match &settings.host {
        Some(host) => {
            let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
            settings.ports.iter().map(|port| endpoint(&host, *port)).collect()
        }
        None => by_service(&settings.domain, deadline).await?,
    };
    if let Some(position) = settings.remembered.as_ref().and_then(|last| all.iter().position(|one| one == last)) {
        all[..=position].rotate_right(1);
    }
    Ok(all)
}

fn endpoint(host: &str, port: Port) -> Endpoint {
    Endpoint { host: host.to_owned(), port: port.number(), tls: port.tls() }
}

/// What the domain says by SRV (RFC 6186, 3.1; RFC 8314, 5.1): `_submission` begins with STARTTLS, `_submissions`
/// with TLS. A target outside of the domain is not followed, since nothing proves it (RFC 6186, 6).
async fn by_service(domain: &str, deadline: Instant) -> Result<Vec<Endpoint>, Failure> {
    let unknown = |detail: String| Failure::early(Cause::NoServer { domain: domain.to_owned(), detail });
    let dns = Dns::default();
    let mut found = Vec::new();
    let mut foreign = None;
    for (service, tls) in [("_submission", Tls::StartTls), ("_submissions", Tls::Implicit)] {
        let name = format!("{service}._tcp.{domain}");
        let answer = tokio::time::timeout_at(deadline, dns.services(&name)).await;
        let answer = answer.map_err(|_| unknown(format!("{name} was not answered in time")))?;
        for service in answer.map_err(|error| unknown(error.to_string()))? {
            if service.target == domain || service.target.ends_with(&format!(".{domain}")) {
                found.push(Endpoint { host: service.target, port: service.port, tls });
            } else {
                foreign = Some(service.target);
            }
        }
    }
    match (found.is_empty(), foreign) {
        (false, _) => Ok(found),
        (true, Some(target)) => {
            Err(Failure::early(Cause::ForeignServer { domain: domain.to_owned(), target }))
        }
        (true, None) => Err(unknown("it has no SRV record for submission; give a host".to_owned())),
    }
}
