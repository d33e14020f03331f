use serde_json::{Value, json};

use super::*;
use crate::core::error::ErrorKind;
use crate::core::secret::Secret;

fn valid() -> OpenAIConfig {
    OpenAIConfig::new("vs_123")
}

fn from_json(json: Value) -> OpenAIConfig {
    serde_json::from_value(json).unwrap()
}

fn json_error(json: Value) -> String {
    serde_json::from_value::<OpenAIConfig>(json).unwrap_err().to_string()
}

#[test]
fn json_needs_only_a_vector_store() {
    let config = from_json(json!({"vector_store_id": "vs_123"}));
    assert_eq!(config, valid());
    assert_eq!(config.api_key, SecretSource::Variable("OPENAI_API_KEY".to_owned()));
    assert_eq!((&*config.base_url, &*config.purpose), ("https://api.openai.com/v1", "assistants"));
    assert!(config.send_beta_header && !config.allow_http);
    assert_eq!((config.retries, config.concurrency), (4, 16));
    assert_eq!(
        (config.cache_ttl, config.retry_delay),
        (Duration::ZERO, Duration::from_millis(500))
    );
    let OpenAITimeouts { connect, idle, total, indexing } = config.timeouts;
    assert_eq!([connect, idle, total, indexing].map(|t| t.as_secs()), [5, 60, 600, 120]);
}

#[test]
fn json_sets_every_field() {
    let config = from_json(json!({
        "vector_store_id": "v", "api_key": "file:/k", "base_url": "http://h/v1", "allow_http": true,
        "organization": "o", "project": "p", "purpose": "user_data", "cache_ttl": 1.5,
        "encoding": "raw", "read": "vector_store_text",
        "chunking": {"static": {"max_chunk_size_tokens": 800, "chunk_overlap_tokens": 100}},
        "timeouts": {"connect": 1, "idle": 2, "total": 3, "indexing": 4},
        "retries": 5, "retry_delay": 0.25, "concurrency": 6,
        "rates": {"uploads": 7, "attachments": 8}, "send_beta_header": false,
    }));
    let chunking = OpenAIChunking::Static { max_chunk_size_tokens: 800, chunk_overlap_tokens: 100 };
    let timeouts = OpenAITimeouts::default()
        .with_connect(Duration::from_secs(1))
        .with_idle(Duration::from_secs(2))
        .with_total(Duration::from_secs(3))
        .with_indexing(Duration::from_secs(4));
    let expected = OpenAIConfig::new("v")
        .with_api_key("file:/k")
        .with_base_url("http://h/v1")
        .with_allow_http(true)
        .with_organization("o")
        .with_project("p")
        .with_purpose("user_data")
        .with_cache_ttl(Duration::from_millis(1500))
        .with_encoding(OpenAIEncoding::Raw)
        .with_read(OpenAIReadMode::VectorStoreText)
        .with_chunking(chunking)
        .with_timeouts(timeouts)
        .with_retries(5)
        .with_retry_delay(Duration::from_millis(250))
        .with_concurrency(6)
        .with_rates(OpenAIRates::default().with_uploads(7).with_attachments(8))
        .with_send_beta_header(false);
    assert_eq!(config, expected);
    expected.check(None).unwrap();
}

#[test]
fn json_errors_list_the_known_names() {
    let error = json_error(json!({"vector_store_id": "v", "apikey": "hunter2"}));
    assert!(error.contains("unknown field `apikey`") && error.contains("`api_key`"), "{error}");
    assert!(!error.contains("hunter2"), "{error}");
    assert!(json_error(json!({})).contains("missing field `vector_store_id`"));
    let error = json_error(json!({"vector_store_id": "v", "api_key": 8675309}));
    assert!(!error.contains("8675309"), "{error}");
    for json in [
        json!({"vector_store_id": "v", "timeouts": {"read": 1}}),
        json!({"vector_store_id": "v", "rates": {"searches": 1}}),
        json!({"vector_store_id": "v", "chunking": {"static": {"size": 1}}}),
    ] {
        assert!(json_error(json).contains("unknown field"));
    }
    let error = json_error(json!({"vector_store_id": "v", "encoding": "base64"}));
    assert!(error.contains("`auto`, `raw`, `framed`"), "{error}");
}

#[test]
fn from_str_accepts_the_names_of_json() {
    for name in ["auto", "raw", "framed"] {
        let parsed: OpenAIEncoding = name.parse().unwrap();
        assert_eq!(serde_json::from_value::<OpenAIEncoding>(json!(name)).unwrap(), parsed);
        assert!(OpenAIEncoding::ACCEPTED.contains(name));
    }
    for name in ["auto", "files_content", "vector_store_text"] {
        let parsed: OpenAIReadMode = name.parse().unwrap();
        assert_eq!(serde_json::from_value::<OpenAIReadMode>(json!(name)).unwrap(), parsed);
        assert!(OpenAIReadMode::ACCEPTED.contains(name));
    }
    assert_eq!("Raw".parse::<OpenAIEncoding>().unwrap_err().kind(), ErrorKind::InvalidInput);
    assert_eq!("".parse::<OpenAIReadMode>().unwrap_err().kind(), ErrorKind::InvalidInput);
}

