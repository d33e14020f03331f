//! Reports conflicts and resolves them.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use futures::stream::{self, StreamExt as _};

use super::error::CONTEXT;
use super::kept_merge::Chosen;
use super::parse::{SUBMODULE, Stage};
use super::shared::Shared;
use crate::backend::SyncConflict;
use crate::core::error::{Error, Result};
use crate::core::stream::{ByteStream, in_context};

/// The versions of a file in conflict.
///
/// A version is `None` if there is no file, or a directory. The version of a symbolic link is its target, that of a submodule the id
/// of its commit.
pub struct ConflictVersions {
    /// The version of the common ancestor.
    pub base: Option<ByteStream<'static>>,
    /// The version that is committed locally.
    pub local: Option<ByteStream<'static>>,
    /// The version of the remote.
    pub remote: Option<ByteStream<'static>>,
}

impl fmt::Debug for ConflictVersions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConflictVersions")
            .field("base", &self.base.is_some())
            .field("local", &self.local.is_some())
            .field("remote", &self.remote.is_some())
            .finish()
    }
}

impl Shared {
    pub(super) async fn conflict_report(&self) -> Result<Vec<SyncConflict>> {
        let pending = self.repository.pending_merge().await;
        let pending = pending.map_err(CONTEXT.operation("report conflicts"))?;
        let unresolved = pending.iter().flat_map(|pending| pending.unresolved());
        Ok(unresolved.map(|conflict| conflict.report()).collect())
    }

    pub(super) async fn conflict_versions(&self, path: &str) -> Result<ConflictVersions> {
        let operation = "read the versions of";
        let versions = async {
            let sides = self.repository.sides(path).await?;
            let content = |stage: Option<Stage>| {
                let content = stage.map(|stage| self.content(&stage)).transpose()?;
                Ok::<_, Error>(content.map(|content| in_context(content, CONTEXT, operation, path)))
            };
            Ok(ConflictVersions {
                base: content(sides.base)?,
                local: content(sides.local)?,
                remote: content(sides.remote)?,
            })
        };
        versions.await.map_err(CONTEXT.at(operation, path))
    }

    fn content(&self, stage: &Stage) -> Result<ByteStream<'static>> {
        if stage.mode == SUBMODULE {
            let commit = Bytes::from(stage.oid.as_str().to_owned());
            return Ok(stream::iter([Ok(commit)]).boxed());
        }
        self.repository.git.local(["cat-file", "blob", stage.oid.as_str()]).stream()
    }

    pub(super) async fn accept_local(self: &Arc<Self>, path: &str) -> Result<()> {
        let accepted = self.resolve_conflict(path, Chosen::Local).await;
        accepted.map_err(CONTEXT.at("accept the local version of", path))
    }

    pub(super) async fn accept_remote(self: &Arc<Self>, path: &str) -> Result<()> {
        let accepted = self.resolve_conflict(path, Chosen::Remote).await;
        accepted.map_err(CONTEXT.at("accept the remote version of", path))
    }

    pub(super) async fn resolve_with(self: &Arc<Self>, path: &str, data: Bytes) -> Result<()> {
        let resolved = self.resolve_conflict(path, Chosen::Content(data)).await;
        resolved.map_err(CONTEXT.at("resolve the conflict at", path))
    }

    /// Resolves a conflict. Pushes if it was the last one and automatic pushes are configured.
    async fn resolve_conflict(self: &Arc<Self>, path: &str, chosen: Chosen) -> Result<()> {
        let operation = self.begin().await?;
        let pending = self.repository.resolve(path, chosen).await?;
        drop(operation);
        if !pending.is_resolved() {
            return Ok(());
        }
        self.push_after_write("Resolve", path).await
    }
}
