//! The compiler of glob patterns: it expands the braces and splits each branch into segments.

use ::glob::Pattern;

use crate::core::path::MAX_PATH_BYTES;

/// The limit of alternatives that the braces of one pattern expand to.
const MAX_BRANCHES: usize = 1024;

/// The limit of bytes that the braces of one pattern expand to, summed over all steps of the expansion. Without this limit, a
/// pattern of four kilobytes keeps a core busy for a minute.
const MAX_EXPANDED_BYTES: usize = 1024 * 1024;

/// A segment of a pattern.
#[derive(Clone, Debug)]
pub(super) enum Segment {
    Literal(String),
    Wild(Box<Pattern>),
    /// `**`: any number of names.
    Below,
}

/// Returns the segments of each branch, which is one combination of the alternatives in braces.
pub(super) fn compile(text: &str) -> Result<Vec<Vec<Segment>>, String> {
    if text.len() > MAX_PATH_BYTES {
        return Err(format!(
            "the pattern has {} bytes, at most {MAX_PATH_BYTES} are allowed",
            text.len()
        ));
    }
    if text.contains('\0') {
        return Err("the pattern contains a NUL byte".to_owned());
    }
    expand_braces(text)?.iter().map(|branch| compile_branch(branch)).collect()
}

/// Replaces the first pair of braces by each of its alternatives, until no braces are left.
///
/// This is not recursive, because a pattern can have enough braces to overflow the stack of a thread.
fn expand_braces(text: &str) -> Result<Vec<String>, String> {
    let (mut expanded, mut pending, mut bytes) = (Vec::new(), vec![text.to_owned()], 0);
    while let Some(text) = pending.pop() {
        let Some((open, commas, close)) = first_braces(&text)? else {
            if expanded.len() == MAX_BRANCHES {
                return Err(format!("the braces expand to more than {MAX_BRANCHES} alternatives"));
            }
            expanded.push(text);
            continue;
        };
        let mut to = close;
        // In reverse order, because the last one pushed is popped first.
        for before in commas.into_iter().rev().chain([open]) {
            let branch = [&text[..open], &text[before + 1..to], &text[close + 1..]].concat();
            bytes += branch.len();
            if bytes > MAX_EXPANDED_BYTES {
                return Err(format!("the braces expand to more than {MAX_EXPANDED_BYTES} bytes"));
            }
            pending.push(branch);
            to = before;
        }
    }
    Ok(expanded)
}

type Braces = (usize, Vec<usize>, usize);

/// Finds the first `{`, its commas and its `}`. Skips brackets and nested braces.
fn first_braces(text: &str) -> Result<Option<Braces>, String> {
    let (mut open, mut depth, mut commas) = (0, 0_usize, Vec::new());
    let mut at = 0;
    while let Some(c) = text[at..].chars().next() {
        match c {
            '[' => at = class_end(text, at)?,
            '{' => {
                if depth == 0 {
                    open = at;
                }
                depth += 1;
            }
            ',' if depth == 1 => commas.push(at),
            '}' if depth == 0 => return Err(format!("`}}` at byte {at} has no opening `{{`")),
            '}' => {
                depth -= 1;
                if depth == 0 {
                    return Ok(Some((open, commas, at)));
                }
            }
            _ => {}
        }
        at += text[at..].chars().next().map_or(1, char::len_utf8);
    }
    if depth > 0 { Err(format!("`{{` at byte {open} is not closed")) } else { Ok(None) }
}

/// Returns the offset of the `]` that closes the bracket at `open`. A `]` that comes first is a member.
fn class_end(text: &str, open: usize) -> Result<usize, String> {
    let members = open + if text[open + 1..].starts_with('!') { 2 } else { 1 };
    let first = text[members..].chars().next().map_or(0, char::len_utf8);
    let found = text[members + first..].find(']').map(|at| members + first + at);
    let end = found.ok_or_else(|| format!("`[` at byte {open} is not closed"))?;
    if text[open..end].contains('/') {
        return Err(format!("`[` at byte {open} is not closed before the slash"));
    }
    Ok(end)
}

fn compile_branch(text: &str) -> Result<Vec<Segment>, String> {
    let mut segments: Vec<Segment> = Vec::new();
    for name in text.split('/').filter(|name| !name.is_empty() && *name != ".") {
        if name == ".." {
            return Err("`..` is not accepted".to_owned());
        }
        if name == "**" {
            if !matches!(segments.last(), Some(Segment::Below)) {
                segments.push(Segment::Below);
            }
        } else if name.contains(['*', '?', '[']) {
            let pattern = Pattern::new(&merge_stars(name)?).map_err(|error| error.to_string())?;
            segments.push(Segment::Wild(Box::new(pattern)));
        } else {
            segments.push(Segment::Literal(name.to_owned()));
        }
    }
    Ok(segments)
}

/// Replaces several stars within a name by one, because the `glob` crate refuses them.
fn merge_stars(name: &str) -> Result<String, String> {
    let mut merged = String::with_capacity(name.len());
    let mut at = 0;
    while let Some(c) = name[at..].chars().next() {
        let end = if c == '[' { class_end(name, at)? + 1 } else { at + c.len_utf8() };
        if c != '*' || !merged.ends_with('*') {
            merged.push_str(&name[at..end]);
        }
        at = end;
    }
    Ok(merged)
}
