use std::time::{SystemTime, UNIX_EPOCH};

use std::collections::BTreeSet;

use super::own::{ATTACHING_LAG, LISTINGS_LAG};
use super::*;
use crate::Depth;
use crate::backends::openai::attributes::{FileKind, Kind};
use crate::backends::openai::body::BodyEncoding;
use crate::backends::openai::store::info_of;

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
    }
}

/// An entry at a path, which is a directory if the path ends in a slash.
fn listed(at: &str, id: &str, generation: u64) -> (FilePath, Entry) {
    let file = FileKind { size: 1, encoding: BodyEncoding::Raw, sha256: None };
    let kind = if at.ends_with('/') { Kind::Directory } else { Kind::File(file) };
    (path(at), entry(id, kind, generation))
}

fn modified(at: SystemTime, (path, entry): (FilePath, Entry)) -> (FilePath, Entry) {
    (path, Entry { modified_at: at, ..entry })
}

impl Known {
    /// What is seen: paths as in listings, with the ids of the entries that stand for them.
    fn seen(&self) -> Vec<String> {
        let seen = self.entries.iter().map(|(key, node)| match id_of(node) {
            Some(id) => format!("{key} {id}"),
            None => key.to_owned(),
        });
        seen.collect()
    }

    /// The ids of what is not.
    fn unseen(&self) -> Vec<&str> {
        let mut ids: Vec<_> = self.hidden.iter().map(|hidden| hidden.entry.id.as_str()).collect();
        ids.sort_unstable();
        ids
    }

    fn put(&mut self, (path, entry): (FilePath, Entry)) {
        self.insert(&path, entry);
    }
}

fn looked(entries: &[(FilePath, Entry)]) -> Known {
    let mut known = Known::default();
    known.install(entries.to_vec(), Instant::now());
    known
}

#[test]
fn directories_are_those_that_were_made_and_those_on_the_way() {
    let known = looked(&[
        listed("a/b/c", "1", 1),
        listed("made/", "2", 1),
        listed("a/b-", "3", 1),
        listed("made/below/", "4", 1),
    ]);
    let expected = ["a/", "a/b-", "a/b-", "a/b/", "a/b/c", "made/", "made/below/"];
    let keys: Vec<_> = known.entries.iter().map(|(key, _)| key).collect();
    let distinct: BTreeSet<_> = expected.into();
    assert_eq!(keys, distinct.into_iter().collect::<Vec<_>>());
    assert_eq!(known.seen(), ["a/", "a/b- 3", "a/b/", "a/b/c 1", "made/ 2", "made/below/ 4"]);
    assert_eq!(known.unseen(), [""; 0]);
    let infos = known.entries.page(&FilePath::root(), Depth::One, None, 9, info_of).unwrap();
    assert_eq!(infos.iter().map(|info| info.path.as_str()).collect::<Vec<_>>(), ["a", "made"]);
}

#[test]
fn of_many_versions_the_newest_is_seen_in_whatever_order_they_are_listed() {
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
        let known = looked(&versions);
        assert_eq!(known.seen(), ["a 3", "d/ 6"]);
        assert_eq!(known.unseen(), ["1", "2", "5"]);
    }
    versions.reverse();
    assert_eq!(looked(&versions).seen(), ["a 3", "d/ 6"]);
}

#[test]
fn a_file_in_the_way_of_what_lies_below_it_is_not_seen() {
    let known = looked(&[
        listed("a", "1", 9),
        listed("a", "2", 1),
        listed("a-", "3", 1),
        listed("a/b", "4", 1),
        listed("a/b/c/d", "5", 1),
        listed("a0", "6", 1),
    ]);
    assert_eq!(known.seen(), ["a- 3", "a/", "a/b/", "a/b/c/", "a/b/c/d 5", "a0 6"]);
    assert_eq!(known.unseen(), ["1", "2", "4"]);
}

