//! Many checksums at a time.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::backend::is_skipped;
use crate::fs::{Root, open_file};
use crate::offload::{Cancelled, Wait, on_each_core};
use crate::{ChecksumAlgorithm, Error, FilePath, Result};

/// How many single checksums are computed at a time: enough to hide a disk's latency, few enough for any limit on open files.
pub(super) const AT_A_TIME: usize = 32;

/// Hashes `paths` on as many threads as there are cores, each with one file open.
pub(super) fn many(
    root: &Root,
    paths: &[FilePath],
    algorithm: ChecksumAlgorithm,
    cancelled: &Cancelled,
) -> Result<BTreeMap<FilePath, String>> {
    let next = AtomicUsize::new(0);
    let hash = || -> Result<Vec<(FilePath, String)>> {
        let mut found = Vec::new();
        while let Some(path) = paths.get(next.fetch_add(1, Ordering::Relaxed)) {
            cancelled.check()?;
            match open_file(root, path, Wait::Disk)
                .and_then(|file| file.checksum(algorithm, cancelled))
            {
                Ok(checksum) => found.push((path.clone(), checksum.into_hex())),
                Err(error) if is_skipped(&error) && !root.is_gone() => {}
                Err(error) => {
                    // The others find nothing left to do.
                    next.store(paths.len(), Ordering::Relaxed);
                    return Err(error.with_path(path.as_str()));
                }
            }
        }
        Ok(found)
    };
    let found = on_each_core(paths.len(), hash);
    let found = found.into_iter().collect::<Result<Vec<_>, Error>>()?;
    Ok(found.into_iter().flatten().collect())
}
