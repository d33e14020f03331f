//! One command: its arguments, its input, and how it is run.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::path::Path;
use std::process::Stdio;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use tokio::process::Command;

use super::git::Git;
use super::output::{Output, OutputStream, timed_out};
use super::process::{Process, read_all, write_all};
use super::progress::{Meter, read_progress};
use crate::backends::git::diagnosis::{CommandKind, Failure};
use crate::backends::git::locks::Operation;
use crate::core::error::{Error, Result};
use crate::core::stream::ByteStream;
use crate::sys::lock::TimeLeft;
use crate::sys::{pool, random};

/// The pause before a command is run again that was locked out, give or take half of it.
const LOCK_PAUSE: Duration = Duration::from_millis(20);

/// The options by which git refuses the names that it protects.
const UNPROTECTED: [&str; 2] = ["core.protectNTFS", "core.protectHFS"];

/// Where a command works.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// In the repository, with git's own configuration.
    Repository,
    /// In the repository, with the configuration of the clone.
    Clone,
    /// In no repository.
    Nowhere,
}

/// A command to be run.
pub(in crate::backends::git) struct GitCommand<'a> {
    git: &'a Git,
    options: Vec<(&'static str, String)>,
    arguments: Vec<OsString>,
    kind: CommandKind,
    input: Option<Bytes>,
    index: Option<&'a Path>,
    has_patterns: bool,
    place: Place,
    /// The lock of the operation. The process inherits it, so it stays locked until the process has ended, even if this program is
    /// killed.
    lock: Option<File>,
    operation: Option<Operation>,
    /// Receives the progress that the command prints.
    meter: Option<&'a Meter>,
}

impl Git {
    /// Builds a command that does not reach the remote.
    pub(in crate::backends::git) fn local<I: AsRef<OsStr>>(
        &self,
        arguments: impl IntoIterator<Item = I>,
    ) -> GitCommand<'_> {
        GitCommand::new(self, arguments, CommandKind::Local)
    }

    /// Builds a command that reads from the remote.
    pub(in crate::backends::git) fn fetch<I: AsRef<OsStr>>(
        &self,
        arguments: impl IntoIterator<Item = I>,
    ) -> GitCommand<'_> {
        GitCommand::new(self, arguments, CommandKind::Fetch(self.access.protocol))
    }

    /// Builds a command that writes to the remote.
    pub(in crate::backends::git) fn push<I: AsRef<OsStr>>(
        &self,
        arguments: impl IntoIterator<Item = I>,
    ) -> GitCommand<'_> {
        GitCommand::new(self, arguments, CommandKind::Push(self.access.protocol))
    }

    /// Builds a command that clones the remote to `directory`, without a working tree.
    pub(in crate::backends::git) fn clone_to(&self, directory: &Path) -> GitCommand<'_> {
        let clone = ["clone", "--quiet", "--bare", "--template=", "--", &self.access.url];
        self.fetch(clone.map(OsStr::new).into_iter().chain([directory.as_os_str()])).nowhere()
    }
}

impl<'a> GitCommand<'a> {
    fn new<I: AsRef<OsStr>>(
        git: &'a Git,
        arguments: impl IntoIterator<Item = I>,
        kind: CommandKind,
    ) -> Self {
        let arguments = arguments.into_iter().map(|argument| argument.as_ref().to_owned());
        Self {
            git,
            options: Vec::new(),
            arguments: arguments.collect(),
            kind,
            input: None,
            index: None,
            has_patterns: false,
            place: Place::Repository,
            lock: None,
            operation: None,
            meter: None,
        }
    }

    /// Sets the standard input.
    pub(in crate::backends::git) fn input(mut self, input: impl Into<Bytes>) -> Self {
        self.input = Some(input.into());
        self
    }

    /// Uses another index than the repository's.
    pub(in crate::backends::git) fn index(mut self, index: &'a Path) -> Self {
        self.index = Some(index);
        self
    }

    /// Lets git put names into an index that it protects. Not for a command that writes to the working tree.
    pub(in crate::backends::git) fn unprotected(self) -> Self {
        self.options(&UNPROTECTED.map(|name| (name, "false".to_owned())))
    }

    /// Reads paths among the arguments as patterns.
    pub(in crate::backends::git) fn patterns(mut self) -> Self {
        self.has_patterns = true;
        self
    }

    /// Lets git read the configuration of the clone instead of its own, for the command that creates it.
    pub(in crate::backends::git) fn with_config_of_the_clone(mut self) -> Self {
        self.place = Place::Clone;
        self
    }

    /// Runs the command in no repository.
    pub(in crate::backends::git) fn nowhere(mut self) -> Self {
        self.place = Place::Nowhere;
        self
    }

