//! One git process: what it is given, how long it may take, and what becomes of it when nobody waits any more.
//!
//! A process gets an environment of its own, made here and nowhere else: nothing of the caller's environment, of the user's or the
//! system's configuration changes what it does. Options travel in the environment too (`GIT_CONFIG_COUNT`, git-config(1)), so that
//! neither an argument list nor a file holds them.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures::stream::{self, StreamExt as _};
use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command};
use tokio::runtime::Handle;
use tokio::sync::OnceCell;

use super::credentials::{Credentials, redact};
use super::failure::{Failure, what_failed};
use super::locks::Operation;
use super::sync::random;
use crate::stream::ByteStream;
use crate::{DEFAULT_CHUNK_SIZE, Error, ErrorKind, Result};

/// The first git with `merge-tree --write-tree`.
const MINIMUM: (u32, u32) = (2, 38);

/// How long a process that was told to end may take to clean up before it is killed.
const GRACE: Duration = Duration::from_secs(2);

/// What comes from the caller's environment: where certificates are and how to get out to the network. Never what changes what git does.
const PASSED_ON: [&str; 11] = [
    "PATH",
    "TMPDIR",
    "GIT_SSL_CAINFO",
    "GIT_SSL_CAPATH",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "http_proxy",
    "https_proxy",
    "HTTPS_PROXY",
    "no_proxy",
    "NO_PROXY",
];

/// What every process is told, whatever the configuration files say.
const OPTIONS: [(&str, &str); 35] = [
    ("core.hooksPath", "/dev/null"),
    ("core.fsmonitor", "false"),
    ("core.alternateRefsCommand", "true"),
    ("core.excludesFile", ""),
    ("core.attributesFile", ""),
    ("core.quotePath", "false"),
    ("core.autocrlf", "false"),
    ("core.safecrlf", "false"),
    ("core.eol", "lf"),
    ("core.protectNTFS", "true"),
    ("core.protectHFS", "true"),
    ("commit.gpgSign", "false"),
    ("tag.gpgSign", "false"),
    ("push.gpgSign", "false"),
    ("push.followTags", "false"),
    ("push.recurseSubmodules", "no"),
    ("fetch.recurseSubmodules", "false"),
    ("fetch.prune", "false"),
    ("submodule.recurse", "false"),
    ("gc.auto", "0"),
    ("gc.autoDetach", "false"),
    ("maintenance.auto", "false"),
    ("merge.directoryRenames", "false"),
    ("merge.conflictStyle", "merge"),
    ("merge.renames", "true"),
    ("merge.verifySignatures", "false"),
    ("diff.renames", "true"),
    ("rerere.enabled", "false"),
    ("log.showSignature", "false"),
    ("log.follow", "false"),
    ("credential.helper", ""),
    ("http.lowSpeedLimit", "1000"),
    ("http.lowSpeedTime", "30"),
    ("protocol.version", "2"),
    ("color.ui", "false"),
];

/// A constant: OpenSSH itself puts in what stands in `${}`, so no path needs quoting (`ssh_config(5)`, TOKENS).
const SSH: &str = "ssh -F none -o BatchMode=yes -o StrictHostKeyChecking=yes \
    -o UpdateHostKeys=no -o LogLevel=ERROR -o ConnectTimeout=30 -o ServerAliveInterval=15";
const SSH_KEY: &str = " -o IdentitiesOnly=yes -o IdentityAgent=none \
    -o PreferredAuthentications=publickey -o 'IdentityFile=${F9_SSH_KEY}'";
const SSH_KNOWN_HOSTS: &str =
    " -o GlobalKnownHostsFile=/dev/null -o 'UserKnownHostsFile=${F9_SSH_KNOWN_HOSTS}'";

/// Answers git's question for a password from the environment of the one process that may know it.
const CREDENTIAL_HELPER: &str = "!f() { test \"$1\" = get || exit 0; \
    printf 'username=%s\\npassword=%s\\n' \"$F9_USERNAME\" \"$F9_PASSWORD\"; }; f";

/// The git program of this machine, found and asked for its version once in a process.
pub(super) async fn program() -> Result<&'static Path> {
    static PROGRAM: OnceCell<PathBuf> = OnceCell::const_new();
    PROGRAM.get_or_try_init(find_program).await.map(PathBuf::as_path)
}

