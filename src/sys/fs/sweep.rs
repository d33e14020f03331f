//! Removing the temporary files of dead processes.

use std::ops::ControlFlow;
use std::os::fd::{AsFd as _, OwnedFd};

use rustix::fs::{AtFlags, FlockOperation, Mode, OFlags};
use rustix::io::retry_on_intr;

use super::dir_stack::DirStack;
use super::errno::system_error;
use super::read_dir::{for_each_name, name_path};
use super::remove::empty_directory;
use super::root::Root;
use super::stat::Stat;
use crate::core::error::Result;
use crate::core::path::TEMPORARY_PREFIX;

/// Removes every temporary file below the root that no process has locked. Skips everything it has no permission for.
pub(crate) fn sweep(root: &Root) -> Result<()> {
    let mut dirs = DirStack::start(root.open_directory("")?)?;
    let mut levels = vec![sweep_directory(&dirs)];
    let is_foreign = |name: &[u8]| {
        std::str::from_utf8(name).is_ok_and(|name| root.reserved().contains_extra(name))
    };
    while let Some(names) = levels.last_mut() {
        match names.pop() {
            // f9 does not write there, so there are no temporary files.
            Some(name) if is_foreign(&name) => {}
            Some(name) => {
                if dirs.enter_bytes(&name).is_ok() {
                    levels.push(sweep_directory(&dirs));
                }
            }
            None => {
                levels.pop();
                // After a failure, the directory was moved, and its parents cannot be reached from here.
                if !levels.is_empty() && dirs.leave().is_err() {
                    return Ok(());
                }
            }
        }
    }
    Ok(())
}

/// Sweeps one directory, and returns the names of its subdirectories.
fn sweep_directory(dirs: &DirStack) -> Vec<Box<[u8]>> {
    let (mut below, mut found) = (Vec::new(), Vec::<Box<[u8]>>::new());
    let read = for_each_name(dirs.here(), |name, is_dir| {
        if name.starts_with(TEMPORARY_PREFIX.as_bytes()) {
            found.push(name.into());
        } else if is_dir {
            below.push(name.into());
        }
        ControlFlow::Continue(())
    });
    drop(read);
    for name in found {
        // The next sweep finds a temporary file again that cannot be removed now.
        drop(remove_dead(dirs, &name));
    }
    below
}

fn remove_dead(dirs: &DirStack, name: &[u8]) -> Result<()> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file: OwnedFd =
        retry_on_intr(|| rustix::fs::openat(dirs.here(), name, flags, Mode::empty()))
            .map_err(system_error)?;
    // A process that uses the file has locked it.
    retry_on_intr(|| rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive))
        .map_err(system_error)?;
    let stat = Stat::of(file.as_fd()).map_err(system_error)?;
    let named = Stat::of_name(dirs.here(), name_path(name)).map_err(system_error)?;
    if named.id() != stat.id() {
        // A failed deletion moved its directory back in the meantime.
        return Ok(());
    }
    let is_dir = stat.is_dir();
    let flags = if is_dir { AtFlags::REMOVEDIR } else { AtFlags::empty() };
    if is_dir {
        empty_directory(file.try_clone()?, "")?;
    }
    rustix::fs::unlinkat(dirs.here(), name, flags).map_err(system_error)
}
