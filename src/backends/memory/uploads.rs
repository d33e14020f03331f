//! The content of uploads that are not finished.

use std::collections::HashMap;
use std::mem;
use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use futures::TryStreamExt as _;

use crate::core::error::{Error, ErrorKind, Result};
use crate::core::stream::{ByteStream, from_caller};
use crate::core::upload::ResumableUpload;

/// The uploads that are not finished, by their id.
#[derive(Default)]
pub(super) struct Uploads(Mutex<HashMap<String, Upload>>);

#[derive(Default)]
pub(super) struct Upload {
    content: Vec<u8>,
    /// Whether a caller adds content. Others would add theirs in between.
    is_busy: bool,
}

/// An upload to which one caller adds content.
struct Busy<'a> {
    uploads: &'a Uploads,
    id: &'a str,
}

impl Drop for Busy<'_> {
    fn drop(&mut self) {
        if let Some(upload) = self.uploads.all().get_mut(self.id) {
            upload.is_busy = false;
        }
    }
}

impl Uploads {
    fn all(&self) -> MutexGuard<'_, HashMap<String, Upload>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn begin(&self, id: String) {
        self.all().insert(id, Upload::default());
    }

    /// Adds content after the offset of `upload`. What came before a failure of the source is kept.
    pub(super) async fn resume(
        &self,
        upload: &ResumableUpload,
        data: ByteStream<'_>,
    ) -> Result<ResumableUpload> {
        let mut data = from_caller(data);
        let mut state = upload.clone();
        {
            let mut all = self.all();
            let free = free(&mut all, upload)?;
            upload.expect_offset(free.content.len() as u64)?;
            free.content.truncate(usize::try_from(upload.offset).unwrap_or(usize::MAX));
            free.is_busy = true;
        }
        let _busy = Busy { uploads: self, id: &upload.id };
        while let Some(piece) = data.try_next().await? {
            state.offset += piece.len() as u64;
            upload.options.check_size_so_far(state.offset)?;
            self.add(&upload.id, &piece)?;
        }
        Ok(state)
    }

    fn add(&self, id: &str, piece: &[u8]) -> Result<()> {
        let mut all = self.all();
        all.get_mut(id).ok_or(ErrorKind::NotFound)?.content.extend_from_slice(piece);
        Ok(())
    }

    pub(super) fn state(&self, upload: &ResumableUpload) -> Result<ResumableUpload> {
        let mut state = upload.clone();
        state.offset = self.all().get(&upload.id).ok_or(ErrorKind::NotFound)?.content.len() as u64;
        Ok(state)
    }

    /// Calls `publish` with the content, and removes the upload if that succeeds. Nobody else can use it meanwhile.
    pub(super) fn finish<T>(
        &self,
        upload: &ResumableUpload,
        publish: impl FnOnce(Bytes) -> Result<T>,
    ) -> Result<T> {
        let content = {
            let mut all = self.all();
            let free = free(&mut all, upload)?;
            upload.expect_end(free.content.len() as u64)?;
            free.is_busy = true;
            Bytes::from(mem::take(&mut free.content))
        };
        let _busy = Busy { uploads: self, id: &upload.id };
        let published = publish(content.clone());
        let mut all = self.all();
        if published.is_ok() {
            all.remove(&upload.id);
        } else if let Some(upload) = all.get_mut(&upload.id) {
            upload.content = content.into();
        }
        drop(all);
        published
    }

    pub(super) fn remove(&self, id: &str) {
        self.all().remove(id);
    }
}

/// Returns the upload, unless another caller works on it.
fn free<'a>(
    all: &'a mut HashMap<String, Upload>,
    state: &ResumableUpload,
) -> Result<&'a mut Upload> {
    let upload = all.get_mut(&state.id).ok_or(ErrorKind::NotFound)?;
    if upload.is_busy {
        let error = Error::new(ErrorKind::InvalidOperation);
        return Err(error.with_message("another caller works on the upload"));
    }
    Ok(upload)
}
