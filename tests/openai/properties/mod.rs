//! Random steps have the same results in a vector store as in memory, also after faults.
//!
//! `F9_SEED` repeats a failed run if `F9_STORES` is the same. By default 6 stores are tried. A full run tries 24: `F9_STORES=24
//! cargo test --all-features --test openai properties`.

use std::time::Duration;

use f9::testing::openai::{Fault, FaultKind, OpenAISimulator, Retry, Route};
use f9::{OpenAIEncoding, OpenAIVectorStoreFileBackend};

use crate::rng::Rng;
use reference::State;
use steps::{Answer, Entry, Step, pick};

mod reference;
mod steps;

/// Steps per store.
const STEPS: u64 = 40;

/// Returns the number of stores.
fn stores() -> u64 {
    std::env::var("F9_STORES").map_or(6, |stores| stores.parse().unwrap())
}

/// A vector store and two handles for it.
struct Pair {
    name: String,
    simulator: OpenAISimulator,
    encoding: OpenAIEncoding,
    handles: [OpenAIVectorStoreFileBackend; 2],
    state: State,
}

impl Pair {
    async fn open(rng: &mut Rng, number: u64) -> Self {
        let simulator = if number.is_multiple_of(2) {
            OpenAISimulator::start()
        } else {
            OpenAISimulator::lenient()
        };
        let encodings = [OpenAIEncoding::Auto, OpenAIEncoding::Raw, OpenAIEncoding::Framed];
        let encoding = pick(rng, &encodings);
        let config = || simulator.config().with_encoding(encoding).with_retries(2);
        let hour = Duration::from_secs(3600);
        let ttls = pick(rng, &[[Duration::ZERO; 2], [hour; 2], [Duration::ZERO, hour]]);
        let name = format!("store {number} ({encoding:?}, cache_ttl {ttls:?})");
        let [one, other] =
            ttls.map(|ttl| OpenAIVectorStoreFileBackend::open(config().with_cache_ttl(ttl)));
        let handles = [one.await.unwrap(), other.await.unwrap()];
        Self { name, simulator, encoding, handles, state: State::default() }
    }

    async fn fresh(&self) -> OpenAIVectorStoreFileBackend {
        let config = self.simulator.config().with_encoding(self.encoding);
        OpenAIVectorStoreFileBackend::open(config).await.unwrap()
    }

    fn step(&self, rng: &mut Rng) -> (Step, &OpenAIVectorStoreFileBackend) {
        let step = Step::any(rng, self.encoding == OpenAIEncoding::Raw);
        (step, &self.handles[usize::try_from(rng.below(2)).unwrap()])
    }

    /// Checks that each handle lists the expected tree.
    async fn assert_listed(&self, place: &str) {
        for (number, handle) in self.handles.iter().enumerate() {
            let list = Step::List { prefix: "", depth: f9::Depth::All };
            let listed = list.take(handle, None).await.unwrap();
            assert_eq!(
                listed,
                Answer::Entries(self.state.listing()),
                "handle {number} after {place}"
            );
        }
    }
}

#[tokio::test]
async fn a_vector_store_behaves_like_memory() {
    let mut rng = Rng::new("a_vector_store_behaves_like_memory");
    for number in 0..stores() {
        let mut pair = Pair::open(&mut rng, number).await;
        for count in 0..STEPS {
            let (step, handle) = pair.step(&mut rng);
            let place = format!("step {count} of {}: {step:.300?}", pair.name);
            let expected = pair.state.expect(&step).await;
            let etag = step.etag(handle).await;
            let outcome = step.take(handle, etag).await.map_err(|error| error.kind());
            assert!(
                outcome == expected.outcome,
                "{place}: {outcome:.300?}, not {:.300?}",
                expected.outcome
            );
            pair.state = expected.state;
            pair.assert_listed(&place).await;
        }
        for handle in &pair.handles {
            assert_eq!(State::of(handle).await.unwrap(), pair.state);
        }
        let (files, entries) = (pair.simulator.files(), pair.simulator.vector_store_files());
        assert_eq!(entries.len(), pair.state.files.len() + pair.state.directories.len());
        assert_eq!(files.len(), entries.len(), "nothing is left");
    }
}

/// Returns a fault for one of the next requests, or for several in a row.
fn any_fault(rng: &mut Rng) -> Fault {
    let kinds = [
        FaultKind::status(400),
        FaultKind::status(403),
        FaultKind::status(409),
        FaultKind::status(500),
        FaultKind::status(503),
        FaultKind::RateLimited(Retry::AfterMillis(2)),
        FaultKind::RateLimited(Retry::Never),
        FaultKind::InsufficientQuota,
        FaultKind::Html { status: 502 },
        FaultKind::EmptyBody,
        FaultKind::MalformedJson,
        FaultKind::WrongContent,
        FaultKind::ResetBefore,
        FaultKind::ResetAfter,
        FaultKind::TruncatedBody { after: 10 },
        FaultKind::SlowBody { chunk: 64, delay: Duration::from_micros(50) },
    ];
    let fault = Fault::new(pick(rng, &kinds)).times(pick(rng, &[1, 3, 9, 9]));
    let fault = if rng.below(2) == 0 { fault.processed() } else { fault };
    let changing = [
        Route::Upload,
        Route::Attach,
        Route::Batch,
        Route::Attributes,
        Route::Detach,
        Route::DeleteFile,
        Route::Content,
        Route::Text,
    ];
    match rng.below(2) {
        0 => fault.after(usize::try_from(rng.below(4)).unwrap()),
        _ => fault.on(pick(rng, &changing)).after(usize::try_from(rng.below(2)).unwrap()),
    }
}

