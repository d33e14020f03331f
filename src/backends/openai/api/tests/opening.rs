//! Checks of the configuration, and what never appears in messages.

use super::server::{KEY, client};
use crate::backends::openai::{OpenAIConfig, OpenAIRates, OpenAITimeouts};
use crate::core::duration::YEAR;
use crate::core::error::ErrorKind;

fn config() -> OpenAIConfig {
    OpenAIConfig::new("vs_1").with_base_url("http://127.0.0.1:1/v1")
}

#[test]
fn debug_output_and_errors_contain_no_secret() {
    let client = client(&config());
    let shown = format!("{client:?} {:?}", client.0.transport);
    assert!(shown.contains("127.0.0.1:1") && shown.contains("vs_1"), "{shown}");
    assert!(!shown.contains(KEY), "{shown}");
}

#[test]
fn rate_limits_apply_to_openais_own_service_by_default() {
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
async fn the_longest_durations_and_largest_numbers_are_accepted() {
    let timeouts = OpenAITimeouts::default().with_connect(YEAR).with_idle(YEAR).with_total(YEAR);
    let config = config()
        .with_timeouts(timeouts)
        .with_concurrency(256)
        .with_retry_delay(YEAR)
        .with_retries(0)
        .with_rates(OpenAIRates::default().with_uploads(u32::MAX))
        .with_base_url("http://127.0.0.1:1///");
    config.check(None).unwrap();
    assert_eq!(client(&config).0.transport.backoff.delay(3, 0.0), YEAR);
    // Nothing listens at that address.
    let error = client(&config).file("file-a").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unreachable);
}

#[test]
fn a_call_without_a_runtime_fails() {
    let call = futures::executor::block_on(async { client(&config()).file("file-a").await });
    assert_eq!(call.unwrap_err().kind(), ErrorKind::Unsupported);
}
