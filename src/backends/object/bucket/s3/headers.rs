//! Objects as headers tell about them, and metadata as headers carry them.

use std::collections::BTreeMap;
use std::ops::Range;
use std::time::SystemTime;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::header::{
    CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, DATE, ETAG, HeaderMap, LAST_MODIFIED,
};

use super::client::Request;
use super::failure::error;
use crate::backends::object::bucket::{Attributes, Condition, Object};
use crate::core::error::{ErrorKind, Result};

/// What the names of the headers with metadata begin with.
const METADATA: &str = "x-amz-meta-";

/// The content type of an object without one.
const NO_CONTENT_TYPE: &str = "binary/octet-stream";

/// How a value that is not plain text begins and ends (RFC 2047). The service itself answers so.
const ENCODED: (&str, &str) = ("=?UTF-8?B?", "?=");

pub(super) fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

/// Removes the quotes around an etag.
pub(super) fn unquoted(etag: &str) -> String {
    let etag = etag.trim();
    let inner = etag.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
    inner.unwrap_or(etag).to_owned()
}

pub(super) fn quoted(etag: &str) -> String {
    if etag.starts_with("W/\"") { etag.to_owned() } else { format!("\"{etag}\"") }
}

/// Reads the object from the headers of a look-up or a read.
///
/// # Errors
///
/// `Remote` without a size.
pub(super) fn object(key: &str, headers: &HeaderMap) -> Result<Object> {
    let range = content_range(headers);
    let length = || text(headers, CONTENT_LENGTH.as_str())?.parse().ok();
    let size = range.map(|(_, size)| size).or_else(length).ok_or_else(|| {
        error(ErrorKind::Remote, "the answer does not say how large the object is")
    })?;
    let content_type = text(headers, CONTENT_TYPE.as_str()).filter(|&text| text != NO_CONTENT_TYPE);
    let metadata = headers.iter().filter_map(|(name, value)| {
        let name = name.as_str().strip_prefix(METADATA)?;
        Some((name.to_owned(), decoded(&String::from_utf8_lossy(value.as_bytes()))))
    });
    let sha256 = text(headers, "x-amz-checksum-sha256");
    // That of an object from parts is not the checksum of its content.
    let is_whole = text(headers, "x-amz-checksum-type") != Some("COMPOSITE");
    let sha256 = sha256.filter(|text| is_whole && !text.contains('-'));
    let digest =
        sha256.and_then(|text| STANDARD.decode(text).ok()).filter(|bytes| bytes.len() == 32);
    Ok(Object {
        key: key.to_owned(),
        size,
        etag: text(headers, ETAG.as_str()).map(unquoted),
        modified_at: text(headers, LAST_MODIFIED.as_str()).and_then(http_date),
        version: version(headers),
        attributes: Attributes {
            content_type: content_type.map(str::to_owned),
            metadata: metadata.collect(),
        },
        sha256: digest.map(hex::encode),
    })
}

/// The version of an object in a bucket with versions.
pub(super) fn version(headers: &HeaderMap) -> Option<String> {
    text(headers, "x-amz-version-id").map(str::to_owned)
}

/// When the service answered: for a write, not before it was made, and at most a moment later.
pub(super) fn answered_at(headers: &HeaderMap) -> Option<SystemTime> {
    text(headers, DATE.as_str()).and_then(http_date)
}

pub(super) fn http_date(text: &str) -> Option<SystemTime> {
    httpdate::parse_http_date(text).ok()
}

/// Returns the offsets of the content in an answer, and the size of the whole object.
pub(super) fn content_range(headers: &HeaderMap) -> Option<(Range<u64>, u64)> {
    let (range, size) =
        text(headers, CONTENT_RANGE.as_str())?.strip_prefix("bytes ")?.split_once('/')?;
    let (first, last) = range.split_once('-')?;
    let (first, last): (u64, u64) = (first.parse().ok()?, last.parse().ok()?);
    let size = size.parse().ok()?;
    (first <= last && last < size).then_some((first..last + 1, size))
}

/// Adds the headers that set attributes.
pub(super) fn with_attributes(request: Request, attributes: &Attributes) -> Result<Request> {
    // Without a content type, services set different ones.
    let content_type = attributes.content_type.as_deref().unwrap_or(NO_CONTENT_TYPE);
    let mut request = request.header("content-type", content_type)?;
    for (name, value) in &attributes.metadata {
        let value = encoded(value);
        let invalid = || error(ErrorKind::InvalidInput, format!("`{name}` is no name of metadata"));
        let name =
            format!("{METADATA}{name}").parse::<http::HeaderName>().map_err(|_| invalid())?;
        let value = value.parse().map_err(|_| invalid())?;
        request.headers.insert(name, value);
    }
    Ok(request)
}

