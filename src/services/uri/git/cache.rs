//! The directory of a clone whose URI names none.

use std::env;
use std::ffi::OsString;
use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use crate::core::checksum::{Checksum, ChecksumAlgorithm};
use crate::core::error::Result;
use crate::sys::pool;

/// The number of digits of the name of a clone: 128 bits.
const DIGITS: usize = 32;

/// Returns the directory of clones in the user's cache; `None` if the environment does not name one.
pub(super) fn directory() -> Option<PathBuf> {
    directory_from(env::var_os("XDG_CACHE_HOME"), env::var_os("HOME"))
}

/// By the XDG Base Directory Specification, a relative path counts as unset.
pub(super) fn directory_from(cache: Option<OsString>, home: Option<OsString>) -> Option<PathBuf> {
    let absolute =
        |path: Option<OsString>| path.map(PathBuf::from).filter(|path| path.is_absolute());
    let cache = absolute(cache).or_else(|| Some(absolute(home)?.join(".cache")))?;
    Some(cache.join("f9/git"))
}

/// Returns the name of the clone of a branch. `remote` has no password, so that a new password leads to the same clone.
pub(super) fn name_of(remote: &str, branch: &str) -> String {
    // A line break is in neither.
    let text = format!("{remote}\n{branch}");
    let mut name = Checksum::of(ChecksumAlgorithm::Sha256, text.as_bytes()).into_hex();
    name.truncate(DIGITS);
    name
}

/// Creates the directory of clones, for this user only.
pub(super) async fn create(clone: &Path) -> Result<()> {
    let Some(directory) = clone.parent().map(Path::to_owned) else { return Ok(()) };
    let create = move || Ok(DirBuilder::new().recursive(true).mode(0o700).create(directory)?);
    pool::run(create).await
}
