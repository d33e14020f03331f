//! What git prints, taken apart. Everything here is a pure function of bytes; all of it is printed with `-z`, so that a path is
//! exactly the bytes between two NULs.

use std::fmt;
use std::str::FromStr;

use percent_encoding::{AsciiSet, CONTROLS, percent_decode_str, percent_encode};
use serde::{Deserialize, Serialize};

use crate::{Error, ErrorKind, Result};

/// The name of an object: 40 or 64 hexadecimal digits.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub(super) struct Oid(String);

impl Oid {
    pub(super) fn as_str(&self) -> &str {
        &self.0
    }

    /// The name that means that there is no object.
    pub(super) fn is_null(&self) -> bool {
        self.0.bytes().all(|digit| digit == b'0')
    }

    /// The null name of the same length.
    pub(super) fn null(&self) -> Self {
        Self("0".repeat(self.0.len()))
    }
}

impl FromStr for Oid {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let is_name = matches!(text.len(), 40 | 64)
            && text.bytes().all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f'));
        if is_name { Ok(Self(text.to_owned())) } else { Err(unreadable("an object name")) }
    }
}

impl TryFrom<String> for Oid {
    type Error = Error;

    fn try_from(text: String) -> Result<Self> {
        text.parse()
    }
}

impl From<Oid> for String {
    fn from(oid: Oid) -> Self {
        oid.0
    }
}

impl fmt::Display for Oid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// A path in the repository: any bytes but NUL.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub(super) struct RawPath(pub(super) Vec<u8>);

impl AsRef<[u8]> for RawPath {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl RawPath {
    /// As text, with a replacement character for what is none.
    pub(super) fn to_text(&self) -> String {
        String::from_utf8_lossy(&self.0).into_owned()
    }

    /// Whether it is one of the names that f9 keeps for itself, or below.
    pub(super) fn is_own(&self) -> bool {
        let names = self.0.split(|&byte| byte == b'/');
        names.filter_map(|name| std::str::from_utf8(name).ok()).any(crate::is_reserved_name)
    }

    /// Whether it lies in the directory `above`.
    pub(super) fn is_below(&self, above: &Self) -> bool {
        self.0.strip_prefix(above.0.as_slice()).is_some_and(|rest| rest.starts_with(b"/"))
    }

    pub(super) fn as_os(&self) -> &std::ffi::OsStr {
        std::os::unix::ffi::OsStrExt::from_bytes(&self.0)
    }
}

/// What cannot stand for itself where a path is kept as text.
const ENCODED: &AsciiSet = &CONTROLS.add(b'%');

impl From<RawPath> for String {
    fn from(path: RawPath) -> Self {
        percent_encode(&path.0, ENCODED).to_string()
    }
}

impl TryFrom<String> for RawPath {
    type Error = Error;

    fn try_from(text: String) -> Result<Self> {
        Ok(Self(percent_decode_str(&text).collect()))
    }
}

/// The modes of what is no executable in a tree.
pub(super) const FILE: u32 = 0o100_644;
pub(super) const SYMLINK: u32 = 0o120_000;
pub(super) const SUBMODULE: u32 = 0o160_000;

/// One version of a file that takes part in a merge.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub(super) struct Stage {
    pub(super) path: RawPath,
    pub(super) mode: u32,
    pub(super) oid: Oid,
    /// 1 the common ancestor's, 2 ours, 3 theirs.
    pub(super) number: u8,
}

/// What a merge says about some paths.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Message {
    pub(super) paths: Vec<RawPath>,
    /// Such as `CONFLICT (contents)`.
    pub(super) topic: String,
}

/// What `git merge-tree --write-tree -z` found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct MergedTree {
    pub(super) tree: Oid,
    pub(super) stages: Vec<Stage>,
    pub(super) messages: Vec<Message>,
}

