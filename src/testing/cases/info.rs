//! The info of an entry.

use std::time::{Duration, SystemTime};

use crate::core::checksum::{Checksum, ChecksumAlgorithm};
use crate::core::encoding::Encoding;
use crate::core::error::ErrorKind;
use crate::core::info::FileType;
use crate::core::options::InfoOptions;
use crate::prelude::*;
use crate::testing::Fixture;
use crate::testing::content::bytes;
use crate::testing::expect::{refused, refused_when};

pub async fn info_distinguishes_files_from_directories(store: &dyn Fixture) {
    let files = store.backend().await;
    files.create("dir/file", "hello").await.unwrap();
    let file = files.info("dir/file").await.unwrap();
    assert_eq!((file.path.as_str(), file.file_type), ("dir/file", FileType::File));
    assert_eq!(file.size, Some(5));
    assert!(file.is_file() && !file.is_dir() && file.is_readable());
    let dir = files.info("dir").await.unwrap();
    assert_eq!((dir.path.as_str(), dir.file_type), ("dir", FileType::Directory));
    assert_eq!(dir.size, None, "a directory has a size");
    assert!(dir.is_dir() && !dir.is_file());
    let root = files.info("").await.unwrap();
    assert!(root.is_dir() && root.path.is_root());
}

pub async fn info_of_a_missing_path_fails(store: &dyn Fixture) {
    let files = store.backend().await;
    files.create("dir/file", "content").await.unwrap();
    for (path, kind) in [
        ("missing", ErrorKind::NotFound),
        ("missing/deeper", ErrorKind::NotFound),
        ("dir/missing", ErrorKind::NotFound),
        ("dir/fil", ErrorKind::NotFound),
        ("di", ErrorKind::NotFound),
        ("dir/file/below", ErrorKind::NotADirectory),
        ("dir/file/below/deeper", ErrorKind::NotADirectory),
    ] {
        refused_when(files.info(path).await, kind, path);
    }
}

pub async fn exists_is_false_only_for_a_missing_path(store: &dyn Fixture) {
    let files = store.backend().await;
    files.create("dir/file", "content").await.unwrap();
    for path in ["dir", "dir/", "dir/file", "", "/"] {
        assert!(files.exists(path).await.unwrap(), "{path:?}");
    }
    let below = ["dir/file/below", "dir/file/below/deeper"];
    for path in
        ["missing", "missing/deeper", "dir/missing", "dir/fil", "dir/file2"].iter().chain(&below)
    {
        assert!(!files.exists(path).await.unwrap(), "{path:?}");
    }
}

pub async fn the_modification_time_is_the_time_of_the_write(store: &dyn Fixture) {
    // The clock of a store may be coarse, and the clock of a remote service may differ.
    let slack = Duration::from_secs(5);
    let files = store.backend().await;
    let before = SystemTime::now() - slack;
    files.create("a", "one").await.unwrap();
    let created = files.info("a").await.unwrap();
    files.update("a", "two").await.unwrap();
    let updated = files.info("a").await.unwrap();
    let after = SystemTime::now() + slack;
    let (Some(first), Some(second)) = (created.modified_at, updated.modified_at) else {
        return;
    };
    assert!(first <= second, "{first:?} is after {second:?}");
    assert!(before <= first && second <= after, "{first:?}, {second:?}");
    assert!(updated.is_modified_since(before) && !updated.is_modified_since(after));
}

pub async fn info_has_the_encoding_only_on_request(store: &dyn Fixture) {
    let files = store.backend().await;
    let split = format!("x{}", "\u{e9}".repeat(Encoding::SAMPLE_BYTES));
    let rows: [(&str, &[u8], Encoding); 8] = [
        ("empty", b"", Encoding::Ascii),
        ("ascii", b"plain\n", Encoding::Ascii),
        ("utf-8", "caf\u{e9}".as_bytes(), Encoding::Utf8),
        ("utf-16-le", b"\xff\xfea\0", Encoding::Utf16Le),
        ("utf-16-be", b"\xfe\xff\0a", Encoding::Utf16Be),
        ("zero", b"a\0b", Encoding::Binary),
        ("cut", b"caf\xc3", Encoding::Binary),
        ("long", split.as_bytes(), Encoding::Utf8),
    ];
    for (path, content, expected) in rows {
        files.create(path, content.to_vec()).await.unwrap();
        let plain = files.info(path).await.unwrap();
        assert_eq!(plain.encoding, None, "{path} has an encoding without a request");
        let options = InfoOptions::default().with_encoding();
        let info = files.info_with(path, options).await.unwrap();
        assert_eq!(info.encoding, Some(expected), "{path}");
        assert_eq!(info.is_text_file(), expected.is_text(), "{path}");
        assert_eq!(info.is_binary_file(), !expected.is_text(), "{path}");
    }
}

pub async fn info_has_the_checksum_only_on_request(store: &dyn Fixture) {
    let files = store.backend().await;
    let content = bytes(300_000);
    files.create("a", content.clone()).await.unwrap();
    assert_eq!(files.info("a").await.unwrap().checksum, None);
    for &algorithm in ChecksumAlgorithm::ALL {
        let options = InfoOptions::default().with_checksum(algorithm);
        let info = files.info_with("a", options).await.unwrap();
        assert_eq!(info.checksum, Some(Checksum::of(algorithm, &content)));
    }
}

pub async fn a_directory_has_neither_encoding_nor_checksum(store: &dyn Fixture) {
    let files = store.backend().await;
    files.create("dir/file", "content").await.unwrap();
    let options = InfoOptions::default().with_encoding().with_checksum(ChecksumAlgorithm::Md5);
    for path in ["dir", ""] {
        let info = files.info_with(path, options.clone()).await.unwrap();
        assert_eq!((info.encoding, info.checksum), (None, None), "{path:?}");
    }
    refused(files.info_with("missing", options).await, ErrorKind::NotFound);
}
