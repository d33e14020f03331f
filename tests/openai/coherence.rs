//! Several clients of one vector store: handles of this process, and of others.

use std::error::Error as _;
use std::time::Duration;

use f9::prelude::*;
use f9::testing::openai::{DeletedFiles, OpenAISimulator};
use f9::{
    Checksum, ChecksumAlgorithm, CreateOptions, DeleteOptions, ErrorKind, InfoOptions, ListOptions,
    OpenAIConfig, OpenAIVectorStoreFileBackend, Precondition, RenameOptions, SessionOptions,
    UpdateOptions, WriteMode,
};
use futures::TryStreamExt as _;
use futures::future::join_all;
use serde_json::{Value, json};

use crate::clock::{never, until_believed};
use crate::fixture::plant_old;
use crate::notes::{HOUR, open, opened, tree};

const MINUTE: Duration = Duration::from_secs(60);

/// Opens a handle that shares no state with the handles of this address, like one of another process.
async fn foreign(openai: &OpenAISimulator) -> OpenAIVectorStoreFileBackend {
    let url = openai.base_url().replace("127.0.0.1", "localhost");
    opened(openai.config().with_base_url(url)).await
}

/// Opens a handle that lists the vector store once and never times out.
async fn patient(openai: &OpenAISimulator) -> OpenAIVectorStoreFileBackend {
    opened(openai.config().with_cache_ttl(HOUR).with_timeouts(never())).await
}

async fn two(openai: &OpenAISimulator, ttl: Duration) -> [OpenAIVectorStoreFileBackend; 2] {
    let config = || openai.config().with_cache_ttl(ttl);
    [opened(config()).await, opened(config()).await]
}

/// Attaches a file with these attributes and the other attributes of f9's files.
fn plant(openai: &OpenAISimulator, path: &str, content: &str, others: &Value) -> String {
    let id = plant_old(openai, "note.txt", content.to_owned());
    let mut attributes = json!({ "path": path, "size": content.len(), "encoding": "raw" });
    let others = others.as_object().unwrap().clone();
    attributes.as_object_mut().unwrap().extend(others);
    openai.attach_file(&id, attributes);
    id
}

/// Returns the id of the file at a path.
async fn id(notes: &OpenAIVectorStoreFileBackend, path: &str) -> String {
    notes.info(path).await.unwrap().extra["file_id"].clone()
}

#[tokio::test]
async fn one_of_several_concurrent_creates_wins() {
    for ttl in [Duration::ZERO, MINUTE] {
        let openai = OpenAISimulator::start();
        let handles = two(&openai, ttl).await;
        for round in 0..10 {
            let path = format!("{round}.txt");
            let racers = (0..8).map(|racer| handles[racer % 2].create(&path, racer.to_string()));
            let outcomes = join_all(racers).await;
            let (won, lost): (Vec<_>, Vec<_>) = outcomes.into_iter().partition(Result::is_ok);
            assert_eq!(won.len(), 1);
            for error in lost {
                assert_eq!(error.unwrap_err().kind(), ErrorKind::AlreadyExists);
            }
        }
        assert_eq!((openai.files().len(), openai.vector_store_files().len()), (10, 10));
    }
}

#[tokio::test]
async fn concurrent_increments_with_etags_lose_no_update() {
    for ttl in [Duration::ZERO, MINUTE] {
        let openai = OpenAISimulator::lenient();
        let handles = two(&openai, ttl).await;
        handles[0].create("count", "0").await.unwrap();
        let increment = |notes: OpenAIVectorStoreFileBackend| async move {
            loop {
                let etag = notes.info("count").await.unwrap().etag.unwrap();
                let options = f9::ReadOptions::default().with_if_match(etag.clone());
                let read = notes.read_with("count", options).await;
                let Ok(read) = read else { continue };
                let count: u64 = std::str::from_utf8(&read).unwrap().parse().unwrap();
                let options = UpdateOptions::default().with_if_match(etag);
                match notes.update_with("count", (count + 1).to_string(), options).await {
                    Ok(_) => return,
                    Err(error) => assert_eq!(error.kind(), ErrorKind::PreconditionFailed),
                }
            }
        };
        let tasks = (0..12).map(|number| tokio::spawn(increment(handles[number % 2].clone())));
        for task in tasks.collect::<Vec<_>>() {
            task.await.unwrap();
        }
        for notes in &handles {
            assert_eq!(notes.read_text("count").await.unwrap(), "12");
        }
        assert_eq!(openai.files().len(), 1);
    }
}