/// Reads `git merge-tree --write-tree -z` (git-merge-tree(1), OUTPUT).
pub(super) fn merged_tree(output: &[u8]) -> Result<MergedTree> {
    let mut fields = output.split(|&byte| byte == 0);
    let tree = text(fields.next().unwrap_or_default(), "a tree")?.parse()?;
    let mut stages = Vec::new();
    for field in fields.by_ref().take_while(|field| !field.is_empty()) {
        stages.push(stage(field)?);
    }
    let mut messages = Vec::new();
    // Before 2.40 free text may stand at the end.
    while let Some(count) = fields.next().and_then(number) {
        let paths: Vec<_> =
            fields.by_ref().take(count).map(|path| RawPath(path.to_vec())).collect();
        let (Some(topic), Some(_)) = (fields.next(), fields.next()) else { break };
        messages.push(Message { paths, topic: String::from_utf8_lossy(topic).into_owned() });
    }
    Ok(MergedTree { tree, stages, messages })
}

/// Reads `<mode> <oid> <stage>\t<path>`.
fn stage(field: &[u8]) -> Result<Stage> {
    let (head, path) = split_at(field, b'\t').ok_or_else(|| unreadable("a stage"))?;
    match text(head, "a stage")?.split(' ').collect::<Vec<_>>()[..] {
        [mode, oid, number] => Ok(Stage {
            path: RawPath(path.to_vec()),
            mode: octal(mode)?,
            oid: oid.parse()?,
            number: number.parse().map_err(|_| unreadable("a stage"))?,
        }),
        _ => Err(unreadable("a stage")),
    }
}

/// A file of a tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct TreeEntry {
    pub(super) mode: u32,
    pub(super) oid: Oid,
    pub(super) path: RawPath,
}

/// Reads `git ls-tree -r -z`: `<mode> <type> <oid>\t<path>`.
pub(super) fn tree_entries(output: &[u8]) -> Result<Vec<TreeEntry>> {
    let entry = |field: &[u8]| {
        let (head, path) = split_at(field, b'\t').ok_or_else(|| unreadable("a tree entry"))?;
        match text(head, "a tree entry")?.split(' ').collect::<Vec<_>>()[..] {
            [mode, _, oid] => Ok(TreeEntry {
                mode: octal(mode)?,
                oid: oid.parse()?,
                path: RawPath(path.to_vec()),
            }),
            _ => Err(unreadable("a tree entry")),
        }
    };
    fields(output).map(entry).collect()
}

/// A file that differs between two trees.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Change {
    pub(super) old_mode: u32,
    pub(super) new_mode: u32,
    pub(super) old: Oid,
    pub(super) new: Oid,
    pub(super) path: RawPath,
}

/// Reads `git diff-tree -r -z --raw --no-renames`: `:<mode> <mode> <oid> <oid> <status>\0<path>\0`.
pub(super) fn changes(output: &[u8]) -> Result<Vec<Change>> {
    let mut fields = fields(output);
    let mut changes = Vec::new();
    while let Some(head) = fields.next() {
        let path = fields.next().ok_or_else(|| unreadable("a change"))?;
        let head =
            text(head, "a change")?.strip_prefix(':').ok_or_else(|| unreadable("a change"))?;
        match head.split(' ').collect::<Vec<_>>()[..] {
            [old_mode, new_mode, old, new, _] => changes.push(Change {
                old_mode: octal(old_mode)?,
                new_mode: octal(new_mode)?,
                old: old.parse()?,
                new: new.parse()?,
                path: RawPath(path.to_vec()),
            }),
            _ => return Err(unreadable("a change")),
        }
    }
    Ok(changes)
}

/// Reads paths that each end in NUL.
pub(super) fn paths(output: &[u8]) -> Vec<RawPath> {
    fields(output).map(|path| RawPath(path.to_vec())).collect()
}

/// Reads from `git ls-files -v -z` the files that git was told not to look at: whose letter is small, or an `S`.
pub(super) fn passed_over(output: &[u8]) -> Vec<RawPath> {
    let read = |field: &[u8]| match field {
        [b'a'..=b'z' | b'S', b' ', path @ ..] => Some(RawPath(path.to_vec())),
        _ => None,
    };
    fields(output).filter_map(read).collect()
}

/// Paths as git reads them with `-z`: each ends in NUL.
pub(super) fn listed<P: AsRef<[u8]>>(paths: impl IntoIterator<Item = P>) -> Vec<u8> {
    let mut list = Vec::new();
    for path in paths {
        list.extend_from_slice(path.as_ref());
        list.push(0);
    }
    list
}

