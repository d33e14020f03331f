//! Every kind of conflict, resolved in every way, with either side as the local one.

use std::path::Path;

use f9::prelude::*;
use f9::{ErrorKind, GitSyncFileBackend};

use super::{
    Divergence, RESOLVED, Resolution, Snapshot, assert_equals_remote, commit_each, copy, report,
    resolve, snapshot,
};
use crate::clones::opened;
use crate::remote::{Change, Remote};

#[derive(Default)]
struct Kind {
    base: Vec<Change>,
    one: Vec<Change>,
    other: Vec<Change>,
    /// The report if `one` is local: each conflict as `status kind path`.
    report: Vec<&'static str>,
    /// The difference of the result from `one`, if that side is accepted.
    one_accepted: Vec<Change>,
    /// The difference of the result from `other`, if that side is accepted.
    other_accepted: Vec<Change>,
    /// The difference of the result from `one`, if each path is resolved with content. If this is empty, that content is the difference.
    resolved: Vec<Change>,
    /// The same if `other` is local, where the result depends on that.
    resolved_at_other: Option<Vec<Change>>,
}

/// A [`Kind`] with one of its sides as the local one.
struct Side<'a> {
    kind: &'a Kind,
    one_is_local: bool,
}

impl Kind {
    /// Checks the report and every resolution.
    async fn check(self) {
        for one_is_local in [true, false] {
            Side { kind: &self, one_is_local }.check().await;
        }
    }
}

impl Side<'_> {
    async fn check(&self) {
        let Kind { base, one, other, .. } = self.kind;
        let (local, remote) = if self.one_is_local { (one, other) } else { (other, one) };
        let divergence = Divergence::between(base, local, remote).await;
        let shared = divergence.shared();
        let mine = divergence.mine().await;
        let theirs = divergence.clones.open("yours").await;
        let before = snapshot(mine.root());
        divergence.assert_conflicts(&mine, &self.report()).await;
        assert_eq!(snapshot(mine.root()), before);
        assert_reads(&mine, &before).await;
        drop(mine);
        let mine = divergence.mine().await;
        assert_eq!(report(&mine).await, self.report());
        assert_eq!(snapshot(mine.root()), before);
        for resolution in [Resolution::Local, Resolution::Remote, Resolution::Content] {
            let (resolving, pulling) =
                (format!("mine-{resolution:?}"), format!("yours-{resolution:?}"));
            let resolving = divergence.clones.config(&resolving);
            let pulling = divergence.clones.config(&pulling);
            copy(mine.root(), &resolving.path);
            copy(theirs.root(), &pulling.path);
            let resolving = opened(resolving).await;
            for conflict in mine.conflict_report().await.unwrap() {
                resolve(&resolving, conflict.path.as_str(), resolution).await;
            }
            assert_eq!(report(&resolving).await, [""; 0], "{resolution:?}");
            assert_eq!(snapshot(resolving.root()), before, "{resolution:?}");
            resolving.sync("Resolve").await.unwrap();
            assert_eq!(
                content(shared, "main"),
                self.outcome(&divergence, resolution),
                "{resolution:?}"
            );
            divergence.assert_completed(&resolving).await;
            let pulling = opened(pulling).await;
            pulling.pull().await.unwrap();
            assert_equals_remote(&pulling, shared);
            shared.main().set(&divergence.remote);
        }
    }

    fn report(&self) -> Vec<String> {
        let mirrored = |line: &&str| {
            let (status, rest) = line.split_at(2);
            format!("{}{rest}", status.chars().rev().collect::<String>())
        };
        let lines = self.kind.report.iter();
        if self.one_is_local {
            lines.map(|line| (*line).to_owned()).collect()
        } else {
            lines.map(mirrored).collect()
        }
    }

    /// Returns the expected files at the end.
    fn outcome(&self, divergence: &Divergence, resolution: Resolution) -> String {
        let Divergence { local, remote, .. } = divergence;
        let (one, other) = if self.one_is_local { (local, remote) } else { (remote, local) };
        let kind = self.kind;
        let (from, changes) = match (resolution, self.one_is_local) {
            (Resolution::Local, true) | (Resolution::Remote, false) => {
                (one, kind.one_accepted.clone())
            }
            (Resolution::Local, false) | (Resolution::Remote, true) => {
                (other, kind.other_accepted.clone())
            }
            (Resolution::Content, _) => (one, self.resolved()),
        };
        commit_each(divergence.shared(), "expected", from, &changes);
        content(divergence.shared(), "expected")
    }

    fn resolved(&self) -> Vec<Change> {
        let kind = self.kind;
        if let Some(changes) = kind.resolved_at_other.as_ref().filter(|_| !self.one_is_local) {
            return changes.clone();
        }
        if !kind.resolved.is_empty() {
            return kind.resolved.clone();
        }
        let path = |line: &&str| line.splitn(3, ' ').last().unwrap().to_owned();
        kind.report.iter().map(|line| Change::write(path(line), RESOLVED)).collect()
    }
}