#[tokio::test]
async fn after_any_fault_the_old_or_the_new_version_exists() {
    let mut rng = Rng::new("after_any_fault_the_old_or_the_new_version_exists");
    let mut failures: u64 = 0;
    for number in 0..stores() {
        let mut pair = Pair::open(&mut rng, number).await;
        for count in 0..STEPS {
            let (step, handle) = pair.step(&mut rng);
            let expected = pair.state.expect(&step).await;
            let etag = step.etag(handle).await;
            let fault = (rng.below(5) > 0).then(|| any_fault(&mut rng));
            let place = format!("step {count} of {}: {step:.300?} with {fault:?}", pair.name);
            if let Some(fault) = fault {
                pair.simulator.inject(fault);
            }
            pair.simulator.take_requests();
            let outcome = step.take(handle, etag).await;
            let asked: Vec<_> = pair.simulator.take_requests().iter().map(|r| r.route).collect();
            pair.simulator.clear_faults();
            let place = format!("{place}: {outcome:.300?} by {asked:?}");
            let found = State::of(&pair.fresh().await).await.unwrap();
            match outcome.map_err(|error| error.kind()) {
                outcome if outcome == expected.outcome => {
                    assert!(
                        found == expected.state,
                        "{place}: {found:.500?}, not {:.500?}",
                        expected.state
                    );
                }
                Ok(Answer::Many(outcomes)) => {
                    failures += 1;
                    let Ok(Answer::Many(wanted)) = &expected.outcome else { panic!("{place}") };
                    assert_whole_each(
                        &step,
                        &outcomes,
                        wanted,
                        [&pair.state, &expected.state, &found],
                        &place,
                    );
                }
                Ok(_) => panic!("{place}, not {:.300?}", expected.outcome),
                Err(_) => {
                    failures += 1;
                    assert_whole(&step, [&pair.state, &expected.state, &found], &place);
                }
            }
            pair.state = found;
            pair.assert_listed(&place).await;
        }
        let fresh = pair.fresh().await;
        fresh.repair().await.unwrap();
        assert!(fresh.check().await.unwrap().is_empty());
        assert_eq!(State::of(&fresh).await.unwrap(), pair.state);
        let entries = pair.simulator.vector_store_files();
        assert_eq!(entries.len(), pair.state.files.len() + pair.state.directories.len());
    }
    println!("{failures} steps have failed");
    assert!(failures > stores() * STEPS / 32, "only {failures} steps have failed");
}

/// Checks that after a failed step each path holds what it held before, or what the step should write.
fn assert_whole(step: &Step, [old, new, found]: [&State; 3], place: &str) {
    if step.changes_nothing() {
        assert_eq!(found, old, "{place}");
    }
    for path in old.files.keys().chain(new.files.keys()).chain(found.files.keys()) {
        let [was, should_be, is] = [old, new, found].map(|state| state.files.get(path));
        assert!(is == was || is == should_be, "{place}: {path} is {is:.100?}, was {was:.100?}");
    }
    for path in old.directories.union(&new.directories).chain(&found.directories) {
        let [was, should_be, is] = [old, new, found].map(|state| state.directories.contains(path));
        assert!(is == was || is == should_be, "{place}: {path}/");
    }
    if let Step::Rename { from, to, .. } = step {
        let [from, to] = [from, to].map(|path| f9::FilePath::parse(path).unwrap());
        for (path, content) in old.files.range(from.to_string()..) {
            let Some(rest) = path.strip_prefix(from.as_str()) else { break };
            if (rest.is_empty() || rest.starts_with('/')) && !found.files.contains_key(path) {
                let moved = found.files.get(&format!("{to}{rest}"));
                assert_eq!(moved, Some(content), "{place}: {path} is nowhere");
            }
        }
    }
}

/// As [`assert_whole`], for a bulk operation that failed for some files.
fn assert_whole_each(
    step: &Step,
    outcomes: &[Result<Entry, f9::ErrorKind>],
    wanted: &[Result<Entry, f9::ErrorKind>],
    states: [&State; 3],
    place: &str,
) {
    assert_whole(step, states, place);
    let [_, new, found] = states;
    for (outcome, wanted) in outcomes.iter().zip(wanted) {
        let Ok(entry) = outcome else { continue };
        assert_eq!(Ok(entry), wanted.as_ref(), "{place}");
        assert_eq!(found.files.get(&entry.0), new.files.get(&entry.0), "{place}");
    }
}
