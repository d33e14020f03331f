//! The capabilities of a store beyond the required ones.

use std::fmt;
use std::ops::{BitAnd, BitOr, Sub};
use std::vec;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::core::error::{Error, ErrorKind, Result};
use crate::core::metadata::FileMetadata;
use crate::core::names::names;

/// A capability that not every store has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Capability {
    /// Of several creators at the same time, exactly one succeeds. With [`CrossProcessWrites`](Self::CrossProcessWrites) this holds
    /// across processes.
    ExclusiveCreate,
    /// Files have etags, and writes can require one: [`WriteMode::IfMatch`](crate::WriteMode::IfMatch).
    ConditionalWrite,
    /// Updates can append: [`UpdateMode::Append`](crate::UpdateMode::Append).
    Append,
    /// Writes can [write a file in place](crate::WriteMethod::InPlace).
    InPlace,
    /// Empty directories exist. Without this capability, a directory exists only while it contains files, and
    /// [`create_dir`](crate::AsyncFileBackend::create_dir_with) is [`Unsupported`](crate::ErrorKind::Unsupported).
    EmptyDirectories,
    /// A parent directory that was created for a file stays after the file is deleted. Without this capability, only a directory
    /// from [`create_dir`](crate::AsyncFileBackend::create_dir_with) stays.
    PersistentDirectories,
    /// [`rename`](crate::AsyncFileBackend::rename_with) is atomic, including the rename of a directory.
    AtomicRename,
    /// [`copy`](crate::AsyncFileBackend::copy_with) does not transfer the content through this process.
    ServerSideCopy,
    /// A finished write survives a power loss.
    Durable,
    /// [`sync_session`](crate::AsyncFileBackend::sync_session_with) excludes other sessions within this process.
    Sessions,
    /// Sessions also exclude sessions of other processes.
    CrossProcessSessions,
    /// Exclusive creates, conditional writes and appends are also exact among processes. Without this capability, a writer in another
    /// process can come between the check and the write.
    CrossProcessWrites,
    /// Paths may have up to [`MAX_PATH_BYTES`](crate::MAX_PATH_BYTES). Without this capability, the limit is that of
    /// [`Limits`](crate::Limits): at least 1,024, less the prefix of a store that is a part of another one. A longer path is [`InvalidPath`](crate::ErrorKind::InvalidPath).
    LongPaths,
    /// Writes can set a [content type](crate::FileMetadata::content_type).
    ContentType,
    /// Writes can set [user metadata](crate::FileMetadata::user_metadata).
    UserMetadata,
    /// Writes can set the [modification time](crate::FileMetadata::modified_at).
    ModificationTime,
    /// Writes can set all [permission bits](crate::FileMetadata::permissions).
    Permissions,
    /// [`set_info`](crate::AsyncFileBackend::set_info) changes metadata of existing entries.
    SetInfo,
    /// [Symbolic links](crate::AsyncFileBackend::create_link) can be created and read.
    Links,
    /// The store keeps [versions](crate::AsyncFileBackend::list_versions_with) of files.
    Versions,
    /// [`watch`](crate::AsyncFileBackend::watch_with) reports changes.
    Watch,
    /// [`presign`](crate::AsyncFileBackend::presign) returns requests that work without f9.
    Presign,
    /// [Uploads](crate::AsyncFileBackend::begin_upload) can continue in another process, or later in this one.
    Resumable,
    /// [`private_view`](crate::AsyncFileBackend::private_view) returns a view with a directory for a service.
    PrivateViews,
}

names!(Capability, "capability" {
    ExclusiveCreate = "exclusive-create",
    ConditionalWrite = "conditional-write",
    Append = "append",
    InPlace = "in-place",
    EmptyDirectories = "empty-directories",
    PersistentDirectories = "persistent-directories",
    AtomicRename = "atomic-rename",
    ServerSideCopy = "server-side-copy",
    Durable = "durable",
    Sessions = "sessions",
    CrossProcessSessions = "cross-process-sessions",
    CrossProcessWrites = "cross-process-writes",
    LongPaths = "long-paths",
    ContentType = "content-type",
    UserMetadata = "user-metadata",
    ModificationTime = "modification-time",
    Permissions = "permissions",
    SetInfo = "set-info",
    Links = "links",
    Versions = "versions",
    Watch = "watch",
    Presign = "presign",
    Resumable = "resumable",
    PrivateViews = "private-views",
});

/// A set of capabilities.
///
/// `|` is the union, `&` the intersection, and `-` the difference. In JSON it is a list of names.
///
/// # Examples
///
/// ```
/// use f9::{AsyncFileBackend as _, Capabilities, Capability, MemoryFileBackend};
/// let capabilities = MemoryFileBackend::new().capabilities();
/// assert!(capabilities.has(Capability::Append));
/// assert!(!capabilities.has(Capability::CrossProcessSessions));
/// let needed = Capabilities::of(&[Capability::Append, Capability::Durable]);
/// assert_eq!(needed - capabilities, Capabilities::of(&[Capability::Durable]));
/// ```
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Capabilities(u64);

impl Capabilities {
    /// The empty set.
    pub const NONE: Self = Self(0);

    /// Creates a set of these capabilities.
    #[must_use]
    pub fn of(capabilities: &[Capability]) -> Self {
        capabilities.iter().copied().collect()
    }

