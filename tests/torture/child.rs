//! A test of this binary as another process, which is told what to do and tells what it did.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};

use rustix::io::Errno;
use rustix::process::{PTracer, set_ptracer};

/// What the process is to do, for the test that does it.
const TASK: &str = "F9_TEST_TASK";
const ROOT: &str = "F9_TEST_ROOT";

/// What tells a line of the process from those of the test harness.
const MARK: &str = "f9> ";

/// Another process. Dropping it kills it.
#[derive(Debug)]
pub(crate) struct Other {
    child: Child,
    lines: BufReader<ChildStdout>,
}

/// The test `name` as another process, which has a task in `root`.
fn command(name: &str, root: &Path, task: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", name, "--nocapture"]).env(ROOT, root).env(TASK, task);
    command
}

/// Runs the test `name` in another process to its end, and fails if it fails.
pub(crate) fn run(name: &str, root: &Path, task: &str) {
    let done = command(name, root, task).output().unwrap();
    let (out, err) = (String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr));
    assert!(done.status.success() && out.contains("1 passed"), "{out}\n{err}");
}

impl Other {
    /// Starts the test `name` in `root` with a task.
    pub(crate) fn start(name: &str, root: &Path, task: &str) -> Self {
        let mut command = command(name, root, task);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap());
        Self { child, lines }
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Lets it go on from where it [waits](wait_to_go_on).
    pub(crate) fn go_on(&mut self) {
        self.child.stdin.as_mut().unwrap().write_all(b"!").unwrap();
    }

    /// The next line it says; `None` when it has ended.
    pub(crate) fn next_line(&mut self) -> Option<String> {
        let mut line = String::new();
        loop {
            line.clear();
            // A line that the process died in is no line.
            if self.lines.read_line(&mut line).unwrap() == 0 || !line.ends_with('\n') {
                return None;
            }
            if let Some((_, said)) = line.trim_end_matches('\n').split_once(MARK) {
                return Some(said.to_owned());
            }
        }
    }

    /// Kills it as `kill -9` does.
    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
    }

    pub(crate) fn wait(&mut self) -> ExitStatus {
        self.child.wait().unwrap()
    }
}

impl Drop for Other {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// In the other process: where to work and at what. `None` in a plain run of the tests.
pub(crate) fn task() -> Option<(std::path::PathBuf, String)> {
    let (root, task) = (std::env::var_os(ROOT)?, std::env::var(TASK).ok()?);
    // Whoever started this process may look into it, though it is no ancestor but the sibling that does.
    let _ = set_ptracer(PTracer::Any);
    Some((root.into(), task))
}

/// In the other process: says a line, whichever calls are made to fail.
pub(crate) fn say(line: &str) {
    let line = format!("\n{MARK}{line}\n");
    let mut left = line.as_bytes();
    while !left.is_empty() {
        match rustix::io::write(std::io::stdout(), left) {
            Ok(written) => left = &left[written..],
            Err(Errno::PIPE) => panic!("nobody listens"),
            Err(_) => {}
        }
    }
}

/// In the other process: waits until it is [let go on](Other::go_on).
pub(crate) fn wait_to_go_on() {
    let mut byte = [0; 1];
    while rustix::io::read(std::io::stdin(), &mut byte).is_err() {}
}
