//! Opening a path beneath a directory, without symbolic links.

use std::ffi::OsStr;
use std::io;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Component, Path};
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::fs::{Mode, OFlags, ResolveFlags};
use rustix::io::{Errno, retry_on_intr};

use super::errno::system_error;
use super::stat::Stat;
use crate::core::error::{Error, ErrorKind};

/// The limit of the kernel for a path in bytes, including the NUL at the end (`PATH_MAX`).
const PATH_MAX: usize = 4096;

/// The number of attempts for a path that other processes keep changing.
pub(super) const ATTEMPTS: u64 = 64;

pub(super) const DIRECTORY: OFlags =
    OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC).union(OFlags::NOFOLLOW);

/// Opens `path` beneath `dir`. A symbolic link in it is `ELOOP`, except for a link at the end with the flags `PATH | NOFOLLOW`.
pub(super) fn open_beneath(
    dir: BorrowedFd<'_>,
    path: &Path,
    flags: OFlags,
) -> Result<OwnedFd, Errno> {
    static OPENAT2_MISSING: AtomicBool = AtomicBool::new(false);

    let bytes = path.as_os_str().as_bytes();
    if bytes.len() >= PATH_MAX {
        let Some(cut) = bytes[..PATH_MAX - 1].iter().rposition(|&byte| byte == b'/') else {
            return Err(Errno::NAMETOOLONG);
        };
        let (parent, rest) = (&bytes[..cut], &bytes[cut + 1..]);
        let flags_of_parent = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let parent = open_beneath(dir, OsStr::from_bytes(parent).as_ref(), flags_of_parent)?;
        return open_beneath(parent.as_fd(), OsStr::from_bytes(rest).as_ref(), flags);
    }
    if !OPENAT2_MISSING.load(Ordering::Relaxed) {
        let resolve =
            ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
        for _ in 0..ATTEMPTS {
            match rustix::fs::openat2(dir, path, flags | OFlags::CLOEXEC, Mode::empty(), resolve) {
                // `EAGAIN` means that a rename on the way keeps the kernel from verifying the path.
                Err(Errno::AGAIN | Errno::INTR) => {}
                // The call is missing before Linux 5.6. Some sandboxes refuse it with `EPERM`.
                Err(errno @ (Errno::NOSYS | Errno::PERM)) => {
                    OPENAT2_MISSING.store(errno == Errno::NOSYS, Ordering::Relaxed);
                    break;
                }
                opened => return opened,
            }
        }
    }
    open_by_component(dir, path, flags)
}

/// Does the same as `openat2`, one component at a time, for systems without that call.
fn open_by_component(dir: BorrowedFd<'_>, path: &Path, flags: OFlags) -> Result<OwnedFd, Errno> {
    let mut parent: Option<OwnedFd> = None;
    let mut components = path.components().peekable();
    while let Some(component) = components.next() {
        let name = match component {
            Component::Normal(name) => name,
            Component::CurDir => ".".as_ref(),
            Component::ParentDir | Component::RootDir | Component::Prefix(_) => {
                return Err(Errno::XDEV);
            }
        };
        let here = parent.as_ref().map_or(dir, |parent| parent.as_fd());
        let is_last = components.peek().is_none();
        let open_flags = if is_last {
            flags | OFlags::NOFOLLOW
        } else {
            OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC
        };
        let opened = retry_on_intr(|| rustix::fs::openat(here, name, open_flags, Mode::empty()))
            .map_err(|errno| link_error(here, name.as_ref(), errno))?;
        // With `PATH`, a link is opened itself. Only the last name may be a link, and only if the caller set `NOFOLLOW`.
        let may_be_link = is_last && flags.contains(OFlags::NOFOLLOW);
        if open_flags.contains(OFlags::PATH) && !may_be_link {
            match Stat::of(opened.as_fd())? {
                stat if stat.is_symlink() => return Err(Errno::LOOP),
                stat if !is_last && !stat.is_dir() => return Err(Errno::NOTDIR),
                _ => {}
            }
        }
        parent = Some(opened);
    }
    parent.ok_or(Errno::NOENT)
}

/// Returns `ELOOP` for a link that was opened with `DIRECTORY | NOFOLLOW`, which the kernel reports as `ENOTDIR`. A name that is a
/// directory now was a link at the time of the call.
fn link_error(dir: BorrowedFd<'_>, name: &Path, errno: Errno) -> Errno {
    let was_link = |stat: Stat| stat.is_symlink() || stat.is_dir();
    let is_link = errno == Errno::NOTDIR && Stat::of_name(dir, name).is_ok_and(was_link);
    if is_link { Errno::LOOP } else { errno }
}

/// Converts the error of an open, where the kernel reports a path that leads out as `EXDEV`.
pub(super) fn open_error(errno: Errno) -> Error {
    match errno {
        Errno::XDEV => Error::new(ErrorKind::PathEscapesRoot).with_source(io::Error::from(errno)),
        errno => system_error(errno),
    }
}
