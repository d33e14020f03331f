//! Every verb meets every fault: it ends in the right result, or in an error with nothing half-done.

use std::time::Duration;

use f9::prelude::*;
use f9::testing::s3::{Fault, FaultKind};
use f9::{
    DeleteOptions, Error, ErrorKind, ObjectStoreFileBackend, ObjectStoreTimeouts, UpdateOptions,
};
use futures::StreamExt as _;
use futures::future::BoxFuture;

use super::fixture::Scene;

type Verb = (&'static str, fn(ObjectStoreFileBackend) -> BoxFuture<'static, f9::Result<()>>);

/// The verbs that change something, and the key that shows what they did, with the content before and after.
const CHANGES: [(Verb, &str, Option<&str>, Option<&str>); 8] = [
    (
        ("create", |files| Box::pin(async move { files.create("new", "new").await.map(drop) })),
        "new",
        None,
        Some("new"),
    ),
    (
        ("write", |files| Box::pin(async move { files.write("old", "new").await.map(drop) })),
        "old",
        Some("old"),
        Some("new"),
    ),
    (
        ("update", |files| Box::pin(async move { files.update("old", "new").await.map(drop) })),
        "old",
        Some("old"),
        Some("new"),
    ),
    (
        ("append", |files| {
            Box::pin(async move {
                files.update_with("old", "+", UpdateOptions::append()).await.map(drop)
            })
        }),
        "old",
        Some("old"),
        Some("old+"),
    ),
    (
        ("copy", |files| Box::pin(async move { files.copy("old", "new").await.map(drop) })),
        "new",
        None,
        Some("old"),
    ),
    (
        ("rename", |files| Box::pin(async move { files.rename("old", "new").await.map(drop) })),
        "new",
        None,
        Some("old"),
    ),
    (
        ("delete", |files| Box::pin(async move { files.delete("old").await })),
        "old",
        Some("old"),
        None,
    ),
    (
        ("delete all", |files| {
            Box::pin(async move { files.delete_with("dir", DeleteOptions::recursive()).await })
        }),
        "dir/a",
        Some("a"),
        None,
    ),
];

async fn scene() -> (Scene, ObjectStoreFileBackend) {
    let scene = Scene::new();
    let timeouts = ObjectStoreTimeouts::default()
        .with_idle(Duration::from_millis(300))
        .with_total(Duration::from_secs(60));
    let options = Scene::options().with_timeouts(timeouts);
    let files = scene.open_with(scene.config().with_options(options)).await;
    files.create("old", "old").await.unwrap();
    files.create("dir/a", "a").await.unwrap();
    (scene, files)
}

#[tokio::test(flavor = "multi_thread")]
async fn every_change_ends_as_a_whole() {
    for ((name, verb), key, before, after) in CHANGES {
        for kind in Fault::all_kinds() {
            for at in 0..4 {
                let (scene, files) = scene().await;
                scene.s3.inject(Fault::new(kind.clone()).after(at));
                let call = format!("{name} with {kind:?} at request {at}");
                let done = verb(files).await;
                let content = scene.content(key);
                match &done {
                    Ok(()) => assert_eq!(content.as_deref(), after, "{call}"),
                    // Copies have no random text, so f9 cannot know that the existing file is its own copy.
                    Err(error)
                        if kind == FaultKind::Repeated
                            && error.kind() == ErrorKind::AlreadyExists
                            && matches!(name, "copy" | "rename") => {}
                    Err(error) => {
                        let is_whole = [before, after].contains(&content.as_deref());
                        assert!(is_whole, "{call}: {error}: {content:?}");
                        is_told(error, &kind, &call);
                    }
                }
                // A rename that fails loses nothing.
                let is_somewhere = scene.content("old").is_some() || scene.content("new").is_some();
                assert!(is_somewhere || name == "delete", "{call}");
                assert!(scene.s3.uploads().is_empty(), "{call}");
            }
        }
    }
}

/// An error names the operation, and refusals of the server are final.
fn is_told(error: &Error, kind: &FaultKind, call: &str) {
    assert!(error.operation().is_some() && error.path().is_some(), "{call}: {error:?}");
    let is_refusal =
        matches!(error.kind(), ErrorKind::PermissionDenied | ErrorKind::Unauthenticated);
    // The answer to a look-up has no body that could tell more than its status.
    let is_unclear = matches!(kind, FaultKind::Error { status: 400, .. });
    assert!(is_refusal || is_unclear, "{call}: {error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn reads_and_listings_end_with_the_right_content_or_an_error() {
    for kind in Fault::all_kinds() {
        let (scene, files) = scene().await;
        let is_final = |error: &Error| {
            matches!(error.kind(), ErrorKind::PermissionDenied | ErrorKind::Unauthenticated)
        };
        scene.s3.inject(kind.clone());
        match files.read("old").await {
            Ok(content) if kind == FaultKind::WrongContent => assert_eq!(content.len(), 3),
            Ok(content) => assert_eq!(content, "old", "{kind:?}"),
            Err(error) => assert!(is_final(&error), "{kind:?}: {error}"),
        }
        scene.s3.clear_faults();
        scene.s3.inject(kind.clone());
        match files.list("").await {
            Ok(entries) => {
                let entries: Vec<_> = entries.collect().await;
                assert_eq!(entries.len(), 2, "{kind:?}: {entries:?}");
                assert!(entries.iter().all(Result::is_ok), "{kind:?}: {entries:?}");
            }
            Err(error) => assert!(is_final(&error), "{kind:?}: {error}"),
        }
        scene.s3.clear_faults();
        scene.s3.inject(kind.clone());
        match files.info("old").await {
            Ok(info) => assert_eq!(info.size, Some(3), "{kind:?}"),
            // The answer to a look-up has no body that could tell more than its status.
            Err(error) => assert!(
                is_final(&error) || matches!(kind, FaultKind::Error { status: 400, .. }),
                "{kind:?}: {error}"
            ),
        }
    }
}

#[tokio::test]
async fn the_wait_that_the_server_asks_for_is_kept_and_bounded() {
    let scene = Scene::new();
    let files = scene.open().await;
    let seconds = |seconds| Fault::slow_down(f9::testing::s3::Retry::AfterSeconds(seconds));
    scene.s3.inject(seconds(3_600));
    let error = files.write("a", "x").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::RateLimited);
    assert!(error.is_retryable());
    scene.s3.inject(seconds(0).times(3));
    files.write("a", "x").await.unwrap();
    assert_eq!(scene.s3.faults_left(), 0);
}

#[tokio::test]
async fn errors_have_the_number_of_the_request() {
    let scene = Scene::new();
    let files = scene.open().await;
    scene.s3.inject(Fault::error(403, "AccessDenied"));
    let error = files.write("a", "x").await.unwrap_err().to_string();
    assert!(error.contains("AccessDenied") && error.contains("; request "), "{error}");
}
