//! The expected results of steps: those in memory, except that implicit directories do not persist.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use f9::prelude::*;
use f9::{CreateDirOptions, DirMode, ErrorKind, FilePath, ListOptions, MemoryFileBackend};
use futures::TryStreamExt as _;

use super::steps::{Answer, Step, Subject, entry};

/// The content of a store.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct State {
    pub(crate) files: BTreeMap<String, Bytes>,
    /// The directories that were created explicitly.
    pub(crate) directories: BTreeSet<String>,
}

/// The expected result of a step, and the expected content afterwards.
pub(crate) struct Expected {
    pub(crate) outcome: Result<Answer, ErrorKind>,
    pub(crate) state: State,
}

impl State {
    /// Reads a store whose entries report whether a directory is explicit.
    pub(crate) async fn of(files: &dyn Subject) -> f9::Result<Self> {
        let mut state = Self::default();
        let listed = files.list_with("", ListOptions::recursive()).await?;
        let listed: Vec<f9::FileInfo> = listed.try_collect().await?;
        for info in listed {
            let path = info.path.to_string();
            if !info.is_dir() {
                state.files.insert(path, files.read(&info.path).await?);
            } else if info.extra.contains_key("file_id") {
                state.directories.insert(path);
            }
        }
        Ok(state)
    }

    /// Returns the recursive listing.
    pub(crate) fn listing(&self) -> Vec<(String, Option<u64>)> {
        let mut paths: BTreeMap<String, Option<u64>> = BTreeMap::new();
        for path in self.files.keys().chain(&self.directories) {
            let path = FilePath::parse(path).unwrap();
            let above = std::iter::successors(path.parent(), FilePath::parent);
            for directory in above.filter(|directory| !directory.is_root()) {
                paths.insert(format!("{directory}/"), None);
            }
        }
        paths.extend(self.directories.iter().map(|path| (format!("{path}/"), None)));
        paths.extend(
            self.files.iter().map(|(path, bytes)| (path.clone(), Some(bytes.len() as u64))),
        );
        paths
            .into_iter()
            .map(|(path, size)| (path.trim_end_matches('/').to_owned(), size))
            .collect()
    }

    async fn in_memory(&self) -> MemoryFileBackend {
        let memory = MemoryFileBackend::new();
        for path in &self.directories {
            let options = CreateDirOptions::default().with_mode(DirMode::Overwrite);
            memory.create_dir_with(path, options).await.unwrap();
        }
        for (path, bytes) in &self.files {
            memory.create(path, bytes.clone()).await.unwrap();
        }
        memory
    }

    /// Returns the expected result of `step`.
    pub(crate) async fn expect(&self, step: &Step) -> Expected {
        let memory = self.in_memory().await;
        let etag = step.etag(&memory).await;
        let outcome = step.take(&memory, etag).await.map_err(|error| error.kind());
        let mut state = Self::default();
        let listed = memory.list_with("", ListOptions::recursive()).await.unwrap();
        let listed: Vec<_> = listed.map_ok(|info| entry(&info)).try_collect().await.unwrap();
        for (path, size) in listed {
            if size.is_some() {
                let content = memory.read(&path).await.unwrap();
                state.files.insert(path, content);
            } else if self.keeps(&path, step, outcome.is_ok()) {
                state.directories.insert(path);
            }
        }
        Expected { outcome, state }
    }

    /// Whether a directory that exists after `step` was created explicitly and so stays.
    fn keeps(&self, path: &str, step: &Step, is_done: bool) -> bool {
        let canonical = |path: &str| FilePath::parse(path).unwrap().to_string();
        let was_made = self.directories.contains(path);
        match step {
            Step::CreateDir { path: made, .. } if is_done && canonical(made) == path => true,
            Step::Rename { from, to, .. } if is_done => {
                let (from, to) = (canonical(from), canonical(to));
                let came_from =
                    path.strip_prefix(&to).filter(|rest| rest.is_empty() || rest.starts_with('/'));
                let came_along = came_from
                    .is_some_and(|rest| self.directories.contains(&format!("{from}{rest}")));
                came_along || was_made
            }
            _ => was_made,
        }
    }
}
