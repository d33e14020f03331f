//! Operations while conflicts are unresolved.

use std::fs;
use std::path::PathBuf;

use f9::prelude::*;
use f9::{ErrorKind, GitSyncFileBackend};

use super::{Divergence, RESOLVED, Resolution, assert_equals_remote, report, resolve, snapshot};
use crate::clones::{Clones, opened};
use crate::remote::{Change, Remote};

/// Creates conflicts at these paths: `mine` and the remote have different content.
async fn conflicts_at(paths: &[&str]) -> Divergence {
    let write = |content: &str| -> Vec<Change> {
        paths.iter().map(|path| Change::write(path, content)).collect()
    };
    Divergence::between(&write("base"), &write("mine"), &write("theirs")).await
}

fn text(remote: &Remote, path: &str) -> String {
    String::from_utf8(remote.main().file(path).unwrap()).unwrap()
}

#[tokio::test]
async fn conflicts_are_resolved_before_and_after_a_restart() {
    let divergence = conflicts_at(&["a", "b", "c"]).await;
    let mine = divergence.mine().await;
    divergence
        .assert_conflicts(&mine, &["a", "b", "c"].map(|path| format!("UU Content {path}")))
        .await;
    resolve(&mine, "b", Resolution::Remote).await;
    drop(mine);

    let mine = divergence.mine().await;
    assert_eq!(report(&mine).await, ["UU Content a", "UU Content c"]);
    resolve(&mine, "a", Resolution::Content).await;
    drop(mine);

    let mine = divergence.mine().await;
    divergence.assert_conflicts(&mine, &["UU Content c".to_owned()]).await;
    resolve(&mine, "c", Resolution::Local).await;
    drop(mine);

    let mine = divergence.mine().await;
    assert_eq!(mine.read("b").await.unwrap(), "mine");
    mine.sync("Resolve").await.unwrap();
    let shared = divergence.shared();
    assert_eq!(["a", "b", "c"].map(|path| text(shared, path)), [RESOLVED, "theirs", "mine"]);
    divergence.assert_completed(&mine).await;
}

#[tokio::test]
async fn push_pull_and_sync_each_complete_the_merge() {
    let divergence = conflicts_at(&["a"]).await;
    let mine = divergence.mine().await;
    mine.pull().await.unwrap_err();
    resolve(&mine, "a", Resolution::Local).await;
    mine.push("Resolve").await.unwrap();
    divergence.assert_completed(&mine).await;

    let divergence = conflicts_at(&["a"]).await;
    let mine = divergence.mine().await;
    mine.pull().await.unwrap_err();
    resolve(&mine, "a", Resolution::Local).await;
    mine.pull().await.unwrap();
    assert_eq!(divergence.shared().main().head().unwrap(), divergence.remote);
    mine.push("Resolve").await.unwrap();
    divergence.assert_completed(&mine).await;
}

#[tokio::test]
async fn the_last_resolution_counts() {
    let divergence = conflicts_at(&["a"]).await;
    let mine = divergence.mine().await;
    mine.pull().await.unwrap_err();
    for resolution in
        [Resolution::Remote, Resolution::Content, Resolution::Local, Resolution::Content]
    {
        resolve(&mine, "a", resolution).await;
    }
    mine.sync("Resolve").await.unwrap();
    assert_eq!(text(divergence.shared(), "a"), RESOLVED);
    divergence.assert_completed(&mine).await;
}

#[tokio::test]
async fn a_file_that_others_change_is_in_conflict_again_and_the_rest_stays_resolved() {
    let divergence = conflicts_at(&["a", "b", "c"]).await;
    let mine = divergence.mine().await;
    mine.pull().await.unwrap_err();
    resolve(&mine, "a", Resolution::Local).await;
    resolve(&mine, "b", Resolution::Local).await;
    let newer = divergence
        .shared()
        .commit(&[Change::write("b", "theirs again"), Change::write("new", "from them")]);
    divergence.assert_conflicts(&mine, &["b", "c"].map(|path| format!("UU Content {path}"))).await;
    assert!(!mine.exists("new").await.unwrap());
    resolve(&mine, "b", Resolution::Remote).await;
    resolve(&mine, "c", Resolution::Local).await;
    mine.sync("Resolve").await.unwrap();
    let shared = divergence.shared();
    assert_eq!(["a", "b", "c"].map(|path| text(shared, path)), ["mine", "theirs again", "mine"]);
    assert_eq!(shared.main().log("%P")[0], format!("{} {newer}", divergence.local));
    assert_eq!(mine.read("new").await.unwrap(), "from them");
    assert_equals_remote(&mine, shared);
    shared.assert_sound();
}

