//! Reads files of earlier commits.

use bytes::Bytes;

use crate::backends::git::command::Git;
use crate::core::error::{Error, ErrorKind, Result};
use crate::core::path::FilePath;

/// Returns the content of the file at `path` in `revision`, an expression of gitrevisions(7) for a commit or a tree. The content of a
/// symbolic link is its target.
///
/// # Errors
///
/// [`InvalidInput`](ErrorKind::InvalidInput) if there is no such revision; [`NotFound`](ErrorKind::NotFound) or
/// [`IsADirectory`](ErrorKind::IsADirectory) if there is no file; [`NotAFile`](ErrorKind::NotAFile) for a submodule.
///
/// # Cancel safety
///
/// Dropping the future ends the process.
pub(in crate::backends::git) async fn read_at(
    git: &Git,
    path: &FilePath,
    revision: &str,
) -> Result<Bytes> {
    let refused = || {
        Error::new(ErrorKind::InvalidInput)
            .with_message(format!("no revision {revision:?}"))
            .with_path(path.as_str())
    };
    let failed = |kind| Error::new(kind).with_path(path.as_str());
    if !is_expression(revision) {
        return Err(refused());
    }
    let parent = path.parent().unwrap_or_default();
    let requests = [
        format!("{revision}^{{tree}}"),
        format!("{revision}:{parent}"),
        format!("{revision}:{path}"),
    ];
    let [tree, directory, file] = &requests;
    let input = format!("info {tree}\0contents {directory}\0contents {file}\0");
    let output = git.local(["cat-file", "--batch-command", "-z"]).input(input).output().await?;
    if !output.is_success() {
        // Git exits with an error if the reflog is too short for the expression, such as `main@{9}`.
        let error = output.error();
        return Err(if error.kind() == ErrorKind::Io { refused() } else { error });
    }
    let mut printed = output.stdout;
    if reply(&mut printed, tree, false)?.is_none() {
        return Err(refused());
    }
    let Some(name) = path.name() else { return Err(failed(ErrorKind::IsADirectory)) };
    let directory = reply(&mut printed, directory, true)?.filter(|found| found.kind == "tree");
    let directory = directory.ok_or_else(|| failed(ErrorKind::NotFound))?;
    match mode(&directory, name.as_bytes()) {
        None => Err(failed(ErrorKind::NotFound)),
        Some(b"40000") => Err(failed(ErrorKind::IsADirectory)),
        Some(b"160000") => Err(failed(ErrorKind::NotAFile)),
        Some(_) => match reply(&mut printed, file, true)? {
            Some(found) => Ok(found.content),
            None => Err(failed(ErrorKind::Corrupted)),
        },
    }
}

/// Whether git reads `text` as a revision: not as an option, and without a path after a colon.
fn is_expression(text: &str) -> bool {
    let is_invalid = |c: char| c == ':' || c.is_whitespace() || c.is_control();
    !text.is_empty() && !text.starts_with('-') && !text.contains(is_invalid)
}

#[derive(Debug, PartialEq, Eq)]
struct Object {
    /// The length of an object id inside a tree.
    id_bytes: usize,
    kind: String,
    content: Bytes,
}

/// Takes the reply to `request` from the start of `printed`: `<oid> <type> <size>\n`, the content, and `\n`; or `<request> missing\n`.
fn reply(printed: &mut Bytes, request: &str, has_content: bool) -> Result<Option<Object>> {
    let unreadable =
        || Error::new(ErrorKind::Internal).with_message("unexpected output of `git cat-file`");
    // The request may contain line breaks, so it is compared as a whole.
    let echo = printed.strip_prefix(request.as_bytes());
    for status in [&b" missing\n"[..], b" ambiguous\n"] {
        if echo.is_some_and(|rest| rest.starts_with(status)) {
            drop(printed.split_to(request.len() + status.len()));
            return Ok(None);
        }
    }
    let end = printed.iter().position(|&byte| byte == b'\n').ok_or_else(unreadable)?;
    let line = printed.split_to(end + 1);
    let line = std::str::from_utf8(&line[..end]).map_err(|_| unreadable())?;
    let (id, kind, size) = match line.split(' ').collect::<Vec<_>>()[..] {
        [id, kind, size] => (id, kind, size.parse::<usize>().map_err(|_| unreadable())?),
        // A newer git reports a path in a submodule like this.
        [_, "submodule"] => return Ok(None),
        _ => return Err(unreadable()),
    };
    let size = if has_content { size } else { 0 };
    if has_content && printed.len() <= size {
        return Err(unreadable());
    }
    let content = printed.split_to(size);
    if has_content {
        drop(printed.split_to(1));
    }
    Ok(Some(Object { id_bytes: id.len() / 2, kind: kind.to_owned(), content }))
}

/// Returns the mode of the entry `name` in a tree, whose entries are `<mode> <name>\0<oid>`.
fn mode<'a>(tree: &'a Object, name: &[u8]) -> Option<&'a [u8]> {
    let mut rest = &tree.content[..];
    loop {
        let end = rest.iter().position(|&byte| byte == 0)?;
        let space = rest[..end].iter().position(|&byte| byte == b' ')?;
        if &rest[space + 1..end] == name {
            return Some(&rest[..space]);
        }
        rest = rest.get(end + 1 + tree.id_bytes..)?;
    }
}
