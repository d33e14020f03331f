//! Checks that the service kept the attributes of an entry: some servers drop attributes and report success.
//!
//! The first write shows whether the service keeps numbers and booleans. If it keeps only text, all attributes are sent as text from
//! then on. A service that keeps both forms needs no additional request.

use std::sync::atomic::Ordering;

use super::api::{Attributes, VectorStoreFile};
use super::attributes::{Entry, as_text};
use super::store::Store;
use crate::core::error::{Error, ErrorKind, Result};
use crate::core::path::FilePath;

impl Store {
    /// Returns the attributes of an entry in the form that the service keeps.
    pub(super) fn attributes(&self, path: &FilePath, entry: &Entry) -> Result<Attributes> {
        Ok(self.in_kept_form(entry.to_attributes(path)?))
    }

    /// Attaches an upload as `entry`.
    ///
    /// # Errors
    ///
    /// `IntegrityMismatch` if the service did not keep the attributes.
    pub(super) async fn attach_entry(
        &self,
        path: &FilePath,
        entry: &Entry,
    ) -> Result<VectorStoreFile> {
        let attributes = self.attributes(path, entry)?;
        let answer = self.client.attach(&entry.id, &attributes).await?;
        self.ensure_kept(path, entry, attributes, answer).await
    }

    /// Gives the entry at `from` the attributes of `entry` at `to`.
    ///
    /// # Errors
    ///
    /// `IntegrityMismatch` if the service did not keep the attributes.
    pub(super) async fn set_entry(
        &self,
        from: &FilePath,
        to: &FilePath,
        entry: &Entry,
    ) -> Result<VectorStoreFile> {
        let attributes = self.in_kept_form(entry.to_attributes_from(from, to)?);
        let answer = self.client.set_attributes(&entry.id, &attributes).await?;
        self.ensure_kept(to, entry, attributes, answer).await
    }

    /// Compares the service's answer with the attributes that were sent for `entry`, and sends them again as text if the service did
    /// not keep them otherwise.
    pub(super) async fn ensure_kept(
        &self,
        path: &FilePath,
        entry: &Entry,
        sent: Attributes,
        mut answer: VectorStoreFile,
    ) -> Result<VectorStoreFile> {
        if answer.attributes.is_empty() {
            // The answer may be short.
            let found = self.client.attached(&entry.id).await;
            answer = found.map_err(Error::with_unknown_outcome)?.unwrap_or(answer);
        }
        if entry.is_kept_in(&answer, path) {
            return Ok(answer);
        }
        let repeated = self.client.set_attributes(&entry.id, &as_text(sent)).await;
        let answer = repeated.map_err(Error::with_unknown_outcome)?;
        if entry.is_kept_in(&answer, path) {
            self.shared.keeps_only_text.store(true, Ordering::Relaxed);
            return Ok(answer);
        }
        Err(Error::new(ErrorKind::IntegrityMismatch)
            .with_message("the service did not keep the attributes of the file, which hold its path and its checksum")
            .with_unknown_outcome())
    }

    fn in_kept_form(&self, attributes: Attributes) -> Attributes {
        match self.shared.keeps_only_text.load(Ordering::Relaxed) {
            true => as_text(attributes),
            false => attributes,
        }
    }
}
