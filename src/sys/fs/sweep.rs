//! Removing the temporary files of dead processes.
//!
//! The name of a temporary file tells which process owns it. If that process runs, the file stays. If it has ended, the file is removed at
//! once. Owners on another machine, in another container or of an earlier boot are unknown: their files are removed when nothing has
//! changed them for a day. A locked file always stays.

use std::ops::ControlFlow;
use std::os::fd::{AsFd as _, OwnedFd};
use std::time::{Duration, SystemTime};

use rustix::fs::{AtFlags, FlockOperation, Mode, OFlags};
use rustix::io::{Errno, retry_on_intr};

use super::dir_stack::DirStack;
use super::errno::system_error;
use super::owner::{Life, life_of};
use super::read_dir::{for_each_name, name_path};
use super::remove::empty_directory;
use super::root::Root;
use super::stat::Stat;
use crate::core::error::Result;
use crate::core::path::TEMPORARY_PREFIX;
use crate::core::target::FileState as _;

/// The age from which on a temporary file is dead if nothing is known about its owner.
const DEAD_AFTER: Duration = Duration::from_secs(24 * 60 * 60);

/// Removes every temporary file below the root whose owner is dead. Skips everything it has no permission for.
pub(crate) fn sweep(root: &Root) -> Result<()> {
    sweep_at(root, SystemTime::now())
}

fn sweep_at(root: &Root, now: SystemTime) -> Result<()> {
    let mut dirs = DirStack::start(root.open_directory("")?)?;
    let mut levels = vec![sweep_directory(&dirs, now)];
    let is_foreign = |name: &[u8]| {
        std::str::from_utf8(name).is_ok_and(|name| root.reserved().contains_extra(name))
    };
    while let Some(names) = levels.last_mut() {
        match names.pop() {
            // f9 does not write there, so there are no temporary files.
            Some(name) if is_foreign(&name) => {}
            Some(name) => {
                if dirs.enter_bytes(&name).is_ok() {
                    levels.push(sweep_directory(&dirs, now));
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
fn sweep_directory(dirs: &DirStack, now: SystemTime) -> Vec<Box<[u8]>> {
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
        drop(remove_dead(dirs, &name, now));
    }
    below
}

/// Whether the name and the age of a temporary file show that its owner is dead.
fn is_dead(name: &[u8], stat: &Stat, now: SystemTime) -> bool {
    // Writers set the modification time, but not the change time.
    let changed = stat.changed_at().max(stat.modified_at());
    let is_old = |changed| now.duration_since(changed).is_ok_and(|age| age >= DEAD_AFTER);
    match life_of(name) {
        Life::Running => false,
        Life::Ended => true,
        Life::Unknown => changed.is_some_and(is_old),
    }
}

fn remove_dead(dirs: &DirStack, name: &[u8], now: SystemTime) -> Result<()> {
    let found = Stat::of_name(dirs.here(), name_path(name)).map_err(system_error)?;
    if !is_dead(name, &found, now) {
        return Ok(());
    }
    // A killed probe of the file system leaves symbolic links, which cannot be locked.
    if !found.is_symlink() {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let file: OwnedFd =
            retry_on_intr(|| rustix::fs::openat(dirs.here(), name, flags, Mode::empty()))
                .map_err(system_error)?;
        // A process that uses the file has locked it.
        match retry_on_intr(|| rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive)) {
            // Without locks on this file system, the name and the age decide.
            Ok(()) | Err(Errno::OPNOTSUPP | Errno::NOLCK | Errno::NOSYS) => {}
            Err(errno) => return Err(system_error(errno)),
        }
        let stat = Stat::of(file.as_fd()).map_err(system_error)?;
        let named = Stat::of_name(dirs.here(), name_path(name)).map_err(system_error)?;
        if named.id() != stat.id() {
            // A failed deletion moved its directory back in the meantime.
            return Ok(());
        }
        if stat.is_dir() {
            empty_directory(file, "")?;
        }
    }
    let flags = if found.is_dir() { AtFlags::REMOVEDIR } else { AtFlags::empty() };
    rustix::fs::unlinkat(dirs.here(), name, flags).map_err(system_error)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::super::owner::new_name;
    use super::super::owner::tests::{name_from_elsewhere, name_of_the_dead};
    use super::super::reserved::Reserved;
    use super::*;

    fn left_after(now: SystemTime, names: &[&str]) -> Vec<String> {
        let dir = tempfile::tempdir().unwrap();
        for name in names {
            fs::write(dir.path().join(name), "x").unwrap();
        }
        let root = Root::open(dir.path(), Reserved::default()).unwrap();
        sweep_at(&root, now).unwrap();
        let left = names.iter().filter(|name| dir.path().join(name).exists());
        left.map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn the_file_of_a_running_process_stays_even_without_its_lock() {
        let own = new_name().unwrap();
        // An old file that is seen through another mount.
        let later = SystemTime::now() + DEAD_AFTER * 10;
        assert_eq!(left_after(later, &[&own]), [own]);
    }

    #[test]
    fn a_file_whose_owner_is_unknown_is_removed_when_it_is_old() {
        let elsewhere = name_from_elsewhere();
        let names = [elsewhere.as_str(), ".f9tmp-1"];
        for age in [Duration::ZERO, DEAD_AFTER / 2] {
            assert_eq!(left_after(SystemTime::now() + age, &names), names, "{age:?}");
        }
        let old = SystemTime::now() + DEAD_AFTER * 2;
        assert_eq!(left_after(old, &names), [] as [String; 0]);
        let early = SystemTime::now() - DEAD_AFTER * 2;
        assert_eq!(left_after(early, &names), names, "another clock is ahead");
    }

    #[test]
    fn a_modification_time_that_a_caller_has_set_is_no_age() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(name_from_elsewhere());
        let file = fs::File::create(&path).unwrap();
        file.set_modified(SystemTime::UNIX_EPOCH).unwrap();
        sweep(&Root::open(dir.path(), Reserved::default()).unwrap()).unwrap();
        assert!(path.exists());
    }

    #[test]
    fn what_a_process_left_when_it_ended_is_removed_at_once() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        fs::write(at(&name_of_the_dead()), "x").unwrap();
        symlink("f9", at(&name_of_the_dead())).unwrap();
        fs::create_dir_all(at(&name_of_the_dead()).join("below")).unwrap();
        let locked = name_of_the_dead();
        let alive = fs::File::create(at(&locked)).unwrap();
        alive.try_lock().unwrap();
        let root = Root::open(dir.path(), Reserved::default()).unwrap();
        sweep(&root).unwrap();
        let left = || fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().file_name());
        assert_eq!(left().collect::<Vec<_>>(), [locked.as_str()]);
        alive.unlock().unwrap();
        sweep(&root).unwrap();
        assert_eq!(left().count(), 0);
    }
}
