//! Makes every system call of every verb fail once with each error, and kills the process once at each call.
//!
//! The calls come from a trace of the undisturbed verbs, so a new call of a verb is covered automatically. One run disturbs the n-th call
//! of a name in all verbs that have it. A plain run makes a fifth of these runs, but still covers each call with each error, and a kill of
//! each verb.

use std::collections::BTreeMap;
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::{fs, thread};

use f9::{Durability, ErrorKind};
use futures::executor::block_on;
use rustix::io::Errno;

use crate::cases::{Case, Face, Report, cases, reports, use_again};
use crate::child::ChildTest;
use crate::machine;
use crate::rng::Rng;
use crate::run_size::plain_or_all;
use crate::strace::{Call, Trace, calls};
use crate::tree::Tree;
use crate::verbs::{Expected, IN_PLACE, UPLOADS, VERBS, Verb, lay_out, open};

/// The injected errors, and the expected kind of each.
const ERRORS: [(Errno, ErrorKind); 8] = [
    (Errno::IO, ErrorKind::Io),
    (Errno::NOSPC, ErrorKind::StorageFull),
    (Errno::INTR, ErrorKind::Io),
    (Errno::ACCESS, ErrorKind::PermissionDenied),
    (Errno::MFILE, ErrorKind::TooManyOpenFiles),
    (Errno::DQUOT, ErrorKind::QuotaExceeded),
    // Both come from file servers. After the second the same call may succeed.
    (Errno::STALE, ErrorKind::Io),
    (Errno::TIMEDOUT, ErrorKind::Timeout),
];

/// The errors of close(2): those of a disk and of a server that has no room. The call closes the file nevertheless; strace leaves it open,
/// which disturbs nobody, because locks are released before.
const ERRORS_OF_CLOSE: [Errno; 3] = [Errno::IO, Errno::NOSPC, Errno::DQUOT];

/// The errors that are also injected in the pool, which runs the same code as the calling thread.
const ERRORS_IN_THE_POOL: [Errno; 3] = [Errno::IO, Errno::INTR, Errno::TIMEDOUT];

/// Calls of the runtime and the allocator, which use no file.
const NOT_ABOUT_FILES: &[&str] = &[
    "access",
    "brk",
    "clock_nanosleep",
    "clone",
    "clone3",
    "exit",
    "exit_group",
    "faccessat",
    "futex",
    "getpid",
    "gettid",
    "madvise",
    "mmap",
    "mprotect",
    "mremap",
    "munmap",
    "nanosleep",
    "prctl",
    "prlimit64",
    "restart_syscall",
    "rseq",
    "rt_sigprocmask",
    "sched_getaffinity",
    "sched_yield",
    "set_robust_list",
    "sigaltstack",
];

/// A call that signals never interrupt, because it does not block.
const NEVER_INTERRUPTED: &str = "fcntl";

/// Calls that make or sync the change. If one fails, the verb must fail.
const DECISIVE: [&str; 10] = [
    "copy_file_range",
    "fchmod",
    "fsync",
    "linkat",
    "mkdirat",
    "renameat",
    "renameat2",
    "unlinkat",
    "write",
    "writev",
];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    Fails(Errno, ErrorKind),
    Kills,
}

/// The disturbed call, and the cases that have it.
#[derive(Debug)]
struct Round {
    call: String,
    nth: usize,
    fault: Fault,
    cases: Vec<usize>,
}

struct Plan {
    cases: Vec<Case>,
    expected: BTreeMap<&'static str, Expected>,
    /// The calls of each case without a disturbance.
    calls: Vec<Vec<Call>>,
}

impl Plan {
    fn new() -> Self {
        let verbs = VERBS.iter().chain(UPLOADS).chain(IN_PLACE);
        let expected = verbs.map(|verb| (verb.name, verb.expected())).collect();
        let mut plan = Self { cases: cases(), expected, calls: Vec::new() };
        plan.trace();
        plan
    }

    /// Runs cases in a traced child process, each in its own store below `dir`. Returns the process, the log and the reports.
    fn run(
        &self,
        dir: &Path,
        cases: &[usize],
        arguments: &[&str],
    ) -> (ChildTest, String, BTreeMap<usize, Report>) {
        for case in cases {
            let root = dir.join(case.to_string());
            fs::create_dir(&root).unwrap();
            lay_out(&root);
        }
        let task: Vec<String> = cases.iter().map(ToString::to_string).collect();
        let mut other = ChildTest::start("cases::the_requested_cases", dir, &task.join(","));
        assert_eq!(other.next_line().as_deref(), Some("ready"));
        let trace = Trace::attach(&other, arguments, &dir.join("strace.log"));
        other.resume();
        let log = trace.end_at(&mut other);
        let reports = reports(&mut other);
        (other, log, reports)
    }

