use std::time::Duration;

use super::*;
use crate::core::secret::Secret;

async fn config(text: &str) -> OpenAIConfig {
    let uri: BackendUri = text.parse().unwrap();
    OpenAIUri::config(&uri).await.unwrap_or_else(|error| panic!("{text}: {error}"))
}

async fn rejected(text: &str) -> Error {
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
async fn a_key_may_be_read_from_a_file_or_variable() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("key");
    std::fs::write(&file, "sk-1\n").unwrap();
    let text = format!("openai+vector://vs_1?api_key=file:{}", file.display());
    assert_eq!(config(&text).await.api_key, SecretSource::Value(Secret::new("sk-1")));

    let error = rejected("openai+vector://vs_1?api_key=env:F9_NO_SUCH_VARIABLE").await;
    assert!(
        error
            .to_string()
            .ends_with("cannot read the parameter `api_key` from env:F9_NO_SUCH_VARIABLE"),
        "{error}"
    );
}

#[tokio::test]
async fn invalid_openai_uris_are_rejected_with_a_reason() {
    for (text, reason) in [
        ("openai+vector://", "the vector store is missing"),
        ("openai+vector:///", "the vector store is missing"),
        ("openai+vector:///vs_1", "the vector store is missing"),
        ("openai+vector://vs_1/", "the vector store is missing"),
        ("openai+vector://vs_1/notes", "the vector store is missing"),
        ("openai+vector://me@vs_1", "it contains a user name"),
        ("openai+vector://@vs_1", "it contains a user name"),
        ("openai+vector://vs%2F1", "`vector_store_id`: contains a slash"),
        ("openai+vector://vs%201", "`vector_store_id`: contains a slash"),
        ("openai+vector://..", "`vector_store_id`: is empty, `.` or `..`"),
        ("openai+vector://vs_1?base_url=host", "`base_url`: must start"),
        ("openai+vector://vs_1?base_url=http://host", "`base_url`: over HTTP, everybody"),
        ("openai+vector://vs_1?allow_http=yes", "`allow_http` must be true, false"),
        ("openai+vector://vs_1?api_key=", "`api_key`: is empty"),
        ("openai+vector://vs_1?api_key=a%0Ab", "`api_key`: contains white space"),
        ("openai+vector://vs_1?organization=", "`organization`: is empty"),
        ("openai+vector://vs_1?project=a%20b", "`project`: contains white space"),
        ("openai+vector://vs_1?purpose=", "`purpose`: may contain only"),
        ("openai+vector://vs_1?cache_ttl=-1", "`cache_ttl` must be a number of seconds"),
        ("openai+vector://vs_1?encoding=base64", "`encoding` must be auto, raw or framed"),
        ("openai+vector://vs_1?read=x", "`read` must be auto, files_content or vector_store_text"),
        ("openai+vector://vs_1?retries=-1", "`retries` must be a number, from 0 to 20"),
        ("openai+vector://vs_1?retries=21", "`retries`: must not be more than 20"),
        ("openai+vector://vs_1?concurrency=0", "`concurrency`: must be between 1 and 256"),
        ("openai+vector://vs_1?concurrency=many", "`concurrency` must be a number, from 1 to 256"),
        ("openai+vector://vs_1?send_beta_header=no", "`send_beta_header` must be true, false"),
        (
            "openai+vector://vs_1?chunking=auto",
            "unknown parameter `chunking`; expected one of api_key, base_url, allow_http, organization, project, \
             purpose, send_beta_header, cache_ttl, encoding, read, retries, concurrency",
        ),
    ] {
        let error = rejected(text).await;
        assert!(error.to_string().contains(reason), "{text}: {error}");
    }
}

#[tokio::test]
async fn secrets_are_redacted() {
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
        let error = rejected(text).await;
        let shown = format!(
            "{error} {error:?} {}",
            if text.contains("kee") { "" } else { uri.shown.as_str() }
        );
        assert!(!shown.contains("hunter2"), "{text}: {shown}");
    }
}
