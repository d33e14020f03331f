//! Percent-encoding.

use percent_encoding::percent_decode_str;
#[cfg(any(feature = "object-store", feature = "openai"))]
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// The characters to encode in a path segment or a query value.
#[cfg(any(feature = "object-store", feature = "openai"))]
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// Encodes `text` as a path segment or a query value.
#[cfg(any(feature = "object-store", feature = "openai"))]
pub(crate) fn encoded(text: &str) -> String {
    utf8_percent_encode(text, ENCODED).to_string()
}

/// Decodes `text`, or returns why it is invalid.
pub(crate) fn decode(text: &str) -> Result<String, &'static str> {
    let decoded = String::from_utf8(decode_bytes(text)?);
    decoded.map_err(|_| "the percent-escapes are not UTF-8")
}

/// Decodes `text`, also to bytes that are not UTF-8, or returns why it is invalid.
pub(crate) fn decode_bytes(text: &str) -> Result<Vec<u8>, &'static str> {
    // The decoder accepts a `%` that starts no escape.
    let digits_follow = |after: &str| {
        let digits = after.as_bytes().get(..2);
        digits.is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit))
    };
    if !text.split('%').skip(1).all(digits_follow) {
        return Err("a `%` must be followed by two hexadecimal digits; write a literal one as %25");
    }
    let decoded: Vec<u8> = percent_decode_str(text).collect();
    if decoded.contains(&0) {
        return Err("contains a NUL byte");
    }
    Ok(decoded)
}
