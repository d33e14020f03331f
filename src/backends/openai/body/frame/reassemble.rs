//! Rebuilds framed content from the chunks of a parsed text.

use std::collections::{BTreeSet, HashMap, HashSet};

use bytes::Bytes;
use crc32fast::Hasher;

use super::{CRC_DIGITS, LINE_BYTES, Line, MAX_LINE, base64_len, crc_from_hex, from_hex, mismatch};
use crate::backends::openai::body::MAX_BODY;
use crate::core::error::{Error, ErrorKind, Result};

/// The end of a line after its base64: `:`, the checksum, `;`.
const ENDING: usize = 1 + CRC_DIGITS + 1;

/// Rebuilds `size` bytes of framed content from chunks.
///
/// The chunks may be duplicated, overlap, come in any order and end within a line; text between lines is ignored. A line that was
/// split in two is joined, even from chunks that are not neighbours. A line that was split in three is lost, but a chunk of a
/// hundred tokens is longer than a line. Takes time linear in the text, and memory for the content.
///
/// Checks each line, but not the content as a whole: the caller compares its checksum.
///
/// # Errors
///
/// [`IntegrityMismatch`](crate::ErrorKind::IntegrityMismatch) with the number of missing lines and the first of them.
pub(crate) fn reassemble(chunks: &[impl AsRef<str>], size: u64) -> Result<Bytes> {
    let mut content = Content::new(size)?;
    let mut split = SplitLines::default();
    for chunk in chunks {
        let mut parts = chunk.as_ref().as_bytes().split(|&byte| byte == b'~');
        if let Some(before_the_first) = parts.next()
            && let Some(end) = before_the_first.iter().position(|&byte| byte == b';')
        {
            split.tails.insert(before_the_first[..=end].trim_ascii_start());
        }
        for part in parts {
            match part.iter().position(|&byte| byte == b';') {
                Some(end) => content.place(Line::parse(&part[..end])),
                None => drop(split.heads.insert(part.trim_ascii_end())),
            }
        }
    }
    if content.found.contains(&false) {
        split.join(&mut content);
    }
    content.finish()
}

/// The content rebuilt so far.
struct Content {
    bytes: Vec<u8>,
    found: Vec<bool>,
}

impl Content {
    fn new(size: u64) -> Result<Self> {
        let size = usize::try_from(size).ok().filter(|_| size <= MAX_BODY);
        let size = size.ok_or_else(|| Error::new(ErrorKind::TooLarge))?;
        Ok(Self { bytes: vec![0; size], found: vec![false; size.div_ceil(LINE_BYTES)] })
    }

    /// Returns the length of a line that is still missing.
    fn missing_len(&self, number: u64) -> Option<usize> {
        let number = usize::try_from(number).ok()?;
        let found = *self.found.get(number)?;
        (!found).then(|| LINE_BYTES.min(self.bytes.len() - number * LINE_BYTES))
    }

    /// Stores a line, unless it is there already or does not belong to this content.
    fn place(&mut self, line: Option<Line>) {
        if let Some(line) = line
            && self.missing_len(line.number) == Some(line.length)
            && let Ok(number) = usize::try_from(line.number)
        {
            let start = number * LINE_BYTES;
            self.bytes[start..start + line.length].copy_from_slice(line.content());
            self.found[number] = true;
        }
    }

    fn finish(self) -> Result<Bytes> {
        match self.found.iter().position(|found| !found) {
            None => Ok(self.bytes.into()),
            Some(first) => Err(mismatch(format!(
                "{} of {} lines of the framed content are missing or damaged; the first is line {first}",
                self.found.iter().filter(|found| !**found).count(),
                self.found.len(),
            ))),
        }
    }
}

/// The halves of split lines: heads without their `~`, tails with their `;`.
#[derive(Default)]
struct SplitLines<'a> {
    heads: HashSet<&'a [u8]>,
    tails: HashSet<&'a [u8]>,
}

