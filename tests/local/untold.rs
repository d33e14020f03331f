//! Files that do not tell their size, as in `/proc` and `/sys`: every read gives what a plain read gives.

use std::fs;
use std::path::Path;

use f9::prelude::*;
use f9::{
    ByteRange, Checksum, ChecksumAlgorithm, CopyOptions, InfoOptions, LocalFileBackend, ReadOptions,
};
use futures::TryStreamExt as _;

use crate::machine::not_run;
use crate::store::Store;

async fn open(root: &str) -> LocalFileBackend {
    LocalFileBackend::builder(root).create_root(false).sweep(false).open().await.unwrap()
}

/// Files with content whose size is wrong: none, or that of a page. The last one is longer than a read.
const FILES: [(&str, &str, u64); 5] = [
    ("/proc", "version", 0),
    ("/proc/sys/kernel", "ostype", 0),
    ("/proc/self", "cmdline", 0),
    ("/sys/devices/system/cpu", "online", 4096),
    ("/proc", "kallsyms", 0),
];

#[tokio::test]
async fn a_file_that_does_not_tell_its_size_is_read_to_its_end() {
    for (root, name, size) in FILES {
        let at = Path::new(root).join(name);
        let plain = match fs::read(&at) {
            Ok(plain) => plain,
            Err(error) => {
                let test = "a_file_that_does_not_tell_its_size_is_read_to_its_end";
                not_run(test, &format!("{}: {error}", at.display()));
                continue;
            }
        };
        assert!(!plain.is_empty(), "{}", at.display());
        assert_eq!(fs::metadata(&at).unwrap().len(), size, "{}", at.display());
        let backend = open(root).await;
        assert_eq!(backend.info(name).await.unwrap().size, Some(size), "as the system says");

        assert!(backend.read(name).await.unwrap() == plain, "{name}");
        let small = ReadOptions::default().with_chunk_size(5);
        let chunks: Vec<_> =
            backend.stream_read_with(name, small).await.unwrap().try_collect().await.unwrap();
        assert!(chunks.concat() == plain && chunks[0].len() == plain.len().min(5), "{name}");
        let content = backend.open(name).await.unwrap();
        assert_eq!(content.info.size, Some(plain.len() as u64), "what the content has");
        assert_eq!(content.range, 0..plain.len() as u64);
        assert!(content.bytes().await.unwrap() == plain, "{name}");

        let end = plain.len() as u64;
        let ranges = [ByteRange::from(1..3), ByteRange::from(end - 2..), ByteRange::Suffix(3)];
        let parts = backend.read_ranges(name, &ranges).await.unwrap();
        assert_eq!(parts[0], plain[1..3]);
        assert_eq!(parts[1], plain[plain.len() - 2..]);
        assert_eq!(parts[2], plain[plain.len() - 3..]);
        assert_eq!(backend.read_with(name, ReadOptions::range(1..3)).await.unwrap(), plain[1..3]);
        let past = backend.read_with(name, ReadOptions::range(end + 1..)).await.unwrap_err();
        assert_eq!(past.kind(), f9::ErrorKind::InvalidRange);

        let algorithm = ChecksumAlgorithm::Sha256;
        let sum = Checksum::of(algorithm, &plain);
        assert_eq!(backend.checksum(name, algorithm).await.unwrap(), sum, "{name}");
        let options =
            InfoOptions::default().with_encoding().with_checksum(ChecksumAlgorithm::Sha256);
        let info = backend.info_with(name, options).await.unwrap();
        assert_eq!(info.checksum, Some(sum), "{name}");
        assert!(info.encoding.is_some(), "{name}");

        let store = Store::new().await;
        let copied = store.backend.copy_from(&backend, name, "copy", CopyOptions::default()).await;
        assert_eq!(copied.unwrap().size, Some(end), "{name}");
        assert!(fs::read(store.on_disk("copy")).unwrap() == plain, "{name}");
    }
}

#[tokio::test]
async fn a_file_without_a_size_that_never_ends_is_too_large() {
    // Eight bytes for each page of the address space.
    let backend = open("/proc/self").await;
    let error = backend.read("pagemap").await.unwrap_err();
    assert_eq!(error.kind(), f9::ErrorKind::TooLarge, "{error}");
    assert!(error.to_string().contains("does not tell its size"), "{error}");
}

#[tokio::test]
async fn an_empty_file_is_empty_on_every_file_system() {
    let store = Store::new().await;
    store.backend.create("empty", "").await.unwrap();
    assert_eq!(store.backend.read("empty").await.unwrap(), "");
    let empty = store.backend.open("empty").await.unwrap();
    assert_eq!((empty.info.size, empty.range.clone()), (Some(0), 0..0));
    assert_eq!(empty.bytes().await.unwrap(), "");
    // A sparse file has no blocks either, and tells its size.
    fs::File::create(store.on_disk("sparse")).unwrap().set_len(10_000).unwrap();
    assert_eq!(store.backend.read("sparse").await.unwrap().len(), 10_000);
}
