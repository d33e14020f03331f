//! The names that git accepts for a branch.

/// Checks the name of a branch by git's own rules (`git check-ref-format --branch`). Full names of refs and names for the current branch
/// are invalid, too.
///
/// # Errors
///
/// The reason why the name is invalid.
pub(super) fn check_branch(name: &str) -> Result<(), &'static str> {
    // The characters of git's revision syntax.
    let is_special = |c: char| {
        c.is_ascii_control() || matches!(c, ' ' | '~' | '^' | ':' | '?' | '*' | '[' | '\\')
    };
    if name.is_empty() {
        Err("must not be empty")
    } else if name == "HEAD" {
        Err("HEAD is not a branch")
    } else if name.starts_with('-') {
        Err("begins with `-`")
    } else if name.starts_with("refs/") {
        // git accepts it, and then a short name could mean either of two refs.
        Err("write the branch without `refs/heads/`")
    } else if name.contains(is_special) {
        Err("contains a space, a control character or one of ~^:?*[\\")
    } else if name.contains("..") {
        Err("contains `..`")
    } else if name.contains("@{") {
        Err("contains `@{`")
    } else if name.ends_with('.') {
        Err("ends with a dot")
    } else if name.split('/').any(str::is_empty) {
        Err("has an empty part before, after or between slashes")
    } else if name.split('/').any(|part| part.starts_with('.')) {
        Err("a part begins with a dot")
    } else if name.split('/').any(|part| part.ends_with(".lock")) {
        Err("a part ends with `.lock`")
    } else {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::process::{Command, Stdio};

    use super::*;

    #[test]
    fn a_valid_name_is_accepted() {
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
    fn an_invalid_name_is_refused_with_the_reason() {
        for (name, reason) in [
            ("", "must not be empty"),
            ("HEAD", "HEAD is not a branch"),
            ("refs/heads/x", "without `refs/heads/`"),
            ("-", "begins with `-`"),
            ("--upload-pack=x", "begins with `-`"),
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

    /// Tries the names of up to three pieces that have a meaning.
    #[test]
    fn git_accepts_the_same_names() {
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
            // Each name takes a process, so of the longest only every seventh is tried.
            for name in names.iter().step_by(if length == 3 { 7 } else { 1 }) {
                assert_eq!(check_branch(name).is_ok(), accepted(name), "{name}");
            }
        }
    }
}
