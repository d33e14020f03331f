//! Content is read back unchanged or fails with a reason.
//!
//! These tests use the simulator and the whole backend. The unit tests of reading try thousands of contents more, with everything
//! that may happen to chunks.

use std::time::Duration;

use bytes::Bytes;
use f9::prelude::*;
use f9::testing::openai::{ChunkOrder, OpenAISimulator, TextShape};
use f9::{ErrorKind, OpenAIChunking, OpenAIEncoding, OpenAIReadMode, OpenAIVectorStoreFileBackend};
use futures::StreamExt as _;

use crate::rng::Rng;

const READS: [OpenAIReadMode; 3] =
    [OpenAIReadMode::Auto, OpenAIReadMode::FilesContent, OpenAIReadMode::VectorStoreText];

const ENCODINGS: [OpenAIEncoding; 3] =
    [OpenAIEncoding::Auto, OpenAIEncoding::Framed, OpenAIEncoding::Raw];

/// Texts of one chunk with any chunking: a hundred tokens of four characters in the simulator, so each character must be a byte.
const ONE_CHUNK: usize = 100;

fn chunkings() -> [OpenAIChunking; 5] {
    let chunks = |max_chunk_size_tokens, chunk_overlap_tokens| OpenAIChunking::Static {
        max_chunk_size_tokens,
        chunk_overlap_tokens,
    };
    [OpenAIChunking::Auto, chunks(100, 0), chunks(800, 400), chunks(4096, 0), chunks(4096, 2048)]
}

/// Returns texts of every kind; the last is two megabytes long.
fn texts(rng: &mut Rng) -> Vec<String> {
    let planes: String =
        (1..=16_u32).filter_map(|plane| char::from_u32((plane << 16) + 0x42)).collect();
    let seed = rng.below(1 << 32);
    let numbered = |lines: u64, end: &str| {
        (0..lines)
            .map(|line| format!("{} in line {line}{end}", seed.wrapping_mul(line + 7) % 99_991))
            .collect::<String>()
    };
    let mut texts: Vec<String> = [
        "",
        "a",
        "\n",
        "\n\n",
        " ",
        "a\n",
        "a\r\n",
        "\na",
        " a ",
        "a\rb",
        "\u{feff}a",
        "a\nb\n\n",
        "a\r\nb\r\n",
        "\t\n",
        "é",
        "日本\n",
        "~0:YQ==:00000000;\n",
        "\u{fffd}",
        "\u{1}\u{1b}[0m",
        "a\u{2028}b",
    ]
    .map(str::to_owned)
    .into();
    texts.push(planes);
    texts.extend([1, 3, 40, 600].map(|lines| numbered(lines, "\n")));
    texts.extend([3, 700].map(|lines| numbered(lines, "\r\n")));
    texts.extend([3, 300].map(|lines| numbered(lines, "\r")));
    texts.push("abc".repeat(5000));
    texts.push("\n".repeat(5000));
    texts.push(format!("{}\n", numbered(400, "; ")));
    texts
}

fn bytes(rng: &mut Rng) -> Vec<Bytes> {
    let mut noise = |size: usize| -> Bytes {
        (0..size.div_ceil(6))
            .flat_map(|_| rng.below(1 << 48).to_le_bytes().into_iter().take(6))
            .take(size)
            .collect()
    };
    let mut all: Vec<Bytes> = [1, 2, 47, 48, 49, 4800, 20_000].map(&mut noise).into();
    all.extend([&b"\0"[..], b"\xff", b"a\0", &[0; 3000]].map(Bytes::copy_from_slice));
    all
}

struct Tally {
    tried: usize,
    back: usize,
}

