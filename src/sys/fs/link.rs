//! Symbolic links as entries.

use std::os::fd::AsFd as _;

use rustix::fs::OFlags;
use rustix::io::{Errno, retry_on_intr};

use super::errno::system_error;
use super::locate::retry_if_removed;
use super::parent_dir::ParentDir;
use super::root::Root;
use super::stat::Stat;
use super::sync::{confirm, sync_directory};
use crate::core::error::{Error, ErrorKind, Result};
use crate::core::info::{FileInfo, FileType};
use crate::core::path::FilePath;

/// Creates a link at `path` and its missing parents.
pub(crate) fn create_link(
    root: &Root,
    path: &FilePath,
    target: &str,
    sync: bool,
) -> Result<FileInfo> {
    expect_links(root)?;
    check_target(root, path, target)?;
    let create = |place: &mut ParentDir| {
        let parents = place.create_missing()?;
        let linked =
            retry_on_intr(|| rustix::fs::symlinkat(target, &place.dir, place.name.as_str()));
        match linked {
            Ok(()) => Ok(parents),
            Err(Errno::EXIST) => place.undo(parents, ErrorKind::AlreadyExists.into()),
            Err(errno) => place.undo(parents, system_error(errno)),
        }
    };
    let (place, parents) = retry_if_removed(root, || root.locate(path), create)?;
    if sync {
        parents.sync()?;
        confirm(sync_directory(place.dir.as_fd()))?;
    }
    // Another process may have deleted the link already.
    let new = || FileInfo::new(path.clone(), FileType::Symlink);
    let mut info = confirm(place.stat())?.map_or_else(new, |stat| stat.info(path.clone()));
    info.link_target = Some(target.to_owned());
    Ok(info)
}

/// Returns the path in the link at `path`.
pub(crate) fn read_link(root: &Root, path: &FilePath) -> Result<String> {
    expect_links(root)?;
    let link = root.open_at(path, OFlags::PATH | OFlags::NOFOLLOW)?;
    let stat = Stat::of(link.as_fd()).map_err(system_error)?;
    if !stat.is_symlink() {
        return Err(Error::new(ErrorKind::InvalidInput).with_message("not a symbolic link"));
    }
    let target = retry_on_intr(|| rustix::fs::readlinkat(&link, "", Vec::new()));
    target.map_err(system_error)?.into_string().map_err(|_| {
        Error::new(ErrorKind::InvalidData).with_message("the path in the link is not UTF-8")
    })
}

fn expect_links(root: &Root) -> Result<()> {
    if root.file_system().has_links {
        return Ok(());
    }
    Err(Error::new(ErrorKind::Unsupported)
        .with_message("the file system has no symbolic links, or does not read all of them"))
}

/// Checks that a target is relative, stays below the root, and names nothing that is reserved.
fn check_target(root: &Root, path: &FilePath, target: &str) -> Result<()> {
    let refused = |kind, message| Err(Error::new(kind).with_message(message));
    if target.is_empty() || target.contains('\0') {
        return refused(ErrorKind::InvalidPath, "the target is empty or has a NUL");
    }
    if target.starts_with('/') {
        return refused(ErrorKind::PathEscapesRoot, "the target is not relative");
    }
    let parent = path.parent();
    let mut names: Vec<&str> =
        parent.as_ref().map_or_else(Vec::new, |dir| dir.segments().collect());
    for name in target.split('/').filter(|name| !name.is_empty() && *name != ".") {
        if name != ".." {
            names.push(name);
        } else if names.pop().is_none() {
            return refused(ErrorKind::PathEscapesRoot, "the target leads out of the root");
        }
    }
    root.parse(&names.join("/")).map(drop).map_err(|error| Error::new(error.kind()))
}

#[cfg(test)]
mod tests {
    use super::super::reserved::Reserved;
    use super::*;

    #[test]
    fn a_target_stays_below_the_root() {
        let dir = tempfile::tempdir().unwrap();
        let root = Root::open(dir.path(), Reserved::default()).unwrap();
        let at = FilePath::parse("a/b/link").unwrap();
        for (target, refused) in [
            ("x", None),
            ("../x", None),
            ("../../x/./y//z", None),
            ("../..", None),
            ("../../..", Some(ErrorKind::PathEscapesRoot)),
            ("../../../a", Some(ErrorKind::PathEscapesRoot)),
            ("x/../../../..", Some(ErrorKind::PathEscapesRoot)),
            ("/etc", Some(ErrorKind::PathEscapesRoot)),
            ("", Some(ErrorKind::InvalidPath)),
            ("a\0b", Some(ErrorKind::InvalidPath)),
            ("../.f9/x", Some(ErrorKind::ReservedPath)),
        ] {
            let checked = check_target(&root, &at, target);
            assert_eq!(checked.err().map(|error| error.kind()), refused, "{target:?}");
        }
    }
}
