//! Notes: small JSON files in `.git/f9` that f9 keeps about the repository.

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::error::corrupted;
use super::repository::{Repository, read_if_present};
use crate::backend::AsyncFileBackendExt as _;
use crate::core::error::{Error, ErrorKind, Result};
use crate::core::options::CreateOptions;

impl Repository {
    /// Reads the note `name`; `None` if there is none.
    pub(super) async fn note<T: DeserializeOwned>(&self, name: &str) -> Result<Option<T>> {
        let Some(text) = read_if_present(&self.notes, name).await? else { return Ok(None) };
        serde_json::from_slice(&text)
            .map(Some)
            .map_err(|error| corrupted(format!("f9's note `{name}` is damaged")).with_source(error))
    }

    /// Writes the note `name`. It survives a power loss once this returns.
    pub(super) async fn write_note(
        &self,
        name: &str,
        note: &(impl Serialize + Sync),
    ) -> Result<()> {
        let text = serde_json::to_vec(note)
            .map_err(|error| Error::new(ErrorKind::Internal).with_source(error))?;
        self.notes.create_with(name, text, CreateOptions::overwrite()).await.map(drop)
    }

    /// Removes the note `name`, if there is one.
    pub(super) async fn remove_note(&self, name: &str) -> Result<()> {
        match self.notes.delete(name).await {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }
}
