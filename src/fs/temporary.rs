//! Files on their way to a name.
//!
//! A temporary has no name where the file system can (`O_TMPFILE`): then a crash leaves nothing at all. Else, and for the instant of
//! a replacement, it has a short reserved name in the same directory, and is locked, so that a sweep can tell that it is alive.

use std::fs::File;
use std::os::fd::{AsFd as _, AsRawFd as _, BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::fs::{AtFlags, CWD, FlockOperation, Mode, OFlags, RenameFlags};
use rustix::io::{Errno, retry_on_intr};
use rustix::rand::{GetRandomFlags, getrandom};

use super::stat::Stat;
use crate::Result;
use crate::path::TEMPORARY_PREFIX;

/// A reserved name that nobody else has.
pub(super) fn fresh_name() -> Result<String> {
    let mut random = [0_u8; 16];
    retry_on_intr(|| getrandom(&mut random, GetRandomFlags::empty()))?;
    Ok(format!("{TEMPORARY_PREFIX}{}", hex::encode(random)))
}

/// A new, open file without its final name. Dropping it leaves nothing.
#[derive(Debug)]
pub(super) struct Temporary {
    pub(super) file: File,
    /// The name it has meanwhile in the directory.
    name: Option<(OwnedFd, String)>,
}

impl Temporary {
    /// Makes one in `dir`, unnamed where that is possible and wanted. `permissions` are subject to the umask.
    pub(super) fn create(dir: BorrowedFd<'_>, permissions: u32, unnamed: bool) -> Result<Self> {
        let mode = Mode::from_raw_mode(permissions);
        if unnamed {
            let flags = OFlags::TMPFILE | OFlags::RDWR | OFlags::CLOEXEC;
            match retry_on_intr(|| rustix::fs::openat(dir, ".", flags, mode)) {
                Ok(file) => {
                    return Ok(Self { file: file.into(), name: None });
                }
                // The file system does not have it; a kernel that does not sees the open of a directory.
                Err(Errno::OPNOTSUPP | Errno::INVAL | Errno::ISDIR) => {}
                Err(errno) => return Err(errno.into()),
            }
        }
        Self::create_named(dir, mode)
    }

    fn create_named(dir: BorrowedFd<'_>, mode: Mode) -> Result<Self> {
        expect_removable(dir)?;
        let flags =
            OFlags::CREATE | OFlags::EXCL | OFlags::RDWR | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        loop {
            // First, as it may fail, and then the file would keep its name.
            let (own, name) = (duplicate(dir)?, fresh_name()?);
            let file: File =
                match retry_on_intr(|| rustix::fs::openat(dir, name.as_str(), flags, mode)) {
                    Ok(file) => file.into(),
                    Err(Errno::EXIST) => continue,
                    Err(errno) => return Err(errno.into()),
                };
            let temporary = Self { name: Some((own, name)), file };
            // A sweep between the two calls took it for a dead one.
            if temporary.keep_from_sweep()? {
                return Ok(temporary);
            }
        }
    }

    /// Locks the file; whether it still has its name then.
    fn keep_from_sweep(&self) -> Result<bool> {
        match retry_on_intr(|| {
            rustix::fs::flock(&self.file, FlockOperation::NonBlockingLockExclusive)
        }) {
            Ok(()) => Ok(Stat::of(self.file.as_fd())?.links() > 0),
            Err(Errno::WOULDBLOCK) => Ok(false),
            // Without locks, a sweep cannot lock either and leaves it alone.
            Err(Errno::OPNOTSUPP | Errno::NOLCK) => Ok(true),
            Err(errno) => Err(errno.into()),
        }
    }

    /// Gives the file its final name, unless something has that name: then `EEXIST`.
    pub(super) fn publish_new(&mut self, dir: BorrowedFd<'_>, name: &str) -> Result<(), Errno> {
        match &self.name {
            None => link_unnamed(&self.file, dir, name),
            Some((from, temporary)) => {
                let moved = rename_new(from.as_fd(), temporary, dir, name);
                if moved.is_ok() {
                    self.name = None;
                }
                moved
            }
        }
    }

    /// Gives the file its final name, in place of the file that has it.
    pub(super) fn publish_over(&mut self, dir: BorrowedFd<'_>, name: &str) -> Result<()> {
        if self.name.is_none() {
            // An unnamed file cannot take a name that is taken: it gets one of its own first.
            expect_removable(dir)?;
            loop {
                self.keep_from_sweep()?;
                let (own, temporary) = (duplicate(dir)?, fresh_name()?);
                match link_unnamed(&self.file, dir, &temporary) {
                    Ok(()) => {
                        self.name = Some((own, temporary));
                        break;
                    }
                    Err(Errno::EXIST) => {}
                    Err(errno) => return Err(errno.into()),
                }
            }
        }
        if let Some((from, temporary)) = &self.name {
            retry_on_intr(|| rustix::fs::renameat(from, temporary.as_str(), dir, name))?;
            self.name = None;
        }
        Ok(())
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        if let Some((dir, name)) = self.name.take() {
            // Nobody is left to tell; the next sweep finds what stays.
            let _ = rustix::fs::unlinkat(&dir, name.as_str(), AtFlags::empty());
        }
    }
}

/// Refuses to give a temporary a name that could never be taken away again.
fn expect_removable(dir: BorrowedFd<'_>) -> Result<(), Errno> {
    if Stat::of(dir)?.is_append_only() { Err(Errno::PERM) } else { Ok(()) }
}

fn duplicate(dir: BorrowedFd<'_>) -> Result<OwnedFd> {
    Ok(dir.try_clone_to_owned()?)
}

/// `linkat` of an unnamed file: by its descriptor where the kernel allows it, else through `/proc`.
fn link_unnamed(file: &File, dir: BorrowedFd<'_>, name: &str) -> Result<(), Errno> {
    static BY_PROC: AtomicBool = AtomicBool::new(false);

    if !BY_PROC.load(Ordering::Relaxed) {
        match retry_on_intr(|| rustix::fs::linkat(file, "", dir, name, AtFlags::EMPTY_PATH)) {
            // Before Linux 6.10 this needs a capability, and its lack looks like a missing file.
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

/// Moves a name to where nothing is, else `EEXIST`.
pub(super) fn rename_new(
    from: BorrowedFd<'_>,
    old: &str,
    to: BorrowedFd<'_>,
    new: &str,
) -> Result<(), Errno> {
    match retry_on_intr(|| rustix::fs::renameat_with(from, old, to, new, RenameFlags::NOREPLACE)) {
        // The file system does not know the flag. A second link is as exclusive, if not as brief.
        Err(Errno::INVAL | Errno::NOSYS) => {
            if Stat::of_name(from, old.as_ref())?.is_dir() {
                // An empty directory is the only thing that a directory could replace.
                return match Stat::of_name(to, new.as_ref()) {
                    Ok(_) => Err(Errno::EXIST),
                    Err(Errno::NOENT) => retry_on_intr(|| rustix::fs::renameat(from, old, to, new)),
                    Err(errno) => Err(errno),
                };
            }
            retry_on_intr(|| rustix::fs::linkat(from, old, to, new, AtFlags::empty()))?;
            retry_on_intr(|| rustix::fs::unlinkat(from, old, AtFlags::empty()))
        }
        moved => moved,
    }
}
