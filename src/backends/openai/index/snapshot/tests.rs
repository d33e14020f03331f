use std::collections::BTreeSet;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::*;
use crate::backends::openai::attributes::{FileMeta, Kind};
use crate::backends::openai::body::BodyEncoding;
use crate::backends::openai::list::info_of;
use crate::backends::openai::recent_writes::{ATTACHING_LAG, LISTINGS_LAG};
use crate::core::options::Depth;

fn path(text: &str) -> FilePath {
    FilePath::parse(text).unwrap()
}

fn entry(id: &str, kind: Kind, generation: u64) -> Entry {
    Entry {
        id: id.to_owned(),
        kind,
        generation,
        created_at: UNIX_EPOCH,
        modified_at: UNIX_EPOCH,
        attached_at: 0,
        expires_at: None,
    }
}

/// An entry at a path; a directory if the path ends in a slash.
fn listed(at: &str, id: &str, generation: u64) -> (FilePath, Entry) {
    let file = FileMeta { size: 1, encoding: BodyEncoding::Raw, sha256: None };
    let kind = if at.ends_with('/') { Kind::Directory } else { Kind::File(file) };
    (path(at), entry(id, kind, generation))
}

fn modified(at: SystemTime, (path, entry): (FilePath, Entry)) -> (FilePath, Entry) {
    (path, Entry { modified_at: at, ..entry })
}

impl Snapshot {
    /// Returns the visible entries: paths as in listings, with their ids.
    fn visible(&self) -> Vec<String> {
        let visible =
            self.entries.iter().map(|(key, node)| match entry_of(node).map(|entry| &entry.id) {
                Some(id) => format!("{key} {id}"),
                None => key.to_owned(),
            });
        visible.collect()
    }

    /// Returns the ids of the hidden entries.
    fn hidden_ids(&self) -> Vec<&str> {
        let mut ids: Vec<_> = self.hidden.iter().map(|hidden| hidden.entry.id.as_str()).collect();
        ids.sort_unstable();
        ids
    }

    fn put(&mut self, (path, entry): (FilePath, Entry)) {
        self.insert(&path, entry);
    }
}

fn listing_of(entries: &[(FilePath, Entry)]) -> Snapshot {
    let mut snapshot = Snapshot::default();
    snapshot.install(entries.to_vec(), Instant::now());
    snapshot
}

#[test]
fn explicit_and_implicit_directories_are_visible() {
    let snapshot = listing_of(&[
        listed("a/b/c", "1", 1),
        listed("made/", "2", 1),
        listed("a/b-", "3", 1),
        listed("made/below/", "4", 1),
    ]);
    let expected = ["a/", "a/b-", "a/b-", "a/b/", "a/b/c", "made/", "made/below/"];
    let keys: Vec<_> = snapshot.entries.iter().map(|(key, _)| key).collect();
    let distinct: BTreeSet<_> = expected.into();
    assert_eq!(keys, distinct.into_iter().collect::<Vec<_>>());
    assert_eq!(snapshot.visible(), ["a/", "a/b- 3", "a/b/", "a/b/c 1", "made/ 2", "made/below/ 4"]);
    assert_eq!(snapshot.hidden_ids(), [""; 0]);
    let infos = snapshot.entries.page(&FilePath::root(), Depth::One, None, 9, info_of).unwrap();
    assert_eq!(infos.iter().map(|info| info.path.as_str()).collect::<Vec<_>>(), ["a", "made"]);
}

#[test]
fn the_newest_of_many_versions_is_visible_in_any_order() {
    let late = UNIX_EPOCH + Duration::from_secs(9);
    let mut versions = [
        listed("a", "1", 1),
        listed("a", "3", 3),
        modified(late, listed("a", "2", 1)),
        listed("d/", "5", 0),
        modified(late, listed("d/", "6", 0)),
    ];
    for _ in 0..versions.len() {
        versions.rotate_left(1);
        let snapshot = listing_of(&versions);
        assert_eq!(snapshot.visible(), ["a 3", "d/ 6"]);
        assert_eq!(snapshot.hidden_ids(), ["1", "2", "5"]);
    }
    versions.reverse();
    assert_eq!(listing_of(&versions).visible(), ["a 3", "d/ 6"]);
}

#[test]
fn a_directory_with_entries_hides_a_file() {
    let snapshot = listing_of(&[
        listed("a", "1", 9),
        listed("a", "2", 1),
        listed("a-", "3", 1),
        listed("a/b", "4", 1),
        listed("a/b/c/d", "5", 1),
        listed("a0", "6", 1),
    ]);
    assert_eq!(snapshot.visible(), ["a- 3", "a/", "a/b/", "a/b/c/", "a/b/c/d 5", "a0 6"]);
    assert_eq!(snapshot.hidden_ids(), ["1", "2", "4"]);
}

