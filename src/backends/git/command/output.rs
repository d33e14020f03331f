//! What a git process printed, at once or as a stream.

use std::process::ExitStatus;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures::stream::{self, StreamExt as _};
use tokio::io::AsyncReadExt as _;
use tokio::process::{ChildStderr, ChildStdin, ChildStdout};

use super::process::{Process, read_all, write_all};
use crate::backends::git::credentials::{Credentials, redact};
use crate::backends::git::diagnosis::{CommandKind, Failure, diagnose, uncoloured};
use crate::core::error::{Error, ErrorKind, Result};
use crate::core::stream::{ByteStream, DEFAULT_CHUNK_SIZE};

/// The exit status and the output of a process that has ended.
pub(in crate::backends::git) struct Output {
    status: ExitStatus,
    pub(in crate::backends::git) stdout: Bytes,
    /// Without secrets.
    pub(in crate::backends::git) stderr: String,
    failure: Failure,
    command: String,
}

impl Output {
    pub(super) fn new(
        (command, kind): (String, CommandKind),
        status: ExitStatus,
        (stdout, stderr): (Bytes, &[u8]),
        credentials: Option<&Credentials>,
    ) -> Self {
        let stderr = String::from_utf8_lossy(stderr);
        // Before the secret is hidden: it may be a part of git's own words.
        let failure = diagnose(kind, &stderr);
        Self { status, stdout, stderr: redact(&uncoloured(&stderr), credentials), failure, command }
    }

    pub(in crate::backends::git) fn code(&self) -> Option<i32> {
        self.status.code()
    }

    pub(in crate::backends::git) fn is_success(&self) -> bool {
        self.status.success()
    }

    /// Returns what the process printed.
    ///
    /// # Errors
    ///
    /// The failure that the process reported.
    pub(in crate::backends::git) fn success(self) -> Result<Bytes> {
        if self.is_success() { Ok(self.stdout) } else { Err(self.error()) }
    }

    /// Returns the failure that the process reported.
    pub(in crate::backends::git) fn failure(&self) -> Failure {
        self.failure
    }

    /// Returns the failure as an error.
    pub(in crate::backends::git) fn error(&self) -> Error {
        self.failure.error(&self.command, self.status, &self.stderr)
    }
}

/// The output of a local command that is still running.
pub(super) struct OutputStream {
    pub(super) process: Process,
    pub(super) input: Option<(ChildStdin, Bytes)>,
    pub(super) stdout: Option<ChildStdout>,
    pub(super) stderr: Option<ChildStderr>,
    pub(super) command: String,
    /// The longest wait for the next chunk.
    pub(super) timeout: Duration,
}

impl OutputStream {
    /// Yields what the process prints. If the process fails, the last item is its failure.
    pub(super) fn into_stream(self) -> ByteStream<'static> {
        stream::try_unfold(Some(self), Self::next).boxed()
    }

    async fn next(this: Option<Self>) -> Result<Option<(Bytes, Option<Self>)>> {
        let Some(mut this) = this else { return Ok(None) };
        let timeout = this.timeout;
        let read = tokio::time::timeout(timeout, this.read_chunk()).await;
        let chunk = read.unwrap_or_else(|_| Err(timed_out(&this.command, timeout)))?;
        Ok(chunk.map(|chunk| (chunk, Some(this))))
    }

    async fn read_chunk(&mut self) -> Result<Option<Bytes>> {
        if let Some((stdin, input)) = self.input.take() {
            write_all(Some(stdin), Some(input)).await;
        }
        let mut chunk = BytesMut::with_capacity(DEFAULT_CHUNK_SIZE);
        if let Some(stdout) = &mut self.stdout {
            while chunk.len() < DEFAULT_CHUNK_SIZE && stdout.read_buf(&mut chunk).await? > 0 {}
        }
        if !chunk.is_empty() {
            return Ok(Some(chunk.freeze()));
        }
        let stderr = read_all(self.stderr.take()).await?;
        let status = self.process.wait().await?;
        let command = (std::mem::take(&mut self.command), CommandKind::Local);
        Output::new(command, status, (Bytes::new(), &stderr), None).success()?;
        Ok(None)
    }
}

pub(super) fn timed_out(command: &str, timeout: Duration) -> Error {
    Error::new(ErrorKind::Timeout)
        .with_message(format!("`git {command}` did not end within {timeout:?}"))
}
