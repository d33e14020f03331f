//! A file that is written to a temporary file and becomes visible in one step.

use std::cell::Cell;
use std::fs::File;
use std::io::Write as _;
use std::mem;
use std::os::fd::{AsFd as _, OwnedFd};
use std::sync::Arc;

use bytes::Bytes;
use rustix::io::Errno;

use super::attributes::{adopt, has_no_attributes, set_modified_at, set_permissions};
use super::dir_lock::{Attempt, DirectoryLock};
use super::errno::system_error;
use super::in_place;
use super::locate::{await_removal, keeps_deleting, retry_if_removed};
use super::metadata::set_metadata;
use super::move_name::{lacks_step, lock_out_others};
use super::new_file::{Naming, NewFile, temporary_permissions};
use super::open_beneath::ATTEMPTS;
use super::parent_dir::{CreatedDirs, ParentDir};
use super::probe::is_same_file;
use super::root::Root;
use super::stat::Stat;
use super::sync::{confirm, expect_written, sync_directory};
use super::temporary::{Steps, Temporary};
use super::transfer::{append_content, copy_content};
use super::write_pieces::write_pieces;
use crate::core::error::{Error, ErrorKind, Result};
use crate::core::info::FileInfo;
use crate::core::metadata::FileMetadata;
use crate::core::path::FilePath;
use crate::core::target::WriteTarget;
use crate::sys::lock::LockMode;
use crate::sys::pool::Cancelled;

/// An open directory in which several files are written.
#[derive(Clone, Debug)]
pub(crate) struct OpenDir(Arc<OwnedFd>);

/// A file that has its final name.
#[derive(Debug)]
pub(crate) struct Published {
    pub(crate) info: FileInfo,
    pub(super) temporary: Temporary,
    /// Whether the owner, the permissions or the attributes may have changed after the content was synced.
    pub(super) is_changed: bool,
    /// The directories that got a new entry.
    pub(super) dirs: Vec<Arc<OwnedFd>>,
}

/// The result of a publication.
enum Outcome {
    /// The lock is the one under which the file got its name. The flag is true if nobody else could change the directory meanwhile.
    Published(Option<DirectoryLock>, bool),
    /// Another process has locked the directory.
    Busy,
}

/// A file that is being written. Dropping it removes the temporary file.
#[derive(Debug)]
pub(crate) struct StagedFile {
    temporary: Temporary,
    place: ParentDir,
    settings: NewFile,
    created: CreatedDirs,
    /// What the file has besides its content.
    metadata: FileMetadata,
    /// How far the temporary file is from the final one.
    draft: Draft,
    /// Whether only closing the file may tell that its content is lost.
    reports_on_close: bool,
}

/// What the temporary file has before the file that it replaces is known to be the last one.
#[derive(Clone, Copy, Debug)]
struct Draft {
    /// Whether it has fewer permissions than the final file, or those of another file.
    is_private: bool,
    /// Whether it was made to replace a file.
    is_replacement: bool,
    /// Whether that file has no attributes.
    is_plain: bool,
}

impl StagedFile {
    /// Starts a file for `path`. Fails at once if `target` does not allow the write, or if the file system cannot keep the metadata.
    pub(crate) fn begin(
        root: &Root,
        path: &FilePath,
        target: &WriteTarget,
        settings: NewFile,
        metadata: FileMetadata,
    ) -> Result<Self> {
        Self::begin_in(root, None, path, target, settings, metadata)
    }

