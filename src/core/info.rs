//! The metadata of a file or directory.

use std::collections::BTreeMap;
use std::time::SystemTime;

use serde::{Deserialize, Serialize};

use crate::core::checksum::Checksum;
use crate::core::encoding::Encoding;
use crate::core::etag::Etag;
use crate::core::metadata::FileMetadata;
use crate::core::names::names;
use crate::core::path::FilePath;
use crate::core::rfc3339;
use crate::core::version::VersionId;

/// The type of an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum FileType {
    /// A regular file.
    File,
    /// A directory.
    Directory,
    /// A symbolic link to anything.
    Symlink,
    /// A FIFO, a socket, a device or another special file.
    Other,
}

names!(FileType, "file type" {
    File = "file",
    Directory = "directory",
    Symlink = "symlink",
    Other = "other",
});

/// The metadata of a file or directory. A field is `None` if the store does not know it or was not asked for it.
///
/// In JSON, times are RFC 3339 in UTC. A time outside the years 0 to 9999 becomes the nearest one within them.
///
/// # Examples
///
/// ```
/// use f9::prelude::*;
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> f9::Result<()> {
/// let backend = f9::MemoryFileBackend::new();
/// backend.create("a.txt", "hello").await?;
/// let info = backend.info("a.txt").await?;
/// assert_eq!((info.path.as_str(), info.size), ("a.txt", Some(5)));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct FileInfo {
    /// The path relative to the root.
    pub path: FilePath,
    /// The type of the entry.
    pub file_type: FileType,
    /// The size in bytes; `None` for a directory. From a look-up or listing of the local backend it is what the system says, which is 0 or
    /// 4,096 for most files in `/proc` and `/sys`. With content, from `open`, it is how much there is.
    pub size: Option<u64>,
    /// When the file was created. Some stores set it again when the file is replaced.
    #[serde(default, with = "rfc3339")]
    pub created_at: Option<SystemTime>,
    /// When the content last changed.
    #[serde(default, with = "rfc3339")]
    pub modified_at: Option<SystemTime>,
    /// When the content was last read, if the store records that.
    #[serde(default, with = "rfc3339")]
    pub accessed_at: Option<SystemTime>,
    /// The POSIX permission bits, at most `0o7777`.
    pub permissions: Option<u32>,
    /// The numeric id of the owning user.
    pub owner_uid: Option<u32>,
    /// The numeric id of the owning group.
    pub owner_gid: Option<u32>,
    /// A token that changes whenever the content may have changed, even if the modification time was set back.
    pub etag: Option<Etag>,
    /// The checksum, if [`InfoOptions::checksum`](crate::InfoOptions::checksum) asked for it.
    pub checksum: Option<Checksum>,
    /// The encoding, if [`InfoOptions::encoding`](crate::InfoOptions::encoding) asked for it.
    pub encoding: Option<Encoding>,
    /// The version, if the store keeps versions.
    pub version: Option<VersionId>,
    /// The media type of the content. Listings may leave it out.
    pub content_type: Option<String>,
    /// The pairs that a write set. Listings may leave them out.
    #[serde(default)]
    pub user_metadata: BTreeMap<String, String>,
    /// A number that all names of one file share, and that stays the same when the file is renamed; unique within the store.
    pub file_id: Option<u64>,
    /// When the content or the metadata last changed, by the clock of the store. Nobody can set it.
    #[serde(default, with = "rfc3339")]
    pub changed_at: Option<SystemTime>,
    /// The path in a symbolic link. Listings may leave it out.
    pub link_target: Option<String>,
    /// Further metadata of the store.
    #[serde(default)]
    pub extra: BTreeMap<String, String>,
}

impl FileInfo {
    /// Creates an info with all other fields empty; a backend then sets the fields that it knows.
    #[must_use]
    pub fn new(path: FilePath, file_type: FileType) -> Self {
        Self {
            path,
            file_type,
            size: None,
            created_at: None,
            modified_at: None,
            accessed_at: None,
            permissions: None,
            owner_uid: None,
            owner_gid: None,
            etag: None,
            checksum: None,
            encoding: None,
            version: None,
            content_type: None,
            user_metadata: BTreeMap::new(),
            file_id: None,
            changed_at: None,
            link_target: None,
            extra: BTreeMap::new(),
        }
    }

    /// Whether both describe the same version of a file, by their etags or, without etags, by size, times and file id.
    pub(crate) fn is_same_version(&self, other: &Self) -> bool {
        match (&self.etag, &other.etag) {
            (Some(mine), Some(theirs)) => mine == theirs,
            _ => {
                let stat =
                    |info: &Self| (info.size, info.modified_at, info.changed_at, info.file_id);
                stat(self) == stat(other)
            }
        }
    }