#[tokio::test]
async fn handles_of_one_process_see_each_others_changes_at_once() {
    let openai = OpenAISimulator::lenient();
    let [one, other] = two(&openai, MINUTE).await;
    assert!(!other.exists("a.txt").await.unwrap());
    one.create("a.txt", "one").await.unwrap();
    assert_eq!(other.read_text("a.txt").await.unwrap(), "one");
    other.rename("a.txt", "b.txt").await.unwrap();
    assert_eq!(one.glob("*").await.unwrap(), ["b.txt"]);
    one.update("b.txt", "two").await.unwrap();
    assert_eq!(other.read_text("b.txt").await.unwrap(), "two");
    other.delete("b.txt").await.unwrap();
    assert!(!one.exists("b.txt").await.unwrap());
    let many = one.create_many([("m/1", "x"), ("m/2", "y")]).await.unwrap();
    assert!(many.iter().all(Result::is_ok));
    assert_eq!(other.glob("m/*").await.unwrap(), ["m/1", "m/2"]);
}

#[tokio::test]
async fn a_session_excludes_other_handles_of_the_process() {
    let openai = OpenAISimulator::start();
    let [one, other] = two(&openai, MINUTE).await;
    let session = one.sync_session().await.unwrap();
    let options = || SessionOptions::default().with_timeout(Duration::from_millis(20));
    let waiting = tokio::spawn({
        let other = other.clone();
        async move { other.sync_session_with(options()).await.map(drop) }
    });
    assert_eq!(waiting.await.unwrap().unwrap_err().kind(), ErrorKind::LockTimeout);
    // A handle of another process shares no state.
    let foreign = foreign(&openai).await;
    tokio::spawn(async move { foreign.sync_session_with(options()).await.map(drop) })
        .await
        .unwrap()
        .unwrap();
    session.finish().await.unwrap();
    tokio::spawn(async move { other.sync_session().await.map(drop) }).await.unwrap().unwrap();
}

#[tokio::test]
async fn changes_of_another_process_are_seen_at_the_next_listing() {
    let openai = OpenAISimulator::lenient();
    let (now, later) = (opened(openai.config()).await, open(&openai).await);
    let foreign = foreign(&openai).await;
    for path in ["replaced", "deleted", "renamed"] {
        foreign.create(path, "old").await.unwrap();
        assert_eq!(now.read_text(path).await.unwrap(), "old");
    }
    assert_eq!(later.glob("*").await.unwrap().len(), 3);
    foreign.update("replaced", "new").await.unwrap();
    foreign.delete("deleted").await.unwrap();
    foreign.rename("renamed", "moved").await.unwrap();
    assert_eq!(now.glob("*").await.unwrap(), ["moved", "replaced"]);
    assert_eq!(now.read_text("replaced").await.unwrap(), "new");
    assert_eq!(now.read("renamed").await.unwrap_err().kind(), ErrorKind::NotFound);
    // A handle with an older listing finds that the content is gone, and lists again.
    assert_eq!(later.glob("*").await.unwrap().len(), 3);
    assert_eq!(later.read_text("replaced").await.unwrap(), "new");
    assert_eq!(later.read("deleted").await.unwrap_err().kind(), ErrorKind::NotFound);
    assert_eq!(later.glob("*").await.unwrap(), ["moved", "replaced"]);
}

#[tokio::test]
async fn copies_and_appends_read_the_newest_version_of_another_process() {
    let openai = OpenAISimulator::lenient();
    let (notes, foreign) = (open(&openai).await, foreign(&openai).await);
    let paths = ["appended", "summed", "detected", "copied"];
    for path in paths {
        foreign.create(path, "old").await.unwrap();
    }
    assert_eq!(notes.glob("*").await.unwrap().len(), paths.len());
    for path in paths {
        foreign.update(path, "foreign").await.unwrap();
    }
    let info = notes.update_with("appended", " mine", UpdateOptions::append()).await;
    assert_eq!(info.unwrap().size, Some(12));
    let options = InfoOptions::default().with_checksum(ChecksumAlgorithm::Md5);
    let info = notes.info_with("summed", options).await.unwrap();
    assert_eq!(info.checksum, Some(Checksum::of(ChecksumAlgorithm::Md5, b"foreign")));
    assert_eq!(info.size, Some(7));
    let options = InfoOptions::default().with_encoding();
    let info = notes.info_with("detected", options).await.unwrap();
    assert_eq!((info.encoding, info.size), (Some(f9::Encoding::Ascii), Some(7)));
    notes.copy("copied", "copy").await.unwrap();
    let found = tree(&opened(openai.config()).await).await.unwrap();
    assert_eq!(found["appended"].as_deref(), Some(&b"foreign mine"[..]));
    assert_eq!(found["copy"].as_deref(), Some(&b"foreign"[..]));
    assert_eq!(openai.files().len(), 5, "the replaced versions are removed");
    foreign.delete("appended").await.unwrap();
    let lost = notes.update_with("appended", "more", UpdateOptions::append()).await;
    assert_eq!(lost.unwrap_err().kind(), ErrorKind::NotFound);
}