    /// Like [`begin`](Self::begin). `parent` is the parent directory, if it is open.
    pub(crate) fn begin_in(
        root: &Root,
        parent: Option<&OpenDir>,
        path: &FilePath,
        target: &WriteTarget,
        settings: NewFile,
        metadata: FileMetadata,
    ) -> Result<Self> {
        let start = |place: &mut ParentDir| {
            target.check(Stat::existing(place.found.as_ref()))?;
            create_temporary(place, settings, &metadata)
        };
        // If the directory was removed, the next attempt finds another one.
        let parent = Cell::new(parent);
        let find = || root.locate_for(path, target, parent.take().map(|OpenDir(dir)| dir));
        let (place, (temporary, draft)) = retry_if_removed(root, find, start)?;
        let created = CreatedDirs::default();
        let reports_on_close = root.reports_on_close(temporary.created.as_ref());
        Ok(Self { temporary, place, settings, created, metadata, draft, reports_on_close })
    }

    /// Returns the directory of the file, if it exists.
    pub(crate) fn directory(&self) -> Option<OpenDir> {
        self.place.missing.is_empty().then(|| OpenDir(Arc::clone(&self.place.dir)))
    }

    pub(crate) fn file(&self) -> &File {
        &self.temporary.file
    }

    /// Appends `bytes`.
    pub(crate) fn append(&self, bytes: &[u8]) -> Result<()> {
        Ok(self.file().write_all(bytes)?)
    }

    /// Copies the whole content of `file` into this one, which must be empty. Shares the blocks if the file system can do that.
    pub(crate) fn copy_file(&self, file: &File, cancelled: &Cancelled) -> Result<()> {
        copy_content(file, self.file(), cancelled)
    }

    /// Appends the whole content of `file`.
    pub(crate) fn append_file(&self, file: &File, cancelled: &Cancelled) -> Result<()> {
        append_content(file, self.file(), cancelled)
    }

    /// Appends all pieces, with as few system calls as possible.
    pub(crate) fn append_all(&self, pieces: &[Bytes]) -> Result<()> {
        Ok(write_pieces(self.file(), pieces)?)
    }