    /// Sets further options of git.
    pub(in crate::backends::git) fn options(mut self, options: &[(&'static str, String)]) -> Self {
        self.options.extend_from_slice(options);
        self
    }

    /// Reports the progress of the command, which must have the option `--progress`.
    pub(in crate::backends::git) fn progress(mut self, meter: Option<&'a Meter>) -> Self {
        self.meter = meter;
        self
    }

    /// Makes the command a part of `operation`, which then lasts until the process has ended, even if the future is dropped or this
    /// program is killed. The standard output of a local command that has an input is lost.
    pub(in crate::backends::git) fn within(mut self, operation: &Operation) -> Result<Self> {
        // Only a local command can leave a change half-done, so only a local command holds the lock.
        if self.kind == CommandKind::Local {
            self.lock = Some(operation.lock_file()?);
        }
        self.operation = Some(operation.clone());
        Ok(self)
    }

    /// Runs the command to its end. [`Output`] holds its exit status, even if it failed. While another git holds a lock that the command
    /// needs, it is run again, up to the time limit for locks.
    ///
    /// # Errors
    ///
    /// [`Timeout`](crate::ErrorKind::Timeout), and any failure to start the process.
    pub(in crate::backends::git) async fn output(self) -> Result<Output> {
        let left = TimeLeft::new(self.git.lock_timeout);
        loop {
            let output = self.run().await?;
            if !self.is_locked_out(&output) || left.get().is_zero() {
                return Ok(output);
            }
            // Random, so that two programs that disturb each other do not keep doing so.
            pool::pause(LOCK_PAUSE.mul_f64(0.5 + random::fraction()).min(left.get())).await;
        }
    }

    /// Whether the command has changed nothing because of another git, and would succeed without it.
    fn is_locked_out(&self, output: &Output) -> bool {
        if output.is_success() || output.failure() != Failure::Locked {
            return false;
        }
        match self.kind {
            // It starts from the refs as they are now.
            CommandKind::Fetch(_) => true,
            // A local command that expects an old value of a ref fails every time.
            CommandKind::Local => output.stderr.contains(".lock': File exists"),
            // The remote is asked again after a fetch.
            CommandKind::Push(_) => false,
        }
    }

    async fn run(&self) -> Result<Output> {
        let timeout = self.timeout();
        let name = self.name();
        let mut process = self.spawn()?;
        let communicate = async {
            let (stdin, stdout, stderr) = process.pipes();
            let read_stderr = async {
                match self.meter {
                    Some(meter) => read_progress(stderr, meter).await,
                    None => read_all(stderr).await,
                }
            };
            let (stdout, stderr, ()) =
                futures::join!(read_all(stdout), read_stderr, write_all(stdin, self.input.clone()));
            Ok::<_, Error>((stdout?, stderr?, process.wait().await?))
        };
        let Ok(done) = tokio::time::timeout(timeout, communicate).await else {
            process.terminate().await;
            return Err(timed_out(&name, timeout));
        };
        let (stdout, stderr, status) = done?;
        let printed = (stdout.freeze(), &*stderr);
        Ok(Output::new((name, self.kind), status, printed, self.git.access.credentials()))
    }

    /// Runs the command to its end and returns its standard output.
    ///
    /// # Errors
    ///
    /// Those of [`output`](Self::output), and the failure that the process reported.
    pub(in crate::backends::git) async fn stdout(self) -> Result<Bytes> {
        self.output().await?.success()
    }

    /// Starts the command and streams its standard output. If the process fails, the last item is its failure.
    pub(in crate::backends::git) fn stream(self) -> Result<ByteStream<'static>> {
        let mut process = self.spawn()?;
        let (stdin, stdout, stderr) = process.pipes();
        let (command, timeout) = (self.name(), self.timeout());
        let input = stdin.zip(self.input);
        Ok(OutputStream { process, input, stdout, stderr, command, timeout }.into_stream())
    }

    fn timeout(&self) -> Duration {
        match self.kind {
            CommandKind::Local => self.git.local_timeout,
            CommandKind::Fetch(_) | CommandKind::Push(_) => self.git.network_timeout,
        }
    }

    fn name(&self) -> String {
        self.arguments.first().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
    }

    fn spawn(&self) -> Result<Process> {
        let git = self.git;
        let mut command = Command::new(git.program);
        for (name, value) in &self.options {
            command.arg("-c").arg(format!("{name}={value}"));
        }
        command.args(&self.arguments).env_clear().current_dir(&git.work_tree);
        command.envs(git.environment.iter().map(|(name, value)| (name, value)));
        match self.place {
            Place::Repository => drop(command.env("GIT_COMMON_DIR", &git.common_dir)),
            Place::Clone => {}
            // Without a name, git would look for a repository here.
            Place::Nowhere => {
                command.env("GIT_DIR", git.common_dir.join("none")).env_remove("GIT_WORK_TREE");
            }
        }
        if !self.has_patterns {
            command.env("GIT_LITERAL_PATHSPECS", "1");
        }
        if let Some(index) = self.index {
            command.env("GIT_INDEX_FILE", index);
        }
        match self.kind {
            // A partial clone must not fetch missing objects.
            CommandKind::Local => drop(command.env("GIT_NO_LAZY_FETCH", "1")),
            CommandKind::Fetch(_) | CommandKind::Push(_) => git.access.apply(&mut command),
        }
        let lock = self.lock.as_ref().map(File::try_clone).transpose()?;
        // The process inherits the lock file as its standard input, or as its standard output if it has an input.
        let (stdin, stdout) = match (&self.input, lock) {
            (None, lock) => (lock.map_or_else(Stdio::null, Stdio::from), Stdio::piped()),
            (Some(_), None) => (Stdio::piped(), Stdio::piped()),
            (Some(_), Some(lock)) => (Stdio::piped(), Stdio::from(lock)),
        };
        command.stdin(stdin).stdout(stdout).stderr(Stdio::piped());
        let process = Process::spawn(&mut command, self.operation.clone())?;
        git.spawned.fetch_add(1, Ordering::Relaxed);
        Ok(process)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backends::git::clone_config::ObjectFormat;
    use crate::backends::git::command::{Access, RepositorySettings};
    use crate::backends::git::common_dir::create;
    use crate::backends::git::locks::Locks;
    use crate::backends::git::remote::Protocol;
    use crate::core::error::ErrorKind;

    async fn git_in(work_tree: &Path) -> Result<Git> {
        let access = Access {
            url: "/nowhere".to_owned(),
            protocol: Protocol::File,
            credentials: None,
            ssh_key: None,
            known_hosts: None,
        };
        let git_dir = work_tree.join(".git");
        let settings = RepositorySettings {
            work_tree,
            git_dir: &git_dir,
            branch: "main",
            author: ("f9", "f9@example.com"),
        };
        let timeout = Duration::from_secs(120);
        let git = Git::new(settings, access, (timeout, timeout, timeout)).await?;
        git.local(["init", "--quiet"]).with_config_of_the_clone().stdout().await?;
        create(&git_dir, ObjectFormat::Sha1, None)?;
        Ok(git)
    }

    #[tokio::test]
    async fn a_process_that_outlives_this_program_keeps_the_lock() {
        let dir = tempfile::tempdir().unwrap();
        let locks = Locks::of(dir.path()).unwrap();
        let git = git_in(dir.path()).await.unwrap();
        let operation = locks.operation(Duration::ZERO).await.unwrap();
        let command = git.local(["update-index", "--stdin"]).input("a file\n");
        let command = command.within(&operation).unwrap();
        let mut process = command.spawn().unwrap();
        let (stdin, ..) = process.pipes();
        let mut child = process.into_child().unwrap();
        drop((command, operation));
        let error = locks.operation(Duration::from_millis(50)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::LockTimeout);
        drop(stdin);
        child.wait().await.unwrap();
        locks.operation(Duration::from_secs(120)).await.unwrap();
    }
    #[tokio::test]
    async fn a_command_waits_for_the_lock_of_another_git() {
        let dir = tempfile::tempdir().unwrap();
        let git = git_in(dir.path()).await.unwrap();
        let lock = dir.path().join(".git/index.lock");
        std::fs::write(&lock, "").unwrap();
        let before = git.spawned();
        let unlock = async {
            let since = std::time::Instant::now();
            while git.spawned() < before + 3 {
                assert!(since.elapsed() < Duration::from_secs(100), "it is not run again");
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            std::fs::remove_file(&lock).unwrap();
        };
        let (read, ()) = tokio::join!(git.local(["read-tree", "--empty"]).output(), unlock);
        assert!(read.unwrap().is_success());
    }

    #[tokio::test]
    async fn a_ref_with_another_value_than_expected_is_reported_at_once() {
        let dir = tempfile::tempdir().unwrap();
        let git = git_in(dir.path()).await.unwrap();
        let tree = git.local(["mktree"]).input("").stdout().await.unwrap();
        let tree = String::from_utf8_lossy(&tree).trim().to_owned();
        let commit = git.local(["commit-tree", "-m", "x", &*tree]).stdout().await.unwrap();
        let commit = String::from_utf8_lossy(&commit).trim().to_owned();
        let update = |old: &str| {
            let arguments = ["update-ref", "refs/heads/main", &*commit, old].map(str::to_owned);
            git.local(arguments).output()
        };
        assert!(update("").await.unwrap().is_success());
        let before = git.spawned();
        let output = update(&"1".repeat(40)).await.unwrap();
        assert_eq!((output.failure(), git.spawned() - before), (Failure::Locked, 1));
    }
}
