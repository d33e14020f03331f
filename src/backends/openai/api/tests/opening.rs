//! What a configuration must be like, and what is never shown of it.

use super::server::{KEY, client};
use crate::seconds::YEAR;
use crate::{ErrorKind, OpenAIConfig, OpenAIRates, OpenAITimeouts};

fn config() -> OpenAIConfig {
    OpenAIConfig::new("vs_1").with_base_url("http://127.0.0.1:1/v1")
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
    let timeouts = OpenAITimeouts::default().with_connect(YEAR).with_idle(YEAR).with_total(YEAR);
    let config = config()
        .with_timeouts(timeouts)
        .with_concurrency(256)
        .with_retry_delay(YEAR)
        .with_retries(0)
        .with_rates(OpenAIRates::default().with_uploads(u32::MAX))
        .with_base_url("http://127.0.0.1:1///");
    config.check(None).unwrap();
    assert_eq!(client(&config).0.transport.backoff.pause(3, 0.0), YEAR);
    // Nobody listens there.
    let error = client(&config).file("file-a").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unreachable);
}

#[test]
fn a_call_without_a_runtime_is_refused() {
    let call = futures::executor::block_on(async { client(&config()).file("file-a").await });
    assert_eq!(call.unwrap_err().kind(), ErrorKind::Unsupported);
}
