//! The content of uploads that are not finished.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use futures::TryStreamExt as _;

use crate::core::error::{Error, ErrorKind, Result};
use crate::core::stream::ByteStream;
use crate::core::upload::ResumableUpload;

/// The content of the uploads that are not finished, by their id.
#[derive(Default)]
pub(super) struct Uploads(Mutex<HashMap<String, Vec<u8>>>);

impl Uploads {
    pub(super) fn all(&self) -> MutexGuard<'_, HashMap<String, Vec<u8>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds content after the offset of `upload`. What came before a failure of the source is kept.
    pub(super) async fn resume(
        &self,
        upload: &ResumableUpload,
        mut data: ByteStream<'_>,
    ) -> Result<ResumableUpload> {
        let mut state = upload.clone();
        self.add(&state, &[])?;
        while let Some(piece) = data.try_next().await? {
            upload.options.check_size_so_far(state.offset + piece.len() as u64)?;
            self.add(&state, &piece)?;
            state.offset += piece.len() as u64;
        }
        Ok(state)
    }

    /// Replaces everything after the offset by `piece`.
    fn add(&self, upload: &ResumableUpload, piece: &[u8]) -> Result<()> {
        let mut uploads = self.all();
        let content = uploads.get_mut(&upload.id).ok_or(ErrorKind::NotFound)?;
        match usize::try_from(upload.offset) {
            Ok(offset) if offset <= content.len() => content.truncate(offset),
            _ => {
                let message =
                    format!("the upload has {} bytes, less than {}", content.len(), upload.offset);
                return Err(Error::new(ErrorKind::InvalidInput).with_message(message));
            }
        }
        content.extend_from_slice(piece);
        Ok(())
    }

    pub(super) fn state(&self, upload: &ResumableUpload) -> Result<ResumableUpload> {
        let mut state = upload.clone();
        state.offset = self.all().get(&upload.id).ok_or(ErrorKind::NotFound)?.len() as u64;
        Ok(state)
    }

    pub(super) fn remove(&self, id: &str) {
        self.all().remove(id);
    }
}
