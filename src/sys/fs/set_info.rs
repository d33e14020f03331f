//! Changing the metadata of an existing entry.

use std::fs::File;
use std::os::fd::{AsFd as _, BorrowedFd};

use rustix::fs::{AtFlags, CWD, Gid, Mode, OFlags, Timestamps, Uid, XattrFlags};
use rustix::io::{Errno, retry_on_intr};

use super::attributes::timespec;
use super::cache::dislikes_links;
use super::dir_lock::{Attempt, DirectoryLock};
use super::errno::system_error;
use super::metadata::{METADATA, add_metadata_by_link, link_to, set_metadata_by_link};
use super::open_beneath::{open_beneath, open_error};
use super::root::Root;
use super::stat::Stat;
use super::sync::confirm;
use crate::core::error::{Error, ErrorKind, Result};
use crate::core::info::FileInfo;
use crate::core::options::{InfoChanges, WriteMode};
use crate::core::path::FilePath;
use crate::sys::lock::LockMode;

/// The prefix of the attributes of f9.
const OWN_ATTRIBUTES: &str = "user.f9.";

/// Changes the metadata of the entry at `path`, whose links are followed, and returns all of its metadata.
pub(crate) fn set_info(
    root: &Root,
    path: &FilePath,
    changes: &InfoChanges,
    sync: bool,
) -> Result<Attempt<FileInfo, ()>> {
    check_attributes(changes)?;
    let needs_attributes = changes.content_type.is_some()
        || changes.user_metadata.is_some()
        || !changes.attributes.is_empty();
    if needs_attributes && !root.keeps_metadata() {
        return Err(Error::new(ErrorKind::Unsupported)
            .with_message("the file system has no extended attributes"));
    }
    let is_conditional = !changes.condition.is_empty();
    let lock_mode = if is_conditional { LockMode::Exclusive } else { LockMode::Shared };
    let place = root.locate_for(path, &WriteMode::Overwrite.into(), None)?;
    let Some(lock) = DirectoryLock::acquire(&place.dir, lock_mode)? else {
        return Ok(Attempt::Busy(()));
    };
    let stat = place.stat()?.ok_or(ErrorKind::NotFound)?;
    let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let entry = open_beneath(place.dir.as_fd(), place.name.as_ref(), flags).map_err(open_error)?;
    let opened = Stat::of(entry.as_fd()).map_err(system_error)?;
    // It was replaced since it was found, by a link for example.
    if opened.is_symlink() || opened.id() != stat.id() {
        return Ok(Attempt::Busy(()));
    }
    let stat = opened;
    if !stat.is_file() && !stat.is_dir() {
        return Err(ErrorKind::NotAFile.into());
    }
    stat.check_change(&changes.condition)?;
    let readable = if sync { open_to_sync(entry.as_fd(), changes)? } else { None };
    apply(entry.as_fd(), &stat, path, changes, dislikes_links(entry.as_fd()))?;
    drop(lock);
    if sync {
        confirm(sync_entry(entry.as_fd(), readable))?;
    }
    let stat = confirm(Stat::of(entry.as_fd()).map_err(system_error))?;
    let mut info = stat.info(path.clone());
    if root.keeps_metadata() {
        confirm(add_metadata_by_link(entry.as_fd(), &mut info))?;
    }
    Ok(Attempt::Done(info))
}

