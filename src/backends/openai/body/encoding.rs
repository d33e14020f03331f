//! The encodings of uploaded content, and the check for text.

use super::{MAX_BODY, continued, frame};
use crate::backends::openai::OpenAIEncoding;
use crate::core::error::{Error, ErrorKind, Result};

/// The encoding of an uploaded body, as stored in an attribute. Empty content is [`EMPTY_BODY`](super::EMPTY_BODY) in each of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum BodyEncoding {
    /// The content unchanged.
    Raw,
    /// Lines with numbers and checksums, see [`frame`].
    Framed,
    /// The whole content as one base64 text, as the Python original writes it. Read only.
    Base64,
}

impl BodyEncoding {
    /// The value of the attribute.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Raw => "raw",
            Self::Framed => "framed",
            Self::Base64 => "base64",
        }
    }

    /// Parses the value of the attribute.
    pub(crate) fn from_name(name: &str) -> Option<Self> {
        [Self::Raw, Self::Framed, Self::Base64].into_iter().find(|known| known.name() == name)
    }

    /// Chooses the encoding for content that is or is not text.
    ///
    /// # Errors
    ///
    /// [`InvalidData`](ErrorKind::InvalidData) for content that is not text with the encoding `raw`.
    pub(crate) fn choose(encoding: OpenAIEncoding, is_text: bool) -> Result<Self> {
        match encoding {
            OpenAIEncoding::Framed => Ok(Self::Framed),
            OpenAIEncoding::Auto | OpenAIEncoding::Raw if is_text => Ok(Self::Raw),
            OpenAIEncoding::Auto => Ok(Self::Framed),
            OpenAIEncoding::Raw => Err(Error::new(ErrorKind::InvalidData).with_message(
                "the encoding `raw` accepts only UTF-8 text without NUL; use `auto` for other content",
            )),
        }
    }

    /// Returns the length of the body for content of `size` bytes.
    pub(crate) fn body_len(self, size: u64) -> u64 {
        match self {
            _ if size == 0 => super::EMPTY_BODY.len() as u64,
            Self::Raw => size,
            Self::Framed => frame::encoded_len(size),
            Self::Base64 => size.div_ceil(3).saturating_mul(4),
        }
    }

    /// Checks that content of at least `size` bytes can be uploaded.
    ///
    /// # Errors
    ///
    /// [`TooLarge`](ErrorKind::TooLarge).
    pub(crate) fn check_size(self, size: u64) -> Result<()> {
        if self.body_len(size) <= MAX_BODY {
            return Ok(());
        }
        let largest = match self {
            Self::Raw => "512 MiB",
            // Up to this size, a line has 83 bytes for 48.
            Self::Framed => "about 297 MiB in the framed encoding",
            Self::Base64 => "384 MiB",
        };
        Err(Error::new(ErrorKind::TooLarge).with_message(format!(
            "the service accepts files of up to 512 MiB; the limit for this content is {largest}"
        )))
    }
}

/// Checks whether streamed content is text: UTF-8 without NUL, which parsers treat as binary.
#[derive(Clone, Debug, Default)]
pub(crate) struct TextCheck {
    /// The first bytes of an incomplete character.
    partial: Vec<u8>,
    failed: bool,
}

impl TextCheck {
    /// Checks the next bytes.
    pub(crate) fn push(&mut self, bytes: &[u8]) {
        // A part that follows the beginning of a character is copied.
        for part in bytes.chunks(64 * 1024) {
            if self.failed {
                return;
            }
            let text = continued(&mut self.partial, part);
            self.failed = text.contains(&0);
            match std::str::from_utf8(&text) {
                Err(error) if error.error_len().is_none() => {
                    self.partial = text[error.valid_up_to()..].to_vec();
                }
                checked => self.failed |= checked.is_err(),
            }
        }
    }

    /// Whether the bytes so far already rule out text.
    pub(crate) fn has_failed(&self) -> bool {
        self.failed
    }

