//! The calls on the files of a vector store.

use std::collections::HashSet;

use futures::future::try_join_all;
use reqwest::Method;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::answer::{Attributes, Listed as _, Page, VectorStoreFile, parsed_text};
use super::failure::{About, Failure};
use super::transport::{Answer, Call, Tries};
use super::{Client, encoded, segment};
use crate::{ErrorKind, Result};

/// The longest parsed text, in bytes: a file has 5 million tokens at most, and its chunks overlap.
const LONGEST_TEXT: usize = 256 * 1024 * 1024;

impl Client {
    /// Attaches a file to the vector store. The service parses it after that.
    ///
    /// A file that was uploaded a moment before may not be known yet where it is attached; that is waited for, for some seconds.
    /// Attaching a file that is attached already is harmless. After a failure it may be attached or not.
    pub(in super::super) async fn attach(
        &self,
        file: &str,
        attributes: &Attributes,
    ) -> Result<VectorStoreFile> {
        let call = Call::post(self.store_path("/files")?, &self.entry(file, attributes))
            .paced(self.0.attachments.as_ref());
        let mut tries = self.0.transport.tries();
        let mut patience = self.patience();
        loop {
            let failure = match self.create(&call, &mut tries, VectorStoreFile::read).await {
                Ok(entry) => {
                    self.0.recent.note(file, Instant::now());
                    return Ok(entry);
                }
                Err(failure) => failure,
            };
            let may_repeat = self.may_repeat(&failure, &mut tries, &mut patience).await;
            if failure.is_ambiguous {
                match self.look(file, attributes, tries.to_look()).await {
                    Ok(Some(entry)) => return Ok(entry),
                    Ok(None) => {}
                    Err(_) => return Err(failure.error),
                }
            }
            if !may_repeat {
                return Err(failure.error);
            }
        }
    }

    /// Attaches up to 100 files with one request, as [`attach`](Self::attach) does one. Returns once the service has accepted them, and
    /// attaches them after that.
    pub(in super::super) async fn attach_batch(
        &self,
        files: &[(String, Attributes)],
    ) -> Result<()> {
        let mut missing: Vec<&(String, Attributes)> = files.iter().collect();
        let mut tries = self.0.transport.tries();
        let mut patience = self.patience();
        while !missing.is_empty() {
            let entries: Vec<Value> = missing.iter().map(|(f, a)| self.entry(f, a)).collect();
            let body = json!({ "files": entries });
            let call = Call::post(self.store_path("/file_batches")?, &body)
                .paced(self.0.attachments.as_ref());
            let accepted = |answer: Value| answer.is_object().then_some(());
            let failure = match self.create(&call, &mut tries, accepted).await {
                Ok(()) => {
                    let now = Instant::now();
                    files.iter().for_each(|(file, _)| self.0.recent.note(file, now));
                    return Ok(());
                }
                Err(failure) => failure,
            };
            let may_repeat = self.may_repeat(&failure, &mut tries, &mut patience).await;
            if failure.is_ambiguous {
                let looks = missing.iter().map(|(f, a)| self.look(f, a, tries.to_look()));
                let Ok(found) = try_join_all(looks).await else { return Err(failure.error) };
                let mut found = found.into_iter();
                missing.retain(|_| found.next().flatten().is_none());
            }
            if !may_repeat && !missing.is_empty() {
                return Err(failure.error);
            }
        }
        Ok(())
    }

    /// What is sent of each file to be attached.
    fn entry(&self, file: &str, attributes: &Attributes) -> Value {
        let mut entry = json!({ "file_id": file, "attributes": attributes });
        if let (Some(chunking), Some(entry)) = (&self.0.chunking, entry.as_object_mut()) {
            entry.insert("chunking_strategy".to_owned(), chunking.clone());
        }
        entry
    }

    fn patience(&self) -> Patience {
        Patience { until: Instant::now() + self.0.recent.doubt(), waits: 0 }
    }

