//! Options for changes of metadata, versions and watches.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};

use super::directory::Depth;
use super::setters::setters;
use crate::core::duration;
use crate::core::error::Result;
use crate::core::metadata::{check_content_type, check_permissions, check_user_metadata};
use crate::core::precondition::Precondition;
use crate::core::rfc3339;

/// What [`set_info`](crate::AsyncFileBackend::set_info) changes; a field that is `None` stays as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct InfoChanges {
    /// The modification time.
    #[serde(with = "rfc3339")]
    pub modified_at: Option<SystemTime>,
    /// The time of the last read.
    #[serde(with = "rfc3339")]
    pub accessed_at: Option<SystemTime>,
    /// The POSIX permission bits, at most `0o7777`.
    pub permissions: Option<u32>,
    /// The numeric id of the owning user.
    pub owner_uid: Option<u32>,
    /// The numeric id of the owning group.
    pub owner_gid: Option<u32>,
    /// The content type; an empty text removes it.
    pub content_type: Option<String>,
    /// All user metadata, which replace the old ones.
    pub user_metadata: Option<BTreeMap<String, String>>,
    /// Extended attributes by their full name, such as `user.origin`; `None` removes one. Others stay.
    pub attributes: BTreeMap<String, Option<Vec<u8>>>,
    /// What must hold for the entry.
    pub condition: Precondition,
}

impl InfoChanges {
    /// Checks the form of all fields.
    ///
    /// # Errors
    ///
    /// Those of [`FileMetadata::check`](crate::FileMetadata::check).
    pub fn check(&self) -> Result<()> {
        if let Some(content_type) = self.content_type.as_deref().filter(|text| !text.is_empty()) {
            check_content_type(content_type)?;
        }
        if let Some(metadata) = &self.user_metadata {
            check_user_metadata(metadata)?;
        }
        check_permissions(self.permissions)
    }
}

setters!(InfoChanges {
    /// Sets the modification time.
    with_modified_at(modified_at: SystemTime) => Some(modified_at);
    /// Sets the time of the last read.
    with_accessed_at(accessed_at: SystemTime) => Some(accessed_at);
    /// Sets the POSIX permission bits.
    with_permissions(permissions: u32) => Some(permissions);
    /// Sets the owning user.
    with_owner_uid(owner_uid: u32) => Some(owner_uid);
    /// Sets the owning group.
    with_owner_gid(owner_gid: u32) => Some(owner_gid);
    /// Sets all user metadata.
    with_user_metadata(user_metadata: BTreeMap<String, String>) => Some(user_metadata);
    /// Sets what must hold for the entry.
    with_condition(condition: Precondition) => condition;
});

impl InfoChanges {
    /// Sets the content type; an empty text removes it.
    #[must_use]
    pub fn with_content_type(mut self, content_type: impl Into<String>) -> Self {
        self.content_type = Some(content_type.into());
        self
    }

    /// Sets an extended attribute by its full name, such as `user.origin`.
    #[must_use]
    pub fn with_attribute(mut self, name: impl Into<String>, value: impl Into<Vec<u8>>) -> Self {
        self.attributes.insert(name.into(), Some(value.into()));
        self
    }
}

/// Options of [`list_versions`](crate::AsyncFileBackend::list_versions_with).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct VersionOptions {
    /// The number of versions to return; all if `None`.
    pub limit: Option<usize>,
}

setters!(VersionOptions {
    /// Sets the number of versions to return.
    with_limit(limit: usize) => Some(limit);
});

/// Options of [`watch`](crate::AsyncFileBackend::watch_with).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct WatchOptions {
    /// How deep below the directory changes are reported; everything by default.
    pub depth: Depth,
    /// How long an entry must be quiet before its changes are reported as one; 50 ms by default. An entry that is never quiet is reported
    /// after 20 times as long. With zero, nothing waits for further changes. In JSON, a number of seconds.
    #[serde(serialize_with = "duration::serialize", deserialize_with = "duration::required")]
    pub settle: Duration,
}

impl Default for WatchOptions {
    fn default() -> Self {
        Self { depth: Depth::All, settle: Duration::from_millis(50) }
    }
}

setters!(WatchOptions {
    /// Sets how deep below the directory changes are reported.
    with_depth(depth: Depth) => depth;
    /// Sets how long an entry must be quiet before its changes are reported.
    with_settle(settle: Duration) => settle;
});
