//! Objects: the files that paths lead to.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use object_store::path::Path;
use object_store::{Error as StoreError, ObjectMeta, Result};

use super::error::{failed, not_read};
use crate::backend::AsyncFileBackend;
use crate::core::error::{Error, ErrorKind};
use crate::core::info::{FileInfo, FileType};
use crate::core::options::InfoOptions;

/// Looks up the object at `location`, following links.
pub(super) async fn look_up(
    backend: &dyn AsyncFileBackend,
    location: &Path,
    options: InfoOptions,
) -> Result<(FileInfo, ObjectMeta)> {
    let info = info(backend, location.as_ref(), options).await;
    let info = info.map_err(|error| not_read(error, location))?;
    let kind = match info.file_type {
        FileType::File => {
            let meta = meta(&info, location.clone())?;
            return Ok((info, meta));
        }
        FileType::Directory => ErrorKind::IsADirectory,
        FileType::Symlink | FileType::Other => ErrorKind::NotAFile,
    };
    Err(not_read(Error::new(kind).with_operation("get info of"), location))
}

/// Returns the object of an entry of a listing, or `None` if it is not an object. A link is the file that it leads to, if that is in
/// the store.
pub(super) async fn listed(
    backend: &dyn AsyncFileBackend,
    entry: crate::core::error::Result<FileInfo>,
) -> Option<Result<ObjectMeta>> {
    let mut entry = match entry {
        Ok(entry) => entry,
        Err(error) => return Some(Err(unlisted(error))),
    };
    if entry.file_type == FileType::Symlink {
        match info(backend, &entry.path, InfoOptions::default()).await {
            Ok(target) => entry = FileInfo { path: entry.path, ..target },
            Err(error) if is_broken_link(&error) => return None,
            Err(error) => return Some(Err(unlisted(error))),
        }
    }
    entry.is_file().then(|| meta(&entry, location_of(&entry.path)?))
}

async fn info(
    backend: &dyn AsyncFileBackend,
    path: &str,
    options: InfoOptions,
) -> crate::core::error::Result<FileInfo> {
    backend.info_with(path, options).await
}

fn is_broken_link(error: &Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::NotFound
            | ErrorKind::NotADirectory
            | ErrorKind::PathEscapesRoot
            | ErrorKind::LinkLoop
    )
}

fn unlisted(error: Error) -> StoreError {
    let path = error.path().unwrap_or_default().to_owned();
    failed(error, path)
}

/// Returns the location of the file at `path`: the same text, neither encoded nor decoded.
///
/// # Errors
///
/// [`InvalidPath`](StoreError::InvalidPath) for control characters, which a [`Path`] cannot contain.
pub(super) fn location_of(path: &str) -> Result<Path> {
    Ok(Path::parse(path)?)
}

pub(super) fn meta(info: &FileInfo, location: Path) -> Result<ObjectMeta> {
    let Some(size) = info.size else {
        let error = Error::new(ErrorKind::Unsupported).with_operation("get info of");
        return Err(failed(error.with_message("the backend does not know its size"), location));
    };
    Ok(ObjectMeta {
        location,
        last_modified: representable(info.modified_at.unwrap_or(UNIX_EPOCH)).into(),
        size,
        e_tag: info.etag.as_ref().map(ToString::to_string),
        version: info.version.as_ref().map(ToString::to_string),
    })
}

/// Returns the nearest time in the years 0 to 9999. File systems can have other times, for which the conversion would panic.
fn representable(time: SystemTime) -> SystemTime {
    const BEFORE_1970: Duration = Duration::from_secs(62_167_219_200);
    const SINCE_1970: Duration = Duration::from_secs(253_402_300_799);
    match time.duration_since(UNIX_EPOCH) {
        Ok(since) => UNIX_EPOCH + since.min(SINCE_1970),
        Err(before) => UNIX_EPOCH - before.duration().min(BEFORE_1970),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::path::FilePath;

    #[test]
    fn every_time_of_a_file_system_is_converted_without_a_panic() {
        let mut info = FileInfo::new(FilePath::parse("a").unwrap(), FileType::File);
        info.size = Some(0);
        for (seconds, expected) in
            [(0, "1970-01-01T00:00:00Z"), (i64::MAX.unsigned_abs(), "9999-12-31T23:59:59Z")]
        {
            info.modified_at = UNIX_EPOCH.checked_add(Duration::from_secs(seconds));
            let meta = meta(&info, Path::from("a")).unwrap();
            assert_eq!(meta.last_modified.to_rfc3339().replace("+00:00", "Z"), expected);
        }
        info.modified_at = UNIX_EPOCH.checked_sub(Duration::from_secs(1 << 62));
        let meta = meta(&info, Path::from("a")).unwrap();
        assert_eq!(meta.last_modified.to_rfc3339(), "0000-01-01T00:00:00+00:00");
    }

    #[test]
    fn an_unknown_size_is_an_error_and_not_zero() {
        let info = FileInfo::new(FilePath::parse("a").unwrap(), FileType::File);
        let error = meta(&info, Path::from("a")).unwrap_err();
        assert!(matches!(error, StoreError::NotSupported { .. }), "{error}");
    }
}
