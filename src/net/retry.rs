//! Decides whether to retry an HTTP call, and computes the wait before the retry.
//!
//! Pure functions: nothing here sends, sleeps or draws random numbers.

use std::time::{Duration, SystemTime};

/// The longest wait if the service does not ask for one.
const MAX_BACKOFF: Duration = Duration::from_secs(8);

/// If the service asks for a longer wait, the call fails without a retry, and the caller decides what to do.
const MAX_RETRY_AFTER: Duration = Duration::from_secs(120);

/// The random part of a wait, so that clients that failed together do not retry together.
const JITTER: f64 = 0.25;

/// Whether a failure with this HTTP status is temporary.
pub(crate) fn is_retryable_status(status: u16) -> bool {
    matches!(status, 408 | 409 | 429 | 500..)
}

/// What the headers of a response say about retries.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct RetryHint {
    /// Whether to retry (`x-should-retry`).
    pub(crate) should_retry: Option<bool>,
    /// How long to wait (`retry-after-ms`, `Retry-After`); never zero.
    pub(crate) after: Option<Duration>,
}

impl RetryHint {
    /// Reads the hint from headers with lower-case names. `now` is compared with a date.
    pub(crate) fn read<'a>(header: impl Fn(&str) -> Option<&'a str>, now: SystemTime) -> Self {
        let should_retry = match header("x-should-retry") {
            Some("true") => Some(true),
            Some("false") => Some(false),
            _ => None,
        };
        let seconds = |text: &str, unit: f64| {
            let number = text.trim().parse::<f64>().ok()?;
            Duration::try_from_secs_f64(number * unit).ok()
        };
        let date = |text| httpdate::parse_http_date(text).ok()?.duration_since(now).ok();
        let after = header("retry-after-ms").and_then(|text| seconds(text, 1e-3)).or_else(|| {
            let text = header("retry-after")?;
            seconds(text, 1.0).or_else(|| date(text))
        });
        Self { should_retry, after: after.filter(|after| !after.is_zero()) }
    }
}

/// The number of retries, and the waits before them if the service does not ask for one.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Backoff {
    pub(crate) max_retries: u32,
    /// The wait before the first retry. It doubles with each retry.
    pub(crate) first: Duration,
}

impl Backoff {
    /// Returns the wait before the next retry, after `retries` earlier ones, or `None` to give up. `asked` is the wait that the
    /// service asks for, `jitter` a number from 0 to 1.
    pub(crate) fn next_wait(
        self,
        retries: u32,
        asked: Option<Duration>,
        jitter: f64,
    ) -> Option<Duration> {
        let wait = asked.unwrap_or_else(|| self.delay(retries, jitter));
        (retries < self.max_retries && asked.is_none_or(|asked| asked <= MAX_RETRY_AFTER))
            .then_some(wait)
    }

    /// Returns the wait after `retries` earlier ones, without a limit on their number.
    pub(crate) fn delay(self, retries: u32, jitter: f64) -> Duration {
        let doubled = self.first.saturating_mul(2_u32.saturating_pow(retries));
        doubled.min(MAX_BACKOFF.max(self.first)).mul_f64(1.0 - JITTER * jitter)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Thursday, 1 October 2026, 12:00:00 GMT.
    const NOW: u64 = 1_790_856_000;

    fn read(headers: &[(&str, &'static str)]) -> RetryHint {
        let header = |name: &str| headers.iter().find(|(n, _)| *n == name).map(|(_, value)| *value);
        RetryHint::read(header, SystemTime::UNIX_EPOCH + Duration::from_secs(NOW))
    }

    #[test]
    fn a_wait_is_read_from_any_of_the_headers() {
        let after = |headers: &[(&str, &'static str)]| read(headers).after.map(|t| t.as_millis());
        assert_eq!(after(&[]), None);
        assert_eq!(after(&[("retry-after-ms", "250")]), Some(250));
        assert_eq!(after(&[("retry-after-ms", " 0.5e3 ")]), Some(500));
        assert_eq!(after(&[("retry-after-ms", "250"), ("retry-after", "9")]), Some(250));
        assert_eq!(after(&[("retry-after-ms", "soon"), ("retry-after", "9")]), Some(9000));
        assert_eq!(after(&[("retry-after", "0.25")]), Some(250));
        assert_eq!(after(&[("retry-after", "7200")]), Some(7_200_000));
        for date in ["Thu, 01 Oct 2026 12:00:30 GMT", "Thursday, 01-Oct-26 12:00:30 GMT"] {
            assert_eq!(after(&[("retry-after", date)]), Some(30_000), "{date}");
        }
        for nothing in ["0", "-1", "NaN", "inf", "1e300", "", "Thu, 01 Oct 2026 11:59:59 GMT"] {
            assert_eq!(after(&[("retry-after", nothing)]), None, "{nothing}");
            assert_eq!(after(&[("retry-after-ms", nothing)]), None, "{nothing}");
        }
    }

    #[test]
    fn the_service_can_force_or_forbid_a_retry() {
        let should_retry = |value| read(&[("x-should-retry", value)]).should_retry;
        assert_eq!(should_retry("true"), Some(true));
        assert_eq!(should_retry("false"), Some(false));
        assert_eq!(should_retry("maybe"), None);
        assert_eq!(read(&[]).should_retry, None);
    }

    #[test]
    fn the_wait_of_the_service_is_exact_and_limited() {
        let backoff = Backoff { max_retries: 2, first: Duration::from_millis(500) };
        let secs = Duration::from_secs;
        assert_eq!(backoff.next_wait(0, Some(secs(120)), 1.0), Some(secs(120)));
        assert_eq!(backoff.next_wait(1, Some(secs(1)), 1.0), Some(secs(1)));
        assert_eq!(backoff.next_wait(0, Some(Duration::from_millis(120_001)), 1.0), None);
        assert_eq!(backoff.next_wait(2, Some(secs(1)), 1.0), None);
    }

    #[test]
    fn waits_double_up_to_a_limit_and_end() {
        let backoff = Backoff { max_retries: 9, first: Duration::from_millis(500) };
        let waits: Vec<_> = (0..10).map(|n| backoff.next_wait(n, None, 0.0)).collect();
        let expected = [500, 1000, 2000, 4000, 8000, 8000, 8000, 8000, 8000];
        let expected = expected.map(|millis| Some(Duration::from_millis(millis)));
        assert_eq!(waits, [&expected[..], &[None]].concat());
        assert_eq!(backoff.next_wait(1, None, 1.0), Some(Duration::from_millis(750)));
        assert_eq!(backoff.delay(u32::MAX, 0.0), MAX_BACKOFF);
        let patient = Backoff { max_retries: 1, first: Duration::from_secs(30) };
        assert_eq!(patient.delay(7, 0.0), Duration::from_secs(30));
    }

    #[test]
    fn only_some_statuses_are_retryable() {
        let passing: Vec<u16> = (200..505).filter(|status| is_retryable_status(*status)).collect();
        assert_eq!(passing, [408, 409, 429, 500, 501, 502, 503, 504]);
    }
}
