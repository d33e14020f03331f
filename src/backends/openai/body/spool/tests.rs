use std::sync::mpsc;

use proptest::prelude::*;
use tokio::runtime::{Builder, Runtime};

use super::*;
use crate::backends::openai::body::frame::Decoder;
use crate::backends::openai::body::{MAX_BODY, frame};
use crate::core::checksum::{Checksum, ChecksumAlgorithm};
use crate::sys::pool::INLINE_LIMIT;

fn now<T>(future: impl Future<Output = T>) -> T {
    Builder::new_current_thread().build().unwrap().block_on(future)
}

async fn spooled(encoding: OpenAIEncoding, pieces: &[Bytes]) -> Result<Content> {
    let mut spool = Spool::new(encoding, Measure::new(None));
    for piece in pieces {
        spool.push(piece.clone()).await?;
    }
    spool.finish().await
}

/// Returns the body after checking its length and its pieces.
async fn sent(content: &Content, encoding: BodyEncoding) -> Vec<u8> {
    let (length, body) = content.body(encoding);
    let pieces: Vec<Bytes> = body.try_collect().await.unwrap();
    assert!(pieces.iter().all(|piece| (1..=256 * 1024).contains(&piece.len())));
    let sent = pieces.concat();
    assert_eq!(sent.len() as u64, length);
    sent
}

async fn assert_holds(content: &Content, plain: &[u8]) {
    assert_eq!(content.size, plain.len() as u64);
    assert_eq!(content.sha256, Checksum::of(ChecksumAlgorithm::Sha256, plain));
    let is_text = std::str::from_utf8(plain).is_ok_and(|text| !text.contains('\0'));
    assert_eq!(content.is_text, is_text);
    for _repetition in 0..2 {
        if plain.is_empty() {
            assert_eq!(sent(content, BodyEncoding::Raw).await, b"\n");
            assert_eq!(sent(content, BodyEncoding::Framed).await, b"\n");
            continue;
        }
        assert_eq!(sent(content, BodyEncoding::Raw).await, plain);
        let mut decoder = Decoder::default();
        let lines = sent(content, BodyEncoding::Framed).await;
        assert_eq!(decoder.push(&lines).unwrap(), plain);
        decoder.finish().unwrap();
    }
}

async fn in_memory(bytes: Bytes) -> Result<Content> {
    Content::in_memory(vec![bytes], Measure::new(None)).await
}

fn is_in_memory(content: &Content) -> bool {
    matches!(content.storage, Storage::Memory(_))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn content_is_sent_unchanged(
        sizes in prop::collection::vec(prop_oneof![0_usize..100, 0_usize..10_000, 0_usize..500_000], 0..5),
        byte in prop_oneof![Just(0_u8), any::<u8>()],
    ) {
        let pieces: Vec<_> = sizes.iter().enumerate().map(|(index, &size)| {
            let bytes = (0..size).map(|at| if at % (index + 2) == 0 { byte } else { b'a' });
            bytes.collect::<Bytes>()
        }).collect();
        now(async {
            let content = spooled(OpenAIEncoding::Auto, &pieces).await.unwrap();
            assert_holds(&content, &pieces.concat()).await;
        });
    }
}

#[tokio::test]
async fn a_mebibyte_stays_in_memory_and_is_not_copied() {
    let piece = Bytes::from(vec![b'x'; MAX_IN_MEMORY / 4]);
    let content = spooled(OpenAIEncoding::Auto, &vec![piece.clone(); 4]).await.unwrap();
    assert!(is_in_memory(&content));
    let Storage::Memory(pieces) = &content.storage else { unreachable!() };
    assert!(pieces.iter().all(|storage| storage.as_ptr() == piece.as_ptr()));
    assert_holds(&content, &piece.repeat(4)).await;

    let pieces = [&vec![piece.clone(); 4][..], &[Bytes::from_static(b"y")]].concat();
    let content = spooled(OpenAIEncoding::Auto, &pieces).await.unwrap();
    assert!(!is_in_memory(&content));
    assert_holds(&content, &pieces.concat()).await;
}

#[tokio::test]
async fn small_pieces_are_copied_together() {
    let small = vec![Bytes::from_static(b"a line of a log\n"); 50_000];
    let content = spooled(OpenAIEncoding::Auto, &small).await.unwrap();
    let Storage::Memory(pieces) = &content.storage else { unreachable!() };
    assert!(pieces.len() < 10, "{}", pieces.len());
    assert_holds(&content, &small.concat()).await;

    let mut mixed = small;
    mixed.insert(7, Bytes::from(vec![b'-'; SMALL_PIECE]));
    mixed.insert(9, Bytes::from(vec![b'='; SMALL_PIECE]));
    assert_holds(&spooled(OpenAIEncoding::Auto, &mixed).await.unwrap(), &mixed.concat()).await;
}

/// A character that is split where memory is written to the file.
#[tokio::test]
async fn text_is_recognized_however_it_is_split() {
    let text = "€".repeat(1_000_000);
    for split in [MAX_IN_MEMORY, MAX_IN_MEMORY + 1, MAX_IN_MEMORY + 2] {
        let whole = Bytes::from(text.clone());
        let pieces = [whole.slice(..split), whole.slice(split..)];
        assert_holds(&spooled(OpenAIEncoding::Raw, &pieces).await.unwrap(), text.as_bytes()).await;
    }
}

