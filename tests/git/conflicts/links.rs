//! Links that lead out of the tree take part in merges and are never followed.

use std::fs;
use std::path::Path;

use f9::ErrorKind;
use f9::prelude::*;
use tempfile::TempDir;

use super::{Divergence, RESOLVED, Resolution, resolve, snapshot};
use crate::remote::Change;

/// A directory with a file outside the tree, to which links lead.
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
        let found = snapshot(self.0.path());
        let (path, seen) = found.iter().next().unwrap();
        assert_eq!((found.len(), path.as_path()), (1, Path::new("f")));
        assert_eq!(seen.as_ref().unwrap().1, b"secret");
    }
}

#[tokio::test]
async fn a_link_that_leads_out_is_resolved_and_never_followed() {
    let outside = Outside::new();
    let base = [Change::symlink("l", "../.."), Change::write("f", "base")];
    let local = [outside.link_to_file("l"), Change::write("f", "mine")];
    let remote = [Change::symlink("l", "/etc/passwd"), Change::write("f", "theirs")];
    for (resolution, expected) in [
        (Resolution::Local, format!("{}/f", outside.text())),
        (Resolution::Remote, "/etc/passwd".to_owned()),
        (Resolution::Content, RESOLVED.to_owned()),
    ] {
        let divergence = Divergence::between(&base, &local, &remote).await;
        let mine = divergence.mine().await;
        divergence
            .assert_conflicts(&mine, &["UU Content f", "UU Symlink l"].map(str::to_owned))
            .await;
        assert_eq!(mine.read("l").await.unwrap_err().kind(), ErrorKind::PathEscapesRoot);
        resolve(&mine, "f", resolution).await;
        resolve(&mine, "l", resolution).await;
        mine.sync("Resolve").await.unwrap();
        assert_eq!(divergence.shared().main().file("l").unwrap(), expected.as_bytes());
        match resolution {
            Resolution::Content => assert_eq!(mine.read("l").await.unwrap(), RESOLVED),
            _ => assert_eq!(mine.read("l").await.unwrap_err().kind(), ErrorKind::PathEscapesRoot),
        }
        divergence.assert_completed(&mine).await;
        outside.assert_untouched();
    }
}

#[tokio::test]
async fn a_directory_that_replaces_a_link_is_not_created_at_its_target() {
    let outside = Outside::new();
    let base = [Change::symlink("d", "elsewhere")];
    let (local, remote) =
        ([outside.link("d")], [Change::delete("d"), Change::write("d/f", "theirs")]);
    let divergence = Divergence::between(&base, &local, &remote).await;
    let mine = divergence.mine().await;
    divergence.assert_conflicts(&mine, &["UU DirectoryFile d".to_owned()]).await;
    assert_eq!(mine.read("d/f").await.unwrap_err().kind(), ErrorKind::PathEscapesRoot);
    resolve(&mine, "d", Resolution::Remote).await;
    mine.sync("Resolve").await.unwrap();
    assert_eq!(mine.read("d/f").await.unwrap(), "theirs");
    divergence.assert_completed(&mine).await;
    outside.assert_untouched();

    // In the other direction the directory is removed, and nothing beyond the link.
    let divergence = Divergence::between(&base, &remote, &local).await;
    let mine = divergence.mine().await;
    divergence.assert_conflicts(&mine, &["UU DirectoryFile d".to_owned()]).await;
    resolve(&mine, "d", Resolution::Remote).await;
    mine.sync("Resolve").await.unwrap();
    assert_eq!(mine.read("d/f").await.unwrap_err().kind(), ErrorKind::PathEscapesRoot);
    divergence.assert_completed(&mine).await;
    outside.assert_untouched();
}

#[tokio::test]
async fn a_history_with_links_that_lead_out_is_pulled_and_merged() {
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
    let divergence = Divergence::between(&base, &local, &remote).await;
    let mine = divergence.mine().await;
    mine.sync("Merge").await.unwrap();
    for path in ["out/f", "d/out", "up", "up/x", "f"] {
        let error = mine.read(path).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::PathEscapesRoot, "{path}");
    }
    let error = mine.create("out/new", "no").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::PathEscapesRoot);
    divergence.assert_completed(&mine).await;
    outside.assert_untouched();
}
