//! Random histories, to be compared with what git says about them.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;

use super::Repository;

const ODD_NAMES: [&str; 12] = [
    "plain",
    "sp ace",
    "q\"uote'",
    "new\nline",
    "\ttab",
    "ü",
    "-dash",
    ":colon",
    "a*b[c]",
    "R100",
    "commit 1 2 3",
    "\\",
];

pub(super) struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    pub(super) fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % u64::try_from(end).unwrap()).unwrap()
    }

    fn choose<T: Clone>(&mut self, from: impl IntoIterator<Item = T>) -> Option<T> {
        let from: Vec<T> = from.into_iter().collect();
        if from.is_empty() { None } else { Some(from[self.below(from.len())].clone()) }
    }

    /// Returns content that no other file has.
    fn content(&mut self) -> Vec<String> {
        (0..8).map(|_| format!("{:016x}", self.next())).collect()
    }
}

type Tree = BTreeMap<Vec<u8>, Vec<String>>;

/// A random history. Each commit is its tree and the numbers of its parents.
pub(super) struct Story {
    pub(super) random: Random,
    pub(super) commits: Vec<(Tree, Vec<usize>)>,
    pub(super) names: Vec<Vec<u8>>,
    /// Names that a file had before it was renamed.
    pub(super) old_names: BTreeSet<Vec<u8>>,
    renames: bool,
    merges: bool,
}

impl Story {
    pub(super) fn new(seed: u64, renames: bool, merges: bool) -> Self {
        let mut names: Vec<Vec<u8>> = vec![b"caf\xe9".to_vec(), b"in/caf\xe9".to_vec()];
        for folder in ["", "in/", "in/an \"other\n/"] {
            names.extend(ODD_NAMES.map(|name| format!("{folder}{name}").into_bytes()));
        }
        let random = Random(seed);
        Self { random, commits: Vec::new(), names, old_names: BTreeSet::new(), renames, merges }
    }

    pub(super) fn generate(mut self, length: usize) -> Self {
        while self.commits.len() < length {
            let last = self.commits.len().checked_sub(1);
            let branches = if self.merges { 3 } else { 1 };
            let parent = last.map(|last| last.saturating_sub(self.random.below(branches)));
            let mut parents: Vec<usize> = parent.into_iter().collect();
            let mut tree = parent.map(|at| self.commits[at].0.clone()).unwrap_or_default();
            if self.merges && parent.is_some() && self.random.below(4) == 0 {
                self.merge(&mut tree, &mut parents);
            }
            if parents.len() < 2 || self.random.below(3) == 0 {
                // Git does not detect a rename to a name that the parent has.
                let taken: BTreeSet<Vec<u8>> = tree.keys().cloned().collect();
                for _ in 0..=self.random.below(3) {
                    self.change(&mut tree, &taken, parents.len() > 1);
                }
            }
            self.commits.push((tree, parents));
        }
        // One head with all commits as ancestors.
        if self.merges {
            let children: BTreeSet<usize> =
                self.commits.iter().flat_map(|(_, parents)| parents.clone()).collect();
            let heads: Vec<usize> =
                (0..self.commits.len()).filter(|at| !children.contains(at)).collect();
            let tree = self.commits[heads[heads.len() - 1]].0.clone();
            self.commits.push((tree, heads.into_iter().rev().collect()));
        }
        self
    }

    /// Merges another commit: each file becomes that of one side, or new content.
    fn merge(&mut self, tree: &mut Tree, parents: &mut Vec<usize>) {
        let other = self.random.below(self.commits.len());
        if parents.contains(&other) {
            return;
        }
        parents.push(other);
        let theirs = self.commits[other].0.clone();
        let names: BTreeSet<Vec<u8>> = tree.keys().chain(theirs.keys()).cloned().collect();
        for name in names {
            match self.random.below(5) {
                0 | 1 => {}
                2 | 3 => match theirs.get(&name) {
                    Some(content) => drop(tree.insert(name, content.clone())),
                    None => drop(tree.remove(&name)),
                },
                _ => drop(tree.insert(name, self.random.content())),
            }
        }
    }

    fn change(&mut self, tree: &mut Tree, taken: &BTreeSet<Vec<u8>>, merged: bool) {
        let is_free = |name: &&Vec<u8>| !tree.contains_key(*name) && !taken.contains(*name);
        let free: Vec<_> = self.names.iter().filter(is_free).cloned().collect();
        let name = self.random.choose(tree.keys().cloned());
        match (self.random.below(8), name) {
            (0, Some(name)) => drop(tree.remove(&name)),
            (1 | 2, Some(name)) if self.renames && !merged => {
                let to = self.random.choose(free).unwrap();
                let mut content = tree.remove(&name).unwrap();
                if self.random.below(2) == 0 {
                    content[0] = format!("{:016x}", self.random.next());
                }
                self.old_names.insert(name);
                tree.insert(to, content);
            }
            (3..6, Some(name)) => {
                let line = self.random.below(8);
                tree.get_mut(&name).unwrap()[line] = format!("{:016x}", self.random.next());
            }
            _ => {
                let free = free.into_iter().filter(|name| !self.old_names.contains(name));
                if let Some(name) = self.random.choose(free) {
                    tree.insert(name, self.random.content());
                }
            }
        }
    }

    /// Writes the history to a new repository, with a tag `c<number>` for each commit.
    pub(super) fn write(&mut self) -> Repository {
        let mut script = Vec::new();
        for at in 0..self.commits.len() {
            // Author dates have no order.
            let authored = self.random.below(2_000_000_000);
            let (tree, parents) = &self.commits[at];
            writeln!(script, "commit refs/heads/main\nmark :{}", at + 1).unwrap();
            writeln!(script, "author A <a@x> {authored} +0000").unwrap();
            writeln!(script, "committer C <c@x> {} +0000\ndata 0", 1_000_000_000 + at).unwrap();
            if parents.is_empty() {
                writeln!(script, "deleteall").unwrap();
            }
            for (number, parent) in parents.iter().enumerate() {
                let word = if number == 0 { "from" } else { "merge" };
                writeln!(script, "{word} :{}", parent + 1).unwrap();
            }
            writeln!(script, "deleteall").unwrap();
            for (name, content) in tree {
                script.extend(b"M 100644 inline \"");
                script.extend(name.iter().flat_map(|byte| format!("\\{byte:03o}").into_bytes()));
                let content = content.join("\n");
                write!(script, "\"\ndata {}\n{content}\n", content.len()).unwrap();
            }
            writeln!(script, "reset refs/tags/c{at}\nfrom :{}\n", at + 1).unwrap();
        }
        let repository = Repository::new();
        repository.import(&script);
        repository
    }
}