/// Adds the header of a condition.
pub(super) fn with_condition(request: Request, condition: &Condition) -> Result<Request> {
    match condition {
        Condition::None => Ok(request),
        Condition::Absent => request.header("if-none-match", "*"),
        Condition::Etag(etag) => request.header("if-match", &quoted(etag)),
    }
}

/// Returns a value as a header can carry it.
fn encoded(value: &str) -> String {
    let is_plain = !value.is_empty()
        && value.trim() == value
        && !value.starts_with("=?")
        && value.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic());
    if is_plain {
        return value.to_owned();
    }
    format!("{}{}{}", ENCODED.0, STANDARD.encode(value), ENCODED.1)
}

/// Reads a value of metadata. Text that is not in the encoding stays as it is.
fn decoded(value: &str) -> String {
    let words: Option<String> = value.split(' ').map(decoded_word).collect();
    words.unwrap_or_else(|| value.to_owned())
}

/// Decodes a word of RFC 2047 in UTF-8.
fn decoded_word(word: &str) -> Option<String> {
    let mut fields = word.strip_prefix("=?")?.strip_suffix("?=")?.splitn(3, '?');
    let (charset, encoding, text) = (fields.next()?, fields.next()?, fields.next()?);
    if !charset.eq_ignore_ascii_case("utf-8") {
        return None;
    }
    let bytes = match encoding {
        "B" | "b" => STANDARD.decode(text).ok()?,
        "Q" | "q" => unquote_printable(text)?,
        _ => return None,
    };
    String::from_utf8(bytes).ok()
}

fn unquote_printable(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        match byte {
            b'_' => bytes.push(b' '),
            b'=' => {
                let digits = [rest.next()?, rest.next()?];
                let mut decoded = [0];
                hex::decode_to_slice(digits, &mut decoded).ok()?;
                bytes.push(decoded[0]);
            }
            byte => bytes.push(byte),
        }
    }
    Some(bytes)
}

/// The bytes that metadata take in headers.
pub(super) fn metadata_bytes(metadata: &BTreeMap<String, String>) -> usize {
    metadata.iter().map(|(name, value)| name.len() + encoded(value).len()).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_survives_a_header() {
        for value in [
            "plain",
            "two words",
            "",
            " ",
            " led",
            "Änne",
            "\u{1}\n",
            "=?UTF-8?B?eA==?=",
            "=?",
            "a=b?",
        ] {
            let sent = encoded(value);
            assert!(sent.bytes().all(|byte| (b' '..=b'~').contains(&byte)), "{sent:?}");
            assert_eq!(decoded(&sent), value, "{sent}");
        }
        assert_eq!(encoded("plain text"), "plain text");
    }

    #[test]
    fn values_of_other_clients_are_read() {
        for (sent, value) in [
            ("=?UTF-8?Q?caf=C3=A9_noir?=", "café noir"),
            ("=?utf-8?b?w6Q=?=", "ä"),
            ("=?UTF-8?B?w6Q=?= =?UTF-8?B?w6Q=?=", "ää"),
            ("=?ISO-8859-1?Q?=E4?=", "=?ISO-8859-1?Q?=E4?="),
            ("=?UTF-8?B?***?=", "=?UTF-8?B?***?="),
            ("=?UTF-8?Q?=E?=", "=?UTF-8?Q?=E?="),
        ] {
            assert_eq!(decoded(sent), value, "{sent}");
        }
    }

    #[test]
    fn a_range_without_a_size_or_order_is_none() {
        let range = |text: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(CONTENT_RANGE, text.parse().unwrap());
            content_range(&headers)
        };
        assert_eq!(range("bytes 2-4/10"), Some((2..5, 10)));
        for text in ["bytes */10", "bytes 4-2/10", "bytes 2-10/10", "bytes 0-1/*", "items 0-1/2"] {
            assert_eq!(range(text), None, "{text}");
        }
    }

    #[test]
    fn the_checksum_of_parts_is_not_that_of_the_content() {
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_LENGTH, "0".parse().unwrap());
        let digest = "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=";
        headers.insert("x-amz-checksum-sha256", digest.parse().unwrap());
        assert!(object("a", &headers).unwrap().sha256.unwrap().starts_with("e3b0c442"));
        headers.insert("x-amz-checksum-type", "COMPOSITE".parse().unwrap());
        assert_eq!(object("a", &headers).unwrap().sha256, None);
        headers.remove("x-amz-checksum-type");
        headers.insert("x-amz-checksum-sha256", format!("{digest}-2").parse().unwrap());
        assert_eq!(object("a", &headers).unwrap().sha256, None);
    }
}