#[test]
fn an_empty_directory_makes_way_for_a_file_and_one_with_entries_does_not() {
    let known = looked(&[listed("a/", "1", 5), listed("a", "2", 1)]);
    assert_eq!(known.seen(), ["a 2"]);
    assert_eq!(known.unseen(), ["1"]);
    let known = looked(&[listed("a/", "1", 1), listed("a", "2", 5), listed("a/b", "3", 1)]);
    assert_eq!(known.seen(), ["a/ 1", "a/b 3"]);
    assert_eq!(known.unseen(), ["2"]);
    let known = looked(&[listed("a/", "1", 1), listed("a", "2", 5), listed("a/b/", "3", 1)]);
    assert_eq!(known.seen(), ["a/ 1", "a/b/ 3"]);
    assert_eq!(known.unseen(), ["2"]);
}

#[test]
fn what_was_known_is_gone_when_it_is_not_listed() {
    let mut known = looked(&[listed("a", "1", 1), listed("d/b", "2", 1), listed("a", "3", 2)]);
    known.install(vec![listed("c", "4", 1)], Instant::now());
    assert_eq!(known.seen(), ["c 4"]);
    assert_eq!(known.unseen(), [""; 0]);
}

#[test]
fn a_new_version_hides_the_old_one_until_that_is_removed() {
    let mut known = looked(&[listed("d/a", "1", 1)]);
    known.put(listed("d/a", "2", 2));
    assert_eq!(known.seen(), ["d/", "d/a 2"]);
    assert_eq!(known.unseen(), ["1"]);
    known.put(listed("d/a", "2", 2));
    assert_eq!(known.unseen(), ["1"]);
    known.remove(&path("d/a"), "1");
    assert_eq!(known.seen(), ["d/", "d/a 2"]);
    assert_eq!(known.unseen(), [""; 0]);
}

#[test]
fn directories_on_the_way_go_with_the_last_entry() {
    let entries = [listed("a/b/c/d", "1", 1), listed("a/x", "2", 1), listed("made/", "3", 1)];
    let mut known = looked(&entries);
    known.put(listed("made/e/f", "4", 1));
    known.remove(&path("a/b/c/d"), "1");
    assert_eq!(known.seen(), ["a/", "a/x 2", "made/ 3", "made/e/", "made/e/f 4"]);
    known.remove(&path("made/e/f"), "4");
    known.remove(&path("a/x"), "2");
    assert_eq!(known.seen(), ["made/ 3"]);
}

#[test]
fn a_directory_whose_entry_is_removed_stays_for_what_lies_below() {
    let mut known = looked(&[listed("d/", "1", 1), listed("d/a", "2", 1)]);
    known.remove(&path("d"), "1");
    assert_eq!(known.seen(), ["d/", "d/a 2"]);
    known.remove(&path("d/a"), "2");
    assert_eq!(known.seen(), [""; 0]);
}

#[test]
fn only_the_entry_that_is_named_is_removed() {
    let mut known = looked(&[listed("a", "1", 1), listed("d/", "2", 1)]);
    known.remove(&path("a"), "2");
    known.remove(&path("d"), "1");
    assert_eq!(known.seen(), ["a 1", "d/ 2"]);
}

#[test]
fn what_is_removed_may_have_hidden_another() {
    let entries =
        [listed("a", "1", 1), listed("a", "2", 2), listed("d", "3", 1), listed("d/e", "4", 1)];
    let mut known = looked(&entries);
    assert!(known.remove(&path("a"), "2"));
    assert!(known.rename(&path("d/e"), &path("e"), listed("e", "4", 2).1));
    let mut known = looked(&entries);
    assert!(!known.remove(&path("a"), "1"));
    assert!(!known.remove(&path("a"), "2"));
}

#[test]
fn a_renamed_entry_leaves_nothing_behind() {
    let mut known = looked(&[listed("d/a", "1", 1), listed("e/b", "2", 1)]);
    let (to, moved) = listed("e/b", "1", 3);
    known.rename(&path("d/a"), &to, moved);
    assert_eq!(known.seen(), ["e/", "e/b 1"]);
    assert_eq!(known.unseen(), ["2"]);
}

