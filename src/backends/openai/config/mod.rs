//! What a user says of an OpenAI vector store.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::Deserialize;

use crate::options::setters;
use crate::{Error, ErrorKind, Result, SecretSource};

mod check;

pub(super) use check::is_this_machine;

/// Where the service of OpenAI itself is.
pub(super) const OPENAI_URL: &str = "https://api.openai.com/v1";

/// Which vector store is worked with, as whom, and how.
///
/// From JSON, only `vector_store_id` is needed; a field of another name is an error that lists the known ones. Durations are numbers
/// of seconds. What cannot work is told when the backend opens. `Debug` shows no key, and of a `base_url` that holds more than an address
/// nothing.
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
    /// The key, or where it is kept; the environment variable `OPENAI_API_KEY` by default. Read when the backend opens.
    #[serde(default = "key_from_the_environment")]
    pub api_key: SecretSource,
    /// Where the service is, with its version: `https://api.openai.com/v1` by default.
    #[serde(default = "openai_url")]
    pub base_url: String,
    /// Whether `base_url` may be one of plain HTTP that leads to another machine; `false` by default. Then everybody on the way can read
    /// the key and the files.
    #[serde(default)]
    pub allow_http: bool,
    /// The organization that calls are counted for (`OpenAI-Organization`).
    #[serde(default)]
    pub organization: Option<String>,
    /// The project that calls are counted for (`OpenAI-Project`).
    #[serde(default)]
    pub project: Option<String>,
    /// The purpose that files are uploaded for; `assistants` by default. It decides whether the service gives files back: OpenAI does not
    /// for `assistants` and `user_data`, and takes only `.jsonl` files for `batch`, which f9 does not write. Other servers give all back.
    #[serde(default = "assistants")]
    pub purpose: String,
    /// For how long what is known of the store is not asked for again. Zero, the default, asks before each operation. What another *process*
    /// does meanwhile is not seen: a file of its that is not known is taken for missing, and `create` puts another version before it.
    #[serde(default, deserialize_with = "crate::seconds::required")]
    pub cache_ttl: Duration,
    /// How content is written.
    #[serde(default)]
    pub encoding: OpenAIEncoding,
    /// Where content is read from.
    #[serde(default)]
    pub read: OpenAIReadMode,
    /// How the service cuts files into chunks, for search.
    #[serde(default)]
    pub chunking: OpenAIChunking,
    /// How long calls may take.
    #[serde(default)]
    pub timeouts: OpenAITimeouts,
    /// How often a call that failed for a passing reason is tried again; 4 times by default. Where the service asks for a longer wait than
    /// two minutes, it is not: the error tells the time, see [`Error::retry_after`].
    #[serde(default = "four")]
    pub retries: u32,
    /// How long is waited before the first repetition, where the service does not say; doubled for each that follows, up to 8
    /// seconds. Half a second by default.
    #[serde(default = "half_a_second", deserialize_with = "crate::seconds::required")]
    pub retry_delay: Duration,
    /// How many calls may be under way at a time; 16 by default.
    #[serde(default = "sixteen")]
    pub concurrency: usize,
    /// How many calls a minute are made at most. `None` keeps to what OpenAI documents where `base_url` is OpenAI's own, and knows no
    /// bounds elsewhere.
    #[serde(default)]
    pub rates: Option<OpenAIRates>,
    /// Whether `OpenAI-Beta: assistants=v2` is sent, as OpenAI's own libraries do; `true` by default.
    #[serde(default = "yes")]
    pub send_beta_header: bool,
}

/// How content is written into a vector store.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum OpenAIEncoding {
    /// Text as it is, everything else framed.
    #[default]
    Auto,
    /// As it is; what is not UTF-8 text, or has a NUL in it, is refused with [`InvalidData`](crate::ErrorKind::InvalidData).
    Raw,
    /// In numbered lines with checksums, which come back exactly also from the text that the service has parsed. Costs two thirds
    /// more space, and such a file cannot be found by its words.
    Framed,
}

/// Where content is read from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum OpenAIReadMode {
    /// From the file, and where the service forbids that, from the text it has parsed.
    #[default]
    Auto,
    /// From the file as it was uploaded.
    FilesContent,
    /// From the text that the service has parsed for search.
    VectorStoreText,
}

/// How the service cuts files into chunks, for search.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
#[non_exhaustive]
pub enum OpenAIChunking {
    /// As the service does by default: 800 tokens, of which 400 overlap.
    #[default]
    Auto,
    /// In chunks of this many tokens, of which so many are those of the chunk before.
    Static {
        /// The longest that a chunk is, in tokens: 100 to 4,096.
        max_chunk_size_tokens: u32,
        /// How many tokens two neighbours share: half a chunk at most.
        chunk_overlap_tokens: u32,
    },
}

/// How long calls may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct OpenAITimeouts {
    /// For a connection to be made; 5 seconds by default.
    #[serde(deserialize_with = "crate::seconds::required")]
    pub connect: Duration,
    /// For the next bytes to come; 60 seconds by default.
    #[serde(deserialize_with = "crate::seconds::required")]
    pub idle: Duration,
    /// For one call with all its repetitions; 10 minutes by default.
    #[serde(deserialize_with = "crate::seconds::required")]
    pub total: Duration,
    /// For the service to parse a file, where that is waited for; 2 minutes by default.
    #[serde(deserialize_with = "crate::seconds::required")]
    pub indexing: Duration,
}