/// Checks that the files in conflict have their content from before.
async fn assert_reads(mine: &GitSyncFileBackend, before: &Snapshot) {
    for conflict in mine.conflict_report().await.unwrap() {
        let read = mine.read(&conflict.path).await;
        match before.get(Path::new(conflict.path.as_str())) {
            Some(Some((0, target))) if !target.ends_with(b"kept") => {
                assert_eq!(read.unwrap_err().kind(), ErrorKind::NotFound);
            }
            Some(Some((0, _))) => assert_eq!(read.unwrap(), "kept"),
            Some(Some((_, content))) => assert_eq!(read.unwrap(), *content),
            Some(None) => assert_eq!(read.unwrap_err().kind(), ErrorKind::IsADirectory),
            None => {
                // `x/y`, where `x` is a file.
                let kind = read.unwrap_err().kind();
                assert!(matches!(kind, ErrorKind::NotFound | ErrorKind::NotADirectory), "{kind:?}");
            }
        }
    }
}

fn content(remote: &Remote, branch: &str) -> String {
    remote.git(["ls-tree", "-r", branch])
}

fn lines(first: &str, last: &str) -> String {
    format!("{first}\n1\n2\n3\n4\n5\n6\n7\n8\n9\n{last}\n")
}

fn commit_id(digit: &str) -> String {
    digit.repeat(40)
}

#[tokio::test]
async fn text() {
    let kind = Kind {
        base: vec![Change::write("d/f", lines("base", "end"))],
        one: vec![Change::write("d/f", lines("one", "end"))],
        other: vec![Change::write("d/f", lines("other", "end"))],
        report: vec!["UU Content d/f"],
        ..Kind::default()
    };
    kind.check().await;
}

#[tokio::test]
async fn bytes() {
    let kind = Kind {
        base: vec![Change::write("f", b"\0\xffbase")],
        one: vec![Change::write("f", b"\0\xffone")],
        other: vec![Change::write("f", b"\0\xffother")],
        report: vec!["UU Binary f"],
        ..Kind::default()
    };
    kind.check().await;
}

#[tokio::test]
async fn links() {
    let kind = Kind {
        base: vec![Change::symlink("f", "base")],
        one: vec![Change::symlink("f", "kept")],
        other: vec![Change::symlink("f", "nowhere")],
        report: vec!["UU Symlink f"],
        ..Kind::default()
    };
    kind.check().await;
}

#[tokio::test]
async fn text_with_an_executable_bit_on_one_side() {
    let kind = Kind {
        base: vec![Change::write("f", "base")],
        one: vec![Change::write("f", "one"), Change::set_executable("f", true)],
        other: vec![Change::write("f", "other")],
        report: vec!["UU Content f"],
        // Git merges permissions separately; an accepted side keeps its own.
        resolved: vec![Change::write("f", RESOLVED), Change::set_executable("f", true)],
        resolved_at_other: Some(vec![Change::write("f", RESOLVED)]),
        ..Kind::default()
    };
    kind.check().await;
}

#[tokio::test]
async fn added_with_two_permissions() {
    let kind = Kind {
        one: vec![Change::write("f", "same"), Change::set_executable("f", true)],
        other: vec![Change::write("f", "same")],
        report: vec!["AA Mode f"],
        resolved: vec![Change::write("f", RESOLVED), Change::set_executable("f", true)],
        resolved_at_other: Some(vec![Change::write("f", RESOLVED)]),
        ..Kind::default()
    };
    kind.check().await;
}

#[tokio::test]
async fn added_twice() {
    let kind = Kind {
        one: vec![Change::write("d/f", "one")],
        other: vec![Change::write("d/f", "other")],
        report: vec!["AA Content d/f"],
        ..Kind::default()
    };
    kind.check().await;
}

#[tokio::test]
async fn links_added_twice() {
    let kind = Kind {
        one: vec![Change::symlink("f", "one")],
        other: vec![Change::symlink("f", "other")],
        report: vec!["AA Symlink f"],
        ..Kind::default()
    };
    kind.check().await;
}

#[tokio::test]
async fn modified_and_deleted() {
    let kind = Kind {
        base: vec![Change::write("d/f", "base")],
        one: vec![Change::write("d/f", "one")],
        other: vec![Change::delete("d/f")],
        report: vec!["UD ModifyDelete d/f"],
        ..Kind::default()
    };
    kind.check().await;
}

