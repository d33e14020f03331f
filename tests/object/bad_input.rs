//! Wrong configurations, and servers that refuse.

use f9::prelude::*;
use f9::{ErrorKind, ObjectStoreFileBackend, S3Config, Secret};

use super::fixture::{Scene, refused};

async fn kind(config: S3Config) -> (ErrorKind, String) {
    let error = ObjectStoreFileBackend::open_s3(config).await.unwrap_err();
    (error.kind(), format!("{error} {error:?}"))
}

#[tokio::test]
async fn a_bucket_that_cannot_be_opened_is_told_apart() {
    let scene = Scene::new();
    let config = || scene.config();
    let mut missing = config();
    missing.bucket = "missing".to_owned();
    assert_eq!(kind(missing).await.0, ErrorKind::RootGone);
    let wrong = config().with_secret_key(Secret::new("s3cret-and-wrong"));
    let (refusal, text) = kind(wrong).await;
    assert_eq!(refusal, ErrorKind::Unauthenticated, "{text}");
    assert!(!text.contains("s3cret"), "{text}");
    let unknown = config().with_access_key(Secret::new("NOBODY"));
    assert_eq!(kind(unknown).await.0, ErrorKind::Unauthenticated);
    let anonymous = S3Config::new(scene.s3.bucket())
        .with_endpoint(scene.s3.endpoint())
        .with_options(Scene::options())
        .with_anonymous(true);
    let files = ObjectStoreFileBackend::open_s3(anonymous).await.unwrap();
    refused(files.read("a").await, ErrorKind::PermissionDenied);
    let mut nobody = config().with_endpoint("http://127.0.0.1:9");
    nobody.options = nobody.options.with_retries(1);
    assert_eq!(kind(nobody).await.0, ErrorKind::Unreachable);
    let unset = config().with_access_key("env:F9_NOT_SET").with_secret_key("env:F9_NOT_SET");
    assert_eq!(kind(unset).await.0, ErrorKind::InvalidInput);
    let outside = config().with_prefix("a/../..");
    assert_eq!(kind(outside).await.0, ErrorKind::PathEscapesRoot);
}

#[tokio::test]
async fn a_public_bucket_is_read_without_credentials() {
    let scene = Scene::with_rules(|rules| rules.anonymous = true);
    scene.s3.put("a", "public");
    let anonymous =
        S3Config::new(scene.s3.bucket()).with_endpoint(scene.s3.endpoint()).with_anonymous(true);
    let files = ObjectStoreFileBackend::open_s3(anonymous).await.unwrap();
    assert_eq!(files.read("a").await.unwrap(), "public");
}

#[tokio::test]
async fn keys_have_up_to_1024_bytes_with_their_prefix() {
    let scene = Scene::new();
    let prefix = "ä".repeat(100);
    let files = scene.open_with(scene.config().with_prefix(&prefix)).await;
    let limit = files.limits().path_bytes;
    assert_eq!(limit, 1_024 - 201);
    let path = |bytes: usize| {
        let names = "n".repeat(200) + "/";
        names.repeat(5)[..bytes].to_owned()
    };
    files.create(&path(limit), "x").await.unwrap();
    assert_eq!(scene.keys()[0].len(), 1_024);
    let before = scene.operations().len();
    assert!(before > 0);
    refused(files.create(&path(limit + 1), "x").await, ErrorKind::InvalidPath);
    assert!(scene.operations().is_empty(), "nothing is sent");
}

#[tokio::test]
async fn metadata_that_headers_cannot_carry_are_refused_before_anything_is_sent() {
    let scene = Scene::new();
    let files = scene.open().await;
    let mut options = f9::WriteOptions::default();
    for number in 0..200 {
        options = options.with_user_metadata(format!("k{number}"), "ä");
    }
    refused(files.write_with("a", "x", options).await, ErrorKind::TooLarge);
    assert!(scene.keys().is_empty());
}
