//! Listings: objects in byte order, with any other entries in the directory.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::symlink;
use std::sync::atomic::Ordering;

use f9::prelude::*;
use f9::{Capability, CreateDirOptions, ErrorKind};
use futures::{StreamExt as _, TryStreamExt as _};
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt as _};

use crate::errors::{inside, variant};
use crate::scripted::Scripted;
use crate::stores::{Local, content, locations, memory};

/// Returns the objects and common prefixes of a level.
async fn level(store: &dyn ObjectStore, prefix: &str) -> (Vec<String>, Vec<String>) {
    let level = store.list_with_delimiter(Some(&Path::parse(prefix).unwrap())).await.unwrap();
    let objects = level.objects.iter().map(|meta| meta.location.to_string());
    (objects.collect(), level.common_prefixes.iter().map(Path::to_string).collect())
}

fn owned(names: &[&str]) -> Vec<String> {
    names.iter().map(|&name| name.to_owned()).collect()
}

#[tokio::test]
async fn a_directory_is_a_prefix_only_while_it_has_an_object() {
    let (store, files) = memory();
    for path in ["empty", "nested/empty/deep", "full/deep"] {
        files.create_dir(path).await.unwrap();
    }
    store.put(&Path::from("full/deep/er/object"), "x".into()).await.unwrap();
    store.put(&Path::from("object"), "x".into()).await.unwrap();
    assert_eq!(level(&store, "").await, (owned(&["object"]), owned(&["full"])));
    assert_eq!(level(&store, "nested").await, (vec![], vec![]));
    assert_eq!(level(&store, "full").await, (vec![], owned(&["full/deep"])));
    assert_eq!(locations(&store).await, ["full/deep/er/object", "object"]);

    store.delete(&Path::from("full/deep/er/object")).await.unwrap();
    assert_eq!(level(&store, "").await, (owned(&["object"]), vec![]));
    assert_eq!(locations(&store).await, ["object"]);
}

#[tokio::test]
async fn an_empty_directory_is_kept_and_can_be_deleted() {
    let local = Local::new().await;
    store_and_delete(&local, "a/b").await;
    assert!(local.on_disk("a").is_dir());
    local.store.delete(&Path::from("a")).await.unwrap();
    assert_eq!(local.names(), [""; 0]);

    store_and_delete(&local, "a/b/c").await;
    let error = local.store.delete(&Path::from("a")).await.unwrap_err();
    assert_eq!(variant(&error), "NotFound", "the directory is not empty");
    assert!(local.on_disk("a/b").is_dir());
}

async fn store_and_delete(local: &Local, location: &str) {
    let location = Path::from(location);
    local.store.put(&location, "x".into()).await.unwrap();
    local.store.delete(&location).await.unwrap();
}

#[tokio::test]
async fn a_directory_is_listed_only_up_to_its_first_object() {
    let (store, script) = Scripted::default().store();
    for directory in 0..20 {
        for file in 0..50 {
            let path = format!("{directory}/{file}");
            script.files.create(&path, "x").await.unwrap();
        }
    }
    assert_eq!(level(&store, "").await.1.len(), 20);
    assert_eq!(script.calls(), ["list"; 21]);
    assert_eq!(
        script.entries.load(Ordering::Relaxed),
        40,
        "one directory and one file in it, twenty times"
    );
}

#[tokio::test]
async fn directories_are_not_listed_if_none_can_be_empty() {
    let without = Some(Capability::EmptyDirectories);
    let (store, script) = Scripted { without, ..Scripted::default() }.store();
    for path in ["a/1", "b/c/1", "d"] {
        script.files.create(path, "x").await.unwrap();
    }
    assert_eq!(level(&store, "").await, (owned(&["d"]), owned(&["a", "b"])));
    assert_eq!(script.calls(), ["list"]);
}

