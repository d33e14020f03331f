//! Checks of a configuration.

use std::ops::RangeInclusive;
use std::time::Duration;

use reqwest::Url;

use super::OpenAIConfig;
use super::choices::OpenAIChunking;
use crate::core::duration::YEAR;
use crate::core::error::{Error, ErrorKind, Result};
use crate::core::secret::{Secret, SecretSource};
use crate::net::address;
use crate::sys::pool;

/// More concurrent calls, or more retries of one, are a mistake.
const CONCURRENCY: RangeInclusive<usize> = 1..=256;
const MAX_RETRIES: u32 = 20;

/// The chunk sizes that the service accepts, in tokens.
const CHUNK_SIZES: RangeInclusive<u32> = 100..=4096;

impl OpenAIConfig {
    /// Reads the key from its source.
    ///
    /// # Errors
    ///
    /// [`InvalidInput`](ErrorKind::InvalidInput) with the source.
    pub(crate) async fn read_api_key(&self) -> Result<Secret> {
        let source = self.api_key.clone();
        let read = match source {
            // The file may be on a network or a FIFO, so reading may block.
            SecretSource::File(_) => pool::run(move || source.resolve()).await,
            _ => source.resolve(),
        };
        read.map_err(|error| match error.kind() {
            ErrorKind::InvalidInput => {
                let reason = error.message().unwrap_or("the key cannot be read").to_owned();
                refused("api_key", &reason).with_source(error)
            }
            _ => error,
        })
    }

    /// Checks the configuration without I/O. `api_key` is the result of [`read_api_key`](Self::read_api_key), if it is known yet.
    ///
    /// # Errors
    ///
    /// [`InvalidInput`](ErrorKind::InvalidInput) with the name of the field, and never its value.
    pub(crate) fn check(&self, api_key: Option<&Secret>) -> Result<()> {
        check_id(&self.vector_store_id).map_err(|reason| refused("vector_store_id", reason))?;
        let base_url = self.parsed_base_url()?;
        if base_url.scheme() == "http" && !self.allow_http && !address::is_this_machine(&base_url) {
            let reason = "over HTTP, everybody on the network can read the key and the files; \
                          use `https://`, or set `allow_http`";
            return Err(refused("base_url", reason));
        }
        for (field, text) in [
            ("api_key", api_key.map(Secret::expose)),
            ("organization", self.organization.as_deref()),
            ("project", self.project.as_deref()),
        ] {
            check_header(text.unwrap_or("none")).map_err(|reason| refused(field, reason))?;
        }
        check_purpose(&self.purpose).map_err(|reason| refused("purpose", reason))?;
        self.check_durations()?;
        self.check_numbers()
    }

    /// Parses the base URL.
    ///
    /// # Errors
    ///
    /// [`InvalidInput`](ErrorKind::InvalidInput) without the text, which may hold a password by mistake.
    pub(crate) fn parsed_base_url(&self) -> Result<Url> {
        address::parse(&self.base_url).map_err(|reason| refused("base_url", reason))
    }

    fn check_durations(&self) -> Result<()> {
        let timeouts = [
            ("timeouts.connect", self.timeouts.connect),
            ("timeouts.idle", self.timeouts.idle),
            ("timeouts.total", self.timeouts.total),
            ("timeouts.indexing", self.timeouts.indexing),
        ];
        if let Some((field, _)) = timeouts.iter().find(|(_, timeout)| timeout.is_zero()) {
            return Err(refused(field, "must be greater than zero"));
        }
        let waits = [("cache_ttl", self.cache_ttl), ("retry_delay", self.retry_delay)];
        let too_long = |&&(_, duration): &&(&str, Duration)| duration > YEAR;
        match waits.iter().chain(&timeouts).find(too_long) {
            Some((field, _)) => Err(refused(field, "must not be longer than a year")),
            None => Ok(()),
        }
    }

    fn check_numbers(&self) -> Result<()> {
        if !CONCURRENCY.contains(&self.concurrency) {
            return Err(refused("concurrency", "must be between 1 and 256"));
        }
        if self.retries > MAX_RETRIES {
            return Err(refused("retries", "must not be more than 20"));
        }
        if let OpenAIChunking::Static { max_chunk_size_tokens, chunk_overlap_tokens } =
            self.chunking
        {
            if !CHUNK_SIZES.contains(&max_chunk_size_tokens) {
                let field = "chunking.static.max_chunk_size_tokens";
                return Err(refused(field, "must be between 100 and 4096"));
            }
            if chunk_overlap_tokens > max_chunk_size_tokens / 2 {
                let field = "chunking.static.chunk_overlap_tokens";
                return Err(refused(field, "must not be more than half a chunk"));
            }
        }
        let rates = self.rates.unwrap_or_default();
        for (field, rate) in
            [("rates.uploads", rates.uploads), ("rates.attachments", rates.attachments)]
        {
            if rate == 0 {
                return Err(refused(field, "must be greater than zero"));
            }
        }
        Ok(())
    }
}

/// Returns the base URL for `Debug`, or `***` if it may hold a secret.
pub(super) fn shown(base_url: &str) -> &str {
    if address::parse(base_url).is_ok() { base_url } else { "***" }
}

/// Checks an id that becomes a segment of each path. Percent-encoding does not prevent dots from leading up.
fn check_id(id: &str) -> Result<(), &'static str> {
    if matches!(id, "" | "." | "..") {
        Err("is empty, `.` or `..`")
    } else if id.contains(|c: char| c == '/' || c.is_control() || c.is_whitespace()) {
        Err("contains a slash, white space or a control character")
    } else {
        Ok(())
    }
}

/// Checks a value that is sent in a header.
fn check_header(text: &str) -> Result<(), &'static str> {
    if text.is_empty() {
        Err("is empty")
    } else if text.bytes().all(|byte| byte.is_ascii_graphic()) {
        Ok(())
    } else {
        Err("contains white space, a control character or a non-ASCII character")
    }
}

fn check_purpose(purpose: &str) -> Result<(), &'static str> {
    let accepted = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
    if !purpose.is_empty() && purpose.chars().all(accepted) {
        Ok(())
    } else {
        Err("may contain only letters, digits, `_` and `-`")
    }
}

fn refused(field: &str, reason: &str) -> Error {
    Error::new(ErrorKind::InvalidInput).with_message(format!("`{field}`: {reason}"))
}
