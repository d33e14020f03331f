//! Glob patterns: what they mean, and a walk that reads no directory the pattern cannot reach.
//!
//! A pattern is split at `/` and matched segment by segment, so that nothing but `**` ever crosses a slash and a walk knows at
//! each directory whether going on is worth it. One segment is matched by the `glob` crate, character by character; globset
//! matches bytes, so that its `?` does not match `é`, and its `[!x]` matches a slash.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use ::glob::{MatchOptions, Pattern};

use crate::path::MAX_PATH_BYTES;
use crate::{Error, ErrorKind, FilePath, Result};

/// How many alternatives the braces of one pattern may spell out.
const MAX_BRANCHES: usize = 1024;

/// How much text the braces of one pattern may spell out, counted again for each pair that is replaced. Without this bound four
/// kilobytes keep a core busy for a minute.
const MAX_SPELT_BYTES: usize = 1024 * 1024;

/// A compiled glob pattern.
///
/// # Syntax
///
/// | pattern | matches |
/// | --- | --- |
/// | `*` | any text within one name, also the empty one and names that begin with a dot |
/// | `?` | one character |
/// | `[abc]`, `[a-z]` | one of these characters |
/// | `[!abc]` | one character that is none of these |
/// | `{rs,toml}` | one of the alternatives, which may nest and may hold any pattern, also with slashes |
/// | `**/` | any number of directories, also none |
/// | `/**` at the end | everything below |
///
/// Within a name, as in `a**b`, two stars are one. A leading slash means the root, as in a path. Special characters are taken literally inside `[…]`, which is what
/// [`escape`](Self::escape) makes use of; a backslash is a character like any other.
///
/// # Examples
///
/// ```
/// use f9::{FilePath, GlobPattern};
/// let pattern: GlobPattern = "src/**/*.{rs,md}".parse()?;
/// assert!(pattern.matches(&FilePath::parse("src/lib.rs")?));
/// assert!(pattern.matches(&FilePath::parse("src/a/b/c.md")?));
/// assert!(!pattern.matches(&FilePath::parse("tests/lib.rs")?));
/// # Ok::<(), f9::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct GlobPattern {
    text: String,
    branches: Vec<Vec<Segment>>,
}

#[derive(Clone, Debug)]
enum Segment {
    Literal(String),
    Wild(Box<Pattern>),
    /// `**`: any number of names.
    Below,
}

/// How far a walk has matched: the segments, of each branch, that the next name may meet.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Progress(BTreeSet<(usize, usize)>);

impl Progress {
    /// Whether nothing below can match any more.
    pub(crate) fn is_over(&self) -> bool {
        self.0.is_empty()
    }
}

impl GlobPattern {
    /// Compiles `text`.
    ///
    /// # Errors
    ///
    /// [`InvalidPattern`](ErrorKind::InvalidPattern) for an unclosed bracket or brace, a `..` segment, a NUL, more than 4,096
    /// bytes, or braces that spell out more than 1,024 alternatives or a mebibyte of text.
    pub fn parse(text: &str) -> Result<Self> {
        let branches = compile(text).map_err(|reason| {
            let shown = &text[..text.floor_char_boundary(200)];
            Error::new(ErrorKind::InvalidPattern).with_path(shown).with_message(reason)
        })?;
        Ok(Self { text: text.to_owned(), branches })
    }

    /// A pattern that matches `text` and nothing else.
    ///
    /// ```
    /// use f9::{FilePath, GlobPattern};
    /// let pattern = GlobPattern::parse(&GlobPattern::escape("a[1]*.txt"))?;
    /// assert!(pattern.matches(&FilePath::parse("a[1]*.txt")?));
    /// assert!(!pattern.matches(&FilePath::parse("a1.txt")?));
    /// # Ok::<(), f9::Error>(())
    /// ```
    #[must_use]
    pub fn escape(text: &str) -> String {
        let mut escaped = String::with_capacity(text.len());
        for c in text.chars() {
            if matches!(c, '*' | '?' | '[' | ']' | '{' | '}' | ',') {
                escaped.extend(['[', c, ']']);
            } else {
                escaped.push(c);
            }
        }
        escaped
    }

    /// The pattern as it was given.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether the whole of `path` matches. The root matches nothing.
    #[must_use]
    pub fn matches(&self, path: &FilePath) -> bool {
        let mut progress = self.start();
        let mut matched = false;
        for name in path.segments() {
            (matched, progress) = self.advance(&progress, name);
        }
        matched
    }

    /// The deepest directory that everything matching lies below, and whether matches lie deeper than right in it.
    pub(crate) fn base(&self) -> (FilePath, bool) {
        let literal = |branch: &Vec<Segment>| -> Vec<String> {
            let names = branch.iter().map_while(|segment| match segment {
                Segment::Literal(name) => Some(name.clone()),
                _ => None,
            });
            // The last segment names what matches, not a directory on the way to it.
            names.take(branch.len().saturating_sub(1)).collect()
        };
        let mut common: Option<Vec<String>> = None;
        for branch in &self.branches {
            let names = literal(branch);
            common = Some(match common {
                None => names,
                Some(known) => known
                    .into_iter()
                    .zip(names)
                    .take_while(|(a, b)| a == b)
                    .map(|(a, _)| a)
                    .collect(),
            });
        }
        let base = common.unwrap_or_default();
        let deep = self.branches.iter().any(|branch| {
            branch.len() > base.len() + 1 || branch.iter().any(|s| matches!(s, Segment::Below))
        });
        (FilePath::found(base.join("/")), deep)
    }

