//! Symbolic links: followed beneath the root and never out of it, and a deletion does not follow them.

use std::fs;
use std::os::unix::fs::symlink;
use std::process::Command;

use f9::prelude::*;
use f9::{
    CopyOptions, CreateOptions, DeleteOptions, ErrorKind, FileType, InfoOptions, LinkMode,
    ListOptions, RenameOptions,
};
use futures::TryStreamExt as _;

use crate::machine;
use crate::store::{Store, every_verb};

#[tokio::test]
async fn a_link_that_leads_out_is_refused_by_every_verb() {
    let store = Store::new().await;
    fs::create_dir(store.on_disk("sub")).unwrap();
    let outside = &store.outside;
    symlink(outside.join("secret"), store.on_disk("absolute-file")).unwrap();
    symlink(outside, store.on_disk("absolute-dir")).unwrap();
    symlink("../outside/secret", store.on_disk("relative-file")).unwrap();
    symlink("../../outside", store.on_disk("sub/nested")).unwrap();
    symlink("sub/nested", store.on_disk("twice")).unwrap();
    symlink("/proc/self/root", store.on_disk("magic")).unwrap();
    symlink("../outside/new", store.on_disk("dangling")).unwrap();
    let before = store.outside_contents();
    for path in [
        "absolute-file",
        "absolute-dir/secret",
        "absolute-dir/new",
        "relative-file",
        "sub/nested/secret",
        "sub/nested/dir/secret",
        "twice/secret",
        "twice/new/deep",
        "magic/etc/passwd",
        "dangling",
    ] {
        let is_link = !path.contains('/');
        for (verb, kind) in every_verb(&store.backend, path).await {
            let own = matches!(verb, "rename to" | "delete") && is_link;
            if own {
                // These verbs work on the link itself and may succeed.
                assert!(
                    matches!(kind, None | Some(ErrorKind::NotFound)),
                    "{verb} {path}: {kind:?}"
                );
            } else {
                assert_eq!(kind, Some(ErrorKind::PathEscapesRoot), "{verb} {path}");
            }
        }
    }
    assert_eq!(store.outside_contents(), before);
}

#[tokio::test]
async fn links_within_the_root_are_followed_by_reads_and_writes() {
    let store = Store::new().await;
    let backend = &store.backend;
    backend.create("dir/real", "one").await.unwrap();
    symlink("dir/real", store.on_disk("link")).unwrap();
    symlink("dir", store.on_disk("linkdir")).unwrap();
    symlink("../dir/real", store.on_disk("dir/up")).unwrap();
    for path in ["link", "linkdir/real", "dir/up", "linkdir/up"] {
        assert_eq!(backend.read(path).await.unwrap(), "one", "{path}");
    }
    let etag = backend.info("dir/real").await.unwrap().etag.unwrap();
    backend.create_with("link", "two", CreateOptions::if_match(etag)).await.unwrap();
    backend.update_with("linkdir/up", "+", f9::UpdateOptions::append()).await.unwrap();
    assert_eq!(backend.read("dir/real").await.unwrap(), "two+");
    backend.create("linkdir/new/x", "x").await.unwrap();
    assert_eq!(fs::read(store.on_disk("dir/new/x")).unwrap(), b"x");
    for link in ["link", "linkdir", "dir/up"] {
        assert!(store.on_disk(link).is_symlink(), "{link}");
    }
    assert_eq!(backend.create("link", "x").await.unwrap_err().kind(), ErrorKind::AlreadyExists);
    let listed: Vec<_> = backend.list("linkdir").await.unwrap().try_collect().await.unwrap();
    assert_eq!(listed[0].path, "linkdir/new");
}

#[tokio::test]
async fn info_is_of_the_link_or_of_its_target() {
    let store = Store::new().await;
    let backend = &store.backend;
    backend.create("real", "12345").await.unwrap();
    symlink("real", store.on_disk("link")).unwrap();
    let keep = InfoOptions::default().with_links(LinkMode::Keep);
    let info = backend.info_with("link", keep).await.unwrap();
    assert_eq!((info.file_type, info.size), (FileType::Symlink, Some(4)));
    let info = backend.info("link").await.unwrap();
    assert_eq!((info.file_type, info.size, info.path.as_str()), (FileType::File, Some(5), "link"));
}

#[tokio::test]
async fn a_dangling_link_can_be_listed_renamed_and_deleted() {
    let store = Store::new().await;
    let backend = &store.backend;
    symlink("nowhere", store.on_disk("link")).unwrap();
    assert!(!backend.exists("link").await.unwrap());
    assert_eq!(backend.info("link").await.unwrap_err().kind(), ErrorKind::NotFound);
    let keep = InfoOptions::default().with_links(LinkMode::Keep);
    let info = backend.info_with("link", keep).await.unwrap();
    assert_eq!(info.file_type, FileType::Symlink);
    assert_eq!(backend.read("link").await.unwrap_err().kind(), ErrorKind::NotFound);
    let overwrite = CreateOptions::overwrite();
    let refused = backend.create_with("link", "x", overwrite).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::NotFound);
    assert_eq!(backend.create("link", "x").await.unwrap_err().kind(), ErrorKind::AlreadyExists);
    assert_eq!(backend.create("link/x", "x").await.unwrap_err().kind(), ErrorKind::NotADirectory);
    assert_eq!(backend.create_dir("link").await.unwrap_err().kind(), ErrorKind::NotADirectory);
    backend.rename("link", "moved").await.unwrap();
    backend.delete("moved").await.unwrap();
    assert!(store.on_disk("moved").symlink_metadata().is_err());
    assert!(!store.on_disk("nowhere").exists());
}

