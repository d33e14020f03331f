//! Bringing many changes to stable storage together.
//!
//! A sync of one file waits for the disk, so many of them take long. A sync of the whole file system (`syncfs(2)`) waits about as long
//! as one of them. It is only used on the file systems of local disks, because others may ignore it, and since Linux 5.8, because it
//! did not report failed writes before.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::sync::{Arc, LazyLock};

use rustix::io::{Errno, retry_on_intr};

use super::cache::is_on_disk;
use super::errno::system_error;
use super::staged_file::{Published, StagedFile};
use super::stat::Stat;
use super::sync::{confirm, fsync_directory};
use crate::core::error::Result;
use crate::sys::pool::parallel_map;

/// The number of files from which on the whole file system is synced.
const MANY: usize = 4;

/// Brings the content of files without a final name to stable storage. Returns a result for each.
pub(crate) fn sync_data(staged: &[&StagedFile]) -> Vec<Result<()>> {
    let files: Vec<BorrowedFd<'_>> = staged.iter().map(|staged| staged.file().as_fd()).collect();
    // After a failed fsync the kernel may have dropped the pages, so it is never repeated.
    let synced = sync_each(&files, |file| retry_on_intr(|| rustix::fs::fsync(file)));
    synced.into_iter().map(|synced| synced.map_err(system_error)).collect()
}

/// Brings the names of published files and of their new parents to stable storage. Returns a result for each file.
pub(crate) fn sync_names(published: &[&Published]) -> Vec<Result<()>> {
    let mut dirs = Distinct::default();
    let numbers = published.iter().map(|published| {
        let mut numbers = dirs.numbers_of(&published.dirs);
        if published.is_changed {
            numbers.push(dirs.files.len());
            dirs.files.push(published.temporary.file.as_fd());
        }
        numbers
    });
    let numbers: Vec<Vec<usize>> = numbers.collect();
    let synced = sync_each(&dirs.files, fsync_directory);
    let failure = |number: &usize| synced.get(*number)?.err();
    let failures = numbers.iter().map(|numbers| numbers.iter().find_map(failure));
    failures.map(|failure| confirm(failure.map_or(Ok(()), Err).map_err(system_error))).collect()
}

/// Open files, and directories without repetition. One directory may be open several times.
#[derive(Default)]
struct Distinct<'a> {
    files: Vec<BorrowedFd<'a>>,
    by_handle: BTreeMap<*const OwnedFd, usize>,
    by_id: BTreeMap<(u32, u32, u64), usize>,
}

impl<'a> Distinct<'a> {
    fn numbers_of(&mut self, dirs: &'a [Arc<OwnedFd>]) -> Vec<usize> {
        dirs.iter().map(|dir| self.number_of(dir)).collect()
    }

    fn number_of(&mut self, dir: &'a Arc<OwnedFd>) -> usize {
        if let Some(number) = self.by_handle.get(&Arc::as_ptr(dir)) {
            return *number;
        }
        let next = self.files.len();
        let number = match Stat::of(dir.as_fd()) {
            Ok(stat) => *self.by_id.entry(stat.id()).or_insert(next),
            Err(_) => next,
        };
        if number == next {
            self.files.push(dir.as_fd());
        }
        self.by_handle.insert(Arc::as_ptr(dir), number);
        number
    }
}

/// Syncs files, by their file system or each with `sync`.
fn sync_each(
    files: &[BorrowedFd<'_>],
    sync: impl Fn(BorrowedFd<'_>) -> Result<(), Errno> + Sync,
) -> Vec<Result<(), Errno>> {
    let mut devices = BTreeMap::<_, Vec<usize>>::new();
    for (number, file) in files.iter().enumerate() {
        let device = Stat::of(*file).ok().map(|stat| (stat.id().0, stat.id().1));
        devices.entry(device).or_default().push(number);
    }
    let mut synced = vec![Ok(()); files.len()];
    for (device, numbers) in devices {
        let is_many = device.is_some() && numbers.len() >= MANY;
        if is_many && numbers.first().is_some_and(|first| sync_file_system(files[*first])) {
            continue;
        }
        let sync = |_: &mut (), at: usize| Ok::<_, Infallible>(sync(files[numbers[at]]));
        let results = match parallel_map(numbers.len(), || (), sync) {
            Ok(results) => results,
            Err(never) => match never {},
        };
        for (number, result) in numbers.iter().zip(results) {
            synced[*number] = result;
        }
    }
    synced
}

/// Syncs the file system of a file; `false` if each file must be synced.
fn sync_file_system(file: BorrowedFd<'_>) -> bool {
    static REPORTS_FAILURES: LazyLock<bool> = LazyLock::new(|| {
        let release = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
        is_at_least(&release, (5, 8))
    });
    *REPORTS_FAILURES && is_on_disk(file) && retry_on_intr(|| rustix::fs::syncfs(file)).is_ok()
}

/// Whether the release of a kernel, such as `6.1.0-13-amd64`, is not older than `version`.
fn is_at_least(release: &str, version: (u32, u32)) -> bool {
    let mut numbers = release.split(|c: char| !c.is_ascii_digit()).map(str::parse);
    match (numbers.next(), numbers.next()) {
        (Some(Ok(major)), Some(Ok(minor))) => (major, minor) >= version,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;

    use super::*;

    #[test]
    fn the_release_of_a_kernel_is_compared_by_its_numbers() {
        for (release, expected) in [
            ("5.8.0", true),
            ("5.10.0-8-amd64\n", true),
            ("6.1.0", true),
            ("5.7.19", false),
            ("4.19.0", false),
            ("", false),
            ("unknown", false),
        ] {
            assert_eq!(is_at_least(release, (5, 8)), expected, "{release:?}");
        }
    }

    #[test]
    fn a_failed_sync_is_reported_for_its_file_only() {
        let dir = tempfile::tempdir().unwrap();
        let files = ["a", "b", "c"].map(|name| File::create(dir.path().join(name)).unwrap());
        let fds: Vec<_> = files.iter().map(|file| file.as_fd()).collect();
        let failing = Stat::of(fds[1]).unwrap().id();
        let synced = sync_each(&fds, |file| match Stat::of(file) {
            Ok(stat) if stat.id() == failing => Err(Errno::IO),
            _ => Ok(()),
        });
        assert_eq!(synced, [Ok(()), Err(Errno::IO), Ok(())]);
    }

    #[test]
    fn a_directory_that_is_open_twice_is_one_directory() {
        let dir = tempfile::tempdir().unwrap();
        let open = || Arc::new(OwnedFd::from(File::open(dir.path()).unwrap()));
        let (one, other) = (open(), open());
        let dirs = [Arc::clone(&one), other, one];
        let mut distinct = Distinct::default();
        assert_eq!(distinct.numbers_of(&dirs), [0, 0, 0]);
        assert_eq!(distinct.files.len(), 1);
    }
}