#[tokio::test]
async fn a_push_merges_changes_made_after_the_last_resolution() {
    let divergence = conflicts_at(&["a", "b"]).await;
    let mine = divergence.mine().await;
    mine.pull().await.unwrap_err();
    resolve(&mine, "a", Resolution::Local).await;
    resolve(&mine, "b", Resolution::Local).await;
    let newer = divergence.shared().commit(&[Change::write("b", "theirs again")]);
    // The resolved merge is completed, and the new changes conflict with it.
    let error = mine.push("Resolve").await.unwrap_err();
    assert_eq!(
        (error.kind(), error.conflicts()),
        (ErrorKind::Conflict, &["b".parse().unwrap()][..])
    );
    assert_eq!(divergence.shared().main().head().unwrap(), newer);
    assert_eq!(mine.read("b").await.unwrap(), "mine");
    resolve(&mine, "b", Resolution::Remote).await;
    mine.push("Resolve").await.unwrap();
    assert_eq!(text(divergence.shared(), "a"), "mine");
    assert_eq!(text(divergence.shared(), "b"), "theirs again");
    assert_equals_remote(&mine, divergence.shared());
    divergence.shared().assert_sound();
}

#[tokio::test]
async fn a_conflict_ends_when_the_remote_gets_the_same_content() {
    let divergence = conflicts_at(&["a"]).await;
    let mine = divergence.mine().await;
    mine.pull().await.unwrap_err();
    let newer = divergence.shared().commit(&[Change::write("a", "mine")]);
    mine.sync("Merge").await.unwrap();
    assert_eq!(report(&mine).await, [""; 0]);
    let parents = format!("{} {newer}", divergence.local);
    assert_eq!(divergence.shared().main().log("%P")[0], parents);
    assert_equals_remote(&mine, divergence.shared());
}

#[tokio::test]
async fn a_local_edit_makes_a_resolved_file_a_conflict_again() {
    let divergence = conflicts_at(&["a", "b", "c"]).await;
    let mine = divergence.mine().await;
    mine.pull().await.unwrap_err();
    resolve(&mine, "a", Resolution::Local).await;
    resolve(&mine, "b", Resolution::Local).await;
    mine.update("b", "mine again").await.unwrap();
    mine.create("new", "from me").await.unwrap();
    divergence.assert_conflicts(&mine, &["b", "c"].map(|path| format!("UU Content {path}"))).await;
    assert_eq!(mine.read("b").await.unwrap(), "mine again");
    resolve(&mine, "b", Resolution::Local).await;
    resolve(&mine, "c", Resolution::Remote).await;
    mine.sync("Resolve").await.unwrap();
    let shared = divergence.shared();
    let texts = ["a", "b", "c", "new"].map(|path| text(shared, path));
    assert_eq!(texts, ["mine", "mine again", "theirs", "from me"]);
    assert_equals_remote(&mine, shared);
    shared.assert_sound();
}

#[tokio::test]
async fn an_edit_after_accepting_the_local_file_is_kept() {
    let divergence = conflicts_at(&["a"]).await;
    let mine = divergence.mine().await;
    mine.pull().await.unwrap_err();
    resolve(&mine, "a", Resolution::Local).await;
    mine.update("a", "mine again").await.unwrap();
    mine.create("new", "from me").await.unwrap();
    mine.pull().await.unwrap();
    assert_eq!(mine.read("a").await.unwrap(), "mine again");
    mine.push("Again").await.unwrap();
    let shared = divergence.shared();
    assert_eq!(["a", "new"].map(|path| text(shared, path)), ["mine again", "from me"]);
    let parents = format!("{} {}", divergence.local, divergence.remote);
    assert_eq!(shared.main().log("%P")[1], parents);
    assert_equals_remote(&mine, shared);
}

