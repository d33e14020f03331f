//! Tests of this binary that other tests run as processes of their own.

use std::io::{BufRead as _, BufReader, Read as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};

/// Where a part works that another test has started.
const ROOT: &str = "F9_TEST_ROOT";

/// A test that runs as a process of its own, killed when this is dropped.
#[derive(Debug)]
pub(crate) struct Part {
    child: Child,
    told: BufReader<ChildStdout>,
}

impl Part {
    /// Starts the test `name` of this binary to work in `root`.
    pub(crate) fn start(name: &str, root: &Path) -> Self {
        Self::start_by(Command::new(std::env::current_exe().unwrap()), name, root)
    }

    /// Starts the test `name` by a command that ends with this binary.
    pub(crate) fn start_by(mut command: Command, name: &str, root: &Path) -> Self {
        command.args(["--exact", name, "--nocapture", "--test-threads=1"]).env(ROOT, root);
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let told = BufReader::new(child.stdout.take().unwrap());
        Self { child, told }
    }

    /// Waits until the part says a line that begins with `word`; gives the rest of it.
    pub(crate) fn hear(&mut self, word: &str) -> String {
        let mut line = String::new();
        loop {
            line.clear();
            assert!(self.told.read_line(&mut line).unwrap() > 0, "it never said {word}");
            if let Some(rest) = line.trim_end().strip_prefix(word) {
                return rest.trim().to_owned();
            }
        }
    }

    /// Lets the part go on that waits for its start.
    pub(crate) fn go(&mut self) {
        drop(self.child.stdin.take());
    }

    /// Closes the pipe that the part may wait at, and waits for its end.
    ///
    /// # Panics
    ///
    /// If the part failed, or was no test.
    pub(crate) fn finish(mut self) {
        self.go();
        self.hear("test result: ok. 1 passed");
        assert!(self.wait().success());
    }

    /// Waits for its end, however it comes.
    pub(crate) fn wait(&mut self) -> ExitStatus {
        self.child.wait().unwrap()
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// The directory that the test which started this process gave; `None` where nobody did.
pub(crate) fn root() -> Option<PathBuf> {
    std::env::var_os(ROOT).map(Into::into)
}

/// Where this process is a part, says that it is ready and waits until the others are, too.
#[expect(clippy::print_stdout, reason = "the test that started this process listens")]
pub(crate) fn wait_for_start() {
    if root().is_some() {
        println!("\nready");
        std::io::stdin().read_to_end(&mut Vec::new()).unwrap();
    }
}
