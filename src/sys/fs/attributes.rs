//! The owner, the permissions and the extended attributes that a file takes over from the file it replaces.

use std::fs::File;
use std::os::fd::AsFd as _;

use rustix::buffer::spare_capacity;
use rustix::fs::{Gid, Mode, OFlags, Uid, XattrFlags};
use rustix::io::{Errno, retry_on_intr};

use super::errno::system_error;
use super::parent_dir::ParentDir;
use super::stat::Stat;
use crate::core::error::Result;

pub(super) fn set_permissions(file: &File, permissions: u32) -> Result<()> {
    let mode = Mode::from_raw_mode(permissions);
    retry_on_intr(|| rustix::fs::fchmod(file, mode)).map_err(system_error)
}

/// Sets the owner and the permissions of `old`.
pub(super) fn adopt_owner(file: &File, old: &Stat) -> Result<()> {
    let new = Stat::of(file.as_fd()).map_err(system_error)?;
    let mut permissions = old.permissions();
    if new.owner() != old.owner() {
        let (uid, gid) = old.owner();
        let (uid, gid) = (Uid::from_raw(uid), Gid::from_raw(gid));
        let change = |uid| if_possible(|| rustix::fs::fchown(file, uid, Some(gid)));
        // A change of the owner clears the set-id bits, so the permissions are set after it.
        if change(Some(uid))?.is_none() {
            // Without permission to change the owner, the set-id bits would give away the rights of another user.
            permissions &= 0o777;
            // A member of the group may still keep the group.
            change(None)?;
        }
    }
    set_permissions(file, permissions)
}

/// Copies the extended attributes of the file at `place`, as far as this user and the file system allow it.
pub(super) fn adopt_attributes(file: &File, place: &ParentDir) -> Result<()> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let name = place.name.as_str();
    let open = || rustix::fs::openat(&place.dir, name, flags, Mode::empty());
    let Some(old) = if_possible(open)? else {
        return Ok(());
    };
    let list = |names: &mut Vec<u8>| rustix::fs::flistxattr(&old, spare_capacity(names));
    let names = read_sized(|| rustix::fs::flistxattr_query(&old), list)?.unwrap_or_default();
    for name in names.split(|&byte| byte == 0).filter(|name| !name.is_empty()) {
        // These describe the old content, or are set by the system.
        if name.starts_with(b"security.") {
            continue;
        }
        let get = |value: &mut Vec<u8>| rustix::fs::fgetxattr(&old, name, spare_capacity(value));
        if let Some(value) = read_sized(|| rustix::fs::fgetxattr_query(&old, name), get)? {
            let flags = XattrFlags::empty();
            if_possible(|| rustix::fs::fsetxattr(file, name, &value, flags))?;
        }
    }
    Ok(())
}

/// Calls `read` with a buffer of the size that `query` returns, and repeats both if the value grows in between. `None` if it is not
/// possible.
fn read_sized(
    query: impl Fn() -> Result<usize, Errno>,
    read: impl Fn(&mut Vec<u8>) -> Result<usize, Errno>,
) -> Result<Option<Vec<u8>>> {
    loop {
        let Some(size) = if_possible(&query)? else {
            return Ok(None);
        };
        let mut content = Vec::with_capacity(size.max(1));
        match retry_on_intr(|| read(&mut content)) {
            Err(Errno::RANGE) => {}
            read => return Ok(if_possible(|| read)?.map(|_| content)),
        }
    }
}

/// Returns `None` if this user has no permission or the file system does not support the call. A failing or full disk is an error,
/// because the attributes of the old file would be lost silently.
fn if_possible<T>(call: impl FnMut() -> Result<T, Errno>) -> Result<Option<T>> {
    match retry_on_intr(call) {
        Ok(value) => Ok(Some(value)),
        Err(
            errno @ (Errno::IO
            | Errno::NOSPC
            | Errno::DQUOT
            | Errno::NOMEM
            | Errno::MFILE
            | Errno::NFILE),
        ) => Err(system_error(errno)),
        Err(_) => Ok(None),
    }
}
