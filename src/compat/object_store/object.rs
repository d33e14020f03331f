//! What is an object: whatever a path leads to that is a file.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use object_store::path::Path;
use object_store::{Error as StoreError, ObjectMeta, Result};

use super::error::{failed, not_read};
use crate::{AsyncFileBackend, Error, ErrorKind, FileInfo, FileType, InfoOptions, LinkMode};

/// Looks up the object at `location`, through links.
pub(super) async fn look_up(
    backend: &dyn AsyncFileBackend,
    location: &Path,
) -> Result<(FileInfo, ObjectMeta)> {
    let info = info(backend, location.as_ref()).await;
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

/// The object of one entry of a listing; `None` for what is none. A link is what it leads to, if that is a file of this store.
pub(super) async fn listed(
    backend: &dyn AsyncFileBackend,
    entry: crate::Result<FileInfo>,
) -> Option<Result<ObjectMeta>> {
    let mut entry = match entry {
        Ok(entry) => entry,
        Err(error) => return Some(Err(unlisted(error))),
    };
    if entry.file_type == FileType::Symlink {
        match info(backend, &entry.path).await {
            Ok(target) => entry = FileInfo { path: entry.path, ..target },
            Err(error) if leads_nowhere(&error) => return None,
            Err(error) => return Some(Err(unlisted(error))),
        }
    }
    entry.is_file().then(|| meta(&entry, location_of(&entry.path)?))
}

async fn info(backend: &dyn AsyncFileBackend, path: &str) -> crate::Result<FileInfo> {
    backend.info_with(path, InfoOptions::default().with_links(LinkMode::Follow)).await
}

fn leads_nowhere(error: &Error) -> bool {
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

/// The location of what f9 has at `path`: the same text, which is never encoded or decoded.
///
/// # Errors
///
/// [`InvalidPath`](StoreError::InvalidPath) for control characters, which a [`Path`] cannot hold.
pub(super) fn location_of(path: &str) -> Result<Path> {
    Ok(Path::parse(path)?)
}

pub(super) fn meta(info: &FileInfo, location: Path) -> Result<ObjectMeta> {
    let Some(size) = info.size else {
        let error = Error::new(ErrorKind::Unsupported).with_operation("get info of");
        return Err(failed(error.with_message("its size is not known"), location));
    };
    Ok(ObjectMeta {
        location,
        last_modified: representable(info.modified_at.unwrap_or(UNIX_EPOCH)).into(),
        size,
        e_tag: info.etag.as_ref().map(ToString::to_string),
        version: None,
    })
}

/// The nearest time in the years 0 to 9999: file systems can hold others, at which the conversion would panic.
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
    use crate::FilePath;

    #[test]
    fn any_time_of_a_file_system_can_be_told() {
        let mut info = FileInfo::new(FilePath::parse("a").unwrap(), FileType::File);
        info.size = Some(0);
        for (seconds, told) in
            [(0, "1970-01-01T00:00:00Z"), (i64::MAX.unsigned_abs(), "9999-12-31T23:59:59Z")]
        {
            info.modified_at = UNIX_EPOCH.checked_add(Duration::from_secs(seconds));
            let meta = meta(&info, Path::from("a")).unwrap();
            assert_eq!(meta.last_modified.to_rfc3339().replace("+00:00", "Z"), told);
        }
        info.modified_at = UNIX_EPOCH.checked_sub(Duration::from_secs(1 << 62));
        let meta = meta(&info, Path::from("a")).unwrap();
        assert_eq!(meta.last_modified.to_rfc3339(), "0000-01-01T00:00:00+00:00");
    }

    #[test]
    fn a_size_that_is_not_known_is_not_zero() {
        let info = FileInfo::new(FilePath::parse("a").unwrap(), FileType::File);
        let error = meta(&info, Path::from("a")).unwrap_err();
        assert!(matches!(error, StoreError::NotSupported { .. }), "{error}");
    }
}
