//! Neither the environment of a program nor the configuration of an existing clone changes what the backend does.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, SystemTime};

use f9::prelude::*;
use f9::{ErrorKind, GitConfig, GitSyncFileBackend};
use tempfile::TempDir;

use crate::cli;
use crate::clones::opened;
use crate::remote::{Change, Remote};
use crate::servers::{Behaviour, Http};
use crate::traces::everything_in;

/// The variable with the directory for the scenario, in the process that runs it.
const DIR: &str = "F9_TEST_PLACE";

/// Bytes that git converts if it is configured to.
const CRLF: &str = "one\r\ntwo\r\n";
const LF: &str = "one\ntwo $Id$\n";
const ATTRIBUTES: &str = "*.lf text eol=crlf ident filter=evil working-tree-encoding=UTF-16LE\n\
    *.crlf text eol=lf filter=evil diff=evil\n";

fn remote() -> Remote {
    Remote::with(&[
        Change::write(".gitattributes", ATTRIBUTES),
        Change::write("a.lf", LF),
        Change::write("a.crlf", CRLF),
        Change::write("both", "base"),
    ])
}

async fn clone(dir: &Path, name: &str) -> GitSyncFileBackend {
    let remote = fs::read_to_string(dir.join("remote")).unwrap();
    opened(GitConfig::new(remote, dir.join(name))).await
}

/// Uses two clones, and returns what they read.
async fn scenario(dir: &Path) -> String {
    let mut seen = String::new();
    let (mine, yours) = (clone(dir, "mine").await, clone(dir, "yours").await);
    for name in ["a.lf", "a.crlf"] {
        seen += &format!("{name}: {:?}\n", mine.read(name).await.unwrap());
    }
    mine.push("Nothing").await.unwrap();
    mine.create("new.lf", LF).await.unwrap();
    mine.create("ignored.o", CRLF).await.unwrap();
    mine.update("a.crlf", "x\r\ny\n").await.unwrap();
    mine.update("both", "mine").await.unwrap();
    mine.push("Mine").await.unwrap();
    yours.create("yours.crlf", CRLF).await.unwrap();
    yours.update("both", "yours").await.unwrap();
    let error = yours.pull().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict, "{error:?}");
    seen += &format!("{:?}\n", yours.conflict_report().await.unwrap());
    yours.conflict_resolve("both", "ours\r\n".into()).await.unwrap();
    yours.push("Yours").await.unwrap();
    mine.rename("a.lf", "b.lf").await.unwrap();
    mine.push("Renamed").await.unwrap();
    yours.pull().await.unwrap();
    for clone in [&mine, &yours] {
        for path in clone.glob("**/*").await.unwrap() {
            seen += &format!("{path}: {:?}\n", clone.read(&path).await.unwrap());
        }
    }
    let missing = GitConfig::new("/not/there", dir.join("missing"));
    let error = GitSyncFileBackend::open(missing).await.unwrap_err();
    seen + &format!("{error:?}\n")
}

/// Runs the scenario in a process that another test has started.
#[tokio::test]
async fn scenario_process() {
    let Some(dir) = std::env::var_os(DIR).map(PathBuf::from) else { return };
    let seen = scenario(&dir).await;
    fs::write(dir.join("seen"), seen).unwrap();
}

/// Runs the scenario in a process with another environment. Returns what it read, and the log and the tree of the remote.
fn run_scenario(remote: &Remote, prepare: impl FnOnce(&mut Command)) -> (String, Vec<String>, String) {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("remote"), remote.path().to_str().unwrap()).unwrap();
    let mut child = Command::new(std::env::current_exe().unwrap());
    child.args(["--exact", "environment::scenario_process", "--nocapture"]).env(DIR, dir.path());
    prepare(&mut child);
    let done = cli::feed(&mut child, b"");
    let [out, err] =
        [done.stdout, done.stderr].map(|text| String::from_utf8_lossy(&text).into_owned());
    assert!(done.status.success(), "{out}\n{err}");
    let seen = fs::read_to_string(dir.path().join("seen")).unwrap();
    remote.assert_sound();
    let seen = seen.replace(dir.path().to_str().unwrap(), "DIR");
    let mut log = remote.main().log("%an <%ae>, %cn <%ce>, %G?, %e, %B");
    // Commits of the same second have no order.
    log.sort();
    (seen, log, remote.git(["ls-tree", "-r", "refs/heads/main"]))
}

/// Programs and files that leave a mark when git uses them.
struct Trap {
    dir: TempDir,
}

