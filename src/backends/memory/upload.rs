//! Uploads that are made in several calls.

use super::MemoryFileBackend;
use super::error::CONTEXT;
use super::write;
use crate::core::error::Result;
use crate::core::info::FileInfo;
use crate::core::options::WriteOptions;
use crate::core::upload::ResumableUpload;
use crate::sys::random;

pub(super) fn begin(
    backend: &MemoryFileBackend,
    path: &str,
    options: WriteOptions,
) -> Result<ResumableUpload> {
    let begin = || {
        let (path, _) = write::start(backend, path, &options)?;
        let id = random::hex::<16>()?;
        backend.shared.uploads.begin(id.clone());
        Ok(ResumableUpload::new(path, options, id))
    };
    begin().map_err(CONTEXT.at("begin an upload of", path))
}

pub(super) fn finish(backend: &MemoryFileBackend, upload: &ResumableUpload) -> Result<FileInfo> {
    let publish = |content| {
        let written = write::write(backend, &upload.path, content, &upload.options);
        written.map_err(|error| error.in_operation("upload"))
    };
    backend.shared.uploads.finish(upload, publish)
}
