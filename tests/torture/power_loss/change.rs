//! Random changes of a directory, in the store and in a model of it.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use bytes::Bytes;
use f9::prelude::*;
use f9::{
    CopyOptions, CreateDirOptions, CreateOptions, DeleteOptions, LocalFileBackend, RenameOptions,
    UpdateOptions, WriteOptions,
};
use futures::stream;

use crate::rng::Rng;

/// The entries of a directory: the content of a file, `None` for a directory.
pub(super) type Tree = BTreeMap<String, Option<Bytes>>;

/// Reads the tree below a directory, which may be missing.
pub(super) fn tree(dir: &Path) -> Tree {
    let mut found = Tree::new();
    let mut pending = vec![dir.to_owned()];
    while let Some(current) = pending.pop() {
        for entry in fs::read_dir(current).into_iter().flatten() {
            let path = entry.unwrap().path();
            let name = path.strip_prefix(dir).unwrap().to_str().unwrap().to_owned();
            if path.is_dir() {
                found.insert(name, None);
                pending.push(path);
            } else {
                found.insert(name, Some(fs::read(path).unwrap().into()));
            }
        }
    }
    found
}

/// One change. Paths are relative to the directory of its task.
#[derive(Clone, Debug)]
pub(super) enum Change {
    Create(String, Content),
    Overwrite(String, Content),
    Update(String, Content),
    Append(String, Content),
    StreamWrite(String, Content),
    /// Each of these files is written or not.
    WriteMany(BTreeMap<String, Content>),
    Copy(String, String),
    Rename(String, String),
    Delete(String),
    DeleteTree(String),
    CreateDir(String),
    /// An append to the shared log.
    Record(String),
}

impl Change {
    /// Picks a change that is possible in `tree`.
    pub(super) fn any(tree: &Tree, rng: &mut Rng) -> Self {
        let files = || tree.iter().filter(|(_, content)| content.is_some()).map(|(path, _)| path);
        let dirs = || tree.iter().filter(|(_, content)| content.is_none()).map(|(path, _)| path);
        let (path, to) = (any_file(rng), any_file(rng));
        let (Some(file), Some(dir)) = (rng.pick(files()).cloned(), rng.pick(dirs()).cloned())
        else {
            return Self::Overwrite(path, Content::any(rng, 1000));
        };
        let is_new = !tree.contains_key(&path);
        match rng.below(16) {
            0 | 1 if is_new => Self::Create(path, Content::any(rng, 10_000)),
            2 => Self::Overwrite(path, Content::any(rng, 200_000)),
            3 => Self::Update(file, Content::any(rng, 10_000)),
            4 => Self::Append(file, Content::any(rng, 10_000)),
            5 => Self::StreamWrite(path, Content::any(rng, 3_000_000)),
            6 => Self::Copy(file, to),
            7 => Self::Rename(file, to),
            8 => Self::Rename(dir, format!("moved-{}", rng.below(u64::MAX))),
            9 => Self::Delete(file),
            10 => Self::DeleteTree(dir),
            12 | 13 => {
                let files = 0..2 + rng.below(12);
                Self::WriteMany(files.map(|_| (any_file(rng), Content::any(rng, 20_000))).collect())
            }
            11 => Self::CreateDir(format!("{dir}/made-{}/below", rng.below(u64::MAX))),
            _ => Self::Record(format!("record-{}", rng.below(u64::MAX))),
        }
    }

