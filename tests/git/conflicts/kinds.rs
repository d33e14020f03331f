//! Every way in which two sides can contradict each other, settled in every way, with either side as the local one.

use std::path::Path;

use f9::prelude::*;
use f9::{ErrorKind, GitSyncFileBackend};

use super::{
    Dispute, Photograph, SETTLED, Way, assert_in_step, commit_each, copy, photograph, report,
    settle,
};
use crate::clones::opened;
use crate::remote::{Change, Remote};

#[derive(Default)]
struct Kind {
    base: Vec<Change>,
    one: Vec<Change>,
    other: Vec<Change>,
    /// What is reported where `one` is local, each as `status kind path`.
    report: Vec<&'static str>,
    /// By what the outcome differs from `one`, if that side is chosen.
    one_chosen: Vec<Change>,
    /// By what the outcome differs from `other`, if that side is chosen.
    other_chosen: Vec<Change>,
    /// By what the outcome differs from `one`, if content is given for each path. If it is empty, by that content.
    resolved: Vec<Change>,
    /// The same, where `other` is local and that makes a difference.
    resolved_at_other: Option<Vec<Change>>,
}

/// A [`Kind`] with one of its sides as the local one.
struct Side<'a> {
    kind: &'a Kind,
    one_is_local: bool,
}

impl Kind {
    /// Fails unless it is reported and settled as it should be.
    async fn holds(self) {
        for one_is_local in [true, false] {
            Side { kind: &self, one_is_local }.holds().await;
        }
    }
}

