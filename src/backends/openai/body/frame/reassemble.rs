//! From the chunks of a parsed text back to what was framed.

use std::collections::{BTreeSet, HashMap, HashSet};

use bytes::Bytes;
use crc32fast::Hasher;

use super::{CRC, GROUP, LONGEST, Line, base64_len, crc_from_hex, from_hex, mismatch};
use crate::backends::openai::body::MAX_BODY;
use crate::{Error, ErrorKind, Result};

/// What ends a line after its base64: `:`, the checksum, `;`.
const ENDING: usize = 1 + CRC + 1;

/// Puts the `size` bytes together that were framed and came back in chunks.
///
/// The chunks may come in any order, more than once, overlap, and end within a line; what stands between two lines does not matter. A
/// line that was cut in two is joined again, be it from chunks that are no neighbours; one that was cut in three is not, but no chunk
/// of a hundred tokens is shorter than a line. Takes time in proportion to the text, and memory for the content beside it.
///
/// Checks each line, and not what the lines say together: that is for the caller, who knows the checksum of the whole.
///
/// # Errors
///
/// [`IntegrityMismatch`](crate::ErrorKind::IntegrityMismatch) telling how many lines are missing, and which is the first.
pub(crate) fn reassemble(chunks: &[impl AsRef<str>], size: u64) -> Result<Bytes> {
    let mut content = Content::of(size)?;
    let mut cut = Cut::default();
    for chunk in chunks {
        let mut parts = chunk.as_ref().as_bytes().split(|&byte| byte == b'~');
        if let Some(before_the_first) = parts.next()
            && let Some(end) = before_the_first.iter().position(|&byte| byte == b';')
        {
            cut.tails.insert(before_the_first[..=end].trim_ascii_start());
        }
        for part in parts {
            match part.iter().position(|&byte| byte == b';') {
                Some(end) => content.place(Line::parse(&part[..end])),
                None => drop(cut.heads.insert(part.trim_ascii_end())),
            }
        }
    }
    if content.missing > 0 {
        cut.join(&mut content);
    }
    content.finish()
}

/// The content, as far as it has been found.
struct Content {
    bytes: Vec<u8>,
    found: Vec<bool>,
    missing: usize,
}

impl Content {
    fn of(size: u64) -> Result<Self> {
        let size = usize::try_from(size).ok().filter(|_| size <= MAX_BODY);
        let size = size.ok_or_else(|| Error::new(ErrorKind::TooLarge))?;
        let lines = size.div_ceil(GROUP);
        Ok(Self { bytes: vec![0; size], found: vec![false; lines], missing: lines })
    }

    /// The number of bytes in a line that has not been found yet.
    fn wanted(&self, number: u64) -> Option<usize> {
        let number = usize::try_from(number).ok()?;
        let found = *self.found.get(number)?;
        (!found).then(|| GROUP.min(self.bytes.len() - number * GROUP))
    }

    /// Puts a line where it belongs, unless there is one already, or it cannot be one of this content.
    fn place(&mut self, line: Option<Line>) {
        if let Some(line) = line
            && self.wanted(line.number) == Some(line.length)
            && let Ok(number) = usize::try_from(line.number)
        {
            let start = number * GROUP;
            self.bytes[start..start + line.length].copy_from_slice(line.content());
            self.found[number] = true;
            self.missing -= 1;
        }
    }

    fn finish(self) -> Result<Bytes> {
        match self.found.iter().position(|found| !found) {
            None => Ok(self.bytes.into()),
            Some(first) => Err(mismatch(format!(
                "{} of {} lines of the framed content are missing or damaged, the first is line {first}",
                self.missing,
                self.found.len(),
            ))),
        }
    }
}

/// What came of lines that were cut in two: heads without their `~`, tails with their `;`.
#[derive(Default)]
struct Cut<'a> {
    heads: HashSet<&'a [u8]>,
    tails: HashSet<&'a [u8]>,
}

