//! A bare repository with a second committer.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use tempfile::TempDir;

use crate::cli::{self, EMAIL, NAME};

/// The name of the repository in its directory.
pub(crate) const REPOSITORY: &str = "notes.git";

/// A bare repository in a directory of its own.
#[derive(Debug)]
pub(crate) struct Remote(TempDir);

/// A branch of a remote. It may not exist yet.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Branch<'a> {
    remote: &'a Remote,
    name: &'a str,
}

/// One step of a commit. Paths and contents are any bytes.
#[derive(Clone, Debug)]
pub(crate) enum Change {
    Write { path: Vec<u8>, content: Vec<u8> },
    SetExecutable { path: Vec<u8>, executable: bool },
    Symlink { path: Vec<u8>, target: Vec<u8> },
    Submodule { path: Vec<u8>, commit: String },
    Rename { from: Vec<u8>, to: Vec<u8> },
    Delete { path: Vec<u8> },
}

impl Change {
    pub(crate) fn write(path: impl AsRef<[u8]>, content: impl AsRef<[u8]>) -> Self {
        Self::Write { path: path.as_ref().to_vec(), content: content.as_ref().to_vec() }
    }

    pub(crate) fn set_executable(path: impl AsRef<[u8]>, executable: bool) -> Self {
        Self::SetExecutable { path: path.as_ref().to_vec(), executable }
    }

    pub(crate) fn symlink(path: impl AsRef<[u8]>, target: impl AsRef<[u8]>) -> Self {
        Self::Symlink { path: path.as_ref().to_vec(), target: target.as_ref().to_vec() }
    }

    /// `commit` is of another repository: any 40 hexadecimal digits.
    pub(crate) fn submodule(path: impl AsRef<[u8]>, commit: &str) -> Self {
        Self::Submodule { path: path.as_ref().to_vec(), commit: commit.to_owned() }
    }

    /// Renames or deletes a file or a directory.
    pub(crate) fn rename(from: impl AsRef<[u8]>, to: impl AsRef<[u8]>) -> Self {
        Self::Rename { from: from.as_ref().to_vec(), to: to.as_ref().to_vec() }
    }

    /// Renames or deletes a file or a directory.
    pub(crate) fn delete(path: impl AsRef<[u8]>) -> Self {
        Self::Delete { path: path.as_ref().to_vec() }
    }
}

impl Remote {
    /// Creates a repository without a commit.
    pub(crate) fn empty() -> Self {
        let remote = Self(tempfile::tempdir().unwrap());
        for directory in ["objects/info", "objects/pack", "refs/heads", "refs/tags"] {
            fs::create_dir_all(remote.path().join(directory)).unwrap();
        }
        // The result of `git init`, without a process. A push must not start a process that tidies up later.
        let config = "[core]\n\trepositoryformatversion = 0\n\tfilemode = true\n\tbare = true\n\
                      [receive]\n\tautoGC = false\n[maintenance]\n\tauto = false\n";
        fs::write(remote.path().join("config"), config).unwrap();
        fs::write(remote.path().join("HEAD"), "ref: refs/heads/main\n").unwrap();
        remote
    }

    /// Creates a repository whose first commit makes `changes`.
    pub(crate) fn with(changes: &[Change]) -> Self {
        let remote = Self::empty();
        remote.commit(changes);
        remote
    }

    /// Returns the directory that holds only the repository.
    pub(crate) fn folder(&self) -> &Path {
        self.0.path()
    }

    /// Returns the path of the repository.
    pub(crate) fn path(&self) -> PathBuf {
        self.folder().join(REPOSITORY)
    }

    /// Runs git in the repository and returns its output. Panics if git fails.
    pub(crate) fn git<A: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = A>) -> String {
        cli::run(&self.path(), arguments)
    }

    pub(crate) fn branch<'a>(&'a self, name: &'a str) -> Branch<'a> {
        Branch { remote: self, name }
    }

    pub(crate) fn main(&self) -> Branch<'_> {
        self.branch("main")
    }

    /// Commits to the branch `main` and returns the commit. See [`Branch::commit`].
    pub(crate) fn commit(&self, changes: &[Change]) -> String {
        self.main().commit(changes)
    }

    /// Returns every ref by its full name, with its object id.
    pub(crate) fn refs(&self) -> Vec<(String, String)> {
        let lines = self.git(["for-each-ref", "--format=%(refname) %(objectname)"]);
        let parts = lines.lines().map(|line| line.split_once(' ').unwrap());
        parts.map(|(name, id)| (name.to_owned(), id.to_owned())).collect()
    }

    /// Panics if an object is missing or damaged.
    pub(crate) fn assert_sound(&self) {
        self.git(["fsck", "--strict", "--full", "--no-dangling"]);
    }

    /// Installs a hook, a script for sh(1).
    pub(crate) fn hook(&self, name: &str, script: &str) {
        let hooks = self.path().join("hooks");
        fs::create_dir_all(&hooks).unwrap();
        let written = hooks.join(format!("{name}.new"));
        fs::write(&written, format!("#!/bin/sh\n{script}\n")).unwrap();
        fs::set_permissions(&written, PermissionsExt::from_mode(0o755)).unwrap();
        fs::rename(written, hooks.join(name)).unwrap();
    }

    /// Stores a blob and returns its id.
    pub(crate) fn blob(&self, content: impl AsRef<[u8]>) -> String {
        self.object("blob", content.as_ref())
    }

    /// Stores a tree of `(mode, name, id)` and returns its id. It may hold names that git refuses, such as `.git` and `..`.
    pub(crate) fn tree(&self, entries: &[(&str, &[u8], &str)]) -> String {
        let entry = |&(mode, name, id): &(&str, &[u8], &str)| {
            [mode.as_bytes(), b" ", name, b"\0", &hex::decode(id).unwrap()].concat()
        };
        self.object("tree", &entries.iter().flat_map(entry).collect::<Vec<u8>>())
    }

    fn object(&self, kind: &str, content: &[u8]) -> String {
        let mut git = cli::git(&self.path());
        git.args(["hash-object", "-w", "--literally", "--stdin", "-t", kind]);
        String::from_utf8(cli::succeed(&mut git, content)).unwrap().trim_end().to_owned()
    }
}

