//! The root directory, and how a path is resolved beneath it.
//!
//! A path is first opened with `openat2` and `RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS`: the kernel walks it without leaving the
//! root, and the names that were checked are the names that are opened. Only if there is a symbolic link on the way is it expanded,
//! by cap-std and beneath the root, and the outcome checked and opened in the same way. So no link, also one swapped in meanwhile,
//! leads outside or to a reserved name.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::path::{Component, Path};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use cap_std::ambient_authority;
use cap_std::fs::Dir;
use rustix::fs::{AtFlags, CWD, Mode, OFlags, ResolveFlags};
use rustix::io::{Errno, retry_on_intr};

use super::cache::Cache;
use super::reserved::Reserved;
use super::stat::Stat;
use crate::offload::Wait;
use crate::path::LOCK_FILE_NAME;
use crate::{DirMode, Error, ErrorKind, FilePath, Result, WriteMode};

/// The kernel takes paths of up to this many bytes, with the NUL at the end (`PATH_MAX`).
const PATH_MAX: usize = 4096;

/// How often a path that keeps changing under the look-up is tried again.
pub(super) const ATTEMPTS: u64 = 64;

/// How many times in a row a path that seems to lead through a file is resolved again. Usually it does lead through one.
const EXPANSIONS: u64 = 8;

pub(super) const DIRECTORY: OFlags =
    OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC).union(OFlags::NOFOLLOW);

/// An open root directory. It stays the same directory when its path is renamed or replaced.
#[derive(Debug)]
pub(crate) struct Root {
    dir: Dir,
    reserved: Reserved,
    cache: Arc<Cache>,
}

impl Root {
    /// Opens the directory at `path`, where the names in `reserved` are hidden.
    pub(crate) fn open(path: &Path, reserved: Reserved) -> Result<Self> {
        let dir = Dir::open_ambient_dir(path, ambient_authority())?;
        let cache = Arc::new(Cache::of(dir.as_fd()));
        Ok(Self { dir, reserved, cache })
    }

    /// Makes the directory at `path` and those above it, unless they exist.
    pub(crate) fn make(path: &Path, sync: bool) -> Result<()> {
        let is_missing = |path: &&Path| Stat::of_path(CWD, path).err() == Some(Errno::NOENT);
        let missing: Vec<&Path> = path.ancestors().take_while(is_missing).collect();
        std::fs::create_dir_all(path).map_err(|error| match Stat::of_path(CWD, path) {
            Ok(_) => Error::new(ErrorKind::NotADirectory).with_source(error),
            Err(_) => Error::from(error),
        })?;
        for above in missing.iter().filter_map(|made| made.parent()).filter(|_| sync) {
            File::open(above)?.sync_all()?;
        }
        Ok(())
    }