fn chunking(max_chunk_size_tokens: u32, chunk_overlap_tokens: u32) -> OpenAIConfig {
    valid().with_chunking(OpenAIChunking::Static { max_chunk_size_tokens, chunk_overlap_tokens })
}

#[track_caller]
fn assert_refused(config: &OpenAIConfig, message: &str) {
    let error = config.check(None).expect_err(message);
    assert_eq!(error.kind(), ErrorKind::InvalidInput, "{message}");
    assert!(error.message().unwrap().starts_with(message), "{message}: {error}");
}

#[test]
fn an_invalid_address_is_refused() {
    let url = |url: &str| valid().with_base_url(url);
    for (config, message) in [
        (OpenAIConfig::new(""), "`vector_store_id`: is empty"),
        (OpenAIConfig::new(".."), "`vector_store_id`: is empty, `.` or `..`"),
        (OpenAIConfig::new("vs/1"), "`vector_store_id`: contains a slash"),
        (OpenAIConfig::new("vs 1"), "`vector_store_id`: contains a slash"),
        (OpenAIConfig::new("vs\n"), "`vector_store_id`: contains a slash"),
        (url(""), "`base_url`: must start with `https://`"),
        (url("api.openai.com/v1"), "`base_url`: must start with `https://`"),
        (url("ftp://host"), "`base_url`: must start with `https://`"),
        (url("https:host"), "`base_url`: must start with `https://`"),
        (url("https://"), "`base_url`: not a valid URL"),
        (url("https:///v1"), "`base_url`: has no host"),
        (url("https://host:99999"), "`base_url`: not a valid URL"),
        (url("https://ho st"), "`base_url`: contains white space"),
        (url("https://host\n"), "`base_url`: contains white space"),
        (url("https:\\\\host"), "`base_url`: must start"),
        (
            url("https://host\\v1"),
            "`base_url`: contains white space, a control character or a backslash",
        ),
        (url("https://me:pw@host"), "`base_url`: contains an `@`"),
        (url("https://host?x=1"), "`base_url`: must not have a query"),
        (url("https://host#x"), "`base_url`: must not have a query or a fragment"),
        (url("http://host/v1"), "`base_url`: over HTTP, everybody on the network"),
        (url("http://127.0.0.1.example.com"), "`base_url`: over HTTP, everybody on the network"),
        (url("http://localhost.example.com"), "`base_url`: over HTTP, everybody on the network"),
    ] {
        assert_refused(&config, message);
    }
}

#[test]
fn an_invalid_setting_is_refused_with_its_name() {
    let timeouts = OpenAITimeouts::default();
    for (config, message) in [
        (valid().with_organization(""), "`organization`: is empty"),
        (valid().with_organization("a\r\nb"), "`organization`: contains white space"),
        (valid().with_project("é"), "`project`: contains white space, a control character or"),
        (valid().with_purpose(""), "`purpose`: may contain only letters"),
        (valid().with_purpose("fine tune"), "`purpose`: may contain only letters"),
        (valid().with_concurrency(0), "`concurrency`: must be between 1 and 256"),
        (valid().with_concurrency(257), "`concurrency`: must be between 1 and 256"),
        (valid().with_retries(21), "`retries`: must not be more than 20"),
        (valid().with_cache_ttl(Duration::MAX), "`cache_ttl`: must not be longer"),
        (valid().with_retry_delay(Duration::MAX), "`retry_delay`: must not be longer"),
        (
            valid().with_timeouts(timeouts.with_connect(Duration::ZERO)),
            "`timeouts.connect`: must be greater",
        ),
        (
            valid().with_timeouts(timeouts.with_idle(Duration::ZERO)),
            "`timeouts.idle`: must be greater",
        ),
        (
            valid().with_timeouts(timeouts.with_total(Duration::ZERO)),
            "`timeouts.total`: must be greater",
        ),
        (
            valid().with_timeouts(timeouts.with_indexing(Duration::ZERO)),
            "`timeouts.indexing`: must be greater",
        ),
        (
            valid().with_timeouts(timeouts.with_total(Duration::MAX)),
            "`timeouts.total`: must not be longer",
        ),
        (chunking(99, 0), "`chunking.static.max_chunk_size_tokens`: must be between 100"),
        (chunking(4097, 0), "`chunking.static.max_chunk_size_tokens`: must be between 100"),
        (chunking(101, 51), "`chunking.static.chunk_overlap_tokens`: must not be more than half"),
        (
            valid().with_rates(OpenAIRates::default().with_uploads(0)),
            "`rates.uploads`: must be greater",
        ),
        (
            valid().with_rates(OpenAIRates::default().with_attachments(0)),
            "`rates.attachments`: must be greater",
        ),
    ] {
        assert_refused(&config, message);
    }
}

