//! The HTTP calls of the service, according to its documentation and its observed behaviour.
//!
//! Each call is one method of [`Client`], which decides when to retry it. The service has no idempotency keys. After an ambiguous
//! failure of a call that creates something, the client therefore checks whether it was created before it retries. Errors name this
//! backend, but no path and no operation.

mod answer;
mod attachments;
mod create;
mod failure;
mod files;
mod open;
mod pages;
#[cfg(test)]
mod tests;
mod transport;
mod upload;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use serde_json::{Value, json};

pub(super) use answer::{Attributes, SearchResult, StoredFile, VectorStoreFile};
use answer::{items, object};
use failure::{Target, error};
use transport::{Answer, Call, Transport};

use super::OpenAIChunking;
use super::recent_writes::RecentWrites;
use crate::core::error::{ErrorKind, Result};
use crate::net::percent::encoded;
use crate::net::rate_limit::RateLimiter;

/// A vector store and the files of its project. Clones are cheap and share connections, rate limits and counters.
///
/// # Cancel safety
///
/// Dropping the future of a call abandons it: the service may or may not do the work.
#[derive(Clone, Debug)]
pub(super) struct Client(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    transport: Transport,
    vector_store: String,
    purpose: String,
    /// Sent with each attachment.
    chunking: OpenAIChunking,
    uploads: Option<RateLimiter>,
    attachments: Option<RateLimiter>,
    recent_writes: Arc<RecentWrites>,
    /// How long the service may answer 404 for a new attachment.
    propagation_delay: Duration,
}

impl Client {
    /// Returns the address of the service, with a slash at the end.
    pub(super) fn base_url(&self) -> &str {
        &self.0.transport.base_url
    }

    /// Returns the number of requests sent, including retries.
    pub(super) fn requests(&self) -> u64 {
        self.0.transport.requests_sent.load(Ordering::Relaxed)
    }

    /// Returns whether the vector store has expired. An expired store has lost its files.
    pub(super) async fn is_vector_store_expired(&self) -> Result<bool> {
        let call = Call { target: Target::VectorStore, ..Call::get(self.store_path("")?) };
        let answer = self.call(&call).await?;
        // Like its files, a vector store has an id and a status.
        let store: VectorStoreFile = self.read(&answer, object)?;
        Ok(store.status == "expired")
    }

    /// Returns the files that match `query` best, best first. `max_results` is at most 50.
    pub(super) async fn search(
        &self,
        query: &str,
        filters: Option<Value>,
        max_results: u32,
    ) -> Result<Vec<SearchResult>> {
        let mut body = json!({ "query": query, "max_num_results": max_results });
        if let Some(filters) = filters {
            body["filters"] = filters;
        }
        let call = Call::post(self.store_path("/search")?, &body);
        let call = Call { target: Target::VectorStore, ..call };
        let answer = self.call(&call).await?;
        self.read(&answer, items)
    }

    /// Returns a path below the vector store.
    fn store_path(&self, rest: &str) -> Result<String> {
        Ok(format!("vector_stores/{}{rest}", segment(&self.0.vector_store)?))
    }

    async fn call(&self, call: &Call<'_>) -> Result<Answer> {
        let transport = &self.0.transport;
        let answer = transport.retry(call, &mut transport.retry_state()).await;
        answer.map_err(|failure| failure.error)
    }

    /// As [`read`](Self::read); `None` if the service responded with 404.
    fn read_if_found<T>(
        &self,
        answer: Result<Answer>,
        read: impl FnOnce(Value) -> Option<T>,
    ) -> Result<Option<T>> {
        match answer {
            Ok(answer) => self.read(&answer, read).map(Some),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Parses a response; fails if it is not what `read` expects.
    fn read<T>(&self, answer: &Answer, read: impl FnOnce(Value) -> Option<T>) -> Result<T> {
        let value = serde_json::from_slice(&answer.body).ok();
        value.and_then(read).ok_or_else(|| {
            let redaction = &self.0.transport.redaction;
            failure::unexpected(&answer.body, answer.request_id.as_deref(), redaction)
        })
    }
}

/// Encodes an id as a path segment.
fn segment(id: &str) -> Result<String> {
    // URLs drop such segments, even encoded ones.
    if matches!(id, "" | "." | "..") {
        return Err(error(ErrorKind::InvalidInput, format!("`{id}` is not a valid id")));
    }
    Ok(encoded(id))
}
