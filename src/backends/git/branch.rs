//! Which names git accepts for a branch.

/// What is wrong with `name` as that of a branch: git's own rules (`git check-ref-format --branch`), and never the full name of a ref
/// or another way to say "the current branch".
pub(super) fn check_branch(name: &str) -> Result<(), &'static str> {
    // These are what git's revision syntax is made of.
    let special = |c: char| {
        c.is_ascii_control() || matches!(c, ' ' | '~' | '^' | ':' | '?' | '*' | '[' | '\\')
    };
    if name.is_empty() {
        Err("it is empty")
    } else if name == "HEAD" {
        Err("HEAD is no branch")
    } else if name.starts_with('-') {
        Err("it begins with `-`")
    } else if name.starts_with("refs/") {
        // git would take it, and from then on not know which of two refs a short name means.
        Err("it is the name of a branch alone, without `refs/heads/`")
    } else if name.contains(special) {
        Err("it holds a space, a control character or one of ~^:?*[\\")
    } else if name.contains("..") {
        Err("it holds `..`")
    } else if name.contains("@{") {
        Err("it holds `@{`")
    } else if name.ends_with('.') {
        Err("it ends with a dot")
    } else if name.split('/').any(str::is_empty) {
        Err("it has an empty part, before, after or between slashes")
    } else if name.split('/').any(|part| part.starts_with('.')) {
        Err("a part of it begins with a dot")
    } else if name.split('/').any(|part| part.ends_with(".lock")) {
        Err("a part of it ends with `.lock`")
    } else {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::process::{Command, Stdio};

    use super::*;

    #[test]
    fn names_of_branches() {
        for name in [
            "main",
            "feature/x",
            "a.b",
            "a./b",
            "@",
            "@a",
            "a@",
            "a@b",
            "a/-b",
            "a-",
            "{",
            "a{b",
            "@/{",
            "é/ß",
            "a/refs/heads/x",
            "HEAD/a",
            "head",
            "a.lockx",
            "lock",
            "a]b",
            "a'b\"c",
            "a$b;c&d",
            "%41",
        ] {
            assert_eq!(check_branch(name), Ok(()), "{name}");
        }
    }

    #[test]
    fn what_is_no_name_of_a_branch() {
        for (name, reason) in [
            ("", "it is empty"),
            ("HEAD", "HEAD is no branch"),
            ("refs/heads/x", "without `refs/heads/`"),
            ("-", "it begins with `-`"),
            ("--upload-pack=x", "it begins with `-`"),
            ("a b", "a space"),
            ("a\tb", "a control character"),
            ("a\nb", "a control character"),
            ("a\0b", "a control character"),
            ("a\u{7f}", "a control character"),
            ("a~1", "~^:?*["),
            ("a^", "~^:?*["),
            ("a:b", "~^:?*["),
            ("a?", "~^:?*["),
            ("*", "~^:?*["),
            ("a[b", "~^:?*["),
            ("a\\b", "~^:?*["),
            ("a..b", "`..`"),
            ("@{-1}", "`@{`"),
            ("a@{b", "`@{`"),
            ("a.", "ends with a dot"),
            (".", "ends with a dot"),
            ("/a", "an empty part"),
            ("a/", "an empty part"),
            ("a//b", "an empty part"),
            (".a", "begins with a dot"),
            ("a/.b", "begins with a dot"),
            ("a.lock", "`.lock`"),
            ("a.lock/b", "`.lock`"),
            (".lock", "begins with a dot"),
        ] {
            let refusal = check_branch(name).expect_err(name);
            assert!(refusal.contains(reason), "{name:?}: {refusal}");
        }
    }

    /// Every name of up to three of the pieces that mean something.
    #[test]
    fn git_agrees() {
        const PIECES: &[&str] = &[
            "a", "-", ".", "..", "/", "@", "{", ".lock", "HEAD", "~", "^", ":", "*", " ", "\\", "é",
        ];
        let empty = tempfile::tempdir().unwrap();
        let accepted = |name: &str| {
            let mut git = Command::new("git");
            git.args(["check-ref-format", "--branch", name]).current_dir(empty.path());
            git.stdout(Stdio::null()).stderr(Stdio::null());
            git.status().unwrap().success()
        };
        let mut names = vec![String::new()];
        for length in 1..=3 {
            let longer =
                names.iter().filter(|name| !name.contains(['~', '^', ':', '*', ' ', '\\']));
            names = longer
                .flat_map(|name| PIECES.iter().map(move |piece| format!("{name}{piece}")))
                .collect();
            // A process each: of the longest every seventh will do.
            for name in names.iter().step_by(if length == 3 { 7 } else { 1 }) {
                assert_eq!(check_branch(name).is_ok(), accepted(name), "{name}");
            }
        }
    }
}
