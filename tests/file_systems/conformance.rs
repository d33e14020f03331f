//! The conformance suite on each file system.

use std::fs;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use f9::testing::{Fixture, Outcome, Scale, all_cases, run};
use f9::{AsyncFileBackend, Capability, Durability, LocalFileBackend};
use futures::executor::block_on;

use crate::machine;
use crate::mounts::Mounted;
use crate::rng::Rng;

/// The directories for the cases of an overlay that exist in its lower layer.
const LOWER: usize = 400;

/// What the table of the documentation lists.
const LISTED: [Capability; 11] = [
    Capability::ExclusiveCreate,
    Capability::AtomicRename,
    Capability::ConditionalWrite,
    Capability::CrossProcessWrites,
    Capability::CrossProcessSessions,
    Capability::Links,
    Capability::ModificationTime,
    Capability::Permissions,
    Capability::UserMetadata,
    Capability::LongPaths,
    Capability::Append,
];

/// The cases that cannot pass on a FUSE file system, with the reason.
const NOT_ON_FUSE: [(&str, &str); 1] = [(
    "a_streamed_write_creates_a_deleted_directory_again",
    "a directory with an open file cannot be deleted, because FUSE gives the file another name in it",
)];

/// The same for sshfs alone.
const NOT_ON_SSHFS: [(&str, &str); 1] = [(
    "exactly_one_of_racing_renames_to_one_target_wins",
    "one wins, but while the others create and remove the parent, one may fail with `NotFound` instead of `AlreadyExists`",
)];

/// A directory of the mounted file system.
struct Directory(PathBuf);

impl Directory {
    async fn open(&self) -> Arc<dyn AsyncFileBackend> {
        let builder = LocalFileBackend::builder(&self.0).durability(Durability::Atomic);
        Arc::new(builder.open().await.unwrap())
    }
}

#[async_trait]
impl Fixture for Directory {
    async fn backend(&self) -> Arc<dyn AsyncFileBackend> {
        self.open().await
    }

    async fn second_handle(&self) -> Option<Arc<dyn AsyncFileBackend>> {
        Some(self.open().await)
    }

    async fn leftovers(&self) -> Vec<String> {
        leftovers(&self.0)
    }

    /// A call through FUSE takes a tenth of a millisecond and more.
    fn scale(&self) -> Scale {
        Scale::Small
    }
}

/// Returns the temporary files below a directory.
fn leftovers(dir: &Path) -> Vec<String> {
    let (mut found, mut pending) = (Vec::new(), vec![dir.to_owned()]);
    while let Some(dir) = pending.pop() {
        for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            if name.starts_with(".f9tmp-") {
                found.push(name);
            } else if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                pending.push(entry.path());
            }
        }
    }
    found
}

/// Runs the suite in directories of a file system, one of `part` cases in a plain run.
#[expect(clippy::print_stdout, reason = "the table of the documentation comes from here")]
fn conforms(test: &str, part: u64, mounted: io::Result<Mounted>) {
    let mounted = match mounted {
        Ok(mounted) => mounted,
        Err(reason) => return machine::not_run(test, &reason.to_string()),
    };
    let root = mounted.root();
    let capabilities =
        block_on(async { LocalFileBackend::new(&root).await.unwrap().capabilities() });
    let has = |capability: &Capability| format!("{capability}: {}", capabilities.has(*capability));
    println!("{test}: {}", LISTED.iter().map(has).collect::<Vec<_>>().join(", "));
    let all = std::env::var_os("F9_FILE_SYSTEMS").is_some_and(|value| value == "all");
    let mut rng = Rng::new(test);
    let number = AtomicUsize::new(0);
    let (mut passed, mut skipped, mut failed) = (0, 0, Vec::new());
    let only = std::env::var("F9_CASE").ok();
    for case in all_cases() {
        if only.as_deref().is_some_and(|only| only != case.name()) {
            continue;
        }
        let at = root.join(format!("case-{}", number.fetch_add(1, Ordering::Relaxed)));
        if !all && rng.below(part) != 0 {
            continue;
        }
        let is_fuse = test.contains("bindfs") || test.contains("sshfs");
        let on_fuse = NOT_ON_FUSE.iter().filter(|_| is_fuse);
        let mut excused = on_fuse.chain(NOT_ON_SSHFS.iter().filter(|_| test.contains("sshfs")));
        if let Some((name, reason)) = excused.find(|(name, _)| *name == case.name()) {
            println!("{test}: cannot pass {name}: {reason}");
            skipped += 1;
            continue;
        }
        match catch_unwind(AssertUnwindSafe(|| run(case, Directory(at)))) {
            Ok(Outcome::Passed) => passed += 1,
            Ok(_) => skipped += 1,
            Err(_) => failed.push(case.name()),
        }
    }
    println!("{test}: {passed} passed, {skipped} skipped, {} failed", failed.len());
    assert!(failed.is_empty(), "{test}: {failed:#?}");
}

macro_rules! on {
    ($($name:ident, $part:literal, $mounted:expr;)*) => {
        $(
            #[test]
            fn $name() {
                conforms(stringify!($name), $part, $mounted);
            }
        )*
    };
}

on! {
    the_suite_passes_on_tmpfs, 10, Mounted::tmpfs();
    the_suite_passes_on_ext4, 10, Mounted::image(&["mkfs.ext4", "-q", "-b", "4096"]);
    the_suite_passes_on_xfs, 10, Mounted::image(&["mkfs.xfs", "-q"]);
    the_suite_passes_on_btrfs, 10, Mounted::image(&["mkfs.btrfs", "-q"]);
    the_suite_passes_on_the_upper_layer_of_an_overlay, 5, Mounted::overlay(|_| {});
    the_suite_passes_on_the_lower_layer_of_an_overlay, 5, Mounted::overlay(|lower| {
        for number in 0..LOWER {
            fs::create_dir(lower.join(format!("case-{number}"))).unwrap();
        }
    });
    the_suite_passes_on_bindfs, 5, Mounted::bindfs();
    the_suite_passes_on_sshfs, 5, Mounted::sshfs(&[]);
    the_suite_passes_on_sshfs_without_hard_links, 5, Mounted::sshfs(&["disable_hardlink"]);
}