    /// Returns what a copy of the file keeps: content type, user metadata, modification time and permissions.
    #[must_use]
    pub fn kept(&self) -> FileMetadata {
        FileMetadata {
            content_type: self.content_type.clone(),
            user_metadata: self.user_metadata.clone(),
            modified_at: self.modified_at,
            permissions: self.permissions,
        }
    }

    /// Whether this is a directory.
    #[must_use]
    pub fn is_dir(&self) -> bool {
        self.file_type == FileType::Directory
    }

    /// Whether this is a regular file.
    #[must_use]
    pub fn is_file(&self) -> bool {
        self.file_type == FileType::File
    }

    /// Whether this is a text file. `false` unless the encoding was asked for.
    #[must_use]
    pub fn is_text_file(&self) -> bool {
        self.is_file() && self.encoding.is_some_and(Encoding::is_text)
    }

    /// Whether this is a binary file. `false` unless the encoding was asked for.
    #[must_use]
    pub fn is_binary_file(&self) -> bool {
        self.is_file() && self.encoding == Some(Encoding::Binary)
    }

    /// Whether this is a file whose permission bits let anyone read it. `true` for a file without permission bits.
    #[must_use]
    pub fn is_readable(&self) -> bool {
        self.is_file() && self.permissions.is_none_or(|bits| bits & 0o444 != 0)
    }

    /// Whether the content changed after `time`. `true` if the modification time is unknown.
    #[must_use]
    pub fn is_modified_since(&self, time: SystemTime) -> bool {
        self.modified_at.is_none_or(|modified| modified > time)
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;

    fn file() -> FileInfo {
        FileInfo::new(FilePath::parse("a.txt").unwrap(), FileType::File)
    }

    #[test]
    fn json_has_rfc_3339_times_in_utc_and_reads_back() {
        let mut info = file();
        info.created_at = Some(UNIX_EPOCH - Duration::from_secs(1));
        info.modified_at = Some(UNIX_EPOCH + Duration::from_nanos(1_500_000_000));
        info.extra.insert("k".into(), "v".into());
        let json = serde_json::to_value(&info).unwrap();
        assert_eq!(json["created_at"], "1969-12-31T23:59:59Z");
        assert_eq!(json["modified_at"], "1970-01-01T00:00:01.5Z");
        assert_eq!(json["accessed_at"], serde_json::Value::Null);
        assert_eq!(json["file_type"], "file");
        assert_eq!(serde_json::from_value::<FileInfo>(json).unwrap(), info);
    }

    #[test]
    fn json_needs_only_the_path_and_the_type() {
        let json = r#"{"path":"a.txt","file_type":"file"}"#;
        assert_eq!(serde_json::from_str::<FileInfo>(json).unwrap(), file());
    }

    #[test]
    fn a_time_outside_of_rfc_3339_becomes_the_nearest_one() {
        let mut info = file();
        info.created_at = Some(UNIX_EPOCH - Duration::from_secs(1 << 37));
        info.modified_at = Some(UNIX_EPOCH + Duration::from_secs(1 << 40));
        let json = serde_json::to_value(&info).unwrap();
        assert_eq!(json["created_at"], "0000-01-01T00:00:00Z");
        assert_eq!(json["modified_at"], "9999-12-30T22:00:00.999999999Z");
    }

    #[test]
    fn text_and_binary_files_need_an_encoding() {
        let mut info = file();
        assert!(!info.is_text_file() && !info.is_binary_file());
        info.encoding = Some(Encoding::Utf8);
        assert!(info.is_text_file() && !info.is_binary_file());
        info.encoding = Some(Encoding::Binary);
        assert!(!info.is_text_file() && info.is_binary_file());
        info.file_type = FileType::Directory;
        assert!(!info.is_binary_file() && info.is_dir());
    }

    #[test]
    fn a_file_is_readable_and_modified_unless_the_fields_say_otherwise() {
        let mut info = file();
        assert!(info.is_readable() && info.is_modified_since(UNIX_EPOCH));
        info.permissions = Some(0o200);
        info.modified_at = Some(UNIX_EPOCH);
        assert!(!info.is_readable() && !info.is_modified_since(UNIX_EPOCH));
        assert!(info.is_modified_since(UNIX_EPOCH - Duration::from_secs(1)));
    }

    #[test]
    fn names_of_file_types_read_back() {
        for &file_type in FileType::ALL {
            assert_eq!(file_type.to_string().parse::<FileType>().unwrap(), file_type);
            assert_eq!(serde_json::to_value(file_type).unwrap(), file_type.name());
        }
        let message = "fifo".parse::<FileType>().unwrap_err().to_string();
        let expected =
            "unknown file type `fifo` (expected `file`, `directory`, `symlink` or `other`)";
        assert!(message.ends_with(expected), "{message}");
    }
}
