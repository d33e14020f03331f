//! A file that is written to a temporary file and becomes visible in one step.

use std::fs::File;
use std::io::{self, IoSlice, Write as _};
use std::mem;
use std::os::fd::AsFd as _;

use bytes::Bytes;
use rustix::io::Errno;

use super::attributes::{adopt_attributes, adopt_owner, set_permissions};
use super::dir_lock::{Attempt, DirectoryLock};
use super::errno::system_error;
use super::locate::{await_removal, retry_if_removed};
use super::open_beneath::ATTEMPTS;
use super::parent_dir::{CreatedDirs, ParentDir};
use super::root::Root;
use super::stat::Stat;
use super::sync::{confirm, sync_directory};
use super::temporary::Temporary;
use crate::core::error::{Error, ErrorKind, Result};
use crate::core::options::WriteMode;
use crate::core::path::FilePath;
use crate::sys::lock::LockMode;

/// The limit of pieces of one `writev`.
const IOV_MAX: usize = 1024;

/// The limit of bytes of one `writev`. ext4 needs a contiguous piece of memory of this size, and took 1.4 times as long for 4 MiB.
const MAX_WRITE: usize = 1024 * 1024;

/// The settings of a new file.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct NewFile {
    /// Whether it must survive a power loss after the write returns.
    pub(crate) sync: bool,
    /// Its permission bits; 0666 without the bits of the umask if `None`.
    pub(crate) permissions: Option<u32>,
}

/// A file that is being written. Dropping it removes the temporary file.
#[derive(Debug)]
pub(crate) struct StagedFile {
    temporary: Temporary,
    place: ParentDir,
    settings: NewFile,
    created: CreatedDirs,
    /// Whether the temporary file has fewer permissions than the final file.
    private: bool,
    /// Whether a file must exist at the path.
    must_exist: bool,
}

impl StagedFile {
    /// Starts a file for `path`. Fails at once if `mode` does not allow the write.
    pub(crate) fn begin(
        root: &Root,
        path: &FilePath,
        mode: &WriteMode,
        settings: NewFile,
    ) -> Result<Self> {
        let start = |place: &mut ParentDir| {
            let old = place.stat()?;
            check_mode(old.as_ref(), mode)?;
            // The content of a private file must not be readable through the temporary file.
            let private = old.is_some() || settings.permissions.is_some();
            let permissions = if private { 0o600 } else { 0o666 };
            // On btrfs, `fsync` of a file without a name does nothing.
            let unnamed = !settings.sync;
            Ok((Temporary::create(place.dir.as_fd(), permissions, unnamed)?, private))
        };
        let find = || root.locate_for(path, mode);
        let (place, (temporary, private)) = retry_if_removed(root, find, start)?;
        let created = CreatedDirs::default();
        Ok(Self { temporary, place, settings, created, private, must_exist: false })
    }

    /// Requires an existing file, so that a file that is deleted in the meantime is not created again.
    pub(crate) fn replacing(self) -> Self {
        Self { must_exist: true, ..self }
    }

    pub(crate) fn file(&self) -> &File {
        &self.temporary.file
    }

    /// Appends `bytes`.
    pub(crate) fn append(&self, bytes: &[u8]) -> Result<()> {
        Ok(self.file().write_all(bytes)?)
    }

    /// Appends all pieces, with as few system calls as possible.
    pub(crate) fn append_all(&self, pieces: &[Bytes]) -> Result<()> {
        let mut rest = pieces;
        while !rest.is_empty() {
            let mut bytes = 0;
            let is_full = |piece: &Bytes| {
                bytes += piece.len();
                bytes >= MAX_WRITE
            };
            let count =
                rest.iter().take(IOV_MAX).position(is_full).map_or(IOV_MAX, |last| last + 1);
            let (pieces, left) = rest.split_at(count.min(rest.len()));
            rest = left;
            let mut slices: Vec<IoSlice<'_>> = pieces.iter().map(|p| IoSlice::new(p)).collect();
            let mut left = &mut slices[..];
            // This skips empty slices at the front. A write of 0 bytes then means that no space is left.
            IoSlice::advance_slices(&mut left, 0);
            while !left.is_empty() {
                match self.file().write_vectored(left) {
                    Ok(0) => return Err(io::Error::from(io::ErrorKind::WriteZero).into()),
                    Ok(written) => IoSlice::advance_slices(&mut left, written),
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    Err(error) => return Err(error.into()),
                }
            }
        }
        Ok(())
    }

