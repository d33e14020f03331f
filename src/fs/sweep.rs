//! Removing what dead processes left.

use std::ops::ControlFlow;
use std::os::fd::{AsFd as _, OwnedFd};

use rustix::fs::{AtFlags, FlockOperation, Mode, OFlags};
use rustix::io::retry_on_intr;

use super::descent::Descent;
use super::names::{for_each_name, name_path};
use super::remove::empty_directory;
use super::root::Root;
use super::stat::Stat;
use crate::Result;
use crate::path::TEMPORARY_PREFIX;

/// Removes every temporary below the root that nobody holds. Reads names only; what it may not touch it leaves.
pub(crate) fn sweep(root: &Root) -> Result<()> {
    let mut descent = Descent::start(root.open_directory("")?)?;
    let mut way = vec![sweep_directory(&descent)];
    let not_ours = |name: &[u8]| {
        std::str::from_utf8(name).is_ok_and(|name| root.reserved().holds_beyond(name))
    };
    while let Some(here) = way.last_mut() {
        match here.pop() {
            // What f9 may not write to holds no temporaries.
            Some(name) if not_ours(&name) => {}
            Some(name) => {
                if descent.enter_bytes(&name).is_ok() {
                    way.push(sweep_directory(&descent));
                }
            }
            None => {
                way.pop();
                // The directory was moved away: what is above can no longer be reached from here.
                if !way.is_empty() && descent.leave().is_err() {
                    return Ok(());
                }
            }
        }
    }
    Ok(())
}

/// Sweeps one directory and gives the names of those below it.
fn sweep_directory(descent: &Descent) -> Vec<Box<[u8]>> {
    let (mut below, mut found) = (Vec::new(), Vec::<Box<[u8]>>::new());
    let read = for_each_name(descent.here(), |name, is_dir| {
        if name.starts_with(TEMPORARY_PREFIX.as_bytes()) {
            found.push(name.into());
        } else if is_dir {
            below.push(name.into());
        }
        ControlFlow::Continue(())
    });
    drop(read);
    for name in found {
        // A temporary that cannot be removed now is met again by the next sweep.
        drop(remove_dead(descent, &name));
    }
    below
}

fn remove_dead(descent: &Descent, name: &[u8]) -> Result<()> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file: OwnedFd =
        retry_on_intr(|| rustix::fs::openat(descent.here(), name, flags, Mode::empty()))?;
    // Whoever works with it holds it locked.
    retry_on_intr(|| rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive))?;
    let stat = Stat::of(file.as_fd())?;
    if Stat::of_name(descent.here(), name_path(name))?.id() != stat.id() {
        // A deletion that failed has moved its directory back meanwhile.
        return Ok(());
    }
    let is_dir = stat.is_dir();
    let flags = if is_dir { AtFlags::REMOVEDIR } else { AtFlags::empty() };
    if is_dir {
        empty_directory(file.try_clone()?, "")?;
    }
    Ok(rustix::fs::unlinkat(descent.here(), name, flags)?)
}
