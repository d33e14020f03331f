//! Twins: different names in one directory of a branch that the file system takes for one name.
//!
//! One of them can be in the working tree. The others give way, with everything below them.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap};

use super::parse::RawPath;
use crate::core::error::Result;
use crate::core::path::is_ignored;

type Paths<'a> = Vec<&'a [u8]>;

/// What is known about a file: whether it is the one in the working tree.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Traces {
    /// 0 for a file that should be in the working tree, more for one that should not.
    pub(super) absence: u8,
    /// When the file last changed, as of git's last look at it; 0 if git has never looked at it.
    pub(super) seen: u64,
}

/// Which paths give way to a twin.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Twins {
    /// Each path that gives way, with the path that takes its name.
    taken: HashMap<Vec<u8>, RawPath>,
}

/// What is known about a path by the traces of its files.
#[derive(Debug)]
struct Known {
    absence: u8,
    first_seen: Option<u64>,
    last_seen: u64,
    is_directory: bool,
}

impl Twins {
    /// Finds the twins among the paths of the files of a branch.
    ///
    /// Of each name, the path that git has written last stays, because git has replaced the others. Directories are not replaced, and the
    /// files of both are in one: the one stays that should be there, or else the one that was there first. If nothing is known, the first
    /// in byte order stays.
    ///
    /// `classes` gets names that are probably one, and returns for each the position of the first name that is the same.
    pub(super) fn find<'a>(
        files: impl IntoIterator<Item = (&'a RawPath, Traces)>,
        mut classes: impl FnMut(&[&[u8]]) -> Result<Vec<usize>>,
    ) -> Result<Self> {
        let mut known: BTreeMap<&[u8], Known> = BTreeMap::new();
        for (file, traces) in files {
            for path in file.parents().chain([&*file.0]) {
                let is_directory = path.len() < file.0.len();
                let known = known.entry(path).or_insert(Known {
                    absence: traces.absence,
                    first_seen: None,
                    last_seen: 0,
                    is_directory,
                });
                known.add(traces);
            }
        }
        let mut similar: HashMap<(&[u8], Vec<u8>), Paths<'_>> = HashMap::new();
        for path in known.keys() {
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
                let Some(stays) = staying(&twins, &known) else { continue };
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

impl Known {
    fn add(&mut self, Traces { absence, seen }: Traces) {
        self.absence = self.absence.min(absence);
        self.last_seen = self.last_seen.max(seen);
        if seen > 0 {
            self.first_seen = Some(self.first_seen.map_or(seen, |first| first.min(seen)));
        }
    }
}

/// Returns the one of `twins`, in byte order, that stays.
fn staying<'a>(twins: &[&'a [u8]], known: &BTreeMap<&[u8], Known>) -> Option<&'a [u8]> {
    let mut twins: Vec<(&'a [u8], &Known)> =
        twins.iter().filter_map(|path| Some((*path, known.get(path)?))).collect();
    if twins.iter().all(|(_, known)| known.is_directory) {
        twins.sort_by_key(|(_, known)| {
            (known.absence, known.first_seen.is_none(), known.first_seen)
        });
    } else if twins.iter().any(|(_, known)| known.last_seen > 0) {
        // Git checks out files in this order, and some file systems have coarse times.
        twins.reverse();
        twins.sort_by_key(|(_, known)| Reverse(known.last_seen));
    } else {
        twins.sort_by_key(|(_, known)| known.absence);
    }
    twins.first().map(|(path, _)| *path)
}

/// Divides a path into its directory and its name.
fn split(path: &[u8]) -> (&[u8], &[u8]) {
    match path.iter().rposition(|&byte| byte == b'/') {
        Some(at) => (&path[..at], &path[at + 1..]),
        None => (&[], path),
    }
}

/// Returns a key that is the same for all names, or paths, which some file system takes for one. Others may have it, too: without the tables
/// of Unicode it is not known how characters are composed, so all that may be another form of something else is left out.
pub(super) fn key(name: &[u8]) -> Vec<u8> {
    let mut key = Vec::with_capacity(name.len());
    // Whether an accent that follows belongs to the last letter of the key.
    let mut is_base = false;
    for character in String::from_utf8_lossy(name).chars() {
        let letters: &[u8] = match character {
            '/' => {
                trim_end(&mut key);
                b"/"
            }
            ' '..='~' => &[character.to_ascii_lowercase() as u8],
            '\u{17f}' => b"s",
            '\u{131}' => b"i",
            '\u{149}' => b"n",
            '\u{1e9a}' => {
                key.push(b'a');
                is_base = false;
                continue;
            }
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
            character => {
                if is_accent(character) && is_base {
                    // With its letter it is the same as one character.
                    key.pop();
                    is_base = false;
                }
                is_base &= !may_have_accent(character);
                continue;
            }
        };
        key.extend_from_slice(letters);
        is_base = true;
    }
    trim_end(&mut key);
    key
}

/// Removes the dots and spaces at the end of a name, which FAT and NTFS ignore.
fn trim_end(key: &mut Vec<u8>) {
    while let Some(b'.' | b' ') = key.last() {
        key.pop();
    }
}

/// Whether a character may be composed with an ASCII character before it. U+0345 becomes a letter when case is ignored.
fn is_accent(character: char) -> bool {
    matches!(character, '\u{300}'..='\u{36f}') && character != '\u{345}' && !is_ignored(character)
}

/// Whether a character that is not ASCII may be, or may contain, the letter of an accent that follows. Between other characters, such as
/// the marks of other scripts, and an accent, some file systems exchange the order, and some ignore them.
fn may_have_accent(character: char) -> bool {
    let is_of_blocks_with_accents = matches!(
        character,
        '\u{80}'..='\u{2ff}'
            | '\u{370}'..='\u{482}'
            | '\u{48a}'..='\u{52f}'
            | '\u{1c80}'..='\u{1c8f}'
            | '\u{1e00}'..='\u{20cf}'
            | '\u{2100}'..='\u{22ff}'
            | '\u{2a00}'..='\u{2aff}'
            | '\u{2c60}'..='\u{2c7f}'
            | '\u{a640}'..='\u{a66e}'
            | '\u{a680}'..='\u{a69d}'
            | '\u{a720}'..='\u{a7ff}'
            | '\u{ab30}'..='\u{ab6f}'
    );
    is_of_blocks_with_accents && !is_ignored(character)
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

    /// Returns the paths that give way. A file should be in the working tree if `!` is before it. Git has seen it at the time before `@`.
    fn giving_way(files: &[&str]) -> Vec<String> {
        let known = |file: &str| {
            let (seen, file) = file.split_once('@').unwrap_or(("0", file));
            let absence = u8::from(!file.starts_with('!'));
            let path = RawPath(file.trim_start_matches('!').into());
            (path, Traces { absence, seen: seen.parse().unwrap() })
        };
        let files: Vec<(RawPath, Traces)> = files.iter().map(|file| known(file)).collect();
        let twins =
            Twins::find(files.iter().map(|(path, traces)| (path, *traces)), classes).unwrap();
        let given = files.iter().filter_map(|(path, _)| Some((path, twins.instead_of(path)?)));
        given.map(|(path, instead)| format!("{} {}", path.to_text(), instead.to_text())).collect()
    }

    #[test]
    fn the_first_twin_that_should_be_there_stays() {
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
    fn the_file_stays_that_git_has_written_last() {
        assert_eq!(giving_way(&["7@!A", "8@a"]), ["A a"]);
        assert_eq!(giving_way(&["8@A", "7@!a"]), ["a A"]);
        assert_eq!(giving_way(&["7@A", "!a"]), ["a A"]);
        assert_eq!(giving_way(&["7@A", "7@a"]), ["A a"]);
        assert_eq!(giving_way(&["7@!A", "8@a/b", "a/c"]), ["A a"]);
    }

    #[test]
    fn the_directory_stays_that_was_there_first() {
        assert_eq!(giving_way(&["8@D/x", "7@d/x"]), ["D/x d"]);
        assert_eq!(giving_way(&["8@D/x", "7@d/x", "9@d/y"]), ["D/x d"]);
        assert_eq!(giving_way(&["8@!D/x", "7@d/x"]), ["d/x D"]);
        assert_eq!(giving_way(&["D/x", "7@d/x"]), ["D/x d"]);
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
            ("a.md", "a.md. ."),
            ("d./x", "d/x "),
            ("\u{149}x", "\u{2bc}nx"),
            ("a\u{149}\u{301}", "a\u{2bc}\u{144}"),
            ("\u{1e9a}", "a\u{2be}"),
            ("\u{1e9a}\u{301}", "a\u{2be}\u{301}"),
            ("\u{131}", "I"),
            ("b\u{1ea1}", "ba\u{323}"),
            // Marks of other scripts, and ignored characters, between a letter and its accent.
            ("a\u{5b0}\u{301}", "\u{e1}\u{5b0}"),
            ("a\u{e38}\u{301}", "\u{e1}\u{e38}"),
            ("a\u{345}\u{301}", "\u{e1}\u{3b9}"),
            ("a\u{345}", "a\u{3b9}"),
            ("a\u{200d}\u{301}", "\u{e1}"),
            ("a\u{34f}\u{301}", "\u{e1}"),
            ("a\u{ad}", "a"),
            // These accents belong to the character before.
            ("a\u{301}\u{323}", "\u{e1}\u{323}"),
            ("ba\u{301}\u{323}", "b\u{e1}\u{323}"),
            ("a\u{26b}\u{301}", "a\u{2c62}\u{301}"),
            ("a\u{3b9}\u{301}", "a\u{3af}"),
        ] {
            assert_eq!(key(one.as_bytes()), key(other.as_bytes()), "{one}");
        }
        assert_ne!(key(b"a.md"), key(b"b.md"));
        assert_ne!(key("\u{4e00}.md".as_bytes()), key("\u{4e00}.txt".as_bytes()));
    }
}