/// What happened while a look was under way that began before and answers with what was there then.
#[test]
fn a_look_that_began_before_undoes_nothing() {
    let before = [
        listed("changed", "1", 1),
        listed("removed", "2", 1),
        listed("moved", "3", 1),
        listed("untouched", "4", 1),
    ];
    let mut known = looked(&before);
    let began = Instant::now();
    known.put(listed("changed", "5", 2));
    known.remove(&path("changed"), "1");
    known.remove(&path("removed"), "2");
    let (to, moved) = listed("there/moved", "3", 2);
    known.rename(&path("moved"), &to, moved);
    known.put(listed("new/", "6", 1));
    let after = known.seen();
    assert_eq!(after, ["changed 5", "new/ 6", "there/", "there/moved 3", "untouched 4"]);
    known.install(before.to_vec(), began);
    assert_eq!(known.seen(), after);
    assert_eq!(known.unseen(), [""; 0]);
    // It may also have seen a part of it.
    let part = [listed("changed", "5", 2), listed("moved", "3", 1), listed("untouched", "4", 1)];
    known.install(part.to_vec(), began);
    assert_eq!(known.seen(), after);
    // One that began later knows better.
    known.install(vec![listed("untouched", "4", 1)], Instant::now());
    assert_eq!(known.seen(), ["untouched 4"]);
}

#[test]
fn removed_entries_that_are_still_listed_stay_away() {
    let before = [listed("a", "1", 1), listed("b", "2", 1)];
    let mut known = looked(&before);
    known.remove(&path("a"), "1");
    for _ in 0..3 {
        known.install(before.to_vec(), Instant::now());
        assert_eq!(known.seen(), ["b 2"]);
    }
    // For as long as they are listed, however long that is.
    known.own.back_date("1", LISTINGS_LAG * 2);
    known.install(before.to_vec(), Instant::now());
    known.install(before.to_vec(), Instant::now());
    assert_eq!(known.seen(), ["b 2"]);
    known.own.back_date("1", LISTINGS_LAG * 2);
    known.install(vec![listed("b", "2", 1)], Instant::now());
    assert!(known.own.len() == 0, "what is no longer listed is forgotten");
}

#[test]
fn a_renamed_entry_is_where_it_was_moved_while_it_is_listed_with_its_old_attributes() {
    let before = [listed("a", "1", 1)];
    let mut known = looked(&before);
    let (to, moved) = listed("b", "1", 2);
    known.rename(&path("a"), &to, moved);
    known.install(before.to_vec(), Instant::now());
    assert_eq!(known.seen(), ["b 1"]);
    // Moved on by somebody else since.
    known.install(vec![listed("c", "1", 3)], Instant::now());
    assert_eq!(known.seen(), ["c 1"]);
    // Or replaced as a whole.
    known.install(vec![listed("b", "2", 3)], Instant::now());
    assert_eq!(known.seen(), ["b 2"]);
}

#[test]
fn entries_attached_a_moment_ago_that_are_not_listed_are_asked_for() {
    let mut known = Known::default();
    known.put(listed("a", "1", 1));
    known.put(listed("b", "2", 1));
    known.put(listed("c", "3", 1));
    known.remove(&path("c"), "3");
    let now = Instant::now();
    assert_eq!(known.own.missing(&[], now), ["1", "2"]);
    assert_eq!(known.own.missing(&[listed("a", "1", 1)], now), ["2"]);
    known.own.back_date("2", ATTACHING_LAG);
    assert_eq!(known.own.missing(&[], Instant::now()), ["1"]);
}

#[test]
fn what_is_new_is_forgotten_to_be_new() {
    let mut known = Known::default();
    known.put(listed("a", "1", 1));
    known.own.back_date("1", LISTINGS_LAG);
    known.install(vec![listed("a", "1", 1)], Instant::now());
    assert!(known.own.len() == 0);
    assert_eq!(known.seen(), ["a 1"]);
}