async fn find_program() -> Result<PathBuf> {
    let missing = || Error::new(ErrorKind::Unsupported).with_message("no program `git` in PATH");
    let places = std::env::var_os("PATH").ok_or_else(missing)?;
    let find = move || {
        let found = std::env::split_paths(&places).map(|place| place.join("git"));
        found.into_iter().find(|path| path.is_absolute() && path.is_file())
    };
    let found = crate::offload::run(move || find().ok_or_else(missing)).await?;
    let mut asked = Command::new(&found);
    asked.arg("--version").env_clear().stdin(Stdio::null()).kill_on_drop(true);
    let answer = tokio::time::timeout(Duration::from_secs(30), asked.output()).await;
    let answer = answer.map_err(|_| Error::new(ErrorKind::Timeout))??;
    let text = String::from_utf8_lossy(&answer.stdout).trim().to_owned();
    match version(&text) {
        Some(version) if version >= MINIMUM => Ok(found),
        _ => Err(Error::new(ErrorKind::Unsupported).with_message(format!(
            "`{}` is `{text}`; {}.{} or newer is needed",
            found.display(),
            MINIMUM.0,
            MINIMUM.1,
        ))),
    }
}

/// The version in a text such as `git version 2.47.3` or `git version 2.39.5 (Apple Git-154)`.
fn version(text: &str) -> Option<(u32, u32)> {
    let mut numbers = text.strip_prefix("git version ")?.split(['.', ' ']);
    Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
}

/// How to reach the remote.
pub(super) struct Access {
    pub(super) url: String,
    /// What `GIT_ALLOW_PROTOCOL` permits, and nothing else.
    pub(super) protocol: &'static str,
    /// The server that the credentials are for, as `scheme://host:port`, and they themselves.
    pub(super) credentials: Option<(String, Credentials)>,
    pub(super) ssh_key: Option<PathBuf>,
    pub(super) known_hosts: Option<PathBuf>,
}

impl Access {
    fn speaks_http(&self) -> bool {
        matches!(self.protocol, "http" | "https")
    }
}

/// Runs git on one repository.
pub(super) struct Git {
    program: &'static Path,
    work_tree: PathBuf,
    environment: Vec<(OsString, OsString)>,
    remote: String,
    access: Access,
    local_deadline: Duration,
    network_deadline: Duration,
    spawned: AtomicU64,
}

/// Where a repository is and who commits.
pub(super) struct Place<'a> {
    pub(super) work_tree: &'a Path,
    pub(super) git_dir: &'a Path,
    pub(super) branch: &'a str,
    pub(super) author: (&'a str, &'a str),
}

impl Git {
    pub(super) async fn new(
        place: Place<'_>,
        access: Access,
        deadlines: (Duration, Duration),
    ) -> Result<Self> {
        let program = program().await?;
        let passed_on =
            PASSED_ON.into_iter().filter_map(|name| Some((name, std::env::var_os(name)?)));
        let mut environment: Vec<(OsString, OsString)> =
            passed_on.map(|(name, value)| (name.into(), value)).collect();
        let (name, email) = place.author;
        // libcurl reads `~/.netrc` and git `~/.config/git`, so the home is an empty directory.
        let home = place.git_dir.join("f9/home");
        let own: [(&str, &OsStr); 21] = [
            ("HOME", home.as_os_str()),
            ("LC_ALL", "C".as_ref()),
            ("GIT_CONFIG_NOSYSTEM", "1".as_ref()),
            ("GIT_CONFIG_GLOBAL", "/dev/null".as_ref()),
            ("GIT_ATTR_NOSYSTEM", "1".as_ref()),
            ("GIT_DIR", place.git_dir.as_os_str()),
            ("GIT_WORK_TREE", place.work_tree.as_os_str()),
            ("GIT_TERMINAL_PROMPT", "0".as_ref()),
            ("GIT_ASKPASS", "".as_ref()),
            ("GIT_PROXY_COMMAND", "".as_ref()),
            ("GIT_ALLOW_PROTOCOL", access.protocol.as_ref()),
            ("GIT_AUTHOR_NAME", name.as_ref()),
            ("GIT_AUTHOR_EMAIL", email.as_ref()),
            ("GIT_COMMITTER_NAME", name.as_ref()),
            ("GIT_COMMITTER_EMAIL", email.as_ref()),
            ("GIT_EDITOR", ":".as_ref()),
            ("GIT_SEQUENCE_EDITOR", ":".as_ref()),
            ("GIT_PAGER", "cat".as_ref()),
            ("GIT_MERGE_AUTOEDIT", "no".as_ref()),
            ("GIT_NO_REPLACE_OBJECTS", "1".as_ref()),
            ("GIT_ADVICE", "0".as_ref()),
        ];
        environment.extend(own.map(|(name, value)| (name.into(), value.into())));
        let mut options: Vec<(String, String)> =
            OPTIONS.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
        let remote = format!("f9-{:016x}{:016x}", random(), random());
        options.extend(name_remote(&remote, &access, place.branch));
        let count = options.len();
        let options = options.into_iter().enumerate().flat_map(|(number, (name, value))| {
            [
                (format!("GIT_CONFIG_KEY_{number}"), name),
                (format!("GIT_CONFIG_VALUE_{number}"), value),
            ]
        });
        environment.push(("GIT_CONFIG_COUNT".into(), count.to_string().into()));
        environment.extend(options.map(|(name, value)| (name.into(), value.into())));
        Ok(Self {
            program,
            work_tree: place.work_tree.to_owned(),
            environment,
            remote,
            access,
            local_deadline: deadlines.0,
            network_deadline: deadlines.1,
            spawned: AtomicU64::new(0),
        })
    }