#[test]
fn every_limit_is_inclusive() {
    let year = Duration::from_secs(365 * 86_400);
    let moment = Duration::from_nanos(1);
    let timeouts = OpenAITimeouts::default().with_total(year).with_connect(moment);
    for config in [
        valid().with_concurrency(1).with_retries(0).with_retry_delay(Duration::ZERO),
        valid().with_concurrency(256).with_retries(20).with_cache_ttl(year).with_timeouts(timeouts),
        chunking(100, 50),
        chunking(4096, 2048),
        chunking(800, 0),
        valid().with_rates(OpenAIRates::default().with_uploads(1).with_attachments(1)),
        valid().with_organization("org-1").with_project("proj_1").with_purpose("fine-tune"),
    ] {
        config.check(None).unwrap();
    }
}

#[test]
fn plain_http_to_another_machine_must_be_allowed() {
    for url in [
        "https://api.openai.com/v1",
        "https://api.openai.com/v1/",
        "HTTPS://host",
        "https://[2001:db8::1]:8443/openai/v1",
        "http://127.0.0.1:8321/v1",
        "http://127.1.2.3",
        "http://localhost:11434/v1",
        "http://LOCALHOST",
        "http://[::1]:8000/v1",
    ] {
        valid().with_base_url(url).check(None).unwrap_or_else(|error| panic!("{url}: {error}"));
    }
    for url in ["http://host/v1", "http://10.0.0.1", "http://[2001:db8::1]"] {
        valid().with_base_url(url).check(None).unwrap_err();
        valid().with_base_url(url).with_allow_http(true).check(None).unwrap();
    }
}

#[test]
fn an_invalid_key_is_refused_without_showing_it() {
    valid().check(Some(&Secret::new("sk-proj-1_2"))).unwrap();
    for key in
        ["", " hunter2", "hunter2\n", "hunter2\0", "hunter2\r\nX-Other: 1", "hünter2", "hunter2 "]
    {
        let error = valid().check(Some(&Secret::new(key))).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput, "{key:?}");
        let reason = match key {
            "" => "`api_key`: is empty",
            _ => "`api_key`: contains white space, a control character or a non-ASCII character",
        };
        assert_eq!(error.message(), Some(reason));
        let shown = format!("{error} {error:?}");
        assert!(!shown.contains("nter2"), "{shown}");
    }
}

#[tokio::test]
async fn a_key_is_read_from_each_source() {
    let plain = valid().with_api_key(Secret::new("env:PATH"));
    assert_eq!(plain.read_api_key().await.unwrap(), Secret::new("env:PATH"));
    let path = Secret::new(std::env::var("PATH").unwrap());
    assert_eq!(valid().with_api_key("env:PATH").read_api_key().await.unwrap(), path);

    let missing = valid().with_api_key("env:F9_NO_SUCH_VARIABLE");
    let error = missing.read_api_key().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    let message = "`api_key`: the environment variable F9_NO_SUCH_VARIABLE is not set";
    assert_eq!(error.message(), Some(message));
    assert!(std::error::Error::source(&error).is_some());
}

#[test]
fn debug_output_hides_secrets() {
    for config in [
        valid().with_api_key(Secret::new("hunter2")),
        valid().with_api_key("hunter2"),
        valid().with_base_url("https://me:hunter2@host/v1"),
        valid().with_base_url("https://hunter2@host/v1"),
        valid().with_base_url("https://me:1/hunter2@host/v1"),
        valid().with_base_url("https://me:1?hunter2@host/v1"),
        valid().with_base_url("https://host/v1?api_key=hunter2"),
        valid().with_base_url("https://host/v1#hunter2"),
        valid().with_base_url("hunter2"),
        valid().with_base_url("me:hunter2@host"),
        valid().with_base_url("https://me:hunter2"),
        valid().with_base_url("https:\\\\me:hunter2@host"),
    ] {
        let shown = format!("{config:?} {config:#?} {:?}", config.check(None));
        assert!(!shown.contains("hunter2"), "{shown}");
    }
}

#[test]
fn debug_output_shows_the_other_fields() {
    let shown = format!("{:?}", valid().with_base_url("http://host:8/v1").with_project("p"));
    let expected = "OpenAIConfig { vector_store_id: \"vs_123\", api_key: Variable(\"OPENAI_API_KEY\"), \
                    base_url: \"http://host:8/v1\", allow_http: false, organization: None, project: Some(\"p\"), ";
    assert!(shown.starts_with(expected), "{shown}");
}