/// How many calls a minute a handle and its clones make at most. They may come at once; then their turn comes evenly.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct OpenAIRates {
    /// Uploads of files; 1,000 by default, as documented by OpenAI.
    pub uploads: u32,
    /// Attachments to the vector store, of files and of batches; 300 by default, as documented by OpenAI.
    pub attachments: u32,
}

impl OpenAIConfig {
    /// The configuration of a vector store, with everything else as it is by default.
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

    /// Sets the key, a [`Secret`](crate::Secret) or where one is kept.
    #[must_use]
    pub fn with_api_key(mut self, api_key: impl Into<SecretSource>) -> Self {
        self.api_key = api_key.into();
        self
    }

    /// Sets where the service is.
    #[must_use]
    pub fn with_base_url(mut self, base_url: impl Into<String>) -> Self {
        self.base_url = base_url.into();
        self
    }

    /// Sets the organization that calls are counted for.
    #[must_use]
    pub fn with_organization(mut self, organization: impl Into<String>) -> Self {
        self.organization = Some(organization.into());
        self
    }

    /// Sets the project that calls are counted for.
    #[must_use]
    pub fn with_project(mut self, project: impl Into<String>) -> Self {
        self.project = Some(project.into());
        self
    }

    /// Sets the purpose that files are uploaded for.
    #[must_use]
    pub fn with_purpose(mut self, purpose: impl Into<String>) -> Self {
        self.purpose = purpose.into();
        self
    }
}

setters!(OpenAIConfig {
    /// Sets whether plain HTTP may lead to another machine.
    with_allow_http(allow_http: bool) => allow_http;
    /// Sets for how long what is known of the store is not asked for again.
    with_cache_ttl(cache_ttl: Duration) => cache_ttl;
    /// Sets how content is written.
    with_encoding(encoding: OpenAIEncoding) => encoding;
    /// Sets where content is read from.
    with_read(read: OpenAIReadMode) => read;
    /// Sets how the service cuts files into chunks.
    with_chunking(chunking: OpenAIChunking) => chunking;
    /// Sets how long calls may take.
    with_timeouts(timeouts: OpenAITimeouts) => timeouts;
    /// Sets how often a call is tried again.
    with_retries(retries: u32) => retries;
    /// Sets how long is waited before the first repetition.
    with_retry_delay(retry_delay: Duration) => retry_delay;
    /// Sets how many calls may be under way at a time.
    with_concurrency(concurrency: usize) => concurrency;
    /// Sets how many calls a minute are made at most.
    with_rates(rates: OpenAIRates) => Some(rates);
    /// Sets whether `OpenAI-Beta: assistants=v2` is sent.
    with_send_beta_header(send_beta_header: bool) => send_beta_header;
});

setters!(OpenAITimeouts {
    /// Sets how long a connection may take to be made.
    with_connect(connect: Duration) => connect;
    /// Sets how long the next bytes may take to come.
    with_idle(idle: Duration) => idle;
    /// Sets how long one call may take with all its repetitions.
    with_total(total: Duration) => total;
    /// Sets how long the service may take to parse a file.
    with_indexing(indexing: Duration) => indexing;
});

setters!(OpenAIRates {
    /// Sets how many uploads a minute there are at most.
    with_uploads(uploads: u32) => uploads;
    /// Sets how many attachments a minute there are at most.
    with_attachments(attachments: u32) => attachments;
});

impl Default for OpenAITimeouts {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(5),
            idle: Duration::from_secs(60),
            total: Duration::from_secs(600),
            indexing: Duration::from_secs(120),
        }
    }
}

impl Default for OpenAIRates {
    fn default() -> Self {
        Self { uploads: 1000, attachments: 300 }
    }
}

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

impl OpenAIEncoding {
    /// The names that [`FromStr`] reads, for error messages.
    pub(crate) const ACCEPTED: &'static str = "auto, raw or framed";
}

impl FromStr for OpenAIEncoding {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match text {
            "auto" => Ok(Self::Auto),
            "raw" => Ok(Self::Raw),
            "framed" => Ok(Self::Framed),
            _ => Err(Error::new(ErrorKind::InvalidInput)
                .with_message(format!("an encoding is {}", Self::ACCEPTED))),
        }
    }
}

impl OpenAIReadMode {
    /// The names that [`FromStr`] reads, for error messages.
    pub(crate) const ACCEPTED: &'static str = "auto, files_content or vector_store_text";
}

impl FromStr for OpenAIReadMode {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match text {
            "auto" => Ok(Self::Auto),
            "files_content" => Ok(Self::FilesContent),
            "vector_store_text" => Ok(Self::VectorStoreText),
            _ => Err(Error::new(ErrorKind::InvalidInput)
                .with_message(format!("a way to read is {}", Self::ACCEPTED))),
        }
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
