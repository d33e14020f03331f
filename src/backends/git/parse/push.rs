//! The output of a push.

/// The result of a push.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::backends::git) enum Pushed {
    /// The remote has the commit.
    Done,
    /// Another push came first. This is git's reason. Fetch and push again.
    Overtaken(String),
    /// The remote rejected the push. This is its reason.
    Refused(String),
    /// The remote could not store the commits. This is its reason.
    NotStored(String),
}

/// Parses the output of `git push --porcelain`: a line `<flag>\t<from>:<to>\t[<summary>] (<reason>)` for each ref. Returns `None` if
/// there is no such line.
pub(in crate::backends::git) fn pushed(output: &[u8]) -> Option<Pushed> {
    const OVERTAKEN: [&str; 7] = [
        "fetch first",
        "non-fast-forward",
        "stale info",
        "failed to update ref",
        "cannot lock ref",
        "incorrect old value",
        "failed to lock",
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
