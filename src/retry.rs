//! When a call to a service is repeated, and after which wait.
//!
//! Nothing here sends, sleeps or draws lots: what was answered goes in, what to do comes out.

use std::time::{Duration, SystemTime};

/// What a wait grows to by itself.
const LONGEST: Duration = Duration::from_secs(8);

/// A service that wants to be left alone for longer gets no repetition: whoever called knows better what to do meanwhile.
const PATIENCE: Duration = Duration::from_secs(120);

/// How much of a wait is left to chance, so that many who failed at once do not come back at once.
const JITTER: f64 = 0.25;

/// Whether a failure of this HTTP status passes by itself.
pub(crate) fn is_passing(status: u16) -> bool {
    matches!(status, 408 | 409 | 429 | 500..)
}

/// What the head of an answer says of repetitions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Advice {
    /// Whether there shall be one (`x-should-retry`).
    pub(crate) repeat: Option<bool>,
    /// After how long (`retry-after-ms`, `Retry-After`); never zero.
    pub(crate) after: Option<Duration>,
}

impl Advice {
    /// Reads it from the headers, by their names in lower case. `now` is what a date is compared with.
    pub(crate) fn read<'a>(header: impl Fn(&str) -> Option<&'a str>, now: SystemTime) -> Self {
        let repeat = match header("x-should-retry") {
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
        Self { repeat, after: after.filter(|after| !after.is_zero()) }
    }
}

/// How often a call is repeated, and how long is waited where the service does not say.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Backoff {
    pub(crate) retries: u32,
    /// Before the first repetition; it doubles from one to the next.
    pub(crate) first: Duration,
}

impl Backoff {
    /// The wait before one more repetition after `done` others, `None` if there shall be none. `asked` is what the service asked for,
    /// `luck` any number from 0 to 1.
    pub(crate) fn wait(self, done: u32, asked: Option<Duration>, luck: f64) -> Option<Duration> {
        let wait = asked.unwrap_or_else(|| self.pause(done, luck));
        (done < self.retries && asked.is_none_or(|asked| asked <= PATIENCE)).then_some(wait)
    }

    /// The wait after `done` others, however many are allowed.
    pub(crate) fn pause(self, done: u32, luck: f64) -> Duration {
        let doubled = self.first.saturating_mul(2_u32.saturating_pow(done));
        doubled.min(LONGEST.max(self.first)).mul_f64(1.0 - JITTER * luck)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Thursday, 1 October 2026, 12:00:00 GMT.
    const NOW: u64 = 1_790_856_000;

    fn read(headers: &[(&str, &'static str)]) -> Advice {
        let header = |name: &str| headers.iter().find(|(n, _)| *n == name).map(|(_, value)| *value);
        Advice::read(header, SystemTime::UNIX_EPOCH + Duration::from_secs(NOW))
    }

    #[test]
    fn a_wait_is_read_from_whichever_header_has_it() {
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
    fn the_service_may_decide_outright() {
        let repeat = |value| read(&[("x-should-retry", value)]).repeat;
        assert_eq!(repeat("true"), Some(true));
        assert_eq!(repeat("false"), Some(false));
        assert_eq!(repeat("maybe"), None);
        assert_eq!(read(&[]).repeat, None);
    }

    #[test]
    fn what_the_service_asks_for_is_waited_exactly_and_not_for_ever() {
        let backoff = Backoff { retries: 2, first: Duration::from_millis(500) };
        let secs = Duration::from_secs;
        assert_eq!(backoff.wait(0, Some(secs(120)), 1.0), Some(secs(120)));
        assert_eq!(backoff.wait(1, Some(secs(1)), 1.0), Some(secs(1)));
        assert_eq!(backoff.wait(0, Some(Duration::from_millis(120_001)), 1.0), None);
        assert_eq!(backoff.wait(2, Some(secs(1)), 1.0), None);
    }

    #[test]
    fn waits_double_up_to_a_bound_and_end() {
        let backoff = Backoff { retries: 9, first: Duration::from_millis(500) };
        let waits: Vec<_> = (0..10).map(|n| backoff.wait(n, None, 0.0)).collect();
        let expected = [500, 1000, 2000, 4000, 8000, 8000, 8000, 8000, 8000];
        let expected = expected.map(|millis| Some(Duration::from_millis(millis)));
        assert_eq!(waits, [&expected[..], &[None]].concat());
        assert_eq!(backoff.wait(1, None, 1.0), Some(Duration::from_millis(750)));
        assert_eq!(backoff.pause(u32::MAX, 0.0), LONGEST);
        let patient = Backoff { retries: 1, first: Duration::from_secs(30) };
        assert_eq!(patient.pause(7, 0.0), Duration::from_secs(30));
    }

    #[test]
    fn only_some_statuses_pass_by_themselves() {
        let passing: Vec<u16> = (200..505).filter(|status| is_passing(*status)).collect();
        assert_eq!(passing, [408, 409, 429, 500, 501, 502, 503, 504]);
    }
}
