//! Commits, trees and blobs: reads and writes git's objects, and moves the branch.

use std::collections::BTreeSet;
use std::sync::{Arc, PoisonError};

use super::locks::Operation;
use super::parse::{self, Change, MergedTree, Oid, RawPath, SUBMODULE, TreeEntry};
use super::repository::Repository;
use crate::core::checksum::{ChecksumAlgorithm, Hasher};
use crate::core::error::Result;

impl Repository {
    /// Returns the tree of a commit.
    pub(super) async fn tree_of(&self, commit: &Oid) -> Result<Oid> {
        let cached = self.tree_of.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some((_, tree)) = cached.filter(|(of, _)| of == commit) {
            return Ok(tree);
        }
        let revision = format!("{commit}^{{tree}}");
        let rev_parse = ["rev-parse", "--verify", "--end-of-options", &revision];
        let tree = parse::oid(&self.git.local(rev_parse).stdout().await?)?;
        self.cache_tree(commit, &tree);
        Ok(tree)
    }

    fn cache_tree(&self, commit: &Oid, tree: &Oid) {
        let mut cached = self.tree_of.lock().unwrap_or_else(PoisonError::into_inner);
        *cached = Some((commit.clone(), tree.clone()));
    }

    /// Writes a commit, to which no ref points yet.
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
        let commit = parse::oid(&commit)?;
        self.cache_tree(&commit, tree);
        Ok(commit)
    }

    /// Moves the branch to `new`. Fails if it is no longer at `old`.
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

    /// Merges two commits into a tree. Touches neither the index nor the working tree.
    ///
    /// # Errors
    ///
    /// [`Diverged`](crate::ErrorKind::Diverged) if they have no common ancestor and `allow_unrelated` is false.
    pub(super) async fn merge_tree(
        &self,
        ours: &Oid,
        theirs: &Oid,
        allow_unrelated: bool,
    ) -> Result<MergedTree> {
        let mut arguments = vec!["merge-tree", "--write-tree", "--messages", "-z"];
        arguments.extend(allow_unrelated.then_some("--allow-unrelated-histories"));
        arguments.extend([ours.as_str(), theirs.as_str()]);
        let output = self.git.local(arguments).output().await?;
        match output.code() {
            Some(0 | 1) => parse::merged_tree(&output.stdout),
            _ => Err(output.error()),
        }
    }

    /// Returns the best common ancestor.
    pub(super) async fn merge_base(&self, one: &Oid, other: &Oid) -> Result<Option<Oid>> {
        let output = self.git.local(["merge-base", one.as_str(), other.as_str()]).output().await?;
        match output.code() {
            Some(0) => parse::oid(&output.stdout).map(Some),
            Some(1) => Ok(None),
            _ => Err(output.error()),
        }
    }

    /// Lists the files at and below a path of a commit or tree.
    pub(super) async fn entries(&self, tree: &Oid, path: &RawPath) -> Result<Vec<TreeEntry>> {
        let list = ["ls-tree", "-r", "-z", "--full-tree", tree.as_str(), "--"];
        let arguments = list.map(std::ffi::OsStr::new).into_iter().chain([path.as_os()]);
        parse::tree_entries(&self.git.local(arguments).stdout().await?)
    }

    /// Lists the files that differ between two commits or trees.
    pub(super) async fn changes_between(&self, from: &str, to: &Oid) -> Result<Vec<Change>> {
        let diff = ["diff-tree", "-r", "-z", "--raw", "--no-renames", "--no-abbrev"];
        let diff = diff.into_iter().chain([from, to.as_str()]);
        parse::changes(&self.git.local(diff).stdout().await?)
    }

    /// Lists all files of a commit.
    pub(super) async fn all_entries(&self, commit: &Oid) -> Result<Vec<TreeEntry>> {
        let list = ["ls-tree", "-r", "-z", "--full-tree", commit.as_str()];
        parse::tree_entries(&self.git.local(list).stdout().await?)
    }

    /// Returns the paths of the submodules of the current commit.
    pub(super) async fn submodules(&self) -> Result<Arc<BTreeSet<RawPath>>> {
        let Some(head) = self.head().await? else { return Ok(Arc::default()) };
        let mut cached = self.submodules.lock().await;
        if let Some((_, submodules)) = cached.as_ref().filter(|(of, _)| *of == head) {
            return Ok(Arc::clone(submodules));
        }
        let entries = self.all_entries(&head).await?.into_iter();
        let submodules = entries.filter(|entry| entry.mode == SUBMODULE).map(|entry| entry.path);
        let submodules = Arc::new(submodules.collect::<BTreeSet<_>>());
        *cached = Some((head, Arc::clone(&submodules)));
        Ok(submodules)
    }

    /// Records that `new` has no submodules either, if `old` is known to have none.
    pub(super) async fn keep_without_submodules(&self, old: &Oid, new: &Oid) {
        match self.submodules.lock().await.as_mut() {
            Some((of, submodules)) if of == old && submodules.is_empty() => *of = new.clone(),
            _ => {}
        }
    }
}

/// Computes the id of a blob with this content, in the hash of the repository that `like` is from.
pub(super) fn blob_oid(content: &[u8], like: &Oid) -> Result<Oid> {
    let algorithm = match like.as_str().len() {
        40 => ChecksumAlgorithm::Sha1,
        _ => ChecksumAlgorithm::Sha256,
    };
    let mut hasher = Hasher::new(algorithm);
    hasher.update(format!("blob {}\0", content.len()).as_bytes());
    hasher.update(content);
    hasher.finish().into_hex().parse()
}

/// The id of the tree without files, in the hash of the repository that `like` is from.
pub(super) fn empty_tree(like: &Oid) -> &'static str {
    match like.as_str().len() {
        40 => "4b825dc642cb6eb9a060e54bf8d69288fbee4904",
        _ => "6ef19b41225c5369f1c104d45d8d85efa9b057b53b14b4b9b939dd74decc5321",
    }
}
