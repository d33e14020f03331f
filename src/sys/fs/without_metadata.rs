//! Entries that are known to have no metadata of f9.
//!
//! Most files have none, and finding that out takes as long as the rest of a look-up, because the attribute of a file that is not open is
//! read by a path below `/proc`. Setting an attribute changes the change time. So an entry that had no metadata has none as long as its
//! change time is the same, if that time was past when the attribute was looked for: the kernel's clock has steps of some milliseconds,
//! and ext4 with small inodes has whole seconds.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher as _;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use super::stat::Stat;
use crate::core::error::Result;

/// The number of entries that are remembered. Each takes 8 bytes.
const SLOTS: usize = 16 * 1024;

/// The age of a change from which on a later change has another time.
const PAST: Duration = Duration::from_secs(2);

/// What is known about the entries of a file system.
#[derive(Debug)]
pub(super) struct WithoutMetadata {
    /// The device of the root; `None` if its change times are not those of this kernel.
    device: Option<(u32, u32)>,
    hasher: RandomState,
    /// Each entry and its change time, by their hash.
    known: OnceLock<Box<[AtomicU64]>>,
}

impl WithoutMetadata {
    pub(super) fn on(device: Option<(u32, u32)>) -> Self {
        Self { device, hasher: RandomState::new(), known: OnceLock::new() }
    }

    /// Calls `read` unless the entry is known to have no metadata. `read` returns whether it has some.
    pub(super) fn unless_known(
        &self,
        stat: &Stat,
        read: impl FnOnce() -> Result<bool>,
    ) -> Result<()> {
        if self.has(stat) {
            return Ok(());
        }
        let now = SystemTime::now();
        if !read()? {
            self.add(stat, now);
        }
        Ok(())
    }

    fn has(&self, stat: &Stat) -> bool {
        let hash = self.hash(stat);
        self.known.get().is_some_and(|known| slot(known, hash).load(Ordering::Relaxed) == hash)
    }

    /// Remembers that an entry has no metadata, which was looked for after `now`.
    fn add(&self, stat: &Stat, now: SystemTime) {
        let is_past = |changed| now.duration_since(changed).is_ok_and(|age| age >= PAST);
        if self.device == Some(stat.device()) && stat.changed_at().is_some_and(is_past) {
            let empty = || (0..SLOTS).map(|_| AtomicU64::new(0)).collect();
            let hash = self.hash(stat);
            slot(self.known.get_or_init(empty), hash).store(hash, Ordering::Relaxed);
        }
    }

    fn hash(&self, stat: &Stat) -> u64 {
        // Zero is an empty slot.
        self.hasher.hash_one((stat.id(), stat.changed_at())).max(1)
    }
}

fn slot(known: &[AtomicU64], hash: u64) -> &AtomicU64 {
    &known[usize::try_from(hash % SLOTS as u64).unwrap_or_default()]
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::os::fd::AsFd as _;

    use rustix::fs::XattrFlags;

    use super::super::metadata::METADATA;
    use super::*;

    fn stat_of(file: &File) -> Stat {
        Stat::of(file.as_fd()).unwrap()
    }

    #[test]
    fn only_an_old_change_of_this_device_is_remembered() {
        let dir = tempfile::tempdir().unwrap();
        let file = File::create(dir.path().join("a")).unwrap();
        let stat = stat_of(&file);
        let known = WithoutMetadata::on(Some(stat.device()));
        let changed = stat.changed_at().unwrap();
        for now in [changed, changed + PAST / 2, changed - PAST] {
            known.add(&stat, now);
            assert!(!known.has(&stat), "another change may have the same time");
        }
        for device in [Some((u32::MAX, 0)), None] {
            let elsewhere = WithoutMetadata::on(device);
            elsewhere.add(&stat, changed + PAST);
            assert!(!elsewhere.has(&stat));
        }
        known.add(&stat, changed + PAST);
        assert!(known.has(&stat));
        let flags = XattrFlags::empty();
        rustix::fs::fsetxattr(&file, METADATA, b"text/plain\0", flags).unwrap();
        assert!(!known.has(&stat_of(&file)), "it has metadata now");
    }

    #[test]
    fn metadata_are_read_until_they_are_known_to_be_missing() {
        let dir = tempfile::tempdir().unwrap();
        let file = File::create(dir.path().join("a")).unwrap();
        let stat = stat_of(&file);
        let known = WithoutMetadata::on(Some(stat.device()));
        let is_read = |outcome| {
            let mut is_read = false;
            let read = || {
                is_read = true;
                outcome
            };
            known.unless_known(&stat, read).unwrap();
            is_read
        };
        assert!(is_read(Ok(false)) && is_read(Ok(false)), "the file is too new");
        known.add(&stat, stat.changed_at().unwrap() + PAST);
        assert!(!is_read(Ok(true)));
    }
}