    /// Whether all bytes together are text.
    pub(crate) fn is_text(&self) -> bool {
        !self.failed && self.partial.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn is_text(pieces: &[&[u8]]) -> bool {
        let mut check = TextCheck::default();
        pieces.iter().for_each(|piece| check.push(piece));
        assert!(!(check.has_failed() && check.is_text()));
        check.is_text()
    }

    #[test]
    fn text_is_utf_8_without_nul() {
        for (content, expected) in [
            (&b""[..], true),
            ("a\u{1}\u{1b}é€😀\u{10ffff}\r\n".as_bytes(), true),
            (b"a\0b", false),
            (b"\0", false),
            (b"caf\xe9", false),
            (b"\xed\xa0\x80", false),
            (b"\xc0\x80", false),
            (b"\xf4\x90\x80\x80", false),
            (&"€".as_bytes()[..2], false),
        ] {
            assert_eq!(is_text(&[content]), expected, "{content:?}");
            let bytes: Vec<_> = content.chunks(1).collect();
            assert_eq!(is_text(&bytes), expected, "{content:?}");
        }
    }

    #[test]
    fn a_failed_text_check_stays_failed() {
        assert!(!is_text(&[b"\xff", b"text"]));
        assert!(!is_text(&[b"\xe2", b"text"]));
        assert!(!is_text(&[b"\xe2\x82", b"", b"\xac\0", b"text"]));
        assert!(is_text(&[b"\xe2\x82", b"", b"\xactext"]));
    }

    proptest! {
        #[test]
        fn the_text_check_does_not_depend_on_how_content_is_split(
            content in prop_oneof![
                any::<String>().prop_map(String::into_bytes),
                prop::collection::vec(any::<u8>(), 0..8),
            ],
            size in 1_usize..5,
        ) {
            let pieces: Vec<_> = content.chunks(size).collect();
            let expected = std::str::from_utf8(&content).is_ok_and(|text| !text.contains('\0'));
            prop_assert_eq!(is_text(&pieces), expected);
        }
    }

    #[test]
    fn text_is_written_raw_and_binary_content_framed() {
        use BodyEncoding::{Framed, Raw};
        for (encoding, is_text, expected) in [
            (OpenAIEncoding::Auto, true, Some(Raw)),
            (OpenAIEncoding::Auto, false, Some(Framed)),
            (OpenAIEncoding::Raw, true, Some(Raw)),
            (OpenAIEncoding::Raw, false, None),
            (OpenAIEncoding::Framed, true, Some(Framed)),
            (OpenAIEncoding::Framed, false, Some(Framed)),
        ] {
            match (BodyEncoding::choose(encoding, is_text), expected) {
                (Ok(chosen), Some(expected)) => assert_eq!(chosen, expected, "{encoding:?}"),
                (Err(error), None) => assert_eq!(error.kind(), ErrorKind::InvalidData),
                other => panic!("{encoding:?}: {other:?}"),
            }
        }
    }

    #[test]
    fn encoding_names_are_read_back() {
        for encoding in [BodyEncoding::Raw, BodyEncoding::Framed, BodyEncoding::Base64] {
            assert_eq!(BodyEncoding::from_name(encoding.name()), Some(encoding));
        }
        for name in ["", "Raw", "gzip"] {
            assert_eq!(BodyEncoding::from_name(name), None);
        }
    }

    #[test]
    fn a_body_is_never_empty_and_has_a_limit() {
        for encoding in [BodyEncoding::Raw, BodyEncoding::Framed, BodyEncoding::Base64] {
            assert_eq!(encoding.body_len(0), 1);
            let max = largest(|size| encoding.body_len(size) <= MAX_BODY);
            encoding.check_size(max).unwrap();
            let error = encoding.check_size(max + 1).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::TooLarge);
            encoding.check_size(u64::MAX).unwrap_err();
            let mebibytes = (max as f64 / f64::from(1 << 20)).round();
            assert!(error.message().unwrap().contains(&format!(" {mebibytes} MiB")), "{error}");
        }
    }

    /// Returns the largest number that fits, given that all smaller ones fit.
    fn largest(fits: impl Fn(u64) -> bool) -> u64 {
        let (mut fitting, mut over) = (0, 2 * MAX_BODY);
        while over - fitting > 1 {
            let middle = fitting.midpoint(over);
            *(if fits(middle) { &mut fitting } else { &mut over }) = middle;
        }
        fitting
    }
}
