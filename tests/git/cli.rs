//! git(1) without the configuration of the machine and without prompts.

use std::ffi::OsStr;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::LazyLock;
use std::thread;

/// The second committer.
pub(crate) const NAME: &str = "Somebody Else";
pub(crate) const EMAIL: &str = "somebody@else.example";

/// The environment of git, besides `PATH`.
pub(crate) const ENVIRONMENT: [(&str, &str); 9] = [
    // Neither a directory nor one that can be created.
    ("HOME", "/dev/null"),
    ("GIT_CONFIG_NOSYSTEM", "1"),
    ("GIT_CONFIG_GLOBAL", "/dev/null"),
    ("GIT_TERMINAL_PROMPT", "0"),
    ("GIT_AUTHOR_NAME", NAME),
    ("GIT_AUTHOR_EMAIL", EMAIL),
    ("GIT_COMMITTER_NAME", NAME),
    ("GIT_COMMITTER_EMAIL", EMAIL),
    ("LC_ALL", "C"),
];

/// Returns a git command in `dir`, without arguments.
pub(crate) fn git(dir: &Path) -> Command {
    let mut command = Command::new(&*GIT);
    command.env_clear().env("PATH", path()).envs(ENVIRONMENT).current_dir(dir);
    command
}

/// The full path of the program. With a name alone and a `PATH` for the child, `Command` forks instead of the faster `posix_spawn`.
static GIT: LazyLock<PathBuf> = LazyLock::new(|| {
    let path = path();
    let mut places = std::env::split_paths(&path).map(|place| place.join("git"));
    places.find(|git| git.is_file()).expect("git")
});

/// Returns the path of the program.
pub(crate) fn program() -> &'static Path {
    &GIT
}

/// Returns the `PATH` of this process.
pub(crate) fn path() -> String {
    std::env::var("PATH").unwrap()
}

/// Runs a command with `input` to its end.
pub(crate) fn feed(command: &mut Command, input: &[u8]) -> Output {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    thread::scope(|scope| {
        // The command may stop reading. In another thread, because neither pipe holds everything.
        scope.spawn(move || drop(stdin.write_all(input)));
        child.wait_with_output().unwrap()
    })
}

/// Runs a command and returns its standard output. Panics if it fails.
pub(crate) fn succeed(command: &mut Command, input: &[u8]) -> Vec<u8> {
    let done = feed(command, input);
    let stderr = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success(), "{command:?}: {}: {stderr}", done.status);
    done.stdout
}

/// Runs a command and returns its standard error. Panics if it succeeds.
pub(crate) fn fail(command: &mut Command) -> String {
    let done = feed(command, b"");
    assert!(!done.status.success(), "{command:?} succeeds");
    String::from_utf8(done.stderr).unwrap()
}

/// Runs git in `dir` and returns its output without the last line end. Panics if git fails.
pub(crate) fn run<A: AsRef<OsStr>>(dir: &Path, arguments: impl IntoIterator<Item = A>) -> String {
    let printed = succeed(git(dir).args(arguments), b"");
    String::from_utf8(printed).unwrap().trim_end_matches('\n').to_owned()
}
