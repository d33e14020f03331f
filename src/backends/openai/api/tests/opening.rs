//! What a configuration must be like, and what is never shown of it.

use std::time::Duration;

use super::super::Client;
use super::server::{KEY, client};
use crate::{Error, ErrorKind, OpenAIConfig, OpenAIRates, OpenAITimeouts, Secret};

fn refusal(config: &OpenAIConfig, key: &str) -> Error {
    let error = Client::new(config, Secret::new(key)).unwrap_err();
    assert_eq!((error.kind(), error.backend()), (ErrorKind::InvalidInput, Some("openai")));
    error
}

fn config() -> OpenAIConfig {
    OpenAIConfig::new("vs_1").with_base_url("http://127.0.0.1:1/v1")
}

#[test]
fn a_configuration_that_cannot_work_is_refused() {
    for url in [
        "",
        "api.openai.com/v1",
        "ftp://host/v1",
        "http://",
        "https://me:hunter2@host/v1",
        "https://hunter2@host/v1",
        "https://host/v1?key=hunter2",
        "https://host/v1#hunter2",
    ] {
        let error = refusal(&config().with_base_url(url), KEY);
        assert!(!format!("{error} {error:?}").contains("hunter2"), "{error}");
        assert!(error.to_string().contains("base_url"), "{error}");
    }
    for store in ["", ".", ".."] {
        let mut config = config();
        config.vector_store_id = store.to_owned();
        refusal(&config, KEY);
    }
    let error = refusal(&config(), "hunter2\n");
    assert!(!format!("{error} {error:?}").contains("hunter2"), "{error}");
    refusal(&config().with_organization("a\nb"), KEY);
    refusal(&config().with_project("a\0b"), KEY);
    refusal(&config().with_concurrency(0), KEY);
    refusal(&config().with_rates(OpenAIRates::default().with_uploads(0)), KEY);
    refusal(&config().with_rates(OpenAIRates::default().with_attachments(0)), KEY);
    let zero = Duration::ZERO;
    for timeouts in [
        OpenAITimeouts::default().with_connect(zero),
        OpenAITimeouts::default().with_idle(zero),
        OpenAITimeouts::default().with_total(zero),
    ] {
        refusal(&config().with_timeouts(timeouts), KEY);
    }
}

#[test]
fn nothing_secret_is_shown() {
    let client = client(&config());
    let shown = format!("{client:?} {:?}", client.0.transport);
    assert!(shown.contains("127.0.0.1:1") && shown.contains("vs_1"), "{shown}");
    assert!(!shown.contains(KEY), "{shown}");
}

#[test]
fn the_rates_of_openai_are_kept_where_they_are_known() {
    let rates = |config: &OpenAIConfig| {
        let client = client(config);
        let rate = |pace: &Option<_>| pace.is_some();
        (rate(&client.0.uploads), rate(&client.0.attachments))
    };
    assert_eq!(rates(&OpenAIConfig::new("vs_1")), (true, true));
    assert_eq!(rates(&config()), (false, false));
    assert_eq!(rates(&config().with_rates(OpenAIRates::default())), (true, true));
}

#[tokio::test]
async fn the_longest_times_and_the_largest_numbers_are_fine() {
    let most = Duration::MAX;
    let timeouts = OpenAITimeouts::default().with_connect(most).with_idle(most).with_total(most);
    let config = config()
        .with_timeouts(timeouts)
        .with_concurrency(usize::MAX)
        .with_retry_delay(most)
        .with_retries(0)
        .with_rates(OpenAIRates::default().with_uploads(u32::MAX))
        .with_base_url("http://127.0.0.1:1///");
    assert!(client(&config).0.transport.backoff.pause(3, 0.0) > Duration::from_secs(3600));
    // Nobody listens there.
    let error = client(&config).file("file-a").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unreachable);
}

#[test]
fn a_call_without_a_runtime_is_refused() {
    let call = futures::executor::block_on(async { client(&config()).file("file-a").await });
    assert_eq!(call.unwrap_err().kind(), ErrorKind::Unsupported);
}