    /// Where a walk from the root begins.
    pub(crate) fn start(&self) -> Progress {
        let mut progress = Progress::default();
        for branch in 0..self.branches.len() {
            self.reach(&mut progress, branch, 0);
        }
        progress
    }

    /// Meets the next name: whether it completes a match, and what may match below it.
    pub(crate) fn advance(&self, progress: &Progress, name: &str) -> (bool, Progress) {
        let mut matched = false;
        let mut next = Progress::default();
        for &(branch, at) in &progress.0 {
            let segments = &self.branches[branch];
            let met = match &segments[at] {
                Segment::Literal(literal) => literal == name,
                Segment::Wild(pattern) => pattern.matches_with(name, NAME_RULES),
                Segment::Below => {
                    matched |= at + 1 == segments.len();
                    self.reach(&mut next, branch, at);
                    false
                }
            };
            if met {
                matched |= at + 1 == segments.len();
                self.reach(&mut next, branch, at + 1);
            }
        }
        (matched, next)
    }

    /// Whether the next name completes a match.
    #[cfg(feature = "openai")]
    pub(crate) fn meets(&self, progress: &Progress, name: &str) -> bool {
        progress.0.iter().any(|&(branch, at)| {
            let segments = &self.branches[branch];
            at + 1 == segments.len()
                && match &segments[at] {
                    Segment::Literal(literal) => literal == name,
                    Segment::Wild(pattern) => pattern.matches_with(name, NAME_RULES),
                    Segment::Below => true,
                }
        })
    }

    /// The names that can come next, if all of them are known; `None` where the directory must be read.
    pub(crate) fn next_literals(&self, progress: &Progress) -> Option<BTreeSet<&str>> {
        let names = progress.0.iter().map(|&(branch, at)| match &self.branches[branch][at] {
            Segment::Literal(name) => Some(name.as_str()),
            _ => None,
        });
        names.collect()
    }

    fn reach(&self, progress: &mut Progress, branch: usize, at: usize) {
        let segments = &self.branches[branch];
        if at < segments.len() {
            progress.0.insert((branch, at));
            // `**/` may stand for no directory at all.
            if matches!(segments[at], Segment::Below) {
                self.reach(progress, branch, at + 1);
            }
        }
    }
}

const NAME_RULES: MatchOptions = MatchOptions {
    case_sensitive: true,
    require_literal_separator: false,
    require_literal_leading_dot: false,
};

impl fmt::Display for GlobPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.text)
    }
}

impl FromStr for GlobPattern {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        Self::parse(text)
    }
}

fn compile(text: &str) -> Result<Vec<Vec<Segment>>, String> {
    if text.len() > MAX_PATH_BYTES {
        return Err(format!("{} bytes, at most {MAX_PATH_BYTES} are allowed", text.len()));
    }
    if text.contains('\0') {
        return Err("it holds a NUL character".to_owned());
    }
    spell_out(text)?.iter().map(|branch| compile_branch(branch)).collect()
}

/// Replaces the first pair of braces by each of its alternatives, and so on until none is left.
///
/// Not by recursion: a pattern holds enough braces to overflow the stack of a thread.
fn spell_out(text: &str) -> Result<Vec<String>, String> {
    let (mut spelt, mut pending, mut bytes) = (Vec::new(), vec![text.to_owned()], 0);
    while let Some(text) = pending.pop() {
        let Some((open, commas, close)) = first_braces(&text)? else {
            if spelt.len() == MAX_BRANCHES {
                return Err(format!("its braces spell out more than {MAX_BRANCHES} alternatives"));
            }
            spelt.push(text);
            continue;
        };
        let mut to = close;
        // From the last to the first, as the last one pushed is the next one popped.
        for before in commas.into_iter().rev().chain([open]) {
            let branch = [&text[..open], &text[before + 1..to], &text[close + 1..]].concat();
            bytes += branch.len();
            if bytes > MAX_SPELT_BYTES {
                return Err(format!("its braces spell out more than {MAX_SPELT_BYTES} bytes"));
            }
            pending.push(branch);
            to = before;
        }
    }
    Ok(spelt)
}

type Braces = (usize, Vec<usize>, usize);

/// Finds the first `{`, its commas and its `}`, with brackets taken literally and nested braces passed over.
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
            '}' if depth == 0 => return Err(format!("`}}` at byte {at} closes nothing")),
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

/// Where the `]` stands that closes the bracket at `open`; one that comes first is a member.
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

/// Two stars within a name mean what one means; the `glob` crate would refuse them.
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

#[cfg(test)]
mod tests;
