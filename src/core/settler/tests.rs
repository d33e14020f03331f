//! Which changes are merged, and when they are reported. The time is an argument.

use super::Happened::{Created, Modified, Removed};
use super::*;

const SETTLE: Duration = Duration::from_millis(50);

fn path(text: &str) -> FilePath {
    FilePath::parse(text).unwrap()
}

fn renamed(from: &str, to: &str) -> Change {
    Change::Renamed { from: path(from), to: path(to) }
}

struct Clock {
    settler: Settler,
    now: Instant,
}

impl Clock {
    fn new(settle: Duration) -> Self {
        Self { settler: Settler::new(path("top"), settle), now: Instant::now() }
    }

    fn file(&mut self, happened: Happened, path: &str) {
        self.settler.add(happened, path.to_owned(), false, self.now);
    }

    fn dir(&mut self, happened: Happened, path: &str) {
        self.settler.add(happened, path.to_owned(), true, self.now);
    }

    fn rename(&mut self, from: &str, to: &str, is_dir: bool) {
        self.settler.add_rename((from.to_owned(), to.to_owned()), is_dir, false, self.now);
    }

    fn due(&mut self) -> Vec<Change> {
        std::iter::from_fn(|| self.settler.next(self.now)).collect()
    }

    fn later(&mut self, settles: u32) -> Vec<Change> {
        self.now += SETTLE * settles;
        self.due()
    }
}

#[test]
fn changes_of_an_entry_that_follow_closely_are_one() {
    let both = |first, second| {
        let mut clock = Clock::new(SETTLE);
        clock.file(first, "a");
        clock.file(second, "a");
        assert_eq!(clock.due(), []);
        clock.later(1)
    };
    assert_eq!(both(Created, Modified), [Change::Created(path("a"))]);
    assert_eq!(both(Created, Removed), []);
    assert_eq!(both(Modified, Modified), [Change::Modified(path("a"))]);
    assert_eq!(both(Modified, Removed), [Change::Removed(path("a"))]);
    assert_eq!(both(Removed, Created), [Change::Modified(path("a"))]);
}

#[test]
fn a_directory_that_replaces_an_entry_is_a_change_of_its_own() {
    let mut clock = Clock::new(SETTLE);
    clock.dir(Removed, "a");
    clock.dir(Created, "a");
    clock.file(Removed, "b");
    clock.dir(Created, "b");
    let expected = [
        Change::Removed(path("a")),
        Change::Removed(path("b")),
        Change::Created(path("a")),
        Change::Created(path("b")),
    ];
    assert_eq!(clock.later(1), expected);
}

#[test]
fn an_entry_is_reported_when_it_is_quiet_and_a_busy_one_from_time_to_time() {
    let mut clock = Clock::new(SETTLE);
    let mut reports = 0;
    for _ in 0..10 * LONGEST_WAIT {
        clock.file(Modified, "a");
        clock.now += SETTLE / 2;
        reports += clock.due().len();
    }
    assert_eq!(reports, 5);
    clock.file(Modified, "a");
    assert_eq!(clock.later(2), [Change::Modified(path("a"))]);
    assert_eq!(clock.settler.next_due(), None);
}

#[test]
fn without_a_settle_time_every_change_is_reported() {
    let mut clock = Clock::new(Duration::ZERO);
    clock.file(Created, "a");
    clock.file(Modified, "a");
    clock.file(Removed, "a");
    let a = || path("a");
    assert_eq!(clock.due(), [Change::Created(a()), Change::Modified(a()), Change::Removed(a())]);
}

#[test]
fn a_removed_directory_takes_the_changes_below_it_along() {
    let mut clock = Clock::new(SETTLE);
    for below in ["d/a", "d/b/c", "d-", "d0"] {
        clock.file(Modified, below);
    }
    clock.settler.add_rescan("d", clock.now);
    clock.dir(Removed, "d");
    let expected = ["d-", "d0"].map(|other| Change::Modified(path(other)));
    assert_eq!(clock.later(1)[..2], expected);
}

#[test]
fn a_new_file_that_is_renamed_is_new_at_its_new_path() {
    let mut clock = Clock::new(SETTLE);
    clock.file(Created, "draft");
    clock.rename("draft", "final", false);
    assert_eq!(clock.later(1), [Change::Created(path("final"))]);
    clock.file(Created, "draft");
    let names = ("draft".to_owned(), "final".to_owned());
    clock.settler.add_rename(names, false, true, clock.now);
    assert_eq!(clock.later(1), [Change::Modified(path("final"))]);
}

#[test]
fn a_rename_comes_after_all_earlier_changes_of_both_paths() {
    let mut clock = Clock::new(SETTLE);
    clock.dir(Created, "new");
    clock.file(Modified, "a/b");
    clock.file(Modified, "c");
    clock.rename("a", "new/a", true);
    clock.file(Modified, "new/a/b");
    let expected =
        [Change::Modified(path("a/b")), Change::Created(path("new")), renamed("a", "new/a")];
    assert_eq!(clock.due(), expected);
    assert_eq!(clock.later(1), [Change::Modified(path("c")), Change::Modified(path("new/a/b"))]);
}

#[test]
fn a_directory_comes_before_its_entries_even_if_it_changes_again() {
    let mut clock = Clock::new(SETTLE);
    clock.dir(Created, "d");
    clock.file(Created, "d/a");
    clock.now += SETTLE / 2;
    clock.dir(Modified, "d");
    assert_eq!(clock.later(1), [Change::Created(path("d")), Change::Created(path("d/a"))]);
}

#[test]
fn more_changes_than_may_wait_are_reported_early() {
    let mut clock = Clock::new(SETTLE);
    let count = 100_000;
    for i in 0..count {
        clock.file(Created, &format!("file-{i:06}"));
    }
    let early = clock.due().len();
    assert!(early > count / 2, "{early}");
    assert_eq!(early + clock.later(1).len(), count);
    assert_eq!((clock.settler.waiting_bytes, clock.settler.ready_bytes), (0, 0));
}

#[test]
fn more_changes_than_fit_are_one_rescan() {
    let mut clock = Clock::new(SETTLE);
    for i in 0..300_000 {
        clock.file(Created, &format!("file-{i:06}"));
    }
    let changes = clock.later(1);
    assert_eq!(changes[0], Change::Rescan(path("top")));
    assert!(changes.len() < 300_000);
    assert!(changes[1..].iter().all(|change| matches!(change, Change::Created(_))));
}

#[test]
fn repeated_rescans_of_a_directory_are_one() {
    let mut clock = Clock::new(SETTLE);
    for _ in 0..3 {
        clock.settler.add_rescan("a", clock.now);
        clock.settler.add_rescan("", clock.now);
    }
    assert_eq!(clock.later(1), [Change::Rescan(path("a")), Change::Rescan(path(""))]);
}
