//! Every system call of every verb fails once, in every way, and is once the last that the process makes.
//!
//! Which calls there are is read from a trace of the undisturbed verbs, so whatever a verb comes to do is covered. One run
//! disturbs all verbs that have the same call: the n-th of a name. A plain run makes a fifth of these runs, but fails each call in each way
//! and kills each verb.

use std::collections::BTreeMap;
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::{fs, thread};

use f9::ErrorKind;
use futures::executor::block_on;
use rustix::io::Errno;

use crate::cases::{Case, Face, Report, cases, reports, use_again};
use crate::child::Other;
use crate::dice::Dice;
use crate::extent::extent;
use crate::machine;
use crate::strace::{Call, Trace, calls};
use crate::tree::Tree;
use crate::verbs::{Course, VERBS, Verb, lay_out, open};

/// How a call may fail, and the kind of error that makes.
const ERRORS: [(Errno, ErrorKind); 6] = [
    (Errno::IO, ErrorKind::Io),
    (Errno::NOSPC, ErrorKind::StorageFull),
    (Errno::INTR, ErrorKind::Io),
    (Errno::ACCESS, ErrorKind::PermissionDenied),
    (Errno::MFILE, ErrorKind::TooManyOpenFiles),
    (Errno::DQUOT, ErrorKind::QuotaExceeded),
];

/// Those of them that a call is made to fail with in the pool too, where all is as on the caller's thread but for the way there.
const ERRORS_IN_THE_POOL: [Errno; 2] = [Errno::IO, Errno::INTR];

/// Calls of the runtime and of the allocator, which touch no file.
const NOT_OF_FILES: &[&str] = &[
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
    "restart_syscall",
    "rseq",
    "rt_sigprocmask",
    "sched_getaffinity",
    "sched_yield",
    "set_robust_list",
    "sigaltstack",
];

/// A call that no signal interrupts, as it waits for nothing.
const NEVER_INTERRUPTED: &str = "fcntl";

/// Calls that are the change itself, or keep it: a verb in which one fails cannot have succeeded.
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

/// The call that is disturbed, and the cases that have it.
#[derive(Debug)]
struct Round {
    call: String,
    nth: usize,
    fault: Fault,
    cases: Vec<usize>,
}

struct Sweep {
    cases: Vec<Case>,
    courses: BTreeMap<&'static str, Course>,
    /// The calls of each case when nothing disturbs it.
    calls: Vec<Vec<Call>>,
}

impl Sweep {
    fn new() -> Self {
        let courses = VERBS.iter().map(|verb| (verb.name, verb.course())).collect();
        let mut sweep = Self { cases: cases(), courses, calls: Vec::new() };
        sweep.survey();
        sweep
    }

    /// Runs cases in another process, traced and in stores of their own below `dir`. Gives the log and what they reported.
    fn run(
        &self,
        dir: &Path,
        cases: &[usize],
        arguments: &[&str],
    ) -> (Other, String, BTreeMap<usize, Report>) {
        for case in cases {
            let root = dir.join(case.to_string());
            fs::create_dir(&root).unwrap();
            lay_out(&root);
        }
        let task: Vec<String> = cases.iter().map(ToString::to_string).collect();
        let mut other = Other::start("cases::the_named_cases", dir, &task.join(","));
        assert_eq!(other.next_line().as_deref(), Some("ready"));
        let trace = Trace::attach(&other, arguments, &dir.join("strace.log"));
        other.go_on();
        let log = trace.end_at(&mut other);
        let reports = reports(&mut other);
        (other, log, reports)
    }

    fn survey(&mut self) {
        let dir = tempfile::tempdir_in("/dev/shm").unwrap();
        let every: Vec<usize> = (0..self.cases.len()).collect();
        let (_, log, reports) = self.run(dir.path(), &every, &["-y"]);
        for case in every {
            let (course, report) = (&self.courses[self.cases[case].verb.name], &reports[&case]);
            assert_eq!((&report.outcome[..], &report.text), ("Ok", &course.told), "{report:?}");
        }
        self.calls.resize(self.cases.len(), Vec::new());
        let mut now = None;
        for call in calls(&log) {
            if let Some((_, begun)) = call.text.split_once("\"/f9-begin-") {
                now = Some(begun.split('"').next().unwrap().parse::<usize>().unwrap());
            } else if call.text.contains("\"/f9-end-") {
                now = None;
            } else if let Some(case) = now.filter(|_| !NOT_OF_FILES.contains(&&*call.name)) {
                self.calls[case].push(call);
            }
        }
    }