    /// Records the calls of all cases.
    fn trace(&mut self) {
        let dir = tempfile::tempdir_in("/dev/shm").unwrap();
        let all: Vec<usize> = (0..self.cases.len()).collect();
        let (_, log, reports) = self.run(dir.path(), &all, &["-y"]);
        for case in all {
            let (expected, report) = (&self.expected[self.cases[case].verb.name], &reports[&case]);
            assert_eq!((&report.outcome[..], &report.text), ("Ok", &expected.result), "{report:?}");
        }
        self.calls.resize(self.cases.len(), Vec::new());
        let mut current = None;
        for call in calls(&log) {
            if let Some((_, begun)) = call.text.split_once("\"/f9-begin-") {
                current = Some(begun.split('"').next().unwrap().parse::<usize>().unwrap());
            } else if call.text.contains("\"/f9-end-") {
                current = None;
            } else if let Some(case) = current.filter(|_| !NOT_ABOUT_FILES.contains(&&*call.name)) {
                self.calls[case].push(call);
            }
        }
    }

    /// Returns a round for each call and each error, with all cases that have the call.
    fn rounds_with_errors(&self) -> Vec<Round> {
        let mut calls = BTreeMap::<(&str, usize), Vec<usize>>::new();
        for (case, found) in self.calls.iter().enumerate() {
            let is_excluded = |call: &Call| match &*call.name {
                // The thread of the runtime has one too, and the standard library panics if it fails.
                "getrandom" => self.cases[case].face == Face::Pool,
                _ => false,
            };
            for call in found.iter().filter(|call| !is_excluded(call)) {
                calls.entry((&call.name, call.nth)).or_default().push(case);
            }
        }
        let mut rounds = Vec::new();
        for ((call, nth), mut cases) in calls {
            cases.dedup();
            let is_injected = |errno: &Errno| call != "close" || ERRORS_OF_CLOSE.contains(errno);
            for (errno, kind) in ERRORS.into_iter().filter(|(errno, _)| is_injected(errno)) {
                let mut cases = cases.clone();
                if !ERRORS_IN_THE_POOL.contains(&errno) {
                    cases.retain(|&case| self.cases[case].face == Face::Inline);
                }
                // Only the syncs differ there, and they meet the other errors.
                if errno == Errno::STALE || call == "close" {
                    let is_atomic = |case: usize| self.cases[case].durability == Durability::Atomic;
                    cases.retain(|&case| is_atomic(case));
                }
                let fault = Fault::Fails(errno, kind);
                rounds.push(Round { call: call.to_owned(), nth, fault, cases });
            }
        }
        rounds.retain(|round| !round.cases.is_empty());
        rounds
    }

    /// Returns a round for each call of each case, where the process is killed at the call.
    fn rounds_with_kills(&self) -> Vec<Round> {
        let mut rounds = Vec::new();
        for (case, found) in self.calls.iter().enumerate() {
            let Case { verb, face, .. } = self.cases[case];
            if face == Face::Inline && !is_in_place(verb) {
                rounds.extend(found.iter().map(|Call { name, nth, .. }| Round {
                    call: name.clone(),
                    nth: *nth,
                    fault: Fault::Kills,
                    cases: vec![case],
                }));
            }
        }
        rounds
    }

    /// Returns the rounds of this run: a part or all of each group of similar rounds.
    fn pick(&self, rounds: Vec<Round>, rng: &mut Rng) -> Vec<Round> {
        let mut groups = BTreeMap::<(String, i32), Vec<Round>>::new();
        for round in rounds {
            let group = match round.fault {
                Fault::Fails(errno, _) => (round.call.clone(), errno.raw_os_error()),
                Fault::Kills => (self.cases[round.cases[0]].verb.name.to_owned(), 0),
            };
            groups.entry(group).or_default().push(round);
        }
        for rounds in groups.values_mut() {
            let count = rounds.len().div_ceil(plain_or_all(5, 1));
            while rounds.len() > count {
                let excluded = rng.below(rounds.len() as u64);
                rounds.swap_remove(usize::try_from(excluded).unwrap());
            }
        }
        groups.into_values().flatten().collect()
    }

