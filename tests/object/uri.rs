//! Buckets by URI.

use f9::ErrorKind;
use f9::prelude::*;

use super::fixture::Scene;

#[tokio::test]
async fn a_bucket_is_opened_by_its_uri() {
    let scene = Scene::new();
    scene.s3.put("notes/2026/plan.md", "# Plan");
    let endpoint = scene.s3.endpoint();
    let (access, secret) = (scene.s3.access_key(), scene.s3.secret_key());
    let uri =
        format!("s3://f9-test/notes?endpoint={endpoint}&access_key={access}&secret_key={secret}");
    let files = f9::resolve_backend(&uri).await.unwrap();
    assert_eq!(files.read_text("2026/plan.md").await.unwrap(), "# Plan");
    assert_eq!(files.glob("**/*.md").await.unwrap(), ["2026/plan.md"]);
    let wrong = uri.replace("f9-test", "missing");
    let error = f9::resolve_backend(&wrong).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::RootGone);
    assert!(!error.to_string().contains(secret), "{error}");
    let files = f9::blocking::resolve_backend(&uri).unwrap();
    assert_eq!(files.read_text("2026/plan.md").unwrap(), "# Plan");
}
