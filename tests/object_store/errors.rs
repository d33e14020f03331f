//! The `object_store` errors of backend failures.

use std::error::Error as _;

use f9::prelude::*;
use f9::{Capability, ErrorKind};
use futures::StreamExt as _;
use object_store::path::Path;
use object_store::{
    Attribute, Attributes, CopyMode, CopyOptions, Error, ObjectStore, ObjectStoreExt as _, PutMode,
    PutMultipartOptions, PutOptions, RenameOptions, RenameTargetMode, TagSet, UpdateVersion,
};

use crate::scripted::Scripted;
use crate::stores::{Local, locations};

pub(crate) fn variant(error: &Error) -> &'static str {
    match error {
        Error::Generic { .. } => "Generic",
        Error::NotFound { .. } => "NotFound",
        Error::InvalidPath { .. } => "InvalidPath",
        Error::NotSupported { .. } => "NotSupported",
        Error::AlreadyExists { .. } => "AlreadyExists",
        Error::Precondition { .. } => "Precondition",
        Error::NotModified { .. } => "NotModified",
        Error::NotImplemented { .. } => "NotImplemented",
        Error::PermissionDenied { .. } => "PermissionDenied",
        _ => "other",
    }
}

/// Returns the f9 error inside.
pub(crate) fn inside(error: &Error) -> &f9::Error {
    error.source().and_then(|source| source.downcast_ref()).unwrap()
}

/// Every kind with the variants for a failed read and for a failed write.
const TABLE: &[(ErrorKind, &str, &str)] = &[
    (ErrorKind::NotFound, "NotFound", "NotFound"),
    (ErrorKind::AlreadyExists, "AlreadyExists", "AlreadyExists"),
    (ErrorKind::IsADirectory, "NotFound", "Generic"),
    (ErrorKind::NotADirectory, "NotFound", "Generic"),
    (ErrorKind::NotAFile, "NotFound", "Generic"),
    (ErrorKind::DirectoryNotEmpty, "NotFound", "Generic"),
    (ErrorKind::PathEscapesRoot, "PermissionDenied", "PermissionDenied"),
    (ErrorKind::InvalidPath, "Generic", "Generic"),
    (ErrorKind::ReservedPath, "PermissionDenied", "PermissionDenied"),
    (ErrorKind::RootGone, "Generic", "Generic"),
    (ErrorKind::LinkLoop, "Generic", "Generic"),
    (ErrorKind::InvalidRange, "Generic", "Generic"),
    (ErrorKind::InvalidPattern, "Generic", "Generic"),
    (ErrorKind::InvalidUri, "Generic", "Generic"),
    (ErrorKind::InvalidInput, "Generic", "Generic"),
    (ErrorKind::InvalidData, "Generic", "Generic"),
    (ErrorKind::PreconditionFailed, "Precondition", "Precondition"),
    (ErrorKind::Conflict, "Generic", "Generic"),
    (ErrorKind::LengthMismatch, "Generic", "Generic"),
    (ErrorKind::IntegrityMismatch, "Generic", "Generic"),
    (ErrorKind::UnexpectedEof, "Generic", "Generic"),
    (ErrorKind::PermissionDenied, "PermissionDenied", "PermissionDenied"),
    (ErrorKind::ReadOnly, "PermissionDenied", "PermissionDenied"),
    (ErrorKind::StorageFull, "Generic", "Generic"),
    (ErrorKind::QuotaExceeded, "Generic", "Generic"),
    (ErrorKind::TooLarge, "Generic", "Generic"),
    (ErrorKind::TooManyOpenFiles, "Generic", "Generic"),
    (ErrorKind::LockTimeout, "Generic", "Generic"),
    (ErrorKind::Timeout, "Generic", "Generic"),
    (ErrorKind::Cancelled, "Generic", "Generic"),
    (ErrorKind::DurabilityUnknown, "Generic", "Generic"),
    (ErrorKind::Unsupported, "NotSupported", "NotSupported"),
    (ErrorKind::Internal, "Generic", "Generic"),
    (ErrorKind::Io, "Generic", "Generic"),
];

