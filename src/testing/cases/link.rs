//! Symbolic links hold a path below the root.

use futures::TryStreamExt as _;

use crate::core::error::ErrorKind;
use crate::core::info::FileType;
use crate::core::options::{InfoOptions, LinkMode, ListOptions};
use crate::prelude::*;
use crate::testing::Fixture;
use crate::testing::expect::{refused, refused_when};
use crate::testing::state::listed;

pub async fn a_link_holds_its_target(store: &dyn Fixture) {
    let files = store.backend().await;
    files.create("dir/a", "content").await.unwrap();
    let link = files.create_link("new/link", "../dir/a").await.unwrap();
    assert_eq!((link.file_type, link.path.as_str()), (FileType::Symlink, "new/link"));
    assert_eq!(files.read_link("new/link").await.unwrap(), "../dir/a");
    let keep = InfoOptions::default().with_links(LinkMode::Keep);
    let info = files.info_with("new/link", keep).await.unwrap();
    assert_eq!(
        (info.file_type, info.link_target.as_deref()),
        (FileType::Symlink, Some("../dir/a"))
    );
    assert_eq!(files.read("new/link").await.unwrap(), "content");
    let followed = files.info("new/link").await.unwrap();
    assert_eq!((followed.file_type, followed.size), (FileType::File, Some(7)));
    assert_eq!(followed.path, "new/link");
    assert_eq!(files.open("new/link").await.unwrap().info.size, Some(7));
    assert!(files.exists("new/link").await.unwrap());
    files.write("new/link", "changed").await.unwrap();
    assert_eq!(files.read("dir/a").await.unwrap(), "changed");
    files.delete("new/link").await.unwrap();
    assert_eq!(files.read("dir/a").await.unwrap(), "changed");
}

pub async fn a_link_may_dangle_but_not_lead_out(store: &dyn Fixture) {
    let files = store.backend().await;
    files.create_link("dir/link", "missing").await.unwrap();
    refused(files.read("dir/link").await, ErrorKind::NotFound);
    refused(files.info("dir/link").await, ErrorKind::NotFound);
    assert!(!files.exists("dir/link").await.unwrap());
    for target in ["../../a", "/etc/passwd", "..//../a", "x/../../../a"] {
        refused_when(
            files.create_link("dir/out", target).await,
            ErrorKind::PathEscapesRoot,
            target,
        );
    }
    refused(files.create_link("dir/link", "other").await, ErrorKind::AlreadyExists);
    assert_eq!(files.read_link("dir/link").await.unwrap(), "missing");
    assert_eq!(listed(&*files, "", ListOptions::recursive()).await, ["dir/", "dir/link"]);
}

pub async fn a_glob_follows_links_in_its_literal_prefix(store: &dyn Fixture) {
    let files = store.backend().await;
    files.create("dir/deep/a.txt", "content").await.unwrap();
    files.create_link("link", "dir").await.unwrap();
    for (pattern, expected) in [
        ("link/deep/*", &["link/deep/a.txt"][..]),
        ("link/deep/a.txt", &["link/deep/a.txt"]),
        ("link/**/*.txt", &["link/deep/a.txt"]),
        ("link/*", &["link/deep"]),
        ("link/*.txt", &[]),
        // A link that the pattern only matches is not followed.
        ("l*/deep/*", &[]),
        ("**/*.txt", &["dir/deep/a.txt"]),
    ] {
        assert_eq!(files.glob(pattern).await.unwrap(), expected, "{pattern}");
        let stream = files.glob_stream(pattern).await.unwrap();
        let streamed: Vec<_> = stream.try_collect().await.unwrap();
        assert_eq!(streamed, expected, "{pattern}");
    }
}

pub async fn only_a_link_has_a_target(store: &dyn Fixture) {
    let files = store.backend().await;
    files.create("dir/a", "content").await.unwrap();
    refused(files.read_link("dir/a").await, ErrorKind::InvalidInput);
    refused(files.read_link("dir").await, ErrorKind::InvalidInput);
    refused(files.read_link("missing").await, ErrorKind::NotFound);
}
