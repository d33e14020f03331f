//! One git process, which ends when it is dropped.

use std::process::ExitStatus;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command};
use tokio::runtime::Handle;

use crate::backends::git::locks::Operation;
use crate::core::error::{Error, ErrorKind, Result};

/// How long a process may clean up after `SIGTERM` before it is killed.
const GRACE: Duration = Duration::from_secs(2);

/// A process that was started. Dropping it before it has ended terminates it and all processes that it started.
pub(super) struct Process {
    child: Option<Child>,
    group: Option<Pid>,
    /// Kept until the process has ended, because the operation lasts as long.
    operation: Option<Operation>,
}

pub(super) type Pipes = (Option<ChildStdin>, Option<ChildStdout>, Option<ChildStderr>);

impl Process {
    pub(super) fn spawn(command: &mut Command, operation: Option<Operation>) -> Result<Self> {
        // The process gets its own process group, so that its child processes end with it.
        let child = command.process_group(0).spawn().map_err(|error| {
            Error::from(error).with_message("the program `git` cannot be started")
        })?;
        let group = child.id().and_then(|id| Pid::from_raw(id.cast_signed()));
        Ok(Self { child: Some(child), group, operation })
    }

    /// Takes the pipes to and from the process.
    pub(super) fn pipes(&mut self) -> Pipes {
        self.child.as_mut().map_or((None, None, None), |child| {
            (child.stdin.take(), child.stdout.take(), child.stderr.take())
        })
    }

    /// Waits for the process to end by itself.
    pub(super) async fn wait(&mut self) -> Result<ExitStatus> {
        let Some(child) = self.child.as_mut() else {
            return Err(ErrorKind::Internal.into());
        };
        let status = child.wait().await?;
        self.child = None;
        Ok(status)
    }

    /// Terminates the process and waits until it has ended. Git removes its lock files first.
    pub(super) async fn terminate(&mut self) {
        if let Some(ending) = self.begin_termination() {
            ending.await;
        }
    }

    /// Sends `SIGTERM`. The future waits for the end, and kills the process if that takes too long or if the future is dropped.
    fn begin_termination(&mut self) -> Option<impl Future<Output = ()> + Send + use<>> {
        let (mut child, operation) = (self.child.take()?, self.operation.take());
        let mut group = KillOnDrop(self.group);
        group.signal(Signal::TERM);
        Some(async move {
            if tokio::time::timeout(GRACE, child.wait()).await.is_err() {
                group.signal(Signal::KILL);
                drop(child.wait().await);
            }
            group.0.take();
            drop(operation);
        })
    }

    /// Leaves the process running, as if this program had been killed.
    #[cfg(test)]
    pub(super) fn into_child(mut self) -> Option<Child> {
        self.child.take()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if let (Some(ending), Ok(runtime)) = (self.begin_termination(), Handle::try_current()) {
            drop(runtime.spawn(ending));
        }
    }
}

/// Kills a process group if the runtime shuts down before the process has ended.
struct KillOnDrop(Option<Pid>);

impl KillOnDrop {
    fn signal(&self, signal: Signal) {
        // The process may have ended already.
        let _ = self.0.map(|group| kill_process_group(group, signal));
    }
}

impl Drop for KillOnDrop {
    fn drop(&mut self) {
        self.signal(Signal::KILL);
    }
}

/// Writes the standard input of a process and closes it.
pub(super) async fn write_all(stdin: Option<ChildStdin>, input: Option<Bytes>) {
    if let (Some(mut stdin), Some(input)) = (stdin, input) {
        // A process that ends early reports the reason itself.
        drop(stdin.write_all(&input).await);
    }
}

/// Reads a pipe to its end.
pub(super) async fn read_all(pipe: Option<impl AsyncRead + Unpin>) -> Result<BytesMut> {
    let mut all = BytesMut::new();
    if let Some(mut pipe) = pipe {
        while pipe.read_buf(&mut all).await? > 0 {}
    }
    Ok(all)
}
