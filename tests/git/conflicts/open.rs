//! What happens while conflicts are open.

use f9::prelude::*;
use f9::{ErrorKind, GitSyncFileBackend};

use super::{Dispute, SETTLED, Way, assert_in_step, photograph, report, settle};
use crate::clones::{Clones, opened};
use crate::remote::{Change, Remote};

/// `mine` and the remote have each written their own into these files.
async fn about(paths: &[&str]) -> Dispute {
    let write = |content: &str| -> Vec<Change> {
        paths.iter().map(|path| Change::write(path, content)).collect()
    };
    Dispute::between(&write("base"), &write("mine"), &write("theirs")).await
}

fn text(remote: &Remote, path: &str) -> String {
    String::from_utf8(remote.main().file(path).unwrap()).unwrap()
}

#[tokio::test]
async fn some_are_settled_before_a_restart_and_the_rest_after() {
    let dispute = about(&["a", "b", "c"]).await;
    let mine = dispute.mine().await;
    dispute.assert_open(&mine, &["a", "b", "c"].map(|path| format!("UU Content {path}"))).await;
    settle(&mine, "b", Way::Remote).await;
    drop(mine);

    let mine = dispute.mine().await;
    assert_eq!(report(&mine).await, ["UU Content a", "UU Content c"]);
    settle(&mine, "a", Way::Content).await;
    drop(mine);

    let mine = dispute.mine().await;
    dispute.assert_open(&mine, &["UU Content c".to_owned()]).await;
    settle(&mine, "c", Way::Local).await;
    drop(mine);

    let mine = dispute.mine().await;
    assert_eq!(mine.read("b").await.unwrap(), "mine");
    mine.sync("Settle").await.unwrap();
    let shared = dispute.shared();
    assert_eq!(["a", "b", "c"].map(|path| text(shared, path)), [SETTLED, "theirs", "mine"]);
    dispute.assert_concluded(&mine).await;
}

#[tokio::test]
async fn each_of_push_pull_and_sync_concludes() {
    let dispute = about(&["a"]).await;
    let mine = dispute.mine().await;
    mine.pull().await.unwrap_err();
    settle(&mine, "a", Way::Local).await;
    mine.push("Settle").await.unwrap();
    dispute.assert_concluded(&mine).await;

    let dispute = about(&["a"]).await;
    let mine = dispute.mine().await;
    mine.pull().await.unwrap_err();
    settle(&mine, "a", Way::Local).await;
    mine.pull().await.unwrap();
    assert_eq!(dispute.shared().main().head().unwrap(), dispute.remote);
    mine.push("Settle").await.unwrap();
    dispute.assert_concluded(&mine).await;
}

#[tokio::test]
async fn the_last_choice_counts() {
    let dispute = about(&["a"]).await;
    let mine = dispute.mine().await;
    mine.pull().await.unwrap_err();
    for way in [Way::Remote, Way::Content, Way::Local, Way::Content] {
        settle(&mine, "a", way).await;
    }
    mine.sync("Settle").await.unwrap();
    assert_eq!(text(dispute.shared(), "a"), SETTLED);
    dispute.assert_concluded(&mine).await;
}

#[tokio::test]
async fn what_others_change_meanwhile_is_open_again_and_the_rest_stays_settled() {
    let dispute = about(&["a", "b", "c"]).await;
    let mine = dispute.mine().await;
    mine.pull().await.unwrap_err();
    settle(&mine, "a", Way::Local).await;
    settle(&mine, "b", Way::Local).await;
    let newer = dispute
        .shared()
        .commit(&[Change::write("b", "theirs again"), Change::write("new", "from them")]);
    dispute.assert_open(&mine, &["b", "c"].map(|path| format!("UU Content {path}"))).await;
    assert!(!mine.exists("new").await.unwrap());
    settle(&mine, "b", Way::Remote).await;
    settle(&mine, "c", Way::Local).await;
    mine.sync("Settle").await.unwrap();
    let shared = dispute.shared();
    assert_eq!(["a", "b", "c"].map(|path| text(shared, path)), ["mine", "theirs again", "mine"]);
    assert_eq!(shared.main().log("%P")[0], format!("{} {newer}", dispute.local));
    assert_eq!(mine.read("new").await.unwrap(), "from them");
    assert_in_step(&mine, shared);
    shared.assert_sound();
}

