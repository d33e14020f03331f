//! Framed content: numbered lines of text with checksums, which come back exactly also from what a service has made of them.
//!
//! A line is `~<number>:<base64 of 48 bytes>:<CRC-32>;` and a line feed; the last line may hold fewer bytes. Numbers are hexadecimal and
//! count from 0. The checksum is that of the number and the base64 together, so that halves of two lines never pass for one. None of
//! `~`, `:` and `;` is in base64: wherever a text is cut, what is whole can be told from what is not.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::{Bytes, BytesMut};

use crate::{Error, ErrorKind, Result};

mod reassemble;

pub(crate) use reassemble::reassemble;

/// How many bytes a line holds, but for the last.
const GROUP: usize = 48;

/// The digits of a checksum.
const CRC: usize = 8;

/// How many characters a line of `digits` digits in its number has, but for its base64: also `~`, `:`, `:`, `;` and the line feed.
const fn around(digits: usize) -> usize {
    1 + digits + 1 + 1 + CRC + 1 + 1
}

/// The longest line there can be, with its line feed.
const LONGEST: usize = around(16) + base64_len(GROUP);

const fn base64_len(bytes: usize) -> usize {
    bytes.div_ceil(3) * 4
}

/// How many bytes `plain_len` bytes take when they are framed. Saturates: what does not fit into a `u64` fits nowhere.
pub(crate) const fn encoded_len(plain_len: u64) -> u64 {
    let group = GROUP as u64;
    let lines = plain_len.div_ceil(group);
    let base64 = (plain_len / group).saturating_mul(base64_len(GROUP) as u64);
    let base64 = base64.saturating_add((plain_len % group).div_ceil(3) * 4);
    base64.saturating_add(lines.saturating_mul(around(0) as u64)).saturating_add(digits(lines))
}

/// How many digits the numbers below `count` have together.
const fn digits(count: u64) -> u64 {
    let (mut total, mut first) = (count, 16_u64);
    // Numbers from 16 on have a second digit, those from 256 on a third.
    while first < count {
        total = total.saturating_add(count - first);
        match first.checked_mul(16) {
            Some(next) => first = next,
            None => break,
        }
    }
    total
}

/// Frames content that comes piece by piece.
#[derive(Debug, Default)]
pub(crate) struct Encoder {
    /// The number of the next line.
    next: u64,
    /// Less than a line.
    rest: Vec<u8>,
}

impl Encoder {
    /// The lines that the next piece completes; maybe none.
    pub(crate) fn push(&mut self, mut piece: &[u8]) -> Bytes {
        let lines = (self.rest.len() + piece.len()) / GROUP;
        let mut out = Vec::with_capacity(lines * LONGEST);
        if !self.rest.is_empty() {
            let (missing, after) = piece.split_at(piece.len().min(GROUP - self.rest.len()));
            self.rest.extend_from_slice(missing);
            piece = after;
            if self.rest.len() == GROUP {
                let group = std::mem::take(&mut self.rest);
                self.write_line(&group, &mut out);
            }
        }
        let (groups, rest) = piece.as_chunks::<GROUP>();
        for group in groups {
            self.write_line(group, &mut out);
        }
        self.rest.extend_from_slice(rest);
        out.into()
    }

    /// The last line; nothing if the content ended with the one before.
    pub(crate) fn finish(mut self) -> Bytes {
        let mut out = Vec::new();
        let rest = std::mem::take(&mut self.rest);
        if !rest.is_empty() {
            self.write_line(&rest, &mut out);
        }
        out.into()
    }

    fn write_line(&mut self, group: &[u8], out: &mut Vec<u8>) {
        let mut base64 = [0; base64_len(GROUP)];
        let base64 = &mut base64[..base64_len(group.len())];
        // The buffer has just the size that is needed.
        let _written = STANDARD.encode_slice(group, base64);
        let start = out.len() + 1;
        out.extend_from_slice(format!("~{:x}:", self.next).as_bytes());
        out.extend_from_slice(base64);
        let crc = crc32fast::hash(&out[start..]);
        out.extend_from_slice(format!(":{crc:0CRC$x};\n").as_bytes());
        self.next += 1;
    }
}

