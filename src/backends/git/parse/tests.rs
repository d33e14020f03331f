use super::*;
use crate::core::error::ErrorKind;

const A: &str = "01e79c32a8c99c557f0757da7cb6d65b3414466d";
const B: &str = "587be6b4c3f93f93c489c0111bba5596147a26cb";

fn raw(path: &str) -> RawPath {
    RawPath(path.as_bytes().to_vec())
}

fn staged(path: &str, mode: u32, oid: &str, number: u8) -> Stage {
    Stage { path: raw(path), mode, oid: oid.parse().unwrap(), number }
}

#[test]
fn ignored_files_are_known_by_their_letter() {
    let output = b"H a\0h b c\0S d\0s e\n\0C f\0";
    assert_eq!(flagged_paths(output), [raw("b c"), raw("d"), raw("e\n")]);
}

#[test]
fn a_clean_merge_has_only_a_tree() {
    let merged = merged_tree(format!("{A}\0").as_bytes()).unwrap();
    assert_eq!(merged.tree.as_str(), A);
    assert!(merged.stages.is_empty() && merged.messages.is_empty());
}

#[test]
fn a_merge_with_conflicts_has_stages_and_messages() {
    let output = format!(
        "{A}\x00100644 {A} 1\ta \"b\"\n\x00120000 {B} 3\ta \"b\"\n\0\0\
         1\0a \"b\"\n\0Auto-merging\0Auto-merging a\n\0\
         2\0x~{B}\0x\0CONFLICT (file/directory)\0directory in the way\n\0"
    );
    let merged = merged_tree(output.as_bytes()).unwrap();
    let odd = "a \"b\"\n";
    assert_eq!(merged.stages, [staged(odd, 0o100_644, A, 1), staged(odd, 0o120_000, B, 3)]);
    assert_eq!(merged.messages.len(), 2);
    assert_eq!(merged.messages[1].topic, "CONFLICT (file/directory)");
    assert_eq!(merged.messages[1].paths, [raw(&format!("x~{B}")), raw("x")]);
}

#[test]
fn messages_end_before_free_text() {
    let output = format!(
        "{A}\x00160000 {B} 2\ts\0\x001\0s\0CONFLICT (submodule)\0text\n\0Failed to merge submodule s\nhint\0"
    );
    let merged = merged_tree(output.as_bytes()).unwrap();
    assert_eq!(merged.messages.len(), 1);
    assert_eq!(merged.messages[0].topic, "CONFLICT (submodule)");
}

#[test]
fn unexpected_output_is_an_error() {
    for output in
        ["", "x", "fatal: no\0", &format!("{A}\x00100644 {A}\tp\0"), &format!("{A}\0nonsense\0")]
    {
        assert_eq!(
            merged_tree(output.as_bytes()).unwrap_err().kind(),
            ErrorKind::Internal,
            "{output:?}"
        );
    }
    assert_eq!(changes(b":100644\0a\0").unwrap_err().kind(), ErrorKind::Internal);
    assert_eq!(changes(b":100644 100644 x y M\0").unwrap_err().kind(), ErrorKind::Internal);
    assert_eq!(tree_entries(b"100644 blob\tp\0").unwrap_err().kind(), ErrorKind::Internal);
}

#[test]
fn trees_and_changes_are_parsed() {
    let listed =
        tree_entries(format!("100755 blob {A}\td/e\x00160000 commit {B}\ts\0").as_bytes()).unwrap();
    assert_eq!(listed[0], TreeEntry { mode: 0o100_755, oid: A.parse().unwrap(), path: raw("d/e") });
    assert_eq!(listed[1].mode, 0o160_000);
    assert!(tree_entries(b"").unwrap().is_empty());
    let null = "0".repeat(40);
    let output = format!(":000000 100644 {null} {A} A\0new\0:100644 000000 {B} {null} D\0old\n\0");
    let found = changes(output.as_bytes()).unwrap();
    assert!(found[0].old.is_null() && !found[0].new.is_null());
    assert_eq!(
        (found[1].old_mode, found[1].new_mode, &found[1].path),
        (0o100_644, 0, &raw("old\n"))
    );
}

#[test]
fn a_push_is_done_overtaken_or_refused() {
    let parse = |line: &str| pushed(format!("To /srv/r.git\n{line}\nDone\n").as_bytes());
    let refs = "refs/heads/main:refs/heads/main";
    assert_eq!(parse(&format!(" \t{refs}\tabc..def")), Some(Pushed::Done));
    assert_eq!(parse(&format!("*\t{refs}\t[new branch]")), Some(Pushed::Done));
    assert_eq!(parse(&format!("=\t{refs}\t[up to date]")), Some(Pushed::Done));
    for reason in [
        "[rejected] (fetch first)",
        "[rejected] (needs force)",
        "[remote rejected] (reference already exists)",
        "[rejected] (non-fast-forward)",
        "[remote rejected] (failed to update ref)",
    ] {
        assert_eq!(
            parse(&format!("!\t{refs}\t{reason}")),
            Some(Pushed::Overtaken(reason.to_owned())),
            "{reason}"
        );
    }
    for refused in [
        "[remote rejected] (pre-receive hook declined)",
        "[remote rejected] (hook declined: fetch first)",
        "[remote rejected] (hook declined: unpacker error)",
    ] {
        let outcome = Some(Pushed::Refused(refused.to_owned()));
        assert_eq!(parse(&format!("!\t{refs}\t{refused}")), outcome, "{refused}");
    }
    let full = "[remote rejected] (unpacker error)";
    let outcome = Some(Pushed::NotStored(full.to_owned()));
    assert_eq!(parse(&format!("!\t{refs}\t{full}")), outcome);
    assert_eq!(pushed(b"To /srv/r.git\n"), None);
    assert_eq!(pushed(b""), None);
}

#[test]
fn a_path_is_the_same_after_it_was_text() {
    for path in [&b"plain"[..], b"sp ace/\"q\"\n\t%41", b"caf\xe9", "ü".as_bytes()] {
        let path = RawPath(path.to_vec());
        let json = serde_json::to_string(&path).unwrap();
        assert_eq!(serde_json::from_str::<RawPath>(&json).unwrap(), path);
    }
}

#[test]
fn a_branch_beside_which_another_cannot_be_is_found_in_whole_messages_only() {
    let message = |name: &str, other: &str| {
        format!(
            "remote: error: cannot lock ref 'refs/heads/{name}': 'refs/heads/{other}' exists; cannot create 'refs/heads/{name}'        \n\
             To /srv/r.git\n"
        )
    };
    assert_eq!(name_taken("x/y", &message("x/y", "x")).as_deref(), Some("x"));
    assert_eq!(name_taken("x", &message("x", "x/y/z")).as_deref(), Some("x/y/z"));
    assert_eq!(
        name_taken("x/y", &message("x/y", "x").replace("remote: ", "")).as_deref(),
        Some("x")
    );
    for (branch, stderr) in [
        ("x/y", message("x/y", "xx")),
        ("x/y", message("x/z", "x")),
        ("x/y", message("x/y", "x").replace("error: ", "")),
        (
            "x/y",
            "remote: error: cannot lock ref 'refs/heads/x/y': is at 1 but expected 2".to_owned(),
        ),
        ("x/y", String::new()),
    ] {
        assert_eq!(name_taken(branch, &stderr), None, "{stderr}");
    }
}