#[tokio::test]
async fn what_others_change_after_everything_was_settled_is_noticed_by_a_push() {
    let dispute = about(&["a", "b"]).await;
    let mine = dispute.mine().await;
    mine.pull().await.unwrap_err();
    settle(&mine, "a", Way::Local).await;
    settle(&mine, "b", Way::Local).await;
    let newer = dispute.shared().commit(&[Change::write("b", "theirs again")]);
    // The merge that was settled is concluded, and meets what is new.
    let error = mine.push("Settle").await.unwrap_err();
    assert_eq!(
        (error.kind(), error.conflicts()),
        (ErrorKind::Conflict, &["b".parse().unwrap()][..])
    );
    assert_eq!(dispute.shared().main().head().unwrap(), newer);
    assert_eq!(mine.read("b").await.unwrap(), "mine");
    settle(&mine, "b", Way::Remote).await;
    mine.push("Settle").await.unwrap();
    assert_eq!(text(dispute.shared(), "a"), "mine");
    assert_eq!(text(dispute.shared(), "b"), "theirs again");
    assert_in_step(&mine, dispute.shared());
    dispute.shared().assert_sound();
}

#[tokio::test]
async fn a_conflict_ends_when_others_come_to_the_same() {
    let dispute = about(&["a"]).await;
    let mine = dispute.mine().await;
    mine.pull().await.unwrap_err();
    let newer = dispute.shared().commit(&[Change::write("a", "mine")]);
    mine.sync("Merge").await.unwrap();
    assert_eq!(report(&mine).await, [""; 0]);
    let parents = format!("{} {newer}", dispute.local);
    assert_eq!(dispute.shared().main().log("%P")[0], parents);
    assert_in_step(&mine, dispute.shared());
}

#[tokio::test]
async fn local_edits_while_something_is_open_open_the_file_again() {
    let dispute = about(&["a", "b", "c"]).await;
    let mine = dispute.mine().await;
    mine.pull().await.unwrap_err();
    settle(&mine, "a", Way::Local).await;
    settle(&mine, "b", Way::Local).await;
    mine.update("b", "mine again").await.unwrap();
    mine.create("new", "from me").await.unwrap();
    dispute.assert_open(&mine, &["b", "c"].map(|path| format!("UU Content {path}"))).await;
    assert_eq!(mine.read("b").await.unwrap(), "mine again");
    settle(&mine, "b", Way::Local).await;
    settle(&mine, "c", Way::Remote).await;
    mine.sync("Settle").await.unwrap();
    let shared = dispute.shared();
    let texts = ["a", "b", "c", "new"].map(|path| text(shared, path));
    assert_eq!(texts, ["mine", "mine again", "theirs", "from me"]);
    assert_in_step(&mine, shared);
    shared.assert_sound();
}

#[tokio::test]
async fn a_pull_concludes_and_keeps_what_was_edited_since_the_local_file_was_chosen() {
    let dispute = about(&["a"]).await;
    let mine = dispute.mine().await;
    mine.pull().await.unwrap_err();
    settle(&mine, "a", Way::Local).await;
    mine.update("a", "mine again").await.unwrap();
    mine.create("new", "from me").await.unwrap();
    mine.pull().await.unwrap();
    assert_eq!(mine.read("a").await.unwrap(), "mine again");
    mine.push("Again").await.unwrap();
    let shared = dispute.shared();
    assert_eq!(["a", "new"].map(|path| text(shared, path)), ["mine again", "from me"]);
    let parents = format!("{} {}", dispute.local, dispute.remote);
    assert_eq!(shared.main().log("%P")[1], parents);
    assert_in_step(&mine, shared);
}

