//! One repository: its refs, read from files, and the commands that change them.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::command::Git;
use super::failure::{self, Failure};
use super::locks::{Locks, Operation};
use super::output::{self, MergedTree, Oid, Pushed, RawPath, SUBMODULE, TreeEntry};
use crate::prelude::*;
use crate::{CreateOptions, Error, ErrorKind, Etag, FilePath, LocalFileBackend, Result, offload};

/// What no commit may hold: the names that f9 keeps for itself.
const NEVER_COMMITTED: [&str; 5] = [
    ":(exclude,glob)**/.backend.lock",
    ":(exclude,glob)**/.f9",
    ":(exclude,glob)**/.f9/**",
    ":(exclude,glob)**/.f9tmp-*",
    ":(exclude,glob)**/.f9tmp-*/**",
];

/// How often files are staged again because one of them went while git was reading it.
const STAGINGS: usize = 5;

/// The ref that a new branch begins with, from the remote's default branch.
pub(super) const START: &str = "refs/f9/start";

/// The index in which settled conflicts are put together.
pub(super) const INDEX: &str = "f9/index";

/// The index with which the files of a clone that git made are compared.
pub(super) const ADOPT_INDEX: &str = "f9/adopt-index";

/// A fetch that brings what it is asked for and nothing else, and leaves no process behind.
pub(super) const FETCH: [&str; 5] = [
    "fetch",
    "--no-tags",
    "--no-write-fetch-head",
    "--no-auto-maintenance",
    "--no-recurse-submodules",
];

pub(super) struct Repository {
    pub(super) git: Git,
    pub(super) locks: Arc<Locks>,
    pub(super) work_tree: PathBuf,
    pub(super) git_dir: PathBuf,
    pub(super) branch: String,
    pub(super) lock_timeout: Duration,
    /// Git's own files. Only read.
    pub(super) files: LocalFileBackend,
    /// What f9 notes about the repository, kept through a power loss.
    pub(super) notes: LocalFileBackend,
    /// The tree of a commit, so that it need not be asked for again.
    tree_of: Mutex<Option<(Oid, Oid)>>,
    /// The paths of the submodules of a commit.
    submodules: tokio::sync::Mutex<Option<(Oid, Arc<BTreeSet<RawPath>>)>>,
}

/// What came of fetching.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fetched {
    Branch,
    /// The remote has no such branch.
    Nothing,
}

impl Repository {
    pub(super) fn new(
        git: Git,
        locks: Arc<Locks>,
        (work_tree, git_dir): (PathBuf, PathBuf),
        branch: String,
        lock_timeout: Duration,
        (files, notes): (LocalFileBackend, LocalFileBackend),
    ) -> Self {
        Self {
            git,
            locks,
            work_tree,
            git_dir,
            branch,
            lock_timeout,
            files,
            notes,
            tree_of: Mutex::default(),
            submodules: tokio::sync::Mutex::default(),
        }
    }

    /// Begins to change the repository, once others are done, and removes the lock files of a git that died.
    pub(super) async fn operation(&self) -> Result<Operation> {
        let operation = self.locks.operation(self.lock_timeout).await?;
        self.remove_dead_locks().await?;
        Ok(operation)
    }

    fn local_ref(&self) -> String {
        format!("refs/heads/{}", self.branch)
    }

    fn tracking_ref(&self) -> String {
        format!("refs/remotes/origin/{}", self.branch)
    }

    /// The commit that the working tree stands for; `None` before the first one.
    pub(super) async fn head(&self) -> Result<Option<Oid>> {
        self.read_ref(&self.local_ref()).await
    }

    /// The commit of the remote's branch that was last heard of.
    pub(super) async fn tracking(&self) -> Result<Option<Oid>> {
        self.read_ref(&self.tracking_ref()).await
    }

    /// The commit that a clone which is not finished has begun to check out, if it has come that far.
    pub(super) async fn begun(&self) -> Result<Option<Oid>> {
        match self.tracking().await? {
            None => self.start().await,
            begun => Ok(begun),
        }
    }

    /// The commit that a new branch begins with, once it has been fetched.
    pub(super) async fn start(&self) -> Result<Option<Oid>> {
        self.read_ref(START).await
    }