    /// Discards the file. Its name is removed at once; dropping the returned handle frees its blocks.
    pub(crate) fn abandon(self) -> impl Send + 'static {
        let file = self.temporary.file.try_clone();
        drop(self);
        file
    }

    /// Publishes the file at `path`, for which it was started, and returns its metadata. [`Attempt::Busy`] if another process has locked
    /// the directory.
    pub(crate) fn commit(
        self,
        root: &Root,
        path: &FilePath,
        target: &WriteTarget,
    ) -> Result<Attempt<FileInfo, Self>> {
        Ok(match self.commit_open(root, path, target)? {
            Attempt::Done(published) => Attempt::Done(published.info),
            Attempt::Busy(staged) => Attempt::Busy(staged),
        })
    }

    /// Like [`commit`](Self::commit), but leaves the file and its directories open.
    pub(crate) fn commit_open(
        mut self,
        root: &Root,
        path: &FilePath,
        target: &WriteTarget,
    ) -> Result<Attempt<Published, Self>> {
        let mut published = self.publish(target);
        for attempt in 0..ATTEMPTS {
            let is_taken = self.temporary.is_taken();
            if published.is_ok() || !is_taken && !self.place.is_removed() || root.is_removed() {
                break;
            }
            await_removal(attempt);
            mem::take(&mut self.created).remove();
            let place = root.locate_for(path, target, None)?;
            // The files of a directory disappear before the directory does. Nobody may remove a temporary file alone.
            if is_taken && !self.place.is_removed() && place.is_in_same_dir(&self.place) {
                continue;
            }
            self.place = place;
            let kept = if is_taken { self.write_again() } else { Ok(()) };
            published = kept.and_then(|()| self.publish(target));
        }
        let (lock, alone) = match published {
            Ok(Outcome::Published(lock, alone)) => (lock, alone),
            Ok(Outcome::Busy) => return Ok(Attempt::Busy(self)),
            Err(error) => {
                // A deletion of the directory may have taken the temporary file with it.
                let is_deleted = self.temporary.is_taken() || self.place.is_removed();
                let is_untrue = error.kind() == ErrorKind::NotFound && !root.is_removed();
                let error = if is_untrue && is_deleted { keeps_deleting() } else { error };
                return self.place.undo(self.created, error);
            }
        };
        let (stat, is_known) = confirm(self.published(root, alone))?;
        // Others need not wait for the disk.
        drop(lock);
        if self.settings.sync {
            self.created.sync()?;
            confirm(sync_directory(self.place.dir.as_fd()))?;
        }
        let mut info = stat.info(path.clone());
        if !is_known {
            (info.etag, info.file_id) = (None, None);
        }
        info.content_type = self.metadata.content_type;
        info.user_metadata = self.metadata.user_metadata;
        let dirs = self.created.parents().chain([self.place.dir]).collect();
        Ok(Attempt::Done(Published {
            info,
            temporary: self.temporary,
            is_changed: self.draft.is_private,
            dirs,
        }))
    }

    /// Returns the metadata of the published file, and whether a look-up returns the same identity and etag. Not every file system keeps
    /// them when a file gets another name, or when it is closed.
    fn published(&self, root: &Root, alone: bool) -> Result<(Stat, bool)> {
        let opened = Stat::of(self.file().as_fd()).map_err(system_error)?;
        if root.is_exact(&opened) {
            return Ok((opened, true));
        }
        Ok(match self.place.stat()? {
            Some(named) if is_same_file(&opened, &named, alone) => {
                (named, root.file_system().keeps_etags)
            }
            _ => (opened, false),
        })
    }

    /// Writes the file again at its new place, because a deletion of the directory has taken the temporary file with it.
    fn write_again(&mut self) -> Result<()> {
        let (temporary, draft) = create_temporary(&self.place, self.settings, &self.metadata)?;
        copy_content(self.file(), &temporary.file, &Cancelled::default())?;
        (self.temporary, self.draft) = (temporary, draft);
        if self.settings.naming == Naming::Early {
            self.set_times()?;
            self.file().sync_all()?;
        }
        Ok(())
    }

    /// Gives the file a name that must be free.
    fn name_new(&mut self) -> Result<Result<Outcome, Errno>> {
        let (dir, name) = (&self.place.dir, &self.place.name);
        match self.temporary.publish_new(dir.as_fd(), name, Steps::One) {
            Err(errno) if lacks_step(errno) => {}
            published => return Ok(published.map(|()| Outcome::Published(None, false))),
        }
        let Some((lock, is_locked)) = lock_out_others(dir)? else {
            return Ok(Ok(Outcome::Busy));
        };
        let steps = Steps::Several { is_locked };
        let published = self.temporary.publish_new(dir.as_fd(), name, steps);
        Ok(published.map(|()| Outcome::Published(Some(lock), is_locked)))
    }

    /// Gives the file its name.
    fn publish(&mut self, target: &WriteTarget) -> Result<Outcome> {
        // For a new file, `publish_new` fails if the name exists.
        let mut old = match self.settings.naming {
            _ if target.is_new() => None,
            // The content may have taken long.
            Naming::Late => self.place.stat()?,
            Naming::ForReplacement | Naming::Early => self.place.found,
        };
        for _ in 0..ATTEMPTS {
            target.check(Stat::existing(old.as_ref()))?;
            let Some(file) = old else {
                if let Some(outcome) = self.publish_new(target)? {
                    return Ok(outcome);
                }
                old = self.place.stat()?;
                continue;
            };
            if self.settings.in_place {
                match self.publish_in_place(target)? {
                    Some(outcome) => return Ok(outcome),
                    None => (old, self.place.found) = (None, None),
                }
                continue;
            }
            let is_plain = self.draft.is_plain && self.settings.naming == Naming::ForReplacement;
            let created = self.temporary.created.take();
            adopt(&self.temporary.file, created, &file, &self.place, is_plain)?;
            if let Some(permissions) = self.metadata.permissions {
                set_permissions(self.file(), permissions)?;
            }
            self.draft = Draft { is_private: true, is_replacement: true, is_plain: false };
            self.finish()?;
            let lock_mode =
                if target.is_conditional() { LockMode::Exclusive } else { LockMode::Shared };
            let Some(lock) = DirectoryLock::acquire(&self.place.dir, lock_mode)? else {
                return Ok(Outcome::Busy);
            };
            let now = self.place.stat()?;
            target.check(Stat::existing(now.as_ref()))?;
            let unchanged = now.is_some_and(|now| {
                now.permissions() == file.permissions() && now.owner() == file.owner()
            });
            if unchanged {
                self.temporary.publish_over(&self.place.dir, &self.place.name)?;
                return Ok(Outcome::Published(Some(lock), target.is_conditional()));
            }
            (old, self.place.found) = (now, now);
        }
        Err(Error::new(ErrorKind::Io)
            .with_message("other processes keep creating and deleting the file"))
    }

    /// Gives a new file its name; `None` if another process created a file in the meantime, which must now be replaced.
    fn publish_new(&mut self, target: &WriteTarget) -> Result<Option<Outcome>> {
        if self.draft.is_replacement {
            // The file was deleted meanwhile. Only a new file has the owner and the ACL that its directory gives it.
            self.place.found = None;
            self.write_again()?;
        }
        if let Some(permissions) = self.metadata.permissions.or(self.settings.permissions) {
            set_permissions(self.file(), permissions)?;
            self.temporary.created = None;
        }
        self.finish()?;
        if !self.place.missing.is_empty() {
            self.created = self.place.create_missing()?;
        }
        match self.name_new()? {
            // The next attempt creates the directories again, if there is one.
            Ok(Outcome::Busy) => {
                mem::take(&mut self.created).remove();
                Ok(Some(Outcome::Busy))
            }
            Ok(outcome) => Ok(Some(outcome)),
            Err(Errno::EXIST) if target.is_new() => Err(ErrorKind::AlreadyExists.into()),
            Err(Errno::EXIST) => Ok(None),
            Err(errno) => Err(system_error(errno)),
        }
    }

    /// Writes the content into the existing file; `None` if there is none any more.
    fn publish_in_place(&mut self, target: &WriteTarget) -> Result<Option<Outcome>> {
        // No other conditional write and no other write in place may come between.
        let Some(lock) = DirectoryLock::acquire_for_long(&self.place.dir)? else {
            return Ok(Some(Outcome::Busy));
        };
        let Some(now) = self.place.stat()? else { return Ok(None) };
        target.check(Stat::existing(Some(&now)))?;
        let Some(file) = in_place::open(&self.place, &now)? else {
            return Ok(Some(Outcome::Busy));
        };
        in_place::write(&file, self.file(), &self.metadata, self.settings.sync)?;
        self.temporary = Temporary::published(file);
        Ok(Some(Outcome::Published(Some(lock), true)))
    }

    /// Sets the modification time of complete content that is synced by [`sync_data`](super::sync_data).
    pub(crate) fn set_times(&self) -> Result<()> {
        match self.metadata.modified_at {
            Some(time) if self.settings.naming == Naming::Early => {
                set_modified_at(self.file(), time)
            }
            _ => Ok(()),
        }
    }

    /// Sets the modification time, and brings the file to stable storage if that was asked for, or else to its server.
    fn finish(&self) -> Result<()> {
        if let Some(time) =
            self.metadata.modified_at.filter(|_| self.settings.naming != Naming::Early)
        {
            set_modified_at(self.file(), time)?;
        }
        // After a failed fsync the kernel may have dropped the pages, so it is never repeated.
        match self.settings.sync {
            true => Ok(self.file().sync_all()?),
            false if self.reports_on_close => expect_written(self.file()),
            false => Ok(()),
        }
    }
}

