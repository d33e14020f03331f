//! Servers with the same API that behave differently from OpenAI: gateways that drop attributes, files that expire, ids that are missing.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use f9::prelude::*;
use f9::testing::openai::{
    AttributeUpdates, Batches, ErrorShape, Fault, FaultKind, KeptAttributes, OpenAISimulator,
    Retry, Route, Rules, SearchIds, TextShape,
};
use f9::{
    CreateOptions, DeleteOptions, Error, ErrorKind, FilePath, ListOptions, OpenAIReadMode,
    SearchOptions, UpdateOptions,
};
use futures::StreamExt as _;
use serde_json::{Value, json};

use crate::notes::{BINARY, HOUR, asked, open, opened, tree};

const DAY: Duration = Duration::from_secs(24 * 3600);

fn with(change: impl FnOnce(&mut Rules)) -> OpenAISimulator {
    let openai = OpenAISimulator::start();
    openai.set(change);
    openai
}

#[tokio::test]
async fn a_server_that_keeps_only_text_gets_text() {
    let openai = with(|rules| rules.kept_attributes = KeptAttributes::Text);
    let notes = open(&openai).await;
    notes.create("a.txt", "one").await.unwrap();
    assert!(asked(&openai).contains(&Route::Attributes), "the first write is repaired");
    notes.create("d/b.bin", &BINARY[..]).await.unwrap();
    notes.update("a.txt", "two").await.unwrap();
    notes.create_dir("e").await.unwrap();
    let many = (0..3).map(|number| (format!("m/{number}"), number.to_string()));
    for created in notes.create_many(many).await.unwrap() {
        created.unwrap();
    }
    assert!(!asked(&openai).contains(&Route::Attributes), "the later ones are sent as text");
    notes.rename("d", "f").await.unwrap();
    for notes in [&notes, &open(&openai).await] {
        let found = tree(notes).await.unwrap();
        let paths: Vec<&str> = found.keys().map(String::as_str).collect();
        assert_eq!(paths, ["a.txt", "e", "f", "f/b.bin", "m", "m/0", "m/1", "m/2"]);
        assert_eq!(found["a.txt"].as_deref(), Some(&b"two"[..]));
        assert_eq!(found["f/b.bin"].as_deref(), Some(&BINARY[..]));
        assert!(notes.check().await.unwrap().is_empty());
    }
    assert_eq!(openai.files().len(), 6);
}

/// A whole batch is sent before the first answer shows what the server keeps.
#[tokio::test]
async fn the_first_batch_of_a_server_that_keeps_only_text_is_repaired() {
    let openai = with(|rules| rules.kept_attributes = KeptAttributes::Text);
    let notes = open(&openai).await;
    let many = (0..20).map(|number| (number.to_string(), "x"));
    let created = notes.create_many(many).await.unwrap();
    assert!(created.iter().all(Result::is_ok), "{created:?}");
    assert_eq!(tree(&open(&openai).await).await.unwrap().len(), 20);
}

/// The entry was written past the gateway, so a rename is the first write through it.
#[tokio::test]
async fn a_rename_through_a_gateway_that_keeps_only_text_is_repaired() {
    let openai = OpenAISimulator::start();
    open(&openai).await.create("a.txt", "one").await.unwrap();
    openai.set(|rules| rules.kept_attributes = KeptAttributes::Text);
    open(&openai).await.rename("a.txt", "b.txt").await.unwrap();
    let found = tree(&open(&openai).await).await.unwrap();
    assert_eq!(found, [("b.txt".to_owned(), Some("one".into()))].into());
}

/// A rename that is cut off must not leave the entry with half of its attributes.
#[tokio::test]
async fn the_first_rename_through_a_gateway_that_keeps_only_text_needs_one_request() {
    let openai = OpenAISimulator::start();
    open(&openai).await.create("a.txt", "one").await.unwrap();
    openai.set(|rules| rules.kept_attributes = KeptAttributes::Text);
    openai.inject(Fault::status(400).on(Route::Attributes).after(1));
    open(&openai).await.rename("a.txt", "b.txt").await.unwrap();
    assert_eq!(openai.faults_left(), 1);
    openai.clear_faults();
    let found = tree(&open(&openai).await).await.unwrap();
    assert_eq!(found, [("b.txt".to_owned(), Some("one".into()))].into());
}

