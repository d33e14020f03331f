//! A file being written: everything goes to a temporary, and becomes visible in one step.

use std::fs::File;
use std::io::{self, IoSlice, Write as _};
use std::mem;
use std::os::fd::AsFd as _;

use bytes::Bytes;
use rustix::buffer::spare_capacity;
use rustix::fs::{Gid, Mode, OFlags, Uid, XattrFlags};
use rustix::io::{Errno, retry_on_intr};

use super::lock::{Attempt, DirectoryLock, Hold};
use super::root::{ATTEMPTS, Made, Place, Root, act_at, await_removal, confirm, sync_directory};
use super::stat::Stat;
use super::temporary::Temporary;
use crate::{Error, ErrorKind, FilePath, Result, WriteMode};

/// How many pieces one `writev` takes.
const IOV_MAX: usize = 1024;

/// How much one `writev` is given: ext4 took 1.4 times as long for 4 MiB at once, for which it wants as large a piece of memory.
const AT_ONCE: usize = 1024 * 1024;

/// What a file that is made shall be like.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct NewFile {
    /// Whether it must survive a power loss once it is acknowledged.
    pub(crate) sync: bool,
    /// Its permission bits; what the umask leaves of 0666 when `None`.
    pub(crate) permissions: Option<u32>,
}

/// A file being written. Dropping it leaves nothing behind.
#[derive(Debug)]
pub(crate) struct Draft {
    temporary: Temporary,
    place: Place,
    settings: NewFile,
    made: Made,
    /// Whether the temporary has other permissions than a new file has.
    private: bool,
    /// Whether there must be a file to replace.
    replaces: bool,
}

impl Draft {
    /// Begins a file for `path`, unless `mode` is already known to forbid it.
    pub(crate) fn begin(
        root: &Root,
        path: &FilePath,
        mode: &WriteMode,
        settings: NewFile,
    ) -> Result<Self> {
        let begin = |place: &mut Place| {
            let old = place.stat()?;
            check(old.as_ref(), mode)?;
            // The content of a file that others may not read must not be readable under the temporary's name.
            let private = old.is_some() || settings.permissions.is_some();
            let permissions = if private { 0o600 } else { 0o666 };
            // On btrfs, syncing a file that has no name yet does nothing.
            let unnamed = !settings.sync;
            Ok((Temporary::create(place.dir.as_fd(), permissions, unnamed)?, private))
        };
        let (place, (temporary, private)) = act_at(root, || root.locate_for(path, mode), begin)?;
        Ok(Self { temporary, place, settings, made: Made::default(), private, replaces: false })
    }

    /// Has it replace a file that exists; one deleted meanwhile does not come back.
    pub(crate) fn replacing(self) -> Self {
        Self { replaces: true, ..self }
    }

    pub(crate) fn file(&self) -> &File {
        &self.temporary.file
    }

    /// Adds to the end.
    pub(crate) fn append(&self, bytes: &[u8]) -> Result<()> {
        Ok(self.file().write_all(bytes)?)
    }

