//! What a file held in some commit.

use bytes::Bytes;

use crate::backends::git::command::Git;
use crate::{Error, ErrorKind, FilePath, Result};

/// The content of the file at `path` in `revision`, any expression of gitrevisions(7) that names a commit or a tree. Of a symbolic
/// link it is the path that it leads to.
///
/// # Errors
///
/// [`InvalidInput`](ErrorKind::InvalidInput) if there is no such revision; [`NotFound`](ErrorKind::NotFound),
/// [`IsADirectory`](ErrorKind::IsADirectory); [`NotAFile`](ErrorKind::NotAFile) for a submodule.
///
/// # Cancel safety
///
/// Dropping the future ends the process and leaves nothing behind.
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
    let asked = [
        format!("{revision}^{{tree}}"),
        format!("{revision}:{parent}"),
        format!("{revision}:{path}"),
    ];
    let [tree, directory, file] = &asked;
    let input = format!("info {tree}\0contents {directory}\0contents {file}\0");
    let output = git.local(["cat-file", "--batch-command", "-z"]).input(input).output().await?;
    if !output.is_success() {
        // Git gives up on an expression that asks for more than its notes hold, such as `main@{9}`.
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

/// Whether git can read `text` as a revision and as nothing else: no option, and no path that follows a colon.
fn is_expression(text: &str) -> bool {
    let is_foreign = |c: char| c == ':' || c.is_whitespace() || c.is_control();
    !text.is_empty() && !text.starts_with('-') && !text.contains(is_foreign)
}

#[derive(Debug, PartialEq, Eq)]
struct Object {
    /// How many bytes an object name has inside a tree.
    id_bytes: usize,
    kind: String,
    content: Bytes,
}

/// Takes the answer about `asked` off the start of `printed`: `<oid> <type> <size>\n`, the content, and `\n`; or `asked missing\n`.
fn reply(printed: &mut Bytes, asked: &str, has_content: bool) -> Result<Option<Object>> {
    let unreadable =
        || Error::new(ErrorKind::Internal).with_message("git printed something else than objects");
    // What was asked may hold line ends.
    let echo = printed.strip_prefix(asked.as_bytes());
    for said in [&b" missing\n"[..], b" ambiguous\n"] {
        if echo.is_some_and(|rest| rest.starts_with(said)) {
            drop(printed.split_to(asked.len() + said.len()));
            return Ok(None);
        }
    }
    let end = printed.iter().position(|&byte| byte == b'\n').ok_or_else(unreadable)?;
    let line = printed.split_to(end + 1);
    let line = std::str::from_utf8(&line[..end]).map_err(|_| unreadable())?;
    let (id, kind, size) = match line.split(' ').collect::<Vec<_>>()[..] {
        [id, kind, size] => (id, kind, size.parse::<usize>().map_err(|_| unreadable())?),
        // A newer git says so of what lies in another repository.
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

/// The mode of the entry `name` in a tree: `<mode> <name>\0<oid>` for each.
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
