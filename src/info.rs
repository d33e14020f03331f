//! What is known about one file or directory.

use std::collections::BTreeMap;
use std::fmt;
use std::time::SystemTime;

use serde::{Deserialize, Serialize};

use crate::{Checksum, FilePath};

/// What stands at a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum FileType {
    /// A regular file.
    File,
    /// A directory.
    Directory,
    /// A symbolic link, whatever it leads to.
    Symlink,
    /// A FIFO, a socket, a device or another special file.
    Other,
}

/// An opaque token that changes whenever the content of a file may have changed.
///
/// Compare it for equality, or pass it to [`WriteMode::IfMatch`](crate::WriteMode::IfMatch); its text means nothing.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Etag(String);

impl Etag {
    /// An etag with the given text, as a store reports it.
    #[must_use]
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text, without quotes.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Etag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// How the bytes of a file read as text, guessed from its first [`Encoding::SAMPLE_BYTES`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Encoding {
    /// Only bytes below 128, so also valid UTF-8. An empty file counts as this.
    Ascii,
    /// UTF-8, with or without a byte order mark.
    #[serde(rename = "utf-8")]
    Utf8,
    /// UTF-16, little endian, with a byte order mark.
    Utf16Le,
    /// UTF-16, big endian, with a byte order mark.
    Utf16Be,
    /// None of these.
    Binary,
}

impl Encoding {
    /// How many bytes from the start of a file are looked at.
    pub const SAMPLE_BYTES: usize = 8192;

    /// Guesses from the start of a file; `complete` says that `sample` is all of it.
    ///
    /// A character that the end of an incomplete sample cuts through does not make the file binary.
    ///
    /// ```
    /// use f9::Encoding;
    /// assert_eq!(Encoding::detect("é".as_bytes(), true), Encoding::Utf8);
    /// assert_eq!(Encoding::detect(&"é".as_bytes()[..1], false), Encoding::Utf8);
    /// assert_eq!(Encoding::detect(&"é".as_bytes()[..1], true), Encoding::Binary);
    /// assert_eq!(Encoding::detect(b"\x7fELF\x00", true), Encoding::Binary);
    /// ```
    #[must_use]
    pub fn detect(sample: &[u8], complete: bool) -> Self {
        match sample {
            [0xff, 0xfe, ..] => return Self::Utf16Le,
            [0xfe, 0xff, ..] => return Self::Utf16Be,
            _ if sample.contains(&0) => return Self::Binary,
            _ if sample.is_ascii() => return Self::Ascii,
            _ => {}
        }
        match std::str::from_utf8(sample) {
            Ok(_) => Self::Utf8,
            Err(error) if !complete && error.error_len().is_none() => Self::Utf8,
            Err(_) => Self::Binary,
        }
    }

    /// Whether this is text of any kind.
    #[must_use]
    pub fn is_text(self) -> bool {
        self != Self::Binary
    }
}

/// What is known about one file or directory; `None` where the store does not know or was not asked.
///
/// Serialised, times are RFC 3339 in UTC, the nearest one where that cannot tell the year.
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
    /// What stands there.
    pub file_type: FileType,
    /// The size in bytes; `None` for a directory.
    pub size: Option<u64>,
    /// When the file came to be. Replacing a file counts as a new one where the store cannot tell otherwise.
    #[serde(default, with = "rfc3339")]
    pub created_at: Option<SystemTime>,
    /// When the content last changed.
    #[serde(default, with = "rfc3339")]
    pub modified_at: Option<SystemTime>,
    /// When the content was last read, as far as the store keeps track.
    #[serde(default, with = "rfc3339")]
    pub accessed_at: Option<SystemTime>,
    /// The permission bits of POSIX, `0o7777` at most.
    pub permissions: Option<u32>,
    /// The numeric id of the owning user.
    pub owner_uid: Option<u32>,
    /// The numeric id of the owning group.
    pub owner_gid: Option<u32>,
    /// Changes whenever the content may have changed, also when the modification time was set back.
    pub etag: Option<Etag>,
    /// The checksum, where [`InfoOptions::checksum`](crate::InfoOptions::checksum) asked for one.
    pub checksum: Option<Checksum>,
    /// The encoding, where [`InfoOptions::encoding`](crate::InfoOptions::encoding) asked for it.
    pub encoding: Option<Encoding>,
    /// What else the store keeps about the file.
    #[serde(default)]
    pub metadata: BTreeMap<String, String>,
}

impl FileInfo {
    /// An info that knows no more than this; a backend sets the fields that it can.
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
            metadata: BTreeMap::new(),
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

