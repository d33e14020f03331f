mod factory;
mod file;
mod parameters;
mod parse;
mod redact;
mod scp;

use super::BackendUri;
use crate::core::error::{Error, ErrorKind};

fn parsed(text: &str) -> BackendUri {
    text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn rejected(text: &str) -> Error {
    let error = text.parse::<BackendUri>().expect_err(text);
    assert_eq!(error.kind(), ErrorKind::InvalidUri, "{text}");
    assert_eq!(error.operation(), Some("parse"), "{text}");
    error
}