#[tokio::test]
async fn content_in_memory_needs_no_spool() {
    for size in [0, 1, 48, 100_000, INLINE_LIMIT + 1, 3 * MAX_IN_MEMORY] {
        let bytes = Bytes::from(vec![b'x'; size]);
        let content = in_memory(bytes.clone()).await.unwrap();
        assert!(is_in_memory(&content));
        assert_holds(&content, &bytes).await;
    }
    assert!(!in_memory(Bytes::from_static(b"\xff")).await.unwrap().is_text);
}

#[tokio::test]
async fn binary_content_is_refused_with_the_encoding_raw() {
    let bytes = Bytes::from_static(b"a\0b");
    let error = spooled(OpenAIEncoding::Raw, std::slice::from_ref(&bytes)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidData);
    let content = spooled(OpenAIEncoding::Auto, &[bytes]).await.unwrap();
    assert_eq!(content.encoding(OpenAIEncoding::Auto).unwrap(), BodyEncoding::Framed);
    assert_eq!(content.encoding(OpenAIEncoding::Raw).unwrap_err().kind(), ErrorKind::InvalidData);

    // Large content is refused before its end.
    let mut spool = Spool::new(OpenAIEncoding::Raw, Measure::new(None));
    let pushed = spool.push(Bytes::from(vec![0xff; MAX_IN_MEMORY + 1])).await;
    assert_eq!(pushed.unwrap_err().kind(), ErrorKind::InvalidData);
}

#[tokio::test]
async fn a_body_above_the_limit_is_refused_early() {
    // Nothing of this is written: the size alone is refused.
    let huge = |size: u64| Bytes::from(vec![0; usize::try_from(size).unwrap()]);
    let framed = MAX_BODY / 82 * 48;
    assert!(frame::encoded_len(framed) > MAX_BODY && framed < MAX_BODY);
    for (encoding, size) in [
        (OpenAIEncoding::Framed, framed),
        (OpenAIEncoding::Auto, MAX_BODY + 1),
        (OpenAIEncoding::Raw, MAX_BODY + 1),
    ] {
        let mut spool = Spool::new(encoding, Measure::new(None));
        let error = spool.push(huge(size)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TooLarge, "{encoding:?}");
        assert_eq!(spool.pending, 0);
    }
    BodyEncoding::Raw.check_size(framed).unwrap();
    let error = BodyEncoding::Framed.check_size(framed).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TooLarge);
}

#[tokio::test]
async fn writing_base64_is_refused() {
    let content = in_memory(Bytes::from_static(b"x")).await.unwrap();
    let (_, mut body) = content.body(BodyEncoding::Base64);
    assert_eq!(body.try_next().await.unwrap_err().kind(), std::io::ErrorKind::Unsupported);
}

/// Two bodies of one content are read at the same time, and one outlives the content.
#[tokio::test]
async fn two_bodies_of_one_content_are_independent() {
    let plain: Bytes = (0..2_000_000_u32).map(|at| at.to_le_bytes()[1]).collect();
    let content = spooled(OpenAIEncoding::Auto, std::slice::from_ref(&plain)).await.unwrap();
    let (_, mut early) = content.body(BodyEncoding::Raw);
    let first = early.try_next().await.unwrap().unwrap();
    assert_eq!(sent(&content, BodyEncoding::Raw).await, plain);
    drop(content);
    let rest: Vec<Bytes> = early.try_collect().await.unwrap();
    assert_eq!([first.to_vec(), rest.concat()].concat(), plain);
}

/// Blocks the only thread of the pool until the sender is dropped, so that all other work has to wait.
async fn keep_busy() -> (mpsc::Sender<()>, impl Future<Output = Result<bool>>) {
    let (busy, until) = mpsc::channel();
    let mut other = Box::pin(pool::run(move || Ok(until.recv().is_err())));
    assert!(futures::poll!(&mut other).is_pending());
    (busy, other)
}

/// Returns a runtime with one thread for calls that may block: while the clock is paused, f9 uses the pool of Tokio.
fn one_thread() -> Runtime {
    let mut builder = Builder::new_current_thread();
    builder.enable_time().start_paused(true).max_blocking_threads(1).build().unwrap()
}

#[test]
fn the_pool_is_used_once_per_mebibyte() {
    let runtime = one_thread();
    runtime.block_on(async {
        let mut spool = Spool::new(OpenAIEncoding::Auto, Measure::new(None));
        let mut waited = 0;
        for _ in 0..100 {
            let (busy, other) = keep_busy().await;
            let mut push = Box::pin(spool.push(Bytes::from(vec![b'x'; 64 * 1024])));
            let has_to_wait = futures::poll!(&mut push).is_pending();
            drop(busy);
            if has_to_wait {
                waited += 1;
                push.await.unwrap();
            }
            assert!(other.await.unwrap());
        }
        assert_eq!(waited, 100 / 17);
    });
}

#[test]
fn a_spool_fails_after_a_push_was_dropped() {
    let runtime = one_thread();
    runtime.block_on(async {
        let (busy, other) = keep_busy().await;
        let mut spool = Spool::new(OpenAIEncoding::Auto, Measure::new(None));
        let large = Bytes::from(vec![1; MAX_IN_MEMORY + 1]);
        let mut push = Box::pin(spool.push(large));
        assert!(futures::poll!(&mut push).is_pending());
        drop((push, busy));
        assert!(other.await.unwrap());
        let error = spool.push(Bytes::from_static(b"x")).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Cancelled);
        assert_eq!(spool.finish().await.unwrap_err().kind(), ErrorKind::Cancelled);
    });
}