/// The server kept everything before, so the rename is not sent as text at once.
#[tokio::test]
async fn a_rename_whose_repair_fails_is_taken_back() {
    for fault in [Fault::status(400), Fault::status(429), Fault::status(503)] {
        let openai = OpenAISimulator::start();
        let notes = opened(openai.config().with_retries(0).with_cache_ttl(HOUR)).await;
        notes.create("a.txt", "one").await.unwrap();
        openai.set(|rules| rules.kept_attributes = KeptAttributes::Text);
        openai.inject(fault.clone().on(Route::Attributes).after(1));
        let error = notes.rename("a.txt", "b.txt").await.unwrap_err();
        assert!(!error.has_unknown_outcome(), "{fault:?}: {error}");
        assert_eq!(openai.faults_left(), 0);
        openai.take_requests();
        for notes in [&notes, &open(&openai).await] {
            let found = tree(notes).await.unwrap();
            assert_eq!(found, [("a.txt".to_owned(), Some("one".into()))].into(), "{fault:?}");
        }
        let lists = asked(&openai).into_iter().filter(|route| *route == Route::List).count();
        assert_eq!(lists, 2, "the old handle lists again");
    }
}

#[tokio::test]
async fn a_write_whose_attributes_are_lost_fails_and_leaves_the_old_version() {
    let openai = OpenAISimulator::start();
    let notes = open(&openai).await;
    notes.create("old.txt", "old").await.unwrap();
    let before = (openai.files(), openai.vector_store_files());
    openai.set(|rules| rules.kept_attributes = KeptAttributes::Nothing);
    let is_mismatch = |error: Error| {
        assert_eq!(error.kind(), ErrorKind::IntegrityMismatch, "{error}");
        assert!(!error.has_unknown_outcome() && !error.is_applied(), "{error}");
    };
    is_mismatch(notes.create("new.txt", "new").await.unwrap_err());
    is_mismatch(notes.create_dir("new").await.unwrap_err());
    is_mismatch(notes.update("old.txt", "new").await.unwrap_err());
    let append = UpdateOptions::append();
    is_mismatch(notes.update_with("old.txt", "new", append).await.unwrap_err());
    is_mismatch(notes.copy("old.txt", "new.txt").await.unwrap_err());
    let many = (0..5).map(|number| (number.to_string(), "x"));
    for created in notes.create_many(many).await.unwrap() {
        is_mismatch(created.unwrap_err());
    }
    assert_eq!((openai.files(), openai.vector_store_files()), before, "all is withdrawn");
    assert_eq!(notes.read("old.txt").await.unwrap(), "old");
    assert_eq!(notes.glob("**").await.unwrap(), ["old.txt"]);
}

#[tokio::test]
async fn a_rename_that_the_server_ignores_fails() {
    let openai = OpenAISimulator::start();
    let notes = open(&openai).await;
    notes.create("d/a.txt", "one").await.unwrap();
    notes.create("d/b.txt", "two").await.unwrap();
    let before = openai.vector_store_files();
    openai.set(|rules| rules.attribute_updates = AttributeUpdates::Ignore);
    for (from, to) in [("d/a.txt", "c.txt"), ("d/a.txt", "d/b.txt"), ("d", "e")] {
        let overwrite = f9::RenameOptions::overwrite();
        let error = notes.rename_with(from, to, overwrite).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::IntegrityMismatch, "{error}");
        assert!(!error.has_unknown_outcome(), "{error}");
    }
    assert_eq!(openai.vector_store_files(), before);
    assert_eq!(tree(&notes).await.unwrap().len(), 3);
}

/// Plants a file with the attributes of another one, changed.
fn plant_damaged(openai: &OpenAISimulator, path: &str, change: impl FnOnce(&mut Value)) -> String {
    let mut attributes = Value::from(openai.vector_store_files()[0].attributes.clone());
    attributes["path"] = json!(path);
    change(&mut attributes);
    let id = openai.add_file("damaged.txt", "assistants", "anything");
    openai.attach_file(&id, attributes);
    id
}

