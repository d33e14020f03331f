//! Temporary files, before they get their final name.
//!
//! A temporary file has no name if the file system supports that (`O_TMPFILE`), so that a crash leaves nothing. Otherwise, and
//! during a replacement, it has a reserved name in the same directory. It is locked, so that a sweep knows that it is in use.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd as _, AsRawFd as _, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::fs::{AtFlags, CWD, FlockOperation, Mode, OFlags};
use rustix::io::{Errno, retry_on_intr};

use super::errno::system_error;
use super::move_name::{rename_new_at_once, rename_new_in_steps};
use super::owner::new_name;
use super::stat::Stat;
use crate::core::error::{Error, ErrorKind, Result};

/// How a file gets a name that must be free.
#[derive(Clone, Copy, Debug)]
pub(super) enum Steps {
    One,
    /// `is_locked` tells whether the directory is locked against all others.
    Several {
        is_locked: bool,
    },
}

/// A new open file without its final name. Dropping it removes the file.
#[derive(Debug)]
pub(super) struct Temporary {
    pub(super) file: File,
    /// The directory and the temporary name, if it has one.
    name: Option<(Arc<OwnedFd>, String)>,
    /// The metadata after the creation, if they were needed for it.
    pub(super) created: Option<Stat>,
}

impl Temporary {
    /// Creates a temporary file in `dir`, without a name if `unnamed` and the file system supports it. The umask applies to
    /// `permissions`.
    pub(super) fn create(dir: &Arc<OwnedFd>, permissions: u32, unnamed: bool) -> Result<Self> {
        let mode = Mode::from_raw_mode(permissions);
        if unnamed {
            let flags = OFlags::TMPFILE | OFlags::RDWR | OFlags::CLOEXEC;
            match retry_on_intr(|| rustix::fs::openat(dir, ".", flags, mode)) {
                Ok(file) => {
                    return Ok(Self { file: file.into(), name: None, created: None });
                }
                // The file system does not support it. An old kernel tries to open the directory instead.
                Err(Errno::OPNOTSUPP | Errno::INVAL | Errno::ISDIR) => {}
                Err(errno) => return Err(system_error(errno)),
            }
        }
        Self::create_named(dir, mode)
    }

    fn create_named(dir: &Arc<OwnedFd>, mode: Mode) -> Result<Self> {
        check_removable(dir.as_fd()).map_err(system_error)?;
        let flags =
            OFlags::CREATE | OFlags::EXCL | OFlags::RDWR | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        loop {
            // This can fail, so it comes before the file is created, which would then keep its name.
            let name = new_name()?;
            let file: File =
                match retry_on_intr(|| rustix::fs::openat(dir, name.as_str(), flags, mode)) {
                    Ok(file) => file.into(),
                    Err(Errno::EXIST) => continue,
                    Err(errno) => return Err(system_error(errno)),
                };
            let mut temporary = Self { name: Some((Arc::clone(dir), name)), file, created: None };
            let is_locked = temporary.lock()?;
            let stat = Stat::of(temporary.file.as_fd()).map_err(system_error)?;
            // A sweep between the two calls may have removed the file.
            if is_locked && stat.links() > 0 {
                temporary.created = Some(stat);
                return Ok(temporary);
            }
        }
    }

    /// Locks the file against sweeps; `false` if a sweep has locked it.
    fn lock(&self) -> Result<bool> {
        match retry_on_intr(|| {
            rustix::fs::flock(&self.file, FlockOperation::NonBlockingLockExclusive)
        }) {
            Ok(()) => Ok(true),
            Err(Errno::WOULDBLOCK) => Ok(false),
            // Without locks on this file system, a sweep cannot lock the file either and does not remove it.
            Err(Errno::OPNOTSUPP | Errno::NOLCK) => Ok(true),
            Err(errno) => Err(system_error(errno)),
        }
    }

    /// Returns a file that has its final name.
    pub(super) fn published(file: File) -> Self {
        Self { name: None, file, created: None }
    }

    /// Whether somebody has removed the temporary name.
    pub(super) fn is_taken(&self) -> bool {
        self.name.is_some() && Stat::of(self.file.as_fd()).is_ok_and(|stat| stat.links() == 0)
    }

