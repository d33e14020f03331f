//! Every verb that returns a checksum computes it from the content.

use futures::future::join_all;

use crate::core::checksum::{Checksum, ChecksumAlgorithm};
use crate::core::error::ErrorKind;
use crate::prelude::*;
use crate::testing::Fixture;
use crate::testing::content::bytes;
use crate::testing::expect::{refused, refused_when};

const SHA256: ChecksumAlgorithm = ChecksumAlgorithm::Sha256;

pub async fn a_checksum_matches_the_content(store: &dyn Fixture) {
    let files = store.backend().await;
    for size in [0, 1, 300_000, 1 << 20] {
        let (path, content) = (format!("{size}"), bytes(size));
        files.create(&path, content.clone()).await.unwrap();
        for &algorithm in ChecksumAlgorithm::ALL {
            let checksum = files.checksum(&path, algorithm).await.unwrap();
            let expected = Checksum::of(algorithm, &content);
            assert_eq!(checksum, expected, "{algorithm} of {size} bytes");
        }
    }
    let empty = files.checksum("0", SHA256).await.unwrap();
    assert!(empty.hex().starts_with("e3b0c44298fc1c149afbf4c8996fb924"), "{empty}");
}

pub async fn the_checksum_of_a_missing_file_or_a_directory_fails(store: &dyn Fixture) {
    let files = store.backend().await;
    files.create("dir/file", "content").await.unwrap();
    for (path, kind) in [
        ("missing", ErrorKind::NotFound),
        ("dir", ErrorKind::IsADirectory),
        ("dir/file/below", ErrorKind::NotADirectory),
    ] {
        refused_when(files.checksum(path, SHA256).await, kind, path);
    }
}

pub async fn a_checksum_follows_the_current_content(store: &dyn Fixture) {
    let files = store.backend().await;
    files.create("a", "same").await.unwrap();
    for content in ["othr", "same", "", "longer"] {
        files.update("a", content).await.unwrap();
        let expected = Checksum::of(SHA256, content.as_bytes());
        assert_eq!(files.checksum("a", SHA256).await.unwrap(), expected);
    }
}

pub async fn checksum_many_skips_only_missing_files_and_directories(store: &dyn Fixture) {
    let files = store.backend().await;
    let count = store.scale().pick(300, 120);
    let mut paths = vec!["missing".to_owned(), "d0".to_owned(), "d1/missing".to_owned()];
    for number in 0..count {
        let path = format!("d{}/{number}", number % 3);
        files.create(&path, format!("content {number}")).await.unwrap();
        paths.push(format!("/{path}/"));
    }
    paths.extend(["missing/deeper".to_owned(), "d0/0/below".to_owned()]);
    let requested: Vec<&str> = paths.iter().map(String::as_str).collect();
    let found = files.checksum_many(&requested, SHA256).await.unwrap();
    assert_eq!(found.len(), count);
    for number in 0..count {
        let path = format!("d{}/{number}", number % 3);
        let expected = Checksum::of(SHA256, format!("content {number}").as_bytes());
        assert_eq!(found[path.as_str()], expected, "{path}");
    }
    assert!(files.checksum_many(&[], SHA256).await.unwrap().is_empty());
    let twice = files.checksum_many(&["d0/0", "d0/0", "/d0//0"], SHA256).await.unwrap();
    assert_eq!(twice.len(), 1);
}

pub async fn checksum_many_fails_on_every_other_error(store: &dyn Fixture) {
    let files = store.backend().await;
    files.create("file", "content").await.unwrap();
    for (path, kind) in [
        ("../file", ErrorKind::PathEscapesRoot),
        ("", ErrorKind::InvalidPath),
        ("a\0", ErrorKind::InvalidPath),
        (".f9/x", ErrorKind::ReservedPath),
    ] {
        for paths in [[path, "file"], ["file", path]] {
            refused_when(files.checksum_many(&paths, SHA256).await, kind, path);
        }
    }
}

pub async fn hundreds_of_checksums_run_concurrently(store: &dyn Fixture) {
    let files = store.backend().await;
    let count = store.scale().pick(300, 120);
    let paths: Vec<String> = (0..count).map(|number| format!("dir/{number}")).collect();
    for path in &paths {
        files.create(path, path.clone()).await.unwrap();
    }
    let checksums: Vec<_> = paths.iter().map(|path| files.checksum(path, SHA256)).collect();
    let checksums = join_all(checksums).await;
    for (path, checksum) in paths.iter().zip(checksums) {
        assert_eq!(checksum.unwrap(), Checksum::of(SHA256, path.as_bytes()));
    }
}

pub async fn verify_compares_the_content_with_a_checksum(store: &dyn Fixture) {
    let files = store.backend().await;
    files.create("a", "content").await.unwrap();
    for &algorithm in ChecksumAlgorithm::ALL {
        let right = Checksum::of(algorithm, b"content").to_string();
        files.verify("a", &right).await.unwrap();
        files.verify("a", &right.to_uppercase()).await.unwrap();
        let wrong = Checksum::of(algorithm, b"contenT").to_string();
        let error = refused(files.verify("a", &wrong).await, ErrorKind::IntegrityMismatch);
        assert!(error.to_string().contains(&right), "{error}");
        assert!(error.to_string().contains(&wrong), "{error}");
        refused(files.verify("missing", &right).await, ErrorKind::NotFound);
    }
    for garbage in ["", "sha256", "sha256:", "sha256:12", "crc32:00000000", "nonsense:zz"] {
        let verified = files.verify("a", garbage).await;
        refused_when(verified, ErrorKind::InvalidInput, garbage);
    }
}
