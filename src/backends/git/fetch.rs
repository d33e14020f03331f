//! Fetches from the remote and pushes to it.

use std::fs::File;
use std::time::SystemTime;

use super::branch::check_branch;
use super::command::{Meter, Output, REMOTE};
use super::diagnosis::{self, Failure};
use super::locks::Operation;
use super::parse::{self, Oid, Pushed};
use super::repository::{Repository, START};
use crate::core::error::{Error, ErrorKind, Result};
use crate::sys::pool;

/// The file whose modification time is that of the last answer of the remote.
const CONTACT: &str = "f9/contact";

/// A fetch that transfers only what is asked for and starts no background process.
const FETCH: [&str; 5] = [
    "fetch",
    "--no-tags",
    "--no-write-fetch-head",
    "--no-auto-maintenance",
    "--no-recurse-submodules",
];

/// The outcome of a fetch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fetched {
    Branch,
    /// The remote does not have the branch.
    NoBranch,
}

impl Repository {
    /// Fetches the remote's branch, and reports the progress to `meter`.
    ///
    /// # Errors
    ///
    /// [`Diverged`](ErrorKind::Diverged) if the remote's history was rewritten; the failures of the connection.
    pub(super) async fn fetch(
        &self,
        operation: &Operation,
        meter: Option<&Meter>,
    ) -> Result<Fetched> {
        loop {
            let before = self.tracking().await?;
            let fetched = self.fetch_once(operation, meter).await?;
            self.note_contact().await;
            // Another git in the clone has fetched a newer commit meanwhile. The older commit does not descend from it.
            if fetched.is_some() || self.tracking().await? == before {
                return fetched.ok_or_else(|| self.rewritten());
            }
        }
    }

    /// Notes that the remote has answered.
    async fn note_contact(&self) {
        let file = self.git_dir.join(CONTACT);
        let note = pool::run(move || {
            let file = File::options().create(true).truncate(false).write(true).open(file)?;
            Ok(file.set_modified(SystemTime::now())?)
        });
        // Nothing else depends on it.
        drop(note.await);
    }

