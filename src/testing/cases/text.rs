//! Text is read without splitting characters. Invalid UTF-8 is reported with its offset.

use std::ops::Range;

use futures::stream::{self, TryStreamExt as _};

use crate::core::error::ErrorKind;
use crate::core::options::ReadOptions;
use crate::core::stream::DEFAULT_CHUNK_SIZE;
use crate::prelude::*;
use crate::testing::Fixture;
use crate::testing::expect::refused;

async fn streamed(
    files: &dyn AsyncFileBackend,
    path: &str,
) -> crate::core::error::Result<Vec<String>> {
    files.stream_read_text(path).await?.try_collect().await
}

pub async fn text_reads_back_unchanged(store: &dyn Fixture) {
    let files = store.backend().await;
    for text in ["", "plain", "caf\u{e9}", "\u{1f389}\n\r\0", "\u{feff}marked"] {
        files.create("a", text).await.unwrap();
        assert_eq!(files.read_text("a").await.unwrap(), text);
        assert_eq!(streamed(&*files, "a").await.unwrap().concat(), text);
        files.delete("a").await.unwrap();
    }
}

pub async fn no_character_is_split_at_a_chunk_boundary(store: &dyn Fixture) {
    let files = store.backend().await;
    for shift in ["", "x", "xy"] {
        let text = format!("{shift}{}", "\u{20ac}".repeat(2 * DEFAULT_CHUNK_SIZE / 3 + 1_000));
        files.create("a", text.clone()).await.unwrap();
        let pieces = streamed(&*files, "a").await.unwrap();
        assert!(pieces.iter().all(|piece| !piece.is_empty()));
        assert!(pieces.concat() == text, "shifted by {}", shift.len());
        assert!(files.read_text("a").await.unwrap() == text);
        files.delete("a").await.unwrap();
    }
}

pub async fn invalid_utf8_is_refused_with_its_byte_offset(store: &dyn Fixture) {
    let files = store.backend().await;
    let mut late = vec![b'x'; DEFAULT_CHUNK_SIZE + 10];
    late.push(0xff);
    let late_at = late.len() - 1;
    let contents: [(&[u8], usize); 5] =
        [(b"\xff", 0), (b"ab\xffc", 2), (b"ab\xe2\x82", 2), (b"\xed\xa0\x80", 0), (&late, late_at)];
    for (content, at) in contents {
        files.create("a", content.to_vec()).await.unwrap();
        for result in
            [files.read_text("a").await, streamed(&*files, "a").await.map(|pieces| pieces.concat())]
        {
            let error = refused(result, ErrorKind::InvalidData);
            let named = error.to_string().contains(&format!("byte {at}"));
            assert!(named, "no byte {at} in: {error}");
            assert_eq!(error.path(), Some("a"));
        }
        files.delete("a").await.unwrap();
    }
}

pub async fn a_range_of_text_is_streamed_in_small_chunks(store: &dyn Fixture) {
    let files = store.backend().await;
    files.create("a", "ab\u{20ac}cd").await.unwrap();
    let streamed = async |range: Range<u64>| {
        let options = ReadOptions::range(range).with_chunk_size(1);
        files.stream_read_text_with("a", options).await?.try_collect::<Vec<_>>().await
    };
    assert_eq!(streamed(1..6).await.unwrap(), ["b", "\u{20ac}", "c"]);
    refused(streamed(3..6).await, ErrorKind::InvalidData);
    refused(streamed(0..4).await, ErrorKind::InvalidData);
    refused(
        files.stream_read_text_with("a", ReadOptions::range(8..)).await,
        ErrorKind::InvalidRange,
    );
}

pub async fn a_stream_of_text_or_bytes_can_be_written(store: &dyn Fixture) {
    let files = store.backend().await;
    let line = String::from("of any life");
    files.stream_write("a", stream::iter(["a text ", &line])).await.unwrap();
    assert_eq!(files.read("a").await.unwrap(), "a text of any life");
    let owned = ["owned ".to_owned(), "text".to_owned()].map(Ok::<_, std::io::Error>);
    files.stream_write("a", stream::iter(owned)).await.unwrap();
    assert_eq!(files.read("a").await.unwrap(), "owned text");
    files.stream_write("a", stream::iter([vec![0, 255], vec![7]])).await.unwrap();
    assert_eq!(files.read("a").await.unwrap()[..], [0, 255, 7]);
}
