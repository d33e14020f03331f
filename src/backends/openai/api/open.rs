//! How a client is made of a configuration.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use reqwest::Url;
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue};
use serde_json::{Value, json};
use tokio::sync::Semaphore;

use super::failure::{Redaction, error, root_cause};
use super::pace::Pace;
use super::recent::{Attached, Recent};
use super::transport::Transport;
use super::{Client, Inner};
use crate::backends::openai::config::is_this_machine;
use crate::retry::Backoff;
use crate::{ErrorKind, OpenAIChunking, OpenAIConfig, OpenAIRates, Result, Secret};

/// The host whose limits are known.
const OPENAI: &str = "api.openai.com";

/// For how long an answer is not believed that denies what was done a moment before.
const DOUBT: Duration = Duration::from_secs(10);

/// Shorter than what lies between keeps connections for that nobody uses.
const IDLE_CONNECTION: Duration = Duration::from_secs(30);

impl Client {
    /// A client of a configuration that has been [checked](OpenAIConfig::check). It connects to nothing yet, but reads the certificates of
    /// the system: call it where a little blocking is allowed.
    ///
    /// # Errors
    ///
    /// [`UntrustedServer`](ErrorKind::UntrustedServer) if no certificates can be had.
    pub(in super::super) fn new(
        config: &OpenAIConfig,
        key: Secret,
        attached: Arc<Attached>,
    ) -> Result<Self> {
        let url = base_url(config)?;
        let headers = headers(config, &key)?;
        let of_openai = url.host_str() == Some(OPENAI);
        let rates = config.rates.or_else(|| of_openai.then(OpenAIRates::default));
        let transport = Transport {
            http: http(&url, headers, config)?,
            host: host(&url),
            base_url: url.into(),
            send_beta_header: config.send_beta_header,
            timeouts: config.timeouts,
            backoff: Backoff { retries: config.retries, first: config.retry_delay },
            permits: Semaphore::new(config.concurrency),
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
            recent: Recent::new(DOUBT.min(config.timeouts.total), attached),
        }));
        client.store_path("")?;
        Ok(client)
    }
}

/// The base URL with a slash at its end.
fn base_url(config: &OpenAIConfig) -> Result<Url> {
    let mut url = config.parsed_base_url()?;
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
    let mut bearer = header(&format!("Bearer {}", key.expose()))?;
    bearer.set_sensitive(true);
    headers.insert(AUTHORIZATION, bearer);
    for (name, value) in
        [("openai-organization", &config.organization), ("openai-project", &config.project)]
    {
        if let Some(value) = value {
            headers.insert(HeaderName::from_static(name), header(value)?);
        }
    }
    Ok(headers)
}

fn header(value: &str) -> Result<HeaderValue> {
    let unsent = |_| error(ErrorKind::InvalidInput, "a value cannot be sent in a header");
    HeaderValue::from_str(value).map_err(unsent)
}

fn http(url: &Url, headers: HeaderMap, config: &OpenAIConfig) -> Result<reqwest::Client> {
    let mut builder = reqwest::Client::builder()
        .user_agent(concat!("f9/", env!("CARGO_PKG_VERSION")))
        .default_headers(headers)
        .connect_timeout(config.timeouts.connect)
        .pool_idle_timeout(IDLE_CONNECTION)
        .pool_max_idle_per_host(config.concurrency)
        // A redirected POST would become a GET, or its content be missing; and the key is for one service alone.
        .redirect(reqwest::redirect::Policy::none())
        .referer(false)
        // Repetitions are counted and paced here.
        .retry(reqwest::retry::never());
    if is_this_machine(url) {
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
