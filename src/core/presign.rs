//! Requests that work without f9.

use std::fmt;
use std::time::SystemTime;

use serde::{Deserialize, Serialize};

/// What a [presigned](crate::AsyncFileBackend::presign) request does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum PresignOperation {
    /// Reads the file.
    Read,
    /// Creates or replaces the file.
    Write,
    /// Deletes the file.
    Delete,
}

/// A request that anyone can send until it expires, without credentials.
///
/// The URL is a secret: `Debug` does not show its query.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct PresignedRequest {
    /// The HTTP method, such as `GET`.
    pub method: String,
    /// The URL, with its signature.
    pub url: String,
    /// The headers that the request must have.
    pub headers: Vec<(String, String)>,
    /// When it expires.
    #[serde(with = "crate::core::rfc3339")]
    pub expires_at: Option<SystemTime>,
}

impl PresignedRequest {
    /// Creates a request without headers.
    #[must_use]
    pub fn new(method: impl Into<String>, url: impl Into<String>, expires_at: SystemTime) -> Self {
        let (method, url, expires_at) = (method.into(), url.into(), Some(expires_at));
        Self { method, url, headers: Vec::new(), expires_at }
    }
}

impl fmt::Debug for PresignedRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = self.url.split('?').next().unwrap_or_default();
        f.debug_struct("PresignedRequest")
            .field("method", &self.method)
            .field("url", &format_args!("{shown}?…"))
            .field("expires_at", &self.expires_at)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_hides_the_signature() {
        let request = PresignedRequest::new(
            "GET",
            "https://host/a?X-Signature=s3cr3t",
            SystemTime::UNIX_EPOCH,
        );
        let shown = format!("{request:?}");
        assert!(shown.contains("https://host/a") && !shown.contains("s3cr3t"), "{shown}");
    }
}