#[tokio::test]
async fn an_edit_after_accepting_the_remote_file_is_kept_and_conflicts_again() {
    let divergence = conflicts_at(&["a"]).await;
    let mine = divergence.mine().await;
    mine.pull().await.unwrap_err();
    resolve(&mine, "a", Resolution::Remote).await;
    mine.update("a", "mine again").await.unwrap();
    divergence.assert_conflicts(&mine, &["UU Content a".to_owned()]).await;
    assert_eq!(mine.read("a").await.unwrap(), "mine again");
    resolve(&mine, "a", Resolution::Content).await;
    mine.sync("Resolve").await.unwrap();
    assert_eq!(text(divergence.shared(), "a"), RESOLVED);
    let contents = divergence.shared().main().log("%s");
    assert!(contents.contains(&"Local changes before a merge".to_owned()), "{contents:?}");
    assert_equals_remote(&mine, divergence.shared());
}

#[tokio::test]
async fn deleting_a_file_in_conflict_changes_the_kind_of_the_conflict() {
    let divergence = conflicts_at(&["a"]).await;
    let mine = divergence.mine().await;
    mine.pull().await.unwrap_err();
    resolve(&mine, "a", Resolution::Remote).await;
    mine.delete("a").await.unwrap();
    divergence.assert_conflicts(&mine, &["DU ModifyDelete a".to_owned()]).await;
    assert!(!mine.exists("a").await.unwrap());
    resolve(&mine, "a", Resolution::Local).await;
    mine.sync("Resolve").await.unwrap();
    assert_eq!(divergence.shared().main().tree(), ["100644 kept"]);
    assert_equals_remote(&mine, divergence.shared());
}

#[tokio::test]
async fn a_push_with_conflicts_fails_and_loses_nothing() {
    let divergence = conflicts_at(&["a"]).await;
    let mine = divergence.mine().await;
    // No pull came before the first push.
    for content in ["one", "two", "three"] {
        mine.update("kept", content).await.unwrap();
        let before = snapshot(mine.root());
        let error = mine.push("Try").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Conflict);
        assert_eq!(error.conflicts(), ["a"]);
        assert_eq!(snapshot(mine.root()), before);
        assert_eq!(divergence.shared().main().head().unwrap(), divergence.remote);
        assert_eq!(report(&mine).await, ["UU Content a"]);
    }
    drop(mine);
    let mine = divergence.mine().await;
    assert_eq!(mine.read("kept").await.unwrap(), "three");
    resolve(&mine, "a", Resolution::Remote).await;
    mine.push("Resolve").await.unwrap();
    assert_eq!(text(divergence.shared(), "kept"), "three");
    assert_eq!(text(divergence.shared(), "a"), "theirs");
    let messages = divergence.shared().main().log("%s");
    assert_eq!(messages.iter().filter(|message| *message == "Try").count(), 3, "{messages:?}");
    assert_equals_remote(&mine, divergence.shared());
}

async fn assert_no_conflict(mine: &GitSyncFileBackend, path: &str) {
    for refused in [
        mine.conflict_accept_local(path).await,
        mine.conflict_accept_remote(path).await,
        mine.conflict_resolve(path, RESOLVED.into()).await,
        mine.conflict_versions(path).await.map(drop),
    ] {
        let error = refused.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidOperation, "{path:?}");
        assert_eq!(error.path(), Some(path));
    }
}