/// Writes all contents and reads them back, as a stream and as a whole.
async fn there_and_back(
    simulator: &OpenAISimulator,
    config: f9::OpenAIConfig,
    contents: &[Bytes],
    place: &str,
) -> Tally {
    simulator.clear();
    let (encoding, read) = (config.encoding, config.read);
    let is_forbidden = read != OpenAIReadMode::FilesContent;
    let files = OpenAIVectorStoreFileBackend::open(config).await.unwrap();
    let named =
        contents.iter().enumerate().map(|(n, content)| (format!("{n}.md"), content.clone()));
    for created in files.create_many(named).await.unwrap() {
        created.unwrap();
    }
    let reads = contents.iter().enumerate().map(async |(n, content)| {
        let is_text = str::from_utf8(content).is_ok_and(|text| !text.contains('\0'));
        let is_raw = encoding != OpenAIEncoding::Framed && is_text;
        let shown = content.slice(..content.len().min(60));
        match files.read(&format!("{n}.md")).await {
            Ok(back) => {
                assert!(back == *content, "{place}: {shown:?} is wrong");
                true
            }
            Err(error) => {
                let place = format!("{place}: {shown:?}: {error}");
                assert!(is_raw && is_forbidden, "{place}");
                let kinds = [ErrorKind::DownloadForbidden, ErrorKind::IntegrityMismatch];
                assert!(kinds.contains(&error.kind()), "{place}");
                assert!(content.len() > ONE_CHUNK, "{place}");
                false
            }
        }
    });
    let back: Vec<bool> = futures::stream::iter(reads).buffered(8).collect().await;
    Tally { tried: back.len(), back: back.into_iter().filter(|is_back| *is_back).count() }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn content_is_read_back_or_fails_with_a_reason() {
    let mut rng = Rng::new("content_is_read_back_or_fails_with_a_reason");
    let simulator = OpenAISimulator::start();
    let mut all = Tally { tried: 0, back: 0 };
    for encoding in ENCODINGS {
        for read in READS {
            for (number, chunking) in chunkings().into_iter().enumerate() {
                let order = [
                    ChunkOrder::InOrder,
                    ChunkOrder::Lexicographic,
                    ChunkOrder::Shuffled(rng.below(99)),
                ];
                let order = order[(number + usize::try_from(rng.below(3)).unwrap()) % 3];
                let trims = rng.below(2) == 0;
                simulator.set(|rules| {
                    rules.chunk_order = order;
                    rules.trim_trailing_newlines = trims;
                    rules.forbidden_downloads = match read {
                        OpenAIReadMode::FilesContent => Default::default(),
                        _ => ["assistants".to_owned()].into(),
                    };
                    rules.text_page = (number == 2).then_some(3);
                    rules.text_shape =
                        if number == 3 { TextShape::Legacy } else { TextShape::Page };
                });
                let mut contents: Vec<Bytes> =
                    texts(&mut rng).into_iter().map(Bytes::from).collect();
                if encoding != OpenAIEncoding::Raw {
                    contents.extend(bytes(&mut rng));
                }
                let config = simulator.config();
                let config = config.with_encoding(encoding).with_read(read).with_chunking(chunking);
                let config = config.with_cache_ttl(Duration::from_secs(3600));
                let place =
                    format!("{encoding:?} {read:?} {chunking:?} {order:?} trimmed: {trims}");
                let tally = there_and_back(&simulator, config, &contents, &place).await;
                all.tried += tally.tried;
                all.back += tally.back;
                simulator.take_requests();
            }
        }
    }
    println!("{} of {} came back", all.back, all.tried);
    assert!(all.back * 20 > all.tried * 19, "only {} of {} came back", all.back, all.tried);
}

/// Two megabytes of text and of binary content.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn large_content_is_read_back() {
    let mut rng = Rng::new("large_content_is_read_back");
    let first = rng.below(1 << 20);
    let text: String = (first..).map(|line| format!("the line {line}\n")).take(130_000).collect();
    let mut noise = text.clone().into_bytes();
    noise.truncate(2 * 1024 * 1024);
    noise.iter_mut().step_by(3).for_each(|byte| *byte ^= 0x80);
    let simulator = OpenAISimulator::start();
    let contents = [Bytes::from(text), Bytes::from(noise)];
    for (forbidden, order) in [
        (true, ChunkOrder::InOrder),
        (true, ChunkOrder::Shuffled(first)),
        (false, ChunkOrder::InOrder),
    ] {
        simulator.set(|rules| {
            rules.chunk_order = order;
            rules.forbidden_downloads =
                if forbidden { ["assistants".to_owned()].into() } else { Default::default() };
        });
        let config = simulator.config().with_cache_ttl(Duration::from_secs(3600));
        let place = format!("{order:?}, forbidden: {forbidden}");
        let tally = there_and_back(&simulator, config, &contents, &place).await;
        assert_eq!(tally.back, 2, "{place}");
    }
}