    /// Each call with each error, for all cases that have it.
    fn rounds_with_errors(&self) -> Vec<Round> {
        let mut calls = BTreeMap::<(&str, usize), Vec<usize>>::new();
        for (case, found) in self.calls.iter().enumerate() {
            let left_out = |call: &Call| match &*call.name {
                // The descriptor of one that fails is gone all the same, but strace would leave it open.
                "close" => true,
                // The runtime's thread has one too, and the standard library panics if that fails.
                "getrandom" => self.cases[case].face == Face::Pool,
                _ => false,
            };
            for call in found.iter().filter(|call| !left_out(call)) {
                calls.entry((&call.name, call.nth)).or_default().push(case);
            }
        }
        let mut rounds = Vec::new();
        for ((call, nth), mut cases) in calls {
            cases.dedup();
            for (errno, kind) in ERRORS {
                let mut cases = cases.clone();
                if !ERRORS_IN_THE_POOL.contains(&errno) {
                    cases.retain(|&case| self.cases[case].face == Face::Inline);
                }
                let fault = Fault::Fails(errno, kind);
                rounds.push(Round { call: call.to_owned(), nth, fault, cases });
            }
        }
        rounds.retain(|round| !round.cases.is_empty());
        rounds
    }

    /// Each call of each case as the last, each in a process of its own.
    fn rounds_with_kills(&self) -> Vec<Round> {
        let mut rounds = Vec::new();
        for (case, found) in self.calls.iter().enumerate() {
            if self.cases[case].face == Face::Inline {
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

    /// The rounds for this run: of those that are alike, a part or all.
    fn pick(&self, rounds: Vec<Round>, dice: &mut Dice) -> Vec<Round> {
        let mut alike = BTreeMap::<(String, i32), Vec<Round>>::new();
        for round in rounds {
            let like = match round.fault {
                Fault::Fails(errno, _) => (round.call.clone(), errno.raw_os_error()),
                Fault::Kills => (self.cases[round.cases[0]].verb.name.to_owned(), 0),
            };
            alike.entry(like).or_default().push(round);
        }
        for rounds in alike.values_mut() {
            let count = rounds.len().div_ceil(extent(5, 1));
            while rounds.len() > count {
                let left_out = dice.below(rounds.len() as u64);
                rounds.swap_remove(usize::try_from(left_out).unwrap());
            }
        }
        alike.into_values().flatten().collect()
    }

    /// Runs all rounds, and says what went wrong in which.
    #[expect(clippy::print_stdout, reason = "how much was tried is worth knowing")]
    fn run_all(&self, rounds: &[Round]) {
        let (next, failures) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
        let lane = || {
            while let Some(round) = rounds.get(next.fetch_add(1, Ordering::Relaxed)) {
                let found = self.run_round(round);
                failures.lock().unwrap().extend(found);
            }
        };
        thread::scope(|scope| {
            scope.spawn(lane);
            scope.spawn(lane);
        });
        let tried: usize = rounds.iter().map(|round| round.cases.len()).sum();
        let failures = failures.into_inner().unwrap();
        println!("{tried} disturbed calls in {} runs", rounds.len());
        assert!(failures.is_empty(), "{} went wrong:\n{}", failures.len(), failures.join("\n"));
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
            assert_eq!(other.wait().signal(), Some(9), "{round:?} was not reached");
        } else {
            let injected = log.matches("(INJECTED)").count();
            assert!(injected >= cases.len(), "{round:?} was not reached:\n{log}");
        }
        let judge = |&case: &usize| {
            let root = dir.path().join(case.to_string());
            let complaint = self.judge(round, case, reports.get(&case), &root).err()?;
            let Case { verb, durability, face } = self.cases[case];
            let disturbed = self.calls[case].iter().find(|c| c.name == *call && c.nth == *nth)?;
            let case = format!("{}, {durability}, {face:?}", verb.name);
            Some(format!("{case}: {how} in `{}`: {complaint}", disturbed.text))
        };
        cases.iter().filter_map(judge).collect()
    }

    /// What must hold after a disturbed case; there is no report of one that was killed.
    fn judge(
        &self,
        round: &Round,
        case: usize,
        report: Option<&Report>,
        root: &Path,
    ) -> Result<(), String> {
        let Case { verb, durability, .. } = self.cases[case];
        let course = &self.courses[verb.name];
        let found = Tree::of(root);
        let is_done = match (round.fault, report) {
            (Fault::Fails(errno, kind), Some(report)) => {
                judge_report(verb, course, (&round.call, errno, kind), report)?;
                let is_done = ["Ok", "DurabilityUnknown"].contains(&&*report.outcome);
                judge_tree(verb, course, errno, is_done, &found)
                    .map_err(|complaint| format!("{report:?}, but {complaint}"))?;
                is_done
            }
            (Fault::Kills, None) => {
                let is_done = found.seen == course.after.seen;
                let undone = found.clone().without_empty_directories_since(&course.before);
                if !is_done && undone.seen != course.before.seen {
                    return Err(format!("neither: {}", undone.difference(&course.before)));
                }
                is_done
            }
            _ => return Err(format!("tells {report:?}")),
        };
        let store = block_on(open(root, durability)).map_err(|error| error.to_string())?;
        let swept = Tree::of(root);
        if !swept.litter.is_empty() || swept.seen != found.seen {
            return Err(format!("the sweep makes of it {}", swept.difference(&found)));
        }
        block_on(use_again(&store)).map_err(|error| format!("then {error}"))?;
        if !is_done {
            block_on((verb.act)(&store)).map_err(|error| format!("once more: {error}"))?;
        }
        let (at_last, wanted) = (Tree::of(root), if is_done { &swept } else { &course.after });
        let is_wanted = at_last == *wanted;
        if is_wanted { Ok(()) } else { Err(at_last.difference(wanted)) }
    }
}

/// An error says what failed, where and why; what succeeds is right; and the backend works on.
fn judge_report(
    verb: &Verb,
    course: &Course,
    (call, errno, kind): (&str, Errno, ErrorKind),
    report: &Report,
) -> Result<(), String> {
    let Report { outcome, errno: cause, text, again } = report;
    let without_lock = errno == Errno::ACCESS && text.contains("the directory cannot be locked");
    let complaint = if again != "Ok" {
        "is no longer of use"
    } else if outcome == "Ok" && errno != Errno::INTR && DECISIVE.contains(&call) {
        "hides the failure"
    } else if outcome == "Ok" {
        if *text == course.told { return Ok(()) } else { "tells something wrong" }
    } else if errno == Errno::INTR && call != NEVER_INTERRUPTED {
        "shows an interruption"
    } else if !text.starts_with(verb.says) {
        "does not name what failed"
    } else if *cause != errno.raw_os_error().to_string() {
        "hides the cause"
    } else if *outcome != format!("{kind:?}") && outcome != "DurabilityUnknown" && !without_lock {
        "has the wrong kind"
    } else {
        return Ok(());
    };
    Err(format!("{complaint}: {report:?}"))
}

/// The store is as it was or as it should become, and nothing else lies about.
fn judge_tree(
    verb: &Verb,
    course: &Course,
    errno: Errno,
    is_done: bool,
    found: &Tree,
) -> Result<(), String> {
    let wanted = if is_done { &course.after } else { &course.before };
    // What of a tree could not be deleted comes back; the rest is gone.
    let is_partly_deleted = || {
        let of_tree = |path: &str| path.starts_with("tree/");
        verb.name == "delete a tree"
            && found.litter.is_empty()
            && found.seen.iter().all(|(path, entry)| wanted.seen.get(path) == Some(entry))
            && wanted.seen.keys().all(|path| of_tree(path) || found.seen.contains_key(path))
    };
    let is_wanted = if errno == Errno::ACCESS {
        // Owner and attributes are kept where that is permitted.
        found.without_what_takes_permission() == wanted.without_what_takes_permission()
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
fn whichever_call_fails_a_verb_is_done_or_undone() {
    let test = "whichever_call_fails_a_verb_is_done_or_undone";
    if let Some(reason) = machine::lacks_strace() {
        return machine::not_run(test, reason);
    }
    let sweep = Sweep::new();
    sweep.run_all(&sweep.pick(sweep.rounds_with_errors(), &mut Dice::new(test)));
}

#[test]
fn whichever_call_is_the_last_a_verb_is_done_or_not_begun() {
    let test = "whichever_call_is_the_last_a_verb_is_done_or_not_begun";
    if let Some(reason) = machine::lacks_strace() {
        return machine::not_run(test, reason);
    }
    let sweep = Sweep::new();
    sweep.run_all(&sweep.pick(sweep.rounds_with_kills(), &mut Dice::new(test)));
}
