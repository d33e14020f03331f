//! Commit, pull, push.
//!
//! The order is: commit what is local, fetch, merge beside the tree, commit the merge, move the tree, push. Each step leaves a
//! repository from which the next attempt goes on; nothing that was saved is ever stashed away or reset.

use std::sync::atomic::Ordering;
use std::sync::{Arc, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::advance::Advanced;
use super::command::to_the_end;
use super::locks::Operation;
use super::merge::Merged;
use super::output::{Oid, Pushed, RawPath};
use super::repository::Fetched;
use super::{Shared, advance};
use crate::{Error, ErrorKind, Etag, FilePath, Result, offload};

/// How often a merge is tried that others keep getting in the way of.
const ROUNDS: usize = 6;

/// How often, and for how long, a push is tried while others publish.
const PUSHES: u32 = 10;
const PUSHING: Duration = Duration::from_secs(30);

/// How many pushes of one process lie between two looks at whether there is something to be packed.
const PUSHES_PER_TIDYING: u64 = 256;

/// The message of a commit that a pull makes of local changes.
const BEFORE_MERGE: &str = "Local changes before a merge";

/// The note that tells that nothing has come from or gone to the remote yet, which was empty: whatever appears there has no ancestor in
/// common with what is here.
pub(super) const FRESH: &str = "fresh";

/// The note that tells that the remote's branch has been deleted.
const GONE: &str = "gone";

impl Shared {
    /// Begins an operation on a repository that is in order.
    pub(super) async fn begin(&self) -> Result<Operation> {
        let operation = self.repository.operation().await?;
        self.repository.recover(&operation).await?;
        self.repository.check_state().await?;
        Ok(operation)
    }

    pub(super) async fn pull(self: &Arc<Self>) -> Result<()> {
        self.pull_with(BEFORE_MERGE).await
    }

    /// Pulls; what has to be committed for that is described by `message`.
    pub(super) async fn pull_with(self: &Arc<Self>, message: &str) -> Result<()> {
        check_message(message)?;
        let operation = self.begin().await?;
        let before = self.repository.tracking().await?;
        self.fetch_and_integrate(&operation, before, message).await
    }

    async fn fetch_and_integrate(
        self: &Arc<Self>,
        operation: &Operation,
        before: Option<Oid>,
        message: &str,
    ) -> Result<()> {
        match (self.repository.fetch(operation).await?, before) {
            (Fetched::Nothing, None) => Ok(()),
            (Fetched::Nothing, Some(_)) => {
                self.repository.write_note(GONE, &()).await?;
                Err(Error::new(ErrorKind::NotFound).with_message(format!(
                    "branch `{}` is gone from the remote; a push publishes it again",
                    self.repository.branch
                )))
            }
            (Fetched::Branch, before) => {
                self.repository.remove_note(GONE).await?;
                let theirs = self.repository.tracking().await?.ok_or(ErrorKind::Internal)?;
                self.integrate(operation, before.as_ref(), &theirs, message).await
            }
        }
    }

    /// Brings the remote's commit `theirs` together with what is here. `before` is what was known of the remote until now; `message`
    /// describes what has to be committed for that.
    async fn integrate(
        self: &Arc<Self>,
        operation: &Operation,
        before: Option<&Oid>,
        theirs: &Oid,
        message: &str,
    ) -> Result<()> {
        let repository = &self.repository;
        let mut is_committed = false;
        for _ in 0..ROUNDS {
            let head = repository.head().await?;
            let target = match self.target(operation, head.as_ref(), before, theirs).await? {
                Target::Reached => return self.conclude().await,
                Target::Commit(target) => target,
                Target::Local | Target::Open(_) if !is_committed => {
                    is_committed = true;
                    self.commit(operation, message, Vec::new()).await?;
                    continue;
                }
                Target::Local => theirs.clone(),
                Target::Open(pending) => {
                    repository.set_pending(&pending).await?;
                    return Err(pending.error());
                }
            };
            match repository.advance(operation, head.as_ref(), &target).await? {
                Advanced::Done => return self.conclude().await,
                Advanced::Overtaken => {}
                Advanced::InTheWay(paths) => self.make_way(operation, paths, message).await?,
            }
        }
        Err(Error::new(ErrorKind::Contention)
            .with_message("files kept changing while the remote's changes were brought in"))
    }

    /// Where the tree has to go so that it holds `theirs` too.
    async fn target(
        &self,
        operation: &Operation,
        head: Option<&Oid>,
        before: Option<&Oid>,
        theirs: &Oid,
    ) -> Result<Target> {
        let repository = &self.repository;
        // Before the first commit there may be files all the same.
        let Some(head) = head else { return Ok(Target::Local) };
        if head == theirs {
            return Ok(Target::Reached);
        }
        let earlier = repository.pending().await?;
        // Nothing here is unpublished, and the fetch let nothing pass but what descends from `before`.
        if earlier.is_none() && before == Some(head) {
            return Ok(Target::Commit(theirs.clone()));
        }
        let base = repository.merge_base(head, theirs).await?;
        if base.as_ref() == Some(theirs) {
            return Ok(Target::Reached);
        }
        if base.as_ref() == Some(head) {
            return Ok(Target::Commit(theirs.clone()));
        }
        let unrelated = base.is_none();
        if unrelated && repository.note::<()>(FRESH).await?.is_none() {
            return Err(Error::new(ErrorKind::Diverged).with_message(format!(
                "branch `{}` of the remote has no commit in common with the one here; nothing was changed",
                repository.branch
            )));
        }
        let merged = repository.merge(operation, (head, theirs), unrelated, earlier.as_ref());
        Ok(match merged.await? {
            Merged::Commit(commit) => Target::Commit(commit),
            Merged::Open(pending) => Target::Open(Box::new(pending)),
        })
    }

    /// Notes that nothing of the remote's is missing here any more.
    async fn conclude(&self) -> Result<()> {
        self.repository.forget_pending().await?;
        self.repository.remove_note(FRESH).await
    }

    /// Commits what stands where the tree has to go, so that it takes part in the merge.
    async fn make_way(
        self: &Arc<Self>,
        operation: &Operation,
        paths: Vec<RawPath>,
        message: &str,
    ) -> Result<()> {
        let (own, paths): (Vec<_>, Vec<_>) = paths.into_iter().partition(RawPath::is_own);
        let has_own = !own.is_empty();
        if has_own {
            self.repository.give_up(operation, own).await?;
        }
        let work_tree = self.repository.work_tree.clone();
        let standing = paths.clone();
        let standing = offload::run(move || {
            let standing = standing.iter().flat_map(|path| advance::standing(&work_tree, path));
            Ok(standing.collect::<Vec<_>>())
        })
        .await?;
        if self.commit(operation, message, standing).await? || has_own {
            return Ok(());
        }
        let named: Vec<String> =
            paths.iter().take(5).map(|path| format!("`{}`", path.to_text())).collect();
        Err(Error::new(ErrorKind::InvalidOperation).with_message(format!(
            "what stands at one of these paths can neither be committed nor replaced: {}",
            named.join(", ")
        )))
    }

    /// Commits everything that differs from the last commit, and `forced`, whatever is ignored. Tells whether anything did. Once begun it
    /// goes on to its end.
    pub(super) async fn commit(
        self: &Arc<Self>,
        operation: &Operation,
        message: &str,
        forced: Vec<FilePath>,
    ) -> Result<bool> {
        let (shared, operation) = (Arc::clone(self), operation.clone());
        let message = message.to_owned();
        to_the_end(async move { shared.commit_here(&operation, &message, forced).await }).await
    }

    async fn commit_here(
        &self,
        operation: &Operation,
        message: &str,
        mut forced: Vec<FilePath>,
    ) -> Result<bool> {
        let repository = &self.repository;
        // Before anything is staged: of what somebody commits by hand meanwhile, nothing may be taken back.
        let head = repository.head().await?;
        let written = self.written.snapshot().await?;
        forced.extend(self.written.to_be_forced(&written).await?);
        repository.stage(operation, &forced).await?;
        let differs = self.commit_index(operation, head, message).await?;
        if written.is_noted() {
            let _alone = repository.locks.tree.alone(repository.lock_timeout).await?;
            self.written.forget_noted(&written).await?;
            self.written.forget(&written);
        } else {
            self.written.forget(&written);
        }
        Ok(differs)
    }

    /// Commits what the index holds, if that is anything else than `head` does.
    async fn commit_index(
        &self,
        operation: &Operation,
        head: Option<Oid>,
        message: &str,
    ) -> Result<bool> {
        let repository = &self.repository;
        let staged = repository.index_etag().await?;
        let is_committed = |known: &(Oid, Etag)| {
            (Some(&known.0), Some(&known.1)) == (head.as_ref(), staged.as_ref())
        };
        if self.committed().as_ref().is_some_and(is_committed) {
            return Ok(false);
        }
        let tree = repository.write_tree(operation).await?;
        let committed = match &head {
            Some(head) => repository.tree_of(head).await?,
            None => advance::empty_tree(&tree).parse()?,
        };
        let mut now = head.clone();
        if tree != committed {
            let parents: Vec<&Oid> = head.iter().collect();
            let commit = repository.commit_tree(&tree, &parents, message).await?;
            repository.move_branch(operation, head.as_ref(), &commit).await?;
            if let Some(head) = &head {
                repository.keep_without_submodules(head, &commit).await;
            }
            now = Some(commit);
        }
        // Making a tree writes to the index, too.
        *self.committed() = now.clone().zip(repository.index_etag().await?);
        Ok(now != head)
    }

    /// The commit and the index that last held the same.
    fn committed(&self) -> MutexGuard<'_, Option<(Oid, Etag)>> {
        self.committed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) async fn push(self: &Arc<Self>, message: &str) -> Result<()> {
        check_message(message)?;
        let operation = self.begin().await?;
        let repository = &self.repository;
        if repository.pending().await?.is_some() {
            // Concludes the merge if everything is settled, and fails otherwise. First, because a file that was settled and then changed
            // would be in conflict again if that change were committed before.
            let theirs = repository.tracking().await?.ok_or(ErrorKind::Internal)?;
            self.integrate(&operation, None, &theirs, message).await?;
        }
        self.commit(&operation, message, Vec::new()).await?;
        let (began, mut reason) = (Instant::now(), String::new());
        for attempt in 1..=PUSHES {
            let (head, tracking) = (repository.head().await?, repository.tracking().await?);
            let Some(head) = head else { return Ok(()) };
            let is_published = tracking.as_ref() == Some(&head);
            if is_published && repository.note::<()>(GONE).await?.is_none() {
                return Ok(());
            }
            match repository.push(&operation).await? {
                Pushed::Done => {
                    repository.remove_note(GONE).await?;
                    self.tidy_now_and_then();
                    return self.conclude().await;
                }
                Pushed::Overtaken(told) => reason = told,
                Pushed::Refused(reason) => {
                    return Err(Error::new(ErrorKind::PermissionDenied)
                        .with_message(format!("the remote refused it: {reason}")));
                }
            }
            if began.elapsed() > PUSHING {
                break;
            }
            self.fetch_and_integrate(&operation, tracking, message).await?;
            // Those who were overtaken together should not meet again.
            let spread = u64::from(attempt) * 20;
            offload::pause(Duration::from_millis(random() % spread.max(1))).await;
        }
        Err(Error::new(ErrorKind::Contention).with_message(format!(
            "the changes are committed here and go with the next push; at last the remote said: {reason}"
        )))
    }
}