    /// Runs all rounds on two threads, and panics with all failures.
    #[expect(clippy::print_stdout, reason = "the number of tries is worth knowing")]
    fn run_all(&self, rounds: &[Round]) {
        let (next, failures) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
        let worker = || {
            while let Some(round) = rounds.get(next.fetch_add(1, Ordering::Relaxed)) {
                let found = self.run_round(round);
                failures.lock().unwrap().extend(found);
            }
        };
        thread::scope(|scope| {
            scope.spawn(worker);
            scope.spawn(worker);
        });
        let tried: usize = rounds.iter().map(|round| round.cases.len()).sum();
        let failures = failures.into_inner().unwrap();
        println!("{tried} disturbed calls in {} runs", rounds.len());
        assert!(failures.is_empty(), "{} cases failed:\n{}", failures.len(), failures.join("\n"));
    }

    fn run_round(&self, round: &Round) -> Vec<String> {
        let Round { call, nth, fault, cases } = round;
        let dir = tempfile::tempdir_in("/dev/shm").unwrap();
        let how = match fault {
            Fault::Fails(errno, _) => format!("error={}", errno.raw_os_error()),
            Fault::Kills => "signal=KILL".to_owned(),
        };
        let (trace, inject) = (format!("trace={call}"), format!("inject={call}:{how}:when={nth}"));
        let (mut other, log, reports) = self.run(dir.path(), cases, &["-e", &trace, "-e", &inject]);
        if *fault == Fault::Kills {
            assert_eq!(other.wait().signal(), Some(9), "{round:?}: the call was not reached");
        } else {
            let injected = log.matches("(INJECTED)").count();
            assert!(injected >= cases.len(), "{round:?}: the call was not reached:\n{log}");
        }
        let check = |&case: &usize| {
            let root = dir.path().join(case.to_string());
            let complaint = self.check(round, case, reports.get(&case), &root).err()?;
            let Case { verb, durability, face } = self.cases[case];
            let disturbed = self.calls[case].iter().find(|c| c.name == *call && c.nth == *nth)?;
            let case = format!("{}, {durability}, {face:?}", verb.name);
            Some(format!("{case}: {how} in `{}`: {complaint}", disturbed.text))
        };
        cases.iter().filter_map(check).collect()
    }

    /// Checks the store after a disturbed case. A killed case has no report.
    fn check(
        &self,
        round: &Round,
        case: usize,
        report: Option<&Report>,
        root: &Path,
    ) -> Result<(), String> {
        let Case { verb, durability, .. } = self.cases[case];
        let expected = &self.expected[verb.name];
        let found = Tree::of(root);
        let is_done = match (round.fault, report) {
            (Fault::Fails(..), Some(report)) if report.effect == "unknown" => {
                return check_part(verb, report, &expected.before, found);
            }
            (Fault::Fails(errno, kind), Some(report)) => {
                check_report(verb, expected, (&round.call, errno, kind), report)?;
                let is_done = report.is_done();
                check_tree(verb, expected, errno, is_done, &found)
                    .map_err(|complaint| format!("{report:?}, but {complaint}"))?;
                is_done
            }
            (Fault::Kills, None) => {
                let is_done = found.entries == expected.after.entries;
                let undone = found.clone().without_empty_directories_since(&expected.before);
                if !is_done && undone.entries != expected.before.entries {
                    return Err(format!(
                        "neither done nor undone: {}",
                        undone.difference(&expected.before)
                    ));
                }
                is_done
            }
            _ => return Err(format!("unexpected report {report:?}")),
        };
        let store = block_on(open(root, durability)).map_err(|error| error.to_string())?;
        let swept = Tree::of(root);
        if !swept.leftovers.is_empty() || swept.entries != found.entries {
            return Err(format!("the sweep changed the store: {}", swept.difference(&found)));
        }
        block_on(use_again(&store)).map_err(|error| format!("the next use failed: {error}"))?;
        if !is_done {
            block_on((verb.act)(&store)).map_err(|error| format!("the retry failed: {error}"))?;
        }
        let (result, wanted) = (Tree::of(root), if is_done { &swept } else { &expected.after });
        if result == *wanted { Ok(()) } else { Err(result.difference(wanted)) }
    }
}

