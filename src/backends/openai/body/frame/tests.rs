use proptest::prelude::*;

use super::*;
use crate::backends::openai::body::MAX_BODY;
use crate::backends::openai::body::tests::chunker::{Chunker, chunkers};

/// Returns reproducible noise.
fn noise(size: usize) -> Vec<u8> {
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()[5]
    };
    (0..size).map(|_| next()).collect()
}

fn framed(content: &[u8]) -> String {
    let mut encoder = Encoder::default();
    let mut text = encoder.push(content).to_vec();
    text.extend_from_slice(&encoder.finish());
    String::from_utf8(text).unwrap()
}

fn decoded(text: &[u8], piece: usize) -> Result<Vec<u8>> {
    let (mut decoder, mut content) = (Decoder::default(), Vec::new());
    for piece in text.chunks(piece) {
        content.extend_from_slice(&decoder.push(piece)?);
    }
    decoder.finish().map(|()| content)
}

#[track_caller]
fn mismatch<T: std::fmt::Debug>(result: Result<T>) -> String {
    let error = result.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::IntegrityMismatch);
    error.message().unwrap().to_owned()
}

#[test]
fn frames_have_the_documented_format() {
    assert_eq!(framed(b""), "");
    // The checksum is that of `printf 0:aGVsbG8= | gzip -c | tail -c8 | head -c4 | xxd -e`.
    assert_eq!(framed(b"hello"), "~0:aGVsbG8=:62236e02;\n");
    let text = framed(&[0xff; 48 * 17 + 1]);
    let lines: Vec<_> = text.lines().collect();
    assert_eq!(lines.len(), 18);
    assert!(lines[10].starts_with(&format!("~a:{}:", "/".repeat(64))), "{}", lines[10]);
    assert!(lines[16].starts_with("~10:"));
    assert!(lines[17].starts_with("~11:/w==:"));
}

#[test]
fn the_framed_length_is_predicted() {
    for size in (0..=10_000).chain([48 * 4096, 48 * 4096 + 1, 48 * 65_536 + 49]) {
        assert_eq!(encoded_len(size as u64), framed(&vec![1; size]).len() as u64, "{size}");
    }
    assert_eq!(encoded_len(u64::MAX), u64::MAX);
}

#[test]
fn the_decoder_accepts_only_the_next_line() {
    let text = framed(&noise(48 * 3 + 5));
    let lines: Vec<_> = text.split_inclusive('\n').collect();
    for (damaged, expected) in [
        (lines[1..].concat(), "line 0 of the framed content: found line 1 instead"),
        ([lines[0], lines[2]].concat(), "line 1 of the framed content: found line 2 instead"),
        ([lines[0], lines[0]].concat(), "line 1 of the framed content: found line 0 instead"),
        (
            [&text, lines[0]].concat(),
            "line 4 of the framed content: unexpected data after the last line",
        ),
        (format!("{text}x"), "line 4 of the framed content: the content ends early"),
        (text.trim_end().to_owned(), "line 3 of the framed content: the content ends early"),
        (text.replace(";\n", ";\r\n"), "line 0 of the framed content: the checksum does not match"),
        (text.replace(";\n", "\n"), "line 0 of the framed content: the checksum does not match"),
        (text.replace('~', ""), "line 0 of the framed content: the checksum does not match"),
        (text.replace("~1:", "~01:"), "line 1 of the framed content: the checksum does not match"),
        (text.replace('\n', ""), "line 0 of the framed content: the line is too long"),
        ("\n".to_owned(), "line 0 of the framed content: the checksum does not match"),
        (" ".repeat(1000), "line 0 of the framed content: the line is too long"),
    ] {
        for piece in [1, 7, 100, 10_000] {
            assert_eq!(mismatch(decoded(damaged.as_bytes(), piece)), expected, "{damaged}");
        }
    }
}

