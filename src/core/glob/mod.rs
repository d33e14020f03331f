//! Glob patterns, and the state of a walk that skips directories without matches.
//!
//! A pattern is split at `/` and matched segment by segment. So only `**` matches a slash, and a walk knows at each directory
//! whether anything below can match. The `glob` crate matches a segment character by character. globset matches bytes: its `?`
//! does not match `é`, and its `[!x]` matches a slash.

use std::collections::BTreeSet;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::str::FromStr;

use ::glob::MatchOptions;
use serde::{Deserialize, Serialize};

use crate::core::error::{Error, ErrorKind, Result};
use crate::core::path::FilePath;

mod compile;
#[cfg(test)]
mod tests;

use compile::{Segment, compile};

/// A compiled glob pattern.
///
/// # Syntax
///
/// | pattern | matches |
/// | --- | --- |
/// | `*` | any text within a name, including the empty text and a leading dot |
/// | `?` | one character |
/// | `[abc]`, `[a-z]` | one of these characters |
/// | `[!abc]` | one character except these |
/// | `{rs,toml}` | one of the alternatives, which may nest and may contain any pattern, including slashes |
/// | `**/` | any number of directories, including none |
/// | `/**` at the end | all entries below |
/// | `/` at the end | only directories |
///
/// Within a name, two stars mean the same as one, as in `a**b`. A leading slash means the root, as in a path. Special characters
/// are literal inside `[…]`, which [`escape`](Self::escape) uses. A backslash has no special meaning.
///
/// Two patterns are equal if their texts are. In JSON a pattern is its text.
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
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct GlobPattern {
    text: String,
    branches: Vec<Vec<Segment>>,
}

/// The state of a walk: the segments of each branch that the next name can match, as pairs of branch and segment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Progress(BTreeSet<(usize, usize)>);

impl Progress {
    /// Whether nothing below can match.
    pub(crate) fn is_over(&self) -> bool {
        self.0.is_empty()
    }
}

impl GlobPattern {
    /// Compiles `text`.
    ///
    /// # Errors
    ///
    /// [`InvalidPattern`](ErrorKind::InvalidPattern) for an unclosed bracket or brace, a `..` segment, a NUL byte, more than
    /// 4,096 bytes, or braces that expand to more than 1,024 alternatives or a mebibyte of text.
    pub fn parse(text: &str) -> Result<Self> {
        let branches = compile(text).map_err(|reason| {
            let shown = &text[..text.floor_char_boundary(200)];
            Error::new(ErrorKind::InvalidPattern).with_subject(shown).with_message(reason)
        })?;
        Ok(Self { text: text.to_owned(), branches })
    }

    /// Returns a pattern that matches only `text`.
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

    /// Returns the text of the pattern.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether the whole `path` matches. The root never matches. What is at the path does not matter, so the pattern `a/` matches `a`.
    #[must_use]
    pub fn matches(&self, path: &FilePath) -> bool {
        let mut progress = self.start();
        let mut matched = false;
        for name in path.segments() {
            (matched, progress) = self.advance(&progress, name);
        }
        matched
    }

    /// Whether an entry with a matching path is one that the pattern is for.
    pub(crate) fn is_for(&self, is_dir: bool) -> bool {
        is_dir || !self.text.ends_with('/')
    }

    /// Returns the deepest directory that contains all matches, and whether its subdirectories can contain matches too.
    pub(crate) fn base(&self) -> (FilePath, bool) {
        let literal = |branch: &Vec<Segment>| -> Vec<String> {
            let names = branch.iter().map_while(|segment| match segment {
                Segment::Literal(name) => Some(name.clone()),
                _ => None,
            });
            // The last segment is the name of the match, not of a directory above it.
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

    /// Returns the state of a walk at the root.
    pub(crate) fn start(&self) -> Progress {
        let mut progress = Progress::default();
        for branch in 0..self.branches.len() {
            self.reach(&mut progress, branch, 0);
        }
        progress
    }

    /// Returns whether the next name completes a match, and the state of the walk below it.
    pub(crate) fn advance(&self, progress: &Progress, name: &str) -> (bool, Progress) {
        let mut matched = false;
        let mut next = Progress::default();
        for &(branch, at) in &progress.0 {
            let segments = &self.branches[branch];
            let is_match = match &segments[at] {
                Segment::Literal(literal) => literal == name,
                Segment::Wild(pattern) => pattern.matches_with(name, NAME_RULES),
                Segment::Below => {
                    matched |= at + 1 == segments.len();
                    self.reach(&mut next, branch, at);
                    false
                }
            };
            if is_match {
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

    /// Returns all names that can match next. `None` if the pattern does not list them, so that the directory must be read.
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
            // `**/` also matches no directory.
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

impl PartialEq for GlobPattern {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for GlobPattern {}

impl Hash for GlobPattern {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.text.hash(state);
    }
}

impl TryFrom<String> for GlobPattern {
    type Error = Error;

    fn try_from(text: String) -> Result<Self> {
        Self::parse(&text)
    }
}

impl From<GlobPattern> for String {
    fn from(pattern: GlobPattern) -> Self {
        pattern.text
    }
}

impl FromStr for GlobPattern {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        Self::parse(text)
    }
}