    /// Adds pieces to the end, as many at a time as the system takes.
    pub(crate) fn append_all(&self, pieces: &[Bytes]) -> Result<()> {
        let mut rest = pieces;
        while !rest.is_empty() {
            let mut bytes = 0;
            let is_full = |piece: &Bytes| {
                bytes += piece.len();
                bytes >= AT_ONCE
            };
            let count =
                rest.iter().take(IOV_MAX).position(is_full).map_or(IOV_MAX, |last| last + 1);
            let (pieces, left) = rest.split_at(count.min(rest.len()));
            rest = left;
            let mut slices: Vec<IoSlice<'_>> = pieces.iter().map(|p| IoSlice::new(p)).collect();
            let mut left = &mut slices[..];
            // Empty ones at the front are passed over, so that nothing written means nothing more fits.
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

    /// Gives the file up: its name, if it has one, goes at once; closing what is returned frees its blocks.
    pub(crate) fn abandon(self) -> impl Send + 'static {
        let file = self.temporary.file.try_clone();
        drop(self);
        file
    }

    /// Makes the file visible at `path`, where it was begun, or reports that the directory is in use.
    pub(crate) fn commit(
        mut self,
        root: &Root,
        path: &FilePath,
        mode: &WriteMode,
    ) -> Result<Attempt<Stat, Self>> {
        let mut published = self.publish(mode);
        for attempt in 0..ATTEMPTS {
            if published.is_ok() || !self.place.is_gone() || root.is_gone() {
                break;
            }
            await_removal(attempt);
            mem::take(&mut self.made).undo();
            self.place = root.locate_for(path, mode)?;
            published = self.publish(mode);
        }
        match published {
            Ok(true) => {
                let stat = confirm(Stat::of(self.file().as_fd()).map_err(Error::from))?;
                if self.settings.sync {
                    confirm(sync_directory(self.place.dir.as_fd()))?;
                }
                Ok(Attempt::Done(stat))
            }
            Ok(false) => Ok(Attempt::Busy(self)),
            Err(error) => self.place.undone(self.made, error),
        }
    }

    fn publish(&mut self, mode: &WriteMode) -> Result<bool> {
        if !self.place.missing.is_empty() {
            self.made = self.place.make_missing(self.settings.sync)?;
        }
        for _ in 0..ATTEMPTS {
            let old = match mode {
                // What takes the name makes sure that it is free.
                WriteMode::Create => None,
                WriteMode::Overwrite | WriteMode::IfMatch(_) => self.place.stat()?,
            };
            check(old.as_ref(), mode)?;
            let Some(old) = old else {
                if self.replaces {
                    return Err(ErrorKind::NotFound.into());
                }
                if self.private {
                    self.set_new_permissions()?;
                }
                self.sync()?;
                match self.temporary.publish_new(self.place.dir.as_fd(), &self.place.name) {
                    Ok(()) => return Ok(true),
                    Err(Errno::EXIST) if *mode == WriteMode::Create => {
                        return Err(ErrorKind::AlreadyExists.into());
                    }
                    // Somebody was faster: now it is a replacement.
                    Err(Errno::EXIST) => continue,
                    Err(errno) => return Err(errno.into()),
                }
            };
            self.adopt(&old)?;
            self.private = true;
            self.sync()?;
            let hold =
                if matches!(mode, WriteMode::IfMatch(_)) { Hold::Exclusive } else { Hold::Shared };
            let Some(_lock) = DirectoryLock::acquire(&self.place.dir, hold)? else {
                return Ok(false);
            };
            let now = self.place.stat()?;
            check(now.as_ref(), mode)?;
            let unchanged = now.is_some_and(|now| {
                now.permissions() == old.permissions() && now.owner() == old.owner()
            });
            if unchanged {
                self.temporary.publish_over(self.place.dir.as_fd(), &self.place.name)?;
                return Ok(true);
            }
        }
        Err(Error::new(ErrorKind::Io).with_message("the file keeps appearing and disappearing"))
    }

    fn sync(&self) -> Result<()> {
        // After a failed fsync the kernel may have dropped the pages: never tried again, the temporary goes.
        if self.settings.sync { Ok(self.file().sync_all()?) } else { Ok(()) }
    }

    fn set_new_permissions(&self) -> Result<()> {
        let permissions = self.settings.permissions.unwrap_or_else(|| 0o666 & !umask());
        self.set_permissions(permissions)
    }

    fn set_permissions(&self, permissions: u32) -> Result<()> {
        let mode = Mode::from_raw_mode(permissions);
        Ok(retry_on_intr(|| rustix::fs::fchmod(self.file(), mode))?)
    }

    /// Takes over the mode, the owner and the extended attributes of the file that will be replaced.
    fn adopt(&self, old: &Stat) -> Result<()> {
        let mine = Stat::of(self.file().as_fd())?;
        let mut permissions = old.permissions();
        if mine.owner() != old.owner() {
            let (uid, gid) = old.owner();
            let (uid, gid) = (Uid::from_raw(uid), Gid::from_raw(gid));
            let give = |uid| as_far_as_able(|| rustix::fs::fchown(self.file(), uid, Some(gid)));
            // Before the mode, as a change of the owner clears the set-id bits.
            if give(Some(uid))?.is_none() {
                // Not permitted: with another owner these bits would lend another's rights.
                permissions &= 0o777;
                // A member of the group may still keep the file in it.
                give(None)?;
            }
        }
        self.set_permissions(permissions)?;
        self.adopt_attributes()
    }

    /// Copies what may be read of the old file's attributes and set on the new, which not every file system and user can.
    fn adopt_attributes(&self) -> Result<()> {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let name = self.place.name.as_str();
        let open = || rustix::fs::openat(&self.place.dir, name, flags, Mode::empty());
        let Some(old) = as_far_as_able(open)? else {
            return Ok(());
        };
        let list = |names: &mut Vec<u8>| rustix::fs::flistxattr(&old, spare_capacity(names));
        let names = read_sized(|| rustix::fs::flistxattr_query(&old), list)?.unwrap_or_default();
        for name in names.split(|&byte| byte == 0).filter(|name| !name.is_empty()) {
            // Those describe the old content, or are the system's to set.
            if name.starts_with(b"security.") {
                continue;
            }
            let get =
                |value: &mut Vec<u8>| rustix::fs::fgetxattr(&old, name, spare_capacity(value));
            if let Some(value) = read_sized(|| rustix::fs::fgetxattr_query(&old, name), get)? {
                let flags = XattrFlags::empty();
                as_far_as_able(|| rustix::fs::fsetxattr(self.file(), name, &value, flags))?;
            }
        }
        Ok(())
    }
}

/// What `read` reads into a buffer of the size that `query` tells, as far as one is able to; it may grow in between.
fn read_sized(
    query: impl Fn() -> Result<usize, Errno>,
    read: impl Fn(&mut Vec<u8>) -> Result<usize, Errno>,
) -> Result<Option<Vec<u8>>> {
    loop {
        let Some(size) = as_far_as_able(&query)? else {
            return Ok(None);
        };
        let mut content = Vec::with_capacity(size.max(1));
        match retry_on_intr(|| read(&mut content)) {
            Err(Errno::RANGE) => {}
            read => return Ok(as_far_as_able(|| read)?.map(|_| content)),
        }
    }
}

/// What this user may not do, or this file system cannot, is left undone: `None`. A disk that fails or is full is another matter:
/// what the old file has would be lost without a word.
fn as_far_as_able<T>(act: impl FnMut() -> Result<T, Errno>) -> Result<Option<T>> {
    match retry_on_intr(act) {
        Ok(value) => Ok(Some(value)),
        Err(
            errno @ (Errno::IO
            | Errno::NOSPC
            | Errno::DQUOT
            | Errno::NOMEM
            | Errno::MFILE
            | Errno::NFILE),
        ) => Err(errno.into()),
        Err(_) => Ok(None),
    }
}

/// Whether `mode` allows a file to be written where `old` is.
pub(super) fn check(old: Option<&Stat>, mode: &WriteMode) -> Result<()> {
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

/// The umask of this process, as it can be read without changing it; the strictest if it cannot be read.
fn umask() -> u32 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("Umask:"));
    line.and_then(|octal| u32::from_str_radix(octal.trim(), 8).ok()).unwrap_or(0o077)
}