#[test]
fn a_file_hides_an_empty_directory_but_not_one_with_entries() {
    let snapshot = listing_of(&[listed("a/", "1", 5), listed("a", "2", 1)]);
    assert_eq!(snapshot.visible(), ["a 2"]);
    assert_eq!(snapshot.hidden_ids(), ["1"]);
    let snapshot = listing_of(&[listed("a/", "1", 1), listed("a", "2", 5), listed("a/b", "3", 1)]);
    assert_eq!(snapshot.visible(), ["a/ 1", "a/b 3"]);
    assert_eq!(snapshot.hidden_ids(), ["2"]);
    let snapshot = listing_of(&[listed("a/", "1", 1), listed("a", "2", 5), listed("a/b/", "3", 1)]);
    assert_eq!(snapshot.visible(), ["a/ 1", "a/b/ 3"]);
    assert_eq!(snapshot.hidden_ids(), ["2"]);
}

#[test]
fn entries_that_are_no_longer_listed_disappear() {
    let mut snapshot =
        listing_of(&[listed("a", "1", 1), listed("d/b", "2", 1), listed("a", "3", 2)]);
    snapshot.install(vec![listed("c", "4", 1)], Instant::now());
    assert_eq!(snapshot.visible(), ["c 4"]);
    assert_eq!(snapshot.hidden_ids(), [""; 0]);
}

#[test]
fn a_new_version_hides_the_old_one_until_it_is_removed() {
    let mut snapshot = listing_of(&[listed("d/a", "1", 1)]);
    snapshot.put(listed("d/a", "2", 2));
    assert_eq!(snapshot.visible(), ["d/", "d/a 2"]);
    assert_eq!(snapshot.hidden_ids(), ["1"]);
    snapshot.put(listed("d/a", "2", 2));
    assert_eq!(snapshot.hidden_ids(), ["1"]);
    snapshot.remove(&path("d/a"), "1");
    assert_eq!(snapshot.visible(), ["d/", "d/a 2"]);
    assert_eq!(snapshot.hidden_ids(), [""; 0]);
}

#[test]
fn implicit_directories_disappear_with_their_last_entry() {
    let entries = [listed("a/b/c/d", "1", 1), listed("a/x", "2", 1), listed("made/", "3", 1)];
    let mut snapshot = listing_of(&entries);
    snapshot.put(listed("made/e/f", "4", 1));
    snapshot.remove(&path("a/b/c/d"), "1");
    assert_eq!(snapshot.visible(), ["a/", "a/x 2", "made/ 3", "made/e/", "made/e/f 4"]);
    snapshot.remove(&path("made/e/f"), "4");
    snapshot.remove(&path("a/x"), "2");
    assert_eq!(snapshot.visible(), ["made/ 3"]);
}

#[test]
fn a_directory_whose_entry_is_removed_stays_while_it_has_entries() {
    let mut snapshot = listing_of(&[listed("d/", "1", 1), listed("d/a", "2", 1)]);
    snapshot.remove(&path("d"), "1");
    assert_eq!(snapshot.visible(), ["d/", "d/a 2"]);
    snapshot.remove(&path("d/a"), "2");
    assert_eq!(snapshot.visible(), [""; 0]);
}

#[test]
fn only_the_entry_with_the_given_id_is_removed() {
    let mut snapshot = listing_of(&[listed("a", "1", 1), listed("d/", "2", 1)]);
    snapshot.remove(&path("a"), "2");
    snapshot.remove(&path("d"), "1");
    assert_eq!(snapshot.visible(), ["a 1", "d/ 2"]);
}

#[test]
fn removing_a_visible_entry_may_uncover_another() {
    let entries =
        [listed("a", "1", 1), listed("a", "2", 2), listed("d", "3", 1), listed("d/e", "4", 1)];
    let mut snapshot = listing_of(&entries);
    assert!(snapshot.remove(&path("a"), "2"));
    assert!(snapshot.rename(&path("d/e"), &path("e"), listed("e", "4", 2).1));
    let mut snapshot = listing_of(&entries);
    assert!(!snapshot.remove(&path("a"), "1"));
    assert!(!snapshot.remove(&path("a"), "2"));
}

