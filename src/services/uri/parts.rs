//! What all forms of URIs have in common: their characters, their parameters and their errors.

use super::redact::Parameter;
use crate::core::error::{Error, ErrorKind, Result};
use crate::net::percent;

/// Refuses the characters that must be percent-encoded.
pub(super) fn check_characters(text: &str) -> Result<()> {
    if text.contains('#') {
        return Err(invalid("it contains `#`; write a literal `#` as %23"));
    }
    if text.contains(|c: char| c.is_ascii_control()) {
        return Err(invalid(
            "it contains a control character; percent-encode it, for example a line break as %0A",
        ));
    }
    Ok(())
}

/// Parses the parameters. Errors give the position of a parameter instead of its text: in `password=a&b` the second is part of the
/// first.
pub(super) fn parse_parameters(query: &str) -> Result<Vec<Parameter<'_>>> {
    let mut parameters: Vec<Parameter<'_>> = Vec::new();
    if query.is_empty() {
        return Ok(parameters);
    }
    for (index, parameter) in query.split('&').enumerate() {
        let failing = |reason: &str| invalid(format!("parameter {}: {reason}", index + 1));
        let Some((raw_name, raw_value)) = parameter.split_once('=') else {
            return Err(failing("it has no `=`; write a literal `&` as %26"));
        };
        let name = percent::decode(raw_name).map_err(failing)?;
        let value = percent::decode(raw_value).map_err(failing)?;
        if name.is_empty() {
            return Err(failing("the name is empty"));
        }
        if parameters.iter().any(|earlier| earlier.name == name) {
            return Err(failing("the name is repeated"));
        }
        parameters.push(Parameter { raw_name, raw_value, name, value });
    }
    Ok(parameters)
}

pub(super) fn decode(text: &str) -> Result<String> {
    percent::decode(text).map_err(invalid)
}

pub(super) fn invalid(reason: impl Into<String>) -> Error {
    Error::new(ErrorKind::InvalidUri).with_message(reason.into())
}
