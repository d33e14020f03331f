//! Runs one case on one fixture, on a runtime of its own, so that the tests of a backend need no runtime of theirs.

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
use crate::{AsyncFileBackend, Capabilities, Capability};

/// How long a case may take. Only what hangs takes longer, also of a slow store on a busy machine.
const LIMIT: Duration = Duration::from_secs(300);

/// How often it is looked whether a case has ended.
const POLL: Duration = Duration::from_millis(2);

/// Two for what races, and two in reserve for stores whose calls keep the thread.
const WORKERS: usize = 4;

type Body = for<'a> fn(&'a dyn Fixture) -> BoxFuture<'a, ()>;

/// One promise of the contract, and what a store must be able to do for it to apply.
#[derive(Clone, Copy)]
pub struct Case {
    name: &'static str,
    body: Body,
    needs: &'static [Capability],
    lacks: &'static [Capability],
    cancels: bool,
}

impl Case {
    /// A case that applies to every store.
    #[must_use]
    pub fn new(name: &'static str, body: Body) -> Self {
        Self { name, body, needs: &[], lacks: &[], cancels: false }
    }

    /// The same for stores that can do all of this.
    #[must_use]
    pub fn needs(mut self, capabilities: &'static [Capability]) -> Self {
        self.needs = capabilities;
        self
    }

    /// The same for stores that can do none of this.
    #[must_use]
    pub fn lacks(mut self, capabilities: &'static [Capability]) -> Self {
        self.lacks = capabilities;
        self
    }

    /// The same for stores whose calls can be dropped half-way.
    #[must_use]
    pub fn cancels(mut self, _: &'static [Capability]) -> Self {
        self.cancels = true;
        self
    }

    /// The promise, as the name of its function.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// Why the case does not apply to a store, if it does not.
    fn skipped(&self, capabilities: Capabilities, is_cancellable: bool) -> Option<String> {
        if self.cancels && !is_cancellable {
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

/// How a case ended, if not with a panic.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Outcome {
    /// The store keeps the promise.
    Passed,
    /// The promise does not apply to the store, for this reason.
    Skipped(String),
}

/// A fixture whose store has been opened, so that all who ask for it get the same.
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

    async fn second(&self) -> Option<Arc<dyn AsyncFileBackend>> {
        self.fixture.second().await
    }

    async fn litter(&self) -> Vec<String> {
        self.fixture.litter().await
    }

    fn is_cancellable(&self) -> bool {
        self.fixture.is_cancellable()
    }

    fn scale(&self) -> Scale {
        self.fixture.scale()
    }

    fn name(&self) -> &str {
        self.fixture.name()
    }
}

/// Runs `case` on a store of `fixture`; [`every_case!`](super::every_case) does so for each.
///
/// # Panics
///
/// If the store breaks the promise, does not come to an end within five minutes, or if called inside async code.
pub fn run(case: Case, fixture: impl Fixture) -> Outcome {
    let runtime = Builder::new_multi_thread().worker_threads(WORKERS).enable_all().build().unwrap();
    // Sessions belong to tasks, and so the case must be one.
    let (ending, ended) = mpsc::channel::<()>();
    let mut running = runtime.spawn(async move {
        let _ending = ending;
        run_here(case, fixture).await
    });
    let started = Instant::now();
    while !running.is_finished() && started.elapsed() < LIMIT {
        // A call that keeps its thread may have been the one to watch the clock. A task given from outside wakes another
        // thread, which then watches it.
        drop(runtime.spawn(async {}));
        // Sooner, if it ends.
        let _ = ended.recv_timeout(POLL);
    }
    let done = (&mut running).now_or_never();
    // A call that hangs on its thread must not keep the test from ending.
    runtime.shutdown_timeout(Duration::from_secs(1));
    match done {
        Some(Ok(outcome)) => outcome,
        Some(Err(error)) => panic::resume_unwind(error.into_panic()),
        None => panic!("{} did not end within {LIMIT:?}", case.name),
    }
}

#[expect(clippy::print_stdout, reason = "tests report to people on standard output")]
async fn run_here(case: Case, fixture: impl Fixture) -> Outcome {
    let backend = fixture.backend().await;
    let skipped = case.skipped(backend.capabilities(), fixture.is_cancellable());
    if let Some(reason) = skipped {
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
    fn a_case_is_skipped_for_what_the_store_lacks_or_has() {
        let case = Case::new("any", |_| Box::pin(async {}));
        let some = Capabilities::of(&[Capability::Append]);
        let none = Capabilities::default();
        assert_eq!(case.skipped(none, false), None);
        let needs = case.needs(&[Capability::Append]);
        assert_eq!(needs.skipped(some, true), None);
        assert_eq!(needs.skipped(none, true).unwrap(), "needs append");
        let lacks = case.lacks(&[Capability::Append]);
        assert_eq!(lacks.skipped(none, true), None);
        assert!(lacks.skipped(some, true).is_some());
        assert!(case.cancels(&[]).skipped(some, false).is_some());
    }
}
