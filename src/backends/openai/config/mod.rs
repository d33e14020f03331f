//! The configuration of an OpenAI vector store.

use std::fmt;
use std::time::Duration;

use serde::Deserialize;

use crate::core::options::setters;
use crate::core::secret::SecretSource;

mod check;
mod choices;
mod limits;

pub use choices::{OpenAIChunking, OpenAIEncoding, OpenAIReadMode};
pub use limits::{OpenAIRates, OpenAITimeouts};

/// The address of OpenAI's own service.
pub(super) const OPENAI_URL: &str = "https://api.openai.com/v1";

/// The configuration of an OpenAI vector store.
///
/// In JSON, only `vector_store_id` is required; an unknown field is an error that lists the known ones. Durations are numbers of
/// seconds. Invalid settings are reported when the backend opens. `Debug` shows no key, and hides a `base_url` that may hold a
/// secret.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use f9::{OpenAIConfig, OpenAIEncoding};
///
/// # fn main() -> serde_json::Result<()> {
/// let config = OpenAIConfig::new("vs_123")
///     .with_api_key("env:NOTES_KEY")
///     .with_cache_ttl(Duration::from_secs(5))
///     .with_encoding(OpenAIEncoding::Framed);
///
/// let json = r#"{
///     "vector_store_id": "vs_123",
///     "api_key": "env:NOTES_KEY",
///     "cache_ttl": 5,
///     "encoding": "framed"
/// }"#;
/// assert_eq!(serde_json::from_str::<OpenAIConfig>(json)?, config);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct OpenAIConfig {
    /// The vector store, `vs_…`. It must exist.
    pub vector_store_id: String,
    /// The key or its source; the environment variable `OPENAI_API_KEY` by default. It is read when the backend opens.
    #[serde(default = "key_from_the_environment")]
    pub api_key: SecretSource,
    /// The address of the service with its version; `https://api.openai.com/v1` by default.
    #[serde(default = "openai_url")]
    pub base_url: String,
    /// Whether `base_url` may be plain HTTP to another machine; `false` by default. Over HTTP, everybody on the network can read
    /// the key and the files.
    #[serde(default)]
    pub allow_http: bool,
    /// The organization to which calls are billed (`OpenAI-Organization`).
    #[serde(default)]
    pub organization: Option<String>,
    /// The project to which calls are billed (`OpenAI-Project`).
    #[serde(default)]
    pub project: Option<String>,
    /// The purpose of uploads; `assistants` by default. It decides whether files can be downloaded: OpenAI forbids it for
    /// `assistants` and `user_data`, and accepts only `.jsonl` files for `batch`, which f9 does not write. Other servers allow all
    /// downloads.
    #[serde(default = "assistants")]
    pub purpose: String,
    /// How long a listing of the store is reused. Zero, the default, lists before each operation. Changes of another *process* are
    /// not seen during that time: its new files count as missing, and `create` writes a newer version over them.
    #[serde(default, deserialize_with = "crate::core::duration::required")]
    pub cache_ttl: Duration,
    /// The encoding of written content.
    #[serde(default)]
    pub encoding: OpenAIEncoding,
    /// Where content is read from.
    #[serde(default)]
    pub read: OpenAIReadMode,
    /// How the service splits files into chunks for search.
    #[serde(default)]
    pub chunking: OpenAIChunking,
    /// The timeouts of calls.
    #[serde(default)]
    pub timeouts: OpenAITimeouts,
    /// How often a failed call is retried if the failure is temporary; 4 by default. If the service asks to wait longer than two
    /// minutes, the call fails instead, and [`Error::retry_after`](crate::Error::retry_after) returns the time.
    #[serde(default = "four")]
    pub retries: u32,
    /// The wait before the first retry, unless the service names one; it doubles with each retry, up to 8 seconds. Half a second by
    /// default.
    #[serde(default = "half_a_second", deserialize_with = "crate::core::duration::required")]
    pub retry_delay: Duration,
    /// How many calls may be in flight at a time; 16 by default.
    #[serde(default = "sixteen")]
    pub concurrency: usize,
    /// The rate limits. By default, `None` applies OpenAI's documented limits if `base_url` is OpenAI's own, and no limits
    /// elsewhere.
    #[serde(default)]
    pub rates: Option<OpenAIRates>,
    /// Whether to send `OpenAI-Beta: assistants=v2`, as OpenAI's own libraries do; `true` by default.
    #[serde(default = "yes")]
    pub send_beta_header: bool,
}

