use super::*;
use crate::core::error::ErrorKind;

/// Returns the marks and paths of the commits.
fn marks(revisions: &[Revision]) -> Vec<(&str, &str)> {
    revisions
        .iter()
        .map(|one| (one.message.split(':').next().unwrap(), one.path.as_str()))
        .collect()
}

#[tokio::test]
async fn a_log_follows_a_file_and_describes_the_commits() {
    let repository = Repository::new();
    let odd = "-n\"e\nw*";
    repository.import(&script(&[
        (1, "", "M 100644 inline z\ndata 1\nz\n"),
        (2, "1", TEXT),
        (3, "2", "R a d/b"),
        (4, "3", ""),
        (5, "2", "M 100644 inline side\ndata 1\ns\n"),
        (6, "4 5", "M 100644 inline side\ndata 1\ns\nM 100644 inline z\ndata 1\ny\n"),
        (7, "6", "R d/b \"-n\\\"e\\nw*\""),
        (8, "7", "D side"),
    ]));
    let git = repository.runner().await;
    let head = repository.id("main");
    let all = log(&git, Some(&head), &path(odd), None).await.unwrap();
    assert_eq!(marks(&all), [("7", odd), ("3", "d/b"), ("2", "a")]);
    assert_eq!(git.spawned(), 1);
    let last = &all[0];
    assert_eq!(last.id, repository.id("main~1").as_str());
    assert_eq!((last.author_name.as_str(), last.author_email.as_str()), ("Ä \"B\"", "a@x"));
    assert_eq!((last.authored_at, last.committed_at), (unix_time(7000), unix_time(7001)));
    assert_eq!(last.message, "7: ü\n\nR100");
    let json = serde_json::to_value(last).unwrap();
    assert_eq!(json["authored_at"], "1970-01-01T01:56:40Z");
    assert_eq!(json["path"], odd);

    let of = async |name: &str, limit| log(&git, Some(&head), &path(name), limit).await;
    assert_eq!(marks(&of("z", None).await.unwrap()), [("6", "z"), ("1", "z")]);
    assert_eq!(marks(&of("d", None).await.unwrap()), [("7", "d"), ("3", "d")]);
    assert_eq!(marks(&of("side", Some(1)).await.unwrap()), [("8", "side")]);
    assert_eq!(marks(&of("side", Some(2)).await.unwrap()), [("8", "side"), ("5", "side")]);
    assert_eq!(of("side", Some(0)).await.unwrap(), []);
    let whole = of("", None).await.unwrap();
    let order: Vec<_> = marks(&whole).into_iter().map(|(mark, _)| mark).collect();
    assert_eq!(order, ["8", "7", "6", "5", "4", "3", "2", "1"]);
    assert_eq!(marks(&of("", Some(2)).await.unwrap()), [("8", ""), ("7", "")]);
    for unknown in ["nothing", "*", ":", "z/x"] {
        let error = of(unknown, None).await.unwrap_err();
        assert_eq!((error.kind(), error.path()), (ErrorKind::NotFound, Some(unknown)));
    }
}

#[tokio::test]
async fn the_log_is_empty_before_the_first_commit() {
    let git = Repository::new();
    let git = git.runner().await;
    assert_eq!(log(&git, None, &FilePath::root(), None).await.unwrap(), []);
    let error = log(&git, None, &path("a"), None).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
}