    /// Makes the change in the model.
    pub(super) fn apply(&self, tree: &mut Tree) {
        match self {
            Self::Create(path, data)
            | Self::Overwrite(path, data)
            | Self::Update(path, data)
            | Self::StreamWrite(path, data) => put(tree, path, Some(data.bytes())),
            Self::WriteMany(files) => {
                for (path, data) in files {
                    put(tree, path, Some(data.bytes()));
                }
            }
            Self::Append(path, data) => {
                let old = tree[path].as_ref().unwrap();
                put(tree, path, Some([&old[..], &data.bytes()].concat().into()));
            }
            Self::Copy(from, to) => put(tree, to, tree[from].clone()),
            Self::Rename(from, to) => {
                let below = format!("{from}/");
                let is_moved = |path: &String| path == from || path.starts_with(&below);
                let moved: Vec<_> = tree.extract_if(.., |path, _| is_moved(path)).collect();
                for (path, content) in moved {
                    put(tree, &path.replacen(from, to, 1), content);
                }
            }
            Self::Delete(path) | Self::DeleteTree(path) => {
                let below = format!("{path}/");
                tree.retain(|kept, _| kept != path && !kept.starts_with(&below));
            }
            Self::CreateDir(path) => put(tree, path, None),
            Self::Record(_) => {}
        }
    }

    /// Makes the change in the store.
    pub(super) async fn perform(&self, backend: &LocalFileBackend, dir: &str) -> f9::Result<()> {
        let at = |path: &String| format!("{dir}/{path}");
        match self.clone() {
            Self::Create(path, data) => drop(backend.create(&at(&path), data.bytes()).await?),
            Self::Overwrite(path, data) => {
                drop(
                    backend
                        .create_with(&at(&path), data.bytes(), CreateOptions::overwrite())
                        .await?,
                );
            }
            Self::Update(path, data) => drop(backend.update(&at(&path), data.bytes()).await?),
            Self::Append(path, data) => {
                drop(backend.update_with(&at(&path), data.bytes(), UpdateOptions::append()).await?);
            }
            Self::StreamWrite(path, data) => {
                let pieces: Vec<_> =
                    data.bytes().chunks(100_000).map(Bytes::copy_from_slice).collect();
                let source = stream::iter(pieces.into_iter().map(Ok));
                let options = WriteOptions::overwrite();
                drop(backend.stream_write_with(&at(&path), Box::pin(source), options).await?);
            }
            Self::WriteMany(files) => {
                let files = files.into_iter().map(|(path, data)| (at(&path), data.bytes()));
                for written in backend.write_many(files).await? {
                    written?;
                }
            }
            Self::Copy(from, to) => {
                drop(backend.copy_with(&at(&from), &at(&to), CopyOptions::overwrite()).await?);
            }
            Self::Rename(from, to) => {
                drop(backend.rename_with(&at(&from), &at(&to), RenameOptions::overwrite()).await?);
            }
            Self::Delete(path) => backend.delete(&at(&path)).await?,
            Self::DeleteTree(path) => {
                backend.delete_with(&at(&path), DeleteOptions::recursive()).await?;
            }
            Self::CreateDir(path) => {
                backend.create_dir_with(&at(&path), CreateDirOptions::default()).await?;
            }
            Self::Record(record) => {
                let record = format!("{record}\n");
                drop(backend.update_with("log", record, UpdateOptions::append()).await?);
            }
        }
        Ok(())
    }
}

fn put(tree: &mut Tree, path: &str, content: Option<Bytes>) {
    for (at, _) in path.match_indices('/') {
        tree.insert(path[..at].to_owned(), None);
    }
    tree.insert(path.to_owned(), content);
}

/// Returns a path with up to three parent directories. There are few names, so that paths repeat.
fn any_file(rng: &mut Rng) -> String {
    let dirs: String = (0..rng.below(4)).map(|_| format!("dir-{}/", rng.below(3))).collect();
    format!("{dirs}file-{}", rng.below(4))
}

/// A content with a unique mark.
#[derive(Clone, Copy, Debug)]
pub(super) struct Content {
    mark: u64,
    size: u64,
}

impl Content {
    fn any(rng: &mut Rng, max_size: u64) -> Self {
        Self { mark: rng.below(u64::MAX), size: 1 + rng.below(max_size) }
    }

    fn bytes(self) -> Bytes {
        let size = usize::try_from(self.size).unwrap();
        self.mark.to_le_bytes().repeat(size.div_ceil(8))[..size].to_vec().into()
    }
}
