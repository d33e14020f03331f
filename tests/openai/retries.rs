//! A caller that writes many files, and again each file whose error is retryable: no file is written twice, and none is missing.

use std::collections::BTreeMap;
use std::future::ready;

use f9::testing::openai::{Fault, FaultKind, OpenAISimulator, Route};
use f9::{Error, OpenAIVectorStoreFileBackend};
use futures::stream::{self, StreamExt as _};

use crate::clock::{never, soon, without_waiting};
use crate::faults::{is_tried_permanently, loses_the_answer, outage_after};
use crate::fixture::Fixture;
use crate::notes::{HOUR, open, opened, tree};
use crate::verbs::Verb;

/// The number of cases that run at the same time.
const CONCURRENCY: usize = 32;

const PATHS: [&str; 3] = ["m/1.txt", "m/2.txt", "m/n/3.txt"];

/// What became of each file that is not there yet, after all attempts.
type Failures = BTreeMap<&'static str, Error>;

/// Writes the files, and returns the errors.
async fn create(notes: &OpenAIVectorStoreFileBackend, paths: Vec<&'static str>) -> Failures {
    let files = paths.iter().map(|&path| (path, path));
    match notes.create_many(files).await {
        Ok(results) => {
            let failures = paths.into_iter().zip(results);
            failures.filter_map(|(path, result)| Some((path, result.err()?))).collect()
        }
        Err(error) => paths.into_iter().map(|path| (path, error.clone())).collect(),
    }
}

/// What happens to the requests of the first attempt after the one with the fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Then {
    Nothing,
    TheSame,
    Outage,
}

/// Fails the `at`-th request of the first attempt.
async fn check(fixture: &Fixture, kind: FaultKind, at: usize, then: Then) {
    let case = format!("{kind:?} at request {at}, then {then:?}");
    let openai = fixture.service(Verb::CreateMany);
    let is_unanswered = matches!(kind, FaultKind::TimeoutBefore | FaultKind::TimeoutAfter);
    let timeouts = if is_unanswered { soon() } else { never() };
    let config = openai.config().with_cache_ttl(HOUR).with_retries(1).with_timeouts(timeouts);
    let notes = opened(config).await;
    let fault = Fault::new(kind).after(at);
    openai.inject(if then == Then::TheSame { fault.times(usize::MAX) } else { fault });
    if then == Then::Outage {
        openai.inject(outage_after(at));
    }
    let mut failures = without_waiting(&openai, create(&notes, PATHS.into())).await;
    openai.clear_faults();
    for error in failures.values() {
        assert!(!(error.is_applied() && error.is_retryable()), "{case}: {error:?}");
    }
    let again: Vec<_> =
        failures.iter().filter(|(_, error)| error.is_retryable()).map(|(path, _)| *path).collect();
    failures.retain(|_, error| !error.is_retryable());
    let repeated = if again.is_empty() { Failures::new() } else { create(&notes, again).await };
    assert!(repeated.is_empty(), "{case}: repeated: {repeated:?}");
    let found = tree(&open(&openai).await).await.unwrap();
    for path in PATHS {
        let is_there =
            found.get(path).is_some_and(|content| content.as_deref() == Some(path.as_bytes()));
        match failures.get(path) {
            Some(error) if error.has_unknown_outcome() => {}
            Some(error) => assert_eq!(is_there, error.is_applied(), "{case}: {path}: {error:?}"),
            None => assert!(is_there, "{case}: {path} is missing"),
        }
    }
    let attached = openai.vector_store_files().len();
    assert_eq!(attached, found.iter().filter(|(path, _)| has_entry(path)).count(), "{case}");
}

/// Whether a file or directory has an entry of its own: the parents of the new files have none.
fn has_entry(path: &str) -> bool {
    !["d", "m", "m/n"].contains(&path)
}

/// The number of requests without a fault.
async fn requests(fixture: &Fixture) -> usize {
    let openai: OpenAISimulator = fixture.service(Verb::CreateMany);
    assert!(create(&open(&openai).await, PATHS.into()).await.is_empty());
    let requests = openai.take_requests();
    assert!(requests.iter().any(|request| request.route == Route::Batch));
    requests.len()
}

#[tokio::test]
async fn a_loop_over_the_files_with_retryable_errors_writes_each_once() {
    let fixture = Fixture::new().await;
    let mut cases = Vec::new();
    for at in 0..requests(&fixture).await {
        for kind in Fault::all_kinds().into_iter().filter(|kind| *kind != FaultKind::WrongContent) {
            if is_tried_permanently(&kind) {
                cases.push((kind.clone(), at, Then::TheSame));
            }
            if loses_the_answer(&kind) {
                cases.push((kind.clone(), at, Then::Outage));
            }
            cases.push((kind, at, Then::Nothing));
        }
    }
    // Tests do not wait for timeouts but move the clock, so nothing else may run.
    let is_unanswered =
        |kind: &FaultKind| matches!(kind, FaultKind::TimeoutBefore | FaultKind::TimeoutAfter);
    let (unanswered, others): (Vec<_>, Vec<_>) =
        cases.into_iter().partition(|(kind, ..)| is_unanswered(kind));
    for (cases, concurrency) in [(unanswered, 1), (others, CONCURRENCY)] {
        let checks = cases.into_iter().map(|(kind, at, then)| check(&fixture, kind, at, then));
        stream::iter(checks).buffer_unordered(concurrency).for_each(ready).await;
    }
}
