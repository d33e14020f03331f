//! Times as RFC 3339 text in UTC, including times before 1970. File systems can hold times outside the years 0 to 9999; these
//! become the nearest time within, so that one such file does not make a listing fail.

use std::time::{SystemTime, UNIX_EPOCH};

use jiff::Timestamp;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// 0000-01-01T00:00:00Z.
const FIRST: Timestamp = Timestamp::constant(-62_167_219_200, 0);

pub(crate) fn nearest(time: SystemTime) -> Timestamp {
    match Timestamp::try_from(time) {
        Ok(timestamp) => timestamp.max(FIRST),
        Err(_) if time < UNIX_EPOCH => FIRST,
        Err(_) => Timestamp::MAX,
    }
}

pub(crate) fn serialize<S: Serializer>(
    time: &Option<SystemTime>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    time.map(|time| nearest(time).to_string()).serialize(serializer)
}

pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<SystemTime>, D::Error> {
    Option::<String>::deserialize(deserializer)?
        .map(|text| text.parse::<Timestamp>().map(SystemTime::from).map_err(de::Error::custom))
        .transpose()
}