    /// Gives the file its final name. If the name exists, this is `EEXIST`.
    ///
    /// # Errors
    ///
    /// With `Steps::One`, an error for which [`lacks_step`](super::move_name::lacks_step) is true if it needs several steps.
    pub(super) fn publish_new(
        &mut self,
        dir: BorrowedFd<'_>,
        name: &str,
        steps: Steps,
    ) -> Result<(), Errno> {
        match &self.name {
            None => link_unnamed(&self.file, dir, name),
            Some((from, temporary)) => {
                let from = from.as_fd();
                let moved = match steps {
                    Steps::One => rename_new_at_once(from, temporary, dir, name),
                    Steps::Several { is_locked } => {
                        rename_new_in_steps(from, temporary, dir, name, is_locked)
                    }
                };
                if moved.is_ok() {
                    self.name = None;
                }
                moved
            }
        }
    }

    /// Gives the file its final name and replaces the file that has it.
    pub(super) fn publish_over(&mut self, dir: &Arc<OwnedFd>, name: &str) -> Result<()> {
        if self.name.is_none() {
            // `linkat` cannot replace a file, so the file first gets a temporary name.
            check_removable(dir.as_fd()).map_err(system_error)?;
            loop {
                self.lock()?;
                let temporary = new_name()?;
                match link_unnamed(&self.file, dir.as_fd(), &temporary) {
                    Ok(()) => {
                        self.name = Some((Arc::clone(dir), temporary));
                        break;
                    }
                    Err(Errno::EXIST) => {}
                    Err(errno) => return Err(system_error(errno)),
                }
            }
        }
        if let Some((from, temporary)) = &self.name {
            retry_on_intr(|| rustix::fs::renameat(from, temporary.as_str(), dir, name))
                .map_err(replace_error)?;
            self.name = None;
        }
        Ok(())
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        if let Some((dir, name)) = self.name.take() {
            // A drop cannot return an error. The next sweep removes the file if this fails.
            let _ = rustix::fs::unlinkat(&dir, name.as_str(), AtFlags::empty());
        }
    }
}

/// Converts the error of the step that replaces a file.
fn replace_error(errno: Errno) -> Error {
    match errno {
        Errno::BUSY => Error::new(ErrorKind::InvalidOperation)
            .with_message(
                "the file is a mount point, as containers have for single files, and cannot be replaced; \
                 write it in place (`WriteOptions::in_place`)",
            )
            .with_source(io::Error::from(errno)),
        errno => system_error(errno),
    }
}

/// Checks that a temporary name in `dir` could be removed again.
fn check_removable(dir: BorrowedFd<'_>) -> Result<(), Errno> {
    if Stat::of(dir)?.is_append_only() { Err(Errno::PERM) } else { Ok(()) }
}

/// Links an unnamed file, by its descriptor if the kernel allows that, and otherwise through `/proc`.
fn link_unnamed(file: &File, dir: BorrowedFd<'_>, name: &str) -> Result<(), Errno> {
    static BY_PROC: AtomicBool = AtomicBool::new(false);

    if !BY_PROC.load(Ordering::Relaxed) {
        match retry_on_intr(|| rustix::fs::linkat(file, "", dir, name, AtFlags::EMPTY_PATH)) {
            // Before Linux 6.10 this needs a capability, and fails with `ENOENT` without it.
            Err(Errno::NOENT) => {}
            linked => return linked,
        }
    }
    let path = format!("/proc/self/fd/{}", file.as_raw_fd());
    let linked = retry_on_intr(|| {
        rustix::fs::linkat(CWD, path.as_str(), dir, name, AtFlags::SYMLINK_FOLLOW)
    });
    BY_PROC.store(linked.is_ok(), Ordering::Relaxed);
    linked
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_named_temporary_file_is_locked() {
        let dir = tempfile::tempdir().unwrap();
        let open = Arc::new(OwnedFd::from(File::open(dir.path()).unwrap()));
        let _temporary = Temporary::create(&open, 0o600, false).unwrap();
        let entry = std::fs::read_dir(dir.path()).unwrap().next().unwrap().unwrap();
        // A sweep of another container cannot tell whether the owner runs.
        let other = File::open(entry.path()).unwrap();
        assert!(matches!(other.try_lock(), Err(std::fs::TryLockError::WouldBlock)));
    }
}