    /// Returns the set with `capability`.
    #[must_use]
    pub const fn with(self, capability: Capability) -> Self {
        Self(self.0 | 1 << capability as u64)
    }

    /// Returns the set without `capability`.
    #[must_use]
    pub const fn without(self, capability: Capability) -> Self {
        Self(self.0 & !(1 << capability as u64))
    }

    /// Whether the set has `capability`.
    #[must_use]
    pub const fn has(self, capability: Capability) -> bool {
        self.0 & (1 << capability as u64) != 0
    }

    /// Checks the form of metadata, and that a store with these capabilities keeps all of it. For backends.
    ///
    /// # Errors
    ///
    /// Those of [`FileMetadata::check`]; [`Unsupported`](ErrorKind::Unsupported), which names what the store does not keep.
    pub fn check_metadata(self, metadata: &FileMetadata) -> Result<()> {
        metadata.check()?;
        let wanted = [
            (metadata.content_type.is_some(), Capability::ContentType, "a content type"),
            (!metadata.user_metadata.is_empty(), Capability::UserMetadata, "user metadata"),
            (metadata.modified_at.is_some(), Capability::ModificationTime, "a modification time"),
            (metadata.permissions.is_some(), Capability::Permissions, "permissions"),
        ];
        let missing = wanted.iter().find(|(is_set, need, _)| *is_set && !self.has(*need));
        missing.map_or(Ok(()), |(_, _, what)| {
            Err(Error::new(ErrorKind::Unsupported).with_message(format!("it does not keep {what}")))
        })
    }

    /// Returns the part of metadata that a store with these capabilities keeps.
    pub(crate) fn keepable(self, mut metadata: FileMetadata) -> FileMetadata {
        metadata.content_type.take_if(|_| !self.has(Capability::ContentType));
        metadata.modified_at.take_if(|_| !self.has(Capability::ModificationTime));
        metadata.permissions.take_if(|_| !self.has(Capability::Permissions));
        if !self.has(Capability::UserMetadata) {
            metadata.user_metadata.clear();
        }
        metadata
    }

    /// Returns the capabilities of the set, in the order of [`Capability::ALL`].
    pub fn iter(self) -> impl Iterator<Item = Capability> {
        Capability::ALL.iter().copied().filter(move |&capability| self.has(capability))
    }
}

impl BitOr for Capabilities {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl BitAnd for Capabilities {
    type Output = Self;

    fn bitand(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }
}

impl Sub for Capabilities {
    type Output = Self;

    fn sub(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }
}

impl FromIterator<Capability> for Capabilities {
    fn from_iter<I: IntoIterator<Item = Capability>>(capabilities: I) -> Self {
        capabilities.into_iter().fold(Self::default(), Self::with)
    }
}

impl IntoIterator for Capabilities {
    type Item = Capability;
    type IntoIter = vec::IntoIter<Capability>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter().collect::<Vec<_>>().into_iter()
    }
}

impl fmt::Debug for Capabilities {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}

impl Serialize for Capabilities {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.iter())
    }
}

impl<'de> Deserialize<'de> for Capabilities {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Vec::<Capability>::deserialize(deserializer).map(Self::from_iter)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_has_the_capabilities_that_it_was_made_of() {
        let set = Capabilities::of(&[Capability::Append, Capability::Sessions]);
        assert!(set.has(Capability::Append) && !set.has(Capability::Durable));
        assert_eq!(set.iter().collect::<Vec<_>>(), [Capability::Append, Capability::Sessions]);
        assert_eq!(set.without(Capability::Append), Capabilities::of(&[Capability::Sessions]));
        assert_eq!(serde_json::to_string(&set).unwrap(), r#"["append","sessions"]"#);
        assert_eq!(format!("{set:?}"), "{Append, Sessions}");
    }

    #[test]
    fn sets_are_united_intersected_and_subtracted() {
        let [a, b, c] = [Capability::Append, Capability::Durable, Capability::LongPaths];
        let (left, right) = (Capabilities::of(&[a, b]), Capabilities::of(&[b, c]));
        assert_eq!(left | right, Capabilities::of(&[a, b, c]));
        assert_eq!(left & right, Capabilities::of(&[b]));
        assert_eq!(left - right, Capabilities::of(&[a]));
        let all: Capabilities = Capability::ALL.iter().copied().collect();
        assert_eq!(all.into_iter().collect::<Vec<_>>(), Capability::ALL);
        assert_eq!(all - all, Capabilities::default());
    }

    #[test]
    fn a_set_reads_back_from_json_and_a_wrong_name_lists_the_right_ones() {
        for set in [Capabilities::default(), Capability::ALL.iter().copied().collect()] {
            let json = serde_json::to_string(&set).unwrap();
            assert_eq!(serde_json::from_str::<Capabilities>(&json).unwrap(), set);
        }
        let error = serde_json::from_str::<Capabilities>(r#"["apend"]"#).unwrap_err().to_string();
        assert!(
            error.contains("unknown capability `apend` (expected `exclusive-create`,"),
            "{error}"
        );
    }

    #[test]
    fn a_name_is_the_variant_in_kebab_case() {
        for capability in Capability::ALL {
            assert_eq!(capability.name().parse::<Capability>().unwrap(), *capability);
            let variant = format!("{capability:?}").to_lowercase();
            assert_eq!(capability.name().replace('-', ""), variant);
        }
    }
}
