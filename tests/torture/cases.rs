//! Runs the verbs in a child process, where strace records their system calls and makes them fail.
//!
//! Each verb runs on a new thread. strace(1) counts the calls of a name per thread, so the n-th call of a name is always the same one. That
//! holds as long as a verb does not divide its work between threads, so the process uses one core.

use std::collections::BTreeMap;
use std::error::Error as _;
use std::path::Path;
use std::thread;
use std::time::Duration;

use f9::prelude::*;
use f9::{Durability, Error, LocalFileBackend, Result, SessionOptions, UpdateOptions};
use futures::executor::block_on;
use rustix::io::Errno;
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};
use tokio::runtime::Runtime;

use crate::child::{self, ChildTest};
use crate::verbs::{Cost, IN_PLACE, UPLOADS, VERBS, Verb, lay_out, open};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Face {
    /// All work on the calling thread, as in the blocking facade.
    Inline,
    /// File work on the runtime's pool.
    Pool,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Case {
    pub(crate) verb: &'static Verb,
    pub(crate) durability: Durability,
    pub(crate) face: Face,
}

/// Returns all verbs in all variants.
pub(crate) fn cases() -> Vec<Case> {
    let variants = [
        (Durability::Atomic, Face::Inline),
        (Durability::Atomic, Face::Pool),
        (Durability::Synced, Face::Inline),
    ];
    let cases = VERBS.iter().chain(UPLOADS).chain(IN_PLACE).flat_map(|verb| {
        let variants = &variants[..if verb.cost == Cost::Nothing { 2 } else { 3 }];
        variants.iter().map(move |&(durability, face)| Case { verb, durability, face })
    });
    cases.collect()
}

/// The report of the child process about a case.
#[derive(Debug)]
pub(crate) struct Report {
    /// `Ok`, or the kind of the error.
    pub(crate) outcome: String,
    /// What the error says about the change: some of the words `applied`, `unknown` and `retryable`.
    pub(crate) effect: String,
    /// The system error among the causes.
    pub(crate) errno: String,
    /// The result of the verb, or the text of the error.
    pub(crate) text: String,
    /// The result of using the same backend afterwards.
    pub(crate) reuse: String,
}

impl Report {
    fn of(acted: thread::Result<Result<String>>, reuse: &Result<()>) -> Self {
        let (mut effect, mut errno) = (String::new(), String::new());
        let (outcome, text) = match acted {
            Ok(Ok(result)) => ("Ok".to_owned(), result),
            Ok(Err(error)) => {
                (effect, errno) = (effect_of(&error), errno_of(&error));
                (format!("{:?}", error.kind()), error.to_string())
            }
            Err(panic) => {
                let message = panic.downcast::<String>().unwrap_or_default();
                ("panic".to_owned(), *message)
            }
        };
        let reuse = reuse.as_ref().map_or_else(ToString::to_string, |()| "Ok".to_owned());
        Self { outcome, effect, errno, text, reuse }
    }

    /// Whether the verb says that it has made the change.
    pub(crate) fn is_done(&self) -> bool {
        self.outcome == "Ok" || self.effect == "applied"
    }

    fn to_line(&self, case: usize) -> String {
        let Self { outcome, effect, errno, text, reuse } = self;
        format!("{case}\t{outcome}\t{effect}\t{errno}\t{text}\t{reuse}")
    }

    fn from_line(line: &str) -> (usize, Self) {
        let mut parts = line.split('\t').map(str::to_owned);
        let mut next = || parts.next().unwrap();
        let case = next().parse().unwrap();
        let (outcome, effect, errno) = (next(), next(), next());
        (case, Self { outcome, effect, errno, text: next(), reuse: next() })
    }
}

fn effect_of(error: &Error) -> String {
    let words = [
        ("applied", error.is_applied()),
        ("unknown", error.has_unknown_outcome()),
        ("retryable", error.is_retryable()),
    ];
    let words = words.into_iter().filter_map(|(word, is_true)| is_true.then_some(word));
    words.collect::<Vec<_>>().join(" ")
}

/// Returns the number of the first system error among the causes.
fn errno_of(error: &Error) -> String {
    let mut cause = error.source();
    while let Some(found) = cause {
        if let Some(errno) = found.downcast_ref().and_then(Errno::from_io_error) {
            return errno.raw_os_error().to_string();
        }
        cause = found.source();
    }
    String::new()
}

/// Runs in the child process: the cases of its task while it is traced, and then a check that each backend still works.
#[test]
fn the_requested_cases() {
    let Some((root, task)) = child::task() else { return };
    use_one_core();
    let all = cases();
    let requested: Vec<usize> = task.split(',').map(|case| case.parse().unwrap()).collect();
    let start = |index: usize, root: &Path| {
        let (case, runtime) = (all[index], runtime());
        let store = block_on(open(root, case.durability)).unwrap();
        let shared = store.clone();
        (index, store, move || run(index, case, &shared, &runtime))
    };
    // Runs each case once, so that the traced run has no system calls of one-time initialization.
    for &index in &requested {
        let dir = tempfile::tempdir_in(&root).unwrap();
        lay_out(dir.path());
        thread::spawn(start(index, dir.path()).2).join().unwrap().unwrap();
    }
    let started: Vec<_> = requested.iter().map(|&i| start(i, &root.join(i.to_string()))).collect();
    child::report("ready");
    child::wait_for_resume();
    let ended =
        started.into_iter().map(|(index, store, run)| (index, store, thread::spawn(run).join()));
    let ended: Vec<_> = ended.collect();
    child::report("ready");
    child::wait_for_resume();
    for (index, store, acted) in ended {
        let reuse = block_on(use_again(&store));
        child::report(&Report::of(acted, &reuse).to_line(index));
    }
    child::report("done");
}

/// Lets this process use one of the cores that it may use, so that no verb divides its work between threads.
fn use_one_core() {
    let allowed = sched_getaffinity(None).unwrap();
    let mut cores = (0..CpuSet::MAX_CPU).filter(|&core| allowed.is_set(core));
    // Any of them, as several processes may run at the same time.
    let core = cores.nth(std::process::id() as usize % allowed.count() as usize).unwrap();
    let mut one = CpuSet::new();
    one.set(core);
    sched_setaffinity(None, &one).unwrap();
    assert_eq!(thread::available_parallelism().unwrap().get(), 1);
}

/// Returns a runtime with one pool thread, which makes the file calls: with a paused clock f9 uses the pool of the runtime.
fn runtime() -> Runtime {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    runtime.enable_time().start_paused(true).max_blocking_threads(1).build().unwrap()
}

fn run(index: usize, case: Case, store: &LocalFileBackend, runtime: &Runtime) -> Result<String> {
    mark(index, "begin");
    let acted = match case.face {
        Face::Inline => block_on((case.verb.act)(store)),
        Face::Pool => runtime.block_on((case.verb.act)(store)),
    };
    mark(index, "end");
    acted
}

/// Adds a marker to the trace by a system call with a special path.
fn mark(case: usize, what: &str) {
    let _ = rustix::fs::access(format!("/f9-{what}-{case}"), rustix::fs::Access::EXISTS);
}

/// Checks that the backend still works and that nothing is locked.
pub(crate) async fn use_again(store: &LocalFileBackend) -> Result<()> {
    store.sync_session_with(SessionOptions::timeout(Duration::ZERO)).await?.finish().await?;
    store.create("again", "x").await?;
    store.update_with("again", "y", UpdateOptions::append()).await?;
    store.delete("again").await
}

/// Returns the reports of the process until it ends or is done.
pub(crate) fn reports(other: &mut ChildTest) -> BTreeMap<usize, Report> {
    let mut reports = BTreeMap::new();
    while let Some(line) = other.next_line().filter(|line| line != "done") {
        let (case, report) = Report::from_line(&line);
        reports.insert(case, report);
    }
    reports
}