    /// Waits until something may be attached once more; `false` where it may not.
    async fn may_repeat(
        &self,
        failure: &Failure,
        tries: &mut Tries,
        patience: &mut Patience,
    ) -> bool {
        if failure.error.kind() != ErrorKind::NotFound {
            return self.0.transport.pause(failure, tries).await;
        }
        let left = patience.until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return false;
        }
        self.0.transport.settle(patience.waits, left).await;
        patience.waits += 1;
        true
    }

    /// Looks whether a file is attached, and if so sees to it that it is with these attributes.
    async fn look(
        &self,
        file: &str,
        attributes: &Attributes,
        mut tries: Tries,
    ) -> Result<Option<VectorStoreFile>, Failure> {
        let path = self.entry_path(file).map_err(Failure::lasting)?;
        let entry = match self.0.transport.repeat(&Call::get(path.clone()), &mut tries).await {
            Ok(answer) => self.read(&answer, VectorStoreFile::read).map_err(Failure::lasting)?,
            Err(failure) if failure.error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(failure) => return Err(failure),
        };
        self.0.recent.note(file, Instant::now());
        if entry.attributes == *attributes {
            return Ok(Some(entry));
        }
        let call = Call::post(path, &json!({ "attributes": attributes }));
        let answer = self.0.transport.repeat(&call, &mut tries).await?;
        self.read(&answer, VectorStoreFile::read).map(Some).map_err(Failure::lasting)
    }

    /// Replaces the attributes of a file that is attached.
    pub(in super::super) async fn set_attributes(
        &self,
        file: &str,
        attributes: &Attributes,
    ) -> Result<VectorStoreFile> {
        let call = Call::post(self.entry_path(file)?, &json!({ "attributes": attributes }));
        let answer = self.call_settled(file, &call).await?;
        self.read(&answer, VectorStoreFile::read)
    }

    /// What is known of a file of the vector store; `None` where it is not attached.
    pub(in super::super) async fn attached(&self, file: &str) -> Result<Option<VectorStoreFile>> {
        match self.call_settled(file, &Call::get(self.entry_path(file)?)).await {
            Ok(answer) => Ok(Some(self.read(&answer, VectorStoreFile::read)?)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// As [`attached`](Self::attached), and believes the service at once: for a file that somebody else may have detached.
    pub(in super::super) async fn attached_now(
        &self,
        file: &str,
    ) -> Result<Option<VectorStoreFile>> {
        match self.call(&Call::get(self.entry_path(file)?)).await {
            Ok(answer) => Ok(Some(self.read(&answer, VectorStoreFile::read)?)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Takes a file out of the vector store, and tells whether it was in it; the file itself stays.
    pub(in super::super) async fn detach(&self, file: &str) -> Result<bool> {
        let was_attached =
            match self.call_settled(file, &Call::delete(self.entry_path(file)?)).await {
                Ok(answer) => {
                    self.expect_deleted(&answer)?;
                    true
                }
                Err(error) if error.kind() == ErrorKind::NotFound => false,
                Err(error) => return Err(error),
            };
        self.0.recent.forget(file);
        Ok(was_attached)
    }

    /// The text that the service has parsed from a file, in the pieces that it gives: they may overlap, and stand in any order.
    pub(in super::super) async fn text(&self, file: &str) -> Result<Vec<String>> {
        let path = format!("{}/content", self.entry_path(file)?);
        let mut texts = Vec::new();
        let mut asked = HashSet::new();
        let mut call = Call { most: LONGEST_TEXT, ..Call::get(path.clone()) };
        loop {
            let answer = self.call_settled(file, &call).await?;
            let Page { items, has_more, next_page } = self.read(&answer, parsed_text)?;
            // A service that passes over what it is asked for gives the same page again.
            if next_page.as_ref().is_some_and(|next| asked.contains(next)) {
                return Ok(texts);
            }
            texts.extend(items);
            let Some(next) = next_page.filter(|_| has_more) else { return Ok(texts) };
            call.path = format!("{path}?page={}", encoded(&next));
            asked.insert(next);
        }
    }

    /// What `keep` makes of all files of the vector store, in the order in which they were attached: one request for each 100.
    pub(in super::super) async fn list<T: Send>(
        &self,
        keep: impl Fn(VectorStoreFile) -> Option<T> + Send + Sync,
    ) -> Result<Vec<T>> {
        let path = self.store_path("/files?limit=100&order=asc")?;
        self.all(&path, About::VectorStore, keep).await
    }

    /// Makes a call on a file that may be made twice. That a file is missing is not believed for a while after it was attached, unless
    /// this call may have taken it out itself.
    async fn call_settled(&self, file: &str, call: &Call<'_>) -> Result<Answer> {
        let mut waits = 0;
        loop {
            let mut tries = self.0.transport.tries();
            let error = match self.0.transport.repeat(call, &mut tries).await {
                Ok(answer) => return Ok(answer),
                Err(failure) => failure.error,
            };
            let left = self.0.recent.doubt_left(file, Instant::now());
            let taken_out = call.method == Method::DELETE && tries.in_doubt;
            if error.kind() != ErrorKind::NotFound || left.is_zero() || taken_out {
                return Err(error);
            }
            self.0.transport.settle(waits, left).await;
            waits += 1;
        }
    }

    fn entry_path(&self, file: &str) -> Result<String> {
        self.store_path(&format!("/files/{}", segment(file)?))
    }
}

/// Until when it is not believed that a file is missing which is to be attached.
struct Patience {
    until: Instant,
    waits: u32,
}
