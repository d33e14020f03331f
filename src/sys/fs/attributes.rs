//! The owner, the permissions and the extended attributes that a file takes over from the file it replaces.

use std::fs::File;
use std::os::fd::{AsFd as _, OwnedFd};
use std::time::{SystemTime, UNIX_EPOCH};

use rustix::buffer::spare_capacity;
use rustix::fs::{Gid, Mode, OFlags, Timespec, Timestamps, UTIME_NOW, UTIME_OMIT, Uid, XattrFlags};
use rustix::io::{Errno, retry_on_intr};

use super::errno::system_error;
use super::metadata::{METADATA, link_to};
use super::parent_dir::ParentDir;
use super::stat::Stat;
use crate::core::error::{Error, ErrorKind, Result};

/// The longest list or value that is read with a single call, in bytes.
const SHORT: usize = 512;

/// The attribute with the access control list.
const ACL: &[u8] = b"system.posix_acl_access";

/// The attribute with the capabilities of a program.
const CAPABILITIES: &[u8] = b"security.capability";

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

/// Gives a temporary file the owner, the permissions and the attributes of `old`, the file at `place` that it replaces, as far as this
/// user and the file system allow it. At no time may more people read it than `old`. `created` are its metadata, if they are known. If
/// `old` is known to have no attributes, `is_plain` saves the search.
pub(super) fn adopt(
    file: &File,
    created: Option<Stat>,
    old: &Stat,
    place: &ParentDir,
    is_plain: bool,
) -> Result<()> {
    let attributes = if is_plain { None } else { OldAttributes::of(place)? };
    // Its directory may have given the file an ACL. That must go before the permissions are set, which would make it effective.
    remove_others(file, attributes.as_ref())?;
    let created = created.map_or_else(|| Stat::of(file.as_fd()).map_err(system_error), Ok)?;
    let mut permissions = old.permissions();
    let is_owned = created.owner() == old.owner();
    if !is_owned {
        match adopt_owner(file, old)? {
            Adopted::Both => {}
            // Without permission to change the owner, the set-id bits would give away the rights of another user.
            Adopted::Group => permissions &= 0o777,
            // The bits of the group, which also limit an ACL, would give the rights of the old group to another one. So it gets those of
            // others.
            Adopted::Nothing if created.owner().1 != old.owner().1 => {
                permissions &= 0o707 | (permissions & 0o007) << 3;
            }
            Adopted::Nothing => permissions &= 0o777,
        }
    }
    // After a change of the owner, which clears capabilities. Before the permissions, which may forbid it.
    let has_acl = attributes.as_ref().is_some_and(|attributes| attributes.has(ACL));
    if let Some(attributes) = attributes
        && !attributes.copy_to(file)?
    {
        // With an ACL, the bits of the group are a limit for several entries. The group itself may have had fewer rights.
        permissions &= !0o070;
    }
    if is_owned && !has_acl && created.permissions() == permissions {
        return Ok(());
    }
    set_permissions(file, permissions)
}

/// Whether a file got the owner and the group of another file.
enum Adopted {
    Both,
    Group,
    Nothing,
}

/// Sets the owner and the group of `old`, as far as this user may do that.
fn adopt_owner(file: &File, old: &Stat) -> Result<Adopted> {
    let (uid, gid) = old.owner();
    let (uid, gid) = (Uid::from_raw(uid), Gid::from_raw(gid));
    let change = |uid| if_possible(|| rustix::fs::fchown(file, uid, Some(gid)));
    if change(Some(uid))?.is_some() {
        return Ok(Adopted::Both);
    }
    // A member of the group may still keep the group.
    Ok(if change(None)?.is_some() { Adopted::Group } else { Adopted::Nothing })
}

/// Removes the attributes that `old` does not have.
fn remove_others(file: &File, old: Option<&OldAttributes>) -> Result<()> {
    let list = |names: &mut Vec<u8>| rustix::fs::flistxattr(file, spare_capacity(names));
    let names = read_sized(|| rustix::fs::flistxattr_query(file), list)?.unwrap_or_default();
    for name in each(&names).filter(|name| !old.is_some_and(|old| old.has(name))) {
        let remove = || rustix::fs::fremovexattr(file, name);
        if name == ACL {
            retry_on_intr(remove).map_err(system_error)?;
        } else {
            if_possible(remove)?;
        }
    }
    Ok(())
}

/// The attributes of a file that is replaced.
struct OldAttributes {
    /// Keeps `link` valid.
    _file: OwnedFd,
    link: String,
    names: Vec<u8>,
}

impl OldAttributes {
    /// Finds the attributes of the file at `place`; `None` if it has none.
    fn of(place: &ParentDir) -> Result<Option<Self>> {
        if has_no_attributes(place)? {
            return Ok(None);
        }
        // Without permission to read the file, its ACL can still be read through a handle of this kind.
        let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let open = || rustix::fs::openat(&place.dir, place.name.as_str(), flags, Mode::empty());
        let Some(file) = if_possible(open)? else { return Ok(None) };
        let link = link_to(file.as_fd());
        let list = |names: &mut Vec<u8>| rustix::fs::listxattr(&*link, spare_capacity(names));
        let names = read_sized(|| rustix::fs::listxattr_query(&*link), list)?;
        Ok(names.map(|names| Self { _file: file, link, names }))
    }

