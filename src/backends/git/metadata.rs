//! Metadata that git keeps, and symbolic links.

use std::mem;
use std::sync::Arc;

use super::error::CONTEXT;
use super::shared::Shared;
use crate::backend::{AsyncFileBackend as _, Capabilities, Capability};
use crate::core::error::{Error, ErrorKind, Result};
use crate::core::info::FileInfo;
use crate::core::metadata::FileMetadata;
use crate::core::options::InfoChanges;

/// The permissions that git keeps: those of a plain file and of an executable one.
const PERMISSIONS: [u32; 2] = [0o644, 0o755];

/// What a working tree may have and git does not keep.
pub(super) const NOT_KEPT: Capabilities = Capabilities::NONE
    .with(Capability::InPlace)
    .with(Capability::Durable)
    .with(Capability::ContentType)
    .with(Capability::UserMetadata)
    .with(Capability::ModificationTime)
    .with(Capability::Permissions)
    .with(Capability::Resumable)
    .with(Capability::PrivateViews);

/// Refuses metadata that git does not keep.
pub(super) fn check_metadata(metadata: &FileMetadata) -> Result<()> {
    metadata.check()?;
    let others = FileMetadata { permissions: None, ..metadata.clone() };
    check_kept(metadata.permissions, others.is_empty())
}

fn check_kept(permissions: Option<u32>, has_no_others: bool) -> Result<()> {
    if has_no_others && permissions.is_none_or(|bits| PERMISSIONS.contains(&bits)) {
        return Ok(());
    }
    let message = "git keeps the content, the permissions 0o644 and 0o755, and links";
    Err(Error::new(ErrorKind::Unsupported).with_message(message))
}

/// Returns what git keeps of the metadata of a file that is copied.
pub(super) fn kept(info: &FileInfo) -> FileMetadata {
    let kept = |bits: u32| PERMISSIONS[usize::from(bits & 0o100 != 0)];
    FileMetadata { permissions: info.permissions.map(kept), ..FileMetadata::default() }
}

impl Shared {
    /// Changes the permissions of a file, which git keeps as the executable bit.
    pub(super) async fn set_info(
        self: &Arc<Self>,
        path: &str,
        mut changes: InfoChanges,
    ) -> Result<FileInfo> {
        let condition = mem::take(&mut changes.condition);
        let set = async {
            let entry = self.tree.parse_entry(path)?;
            changes.check()?;
            let others = InfoChanges { permissions: None, ..changes.clone() };
            check_kept(changes.permissions, others == InfoChanges::default())?;
            changes.condition = self.condition_for_tree(&entry, condition).await?;
            let set = async { self.tree.set_info(path, changes).await };
            self.write_with(set, &entry, "Set permissions of", path).await
        };
        set.await.map_err(CONTEXT.at("set info of", path))
    }

    pub(super) async fn create_link(
        self: &Arc<Self>,
        path: &str,
        target: &str,
    ) -> Result<FileInfo> {
        let create = async {
            let link = self.tree.parse_entry(path)?;
            let create = async { self.tree.create_link(path, target).await };
            self.write_with(create, &link, "Link", path).await
        };
        create.await.map_err(CONTEXT.at("create link", path))
    }

    pub(super) async fn read_link(self: &Arc<Self>, path: &str) -> Result<String> {
        let read = async {
            let _guard = self.lock_for_read().await?;
            self.tree.read_link(path).await
        };
        read.await.map_err(CONTEXT.at("read link", path))
    }
}
