//! What the tests need of the machine they run on, and what becomes of those that cannot run.

use std::io;
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::Duration;

/// Tests that may be left out where CI runs, one in a line: `name: reason`.
const EXCUSED: &str = include_str!("not-run-in-ci.txt");

/// Says that `test` does not run on this machine and why, and fails where CI has to run it.
#[expect(clippy::print_stdout, reason = "what did not run has to be seen")]
pub(crate) fn not_run(test: &str, reason: &str) {
    println!("not run: {test}: {reason}");
    let is_excused = || EXCUSED.lines().any(|line| line.split(':').next() == Some(test));
    let ci = std::env::var_os("CI").is_some();
    assert!(!ci || is_excused(), "CI has to run {test}, which cannot: {reason}");
}

/// Why `test` cannot run: what it takes to look into other processes with strace(1) is missing.
pub(crate) fn lacks_strace() -> Option<&'static str> {
    let attached = Command::new("strace").args(["-qq", "-o", "/dev/null", "true"]).status();
    (!attached.is_ok_and(|status| status.success()))
        .then_some("it needs strace, and to be allowed to trace")
}

/// A file system of its own, for as long as this lives.
#[derive(Debug)]
pub(crate) struct Mount<'a>(&'a Path);

impl<'a> Mount<'a> {
    /// Mounts with the arguments of mount(8) that stand before the directory.
    ///
    /// # Errors
    ///
    /// The reason, if this machine or this user cannot.
    pub(crate) fn new(arguments: &[&str], at: &'a Path) -> io::Result<Self> {
        let done = Command::new("mount").args(arguments).arg(at).output()?;
        if done.status.success() {
            Ok(Self(at))
        } else {
            Err(io::Error::other(String::from_utf8_lossy(&done.stderr).trim().to_owned()))
        }
    }
}

impl Drop for Mount<'_> {
    fn drop(&mut self) {
        let unmount = |how: &[&str]| Command::new("umount").args(how).arg(self.0).output();
        for _ in 0..5000 {
            if unmount(&[]).is_ok_and(|done| done.status.success()) {
                return;
            }
            // A process that another test is just starting has all files of this one open for a moment.
            thread::sleep(Duration::from_millis(5));
        }
        drop(unmount(&["--lazy"]));
    }
}