    /// Discards the file. Its name is removed at once; dropping the returned handle frees its blocks.
    pub(crate) fn abandon(self) -> impl Send + 'static {
        let file = self.temporary.file.try_clone();
        drop(self);
        file
    }

    /// Publishes the file at `path`, for which it was started. [`Attempt::Busy`] if another process has locked the directory.
    pub(crate) fn commit(
        mut self,
        root: &Root,
        path: &FilePath,
        mode: &WriteMode,
    ) -> Result<Attempt<Stat, Self>> {
        let mut published = self.publish(mode);
        for attempt in 0..ATTEMPTS {
            if published.is_ok() || !self.place.is_removed() || root.is_removed() {
                break;
            }
            await_removal(attempt);
            mem::take(&mut self.created).remove();
            self.place = root.locate_for(path, mode)?;
            published = self.publish(mode);
        }
        match published {
            Ok(true) => {
                let stat = confirm(Stat::of(self.file().as_fd()).map_err(system_error))?;
                if self.settings.sync {
                    confirm(sync_directory(self.place.dir.as_fd()))?;
                }
                Ok(Attempt::Done(stat))
            }
            Ok(false) => Ok(Attempt::Busy(self)),
            Err(error) => self.place.undo(self.created, error),
        }
    }

    /// Gives the file its name; `false` if another process has locked the directory.
    fn publish(&mut self, mode: &WriteMode) -> Result<bool> {
        if !self.place.missing.is_empty() {
            self.created = self.place.create_missing(self.settings.sync)?;
        }
        for _ in 0..ATTEMPTS {
            let old = match mode {
                // `publish_new` fails if the name exists.
                WriteMode::Create => None,
                WriteMode::Overwrite | WriteMode::IfMatch(_) => self.place.stat()?,
            };
            check_mode(old.as_ref(), mode)?;
            let Some(old) = old else {
                if self.must_exist {
                    return Err(ErrorKind::NotFound.into());
                }
                if self.private {
                    let permissions = self.settings.permissions.unwrap_or_else(|| 0o666 & !umask());
                    set_permissions(self.file(), permissions)?;
                }
                self.sync()?;
                match self.temporary.publish_new(self.place.dir.as_fd(), &self.place.name) {
                    Ok(()) => return Ok(true),
                    Err(Errno::EXIST) if *mode == WriteMode::Create => {
                        return Err(ErrorKind::AlreadyExists.into());
                    }
                    // Another process created the file in the meantime. Now it must be replaced.
                    Err(Errno::EXIST) => continue,
                    Err(errno) => return Err(system_error(errno)),
                }
            };
            adopt_owner(self.file(), &old)?;
            adopt_attributes(self.file(), &self.place)?;
            self.private = true;
            self.sync()?;
            let lock_mode = match mode {
                WriteMode::IfMatch(_) => LockMode::Exclusive,
                WriteMode::Create | WriteMode::Overwrite => LockMode::Shared,
            };
            let Some(_lock) = DirectoryLock::acquire(&self.place.dir, lock_mode)? else {
                return Ok(false);
            };
            let now = self.place.stat()?;
            check_mode(now.as_ref(), mode)?;
            let unchanged = now.is_some_and(|now| {
                now.permissions() == old.permissions() && now.owner() == old.owner()
            });
            if unchanged {
                self.temporary.publish_over(self.place.dir.as_fd(), &self.place.name)?;
                return Ok(true);
            }
        }
        Err(Error::new(ErrorKind::Io)
            .with_message("other processes keep creating and deleting the file"))
    }

    fn sync(&self) -> Result<()> {
        // After a failed fsync the kernel may have dropped the pages, so it is never repeated.
        if self.settings.sync { Ok(self.file().sync_all()?) } else { Ok(()) }
    }
}

/// Checks whether `mode` allows a write that replaces `old`.
pub(super) fn check_mode(old: Option<&Stat>, mode: &WriteMode) -> Result<()> {
    match (old, mode) {
        (None, WriteMode::Create | WriteMode::Overwrite) => Ok(()),
        (None, WriteMode::IfMatch(_)) => {
            Err(Error::new(ErrorKind::PreconditionFailed).with_message("there is no file"))
        }
        (Some(_), WriteMode::Create) => Err(ErrorKind::AlreadyExists.into()),
        (Some(old), WriteMode::Overwrite) => old.expect_file(),
        (Some(old), WriteMode::IfMatch(etag)) => {
            old.expect_file()?;
            if old.etag() == *etag { Ok(()) } else { Err(etag_changed()) }
        }
    }
}

pub(super) fn etag_changed() -> Error {
    Error::new(ErrorKind::PreconditionFailed).with_message("the etag has changed")
}

/// Returns the umask of this process, without changing it; the strictest one if `/proc` cannot be read.
fn umask() -> u32 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("Umask:"));
    line.and_then(|octal| u32::from_str_radix(octal.trim(), 8).ok()).unwrap_or(0o077)
}