    pub(super) fn fd(&self) -> BorrowedFd<'_> {
        self.dir.as_fd()
    }

    /// The names that are hidden here, wherever they stand in a path.
    pub(super) fn reserved(&self) -> Reserved {
        self.reserved
    }

    /// The path that a caller means by `text`. Every path comes in this way or by [`parse_entry`](Self::parse_entry).
    pub(crate) fn parse(&self, text: &str) -> Result<FilePath> {
        let path = FilePath::parse(text)?;
        self.reserved.check(&path, text)?;
        Ok(path)
    }

    /// Like [`parse`](Self::parse), but refuses the root.
    pub(crate) fn parse_entry(&self, text: &str) -> Result<FilePath> {
        let path = FilePath::parse_entry(text)?;
        self.reserved.check(&path, text)?;
        Ok(path)
    }

    /// What can be told of its files without waiting.
    pub(super) fn cache(&self) -> &Arc<Cache> {
        &self.cache
    }

    /// Tells this directory from every other, whatever its path.
    pub(crate) fn id(&self) -> Result<(u32, u32, u64)> {
        Ok(Stat::of(self.fd())?.id())
    }

    /// Opens the file that sessions lock, making it if it is missing.
    pub(crate) fn open_lock_file(&self) -> Result<File> {
        // Written to by nobody; open for writing so that closing it wakes who waits.
        let flags =
            OFlags::RDWR | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let mode = Mode::from_raw_mode(0o666);
        let file = retry_on_intr(|| rustix::fs::openat(self.fd(), LOCK_FILE_NAME, flags, mode));
        let file = file.map_err(|errno| Error::from(errno).with_path(LOCK_FILE_NAME))?;
        let named = |error: Error| error.with_path(LOCK_FILE_NAME);
        Stat::of(file.as_fd())
            .map_err(Error::from)
            .and_then(|stat| stat.expect_file())
            .map_err(named)?;
        Ok(file.into())
    }

    /// Whether `file` is the file that sessions lock now.
    pub(crate) fn is_lock_file(&self, file: &File) -> bool {
        let now = Stat::of_name(self.fd(), LOCK_FILE_NAME.as_ref());
        matches!((now, Stat::of(file.as_fd())), (Ok(now), Ok(this)) if now.id() == this.id())
    }

    /// # Errors
    ///
    /// [`RootGone`](ErrorKind::RootGone) if the directory has been removed; what was open of it seems to be an empty directory.
    pub(crate) fn expect_present(&self) -> Result<()> {
        if self.is_gone() { Err(ErrorKind::RootGone.into()) } else { Ok(()) }
    }

    /// Whether the directory has been removed since it was opened.
    pub(crate) fn is_gone(&self) -> bool {
        Stat::of(self.fd()).is_ok_and(|stat| stat.links() == 0)
    }

    /// Opens what is at `path`, following links beneath the root, also one at its end unless `flags` have `NOFOLLOW`.
    pub(super) fn open_at(&self, path: &str, flags: OFlags) -> Result<OwnedFd> {
        let flags = flags | OFlags::CLOEXEC;
        let path = if path.is_empty() { "." } else { path };
        match open_plain(self.fd(), path.as_ref(), flags) {
            Err(Errno::LOOP) => self.open_through_links(path, flags),
            opened => opened.map_err(not_opened),
        }
    }

    /// Like [`open_at`](Self::open_at), waiting only as `wait` allows.
    pub(super) fn open_within(&self, path: &str, flags: OFlags, wait: Wait) -> Result<OwnedFd> {
        match wait {
            Wait::Disk => self.open_at(path, flags),
            // What is not there may well be the root itself.
            Wait::Never if path.is_empty() => Err(Errno::AGAIN.into()),
            Wait::Never => Ok(self.cache.open(self.fd(), path.as_ref(), flags)?),
        }
    }

    #[cold]
    fn open_through_links(&self, path: &str, flags: OFlags) -> Result<OwnedFd> {
        for _ in 0..ATTEMPTS {
            let resolved = if flags.contains(OFlags::NOFOLLOW) {
                let (parent, name) = path.rsplit_once('/').unwrap_or((".", path));
                self.expand(parent)?.join(name)
            } else {
                self.expand(path)?
            };
            match open_plain(self.fd(), &resolved, flags) {
                // Something on the expanded path has become a link meanwhile.
                Err(Errno::LOOP) => {}
                opened => return opened.map_err(not_opened),
            }
        }
        Err(ErrorKind::LinkLoop.into())
    }

    /// The path that `path` is when all links in it are followed beneath the root.
    fn expand(&self, path: &str) -> Result<std::path::PathBuf> {
        let (mut files, mut changes) = (0, 0);
        let expanded = loop {
            let expanded = self.dir.canonicalize(path);
            match expanded.as_ref().map_err(Errno::from_io_error) {
                // cap-std does not try again by itself.
                Err(Some(Errno::INTR)) => {}
                // Where it goes name by name, either may be a link that changed places with a directory between two steps.
                Err(Some(Errno::NOTDIR)) if files < EXPANSIONS => files += 1,
                Err(Some(Errno::INVAL)) if changes < ATTEMPTS => {
                    changes += 1;
                    files = 0;
                }
                _ => break expanded,
            }
        };
        let expanded = expanded.map_err(not_expanded)?;
        let mut names = expanded.iter().filter_map(|name| name.to_str());
        if names.any(|name| self.reserved.holds(name)) {
            return Err(Error::new(ErrorKind::ReservedPath)
                .with_message("a symbolic link leads to a reserved name"));
        }
        Ok(if expanded.as_os_str().is_empty() { ".".into() } else { expanded })
    }

    /// Opens the directory at `path`, to be read, locked and synced.
    pub(crate) fn open_directory(&self, path: &str) -> Result<OwnedFd> {
        let flags = DIRECTORY.difference(OFlags::NOFOLLOW);
        match self.open_at(path, flags) {
            // One that may be searched but not read can still be written to.
            Err(error) if error.kind() == ErrorKind::PermissionDenied => {
                self.open_at(path, OFlags::PATH | OFlags::DIRECTORY)
            }
            opened => opened,
        }
    }

    /// Finds the place where something is to be made: the deepest directory on the way that exists, and what is missing.
    pub(crate) fn locate(&self, path: &FilePath) -> Result<Place> {
        let (mut parent, name) = path.rsplit_once('/').unwrap_or(("", path));
        let mut missing = Vec::new();
        loop {
            match self.open_directory(parent) {
                Ok(dir) => {
                    missing.reverse();
                    return Ok(Place { dir, missing, name: name.to_owned() });
                }
                Err(error) if error.kind() == ErrorKind::NotFound && !parent.is_empty() => {
                    let (above, segment) = parent.rsplit_once('/').unwrap_or(("", parent));
                    missing.push(segment.to_owned());
                    parent = above;
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Like [`locate`](Self::locate) for something that exists, so that nothing is missing on the way.
    pub(super) fn locate_existing(&self, path: &FilePath) -> Result<Place> {
        let (parent, name) = path.rsplit_once('/').unwrap_or(("", path));
        Ok(Place { dir: self.open_directory(parent)?, missing: Vec::new(), name: name.to_owned() })
    }

    /// Like [`locate`](Self::locate) for content that is to be written: a link at `path` is followed to the file it leads to, so
    /// that the file is replaced and not the link.
    fn locate_content(&self, path: &FilePath) -> Result<Place> {
        let place = self.locate(path)?;
        if place.missing.is_empty() && place.stat()?.is_some_and(|stat| stat.is_symlink()) {
            let target = self.expand(path)?;
            let target = target.to_str().ok_or_else(|| {
                Error::new(ErrorKind::InvalidPath)
                    .with_message("the symbolic link leads to a name that is not UTF-8")
            })?;
            return self.locate_existing(&FilePath::found(target.to_owned()));
        }
        Ok(place)
    }

    /// Where a file is written to: a link leads on to its file, unless nothing at all may be there.
    pub(super) fn locate_for(&self, path: &FilePath, mode: &WriteMode) -> Result<Place> {
        match mode {
            WriteMode::Create => self.locate(path),
            WriteMode::Overwrite | WriteMode::IfMatch(_) => self.locate_content(path),
        }
    }
}

/// Acts at the place that `find` finds. If its directory is removed in between, by somebody who undoes what he made or deletes a
/// tree, the place is found anew.
pub(super) fn act_at<T>(
    root: &Root,
    find: impl Fn() -> Result<Place>,
    mut act: impl FnMut(&mut Place) -> Result<T>,
) -> Result<(Place, T)> {
    let mut attempt = 0;
    loop {
        let mut place = find()?;
        match act(&mut place) {
            Err(_) if attempt < ATTEMPTS && place.is_gone() && !root.is_gone() => {}
            acted => return Ok((place, acted?)),
        }
        await_removal(attempt);
        attempt += 1;
    }
}

/// Gives a moment to who removes a directory: until he is done, the name still leads to it.
pub(super) fn await_removal(attempt: u64) {
    thread::sleep(Duration::from_micros(attempt * attempt));
}

/// The error of a look-up, where `EXDEV` is how the kernel says that the path leads out.
fn not_opened(errno: Errno) -> Error {
    match errno {
        Errno::XDEV => Error::new(ErrorKind::PathEscapesRoot).with_source(io::Error::from(errno)),
        errno => errno.into(),
    }
}

/// The error of a path whose links could not be followed.
fn not_expanded(error: io::Error) -> Error {
    // cap-std reports an escape in words of its own, without a system error behind it.
    if error.kind() == io::ErrorKind::PermissionDenied && error.raw_os_error().is_none() {
        return Error::new(ErrorKind::PathEscapesRoot).with_source(error);
    }
    match Errno::from_io_error(&error) {
        // The path was something else at every attempt, which is reported like a loop of links.
        Some(Errno::INVAL) => Error::new(ErrorKind::LinkLoop).with_source(error),
        _ => error.into(),
    }
}

/// Where something is or is to be made: a directory, the directories to make below it, and a name.
#[derive(Debug)]
pub(crate) struct Place {
    pub(super) dir: OwnedFd,
    pub(super) missing: Vec<String>,
    pub(super) name: String,
}

impl Place {
    /// What is there now, a link not followed.
    pub(crate) fn stat(&self) -> Result<Option<Stat>> {
        if !self.missing.is_empty() {
            return Ok(None);
        }
        match Stat::of_name(self.dir.as_fd(), self.name.as_ref()) {
            Ok(stat) => Ok(Some(stat)),
            Err(Errno::NOENT) => Ok(None),
            Err(errno) => Err(errno.into()),
        }
    }

    /// Whether the directory has been removed since it was found. What is tried in it then fails with `ENOENT`, or `EPERM`.
    pub(super) fn is_gone(&self) -> bool {
        Stat::of(self.dir.as_fd()).is_ok_and(|stat| stat.links() == 0)
    }

    /// Makes the missing directories, so that `dir` is the one the name goes into.
    pub(super) fn make_missing(&mut self, sync: bool) -> Result<Made> {
        let mut made = Made(Vec::new());
        for segment in std::mem::take(&mut self.missing) {
            let (fresh, below) = match make_and_open(self.dir.as_fd(), &segment) {
                Ok(opened) => opened,
                // A file, or a link that leads nowhere, took the name.
                Err(Errno::LOOP) => return self.undone(made, ErrorKind::NotADirectory.into()),
                Err(errno) => return self.undone(made, errno.into()),
            };
            let above = std::mem::replace(&mut self.dir, below);
            if fresh {
                let synced = if sync { sync_directory(above.as_fd()) } else { Ok(()) };
                made.0.push((above, segment));
                if let Err(error) = synced {
                    return self.undone(made, error);
                }
            }
        }
        Ok(made)
    }

    /// Takes away again what was made on the way, because of `error`, and goes back to what is left: only a directory that others
    /// have removed shall be [gone](Self::is_gone), and worth another try.
    pub(super) fn undone<T>(&mut self, made: Made, error: Error) -> Result<T> {
        let is_gone = self.is_gone();
        if let Some(left) = made.undo().filter(|_| !is_gone) {
            self.dir = left;
        }
        Err(error)
    }
}

/// Opens the directory `name`, and tells whether it had to be made.
fn make_and_open(dir: BorrowedFd<'_>, name: &str) -> Result<(bool, OwnedFd), Errno> {
    let mut opened = Err(Errno::NOENT);
    for _ in 0..ATTEMPTS {
        let mode = Mode::from_raw_mode(0o777);
        let fresh = match retry_on_intr(|| rustix::fs::mkdirat(dir, name, mode)) {
            Ok(()) => true,
            Err(Errno::EXIST) => false,
            Err(errno) => return Err(errno),
        };
        opened = open_plain(dir, name.as_ref(), DIRECTORY).map(|below| (fresh, below));
        if fresh && opened.is_err() {
            let _ = rustix::fs::unlinkat(dir, name, AtFlags::REMOVEDIR);
        }
        // Whoever made it has undone that, or took it for what he had made himself.
        if !matches!(opened, Err(Errno::NOENT)) {
            break;
        }
    }
    opened
}

/// The directories made on the way to a place, the topmost first.
#[derive(Debug, Default)]
pub(super) struct Made(Vec<(OwnedFd, String)>);

impl Made {
    /// Takes the directories away again, as far as nobody has put anything into them. Gives the one that is left.
    pub(super) fn undo(mut self) -> Option<OwnedFd> {
        while let Some((dir, name)) = self.0.pop() {
            let removed = rustix::fs::unlinkat(&dir, name.as_str(), AtFlags::REMOVEDIR);
            if removed.is_err() || self.0.is_empty() {
                return Some(dir);
            }
        }
        None
    }
}

/// Makes the directory at `path` and those on the way.
pub(crate) fn make_directory(
    root: &Root,
    path: &FilePath,
    mode: DirMode,
    sync: bool,
) -> Result<()> {
    let make = |place: &mut Place| make_directory_at(root, path, place, mode, sync);
    act_at(root, || root.locate(path), make).map(drop)
}

fn make_directory_at(
    root: &Root,
    path: &FilePath,
    place: &mut Place,
    mode: DirMode,
    sync: bool,
) -> Result<()> {
    let made = place.make_missing(sync)?;
    let created = retry_on_intr(|| {
        rustix::fs::mkdirat(&place.dir, place.name.as_str(), Mode::from_raw_mode(0o777))
    });
    match created {
        Ok(()) if sync => confirm(sync_directory(place.dir.as_fd())),
        Ok(()) => Ok(()),
        Err(Errno::EXIST) => {
            let directory = root.open_at(path, OFlags::PATH | OFlags::DIRECTORY);
            match directory.map_err(|error| error.kind()) {
                Ok(_) if mode == DirMode::Overwrite => Ok(()),
                Ok(_) => place.undone(made, ErrorKind::AlreadyExists.into()),
                // A link that leads nowhere is no directory either.
                Err(ErrorKind::NotFound) => place.undone(made, ErrorKind::NotADirectory.into()),
                Err(kind) => place.undone(made, kind.into()),
            }
        }
        Err(errno) => place.undone(made, errno.into()),
    }
}

/// Brings the entries of a directory to stable storage.
pub(super) fn sync_directory(dir: BorrowedFd<'_>) -> Result<()> {
    match retry_on_intr(|| rustix::fs::fsync(dir)) {
        // Opened without permission to read: only a name in it could be opened for that.
        Err(Errno::BADF) => {
            let readable =
                retry_on_intr(|| rustix::fs::openat(dir, ".", DIRECTORY, Mode::empty()))?;
            Ok(retry_on_intr(|| rustix::fs::fsync(&readable))?)
        }
        synced => Ok(synced?),
    }
}

/// After this point the change is visible: a failure means that it may not last, not that it did not happen.
pub(super) fn confirm<T>(confirmed: Result<T>) -> Result<T> {
    confirmed.map_err(|error| Error::new(ErrorKind::DurabilityUnknown).with_source(error))
}

/// Opens `path` beneath `dir`; a symbolic link anywhere in it is `ELOOP`, unless it is the last name and `flags` have
/// `PATH | NOFOLLOW`.
pub(super) fn open_plain(
    dir: BorrowedFd<'_>,
    path: &Path,
    flags: OFlags,
) -> Result<OwnedFd, Errno> {
    static OPENAT2_MISSING: AtomicBool = AtomicBool::new(false);

    let bytes = path.as_os_str().as_encoded_bytes();
    if bytes.len() >= PATH_MAX {
        let Some(cut) = bytes[..PATH_MAX - 1].iter().rposition(|&byte| byte == b'/') else {
            return Err(Errno::NAMETOOLONG);
        };
        let (above, below) = split_path(path, cut);
        let above = open_plain(dir, above, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC)?;
        return open_plain(above.as_fd(), below, flags);
    }
    if !OPENAT2_MISSING.load(Ordering::Relaxed) {
        let resolve =
            ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
        for _ in 0..ATTEMPTS {
            match rustix::fs::openat2(dir, path, flags | OFlags::CLOEXEC, Mode::empty(), resolve) {
                // The kernel saw a rename on the way and cannot tell that the walk stayed beneath.
                Err(Errno::AGAIN | Errno::INTR) => {}
                // Absent before Linux 5.6; some sandboxes refuse it with EPERM instead.
                Err(errno @ (Errno::NOSYS | Errno::PERM)) => {
                    OPENAT2_MISSING.store(errno == Errno::NOSYS, Ordering::Relaxed);
                    break;
                }
                opened => return opened,
            }
        }
    }
    open_step_by_step(dir, path, flags)
}

fn split_path(path: &Path, at: usize) -> (&Path, &Path) {
    use std::os::unix::ffi::OsStrExt as _;
    let bytes = path.as_os_str().as_bytes();
    let part = |bytes| Path::new(std::ffi::OsStr::from_bytes(bytes));
    (part(&bytes[..at]), part(&bytes[at + 1..]))
}

/// What `openat2` does, one name at a time, where it is missing.
fn open_step_by_step(dir: BorrowedFd<'_>, path: &Path, asked: OFlags) -> Result<OwnedFd, Errno> {
    let mut above: Option<OwnedFd> = None;
    let mut components = path.components().peekable();
    while let Some(component) = components.next() {
        let name = match component {
            Component::Normal(name) => name,
            Component::CurDir => ".".as_ref(),
            Component::ParentDir | Component::RootDir | Component::Prefix(_) => {
                return Err(Errno::XDEV);
            }
        };
        let here = above.as_ref().map_or(dir, |above| above.as_fd());
        let flags = if components.peek().is_some() {
            OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC
        } else {
            asked | OFlags::NOFOLLOW
        };
        let next = retry_on_intr(|| rustix::fs::openat(here, name, flags, Mode::empty()))
            .map_err(|errno| link_not_directory(here, name.as_ref(), errno))?;
        // Opened by its path alone, a link at the end is the link itself; it is to be followed unless `NOFOLLOW` was asked for.
        let walked_through = components.peek().is_some();
        let kept = asked.contains(OFlags::NOFOLLOW) && !walked_through;
        if flags.contains(OFlags::PATH) && !kept {
            match Stat::of(next.as_fd())? {
                stat if stat.is_symlink() => return Err(Errno::LOOP),
                stat if walked_through && !stat.is_dir() => return Err(Errno::NOTDIR),
                _ => {}
            }
        }
        above = Some(next);
    }
    above.ok_or(Errno::NOENT)
}

/// A link opened with `DIRECTORY | NOFOLLOW` is reported as `ENOTDIR`; here it is a link first. What is a directory by now was a
/// link when it was opened.
fn link_not_directory(dir: BorrowedFd<'_>, name: &Path, errno: Errno) -> Errno {
    let was_link = |stat: Stat| stat.is_symlink() || stat.is_dir();
    let is_link = errno == Errno::NOTDIR && Stat::of_name(dir, name).is_ok_and(was_link);
    if is_link { Errno::LOOP } else { errno }
}

#[cfg(test)]
mod tests {
    use std::error::Error as _;

    use super::*;

    #[test]
    fn a_path_that_is_another_thing_at_every_look_is_a_loop_with_the_systems_error() {
        let error = not_expanded(Errno::INVAL.into());
        assert_eq!(error.kind(), ErrorKind::LinkLoop);
        let system = io::Error::from(Errno::INVAL).to_string();
        assert_eq!(error.source().unwrap().to_string(), system);
    }

    #[test]
    fn a_link_to_a_file_is_no_directory_on_the_way() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("file"), "x").unwrap();
        std::os::unix::fs::symlink("file", dir.path().join("link")).unwrap();
        let root = Root::open(dir.path(), Reserved::default()).unwrap();
        let error = root.open_at("link/x", OFlags::RDONLY).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotADirectory);
    }
}