impl Trap {
    fn new() -> Self {
        let trap = Self { dir: tempfile::tempdir().unwrap() };
        fs::create_dir(trap.path("triggered")).unwrap();
        let program = format!("#!/bin/sh\n: >'{}'/\"$$\"\nexit 1\n", trap.path("triggered").display());
        trap.program("trap", &program);
        for hooks in ["hooks", "template/hooks"] {
            for hook in [
                "pre-commit",
                "prepare-commit-msg",
                "commit-msg",
                "post-commit",
                "pre-push",
                "post-merge",
                "pre-merge-commit",
                "post-checkout",
                "reference-transaction",
                "post-index-change",
            ] {
                trap.program(&format!("{hooks}/{hook}"), &program);
            }
        }
        trap.write("everything", "*\n");
        trap.write("attributes", "* text eol=crlf filter=evil merge=evil\n");
        trap
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn program(&self, name: &str, text: &str) {
        self.write(name, text);
        fs::set_permissions(self.path(name), fs::Permissions::from_mode(0o755)).unwrap();
    }

    /// Returns a configuration of git in which every program is the trap and every remote is `victim`.
    fn config(&self, victim: &Path) -> String {
        let [trap, hooks, template, everything, attributes] =
            ["trap", "hooks", "template", "everything", "attributes"].map(|name| self.path(name));
        let [trap, hooks, template, everything, attributes] =
            [&trap, &hooks, &template, &everything, &attributes].map(|path| path.display());
        let victim = victim.display();
        format!(
            "[user]\n\tname = Evil\n\temail = evil@example.com\n\tuseConfigOnly = true\n\tsigningKey = x\n\
             [commit]\n\tgpgSign = true\n[push]\n\tgpgSign = true\n\tdefault = nothing\n[gpg]\n\tprogram = {trap}\n\
             [core]\n\thooksPath = {hooks}\n\tautocrlf = true\n\tsafecrlf = true\n\teol = crlf\n\tpager = {trap}\n\
             \teditor = {trap}\n\tfsmonitor = {trap}\n\taskPass = {trap}\n\tsshCommand = {trap}\n\
             \tgitProxy = {trap}\n\talternateRefsCommand = {trap}\n\tworktree = /\n\
             \texcludesFile = {everything}\n\tattributesFile = {attributes}\n\
             [credential]\n\thelper = !{trap}\n\
             [url \"ext::{trap} \"]\n\tinsteadOf = file\n\
             [url \"file://{victim}\"]\n\tinsteadOf = file://\n\tpushInsteadOf = file://\n\tinsteadOf = f9\n\
             [remote \"f9\"]\n\turl = file://{victim}\n\tpushurl = file://{victim}\n\tuploadpack = {trap}\n\
             \treceivepack = {trap}\n\tmirror = true\n\tvcs = evil\n\
             [init]\n\ttemplateDir = {template}\n\tdefaultBranch = evil\n\
             [filter \"evil\"]\n\tclean = {trap}\n\tsmudge = {trap}\n\trequired = true\n\
             [diff]\n\texternal = {trap}\n[diff \"evil\"]\n\tcommand = {trap}\n\ttextconv = {trap}\n\
             [merge \"evil\"]\n\tdriver = {trap}\n[merge]\n\tff = false\n\tverifySignatures = true\n\
             [pull]\n\trebase = true\n[fetch]\n\tprune = true\n[color]\n\tui = always\n\
             [protocol]\n\tallow = never\n[protocol \"ext\"]\n\tallow = always\n[uploadpack]\n\tpackObjectsHook = {trap}\n\
             [alias]\n\tstatus = !{trap}\n\tcat-file = !{trap}\n[i18n]\n\tcommitEncoding = latin1\n[gc]\n\tauto = 1\n"
        )
    }

    fn assert_not_triggered(&self) {
        assert_eq!(fs::read_dir(self.path("triggered")).unwrap().count(), 0);
    }
}

/// Variables that git and related programs read.
const VARIABLES: [(&str, &str); 17] = [
    ("GIT_AUTHOR_NAME", "Evil"),
    ("GIT_AUTHOR_EMAIL", "evil@example.com"),
    ("GIT_AUTHOR_DATE", "@1 +0000"),
    ("GIT_COMMITTER_NAME", "Evil"),
    ("GIT_COMMITTER_DATE", "@1 +0000"),
    ("EMAIL", "evil@example.com"),
    ("GIT_LITERAL_PATHSPECS", "0"),
    ("GIT_ICASE_PATHSPECS", "1"),
    ("GIT_DEFAULT_HASH", "sha256"),
    ("GIT_DEFAULT_REF_FORMAT", "reftable"),
    ("GIT_ALLOW_PROTOCOL", "ext"),
    ("GIT_PROTOCOL_FROM_USER", "0"),
    ("LC_ALL", "de_DE.UTF-8"),
    ("LANGUAGE", "de:fr"),
    ("LANG", "de_DE.UTF-8"),
    ("TERM", "xterm"),
    ("TZ", "Asia/Kathmandu"),
];

/// Gives a program an environment that would change what its git processes do.
fn pollute(child: &mut Command, trap: &Trap, victim: &Path) {
    let config = trap.config(&victim.join("bare.git"));
    for name in ["home/.gitconfig", "home/.config/git/config", "system"] {
        trap.write(name, &config);
    }
    trap.write("home/.config/git/ignore", "*\n");
    trap.write("home/.config/git/attributes", "* text eol=crlf filter=evil\n");
    trap.write("home/.netrc", "default login evil password evil\n");
    let path = |name: &str| trap.path(name).into_os_string();
    let program = || path("trap");
    let inside = |name: &str| victim.join(name).into_os_string();
    child.env("HOME", path("home")).env("XDG_CONFIG_HOME", path("home/.config"));
    child.env("GIT_CONFIG_SYSTEM", path("system")).env("GIT_CONFIG_GLOBAL", path("system"));
    child.env("GIT_DIR", inside("tree/.git")).env("GIT_WORK_TREE", inside("tree"));
    child.env("GIT_INDEX_FILE", inside("tree/.git/index"));
    child.env("GIT_OBJECT_DIRECTORY", inside("tree/.git/objects"));
    child.env("GIT_COMMON_DIR", inside("tree/.git")).env("GIT_NAMESPACE", "evil");
    child.env("GIT_ALTERNATE_OBJECT_DIRECTORIES", inside("tree/.git/objects"));
    child.env("GIT_TEMPLATE_DIR", path("template")).env("GIT_EXEC_PATH", path("home"));
    child.env("GIT_CONFIG_COUNT", "1").env("GIT_CONFIG_KEY_0", "core.hooksPath");
    child.env("GIT_CONFIG_VALUE_0", path("hooks"));
    child.env("GIT_CONFIG_PARAMETERS", "'commit.gpgsign=true' 'core.autocrlf=true'");
    for name in [
        "GIT_SSH_COMMAND",
        "GIT_SSH",
        "GIT_ASKPASS",
        "SSH_ASKPASS",
        "GIT_EXTERNAL_DIFF",
        "GIT_EDITOR",
        "EDITOR",
        "VISUAL",
        "GIT_PAGER",
        "PAGER",
        "GIT_PROXY_COMMAND",
        "GIT_SEQUENCE_EDITOR",
    ] {
        child.env(name, program());
    }
    for name in
        ["GIT_TRACE", "GIT_TRACE_PACKET", "GIT_TRACE_CURL", "GIT_TRACE2_EVENT", "GIT_TRACE_SETUP"]
    {
        child.env(name, inside("trace"));
    }
    child.envs(VARIABLES);
}

/// Creates repositories that must not change.
fn victim() -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    for arguments in [
        &["init", "-q", "tree"][..],
        &["init", "-q", "--bare", "bare.git"],
        &["-C", "tree", "commit", "-q", "--allow-empty", "-m", "Mine"],
    ] {
        cli::run(dir.path(), arguments);
    }
    dir
}