#[tokio::test]
async fn an_unreadable_directory_is_shown_and_hides_no_other() {
    let (store, script) = Scripted { unreadable: Some("b"), ..Scripted::default() }.store();
    for path in ["a/1", "b/1", "c"] {
        script.files.create(path, "x").await.unwrap();
    }
    assert_eq!(level(&store, "").await, (owned(&["c"]), owned(&["a", "b"])));
    let error = store.list_with_delimiter(Some(&Path::from("b"))).await.unwrap_err();
    assert_eq!(variant(&error), "PermissionDenied");
    let mut listed = store.list(Some(&Path::from("b")));
    assert_eq!(variant(&listed.next().await.unwrap().unwrap_err()), "PermissionDenied");
}

#[tokio::test]
async fn listings_are_in_byte_order_and_start_after_their_offset() {
    let local = Local::new().await;
    let mut names = ["a", "a b/c", "a-b", "a.b/c", "b/a/z", "b/a-z", "b/a.z", "b0", "ba", "é"];
    for name in names {
        local.store.put(&Path::parse(name).unwrap(), "x".into()).await.unwrap();
    }
    names.sort_unstable();
    assert_eq!(locations(&local.store).await, names);
    for offset in ["", "a", "a.", "a.b/c", "b", "b/a", "b/a-z", "b/a/z", "é", "zz"] {
        let listed = local.store.list_with_offset(None, &Path::parse(offset).unwrap());
        let listed: Vec<_> =
            listed.map_ok(|meta| meta.location.to_string()).try_collect().await.unwrap();
        let after: Vec<_> = names.iter().filter(|&&name| name > offset).collect();
        assert_eq!(listed.iter().collect::<Vec<_>>(), after, "{offset}");
    }
}

#[tokio::test]
async fn unusual_names_are_stored_unchanged() {
    let local = Local::new().await;
    let names = [
        "L%3ABC.parquet",
        "%2e%2e",
        "a%2Fb",
        "%",
        "%zz",
        "foo#1",
        "foo#",
        "~x",
        "b*",
        "q?",
        "[x]",
        "{y}",
        "a\\b",
        "C:",
        " lead",
        "trail ",
        "trail.",
        "...",
        "..a",
        "-rf",
        "\"quoted\"",
        "x`y",
        "a|b",
        "<>",
        "^",
        "é",
        "e\u{301}",
        "😀",
        "\u{200b}",
        "\u{85}",
    ];
    for (index, name) in names.iter().enumerate() {
        // Half are written by another program, half through the store.
        if index % 2 == 0 {
            fs::write(local.on_disk(name), name).unwrap();
        } else {
            let location = Path::parse(name).unwrap();
            local.store.put(&location, (*name).to_owned().into()).await.unwrap();
            assert_eq!(fs::read(local.on_disk(name)).unwrap(), name.as_bytes());
        }
    }
    let mut sorted = names.map(str::to_owned);
    sorted.sort_unstable();
    assert_eq!(locations(&local.store).await, sorted);
    assert_eq!(level(&local.store, "").await.0, sorted);
    for name in names {
        assert_eq!(content(&local.store, name).await, name.as_bytes());
        let copy = Path::parse(format!("copies/{name}")).unwrap();
        local.store.copy(&Path::parse(name).unwrap(), &copy).await.unwrap();
        local.store.delete(&Path::parse(name).unwrap()).await.unwrap();
    }
    assert_eq!(local.names(), ["copies"]);
}