#[tokio::test]
async fn a_damaged_entry_is_corrupted_and_does_not_hide_the_others() {
    let openai = OpenAISimulator::lenient();
    let notes = opened(openai.config()).await;
    notes.create("m/b.txt", "one").await.unwrap();
    notes.create("m/d.txt", "two").await.unwrap();
    plant_damaged(&openai, "m/a.txt", |attributes| attributes["sha256"] = json!("abc"));
    plant_damaged(&openai, "m/c.txt", |attributes| {
        attributes.as_object_mut().unwrap().remove("sha256");
    });
    let without_id = plant_damaged(&openai, "m/e.txt", |_| {});
    openai.set(|rules| rules.hidden_ids = BTreeSet::from([without_id]));
    let listed = notes.list_with("", ListOptions::recursive()).await.unwrap();
    let listed: Vec<String> = listed
        .map(|item| match item {
            Ok(info) => info.path.to_string(),
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::Corrupted, "{error}");
                format!("damaged {}", error.path().unwrap())
            }
        })
        .collect()
        .await;
    let expected =
        ["m", "damaged m/a.txt", "m/b.txt", "damaged m/c.txt", "m/d.txt", "damaged m/e.txt"];
    assert_eq!(listed, expected);
    for path in ["m/a.txt", "m/c.txt", "m/e.txt"] {
        for error in [
            notes.read(path).await.unwrap_err(),
            notes.info(path).await.unwrap_err(),
            notes.copy(path, "x").await.unwrap_err(),
            notes.rename(path, "x").await.unwrap_err(),
        ] {
            assert_eq!(error.kind(), ErrorKind::Corrupted, "{error}");
        }
        let error = notes.create(path, "x").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::AlreadyExists, "{error}");
    }
    assert_eq!(notes.rename("m", "n").await.unwrap_err().kind(), ErrorKind::Corrupted);
    assert!(notes.repair().await.unwrap().is_empty(), "nobody knows which bytes are right");
    // It can be replaced and deleted.
    notes.create_with("m/a.txt", "three", CreateOptions::overwrite()).await.unwrap();
    notes.delete("m/c.txt").await.unwrap();
    openai.set(|rules| rules.hidden_ids.clear());
    notes.delete("m/e.txt").await.unwrap();
    let found = tree(&opened(openai.config()).await).await.unwrap();
    assert_eq!(found.keys().collect::<Vec<_>>(), ["m", "m/a.txt", "m/b.txt", "m/d.txt"]);
    assert_eq!(found["m/a.txt"].as_deref(), Some(&b"three"[..]));
}

/// It may be newer than the visible version, and the only copy of it.
#[tokio::test]
async fn a_damaged_newer_version_is_not_removed_with_the_visible_one() {
    let openai = OpenAISimulator::lenient();
    let notes = opened(openai.config()).await;
    notes.create("a.txt", "one").await.unwrap();
    let newer = plant_damaged(&openai, "a.txt", |attributes| {
        attributes["sha256"] = json!("abc");
        attributes["generation"] = json!(1_u64 << 52);
    });
    // Its generation is lost.
    let later = plant_damaged(&openai, "a.txt", |attributes| {
        attributes["modified_at"] = json!("9000000000.000000000");
        attributes.as_object_mut().unwrap().remove("generation");
        attributes.as_object_mut().unwrap().remove("sha256");
    });
    let older = plant_damaged(&openai, "a.txt", |attributes| {
        attributes["sha256"] = json!("abc");
        attributes["generation"] = json!(1);
    });
    let ids = || -> Vec<String> { openai.files().into_iter().map(|file| file.id).collect() };
    assert!(notes.repair().await.unwrap().is_empty());
    assert_eq!(ids().len(), 4);
    notes.rename("a.txt", "b.txt").await.unwrap();
    assert!(ids().contains(&newer) && ids().contains(&later) && !ids().contains(&older));
    assert_eq!(notes.read("b.txt").await.unwrap(), "one");
    assert_eq!(notes.read("a.txt").await.unwrap_err().kind(), ErrorKind::Corrupted);
}

