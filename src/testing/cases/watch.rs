//! A watch reports every change below its directory.

use std::time::Duration;

use futures::StreamExt as _;

use crate::core::change::{Change, ChangeStream};
use crate::core::error::ErrorKind;
use crate::core::options::{CreateDirOptions, DeleteOptions, Depth, RenameOptions, WatchOptions};
use crate::core::path::FilePath;
use crate::prelude::*;
use crate::testing::Fixture;
use crate::testing::expect::refused;

/// Only a watch that loses a change takes this long.
const LIMIT: Duration = Duration::from_secs(120);

/// The file that ends what a case waits for.
const LAST: &str = "last";

/// The changes of a store, and those that were seen.
struct Watched {
    changes: ChangeStream<'static>,
    seen: Vec<Change>,
}

impl Watched {
    async fn start(files: &dyn AsyncFileBackend, prefix: &str) -> Self {
        Self::with(files, prefix, WatchOptions::default()).await
    }

    async fn with(files: &dyn AsyncFileBackend, prefix: &str, options: WatchOptions) -> Self {
        let changes = files.watch_with(prefix, options).await.unwrap();
        Self { changes, seen: Vec::new() }
    }

    async fn next(&mut self) -> Option<Change> {
        let next = tokio::time::timeout(LIMIT, self.changes.next()).await;
        let next = next.unwrap_or_else(|_| panic!("no change was reported after {:?}", self.seen));
        let next = next.transpose().unwrap()?;
        self.seen.push(next.clone());
        Some(next)
    }

    /// Waits for a change.
    async fn until(&mut self, is_awaited: impl Fn(&Change) -> bool) -> Change {
        loop {
            let Some(change) = self.next().await else {
                panic!("the watch ended after {:?}", self.seen)
            };
            // A store may miss changes, and then asks for a new listing. No case makes that many changes.
            assert!(!matches!(change, Change::Rescan(_)), "missed changes after {:?}", self.seen);
            if is_awaited(&change) {
                return change;
            }
        }
    }

    /// Creates a file, and returns all changes up to it, which is not one of them.
    async fn up_to_now(&mut self, files: &dyn AsyncFileBackend, directory: &str) -> Vec<Change> {
        let last = path(directory).join(LAST).unwrap();
        files.create(&last, "x").await.unwrap();
        self.until(|change| *change == Change::Created(last.clone())).await;
        files.delete(&last).await.unwrap();
        self.until(|change| *change == Change::Removed(last.clone())).await;
        let mut seen = std::mem::take(&mut self.seen);
        seen.retain(|change| *change.path() != last);
        seen
    }
}

fn path(text: &str) -> FilePath {
    FilePath::parse(text).unwrap()
}

pub async fn a_created_file_is_reported(store: &dyn Fixture) {
    let files = store.backend().await;
    let mut watched = Watched::start(&*files, "").await;
    files.create("a.txt", "x").await.unwrap();
    assert_eq!(watched.up_to_now(&*files, "").await, [Change::Created(path("a.txt"))]);
}

pub async fn a_modified_file_is_reported_as_one_change(store: &dyn Fixture) {
    let files = store.backend().await;
    files.create("a.txt", "x").await.unwrap();
    let mut watched = Watched::start(&*files, "").await;
    files.update("a.txt", "new").await.unwrap();
    assert_eq!(watched.up_to_now(&*files, "").await, [Change::Modified(path("a.txt"))]);
}

pub async fn a_removed_file_is_reported(store: &dyn Fixture) {
    let files = store.backend().await;
    files.create("a.txt", "x").await.unwrap();
    let mut watched = Watched::start(&*files, "").await;
    files.delete("a.txt").await.unwrap();
    assert_eq!(watched.up_to_now(&*files, "").await, [Change::Removed(path("a.txt"))]);
}

pub async fn a_renamed_file_is_reported_with_both_paths(store: &dyn Fixture) {
    let files = store.backend().await;
    files.create("old.txt", "x").await.unwrap();
    files.create("dir/other.txt", "x").await.unwrap();
    let mut watched = Watched::start(&*files, "").await;
    files.rename("old.txt", "dir/new.txt").await.unwrap();
    let renamed = Change::Renamed { from: path("old.txt"), to: path("dir/new.txt") };
    assert_eq!(watched.up_to_now(&*files, "").await, [renamed]);
}

pub async fn a_directory_that_is_renamed_at_once_is_not_reported_twice(store: &dyn Fixture) {
    let files = store.backend().await;
    let mut watched = Watched::start(&*files, "").await;
    for round in 0..20 {
        let (old, new) = (format!("{round}"), format!("new {round}"));
        files.create_dir(&old).await.unwrap();
        files.rename(&old, &new).await.unwrap();
        let renamed = Change::Renamed { from: path(&old), to: path(&new) };
        let expected = [Change::Created(path(&old)), renamed];
        assert_eq!(watched.up_to_now(&*files, "").await, expected);
        files.create(&format!("{new}/a"), "x").await.unwrap();
        let created = Change::Created(path(&format!("{new}/a")));
        assert_eq!(watched.up_to_now(&*files, "").await, [created]);
    }
}