/// Checks that an error names the operation, the path and the cause, that a success is real, and that the backend still works.
fn check_report(
    verb: &Verb,
    expected: &Expected,
    (call, errno, kind): (&str, Errno, ErrorKind),
    report: &Report,
) -> Result<(), String> {
    let Report { outcome, effect, errno: cause, text, reuse } = report;
    let wanted_effect = match (kind, &**outcome) {
        (_, "Ok") => "",
        (_, "DurabilityUnknown") => "applied",
        (ErrorKind::Timeout | ErrorKind::TooManyOpenFiles, _) => "retryable",
        _ => "",
    };
    let without_lock = errno == Errno::ACCESS && text.contains("the directory cannot be locked");
    // What `delete_many` cannot delete, it deletes once more as a single entry.
    let is_decisive = DECISIVE.contains(&call) && verb.name != "delete_many";
    // The other calls of a write in place make and remove its lock file.
    let of_lock_file = is_in_place(verb) && ["fchmod", "unlinkat"].contains(&call);
    let is_decisive = is_decisive && !of_lock_file;
    let complaint = if reuse != "Ok" {
        "the backend no longer works"
    } else if outcome == "Ok" && errno != Errno::INTR && is_decisive {
        "the verb hides the failure"
    } else if outcome != "Ok" && call == "close" {
        "the verb fails, although a closed file on a local disk has lost nothing"
    } else if outcome == "Ok" {
        if *text == expected.result { return Ok(()) } else { "the result is wrong" }
    } else if errno == Errno::INTR && call != NEVER_INTERRUPTED {
        "the error is an interruption"
    } else if !text.starts_with(verb.error_prefix) {
        "the error does not name the operation and the path"
    } else if *cause != errno.raw_os_error().to_string() {
        "the error has another cause"
    } else if *outcome != format!("{kind:?}") && outcome != "DurabilityUnknown" && !without_lock {
        "the error has the wrong kind"
    } else if effect != wanted_effect && !without_lock {
        "the error does not say what became of the change"
    } else {
        return Ok(());
    };
    Err(format!("{complaint}: {report:?}"))
}

fn is_in_place(verb: &Verb) -> bool {
    IN_PLACE.iter().any(|other| other.name == verb.name)
}

/// Checks that only a write in place leaves the store in a state that it does not know, and that all else is as before.
fn check_part(verb: &Verb, report: &Report, before: &Tree, mut found: Tree) -> Result<(), String> {
    if let Some(old) = before.entries.get("old") {
        found.entries.insert("old".to_owned(), old.clone());
    }
    if is_in_place(verb) && found == *before {
        return Ok(());
    }
    Err(format!("{report:?}, but {}", found.difference(before)))
}

/// Checks that the store is as before or as after the verb, without leftovers.
fn check_tree(
    verb: &Verb,
    expected: &Expected,
    errno: Errno,
    is_done: bool,
    found: &Tree,
) -> Result<(), String> {
    let wanted = if is_done { &expected.after } else { &expected.before };
    // A failed deletion of a tree restores the entries that it could not delete.
    let is_partly_deleted = || {
        let of_tree = |path: &str| path.starts_with("tree/");
        verb.name == "delete a tree"
            && found.leftovers.is_empty()
            && found.entries.iter().all(|(path, entry)| wanted.entries.get(path) == Some(entry))
            && wanted.entries.keys().all(|path| of_tree(path) || found.entries.contains_key(path))
    };
    let is_wanted = if errno == Errno::ACCESS {
        // The owner and the attributes are kept only if the user may set them.
        found.without_owners_and_attributes() == wanted.without_owners_and_attributes()
    } else {
        found == wanted
    };
    if is_wanted || (!is_done && is_partly_deleted()) {
        Ok(())
    } else {
        Err(found.difference(wanted))
    }
}

#[test]
fn a_verb_with_a_failed_system_call_is_done_or_undone() {
    let test = "a_verb_with_a_failed_system_call_is_done_or_undone";
    if let Some(reason) = machine::lacks_strace() {
        return machine::not_run(test, reason);
    }
    let plan = Plan::new();
    plan.run_all(&plan.pick(plan.rounds_with_errors(), &mut Rng::new(test)));
}

#[test]
fn a_verb_killed_at_any_system_call_is_done_or_not_begun() {
    let test = "a_verb_killed_at_any_system_call_is_done_or_not_begun";
    if let Some(reason) = machine::lacks_strace() {
        return machine::not_run(test, reason);
    }
    let plan = Plan::new();
    plan.run_all(&plan.pick(plan.rounds_with_kills(), &mut Rng::new(test)));
}
