use std::cell::Cell;

use proptest::prelude::*;
use sha2::{Digest as _, Sha256};

use super::*;
use crate::backends::openai::body::tests::chunker::{Chunker, Order, chunkers};

fn from_chunks(chunks: &[impl AsRef<str>], text: &str) -> Option<Bytes> {
    let (expected, checks) = (Sha256::digest(text), Cell::new(0));
    let found = reassemble(chunks, text.len() as u64, |found| {
        checks.set(checks.get() + 1);
        assert_eq!(found.len(), text.len());
        Sha256::digest(found) == expected
    });
    assert!(checks.get() <= MAX_CANDIDATES);
    found.inspect(|found| assert_eq!(found, text))
}

#[track_caller]
fn assert_found(chunks: &[impl AsRef<str> + std::fmt::Debug], text: &str) {
    let shown = || format!("{:.100?} of {:.1000}", text, format!("{chunks:?}"));
    assert!(from_chunks(chunks, text).is_some(), "{}", shown());
}

#[track_caller]
fn assert_comes_back(text: &str, chunker: &Chunker) {
    let found = from_chunks(&chunker.split(text), text);
    assert!(found.is_some(), "{chunker:?}: {text:.100?}");
}

const WORDS: &[&str] =
    &["the", "store", "keeps", "what", "it", "was", "given,", "and", "naïve", "日本語", "😀"];

fn prose(words: usize) -> String {
    from_words(words, 7, WORDS)
}

/// Words that repeat now and then, as in prose.
fn from_words(words: usize, seed: u32, known: &[&str]) -> String {
    let mut state = seed;
    let mut text = String::new();
    for word in 0..words {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        text += known[(state >> 16) as usize % known.len()];
        text += if word % 11 == 10 { ".\n" } else { " " };
        if state >> 24 == 0 {
            text += &format!("{state:x} ");
        }
    }
    text.trim_end().to_owned()
}

#[test]
fn a_single_chunk_is_the_text_or_lacks_its_ends() {
    for text in [
        "hello",
        "hello\n",
        "hello\r\n",
        "hello\r",
        "hello\r\r\r",
        "hello\n\n\n",
        "hello \n",
        "hello\n  ",
        "hello\t",
        "\nhello\n",
        "  hello\n",
        "\t\thello\n",
        " hello",
        "\n\n\nhello\n",
        "  hello\r\n",
        "hello                         ",
        "\u{feff}hello",
        "\u{feff}hello\n",
        "\u{feff}\nhello",
    ] {
        assert_found(&["hello"], text);
    }
    assert_found(&["hello\n"], "hello\n");
    assert_eq!(from_chunks(&["hello"], "hellO"), None);
    assert_eq!(from_chunks(&["hello"], "hell"), None);
    assert_eq!(from_chunks(&["hello"], "hello?"), None);
}

#[test]
fn carriage_returns_are_restored() {
    for text in
        ["a\r\nb", "a\r\nb\r\n", "\u{feff}a\r\nb\r\n", "a\r\n\r\nb\r\n\r\n", "\r\na\r\nb\r\n"]
    {
        assert_found(&[text.replace("\r\n", "\n").trim_matches(['\n', '\u{feff}'])], text);
        assert_found(&[text.replace("\r\n", "\n")], text);
        assert_found(&[text], text);
    }
}

#[test]
fn text_of_white_space_is_restored_without_chunks() {
    let nothing: [&str; 0] = [];
    for text in [
        "\n",
        "\r\n",
        " ",
        "\n\n\n",
        "    ",
        "\t\t",
        "\u{feff}",
        &"\n".repeat(100_000),
        &"\r\n".repeat(999),
    ] {
        assert_found(&nothing, text);
        assert_found(&["", ""], text);
    }
    assert_found(&nothing, "");
    assert_eq!(from_chunks(&nothing, "x"), None);
}

#[test]
fn an_impossible_size_is_refused() {
    assert_eq!(reassemble(&["a"], u64::MAX, |_| true), None);
    assert_eq!(reassemble(&["a"], MAX_BODY + 1, |_| true), None);
}

#[test]
fn adjacent_and_overlapping_chunks_are_joined() {
    assert_found(&["hello ", "world"], "hello world");
    assert_found(&["hello wo", "o world"], "hello world");
    // One chunk ends by coincidence with what another starts with.
    assert_found(&["bee", "eel"], "beeeel");
    assert_found(&["bee", "eel"], "beeel");
    assert_found(&["bee", "eel"], "beel");
    // White space was dropped at the ends of each.
    assert_found(&["hello", "new", "world"], "hello new world\n");
    assert_found(&["hello", "new", "world"], "hello\nnew\nworld");
    assert_found(&["hello", "new", "world"], "hello\n\nnew\n\nworld\n");
    // The last lies within the one before.
    assert_found(&["hello new", "new world", "world"], "hello new world");
}

#[test]
fn few_chunks_are_tried_in_every_order() {
    let text = "one, two, three and four";
    for order in permutations(&["one, ", "two, ", "three ", "and four"]) {
        assert_found(&order, text);
        assert_found(&order, &format!("{text}\n"));
    }
    for order in permutations(&["one, two", ", two, three and", "e and four"]) {
        assert_found(&order, text);
    }
}