impl OpenAIConfig {
    /// Creates the configuration of a vector store with defaults for everything else.
    #[must_use]
    pub fn new(vector_store_id: impl Into<String>) -> Self {
        Self {
            vector_store_id: vector_store_id.into(),
            api_key: key_from_the_environment(),
            base_url: openai_url(),
            allow_http: false,
            organization: None,
            project: None,
            purpose: assistants(),
            cache_ttl: Duration::ZERO,
            encoding: OpenAIEncoding::default(),
            read: OpenAIReadMode::default(),
            chunking: OpenAIChunking::default(),
            timeouts: OpenAITimeouts::default(),
            retries: four(),
            retry_delay: half_a_second(),
            concurrency: sixteen(),
            rates: None,
            send_beta_header: true,
        }
    }
}

setters!(OpenAIConfig {
    /// Sets the key, a [`Secret`](crate::Secret) or its source.
    with_api_key(api_key: impl Into<SecretSource>) => api_key.into();
    /// Sets the address of the service.
    with_base_url(base_url: impl Into<String>) => base_url.into();
    /// Sets the organization to which calls are billed.
    with_organization(organization: impl Into<String>) => Some(organization.into());
    /// Sets the project to which calls are billed.
    with_project(project: impl Into<String>) => Some(project.into());
    /// Sets the purpose of uploads.
    with_purpose(purpose: impl Into<String>) => purpose.into();
    /// Sets whether plain HTTP to another machine is allowed.
    with_allow_http(allow_http: bool) => allow_http;
    /// Sets how long a listing of the store is reused.
    with_cache_ttl(cache_ttl: Duration) => cache_ttl;
    /// Sets the encoding of written content.
    with_encoding(encoding: OpenAIEncoding) => encoding;
    /// Sets where content is read from.
    with_read(read: OpenAIReadMode) => read;
    /// Sets how the service splits files into chunks.
    with_chunking(chunking: OpenAIChunking) => chunking;
    /// Sets the timeouts of calls.
    with_timeouts(timeouts: OpenAITimeouts) => timeouts;
    /// Sets how often a call is retried.
    with_retries(retries: u32) => retries;
    /// Sets the wait before the first retry.
    with_retry_delay(retry_delay: Duration) => retry_delay;
    /// Sets how many calls may be in flight at a time.
    with_concurrency(concurrency: usize) => concurrency;
    /// Sets the rate limits.
    with_rates(rates: OpenAIRates) => Some(rates);
    /// Sets whether `OpenAI-Beta: assistants=v2` is sent.
    with_send_beta_header(send_beta_header: bool) => send_beta_header;
});

impl fmt::Debug for OpenAIConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OpenAIConfig")
            .field("vector_store_id", &self.vector_store_id)
            .field("api_key", &self.api_key)
            .field("base_url", &check::shown(&self.base_url))
            .field("allow_http", &self.allow_http)
            .field("organization", &self.organization)
            .field("project", &self.project)
            .field("purpose", &self.purpose)
            .field("cache_ttl", &self.cache_ttl)
            .field("encoding", &self.encoding)
            .field("read", &self.read)
            .field("chunking", &self.chunking)
            .field("timeouts", &self.timeouts)
            .field("retries", &self.retries)
            .field("retry_delay", &self.retry_delay)
            .field("concurrency", &self.concurrency)
            .field("rates", &self.rates)
            .field("send_beta_header", &self.send_beta_header)
            .finish()
    }
}

fn key_from_the_environment() -> SecretSource {
    SecretSource::Variable("OPENAI_API_KEY".to_owned())
}

fn openai_url() -> String {
    OPENAI_URL.to_owned()
}

fn assistants() -> String {
    "assistants".to_owned()
}

fn four() -> u32 {
    4
}

fn half_a_second() -> Duration {
    Duration::from_millis(500)
}

fn sixteen() -> usize {
    16
}

fn yes() -> bool {
    true
}

#[cfg(test)]
mod tests;
