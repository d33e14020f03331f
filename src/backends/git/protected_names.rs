//! The names that git protects.
//!
//! With `core.protectNTFS` and `core.protectHFS`, git's `verify_path` refuses every name that may be `.git` on some file system. No commit
//! can hold such a name. In a working tree it is the repository itself, or something that does not belong there.
//!
//! Git knows the invisible characters that HFS+ ignores. Other file systems that ignore case, such as ext4 with `casefold`, ignore more of
//! them, so f9 protects these names too.

use crate::core::path::is_ignored;

/// Reports whether `name`, as a segment of a path, may be `.git` on any system.
pub(crate) fn is_protected(name: &[u8]) -> bool {
    is_git_with_invisible_characters(name) || is_git_on_ntfs(name) || is_git_behind_backslash(name)
}

/// On NTFS `.git` is also `git~1`, trailing dots and spaces are dropped, and a colon begins the name of a stream. On Windows a backslash
/// ends a segment.
fn is_git_on_ntfs(name: &[u8]) -> bool {
    let Some(rest) = strip_prefix(name, b".git").or_else(|| strip_prefix(name, b"git~1")) else {
        return false;
    };
    let end = rest.iter().find(|byte| !matches!(byte, b'.' | b' '));
    matches!(end, None | Some(b':' | b'\\'))
}

/// Strips `prefix`, ignoring case.
fn strip_prefix<'a>(name: &'a [u8], prefix: &[u8]) -> Option<&'a [u8]> {
    let (start, rest) = name.split_at_checked(prefix.len())?;
    start.eq_ignore_ascii_case(prefix).then_some(rest)
}

/// On Windows the text after a backslash is a segment. Git ignores a backslash that begins the name.
fn is_git_behind_backslash(name: &[u8]) -> bool {
    let backslashes = (1..name.len()).filter(|&at| name[at] == b'\\');
    backslashes.map(|at| &name[at + 1..]).any(is_git_on_ntfs)
}