#[test]
fn periodic_texts_are_rebuilt() {
    for (period, count) in
        [("a", 5000), ("ab\n", 3000), ("--- | ", 2000), ("日本\n", 1000), ("0,0,0,0\r\n", 500)]
    {
        let text = period.repeat(count);
        for (size, overlap) in [(800, 400), (100, 50), (100, 0), (100, 1), (150, 7), (4096, 0)] {
            for trim in [false, true] {
                for runs_out in [false, true] {
                    let chunker = Chunker { trim, runs_out, ..Chunker::new(size, overlap) };
                    assert_comes_back(&text, &chunker);
                }
            }
        }
    }
}

/// Runs longer than an overlap, in a text that is not periodic.
#[test]
fn texts_with_periodic_parts_are_rebuilt() {
    let ascii =
        |words, seed| from_words(words, seed, &["in", "a", "plain", "text", "all", "are", "bytes"]);
    let runs = ["-".repeat(3000), "ab ".repeat(900), "\n".repeat(2000)];
    let several =
        ascii(700, 1) + &runs[0] + &ascii(500, 2) + &runs[1] + &ascii(300, 3) + &runs[2] + "x\n";
    let one = prose(700) + &runs[1] + &prose(500) + "\n";
    for (size, overlap) in [(800, 400), (100, 50), (100, 0), (100, 1), (150, 7)] {
        let chunker = Chunker { trim: true, ..Chunker::new(size, overlap) };
        assert_comes_back(&several, &chunker);
        assert_comes_back(&one, &chunker);
    }
}

#[test]
fn split_characters_are_restored_from_the_overlap() {
    let text = "日本語".repeat(100) + &prose(300);
    let bytes = text.as_bytes();
    let chunks: Vec<_> = (0..bytes.len())
        .step_by(200)
        .map(|at| String::from_utf8_lossy(&bytes[at..bytes.len().min(at + 400)]).into_owned())
        .collect();
    assert!(
        chunks.iter().any(|chunk| chunk.starts_with('\u{fffd}') && chunk.ends_with('\u{fffd}'))
    );
    assert_found(&chunks, &text);
    // They may also be part of the text.
    let own = format!("\u{fffd}{}\u{fffd}", prose(50));
    assert_comes_back(&own, &Chunker::new(20, 0));
}

#[test]
fn only_matching_text_is_returned() {
    let text = prose(2000);
    let mut chunks = Chunker::new(100, 20).split(&text);
    let middle = chunks[3].floor_char_boundary(chunks[3].len() / 2);
    chunks[3].insert(middle, 'x');
    assert_eq!(from_chunks(&chunks, &text), None);
    chunks.remove(3);
    assert_eq!(from_chunks(&chunks, &text), None);
    for (chunks, size) in [(&["\n"; 50][..], 40), (&["a\n", "b\n", "c\n", "d"], 9)] {
        let checks = Cell::new(0);
        let refuse = |_: &[u8]| {
            checks.set(checks.get() + 1);
            false
        };
        assert_eq!(reassemble(chunks, size, refuse), None);
        assert!((2..=MAX_CANDIDATES).contains(&checks.get()));
    }
}

#[test]
fn a_large_text_is_rebuilt_quickly() {
    let text: String = (0..60_000).map(|line| format!("line {line} of a log\n")).collect();
    for order in [Order::OfTheText, Order::Lexicographic, Order::Shuffled(5)] {
        let chunker = Chunker { order, trim: true, ..Chunker::new(200, 100) };
        assert_comes_back(&text, &chunker);
    }
    let text = "a".repeat(1_000_000);
    assert_comes_back(&text, &Chunker::new(200, 100));
}

/// Text with every plane of Unicode and every kind of line end, but without the characters that mark a loss.
fn texts() -> impl Strategy<Value = String> {
    let planes = prop::collection::vec(any::<char>(), 0..40).prop_map(String::from_iter);
    let words = (0_usize..3000, any::<u32>());
    let words = words.prop_map(|(words, seed)| from_words(words, seed, WORDS));
    let piece = prop_oneof![planes, words, "[a-z]{3,9}(\r\n)?", "(\n|\r\n){1,3}", "[ -~]{0,200}"];
    let texts = prop::collection::vec(piece, 0..8).prop_map(|pieces| pieces.concat());
    texts.prop_map(|text| text.replace('\u{fffd}', ""))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn random_texts_are_rebuilt(
        text in texts(),
        mut chunker in prop_oneof![chunkers(100..=800, 10..=50), chunkers(100..=4096, 0..=50)],
        newline in prop_oneof![Just(""), Just("\n"), Just("\r\n")],
    ) {
        let text = text.trim_end().to_owned() + newline;
        if chunker.overlap < 8 {
            // The order of chunks without a common part cannot be found.
            chunker.order = Order::OfTheText;
        }
        let chunks = chunker.split(&text);
        prop_assert!(from_chunks(&chunks, &text).is_some(), "{chunks:?}");
    }

    #[test]
    fn another_text_is_never_returned(chunks in prop::collection::vec("[ab\r\n ]{0,9}", 0..6), text in "[ab\r\n ]{0,30}") {
        from_chunks(&chunks, &text);
    }
}
