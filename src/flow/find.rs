//! Asks sources for certificates, several questions at a time, and compares what they give with what is known.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use jiff::Timestamp;
use tokio::{
    task::JoinSet,
    time::{Instant, timeout_at},
};

use crate::{
    crypt::{Fingerprint, PublicCertificate, Suite, pgp::Certificate, pgp::Pgp},
    keystore::find::{FindError, Finds, Found, Question, Source},
};

/// The most questions at a time.
const MOST_AT_ONCE: usize = 8;

/// What became of a question.
#[derive(Debug, Default)]
pub struct Looked {
    /// What each source gives that has something, in their order: all of them where a certificate is known, else the
    /// first.
    pub found: Vec<(Source, Found)>,
    /// The sources that give nothing, and why.
    pub tried: Vec<(Source, FindError)>,
}

/// How long asking may take.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// For one source and question.
    pub each: Duration,
    /// For all of it.
    pub all: Option<Duration>,
}

/// Asks the sources, in turn until one has something, or all of them for what is new of a known certificate; each
/// question for itself. It tells what became of each as soon as it is known: the question's place in the list, and the
/// answer. A question that was not asked in time is told of as such: nothing found, and nobody tried.
pub async fn ask(
    questions: Vec<Question>,
    sources: &[Arc<dyn Finds>],
    patience: Patience,
    mut tell: impl FnMut(usize, Looked),
) {
    let end = patience.all.map(|all| Instant::now() + all);
    let mut waiting: VecDeque<_> = questions.into_iter().enumerate().collect();
    let mut running: JoinSet<(usize, Looked)> = JoinSet::new();
    loop {
        while running.len() < MOST_AT_ONCE
            && end.is_none_or(|end| Instant::now() < end)
            && let Some((place, question)) = waiting.pop_front()
        {
            let sources = sources.to_vec();
            running.spawn(async move { (place, look(&question, &sources, patience.each, end).await) });
        }
        match running.join_next().await {
            Some(Ok((place, looked))) => tell(place, looked),
            Some(Err(_)) => {}
            None => break,
        }
    }
    for (place, _) in waiting {
        tell(place, Looked::default());
    }
}

async fn look(question: &Question, sources: &[Arc<dyn Finds>], each: Duration, end: Option<Instant>) -> Looked {
    let mut looked = Looked::default();
    let able = |one: &&Arc<dyn Finds>| question.suite.is_none_or(|suite| one.suites().contains(&suite));
    let (able, unable): (Vec<_>, Vec<_>) = sources.iter().partition(able);
    if able.is_empty() {
        let tried = unable.iter().map(|one| (one.source(), FindError::OtherSuite));
        looked.tried.extend(tried);
        return looked;
    }
    let sources: Vec<_> = able.into_iter().cloned().collect();
    if question.known.is_none() {
        for source in &sources {
            looked.add(source.source(), answer(question, source, each, end).await);
            if !looked.found.is_empty() {
                break;
            }
        }
        return looked;
    }
    // Of a known one each source may have news that no other has, such as a revocation; and none may hold up the others.
    let mut asked = JoinSet::new();
    for (place, source) in sources.iter().cloned().enumerate() {
        let question = question.clone();
        asked.spawn(async move { (place, source.source(), answer(&question, &source, each, end).await) });
    }
    let mut answers = Vec::with_capacity(sources.len());
    while let Some(answered) = asked.join_next().await {
        answers.extend(answered);
    }
    answers.sort_by_key(|(place, ..)| *place);
    for (_, source, answer) in answers {
        looked.add(source, answer);
    }
    looked
}

/// What one source says, by its deadline.
async fn answer(
    question: &Question,
    source: &Arc<dyn Finds>,
    each: Duration,
    end: Option<Instant>,
) -> Result<Found, FindError> {
    let own = Instant::now() + each;
    let deadline = end.map_or(own, |end| own.min(end));
    // The source keeps the deadline by itself; this is for one that does not.
    let late = || FindError::Http(crate::net::http::HttpError::Deadline(source.source().to_string()));
    let asked = timeout_at(deadline + GRACE, source.find(question, deadline)).await;
    asked.unwrap_or_else(|_| Err(late()))
}

const GRACE: Duration = Duration::from_millis(100);

impl Looked {
    fn add(&mut self, source: Source, answer: Result<Found, FindError>) {
        match answer {
            Ok(found) => self.found.push((source, found)),
            Err(error) => self.tried.push((source, error)),
        }
    }

    /// The failure that kept a source from answering, if nothing was found; none if all said that they have nothing.
    pub fn failure(&self) -> Option<&FindError> {
        if !self.found.is_empty() {
            return None;
        }
        self.tried.iter().map(|(_, error)| error).find(|error| !error.is_nothing())
    }
}

