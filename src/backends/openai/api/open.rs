//! How a client is made of a configuration.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use reqwest::Url;
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue};
use serde_json::{Value, json};
use tokio::sync::Semaphore;

use super::failure::{Redaction, error, root_cause};
use super::pace::Pace;
use super::recent::Recent;
use super::transport::Transport;
use super::{Client, Inner};
use crate::retry::Backoff;
use crate::seconds::YEAR;
use crate::{ErrorKind, OpenAIChunking, OpenAIConfig, OpenAIRates, OpenAITimeouts, Result, Secret};

/// The host whose limits are known.
const OPENAI: &str = "api.openai.com";

/// For how long an answer is not believed that denies what was done a moment before.
const DOUBT: Duration = Duration::from_secs(10);

/// Shorter than what lies between keeps connections for that nobody uses.
const IDLE_CONNECTION: Duration = Duration::from_secs(30);

impl Client {
    /// Connects to nothing yet, but reads the certificates of the system: call it where a little blocking is allowed.
    ///
    /// # Errors
    ///
    /// [`InvalidInput`](ErrorKind::InvalidInput) for a configuration that cannot work;
    /// [`UntrustedServer`](ErrorKind::UntrustedServer) if no certificates can be had.
    pub(in super::super) fn new(config: &OpenAIConfig, key: Secret) -> Result<Self> {
        let url = base_url(&config.base_url)?;
        let headers = headers(config, &key)?;
        check_numbers(config)?;
        let of_openai = url.host_str() == Some(OPENAI);
        let rates = config.rates.or_else(|| of_openai.then(OpenAIRates::default));
        let transport = Transport {
            http: http(&url, headers, config)?,
            host: host(&url),
            base_url: url.into(),
            send_beta_header: config.send_beta_header,
            timeouts: bounded(config.timeouts),
            backoff: Backoff { retries: config.retries, first: config.retry_delay.min(YEAR) },
            permits: Semaphore::new(config.concurrency.min(Semaphore::MAX_PERMITS)),
            sent: AtomicU64::new(0),
            redaction: Redaction(key),
        };
        let client = Self(Arc::new(Inner {
            transport,
            vector_store: config.vector_store_id.clone(),
            purpose: config.purpose.clone(),
            chunking: chunking(config.chunking),
            uploads: rates.map(|rates| Pace::per_minute(rates.uploads)),
            attachments: rates.map(|rates| Pace::per_minute(rates.attachments)),
            recent: Recent::new(DOUBT.min(config.timeouts.total)),
        }));
        client.store_path("")?;
        Ok(client)
    }
}

fn invalid(message: impl Into<String>) -> crate::Error {
    error(ErrorKind::InvalidInput, message)
}

/// The base URL with a slash at its end. Its text is not repeated in errors, as it may hold a password by mistake.
fn base_url(text: &str) -> Result<Url> {
    let mut url = Url::parse(text).map_err(|cause| invalid(format!("`base_url`: {cause}")))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(invalid("`base_url` is no URL of HTTP"));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(invalid("`base_url` holds a user; the service only knows the key"));
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err(invalid("`base_url` has a query or a fragment"));
    }
    let path = format!("{}/", url.path().trim_end_matches('/'));
    url.set_path(&path);
    Ok(url)
}

fn host(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
}

fn headers(config: &OpenAIConfig, key: &Secret) -> Result<HeaderMap> {
    let mut headers = HeaderMap::new();
    // Services of one's own often ask for no key.
    if !key.expose().is_empty() {
        let mut bearer = HeaderValue::from_str(&format!("Bearer {}", key.expose()))
            .map_err(|_| invalid("the key holds characters that cannot be sent"))?;
        bearer.set_sensitive(true);
        headers.insert(AUTHORIZATION, bearer);
    }
    for (name, field, value) in [
        ("openai-organization", "organization", &config.organization),
        ("openai-project", "project", &config.project),
    ] {
        if let Some(value) = value {
            let value = HeaderValue::from_str(value)
                .map_err(|_| invalid(format!("`{field}` holds characters that cannot be sent")))?;
            headers.insert(HeaderName::from_static(name), value);
        }
    }
    Ok(headers)
}

fn check_numbers(config: &OpenAIConfig) -> Result<()> {
    if config.concurrency == 0 {
        return Err(invalid("`concurrency` is zero"));
    }
    if config.rates.is_some_and(|rates| rates.uploads == 0 || rates.attachments == 0) {
        return Err(invalid("a rate of zero calls a minute"));
    }
    let OpenAITimeouts { connect, idle, total, .. } = config.timeouts;
    if [connect, idle, total].iter().any(Duration::is_zero) {
        return Err(invalid("a timeout of zero"));
    }
    Ok(())
}

/// No clock reaches much further.
fn bounded(timeouts: OpenAITimeouts) -> OpenAITimeouts {
    let OpenAITimeouts { connect, idle, total, indexing } = timeouts;
    let [connect, idle, total] = [connect, idle, total].map(|timeout| timeout.min(YEAR));
    OpenAITimeouts { connect, idle, total, indexing }
}

fn http(url: &Url, headers: HeaderMap, config: &OpenAIConfig) -> Result<reqwest::Client> {
    let mut builder = reqwest::Client::builder()
        .user_agent(concat!("f9/", env!("CARGO_PKG_VERSION")))
        .default_headers(headers)
        .connect_timeout(config.timeouts.connect.min(YEAR))
        .pool_idle_timeout(IDLE_CONNECTION)
        .pool_max_idle_per_host(config.concurrency)
        // A redirected POST would become a GET, or its content be missing; and the key is for one service alone.
        .redirect(reqwest::redirect::Policy::none())
        .referer(false)
        // Repetitions are counted and paced here.
        .retry(reqwest::retry::never());
    if is_loopback(url) {
        builder = builder.no_proxy();
        if url.scheme() == "http" {
            builder = builder.tls_certs_only([]);
        }
    }
    builder.build().map_err(|cause| {
        let message = format!("TLS cannot be set up: {}", root_cause(&cause));
        error(ErrorKind::UntrustedServer, message)
    })
}

fn is_loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    let address = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    host == "localhost" || address.is_ok_and(|address| address.is_loopback())
}

fn chunking(chunking: OpenAIChunking) -> Option<Value> {
    match chunking {
        OpenAIChunking::Auto => None,
        OpenAIChunking::Static { max_chunk_size_tokens, chunk_overlap_tokens } => Some(json!({
            "type": "static",
            "static": {
                "max_chunk_size_tokens": max_chunk_size_tokens,
                "chunk_overlap_tokens": chunk_overlap_tokens,
            },
        })),
    }
}