    /// Makes the index anew from the last commit if it is gone: without one, git takes what is ignored for deleted.
    pub(super) async fn restore_index(&self, operation: &Operation) -> Result<()> {
        if self.files.exists("index").await? {
            return Ok(());
        }
        let Some(head) = self.head().await? else { return Ok(()) };
        self.git.local(["read-tree", head.as_str()]).within(operation)?.stdout().await.map(drop)
    }

    async fn read_ref(&self, name: &str) -> Result<Option<Oid>> {
        if let Some(text) = read_if_there(&self.files, name).await? {
            let damaged = |_| damaged(format!("the ref `{name}` is damaged"));
            return output::oid(&text).map(Some).map_err(damaged);
        }
        let Some(packed) = read_if_there(&self.files, "packed-refs").await? else {
            return Ok(None);
        };
        let packed = String::from_utf8_lossy(&packed);
        let found =
            packed.lines().filter_map(|line| line.split_once(' ')).find(|(_, n)| *n == name);
        found.map(|(oid, _)| oid.parse()).transpose()
    }

    /// # Errors
    ///
    /// [`InvalidOperation`](ErrorKind::InvalidOperation) if somebody has checked out another branch, or has begun a merge or rebase by
    /// hand.
    pub(super) async fn check_state(&self) -> Result<()> {
        let head = read_if_there(&self.files, "HEAD").await?;
        let head = head.ok_or_else(|| damaged("the repository has no HEAD".to_owned()))?;
        let head = String::from_utf8_lossy(&head).trim().to_owned();
        let expected = format!("ref: {}", self.local_ref());
        let state =
            |message: String| Err(Error::new(ErrorKind::InvalidOperation).with_message(message));
        if head != expected {
            let wanted = &self.branch;
            return match head.strip_prefix("ref: refs/heads/") {
                Some(branch) => state(format!("branch `{branch}` is checked out, not `{wanted}`")),
                None if head.parse::<Oid>().is_err() => {
                    Err(damaged("the repository's HEAD is damaged".to_owned()))
                }
                None => state(format!(
                    "no branch is checked out (detached HEAD); `git switch {wanted}` by hand first"
                )),
            };
        }
        for (name, what) in [
            ("MERGE_HEAD", "merge"),
            ("CHERRY_PICK_HEAD", "cherry-pick"),
            ("REVERT_HEAD", "revert"),
            ("rebase-merge", "rebase"),
            ("rebase-apply", "rebase"),
            ("BISECT_LOG", "bisect"),
        ] {
            if self.files.exists(name).await? {
                return state(format!(
                    "a {what} begun by hand is under way; finish or abort it with git"
                ));
            }
        }
        Ok(())
    }

    /// Brings the commits of the remote's branch.
    ///
    /// # Errors
    ///
    /// [`Diverged`](ErrorKind::Diverged) if the remote's history was rewritten; what keeps it from being reached.
    pub(super) async fn fetch(&self, operation: &Operation) -> Result<Fetched> {
        // Not `--quiet`: it would not say that a branch was rewritten.
        let fetch = self.git.network(FETCH.into_iter().chain([self.git.remote()]));
        let output = fetch.within(operation)?.output().await?;
        if output.is_success() {
            return Ok(Fetched::Branch);
        }
        match output.failure() {
            Failure::NoSuchBranch => {
                self.check_server(operation).await?;
                Ok(Fetched::Nothing)
            }
            Failure::Rewritten => Err(Error::new(ErrorKind::Diverged).with_message(format!(
                "branch `{}` of the remote was rewritten; nothing here was changed. To keep the local history, publish it with \
                 `git push --force` by hand; to take the remote's, open it in another directory",
                self.branch
            ))),
            _ => Err(output.error()),
        }
    }

