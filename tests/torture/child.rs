//! Runs a test of this binary in a child process, gives it a task and reads its reports.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};

use rustix::io::Errno;
use rustix::process::{PTracer, set_ptracer};

/// The variable with the task of the child process.
const TASK: &str = "F9_TEST_TASK";
/// The variable with the directory of the child process.
const ROOT: &str = "F9_TEST_ROOT";

/// The prefix of reports, which distinguishes them from the output of the test harness.
const PREFIX: &str = "f9> ";

/// A child process. Dropping it kills it.
#[derive(Debug)]
pub(crate) struct ChildTest {
    child: Child,
    lines: BufReader<ChildStdout>,
}

impl ChildTest {
    /// Starts the test `name` in `root` with a task.
    pub(crate) fn start(name: &str, root: &Path, task: &str) -> Self {
        Self::start_by(Command::new(std::env::current_exe().unwrap()), name, root, task)
    }

    /// Starts the test `name` by a command that ends with this binary.
    pub(crate) fn start_by(mut command: Command, name: &str, root: &Path, task: &str) -> Self {
        command.args(["--exact", name, "--nocapture"]).env(ROOT, root).env(TASK, task);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap());
        Self { child, lines }
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Resumes the process after [`wait_for_resume`].
    pub(crate) fn resume(&mut self) {
        self.child.stdin.as_mut().unwrap().write_all(b"!").unwrap();
    }

    /// Returns the next report, or `None` if the process has ended.
    pub(crate) fn next_line(&mut self) -> Option<String> {
        loop {
            let line = self.next_line_of_any()?;
            if let Some((_, report)) = line.split_once(PREFIX) {
                return Some(report.to_owned());
            }
        }
    }

    /// Returns the next line of any kind.
    fn next_line_of_any(&mut self) -> Option<String> {
        let mut line = String::new();
        self.lines.read_line(&mut line).unwrap();
        // A line without an end was cut by the death of the process.
        Some(line.strip_suffix('\n')?.to_owned())
    }

    /// Waits for a report that begins with `word`, and returns the rest of it.
    pub(crate) fn wait_for(&mut self, word: &str) -> String {
        loop {
            let line = self
                .next_line()
                .unwrap_or_else(|| panic!("the process ended without the report `{word}`"));
            if let Some(rest) = line.strip_prefix(word) {
                return rest.trim().to_owned();
            }
        }
    }

    /// Resumes the process and waits for its end.
    ///
    /// # Panics
    ///
    /// If the test failed or did not exist.
    pub(crate) fn finish(mut self) {
        drop(self.child.stdin.take());
        let mut lines = std::iter::from_fn(|| self.next_line_of_any());
        assert!(lines.any(|line| line.starts_with("test result: ok. 1 passed")));
        assert!(self.wait().success());
    }

    /// Kills the process with SIGKILL.
    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
    }

    /// Waits for the end of the process.
    pub(crate) fn wait(&mut self) -> ExitStatus {
        self.child.wait().unwrap()
    }
}

impl Drop for ChildTest {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// Returns the directory and the task of the child process. `None` in a plain run of the tests.
pub(crate) fn task() -> Option<(PathBuf, String)> {
    let (root, task) = (std::env::var_os(ROOT)?, std::env::var(TASK).ok()?);
    // Allows strace to attach. It is a sibling of this process, not its parent.
    let _ = set_ptracer(PTracer::Any);
    Some((root.into(), task))
}

/// Returns the directory of the child process, for a test with only one task.
pub(crate) fn root() -> Option<PathBuf> {
    task().map(|(root, _)| root)
}

/// Prints a report in the child process, and retries injected failures. Does nothing in a plain run.
pub(crate) fn report(line: &str) {
    if std::env::var_os(TASK).is_none() {
        return;
    }
    let line = format!("\n{PREFIX}{line}\n");
    let mut left = line.as_bytes();
    while !left.is_empty() {
        match rustix::io::write(std::io::stdout(), left) {
            Ok(written) => left = &left[written..],
            Err(Errno::PIPE) => panic!("the parent process has ended"),
            Err(_) => {}
        }
    }
}

/// Waits in the child process for [`ChildTest::resume`] or [`ChildTest::finish`].
pub(crate) fn wait_for_resume() {
    let mut byte = [0; 1];
    while rustix::io::read(std::io::stdin(), &mut byte).is_err() {}
}