#[tokio::test]
async fn renames_and_deletions_apply_to_the_newest_version_of_another_process() {
    for (verb, is_replaced) in [
        ("rename", true),
        ("rename", false),
        ("delete", true),
        ("delete", false),
        ("delete all", true),
        ("delete all", false),
    ] {
        let openai = OpenAISimulator::lenient();
        let (notes, foreign) = (open(&openai).await, foreign(&openai).await);
        foreign.create("d/a", "old").await.unwrap();
        assert!(notes.exists("d/a").await.unwrap());
        if is_replaced {
            foreign.update("d/a", "foreign").await.unwrap();
        } else {
            foreign.delete("d/a").await.unwrap();
        }
        let outcome = match verb {
            "rename" => notes.rename("d/a", "b").await.map(|info| info.size),
            "delete" => notes.delete("d/a").await.map(|()| None),
            _ => notes.delete_with("d", DeleteOptions::recursive()).await.map(|()| None),
        };
        let expected = match (verb, is_replaced) {
            ("rename", true) => Ok(Some(7)),
            ("rename", false) => Err(ErrorKind::NotFound),
            _ => Ok(None),
        };
        assert_eq!(outcome.map_err(|error| error.kind()), expected, "{verb} {is_replaced}");
        let left = usize::from(expected == Ok(Some(7)));
        assert_eq!(openai.files().len(), left, "{verb} {is_replaced}");
        assert_eq!(tree(&opened(openai.config()).await).await.unwrap().len(), left);
    }
}

/// Both paths are looked up again if one has changed since the listing.
#[tokio::test]
async fn a_rename_does_not_hide_a_newer_version_of_another_process() {
    let openai = OpenAISimulator::lenient();
    let (notes, foreign) = (open(&openai).await, foreign(&openai).await);
    for path in ["a", "d/a", "d/b"] {
        foreign.create(path, "old").await.unwrap();
    }
    assert!(notes.exists("a").await.unwrap());
    foreign.update("a", "foreign a").await.unwrap();
    foreign.create("b", "foreign b").await.unwrap();
    let taken = notes.rename("a", "b").await.unwrap_err();
    assert_eq!(taken.kind(), ErrorKind::AlreadyExists);
    foreign.update("d/a", "foreign").await.unwrap();
    notes.rename("d", "e").await.unwrap();
    let expected = [("a", "foreign a"), ("b", "foreign b"), ("e/a", "foreign"), ("e/b", "old")];
    let mut found = tree(&opened(openai.config()).await).await.unwrap();
    found.retain(|_, content| content.is_some());
    assert_eq!(found, expected.map(|(path, text)| (path.into(), Some(text.into()))).into());
}

#[tokio::test]
async fn an_etag_fails_after_another_process_replaced_the_file() {
    let openai = OpenAISimulator::lenient();
    let notes = patient(&openai).await;
    let foreign = foreign(&openai).await;
    let replaced = async |path: &str| {
        notes.create(path, "old").await.unwrap();
        foreign.update(path, "foreign").await.unwrap();
        notes.info(path).await.unwrap().etag.unwrap()
    };
    let options = UpdateOptions::default().with_if_match(replaced("a").await);
    let update = notes.update_with("a", "mine", options);
    let error = until_believed(&openai, update).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::PreconditionFailed);
    let mode = WriteMode::IfMatch(replaced("b").await);
    let options = CreateOptions::default().with_mode(mode);
    let create = notes.create_with("b", "mine", options);
    let error = until_believed(&openai, create).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::PreconditionFailed);
    notes.create("d", "mine").await.unwrap();
    let mode = WriteMode::IfMatch(replaced("c").await);
    let options = RenameOptions::default().with_mode(mode);
    let rename = notes.rename_with("d", "c", options);
    let error = until_believed(&openai, rename).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::PreconditionFailed);
    let found = tree(&opened(openai.config()).await).await.unwrap();
    let expected = [("a", "foreign"), ("b", "foreign"), ("c", "foreign"), ("d", "mine")];
    assert_eq!(found, expected.map(|(path, text)| (path.into(), Some(text.into()))).into());
}