#[tokio::test]
async fn an_entry_without_an_id_does_not_block_the_others() {
    let openai = OpenAISimulator::lenient();
    let notes = opened(openai.config()).await;
    notes.create("a.txt", "one").await.unwrap();
    let hidden = plant_damaged(&openai, "a.txt", |attributes| attributes["generation"] = json!(1));
    openai.set(|rules| rules.hidden_ids = BTreeSet::from([hidden]));
    notes.rename("a.txt", "b.txt").await.unwrap();
    assert_eq!(notes.read("b.txt").await.unwrap(), "one");
    let error = notes.delete("a.txt").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupted, "{error}");
    assert!(error.to_string().contains("without an id"), "{error}");
    notes.create_with("a.txt", "two", CreateOptions::overwrite()).await.unwrap();
    notes.delete("a.txt").await.unwrap();
}

#[tokio::test]
async fn missing_things_are_recognized_in_every_shape() {
    // A handle that knows a file which another program has detached since.
    let outdated = async |shape| {
        let openai = with(|rules| rules.error_shape = shape);
        let id = openai.add_file("old.txt", "assistants", "one");
        openai.attach_file(&id, json!({"path": "a.txt", "size": 3, "encoding": "raw"}));
        let notes = open(&openai).await;
        let etag = notes.info("a.txt").await.unwrap().etag.unwrap();
        openai.detach_file(&id);
        (openai, notes, etag)
    };
    let shapes =
        [ErrorShape::OpenAI, ErrorShape::FastApi, ErrorShape::Untyped, ErrorShape::Gateway];
    for shape in shapes {
        let (_openai, notes, etag) = outdated(shape).await;
        let update = notes.update_with("a.txt", "two", UpdateOptions::if_match(etag)).await;
        assert_eq!(update.unwrap_err().kind(), ErrorKind::PreconditionFailed, "{shape:?}");
        let (openai, notes, _) = outdated(shape).await;
        notes.delete("a.txt").await.unwrap();
        let mut config = openai.config();
        config.vector_store_id = "vs_missing".to_owned();
        let gone = opened(config).await;
        assert_eq!(gone.glob("**").await.unwrap_err().kind(), ErrorKind::RootGone, "{shape:?}");
        assert_eq!(gone.create("a", "x").await.unwrap_err().kind(), ErrorKind::RootGone);
    }
}

#[tokio::test]
async fn hits_are_matched_by_path_and_generation() {
    for ids in [SearchIds::File, SearchIds::Document, SearchIds::Empty] {
        let openai = with(|rules| (rules.search_ids, rules.max_score) = (ids, 12.5));
        let notes = open(&openai).await;
        notes.create("plan.md", "Plant the tomatoes in May.").await.unwrap();
        notes.create("soup.md", "Cook them.").await.unwrap();
        openai.inject(Fault::status(400).on(Route::Detach));
        notes.update("plan.md", "Plant the potatoes in May.").await.unwrap();
        let hits = notes.search("potatoes").await.unwrap();
        assert_eq!((hits.len(), hits[0].path.as_str()), (1, "plan.md"), "{ids:?}");
        assert!(hits[0].score > 1.0, "{ids:?}");
        let old = notes.search_with("tomatoes", SearchOptions::default()).await.unwrap();
        assert_eq!(old, [], "the older version is not found");
    }
}