pub async fn a_renamed_directory_is_reported_and_still_watched(store: &dyn Fixture) {
    let files = store.backend().await;
    files.create("old/deep/a.txt", "x").await.unwrap();
    let mut watched = Watched::start(&*files, "").await;
    files.rename("old", "new").await.unwrap();
    let renamed = Change::Renamed { from: path("old"), to: path("new") };
    watched.until(|change| *change == renamed).await;
    files.create("new/deep/b.txt", "x").await.unwrap();
    watched.until(|change| *change == Change::Created(path("new/deep/b.txt"))).await;
}

pub async fn files_in_new_directories_are_not_missed(store: &dyn Fixture) {
    let files = store.backend().await;
    let mut watched = Watched::start(&*files, "").await;
    for round in 0..store.scale().pick(100, 20) {
        let file = format!("{round}/file");
        files.create(&file, "x").await.unwrap();
        watched.until(|change| *change == Change::Created(path(&file))).await;
        assert!(watched.seen.contains(&Change::Created(path(&round.to_string()))));
        watched.seen.clear();
    }
}

pub async fn a_deep_tree_that_is_made_at_once_is_reported_in_full(store: &dyn Fixture) {
    let files = store.backend().await;
    let mut watched = Watched::start(&*files, "").await;
    let mut expected = Vec::new();
    for tree in 0..10 {
        let mut dir = format!("tree-{tree}");
        for depth in 0..10 {
            expected.push(Change::Created(path(&dir)));
            let file = format!("{dir}/file");
            files.create(&file, "x").await.unwrap();
            expected.push(Change::Created(path(&file)));
            dir = format!("{dir}/{depth}");
        }
    }
    while let Some(missing) = expected.iter().find(|change| !watched.seen.contains(change)) {
        let missing = missing.clone();
        watched.until(|change| *change == missing).await;
    }
}

pub async fn a_removed_directory_takes_everything_below_it_along(store: &dyn Fixture) {
    let files = store.backend().await;
    files.create("dir/deep/a.txt", "x").await.unwrap();
    let mut watched = Watched::start(&*files, "").await;
    files.delete_with("dir", DeleteOptions::recursive()).await.unwrap();
    watched.until(|change| *change == Change::Removed(path("dir"))).await;
    files.create("dir/deep/a.txt", "x").await.unwrap();
    watched.until(|change| *change == Change::Created(path("dir/deep/a.txt"))).await;
}

pub async fn only_changes_below_the_prefix_are_reported(store: &dyn Fixture) {
    let files = store.backend().await;
    files.create("dir/a.txt", "x").await.unwrap();
    files.create("directory/a.txt", "x").await.unwrap();
    let mut watched = Watched::start(&*files, "dir").await;
    files.create("b.txt", "x").await.unwrap();
    files.update("directory/a.txt", "new").await.unwrap();
    files.rename("b.txt", "dir/b.txt").await.unwrap();
    files.rename("dir/a.txt", "c.txt").await.unwrap();
    let expected = [Change::Created(path("dir/b.txt")), Change::Removed(path("dir/a.txt"))];
    let seen = watched.up_to_now(&*files, "dir").await;
    assert_eq!(seen.len(), 2, "{seen:?}");
    assert!(expected.iter().all(|change| seen.contains(change)), "{seen:?}");
}

pub async fn a_watch_of_depth_one_reports_only_direct_entries(store: &dyn Fixture) {
    let files = store.backend().await;
    files.create("dir/a.txt", "x").await.unwrap();
    let options = WatchOptions::default().with_depth(Depth::One);
    let mut watched = Watched::with(&*files, "", options).await;
    files.create("dir/b.txt", "x").await.unwrap();
    files.create("dir/deep/c.txt", "x").await.unwrap();
    files.create("new/d.txt", "x").await.unwrap();
    assert_eq!(watched.up_to_now(&*files, "").await, [Change::Created(path("new"))]);
}

pub async fn a_burst_of_writes_is_a_few_changes_and_the_last_follows_the_last_write(
    store: &dyn Fixture,
) {
    let files = store.backend().await;
    files.create("a.txt", "0").await.unwrap();
    let mut watched = Watched::start(&*files, "").await;
    let writes = store.scale().pick(200, 50);
    for round in 1..=writes {
        files.update("a.txt", round.to_string()).await.unwrap();
    }
    let seen = watched.up_to_now(&*files, "").await;
    let modified = Change::Modified(path("a.txt"));
    assert!(seen.iter().all(|change| *change == modified), "{seen:?}");
    assert!((1..=5).contains(&seen.len()), "{} changes for {writes} writes", seen.len());
    for round in 0..5 {
        files.update("a.txt", format!("again {round}")).await.unwrap();
        watched.until(|change| *change == modified).await;
    }
}