impl Side<'_> {
    async fn holds(&self) {
        let Kind { base, one, other, .. } = self.kind;
        let (local, remote) = if self.one_is_local { (one, other) } else { (other, one) };
        let dispute = Dispute::between(base, local, remote).await;
        let shared = dispute.shared();
        let mine = dispute.mine().await;
        let theirs = dispute.clones.open("yours").await;
        let before = photograph(mine.root());
        dispute.assert_open(&mine, &self.report()).await;
        assert_eq!(photograph(mine.root()), before);
        assert_reads(&mine, &before).await;
        drop(mine);
        let mine = dispute.mine().await;
        assert_eq!(report(&mine).await, self.report());
        dispute.assert_open(&mine, &self.report()).await;
        assert_eq!(photograph(mine.root()), before);
        for way in [Way::Local, Way::Remote, Way::Content] {
            let (settling, pulling) = (format!("mine-{way:?}"), format!("yours-{way:?}"));
            let settling = dispute.clones.config(&settling);
            let pulling = dispute.clones.config(&pulling);
            copy(mine.root(), &settling.path);
            copy(theirs.root(), &pulling.path);
            let settling = opened(settling).await;
            for conflict in mine.conflict_report().await.unwrap() {
                settle(&settling, conflict.path.as_str(), way).await;
            }
            assert_eq!(report(&settling).await, [""; 0], "{way:?}");
            assert_eq!(photograph(settling.root()), before, "{way:?}");
            settling.sync("Settle").await.unwrap();
            assert_eq!(content(shared, "main"), self.outcome(&dispute, way), "{way:?}");
            dispute.assert_concluded(&settling).await;
            let pulling = opened(pulling).await;
            pulling.pull().await.unwrap();
            assert_in_step(&pulling, shared);
            shared.main().set(&dispute.remote);
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

    /// Everything that is there in the end.
    fn outcome(&self, dispute: &Dispute, way: Way) -> String {
        let Dispute { local, remote, .. } = dispute;
        let (one, other) = if self.one_is_local { (local, remote) } else { (remote, local) };
        let kind = self.kind;
        let (from, changes) = match (way, self.one_is_local) {
            (Way::Local, true) | (Way::Remote, false) => (one, kind.one_chosen.clone()),
            (Way::Local, false) | (Way::Remote, true) => (other, kind.other_chosen.clone()),
            (Way::Content, _) => (one, self.resolved()),
        };
        commit_each(dispute.shared(), "expected", from, &changes);
        content(dispute.shared(), "expected")
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
        kind.report.iter().map(|line| Change::write(path(line), SETTLED)).collect()
    }
}

/// Fails unless the files in conflict read as they were.
async fn assert_reads(mine: &GitSyncFileBackend, before: &Photograph) {
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
    kind.holds().await;
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
    kind.holds().await;
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
    kind.holds().await;
}

#[tokio::test]
async fn text_that_is_executable_on_one_side() {
    let kind = Kind {
        base: vec![Change::write("f", "base")],
        one: vec![Change::write("f", "one"), Change::set_executable("f", true)],
        other: vec![Change::write("f", "other")],
        report: vec!["UU Content f"],
        // Git merges the permission apart from the content; a side is chosen with its own.
        resolved: vec![Change::write("f", SETTLED), Change::set_executable("f", true)],
        resolved_at_other: Some(vec![Change::write("f", SETTLED)]),
        ..Kind::default()
    };
    kind.holds().await;
}

#[tokio::test]
async fn added_with_two_permissions() {
    let kind = Kind {
        one: vec![Change::write("f", "same"), Change::set_executable("f", true)],
        other: vec![Change::write("f", "same")],
        report: vec!["AA Mode f"],
        resolved: vec![Change::write("f", SETTLED), Change::set_executable("f", true)],
        resolved_at_other: Some(vec![Change::write("f", SETTLED)]),
        ..Kind::default()
    };
    kind.holds().await;
}

#[tokio::test]
async fn added_twice() {
    let kind = Kind {
        one: vec![Change::write("d/f", "one")],
        other: vec![Change::write("d/f", "other")],
        report: vec!["AA Content d/f"],
        ..Kind::default()
    };
    kind.holds().await;
}

#[tokio::test]
async fn links_added_twice() {
    let kind = Kind {
        one: vec![Change::symlink("f", "one")],
        other: vec![Change::symlink("f", "other")],
        report: vec!["AA Symlink f"],
        ..Kind::default()
    };
    kind.holds().await;
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
    kind.holds().await;
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
    kind.holds().await;
}

#[tokio::test]
async fn renamed_to_two_places() {
    let kind = Kind {
        base: vec![Change::write("f", lines("base", "end"))],
        one: vec![Change::rename("f", "a")],
        other: vec![Change::rename("f", "b")],
        report: vec!["AU Rename a", "UA Rename b", "DD Rename f"],
        resolved: ["a", "b", "f"].map(|path| Change::write(path, SETTLED)).to_vec(),
        ..Kind::default()
    };
    kind.holds().await;
}

#[tokio::test]
async fn renamed_to_two_places_and_edited_apart() {
    let merged = lines("one", "other");
    let kind = Kind {
        base: vec![Change::write("f", lines("base", "end"))],
        one: vec![Change::rename("f", "a"), Change::write("a", lines("one", "end"))],
        other: vec![Change::rename("f", "b"), Change::write("b", lines("base", "other"))],
        report: vec!["AU Rename a", "UA Rename b", "DD Rename f"],
        // Whose place is chosen, the edits of both are in it.
        one_chosen: vec![Change::write("a", &merged)],
        other_chosen: vec![Change::write("b", &merged)],
        ..Kind::default()
    };
    kind.holds().await;
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
    kind.holds().await;
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
    kind.holds().await;
}

#[tokio::test]
async fn renamed_and_edited_against_edited() {
    let kind = Kind {
        base: vec![Change::write("f", lines("base", "end"))],
        one: vec![Change::rename("f", "g"), Change::write("g", lines("one", "end"))],
        other: vec![Change::write("f", lines("other", "end"))],
        report: vec!["UU Content g"],
        // Nobody contradicts the new name.
        other_chosen: vec![Change::rename("f", "g")],
        ..Kind::default()
    };
    kind.holds().await;
}

#[tokio::test]
async fn renamed_to_where_another_is_added() {
    let kind = Kind {
        base: vec![Change::write("f", lines("base", "end"))],
        one: vec![Change::rename("f", "g")],
        other: vec![Change::write("g", "other")],
        report: vec!["AA Content g"],
        other_chosen: vec![Change::delete("f")],
        ..Kind::default()
    };
    kind.holds().await;
}

#[tokio::test]
async fn two_renamed_to_one_place() {
    let kind = Kind {
        base: vec![Change::write("a", lines("a", "a")), Change::write("b", "b\n".repeat(20))],
        one: vec![Change::rename("a", "c")],
        other: vec![Change::rename("b", "c")],
        report: vec!["AA Content c"],
        one_chosen: vec![Change::delete("b")],
        other_chosen: vec![Change::delete("a")],
        resolved: vec![Change::delete("b"), Change::write("c", SETTLED)],
        ..Kind::default()
    };
    kind.holds().await;
}

#[tokio::test]
async fn a_file_and_a_directory_added() {
    let kind = Kind {
        one: vec![Change::write("x", "file")],
        other: vec![Change::write("x/y", "in it"), Change::write("x/z/deep", "below")],
        report: vec!["AA DirectoryFile x"],
        ..Kind::default()
    };
    kind.holds().await;
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
    kind.holds().await;
}

#[tokio::test]
async fn a_directory_edited_and_made_a_file() {
    let kind = Kind {
        base: vec![Change::write("x/y", lines("base", "end")), Change::write("x/z", "z")],
        one: vec![Change::delete("x"), Change::write("x", "file")],
        other: vec![Change::write("x/y", lines("other", "end"))],
        report: vec!["AA DirectoryFile x", "DU ModifyDelete x/y"],
        // The content given for the whole is a file, below which is no place.
        resolved: vec![Change::write("x", SETTLED)],
        ..Kind::default()
    };
    kind.holds().await;
}

#[tokio::test]
async fn a_link_and_a_directory_added() {
    let kind = Kind {
        one: vec![Change::symlink("x", "kept")],
        other: vec![Change::write("x/y", "in it")],
        report: vec!["AA DirectoryFile x"],
        ..Kind::default()
    };
    kind.holds().await;
}

#[tokio::test]
async fn a_submodule_and_a_directory_added() {
    let kind = Kind {
        one: vec![Change::submodule("x", &commit_id("1"))],
        other: vec![Change::write("x/y", "in it")],
        report: vec!["AA DirectoryFile x"],
        ..Kind::default()
    };
    kind.holds().await;
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
    kind.holds().await;
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
    kind.holds().await;
}

#[tokio::test]
async fn a_file_and_a_link_added() {
    let kind = Kind {
        one: vec![Change::write("d/f", "file")],
        other: vec![Change::symlink("d/f", "../kept")],
        report: vec!["AA Type d/f"],
        ..Kind::default()
    };
    kind.holds().await;
}

#[tokio::test]
async fn a_file_and_a_submodule_added() {
    let kind = Kind {
        one: vec![Change::write("f", "file")],
        other: vec![Change::submodule("f", &commit_id("1"))],
        report: vec!["AA Type f"],
        ..Kind::default()
    };
    kind.holds().await;
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
    kind.holds().await;
}

#[tokio::test]
async fn a_link_and_a_submodule_added() {
    let kind = Kind {
        one: vec![Change::symlink("f", "kept")],
        other: vec![Change::submodule("f", &commit_id("1"))],
        report: vec!["AA Type f"],
        ..Kind::default()
    };
    kind.holds().await;
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
    kind.holds().await;
}

#[tokio::test]
async fn submodules_added() {
    let kind = Kind {
        one: vec![Change::submodule("s", &commit_id("2"))],
        other: vec![Change::submodule("s", &commit_id("3"))],
        report: vec!["AA Submodule s"],
        ..Kind::default()
    };
    kind.holds().await;
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
    kind.holds().await;
}

/// Pulls, on either side, what is no conflict at all.
async fn is_merged(base: &[Change], one: &[Change], other: &[Change], expected: &[&str]) {
    for (local, remote) in [(one, other), (other, one)] {
        let dispute = Dispute::between(base, local, remote).await;
        let mine = dispute.mine().await;
        mine.sync("Merge").await.unwrap();
        assert_eq!(dispute.shared().main().tree(), expected);
        dispute.assert_concluded(&mine).await;
    }
}

#[tokio::test]
async fn an_edit_of_what_becomes_executable_is_no_conflict() {
    let base = [Change::write("f", "base")];
    let one = [Change::set_executable("f", true)];
    is_merged(&base, &one, &[Change::write("f", "other")], &["100755 f", "100644 kept"]).await;
}

#[tokio::test]
async fn a_file_added_to_a_directory_that_moves_is_no_conflict() {
    let base = ["1", "2", "3"].map(|n| Change::write(format!("old/{n}"), lines(n, n)));
    let expected = ["100644 kept", "100644 new/1", "100644 new/2", "100644 new/3", "100644 old/4"];
    let (one, other) = ([Change::rename("old", "new")], [Change::write("old/4", "4")]);
    is_merged(&base, &one, &other, &expected).await;
}

#[tokio::test]
async fn the_same_change_on_both_sides_is_no_conflict() {
    let base = [Change::write("f", "base"), Change::write("g", "g")];
    let same = [Change::write("f", "same"), Change::delete("g"), Change::symlink("l", "f")];
    is_merged(&base, &same, &same, &["100644 f", "100644 kept", "120000 l"]).await;
}
