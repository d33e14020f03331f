//! The content type and the user metadata of a file, which are kept in an extended attribute.
//!
//! The value is the content type, which may be empty, and then each key and value; all end with a NUL. It needs no escapes, so metadata of
//! any allowed size fits into the one block that ext4 has for the attributes of a file.

use std::fs::File;
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd as _, BorrowedFd};

use rustix::fs::XattrFlags;
use rustix::io::{Errno, retry_on_intr};

use super::errno::system_error;
use crate::core::error::{Error, ErrorKind, Result};
use crate::core::info::FileInfo;
use crate::core::metadata::FileMetadata;

/// The name of the attribute.
pub(super) const METADATA: &str = "user.f9.metadata";

/// The limit of a value. The largest metadata of f9 need less.
const MAX_BYTES: usize = 4096;

/// Whether the file system of an open directory has extended attributes of users.
pub(super) fn keeps_metadata(dir: BorrowedFd<'_>) -> bool {
    let mut space = empty();
    let value = rustix::fs::getxattr(link_to(dir), METADATA, &mut space[..]);
    matches!(value, Ok(_) | Err(Errno::NODATA | Errno::RANGE))
}

/// Sets the attribute of a new file.
pub(super) fn set_metadata(file: &File, metadata: &FileMetadata) -> Result<()> {
    if metadata.content_type.is_none() && metadata.user_metadata.is_empty() {
        return Ok(());
    }
    let value = value_of(metadata);
    set(|| rustix::fs::fsetxattr(file, METADATA, &value, XattrFlags::empty()))
}

/// Sets or removes the attribute of an entry that is not open for reading.
pub(super) fn set_metadata_by_link(entry: BorrowedFd<'_>, metadata: &FileMetadata) -> Result<()> {
    let (link, value) = (link_to(entry), value_of(metadata));
    if metadata.content_type.is_some() || !metadata.user_metadata.is_empty() {
        return set(|| rustix::fs::setxattr(&*link, METADATA, &value, XattrFlags::empty()));
    }
    set(|| match rustix::fs::removexattr(&*link, METADATA) {
        Err(Errno::NODATA) => Ok(()),
        removed => removed,
    })
}

fn value_of(metadata: &FileMetadata) -> Vec<u8> {
    let mut value = Vec::new();
    let mut push = |text: &str| {
        value.extend_from_slice(text.as_bytes());
        value.push(0);
    };
    push(metadata.content_type.as_deref().unwrap_or_default());
    for (key, text) in &metadata.user_metadata {
        push(key);
        push(text);
    }
    value
}

fn set(call: impl FnMut() -> Result<(), Errno>) -> Result<()> {
    retry_on_intr(call).map_err(|errno| match errno {
        Errno::OPNOTSUPP => Error::new(ErrorKind::Unsupported)
            .with_message("the file system has no extended attributes, which keep the content type and user metadata"),
        errno => system_error(errno),
    })
}

/// Adds the content type and the user metadata of an open file. Returns whether it may have some.
pub(super) fn add_metadata(file: &File, info: &mut FileInfo) -> Result<bool> {
    let mut space = empty();
    let value = rustix::fs::fgetxattr(file, METADATA, &mut space[..]);
    add(value.map(|(value, _)| &*value), info)
}

/// Adds the content type and the user metadata of a file that is not open for reading. Returns whether it may have some.
pub(super) fn add_metadata_by_link(file: BorrowedFd<'_>, info: &mut FileInfo) -> Result<bool> {
    let mut space = empty();
    let value = rustix::fs::getxattr(link_to(file), METADATA, &mut space[..]);
    add(value.map(|(value, _)| &*value), info)
}

/// Adds the content type and the user metadata of the file `name` in `dir`.
pub(super) fn add_metadata_at(dir: BorrowedFd<'_>, name: &str, info: &mut FileInfo) -> Result<()> {
    let (mut space, path) = (empty(), format!("{}/{name}", link_to(dir)));
    let value = rustix::fs::lgetxattr(path, METADATA, &mut space[..]);
    add(value.map(|(value, _)| &*value), info).map(drop)
}

fn empty() -> [MaybeUninit<u8>; MAX_BYTES] {
    [const { MaybeUninit::uninit() }; MAX_BYTES]
}

/// Returns a path to an open file.
pub(super) fn link_to(file: BorrowedFd<'_>) -> String {
    format!("/proc/self/fd/{}", file.as_raw_fd())
}

/// Reads a value. One that f9 did not write is ignored. Returns whether there may be a value.
fn add(value: Result<&[u8], Errno>, info: &mut FileInfo) -> Result<bool> {
    let value = match value {
        Ok(value) => value,
        Err(errno @ (Errno::IO | Errno::NOMEM)) => return Err(system_error(errno)),
        Err(errno) => return Ok(errno != Errno::NODATA),
    };
    let Some(text) = std::str::from_utf8(value).ok().and_then(|text| text.strip_suffix('\0'))
    else {
        return Ok(true);
    };
    let mut parts = text.split('\0');
    info.content_type = parts.next().filter(|text| !text.is_empty()).map(str::to_owned);
    while let (Some(key), Some(value)) = (parts.next(), parts.next()) {
        info.user_metadata.insert(key.to_owned(), value.to_owned());
    }
    Ok(true)
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd as _;

    use super::*;
    use crate::core::info::FileType;
    use crate::core::path::FilePath;

    fn info() -> FileInfo {
        FileInfo::new(FilePath::parse("a").unwrap(), FileType::File)
    }

    #[test]
    fn metadata_of_every_size_reads_back() {
        let dir = tempfile::tempdir().unwrap();
        assert!(keeps_metadata(File::open(dir.path()).unwrap().as_fd()));
        let long = FileMetadata {
            content_type: Some("x".repeat(255)),
            user_metadata: [("k".to_owned(), "\u{1}".repeat(2047))].into(),
            ..FileMetadata::default()
        };
        let short = FileMetadata {
            user_metadata: [("a", ""), ("b", "ä\n=")]
                .map(|(k, v)| (k.to_owned(), v.to_owned()))
                .into(),
            ..FileMetadata::default()
        };
        for (name, metadata) in
            [("long", long), ("short", short), ("none", FileMetadata::default())]
        {
            let file = File::create(dir.path().join(name)).unwrap();
            metadata.check().unwrap();
            set_metadata(&file, &metadata).unwrap();
            let (mut open, mut linked) = (info(), info());
            add_metadata(&file, &mut open).unwrap();
            add_metadata_by_link(file.as_fd(), &mut linked).unwrap();
            assert_eq!(open, linked);
            assert_eq!(open.content_type, metadata.content_type);
            assert_eq!(open.user_metadata, metadata.user_metadata);
        }
    }

    #[test]
    fn a_value_of_another_program_is_ignored() {
        for value in [&b""[..], b"text", b"\xff\0", b"\0", b"text/plain\0key\0"] {
            let mut info = info();
            add(Ok(value), &mut info).unwrap();
            assert!(info.user_metadata.is_empty(), "{value:?}");
        }
    }
}
