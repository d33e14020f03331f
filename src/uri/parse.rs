//! The grammar of backend URIs.
//!
//! Where the text is malformed nobody can tell where in it a secret stands, so no error repeats more than the scheme.

use percent_encoding::percent_decode_str;

use super::{BackendUri, redact};
use crate::{Error, ErrorKind, Result};

/// A parameter as it was written, and percent-decoded.
pub(super) struct Parameter<'a> {
    pub(super) raw_name: &'a str,
    pub(super) raw_value: &'a str,
    pub(super) name: String,
    pub(super) value: String,
}

pub(super) fn parse(text: &str) -> Result<BackendUri> {
    let (scheme, rest) = text.split_once("://").ok_or_else(|| {
        invalid(
            "it does not begin with `scheme://`; a directory such as /srv/data is file:///srv/data",
        )
    })?;
    let scheme = check_scheme(scheme)?;
    take_apart(&scheme, rest).map_err(|error| error.with_path(redact::all_but_scheme(&scheme)))
}

/// The canonical form of a scheme, which is lower case.
pub(super) fn check_scheme(scheme: &str) -> Result<String> {
    let follows = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.');
    if scheme.starts_with(|c: char| c.is_ascii_alphabetic()) && scheme.chars().all(follows) {
        Ok(scheme.to_ascii_lowercase())
    } else {
        Err(invalid("a scheme is a letter, followed by letters, digits, `+`, `-` and `.`"))
    }
}

fn take_apart(scheme: &str, rest: &str) -> Result<BackendUri> {
    if rest.contains('#') {
        return Err(invalid("it has a fragment; a literal `#` is written %23"));
    }
    if rest.contains(|c: char| c.is_ascii_control()) {
        return Err(invalid(
            "it holds a control character, such as a line break; in a name it is written %0A",
        ));
    }
    let (place, query) = rest.split_once('?').unwrap_or((rest, ""));
    let (authority, raw_path) = place.split_at(place.find('/').unwrap_or(place.len()));
    let parameters = parse_parameters(query).map_err(|error| {
        // An `@` may end a password that has a `?` in it: then the authority is the beginning of that password.
        if query.contains('@') {
            return error;
        }
        error.with_path(redact::show(scheme, authority, raw_path, &[]))
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

/// Takes the parameters apart. Errors count them rather than show them: the second of `password=a&b` is a part of the first.
fn parse_parameters(query: &str) -> Result<Vec<Parameter<'_>>> {
    let mut parameters: Vec<Parameter<'_>> = Vec::new();
    if query.is_empty() {
        return Ok(parameters);
    }
    for (index, parameter) in query.split('&').enumerate() {
        let failing = |reason: &str| invalid(format!("parameter {}: {reason}", index + 1));
        let Some((raw_name, raw_value)) = parameter.split_once('=') else {
            return Err(failing("it has no `=`; a literal `&` is written %26"));
        };
        let name = try_decode(raw_name).map_err(failing)?;
        let value = try_decode(raw_value).map_err(failing)?;
        if name.is_empty() {
            return Err(failing("its name is empty"));
        }
        if parameters.iter().any(|earlier| earlier.name == name) {
            return Err(failing("an earlier one has the same name"));
        }
        parameters.push(Parameter { raw_name, raw_value, name, value });
    }
    Ok(parameters)
}

fn decode(text: &str) -> Result<String> {
    try_decode(text).map_err(invalid)
}

/// Percent-decodes `text`, or gives the reason why it cannot be.
pub(super) fn try_decode(text: &str) -> Result<String, &'static str> {
    // The decoder would let a `%` pass that begins no escape.
    let digits_follow = |after: &str| {
        let digits = after.as_bytes().get(..2);
        digits.is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit))
    };
    if !text.split('%').skip(1).all(digits_follow) {
        return Err("two hexadecimal digits must follow a `%`; a literal one is written %25");
    }
    match percent_decode_str(text).decode_utf8() {
        Ok(decoded) if decoded.contains('\0') => Err("NUL is not accepted"),
        Ok(decoded) => Ok(decoded.into_owned()),
        Err(_) => Err("its percent-escapes are not UTF-8"),
    }
}

fn invalid(reason: impl Into<String>) -> Error {
    Error::new(ErrorKind::InvalidUri).with_message(reason.into())
}
