//! Random contents, written and read back through everything that a parser may do to them.
//!
//! Tries 1,000 by default. A full run tries ten times as many: `F9_CONTENTS=10000 cargo test --all-features --lib
//! content_comes_back`.

use super::*;
use crate::backends::openai::OpenAIEncoding;
use crate::backends::openai::attributes::Kind;
use crate::backends::openai::body::tests::chunker::{Chunker, Order};
use crate::backends::openai::body::{Content, Measure};
use crate::backends::openai::write::file_meta;
use crate::sys::random;

/// Random numbers (`SplitMix64`), seeded by the variable `F9_SEED` if it is set.
struct Numbers(u64);

impl Numbers {
    fn new(test: &str) -> Self {
        let any = |_| u64::from_ne_bytes(random::bytes().unwrap());
        let seed = std::env::var("F9_SEED").map_or_else(any, |seed| seed.parse().unwrap());
        println!("{test}: F9_SEED={seed}");
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % end as u64).unwrap()
    }

    fn pick<T: Copy>(&mut self, items: &[T]) -> T {
        items[self.below(items.len())]
    }
}

/// Returns any character but NUL, of any plane.
fn character(numbers: &mut Numbers) -> char {
    loop {
        let plane = numbers.pick(&[0, 0, 0, 1, 1, 2, 3, 14, 15, 16]) << 16;
        let number = match plane {
            0 => numbers.pick(&[0x80, 0x800, 0x1_0000]),
            _ => 0x1_0000,
        };
        let c = char::from_u32(plane + u32::try_from(numbers.below(number as usize)).unwrap());
        if let Some(c) = c.filter(|c| *c != '\0') {
            return c;
        }
    }
}

fn words(numbers: &mut Numbers, size: usize, between: &str) -> String {
    const WORDS: [&str; 9] =
        ["the", "store", "keeps", "what", "it", "was", "given,", "naïve", "日本語"];
    let mut text = String::new();
    while text.len() < size {
        text += numbers.pick(&WORDS);
        text += numbers.pick(&[" ", " ", " ", between]);
        if numbers.below(8) == 0 {
            text += &numbers.below(100_000).to_string();
        }
    }
    text
}

/// Returns a text of about `size` bytes.
fn text(numbers: &mut Numbers, size: usize) -> String {
    let blank = |numbers: &mut Numbers| {
        let count = numbers.below(4);
        numbers.pick(&["\n", "\r\n", " ", "\t", "\r", "\n "]).repeat(count)
    };
    match numbers.below(12) {
        0 => (0..size / 3).map(|_| character(numbers)).collect(),
        1 => words(numbers, size, "\r\n"),
        2 => words(numbers, size, "\r"),
        3 => format!("\u{feff}{}", words(numbers, size, "\n")),
        4 => format!("{}{}{}", blank(numbers), words(numbers, size, "\n"), blank(numbers)),
        5 => {
            let length = 1 + numbers.below(90);
            let period = words(numbers, length, "\n");
            period.repeat(size / period.len() + 1)
        }
        6 => blank(numbers).repeat(size % 9),
        7 => numbers.pick(&["a", "ab\n", "~0:", "A=", "\u{fffd}"]).repeat(size / 3),
        _ => format!(
            "{}{}",
            words(numbers, size, "\n").trim_end(),
            numbers.pick(&["", "", "\n", "\r\n"])
        ),
    }
}

fn bytes(numbers: &mut Numbers, size: usize) -> Vec<u8> {
    match numbers.below(3) {
        0 => vec![numbers.pick(&[0, 0xff, b'a']); size],
        1 => text(numbers, size).into_bytes().into_iter().chain([0xc3]).collect(),
        _ => (0..size.div_ceil(8)).flat_map(|_| numbers.next().to_le_bytes()).take(size).collect(),
    }
}

/// Returns a size; most are small.
fn size(numbers: &mut Numbers, number: usize) -> usize {
    match number {
        _ if number % 2500 == 7 => numbers.below(2 * 1024 * 1024),
        _ if number % 100 == 3 => numbers.below(40_000),
        _ if number.is_multiple_of(4) => numbers.below(1500),
        _ => numbers.below(60),
    }
}

fn chunker(numbers: &mut Numbers) -> Chunker {
    let (size, overlap) =
        numbers.pick(&[(800, 400), (100, 0), (800, 400), (4096, 0), (4096, 2048)]);
    let order = match numbers.below(3) {
        0 => Order::OfTheText,
        1 => Order::Lexicographic,
        _ => Order::Shuffled(numbers.next()),
    };
    let (trim, runs_out) = (numbers.below(2) == 0, numbers.below(8) == 0);
    Chunker { order, trim, runs_out, ..Chunker::new(size, overlap) }
}