/// Makes the changes. Those that most often fail come first. The times come last, because the others may change them.
fn apply(
    entry: BorrowedFd<'_>,
    stat: &Stat,
    path: &FilePath,
    changes: &InfoChanges,
    sets_both_times: bool,
) -> Result<()> {
    let link = link_to(entry);
    if changes.owner_uid.is_some() || changes.owner_gid.is_some() {
        let (uid, gid) =
            (changes.owner_uid.map(Uid::from_raw), changes.owner_gid.map(Gid::from_raw));
        retry_on_intr(|| rustix::fs::chownat(entry, "", uid, gid, AtFlags::EMPTY_PATH))
            .map_err(system_error)?;
    }
    // A change of the owner clears the set-id bits, which nobody asked for.
    let permissions = changes.permissions.or_else(|| {
        let is_owned = changes.owner_uid.is_some() || changes.owner_gid.is_some();
        (is_owned && stat.permissions() > 0o777).then(|| stat.permissions())
    });
    let set_mode = |permissions: u32| {
        let mode = Mode::from_raw_mode(permissions);
        retry_on_intr(|| rustix::fs::chmod(&*link, mode)).map_err(system_error)
    };
    // Attributes of users can be set only while their owner may write.
    let (before, after) = match permissions {
        Some(permissions) if permissions & 0o200 == 0 => (None, Some(permissions)),
        permissions => (permissions, None),
    };
    before.map_or(Ok(()), set_mode)?;
    for (name, value) in &changes.attributes {
        set_attribute(&link, name, value.as_deref())?;
    }
    if changes.content_type.is_some() || changes.user_metadata.is_some() {
        let mut info = stat.info(path.clone());
        add_metadata_by_link(entry, &mut info)?;
        let mut metadata = info.kept();
        if let Some(content_type) = &changes.content_type {
            metadata.content_type = Some(content_type.clone()).filter(|text| !text.is_empty());
        }
        if let Some(user_metadata) = &changes.user_metadata {
            metadata.user_metadata.clone_from(user_metadata);
        }
        set_metadata_by_link(entry, &metadata)?;
    }
    after.map_or(Ok(()), set_mode)?;
    if changes.modified_at.is_some() || changes.accessed_at.is_some() {
        let kept = stat.info(path.clone());
        // bindfs sets neither time if only one is given.
        let or_kept = |time: Option<_>, kept| time.or(if sets_both_times { kept } else { None });
        let times = Timestamps {
            last_access: timespec(or_kept(changes.accessed_at, kept.accessed_at))?,
            last_modification: timespec(or_kept(changes.modified_at, kept.modified_at))?,
        };
        retry_on_intr(|| rustix::fs::utimensat(CWD, &*link, &times, AtFlags::empty()))
            .map_err(system_error)?;
    }
    Ok(())
}

/// Refuses attributes that belong to the system or to f9.
fn check_attributes(changes: &InfoChanges) -> Result<()> {
    let is_allowed = |name: &String| {
        name.starts_with("user.") && !name.starts_with(OWN_ATTRIBUTES) && !name.contains('\0')
    };
    debug_assert!(METADATA.starts_with(OWN_ATTRIBUTES));
    match changes.attributes.keys().find(|name| !is_allowed(name)) {
        None => Ok(()),
        Some(name) => Err(Error::new(ErrorKind::InvalidInput).with_message(format!(
            "`{}`: the name of an attribute starts with `user.` and not with `{OWN_ATTRIBUTES}`",
            name.escape_debug()
        ))),
    }
}

fn set_attribute(link: &str, name: &str, value: Option<&[u8]>) -> Result<()> {
    let set = || match value {
        Some(value) => rustix::fs::setxattr(link, name, value, XattrFlags::empty()),
        None => match rustix::fs::removexattr(link, name) {
            Err(Errno::NODATA) => Ok(()),
            removed => removed,
        },
    };
    retry_on_intr(set).map_err(system_error)
}

/// Opens an entry that is about to change, so that one that cannot be synced is not changed; `None` if only the change makes it readable.
fn open_to_sync(entry: BorrowedFd<'_>, changes: &InfoChanges) -> Result<Option<File>> {
    match File::open(link_to(entry)) {
        Err(_) if changes.permissions.is_some_and(|bits| bits & 0o444 != 0) => Ok(None),
        opened => Ok(Some(opened?)),
    }
}

fn sync_entry(entry: BorrowedFd<'_>, readable: Option<File>) -> Result<()> {
    Ok(readable.map_or_else(|| File::open(link_to(entry)), Ok)?.sync_all()?)
}

#[cfg(test)]
mod tests {
    use super::super::reserved::Reserved;
    use super::*;

    #[test]
    fn attributes_are_refused_before_any_change_on_a_file_system_without_them() {
        let root = Root::open("/proc/self".as_ref(), Reserved::default()).unwrap();
        assert!(!root.keeps_metadata());
        // This file system refuses the permissions too, so the kind of the error shows which of the two came first.
        let changes =
            InfoChanges::default().with_attribute("user.origin", "here").with_permissions(0o600);
        let path = FilePath::parse("comm").unwrap();
        let error = set_info(&root, &path, &changes, false).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
    }
}
