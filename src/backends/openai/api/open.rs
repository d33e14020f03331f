//! Creates a client from a configuration.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use reqwest::Url;
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderValue};
use tokio::sync::Semaphore;

use super::failure::{error, root_cause};
use super::transport::Transport;
use super::{Client, Inner};

use crate::backends::openai::recent_writes::RecentWrites;
use crate::backends::openai::{OpenAIConfig, OpenAIRates};
use crate::core::error::{ErrorKind, Result};
use crate::core::secret::Secret;
use crate::net::address::is_this_machine;
use crate::net::key_redaction::Redaction;
use crate::net::rate_limit::RateLimiter;
use crate::net::resolve::SystemResolver;
use crate::net::retry::Backoff;

/// The host whose rate limits are documented.
const OPENAI: &str = "api.openai.com";

/// How long after an attachment a 404 for it is retried.
const PROPAGATION_DELAY: Duration = Duration::from_secs(10);

/// Shorter than the idle timeout of common proxies.
const IDLE_CONNECTION: Duration = Duration::from_secs(30);

impl Client {
    /// Creates a client from a [checked](OpenAIConfig::check) configuration. It does not connect, but it reads the system's
    /// certificates: call it where brief blocking is allowed.
    ///
    /// # Errors
    ///
    /// [`UntrustedServer`](ErrorKind::UntrustedServer) if the certificates cannot be loaded.
    pub(crate) fn new(
        config: &OpenAIConfig,
        key: Secret,
        recent_writes: Arc<RecentWrites>,
    ) -> Result<Self> {
        let mut url = config.parsed_base_url()?;
        let path = format!("{}/", url.path().trim_end_matches('/'));
        url.set_path(&path);
        let headers = headers(config, &key)?;
        let is_openai = url.host_str() == Some(OPENAI);
        let rates = config.rates.or_else(|| is_openai.then(OpenAIRates::default));
        let transport = Transport {
            http: http(&url, headers, config)?,
            // The configuration allows no user name, so this is the host with its port.
            host: url.authority().to_owned(),
            base_url: url.into(),
            send_beta_header: config.send_beta_header,
            timeouts: config.timeouts,
            backoff: Backoff { max_retries: config.retries, first: config.retry_delay },
            slots: Semaphore::new(config.concurrency),
            requests_sent: AtomicU64::new(0),
            redaction: Redaction::new(key),
        };
        Ok(Self(Arc::new(Inner {
            transport,
            vector_store: config.vector_store_id.clone(),
            purpose: config.purpose.clone(),
            chunking: config.chunking,
            uploads: rates.map(|rates| RateLimiter::per_minute(rates.uploads)),
            attachments: rates.map(|rates| RateLimiter::per_minute(rates.attachments)),
            recent_writes,
            propagation_delay: PROPAGATION_DELAY.min(config.timeouts.total),
        })))
    }
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
            headers.insert(name, header(value)?);
        }
    }
    Ok(headers)
}

fn header(value: &str) -> Result<HeaderValue> {
    let invalid =
        |_| error(ErrorKind::InvalidInput, "a value contains characters that a header cannot hold");
    HeaderValue::from_str(value).map_err(invalid)
}

fn http(url: &Url, headers: HeaderMap, config: &OpenAIConfig) -> Result<reqwest::Client> {
    let mut builder = reqwest::Client::builder()
        .user_agent(concat!("f9/", env!("CARGO_PKG_VERSION")))
        .default_headers(headers)
        .dns_resolver(SystemResolver)
        .connect_timeout(config.timeouts.connect)
        .pool_idle_timeout(IDLE_CONNECTION)
        .pool_max_idle_per_host(config.concurrency)
        // A redirected POST would become a GET or lose its body, and the key must not reach another host.
        .redirect(reqwest::redirect::Policy::none())
        .referer(false)
        // Retries are counted and rate limited by the transport.
        .retry(reqwest::retry::never());
    if is_this_machine(url) {
        builder = builder.no_proxy();
        if url.scheme() == "http" {
            builder = builder.tls_certs_only([]);
        }
    }
    builder.build().map_err(|cause| {
        let message = format!("cannot set up TLS: {}", root_cause(&cause));
        error(ErrorKind::UntrustedServer, message)
    })
}