#[tokio::test]
async fn an_expired_file_is_read_from_its_text_and_not_removed() {
    for openai in [OpenAISimulator::start(), OpenAISimulator::lenient()] {
        openai.set(|rules| {
            rules.file_lifetime = Some(365 * DAY);
            rules.text_outlives_files = true;
        });
        let notes = opened(openai.config()).await;
        notes.create("a.txt", "one\n").await.unwrap();
        notes.create("b.bin", &BINARY[..]).await.unwrap();
        notes.create_dir("d").await.unwrap();
        for file in openai.files() {
            openai.expire_file(&file.id);
        }
        assert!(notes.repair().await.unwrap().is_empty());
        assert_eq!(notes.read("a.txt").await.unwrap(), "one\n");
        assert_eq!(notes.read("b.bin").await.unwrap(), &BINARY[..]);
        assert!(notes.info("d").await.unwrap().is_dir());
        notes.rename("a.txt", "c.txt").await.unwrap();
        assert_eq!(notes.read("c.txt").await.unwrap(), "one\n");
        // A new version has a new file.
        notes.update("b.bin", "two").await.unwrap();
        assert_eq!(openai.files().len(), 1);
        // Without the text, nothing is left.
        openai.set(|rules| rules.text_outlives_files = false);
        let error = notes.read("c.txt").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound, "{error}");
        assert_eq!(notes.repair().await.unwrap().dead.len(), 1);
        assert_eq!(notes.glob("**").await.unwrap(), ["b.bin", "d"]);
    }
}

/// The text is all that is left, even if it is not the content byte for byte.
#[tokio::test]
async fn an_entry_whose_text_is_damaged_or_not_parsed_yet_is_not_dead() {
    let openai = with(|rules| rules.text_outlives_files = true);
    let notes = opened(openai.config()).await;
    let long = "word ".repeat(2000);
    for (path, body) in [("lines", "two\nlines\n"), ("long", &*long)] {
        let id = openai.add_file("upload.txt", "assistants", body.to_owned());
        let size = body.len();
        openai.attach_file(&id, json!({"path": path, "size": size, "encoding": "raw"}));
        openai.expire_file(&id);
    }
    assert!(notes.repair().await.unwrap().is_empty());
    let error = notes.read("long").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::IntegrityMismatch, "{error}");

    let openai = with(|rules| rules.in_progress_polls = u32::MAX);
    let notes = opened(openai.config()).await;
    notes.create("a.txt", "one").await.unwrap();
    openai.expire_file(&openai.files()[0].id);
    openai.take_requests();
    let began = Instant::now();
    assert!(notes.repair().await.unwrap().is_empty());
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
    let polls = asked(&openai).into_iter().filter(|route| *route == Route::Status).count();
    assert_eq!(polls, 1);
}

#[tokio::test]
async fn a_temporary_error_of_the_text_is_not_reported_as_a_lost_file() {
    let openai = with(|rules| rules.text_outlives_files = true);
    let notes = opened(openai.config().with_retries(0)).await;
    notes.create("a.txt", "one").await.unwrap();
    openai.expire_file(&openai.files()[0].id);
    for (status, kind) in [(429, ErrorKind::RateLimited), (503, ErrorKind::Remote)] {
        openai.inject(Fault::status(status).on(Route::Text).times(9));
        let error = notes.read("a.txt").await.unwrap_err();
        assert_eq!(error.kind(), kind, "{error}");
        openai.clear_faults();
    }
    assert_eq!(notes.read("a.txt").await.unwrap(), "one");
}

#[tokio::test]
async fn info_tells_when_a_file_expires() {
    let openai = with(|rules| rules.file_lifetime = Some(365 * DAY));
    let notes = opened(openai.config()).await;
    let created = notes.create("a.txt", "one").await.unwrap();
    let expires_at = created.extra["expires_at"].clone();
    let created_at = openai.files()[0].created_at;
    let expected = std::time::UNIX_EPOCH + Duration::from_secs(created_at) + 365 * DAY;
    let expected = jiff::Timestamp::try_from(expected).unwrap();
    assert_eq!(expires_at, expected.to_string());
    notes.rename("a.txt", "b.txt").await.unwrap();
    let info = opened(openai.config()).await.info("b.txt").await.unwrap();
    assert_eq!(info.extra["expires_at"], expires_at);
    openai.set(|rules| rules.file_lifetime = None);
    let forever = notes.create("c.txt", "two").await.unwrap();
    assert!(!forever.extra.contains_key("expires_at"));
}