/// What was found of a suite, against what is known of it.
#[derive(Debug)]
pub struct Compared<C> {
    /// More of what is known already, or what is pinned.
    pub same: Vec<C>,
    /// Usable ones of one owner that nothing speaks against.
    pub new: Vec<C>,
    /// Usable ones that are not known, where others are, or are not of one owner.
    pub conflicting: Vec<C>,
    /// Not usable, and not known.
    pub useless: Vec<C>,
}

/// Compares. Where something is known for the address, whatever else is found is in conflict with it, by whatever
/// source, unless the one shows that it renews the other; two of different owners that are found at once are in
/// conflict with each other.
pub fn compare<C: PublicCertificate>(
    stored: &[C],
    pins: &[Fingerprint],
    found: Vec<C>,
    usable: impl Fn(&C) -> bool,
) -> Compared<C> {
    let mut compared = Compared { same: Vec::new(), new: Vec::new(), conflicting: Vec::new(), useless: Vec::new() };
    let mut fresh: Vec<C> = Vec::new();
    for certificate in found {
        let fingerprint = certificate.fingerprint();
        let is_stored = stored.iter().any(|one| one.fingerprint() == fingerprint);
        if pins.contains(&fingerprint) || (is_stored && pins.is_empty()) {
            compared.same.push(certificate);
        } else if usable(&certificate) {
            fresh.push(certificate);
        } else {
            compared.useless.push(certificate);
        }
    }
    let of_one_owner = {
        let known: Vec<&C> = stored.iter().chain(&compared.same).collect();
        let first = fresh.first();
        let ties = |one: &C| match (known.as_slice(), first) {
            ([], Some(first)) => one.fingerprint() == first.fingerprint() || one.renews_or_is_renewed_by(first),
            (known, _) => known.iter().any(|known| one.renews_or_is_renewed_by(known)),
        };
        pins.is_empty() && fresh.iter().all(ties)
    };
    if of_one_owner {
        compared.new = fresh;
    } else {
        compared.conflicting = fresh;
    }
    compared
}

/// What an update changed in a certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// Nothing.
    Unchanged,
    /// It lasts longer.
    Extended,
    /// It is revoked now.
    Revoked,
    /// Something else.
    Updated,
}

/// Compares a certificate before and after an update.
pub fn change(before: &Certificate, after: &Certificate, at: Timestamp) -> Change {
    // One that never expires lasts longest.
    let end = |one: &Certificate| one.expires(at).unwrap_or(Timestamp::MAX);
    let usable = |one: &Certificate| Pgp::check(one, &(), at).is_ok();
    let revoked = |one: &Certificate| one.revoked(at).is_some();
    if revoked(after) && !revoked(before) {
        Change::Revoked
    } else if usable(after) && (!usable(before) || end(after) > end(before)) {
        Change::Extended
    } else if before.to_bytes() == after.to_bytes() {
        Change::Unchanged
    } else {
        Change::Updated
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::future::pending;

    use super::*;
    use crate::{
        crypt::pgp::{Key, Profile},
        keystore::find::Finding,
        mail::{Address, Mailbox},
    };

    /// Has one certificate for those who come in time, or never an answer.
    enum Server {
        Quick(Box<Certificate>),
        Silent,
    }

    impl Finds for Server {
        fn source(&self) -> Source {
            match self {
                Self::Quick(_) => Source::Vks,
                Self::Silent => Source::Wkd,
            }
        }

        fn find<'a>(&'a self, _question: &'a Question, deadline: Instant) -> Finding<'a> {
            Box::pin(async move {
                match self {
                    Self::Quick(certificate) if Instant::now() < deadline => {
                        Ok(vec![Certificate::clone(certificate)].into())
                    }
                    Self::Quick(_) => Err(FindError::Nothing("vks".into())),
                    Self::Silent => pending().await,
                }
            })
        }
    }

    #[test]
    fn a_silent_source_hides_no_news_of_a_known_certificate() {
        let mailbox = Mailbox::parse("kim@example.org").unwrap();
        let (key, _) = Key::make(&mailbox, Profile::Rfc4880, "2026-11-01T12:00:00Z".parse().unwrap()).unwrap();
        let quick = Server::Quick(Box::new(key.certificate()));
        let sources: [Arc<dyn Finds>; 2] = [Arc::new(Server::Silent), Arc::new(quick)];
        let patience = Patience { each: Duration::from_secs(60), all: Some(Duration::from_millis(500)) };
        let address = Address::parse("kim@example.org").unwrap();
        let question = Question { address, known: Some(key.fingerprint()), suite: None };
        let mut looked = Vec::new();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(ask(vec![question], &sources, patience, |_, answer| looked.push(answer)));
        assert_eq!(looked[0].found.iter().map(|(source, _)| *source).collect::<Vec<_>>(), [Source::Vks]);
        assert_eq!(looked[0].tried.iter().map(|(source, _)| *source).collect::<Vec<_>>(), [Source::Wkd]);
    }
}