#[tokio::test]
async fn only_a_path_in_conflict_can_be_resolved() {
    let divergence = conflicts_at(&["a", "d/f"]).await;
    let mine = divergence.mine().await;
    let others = [
        "kept",
        "nowhere",
        "d",
        "a/f",
        "A",
        "a ",
        "",
        ".",
        "/",
        "..",
        "../a",
        "d/../../a",
        "/etc/passwd",
        "a\0",
        ".git",
        ".git/config",
    ];
    for path in others.into_iter().chain(["a", "d/f"]) {
        assert_no_conflict(&mine, path).await;
    }
    mine.pull().await.unwrap_err();
    for path in others {
        assert_no_conflict(&mine, path).await;
    }
    assert_eq!(report(&mine).await, ["UU Content a", "UU Content d/f"]);
    // Other spellings of a path mean the same path.
    resolve(&mine, "./a/", Resolution::Local).await;
    resolve(&mine, "d//f", Resolution::Remote).await;
    assert_eq!(report(&mine).await, [""; 0]);
    mine.sync("Resolve").await.unwrap();
    assert_eq!(text(divergence.shared(), "a"), "mine");
    assert_eq!(text(divergence.shared(), "d/f"), "theirs");
    divergence.assert_completed(&mine).await;
    for path in ["a", "d/f", "kept"] {
        assert_no_conflict(&mine, path).await;
    }
}

#[tokio::test]
async fn the_last_resolution_pushes_if_configured() {
    let divergence = conflicts_at(&["a", "b"]).await;
    let mine = opened(divergence.clones.config("mine").with_auto_push(true)).await;
    mine.pull().await.unwrap_err();
    // A write is saved, and the error says that it is not published.
    let error = mine.create("new", "from me").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict);
    assert_eq!(mine.read("new").await.unwrap(), "from me");
    assert_eq!(divergence.shared().main().head().unwrap(), divergence.remote);

    resolve(&mine, "a", Resolution::Remote).await;
    assert_eq!(divergence.shared().main().head().unwrap(), divergence.remote);
    resolve(&mine, "b", Resolution::Local).await;
    let shared = divergence.shared();
    assert_eq!(["a", "b", "new"].map(|path| text(shared, path)), ["theirs", "mine", "from me"]);
    assert_eq!(mine.read("a").await.unwrap(), "theirs");
    assert_equals_remote(&mine, shared);
    shared.assert_sound();
    mine.update("a", "mine").await.unwrap();
    assert_eq!(text(shared, "a"), "mine");
}

#[tokio::test]
async fn a_resolution_is_kept_if_the_push_fails() {
    let divergence = conflicts_at(&["a"]).await;
    let mine = opened(divergence.clones.config("mine").with_auto_push(true)).await;
    mine.pull().await.unwrap_err();
    divergence.shared().hook("pre-receive", "echo not today; exit 1");
    let error = mine.conflict_accept_remote("a").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::PermissionDenied, "{error}");
    assert_eq!(report(&mine).await, [""; 0]);
    assert_eq!(divergence.shared().main().head().unwrap(), divergence.remote);
    divergence.shared().hook("pre-receive", "exit 0");
    mine.push("Resolve").await.unwrap();
    assert_eq!(text(divergence.shared(), "a"), "theirs");
    divergence.assert_completed(&mine).await;
}

#[tokio::test]
async fn with_automatic_pulls_reads_continue_and_the_report_lists_conflicts() {
    let divergence = conflicts_at(&["a"]).await;
    let mine = opened(divergence.clones.config("mine").with_auto_pull(true)).await;
    assert_eq!(mine.read("a").await.unwrap(), "mine");
    assert_eq!(report(&mine).await, ["UU Content a"]);
    resolve(&mine, "a", Resolution::Remote).await;
    assert_eq!(mine.read("a").await.unwrap(), "theirs");
    assert_eq!(report(&mine).await, [""; 0]);
    mine.push("Resolve").await.unwrap();
    divergence.assert_completed(&mine).await;
}

#[tokio::test]
async fn another_backend_on_the_same_tree_sees_and_resolves_conflicts() {
    let divergence = conflicts_at(&["a", "b"]).await;
    let (mine, other) = (divergence.mine().await, divergence.mine().await);
    mine.pull().await.unwrap_err();
    assert_eq!(report(&other).await, report(&mine).await);
    resolve(&other, "a", Resolution::Remote).await;
    resolve(&mine, "b", Resolution::Remote).await;
    other.sync("Resolve").await.unwrap();
    assert_eq!(mine.read("b").await.unwrap(), "theirs");
    divergence.assert_completed(&mine).await;
}