#[tokio::test]
async fn a_check_warns_of_files_that_expire_soon() {
    let openai = with(|rules| rules.file_lifetime = Some(31 * DAY));
    let notes = opened(openai.config()).await;
    notes.create("late.txt", "one").await.unwrap();
    openai.set(|rules| rules.file_lifetime = Some(29 * DAY));
    let soon = notes.create("soon.txt", "two").await.unwrap();
    openai.set(|rules| rules.file_lifetime = None);
    notes.create("never.txt", "three").await.unwrap();
    let path = |path: &str| FilePath::parse(path).unwrap();
    for report in [notes.check().await.unwrap(), notes.repair().await.unwrap()] {
        assert_eq!(report.expiring, [(path("soon.txt"), soon.extra["file_id"].clone())]);
        assert!(report.dead.is_empty() && report.duplicates.is_empty(), "{report:?}");
    }
    // A new version has a new expiry.
    notes.update("soon.txt", notes.read("soon.txt").await.unwrap()).await.unwrap();
    assert!(notes.check().await.unwrap().is_empty());
}

#[tokio::test]
async fn a_server_without_parsed_text_is_reported_at_once() {
    let openai = with(|rules| rules.text_shape = TextShape::Missing);
    let notes = opened(openai.config()).await;
    notes.create("a.txt", "one").await.unwrap();
    let began = Instant::now();
    for _ in 0..2 {
        let error = notes.read("a.txt").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::DownloadForbidden, "{error}");
        assert!(error.to_string().contains("no parsed text"), "{error}");
    }
    let text_only = openai.config().with_read(OpenAIReadMode::VectorStoreText);
    let error = opened(text_only).await.read("a.txt").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound, "{error}");
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    // After a refusal, another file can still be downloaded.
    openai.set(|rules| rules.forbidden_downloads.clear());
    assert_eq!(notes.read("a.txt").await.unwrap(), "one");
}

#[tokio::test]
async fn a_download_that_fails_for_good_is_replaced_by_the_text() {
    for status in [400, 403, 404, 410] {
        let openai = OpenAISimulator::lenient();
        let notes = open(&openai).await;
        notes.create("a.txt", "one").await.unwrap();
        openai.inject(Fault::status(status).on(Route::Content));
        assert_eq!(notes.read("a.txt").await.unwrap(), "one", "{status}");
        assert_eq!(openai.faults_left(), 0);
    }
}

#[tokio::test]
async fn a_write_lists_the_store_once_however_slow_the_listing_is() {
    let openai = OpenAISimulator::start();
    let notes = opened(openai.config()).await;
    notes.create("other.txt", "zero").await.unwrap();
    openai.take_requests();
    openai.inject(Fault::new(FaultKind::Held).on(Route::List));
    let slow = async {
        while openai.requests().is_empty() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        tokio::time::sleep(Duration::from_millis(1200)).await;
        openai.release();
    };
    let (created, ()) = tokio::join!(notes.create("a.txt", "one"), slow);
    created.unwrap();
    assert_eq!(asked(&openai), [Route::List, Route::Upload, Route::Attach]);
}

#[tokio::test]
async fn a_batch_that_the_server_ignores_is_attached_file_by_file() {
    let openai = with(|rules| {
        (rules.batches, rules.error_shape) = (Batches::Ignored, ErrorShape::Untyped);
    });
    let notes = opened(openai.config()).await;
    let began = Instant::now();
    let many = (0..120).map(|number| (number.to_string(), "x"));
    let created = notes.create_many(many).await.unwrap();
    assert!(created.iter().all(Result::is_ok), "{created:?}");
    assert_eq!(openai.vector_store_files().len(), 120);
    assert!(began.elapsed() < Duration::from_secs(9), "{:?}", began.elapsed());
}

fn not_found(message: &str) -> Fault {
    refusal(404, message)
}

fn refusal(status: u16, message: &str) -> Fault {
    let (kind, message) = ("invalid_request_error".to_owned(), message.to_owned());
    Fault::new(FaultKind::Status { status, kind, code: None, message, retry: Retry::NoHeader })
}

