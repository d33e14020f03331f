//! A test of this binary as another process, which is told what to do and tells what it did.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
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

impl Other {
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

    /// Lets it go on from where it [waits](wait_to_go_on).
    pub(crate) fn go_on(&mut self) {
        self.child.stdin.as_mut().unwrap().write_all(b"!").unwrap();
    }

    /// The next line it says; `None` when it has ended.
    pub(crate) fn next_line(&mut self) -> Option<String> {
        loop {
            let line = self.next_line_of_any()?;
            if let Some((_, said)) = line.split_once(MARK) {
                return Some(said.to_owned());
            }
        }
    }

    /// The next line, be it of the test harness.
    fn next_line_of_any(&mut self) -> Option<String> {
        let mut line = String::new();
        self.lines.read_line(&mut line).unwrap();
        // A line that the process died in is no line.
        Some(line.strip_suffix('\n')?.to_owned())
    }

    /// Waits until it says a line that begins with `word`; gives the rest of it.
    pub(crate) fn hear(&mut self, word: &str) -> String {
        loop {
            let line = self.next_line().unwrap_or_else(|| panic!("it never said {word}"));
            if let Some(rest) = line.strip_prefix(word) {
                return rest.trim().to_owned();
            }
        }
    }

    /// Lets it go on wherever it waits, to its end.
    ///
    /// # Panics
    ///
    /// If it failed, or was no test.
    pub(crate) fn finish(mut self) {
        drop(self.child.stdin.take());
        let mut lines = std::iter::from_fn(|| self.next_line_of_any());
        assert!(lines.any(|line| line.starts_with("test result: ok. 1 passed")));
        assert!(self.wait().success());
    }

    /// Kills it as `kill -9` does.
    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
    }

    /// Waits for its end, however it comes.
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
pub(crate) fn task() -> Option<(PathBuf, String)> {
    let (root, task) = (std::env::var_os(ROOT)?, std::env::var(TASK).ok()?);
    // Whoever started this process may look into it, though it is no ancestor but the sibling that does.
    let _ = set_ptracer(PTracer::Any);
    Some((root.into(), task))
}

/// In the other process: where to work, for a test that has but one task.
pub(crate) fn root() -> Option<PathBuf> {
    task().map(|(root, _)| root)
}

/// In the other process: says a line, whichever calls are made to fail. In a plain run nobody listens.
pub(crate) fn say(line: &str) {
    if std::env::var_os(TASK).is_none() {
        return;
    }
    let line = format!("\n{MARK}{line}\n");
    let mut left = line.as_bytes();
    while !left.is_empty() {
        match rustix::io::write(std::io::stdout(), left) {
            Ok(written) => left = &left[written..],
            Err(Errno::PIPE) => panic!("nobody listens any more"),
            Err(_) => {}
        }
    }
}

/// In the other process: waits until it is [let go on](Other::go_on), or [to its end](Other::finish).
pub(crate) fn wait_to_go_on() {
    let mut byte = [0; 1];
    while rustix::io::read(std::io::stdin(), &mut byte).is_err() {}
}