#[tokio::test]
async fn an_invalid_name_is_one_error_and_hides_no_other() {
    let local = Local::new().await;
    fs::create_dir(local.on_disk("dir")).unwrap();
    for name in [&b"dir/a"[..], b"dir/new\nline", b"dir/not utf-8 \xff", b"dir/z"] {
        fs::write(local.on_disk("").join(OsStr::from_bytes(name)), "x").unwrap();
    }
    let listed: Vec<_> = local.store.list(None).collect().await;
    let shown = |listed: &object_store::Result<object_store::ObjectMeta>| match listed {
        Ok(meta) => meta.location.to_string(),
        Err(error) => variant(error).to_owned(),
    };
    let shown: Vec<_> = listed.iter().map(shown).collect();
    assert_eq!(shown, ["dir/a", "InvalidPath", "Generic", "dir/z"]);
    let not_utf8 = inside(listed[2].as_ref().unwrap_err());
    assert_eq!(not_utf8.kind(), ErrorKind::InvalidPath);
    assert!(not_utf8.path().unwrap().starts_with("dir/not utf-8"));
    let text = listed[1].as_ref().unwrap_err().to_string();
    assert!(text.contains("new\nline"), "{text:?}");

    let error = local.store.list_with_delimiter(Some(&Path::from("dir"))).await.unwrap_err();
    assert_eq!(variant(&error), "InvalidPath");
    assert_eq!(level(&local.store, "").await, (vec![], owned(&["dir"])));
}

#[tokio::test]
async fn a_directory_with_an_invalid_name_is_an_error_while_it_has_an_object() {
    let local = Local::new().await;
    fs::create_dir(local.on_disk("new\nline")).unwrap();
    assert_eq!(level(&local.store, "").await, (vec![], vec![]));
    fs::write(local.on_disk("new\nline/a"), "x").unwrap();
    let error = local.store.list_with_delimiter(None).await.unwrap_err();
    assert_eq!(variant(&error), "InvalidPath");
}

#[tokio::test]
async fn a_link_to_an_object_is_an_object() {
    let local = Local::new().await;
    let outside = tempfile::NamedTempFile::new().unwrap();
    local.store.put(&Path::from("a/file"), "test".into()).await.unwrap();
    for (target, link) in [
        ("a/file", "link"),
        ("a", "to dir"),
        ("nowhere", "dangling"),
        ("loop", "loop"),
        (".", "a/up"),
    ] {
        let depth = if link.contains('/') { ".." } else { "." };
        symlink(std::path::Path::new(depth).join(target), local.on_disk(link)).unwrap();
    }
    symlink(outside.path(), local.on_disk("out")).unwrap();
    let mode = rustix::fs::Mode::from_raw_mode(0o666);
    rustix::fs::mkfifoat(rustix::fs::CWD, local.on_disk("fifo"), mode).unwrap();

    assert_eq!(locations(&local.store).await, ["a/file", "link"]);
    assert_eq!(level(&local.store, "").await, (owned(&["link"]), owned(&["a"])));
    let through: Vec<_> =
        local.store.list(Some(&Path::from("to dir"))).try_collect().await.unwrap();
    assert_eq!(through[0].location, Path::from("to dir/file"));
    let listed: Vec<_> = local.store.list(None).try_collect().await.unwrap();
    assert_eq!(listed[1], local.store.head(&Path::from("link")).await.unwrap());
    assert_eq!(listed[1].e_tag, listed[0].e_tag, "the link and its target have different etags");

    local.store.delete(&Path::from("link")).await.unwrap();
    assert_eq!(content(&local.store, "a/file").await, b"test");
    fs::remove_file(local.on_disk("a/file")).unwrap();
    assert_eq!(
        level(&local.store, "").await,
        (vec![], vec![]),
        "a directory of broken links is not empty"
    );
}

#[tokio::test]
async fn a_thousand_objects_are_listed_with_one_call() {
    let (store, script) = Scripted::default().store();
    let overwrite = CreateDirOptions::overwrite;
    for directory in 0..10 {
        script.files.create_dir_with(&format!("{directory}"), overwrite()).await.unwrap();
        for file in 0..100 {
            script.files.create(&format!("{directory}/{file:02}"), "x").await.unwrap();
        }
    }
    let objects: Vec<_> = store.list(None).try_collect().await.unwrap();
    assert_eq!(objects.len(), 1000);
    assert!(objects.iter().all(|meta| meta.size == 1 && meta.e_tag.is_some()));
    assert_eq!(script.calls(), ["list"]);
}