impl SplitLines<'_> {
    /// Joins heads and tails to lines. The halves may overlap.
    ///
    /// Trying each head with each tail would be quadratic. But a tail with a complete checksum determines the checksum of its head:
    /// CRCs are linear, so the CRC of a text is the CRC of its start, shifted by the length of the rest, XOR the CRC of the rest.
    fn join(&self, content: &mut Content) {
        let tails = Tails::new(&self.tails);
        let mut numbers = BTreeSet::new();
        for &head in &self.heads {
            match head.iter().position(|&byte| byte == b':') {
                None => numbers.extend((0..=head.len()).map(|length| &head[..length])),
                Some(colon) => {
                    let number = from_hex(&head[..colon]);
                    if let Some(bytes) = number.and_then(|number| content.missing_len(number)) {
                        self.complete(head, colon + 1 + base64_len(bytes), &tails, content);
                    }
                }
            }
        }
        // Split within its number: more than one line may start like this.
        for head in numbers {
            for &length in &tails.lengths {
                tails
                    .completing(head, length)
                    .iter()
                    .for_each(|tail| content.place(joined(head, tail)));
            }
        }
    }

    /// Completes the line that starts with `head` and whose checksum covers its first `checked` bytes.
    fn complete(&self, head: &[u8], checked: usize, tails: &Tails<'_>, content: &mut Content) {
        let whole = checked + ENDING;
        for &length in tails.lengths.iter().filter(|&&length| length <= whole) {
            if let Some((head, shared)) = head.split_at_checked(whole - length) {
                let fitting = tails.completing(head, length).iter();
                let fitting = fitting.filter(|tail| tail.starts_with(shared));
                fitting.for_each(|tail| content.place(joined(head, tail)));
            }
        }
        let Some(rest) = rest_of_ending(head, checked) else { return };
        let line = [head, &rest].concat();
        // A tail with part of the checksum confirms that part.
        let confirmed = |length| self.tails.contains(&line[whole - length..]);
        if rest == b";" || (rest.len()..ENDING).any(confirmed) {
            content.place(Line::parse(&line[..whole - 1]));
        }
    }
}

/// The tails with a complete checksum, by their length and the required, shifted checksum of their head.
struct Tails<'a> {
    by_head: HashMap<(usize, u32), Vec<&'a [u8]>>,
    lengths: BTreeSet<usize>,
}

impl<'a> Tails<'a> {
    fn new(all: &HashSet<&'a [u8]>) -> Self {
        let mut tails = Self { by_head: HashMap::new(), lengths: BTreeSet::new() };
        for &tail in all.iter().filter(|tail| tail.len() < MAX_LINE) {
            if let Some(crc) = expected_of_head(tail) {
                tails.lengths.insert(tail.len());
                tails.by_head.entry((tail.len(), crc)).or_default().push(tail);
            }
        }
        tails
    }

    /// Returns the tails of this length that complete `head` to a line.
    fn completing(&self, head: &[u8], length: usize) -> &[&'a [u8]] {
        let key = (length, shifted(crc32fast::hash(head), length - ENDING));
        self.by_head.get(&key).map_or(&[], Vec::as_slice)
    }
}

fn joined(head: &[u8], tail: &[u8]) -> Option<Line> {
    Line::parse([head, tail].concat().strip_suffix(b";")?)
}

/// Returns the required checksum of the head that belongs to `tail`, shifted by the tail's length. `None` if the tail has no
/// complete checksum.
fn expected_of_head(tail: &[u8]) -> Option<u32> {
    let (checked, ending) = tail.split_at_checked(tail.len().checked_sub(ENDING)?)?;
    let crc = crc_from_hex(ending.strip_prefix(b":")?.strip_suffix(b";")?)?;
    Some(crc ^ crc32fast::hash(checked))
}

/// Returns the contribution of `crc` to the checksum of a text that continues for `length` bytes.
fn shifted(crc: u32, length: usize) -> u32 {
    let mut shifted = Hasher::new_with_initial(crc);
    shifted.combine(&Hasher::new_with_initial_len(0, length as u64));
    shifted.finalize()
}

/// Returns the missing rest of a head that was split within its ending, after the `checked` bytes that the checksum covers. `None`
/// if it was split earlier or its checksum differs.
fn rest_of_ending(head: &[u8], checked: usize) -> Option<Vec<u8>> {
    let (checked, start_of_ending) = head.split_at_checked(checked)?;
    let ending = format!(":{:0CRC_DIGITS$x};", crc32fast::hash(checked));
    ending.as_bytes().strip_prefix(start_of_ending).map(<[u8]>::to_vec)
}