#[tokio::test]
async fn a_condition_of_info_is_about_the_version_that_is_read() {
    let openai = OpenAISimulator::lenient();
    let notes = patient(&openai).await;
    notes.create("a", "old").await.unwrap();
    let etag = notes.info("a").await.unwrap().etag.unwrap();
    foreign(&openai).await.update("a", "foreign").await.unwrap();
    // The cached entry has the etag, but its content is gone.
    let options = InfoOptions::default().with_condition(Precondition::if_match(etag));
    let info = notes.info_with("a", options.with_encoding());
    let error = until_believed(&openai, info).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::PreconditionFailed);
}

/// After a failed precondition, the handle finds the new version.
#[tokio::test]
async fn the_new_version_is_visible_after_a_failed_precondition() {
    let openai = OpenAISimulator::lenient();
    let notes = patient(&openai).await;
    let foreign = foreign(&openai).await;
    notes.create("a", "old").await.unwrap();
    let etag = notes.info("a").await.unwrap().etag.unwrap();
    foreign.update("a", "foreign").await.unwrap();
    let mode = WriteMode::IfMatch(etag);
    let options = CreateOptions::default().with_mode(mode);
    let create = notes.create_with("a", "mine", options);
    let error = until_believed(&openai, create).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::PreconditionFailed);
    assert_eq!(notes.info("a").await.unwrap().size, Some(7));
    let again = notes.create("a", "other").await.unwrap_err();
    assert_eq!(again.kind(), ErrorKind::AlreadyExists);
}

#[tokio::test]
async fn the_later_of_two_processes_wins_and_the_older_version_is_removed() {
    let openai = OpenAISimulator::lenient();
    let notes = patient(&openai).await;
    let foreign = foreign(&openai).await;
    notes.create("a", "old").await.unwrap();
    foreign.update("a", "foreign").await.unwrap();
    // It does not know the other version, so there are two.
    until_believed(&openai, notes.update("a", "mine")).await.unwrap();
    assert_eq!(foreign.read_text("a").await.unwrap(), "mine");
    assert_eq!(openai.vector_store_files().len(), 2);
    let report = notes.repair().await.unwrap();
    assert_eq!(report.duplicates.len(), 1);
    assert_eq!((openai.vector_store_files().len(), openai.files().len()), (1, 1));
    assert_eq!(foreign.read_text("a").await.unwrap(), "mine");
}

#[tokio::test]
async fn the_newest_of_several_entries_of_a_path_is_visible() {
    // Each is newer than the one before.
    let ages = [
        json!({}),
        json!({ "modified_at": 1_700_000_000.5 }),
        json!({ "modified_at": "1700000001.000000000" }),
        json!({ "modified_at": "1700000001.000000001" }),
        json!({ "generation": 1, "modified_at": 7, "sha256": "unknown" }),
        json!({ "generation": 2.0, "modified_at": 6, "sha256": "unknown" }),
        json!({ "generation": "10", "modified_at": 5, "sha256": "unknown" }),
    ];
    let openai = OpenAISimulator::lenient();
    let ids: Vec<String> = (1..ages.len())
        .rev()
        .map(|age| plant(&openai, "a/b.txt", &age.to_string(), &ages[age]))
        .collect();
    let notes = open(&openai).await;
    assert_eq!(notes.read_text("a/b.txt").await.unwrap(), "6");
    let listed = notes.list_with("", ListOptions::recursive()).await.unwrap();
    assert_eq!(listed.try_collect::<Vec<_>>().await.unwrap().len(), 2);
    let report = notes.check().await.unwrap();
    let expected: Vec<_> =
        ids[1..].iter().map(|id| ("a/b.txt".parse().unwrap(), id.clone())).collect();
    assert_eq!(report.duplicates, expected);
    assert_eq!(notes.repair().await.unwrap(), report);
    assert!(notes.check().await.unwrap().is_empty());
    assert_eq!(openai.files().into_iter().map(|file| file.id).collect::<Vec<_>>(), ids[..1]);
    // Deleting removes all versions, so that none reappears.
    plant(&openai, "a/b.txt", "old", &ages[1]);
    let notes = open(&openai).await;
    notes.delete("a/b.txt").await.unwrap();
    assert!(!open(&openai).await.exists("a/b.txt").await.unwrap());
    assert!(openai.files().is_empty());
}