    /// Whether this is a file known to be text. `false` unless the encoding was asked for.
    #[must_use]
    pub fn is_text_file(&self) -> bool {
        self.is_file() && self.encoding.is_some_and(Encoding::is_text)
    }

    /// Whether this is a file known not to be text. `false` unless the encoding was asked for.
    #[must_use]
    pub fn is_binary_file(&self) -> bool {
        self.is_file() && self.encoding == Some(Encoding::Binary)
    }

    /// Whether this is a file that somebody may read by its permission bits; a store without these counts as readable.
    #[must_use]
    pub fn is_readable(&self) -> bool {
        self.is_file() && self.permissions.is_none_or(|bits| bits & 0o444 != 0)
    }

    /// Whether the content changed after `time`; an unknown modification time counts as changed.
    #[must_use]
    pub fn is_modified_since(&self, time: SystemTime) -> bool {
        self.modified_at.is_none_or(|modified| modified > time)
    }
}

/// Times as RFC 3339 text in UTC, also those before 1970. One outside the years 0 to 9999, which file systems can hold, becomes
/// the nearest that the text can tell: it must not keep a whole listing from being written.
pub(crate) mod rfc3339 {
    use std::time::{SystemTime, UNIX_EPOCH};

    use jiff::Timestamp;
    use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

    /// 0000-01-01T00:00:00Z.
    const FIRST: Timestamp = Timestamp::constant(-62_167_219_200, 0);

    pub(crate) fn nearest(time: SystemTime) -> Timestamp {
        match Timestamp::try_from(time) {
            Ok(timestamp) => timestamp.max(FIRST),
            Err(_) if time < UNIX_EPOCH => FIRST,
            Err(_) => Timestamp::MAX,
        }
    }

    pub(super) fn serialize<S: Serializer>(
        time: &Option<SystemTime>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        time.map(|time| nearest(time).to_string()).serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<SystemTime>, D::Error> {
        Option::<String>::deserialize(deserializer)?
            .map(|text| text.parse::<Timestamp>().map(SystemTime::from).map_err(de::Error::custom))
            .transpose()
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
        info.metadata.insert("k".into(), "v".into());
        let json = serde_json::to_value(&info).unwrap();
        assert_eq!(json["created_at"], "1969-12-31T23:59:59Z");
        assert_eq!(json["modified_at"], "1970-01-01T00:00:01.5Z");
        assert_eq!(json["accessed_at"], serde_json::Value::Null);
        assert_eq!(json["file_type"], "file");
        assert_eq!(serde_json::from_value::<FileInfo>(json).unwrap(), info);
    }

    #[test]
    fn json_needs_no_more_than_the_path_and_the_type() {
        let json = r#"{"path":"a.txt","file_type":"file"}"#;
        assert_eq!(serde_json::from_str::<FileInfo>(json).unwrap(), file());
    }

    #[test]
    fn times_that_rfc_3339_cannot_tell_are_the_nearest_it_can() {
        let mut info = file();
        info.created_at = Some(UNIX_EPOCH - Duration::from_secs(1 << 37));
        info.modified_at = Some(UNIX_EPOCH + Duration::from_secs(1 << 40));
        let json = serde_json::to_value(&info).unwrap();
        assert_eq!(json["created_at"], "0000-01-01T00:00:00Z");
        assert_eq!(json["modified_at"], "9999-12-30T22:00:00.999999999Z");
    }

    #[test]
    fn text_and_binary_are_known_only_when_asked() {
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
    fn readable_and_modified() {
        let mut info = file();
        assert!(info.is_readable() && info.is_modified_since(UNIX_EPOCH));
        info.permissions = Some(0o200);
        info.modified_at = Some(UNIX_EPOCH);
        assert!(!info.is_readable() && !info.is_modified_since(UNIX_EPOCH));
        assert!(info.is_modified_since(UNIX_EPOCH - Duration::from_secs(1)));
    }

    #[test]
    fn encodings() {
        for (sample, complete, expected) in [
            (&b""[..], true, Encoding::Ascii),
            (b"abc", true, Encoding::Ascii),
            ("aé".as_bytes(), true, Encoding::Utf8),
            (b"\xef\xbb\xbfabc", true, Encoding::Utf8),
            (b"\xff\xfea\0", true, Encoding::Utf16Le),
            (b"\xfe\xff\0a", true, Encoding::Utf16Be),
            (b"a\0b", true, Encoding::Binary),
            (b"\xc3", true, Encoding::Binary),
            (b"ab\xc3", false, Encoding::Utf8),
            (b"\xc3ab", false, Encoding::Binary),
        ] {
            assert_eq!(Encoding::detect(sample, complete), expected, "{sample:?}");
        }
    }
}