/// Reads one object name.
pub(super) fn oid(output: &[u8]) -> Result<Oid> {
    text(output, "an object name")?.trim_end().parse()
}

/// What became of a push.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Pushed {
    /// The remote has it.
    Done,
    /// Somebody else was faster, as this reason tells; worth another try.
    Overtaken(String),
    /// The remote does not want it, for this reason.
    Refused(String),
}

/// Reads `git push --porcelain`: a line `<flag>\t<from>:<to>\t<summary> (<reason>)` for each ref.
pub(super) fn pushed(output: &[u8]) -> Option<Pushed> {
    const OVERTAKEN: [&str; 7] = [
        "fetch first",
        "non-fast-forward",
        "stale info",
        "failed to update ref",
        "cannot lock ref",
        "incorrect old value",
        "failed to lock",
    ];
    let output = String::from_utf8_lossy(output);
    output.lines().find_map(|line| {
        let mut parts = line.split('\t');
        let (flag, _refs, summary) = (parts.next()?, parts.next()?, parts.next()?);
        Some(match flag {
            "!" if OVERTAKEN.iter().any(|sign| summary.contains(sign)) => {
                Pushed::Overtaken(summary.to_owned())
            }
            "!" => Pushed::Refused(summary.to_owned()),
            _ => Pushed::Done,
        })
    })
}

fn fields(output: &[u8]) -> impl Iterator<Item = &[u8]> {
    let output = output.strip_suffix(b"\0").unwrap_or(output);
    output.split(|&byte| byte == 0).filter(move |_| !output.is_empty())
}

fn split_at(bytes: &[u8], separator: u8) -> Option<(&[u8], &[u8])> {
    let at = bytes.iter().position(|&byte| byte == separator)?;
    Some((&bytes[..at], &bytes[at + 1..]))
}

fn text<'a>(bytes: &'a [u8], what: &'static str) -> Result<&'a str> {
    std::str::from_utf8(bytes).map_err(|_| unreadable(what))
}

fn number(field: &[u8]) -> Option<usize> {
    std::str::from_utf8(field).ok()?.parse().ok()
}

fn octal(text: &str) -> Result<u32> {
    u32::from_str_radix(text, 8).map_err(|_| unreadable("a mode"))
}

