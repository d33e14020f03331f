//! The verbs as they are run in another process, where their system calls are seen and disturbed.
//!
//! Each runs on a fresh thread, as strace(1) counts the calls of a name for each thread on its own: so the n-th call of a name is the
//! same one every time.

use std::collections::BTreeMap;
use std::error::Error as _;
use std::path::Path;
use std::thread;
use std::time::Duration;

use f9::prelude::*;
use f9::{Durability, Error, LocalFileBackend, Result, SessionOptions, UpdateOptions};
use futures::executor::block_on;
use rustix::io::Errno;
use tokio::runtime::Runtime;

use crate::child::{self, Other};
use crate::verbs::{Cost, VERBS, Verb, lay_out, open};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Face {
    /// All on the calling thread, as in the blocking facade.
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

/// All verbs in all variants.
pub(crate) fn cases() -> Vec<Case> {
    let variants = [
        (Durability::Atomic, Face::Inline),
        (Durability::Atomic, Face::Pool),
        (Durability::Synced, Face::Inline),
    ];
    let cases = VERBS.iter().flat_map(|verb| {
        let variants = &variants[..if verb.cost == Cost::Nothing { 2 } else { 3 }];
        variants.iter().map(move |&(durability, face)| Case { verb, durability, face })
    });
    cases.collect()
}

/// What the other process tells of a case.
#[derive(Debug)]
pub(crate) struct Report {
    /// `Ok` or the kind of the error.
    pub(crate) outcome: String,
    /// The system's error among the causes.
    pub(crate) errno: String,
    /// What the verb told, or the text of the error.
    pub(crate) text: String,
    /// What came of using the same backend afterwards.
    pub(crate) again: String,
}

impl Report {
    fn of(acted: thread::Result<Result<String>>, again: &Result<()>) -> Self {
        let (outcome, errno, text) = match acted {
            Ok(Ok(told)) => ("Ok".to_owned(), String::new(), told),
            Ok(Err(error)) => (format!("{:?}", error.kind()), errno_of(&error), error.to_string()),
            Err(panic) => {
                let said = panic.downcast::<String>().unwrap_or_default();
                ("panic".to_owned(), String::new(), *said)
            }
        };
        let again = again.as_ref().map_or_else(ToString::to_string, |()| "Ok".to_owned());
        Self { outcome, errno, text, again }
    }

    fn to_line(&self, case: usize) -> String {
        let Self { outcome, errno, text, again } = self;
        format!("{case}\t{outcome}\t{errno}\t{text}\t{again}")
    }

    fn from_line(line: &str) -> (usize, Self) {
        let mut parts = line.split('\t').map(str::to_owned);
        let mut next = || parts.next().unwrap();
        let case = next().parse().unwrap();
        (case, Self { outcome: next(), errno: next(), text: next(), again: next() })
    }
}

/// The system's error that is the first cause.
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

/// What the other process does: each of the cases that its task names, while it is traced, and then what shows that each backend
/// still works.
#[test]
fn the_named_cases() {
    let Some((root, task)) = child::task() else { return };
    let all = cases();
    let named: Vec<usize> = task.split(',').map(|case| case.parse().unwrap()).collect();
    let start = |index: usize, root: &Path| {
        let (case, runtime) = (all[index], runtime());
        let store = block_on(open(root, case.durability)).unwrap();
        let shared = store.clone();
        (index, store, move || run(index, case, &shared, &runtime))
    };
    // What is looked up once in a process is looked up here.
    for &index in &named {
        let dir = tempfile::tempdir_in(&root).unwrap();
        lay_out(dir.path());
        thread::spawn(start(index, dir.path()).2).join().unwrap().unwrap();
    }
    let started: Vec<_> = named.iter().map(|&i| start(i, &root.join(i.to_string()))).collect();
    child::say("ready");
    child::wait_to_go_on();
    let ended =
        started.into_iter().map(|(index, store, run)| (index, store, thread::spawn(run).join()));
    let ended: Vec<_> = ended.collect();
    child::say("ready");
    child::wait_to_go_on();
    for (index, store, acted) in ended {
        let again = block_on(use_again(&store));
        child::say(&Report::of(acted, &again).to_line(index));
    }
    child::say("done");
}

/// Work on files is done by its pool's one thread, which makes no other calls of note.
fn runtime() -> Runtime {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    runtime.enable_time().max_blocking_threads(1).build().unwrap()
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

/// Leaves a mark in the trace.
fn mark(case: usize, what: &str) {
    let _ = rustix::fs::access(format!("/f9-{what}-{case}"), rustix::fs::Access::EXISTS);
}

/// Whether the backend still works, and nothing is locked.
pub(crate) async fn use_again(store: &LocalFileBackend) -> Result<()> {
    store.sync_session_with(SessionOptions::timeout(Duration::ZERO)).await?.finish().await?;
    store.create("again", "x").await?;
    store.update_with("again", "y".into(), UpdateOptions::append()).await?;
    store.delete("again").await
}

/// What the process reports of its cases until it ends or is done.
pub(crate) fn reports(other: &mut Other) -> BTreeMap<usize, Report> {
    let mut reports = BTreeMap::new();
    while let Some(line) = other.next_line().filter(|line| line != "done") {
        let (case, report) = Report::from_line(&line);
        reports.insert(case, report);
    }
    reports
}
