//! Framed content: numbered lines with checksums that survive the service's parser.
//!
//! A line is `~<number>:<base64 of 48 bytes>:<CRC-32>;` and a line feed; the last line may hold fewer bytes. Numbers are
//! hexadecimal and start at 0. The checksum covers the number and the base64, so that halves of two lines never pass for one.
//! Base64 contains none of `~`, `:` and `;`, so complete lines can be recognized wherever the text is split.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::{Bytes, BytesMut};

use super::continued;
use crate::core::error::{Error, ErrorKind, Result};

mod reassemble;

pub(crate) use reassemble::reassemble;

/// The bytes of a line; only the last may hold fewer.
const LINE_BYTES: usize = 48;

/// The digits of a checksum.
const CRC_DIGITS: usize = 8;

/// The length of a line without its base64, for a number of `digits` digits: `~`, the number, `:`, `:`, the checksum, `;` and the
/// line feed.
const fn overhead(digits: usize) -> usize {
    1 + digits + 1 + 1 + CRC_DIGITS + 1 + 1
}

/// The longest possible line, with its line feed.
const MAX_LINE: usize = overhead(16) + base64_len(LINE_BYTES);

const fn base64_len(bytes: usize) -> usize {
    bytes.div_ceil(3) * 4
}

/// Returns the framed length of `plain_len` bytes. Saturates instead of overflowing.
pub(crate) fn encoded_len(plain_len: u64) -> u64 {
    let bytes = LINE_BYTES as u64;
    let lines = plain_len.div_ceil(bytes);
    let base64 = (plain_len / bytes).saturating_mul(base64_len(LINE_BYTES) as u64);
    let base64 = base64.saturating_add((plain_len % bytes).div_ceil(3) * 4);
    base64.saturating_add(lines.saturating_mul(overhead(0) as u64)).saturating_add(digits(lines))
}

/// Returns how many digits the numbers below `count` have together.
fn digits(count: u64) -> u64 {
    // Numbers from 16 on have a second digit, those from 256 on a third.
    let with_more = (1..16).map(|digits| count.saturating_sub(16_u64.pow(digits)));
    with_more.fold(count, u64::saturating_add)
}

/// Frames streamed content.
#[derive(Debug, Default)]
pub(crate) struct Encoder {
    /// The number of the next line.
    next: u64,
    /// The bytes of an incomplete line.
    partial: Vec<u8>,
}

impl Encoder {
    /// Returns the lines that the next piece completes, if any.
    pub(crate) fn push(&mut self, piece: &[u8]) -> Bytes {
        let text = continued(&mut self.partial, piece);
        let (lines, rest) = text.as_chunks::<LINE_BYTES>();
        let mut out = Vec::with_capacity(lines.len() * MAX_LINE);
        for bytes in lines {
            self.write_line(bytes, &mut out);
        }
        self.partial = rest.to_vec();
        out.into()
    }

    /// Returns the last line; empty if the content ended with a full line.
    pub(crate) fn finish(&mut self) -> Bytes {
        let (mut out, rest) = (Vec::new(), std::mem::take(&mut self.partial));
        if !rest.is_empty() {
            self.write_line(&rest, &mut out);
        }
        out.into()
    }

    fn write_line(&mut self, bytes: &[u8], out: &mut Vec<u8>) {
        let mut base64 = [0; base64_len(LINE_BYTES)];
        let base64 = &mut base64[..base64_len(bytes.len())];
        // The buffer has exactly the required size.
        let _written = STANDARD.encode_slice(bytes, base64);
        let start = out.len() + 1;
        out.extend_from_slice(format!("~{:x}:", self.next).as_bytes());
        out.extend_from_slice(base64);
        let crc = crc32fast::hash(&out[start..]);
        out.extend_from_slice(format!(":{crc:0CRC_DIGITS$x};\n").as_bytes());
        self.next += 1;
    }
}

/// Parses lower-case hexadecimal digits.
fn from_hex(text: &[u8]) -> Option<u64> {
    let is_lower = text.iter().all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f'));
    let text = str::from_utf8(text).ok().filter(|_| is_lower)?;
    u64::from_str_radix(text, 16).ok()
}

fn crc_from_hex(text: &[u8]) -> Option<u32> {
    let crc = from_hex(text).filter(|_| text.len() == CRC_DIGITS)?;
    u32::try_from(crc).ok()
}

/// A line with a valid checksum.
#[derive(Debug, PartialEq, Eq)]
struct Line {
    number: u64,
    bytes: [u8; LINE_BYTES],
    length: usize,
}

impl Line {
    /// Parses the text between `~` and `;`.
    fn parse(text: &[u8]) -> Option<Self> {
        let (checked, crc) = text.split_at_checked(text.len().checked_sub(CRC_DIGITS + 1)?)?;
        let crc = crc_from_hex(crc.strip_prefix(b":")?)?;
        if crc32fast::hash(checked) != crc {
            return None;
        }
        let colon = checked.iter().position(|&byte| byte == b':')?;
        let (number, base64) = (&checked[..colon], &checked[colon + 1..]);
        if number.len() > 1 && number[0] == b'0' {
            return None;
        }
        let mut bytes = [0; LINE_BYTES];
        let length = STANDARD.decode_slice(base64, &mut bytes).ok().filter(|&length| length > 0)?;
        Some(Self { number: from_hex(number)?, bytes, length })
    }

    fn content(&self) -> &[u8] {
        &self.bytes[..self.length]
    }
}

/// Decodes framed content from a complete, ordered stream.
#[derive(Debug, Default)]
pub(crate) struct Decoder {
    /// The number of the next line.
    next: u64,
    /// The start of an incomplete line.
    partial: Vec<u8>,
    /// Whether a short line was read. Only the last line may be short.
    has_ended: bool,
}

impl Decoder {
    /// Returns the content of the lines that the next piece completes, if any.
    ///
    /// # Errors
    ///
    /// [`IntegrityMismatch`](ErrorKind::IntegrityMismatch) for anything but the next line. The decoder is unusable afterwards.
    pub(crate) fn push(&mut self, piece: &[u8]) -> Result<Bytes> {
        let text = continued(&mut self.partial, piece);
        let mut out = BytesMut::with_capacity(text.len() / 3 * 2);
        for line in text.split_inclusive(|&byte| byte == b'\n') {
            self.take(line, &mut out)?;
        }
        Ok(out.freeze())
    }

    /// Checks that the text ended with a complete line.
    ///
    /// # Errors
    ///
    /// [`IntegrityMismatch`](ErrorKind::IntegrityMismatch) if it ended within a line.
    pub(crate) fn finish(&self) -> Result<()> {
        if self.partial.is_empty() { Ok(()) } else { Err(self.damaged("the content ends early")) }
    }

    fn take(&mut self, text: &[u8], out: &mut BytesMut) -> Result<()> {
        let Some(line) = text.strip_suffix(b"\n") else {
            self.partial.extend_from_slice(text);
            // A line without end must not fill the memory.
            return if self.partial.len() < MAX_LINE {
                Ok(())
            } else {
                Err(self.damaged("the line is too long"))
            };
        };
        if self.has_ended {
            return Err(self.damaged("unexpected data after the last line"));
        }
        let line = line.strip_prefix(b"~").and_then(|line| line.strip_suffix(b";"));
        let line = line
            .and_then(Line::parse)
            .ok_or_else(|| self.damaged("the checksum does not match"))?;
        if line.number != self.next {
            return Err(self.damaged(&format!("found line {} instead", line.number)));
        }
        out.extend_from_slice(line.content());
        self.next += 1;
        self.has_ended = line.length < LINE_BYTES;
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