    /// A command that works on the repository alone.
    pub(super) fn local<I: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = I>) -> Run<'_> {
        self.run(arguments, Reach::Local)
    }

    /// A command that speaks to the remote.
    pub(super) fn network<I: AsRef<OsStr>>(
        &self,
        arguments: impl IntoIterator<Item = I>,
    ) -> Run<'_> {
        self.run(arguments, Reach::Network)
    }

    /// The name by which commands call the remote.
    pub(super) fn remote(&self) -> &str {
        &self.remote
    }

    /// How many processes have been started so far.
    pub(super) fn spawned(&self) -> u64 {
        self.spawned.load(Ordering::Relaxed)
    }

    fn run<I: AsRef<OsStr>>(
        &self,
        arguments: impl IntoIterator<Item = I>,
        reach: Reach,
    ) -> Run<'_> {
        let arguments =
            arguments.into_iter().map(|argument| argument.as_ref().to_owned()).collect();
        Run {
            git: self,
            arguments,
            reach,
            input: None,
            lock: None,
            index: None,
            patterns: false,
            operation: None,
        }
    }

    /// Whether the remote is reached through a web server.
    pub(super) fn speaks_http(&self) -> bool {
        self.access.speaks_http()
    }

    fn credentials(&self) -> Option<&Credentials> {
        self.access.credentials.as_ref().map(|(_, credentials)| credentials)
    }
}

/// What lets git know a remote by `name`.
///
/// The configuration file of a clone that somebody else made may have its own idea of every remote and every URL. It cannot have one of
/// a name that was made up just now; and of the rules that apply to a URL, the one that fits the most of it counts, and then the last
/// (git-config(1), `url.<base>.insteadOf` and `http.<url>.*`).
fn name_remote(name: &str, access: &Access, branch: &str) -> Vec<(String, String)> {
    let url = &access.url;
    // Without a `+`: a history that was rewritten is refused and the one known before stays.
    let refspec = format!("refs/heads/{branch}:refs/remotes/origin/{branch}");
    let mut options = vec![
        (format!("remote.{name}.url"), name.to_owned()),
        (format!("url.{url}.insteadOf"), name.to_owned()),
        (format!("url.{url}.pushInsteadOf"), name.to_owned()),
        (format!("remote.{name}.fetch"), refspec),
    ];
    if access.speaks_http() {
        options.push((format!("http.{url}.followRedirects"), "false".to_owned()));
        options.push((format!("http.{url}.sslVerify"), "true".to_owned()));
    }
    if let Some((scope, _)) = &access.credentials {
        options.push((format!("credential.{scope}.helper"), CREDENTIAL_HELPER.to_owned()));
        // Spares the request that would only be told to come again with a password (git 2.46). No redirect is followed.
        options.push((format!("http.{url}.proactiveAuth"), "basic".to_owned()));
    }
    options
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Reach {
    Local,
    Network,
}

/// A command to be run.
pub(super) struct Run<'a> {
    git: &'a Git,
    arguments: Vec<OsString>,
    reach: Reach,
    input: Option<Bytes>,
    index: Option<&'a Path>,
    patterns: bool,
    /// The lock of the operation: it stays taken until this process has ended, also when this program is killed before.
    lock: Option<File>,
    operation: Option<Operation>,
}

/// What a process said before it ended.
pub(super) struct Output {
    status: ExitStatus,
    pub(super) stdout: Bytes,
    pub(super) stderr: String,
    command: String,
}