/// ogx and llama-stack list a file that is being attached or detached before or after they have its entry.
#[tokio::test]
async fn a_listing_that_fails_because_of_a_concurrent_change_is_repeated() {
    let openai = OpenAISimulator::start();
    let notes = opened(openai.config()).await;
    notes.create("a.txt", "one").await.unwrap();
    for message in [
        "{'errors': [{'loc': ['id'], 'msg': 'Field required', 'type': 'missing'}]}",
        r#"litellm.BadRequestError: OpenAIException - {"detail":{"errors":[{"loc":["id"],"msg":"Field required","type":"missing"}]}}"#,
    ] {
        openai.inject(refusal(400, message).on(Route::List));
        assert_eq!(notes.glob("**").await.unwrap(), ["a.txt"]);
        assert_eq!(openai.faults_left(), 0);
    }
}

#[tokio::test]
async fn files_are_attached_one_by_one_on_a_server_without_batches() {
    let shapes = [ErrorShape::OpenAI, ErrorShape::FastApi, ErrorShape::Untyped];
    for (shape, status) in shapes.into_iter().zip([404, 404, 400]) {
        let openai = with(|rules| (rules.batches, rules.error_shape) = (Batches::Missing, shape));
        if shape == ErrorShape::FastApi {
            // The framework's own answer.
            openai.inject(not_found("Not Found").on(Route::Batch).times(2));
        }
        let notes = opened(openai.config()).await;
        let many = (0..120).map(|number| (number.to_string(), "x"));
        let created = notes.create_many(many).await.unwrap();
        assert!(created.iter().all(Result::is_ok), "{created:?}");
        assert_eq!(openai.vector_store_files().len(), 120);
        let batches = openai.take_requests().into_iter().filter(|sent| sent.route == Route::Batch);
        let answers: Vec<_> = batches.map(|sent| sent.status).collect();
        assert_eq!(answers, [Some(status); 2], "a batch is not repeated");
    }
}

/// The uploads are withdrawn, and nothing is attached one by one.
#[tokio::test]
async fn a_batch_for_a_store_that_is_gone_fails() {
    let openai = OpenAISimulator::start();
    let notes = opened(openai.config().with_cache_ttl(HOUR)).await;
    notes.create("a.txt", "one").await.unwrap();
    for route in [Route::Batch, Route::Store] {
        openai.inject(not_found("No vector store found with id 'vs_1'.").on(route));
    }
    openai.take_requests();
    let many = (0..5).map(|number| (number.to_string(), "x"));
    for created in notes.create_many(many).await.unwrap() {
        assert_eq!(created.unwrap_err().kind(), ErrorKind::RootGone);
    }
    assert!(!asked(&openai).contains(&Route::Attach));
    assert_eq!(openai.files().len(), 1);
}

#[tokio::test]
async fn endless_pages_end_with_an_error() {
    let openai = OpenAISimulator::start();
    let limited = f9::OpenAITimeouts::default().with_total(Duration::from_secs(1));
    let notes = opened(openai.config().with_timeouts(limited)).await;
    notes.create("a.txt", "one").await.unwrap();
    openai.set(|rules| rules.endless_pages = true);
    let error = notes.glob("**").await.unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Timeout | ErrorKind::Remote), "{error}");
}

/// All the behaviours together, in one session of work.
#[tokio::test]
async fn the_worst_server_loses_nothing() {
    let openai = with(|rules| *rules = Rules::worst());
    let config = || openai.config().with_encoding(f9::OpenAIEncoding::Framed);
    let notes = opened(config()).await;
    notes.create("a.txt", "one").await.unwrap();
    let many = (0..5).map(|number| (format!("m/{number}"), number.to_string()));
    for created in notes.create_many(many).await.unwrap() {
        created.unwrap();
    }
    notes.update("m/0", "zero").await.unwrap();
    notes.rename("m", "n").await.unwrap();
    notes.delete("n/1").await.unwrap();
    notes.delete_with("n/2", DeleteOptions::default()).await.unwrap();
    let found = tree(&notes).await.unwrap();
    let paths: Vec<&str> = found.keys().map(String::as_str).collect();
    assert_eq!(paths, ["a.txt", "n", "n/0", "n/3", "n/4"]);
    assert_eq!(found["n/0"].as_deref(), Some(&b"zero"[..]));
}