impl Branch<'_> {
    /// Commits changes as the second committer and returns the commit. It creates the branch if missing.
    pub(crate) fn commit(&self, changes: &[Change]) -> String {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
        self.commit_at(now.as_secs(), changes)
    }

    /// Commits changes with a date in seconds since the epoch.
    pub(crate) fn commit_at(&self, seconds: u64, changes: &[Change]) -> String {
        let parent = self.head().map(|_| format!("from {}^0\n", self.full_name()));
        self.import(&[], seconds, &parent.unwrap_or_default(), changes)
    }

    /// Replaces the history of the branch by one unrelated commit.
    pub(crate) fn start_over(&self, changes: &[Change]) -> String {
        self.import(&["--force"], 0, "", changes)
    }

    /// Commits a [tree](Remote::tree).
    pub(crate) fn commit_tree(&self, tree: &str) -> String {
        let parent = self.head().into_iter().flat_map(|head| ["-p".to_owned(), head]);
        let arguments = ["commit-tree", "-m", "A tree", tree].map(str::to_owned);
        let commit = self.remote.git(arguments.into_iter().chain(parent));
        self.set(&commit);
        commit
    }

    /// Sets the branch to `commit`. It may not exist, and may lose commits.
    pub(crate) fn set(&self, commit: &str) {
        fs::create_dir_all(self.file_of_ref().parent().unwrap()).unwrap();
        fs::write(self.file_of_ref(), format!("{commit}\n")).unwrap();
    }

    pub(crate) fn delete(&self) {
        fs::remove_file(self.file_of_ref()).unwrap();
    }

    /// Returns the last commit, if the branch exists.
    pub(crate) fn head(&self) -> Option<String> {
        let head = fs::read_to_string(self.file_of_ref()).ok()?;
        Some(head.trim_end().to_owned())
    }

    /// Returns the files of the branch as lines of mode and path: `100644 a/b.txt`. A path that is not UTF-8 is escaped.
    pub(crate) fn tree(&self) -> Vec<String> {
        let mut git = cli::git(&self.remote.path());
        let listed = cli::succeed(git.args(["ls-tree", "-r", "-z", &self.full_name()]), b"");
        let entries = listed.split(|byte| *byte == 0).filter(|entry| !entry.is_empty());
        entries
            .map(|entry| {
                let (mode, path) = (&entry[..6], entry.splitn(2, |byte| *byte == b'\t').last());
                let path = path.unwrap();
                let text = String::from_utf8(path.to_vec());
                let path = text.unwrap_or_else(|_| path.escape_ascii().to_string());
                format!("{} {path}", mode.escape_ascii())
            })
            .collect()
    }

    /// Returns the content of the file or link at `path`, if there is one.
    pub(crate) fn file(&self, path: impl AsRef<[u8]>) -> Option<Vec<u8>> {
        let mut git = cli::git(&self.remote.path());
        let done = cli::feed(git.args(["cat-file", "blob"]).arg(self.at(path.as_ref())), b"");
        done.status.success().then_some(done.stdout)
    }

    /// Returns one line for each commit, the last commit first, in a format of git-log(1).
    pub(crate) fn log(&self, format: &str) -> Vec<String> {
        let log = self.remote.git(["log", &format!("--format={format}"), &self.full_name()]);
        log.lines().map(str::to_owned).collect()
    }

    /// Returns the file of the ref. The refs of a remote are never packed.
    fn file_of_ref(&self) -> PathBuf {
        assert!(!self.remote.path().join("packed-refs").exists());
        self.remote.path().join(self.full_name())
    }

    fn full_name(&self) -> String {
        format!("refs/heads/{}", self.name)
    }

    fn at(&self, path: &[u8]) -> Box<OsStr> {
        OsStr::from_bytes(&[self.full_name().as_bytes(), b":", path].concat()).into()
    }

    /// Makes a commit without a working tree, by git-fast-import(1).
    fn import(&self, options: &[&str], seconds: u64, parent: &str, changes: &[Change]) -> String {
        let message = format!("{} changes", changes.len());
        let mut stream = format!(
            "commit {}\ncommitter {NAME} <{EMAIL}> {seconds} +0000\ndata {}\n{message}\n{parent}",
            self.full_name(),
            message.len(),
        )
        .into_bytes();
        for change in changes {
            stream.extend(self.line(change));
        }
        let mut git = cli::git(&self.remote.path());
        // Also names that git protects.
        git.args(["-c", "core.protectNTFS=false", "-c", "core.protectHFS=false"]);
        cli::succeed(git.args(["fast-import", "--quiet"]).args(options), &stream);
        self.head().unwrap()
    }

    /// Formats a change for git-fast-import(1).
    fn line(&self, change: &Change) -> Vec<u8> {
        let inline = |mode: &str, path: &[u8], content: &[u8]| {
            let data = format!("data {}\n", content.len()).into_bytes();
            [format!("M {mode} inline ").as_bytes(), &quoted(path), b"\n", &data, content, b"\n"]
                .concat()
        };
        let entry = |mode: &str, id: &str, path: &[u8]| {
            [format!("M {mode} {id} ").as_bytes(), &quoted(path), b"\n"].concat()
        };
        match change {
            Change::Write { path, content } => inline("100644", path, content),
            Change::Symlink { path, target } => inline("120000", path, target),
            Change::Submodule { path, commit } => entry("160000", commit, path),
            Change::SetExecutable { path, executable } => {
                let at = self.at(path);
                let id = self.remote.git([OsStr::new("rev-parse"), OsStr::new("--verify"), &*at]);
                entry(if *executable { "100755" } else { "100644" }, &id, path)
            }
            Change::Rename { from, to } => {
                [b"R ", &*quoted(from), b" ", &quoted(to), b"\n"].concat()
            }
            Change::Delete { path } => [b"D ", &*quoted(path), b"\n"].concat(),
        }
    }
}

