//! The grammar of backend URIs.
//!
//! In malformed text a secret may be anywhere, so errors show at most the scheme.

use std::str::FromStr;

use super::backend_uri::BackendUri;
use super::parts::{check_characters, decode, invalid, parse_parameters};
use super::redact;
use super::scp;
use crate::core::error::{Error, Result};

impl FromStr for BackendUri {
    type Err = Error;

    /// Parses a URI of any scheme.
    ///
    /// # Errors
    ///
    /// [`InvalidUri`](crate::ErrorKind::InvalidUri). The error shows at most the scheme, because malformed text may contain secrets anywhere.
    fn from_str(text: &str) -> Result<Self> {
        parse(text).map_err(|error| error.with_operation("parse"))
    }
}

pub(super) fn parse(text: &str) -> Result<BackendUri> {
    if let Some((place, rest)) = scp::split(text) {
        return scp::parse(place, rest);
    }
    let (scheme, rest) = text.split_once("://").ok_or_else(|| {
        invalid("it must start with `scheme://`; write the directory /srv/data as file:///srv/data")
    })?;
    let scheme = check_scheme(scheme)?;
    parse_rest(&scheme, rest).map_err(|error| error.with_subject(redact::all_but_scheme(&scheme)))
}

/// Returns the canonical form of a scheme, which is lower case.
pub(super) fn check_scheme(scheme: &str) -> Result<String> {
    let follows = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.');
    if scheme.starts_with(|c: char| c.is_ascii_alphabetic()) && scheme.chars().all(follows) {
        Ok(scheme.to_ascii_lowercase())
    } else {
        Err(invalid("the scheme must be a letter followed by letters, digits, `+`, `-` or `.`"))
    }
}

fn parse_rest(scheme: &str, rest: &str) -> Result<BackendUri> {
    check_characters(rest)?;
    let (place, query) = rest.split_once('?').unwrap_or((rest, ""));
    let (authority, raw_path) = place.split_at(place.find('/').unwrap_or(place.len()));
    let parameters = parse_parameters(query).map_err(|error| {
        // The `@` may end a password that contains `?`. The authority is then the beginning of that password.
        if query.contains('@') {
            return error;
        }
        error.with_subject(redact::show(scheme, authority, raw_path, &[]))
    })?;
    Ok(BackendUri {
        path: decode(raw_path)?,
        raw_path: raw_path.to_owned(),
        location: decode(place)?,
        shown: redact::show(scheme, authority, raw_path, &parameters),
        scheme: scheme.to_owned(),
        authority: authority.to_owned(),
        parameters: parameters
            .into_iter()
            .map(|parameter| (parameter.name, parameter.value))
            .collect(),
    })
}
