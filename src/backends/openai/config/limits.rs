//! The timeouts and rate limits of calls.

use std::time::Duration;

use serde::Deserialize;

use crate::core::options::setters;

/// The timeouts of calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct OpenAITimeouts {
    /// For connecting; 5 seconds by default.
    #[serde(deserialize_with = "crate::core::duration::required")]
    pub connect: Duration,
    /// Between two received pieces; 60 seconds by default.
    #[serde(deserialize_with = "crate::core::duration::required")]
    pub idle: Duration,
    /// For one call with all its retries, and for all pages of a listing together; 10 minutes by default. Of a download, only the time
    /// counts in which f9 waits for the service.
    #[serde(deserialize_with = "crate::core::duration::required")]
    pub total: Duration,
    /// For the service to parse a file, where f9 waits for that; 2 minutes by default.
    #[serde(deserialize_with = "crate::core::duration::required")]
    pub indexing: Duration,
}

/// The rate limits of a handle and its clones, in calls per minute. A whole minute's calls may be sent at once; no minute has more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct OpenAIRates {
    /// Uploads of files; 1,000 by default, as OpenAI documents.
    pub uploads: u32,
    /// Attachments to the vector store, of files and of batches; 300 by default, as OpenAI documents.
    pub attachments: u32,
}

setters!(OpenAITimeouts {
    /// Sets the timeout for connecting.
    with_connect(connect: Duration) => connect;
    /// Sets the timeout between two received pieces.
    with_idle(idle: Duration) => idle;
    /// Sets the timeout for one call with all its retries.
    with_total(total: Duration) => total;
    /// Sets the timeout for parsing a file.
    with_indexing(indexing: Duration) => indexing;
});

setters!(OpenAIRates {
    /// Sets the uploads per minute.
    with_uploads(uploads: u32) => uploads;
    /// Sets the attachments per minute.
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
