//! The names of versions.

use crate::core::error::{Error, ErrorKind, Result};
use crate::core::token::token;

token!(
    /// The name of one version of a file, as the store reports it. Its text has no other meaning.
    VersionId
);

/// Refuses a version, for stores that keep only the current one.
pub(crate) fn refuse_version(version: Option<&VersionId>) -> Result<()> {
    if version.is_some() {
        let error = Error::new(ErrorKind::Unsupported);
        return Err(error.with_message("it keeps only the current version of a file"));
    }
    Ok(())
}
