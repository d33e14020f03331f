//! The settings of a new file.

use super::stat::Stat;

/// The settings of a new file.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct NewFile {
    /// Whether it must survive a power loss after the write returns.
    pub(crate) sync: bool,
    /// Its permission bits; 0666 without the bits of the umask if `None`.
    pub(crate) permissions: Option<u32>,
    pub(crate) naming: Naming,
    /// Whether an existing file is written in place instead of being replaced.
    pub(crate) in_place: bool,
}

/// When a file gets its temporary name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Naming {
    /// When it replaces a file, so that a crash before leaves nothing. Files that are synced get it at once.
    #[default]
    Late,
    /// At once if it replaces a file, which needs fewer system calls. For files that are written at once.
    ForReplacement,
    /// At once. The file is synced by [`sync_data`](super::sync_data).
    Early,
}

impl NewFile {
    /// Whether the temporary file has no name. `replaces` is true if a file exists at the final name.
    pub(super) fn is_unnamed(&self, replaces: bool) -> bool {
        // On btrfs, `fsync` of a file without a name does nothing.
        match self.naming {
            Naming::Late => !self.sync,
            Naming::ForReplacement => !self.sync && !replaces,
            Naming::Early => false,
        }
    }
}

/// Returns the permissions of a temporary file. The content of a private file must not be readable through it.
///
/// If the old file has no attributes and gives its group the same rights as everybody, the temporary file can have its final permissions at
/// once. Otherwise others may have more rights until the owner and the ACL are set.
pub(super) fn temporary_permissions(
    old: Option<&Stat>,
    is_plain: bool,
    explicit: Option<u32>,
    wanted: Option<u32>,
) -> u32 {
    match old.map(Stat::permissions) {
        None if wanted.is_none() => 0o666,
        Some(bits) if is_plain && explicit.is_none() && bits >> 3 & 0o7 == bits & 0o7 => {
            bits & 0o777 | 0o600
        }
        _ => 0o600,
    }
}
