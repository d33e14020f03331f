//! git(1) with nothing of the machine's configuration, and nobody to ask.

use std::ffi::OsStr;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::LazyLock;
use std::thread;

/// Who commits.
pub(crate) const NAME: &str = "Somebody Else";
pub(crate) const EMAIL: &str = "somebody@else.example";

/// What git sees of its surroundings, besides `PATH`.
pub(crate) const SURROUNDINGS: [(&str, &str); 9] = [
    // Where nothing can be, and nothing be made.
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

/// git in `dir`, for its arguments.
pub(crate) fn git(dir: &Path) -> Command {
    let mut command = Command::new(&*GIT);
    command.env_clear().env("PATH", path()).envs(SURROUNDINGS).current_dir(dir);
    command
}

/// The program, with its directory: what is looked for in a `PATH` of the child's own is started by a copy of this whole process.
static GIT: LazyLock<PathBuf> = LazyLock::new(|| {
    let path = path();
    let mut places = std::env::split_paths(&path).map(|place| place.join("git"));
    places.find(|git| git.is_file()).expect("git")
});

/// Where programs are found.
pub(crate) fn path() -> String {
    std::env::var("PATH").unwrap()
}

/// Feeds `input` to a command and waits for its end.
pub(crate) fn feed(command: &mut Command, input: &[u8]) -> Output {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    thread::scope(|scope| {
        // It may stop reading whenever it likes. Beside the output, because neither pipe holds everything.
        scope.spawn(move || drop(stdin.write_all(input)));
        child.wait_with_output().unwrap()
    })
}

/// The standard output of a command that has to succeed.
pub(crate) fn succeed(command: &mut Command, input: &[u8]) -> Vec<u8> {
    let done = feed(command, input);
    let said = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success(), "{command:?}: {}: {said}", done.status);
    done.stdout
}

/// What git says in failing, which it has to.
pub(crate) fn fail(command: &mut Command) -> String {
    let done = feed(command, b"");
    assert!(!done.status.success(), "{command:?} succeeds");
    String::from_utf8(done.stderr).unwrap()
}

/// Runs git in `dir`, which has to succeed, and gives what it prints, without the last line end.
pub(crate) fn run<A: AsRef<OsStr>>(dir: &Path, arguments: impl IntoIterator<Item = A>) -> String {
    let printed = succeed(git(dir).args(arguments), b"");
    String::from_utf8(printed).unwrap().trim_end_matches('\n').to_owned()
}
