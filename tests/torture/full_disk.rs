//! A full disk: a verb that needs space fails without an effect and succeeds later with space, and the other verbs succeed.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::Path;

use f9::{Durability, ErrorKind};
use futures::executor::block_on;

use crate::child::{self, ChildTest};
use crate::machine::{self, Mount};
use crate::tree::Tree;
use crate::verbs::{Cost, Expected, VERBS, Verb, lay_out, open};

/// The resource that a small file system lacks.
#[derive(Clone, Copy, Debug)]
enum Shortage {
    Space,
    Inodes,
}

impl Shortage {
    /// Returns the options of mount(8) for a disk with just enough room for the verbs.
    const fn options(self) -> &'static str {
        match self {
            Self::Space => "size=1m",
            Self::Inodes => "nr_inodes=100",
        }
    }

    /// Fills the disk except for `rest` pages or inodes.
    fn fill(self, filler: &Path, rest: usize) {
        fs::create_dir(filler).unwrap();
        match self {
            Self::Space => {
                let mut file = File::create(filler.join("filler")).unwrap();
                let mut size = 0;
                while let Ok(written) = file.write(&[0; 4096]) {
                    size += written;
                }
                file.set_len((size - (rest * 4096).min(size)) as u64).unwrap();
            }
            Self::Inodes => {
                let taken = (0..).take_while(|i| File::create(filler.join(i.to_string())).is_ok());
                let taken = taken.count();
                for i in taken - rest.min(taken)..taken {
                    fs::remove_file(filler.join(i.to_string())).unwrap();
                }
            }
        }
    }
}

/// Runs a verb with more and more room until it succeeds, and returns the number of failures before.
fn until_it_succeeds(verb: &Verb, expected: &Expected, shortage: Shortage, disk: &Path) -> usize {
    for (failures, rest) in [0, 1, 2, 3, 5, 10, 25, 50, 73, 74, 75, 76, 77].iter().enumerate() {
        for durability in [Durability::Atomic, Durability::Synced] {
            let (root, filler) = (disk.join("root"), disk.join("filler"));
            fs::create_dir(&root).unwrap();
            lay_out(&root);
            let store = block_on(open(&root, durability)).unwrap();
            shortage.fill(&filler, *rest);
            let acted = block_on((verb.act)(&store));
            let (found, what) = (Tree::of(&root), format!("{}, {durability}, {rest}", verb.name));
            fs::remove_dir_all(&filler).unwrap();
            if let Err(error) = &acted {
                assert_eq!(error.kind(), ErrorKind::StorageFull, "{what}: {error}");
                assert!(error.to_string().starts_with(verb.error_prefix), "{what}: {error}");
                assert!(found == expected.before, "{what}: {}", found.difference(&expected.before));
                block_on((verb.act)(&store))
                    .unwrap_or_else(|error| panic!("{what}, with space again: {error}"));
            }
            let done = Tree::of(&root);
            assert!(done == expected.after, "{what}: {}", done.difference(&expected.after));
            fs::remove_dir_all(&root).unwrap();
            if acted.is_ok() && durability == Durability::Synced {
                return failures;
            }
        }
    }
    panic!("{} never succeeds", verb.name);
}

/// Runs in a child process: every verb on a disk that lacks the resource in the task.
#[test]
fn every_verb_on_a_full_disk() {
    let Some((disk, task)) = child::task() else { return };
    let shortage = if task == "space" { Shortage::Space } else { Shortage::Inodes };
    for verb in VERBS {
        let failures = until_it_succeeds(verb, &verb.expected(), shortage, &disk);
        let is_needed = match shortage {
            Shortage::Space => verb.cost == Cost::Space,
            Shortage::Inodes => matches!(verb.cost, Cost::Space | Cost::Inodes),
        };
        assert_eq!(failures > 0, is_needed, "{}: {failures} failures", verb.name);
    }
}

/// Runs in a child process. In this one, a process that another test is starting holds all open files for a moment, and so keeps
/// the space of deleted ones.
fn run_on_a_disk_without(what: &str, shortage: Shortage, test: &str) {
    let dir = tempfile::tempdir().unwrap();
    let options = ["-t", "tmpfs", "-o", shortage.options(), "f9"];
    match Mount::new(&options, dir.path()) {
        Ok(_disk) => {
            ChildTest::start("full_disk::every_verb_on_a_full_disk", dir.path(), what).finish();
        }
        Err(reason) => machine::not_run(test, &reason.to_string()),
    }
}

#[test]
fn a_full_disk_keeps_the_old_content() {
    run_on_a_disk_without("space", Shortage::Space, "a_full_disk_keeps_the_old_content");
}

#[test]
fn a_disk_without_inodes_keeps_the_old_content() {
    let test = "a_disk_without_inodes_keeps_the_old_content";
    run_on_a_disk_without("inodes", Shortage::Inodes, test);
}