#[tokio::test]
async fn an_edit_after_the_remote_file_was_chosen_is_kept_and_opens_it_again() {
    let dispute = about(&["a"]).await;
    let mine = dispute.mine().await;
    mine.pull().await.unwrap_err();
    settle(&mine, "a", Way::Remote).await;
    mine.update("a", "mine again").await.unwrap();
    dispute.assert_open(&mine, &["UU Content a".to_owned()]).await;
    assert_eq!(mine.read("a").await.unwrap(), "mine again");
    settle(&mine, "a", Way::Content).await;
    mine.sync("Settle").await.unwrap();
    assert_eq!(text(dispute.shared(), "a"), SETTLED);
    let contents = dispute.shared().main().log("%s");
    assert!(contents.contains(&"Local changes before a merge".to_owned()), "{contents:?}");
    assert_in_step(&mine, dispute.shared());
}

#[tokio::test]
async fn a_file_in_conflict_that_is_deleted_here_is_a_conflict_of_another_kind() {
    let dispute = about(&["a"]).await;
    let mine = dispute.mine().await;
    mine.pull().await.unwrap_err();
    settle(&mine, "a", Way::Remote).await;
    mine.delete("a").await.unwrap();
    dispute.assert_open(&mine, &["DU ModifyDelete a".to_owned()]).await;
    assert!(!mine.exists("a").await.unwrap());
    settle(&mine, "a", Way::Local).await;
    mine.sync("Settle").await.unwrap();
    assert_eq!(dispute.shared().main().tree(), ["100644 kept"]);
    assert_in_step(&mine, dispute.shared());
}

#[tokio::test]
async fn a_push_is_refused_and_loses_nothing() {
    let dispute = about(&["a"]).await;
    let mine = dispute.mine().await;
    // Without a pull before, too.
    for content in ["one", "two", "three"] {
        mine.update("kept", content).await.unwrap();
        let before = photograph(mine.root());
        let error = mine.push("Try").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Conflict);
        assert_eq!(error.conflicts(), ["a"]);
        assert_eq!(photograph(mine.root()), before);
        assert_eq!(dispute.shared().main().head().unwrap(), dispute.remote);
        assert_eq!(report(&mine).await, ["UU Content a"]);
    }
    drop(mine);
    let mine = dispute.mine().await;
    assert_eq!(mine.read("kept").await.unwrap(), "three");
    settle(&mine, "a", Way::Remote).await;
    mine.push("Settle").await.unwrap();
    assert_eq!(text(dispute.shared(), "kept"), "three");
    assert_eq!(text(dispute.shared(), "a"), "theirs");
    let messages = dispute.shared().main().log("%s");
    assert_eq!(messages.iter().filter(|message| *message == "Try").count(), 3, "{messages:?}");
    assert_in_step(&mine, dispute.shared());
}

async fn assert_no_conflict(mine: &GitSyncFileBackend, path: &str) {
    for refused in [
        mine.conflict_accept_local(path).await,
        mine.conflict_accept_remote(path).await,
        mine.conflict_resolve(path, SETTLED.into()).await,
        mine.conflict_versions(path).await.map(drop),
    ] {
        let error = refused.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidOperation, "{path:?}");
        assert_eq!(error.path(), Some(path));
    }
}

#[tokio::test]
async fn only_what_is_in_conflict_is_settled() {
    let dispute = about(&["a", "d/f"]).await;
    let mine = dispute.mine().await;
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
    // Other spellings of a path are the path.
    settle(&mine, "./a/", Way::Local).await;
    settle(&mine, "d//f", Way::Remote).await;
    assert_eq!(report(&mine).await, [""; 0]);
    mine.sync("Settle").await.unwrap();
    assert_eq!(text(dispute.shared(), "a"), "mine");
    assert_eq!(text(dispute.shared(), "d/f"), "theirs");
    dispute.assert_concluded(&mine).await;
    for path in ["a", "d/f", "kept"] {
        assert_no_conflict(&mine, path).await;
    }
}