    /// Git takes any short page of a web server, such as that of a hotel's network, for a repository without branches, as it could be one
    /// of plain files. So it is asked for a commit that nobody has, in a way that it refuses to look for among plain files.
    ///
    /// # Errors
    ///
    /// [`NotFound`](ErrorKind::NotFound) if what answers there is no git server.
    async fn check_server(&self, operation: &Operation) -> Result<()> {
        if !self.git.speaks_http() {
            return Ok(());
        }
        let digits = self.head().await?.map_or(40, |head| head.as_str().len());
        let nowhere = "1".repeat(digits);
        let fetch =
            ["fetch", "--quiet", "--no-write-fetch-head", "--depth=1", self.git.remote(), &nowhere];
        let output = self.git.network(fetch).within(operation)?.output().await?;
        match output.failure() {
            Failure::NoServer => Err(output.error()),
            _ => Ok(()),
        }
    }

    /// Publishes the local branch.
    pub(super) async fn push(&self, operation: &Operation) -> Result<Pushed> {
        let refspec = format!("{0}:{0}", self.local_ref());
        let push = ["push", "--quiet", "--porcelain", "--no-verify", self.git.remote(), &refspec];
        let output = self.git.network(push).within(operation)?.output().await?;
        match output::pushed(&output.stdout) {
            // A lock that a dead process has left at the remote is told apart from a race by what follows alone.
            Some(Pushed::Overtaken(told)) => {
                Ok(Pushed::Overtaken(format!("{told}; {}", failure::essence(&output.stderr))))
            }
            Some(told) => Ok(told),
            // With `--quiet` a push that went well says nothing.
            None if output.is_success() => Ok(Pushed::Done),
            // A fetch that was killed has left the remote's commit without those before it, so that git cannot compare it with ours. To
            // fetch again brings what is missing.
            None if output.stderr.contains("could not parse commit") => {
                Ok(Pushed::Overtaken(failure::essence(&output.stderr)))
            }
            None => Err(output.error()),
        }
    }

    /// Puts everything that changed into the index: what git would, and `forced`, which it would ignore.
    pub(super) async fn stage(&self, operation: &Operation, forced: &[FilePath]) -> Result<()> {
        let mut tried = 0;
        loop {
            let add = ["add", "--all", "--", "."].into_iter().chain(NEVER_COMMITTED);
            let output = self.git.local(add).patterns().within(operation)?.output().await?;
            tried += 1;
            if output.is_success() {
                self.refuse_nested(operation, &output.stderr).await?;
                break;
            }
            let gone =
                output.stderr.contains("No such file") || output.stderr.contains("unable to stat");
            if !gone || tried == STAGINGS {
                return Err(output.error());
            }
        }
        if forced.is_empty() {
            return Ok(());
        }
        let paths = output::listed(forced.iter().map(|path| path.as_bytes()));
        let update = ["update-index", "--add", "--remove", "-z", "--stdin"];
        self.git.local(update).input(paths).within(operation)?.stdout().await?;
        Ok(())
    }

    /// Refuses a repository within the tree, of which git would publish no more than that it is there.
    async fn refuse_nested(&self, operation: &Operation, said: &str) -> Result<()> {
        const SIGN: &str = "warning: adding embedded git repository: ";
        let nested: Vec<&str> = said.lines().filter_map(|line| line.strip_prefix(SIGN)).collect();
        let Some(first) = nested.first() else { return Ok(()) };
        let paths = output::listed(&nested);
        let forget = ["update-index", "--force-remove", "-z", "--stdin"];
        self.git.local(forget).input(paths).within(operation)?.stdout().await?;
        Err(Error::new(ErrorKind::InvalidOperation).with_message(format!(
            "another repository stands at `{first}`, whose files cannot be published: move it away, or name it in a .gitignore"
        )))
    }

    /// Makes a tree of the index.
    pub(super) async fn write_tree(&self, operation: &Operation) -> Result<Oid> {
        output::oid(&self.git.local(["write-tree"]).within(operation)?.stdout().await?)
    }

