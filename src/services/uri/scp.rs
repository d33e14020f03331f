//! The addresses of ssh, `user@host:path`, as URIs of git.
//!
//! A text is such an address if an `@` comes before its first colon, only letters, digits, `.`, `-` and `_` are around that `@`, and `//`
//! does not follow the colon. No scheme has an `@`, so no other URI looks like this. But `user@example.com:password@host` does. So if an
//! `@` follows the colon, the repository must end in `.git`, and only `@branch` may follow that.

use super::backend_uri::BackendUri;
use super::parts::{check_characters, decode, invalid, parse_parameters};
use super::redact;
use crate::core::error::Result;

/// The scheme whose handler opens such an address.
const SCHEME: &str = "git+ssh";

/// Splits `user@host:path` at the colon; `None` for any other text.
pub(super) fn split(text: &str) -> Option<(&str, &str)> {
    let (place, path) = text.split_once(':')?;
    let (user, host) = place.split_once('@')?;
    let is_name = |text: &str| {
        let is_name_byte = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_');
        !text.is_empty() && !text.starts_with('-') && text.bytes().all(is_name_byte)
    };
    (is_name(user) && is_name(host) && !path.starts_with("//")).then_some((place, path))
}

/// Parses the parts of an address. Errors show nothing of it, because its path may be a password.
pub(super) fn parse(place: &str, rest: &str) -> Result<BackendUri> {
    check_characters(rest)?;
    let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
    if path.is_empty() {
        return Err(invalid("the path is missing"));
    }
    if rest.contains('@') && !is_repository_and_branch(path) {
        return Err(invalid(
            "with an `@` after the colon, the repository must end in `.git`; write the address as `git+ssh://user@host/path`",
        ));
    }
    let parameters = parse_parameters(query)?;
    let raw_path = format!(":{path}");
    let shown = format!("{place}{}", redact::with_parameters(&raw_path, &parameters));
    Ok(BackendUri {
        path: decode(&raw_path)?,
        location: decode(&format!("{place}{raw_path}"))?,
        raw_path,
        shown,
        scheme: SCHEME.to_owned(),
        authority: place.to_owned(),
        parameters: parameters
            .into_iter()
            .map(|parameter| (parameter.name, parameter.value))
            .collect(),
    })
}

/// Whether a path is `repository.git` or `repository.git@branch`, without another `@`.
fn is_repository_and_branch(path: &str) -> bool {
    let repository = path.split_once('@').map_or(path, |(repository, _)| repository);
    repository.ends_with(".git") && path.matches('@').count() <= 1
}