#[tokio::test]
async fn conflicts_are_resolved_concurrently() {
    let paths: Vec<String> = (0..12).map(|number| format!("f{number}")).collect();
    let divergence = conflicts_at(&paths.iter().map(String::as_str).collect::<Vec<_>>()).await;
    let (mine, other) = (divergence.mine().await, divergence.mine().await);
    mine.pull().await.unwrap_err();
    let each = paths.iter().zip([&mine, &other].into_iter().cycle());
    let ways = [Resolution::Remote, Resolution::Content, Resolution::Local].into_iter().cycle();
    futures::future::join_all(
        each.zip(ways).map(|((path, by), resolution)| resolve(by, path, resolution)),
    )
    .await;
    assert_eq!(report(&mine).await, [""; 0]);
    mine.sync("Resolve").await.unwrap();
    for (path, expected) in paths.iter().zip(["theirs", RESOLVED, "mine"].into_iter().cycle()) {
        assert_eq!(text(divergence.shared(), path), expected, "{path}");
    }
    divergence.assert_completed(&mine).await;
}

#[tokio::test]
async fn the_end_of_a_session_completes_the_merge() {
    let divergence = conflicts_at(&["a", "b"]).await;
    let mine = opened(divergence.clones.config("mine").with_auto_push(true)).await;
    mine.pull().await.unwrap_err();
    let session = mine.sync_session().await.unwrap();
    resolve(&mine, "a", Resolution::Remote).await;
    resolve(&mine, "b", Resolution::Local).await;
    assert_eq!(divergence.shared().main().head().unwrap(), divergence.remote);
    session.finish().await.unwrap();
    assert_eq!(text(divergence.shared(), "a"), "theirs");
    divergence.assert_completed(&mine).await;
}

#[tokio::test]
async fn an_ignored_file_in_the_way_of_a_merge_is_a_conflict_and_kept() {
    let base = [Change::write("a", "base"), Change::write(".gitignore", "ignored\n")];
    let remote = [Change::write("a", "theirs"), Change::write("ignored", "theirs")];
    let divergence = Divergence::between(&base, &[Change::write("a", "mine")], &remote).await;
    let mine = divergence.mine().await;
    // Written directly, because the backend commits ignored files that it writes.
    fs::write(mine.root().join("ignored"), "mine").unwrap();
    divergence.assert_conflicts(&mine, &["UU Content a".to_owned()]).await;
    resolve(&mine, "a", Resolution::Remote).await;
    divergence.assert_conflicts(&mine, &["AA Content ignored".to_owned()]).await;
    assert_eq!(mine.read("ignored").await.unwrap(), "mine");
    assert_eq!(mine.read("a").await.unwrap(), "mine");
    resolve(&mine, "ignored", Resolution::Local).await;
    mine.sync("Resolve").await.unwrap();
    assert_eq!(["a", "ignored"].map(|path| text(divergence.shared(), path)), ["theirs", "mine"]);
    assert_equals_remote(&mine, divergence.shared());
}

#[tokio::test]
async fn two_first_pushes_with_the_same_file_are_a_conflict() {
    let clones = Clones::of(Remote::empty());
    let (mine, yours) = (clones.open("mine").await, clones.open("yours").await);
    mine.create("a", "mine").await.unwrap();
    yours.create("a", "yours").await.unwrap();
    yours.create("b", "yours").await.unwrap();
    yours.push("Yours").await.unwrap();
    let error = mine.push("Mine").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict);
    assert_eq!(report(&mine).await, ["AA Content a"]);
    resolve(&mine, "a", Resolution::Local).await;
    mine.push("Resolve").await.unwrap();
    assert_eq!(text(&clones.remote, "a"), "mine");
    yours.pull().await.unwrap();
    for clone in [&mine, &yours] {
        assert_equals_remote(clone, &clones.remote);
        assert_eq!(clone.read("b").await.unwrap(), "yours");
    }
    clones.remote.assert_sound();
}

/// Makes a clone with `count` conflicts.
async fn with_conflicts(count: usize) -> (Clones, GitSyncFileBackend) {
    let write = |text: &str| -> Vec<Change> {
        (0..count).map(|number| Change::write(format!("{number:03}"), text)).collect()
    };
    let clones = Clones::of(Remote::with(&write("one")));
    let mine = clones.open("mine").await;
    clones.remote.commit(&write("theirs"));
    for number in 0..count {
        mine.update(&format!("{number:03}"), "mine").await.unwrap();
    }
    assert_eq!(mine.pull().await.unwrap_err().kind(), ErrorKind::Conflict);
    (clones, mine)
}

