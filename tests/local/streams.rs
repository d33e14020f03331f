//! Files that change during a stream, and slow sources.

use std::fs;
use std::time::Duration;

use f9::prelude::*;
use f9::{CreateOptions, ErrorKind, LocalFileBackend, ReadOptions};
use futures::{StreamExt as _, TryStreamExt as _};

use crate::processes;
use crate::run_size::plain_or_all;
use crate::store::Store;

fn content(length: usize) -> Vec<u8> {
    (0..length).map(|i| u8::try_from(i % 251).unwrap()).collect()
}

#[tokio::test]
async fn a_stream_of_a_truncated_file_fails_and_ends() {
    let store = Store::new().await;
    store.backend.create("a", content(3_000_000)).await.unwrap();
    let mut chunks = store.backend.stream_read("a").await.unwrap();
    chunks.next().await.unwrap().unwrap();
    let file = fs::File::options().write(true).open(store.on_disk("a")).unwrap();
    file.set_len(300_000).unwrap();
    let rest = tokio::time::timeout(Duration::from_secs(300), chunks.collect::<Vec<_>>());
    let rest = rest.await.expect("the stream does not end");
    let error = rest.last().unwrap().as_ref().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::UnexpectedEof);
    assert_eq!((error.path(), error.operation()), (Some("a"), Some("read")));
    assert!(rest[..rest.len() - 1].iter().all(Result::is_ok), "the error is the last item");
}

#[tokio::test]
async fn a_stream_of_a_replaced_or_deleted_file_has_the_old_content() {
    let store = Store::new().await;
    let old = content(2_000_000);
    for replace in [true, false] {
        let overwrite = CreateOptions::overwrite();
        store.backend.create_with("a", old.clone(), overwrite.clone()).await.unwrap();
        let mut chunks = store.backend.stream_read("a").await.unwrap();
        let mut read = chunks.next().await.unwrap().unwrap().to_vec();
        if replace {
            store.backend.create_with("a", "new", overwrite).await.unwrap();
        } else {
            store.backend.delete("a").await.unwrap();
        }
        while let Some(chunk) = chunks.try_next().await.unwrap() {
            read.extend_from_slice(&chunk);
        }
        assert!(read == old);
    }
}

#[tokio::test]
async fn the_chunk_size_of_the_backend_is_the_default() {
    let store = Store::new().await;
    let builder = LocalFileBackend::builder(&store.root).chunk_size(1000);
    let backend = builder.open().await.unwrap();
    backend.create("a", content(2500)).await.unwrap();
    let sizes = async |options| {
        let chunks = backend.stream_read_with("a", options).await.unwrap();
        chunks.map_ok(|chunk| chunk.len()).try_collect::<Vec<_>>().await.unwrap()
    };
    assert_eq!(sizes(ReadOptions::default()).await, [1000, 1000, 500]);
    assert_eq!(sizes(ReadOptions::default().with_chunk_size(2000)).await, [2000, 500]);
    assert_eq!(sizes(ReadOptions::range(500..1700)).await, [1000, 200]);
}

#[tokio::test]
async fn a_streamed_file_has_no_name_before_it_is_complete() {
    let store = Store::new().await;
    let (send, receive) = tokio::sync::mpsc::channel::<f9::Result<bytes::Bytes>>(1);
    let source = futures::stream::unfold(receive, |mut receive| async {
        receive.recv().await.map(|item| (item, receive))
    });
    let backend = store.backend.clone();
    let writing = tokio::spawn(async move { backend.stream_write("new/dir/a", source).await });
    for _ in 0..5 {
        send.send(Ok(content(1_000_000).into())).await.unwrap();
    }
    assert!(!store.on_disk("new").exists(), "not even the directories on the way");
    drop(send);
    assert_eq!(writing.await.unwrap().unwrap().size, Some(5_000_000));
}

/// The writer is sometimes ahead of the source and sometimes behind it. The clock is paused, so the source waits until everything is
/// written.
#[tokio::test(start_paused = true)]
async fn a_slow_source_is_written_completely() {
    let store = Store::new().await;
    let whole = content(6_000_000);
    let pieces = futures::stream::iter(whole.chunks(300_000).map(<[u8]>::to_vec).enumerate());
    let source = pieces.then(async |(number, piece)| {
        if number % 4 == 3 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Ok::<_, f9::Error>(bytes::Bytes::from(piece))
    });
    store.backend.stream_write("a", Box::pin(source)).await.unwrap();
    assert_eq!(store.backend.read("a").await.unwrap(), whole);
}

/// Returns the peak memory of this process, in bytes.
fn peak_memory() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024
}

/// Runs in a process of its own, because other tests use memory too.
#[tokio::test]
async fn memory_for_tiny_pieces() {
    let (root, own) = processes::root();
    if own.is_some() {
        return;
    }
    let backend = LocalFileBackend::new(root).await.unwrap();
    let before = peak_memory();
    // One of this many pieces has a byte.
    let each = plain_or_all(4, 8);
    let piece = move |i: u32| if i.is_multiple_of(each) { &b"x"[..] } else { &b""[..] };
    let pieces = (0..500_000 * each).map(piece);
    let source =
        futures::stream::iter(pieces.map(|p| Ok::<_, f9::Error>(bytes::Bytes::from_static(p))));
    let info = backend.stream_write("a", source).await.unwrap();
    assert_eq!(info.size, Some(500_000));
    let grown = peak_memory() - before;
    assert!(grown < 16 << 20, "{grown} bytes more");
}

#[test]
fn empty_and_tiny_pieces_take_little_memory() {
    let dir = tempfile::tempdir().unwrap();
    let done = processes::start("streams::memory_for_tiny_pieces", dir.path());
    let done = done.wait_with_output().unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stdout));
}
