//! Text encodings.

use crate::core::names::names;

/// The encoding of a file, guessed from its first [`Encoding::SAMPLE_BYTES`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Encoding {
    /// Only bytes below 128, which is also valid UTF-8. An empty file is `Ascii`.
    Ascii,
    /// UTF-8, with or without a byte order mark.
    Utf8,
    /// UTF-16, little endian, with a byte order mark.
    Utf16Le,
    /// UTF-16, big endian, with a byte order mark.
    Utf16Be,
    /// Anything else.
    Binary,
}

names!(Encoding, "encoding" {
    Ascii = "ascii",
    Utf8 = "utf-8",
    Utf16Le = "utf16-le",
    Utf16Be = "utf16-be",
    Binary = "binary",
});

impl Encoding {
    /// The number of bytes at the start of a file that are examined.
    pub const SAMPLE_BYTES: usize = 8192;

    /// Guesses the encoding from the start of a file; `complete` means that `sample` is the whole file.
    ///
    /// An incomplete sample may end within a character.
    ///
    /// ```
    /// use f9::Encoding;
    /// assert_eq!(Encoding::detect("é".as_bytes(), true), Encoding::Utf8);
    /// assert_eq!(Encoding::detect(&"é".as_bytes()[..1], false), Encoding::Utf8);
    /// assert_eq!(Encoding::detect(&"é".as_bytes()[..1], true), Encoding::Binary);
    /// assert_eq!(Encoding::detect(b"\x7fELF\x00", true), Encoding::Binary);
    /// ```
    #[must_use]
    pub fn detect(sample: &[u8], complete: bool) -> Self {
        match sample {
            [0xff, 0xfe, ..] => return Self::Utf16Le,
            [0xfe, 0xff, ..] => return Self::Utf16Be,
            _ if sample.contains(&0) => return Self::Binary,
            _ if sample.is_ascii() => return Self::Ascii,
            _ => {}
        }
        match std::str::from_utf8(sample) {
            Ok(_) => Self::Utf8,
            Err(error) if !complete && error.error_len().is_none() => Self::Utf8,
            Err(_) => Self::Binary,
        }
    }

    /// Whether this is text of any encoding.
    #[must_use]
    pub fn is_text(self) -> bool {
        self != Self::Binary
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_encoding_is_guessed_from_the_start() {
        for (sample, complete, expected) in [
            (&b""[..], true, Encoding::Ascii),
            (b"abc", true, Encoding::Ascii),
            ("aé".as_bytes(), true, Encoding::Utf8),
            (b"\xef\xbb\xbfabc", true, Encoding::Utf8),
            (b"\xff\xfea\0", true, Encoding::Utf16Le),
            (b"\xfe\xff\0a", true, Encoding::Utf16Be),
            (b"a\0b", true, Encoding::Binary),
            (b"\xc3", true, Encoding::Binary),
            (b"ab\xc3", false, Encoding::Utf8),
            (b"\xc3ab", false, Encoding::Binary),
        ] {
            assert_eq!(Encoding::detect(sample, complete), expected, "{sample:?}");
        }
    }

    #[test]
    fn names_read_back_as_text_and_as_json() {
        for &encoding in Encoding::ALL {
            assert_eq!(encoding.to_string().parse::<Encoding>().unwrap(), encoding);
            let json = serde_json::to_string(&encoding).unwrap();
            assert_eq!(json, format!("\"{encoding}\""));
            assert_eq!(serde_json::from_str::<Encoding>(&json).unwrap(), encoding);
        }
        let message = "latin-1".parse::<Encoding>().unwrap_err().to_string();
        let expected = "(expected `ascii`, `utf-8`, `utf16-le`, `utf16-be` or `binary`)";
        assert!(message.ends_with(expected), "{message}");
    }
}
