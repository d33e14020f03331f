//! Lists of paths.

use super::fields::fields;
use super::raw_path::RawPath;

/// Parses paths that each end in NUL.
pub(in crate::backends::git) fn paths(output: &[u8]) -> Vec<RawPath> {
    fields(output).map(|path| RawPath(path.to_vec())).collect()
}

/// Returns from the output of `git ls-files -v -z` the files whose changes git ignores. Their letter is in lower case, or an `S`.
pub(in crate::backends::git) fn flagged_paths(output: &[u8]) -> Vec<RawPath> {
    let parse = |field: &[u8]| match field {
        [b'a'..=b'z' | b'S', b' ', path @ ..] => Some(RawPath(path.to_vec())),
        _ => None,
    };
    fields(output).filter_map(parse).collect()
}

/// Returns from the output of `git check-attr -z --stdin filter` the first path that has a filter, and its name.
pub(in crate::backends::git) fn filtered_path(output: &[u8]) -> Option<(String, String)> {
    let fields: Vec<&[u8]> = fields(output).collect();
    let text = |field: &[u8]| String::from_utf8_lossy(field).into_owned();
    let mut attributes = fields.chunks_exact(3).map(|triple| (text(triple[0]), text(triple[2])));
    attributes.find(|(_, value)| !matches!(value.as_str(), "unspecified" | "unset"))
}

/// Formats paths for a command that reads them with `-z`: each ends in NUL.
pub(in crate::backends::git) fn nul_terminated<P: AsRef<[u8]>>(
    paths: impl IntoIterator<Item = P>,
) -> Vec<u8> {
    let mut list = Vec::new();
    for path in paths {
        list.extend_from_slice(path.as_ref());
        list.push(0);
    }
    list
}
