//! The calls on the files of a vector store.

use std::collections::HashSet;

use futures::future::try_join_all;
use reqwest::Method;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::answer::{self, Attributes, Page, VectorStoreFile, item, object};
use super::failure::Target;
use super::pages::Walk;
use super::transport::{Answer, Call, RetryState};
use super::{Client, encoded, segment};
use crate::backends::openai::OpenAIChunking;
use crate::core::error::{Error, ErrorKind, Result};

/// The longest parsed text, in bytes: a file has at most 5 million tokens, and its chunks overlap.
const MAX_TEXT: usize = 256 * 1024 * 1024;

impl Client {
    /// Attaches a file to the vector store. The service parses it afterwards.
    ///
    /// The service may not know a new upload yet. This call waits some seconds for it. Attaching a file twice is harmless. After an
    /// error with an unknown outcome, the file may be attached.
    pub(crate) async fn attach(
        &self,
        file: &str,
        attributes: &Attributes,
    ) -> Result<VectorStoreFile> {
        let call = Call::post(self.store_path("/files")?, &self.attachment_json(file, attributes));
        let call = Call { limiter: self.0.attachments.as_ref(), ..call };
        let mut creation = self.creation(true);
        loop {
            let find = |state| self.find_attached(file, attributes, state);
            if let Some(entry) = self.create(&call, &mut creation, object, find).await? {
                self.record_attachment(file);
                return Ok(entry);
            }
        }
    }

    /// Attaches up to 100 files with one request, as [`attach`](Self::attach) does for one file. Returns once the service has
    /// accepted them; it attaches them afterwards.
    pub(crate) async fn attach_batch(&self, files: &[(String, Attributes)]) -> Result<()> {
        let mut missing: Vec<&(String, Attributes)> = files.iter().collect();
        let mut creation = self.creation(true);
        while !missing.is_empty() {
            let entries: Vec<Value> =
                missing.iter().map(|(f, a)| self.attachment_json(f, a)).collect();
            let body = json!({ "files": entries });
            let call = Call::post(self.store_path("/file_batches")?, &body);
            let (target, limiter) = (Target::VectorStore, self.0.attachments.as_ref());
            let call = Call { target, limiter, ..call };
            let accepted = |answer: Value| answer.is_object().then_some(());
            let missing = &mut missing;
            let find = async move |state| {
                let lookups = missing.iter().map(|(f, a)| self.find_attached(f, a, state));
                let mut found = try_join_all(lookups).await?.into_iter();
                missing.retain(|_| found.next().flatten().is_none());
                Ok::<_, Error>(missing.is_empty().then_some(()))
            };
            if self.create(&call, &mut creation, accepted, find).await?.is_some() {
                files.iter().for_each(|(file, _)| self.record_attachment(file));
                return Ok(());
            }
        }
        Ok(())
    }

    /// Returns the JSON that attaches one file.
    fn attachment_json(&self, file: &str, attributes: &Attributes) -> Value {
        let mut entry = json!({ "file_id": file, "attributes": attributes });
        if let OpenAIChunking::Static { max_chunk_size_tokens, chunk_overlap_tokens } =
            self.0.chunking
        {
            entry["chunking_strategy"] = json!({
                "type": "static",
                "static": {
                    "max_chunk_size_tokens": max_chunk_size_tokens,
                    "chunk_overlap_tokens": chunk_overlap_tokens,
                },
            });
        }
        entry
    }

    /// Returns the entry if the file is attached, after setting its attributes if they differ.
    async fn find_attached(
        &self,
        file: &str,
        attributes: &Attributes,
        mut state: RetryState,
    ) -> Result<Option<VectorStoreFile>> {
        let (path, transport) = (self.entry_path(file)?, &self.0.transport);
        let answer = transport.retry(&Call::get(path.clone()), &mut state).await;
        let entry = self.read_if_found(answer.map_err(|failure| failure.error), object)?;
        let Some(entry): Option<VectorStoreFile> = entry else { return Ok(None) };
        self.record_attachment(file);
        if entry.attributes == *attributes {
            return Ok(Some(entry));
        }
        let call = Call::post(path, &json!({ "attributes": attributes }));
        let answer = transport.retry(&call, &mut state).await.map_err(|failure| failure.error)?;
        self.read(&answer, object).map(Some)
    }

