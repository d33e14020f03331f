//! strace(1), attached to another process: to see the system calls of each of its threads, and to make them fail.

use std::collections::HashMap;
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use crate::child::Other;

/// A trace under way.
#[derive(Debug)]
pub(crate) struct Trace {
    strace: Child,
    log: PathBuf,
}

/// A system call as it stands in a log.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    pub(crate) name: String,
    /// The how-many-eth of this name it is in its thread, from one on.
    pub(crate) nth: usize,
    /// The line of the log.
    pub(crate) text: String,
}

impl Trace {
    /// Attaches to all threads of `process`, now and later. The log is written to `log`.
    pub(crate) fn attach(process: &Other, arguments: &[&str], log: &Path) -> Self {
        let mut command = Command::new("strace");
        command.args(["-f", "-p", &process.id().to_string(), "-o"]).arg(log).args(arguments);
        let mut strace = command.stdin(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let mut said = String::new();
        let mut errors = BufReader::new(strace.stderr.take().unwrap());
        errors.read_line(&mut said).unwrap();
        let trace = Self { strace, log: log.to_owned() };
        assert!(said.contains("attached"), "{said}");
        // What else it says is of no interest, but must not fill the pipe.
        std::thread::spawn(move || std::io::copy(&mut errors, &mut std::io::sink()));
        trace
    }

    /// Lets go of the process when it is ready again or has ended, and gives the log.
    pub(crate) fn end_at(mut self, process: &mut Other) -> String {
        let ended = process.next_line().is_none();
        if !ended {
            let strace = rustix::process::Pid::from_child(&self.strace);
            rustix::process::kill_process(strace, rustix::process::Signal::TERM).unwrap();
        }
        self.strace.wait().unwrap();
        if !ended {
            process.go_on();
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

/// The calls of a log in the order of their beginning.
pub(crate) fn calls(log: &str) -> Vec<Call> {
    let mut counted = HashMap::<(&str, &str), usize>::new();
    let mut calls = Vec::new();
    for line in log.lines() {
        // Neither the second half of a call that another thread's came between, nor a signal, nor an exit.
        let Some((thread, text)) = line.split_once(' ') else { continue };
        let text = text.trim_start();
        let Some((name, _)) = text.split_once('(') else { continue };
        if !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_') {
            continue;
        }
        let nth = counted.entry((thread, name)).or_default();
        *nth += 1;
        calls.push(Call { name: name.to_owned(), nth: *nth, text: text.to_owned() });
    }
    calls
}
