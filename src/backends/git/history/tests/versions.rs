use super::*;

/// Returns the mark, the path and the mode of each version.
fn shown(versions: &[Version]) -> Vec<(&str, &str, u32)> {
    let shown = |one: &'_ Version| one.file.as_ref().map_or(0, |(mode, _)| *mode);
    versions
        .iter()
        .map(|one| {
            let mark = one.revision.message.split(':').next().unwrap();
            (mark, one.revision.path.as_str(), shown(one))
        })
        .collect()
}

#[tokio::test]
async fn versions_follow_renames_and_have_the_blob_of_each_commit() {
    let repository = Repository::new();
    let text = "M 100644 inline a\ndata 20\n0123456789\n012345678\n";
    repository.import(&script(&[
        (1, "", text),
        (2, "1", "M 100644 inline x\ndata 1\nx\n"),
        (3, "2", "R a d/b"),
        (4, "3", "M 100755 inline d/b\ndata 20\n0123456789\n987654321\n"),
        (5, "3", "M 100644 inline d/b\ndata 20\n9876543210\n012345678\n"),
        (6, "4 5", "M 100755 inline d/b\ndata 20\n9876543210\n987654321\n"),
        (7, "6", "D d/b"),
    ]));
    let git = repository.runner().await;
    let head = repository.id("main");
    let all = versions(&git, &head, &path("d/b"), |_| false).await.unwrap();
    let shown_all = shown(&all);
    assert_eq!(shown_all[..2], [("7", "d/b", 0), ("6", "d/b", 0o100_755)]);
    assert_eq!(shown_all[4..], [("3", "d/b", 0o100_644), ("1", "a", 0o100_644)]);
    assert_eq!(all[1].file.as_ref().unwrap().1, repository.id("main~1:d/b"));
    assert_eq!(all[5].file.as_ref().unwrap().1, repository.id("main~1^1~1~2:a"));
    let two = versions(&git, &head, &path("d/b"), |one| one.file.is_some()).await.unwrap();
    assert_eq!(two, all[..2]);
    assert_eq!(shown(&versions(&git, &head, &path("a"), |_| false).await.unwrap())[0].2, 0);
    for none in ["d", "nothing", "*", "x/y"] {
        assert_eq!(versions(&git, &head, &path(none), |_| false).await.unwrap(), [], "{none}");
    }
}

#[tokio::test]
async fn a_file_that_became_a_directory_keeps_its_versions() {
    let repository = Repository::new();
    let blob = "data 1\n";
    repository.import(&script(&[
        (1, "", &format!("M 100644 inline a\n{blob}1\n")),
        (2, "1", &format!("D a\nM 100644 inline a/b\n{blob}2\n")),
        (3, "2", &format!("M 120000 inline link\n{blob}3\n")),
        (4, "3", &format!("M 160000 {A} module")),
        (5, "4", &format!("M 100644 inline a/c\n{blob}4\n")),
    ]));
    let git = repository.runner().await;
    let head = repository.id("main");
    let of = async |name: &str| versions(&git, &head, &path(name), |_| false).await.unwrap();
    assert_eq!(shown(&of("a").await), [("2", "a", 0), ("1", "a", 0o100_644)]);
    assert_eq!(shown(&of("link").await), [("3", "link", 0o120_000)]);
    assert_eq!(of("module").await, []);
}
