//! How a file becomes text, and a text chunks.

use std::borrow::Cow;

use super::rules::{ChunkOrder, Rules};
use super::state::{Chunking, scrambled};

/// How many characters stand for one token.
const TOKEN: usize = 4;

/// What files of these kinds begin with. Their text is in a format that nothing here reads.
const DOCUMENTS: [(&str, &[u8]); 4] = [
    (".pdf", b"%PDF-"),
    (".doc", b"\xd0\xcf\x11\xe0"),
    (".docx", b"PK\x03\x04"),
    (".pptx", b"PK\x03\x04"),
];

/// The text of a file; `None` if the file cannot be of the kind that its name says. A document that may be one has no text here.
pub(super) fn parsed<'a>(filename: &str, content: &'a [u8]) -> Option<Cow<'a, str>> {
    let name = filename.to_ascii_lowercase();
    if let Some((_, magic)) = DOCUMENTS.iter().find(|(ending, _)| name.ends_with(ending)) {
        return content.starts_with(magic).then_some(Cow::Borrowed(""));
    }
    let units = |decode: fn([u8; 2]) -> u16| {
        let (pairs, []) = content[2..].as_chunks::<2>() else { return None };
        let units: Vec<u16> = pairs.iter().map(|&pair| decode(pair)).collect();
        String::from_utf16(&units).ok().map(Cow::Owned)
    };
    match content {
        [0xff, 0xfe, ..] => units(u16::from_le_bytes),
        [0xfe, 0xff, ..] => units(u16::from_be_bytes),
        _ => str::from_utf8(content).ok().map(Cow::Borrowed),
    }
}

/// The chunks of a file as they are given back.
pub(super) fn of_file(
    filename: &str,
    content: &[u8],
    chunking: Chunking,
    rules: &Rules,
) -> Vec<String> {
    let text = parsed(filename, content).unwrap_or_default();
    let text =
        if rules.trim_trailing_newlines { text.trim_end_matches(['\n', '\r']) } else { &text };
    let mut chunks = cut(text, chunking);
    arrange(&mut chunks, rules.chunk_order);
    chunks
}

/// Cuts a text between any two characters, without regard to words and lines. Each chunk but the first begins with the end of
/// the one before.
pub(super) fn cut(text: &str, chunking: Chunking) -> Vec<String> {
    let size = (chunking.size as usize * TOKEN).max(1);
    let step = size.saturating_sub(chunking.overlap as usize * TOKEN).max(1);
    let mut chunks = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let end = after(rest, size);
        chunks.push(rest[..end].to_owned());
        if end == rest.len() {
            break;
        }
        rest = &rest[after(rest, step)..];
    }
    chunks
}

/// Where the first `count` characters end.
fn after(text: &str, count: usize) -> usize {
    text.char_indices().nth(count).map_or(text.len(), |(at, _)| at)
}

fn arrange(chunks: &mut [String], order: ChunkOrder) {
    match order {
        ChunkOrder::InOrder => {}
        ChunkOrder::Lexicographic => chunks.sort(),
        ChunkOrder::Shuffled(seed) => {
            // Fisher and Yates, from the end.
            for last in (1..chunks.len()).rev() {
                let draw = scrambled(seed.wrapping_add(last as u64)) % (last as u64 + 1);
                chunks.swap(last, usize::try_from(draw).unwrap_or(0));
            }
        }
    }
}