impl Cut<'_> {
    /// Places the lines that a head and a tail give, which may overlap.
    ///
    /// To try each head with each tail would take for ever. But of a tail with a whole checksum follows what the checksum of its head
    /// must be: CRCs are linear, that of a text is that of its beginning, moved by the length of the rest, XOR that of the rest.
    fn join(&self, content: &mut Content) {
        let tails = Tails::of(&self.tails);
        let mut numbers = BTreeSet::new();
        for &head in &self.heads {
            match head.iter().position(|&byte| byte == b':') {
                None => numbers.extend((0..=head.len()).map(|length| &head[..length])),
                Some(colon) => {
                    let number = from_hex(&head[..colon]);
                    if let Some(bytes) = number.and_then(|number| content.wanted(number)) {
                        self.complete(head, colon + 1 + base64_len(bytes), &tails, content);
                    }
                }
            }
        }
        // Cut within its number: more than one line may have begun so.
        for head in numbers {
            for &length in &tails.lengths {
                tails.after(head, length).iter().for_each(|tail| content.place(joined(head, tail)));
            }
        }
    }

    /// Places the line that begins with `head`, and whose checksum is that of its first `checked` bytes.
    fn complete(&self, head: &[u8], checked: usize, tails: &Tails<'_>, content: &mut Content) {
        let whole = checked + ENDING;
        for &length in tails.lengths.iter().filter(|&&length| length <= whole) {
            if let Some((head, shared)) = head.split_at_checked(whole - length) {
                let fitting = tails.after(head, length).iter();
                let fitting = fitting.filter(|tail| tail.starts_with(shared));
                fitting.for_each(|tail| content.place(joined(head, tail)));
            }
        }
        let Some(rest) = rest_of_ending(head, checked) else { return };
        let line = [head, &rest].concat();
        // A tail of a part of the checksum confirms that part.
        let confirmed = |length| self.tails.contains(&line[whole - length..]);
        if rest == b";" || (rest.len()..ENDING).any(confirmed) {
            content.place(Line::parse(&line[..whole - 1]));
        }
    }
}

/// The tails that hold a whole checksum, by their length and by what the checksum of their head must be, once it is moved.
struct Tails<'a> {
    by_head: HashMap<(usize, u32), Vec<&'a [u8]>>,
    lengths: BTreeSet<usize>,
}

impl<'a> Tails<'a> {
    fn of(all: &HashSet<&'a [u8]>) -> Self {
        let mut tails = Self { by_head: HashMap::new(), lengths: BTreeSet::new() };
        for &tail in all.iter().filter(|tail| tail.len() < LONGEST) {
            if let Some(crc) = expected_of_head(tail) {
                tails.lengths.insert(tail.len());
                tails.by_head.entry((tail.len(), crc)).or_default().push(tail);
            }
        }
        tails
    }

    /// The tails of this length that make `head` a line.
    fn after(&self, head: &[u8], length: usize) -> &[&'a [u8]] {
        let key = (length, moved(crc32fast::hash(head), length - ENDING));
        self.by_head.get(&key).map_or(&[], Vec::as_slice)
    }
}

fn joined(head: &[u8], tail: &[u8]) -> Option<Line> {
    Line::parse([head, tail].concat().strip_suffix(b";")?)
}

/// What the checksum of a head must be that the tail belongs to, once it is moved by the tail's length. `None` if the tail does not
/// have a whole checksum.
fn expected_of_head(tail: &[u8]) -> Option<u32> {
    let (checked, ending) = tail.split_at_checked(tail.len().checked_sub(ENDING)?)?;
    let crc = crc_from_hex(ending.strip_prefix(b":")?.strip_suffix(b";")?)?;
    Some(crc ^ crc32fast::hash(checked))
}

/// What `crc` contributes to the checksum of a text that goes on for `length` bytes.
fn moved(crc: u32, length: usize) -> u32 {
    let mut moved = Hasher::new_with_initial(crc);
    moved.combine(&Hasher::new_with_initial_len(0, length as u64));
    moved.finalize()
}

/// What is missing of a head that was cut within its ending, where its first `checked` bytes are what the checksum is of. `None` if it was
/// cut before, or has another checksum.
fn rest_of_ending(head: &[u8], checked: usize) -> Option<Vec<u8>> {
    let (checked, begun) = head.split_at_checked(checked)?;
    let ending = format!(":{:0CRC$x};", crc32fast::hash(checked));
    ending.as_bytes().strip_prefix(begun).map(<[u8]>::to_vec)
}
