//! Durations as numbers of seconds, in JSON and in URIs.

use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serializer, de};

/// The longest duration that is accepted.
pub(crate) const YEAR: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// A number of seconds from 0 to a year, with an optional fraction.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Seconds(pub(crate) Duration);

impl Seconds {
    /// The accepted values, for error messages.
    pub(crate) const ACCEPTED: &'static str = "a number of seconds, from 0 to a year";

    fn new(seconds: f64) -> Option<Self> {
        Duration::try_from_secs_f64(seconds).ok().filter(|duration| *duration <= YEAR).map(Self)
    }
}

impl FromStr for Seconds {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        text.parse().ok().and_then(Self::new).ok_or(())
    }
}

impl<'de> Deserialize<'de> for Seconds {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let refused = || de::Error::custom(format!("a duration must be {}", Self::ACCEPTED));
        Self::new(f64::deserialize(deserializer)?).ok_or_else(refused)
    }
}

pub(crate) fn required<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    Seconds::deserialize(deserializer).map(|Seconds(duration)| duration)
}

#[cfg(feature = "git")]
pub(crate) fn optional<'de, D>(deserializer: D) -> Result<Option<Duration>, D::Error>
where
    D: Deserializer<'de>,
{
    let duration = Option::<Seconds>::deserialize(deserializer)?;
    Ok(duration.map(|Seconds(duration)| duration))
}

/// Writes a number of seconds. A duration of more than a year, such as `Duration::MAX` for no limit, becomes a year, so that the
/// number reads back.
pub(crate) fn serialize<S: Serializer>(
    duration: &Duration,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64((*duration).min(YEAR).as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_of_seconds_is_from_zero_to_a_year() {
        for text in ["NaN", "inf", "-inf", "-1e-9", "-1", "31536001", "1e300", "", "5s", "0x5"] {
            assert_eq!(text.parse::<Seconds>(), Err(()), "{text}");
        }
        assert_eq!("0.5".parse(), Ok(Seconds(Duration::from_millis(500))));
        assert_eq!("31536000".parse(), Ok(Seconds(YEAR)));
    }
}