impl<'a> Run<'a> {
    /// Gives `bytes` on the standard input.
    pub(super) fn input(mut self, bytes: impl Into<Bytes>) -> Self {
        self.input = Some(bytes.into());
        self
    }

    /// Works with another index than the repository's.
    pub(super) fn index(mut self, index: &'a Path) -> Self {
        self.index = Some(index);
        self
    }

    /// Reads paths among the arguments as patterns.
    pub(super) fn patterns(mut self) -> Self {
        self.patterns = true;
        self
    }

    /// Is a part of `operation`, which stays under way until the process has ended, whatever becomes of this program or future. What a
    /// command that is given input prints is lost then.
    pub(super) fn within(mut self, operation: &Operation) -> Result<Self> {
        // One that speaks to the remote touches nothing that others could find half-done.
        if self.reach == Reach::Local {
            self.lock = Some(operation.lock_file()?);
        }
        self.operation = Some(operation.clone());
        Ok(self)
    }

    /// Runs it to its end.
    ///
    /// # Errors
    ///
    /// [`Timeout`](ErrorKind::Timeout); what keeps a process from being started. How it ended is told by [`Output`].
    pub(super) async fn output(self) -> Result<Output> {
        let deadline = match self.reach {
            Reach::Local => self.git.local_deadline,
            Reach::Network => self.git.network_deadline,
        };
        let command = self.command_name();
        let (mut running, input) = self.start()?;
        let talk = async {
            let (stdin, stdout, stderr) = running.pipes();
            let give = async {
                if let (Some(mut stdin), Some(bytes)) = (stdin, input) {
                    // A process that ends early has its reasons, which it tells.
                    drop(stdin.write_all(&bytes).await);
                }
            };
            let (stdout, stderr, ()) = futures::join!(read_all(stdout), read_all(stderr), give);
            Ok::<_, Error>((stdout?, stderr?, running.wait().await?))
        };
        let Ok(talked) = tokio::time::timeout(deadline, talk).await else {
            running.end().await;
            return Err(Error::new(ErrorKind::Timeout)
                .with_message(format!("`git {command}` did not end within {deadline:?}")));
        };
        let (stdout, stderr, status) = talked?;
        let stderr = String::from_utf8_lossy(&stderr).into_owned();
        let stderr = redact(&stderr, self.git.credentials());
        Ok(Output { status, stdout: stdout.freeze(), stderr, command })
    }

    /// Runs it to its end and gives what it printed.
    ///
    /// # Errors
    ///
    /// Those of [`output`](Self::output), and what the process says when it fails.
    pub(super) async fn stdout(self) -> Result<Bytes> {
        self.output().await?.success()
    }

    /// Starts it and gives what it prints while it prints it. A failure of the process is the last item.
    pub(super) fn stream(self) -> Result<ByteStream<'static>> {
        let command = self.command_name();
        let (mut running, input) = self.start()?;
        let (stdin, stdout, stderr) = running.pipes();
        let deadline = self.git.local_deadline;
        let reading =
            Reading { running, input: stdin.zip(input), stdout, stderr, command, deadline };
        Ok(stream::try_unfold(Some(reading), Reading::next).boxed())
    }

    fn command_name(&self) -> String {
        self.arguments.first().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
    }

    fn start(&self) -> Result<(Running, Option<Bytes>)> {
        let git = self.git;
        let mut command = Command::new(git.program);
        command.args(&self.arguments).env_clear().current_dir(&git.work_tree);
        command.envs(git.environment.iter().map(|(name, value)| (name, value)));
        if !self.patterns {
            command.env("GIT_LITERAL_PATHSPECS", "1");
        }
        if let Some(index) = self.index {
            command.env("GIT_INDEX_FILE", index);
        }
        match self.reach {
            // A partial clone must not go and fetch what it lacks.
            Reach::Local => drop(command.env("GIT_NO_LAZY_FETCH", "1")),
            Reach::Network => git.give_access(&mut command),
        }
        let lock = self.lock.as_ref().map(File::try_clone).transpose()?;
        // Where nothing is read or printed is room for the lock.
        let (stdin, stdout) = match (&self.input, lock) {
            (None, lock) => (lock.map_or_else(Stdio::null, Stdio::from), Stdio::piped()),
            (Some(_), None) => (Stdio::piped(), Stdio::piped()),
            (Some(_), Some(lock)) => (Stdio::piped(), Stdio::from(lock)),
        };
        let input = self.input.clone();
        command.stdin(stdin).stdout(stdout).stderr(Stdio::piped());
        // A group of its own, so that the programs it starts end with it.
        let child = command.process_group(0).spawn().map_err(|error| {
            Error::from(error).with_message("the program `git` cannot be started")
        })?;
        git.spawned.fetch_add(1, Ordering::Relaxed);
        let group = child.id().and_then(|id| Pid::from_raw(id.cast_signed()));
        Ok((Running { child: Some(child), group, operation: self.operation.clone() }, input))
    }
}

