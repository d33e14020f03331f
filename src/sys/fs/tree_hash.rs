//! BLAKE3 of a file on several threads.
//!
//! BLAKE3 hashes the blocks of its input independently and joins the results in a tree (the BLAKE3 paper, section 2.1). So each
//! thread reads the next block into its own buffer, which stays in the cache of its core, and hashes it there.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;

use blake3::hazmat::{
    ChainingValue, HasherExt as _, Mode, merge_subtrees_non_root, merge_subtrees_root,
};
use rustix::io::{pread, retry_on_intr};

use super::errno::system_error;
use crate::core::error::{Error, Result};
use crate::sys::pool::{Cancelled, parallel_map};

/// The size of a block: a power of two, so that a block is a whole subtree.
const BLOCK: usize = 256 * 1024;

/// The smallest file that is hashed on several threads.
pub(super) const MIN_SIZE: u64 = 4 * BLOCK as u64;

/// Hashes `file`, of at least [`MIN_SIZE`] bytes. `None` if its size has changed.
pub(super) fn hash(file: &File, size: u64, cancelled: &Cancelled) -> Result<Option<blake3::Hash>> {
    let Ok(blocks) = usize::try_from(size.div_ceil(BLOCK as u64)) else {
        return Ok(None);
    };
    let hash_block = |buffer: &mut Vec<u8>, block| -> Result<ChainingValue, Stopped> {
        cancelled.check()?;
        let offset = block as u64 * BLOCK as u64;
        let length = usize::try_from(size - offset).map_or(BLOCK, |left| left.min(BLOCK));
        let content = &mut buffer[..length];
        file.read_exact_at(content, offset)?;
        let mut hasher = blake3::Hasher::new();
        Ok(hasher.set_input_offset(offset).update(content).finalize_non_root())
    };
    let values = match parallel_map(blocks, || vec![0; BLOCK], hash_block) {
        Ok(values) => values,
        Err(Stopped::SizeChanged) => return Ok(None),
        Err(Stopped::Failed(error)) => return Err(error),
    };
    let is_whole = retry_on_intr(|| pread(file, &mut [0], size)).map_err(system_error)? == 0;
    let (left, right) = values.split_at(left_subtree(values.len()));
    Ok(is_whole.then(|| merge_subtrees_root(&join(left), &join(right), Mode::Hash)))
}

/// Why the hash of a block failed.
enum Stopped {
    /// The file was truncated.
    SizeChanged,
    Failed(Error),
}

impl From<Error> for Stopped {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

impl From<io::Error> for Stopped {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::UnexpectedEof => Self::SizeChanged,
            _ => Self::Failed(error.into()),
        }
    }
}

/// Returns the number of blocks in the left subtree: the largest power of two below `blocks`.
fn left_subtree(blocks: usize) -> usize {
    blocks.next_power_of_two() / 2
}

fn join(values: &[ChainingValue]) -> ChainingValue {
    if let [value] = values {
        return *value;
    }
    let (left, right) = values.split_at(left_subtree(values.len()));
    merge_subtrees_non_root(&join(left), &join(right), Mode::Hash)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_of_several_threads_is_that_of_the_whole_file() {
        let file = tempfile::tempfile().unwrap();
        let content: Vec<u8> =
            (0..9 * u32::try_from(BLOCK).unwrap()).map(|i| (i / 7 % 251) as u8).collect();
        for blocks in 4..9 {
            for more in [0, 1, 1024, BLOCK - 1] {
                let content = &content[..blocks * BLOCK + more];
                file.set_len(0).unwrap();
                file.write_all_at(content, 0).unwrap();
                let hashed = hash(&file, content.len() as u64, &Cancelled::default()).unwrap();
                assert_eq!(hashed, Some(blake3::hash(content)), "{blocks} blocks and {more} bytes");
            }
        }
    }

    #[test]
    fn a_file_of_another_size_has_no_hash() {
        let file = tempfile::tempfile().unwrap();
        file.set_len(2 * MIN_SIZE).unwrap();
        for size in [MIN_SIZE, 2 * MIN_SIZE - 1, 2 * MIN_SIZE + 1, 3 * MIN_SIZE] {
            assert_eq!(hash(&file, size, &Cancelled::default()).unwrap(), None, "{size} bytes");
        }
    }
}