/// For git a name ends where HFS+ could not go on: at bytes that are not UTF-8, and at two characters that are none.
fn is_git_with_invisible_characters(name: &[u8]) -> bool {
    let valid = name.utf8_chunks().next().map_or("", |chunk| chunk.valid());
    let characters = valid.chars().take_while(|c| !matches!(c, '\u{fffe}' | '\u{ffff}'));
    let compared = characters.filter(|c| !is_ignored(*c));
    compared.map(|c| c.to_ascii_lowercase()).eq(".git".chars())
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;
    use std::path::Path;
    use std::process::{Command, Stdio};

    use super::*;

    const EMPTY_BLOB: &str = "e69de29bb2d1d6434b8b29ae775ad8c2e48c5391";

    fn git(repository: &Path) -> Command {
        let mut git = Command::new("git");
        for (name, _) in std::env::vars_os() {
            if name.as_encoded_bytes().starts_with(b"GIT_") {
                git.env_remove(name);
            }
        }
        git.current_dir(repository).env("LC_ALL", "C").env("HOME", repository);
        git.env("GIT_CONFIG_NOSYSTEM", "1").env("GIT_CONFIG_GLOBAL", "/dev/null");
        git.args(["-c", "core.protectNTFS=true", "-c", "core.protectHFS=true"]);
        git
    }

    /// Reports whether git refuses to add a file of this name.
    fn git_refuses(repository: &Path, name: &[u8]) -> bool {
        let mut add = git(repository);
        add.args(["update-index", "-z", "--index-info"]).stdin(Stdio::piped());
        let mut add = add.stderr(Stdio::piped()).spawn().unwrap();
        let entry = [format!("100644 {EMPTY_BLOB}\t").as_bytes(), name, b"\0"].concat();
        add.stdin.take().unwrap().write_all(&entry).unwrap();
        let added = add.wait_with_output().unwrap();
        let stderr = String::from_utf8_lossy(&added.stderr);
        assert!(added.status.success(), "{name:?}: {stderr}");
        stderr.contains("Ignoring path")
    }

    /// Names separated by commas, most of them valid ones that are close to `.git`.
    const LITERAL: &str = ".gitx,.git x,.gitignore,.gitmodules,git~2,git~10,git~,git,gi,.gi,...,.g\u{131}t,\u{ff0e}git,\
        .git\u{e9},gi\u{e9}~1,GITMOD~1,.git_,~1,a,a\\b,\\,x:,:.git,a\\,.\\git,a\\b\\.git,a\\\\git~1,\\a\\.git,\
        \\\\\\.GIT,a\\\u{200c}.git";
    const STARTS: &str = "a\\,\\,\\\\,a/,x:,x:\\, ,.,\u{feff}";
    const ENDS: &str =
        ",., ,. . .,:,:x,::$INDEX_ALLOCATION,\\,\\x,. :x, \\x, x,\t,~1,.x,\u{200c},\u{a0}";

    /// The first and last characters of the ranges that HFS+ ignores, and their neighbours.
    const EDGES: &str = "\u{200b}\u{200c}\u{200f}\u{2010}\u{2029}\u{202a}\u{202e}\u{202f}\
        \u{2069}\u{206a}\u{206f}\u{2070}\u{fefe}\u{feff}\u{ff00}";

    /// Bytes that are not UTF-8, and characters that are none or close to that.
    const MALFORMED: [&[u8]; 9] = [
        b"\xff",
        b"\xffx",
        b"\xc3",
        b"\xe2\x80",
        b"\xed\xa0\x80",
        b"\xf4\x90\x80\x80",
        b"\xef\xbf\xbe",
        b"\xef\xbf\xbfx",
        b"\xef\xbf\xbd",
    ];

    fn malformed_names() -> Vec<Vec<u8>> {
        let mut names = Vec::new();
        for bytes in MALFORMED {
            for name in [".git", ".GIT", "git~1", ".gi", "x\\.git", ".git\u{200c}"] {
                for end in ["", ":x", "x"] {
                    let (name, end) = (name.as_bytes(), end.as_bytes());
                    names.push([name, bytes, end].concat());
                    names.push([bytes, name, end].concat());
                    names.push([name, end, bytes].concat());
                }
            }
        }
        names
    }

    fn names() -> Vec<String> {
        let mut names: Vec<String> = LITERAL.split(',').map(str::to_owned).collect();
        for git in [".git", ".GIT", ".gIt", "git~1", "Git~1"] {
            names.extend(ENDS.split(',').map(|end| format!("{git}{end}")));
            names.extend(STARTS.split(',').map(|start| format!("{start}{git}")));
        }
        names.extend(EDGES.chars().map(|c| format!(".g{c}It")));
        names.extend((0..5).map(|at| {
            let (start, end) = ".git".split_at(at);
            format!("{start}\u{202c}\u{206b}{end}")
        }));
        names
    }

    #[test]
    fn names_are_protected_that_git_refuses_or_that_have_other_invisible_characters() {
        let dir = tempfile::tempdir().unwrap();
        assert!(git(dir.path()).args(["init", "-q"]).status().unwrap().success());
        let names = names();
        assert!(names.len() > 150 && names.iter().all(|name| !name.is_empty()));
        let invisible =
            ["\u{ad}", "\u{34f}", "\u{200b}", "\u{2060}", "\u{2069}", "\u{fe0f}", "\u{e0001}"];
        for name in &names {
            let ours = name.split('/').any(|name| is_protected(name.as_bytes()));
            let is_beyond_git = ours && invisible.iter().any(|c| name.contains(c));
            assert_eq!(
                ours && !is_beyond_git,
                git_refuses(dir.path(), name.as_bytes()),
                "{name:?}"
            );
            let below = format!("deep/er/{name}");
            let is_refused = git_refuses(dir.path(), below.as_bytes());
            assert_eq!(ours && !is_beyond_git, is_refused, "{below:?}");
        }
        for c in invisible {
            for name in [format!("{c}.git"), format!(".G{c}it"), format!(".git{c}")] {
                let longer = format!("{name}x");
                assert!(is_protected(name.as_bytes()), "{name:?}");
                assert!(!is_protected(longer.as_bytes()), "{longer:?}");
            }
        }
    }

    #[test]
    fn names_that_are_not_utf_8_are_protected_if_git_refuses_them() {
        let dir = tempfile::tempdir().unwrap();
        assert!(git(dir.path()).args(["init", "-q"]).status().unwrap().success());
        let names = malformed_names();
        assert!(names.iter().filter(|name| is_protected(name)).count() > 50);
        for name in names {
            let text = String::from_utf8_lossy(&name);
            assert_eq!(is_protected(&name), git_refuses(dir.path(), &name), "{text:?} {name:x?}");
        }
    }
}