impl Git {
    fn give_access(&self, command: &mut Command) {
        let access = &self.access;
        if let Some((_, credentials)) = &access.credentials {
            command.env("F9_USERNAME", credentials.username());
            command.env("F9_PASSWORD", credentials.password().expose());
        }
        if access.protocol != "ssh" {
            return;
        }
        let mut ssh = SSH.to_owned();
        match &access.ssh_key {
            Some(key) => {
                ssh.push_str(SSH_KEY);
                command.env("F9_SSH_KEY", key);
            }
            None => {
                if let Some(agent) = std::env::var_os("SSH_AUTH_SOCK") {
                    command.env("SSH_AUTH_SOCK", agent);
                }
            }
        }
        if let Some(known_hosts) = &access.known_hosts {
            ssh.push_str(SSH_KNOWN_HOSTS);
            command.env("F9_SSH_KNOWN_HOSTS", known_hosts);
        }
        command.env("GIT_SSH_COMMAND", ssh).env("GIT_SSH_VARIANT", "ssh");
    }
}

impl Output {
    pub(super) fn code(&self) -> Option<i32> {
        self.status.code()
    }

    pub(super) fn is_success(&self) -> bool {
        self.status.success()
    }

    /// # Errors
    ///
    /// What the process says, if it failed.
    pub(super) fn success(self) -> Result<Bytes> {
        if self.is_success() { Ok(self.stdout) } else { Err(self.error()) }
    }

    /// What kind of failure the process tells of.
    pub(super) fn failure(&self) -> Failure {
        what_failed(&self.stderr)
    }

    /// The failure as an error.
    pub(super) fn error(&self) -> Error {
        self.failure().error(&self.command, self.status, &self.stderr)
    }
}

async fn read_all(from: Option<impl AsyncRead + Unpin>) -> Result<BytesMut> {
    let mut all = BytesMut::new();
    if let Some(mut from) = from {
        while from.read_buf(&mut all).await? > 0 {}
    }
    Ok(all)
}

/// A process that has been started. When it is dropped before it has ended, it and all it started are told to end, and killed if
/// they do not.
struct Running {
    child: Option<Child>,
    group: Option<Pid>,
    operation: Option<Operation>,
}

type Pipes = (Option<ChildStdin>, Option<ChildStdout>, Option<ChildStderr>);

impl Running {
    fn pipes(&mut self) -> Pipes {
        self.child.as_mut().map_or((None, None, None), |child| {
            (child.stdin.take(), child.stdout.take(), child.stderr.take())
        })
    }

    async fn wait(&mut self) -> Result<ExitStatus> {
        let Some(child) = self.child.as_mut() else {
            return Err(ErrorKind::Internal.into());
        };
        let status = child.wait().await?;
        self.child = None;
        Ok(status)
    }
}

impl Running {
    /// Has it end and waits until it has: told to end it removes its lock files.
    async fn end(&mut self) {
        if let Some(ending) = self.ending() {
            ending.await;
        }
    }

    /// Tells it to end. What is given waits until it has, and kills it if that takes too long or nobody waits any more.
    fn ending(&mut self) -> Option<impl Future<Output = ()> + Send + use<>> {
        let (mut child, operation) = (self.child.take()?, self.operation.take());
        let mut killer = Killer(self.group);
        killer.signal(Signal::TERM);
        Some(async move {
            if tokio::time::timeout(GRACE, child.wait()).await.is_err() {
                killer.signal(Signal::KILL);
                drop(child.wait().await);
            }
            killer.0.take();
            drop(operation);
        })
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let (Some(ending), Ok(runtime)) = (self.ending(), Handle::try_current()) {
            drop(runtime.spawn(ending));
        }
    }
}

/// Kills a group if the runtime ends before the process was seen to.
struct Killer(Option<Pid>);

impl Killer {
    fn signal(&self, signal: Signal) {
        // It may have ended just now.
        let _ = self.0.map(|group| kill_process_group(group, signal));
    }
}

