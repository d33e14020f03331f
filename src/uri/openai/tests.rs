use std::time::Duration;

use super::*;
use crate::Secret;

async fn config(text: &str) -> OpenAIConfig {
    let uri: BackendUri = text.parse().unwrap();
    OpenAIUri::config(&uri).await.unwrap_or_else(|error| panic!("{text}: {error}"))
}

async fn refused(text: &str) -> Error {
    let uri: BackendUri = text.parse().unwrap();
    let error = OpenAIUri::config(&uri).await.expect_err(text);
    assert_eq!(error.kind(), ErrorKind::InvalidUri, "{text}");
    error
}

#[tokio::test]
async fn a_uri_names_a_vector_store() {
    for (text, id) in [
        ("openai+vector://vs_123", "vs_123"),
        ("OpenAI+Vector://vs_123?", "vs_123"),
        ("openai+vector://vs%5F123", "vs_123"),
        ("openai+vector://%C3%A9?", "é"),
    ] {
        assert_eq!(config(text).await, OpenAIConfig::new(id), "{text}");
    }
}

#[tokio::test]
async fn parameters_become_settings() {
    let text = "openai+vector://vs_1?api_key=hunter2&base_url=http%3A%2F%2Fhost:8/v1&allow_http=true\
                &organization=org-1&project=proj_1&purpose=user_data&cache_ttl=1.5&encoding=framed\
                &read=files_content&retries=0&concurrency=3&send_beta_header=false";
    let expected = OpenAIConfig::new("vs_1")
        .with_api_key(Secret::new("hunter2"))
        .with_base_url("http://host:8/v1")
        .with_allow_http(true)
        .with_organization("org-1")
        .with_project("proj_1")
        .with_purpose("user_data")
        .with_cache_ttl(Duration::from_millis(1500))
        .with_encoding(OpenAIEncoding::Framed)
        .with_read(OpenAIReadMode::FilesContent)
        .with_retries(0)
        .with_concurrency(3)
        .with_send_beta_header(false);
    assert_eq!(config(text).await, expected);
}

#[tokio::test]
async fn a_key_may_be_kept_elsewhere() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("key");
    std::fs::write(&file, "sk-1\n").unwrap();
    let text = format!("openai+vector://vs_1?api_key=file:{}", file.display());
    assert_eq!(config(&text).await.api_key, SecretSource::Value(Secret::new("sk-1")));

    let error = refused("openai+vector://vs_1?api_key=env:F9_NO_SUCH_VARIABLE").await;
    assert!(error.to_string().ends_with("cannot be read from env:F9_NO_SUCH_VARIABLE"), "{error}");
}

#[tokio::test]
async fn what_names_no_vector_store_is_refused_with_a_reason() {
    for (text, reason) in [
        ("openai+vector://", "a vector store is needed"),
        ("openai+vector:///", "a vector store is needed"),
        ("openai+vector:///vs_1", "a vector store is needed"),
        ("openai+vector://vs_1/", "a vector store is needed"),
        ("openai+vector://vs_1/notes", "a vector store is needed"),
        ("openai+vector://me@vs_1", "it names a user"),
        ("openai+vector://@vs_1", "it names a user"),
        ("openai+vector://vs%2F1", "`vector_store_id`: it holds a slash"),
        ("openai+vector://vs%201", "`vector_store_id`: it holds a slash"),
        ("openai+vector://..", "`vector_store_id`: it is empty, or nothing but dots"),
        ("openai+vector://vs_1?base_url=host", "`base_url`: it does not begin"),
        ("openai+vector://vs_1?base_url=http://host", "`base_url`: over HTTP everybody"),
        ("openai+vector://vs_1?allow_http=yes", "`allow_http` accepts true, false"),
        ("openai+vector://vs_1?api_key=", "`api_key`: it is empty"),
        ("openai+vector://vs_1?api_key=a%0Ab", "`api_key`: it holds white space"),
        ("openai+vector://vs_1?organization=", "`organization`: it is empty"),
        ("openai+vector://vs_1?project=a%20b", "`project`: it holds white space"),
        ("openai+vector://vs_1?purpose=", "`purpose`: it is not made"),
        ("openai+vector://vs_1?cache_ttl=-1", "`cache_ttl` accepts a number of seconds"),
        ("openai+vector://vs_1?encoding=base64", "`encoding` accepts auto, raw or framed"),
        ("openai+vector://vs_1?read=x", "`read` accepts auto, files_content or vector_store_text"),
        ("openai+vector://vs_1?retries=-1", "`retries` accepts a number, from 0 to 20"),
        ("openai+vector://vs_1?retries=21", "`retries`: it is more than 20"),
        ("openai+vector://vs_1?concurrency=0", "`concurrency`: it is not between 1 and 256"),
        ("openai+vector://vs_1?concurrency=many", "`concurrency` accepts a number, from 1 to 256"),
        ("openai+vector://vs_1?send_beta_header=no", "`send_beta_header` accepts true, false"),
        (
            "openai+vector://vs_1?chunking=auto",
            "unknown parameter `chunking`; known are api_key, base_url, allow_http, organization, project, \
             purpose, send_beta_header, cache_ttl, encoding, read, retries, concurrency",
        ),
    ] {
        let error = refused(text).await;
        assert!(error.to_string().contains(reason), "{text}: {error}");
    }
}

#[tokio::test]
async fn no_secret_is_shown() {
    for text in
        ["openai+vector://vs_1?api_key=hunter2", "openai+vector://vs_1?api_key=hunter2&retries=1"]
    {
        let uri: BackendUri = text.parse().unwrap();
        let shown = format!("{uri} {uri:?} {:?}", config(text).await);
        assert!(!shown.contains("hunter2"), "{shown}");
    }
    for text in [
        "openai+vector://hunter2@vs_1",
        "openai+vector://me:hunter2@vs_1",
        "openai+vector://vs_1?api_key=hunter2%0A",
        "openai+vector://vs_1?api_key=h%C3%BChunter2",
        "openai+vector://vs_1/x?api_key=hunter2",
        "openai+vector://vs_1?apikey=hunter2",
        "openai+vector://vs_1?apy_kee=hunter2",
        "openai+vector://vs_1?api_key=hunter2&retries=x",
        "openai+vector://vs_1?base_url=https://me:hunter2@host",
        "openai+vector://vs_1?base_url=https://hunter2@host",
        "openai+vector://vs_1?base_url=https%3A%2F%2Fhost%3Fapi_key%3Dhunter2",
    ] {
        let uri: BackendUri = text.parse().unwrap();
        let error = refused(text).await;
        let shown = format!(
            "{error} {error:?} {}",
            if text.contains("kee") { "" } else { uri.shown.as_str() }
        );
        assert!(!shown.contains("hunter2"), "{text}: {shown}");
    }
}
