//! What tests need from the machine, and how a test that cannot run reports it.

use std::io;
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::Duration;

/// The tests that CI may skip, one per line: `name: reason`.
const EXCUSED: &str = include_str!("not-run-in-ci.txt");

/// Prints that `test` does not run on this machine and why. Panics in CI unless the test is excused.
#[expect(clippy::print_stdout, reason = "a skipped test must be visible")]
pub(crate) fn not_run(test: &str, reason: &str) {
    println!("not run: {test}: {reason}");
    let is_excused = || EXCUSED.lines().any(|line| line.split(':').next() == Some(test));
    let ci = std::env::var_os("CI").is_some();
    assert!(!ci || is_excused(), "CI must run {test}, but it cannot run here: {reason}");
}

/// Returns why strace(1) cannot trace processes here, or `None` if it can.
pub(crate) fn lacks_strace() -> Option<&'static str> {
    let attached = Command::new("strace").args(["-qq", "-o", "/dev/null", "true"]).status();
    (!attached.is_ok_and(|status| status.success()))
        .then_some("it needs strace and the permission to trace")
}

/// A mounted file system. Dropping it unmounts the file system.
#[derive(Debug)]
pub(crate) struct Mount<'a>(&'a Path);

impl<'a> Mount<'a> {
    /// Mounts a file system on `at`. `arguments` are the other arguments of mount(8).
    ///
    /// # Errors
    ///
    /// Returns the message of mount(8) if this machine or this user cannot mount it.
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
            // A process that another test is starting holds all open files of this process for a moment.
            thread::sleep(Duration::from_millis(5));
        }
        drop(unmount(&["--lazy"]));
    }
}