#[tokio::test]
async fn a_file_hidden_by_a_directory_is_reported_and_kept() {
    let openai = OpenAISimulator::lenient();
    let file = plant(&openai, "a", "file", &json!({}));
    plant(&openai, "a/b", "below", &json!({}));
    let notes = open(&openai).await;
    assert!(notes.info("a").await.unwrap().is_dir());
    assert_eq!(notes.read_text("a/b").await.unwrap(), "below");
    let report = notes.repair().await.unwrap();
    assert_eq!(report.shadowed, [("a".parse().unwrap(), file)]);
    assert!(report.duplicates.is_empty() && openai.files().len() == 2);
    notes.rename("a/b", "b").await.unwrap();
    assert_eq!(open(&openai).await.read_text("a").await.unwrap(), "file");
}

#[tokio::test]
async fn entries_of_other_programs_are_neither_shown_nor_changed() {
    let openai = OpenAISimulator::lenient();
    let strange = [
        json!({}),
        json!({ "title": "none of ours" }),
        json!({ "path": 5, "size": 4, "encoding": "raw" }),
        json!({ "path": "", "size": 4, "encoding": "raw" }),
        json!({ "path": "/", "size": 4, "encoding": "raw" }),
        json!({ "path": "../a", "size": 4, "encoding": "raw" }),
        json!({ "path": "a/../b", "size": 4, "encoding": "raw" }),
        json!({ "path": "a\0b", "size": 4, "encoding": "raw" }),
        json!({ "path": "a", "path_1": 7, "size": 4, "encoding": "raw" }),
        json!({ "path": "no size", "encoding": "raw" }),
        json!({ "path": "odd size", "size": "four", "encoding": "raw" }),
        json!({ "path": "negative size", "size": -4, "encoding": "raw" }),
        json!({ "path": "half a size", "size": 4.5, "encoding": "raw" }),
        json!({ "path": "no encoding", "size": 4 }),
        json!({ "path": "new encoding", "size": 4, "encoding": "rot13" }),
        json!({ "path": "encoding", "size": 4, "encoding": true }),
    ];
    for attributes in &strange {
        let id = plant_old(&openai, "strange.txt", "text");
        openai.attach_file(&id, attributes.clone());
    }
    let before = (openai.files(), openai.vector_store_files());
    let notes = open(&openai).await;
    assert!(tree(&notes).await.unwrap().is_empty());
    assert!(notes.repair().await.unwrap().is_empty());
    assert_eq!((openai.files(), openai.vector_store_files()), before);
    // Other representations of the same attributes are accepted.
    for (path, attributes) in [
        ("text", json!({ "size": "4", "encoding": "raw", "is_dir": "false" })),
        ("float", json!({ "size": 4.0, "encoding": "raw", "is_dir": 0, "modified_at": "soon" })),
        ("no hash", json!({ "size": 4, "encoding": "raw", "sha256": "unknown" })),
        ("python", json!({ "size": 4, "encoding": "base64", "is_dir": false, "modified_at": 1.5 })),
    ] {
        let content = if path == "python" { "dGV4dA==" } else { "text" };
        plant(&openai, path, content, &attributes);
    }
    plant(&openai, "directory", "# directory placeholder\n", &json!({ "is_dir": "True" }));
    let notes = open(&openai).await;
    let found = tree(&notes).await.unwrap();
    let file = |path: &str| (path.to_owned(), Some("text".into()));
    let mut expected: Vec<_> = ["text", "float", "no hash", "python"].map(file).into();
    expected.push(("directory".to_owned(), None));
    assert_eq!(found, expected.into_iter().collect());
    assert!(notes.repair().await.unwrap().is_empty());
}