#[tokio::test]
async fn every_kind_maps_to_a_variant_with_the_f9_error_inside() {
    let (from, to) = (&Path::from("a"), &Path::from("b"));
    for &(kind, read, write) in TABLE {
        let (store, _) = Scripted { fails: Some(kind), ..Scripted::default() }.store();
        let mut upload = store.put_multipart(from).await.unwrap();
        let parts = ["one", "two"].map(f9::Bytes::from);
        for (call, error, expected) in [
            ("head", store.head(from).await.unwrap_err(), read),
            ("get", store.get(from).await.unwrap_err(), read),
            ("get_ranges", store.get_ranges(from, &[0..1]).await.unwrap_err(), read),
            ("delete", store.delete(from).await.unwrap_err(), read),
            ("rename", store.rename(from, to).await.unwrap_err(), read),
            ("put", store.put(from, "x".into()).await.unwrap_err(), write),
            ("put chunks", store.put(from, parts.into_iter().collect()).await.unwrap_err(), write),
            ("put_part", upload.put_part("x".into()).await.unwrap_err(), write),
            ("complete", upload.complete().await.unwrap_err(), write),
        ] {
            assert_eq!(variant(&error), expected, "{call} {kind:?}");
            assert_eq!((inside(&error).kind(), inside(&error).path()), (kind, Some("a")), "{call}");
        }
        let missing = matches!(kind, ErrorKind::NotFound | ErrorKind::NotADirectory);
        let listed = store.list(Some(from)).next().await;
        assert_eq!(listed.is_none(), missing, "a missing directory lists nothing: {kind:?}");
        if let Some(error) = listed {
            assert_eq!(inside(&error.unwrap_err()).kind(), kind);
            let error = store.list_with_delimiter(Some(from)).await.unwrap_err();
            assert_eq!(inside(&error).kind(), kind);
        }
    }
}

#[tokio::test]
async fn a_failure_during_a_read_is_the_last_item_of_the_stream() {
    let kind = Some(ErrorKind::PermissionDenied);
    let (store, script) = Scripted { fails_half_way: kind, ..Scripted::default() }.store();
    let location = Path::from("a");
    script.files.create("a", "x".repeat(5 << 20)).await.unwrap();
    let items: Vec<_> = store.get(&location).await.unwrap().into_stream().collect().await;
    let [Ok(_), Err(error)] = &items[..] else { panic!("{items:?}") };
    assert_eq!(variant(error), "PermissionDenied");
}

#[tokio::test]
async fn a_missing_capability_is_not_implemented_and_writes_nothing() {
    let without =
        |capability| Scripted { without: Some(capability), ..Scripted::default() }.store();
    let location = Path::from("a");

    let (store, script) = without(Capability::ConditionalWrite);
    let version = UpdateVersion { e_tag: Some("1".to_owned()), version: None };
    let updated = store.put_opts(&location, "x".into(), PutMode::Update(version).into()).await;
    assert_eq!(variant(&updated.unwrap_err()), "NotImplemented");
    assert!(script.calls().is_empty());

    let (store, script) = without(Capability::ExclusiveCreate);
    let copy = CopyOptions::new().with_mode(CopyMode::Create);
    let rename = RenameOptions::new().with_target_mode(RenameTargetMode::Create);
    for error in [
        store.put_opts(&location, "x".into(), PutMode::Create.into()).await.unwrap_err(),
        store.copy_opts(&location, &location, copy).await.unwrap_err(),
        store.rename_opts(&location, &location, rename).await.unwrap_err(),
    ] {
        assert_eq!(variant(&error), "NotImplemented");
        assert!(error.to_string().contains("Create"), "{error}");
    }
    assert!(script.calls().is_empty());
    store.put(&location, "x".into()).await.unwrap();
}