    fn has(&self, name: &[u8]) -> bool {
        each(&self.names).any(|found| found == name)
    }

    /// Copies all of them to `file`; `false` if the ACL could not be copied.
    fn copy_to(&self, file: &File) -> Result<bool> {
        let mut keeps_acl = true;
        for name in each(&self.names) {
            let get = |value: &mut Vec<u8>| {
                rustix::fs::getxattr(&*self.link, name, spare_capacity(value))
            };
            let query = || rustix::fs::getxattr_query(&*self.link, name);
            let copied = match read_sized(query, get)? {
                Some(value) => {
                    let flags = XattrFlags::empty();
                    if_possible(|| rustix::fs::fsetxattr(file, name, &value, flags))?
                }
                None => None,
            };
            keeps_acl &= name != ACL || copied.is_some();
        }
        Ok(keeps_acl)
    }
}

/// Returns the names in a list that are copied. The others describe the old content, or are set by the system.
fn each(names: &[u8]) -> impl Iterator<Item = &[u8]> {
    let is_copied = |name: &&[u8]| {
        !name.is_empty()
            && (!name.starts_with(b"security.") || *name == CAPABILITIES)
            && *name != METADATA.as_bytes()
    };
    names.split(|&byte| byte == 0).filter(is_copied)
}

/// Whether the file at `place` has no attributes that are copied.
pub(super) fn has_no_attributes(place: &ParentDir) -> Result<bool> {
    let path = format!("{}/{}", link_to(place.dir.as_fd()), place.name);
    let list = |names: &mut Vec<u8>| rustix::fs::llistxattr(&*path, spare_capacity(names));
    let names = read_sized(|| rustix::fs::llistxattr_query(&*path), list)?;
    Ok(names.is_none_or(|names| each(&names).next().is_none()))
}

/// Returns the permissions for a copy of `file`, which has `stat`. With an ACL, the bits of the group in `stat` are only its limit, which
/// would give the group of a copy more rights.
pub(super) fn permissions_without_acl(file: &File, stat: &Stat) -> Result<u32> {
    let permissions = stat.permissions() & 0o777;
    let get = |value: &mut Vec<u8>| rustix::fs::fgetxattr(file, ACL, spare_capacity(value));
    let acl = read_sized(|| rustix::fs::fgetxattr_query(file, ACL), get)?;
    Ok(acl.map_or(permissions, |acl| permissions & !0o070 | group_of_acl(&acl) << 3))
}

/// Returns the rights of the owning group in an ACL, as the kernel writes it: a version, and entries with a tag, rights and an id.
fn group_of_acl(acl: &[u8]) -> u32 {
    const GROUP: u16 = 4;
    const MASK: u16 = 16;
    let rights_of = |tag: u16| {
        let entries = acl.get(4..).unwrap_or_default().chunks_exact(8);
        let mut found = entries.filter(|entry| u16::from_le_bytes([entry[0], entry[1]]) == tag);
        found.next().map(|entry| u32::from(u16::from_le_bytes([entry[2], entry[3]]) & 0o7))
    };
    rights_of(GROUP).unwrap_or(0) & rights_of(MASK).unwrap_or(0o7)
}

/// Calls `read` with a buffer, and as long as its content is longer, again with one of the size that `query` returns. `None` if it is not
/// possible.
fn read_sized(
    query: impl Fn() -> Result<usize, Errno>,
    read: impl Fn(&mut Vec<u8>) -> Result<usize, Errno>,
) -> Result<Option<Vec<u8>>> {
    let mut size = SHORT;
    loop {
        let mut content = Vec::with_capacity(size);
        match retry_on_intr(|| read(&mut content)) {
            Err(Errno::RANGE) => match if_possible(&query)? {
                Some(longer) => size = longer.max(1),
                None => return Ok(None),
            },
            read => return Ok(if_possible(|| read)?.map(|_| content)),
        }
    }
}

/// Returns `None` if this user has no permission or the file system does not support the call. A failing or full disk is an error, and so is
/// a server that does not answer, because the owner or the attributes of the old file would be lost silently.
fn if_possible<T>(call: impl FnMut() -> Result<T, Errno>) -> Result<Option<T>> {
    match retry_on_intr(call) {
        Ok(value) => Ok(Some(value)),
        Err(
            errno @ (Errno::IO
            | Errno::NOSPC
            | Errno::DQUOT
            | Errno::NOMEM
            | Errno::MFILE
            | Errno::NFILE
            | Errno::AGAIN
            | Errno::STALE
            | Errno::TIMEDOUT
            | Errno::NOTCONN
            | Errno::CONNABORTED
            | Errno::HOSTDOWN
            | Errno::REMOTEIO
            | Errno::UCLEAN
            | Errno::BADMSG),
        ) => Err(system_error(errno)),
        Err(_) => Ok(None),
    }
}