/// Returns a path in quotes.
fn quoted(path: &[u8]) -> Vec<u8> {
    let byte = |byte: &u8| match byte {
        b'"' | b'\\' | b'\n' => format!("\\{byte:03o}").into_bytes(),
        _ => vec![*byte],
    };
    let inner: Vec<u8> = path.iter().flat_map(byte).collect();
    [b"\"", &*inner, b"\""].concat()
}

#[test]
fn a_commit_makes_every_change() {
    let remote = Remote::with(&[
        Change::write("a.txt", "a"),
        Change::write("dir/b.txt", "b"),
        Change::write("gone", ""),
        Change::write(b"\xff \"\\\n", "odd"),
    ]);
    let first = remote.main().head().unwrap();
    let last = remote.main().commit_at(
        1_000_000_000,
        &[
            Change::set_executable("a.txt", true),
            Change::rename("dir", "moved"),
            Change::delete("gone"),
            Change::symlink("link", "moved/b.txt"),
            Change::submodule("sub", &"1".repeat(40)),
        ],
    );
    let expected = [
        "100755 a.txt",
        "120000 link",
        "100644 moved/b.txt",
        "160000 sub",
        r#"100644 \xff \"\\\n"#,
    ];
    assert_eq!(remote.main().tree(), expected);
    assert_eq!(remote.main().file("moved/b.txt").unwrap(), b"b");
    assert_eq!(remote.main().file(b"\xff \"\\\n").unwrap(), b"odd");
    assert_eq!(remote.main().file("gone"), None);
    assert_eq!(
        remote.main().log("%H %P %an"),
        [format!("{last} {first} {NAME}"), format!("{first}  {NAME}"),]
    );
    assert_eq!(remote.main().log("%ct")[0], "1000000000");
    remote.assert_sound();
}

#[test]
fn a_branch_is_created_rewound_replaced_and_deleted() {
    let remote = Remote::empty();
    assert_eq!((remote.refs(), remote.main().head()), (vec![], None));
    let first = remote.commit(&[Change::write("a", "1")]);
    let second = remote.commit(&[Change::write("a", "2")]);
    remote.main().set(&first);
    assert_eq!(remote.main().file("a").unwrap(), b"1");
    remote.branch("kept").set(&second);
    let third = remote.main().start_over(&[Change::write("b", "3")]);
    assert_eq!(remote.main().log("%H"), [third.as_str()]);
    assert_eq!(
        remote.refs(),
        [("refs/heads/kept".to_owned(), second), ("refs/heads/main".to_owned(), third.clone()),]
    );
    remote.branch("kept").delete();
    assert_eq!(remote.refs(), [("refs/heads/main".to_owned(), third)]);
}

#[test]
#[should_panic(expected = "hasDotgit")]
fn a_tree_that_git_refuses_is_stored() {
    let remote = Remote::empty();
    let inner = remote.tree(&[("100644", b"config", &remote.blob("[core]\n"))]);
    remote.main().commit_tree(&remote.tree(&[("40000", b".git", &inner)]));
    assert_eq!(remote.main().tree(), ["100644 .git/config"]);
    remote.assert_sound();
}