/// The number that lower-case hexadecimal digits give; `None` also for more than 16 of them.
fn from_hex(text: &[u8]) -> Option<u64> {
    if text.is_empty() || text.len() > 16 {
        return None;
    }
    text.iter().try_fold(0, |number, &digit| {
        let value = match digit {
            b'0'..=b'9' => digit - b'0',
            b'a'..=b'f' => digit - b'a' + 10,
            _ => return None,
        };
        Some(number << 4 | u64::from(value))
    })
}

fn crc_from_hex(text: &[u8]) -> Option<u32> {
    if text.len() != CRC {
        return None;
    }
    from_hex(text).and_then(|crc| u32::try_from(crc).ok())
}

/// A line whose checksum was right.
#[derive(Debug, PartialEq, Eq)]
struct Line {
    number: u64,
    bytes: [u8; GROUP],
    length: usize,
}

impl Line {
    /// Reads what stands between `~` and `;`.
    fn parse(text: &[u8]) -> Option<Self> {
        let (checked, crc) = text.split_at_checked(text.len().checked_sub(CRC + 1)?)?;
        let crc = crc_from_hex(crc.strip_prefix(b":")?)?;
        if crc32fast::hash(checked) != crc {
            return None;
        }
        let colon = checked.iter().position(|&byte| byte == b':')?;
        let (number, base64) = (&checked[..colon], &checked[colon + 1..]);
        if number.len() > 1 && number[0] == b'0' {
            return None;
        }
        let mut bytes = [0; GROUP];
        let length = STANDARD.decode_slice(base64, &mut bytes).ok().filter(|&length| length > 0)?;
        Some(Self { number: from_hex(number)?, bytes, length })
    }

    fn content(&self) -> &[u8] {
        &self.bytes[..self.length]
    }
}

/// Gives back what was framed, from text that comes whole and in order, piece by piece.
#[derive(Debug, Default)]
pub(crate) struct Decoder {
    /// The number of the next line.
    next: u64,
    /// The beginning of a line.
    rest: Vec<u8>,
    /// Whether the last line has been read: the only one that may be short.
    ended: bool,
}

impl Decoder {
    /// What the lines hold that the next piece completes; maybe nothing.
    ///
    /// # Errors
    ///
    /// [`IntegrityMismatch`](ErrorKind::IntegrityMismatch) for anything that is not the next line. Nothing may be pushed after that.
    pub(crate) fn push(&mut self, piece: &[u8]) -> Result<Bytes> {
        let mut out = BytesMut::with_capacity((self.rest.len() + piece.len()) / 3 * 2);
        let mut lines = piece.split_inclusive(|&byte| byte == b'\n');
        if !self.rest.is_empty()
            && let Some(more) = lines.next()
        {
            let mut line = std::mem::take(&mut self.rest);
            line.extend_from_slice(more);
            self.take(&line, &mut out)?;
        }
        for line in lines {
            self.take(line, &mut out)?;
        }
        Ok(out.freeze())
    }

    /// Tells whether the text ended with a line.
    ///
    /// # Errors
    ///
    /// [`IntegrityMismatch`](ErrorKind::IntegrityMismatch) if it ended within one.
    pub(crate) fn finish(self) -> Result<()> {
        if self.rest.is_empty() { Ok(()) } else { Err(self.damaged("it ends early")) }
    }

    fn take(&mut self, text: &[u8], out: &mut BytesMut) -> Result<()> {
        let Some(line) = text.strip_suffix(b"\n") else {
            self.rest.extend_from_slice(text);
            // What never ends must not fill the memory.
            return if self.rest.len() < LONGEST { Ok(()) } else { Err(self.damaged("too long")) };
        };
        if self.ended {
            return Err(self.damaged("the line before it was the last"));
        }
        let line = line.strip_prefix(b"~").and_then(|line| line.strip_suffix(b";"));
        let line =
            line.and_then(Line::parse).ok_or_else(|| self.damaged("its checksum differs"))?;
        if line.number != self.next {
            return Err(self.damaged(&format!("line {} stands there", line.number)));
        }
        out.extend_from_slice(line.content());
        self.next += 1;
        self.ended = line.length < GROUP;
        Ok(())
    }

    fn damaged(&self, reason: &str) -> Error {
        mismatch(format!("line {} of the framed content: {reason}", self.next))
    }
}

fn mismatch(message: String) -> Error {
    Error::new(ErrorKind::IntegrityMismatch).with_message(message)
}

#[cfg(test)]
mod tests;
