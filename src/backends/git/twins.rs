//! Twins: different names in one directory of a branch that the file system takes for one name.
//!
//! One of them can be in the working tree. The others give way, with everything below them.

use std::collections::{BTreeMap, HashMap};

use super::parse::RawPath;
use crate::core::error::Result;

type Paths<'a> = Vec<&'a [u8]>;

/// Which paths give way to a twin.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Twins {
    /// Each path that gives way, with the path that takes its name.
    taken: HashMap<Vec<u8>, RawPath>,
}

impl Twins {
    /// Finds the twins among the paths of the files of a branch, each with its rank. Of each name, the path with the lowest rank stays, of
    /// the same rank the first in byte order. A directory has the lowest rank of its files.
    ///
    /// `classes` gets names that are probably one, and returns for each the position of the first name that is the same.
    pub(super) fn find<'a>(
        files: impl IntoIterator<Item = (&'a RawPath, u8)>,
        mut classes: impl FnMut(&[&[u8]]) -> Result<Vec<usize>>,
    ) -> Result<Self> {
        let mut ranks: BTreeMap<&[u8], u8> = BTreeMap::new();
        for (file, rank) in files {
            for path in file.parents().chain([&*file.0]) {
                let lowest = ranks.entry(path).or_insert(rank);
                *lowest = rank.min(*lowest);
            }
        }
        let mut similar: HashMap<(&[u8], Vec<u8>), Paths<'_>> = HashMap::new();
        for path in ranks.keys() {
            let (directory, name) = split(path);
            similar.entry((directory, key(name))).or_default().push(path);
        }
        let mut taken = HashMap::new();
        for paths in similar.into_values().filter(|paths| paths.len() > 1) {
            let names: Vec<&[u8]> = paths.iter().map(|path| split(path).1).collect();
            let mut same: BTreeMap<usize, Paths<'_>> = BTreeMap::new();
            for (class, path) in classes(&names)?.into_iter().zip(paths) {
                same.entry(class).or_default().push(path);
            }
            for twins in same.into_values() {
                let Some(&stays) = twins.iter().min_by_key(|path| ranks[*path]) else { continue };
                let others = twins.iter().filter(|path| **path != stays);
                taken.extend(others.map(|path| (path.to_vec(), RawPath(stays.to_vec()))));
            }
        }
        Ok(Self { taken })
    }

    /// Returns the path to which `path`, or a directory above it, gives way.
    pub(super) fn instead_of(&self, path: &RawPath) -> Option<&RawPath> {
        if self.taken.is_empty() {
            return None;
        }
        path.parents().chain([&*path.0]).find_map(|path| self.taken.get(path))
    }
}

/// Divides a path into its directory and its name.
fn split(path: &[u8]) -> (&[u8], &[u8]) {
    match path.iter().rposition(|&byte| byte == b'/') {
        Some(at) => (&path[..at], &path[at + 1..]),
        None => (&[], path),
    }
}

