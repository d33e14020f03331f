//! Whether a configuration makes sense.

use std::net::IpAddr;
use std::ops::RangeInclusive;
use std::time::Duration;

use reqwest::Url;

use super::{OpenAIChunking, OpenAIConfig};
use crate::seconds::YEAR;
use crate::{Error, ErrorKind, Result, Secret, offload};

/// More calls than that at a time, or repetitions of one, are a mistake.
const CONCURRENCY: RangeInclusive<usize> = 1..=256;
const MAX_RETRIES: u32 = 20;

/// What the service accepts for the size of a chunk, in tokens.
const CHUNK_SIZES: RangeInclusive<u32> = 100..=4096;

impl OpenAIConfig {
    /// Gets the key from where it is kept.
    ///
    /// # Errors
    ///
    /// [`InvalidInput`](ErrorKind::InvalidInput) telling where it was looked for.
    pub(crate) async fn read_api_key(&self) -> Result<Secret> {
        let source = self.api_key.clone();
        // The file may be slow to answer: it may stand on a network, or be a FIFO.
        offload::run(move || source.resolve()).await.map_err(|error| {
            let reason = error.message().unwrap_or("it cannot be read").to_owned();
            refused("api_key", &reason).with_source(error)
        })
    }

    /// Finds out whether the configuration makes sense, without looking at anything outside of it. `api_key` is what
    /// [`read_api_key`](Self::read_api_key) found, where it is known yet.
    ///
    /// # Errors
    ///
    /// [`InvalidInput`](ErrorKind::InvalidInput) naming the field that cannot be, and never a value.
    pub(crate) fn check(&self, api_key: Option<&Secret>) -> Result<()> {
        check_id(&self.vector_store_id).map_err(|reason| refused("vector_store_id", reason))?;
        let base_url = self.parsed_base_url()?;
        if base_url.scheme() == "http" && !self.allow_http && !is_this_machine(&base_url) {
            let reason = "over HTTP everybody on the way can read the key and the files; \
                          if that is all right, set `allow_http`";
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

    /// Where the service is.
    ///
    /// # Errors
    ///
    /// [`InvalidInput`](ErrorKind::InvalidInput), without the text, which may hold a password by mistake.
    pub(crate) fn parsed_base_url(&self) -> Result<Url> {
        parse_url(&self.base_url).map_err(|reason| refused("base_url", reason))
    }

    fn check_durations(&self) -> Result<()> {
        let timeouts = [
            ("timeouts.connect", self.timeouts.connect),
            ("timeouts.idle", self.timeouts.idle),
            ("timeouts.total", self.timeouts.total),
            ("timeouts.indexing", self.timeouts.indexing),
        ];
        if let Some((field, _)) = timeouts.iter().find(|(_, timeout)| timeout.is_zero()) {
            return Err(refused(field, "nothing can be done in no time"));
        }
        let waits = [("cache_ttl", self.cache_ttl), ("retry_delay", self.retry_delay)];
        let too_long = |&&(_, duration): &&(&str, Duration)| duration > YEAR;
        match waits.iter().chain(&timeouts).find(too_long) {
            Some((field, _)) => Err(refused(field, "it is longer than a year")),
            None => Ok(()),
        }
    }

    fn check_numbers(&self) -> Result<()> {
        if !CONCURRENCY.contains(&self.concurrency) {
            return Err(refused("concurrency", "it is not between 1 and 256"));
        }
        if self.retries > MAX_RETRIES {
            return Err(refused("retries", "it is more than 20"));
        }
        if let OpenAIChunking::Static { max_chunk_size_tokens, chunk_overlap_tokens } =
            self.chunking
        {
            if !CHUNK_SIZES.contains(&max_chunk_size_tokens) {
                let field = "chunking.static.max_chunk_size_tokens";
                return Err(refused(field, "it is not between 100 and 4096"));
            }
            if chunk_overlap_tokens > max_chunk_size_tokens / 2 {
                let field = "chunking.static.chunk_overlap_tokens";
                return Err(refused(field, "it is more than half a chunk"));
            }
        }
        let rates = self.rates.unwrap_or_default();
        for (field, rate) in
            [("rates.uploads", rates.uploads), ("rates.attachments", rates.attachments)]
        {
            if rate == 0 {
                return Err(refused(field, "nothing could ever be done"));
            }
        }
        Ok(())
    }
}

/// Checks what becomes a segment of the path of each call. It is percent-encoded there, but that does not keep dots from leading up.
fn check_id(id: &str) -> Result<(), &'static str> {
    if matches!(id, "" | "." | "..") {
        Err("it is empty, or nothing but dots")
    } else if id.contains(|c: char| c == '/' || c.is_control() || c.is_whitespace()) {
        Err("it holds a slash, white space or a control character")
    } else {
        Ok(())
    }
}

/// Checks what is sent in a header.
fn check_header(text: &str) -> Result<(), &'static str> {
    if text.is_empty() {
        Err("it is empty")
    } else if text.bytes().all(|byte| byte.is_ascii_graphic()) {
        Ok(())
    } else {
        Err("it holds white space, a control character or something else that is not ASCII")
    }
}

fn check_purpose(purpose: &str) -> Result<(), &'static str> {
    let accepted = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
    if !purpose.is_empty() && purpose.chars().all(accepted) {
        Ok(())
    } else {
        Err("it is not made of letters, digits, `_` and `-`")
    }
}

/// Takes a base URL apart, strictly: what a browser would mend is refused.
fn parse_url(text: &str) -> Result<Url, &'static str> {
    let lower = text.to_ascii_lowercase();
    if !lower.starts_with("https://") && !lower.starts_with("http://") {
        return Err("it does not begin with `https://`");
    }
    if text.contains(|c: char| c == '\\' || c.is_control() || c.is_whitespace()) {
        return Err("it holds white space, a control character or a backslash");
    }
    // Looked for in the text: a password may hold any of them, and then it is not where it seems.
    if text.contains('@') {
        return Err("it holds an `@`; the key belongs into `api_key`");
    }
    if text.contains(['?', '#']) {
        return Err("it has a query or a fragment");
    }
    if lower.contains(":///") {
        return Err("it has no host");
    }
    Url::parse(text).map_err(|_| "it is no URL")
}

/// Whether nobody else is on the way to the service.
pub(crate) fn is_this_machine(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    let address = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || address.parse().is_ok_and(|address: IpAddr| address.is_loopback())
}

/// What of a base URL may be seen: nothing if a secret may be in it.
pub(super) fn shown(base_url: &str) -> &str {
    if parse_url(base_url).is_ok() { base_url } else { "***" }
}

fn refused(field: &str, reason: &str) -> Error {
    Error::new(ErrorKind::InvalidInput).with_message(format!("`{field}`: {reason}"))
}
