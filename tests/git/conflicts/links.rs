//! Links that lead out of the tree take part in merges, and nobody goes where they lead.

use std::fs;
use std::path::Path;

use f9::ErrorKind;
use f9::prelude::*;
use tempfile::TempDir;

use super::{Dispute, SETTLED, Way, photograph, settle};
use crate::remote::Change;

/// A directory with a file, to which links lead.
struct Outside(TempDir);

impl Outside {
    fn new() -> Self {
        let outside = Self(tempfile::tempdir().unwrap());
        fs::write(outside.0.path().join("f"), "secret").unwrap();
        outside
    }

    fn link(&self, path: &str) -> Change {
        Change::symlink(path, self.text())
    }

    fn link_to_file(&self, path: &str) -> Change {
        Change::symlink(path, format!("{}/f", self.text()))
    }

    fn text(&self) -> &str {
        self.0.path().to_str().unwrap()
    }

    fn assert_untouched(&self) {
        let found = photograph(self.0.path());
        let (path, seen) = found.iter().next().unwrap();
        assert_eq!((found.len(), path.as_path()), (1, Path::new("f")));
        assert_eq!(seen.as_ref().unwrap().1, b"secret");
    }
}

#[tokio::test]
async fn a_link_out_of_the_tree_is_settled_and_never_followed() {
    let outside = Outside::new();
    let base = [Change::symlink("l", "../.."), Change::write("f", "base")];
    let local = [outside.link_to_file("l"), Change::write("f", "mine")];
    let remote = [Change::symlink("l", "/etc/passwd"), Change::write("f", "theirs")];
    for (way, expected) in [
        (Way::Local, format!("{}/f", outside.text())),
        (Way::Remote, "/etc/passwd".to_owned()),
        (Way::Content, SETTLED.to_owned()),
    ] {
        let dispute = Dispute::between(&base, &local, &remote).await;
        let mine = dispute.mine().await;
        dispute.assert_open(&mine, &["UU Content f", "UU Symlink l"].map(str::to_owned)).await;
        assert_eq!(mine.read("l").await.unwrap_err().kind(), ErrorKind::PathEscapesRoot);
        settle(&mine, "f", way).await;
        settle(&mine, "l", way).await;
        mine.sync("Settle").await.unwrap();
        assert_eq!(dispute.shared().main().file("l").unwrap(), expected.as_bytes());
        match way {
            Way::Content => assert_eq!(mine.read("l").await.unwrap(), SETTLED),
            _ => assert_eq!(mine.read("l").await.unwrap_err().kind(), ErrorKind::PathEscapesRoot),
        }
        dispute.assert_concluded(&mine).await;
        outside.assert_untouched();
    }
}

#[tokio::test]
async fn a_directory_that_takes_the_place_of_a_link_is_not_made_where_that_led() {
    let outside = Outside::new();
    let base = [Change::symlink("d", "elsewhere")];
    let (local, remote) =
        ([outside.link("d")], [Change::delete("d"), Change::write("d/f", "theirs")]);
    let dispute = Dispute::between(&base, &local, &remote).await;
    let mine = dispute.mine().await;
    dispute.assert_open(&mine, &["UU DirectoryFile d".to_owned()]).await;
    assert_eq!(mine.read("d/f").await.unwrap_err().kind(), ErrorKind::PathEscapesRoot);
    settle(&mine, "d", Way::Remote).await;
    mine.sync("Settle").await.unwrap();
    assert_eq!(mine.read("d/f").await.unwrap(), "theirs");
    dispute.assert_concluded(&mine).await;
    outside.assert_untouched();

    // The other way round the directory goes, and nothing beyond the link.
    let dispute = Dispute::between(&base, &remote, &local).await;
    let mine = dispute.mine().await;
    dispute.assert_open(&mine, &["UU DirectoryFile d".to_owned()]).await;
    settle(&mine, "d", Way::Remote).await;
    mine.sync("Settle").await.unwrap();
    assert_eq!(mine.read("d/f").await.unwrap_err().kind(), ErrorKind::PathEscapesRoot);
    dispute.assert_concluded(&mine).await;
    outside.assert_untouched();
}

#[tokio::test]
async fn a_history_with_links_out_of_the_tree_is_pulled_and_merged() {
    let outside = Outside::new();
    let base = [Change::write("f", "base"), Change::write("d/g", "g")];
    let local = [Change::write("mine", "mine")];
    let remote = [
        outside.link("out"),
        outside.link_to_file("d/out"),
        Change::symlink("up", ".."),
        Change::delete("f"),
        outside.link_to_file("f"),
    ];
    let dispute = Dispute::between(&base, &local, &remote).await;
    let mine = dispute.mine().await;
    mine.sync("Merge").await.unwrap();
    for path in ["out/f", "d/out", "up", "up/x", "f"] {
        let error = mine.read(path).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::PathEscapesRoot, "{path}");
    }
    let error = mine.create("out/new", "no").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::PathEscapesRoot);
    dispute.assert_concluded(&mine).await;
    outside.assert_untouched();
}