#[tokio::test]
async fn a_link_modified_and_deleted() {
    let kind = Kind {
        base: vec![Change::symlink("f", "base")],
        one: vec![Change::symlink("f", "one")],
        other: vec![Change::delete("f")],
        report: vec!["UD ModifyDelete f"],
        ..Kind::default()
    };
    kind.check().await;
}

#[tokio::test]
async fn renamed_to_two_places() {
    let kind = Kind {
        base: vec![Change::write("f", lines("base", "end"))],
        one: vec![Change::rename("f", "a")],
        other: vec![Change::rename("f", "b")],
        report: vec!["AU Rename a", "UA Rename b", "DD Rename f"],
        resolved: ["a", "b", "f"].map(|path| Change::write(path, RESOLVED)).to_vec(),
        ..Kind::default()
    };
    kind.check().await;
}

#[tokio::test]
async fn renamed_to_two_places_and_edited_apart() {
    let kind = Kind {
        base: vec![Change::write("f", lines("base", "end"))],
        one: vec![Change::rename("f", "a"), Change::write("a", lines("one", "end"))],
        other: vec![Change::rename("f", "b"), Change::write("b", lines("base", "other"))],
        report: vec!["AU Rename a", "UA Rename b", "DD Rename f"],
        // The side whose path is accepted also provides the content.
        ..Kind::default()
    };
    kind.check().await;
}

#[tokio::test]
async fn renamed_to_two_places_and_edited_against_each_other() {
    let kind = Kind {
        base: vec![Change::write("f", lines("base", "end"))],
        one: vec![Change::rename("f", "a"), Change::write("a", lines("one", "end"))],
        other: vec![Change::rename("f", "b"), Change::write("b", lines("other", "end"))],
        report: vec!["AU Rename a", "UA Rename b", "DD Rename f"],
        ..Kind::default()
    };
    kind.check().await;
}

#[tokio::test]
async fn renamed_and_deleted() {
    let kind = Kind {
        base: vec![Change::write("f", lines("base", "end"))],
        one: vec![Change::rename("f", "g"), Change::write("g", lines("one", "end"))],
        other: vec![Change::delete("f")],
        report: vec!["UD RenameDelete g"],
        ..Kind::default()
    };
    kind.check().await;
}

#[tokio::test]
async fn renamed_alone_and_deleted() {
    let kind = Kind {
        base: vec![Change::write("f", lines("base", "end"))],
        one: vec![Change::rename("f", "g")],
        other: vec![Change::delete("f")],
        report: vec!["UD RenameDelete g"],
        ..Kind::default()
    };
    kind.check().await;
}

#[tokio::test]
async fn renamed_and_edited_against_edited() {
    let kind = Kind {
        base: vec![Change::write("f", lines("base", "end"))],
        one: vec![Change::rename("f", "g"), Change::write("g", lines("one", "end"))],
        other: vec![Change::write("f", lines("other", "end"))],
        report: vec!["UU Content g"],
        // Only one side changes the name.
        other_accepted: vec![Change::rename("f", "g")],
        ..Kind::default()
    };
    kind.check().await;
}

#[tokio::test]
async fn renamed_to_where_another_is_added() {
    let kind = Kind {
        base: vec![Change::write("f", lines("base", "end"))],
        one: vec![Change::rename("f", "g")],
        other: vec![Change::write("g", "other")],
        report: vec!["AA Content g"],
        other_accepted: vec![Change::delete("f")],
        ..Kind::default()
    };
    kind.check().await;
}

#[tokio::test]
async fn renamed_and_edited_against_edited_and_another_added() {
    let kind = Kind {
        base: vec![Change::write("f", lines("base", "end"))],
        one: vec![Change::rename("f", "g"), Change::write("g", lines("one", "end"))],
        other: vec![Change::write("f", lines("other", "end")), Change::write("g", "other")],
        report: vec!["AA Rename g"],
        other_accepted: vec![Change::delete("f")],
        ..Kind::default()
    };
    kind.check().await;
}

#[tokio::test]
async fn two_renamed_to_one_place() {
    let kind = Kind {
        base: vec![Change::write("a", lines("a", "a")), Change::write("b", "b\n".repeat(20))],
        one: vec![Change::rename("a", "c")],
        other: vec![Change::rename("b", "c")],
        report: vec!["AA Content c"],
        one_accepted: vec![Change::delete("b")],
        other_accepted: vec![Change::delete("a")],
        resolved: vec![Change::delete("b"), Change::write("c", RESOLVED)],
        ..Kind::default()
    };
    kind.check().await;
}