#[tokio::test]
async fn a_deletion_removes_links_and_not_their_targets() {
    let store = Store::new().await;
    let backend = &store.backend;
    backend.create("keep/file", "kept").await.unwrap();
    backend.create("tree/a/b", "gone").await.unwrap();
    symlink("../keep", store.on_disk("tree/to-dir")).unwrap();
    symlink(&store.outside, store.on_disk("tree/a/out")).unwrap();
    symlink("keep", store.on_disk("link-to-dir")).unwrap();
    symlink("keep/file", store.on_disk("link-to-file")).unwrap();
    let before = store.outside_contents();
    backend.delete("link-to-dir").await.unwrap();
    backend.delete_with("link-to-file", DeleteOptions::recursive()).await.unwrap();
    backend.delete_with("tree", DeleteOptions::recursive()).await.unwrap();
    assert_eq!(backend.read("keep/file").await.unwrap(), "kept");
    assert_eq!(store.outside_contents(), before);
    assert!(!store.on_disk("tree").exists());
}

#[tokio::test]
async fn a_listing_shows_links_and_does_not_follow_them() {
    let store = Store::new().await;
    let backend = &store.backend;
    backend.create("dir/file", "x").await.unwrap();
    symlink(".", store.on_disk("dir/loop")).unwrap();
    symlink("dir", store.on_disk("link")).unwrap();
    let recursive = ListOptions::recursive();
    let entries: Vec<_> =
        backend.list_with("", recursive).await.unwrap().try_collect().await.unwrap();
    let shown: Vec<_> = entries.iter().map(|e| (e.path.as_str(), e.file_type)).collect();
    assert_eq!(
        shown,
        [
            ("dir", FileType::Directory),
            ("dir/file", FileType::File),
            ("dir/loop", FileType::Symlink),
            ("link", FileType::Symlink),
        ]
    );
    assert_eq!(backend.glob("**/file").await.unwrap(), ["dir/file"]);
}

#[tokio::test]
async fn a_loop_of_links_is_a_link_loop_error() {
    let store = Store::new().await;
    symlink("b", store.on_disk("a")).unwrap();
    symlink("a", store.on_disk("b")).unwrap();
    for path in ["a", "a/x"] {
        assert_eq!(
            store.backend.read(path).await.unwrap_err().kind(),
            ErrorKind::LinkLoop,
            "{path}"
        );
    }
    store.backend.delete("a").await.unwrap();
}

#[tokio::test]
async fn no_link_leads_to_what_f9_keeps_for_itself() {
    let store = Store::new().await;
    fs::create_dir(store.on_disk(".f9")).unwrap();
    fs::write(store.on_disk(".f9/state"), "state").unwrap();
    symlink(".f9", store.on_disk("link")).unwrap();
    symlink(".f9/state", store.on_disk("file")).unwrap();
    for path in ["link/state", "link/new", "file"] {
        for (verb, kind) in every_verb(&store.backend, path).await {
            // The link itself can be replaced and deleted.
            let own = matches!(verb, "rename to" | "delete") && path == "file";
            let missing = path == "link/new" && kind == Some(ErrorKind::NotFound);
            assert!(
                own || missing || kind == Some(ErrorKind::ReservedPath),
                "{verb} {path}: {kind:?}"
            );
        }
    }
    assert_eq!(fs::read(store.on_disk(".f9/state")).unwrap(), b"state");
    assert_eq!(fs::read_dir(store.on_disk(".f9")).unwrap().count(), 1);
}

#[tokio::test]
async fn copies_follow_links_and_renames_do_not() {
    let store = Store::new().await;
    let backend = &store.backend;
    backend.create("real", "one").await.unwrap();
    backend.create("other", "two").await.unwrap();
    symlink("real", store.on_disk("link")).unwrap();
    backend.copy("link", "copy").await.unwrap();
    assert!(!store.on_disk("copy").is_symlink());
    backend.copy_with("other", "link", CopyOptions::overwrite()).await.unwrap();
    assert_eq!(backend.read("real").await.unwrap(), "two");
    backend.rename("link", "moved").await.unwrap();
    assert!(store.on_disk("moved").is_symlink());
    backend.rename_with("other", "moved", RenameOptions::overwrite()).await.unwrap();
    assert!(!store.on_disk("moved").is_symlink());
    assert_eq!(backend.read("real").await.unwrap(), "two");
}

/// Before Linux 5.6, and in some sandboxes, there is no `openat2`.
#[test]
fn links_are_handled_the_same_without_openat2() {
    if let Some(reason) = machine::lacks_strace() {
        return machine::not_run("links_are_handled_the_same_without_openat2", reason);
    }
    for refusal in ["ENOSYS", "EPERM"] {
        let traced = Command::new("strace")
            .args(["-f", "-qq", "-o", "/dev/null", "-e", "trace=openat2"])
            .args(["-e", &format!("inject=openat2:error={refusal}")])
            .arg(std::env::current_exe().unwrap())
            .args(["links::", "--skip", "without_openat2"])
            .output()
            .unwrap();
        let output = String::from_utf8_lossy(&traced.stdout);
        assert!(traced.status.success() && output.contains("9 passed"), "{refusal}: {output}");
    }
}