pub async fn a_watch_reports_a_new_directory(store: &dyn Fixture) {
    let files = store.backend().await;
    let mut watched = Watched::start(&*files, "").await;
    files.create_dir_with("dir", CreateDirOptions::default()).await.unwrap();
    assert_eq!(watched.up_to_now(&*files, "").await, [Change::Created(path("dir"))]);
}

pub async fn a_watch_hides_the_internal_files_of_f9(store: &dyn Fixture) {
    let files = store.backend().await;
    files.create("dir/a.txt", "x").await.unwrap();
    // Without a settle time, nothing is merged.
    let options = WatchOptions::default().with_settle(Duration::ZERO);
    let mut watched = Watched::with(&*files, "", options).await;
    let session = files.sync_session().await.unwrap();
    files.update("dir/a.txt", "new").await.unwrap();
    files.create("dir/b.txt", "x").await.unwrap();
    files.copy("dir/b.txt", "dir/c.txt").await.unwrap();
    files.rename_with("dir/b.txt", "dir/a.txt", RenameOptions::overwrite()).await.unwrap();
    files.delete("dir/c.txt").await.unwrap();
    session.finish().await.unwrap();
    let mut seen = watched.up_to_now(&*files, "").await;
    assert_eq!(seen[0], Change::Modified(path("dir/a.txt")));
    // Closing a new file may be a change of its own.
    seen.retain(|change| !matches!(change, Change::Modified(_)));
    let expected = [
        Change::Created(path("dir/b.txt")),
        Change::Created(path("dir/c.txt")),
        Change::Renamed { from: path("dir/b.txt"), to: path("dir/a.txt") },
        Change::Removed(path("dir/c.txt")),
    ];
    assert_eq!(seen, expected);
}

pub async fn several_watches_report_the_same_changes_and_can_be_dropped(store: &dyn Fixture) {
    let files = store.backend().await;
    let mut first = Watched::start(&*files, "").await;
    let second = Watched::start(&*files, "").await;
    files.create("a.txt", "x").await.unwrap();
    drop(second);
    files.create("b.txt", "x").await.unwrap();
    let mut third = Watched::start(&*files, "").await;
    for created in ["a.txt", "b.txt"] {
        first.until(|change| *change == Change::Created(path(created))).await;
    }
    files.create("c.txt", "x").await.unwrap();
    for watched in [&mut first, &mut third] {
        watched.until(|change| *change == Change::Created(path("c.txt"))).await;
    }
    assert!(!third.seen.contains(&Change::Created(path("a.txt"))), "{:?}", third.seen);
}

pub async fn a_watch_ends_when_its_directory_is_removed_or_renamed(store: &dyn Fixture) {
    let files = store.backend().await;
    for (dir, is_renamed) in [("a", false), ("b", true), ("c/d", true)] {
        files.create(&format!("{dir}/file"), "x").await.unwrap();
        let mut watched = Watched::start(&*files, dir).await;
        let top = dir.split('/').next().unwrap();
        if is_renamed {
            files.rename(top, &format!("{top}-renamed")).await.unwrap();
        } else {
            files.delete_with(top, DeleteOptions::recursive()).await.unwrap();
        }
        watched.until(|change| *change == Change::Removed(path(dir))).await;
        assert_eq!(watched.next().await, None);
    }
}

pub async fn a_watch_ends_when_its_directory_is_replaced(store: &dyn Fixture) {
    let files = store.backend().await;
    files.create_dir("old").await.unwrap();
    files.create("new/file", "x").await.unwrap();
    let mut watched = Watched::start(&*files, "old").await;
    files.rename_with("new", "old", RenameOptions::overwrite()).await.unwrap();
    watched.until(|change| *change == Change::Removed(path("old"))).await;
    assert_eq!(watched.next().await, None);
}

pub async fn watching_a_missing_path_or_a_file_fails(store: &dyn Fixture) {
    let files = store.backend().await;
    files.create("a.txt", "x").await.unwrap();
    let watch = async |path| files.watch_with(path, WatchOptions::default()).await.map(drop);
    refused(watch("missing").await, ErrorKind::NotFound);
    refused(watch("missing/deep").await, ErrorKind::NotFound);
    refused(watch("a.txt").await, ErrorKind::NotADirectory);
    refused(watch("a.txt/below").await, ErrorKind::NotADirectory);
    refused(watch("../outside").await, ErrorKind::PathEscapesRoot);
}
