//! Attaches strace(1) to another process, to record the system calls of each thread and to make them fail.

use std::collections::HashMap;
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use crate::child::ChildTest;

/// A running trace.
#[derive(Debug)]
pub(crate) struct Trace {
    strace: Child,
    log: PathBuf,
}

/// A system call in a log.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    pub(crate) name: String,
    /// Its position among the calls of this name in its thread, from 1.
    pub(crate) nth: usize,
    /// The line of the log.
    pub(crate) text: String,
}

impl Trace {
    /// Attaches to all present and future threads of `process`, and writes the log to `log`.
    pub(crate) fn attach(process: &ChildTest, arguments: &[&str], log: &Path) -> Self {
        let mut command = Command::new("strace");
        command.args(["-f", "-p", &process.id().to_string(), "-o"]).arg(log).args(arguments);
        let mut strace = command.stdin(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let mut output = String::new();
        let mut errors = BufReader::new(strace.stderr.take().unwrap());
        errors.read_line(&mut output).unwrap();
        let trace = Self { strace, log: log.to_owned() };
        assert!(output.contains("attached"), "strace failed: {output}");
        // Drains the pipe, so that strace never blocks.
        std::thread::spawn(move || std::io::copy(&mut errors, &mut std::io::sink()));
        trace
    }

    /// Detaches when the process prints its next line or has ended, and returns the log.
    pub(crate) fn end_at(mut self, process: &mut ChildTest) -> String {
        let ended = process.next_line().is_none();
        if !ended {
            let strace = rustix::process::Pid::from_child(&self.strace);
            rustix::process::kill_process(strace, rustix::process::Signal::TERM).unwrap();
        }
        self.strace.wait().unwrap();
        if !ended {
            process.resume();
        }
        fs::read_to_string(&self.log).unwrap()
    }
}

impl Drop for Trace {
    fn drop(&mut self) {
        drop(self.strace.kill());
        drop(self.strace.wait());
    }
}

/// Returns the calls of a log in the order in which they began.
pub(crate) fn calls(log: &str) -> Vec<Call> {
    let mut counts = HashMap::<(&str, &str), usize>::new();
    let mut calls = Vec::new();
    for line in log.lines() {
        // Skips signals, exits, and the second half of a call that another thread interrupted.
        let Some((thread, text)) = line.split_once(' ') else { continue };
        let text = text.trim_start();
        let Some((name, _)) = text.split_once('(') else { continue };
        if !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_') {
            continue;
        }
        let nth = counts.entry((thread, name)).or_default();
        *nth += 1;
        calls.push(Call { name: name.to_owned(), nth: *nth, text: text.to_owned() });
    }
    calls
}