#[test]
fn a_hostile_environment_changes_nothing() {
    let (clean, hostile) = (remote(), remote());
    let (trap, victim) = (Trap::new(), victim());
    let before = everything_in(victim.path());
    let expected = run_scenario(&clean, |_| {});
    let found = run_scenario(&hostile, |child| pollute(child, &trap, victim.path()));
    let same = |text: &str| {
        text.replace(hostile.folder().to_str().unwrap(), clean.folder().to_str().unwrap())
    };
    assert_eq!(same(&found.0), expected.0);
    assert_eq!((found.1, found.2), (expected.1, expected.2));
    assert!(hostile.main().log("%ct").iter().all(|time| time.len() > 5), "a date comes from the environment");
    assert_eq!(everything_in(victim.path()), before);
    trap.assert_not_triggered();
}

#[test]
fn the_trap_works() {
    let (trap, victim) = (Trap::new(), victim());
    let mut git = Command::new("git");
    pollute(&mut git, &trap, victim.path());
    git.env_remove("GIT_EXEC_PATH").env_remove("GIT_INDEX_FILE").env_remove("GIT_COMMON_DIR");
    cli::feed(git.args(["commit", "--allow-empty", "-m", "x"]), b"");
    assert!(fs::read_dir(trap.path("triggered")).unwrap().count() > 0);
    assert!(victim.path().join("trace").exists());
}

#[test]
fn without_git_nothing_is_touched() {
    let remote = remote();
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("remote"), remote.path().to_str().unwrap()).unwrap();
    let mut child = Command::new(std::env::current_exe().unwrap());
    child.args(["--exact", "environment::scenario_process", "--nocapture"]).env(DIR, dir.path());
    let done = cli::feed(child.env("PATH", "/nowhere"), b"");
    let stderr = String::from_utf8_lossy(&done.stderr).into_owned();
    assert!(!done.status.success() && stderr.contains("kind: Unsupported"), "{stderr}");
    assert!(!dir.path().join("mine").exists());
}

