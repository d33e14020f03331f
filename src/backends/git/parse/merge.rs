//! The output of a merge of two trees.

use serde::{Deserialize, Serialize};

use super::fields::{number, octal, split_at, text, unexpected};
use super::oid::Oid;
use super::raw_path::RawPath;
use crate::core::error::Result;

/// One version of a file in a merge.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub(in crate::backends::git) struct Stage {
    pub(in crate::backends::git) path: RawPath,
    pub(in crate::backends::git) mode: u32,
    pub(in crate::backends::git) oid: Oid,
    /// 1 for the common ancestor, 2 for ours, 3 for theirs.
    pub(in crate::backends::git) number: u8,
}

/// A message of a merge about some paths.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::backends::git) struct Message {
    pub(in crate::backends::git) paths: Vec<RawPath>,
    /// For example `CONFLICT (contents)`.
    pub(in crate::backends::git) topic: String,
}

/// The result of `git merge-tree --write-tree -z`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::backends::git) struct MergedTree {
    pub(in crate::backends::git) tree: Oid,
    pub(in crate::backends::git) stages: Vec<Stage>,
    pub(in crate::backends::git) messages: Vec<Message>,
}

/// Parses the output of `git merge-tree --write-tree -z` (git-merge-tree(1), OUTPUT).
pub(in crate::backends::git) fn merged_tree(output: &[u8]) -> Result<MergedTree> {
    let mut fields = output.split(|&byte| byte == 0);
    let tree = text(fields.next().unwrap_or_default(), "a tree")?.parse()?;
    let mut stages = Vec::new();
    for field in fields.by_ref().take_while(|field| !field.is_empty()) {
        stages.push(stage(field)?);
    }
    let mut messages = Vec::new();
    // Before 2.40 free text may follow.
    while let Some(count) = fields.next().and_then(number) {
        let paths: Vec<_> =
            fields.by_ref().take(count).map(|path| RawPath(path.to_vec())).collect();
        let (Some(topic), Some(_)) = (fields.next(), fields.next()) else { break };
        messages.push(Message { paths, topic: String::from_utf8_lossy(topic).into_owned() });
    }
    Ok(MergedTree { tree, stages, messages })
}

/// Parses `<mode> <oid> <stage>\t<path>`.
pub(super) fn stage(field: &[u8]) -> Result<Stage> {
    let (head, path) = split_at(field, b'\t').ok_or_else(|| unexpected("a stage"))?;
    match text(head, "a stage")?.split(' ').collect::<Vec<_>>()[..] {
        [mode, oid, number] => Ok(Stage {
            path: RawPath(path.to_vec()),
            mode: octal(mode)?,
            oid: oid.parse()?,
            number: number.parse().map_err(|_| unexpected("a stage"))?,
        }),
        _ => Err(unexpected("a stage")),
    }
}
