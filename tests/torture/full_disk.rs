//! A disk without room: a verb that needs some fails as a whole and works once there is some again, and one that needs none works.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::Path;

use f9::{Durability, ErrorKind};
use futures::executor::block_on;

use crate::child::{self, Other};
use crate::machine::{self, Mount};
use crate::tree::Tree;
use crate::verbs::{Cost, Course, VERBS, Verb, lay_out, open};

/// What a small file system has run out of.
#[derive(Clone, Copy, Debug)]
enum Shortage {
    Space,
    Inodes,
}

impl Shortage {
    /// For mount(8): room for what the verbs make, and little more.
    const fn options(self) -> &'static str {
        match self {
            Self::Space => "size=1m",
            Self::Inodes => "nr_inodes=100",
        }
    }

    /// Takes all there is but for `rest` pages or inodes.
    fn take(self, filler: &Path, rest: usize) {
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

/// Does it with ever more room, until it succeeds; gives how often it failed before.
fn until_it_succeeds(verb: &Verb, course: &Course, shortage: Shortage, disk: &Path) -> usize {
    for (failures, rest) in [0, 1, 2, 3, 5, 10, 25, 50, 73, 74, 75, 76, 77].iter().enumerate() {
        for durability in [Durability::Atomic, Durability::Synced] {
            let (root, filler) = (disk.join("root"), disk.join("filler"));
            fs::create_dir(&root).unwrap();
            lay_out(&root);
            let store = block_on(open(&root, durability)).unwrap();
            shortage.take(&filler, *rest);
            let acted = block_on((verb.act)(&store));
            let (found, what) = (Tree::of(&root), format!("{}, {durability}, {rest}", verb.name));
            fs::remove_dir_all(&filler).unwrap();
            if let Err(error) = &acted {
                assert_eq!(error.kind(), ErrorKind::StorageFull, "{what}: {error}");
                assert!(error.to_string().starts_with(verb.says), "{what}: {error}");
                assert!(found == course.before, "{what}: {}", found.difference(&course.before));
                block_on((verb.act)(&store)).unwrap_or_else(|error| panic!("{what}, then {error}"));
            }
            let done = Tree::of(&root);
            assert!(done == course.after, "{what}: {}", done.difference(&course.after));
            fs::remove_dir_all(&root).unwrap();
            if acted.is_ok() && durability == Durability::Synced {
                return failures;
            }
        }
    }
    panic!("{} never succeeds", verb.name);
}

/// What the other process does: every verb on a disk that lacks what its task names.
#[test]
fn every_verb_without_room() {
    let Some((disk, task)) = child::task() else { return };
    let shortage = if task == "space" { Shortage::Space } else { Shortage::Inodes };
    for verb in VERBS {
        let failures = until_it_succeeds(verb, &verb.course(), shortage, &disk);
        let is_needed = match shortage {
            Shortage::Space => verb.cost == Cost::Space,
            Shortage::Inodes => matches!(verb.cost, Cost::Space | Cost::Inodes),
        };
        assert_eq!(failures > 0, is_needed, "{}: {failures} failures", verb.name);
    }
}

/// In a process of its own, as a process that another test is about to start has all open files for a moment, and keeps the room
/// that a deleted one has taken.
fn run_on_a_disk_without(what: &str, shortage: Shortage, test: &str) {
    let dir = tempfile::tempdir().unwrap();
    let options = ["-t", "tmpfs", "-o", shortage.options(), "f9"];
    match Mount::new(&options, dir.path()) {
        Ok(_disk) => Other::start("full_disk::every_verb_without_room", dir.path(), what).finish(),
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
