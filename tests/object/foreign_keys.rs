//! Keys of other programs: listed as they are or as one error, never merged, and never in the way of a deletion.

use f9::prelude::*;
use f9::{DeleteOptions, ErrorKind, FileInfo, ListOptions};
use futures::StreamExt as _;

use super::fixture::{Scene, refused};

fn shown(entry: f9::Result<FileInfo>) -> String {
    match entry {
        Ok(info) if info.is_dir() => format!("{}/", info.path),
        Ok(info) => info.path.to_string(),
        Err(error) => format!("{} {}", error.kind().code(), error.path().unwrap_or("?")),
    }
}

async fn listed(files: &dyn AsyncFileBackend, prefix: &str, options: ListOptions) -> Vec<String> {
    files.list_with(prefix, options).await.unwrap().map(shown).collect().await
}

#[tokio::test]
async fn keys_that_are_no_paths_are_one_error_each() {
    let scene = Scene::new();
    let keys = ["/lead", "a//b", "a//c", "a/./d", "a/../e", "a/good", "a/ty\tpo", "z", "../up"];
    for key in keys {
        scene.s3.put(key, key);
    }
    let files = scene.open().await;
    let one = listed(&files, "", ListOptions::default()).await;
    assert_eq!(one, ["invalid-path ../", "invalid-path /", "a/", "z"]);
    let below = listed(&files, "a", ListOptions::default()).await;
    assert_eq!(
        below,
        ["invalid-path a/../", "invalid-path a/./", "invalid-path a//", "a/good", "a/ty\tpo"]
    );
    let all = listed(&files, "", ListOptions::recursive()).await;
    let expected = [
        "invalid-path ../up",
        "invalid-path /lead",
        "invalid-path a/../e",
        "invalid-path a/./d",
        "invalid-path a//b",
        "invalid-path a//c",
        "a/",
        "a/good",
        "a/ty\tpo",
        "z",
    ];
    assert_eq!(all, expected);
    // A recursive deletion removes them too.
    files.delete_with("a", DeleteOptions::recursive()).await.unwrap();
    assert_eq!(scene.keys(), ["../up", "/lead", "z"]);
}

#[tokio::test]
async fn a_file_and_a_directory_of_one_name_are_both_listed() {
    let scene = Scene::new();
    scene.s3.put("a", "file");
    scene.s3.put("a/b", "below");
    let files = scene.open().await;
    assert_eq!(listed(&files, "", ListOptions::recursive()).await, ["a", "a/", "a/b"]);
    assert_eq!(listed(&files, "", ListOptions::default()).await, ["a", "a/"]);
    assert_eq!(files.read("a").await.unwrap(), "file");
    assert_eq!(files.read("a/b").await.unwrap(), "below");
    assert_eq!(listed(&files, "a", ListOptions::default()).await, ["a/b"]);
}

#[tokio::test]
async fn no_file_is_put_where_a_directory_is_and_none_below_a_file() {
    let scene = Scene::new();
    let files = scene.open().await;
    scene.s3.put("dir/below", "x");
    scene.s3.put("file", "x");
    refused(files.write("dir", "x").await, ErrorKind::IsADirectory);
    refused(files.create("dir", "x").await, ErrorKind::AlreadyExists);
    refused(files.write("file/below", "x").await, ErrorKind::NotADirectory);
    refused(files.create_dir("file").await, ErrorKind::NotADirectory);
    refused(files.create_dir("file/below").await, ErrorKind::NotADirectory);
    refused(files.create_dir("dir").await, ErrorKind::AlreadyExists);
    assert_eq!(scene.keys(), ["dir/below", "file"]);
    // Also when the directory has more entries than one page.
    for number in 0..1_200 {
        scene.s3.put(&format!("many/{number:04}/x"), "x");
    }
    refused(files.write("many/1100", "x").await, ErrorKind::IsADirectory);
    files.write("many/other", "x").await.unwrap();
}