/// Returns a key that is the same for all names which some file system takes for one. Other names may have it, too: without the tables of
/// Unicode it is not known how characters are composed, so all that may be another form of something else is left out.
pub(super) fn key(name: &[u8]) -> Vec<u8> {
    let mut key = Vec::with_capacity(name.len());
    // Whether an accent that follows belongs to the last letter of the key.
    let mut is_base = false;
    for character in String::from_utf8_lossy(name).chars() {
        let letters: &[u8] = match character {
            ' '..='~' => &[character.to_ascii_lowercase() as u8],
            '\u{300}'..='\u{36f}' => {
                // With its letter it is the same as one character.
                if is_base {
                    key.pop();
                }
                &[]
            }
            '\u{17f}' => b"s",
            '\u{212a}' => b"k",
            '\u{37e}' => b";",
            '\u{1fef}' => b"`",
            '\u{df}' | '\u{1e9e}' => b"ss",
            '\u{fb00}' => b"ff",
            '\u{fb01}' => b"fi",
            '\u{fb02}' => b"fl",
            '\u{fb03}' => b"ffi",
            '\u{fb04}' => b"ffl",
            '\u{fb05}' | '\u{fb06}' => b"st",
            _ => &[],
        };
        key.extend_from_slice(letters);
        is_base = !letters.is_empty();
    }
    key
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The names of a file system that ignores case and composes `é`.
    fn folded(name: &[u8]) -> String {
        String::from_utf8(name.to_vec()).unwrap().to_lowercase().replace("e\u{301}", "\u{e9}")
    }

    fn classes(names: &[&[u8]]) -> Result<Vec<usize>> {
        let same = |name: &[u8]| names.iter().position(|first| folded(first) == folded(name));
        Ok(names.iter().map(|name| same(name).unwrap()).collect())
    }

    /// Returns the paths that give way. The rank of a path is lower if `!` is before it.
    fn giving_way(files: &[&str]) -> Vec<String> {
        let rank = |file: &str| u8::from(!file.starts_with('!'));
        let path = |file: &str| RawPath(file.trim_start_matches('!').into());
        let files: Vec<(RawPath, u8)> = files.iter().map(|file| (path(file), rank(file))).collect();
        let twins = Twins::find(files.iter().map(|(path, rank)| (path, *rank)), classes).unwrap();
        let given = files.iter().filter_map(|(path, _)| Some((path, twins.instead_of(path)?)));
        given.map(|(path, instead)| format!("{} {}", path.to_text(), instead.to_text())).collect()
    }

    #[test]
    fn the_first_twin_of_the_lowest_rank_stays() {
        let none: [&str; 0] = [];
        assert_eq!(giving_way(&["A", "a/b", "b/a"]), ["a/b A"]);
        assert_eq!(giving_way(&["A", "b", "b1", "a1"]), none);
        assert_eq!(giving_way(&["A", "a"]), ["a A"]);
        assert_eq!(giving_way(&["A", "!a"]), ["A a"]);
        assert_eq!(giving_way(&["!A", "!a"]), ["a A"]);
        assert_eq!(giving_way(&["AB", "Ab", "!aB", "ab"]), ["AB aB", "Ab aB", "ab aB"]);
        assert_eq!(giving_way(&["d/x/A", "d/y/a", "d/x/a"]), ["d/x/a d/x/A"]);
    }

    #[test]
    fn a_directory_gives_way_with_all_that_is_in_it() {
        assert_eq!(giving_way(&["DIR/y", "dir/x", "dir/d/z"]), ["dir/x DIR", "dir/d/z DIR"]);
        assert_eq!(giving_way(&["DIR/y", "dir/x", "!dir/d/z"]), ["DIR/y dir"]);
        assert_eq!(giving_way(&["a/b", "A"]), ["a/b A"]);
        assert_eq!(giving_way(&["!a/b", "A"]), ["A a"]);
        // Each of them is the first of its own directory.
        assert_eq!(giving_way(&["D/A", "d/a", "d/A"]), ["d/a D", "d/A D"]);
    }

    #[test]
    fn composed_characters_and_their_parts_may_be_one_name() {
        assert_eq!(giving_way(&["e\u{301}", "\u{e9}"]), ["\u{e9} e\u{301}"]);
        assert_eq!(giving_way(&["xe\u{301}y", "x\u{c9}Y", "xey"]), ["x\u{c9}Y xe\u{301}y"]);
        for (one, other) in [
            ("\u{212a}elvin", "kelvin"),
            ("\u{e4}\u{f6}", "A\u{308}O\u{308}"),
            ("stra\u{df}e", "STRASSE"),
            ("\u{fb03}", "FFI"),
            ("xC\u{327}\u{301}", "x\u{1e09}"),
            ("xC\u{327}\u{301}", "x\u{c7}\u{301}"),
            ("\u{ac00}", "\u{1100}\u{1161}"),
            ("\u{439}", "\u{418}\u{306}"),
        ] {
            assert_eq!(key(one.as_bytes()), key(other.as_bytes()), "{one}");
        }
        assert_ne!(key(b"a.md"), key(b"b.md"));
        assert_ne!(key("\u{4e00}.md".as_bytes()), key("\u{4e00}.txt".as_bytes()));
    }
}