/// Checks that every verb fails with `RootGone`, including `exists`.
async fn is_gone(config: OpenAIConfig) {
    let gone = |result: f9::Result<()>| {
        let error = result.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::RootGone, "{error}");
        assert!(error.to_string().to_lowercase().contains("vector store"), "{error}");
    };
    let notes = &opened(config).await;
    gone(notes.exists("a").await.map(drop));
    gone(notes.info("a").await.map(drop));
    gone(notes.read("a").await.map(drop));
    gone(notes.list("").await.map(drop));
    gone(notes.glob("*").await.map(drop));
    gone(notes.create("new", "x").await.map(drop));
    gone(notes.create_dir("new").await);
    gone(notes.update("a", "x").await.map(drop));
    gone(notes.delete("a").await);
    gone(notes.rename("a", "b").await.map(drop));
    gone(notes.copy("a", "b").await.map(drop));
    gone(notes.create_many([("new", "x")]).await.map(drop));
    gone(notes.search("x").await.map(drop));
    gone(notes.repair().await.map(drop));
}

#[tokio::test]
async fn an_expired_vector_store_is_reported_as_gone() {
    let openai = OpenAISimulator::lenient();
    let cached = open(&openai).await;
    cached.create("a", "x").await.unwrap();
    openai.expire();
    is_gone(openai.config()).await;
    // A handle with a cached tree notices at its next request.
    let error = cached.create("b", "x").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::RootGone, "{error}");
    assert_eq!(openai.files().len(), 1, "uploads that could not be attached are removed");
}

#[tokio::test]
async fn a_missing_vector_store_is_reported_as_gone() {
    let openai = OpenAISimulator::lenient();
    let mut config = openai.config();
    config.vector_store_id = "vs_missing".to_owned();
    is_gone(config).await;
    // Another shape of errors gives the same result.
    openai.set(|rules| rules.error_shape = f9::testing::openai::ErrorShape::FastApi);
    let mut config = openai.config();
    config.vector_store_id = "vs_missing".to_owned();
    is_gone(config).await;
}

#[tokio::test]
async fn a_file_with_lost_content_is_reported_and_removed() {
    for openai in [OpenAISimulator::start(), OpenAISimulator::lenient()] {
        openai.set(|rules| rules.deleted_files = DeletedFiles::Listed);
        let notes = opened(openai.config()).await;
        notes.create("dead", "x").await.unwrap();
        notes.create("alive", "x").await.unwrap();
        let id = id(&notes, "dead").await;
        let url = format!("{}/files/{id}", openai.base_url());
        let deleted = reqwest::Client::new().delete(url).bearer_auth(openai.api_key()).send();
        assert!(deleted.await.unwrap().status().is_success());
        let error = notes.read("dead").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound);
        assert!(error.to_string().contains("lost its content"), "{error}");
        assert!(error.source().unwrap().to_string().contains("(status 404, request req_"));
        assert_eq!(notes.glob("*").await.unwrap(), ["alive", "dead"]);
        let report = notes.repair().await.unwrap();
        assert_eq!(report.dead, [("dead".parse().unwrap(), id)]);
        assert_eq!(notes.glob("*").await.unwrap(), ["alive"]);
        assert_eq!(openai.vector_store_files().len(), 1);
        // It can also be replaced.
        notes.create("dead", "again").await.unwrap();
        assert!(notes.check().await.unwrap().is_empty());
    }
}

#[tokio::test]
async fn unattached_uploads_are_removed_after_an_hour() {
    let openai = OpenAISimulator::start();
    let notes = open(&openai).await;
    notes.create("a.txt", "x").await.unwrap();
    let name = openai.files()[0].filename.clone();
    let plant = |name: &str, minutes: u32| {
        let id = openai.add_file(name, "assistants", "lost");
        openai.backdate_file(&id, MINUTE * minutes);
        id
    };
    let lost = plant(&name, 61);
    let young = plant(&name, 59);
    let of_others = plant("note.txt", 1000);
    let report = notes.check().await.unwrap();
    assert_eq!(report.unattached, [(name, lost.clone())]);
    assert_eq!(openai.files().len(), 4, "a check removes nothing");
    assert_eq!(notes.repair().await.unwrap(), report);
    let left: Vec<String> = openai.files().into_iter().skip(1).map(|file| file.id).collect();
    assert_eq!(left, [young, of_others]);
    assert_eq!(tree(&open(&openai).await).await.unwrap().len(), 1);
}
