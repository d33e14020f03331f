//! Checks that the service kept the attributes of an entry: some servers drop attributes and report success.
//!
//! The first write of a new entry shows whether the service keeps numbers and booleans. If it keeps only text, all attributes are sent
//! as text from then on. A service that keeps both forms needs no additional request. Before that is known, a rename sends text,
//! because its entry has attributes that could be lost.

use std::sync::{MutexGuard, PoisonError};

use serde_json::Value;

use super::api::{Attributes, VectorStoreFile};
use super::attributes::{Entry, as_text};
use super::store::{KeptAttributes, Store};
use crate::core::error::{Error, ErrorKind, Result};
use crate::core::path::FilePath;

impl Store {
    /// Returns the attributes of an entry in the form that the service keeps.
    pub(super) fn attributes(&self, path: &FilePath, entry: &Entry) -> Result<Attributes> {
        let attributes = entry.to_attributes(path)?;
        Ok(if *self.kept() == KeptAttributes::OnlyText { as_text(attributes) } else { attributes })
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

    /// Gives the entry `old` at `from` the attributes of `entry` at `to`. If the service did not keep them, the old ones are restored.
    ///
    /// # Errors
    ///
    /// `IntegrityMismatch` if the service did not keep the attributes. Without the mark of an unknown outcome, the old ones are restored.
    pub(super) async fn set_entry(
        &self,
        (from, old): (&FilePath, &Entry),
        (to, entry): (&FilePath, &Entry),
    ) -> Result<VectorStoreFile> {
        let mut attributes = entry.to_attributes_from(from, to)?;
        if *self.kept() != KeptAttributes::All {
            attributes = as_text(attributes);
        }
        // As text, because the service may have dropped the rest.
        let before = as_text(old.to_attributes_from(to, from)?);
        let answer = self.client.set_attributes(&entry.id, &attributes).await?;
        let error = match self.ensure_kept(to, entry, attributes, answer).await {
            Ok(kept) => return Ok(kept),
            Err(error) => error,
        };
        // Without all attributes, the content could not be verified any more.
        let restored = self.client.set_attributes(&old.id, &before).await;
        Err(match restored {
            Ok(answer) if old.is_kept_in(&answer, from) => error.without_unknown_outcome(),
            _ => error,
        })
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
            // Some services answer without the attributes.
            let found = self.client.attached(&entry.id).await;
            answer = found.map_err(Error::with_unknown_outcome)?.unwrap_or(answer);
        }
        if entry.is_kept_in(&answer, path) {
            // Kept text does not show whether numbers are kept.
            if !sent.values().all(Value::is_string) {
                *self.kept() = KeptAttributes::All;
            }
            return Ok(answer);
        }
        let repeated = self.client.set_attributes(&entry.id, &as_text(sent)).await;
        let answer = repeated.map_err(Error::with_unknown_outcome)?;
        if entry.is_kept_in(&answer, path) {
            *self.kept() = KeptAttributes::OnlyText;
            return Ok(answer);
        }
        Err(Error::new(ErrorKind::IntegrityMismatch)
            .with_message("the service did not keep the attributes of the file, which hold its path and its checksum")
            .with_unknown_outcome())
    }

    fn kept(&self) -> MutexGuard<'_, KeptAttributes> {
        self.shared.kept_attributes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