#[tokio::test]
async fn what_this_process_writes_is_known_at_once() {
    let scene = Scene::new();
    let files = scene.open().await;
    let other = scene.open().await;
    files.write("a", "x").await.unwrap();
    other.write("b/c/d", "x").await.unwrap();
    refused(files.write("b", "x").await, ErrorKind::IsADirectory);
    refused(files.write("b/c", "x").await, ErrorKind::IsADirectory);
    refused(other.write("a/below", "x").await, ErrorKind::NotADirectory);
    other.delete_with("b", DeleteOptions::recursive()).await.unwrap();
    files.write("b", "x").await.unwrap();
    refused(other.write("b/c/d", "x").await, ErrorKind::NotADirectory);
    files.delete("b").await.unwrap();
    other.create_dir("b").await.unwrap();
    refused(files.write("b", "x").await, ErrorKind::IsADirectory);
    assert_eq!(scene.keys(), ["a", "b/"]);
}

#[tokio::test]
async fn marks_of_directories_are_directories_whatever_they_hold() {
    let scene = Scene::new();
    scene.s3.put("console/", "");
    scene.s3.put("odd/", "content");
    scene.s3.put("odd/file", "x");
    scene.s3.put("deep/er/", "");
    let files = scene.open().await;
    let all = listed(&files, "", ListOptions::recursive()).await;
    assert_eq!(all, ["console/", "deep/", "deep/er/", "odd/", "odd/file"]);
    assert_eq!(listed(&files, "", ListOptions::default()).await, ["console/", "deep/", "odd/"]);
    assert!(listed(&files, "console", ListOptions::default()).await.is_empty());
    assert!(files.info("console").await.unwrap().is_dir());
    refused(files.delete("odd").await, ErrorKind::DirectoryNotEmpty);
    files.delete("console").await.unwrap();
    refused(files.info("console").await, ErrorKind::NotFound);
    files.create_dir("made/here").await.unwrap();
    assert_eq!(scene.content("made/here/").unwrap(), "");
}

#[tokio::test]
async fn repeated_keys_are_listed_once_and_keys_out_of_order_end_the_listing() {
    let scene = Scene::with_rules(|rules| {
        rules.page_size = 3;
        rules.repeats_keys = true;
    });
    for number in 0..10 {
        scene.s3.put(&format!("{number}"), "x");
    }
    let files = scene.open().await;
    assert_eq!(listed(&files, "", ListOptions::default()).await.len(), 10);
    scene.s3.set(|rules| {
        rules.repeats_keys = false;
        rules.lists_in_order = false;
    });
    let entries = files.list("").await.unwrap().collect::<Vec<_>>().await;
    let error = entries.last().unwrap().as_ref().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Remote);
    assert!(error.to_string().contains("out of order"), "{error}");
}

#[tokio::test]
async fn objects_that_vanish_during_a_listing_do_not_end_it() {
    let scene = Scene::with_rules(|rules| rules.page_size = 10);
    for number in 0..50 {
        scene.s3.put(&format!("{number:02}"), "x");
    }
    let files = scene.open().await;
    let mut entries = files.list("").await.unwrap();
    assert_eq!(entries.next().await.unwrap().unwrap().path, "00");
    for number in 5..45 {
        scene.s3.remove(&format!("{number:02}"));
    }
    let rest: Vec<_> = entries.map(shown).collect().await;
    assert_eq!(rest.last().unwrap(), "49");
}

#[tokio::test]
async fn a_renamed_directory_leaves_what_others_put_there_meanwhile() {
    let scene = Scene::new();
    let files = scene.open().await;
    for number in 0..20 {
        scene.s3.put(&format!("old/{number:02}"), "x");
    }
    // Its copies take long enough for another writer to come.
    scene.s3.set(|rules| rules.latency = std::time::Duration::from_millis(20));
    let renaming = files.rename("old", "new");
    let other = async {
        while scene.s3.object("new/00").is_none() {
            tokio::time::sleep(std::time::Duration::from_millis(1)).await;
        }
        scene.s3.put("old/late", "theirs");
        scene.s3.put("old/00", "replaced");
    };
    let (renamed, ()) = futures::join!(renaming, other);
    renamed.unwrap();
    let mut expected: Vec<_> = (0..20).map(|number| format!("new/{number:02}")).collect();
    expected.extend(["old/00".to_owned(), "old/late".to_owned()]);
    assert_eq!(scene.keys(), expected);
}
