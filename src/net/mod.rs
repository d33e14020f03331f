//! What any HTTP backend needs: retries, rate limits, redaction and percent-encoding.

#[cfg(any(feature = "object-store", feature = "openai"))]
pub(crate) mod address;
#[cfg(feature = "openai")]
pub(crate) mod key_redaction;
pub(crate) mod percent;
#[cfg(feature = "openai")]
pub(crate) mod rate_limit;
#[cfg(any(feature = "object-store", feature = "openai"))]
pub(crate) mod resolve;
#[cfg(any(feature = "object-store", feature = "openai"))]
pub(crate) mod retry;