    /// Replaces the attributes of an attached file.
    pub(crate) async fn set_attributes(
        &self,
        file: &str,
        attributes: &Attributes,
    ) -> Result<VectorStoreFile> {
        let call = Call::post(self.entry_path(file)?, &json!({ "attributes": attributes }));
        let answer = self.call_until_visible(file, &call).await?;
        self.read(&answer, object).map_err(Error::with_unknown_outcome)
    }

    /// Returns an attached file, or `None`. Retries a 404 for a recently attached file.
    pub(crate) async fn attached(&self, file: &str) -> Result<Option<VectorStoreFile>> {
        let answer = self.call_until_visible(file, &Call::get(self.entry_path(file)?)).await;
        self.read_if_found(answer, object)
    }

    /// Returns an attached file, or `None`, and believes a 404 at once. For a file that another process may have detached.
    pub(crate) async fn attached_now(&self, file: &str) -> Result<Option<VectorStoreFile>> {
        let answer = self.call(&Call::get(self.entry_path(file)?)).await;
        self.read_if_found(answer, object)
    }

    /// Detaches a file from the vector store and returns whether it was attached. The uploaded file stays.
    pub(crate) async fn detach(&self, file: &str) -> Result<bool> {
        let answer = self.call_until_visible(file, &Call::delete(self.entry_path(file)?)).await;
        let was_attached = self.read_deletion(answer)?;
        self.0.recent_writes.forget_attachment(file);
        Ok(was_attached)
    }

    /// Returns the text that the service parsed from a file, in chunks that may overlap and come in any order. Believes a 404 at once:
    /// some servers have no parsed text.
    pub(crate) async fn text(&self, file: &str) -> Result<Vec<String>> {
        let path = format!("{}/content", self.entry_path(file)?);
        let mut texts = Vec::new();
        let mut requested = HashSet::new();
        let mut walk = Walk::new(self.0.transport.retry_state(), MAX_TEXT);
        let mut call = Call { max_answer: MAX_TEXT, ..Call::get(path.clone()) };
        loop {
            let answer = self.next_page(&call, &mut walk).await.map_err(|failure| failure.error)?;
            let Page { items, has_more, next_page } = self.read(&answer, Page::of_text)?;
            // A service that ignores the token returns the same page again.
            if next_page.as_ref().is_some_and(|next| requested.contains(next)) {
                return Ok(texts);
            }
            texts.extend(items.into_iter().flat_map(answer::texts));
            let next_page = next_page.filter(|_| has_more == Some(true));
            let Some(next) = next_page else { return Ok(texts) };
            call.path = format!("{path}?page={}", encoded(&next));
            requested.insert(next);
        }
    }

    /// Lists all files of the vector store in the order of attachment and keeps what `keep` returns: one request per 100 files.
    pub(crate) async fn list<T: Send>(
        &self,
        keep: impl Fn(VectorStoreFile) -> Option<T> + Send + Sync,
    ) -> Result<Vec<T>> {
        let path = self.store_path("/files?limit=100&order=asc")?;
        self.all(&path, Target::VectorStore, |file| keep(item(file)?)).await
    }

    /// Makes an idempotent call on a file. Retries a 404 while a recent attachment may not be visible yet, unless this call may
    /// itself have detached the file.
    async fn call_until_visible(&self, file: &str, call: &Call<'_>) -> Result<Answer> {
        let mut waits = 0;
        let is_change = call.method != Method::GET;
        loop {
            let mut state = self.0.transport.retry_state();
            let failure = match self.0.transport.retry(call, &mut state).await {
                Err(failure) if failure.error.kind() == ErrorKind::NotFound => failure,
                Err(failure) if is_change => return Err(failure.of_change(state.is_ambiguous)),
                answer => return answer.map_err(|failure| failure.error),
            };
            let (now, delay) = (Instant::now(), self.0.propagation_delay);
            let left = self.0.recent_writes.may_be_invisible_for(file, now, delay);
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

    fn entry_path(&self, file: &str) -> Result<String> {
        self.store_path(&format!("/files/{}", segment(file)?))
    }
}