    /// What tells this index from every other; `None` where there is none.
    pub(super) async fn index_etag(&self) -> Result<Option<Etag>> {
        match self.files.info("index").await {
            Ok(info) => Ok(info.etag),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The tree of a commit.
    pub(super) async fn tree_of(&self, commit: &Oid) -> Result<Oid> {
        let known = self.tree_of.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some((_, tree)) = known.filter(|(of, _)| of == commit) {
            return Ok(tree);
        }
        let asked = ["rev-parse", "--verify", "--end-of-options", &format!("{commit}^{{tree}}")]
            .map(str::to_owned);
        let tree = output::oid(&self.git.local(asked).stdout().await?)?;
        self.remember_tree(commit, &tree);
        Ok(tree)
    }

    fn remember_tree(&self, commit: &Oid, tree: &Oid) {
        let mut known = self.tree_of.lock().unwrap_or_else(PoisonError::into_inner);
        *known = Some((commit.clone(), tree.clone()));
    }

    /// Makes a commit, which no ref names yet.
    pub(super) async fn commit_tree(
        &self,
        tree: &Oid,
        parents: &[&Oid],
        message: &str,
    ) -> Result<Oid> {
        let parents = parents.iter().flat_map(|parent| ["-p", parent.as_str()]);
        let arguments =
            ["commit-tree"].into_iter().chain(parents).chain(["-F", "-", tree.as_str()]);
        let commit = self.git.local(arguments).input(message.to_owned()).stdout().await?;
        let commit = output::oid(&commit)?;
        self.remember_tree(&commit, tree);
        Ok(commit)
    }

    /// Lets the branch name `new`, if it still names `old`.
    pub(super) async fn move_branch(
        &self,
        operation: &Operation,
        old: Option<&Oid>,
        new: &Oid,
    ) -> Result<()> {
        let name = self.local_ref();
        let null = new.null();
        let old = old.unwrap_or(&null);
        let update = ["update-ref", &name, new.as_str(), old.as_str()];
        self.git.local(update).within(operation)?.stdout().await.map(drop)
    }

    /// Merges two commits without touching anything.
    ///
    /// # Errors
    ///
    /// [`Diverged`](ErrorKind::Diverged) if they have no common ancestor and `unrelated` does not allow that.
    pub(super) async fn merge_tree(
        &self,
        ours: &Oid,
        theirs: &Oid,
        unrelated: bool,
    ) -> Result<MergedTree> {
        let mut arguments = vec!["merge-tree", "--write-tree", "--messages", "-z"];
        arguments.extend(unrelated.then_some("--allow-unrelated-histories"));
        arguments.extend([ours.as_str(), theirs.as_str()]);
        let output = self.git.local(arguments).output().await?;
        match output.code() {
            Some(0 | 1) => output::merged_tree(&output.stdout),
            _ => Err(output.error()),
        }
    }

    /// The best common ancestor.
    pub(super) async fn merge_base(&self, one: &Oid, other: &Oid) -> Result<Option<Oid>> {
        let output = self.git.local(["merge-base", one.as_str(), other.as_str()]).output().await?;
        match output.code() {
            Some(0) => output::oid(&output.stdout).map(Some),
            Some(1) => Ok(None),
            _ => Err(output.error()),
        }
    }

    /// The files at and below a path of a commit.
    pub(super) async fn entries(&self, tree: &Oid, path: &RawPath) -> Result<Vec<TreeEntry>> {
        let head = ["ls-tree", "-r", "-z", "--full-tree", tree.as_str(), "--"];
        let arguments = head.map(std::ffi::OsStr::new).into_iter().chain([path.as_os()]);
        output::tree_entries(&self.git.local(arguments).stdout().await?)
    }

    /// All files of a commit.
    pub(super) async fn all_entries(&self, commit: &Oid) -> Result<Vec<TreeEntry>> {
        let all = ["ls-tree", "-r", "-z", "--full-tree", commit.as_str()];
        output::tree_entries(&self.git.local(all).stdout().await?)
    }

    /// The directories of the tree that belong to submodules, where git keeps nothing of ours.
    pub(super) async fn submodules(&self) -> Result<Arc<BTreeSet<RawPath>>> {
        let Some(head) = self.head().await? else { return Ok(Arc::default()) };
        let mut known = self.submodules.lock().await;
        if let Some((_, submodules)) = known.as_ref().filter(|(of, _)| *of == head) {
            return Ok(Arc::clone(submodules));
        }
        let found =
            self.all_entries(&head).await?.into_iter().filter(|entry| entry.mode == SUBMODULE);
        let found = Arc::new(found.map(|entry| entry.path).collect::<BTreeSet<_>>());
        *known = Some((head, Arc::clone(&found)));
        Ok(found)
    }

    /// Tells that `new` has no submodules either, if `old` has none.
    pub(super) async fn keep_without_submodules(&self, old: &Oid, new: &Oid) {
        match self.submodules.lock().await.as_mut() {
            Some((of, submodules)) if of == old && submodules.is_empty() => *of = new.clone(),
            _ => {}
        }
    }

    /// Reads what was noted under `name`.
    pub(super) async fn note<T: DeserializeOwned>(&self, name: &str) -> Result<Option<T>> {
        let Some(text) = read_if_there(&self.notes, name).await? else { return Ok(None) };
        let note = serde_json::from_slice(&text);
        note.map(Some)
            .map_err(|error| damaged(format!("f9's note `{name}` is damaged")).with_source(error))
    }

    /// Notes something, so that it is there after a power loss.
    pub(super) async fn write_note(
        &self,
        name: &str,
        note: &(impl Serialize + Sync),
    ) -> Result<()> {
        let text = serde_json::to_vec(note)
            .map_err(|error| Error::new(ErrorKind::Internal).with_source(error))?;
        self.notes.create_with(name, text.into(), CreateOptions::overwrite()).await.map(drop)
    }

    pub(super) async fn remove_note(&self, name: &str) -> Result<()> {
        match self.notes.delete(name).await {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    /// Removes the lock files of a git that died; waits for one that lives.
    async fn remove_dead_locks(&self) -> Result<()> {
        let deadline = Instant::now() + self.lock_timeout;
        let (local, tracking) = (self.local_ref(), self.tracking_ref());
        let below = [&*local, &*tracking, START, INDEX, ADOPT_INDEX];
        let below = below.map(|name| self.git_dir.join(format!("{name}.lock")));
        loop {
            let (below, git_dir, work_tree) =
                (below.clone(), self.git_dir.clone(), self.work_tree.clone());
            let remove = move || {
                // That of the index, and those of whatever ref or file git keeps beside it.
                let beside = std::fs::read_dir(&git_dir)?.flatten().map(|entry| entry.path());
                let mut left: Vec<PathBuf> = beside
                    .filter(|path| path.extension().is_some_and(|end| end == "lock"))
                    .collect();
                left.extend(below.into_iter().filter(|path| path.exists()));
                if left.is_empty() {
                    return Ok(None);
                }
                if other_git_in(&work_tree) {
                    return Ok(left.into_iter().next());
                }
                for name in left {
                    std::fs::remove_file(name)?;
                }
                Ok(None)
            };
            let Some(left) = offload::run(remove).await? else { return Ok(()) };
            if Instant::now() > deadline {
                return Err(Error::new(ErrorKind::LockTimeout).with_message(format!(
                    "another git process is at work; its lock is {}",
                    left.display()
                )));
            }
            offload::pause(Duration::from_millis(20)).await;
        }
    }
}

/// Whether a git process works in the tree. Those of ours that change something keep the operation's lock, so none of them is met here; one
/// that only reads may be, and is waited for in vain. One whose place may not be seen counts as being elsewhere.
fn other_git_in(work_tree: &Path) -> bool {
    let Ok(processes) = std::fs::read_dir("/proc") else { return true };
    processes.flatten().any(|process| {
        let process = process.path();
        let name = std::fs::read(process.join("comm")).unwrap_or_default();
        let place = || std::fs::read_link(process.join("cwd"));
        name.starts_with(b"git") && place().is_ok_and(|place| place.starts_with(work_tree))
    })
}

/// The content of a file, if there is one.
async fn read_if_there(files: &LocalFileBackend, path: &str) -> Result<Option<bytes::Bytes>> {
    match files.read(path).await {
        Ok(content) => Ok(Some(content)),
        Err(error) => match error.kind() {
            ErrorKind::NotFound | ErrorKind::NotADirectory | ErrorKind::IsADirectory => Ok(None),
            _ => Err(error),
        },
    }
}

pub(super) fn damaged(message: String) -> Error {
    Error::new(ErrorKind::Corrupted).with_message(message)
}
