//! The calls on the files of a vector store.

use std::collections::HashSet;
use std::time::Duration;

use futures::future::try_join_all;
use reqwest::Method;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::answer::{Attributes, ListItem as _, Page, VectorStoreFile, parsed_text};
use super::call::{Answer, Call};
use super::failure::{Failure, Target};
use super::transport::RetryState;
use super::walk::Walk;
use super::{Client, encoded, segment};
use crate::core::error::{Error, ErrorKind, Result};

/// The longest parsed text, in bytes: a file has at most 5 million tokens, and its chunks overlap.
const MAX_TEXT: usize = 256 * 1024 * 1024;

impl Client {
    /// Attaches a file to the vector store. The service parses it afterwards.
    ///
    /// The service may not know a new upload yet. This call waits some seconds for it. Attaching a file twice is harmless. After an
    /// error with an unknown outcome, the file may be attached.
    pub(in super::super) async fn attach(
        &self,
        file: &str,
        attributes: &Attributes,
    ) -> Result<VectorStoreFile> {
        let call = Call::post(self.store_path("/files")?, &self.attachment_json(file, attributes))
            .rate_limited(self.0.attachments.as_ref());
        let mut state = self.0.transport.retry_state();
        let mut visibility = self.visibility_wait();
        loop {
            let failure = match self.create(&call, &mut state, VectorStoreFile::read).await {
                Ok(entry) => {
                    self.record_attachment(file);
                    return Ok(entry);
                }
                Err(failure) => failure,
            };
            let may_retry = self.may_retry(&failure, &mut state, &mut visibility).await;
            if failure.is_ambiguous {
                match self.find_attached(file, attributes, state.for_lookup()).await {
                    Ok(Some(entry)) => return Ok(entry),
                    Ok(None) => {}
                    Err(_) => return Err(failure.of_change(state.is_ambiguous)),
                }
            }
            if !may_retry {
                return Err(failure.of_change(state.is_ambiguous));
            }
        }
    }

    /// Attaches up to 100 files with one request, as [`attach`](Self::attach) does for one file. Returns once the service has
    /// accepted them; it attaches them afterwards.
    pub(in super::super) async fn attach_batch(
        &self,
        files: &[(String, Attributes)],
    ) -> Result<()> {
        let mut missing: Vec<&(String, Attributes)> = files.iter().collect();
        let mut state = self.0.transport.retry_state();
        let mut visibility = self.visibility_wait();
        while !missing.is_empty() {
            let entries: Vec<Value> =
                missing.iter().map(|(f, a)| self.attachment_json(f, a)).collect();
            let body = json!({ "files": entries });
            let call = Call::post(self.store_path("/file_batches")?, &body)
                .rate_limited(self.0.attachments.as_ref());
            let accepted = |answer: Value| answer.is_object().then_some(());
            let failure = match self.create(&call, &mut state, accepted).await {
                Ok(()) => {
                    files.iter().for_each(|(file, _)| self.record_attachment(file));
                    return Ok(());
                }
                Err(failure) => failure,
            };
            let may_retry = self.may_retry(&failure, &mut state, &mut visibility).await;
            if failure.is_ambiguous {
                let lookups =
                    missing.iter().map(|(f, a)| self.find_attached(f, a, state.for_lookup()));
                let Ok(found) = try_join_all(lookups).await else {
                    return Err(failure.of_change(state.is_ambiguous));
                };
                let mut found = found.into_iter();
                missing.retain(|_| found.next().flatten().is_none());
            }
            if !may_retry && !missing.is_empty() {
                return Err(failure.of_change(state.is_ambiguous));
            }
        }
        Ok(())
    }

    /// Returns the JSON that attaches one file.
    fn attachment_json(&self, file: &str, attributes: &Attributes) -> Value {
        let mut entry = json!({ "file_id": file, "attributes": attributes });
        if let (Some(chunking), Some(entry)) = (&self.0.chunking, entry.as_object_mut()) {
            entry.insert("chunking_strategy".to_owned(), chunking.clone());
        }
        entry
    }

    fn visibility_wait(&self) -> VisibilityWait {
        VisibilityWait { until: Instant::now() + self.0.propagation_delay, waits: 0 }
    }

