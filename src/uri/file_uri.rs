//! What a `file` URI says, before anything is opened.

use std::path::PathBuf;

use super::BackendUri;
use crate::Result;

/// A directory to open, from `file:///abs/dir` or `file://rel/dir`.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct FileUri {
    /// Absolute, or relative to the working directory.
    pub(super) root: PathBuf,
    /// Whether a root that is missing is made.
    pub(super) create_root: bool,
    /// `atomic` or `synced`.
    pub(super) durability: &'static str,
}

impl FileUri {
    pub(super) fn from(uri: &BackendUri) -> Result<Self> {
        let mut parameters = uri.parameters();
        let create_root = parameters.bool("create_root")?.unwrap_or(true);
        let durability = parameters.one_of("durability", &["atomic", "synced"])?;
        parameters.finish()?;
        if uri.location().is_empty() {
            return Err(
                uri.invalid("a directory is needed, as in `file:///srv/data` or `file://data`")
            );
        }
        // Elsewhere `file://localhost/srv` is /srv; here it would quietly make a directory of that name.
        if uri.authority().eq_ignore_ascii_case("localhost") {
            return Err(uri.invalid(
                "an absolute directory has three slashes, as in `file:///srv/data`; \
                 a relative one of that name is `file://./localhost`",
            ));
        }
        Ok(Self {
            root: uri.location().into(),
            create_root,
            durability: durability.unwrap_or("atomic"),
        })
    }
}
