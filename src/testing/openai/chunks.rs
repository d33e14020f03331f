//! Parses files into text and cuts text into chunks.

use std::borrow::Cow;

use super::rules::{ChunkOrder, Rules};
use super::splitmix::splitmix64;

/// How many characters count as one token.
const CHARS_PER_TOKEN: usize = 4;

/// The sizes of chunks, in tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Chunking {
    pub(super) size: u32,
    pub(super) overlap: u32,
}

/// The first bytes of document formats. The simulator does not extract text from them.
const DOCUMENTS: [(&str, &[u8]); 4] = [
    (".pdf", b"%PDF-"),
    (".doc", b"\xd0\xcf\x11\xe0"),
    (".docx", b"PK\x03\x04"),
    (".pptx", b"PK\x03\x04"),
];

/// Returns the text of a file, or `None` if its content does not fit its name. The text of a document is empty.
pub(super) fn parse<'a>(filename: &str, content: &'a [u8]) -> Option<Cow<'a, str>> {
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

/// Returns the chunks of a file in the order of `rules`.
pub(super) fn of_file(
    filename: &str,
    content: &[u8],
    chunking: Chunking,
    rules: &Rules,
) -> Vec<String> {
    let text = parse(filename, content).unwrap_or_default();
    let text =
        if rules.trim_trailing_newlines { text.trim_end_matches(['\n', '\r']) } else { &text };
    let mut chunks = cut(text, chunking);
    arrange(&mut chunks, rules.chunk_order);
    chunks
}

/// Cuts a text into chunks that overlap. A cut may fall inside a word or a line, but not inside a character.
pub(super) fn cut(text: &str, chunking: Chunking) -> Vec<String> {
    let size = (chunking.size as usize * CHARS_PER_TOKEN).max(1);
    let step = size.saturating_sub(chunking.overlap as usize * CHARS_PER_TOKEN).max(1);
    let mut chunks = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let end = offset_after(rest, size);
        chunks.push(rest[..end].to_owned());
        if end == rest.len() {
            break;
        }
        rest = &rest[offset_after(rest, step)..];
    }
    chunks
}

/// Returns the offset after the first `count` characters.
fn offset_after(text: &str, count: usize) -> usize {
    // Most texts are ASCII, where an offset is a number of characters.
    if text.get(..count).is_some_and(str::is_ascii) {
        return count;
    }
    text.char_indices().nth(count).map_or(text.len(), |(at, _)| at)
}

fn arrange(chunks: &mut [String], order: ChunkOrder) {
    match order {
        ChunkOrder::InOrder => {}
        ChunkOrder::Lexicographic => chunks.sort(),
        ChunkOrder::Shuffled(seed) => {
            // A Fisher-Yates shuffle.
            for last in (1..chunks.len()).rev() {
                let draw = splitmix64(seed.wrapping_add(last as u64)) % (last as u64 + 1);
                chunks.swap(last, usize::try_from(draw).unwrap_or(0));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chunking(size: u32, overlap: u32) -> Chunking {
        Chunking { size, overlap }
    }

    #[test]
    fn a_text_is_cut_into_overlapping_chunks() {
        let text: String = ('a'..='z').collect();
        assert_eq!(
            cut(&text, chunking(2, 1)),
            ["abcdefgh", "efghijkl", "ijklmnop", "mnopqrst", "qrstuvwx", "uvwxyz"]
        );
        assert_eq!(cut(&text, chunking(3, 0)), ["abcdefghijkl", "mnopqrstuvwx", "yz"]);
        assert_eq!(cut(&text, chunking(100, 50)), [text.as_str()]);
        assert_eq!(cut("abcdefgh", chunking(2, 1)), ["abcdefgh"]);
        assert_eq!(cut("", chunking(2, 1)), [""; 0]);
    }

    #[test]
    fn a_chunk_ends_between_characters() {
        let text = "äöü€𝄞".repeat(3);
        let chunks = cut(&text, chunking(1, 0));
        assert_eq!(chunks.concat(), text);
        assert_eq!(chunks[0], "äöü€");
    }

    #[test]
    fn chunks_have_the_order_of_the_rules() {
        let ordered = |order| {
            let mut chunks = ["b", "c", "a", "d"].map(str::to_owned);
            arrange(&mut chunks, order);
            chunks.join("")
        };
        assert_eq!(ordered(ChunkOrder::InOrder), "bcad");
        assert_eq!(ordered(ChunkOrder::Lexicographic), "abcd");
        let shuffled: Vec<String> =
            (0..50).map(|seed| ordered(ChunkOrder::Shuffled(seed))).collect();
        assert_eq!(shuffled[7], ordered(ChunkOrder::Shuffled(7)));
        let different: std::collections::BTreeSet<&String> = shuffled.iter().collect();
        assert!(different.len() > 10, "{different:?}");
    }

    #[test]
    fn content_that_does_not_fit_its_name_is_not_parsed() {
        assert_eq!(parse("a.txt", "€".as_bytes()).as_deref(), Some("€"));
        assert_eq!(parse("a.txt", b"\xff\xfea\0\xac\x20").as_deref(), Some("a€"));
        assert_eq!(parse("a.txt", b"\xfe\xff\0a\x20\xac").as_deref(), Some("a€"));
        assert_eq!(parse("a.txt", b"\xff\xfea"), None);
        assert_eq!(parse("a.txt", b"\x80"), None);
        assert_eq!(parse("a.PDF", b"%PDF-1.7 \x80").as_deref(), Some(""));
        assert_eq!(parse("a.pdf", b"text"), None);
        assert_eq!(parse("a.docx", b"text"), None);
    }

    #[test]
    fn trailing_newlines_are_trimmed_if_the_rules_say_so() {
        let mut rules = Rules::default();
        let text =
            |rules: &Rules| of_file("a.txt", b"a\n\r\n\n", chunking(800, 400), rules).concat();
        assert_eq!(text(&rules), "a");
        rules.trim_trailing_newlines = false;
        assert_eq!(text(&rules), "a\n\r\n\n");
    }
}