    /// Waits until the call may be retried. Returns `false` if it must not be retried.
    async fn may_retry(
        &self,
        failure: &Failure,
        state: &mut RetryState,
        visibility: &mut VisibilityWait,
    ) -> bool {
        if failure.error.kind() != ErrorKind::NotFound {
            return self.0.transport.wait_to_retry(failure, state).await;
        }
        let left = visibility.until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return false;
        }
        self.0.transport.back_off(visibility.waits, left).await;
        visibility.waits += 1;
        true
    }

    /// Returns the entry if the file is attached, after setting its attributes if they differ.
    async fn find_attached(
        &self,
        file: &str,
        attributes: &Attributes,
        mut state: RetryState,
    ) -> Result<Option<VectorStoreFile>, Failure> {
        let path = self.entry_path(file).map_err(Failure::permanent)?;
        let entry = match self.0.transport.retry(&Call::get(path.clone()), &mut state).await {
            Ok(answer) => self.read(&answer, VectorStoreFile::read).map_err(Failure::permanent)?,
            Err(failure) if failure.error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(failure) => return Err(failure),
        };
        self.record_attachment(file);
        if entry.attributes == *attributes {
            return Ok(Some(entry));
        }
        let call = Call::post(path, &json!({ "attributes": attributes }));
        let answer = self.0.transport.retry(&call, &mut state).await?;
        self.read(&answer, VectorStoreFile::read).map(Some).map_err(Failure::permanent)
    }

    /// Replaces the attributes of an attached file.
    pub(in super::super) async fn set_attributes(
        &self,
        file: &str,
        attributes: &Attributes,
    ) -> Result<VectorStoreFile> {
        let call = Call::post(self.entry_path(file)?, &json!({ "attributes": attributes }));
        let answer = self.call_until_visible(file, &call).await?;
        self.read(&answer, VectorStoreFile::read).map_err(Error::with_unknown_outcome)
    }

    /// Returns an attached file, or `None`. Retries a 404 for a recently attached file.
    pub(in super::super) async fn attached(&self, file: &str) -> Result<Option<VectorStoreFile>> {
        let answer = self.call_until_visible(file, &Call::get(self.entry_path(file)?)).await;
        self.read_if_found(answer, VectorStoreFile::read)
    }

    /// Returns an attached file, or `None`, and believes a 404 at once. For a file that another process may have detached.
    pub(in super::super) async fn attached_now(
        &self,
        file: &str,
    ) -> Result<Option<VectorStoreFile>> {
        let answer = self.call(&Call::get(self.entry_path(file)?)).await;
        self.read_if_found(answer, VectorStoreFile::read)
    }

    /// Detaches a file from the vector store and returns whether it was attached. The uploaded file stays.
    pub(in super::super) async fn detach(&self, file: &str) -> Result<bool> {
        let was_attached =
            match self.call_until_visible(file, &Call::delete(self.entry_path(file)?)).await {
                Ok(answer) => {
                    self.expect_deleted(&answer)?;
                    true
                }
                Err(error) if error.kind() == ErrorKind::NotFound => false,
                Err(error) => return Err(error),
            };
        self.0.recent_writes.forget_attachment(file);
        Ok(was_attached)
    }

    /// Returns the text that the service parsed from a file, in chunks that may overlap and come in any order. Believes a 404 at once:
    /// some servers have no parsed text.
    pub(in super::super) async fn text(&self, file: &str) -> Result<Vec<String>> {
        let path = format!("{}/content", self.entry_path(file)?);
        let mut texts = Vec::new();
        let mut requested = HashSet::new();
        let mut walk = Walk::new(self.0.transport.retry_state(), MAX_TEXT);
        let mut call = Call { max_answer: MAX_TEXT, ..Call::get(path.clone()) };
        loop {
            let answer = self.next_page(&call, &mut walk).await.map_err(|failure| failure.error)?;
            let Page { items, has_more, next_page } = self.read(&answer, parsed_text)?;
            // A service that ignores the token returns the same page again.
            if next_page.as_ref().is_some_and(|next| requested.contains(next)) {
                return Ok(texts);
            }
            texts.extend(items);
            let Some(next) = next_page.filter(|_| has_more) else { return Ok(texts) };
            call.path = format!("{path}?page={}", encoded(&next));
            requested.insert(next);
        }
    }

    /// Lists all files of the vector store in the order of attachment and keeps what `keep` returns: one request per 100 files.
    pub(in super::super) async fn list<T: Send>(
        &self,
        keep: impl Fn(VectorStoreFile) -> Option<T> + Send + Sync,
    ) -> Result<Vec<T>> {
        let path = self.store_path("/files?limit=100&order=asc")?;
        self.all(&path, Target::VectorStore, keep).await
    }

    /// Makes an idempotent call on a file. Retries a 404 while a recent attachment may not be visible yet, unless this call may
    /// itself have detached the file.
    async fn call_until_visible(&self, file: &str, call: &Call<'_>) -> Result<Answer> {
        let mut waits = 0;
        let is_change = call.method != Method::GET;
        loop {
            let mut state = self.0.transport.retry_state();
            let failure = match self.0.transport.retry(call, &mut state).await {
                Ok(answer) => return Ok(answer),
                Err(failure) => failure,
            };
            if failure.error.kind() != ErrorKind::NotFound {
                return Err(if is_change {
                    failure.of_change(state.is_ambiguous)
                } else {
                    failure.error
                });
            }
            let left = self.may_be_invisible_for(file);
            let may_have_detached = call.method == Method::DELETE && state.is_ambiguous;
            if left.is_zero() || may_have_detached {
                return Err(failure.error);
            }
            self.0.transport.back_off(waits, left).await;
            waits += 1;
        }
    }

    fn record_attachment(&self, file: &str) {
        let delay = self.0.propagation_delay;
        self.0.recent_writes.record_attachment(file, Instant::now(), delay);
    }

    fn may_be_invisible_for(&self, file: &str) -> Duration {
        let delay = self.0.propagation_delay;
        self.0.recent_writes.may_be_invisible_for(file, Instant::now(), delay)
    }

    fn entry_path(&self, file: &str) -> Result<String> {
        self.store_path(&format!("/files/{}", segment(file)?))
    }
}

/// How long a 404 for a file that is about to be attached is retried.
struct VisibilityWait {
    until: Instant,
    waits: u32,
}