#[tokio::test]
async fn a_file_and_a_directory_added() {
    let kind = Kind {
        one: vec![Change::write("x", "file")],
        other: vec![Change::write("x/y", "in it"), Change::write("x/z/deep", "below")],
        report: vec!["AA DirectoryFile x"],
        ..Kind::default()
    };
    kind.check().await;
}

#[tokio::test]
async fn a_file_edited_and_made_a_directory() {
    let kind = Kind {
        base: vec![Change::write("x", lines("base", "end"))],
        one: vec![Change::write("x", lines("one", "end"))],
        other: vec![Change::delete("x"), Change::write("x/y", "in it")],
        report: vec!["UU DirectoryFile x"],
        ..Kind::default()
    };
    kind.check().await;
}

#[tokio::test]
async fn a_directory_edited_and_made_a_file() {
    let kind = Kind {
        base: vec![Change::write("x/y", lines("base", "end")), Change::write("x/z", "z")],
        one: vec![Change::delete("x"), Change::write("x", "file")],
        other: vec![Change::write("x/y", lines("other", "end"))],
        report: vec!["AA DirectoryFile x", "DU ModifyDelete x/y"],
        // The given content makes the path a file, so nothing can be below it.
        resolved: vec![Change::write("x", RESOLVED)],
        ..Kind::default()
    };
    kind.check().await;
}

#[tokio::test]
async fn a_link_and_a_directory_added() {
    let kind = Kind {
        one: vec![Change::symlink("x", "kept")],
        other: vec![Change::write("x/y", "in it")],
        report: vec!["AA DirectoryFile x"],
        ..Kind::default()
    };
    kind.check().await;
}

#[tokio::test]
async fn a_submodule_and_a_directory_added() {
    let kind = Kind {
        one: vec![Change::submodule("x", &commit_id("1"))],
        other: vec![Change::write("x/y", "in it")],
        report: vec!["AA DirectoryFile x"],
        ..Kind::default()
    };
    kind.check().await;
}

#[tokio::test]
async fn a_file_edited_and_made_a_link() {
    let kind = Kind {
        base: vec![Change::write("f", "base")],
        one: vec![Change::write("f", "one")],
        other: vec![Change::symlink("f", "kept")],
        report: vec!["UU Type f"],
        ..Kind::default()
    };
    kind.check().await;
}

#[tokio::test]
async fn a_link_changed_and_made_a_file() {
    let kind = Kind {
        base: vec![Change::symlink("f", "base")],
        one: vec![Change::symlink("f", "kept")],
        other: vec![Change::write("f", "file")],
        report: vec!["UU Type f"],
        ..Kind::default()
    };
    kind.check().await;
}

#[tokio::test]
async fn a_file_and_a_link_added() {
    let kind = Kind {
        one: vec![Change::write("d/f", "file")],
        other: vec![Change::symlink("d/f", "../kept")],
        report: vec!["AA Type d/f"],
        ..Kind::default()
    };
    kind.check().await;
}

#[tokio::test]
async fn a_file_and_a_submodule_added() {
    let kind = Kind {
        one: vec![Change::write("f", "file")],
        other: vec![Change::submodule("f", &commit_id("1"))],
        report: vec!["AA Type f"],
        ..Kind::default()
    };
    kind.check().await;
}

#[tokio::test]
async fn a_file_edited_and_made_a_submodule() {
    let kind = Kind {
        base: vec![Change::write("f", "base")],
        one: vec![Change::write("f", "one")],
        other: vec![Change::submodule("f", &commit_id("1"))],
        report: vec!["UU Type f"],
        ..Kind::default()
    };
    kind.check().await;
}

#[tokio::test]
async fn a_link_and_a_submodule_added() {
    let kind = Kind {
        one: vec![Change::symlink("f", "kept")],
        other: vec![Change::submodule("f", &commit_id("1"))],
        report: vec!["AA Type f"],
        ..Kind::default()
    };
    kind.check().await;
}

#[tokio::test]
async fn submodules() {
    let kind = Kind {
        base: vec![Change::submodule("d/s", &commit_id("1"))],
        one: vec![Change::submodule("d/s", &commit_id("2"))],
        other: vec![Change::submodule("d/s", &commit_id("3"))],
        report: vec!["UU Submodule d/s"],
        ..Kind::default()
    };
    kind.check().await;
}

#[tokio::test]
async fn submodules_added() {
    let kind = Kind {
        one: vec![Change::submodule("s", &commit_id("2"))],
        other: vec![Change::submodule("s", &commit_id("3"))],
        report: vec!["AA Submodule s"],
        ..Kind::default()
    };
    kind.check().await;
}

