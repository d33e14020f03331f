//! The versions of files, in buckets that keep them.

use futures::stream::{self, StreamExt as _};

use super::metadata;
use super::store::Store;
use crate::core::error::{ErrorKind, Result};
use crate::core::file_version::{FileVersion, VersionStream};
use crate::core::options::VersionOptions;
use crate::core::version::VersionId;

impl Store {
    pub(super) async fn list_versions(
        &self,
        path: &str,
        options: &VersionOptions,
    ) -> Result<VersionStream<'static>> {
        let path = self.parse_entry(path)?;
        self.expect_versions()?;
        let versions = self.bucket.versions(&self.keys.file(&path)).await?;
        if versions.is_empty() {
            return Err(ErrorKind::NotFound.into());
        }
        let described = versions.into_iter().map(move |version| {
            let id = VersionId::new(version.object.version.clone().unwrap_or_default());
            let info = metadata::info(path.clone(), &version.object);
            let mut described = FileVersion::new(id, Some(info).filter(|_| !version.is_deletion));
            described.created_at = version.object.modified_at;
            described.is_current = version.is_current && !version.is_deletion;
            Ok(described)
        });
        Ok(stream::iter(described).take(options.limit.unwrap_or(usize::MAX)).boxed())
    }
}
