//! Runs a case on a fixture, in a runtime that it starts, so that the tests of a backend need none.

use std::fmt;
use std::panic;
use std::sync::Arc;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use futures::future::{BoxFuture, FutureExt as _};
use tokio::runtime::Builder;

use super::state::is_clean;
use super::{Fixture, Scale};
use crate::backend::{AsyncFileBackend, Capabilities, Capability};

/// The interval between checks whether a case has ended.
const POLL: Duration = Duration::from_millis(2);

/// Two threads for races, and two more for stores whose calls block their thread.
const WORKERS: usize = 4;

type Body = for<'a> fn(&'a dyn Fixture) -> BoxFuture<'a, ()>;

/// One promise of the contract, with the capabilities that it needs.
#[derive(Clone, Copy)]
pub struct Case {
    name: &'static str,
    body: Body,
    needs: &'static [Capability],
    lacks: &'static [Capability],
    needs_cancellation: bool,
}

impl Case {
    /// Creates a case that applies to every store.
    #[must_use]
    pub fn new(name: &'static str, body: Body) -> Self {
        Self { name, body, needs: &[], lacks: &[], needs_cancellation: false }
    }

    /// Limits the case to stores with all these capabilities.
    #[must_use]
    pub fn needs(mut self, capabilities: &'static [Capability]) -> Self {
        self.needs = capabilities;
        self
    }

    /// Limits the case to stores with none of these capabilities.
    #[must_use]
    pub fn lacks(mut self, capabilities: &'static [Capability]) -> Self {
        self.lacks = capabilities;
        self
    }

    /// Limits the case to stores whose calls can be dropped half-way.
    #[must_use]
    pub fn needs_cancellation(mut self) -> Self {
        self.needs_cancellation = true;
        self
    }

    /// Returns the promise, which is the name of its function.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// Returns why the case does not apply to a store, or `None` if it does.
    fn skip_reason(&self, capabilities: Capabilities, is_cancellable: bool) -> Option<String> {
        if self.needs_cancellation && !is_cancellable {
            return Some("needs calls that can be dropped".to_owned());
        }
        let missing = self.needs.iter().find(|need| !capabilities.has(**need));
        if let Some(missing) = missing {
            return Some(format!("needs {missing}"));
        }
        let present = self.lacks.iter().find(|lack| capabilities.has(**lack));
        present.map(|present| format!("is for stores without {present}"))
    }
}

impl fmt::Debug for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Case").field("name", &self.name).finish_non_exhaustive()
    }
}

/// The result of a case that did not panic.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Outcome {
    /// The store keeps the promise.
    Passed,
    /// The case does not apply to the store, for this reason.
    Skipped(String),
}

/// A fixture whose store is open, so that each call of `backend` returns the same handle.
struct Opened<F> {
    fixture: F,
    backend: Arc<dyn AsyncFileBackend>,
}

#[deny(clippy::missing_trait_methods)]
#[async_trait]
impl<F: Fixture> Fixture for Opened<F> {
    async fn backend(&self) -> Arc<dyn AsyncFileBackend> {
        Arc::clone(&self.backend)
    }

    async fn second_handle(&self) -> Option<Arc<dyn AsyncFileBackend>> {
        self.fixture.second_handle().await
    }

    async fn leftovers(&self) -> Vec<String> {
        self.fixture.leftovers().await
    }

    async fn make_version(&self) {
        self.fixture.make_version().await;
    }

    fn is_cancellable(&self) -> bool {
        self.fixture.is_cancellable()
    }

    fn scale(&self) -> Scale {
        self.fixture.scale()
    }

    fn time_limit(&self) -> Duration {
        self.fixture.time_limit()
    }

    fn name(&self) -> &str {
        self.fixture.name()
    }
}

/// Runs `case` on the store of `fixture`. [`every_case!`](super::every_case) does this for each case.
///
/// # Panics
///
/// If the store breaks the promise, if the case exceeds the time limit of the fixture, or if called inside a runtime.
pub fn run(case: Case, fixture: impl Fixture) -> Outcome {
    let limit = fixture.time_limit();
    let runtime = Builder::new_multi_thread().worker_threads(WORKERS).enable_all().build().unwrap();
    // A session belongs to a task, so the case must run in one.
    let (end_sender, end_receiver) = mpsc::channel::<()>();
    let mut running = runtime.spawn(async move {
        let _end_sender = end_sender;
        run_here(case, fixture).await
    });
    let started = Instant::now();
    while !running.is_finished() && started.elapsed() < limit {
        // The worker that drives the timers may be blocked by a call. A new task from outside wakes another worker, which then
        // drives them.
        drop(runtime.spawn(async {}));
        // Returns early when the case ends.
        let _ = end_receiver.recv_timeout(POLL);
    }
    let done = (&mut running).now_or_never();
    // Does not wait for a call that blocks its thread forever.
    runtime.shutdown_timeout(Duration::from_secs(1));
    match done {
        Some(Ok(outcome)) => outcome,
        Some(Err(error)) => panic::resume_unwind(error.into_panic()),
        None => {
            panic!("{} did not end within {limit:?}; a call of the store probably hangs", case.name)
        }
    }
}

#[expect(clippy::print_stdout, reason = "tests report on standard output")]
async fn run_here(case: Case, fixture: impl Fixture) -> Outcome {
    let backend = fixture.backend().await;
    let skip_reason = case.skip_reason(backend.capabilities(), fixture.is_cancellable());
    if let Some(reason) = skip_reason {
        println!("skipped {}: {reason}", case.name);
        return Outcome::Skipped(reason);
    }
    let opened = Opened { fixture, backend };
    (case.body)(&opened).await;
    is_clean(&opened).await;
    Outcome::Passed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_case_is_skipped_for_a_missing_or_an_excluded_capability() {
        let case = Case::new("any", |_| Box::pin(async {}));
        let some = Capabilities::of(&[Capability::Append]);
        let none = Capabilities::default();
        assert_eq!(case.skip_reason(none, false), None);
        let needs = case.needs(&[Capability::Append]);
        assert_eq!(needs.skip_reason(some, true), None);
        assert_eq!(needs.skip_reason(none, true).unwrap(), "needs append");
        let lacks = case.lacks(&[Capability::Append]);
        assert_eq!(lacks.skip_reason(none, true), None);
        assert!(lacks.skip_reason(some, true).is_some());
        assert!(case.needs_cancellation().skip_reason(some, false).is_some());
    }
}