/// Creates the temporary file of a file at `place`, with its metadata.
fn create_temporary(
    place: &ParentDir,
    settings: NewFile,
    metadata: &FileMetadata,
) -> Result<(Temporary, Draft)> {
    let old = place.found.as_ref();
    if settings.in_place && old.is_some() {
        let draft = Draft { is_private: true, is_replacement: true, is_plain: false };
        return Ok((in_place::create_spool(&place.dir)?, draft));
    }
    let wanted = metadata.permissions.or(settings.permissions);
    let is_plain = old.is_some() && has_no_attributes(place)?;
    let permissions = temporary_permissions(old, is_plain, metadata.permissions, wanted);
    let unnamed = settings.is_unnamed(old.is_some());
    let temporary = Temporary::create(&place.dir, permissions, unnamed)?;
    set_metadata(&temporary.file, metadata)?;
    let is_replacement = old.is_some();
    let is_private = is_replacement || wanted.is_some();
    Ok((temporary, Draft { is_private, is_replacement, is_plain }))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;
    use std::path::Path;

    use super::super::reserved::Reserved;
    use super::*;
    use crate::core::options::WriteMode;

    /// Starts a file with content at `path`, and returns it with its metadata.
    fn started(root: &Root, path: &FilePath, settings: NewFile) -> StagedFile {
        let metadata = FileMetadata {
            content_type: Some("text/plain".to_owned()),
            modified_at: Some(std::time::UNIX_EPOCH),
            ..FileMetadata::default()
        };
        let target = WriteMode::Overwrite.into();
        let staged = StagedFile::begin(root, path, &target, settings, metadata).unwrap();
        staged.append(b"content").unwrap();
        staged.set_times().unwrap();
        staged
    }

    fn commit(root: &Root, path: &FilePath, staged: StagedFile) -> FileInfo {
        match staged.commit(root, path, &WriteMode::Overwrite.into()).unwrap() {
            Attempt::Done(info) => info,
            Attempt::Busy(_) => panic!("nobody else locks the directory"),
        }
    }

    fn open(dir: &Path) -> Root {
        Root::open(dir, Reserved::default()).unwrap()
    }

    #[test]
    fn a_file_that_is_deleted_with_its_directory_is_written_again() {
        for naming in [Naming::Late, Naming::ForReplacement, Naming::Early] {
            for sync in [false, true] {
                let dir = tempfile::tempdir().unwrap();
                fs::create_dir(dir.path().join("dir")).unwrap();
                let (root, path) = (open(dir.path()), FilePath::parse("dir/a").unwrap());
                let staged = started(&root, &path, NewFile { sync, naming, ..NewFile::default() });
                fs::remove_dir_all(dir.path().join("dir")).unwrap();
                let info = commit(&root, &path, staged);
                assert_eq!(info.modified_at, Some(std::time::UNIX_EPOCH), "{naming:?}");
                assert_eq!(info.content_type.as_deref(), Some("text/plain"));
                assert_eq!(fs::read(dir.path().join("dir/a")).unwrap(), b"content");
                assert_eq!(fs::read_dir(dir.path().join("dir")).unwrap().count(), 1);
            }
        }
    }

    #[test]
    fn a_private_file_that_appears_meanwhile_stays_private() {
        let dir = tempfile::tempdir().unwrap();
        let (root, path) = (open(dir.path()), FilePath::parse("a").unwrap());
        let permissions = Some(0o644);
        let settings = NewFile {
            sync: true,
            permissions,
            naming: Naming::ForReplacement,
            ..NewFile::default()
        };
        let staged = started(&root, &path, settings);
        let on_disk = dir.path().join("a");
        fs::write(&on_disk, "private").unwrap();
        fs::set_permissions(&on_disk, fs::Permissions::from_mode(0o600)).unwrap();
        commit(&root, &path, staged);
        assert_eq!(fs::read(&on_disk).unwrap(), b"content");
        assert_eq!(fs::metadata(&on_disk).unwrap().permissions().mode() & 0o777, 0o600);
    }
}