impl Drop for Killer {
    fn drop(&mut self) {
        self.signal(Signal::KILL);
    }
}

/// What a process prints, as it is read.
struct Reading {
    running: Running,
    input: Option<(ChildStdin, Bytes)>,
    stdout: Option<ChildStdout>,
    stderr: Option<ChildStderr>,
    command: String,
    /// How long it may take to print more.
    deadline: Duration,
}

impl Reading {
    async fn next(reading: Option<Self>) -> Result<Option<(Bytes, Option<Self>)>> {
        let Some(mut reading) = reading else { return Ok(None) };
        let deadline = reading.deadline;
        let read = tokio::time::timeout(deadline, reading.read()).await;
        let chunk = read.unwrap_or_else(|_| Err(late(&reading.command, deadline)))?;
        Ok(chunk.map(|chunk| (chunk, Some(reading))))
    }

    async fn read(&mut self) -> Result<Option<Bytes>> {
        if let Some((mut stdin, bytes)) = self.input.take() {
            drop(stdin.write_all(&bytes).await);
        }
        let mut chunk = BytesMut::with_capacity(DEFAULT_CHUNK_SIZE);
        if let Some(stdout) = &mut self.stdout {
            while chunk.len() < DEFAULT_CHUNK_SIZE && stdout.read_buf(&mut chunk).await? > 0 {}
        }
        if !chunk.is_empty() {
            return Ok(Some(chunk.freeze()));
        }
        let stderr = read_all(self.stderr.take()).await?;
        let status = self.running.wait().await?;
        if status.success() {
            return Ok(None);
        }
        let stderr = String::from_utf8_lossy(&stderr);
        Err(what_failed(&stderr).error(&self.command, status, &stderr))
    }
}

fn late(command: &str, deadline: Duration) -> Error {
    Error::new(ErrorKind::Timeout)
        .with_message(format!("`git {command}` did not end within {deadline:?}"))
}

/// Runs `future` to its end also when nobody waits for it any more: for steps that must not stop half-way.
pub(super) async fn to_the_end<T: Send + 'static>(
    future: impl Future<Output = Result<T>> + Send + 'static,
) -> Result<T> {
    let ended = tokio::spawn(future).await;
    ended.unwrap_or_else(|error| match error.try_into_panic() {
        Ok(panic) => std::panic::resume_unwind(panic),
        Err(error) => Err(Error::new(ErrorKind::Cancelled)
            .with_message("the runtime is shutting down")
            .with_source(error)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backends::git::locks::Locks;

    fn git_in(work_tree: &Path) -> impl Future<Output = Result<Git>> {
        let git_dir = work_tree.join(".git");
        let access = Access {
            url: "/nowhere".to_owned(),
            protocol: "file",
            credentials: None,
            ssh_key: None,
            known_hosts: None,
        };
        async move {
            let (branch, author) = ("main", ("f9", "f9@example.com"));
            let place = Place { work_tree, git_dir: &git_dir, branch, author };
            Git::new(place, access, (Duration::from_secs(120), Duration::from_secs(120))).await
        }
    }

    #[tokio::test]
    async fn a_process_that_outlives_this_program_keeps_the_lock() {
        let dir = tempfile::tempdir().unwrap();
        let locks = Locks::of(dir.path()).unwrap();
        let git = git_in(dir.path()).await.unwrap();
        git.local(["init", "--quiet"]).stdout().await.unwrap();
        let operation = locks.operation(Duration::ZERO).await.unwrap();
        let run = git.local(["update-index", "--stdin"]).input("a file\n");
        let (mut running, _) = run.within(&operation).unwrap().start().unwrap();
        // What is left when nobody is there to end it.
        let (stdin, ..) = running.pipes();
        let mut child = running.child.take().unwrap();
        drop((running, operation));
        let error = locks.operation(Duration::from_millis(50)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::LockTimeout);
        drop(stdin);
        child.wait().await.unwrap();
        locks.operation(Duration::from_secs(120)).await.unwrap();
    }

    #[test]
    fn versions_are_read_from_what_git_says() {
        assert_eq!(version("git version 2.47.3"), Some((2, 47)));
        assert_eq!(version("git version 2.39.5 (Apple Git-154)"), Some((2, 39)));
        assert_eq!(version("git version 2.51.GIT"), Some((2, 51)));
        assert_eq!(version("git version 3.0.rc1"), Some((3, 0)));
        assert_eq!(version("hub version 2"), None);
        assert_eq!(version(""), None);
    }
}