/// Returns the file with the resolutions so far.
fn resolutions(mine: &GitSyncFileBackend) -> PathBuf {
    let entries = fs::read_dir(mine.root().join(".git/f9")).unwrap();
    let mut files = entries.map(|entry| entry.unwrap().path());
    files.find(|path| path.to_str().unwrap().contains("resolutions-")).unwrap()
}

#[tokio::test]
async fn a_resolution_that_was_cut_off_is_not_taken() {
    let (clones, mine) = with_conflicts(3).await;
    mine.conflict_accept_remote("000").await.unwrap();
    let file = resolutions(&mine);
    let lines = fs::read_to_string(&file).unwrap();
    let other = lines.replace("\"000\"", "\"001\"");
    // A power loss leaves the beginning of a line, here of one for another conflict.
    fs::write(&file, format!("{lines}{}", &other[..other.len() - 3])).unwrap();
    let mine = clones.open("mine").await;
    assert_eq!(mine.conflict_report().await.unwrap().len(), 2);
    mine.conflict_accept_local("001").await.unwrap();
    assert_eq!(mine.conflict_report().await.unwrap().len(), 1);
    mine.conflict_resolve("002", "settled".into()).await.unwrap();
    mine.push("Settled").await.unwrap();
    for (path, text) in [("000", "theirs"), ("001", "mine"), ("002", "settled")] {
        assert_eq!(clones.remote.main().file(path).unwrap(), text.as_bytes(), "{path}");
    }
    assert!(!file.exists());
}

#[tokio::test]
async fn resolutions_of_another_merge_are_not_taken() {
    let (clones, mine) = with_conflicts(2).await;
    mine.conflict_accept_remote("000").await.unwrap();
    let file = resolutions(&mine);
    let old = fs::read(&file).unwrap();
    // The remote changes both files again, so these are other conflicts.
    clones.remote.commit(&[Change::write("000", "again"), Change::write("001", "again")]);
    assert_eq!(mine.pull().await.unwrap_err().kind(), ErrorKind::Conflict);
    assert!(!file.exists());
    // A process that died in between left the file of the merge before.
    fs::write(&file, old).unwrap();
    let mine = clones.open("mine").await;
    assert_eq!(mine.conflict_report().await.unwrap().len(), 2);
}

#[tokio::test]
async fn two_processes_settle_conflicts_together() {
    let (clones, mine) = with_conflicts(4).await;
    let other = clones.open("mine").await;
    for (number, clone) in [&mine, &other, &mine, &other].into_iter().enumerate() {
        clone.conflict_accept_remote(&format!("{number:03}")).await.unwrap();
        let left = 3 - number;
        assert_eq!(mine.conflict_report().await.unwrap().len(), left);
        assert_eq!(other.conflict_report().await.unwrap().len(), left);
    }
    other.push("Settled").await.unwrap();
    assert!(mine.conflict_report().await.unwrap().is_empty());
    assert_eq!(mine.read("003").await.unwrap(), "theirs");
}

#[tokio::test]
async fn many_conflicts_are_settled_without_a_process_for_each() {
    let (clones, mine) = with_conflicts(100).await;
    let started = mine.processes_started();
    for number in 0..100 {
        let path = format!("{number:03}");
        match number % 3 {
            0 => mine.conflict_accept_local(&path).await.unwrap(),
            1 => mine.conflict_accept_remote(&path).await.unwrap(),
            _ => mine.conflict_resolve(&path, path.clone().into()).await.unwrap(),
        }
    }
    assert_eq!(mine.processes_started(), started);
    mine.push("Settled").await.unwrap();
    assert!(mine.processes_started() - started < 20);
    for (path, text) in [("000", "mine"), ("001", "theirs"), ("002", "002"), ("098", "098")] {
        assert_eq!(clones.remote.main().file(path).unwrap(), text.as_bytes(), "{path}");
    }
}
