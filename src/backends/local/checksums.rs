//! Many checksums at a time.

use std::collections::BTreeMap;

use crate::backend::is_skipped;
use crate::fs::{Root, open_file};
use crate::offload::{Cancelled, Wait, share_out};
use crate::{ChecksumAlgorithm, FilePath, Result};

/// How many single checksums are computed at a time: enough to hide a disk's latency, few enough for any limit on open files.
pub(super) const AT_A_TIME: usize = 32;

/// Hashes `paths` on as many threads as there are idle cores, each with one file open.
pub(super) fn many(
    root: &Root,
    paths: &[FilePath],
    algorithm: ChecksumAlgorithm,
    cancelled: &Cancelled,
) -> Result<BTreeMap<FilePath, String>> {
    let hash = |_: &mut (), index: usize| {
        cancelled.check()?;
        let path = &paths[index];
        let file = open_file(root, path, Wait::Disk);
        match file.and_then(|file| file.checksum(algorithm, cancelled)) {
            Ok(checksum) => Ok(Some((path.clone(), checksum.into_hex()))),
            Err(error) if is_skipped(&error) && !root.is_gone() => Ok(None),
            Err(error) => Err(error.with_path(path.as_str())),
        }
    };
    let found: Vec<_> = share_out(paths.len(), || (), hash)?;
    Ok(found.into_iter().flatten().collect())
}
