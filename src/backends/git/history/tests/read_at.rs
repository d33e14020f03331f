use super::*;
use crate::core::error::ErrorKind;

#[tokio::test]
async fn files_of_earlier_commits_are_read() {
    let repository = Repository::new();
    let odd = "in/q\"u\no:te {x} missing";
    repository.import(&script(&[
        (1, "", "M 100644 inline a\ndata 4\none\n\nM 100644 inline empty\ndata 0\n"),
        (
            2,
            "1",
            &format!(
                "M 100755 inline a\ndata 3\ntwo\nM 120000 inline in/link\ndata 4\n../a\n\
                 M 160000 {A} in/module\nM 100644 inline \"in/q\\\"u\\no:te {{x}} missing\"\ndata 5\n\0x\ny\n"
            ),
        ),
    ]));
    repository.git(&["tag", "-a", "-m", "t", "v1", "main~1"]);
    let git = repository.runner().await;
    let read = async |name: &str, revision: &str| read_at(&git, &path(name), revision).await;
    for revision in ["main~1", "v1", "HEAD^", "v1^{tree}", "@^{commit}~1", "main^{/^1.}"] {
        assert_eq!(read("a", revision).await.unwrap(), "one\n", "{revision}");
    }
    let before = git.spawned();
    assert_eq!(read("a", "main").await.unwrap(), "two");
    assert_eq!(git.spawned(), before + 1);
    assert_eq!(read("in/link", repository.id("main").as_str()).await.unwrap(), "../a");
    assert_eq!(read(odd, "main").await.unwrap(), "\0x\ny\n");
    assert_eq!(read("empty", "main").await.unwrap(), "");
    for (name, kind) in [
        ("", ErrorKind::IsADirectory),
        ("in", ErrorKind::IsADirectory),
        ("in/module", ErrorKind::NotAFile),
        ("in/module/x", ErrorKind::NotFound),
        ("in/link/x", ErrorKind::NotFound),
        ("a/x", ErrorKind::NotFound),
        ("no\nthing", ErrorKind::NotFound),
        ("no/thing", ErrorKind::NotFound),
    ] {
        let error = read(name, "main").await.unwrap_err();
        assert_eq!((error.kind(), error.path()), (kind, Some(name)), "{name:?}");
    }
    assert_eq!(read("in/link", "main~1").await.unwrap_err().kind(), ErrorKind::NotFound);
}

#[tokio::test]
async fn an_invalid_revision_is_refused_and_named() {
    let repository = Repository::new();
    repository.import(&script(&[(1, "", TEXT)]));
    let git = repository.runner().await;
    let invalid = [
        "",
        "-h",
        "--batch",
        ":a",
        "main:a",
        ":/1",
        "main a",
        "ma\nin",
        "ma\0in",
        "main\u{7f}",
        "\u{2003}main",
    ];
    for revision in invalid {
        let error = read_at(&git, &path("a"), revision).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput, "{revision:?}");
    }
    assert_eq!(git.spawned(), 0);
    for revision in
        ["nothing", "main~1", "main..main", "main@{9}", "^main", &A[..12], A, "main^{/x", "{"]
    {
        let error = read_at(&git, &path("a"), revision).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput, "{revision:?}");
        assert!(error.message().unwrap().contains(revision), "{error}");
    }
    let blob = String::from_utf8(repository.git(&["rev-parse", "main:a"])).unwrap();
    let error = read_at(&git, &path("a"), blob.trim()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
}