#[tokio::test]
async fn what_a_backend_does_not_keep_is_not_implemented_and_writes_nothing() {
    let location = Path::from("a");
    let content_type = || Attributes::from_iter([(Attribute::ContentType, "text/plain")]);
    let user_metadata = Attributes::from_iter([(Attribute::Metadata("key".into()), "value")]);
    let mut cache_control = content_type();
    cache_control.insert(Attribute::CacheControl, "no-cache".into());
    for (without, attributes) in [
        (Some(Capability::ContentType), content_type()),
        (Some(Capability::UserMetadata), user_metadata),
        (None, cache_control),
    ] {
        let (store, script) = Scripted { without, ..Scripted::default() }.store();
        let put = store.put_opts(&location, "x".into(), attributes.clone().into()).await;
        assert_eq!(variant(&put.unwrap_err()), "NotImplemented", "{attributes:?}");
        let begun = store.put_multipart_opts(&location, attributes.into()).await;
        assert_eq!(variant(&begun.unwrap_err()), "NotImplemented");
        assert!(script.calls().is_empty());
    }
    let (store, script) = Scripted::default().store();
    let mut tags = TagSet::default();
    tags.push("key", "value");
    let put = store.put_opts(&location, "x".into(), PutOptions::from(tags.clone())).await;
    assert_eq!(variant(&put.unwrap_err()), "NotImplemented");
    let begun = store.put_multipart_opts(&location, PutMultipartOptions::from(tags)).await;
    assert_eq!(variant(&begun.unwrap_err()), "NotImplemented");
    assert!(script.calls().is_empty());
}

#[tokio::test]
async fn an_update_needs_an_etag() {
    let (store, script) = Scripted::default().store();
    let location = Path::from("a");
    let etag = store.put(&location, "x".into()).await.unwrap().e_tag;
    script.calls();
    for version in [None, Some("1".to_owned())] {
        let mode = PutMode::Update(UpdateVersion { e_tag: None, version });
        let error = store.put_opts(&location, "y".into(), mode.into()).await.unwrap_err();
        assert_eq!((variant(&error), inside(&error).path()), ("Generic", Some("a")));
    }
    assert!(script.calls().is_empty());
    let mode = PutMode::Update(UpdateVersion { e_tag: etag, version: Some("1".to_owned()) });
    store.put_opts(&location, "y".into(), mode.into()).await.unwrap();
}

#[tokio::test]
async fn a_deleted_root_is_an_error_and_not_an_empty_store() {
    let local = Local::new().await;
    local.store.put(&Path::from("a/b"), "x".into()).await.unwrap();
    std::fs::remove_dir_all(local.on_disk("")).unwrap();
    for error in [
        local.store.list(None).next().await.unwrap().unwrap_err(),
        local.store.list(Some(&Path::from("a"))).next().await.unwrap().unwrap_err(),
        local.store.list_with_delimiter(None).await.unwrap_err(),
        local.store.head(&Path::from("a/b")).await.unwrap_err(),
    ] {
        assert_eq!(variant(&error), "Generic");
        assert_eq!(inside(&error).kind(), ErrorKind::RootGone);
    }
}

#[tokio::test]
async fn the_name_of_a_store_includes_its_backend() {
    let local = Local::new().await;
    let name = local.store.to_string();
    let root = local.on_disk("").to_string_lossy().trim_end_matches('/').to_owned();
    assert!(name.starts_with("FileBackendStore(LocalFileBackend"), "{name}");
    assert!(name.contains(&root), "{name}");
    assert!(format!("{:?}", local.store).contains(&root));
    assert!(local.store.backend().exists("").await.unwrap());
}

#[tokio::test]
async fn reserved_names_are_refused_and_not_listed() {
    let local = Local::new().await;
    for name in [".backend.lock", "a/.f9/x", ".f9tmp-0123"] {
        let location = Path::from(name);
        for error in [
            local.store.put(&location, "x".into()).await.unwrap_err(),
            local.store.put_multipart(&location).await.unwrap_err(),
            local.store.head(&location).await.unwrap_err(),
            local.store.delete(&location).await.unwrap_err(),
        ] {
            assert_eq!(variant(&error), "PermissionDenied", "{name}");
            assert_eq!(inside(&error).kind(), ErrorKind::ReservedPath);
        }
        std::fs::create_dir_all(local.on_disk(name).parent().unwrap()).unwrap();
        std::fs::write(local.on_disk(name), "x").unwrap();
    }
    assert_eq!(locations(&local.store).await, [""; 0]);
    let level = local.store.list_with_delimiter(None).await.unwrap();
    assert!(level.objects.is_empty() && level.common_prefixes.is_empty(), "{level:?}");
}