async fn sent(content: &Content, encoding: BodyEncoding) -> Bytes {
    let (_, body) = content.body(encoding);
    collect(body.map_err(Error::from).boxed()).await.unwrap()
}

async fn downloaded(body: &Bytes, file: &FileMeta, numbers: &mut Numbers) -> Result<Bytes> {
    let piece = 1 + body.len() / 100 + numbers.below(body.len().min(100_000));
    let pieces: Vec<_> = body.chunks(piece).map(Bytes::copy_from_slice).map(Ok).collect();
    collect(verified(decoded(stream::iter(pieces).boxed(), file), file)).await
}

/// Returns the number of contents.
fn contents() -> usize {
    std::env::var("F9_CONTENTS").map_or(1_000, |contents| contents.parse().unwrap())
}

/// How many texts were parsed unchanged, and how many of them came back.
#[derive(Default)]
struct Count {
    whole: usize,
    cut: usize,
    whole_back: usize,
    cut_back: usize,
}

#[tokio::test]
async fn content_comes_back_unchanged_or_not_at_all() {
    let mut numbers = Numbers::new("content_comes_back_unchanged_or_not_at_all");
    let mut count = Count::default();
    for number in 0..contents() {
        let size = size(&mut numbers, number);
        let asked =
            numbers.pick(&[OpenAIEncoding::Auto, OpenAIEncoding::Raw, OpenAIEncoding::Framed]);
        let plain = if asked == OpenAIEncoding::Raw || numbers.below(2) == 0 {
            text(&mut numbers, size).into_bytes()
        } else {
            bytes(&mut numbers, size)
        };
        if plain.is_empty() {
            // Empty content is never requested.
            continue;
        }
        let content =
            Content::in_memory(vec![plain.clone().into()], Measure::new(None)).await.unwrap();
        let encoding = content.encoding(asked).unwrap();
        let Kind::File(file) = file_meta(&content, encoding) else { panic!("a file") };
        let chunker = chunker(&mut numbers);
        let place =
            format!("{number}: {encoding:?} {chunker:?} {:.100?}", Bytes::from(plain.clone()));
        let body = sent(&content, encoding).await;
        let back = downloaded(&body, &file, &mut numbers).await;
        assert_eq!(back.unwrap_or_else(|error| panic!("{place}: {error}")), plain, "{place}");
        let chunks = chunker.split(str::from_utf8(&body).unwrap());
        let is_whole = chunks == [str::from_utf8(&body).unwrap()];
        match reassembled(&chunks, &file) {
            Ok(back) => {
                assert!(back == plain, "{place}");
                count.add(encoding, is_whole, true);
            }
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::IntegrityMismatch, "{place}");
                assert!(encoding == BodyEncoding::Raw && !is_whole, "{place}: {error}");
                count.add(encoding, is_whole, false);
            }
        }
        // Entries of the Python library have no checksum to verify a guess.
        for encoding in [BodyEncoding::Raw, BodyEncoding::Base64] {
            let file = FileMeta { encoding, sha256: None, ..file.clone() };
            let body = match encoding {
                BodyEncoding::Raw => plain.clone(),
                _ => STANDARD.encode(&plain).into_bytes(),
            };
            let Ok(body) = str::from_utf8(&body) else { continue };
            let chunks = chunker.split(body);
            if let Ok(back) = reassembled(&chunks, &file) {
                assert!(back == plain, "{place}: wrong content without a checksum");
            } else {
                assert_ne!(chunks, [body], "{place}: complete text must be restored");
            }
        }
    }
    count.check();
}

impl Count {
    fn add(&mut self, encoding: BodyEncoding, is_whole: bool, is_back: bool) {
        if encoding != BodyEncoding::Raw {
            return;
        }
        let (all, back) = match is_whole {
            true => (&mut self.whole, &mut self.whole_back),
            false => (&mut self.cut, &mut self.cut_back),
        };
        *all += 1;
        *back += usize::from(is_back);
    }
    fn check(&self) {
        println!(
            "{} of {} whole texts, {} of {} others",
            self.whole_back, self.whole, self.cut_back, self.cut
        );
        assert_eq!(self.whole_back, self.whole);
        assert!(self.whole * 10 > contents() && self.cut * 20 > contents());
        // About 90 % of some 160 come back by default, so fewer than 75 % is no coincidence.
        assert!(self.cut_back * 4 > self.cut * 3, "too few texts were rebuilt from their chunks");
    }
}