#[tokio::test]
async fn a_submodule_moved_on_and_deleted() {
    let kind = Kind {
        base: vec![Change::submodule("s", &commit_id("1"))],
        one: vec![Change::submodule("s", &commit_id("2"))],
        other: vec![Change::delete("s")],
        report: vec!["UD ModifyDelete s"],
        ..Kind::default()
    };
    kind.check().await;
}

#[tokio::test]
async fn two_renamed_to_one_place_and_edited_against_each_other() {
    let (a, b) = (lines("base", "a"), lines("base", "b").repeat(3));
    let kind = Kind {
        base: vec![Change::write("a", &a), Change::write("b", &b)],
        one: vec![
            Change::rename("a", "c"),
            Change::write("c", a.replace("base", "one")),
            Change::write("b", b.replace("base", "one")),
        ],
        other: vec![
            Change::rename("b", "c"),
            Change::write("c", b.replace("base", "other")),
            Change::write("a", a.replace("base", "other")),
        ],
        report: vec!["AA Rename c"],
        one_accepted: vec![Change::delete("b")],
        other_accepted: vec![Change::delete("a")],
        resolved: vec![Change::delete("b"), Change::write("c", RESOLVED)],
        ..Kind::default()
    };
    kind.check().await;
}

/// A path is a directory on one side and a file on the other, and a file in the directory has its own conflict.
#[tokio::test]
async fn a_resolution_below_a_directory_counts_if_it_stays_a_directory() {
    let base = [Change::write("x/y", "base"), Change::write("x/z", "z")];
    let local = [Change::delete("x"), Change::write("x", "file")];
    let remote = [Change::write("x/y", "theirs")];
    let file = &["100644 kept", "100644 x"][..];
    let directory = &["100644 kept", "100644 x/y", "100644 x/z"][..];
    let without = &["100644 kept", "100644 x/z"][..];
    for (whole, below, expected, content) in [
        (Resolution::Local, Resolution::Remote, file, None),
        (Resolution::Local, Resolution::Content, file, None),
        (Resolution::Content, Resolution::Remote, file, None),
        (Resolution::Remote, Resolution::Local, without, None),
        (Resolution::Remote, Resolution::Remote, directory, Some("theirs")),
        (Resolution::Remote, Resolution::Content, directory, Some(RESOLVED)),
    ] {
        let divergence = Divergence::between(&base, &local, &remote).await;
        let mine = divergence.mine().await;
        mine.pull().await.unwrap_err();
        resolve(&mine, "x/y", below).await;
        resolve(&mine, "x", whole).await;
        mine.sync("Resolve").await.unwrap();
        assert_eq!(divergence.shared().main().tree(), expected, "{whole:?}, {below:?}");
        let found = divergence.shared().main().file("x/y");
        assert_eq!(found.as_deref(), content.map(str::as_bytes), "{whole:?}, {below:?}");
        divergence.assert_completed(&mine).await;
    }
}

/// Checks that a pull on either side merges without conflict.
async fn is_merged(base: &[Change], one: &[Change], other: &[Change], expected: &[&str]) {
    for (local, remote) in [(one, other), (other, one)] {
        let divergence = Divergence::between(base, local, remote).await;
        let mine = divergence.mine().await;
        mine.sync("Merge").await.unwrap();
        assert_eq!(divergence.shared().main().tree(), expected);
        divergence.assert_completed(&mine).await;
    }
}

#[tokio::test]
async fn an_edit_and_an_executable_bit_do_not_conflict() {
    let base = [Change::write("f", "base")];
    let one = [Change::set_executable("f", true)];
    is_merged(&base, &one, &[Change::write("f", "other")], &["100755 f", "100644 kept"]).await;
}

#[tokio::test]
async fn a_file_added_to_a_renamed_directory_does_not_conflict() {
    let base = ["1", "2", "3"].map(|n| Change::write(format!("old/{n}"), lines(n, n)));
    let expected = ["100644 kept", "100644 new/1", "100644 new/2", "100644 new/3", "100644 old/4"];
    let (one, other) = ([Change::rename("old", "new")], [Change::write("old/4", "4")]);
    is_merged(&base, &one, &other, &expected).await;
}

#[tokio::test]
async fn the_same_change_on_both_sides_does_not_conflict() {
    let base = [Change::write("f", "base"), Change::write("g", "g")];
    let same = [Change::write("f", "same"), Change::delete("g"), Change::symlink("l", "f")];
    is_merged(&base, &same, &same, &["100644 f", "100644 kept", "120000 l"]).await;
}
