//! Readers seek within one version, and writers publish with a commit.

use std::io::SeekFrom;

use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncSeekExt as _, AsyncWriteExt as _};

use crate::core::error::{Error, ErrorKind};
use crate::core::options::{ListOptions, ReadOptions, WriteOptions};
use crate::prelude::*;
use crate::testing::Fixture;
use crate::testing::content::bytes;
use crate::testing::expect::{refused, refused_when};
use crate::testing::state::{is_clean, listed};

pub async fn a_committed_file_has_everything_that_was_written(store: &dyn Fixture) {
    let files = store.backend().await;
    let content = bytes(700_000);
    for piece in [1_000, 300_000, 700_000] {
        let path = format!("dir/{piece}");
        let mut writer = files.writer(&path).await.unwrap();
        for part in content.chunks(piece) {
            writer.write_all(part).await.unwrap();
        }
        let info = writer.commit().await.unwrap();
        assert_eq!((info.path.as_str(), info.size), (path.as_str(), Some(700_000)));
        assert!(files.read(&path).await.unwrap() == content, "by {piece}");
    }
    let info = files.writer("empty").await.unwrap().commit().await.unwrap();
    assert_eq!((info.size, files.read("empty").await.unwrap().len()), (Some(0), 0));
}

pub async fn nothing_is_visible_before_a_commit(store: &dyn Fixture) {
    let files = store.backend().await;
    files.create("old", "old").await.unwrap();
    for path in ["old", "new/dir/a"] {
        let mut writer = files.writer(path).await.unwrap();
        writer.write_all(&bytes(600_000)).await.unwrap();
        writer.flush().await.unwrap();
        writer.shutdown().await.unwrap();
        assert_eq!(files.read("old").await.unwrap(), "old");
        assert!(!files.exists("new/dir/a").await.unwrap());
        drop(writer);
        is_clean(store).await;
    }
    assert_eq!(files.read("old").await.unwrap(), "old");
    assert_eq!(listed(&*files, "", ListOptions::recursive()).await, ["old"]);
}

pub async fn a_writer_respects_its_options(store: &dyn Fixture) {
    let files = store.backend().await;
    files.create("dir/old", "old").await.unwrap();
    for (path, options, kind) in [
        ("dir/old", WriteOptions::create(), ErrorKind::AlreadyExists),
        ("dir", WriteOptions::default(), ErrorKind::IsADirectory),
        ("new", WriteOptions::replace(), ErrorKind::NotFound),
        ("dir/old/below", WriteOptions::default(), ErrorKind::NotADirectory),
        ("..", WriteOptions::default(), ErrorKind::PathEscapesRoot),
    ] {
        refused_when(files.writer_with(path, options).await, kind, path);
    }
    let sized = WriteOptions::default().with_size(3);
    let mut writer = files.writer_with("dir/old", sized).await.unwrap();
    writer.write_all(b"longer").await.unwrap();
    refused(writer.commit().await, ErrorKind::LengthMismatch);
    assert_eq!(files.read("dir/old").await.unwrap(), "old");
}

pub async fn a_reader_seeks_to_any_offset(store: &dyn Fixture) {
    let files = store.backend().await;
    let content = bytes(600_000);
    files.create("a", content.clone()).await.unwrap();
    let mut reader = files.reader("a").await.unwrap();
    assert_eq!(reader.info().size, Some(600_000));
    let mut part = [0; 10];
    for (seek, offset) in [
        (SeekFrom::Start(0), 0),
        (SeekFrom::Current(100), 110),
        (SeekFrom::Start(599_990), 599_990),
        (SeekFrom::End(-300_000), 300_000),
        (SeekFrom::Current(-300_010), 0),
    ] {
        assert_eq!(reader.seek(seek).await.unwrap(), offset as u64, "{seek:?}");
        reader.read_exact(&mut part).await.unwrap();
        assert_eq!(part[..], content[offset..offset + 10], "{seek:?}");
    }
    reader.seek(SeekFrom::Start(700_000)).await.unwrap();
    assert!(reader.fill_buf().await.unwrap().is_empty(), "content past the end");
    reader.seek(SeekFrom::Current(-700_001)).await.unwrap_err();
    reader.seek(SeekFrom::Start(5)).await.unwrap();
    let mut rest = Vec::new();
    reader.read_to_end(&mut rest).await.unwrap();
    assert!(rest == content[5..]);
}

pub async fn a_reader_never_mixes_two_versions(store: &dyn Fixture) {
    let files = store.backend().await;
    files.create("a", vec![b'1'; 600_000]).await.unwrap();
    let mut reader = files.reader("a").await.unwrap();
    let mut part = [0; 10];
    reader.read_exact(&mut part).await.unwrap();
    files.write("a", vec![b'2'; 600_000]).await.unwrap();
    reader.seek(SeekFrom::Start(590_000)).await.unwrap();
    match reader.read_exact(&mut part).await {
        Ok(_) => assert_eq!(part, [b'1'; 10], "content of another version"),
        Err(error) => assert_eq!(Error::from(error).kind(), ErrorKind::PreconditionFailed),
    }
}

pub async fn a_reader_of_a_file_that_became_shorter_fails(store: &dyn Fixture) {
    let files = store.backend().await;
    files.create("a", bytes(2 << 20)).await.unwrap();
    let mut reader = files.reader("a").await.unwrap();
    reader.read_exact(&mut [0; 3]).await.unwrap();
    files.write("a", "new").await.unwrap();
    reader.seek(SeekFrom::Start(2_000_000)).await.unwrap();
    let error = Error::from(reader.read_to_end(&mut Vec::new()).await.unwrap_err());
    assert_eq!(error.kind(), ErrorKind::PreconditionFailed, "{error}");
}

pub async fn a_reader_of_a_missing_file_or_a_part_is_refused(store: &dyn Fixture) {
    let files = store.backend().await;
    files.create("dir/a", "content").await.unwrap();
    refused(files.reader("missing").await, ErrorKind::NotFound);
    refused(files.reader("dir").await, ErrorKind::IsADirectory);
    refused(files.reader_with("dir/a", ReadOptions::range(1..)).await, ErrorKind::InvalidInput);
}
