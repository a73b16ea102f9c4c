//! Which endpoint is talked to: each gets a head start before the next is tried beside it, and the first to greet
//! wins. One that is refused, silent or unresolved gives way to the next; every other failure ends the race.

use std::{collections::HashMap, net::SocketAddr, time::Duration};

use tokio::{
    task::JoinSet,
    time::{Instant, sleep_until, timeout_at},
};

use super::{
    Attempt, Cause, Endpoint, Failure,
    opening::{Greeted, Progress, greet},
};
use crate::net::{dns, tls::Context};

/// The most that an endpoint is waited for before the next one starts.
const HEAD_START: Duration = Duration::from_secs(2);

/// Endpoints on their way.
struct Race {
    lanes: Vec<Lane>,
    started: usize,
}

struct Lane {
    endpoint: Endpoint,
    progress: Progress,
    ended: Option<Cause>,
}

/// Tries endpoints in order until one greets; gives that one and the attempts before it.
pub(super) async fn race(
    endpoints: Vec<Endpoint>,
    tls: &Context,
    head_start: Option<Duration>,
    deadline: Instant,
) -> Result<(Greeted, Vec<Attempt>), Failure> {
    let head_start = head_start.unwrap_or_else(|| {
        let short = deadline.saturating_duration_since(Instant::now()) / (2 * endpoints.len().max(1) as u32);
        short.min(HEAD_START)
    });
    let mut addresses = resolve(&endpoints, deadline).await;
    let mut race = Race { lanes: endpoints.into_iter().map(Lane::new).collect(), started: 0 };
    let mut running: JoinSet<(usize, Result<Greeted, Cause>)> = JoinSet::new();
    let mut start = Instant::now();
    loop {
        tokio::select! {
            biased;
            Some(joined) = running.join_next() => match joined {
                Ok((lane, Ok(greeted))) => return Ok((greeted, race.before(lane))),
                Ok((lane, Err(cause))) if !cause.moves_on() => return Err(race.ended_by(lane, cause)),
                Ok((lane, Err(cause))) => {
                    race.lanes[lane].ended = Some(cause);
                    if lane + 1 == race.started || running.is_empty() {
                        start = Instant::now();
                    }
                }
                // A task that is gone leaves its lane open, which reads as silent.
                Err(_) => start = Instant::now(),
            },
            () = sleep_until(deadline), if !running.is_empty() || race.started < race.lanes.len() => break,
            () = sleep_until(start), if race.started < race.lanes.len() => {
                start = Instant::now() + head_start;
                if race.last_is_in_handshake() {
                    continue;
                }
                let number = race.started;
                race.started += 1;
                let lane = &mut race.lanes[number];
                match addresses.get_mut(&lane.endpoint.host) {
                    Some(Ok(found)) => {
                        let addresses = found.iter().map(|address| SocketAddr::new(address.ip(), lane.endpoint.port)).collect();
                        let opening = greet(lane.endpoint.clone(), addresses, tls.clone(), lane.progress.clone());
                        running.spawn(async move { (number, opening.await) });
                    }
                    unresolved => {
                        let detail = unresolved.and_then(|found| found.as_ref().err().cloned()).unwrap_or_default();
                        lane.ended = Some(Cause::Unresolved { host: lane.endpoint.host.clone(), detail });
                        start = Instant::now();
                    }
                }
            }
            else => break,
        }
    }
    Err(race.lost())
}

/// Each host once; of the time that is left each gets its part.
async fn resolve(endpoints: &[Endpoint], deadline: Instant) -> HashMap<String, Result<Vec<SocketAddr>, String>> {
    let mut hosts: Vec<&str> = Vec::new();
    for endpoint in endpoints {
        if !hosts.contains(&endpoint.host.as_str()) {
            hosts.push(&endpoint.host);
        }
    }
    let mut found = HashMap::new();
    for (number, host) in hosts.iter().enumerate() {
        let left = deadline.saturating_duration_since(Instant::now()) / (hosts.len() - number) as u32;
        let answer = match timeout_at(Instant::now() + left, dns::addresses(host, 0)).await {
            Ok(answer) => answer.map_err(|error| error.to_string()),
            Err(_) => Err("no answer in time".to_owned()),
        };
        found.insert((*host).to_owned(), answer);
    }
    found
}

impl Lane {
    fn new(endpoint: Endpoint) -> Self {
        Self { endpoint, progress: Progress::default(), ended: None }
    }
}

impl Race {
    /// A handshake that the server has begun is not silence: the next endpoint must not come in its place.
    fn last_is_in_handshake(&self) -> bool {
        let last = self.started.checked_sub(1).and_then(|last| self.lanes.get(last));
        last.is_some_and(|lane| lane.ended.is_none() && lane.progress.in_handshake(&lane.endpoint))
    }

    /// All that was tried before a lane came through: what ended, and what was silent until then.
    fn before(self, winner: usize) -> Vec<Attempt> {
        let lanes = self.lanes.into_iter().take(self.started).enumerate();
        lanes
            .filter_map(|(number, lane)| match lane.ended {
                Some(cause) => Some(Attempt::of(lane.endpoint, &cause)),
                None if number < winner => Some(Attempt::of(lane.endpoint.clone(), &Cause::Silent(lane.endpoint))),
                None => None,
            })
            .collect()
    }

    fn ended_by(self, number: usize, cause: Cause) -> Failure {
        let endpoint = self.lanes[number].endpoint.clone();
        let mut attempts = self.before(number);
        attempts.push(Attempt::of(endpoint, &cause));
        Failure { attempts, cause: Box::new(cause) }
    }

    /// None came through: all were tried, or the deadline came.
    fn lost(self) -> Failure {
        let started = self.lanes.into_iter().take(self.started);
        let mut causes: Vec<(Endpoint, Cause)> = started
            .map(|lane| {
                let hung = lane.progress.in_handshake(&lane.endpoint);
                let open = if hung { Cause::HungTls } else { Cause::Silent };
                let cause = lane.ended.unwrap_or_else(|| open(lane.endpoint.clone()));
                (lane.endpoint, cause)
            })
            .collect();
        // What ends the attempt comes last: a hanging handshake, else the last endpoint.
        causes.sort_by_key(|(_, cause)| !cause.moves_on());
        let attempts = causes.iter().map(|(endpoint, cause)| Attempt::of(endpoint.clone(), cause)).collect();
        match causes.pop() {
            Some((_, cause)) => Failure { attempts, cause: Box::new(cause) },
            None => Failure::early(Cause::NoServer { domain: String::new(), detail: "no port is given".to_owned() }),
        }
    }
}
