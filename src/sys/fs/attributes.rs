//! The owner, the permissions and the extended attributes that a file takes over from the file it replaces.

use std::fs::File;
use std::mem::MaybeUninit;
use std::os::fd::AsFd as _;
use std::time::{SystemTime, UNIX_EPOCH};

use rustix::buffer::spare_capacity;
use rustix::fs::{Gid, Mode, OFlags, Timespec, Timestamps, UTIME_NOW, UTIME_OMIT, Uid, XattrFlags};
use rustix::io::{Errno, retry_on_intr};

use super::errno::system_error;
use super::metadata::{METADATA, link_to};
use super::parent_dir::ParentDir;
use super::stat::Stat;
use crate::core::error::{Error, ErrorKind, Result};

/// The longest list of attributes that is read with a single call, in bytes.
const SHORT_LIST: usize = 512;

pub(super) fn set_permissions(file: &File, permissions: u32) -> Result<()> {
    let mode = Mode::from_raw_mode(permissions);
    retry_on_intr(|| rustix::fs::fchmod(file, mode)).map_err(system_error)
}

/// Sets the modification time.
pub(super) fn set_modified_at(file: &File, time: SystemTime) -> Result<()> {
    // `File::set_times` does not repeat an interrupted call.
    // The file is new, so it was accessed now. bindfs sets neither time if only one is given.
    let last_access = Timespec { tv_sec: 0, tv_nsec: UTIME_NOW };
    let times = Timestamps { last_access, last_modification: timespec(Some(time))? };
    retry_on_intr(|| rustix::fs::futimens(file, &times)).map_err(system_error)
}

/// Converts a time that is to be set; `None` leaves it.
pub(super) fn timespec(time: Option<SystemTime>) -> Result<Timespec> {
    let Some(time) = time else { return Ok(Timespec { tv_sec: 0, tv_nsec: UTIME_OMIT }) };
    let too_far = |_| Error::new(ErrorKind::InvalidInput).with_message("the time is out of range");
    let whole = |seconds: u64| i64::try_from(seconds).map_err(too_far);
    Ok(match time.duration_since(UNIX_EPOCH) {
        Ok(since) => {
            Timespec { tv_sec: whole(since.as_secs())?, tv_nsec: since.subsec_nanos().into() }
        }
        Err(before) => {
            let before = before.duration();
            let nanos = before.subsec_nanos();
            let seconds = -whole(before.as_secs())?;
            if nanos == 0 {
                Timespec { tv_sec: seconds, tv_nsec: 0 }
            } else {
                Timespec { tv_sec: seconds - 1, tv_nsec: (1_000_000_000 - nanos).into() }
            }
        }
    })
}

/// Sets the owner and the permissions of `old`. `new` are the metadata of the file, if they are known.
pub(super) fn adopt_owner(file: &File, new: Option<Stat>, old: &Stat) -> Result<()> {
    let new = new.map_or_else(|| Stat::of(file.as_fd()).map_err(system_error), Ok)?;
    let mut permissions = old.permissions();
    let is_owned = new.owner() == old.owner();
    if !is_owned {
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
    if is_owned && new.permissions() == permissions {
        return Ok(());
    }
    set_permissions(file, permissions)
}

/// Copies the extended attributes of the file at `place`, as far as this user and the file system allow it.
pub(super) fn adopt_attributes(file: &File, place: &ParentDir) -> Result<()> {
    if has_no_attributes(place) {
        return Ok(());
    }
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let name = place.name.as_str();
    let open = || rustix::fs::openat(&place.dir, name, flags, Mode::empty());
    let Some(old) = if_possible(open)? else {
        return Ok(());
    };
    let list = |names: &mut Vec<u8>| rustix::fs::flistxattr(&old, spare_capacity(names));
    let names = read_sized(|| rustix::fs::flistxattr_query(&old), list)?.unwrap_or_default();
    for name in names.split(|&byte| byte == 0).filter(|name| !name.is_empty()) {
        if !is_copied(name) {
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

/// Whether an attribute is copied. The others describe the old content, or are set by the system.
fn is_copied(name: &[u8]) -> bool {
    !name.is_empty() && !name.starts_with(b"security.") && name != METADATA.as_bytes()
}

/// Whether the file at `place` has no attributes to copy; `false` if this cannot be found out with a single call.
fn has_no_attributes(place: &ParentDir) -> bool {
    let path = format!("{}/{}", link_to(place.dir.as_fd()), place.name);
    let mut space = [const { MaybeUninit::uninit() }; SHORT_LIST];
    match rustix::fs::llistxattr(path.as_str(), &mut space[..]) {
        Ok((names, _)) => !names.split(|&byte| byte == 0).any(is_copied),
        Err(errno) => errno == Errno::OPNOTSUPP,
    }
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