#[test]
fn numbers_have_no_leading_zeros_and_lines_are_not_empty() {
    for checked in [
        "01:AAAA",
        "A:AAAA",
        "+1:AAAA",
        ":AAAA",
        "1:",
        "11111111111111111:AAAA",
        "1:AAAB=",
        "1:AAB=",
    ] {
        let line = format!("{checked}:{:08x}", crc32fast::hash(checked.as_bytes()));
        assert_eq!(Line::parse(line.as_bytes()), None, "{line}");
    }
    let checked = "1f:AAAA";
    let line = format!("{checked}:{:08x}", crc32fast::hash(checked.as_bytes()));
    assert_eq!(Line::parse(line.as_bytes()).unwrap().number, 0x1f);
    assert_eq!(Line::parse(line.to_uppercase().as_bytes()), None);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn encoding_does_not_depend_on_how_content_is_split(
        content in prop::collection::vec(any::<u8>(), 0..2000),
        pieces in 1_usize..300,
        bytes in 1_usize..300,
    ) {
        let mut encoder = Encoder::default();
        let mut text = Vec::new();
        content.chunks(pieces).for_each(|piece| text.extend_from_slice(&encoder.push(piece)));
        text.extend_from_slice(&encoder.finish());
        prop_assert_eq!(std::str::from_utf8(&text).unwrap(), framed(&content));
        prop_assert_eq!(decoded(&text, bytes).unwrap(), content);
    }

    /// Replaces one character with up to two others. Decoding then fails or returns the framed content.
    #[test]
    fn damage_is_always_detected(
        size in 1_usize..400,
        at in any::<prop::sample::Index>(),
        new in prop::collection::vec(0_u8..128, 0..3),
    ) {
        let content = noise(size);
        let mut text = framed(&content).into_bytes();
        let at = at.index(text.len());
        text.splice(at..=at, new);
        let unharmed = text == framed(&content).as_bytes();
        match decoded(&text, 64) {
            Ok(_) => prop_assert!(unharmed),
            Err(error) => prop_assert_eq!(error.kind(), ErrorKind::IntegrityMismatch),
        }
        let chunks = [String::from_utf8(text).unwrap()];
        match reassemble(&chunks, size as u64) {
            Ok(found) => prop_assert_eq!(found, content),
            Err(error) => prop_assert_eq!(error.kind(), ErrorKind::IntegrityMismatch),
        }
    }

    #[test]
    fn content_is_rebuilt_from_chunks(
        size in prop_oneof![0_usize..300, 0_usize..200_000],
        chunker in prop_oneof![chunkers(100..=400, 0..=50), chunkers(100..=4096, 0..=0), chunkers(22..=30, 0..=10)],
        newline in prop_oneof![Just("\n"), Just("\r\n"), Just(" "), Just("  \n\n\t"), Just("")],
    ) {
        let content = noise(size);
        let chunks = chunker.split(&framed(&content).replace('\n', newline));
        prop_assert_eq!(reassemble(&chunks, size as u64).unwrap(), content);
    }

    #[test]
    fn periodic_content_is_rebuilt(
        size in 0_usize..20_000,
        byte in any::<u8>(),
        chunker in chunkers(22..=200, 0..=50),
    ) {
        let content = vec![byte; size];
        prop_assert_eq!(reassemble(&chunker.split(&framed(&content)), size as u64).unwrap(), content);
    }
}

/// Every position where a line can be split, with the halves far apart.
#[test]
fn a_line_split_anywhere_is_joined() {
    let content = noise(48 * 20 + 10);
    let text = framed(&content);
    for at in 0..=text.len() {
        let (head, tail) = text.split_at(at);
        let chunks = [tail, "~5:nonsense", "", "another;", head];
        assert_eq!(reassemble(&chunks, content.len() as u64).unwrap(), content, "{at}");
        let apart = [&format!(" \n{tail}"), &format!("{head} \n")];
        assert_eq!(reassemble(&apart, content.len() as u64).unwrap(), content, "{at}");
    }
}

