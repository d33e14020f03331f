//! The output of a push.

/// The result of a push.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::backends::git) enum Pushed {
    /// The remote has the commit.
    Done,
    /// Another push came first. This is git's reason. Fetch and push again.
    Overtaken(String),
    /// The remote has this branch, whose name is the beginning of the name of the pushed one up to a slash, or the other way round.
    NameTaken(String),
    /// The remote rejected the push. This is its reason.
    Refused(String),
    /// The remote could not store the commits. This is its reason.
    NotStored(String),
}

/// Parses the output of `git push --porcelain`: a line `<flag>\t<from>:<to>\t[<summary>] (<reason>)` for each ref. Returns `None` if
/// there is no such line.
pub(in crate::backends::git) fn pushed(output: &[u8]) -> Option<Pushed> {
    const OVERTAKEN: [&str; 9] = [
        "fetch first",
        // For a branch, this means that the remote's commit is here and cannot be read, because another git is collecting garbage.
        "needs force",
        "non-fast-forward",
        "stale info",
        "failed to update ref",
        "cannot lock ref",
        "incorrect old value",
        "failed to lock",
        // Git 2.55 says this about a lock.
        "reference already exists",
    ];
    let output = String::from_utf8_lossy(output);
    output.lines().find_map(|line| {
        let mut parts = line.split('\t');
        let (flag, _refs, summary) = (parts.next()?, parts.next()?, parts.next()?);
        Some(match flag {
            "!" if OVERTAKEN.iter().any(|sign| reason(summary).starts_with(sign)) => {
                Pushed::Overtaken(summary.to_owned())
            }
            "!" if reason(summary) == "unpacker error)" => Pushed::NotStored(summary.to_owned()),
            "!" => Pushed::Refused(summary.to_owned()),
            _ => Pushed::Done,
        })
    })
}

/// Returns the text in parentheses.
fn reason(summary: &str) -> &str {
    summary.split_once(" (").map_or("", |(_, reason)| reason)
}

/// Returns the branch of the remote beside which it cannot have `branch`, from the standard error of a push that it has rejected: git
/// stores branches as files, and `x/y` would be in a directory in place of the file `x`.
pub(in crate::backends::git) fn name_taken(branch: &str, stderr: &str) -> Option<String> {
    let is_beside = |other: &str| {
        let is_below = |below: &str, above: &str| {
            below.strip_prefix(above).is_some_and(|rest| rest.starts_with('/'))
        };
        is_below(other, branch) || is_below(branch, other)
    };
    let name = format!("refs/heads/{branch}");
    let end = format!("' exists; cannot create '{name}'");
    let begin = format!("error: cannot lock ref '{name}': 'refs/heads/");
    let lines = stderr.lines().map(|line| line.strip_prefix("remote: ").unwrap_or(line).trim_end());
    let mut others = lines.filter_map(|line| line.strip_prefix(&*begin)?.strip_suffix(&*end));
    others.find(|other| is_beside(other)).map(str::to_owned)
}