#[tokio::test]
async fn the_last_settlement_publishes_where_that_is_wanted() {
    let dispute = about(&["a", "b"]).await;
    let mine = opened(dispute.clones.config("mine").with_auto_push(true)).await;
    mine.pull().await.unwrap_err();
    // A write is done, and told to be unpublished.
    let error = mine.create("new", "from me").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict);
    assert_eq!(mine.read("new").await.unwrap(), "from me");
    assert_eq!(dispute.shared().main().head().unwrap(), dispute.remote);

    settle(&mine, "a", Way::Remote).await;
    assert_eq!(dispute.shared().main().head().unwrap(), dispute.remote);
    settle(&mine, "b", Way::Local).await;
    let shared = dispute.shared();
    assert_eq!(["a", "b", "new"].map(|path| text(shared, path)), ["theirs", "mine", "from me"]);
    assert_eq!(mine.read("a").await.unwrap(), "theirs");
    assert_in_step(&mine, shared);
    shared.assert_sound();
    mine.update("a", "mine").await.unwrap();
    assert_eq!(text(shared, "a"), "mine");
}

#[tokio::test]
async fn a_settlement_that_cannot_be_published_stays() {
    let dispute = about(&["a"]).await;
    let mine = opened(dispute.clones.config("mine").with_auto_push(true)).await;
    mine.pull().await.unwrap_err();
    dispute.shared().hook("pre-receive", "echo not today; exit 1");
    let error = mine.conflict_accept_remote("a").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::PermissionDenied, "{error}");
    assert_eq!(report(&mine).await, [""; 0]);
    assert_eq!(dispute.shared().main().head().unwrap(), dispute.remote);
    dispute.shared().hook("pre-receive", "exit 0");
    mine.push("Settle").await.unwrap();
    assert_eq!(text(dispute.shared(), "a"), "theirs");
    dispute.assert_concluded(&mine).await;
}

#[tokio::test]
async fn with_automatic_pulls_reads_go_on_and_the_report_tells() {
    let dispute = about(&["a"]).await;
    let mine = opened(dispute.clones.config("mine").with_auto_pull(true)).await;
    assert_eq!(mine.read("a").await.unwrap(), "mine");
    assert_eq!(report(&mine).await, ["UU Content a"]);
    settle(&mine, "a", Way::Remote).await;
    assert_eq!(mine.read("a").await.unwrap(), "theirs");
    assert_eq!(report(&mine).await, [""; 0]);
    mine.push("Settle").await.unwrap();
    dispute.assert_concluded(&mine).await;
}

#[tokio::test]
async fn another_open_backend_of_the_same_tree_sees_and_settles_them() {
    let dispute = about(&["a", "b"]).await;
    let (mine, other) = (dispute.mine().await, dispute.mine().await);
    mine.pull().await.unwrap_err();
    assert_eq!(report(&other).await, report(&mine).await);
    settle(&other, "a", Way::Remote).await;
    settle(&mine, "b", Way::Remote).await;
    other.sync("Settle").await.unwrap();
    assert_eq!(mine.read("b").await.unwrap(), "theirs");
    dispute.assert_concluded(&mine).await;
}

#[tokio::test]
async fn two_that_began_an_empty_remote_settle_what_both_added() {
    let clones = Clones::of(Remote::empty());
    let (mine, yours) = (clones.open("mine").await, clones.open("yours").await);
    mine.create("a", "mine").await.unwrap();
    yours.create("a", "yours").await.unwrap();
    yours.create("b", "yours").await.unwrap();
    yours.push("Yours").await.unwrap();
    let error = mine.push("Mine").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict);
    assert_eq!(report(&mine).await, ["AA Content a"]);
    settle(&mine, "a", Way::Local).await;
    mine.push("Settle").await.unwrap();
    assert_eq!(text(&clones.remote, "a"), "mine");
    yours.pull().await.unwrap();
    for clone in [&mine, &yours] {
        assert_in_step(clone, &clones.remote);
        assert_eq!(clone.read("b").await.unwrap(), "yours");
    }
    clones.remote.assert_sound();
}