/// The halves of a line whose number has three digits, overlapping by less than the line.
#[test]
fn overlapping_halves_are_joined() {
    let content = noise(48 * 0x120);
    let text = framed(&content);
    let (before, line) = text.split_at(text.find("~11f:").unwrap());
    for from in 0..line.len() {
        // Each position within the number, and some of the others.
        for to in (from..line.len()).step_by(if from < 6 { 1 } else { 13 }) {
            let chunks = [&line[from..], before, &line[..to]];
            assert_eq!(
                reassemble(&chunks, content.len() as u64).unwrap(),
                content,
                "{from} to {to}"
            );
        }
    }
    // First the last two characters are missing, then only the semicolon.
    let all_but = |missing: usize| &line[..line.trim_end().len() - missing];
    mismatch(reassemble(&[before, all_but(2)], content.len() as u64));
    assert_eq!(reassemble(&[before, all_but(1)], content.len() as u64).unwrap(), content);
}

#[test]
fn contradictory_halves_are_not_joined() {
    let text = framed(&noise(48));
    let line = text.trim_end();
    mismatch(reassemble(&[&format!("{}!", &line[..20]), &line[20..]], 48));
    mismatch(reassemble(&[&format!("{}!", &line[..20]), &line[10..]], 48));
}

#[test]
fn halves_of_different_lines_are_not_joined() {
    let text = framed(&[7; 48 * 3]);
    let lines: Vec<_> = text.lines().collect();
    for at in 0..lines[0].len() {
        let wrong = [&lines[0][..at], &lines[1][at..], lines[2]];
        // At some positions the halves form a complete line 0 or line 1. Then the other one is missing.
        match reassemble(&wrong, 48 * 3) {
            Err(error) => assert_eq!(error.kind(), ErrorKind::IntegrityMismatch),
            Ok(content) => panic!("{at}: {content:?}"),
        }
    }
}

#[test]
fn missing_lines_are_counted() {
    let content = noise(48 * 300);
    let text = framed(&content);
    let mut lines: Vec<_> = text.lines().collect();
    let missing = lines.drain(100..103).count();
    assert_eq!(
        mismatch(reassemble(&lines, content.len() as u64)),
        format!(
            "{missing} of 300 lines of the framed content are missing or damaged; the first is line 100"
        )
    );
    let none: [&str; 0] = [];
    assert!(mismatch(reassemble(&none, 1)).starts_with("1 of 1 lines"));
    assert_eq!(reassemble(&none, 0).unwrap(), "");
    assert_eq!(reassemble(&["\n"], 0).unwrap(), "");
}

#[test]
fn the_size_determines_the_last_line() {
    let content = noise(48 * 2 + 7);
    let text = framed(&content);
    for size in [48 * 2 + 6, 48 * 2 + 8, 48 * 2 + 48, 48 * 3 + 1, 48 + 1] {
        mismatch(reassemble(&[&text], size));
    }
    assert_eq!(reassemble(&[&text], 48 * 2).unwrap(), content[..96]);
    for size in [MAX_BODY + 1, u64::MAX] {
        assert_eq!(reassemble(&[&text], size).unwrap_err().kind(), ErrorKind::TooLarge);
    }
}

#[test]
fn non_ascii_text_is_skipped() {
    let content = noise(200);
    let text = framed(&content);
    let chunks = [format!("é~0é:😀;~é{text}~1:é"), "é;".to_owned(), "~0:\u{fffd}".to_owned()];
    assert_eq!(reassemble(&chunks, 200).unwrap(), content);
}

/// Quadratic work in the number of chunks would take hours here.
#[test]
fn many_chunks_without_overlap_are_joined() {
    let content = noise(1 << 20);
    let mut chunks = Chunker::new(25, 0).split(&framed(&content));
    chunks.reverse();
    assert_eq!(reassemble(&chunks, content.len() as u64).unwrap(), content);
}