    /// Returns when the remote last answered.
    pub(super) async fn last_contact(&self) -> Result<Option<SystemTime>> {
        let file = self.git_dir.join(CONTACT);
        pool::run(move || match std::fs::metadata(file) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            found => Ok(Some(found?.modified()?)),
        })
        .await
    }

    fn rewritten(&self) -> Error {
        Error::new(ErrorKind::Diverged).with_message(format!(
            "branch `{}` of the remote was rewritten; nothing here was changed. To keep the local history, publish it with \
             `git push --force`; to take the remote's, open it in another directory",
            self.branch
        ))
    }

    /// Fetches. Returns `None` if the remote's commit does not descend from the known one.
    async fn fetch_once(
        &self,
        operation: &Operation,
        meter: Option<&Meter>,
    ) -> Result<Option<Fetched>> {
        // Without `--quiet`, which hides that a branch was rewritten.
        // Git prints no progress when it unpacks objects, so it keeps them in a pack.
        let progress = meter.map(|_| ["--progress", "--keep"]);
        let fetch = FETCH.into_iter().chain(progress.into_iter().flatten());
        let fetch = fetch.chain([REMOTE]);
        let fetch = self.git.fetch(fetch).progress(meter);
        let output = fetch.within(operation)?.output().await?;
        if output.is_success() {
            expect_whole_history(&output)?;
            return Ok(Some(Fetched::Branch));
        }
        match output.failure() {
            Failure::NoSuchBranch => {
                self.check_server(operation).await?;
                Ok(Some(Fetched::NoBranch))
            }
            Failure::NonFastForward => Ok(None),
            _ => Err(output.error()),
        }
    }

    /// Checks that a git server answers for the remote.
    ///
    /// Git accepts any short web page, such as the login page of a hotel's network, as a repository without branches that is served as
    /// plain files. So this fetches a commit that does not exist, in a way that git does not try with plain files.
    ///
    /// # Errors
    ///
    /// [`NotFound`](ErrorKind::NotFound) if no git server answers.
    async fn check_server(&self, operation: &Operation) -> Result<()> {
        if !self.git.is_http() {
            return Ok(());
        }
        let digits = self.head().await?.map_or(40, |head| head.as_str().len());
        let missing = "1".repeat(digits);
        let fetch = ["fetch", "--quiet", "--no-write-fetch-head", "--depth=1", REMOTE, &missing];
        let output = self.git.fetch(fetch).within(operation)?.output().await?;
        match output.failure() {
            Failure::NotAGitServer => Err(output.error()),
            _ => Ok(()),
        }
    }

    /// Fetches the remote's default branch and returns its commit, at which a new branch starts; `None` if the remote is empty.
    pub(super) async fn fetch_default_branch(&self, operation: &Operation) -> Result<Option<Oid>> {
        let refspec = format!("+HEAD:{START}");
        let fetch = FETCH.into_iter().chain([REMOTE, &refspec]);
        let output = self.git.fetch(fetch).within(operation)?.output().await?;
        if output.is_success() {
            expect_whole_history(&output)?;
            return self.start().await;
        }
        match output.failure() {
            Failure::NoSuchBranch => Ok(None),
            _ => Err(output.error()),
        }
    }

    async fn pushed(&self) -> Pushed {
        self.note_contact().await;
        Pushed::Done
    }

    /// Fetches the tag with which the expression `revision` begins, if the remote has it. Returns `unknown` if not.
    pub(super) async fn fetch_tag(&self, revision: &str, unknown: Error) -> Result<()> {
        let name = revision.split(['~', '^', ':', '@']).next().unwrap_or_default();
        let name = name.strip_prefix("refs/").unwrap_or(name);
        let name = name.strip_prefix("tags/").unwrap_or(name);
        if check_branch(name).is_err() || name.parse::<Oid>().is_ok() {
            return Err(unknown);
        }
        // A tag with the name of a branch would take its place.
        let find = ["rev-parse", "--verify", "--quiet", "--end-of-options", name];
        if self.git.local(find).output().await?.is_success() {
            return Err(unknown);
        }
        let operation = self.operation().await?;
        let refspec = format!("refs/tags/{name}:refs/tags/{name}");
        let fetch = FETCH.into_iter().chain([REMOTE, &refspec]);
        let output = self.git.fetch(fetch).within(&operation)?.output().await?;
        match output.failure() {
            _ if output.is_success() => Ok(()),
            Failure::NoSuchBranch => Err(unknown),
            _ => Err(unknown.with_source(output.error())),
        }
    }

    /// Pushes the local branch, and reports the progress to `meter`.
    pub(super) async fn push(
        &self,
        operation: &Operation,
        meter: Option<&Meter>,
    ) -> Result<Pushed> {
        let refspec = format!("{0}:{0}", self.local_ref());
        let verbosity = if meter.is_some() { "--progress" } else { "--quiet" };
        let push = ["push", verbosity, "--porcelain", "--no-verify", REMOTE, &refspec];
        let push = self.git.push(push).progress(meter);
        let output = push.within(operation)?.output().await?;
        let pushed = parse::pushed(&output.stdout);
        if matches!(pushed, Some(Pushed::Overtaken(_) | Pushed::Refused(_)))
            && let Some(other) = parse::name_taken(&self.branch, &output.stderr)
        {
            return Ok(Pushed::NameTaken(other));
        }
        match pushed {
            // Only stderr distinguishes a race from a lock that a dead process left at the remote.
            Some(Pushed::Overtaken(reason)) => {
                Ok(Pushed::Overtaken(format!("{reason}; {}", diagnosis::summary(&output.stderr))))
            }
            Some(Pushed::Refused(reason)) => {
                Ok(Pushed::Refused(with_words(reason, &diagnosis::said(&output.stderr))))
            }
            Some(Pushed::NotStored(reason)) => {
                Ok(Pushed::NotStored(with_words(reason, &diagnosis::summary(&output.stderr))))
            }
            Some(pushed @ Pushed::NameTaken(_)) => Ok(pushed),
            Some(Pushed::Done) => Ok(self.pushed().await),
            // With `--quiet` a successful push prints nothing.
            None if output.is_success() => Ok(self.pushed().await),
            // A killed fetch left the remote's commit without its ancestors, so git cannot compare it. The next fetch gets the rest.
            None if output.failure() == Failure::MissingParents => {
                Ok(Pushed::Overtaken(diagnosis::summary(&output.stderr)))
            }
            None => Err(output.error()),
        }
    }
}

/// Checks that a fetch which succeeded has fetched something.
///
/// # Errors
///
/// [`Unsupported`](ErrorKind::Unsupported) if the remote is a shallow clone, of which git fetches nothing.
fn expect_whole_history(output: &Output) -> Result<()> {
    if !output.stderr.contains("because shallow roots are not allowed to be updated") {
        return Ok(());
    }
    Err(Error::new(ErrorKind::Unsupported).with_message(
        "the remote is a shallow clone, in which history is missing; complete it with `git fetch --unshallow`",
    ))
}

/// Returns the reason of a refusal with what was printed about it.
fn with_words(reason: String, words: &str) -> String {
    if words.is_empty() { reason } else { format!("{reason}; {words}") }
}