impl Shared {
    /// Packs the objects of many commits together, beside everything else. Nothing is ever removed: a merge that is not concluded holds
    /// on to objects that nothing names.
    fn tidy_now_and_then(&self) {
        if self.pushes.fetch_add(1, Ordering::Relaxed) % PUSHES_PER_TIDYING
            != PUSHES_PER_TIDYING - 1
        {
            return;
        }
        let repository = Arc::clone(&self.repository);
        drop(tokio::spawn(async move {
            let tidy =
                ["-c", "gc.auto=6700", "-c", "gc.pruneExpire=never", "gc", "--auto", "--quiet"];
            // What fails is tried again after as many pushes more.
            drop(repository.git.local(tidy).output().await);
        }));
    }
}

/// Where the tree has to go.
enum Target {
    /// It holds everything already.
    Reached,
    Commit(Oid),
    /// There is no commit yet, and maybe something to be committed first.
    Local,
    Open(Box<super::merge::Pending>),
}

pub(super) fn check_message(message: &str) -> Result<()> {
    if message.contains('\0') {
        return Err(Error::new(ErrorKind::InvalidInput).with_message("the message holds a NUL"));
    }
    Ok(())
}

pub(super) fn random() -> u64 {
    use std::hash::{BuildHasher as _, RandomState};
    RandomState::new().hash_one(0)
}
