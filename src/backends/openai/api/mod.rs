//! The calls to the service, over HTTP, as its documentation and its behaviour define them.
//!
//! Each call is one method of [`Client`], which knows when and how often to repeat it. A call that creates something is never repeated
//! blindly after a failure that left open whether it was done: there are no keys by which the service would recognize the repetition,
//! so the client looks first. Errors name this backend, and neither a path nor an operation.

mod answer;
mod entries;
mod failure;
mod files;
mod open;
mod pace;
mod pages;
mod recent;
mod sending;
#[cfg(test)]
mod tests;
mod transport;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};

use answer::Page;
pub(super) use answer::{Attributes, FileStatus, Found, StoreStatus, StoredFile, VectorStoreFile};
use failure::{About, Failure, error};
use pace::Pace;
pub(super) use recent::Attached;
use recent::Recent;
use transport::{Answer, Call, Transport, Tries};

use crate::{ErrorKind, Result};

/// What needs no encoding in a segment of a path, nor as a value in a query.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// A vector store, and the files of its project. Cheap to clone; the clones share connections, turns and counters.
///
/// # Cancel safety
///
/// Dropping the future of a call gives the call up: whether the service does what was asked for is open then.
#[derive(Clone)]
pub(super) struct Client(Arc<Inner>);

struct Inner {
    transport: Transport,
    vector_store: String,
    purpose: String,
    /// As it is sent with each attachment; `None` for what the service does by itself.
    chunking: Option<Value>,
    uploads: Option<Pace>,
    attachments: Option<Pace>,
    recent: Recent,
}

impl Client {
    /// How many requests were sent so far; each repetition is one.
    pub(super) fn requests(&self) -> u64 {
        self.0.transport.sent.load(Ordering::Relaxed)
    }

    /// What state the vector store is in.
    pub(super) async fn vector_store(&self) -> Result<StoreStatus> {
        let call = Call::get(self.store_path("")?).about(About::VectorStore);
        let answer = self.call(&call).await?;
        self.read(&answer, StoreStatus::read)
    }

    /// The files that fit `query` best, the best first. `max_results` is 50 at most.
    pub(super) async fn search(
        &self,
        query: &str,
        filters: Option<Value>,
        max_results: u32,
    ) -> Result<Vec<Found>> {
        let mut body = json!({ "query": query, "max_num_results": max_results });
        if let (Some(filters), Some(body)) = (filters, body.as_object_mut()) {
            body.insert("filters".to_owned(), filters);
        }
        let call = Call::post(self.store_path("/search")?, &body).about(About::VectorStore);
        let answer = self.call(&call).await?;
        self.read(&answer, |answer| Some(Page::read(answer, Found::read)?.items))
    }

    /// The path of the vector store and what is behind it.
    fn store_path(&self, rest: &str) -> Result<String> {
        Ok(format!("vector_stores/{}{rest}", segment(&self.0.vector_store)?))
    }

    async fn call(&self, call: &Call<'_>) -> Result<Answer> {
        self.0.transport.call(call).await.map_err(|failure| failure.error)
    }

    /// Makes a call once that creates something.
    async fn create<T>(
        &self,
        call: &Call<'_>,
        tries: &mut Tries,
        read: fn(Value) -> Option<T>,
    ) -> Result<T, Failure> {
        let answer = self.0.transport.attempt(call, tries).await?;
        self.read(&answer, read).map_err(Failure::unreadable)
    }

    /// Reads an answer, which is an error if it is not what `read` expects.
    fn read<T>(&self, answer: &Answer, read: impl FnOnce(Value) -> Option<T>) -> Result<T> {
        let value = serde_json::from_slice(&answer.body).ok();
        value.and_then(read).ok_or_else(|| {
            let redaction = &self.0.transport.redaction;
            failure::unexpected(&answer.body, answer.request_id.as_deref(), redaction)
        })
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("host", &self.0.transport.host)
            .field("vector_store", &self.0.vector_store)
            .field("requests", &self.requests())
            .finish_non_exhaustive()
    }
}

/// An identifier as a segment of a path.
fn segment(id: &str) -> Result<String> {
    // None of these would name what is meant, however it is encoded: URLs drop such segments.
    if matches!(id, "" | "." | "..") {
        return Err(error(ErrorKind::InvalidInput, format!("`{id}` identifies nothing")));
    }
    Ok(encoded(id))
}

fn encoded(text: &str) -> String {
    utf8_percent_encode(text, ENCODED).to_string()
}
