//! The order in which many files are changed: those of one directory together.

use std::ops::Range;

use crate::core::path::FilePath;

fn parent(path: &FilePath) -> &str {
    path.rsplit_once('/').map_or("", |(parent, _)| parent)
}

/// Sorts numbered paths by their parents.
pub(super) fn by_parent(paths: &mut [(usize, FilePath)]) {
    paths.sort_by(|(_, a), (_, b)| parent(a).cmp(parent(b)));
}

/// Splits sorted paths into parts of up to `size` paths with the same parent.
pub(super) fn parts(paths: &[(usize, FilePath)], size: usize) -> Vec<Range<usize>> {
    let mut parts: Vec<Range<usize>> = Vec::new();
    for (at, (_, path)) in paths.iter().enumerate() {
        match parts.last_mut() {
            Some(part) if part.len() < size && parent(&paths[part.start].1) == parent(path) => {
                part.end = at + 1;
            }
            _ => parts.push(at..at + 1),
        }
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_has_files_of_one_directory_in_the_given_order() {
        let paths = ["b/1", "a", "b/2", "b.c/1", "b/3", "c", "b/0"];
        let numbered = paths.iter().enumerate();
        let mut paths: Vec<_> =
            numbered.map(|(number, path)| (number, FilePath::parse(path).unwrap())).collect();
        by_parent(&mut paths);
        let numbers = |part: Range<usize>| paths[part].iter().map(|(number, _)| *number);
        let parts = |size| parts(&paths, size).into_iter().map(|part| numbers(part).collect());
        let all: Vec<Vec<usize>> = parts(10).collect();
        assert_eq!(all, [vec![1, 5], vec![0, 2, 4, 6], vec![3]]);
        let small: Vec<Vec<usize>> = parts(3).collect();
        assert_eq!(small, [vec![1, 5], vec![0, 2, 4], vec![6], vec![3]]);
    }
}