/// Makes a clone whose configuration changes what git does in it.
fn hostile_clone(remote: &Remote, trap: &Trap, victim: &Path, at: &Path) {
    let url = format!("file://{}", remote.path().display());
    cli::run(at.parent().unwrap(), ["clone", "-q", "-b", "main", &url, at.to_str().unwrap()]);
    let config = at.join(".git/config");
    let text = fs::read_to_string(&config).unwrap() + &trap.config(victim);
    fs::write(config, text).unwrap();
    fs::write(at.join(".git/info/attributes"), "* filter=evil ident").unwrap();
    for hook in ["pre-commit", "reference-transaction", "post-index-change", "pre-push"] {
        symlink(trap.path("trap"), at.join(".git/hooks").join(hook)).unwrap();
    }
    // Newer than the files: otherwise git would compare their contents.
    let index = fs::File::options().write(true).open(at.join(".git/index")).unwrap();
    index.set_modified(SystemTime::now() + Duration::from_secs(60)).unwrap();
    // Changed, so that git has to read it.
    fs::write(at.join("both"), "x\r\n").unwrap();
    fs::write(at.join(".git/info/attributes"), "* filter=evil ident\nboth -filter\n").unwrap();
}

#[tokio::test]
async fn a_hostile_clone_is_opened_and_works() {
    let remote = remote();
    let (trap, victim) = (Trap::new(), victim());
    let before = everything_in(victim.path());
    let dir = tempfile::tempdir().unwrap();
    let (mine, theirs) = (dir.path().join("mine"), dir.path().join("theirs"));
    hostile_clone(&remote, &trap, &victim.path().join("bare.git"), &mine);
    let url = remote.path().to_str().unwrap().to_owned();
    let mine = opened(GitConfig::new(url.clone(), mine)).await;
    assert_eq!(mine.read("a.lf").await.unwrap(), LF);
    mine.create("new.lf", LF).await.unwrap();
    mine.create("new.crlf", CRLF).await.unwrap();
    mine.update("both", "mine").await.unwrap();
    mine.push("Mine").await.unwrap();
    for (name, content) in [("new.lf", LF), ("new.crlf", CRLF), ("a.crlf", CRLF), ("a.lf", LF)] {
        assert_eq!(remote.main().file(name).unwrap(), content.as_bytes(), "{name}");
    }
    let theirs = opened(GitConfig::new(url, theirs)).await;
    theirs.update("both", "theirs").await.unwrap();
    theirs.create("sub/their.lf", LF).await.unwrap();
    theirs.push("Theirs").await.unwrap();
    mine.create("more.crlf", CRLF).await.unwrap();
    mine.pull().await.unwrap();
    assert_eq!(mine.read("both").await.unwrap(), "theirs");
    assert_eq!(mine.read("sub/their.lf").await.unwrap(), LF);
    mine.update("both", "mine again").await.unwrap();
    theirs.update("both", "theirs again").await.unwrap();
    theirs.push("Theirs").await.unwrap();
    assert_eq!(mine.pull().await.unwrap_err().kind(), ErrorKind::Conflict);
    mine.conflict_accept_remote("both").await.unwrap();
    mine.push("Settled").await.unwrap();
    assert_eq!(remote.main().file("both").unwrap(), b"theirs again");
    assert!(remote.main().log("%an").iter().all(|name| name != "Evil"));
    assert_eq!(everything_in(victim.path()), before);
    trap.assert_not_triggered();
    remote.assert_sound();
}

#[tokio::test]
async fn a_hostile_clone_sends_no_password_elsewhere() {
    let remote = remote();
    let (here, there) = (Http::guarding(&remote, "ann", "secret"), Http::serving(&remote));
    let dir = tempfile::tempdir().unwrap();
    let url = here.url_as("ann", "secret");
    let config = GitConfig::new(url.clone(), dir.path().join("mine"));
    cli::run(dir.path(), ["clone", "-q", &url, "mine"]);
    let file = config.path.join(".git/config");
    let text = fs::read_to_string(&file).unwrap();
    let rules = format!(
        "[http \"{0}\"]\n\tfollowRedirects = true\n[http]\n\tfollowRedirects = true\n\
         [url \"{1}\"]\n\tinsteadOf = {0}\n\tpushInsteadOf = {0}\n",
        here.url(),
        there.url()
    );
    fs::write(file, text + &rules).unwrap();
    let mine = opened(config).await;
    mine.create("new.lf", LF).await.unwrap();
    mine.push("Mine").await.unwrap();
    here.behave(Behaviour::RedirectTo(there.origin()));
    assert_eq!(mine.pull().await.unwrap_err().kind(), ErrorKind::NotFound);
    assert!(there.requests().is_empty(), "{:?}", there.requests());
}
