//! Checksums of files.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::run::long_permit;
use super::{LocalFileBackend, Shared, check_not_root};
use crate::backend::is_skipped;
use crate::core::checksum::{Checksum, ChecksumAlgorithm};
use crate::core::error::Result;
use crate::core::path::FilePath;
use crate::sys::fs::{Root, open_file};
use crate::sys::pool::{self, Cancelled, Wait, parallel_map};

pub(super) async fn checksum(
    backend: &LocalFileBackend,
    path: &str,
    algorithm: ChecksumAlgorithm,
) -> Result<Checksum> {
    let hash = move |shared: &Shared, path: &FilePath, cancelled: &Cancelled| {
        check_not_root(path)?;
        open_file(&shared.root, path, Wait::Disk)?.checksum(algorithm, cancelled)
    };
    backend.run_long("checksum", path, hash).await
}

pub(super) async fn checksum_many(
    backend: &LocalFileBackend,
    paths: &[&str],
    algorithm: ChecksumAlgorithm,
) -> Result<BTreeMap<FilePath, Checksum>> {
    let parse = |path: &&str| {
        let parsed = backend.shared.root.parse_entry(path);
        parsed.map_err(|error| backend.failing("checksum", path)(error))
    };
    let paths = paths.iter().map(parse).collect::<Result<Vec<_>>>()?;
    let shared = Arc::clone(&backend.shared);
    let permit = long_permit().await;
    let hashed = pool::run_cancellable(move |cancelled| {
        let _permit = permit;
        hash_all(&shared.root, &paths, algorithm, cancelled)
    });
    hashed.await.map_err(backend.failing("checksum", ""))
}

/// Hashes `paths` on as many threads as cores are idle. Each thread has one file open.
fn hash_all(
    root: &Root,
    paths: &[FilePath],
    algorithm: ChecksumAlgorithm,
    cancelled: &Cancelled,
) -> Result<BTreeMap<FilePath, Checksum>> {
    let hash = |_: &mut (), index: usize| {
        cancelled.check()?;
        let path = &paths[index];
        let file = open_file(root, path, Wait::Disk);
        match file.and_then(|file| file.checksum(algorithm, cancelled)) {
            Ok(checksum) => Ok(Some((path.clone(), checksum))),
            Err(error) if is_skipped(&error) && !root.is_removed() => Ok(None),
            Err(error) => Err(error.with_path(path.as_str())),
        }
    };
    let found: Vec<_> = parallel_map(paths.len(), || (), hash)?;
    Ok(found.into_iter().flatten().collect())
}