#[test]
fn a_renamed_entry_leaves_nothing_at_its_old_path() {
    let mut snapshot = listing_of(&[listed("d/a", "1", 1), listed("e/b", "2", 1)]);
    let (to, moved) = listed("e/b", "1", 3);
    snapshot.rename(&path("d/a"), &to, moved);
    assert_eq!(snapshot.visible(), ["e/", "e/b 1"]);
    assert_eq!(snapshot.hidden_ids(), ["2"]);
}

/// Changes during a listing that started before them and returns the old state.
#[test]
fn a_listing_that_started_earlier_undoes_no_change() {
    let before = [
        listed("changed", "1", 1),
        listed("removed", "2", 1),
        listed("moved", "3", 1),
        listed("untouched", "4", 1),
    ];
    let mut snapshot = listing_of(&before);
    let began = Instant::now();
    snapshot.put(listed("changed", "5", 2));
    snapshot.remove(&path("changed"), "1");
    snapshot.remove(&path("removed"), "2");
    let (to, moved) = listed("there/moved", "3", 2);
    snapshot.rename(&path("moved"), &to, moved);
    snapshot.put(listed("new/", "6", 1));
    let after = snapshot.visible();
    assert_eq!(after, ["changed 5", "new/ 6", "there/", "there/moved 3", "untouched 4"]);
    snapshot.install(before.to_vec(), began);
    assert_eq!(snapshot.visible(), after);
    assert_eq!(snapshot.hidden_ids(), [""; 0]);
    // It may also have seen some of the changes.
    let part = [listed("changed", "5", 2), listed("moved", "3", 1), listed("untouched", "4", 1)];
    snapshot.install(part.to_vec(), began);
    assert_eq!(snapshot.visible(), after);
    // A later listing is up to date.
    snapshot.install(vec![listed("untouched", "4", 1)], Instant::now());
    assert_eq!(snapshot.visible(), ["untouched 4"]);
}

#[test]
fn removed_entries_stay_hidden_while_they_are_listed() {
    let before = [listed("a", "1", 1), listed("b", "2", 1)];
    let mut snapshot = listing_of(&before);
    snapshot.remove(&path("a"), "1");
    for _ in 0..3 {
        snapshot.install(before.to_vec(), Instant::now());
        assert_eq!(snapshot.visible(), ["b 2"]);
    }
    // For as long as they are listed, however long that is.
    snapshot.recent_writes.back_date("1", LISTINGS_LAG * 2);
    snapshot.install(before.to_vec(), Instant::now());
    snapshot.install(before.to_vec(), Instant::now());
    assert_eq!(snapshot.visible(), ["b 2"]);
    snapshot.recent_writes.back_date("1", LISTINGS_LAG * 2);
    snapshot.install(vec![listed("b", "2", 1)], Instant::now());
    assert!(snapshot.recent_writes.len() == 0, "entries that are no longer listed are dropped");
}

#[test]
fn a_renamed_entry_stays_at_its_new_path_while_the_listing_lags() {
    let before = [listed("a", "1", 1)];
    let mut snapshot = listing_of(&before);
    let (to, moved) = listed("b", "1", 2);
    snapshot.rename(&path("a"), &to, moved);
    snapshot.install(before.to_vec(), Instant::now());
    assert_eq!(snapshot.visible(), ["b 1"]);
    // Moved again by another process.
    snapshot.install(vec![listed("c", "1", 3)], Instant::now());
    assert_eq!(snapshot.visible(), ["c 1"]);
    // Or replaced as a whole.
    snapshot.install(vec![listed("b", "2", 3)], Instant::now());
    assert_eq!(snapshot.visible(), ["b 2"]);
}

#[test]
fn recent_attachments_missing_in_a_listing_are_looked_up() {
    let mut snapshot = Snapshot::default();
    snapshot.put(listed("a", "1", 1));
    snapshot.put(listed("b", "2", 1));
    snapshot.put(listed("c", "3", 1));
    snapshot.remove(&path("c"), "3");
    let now = Instant::now();
    assert_eq!(snapshot.recent_writes.missing(&[], now), ["1", "2"]);
    assert_eq!(snapshot.recent_writes.missing(&[listed("a", "1", 1)], now), ["2"]);
    snapshot.recent_writes.back_date("2", ATTACHING_LAG);
    assert_eq!(snapshot.recent_writes.missing(&[], Instant::now()), ["1"]);
}

#[test]
fn old_changes_are_dropped() {
    let mut snapshot = Snapshot::default();
    snapshot.put(listed("a", "1", 1));
    snapshot.recent_writes.back_date("1", LISTINGS_LAG);
    snapshot.install(vec![listed("a", "1", 1)], Instant::now());
    assert!(snapshot.recent_writes.len() == 0);
    assert_eq!(snapshot.visible(), ["a 1"]);
}
