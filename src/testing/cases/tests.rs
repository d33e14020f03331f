//! The list of cases has all of them.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// Returns the names of all cases in the files of this directory.
fn defined() -> Vec<String> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/testing/cases");
    let mut names = Vec::new();
    for file in fs::read_dir(directory).unwrap() {
        let text = fs::read_to_string(file.unwrap().path()).unwrap();
        let cases = text.lines().filter_map(|line| line.strip_prefix("pub async fn "));
        names.extend(cases.map(|case| case[..case.find('(').unwrap()].to_owned()));
    }
    names
}

#[test]
fn every_case_is_in_the_list() {
    let defined = defined();
    let unique: BTreeSet<&str> = defined.iter().map(String::as_str).collect();
    assert_eq!(unique.len(), defined.len(), "two cases have the same name");
    let listed: BTreeSet<&str> = super::all_cases().iter().map(super::Case::name).collect();
    assert_eq!(listed, unique);
}
