//! Servers that ignore conditions: what they cannot do is found out, and nothing is overwritten.

use f9::prelude::*;
use f9::testing::s3::Conditions as Rule;
use f9::{Capabilities, Capability, Conditions, CreateOptions, ErrorKind, WriteOptions};

use super::fixture::{PART, Scene, content, refused};

#[tokio::test]
async fn a_server_with_all_conditions_has_all_capabilities() {
    let scene = Scene::new();
    let found = scene.open().await.capabilities();
    let expected = Capabilities::of(&[
        Capability::ExclusiveCreate,
        Capability::ConditionalWrite,
        Capability::Append,
        Capability::EmptyDirectories,
        Capability::ServerSideCopy,
        Capability::Durable,
        Capability::Sessions,
        Capability::CrossProcessSessions,
        Capability::CrossProcessWrites,
        Capability::ContentType,
        Capability::UserMetadata,
        Capability::ModificationTime,
        Capability::Presign,
        Capability::Resumable,
        Capability::PrivateViews,
    ]);
    assert_eq!(found, expected);
    assert!(scene.keys().is_empty(), "the probe left {:?}", scene.keys());
    assert!(scene.s3.uploads().is_empty());
    scene.s3.enable_versioning();
    let endpoint = scene.s3.endpoint().replace("127.0.0.1", "localhost");
    let versioned = scene.open_with(scene.config().with_endpoint(endpoint)).await;
    assert_eq!(versioned.capabilities(), expected.with(Capability::Versions));
}

#[tokio::test]
async fn a_create_never_overwrites_on_a_server_that_ignores_conditions() {
    for rule in [Rule::Ignored, Rule::Unsupported] {
        let scene = Scene::with_rules(|rules| rules.put_conditions = rule);
        let files = scene.open().await;
        let missing = [
            Capability::ExclusiveCreate,
            Capability::ConditionalWrite,
            Capability::Append,
            Capability::Sessions,
            Capability::Resumable,
        ];
        assert_eq!(files.capabilities() & Capabilities::of(&missing), Capabilities::NONE);
        files.write("a", "theirs").await.unwrap();
        let etag = files.info("a").await.unwrap().etag.unwrap();
        refused(files.create("a", "mine").await, ErrorKind::Unsupported);
        let matching = CreateOptions::if_match(etag);
        refused(files.create_with("a", "mine", matching).await, ErrorKind::Unsupported);
        let large = futures::stream::iter([bytes::Bytes::from(content(PART + 1))]);
        let streamed =
            files.stream_write_with("a", f9::stream::from_chunks(large), WriteOptions::create());
        refused(streamed.await, ErrorKind::Unsupported);
        refused(files.copy("a", "b").await, ErrorKind::Unsupported);
        refused(files.sync_session().await, ErrorKind::Unsupported);
        assert_eq!(scene.content("a").unwrap(), "theirs");
        assert_eq!(scene.keys(), ["a"]);
    }
}

#[tokio::test]
async fn a_server_may_know_only_the_condition_that_nothing_exists() {
    let scene = Scene::with_rules(|rules| rules.put_conditions = Rule::CreateOnly);
    let files = scene.open().await;
    let capabilities = files.capabilities();
    assert!(capabilities.has(Capability::ExclusiveCreate));
    assert!(!capabilities.has(Capability::ConditionalWrite));
    files.create("a", "one").await.unwrap();
    refused(files.create("a", "two").await, ErrorKind::AlreadyExists);
    files.update("a", "two").await.unwrap();
    assert_eq!(scene.content("a").unwrap(), "two");
}

#[tokio::test]
async fn an_upload_in_parts_replaces_nothing_where_its_end_has_no_condition() {
    for (copy, is_possible) in [(Rule::Honoured, true), (Rule::Ignored, false)] {
        let scene = Scene::with_rules(|rules| {
            rules.complete_conditions = Rule::Ignored;
            rules.copy_conditions = copy;
        });
        let files = scene.open().await;
        files.write("taken", "theirs").await.unwrap();
        let large = content(PART + 1);
        let write = async |path| {
            let chunks = futures::stream::iter([bytes::Bytes::from(large.clone())]);
            let chunks = f9::stream::from_chunks(chunks);
            files.stream_write_with(path, chunks, WriteOptions::create()).await
        };
        refused(write("taken").await, ErrorKind::AlreadyExists);
        match is_possible {
            true => {
                assert_eq!(write("new").await.unwrap().size, Some(large.len() as u64));
                assert_eq!(files.read("new").await.unwrap(), large);
            }
            false => drop(refused(write("new").await, ErrorKind::Unsupported)),
        }
        assert_eq!(scene.content("taken").unwrap(), "theirs");
        assert!(scene.s3.uploads().is_empty());
        assert!(!scene.keys().iter().any(|key| key.contains(".f9/")), "{:?}", scene.keys());
    }
}

#[tokio::test]
async fn copies_and_deletions_are_safe_on_servers_that_ignore_their_conditions() {
    let scene = Scene::with_rules(|rules| {
        rules.copy_conditions = Rule::Ignored;
        rules.complete_conditions = Rule::Ignored;
        rules.delete_conditions = Rule::Ignored;
    });
    let files = scene.open().await;
    files.write("a", "one").await.unwrap();
    files.write("b", "two").await.unwrap();
    refused(files.copy("a", "b").await, ErrorKind::AlreadyExists);
    refused(files.rename("a", "b").await, ErrorKind::AlreadyExists);
    files.copy("a", "c").await.unwrap();
    files.rename("c", "d").await.unwrap();
    let old = files.info("a").await.unwrap().etag.unwrap();
    files.write("a", "newer").await.unwrap();
    let conditional = f9::DeleteOptions::if_match(old);
    refused(files.delete_with("a", conditional).await, ErrorKind::PreconditionFailed);
    assert_eq!(scene.keys(), ["a", "b", "d"]);
}

#[tokio::test]
async fn declared_conditions_are_not_tried_out() {
    let scene = Scene::new();
    let config =
        |conditions| scene.config().with_options(Scene::options().with_conditions(conditions));
    for (conditions, has_them) in [(Conditions::All, true), (Conditions::None, false)] {
        let files = f9::ObjectStoreFileBackend::open_s3(config(conditions)).await.unwrap();
        assert_eq!(files.capabilities().has(Capability::ExclusiveCreate), has_them);
        let operations = scene.operations();
        assert_eq!(operations, [f9::testing::s3::Operation::GetBucketVersioning]);
    }
}
