//! No verb leads out of the root, whatever a hostile process does to the names in it. No verb deletes the root itself.

mod arena;
mod visitor;

use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use f9::prelude::*;
use f9::{DeleteOptions, ErrorKind, LocalFileBackend};
use futures::executor::block_on;

use self::arena::{Arena, SWAPPED, Swapper, Watch};
use self::visitor::{NEVER_FAIL, Tally, Visitor, may_always_succeed};
use crate::child::{self, ChildTest};
use crate::machine::{lacks_strace, not_run};
use crate::run_size::plain_or_all;

/// The variable with the number of visits for the child process without openat2.
const VISITS: &str = "F9_TEST_VISITS";

/// In a child process, swaps the names until the parent closes the pipe.
#[test]
fn swapping_exchanges_every_name_with_its_link() {
    let Some(root) = child::root() else {
        let arena = Arena::new();
        let mut swapper = Swapper::new(&arena.root);
        for (round, has_swapped) in [(0, false), (1, true), (2, false)] {
            swapper.swap();
            for (dir, name) in SWAPPED {
                let path = arena.root.join(dir).join(name);
                assert_eq!(path.is_symlink(), has_swapped, "{path:?} in round {round}");
            }
        }
        return;
    };
    let stop = Arc::new(AtomicBool::new(false));
    let stopped = Arc::clone(&stop);
    thread::spawn(move || {
        drop(std::io::stdin().read_to_end(&mut Vec::new()));
        stopped.store(true, Ordering::Relaxed);
    });
    let mut swapper = Swapper::new(&root);
    child::report("swapping");
    while !stop.load(Ordering::Relaxed) {
        swapper.swap();
    }
}

#[test]
fn a_name_swapped_for_a_link_never_leads_out_of_the_root() {
    let variable = std::env::var(VISITS);
    let visits = variable.map_or(plain_or_all(20, 300), |visits| visits.parse().unwrap());
    let arena = Arena::new();
    let before = arena.outside_state();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let backend = runtime.block_on(LocalFileBackend::new(&arena.root)).unwrap();
    let visitor =
        |name| Visitor { arena: &arena, backend: backend.clone(), name, tallies: BTreeMap::new() };
    let mut swapper = ChildTest::start(
        "confinement::swapping_exchanges_every_name_with_its_link",
        &arena.root,
        "",
    );
    swapper.wait_for("swapping");
    let watch = Watch::new(&arena.outside);
    let tallies = thread::scope(|scope| {
        // One visitor uses the pool of a runtime, the other a thread without a runtime.
        let thread = scope.spawn(|| block_on(visitor("thread").visit(visits)));
        [runtime.block_on(visitor("pool").visit(visits)), thread.join().unwrap()]
    });
    assert_eq!(watch.events(), [""; 0], "a verb accessed the outside");
    swapper.finish();
    assert_eq!(arena.outside_state(), before);
    assert!(!watch.events().is_empty(), "the watch missed an access");
    check(tallies);
}

fn check(visits: [BTreeMap<&'static str, Tally>; 2]) {
    use ErrorKind::{AlreadyExists, LinkLoop, NotAFile, NotFound, PathEscapesRoot};
    let mut tallies = BTreeMap::<&str, Tally>::new();
    for (verb, tally) in visits.into_iter().flatten() {
        let sum = tallies.entry(verb).or_default();
        sum.succeeded += tally.succeeded;
        for (kind, count) in tally.failed {
            *sum.failed.entry(kind).or_default() += count;
        }
    }
    for (verb, tally) in tallies {
        let never_fails = NEVER_FAIL.contains(&verb);
        let is_expected = |kind: &ErrorKind| match kind {
            // After too many changes of a path, the backend gives up with `LinkLoop`.
            PathEscapesRoot | LinkLoop => !never_fails,
            // The deletion of the last visit failed.
            AlreadyExists => verb.starts_with("create") || verb == "stream_write",
            // The creation before it failed.
            NotFound => verb.starts_with("delete") || verb == "rename from",
            // The target is the link.
            NotAFile => verb == "create over",
            _ => false,
        };
        assert!(tally.failed.keys().all(is_expected), "{verb}: {tally:?}");
        assert!(tally.succeeded > 0, "{verb}: {tally:?}");
        assert!(may_always_succeed(verb) || !tally.failed.is_empty(), "{verb}: {tally:?}");
    }
}

/// Before Linux 5.6, and in some sandboxes, the kernel does not resolve whole paths beneath a directory.
#[test]
fn a_swapped_name_never_leads_out_without_openat2() {
    if let Some(reason) = lacks_strace() {
        return not_run("a_swapped_name_never_leads_out_without_openat2", reason);
    }
    for refusal in ["ENOSYS", "EPERM"] {
        let mut traced = Command::new("strace");
        traced.args(["-f", "--seccomp-bpf", "-qq", "-o", "/dev/null", "-e", "trace=openat2"]);
        traced.args(["-e", &format!("inject=openat2:error={refusal}")]);
        traced.arg(std::env::current_exe().unwrap()).env(VISITS, plain_or_all("5", "50"));
        let name = "confinement::a_name_swapped_for_a_link_never_leads_out_of_the_root";
        ChildTest::start_by(traced, name, Path::new(""), "").finish();
    }
}

#[test]
fn no_spelling_of_the_root_deletes_it() {
    use ErrorKind::{InvalidPath, PathEscapesRoot};
    let arena = Arena::new();
    let content = || {
        let listed = Command::new("ls").arg("-laR").arg(&arena.root).output().unwrap();
        String::from_utf8(listed.stdout).unwrap()
    };
    let before = content();
    let backend = block_on(LocalFileBackend::new(&arena.root)).unwrap();
    #[cfg(feature = "blocking")]
    let facade = f9::blocking::LocalFileBackend::new(&arena.root).unwrap();
    let spellings = ["", ".", "/", "./", "//", "/.", "/./", ".//."].map(|path| (path, InvalidPath));
    let escaping = ["dir/..", "/..", "..", "dir/../", "./..", "dir/x/../.."];
    let escaping = escaping.map(|path| (path, PathEscapesRoot));
    for (path, kind) in spellings.into_iter().chain(escaping) {
        for options in [DeleteOptions::default(), DeleteOptions::recursive()] {
            let refused = block_on(backend.delete_with(path, options.clone())).unwrap_err();
            assert_eq!(refused.kind(), kind, "`{path}` {options:?}");
            #[cfg(feature = "blocking")]
            assert_eq!(facade.delete_with(path, options).unwrap_err().kind(), kind, "`{path}`");
            assert_eq!(content(), before, "`{path}`");
        }
    }
}