fn unreadable(what: &str) -> Error {
    Error::new(ErrorKind::Internal).with_message(format!("git printed something else than {what}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: &str = "01e79c32a8c99c557f0757da7cb6d65b3414466d";
    const B: &str = "587be6b4c3f93f93c489c0111bba5596147a26cb";

    fn raw(path: &str) -> RawPath {
        RawPath(path.as_bytes().to_vec())
    }

    fn staged(path: &str, mode: u32, oid: &str, number: u8) -> Stage {
        Stage { path: raw(path), mode, oid: oid.parse().unwrap(), number }
    }

    #[test]
    fn files_that_git_passes_over_are_told_by_their_letter() {
        let output = b"H a\0h b c\0S d\0s e\n\0C f\0";
        assert_eq!(passed_over(output), [raw("b c"), raw("d"), raw("e\n")]);
    }

    #[test]
    fn a_clean_merge_is_a_tree() {
        let merged = merged_tree(format!("{A}\0").as_bytes()).unwrap();
        assert_eq!(merged.tree.as_str(), A);
        assert!(merged.stages.is_empty() && merged.messages.is_empty());
    }

    #[test]
    fn a_merge_with_conflicts_is_stages_and_messages() {
        let output = format!(
            "{A}\x00100644 {A} 1\ta \"b\"\n\x00120000 {B} 3\ta \"b\"\n\0\0\
             1\0a \"b\"\n\0Auto-merging\0Auto-merging a\n\0\
             2\0x~{B}\0x\0CONFLICT (file/directory)\0directory in the way\n\0"
        );
        let merged = merged_tree(output.as_bytes()).unwrap();
        let odd = "a \"b\"\n";
        assert_eq!(merged.stages, [staged(odd, 0o100_644, A, 1), staged(odd, 0o120_000, B, 3)]);
        assert_eq!(merged.messages.len(), 2);
        assert_eq!(merged.messages[1].topic, "CONFLICT (file/directory)");
        assert_eq!(merged.messages[1].paths, [raw(&format!("x~{B}")), raw("x")]);
    }

    #[test]
    fn free_text_among_the_messages_ends_them() {
        let output = format!(
            "{A}\x00160000 {B} 2\ts\0\x001\0s\0CONFLICT (submodule)\0text\n\0Failed to merge submodule s\nhint\0"
        );
        let merged = merged_tree(output.as_bytes()).unwrap();
        assert_eq!(merged.messages.len(), 1);
        assert_eq!(merged.messages[0].topic, "CONFLICT (submodule)");
    }

    #[test]
    fn anything_else_is_an_error_and_no_panic() {
        for output in [
            "",
            "x",
            "fatal: no\0",
            &format!("{A}\x00100644 {A}\tp\0"),
            &format!("{A}\0nonsense\0"),
        ] {
            assert_eq!(
                merged_tree(output.as_bytes()).unwrap_err().kind(),
                ErrorKind::Internal,
                "{output:?}"
            );
        }
        assert_eq!(changes(b":100644\0a\0").unwrap_err().kind(), ErrorKind::Internal);
        assert_eq!(changes(b":100644 100644 x y M\0").unwrap_err().kind(), ErrorKind::Internal);
        assert_eq!(tree_entries(b"100644 blob\tp\0").unwrap_err().kind(), ErrorKind::Internal);
    }

    #[test]
    fn trees_and_changes() {
        let listed =
            tree_entries(format!("100755 blob {A}\td/e\x00160000 commit {B}\ts\0").as_bytes())
                .unwrap();
        assert_eq!(
            listed[0],
            TreeEntry { mode: 0o100_755, oid: A.parse().unwrap(), path: raw("d/e") }
        );
        assert_eq!(listed[1].mode, 0o160_000);
        assert!(tree_entries(b"").unwrap().is_empty());
        let null = "0".repeat(40);
        let output =
            format!(":000000 100644 {null} {A} A\0new\0:100644 000000 {B} {null} D\0old\n\0");
        let found = changes(output.as_bytes()).unwrap();
        assert!(found[0].old.is_null() && !found[0].new.is_null());
        assert_eq!(
            (found[1].old_mode, found[1].new_mode, &found[1].path),
            (0o100_644, 0, &raw("old\n"))
        );
    }

    #[test]
    fn pushes_are_done_overtaken_or_refused() {
        let told = |line: &str| pushed(format!("To /srv/r.git\n{line}\nDone\n").as_bytes());
        let refs = "refs/heads/main:refs/heads/main";
        assert_eq!(told(&format!(" \t{refs}\tabc..def")), Some(Pushed::Done));
        assert_eq!(told(&format!("*\t{refs}\t[new branch]")), Some(Pushed::Done));
        assert_eq!(told(&format!("=\t{refs}\t[up to date]")), Some(Pushed::Done));
        for reason in [
            "[rejected] (fetch first)",
            "[rejected] (non-fast-forward)",
            "[remote rejected] (failed to update ref)",
        ] {
            assert_eq!(
                told(&format!("!\t{refs}\t{reason}")),
                Some(Pushed::Overtaken(reason.to_owned())),
                "{reason}"
            );
        }
        let refused = "[remote rejected] (pre-receive hook declined)";
        assert_eq!(
            told(&format!("!\t{refs}\t{refused}")),
            Some(Pushed::Refused(refused.to_owned()))
        );
        assert_eq!(pushed(b"To /srv/r.git\n"), None);
        assert_eq!(pushed(b""), None);
    }

    #[test]
    fn paths_survive_being_kept_as_text() {
        for path in [&b"plain"[..], b"sp ace/\"q\"\n\t%41", b"caf\xe9", "ü".as_bytes()] {
            let path = RawPath(path.to_vec());
            let json = serde_json::to_string(&path).unwrap();
            assert_eq!(serde_json::from_str::<RawPath>(&json).unwrap(), path);
        }
    }
}
