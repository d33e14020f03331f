//! Others that do not play by the rules, each against every verb: they hold locks, fork, and start calls that they never finish. Every
//! verb still does what it does without them.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use f9::Durability;
use futures::future::{BoxFuture, FutureExt as _, join_all};
use tokio::runtime::{Builder, Runtime};

use crate::child::{ChildTest, root};
use crate::machine::not_run;
use crate::run_size::plain_or_all;
use crate::tree::Tree;
use crate::verbs::{Expected, VERBS, Verb, lay_out, open};

/// For how long each verb is attacked.
fn attack_time() -> Duration {
    plain_or_all(Duration::from_millis(100), Duration::from_secs(20))
}

/// Shorter than the timeouts of f9.
const SOON: Duration = Duration::from_secs(25);

fn runtime() -> Runtime {
    Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
}

/// Runs a verb in a new store again and again, with what `attack` returns for the store, and compares each result.
async fn withstand<A>(verb: &Verb, expected: &Expected, attack: impl Fn(&Path) -> A) {
    let begin = Instant::now();
    loop {
        let dir = tempfile::tempdir_in("/dev/shm").unwrap();
        lay_out(dir.path());
        let store = open(dir.path(), Durability::Atomic).await.unwrap();
        let _attacker = attack(dir.path());
        let acted = tokio::time::timeout(SOON, (verb.act)(&store)).await;
        let acted = acted.unwrap_or_else(|_| panic!("{} waits", verb.name));
        let result = acted.unwrap_or_else(|error| panic!("{}: {error}", verb.name));
        assert_eq!(result, expected.result, "{}", verb.name);
        let found = Tree::of(dir.path());
        assert!(found == expected.after, "{}: {}", verb.name, found.difference(&expected.after));
        if begin.elapsed() >= attack_time() {
            return;
        }
    }
}

/// Runs all verbs at the same time, each in stores of its own.
fn withstand_all<A>(attack: impl Fn(&Path) -> A) {
    let expected: Vec<_> = VERBS.iter().map(|verb| (verb, verb.expected())).collect();
    let all = expected.iter().map(|(verb, expected)| withstand(verb, expected, &attack));
    runtime().block_on(join_all(all));
}

/// Returns all directories of a store, open and locked.
fn lock_directories(root: &Path, is_shared: bool) -> Vec<File> {
    let mut dirs = vec![root.to_owned()];
    let mut locked = Vec::new();
    while let Some(dir) = dirs.pop() {
        let below = fs::read_dir(&dir).unwrap().map(|entry| entry.unwrap());
        let is_dir = |entry: &fs::DirEntry| entry.file_type().unwrap().is_dir();
        dirs.extend(below.filter(is_dir).map(|entry| entry.path()));
        let file = File::open(&dir).unwrap();
        if is_shared { file.try_lock_shared() } else { file.try_lock() }.unwrap();
        locked.push(file);
    }
    locked
}

#[test]
fn every_verb_withstands_one_who_locks_all_directories() {
    withstand_all(|root| lock_directories(root, false));
    withstand_all(|root| lock_directories(root, true));
}

/// Starts all verbs in a store of their own, and leaves their futures alone.
async fn start_and_leave(dir: &Path) {
    let store: &'static _ = Box::leak(Box::new(open(dir, Durability::Atomic).await.unwrap()));
    let mut started: Vec<BoxFuture<'_, _>> = Vec::new();
    for _ in 0..20 {
        started.extend(VERBS.iter().map(|verb| (verb.act)(store)));
    }
    for call in &mut started {
        drop(call.now_or_never());
    }
    std::mem::forget(started);
}

#[test]
fn every_verb_withstands_calls_that_are_never_finished() {
    let left = tempfile::tempdir_in("/dev/shm").unwrap();
    lay_out(left.path());
    let runtime = runtime();
    runtime.block_on(start_and_leave(left.path()));
    withstand_all(|_| ());
}

/// A library that forks a child every other millisecond. The children keep what they inherited until the process ends.
const FORKER: &str = r#"
#define _GNU_SOURCE
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

static void *fork_on(void *unused) {
    pid_t parent = getpid();
    for (int number = 0; number < 2000; number++) {
        if (fork() == 0) {
            prctl(PR_SET_PDEATHSIG, SIGKILL);
            if (getppid() == parent) sleep(number % 2 ? 1 : 60);
            _exit(0);
        }
        while (waitpid(-1, 0, WNOHANG) > 0) {}
        usleep(2000);
    }
    return 0;
}

__attribute__((constructor)) static void start(void) {
    pthread_t thread;
    unsetenv("LD_PRELOAD");
    pthread_create(&thread, 0, fork_on, 0);
}
"#;

/// Runs in a process that forks all the time.
#[test]
fn verbs_in_a_process_that_forks() {
    if root().is_some() {
        withstand_all(|_| ());
    }
}

#[test]
fn every_verb_withstands_forks_at_any_time() {
    let test = "every_verb_withstands_forks_at_any_time";
    let dir = tempfile::tempdir().unwrap();
    let Some(library) = compile(dir.path(), FORKER) else {
        return not_run(test, "there is no C compiler");
    };
    let mut command = Command::new("env");
    command.arg(format!("LD_PRELOAD={}", library.display())).arg(std::env::current_exe().unwrap());
    ChildTest::start_by(command, "attackers::verbs_in_a_process_that_forks", dir.path(), "")
        .finish();
}

fn compile(dir: &Path, text: &str) -> Option<PathBuf> {
    let (source, library) = (dir.join("library.c"), dir.join("library.so"));
    fs::write(&source, text).unwrap();
    let mut compile = Command::new("cc");
    compile.args(["-shared", "-fPIC", "-pthread", "-o"]).arg(&library).arg(&source);
    compile.status().is_ok_and(|status| status.success()).then_some(library)
}
