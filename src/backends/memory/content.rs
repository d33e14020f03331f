//! The data of an entry.

use std::collections::BTreeMap;
use std::time::SystemTime;

use bytes::Bytes;

use crate::core::etag::Etag;
use crate::core::info::FileInfo;
use crate::core::target::FileState;

#[derive(Clone, Copy, Debug)]
pub(super) struct Times {
    pub(super) created: SystemTime,
    pub(super) modified: SystemTime,
}

impl Times {
    pub(super) fn now() -> Self {
        let now = SystemTime::now();
        Self { created: now, modified: now }
    }
}

#[derive(Clone, Debug)]
pub(super) struct Content {
    pub(super) times: Times,
    pub(super) bytes: Bytes,
    pub(super) etag: Etag,
    pub(super) content_type: Option<String>,
    pub(super) user_metadata: BTreeMap<String, String>,
    pub(super) permissions: Option<u32>,
}

impl FileState for Content {
    fn etag(&self) -> Option<Etag> {
        Some(self.etag.clone())
    }

    fn modified_at(&self) -> Option<SystemTime> {
        Some(self.times.modified)
    }
}

impl Content {
    /// Sets the fields of the metadata that describe this content.
    pub(super) fn describe(&self, info: &mut FileInfo) {
        info.created_at = Some(self.times.created);
        info.modified_at = Some(self.times.modified);
        info.size = Some(self.bytes.len() as u64);
        info.etag = Some(self.etag.clone());
        info.content_type.clone_from(&self.content_type);
        info.user_metadata.clone_from(&self.user_metadata);
        info.permissions = self.permissions;
    }
}
