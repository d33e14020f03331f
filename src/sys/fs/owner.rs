//! The names of temporary files, and the processes that own the files.
//!
//! A name holds the boot of the machine, the namespace of process ids, the process id and the time when the process started. So a sweep
//! of the same boot and namespace knows whether the owner still runs, even if it reaches the file through another mount, which does not
//! share its lock.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use rustix::io::Errno;
use rustix::process::{Pid, getpid, test_kill_process};

use crate::core::error::Result;
use crate::core::path::TEMPORARY_PREFIX;
use crate::sys::random;

/// Identifies a process among all processes of all machines, as far as the system allows that.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Owner {
    /// The boot of the machine and the namespace of process ids; empty if the system does not tell them.
    place: String,
    process: i32,
    /// The time since the boot, in clock ticks; 0 if the system does not tell it.
    started: u64,
}

/// What is known about the owner of a temporary name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Life {
    Running,
    Ended,
    /// It belongs to another machine, boot or container, or to another version of f9.
    Unknown,
}

/// Returns a new reserved name. It consists of the owner, a random part that is chosen once per process, and a number.
pub(super) fn new_name() -> Result<String> {
    static START: Mutex<Option<(Pid, Arc<str>)>> = Mutex::new(None);
    static NEXT: AtomicU64 = AtomicU64::new(0);

    let mut start = START.lock().unwrap_or_else(PoisonError::into_inner);
    let process = getpid();
    let known = start.as_ref().filter(|(of, _)| *of == process).map(|(_, text)| Arc::clone(text));
    // A forked process is another owner than its parent.
    let text = match known {
        Some(text) => text,
        None => {
            let Owner { place, process: pid, started } = Owner::this(process);
            let random = random::hex::<4>()?;
            let text = format!("{TEMPORARY_PREFIX}{place}-{pid:x}-{started:x}-{random}");
            Arc::clone(&start.insert((process, text.into())).1)
        }
    };
    drop(start);
    Ok(format!("{text}{:08x}", NEXT.fetch_add(1, Ordering::Relaxed)))
}

/// Returns whether the process that made this name still runs.
pub(super) fn life_of(name: &[u8]) -> Life {
    let owner = std::str::from_utf8(name).ok().and_then(Owner::of);
    match owner {
        Some(owner) if Some(&owner.place) == place().as_ref() => owner.life(),
        _ => Life::Unknown,
    }
}

impl Owner {
    fn this(process: Pid) -> Self {
        let process = process.as_raw_nonzero().get();
        let started = start_of(process).unwrap_or_default();
        Self { place: place().clone().unwrap_or_default(), process, started }
    }

    /// Parses a temporary name.
    fn of(name: &str) -> Option<Self> {
        let mut parts = name.strip_prefix(TEMPORARY_PREFIX)?.split('-');
        let place = parts.next().filter(|place| !place.is_empty())?.to_owned();
        let process = i32::from_str_radix(parts.next()?, 16).ok()?;
        let started = u64::from_str_radix(parts.next()?, 16).ok()?;
        let is_whole = parts.next().is_some() && parts.next().is_none();
        is_whole.then_some(Self { place, process, started })
    }

    fn life(&self) -> Life {
        let Some(process) = Pid::from_raw(self.process) else { return Life::Unknown };
        match test_kill_process(process) {
            Err(Errno::SRCH) => Life::Ended,
            // The id is in use, maybe by a later process.
            _ => match start_of(self.process) {
                Some(started) if self.started != 0 && started != self.started => Life::Ended,
                _ => Life::Running,
            },
        }
    }
}

/// Returns the boot of this machine and the namespace of process ids of this process, as digits.
fn place() -> &'static Option<String> {
    static PLACE: OnceLock<Option<String>> = OnceLock::new();
    PLACE.get_or_init(|| {
        let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
        let boot: String = boot.chars().filter(char::is_ascii_hexdigit).take(16).collect();
        let namespace = fs::metadata("/proc/self/ns/pid").ok()?.ino();
        (boot.len() == 16).then(|| format!("{boot}{namespace:08x}"))
    })
}

/// Returns the time at which a process started, in clock ticks since the boot (`proc_pid_stat(5)`).
fn start_of(process: i32) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    // The name of the program, in parentheses, may hold anything.
    let (_, rest) = stat.rsplit_once(')')?;
    rest.split_whitespace().nth(19)?.parse().ok()
}

#[cfg(test)]
pub(crate) mod tests {
    use std::process::Command;

    use super::*;

    /// Returns a temporary name of a process that has ended.
    pub(crate) fn name_of_the_dead() -> String {
        let mut child = Command::new("true").spawn().unwrap();
        let process = i32::try_from(child.id()).unwrap();
        child.wait().unwrap();
        name_of(process, 1)
    }

    /// Returns a temporary name of another machine.
    pub(in super::super) fn name_from_elsewhere() -> String {
        format!("{TEMPORARY_PREFIX}{}-1-1-0", "0".repeat(24))
    }

    fn name_of(process: i32, started: u64) -> String {
        format!("{TEMPORARY_PREFIX}{}-{process:x}-{started:x}-0", place().as_deref().unwrap())
    }

    #[test]
    fn a_name_tells_whether_its_owner_runs() {
        let own = new_name().unwrap();
        assert_eq!(life_of(own.as_bytes()), Life::Running, "{own}");
        assert_ne!(own, new_name().unwrap());
        assert!(own.len() < 100, "{own}");
        assert_eq!(life_of(name_of_the_dead().as_bytes()), Life::Ended);
        let this = i32::try_from(std::process::id()).unwrap();
        // The id is used again.
        assert_eq!(life_of(name_of(this, 1).as_bytes()), Life::Ended);
        // Without `/proc` only the id counts.
        assert_eq!(life_of(name_of(this, 0).as_bytes()), Life::Running);
    }

    #[test]
    fn nothing_is_known_about_the_owner_of_another_name() {
        let elsewhere = name_from_elsewhere();
        let longer = format!("{}-", name_of_the_dead());
        let zero = name_of(0, 1);
        for name in [
            ".f9tmp-",
            ".f9tmp-1",
            ".f9tmp-0123456789abcdef0000000000000001",
            &elsewhere,
            &longer,
            &zero,
        ] {
            assert_eq!(life_of(name.as_bytes()), Life::Unknown, "{name}");
        }
        assert_eq!(life_of(b".f9tmp-\xff"), Life::Unknown);
    }
}
