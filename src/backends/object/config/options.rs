//! What holds for every object store.

use std::str::FromStr;
use std::time::Duration;

use serde::Deserialize;

use crate::core::duration::YEAR;
use crate::core::error::{Error, ErrorKind, Result};
use crate::core::options::setters;

/// How an object store is used. The defaults suit a service on the network.
///
/// In JSON, durations are numbers of seconds, and an unknown field is an error that lists the known ones.
///
/// # Memory
///
/// A streamed write or read keeps up to `part_size × (parts + 1)` bytes: 40 MiB by default.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct ObjectStoreOptions {
    /// The size of the parts of large files, in bytes; 8 MiB by default. Smaller files are written in one request. A service has up to
    /// 10,000 parts, so the largest file that is written as a stream has 10,000 times this size; for a stream with a declared size, the parts
    /// are made larger if they must be.
    pub part_size: u64,
    /// How many parts of one file are sent or received at a time; 4 by default.
    pub parts: usize,
    /// How many requests may be in flight at a time; 64 by default.
    pub requests: usize,
    /// How often a request is repeated if it failed and may succeed later; 6 by default.
    pub retries: u32,
    /// The wait before the first repetition, unless the service names one; it doubles each time, up to 8 seconds. 0.1 seconds by default.
    #[serde(deserialize_with = "crate::core::duration::required")]
    pub retry_delay: Duration,
    /// The timeouts of requests.
    pub timeouts: ObjectStoreTimeouts,
    /// Which conditions the service honours.
    pub conditions: Conditions,
    /// Whether the SHA-256 of what is written is sent along, so that the service checks and keeps it; `true` by default. Files in parts have
    /// none.
    pub checksums: bool,
    /// How long f9 relies on a look at a directory: that no parent of a new file is a file, and that its name is not that of a directory. Five
    /// seconds by default. Other writers of this process are always known.
    #[serde(deserialize_with = "crate::core::duration::required")]
    pub directory_ttl: Duration,
    /// How long a session outlives a holder that stopped; 30 seconds by default. The holder renews it after every third of this time.
    #[serde(deserialize_with = "crate::core::duration::required")]
    pub session_ttl: Duration,
}

/// Which conditions a service honours. Services that ignore a condition answer as if it held, so f9 does not rely on what they promise.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Conditions {
    /// Tries them out when the first handle of a bucket in this process opens, with a few small objects below `.f9/`.
    #[default]
    Probe,
    /// All that the kind of service has.
    All,
    /// None. Then `create` is [`Unsupported`](ErrorKind::Unsupported), as is every other conditional write.
    None,
}

impl Conditions {
    /// The accepted values, for error messages.
    pub(crate) const ACCEPTED: &'static str = "probe, all or none";
}

impl FromStr for Conditions {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        match text {
            "probe" => Ok(Self::Probe),
            "all" => Ok(Self::All),
            "none" => Ok(Self::None),
            _ => Err(()),
        }
    }
}

/// The timeouts of requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct ObjectStoreTimeouts {
    /// For connecting; 5 seconds by default.
    #[serde(deserialize_with = "crate::core::duration::required")]
    pub connect: Duration,
    /// Between two received pieces; 30 seconds by default. A request with content has more time for its answer: a second for each 64 KiB.
    #[serde(deserialize_with = "crate::core::duration::required")]
    pub idle: Duration,
    /// For a request with all its repetitions; 5 minutes by default.
    #[serde(deserialize_with = "crate::core::duration::required")]
    pub total: Duration,
}

impl Default for ObjectStoreOptions {
    fn default() -> Self {
        Self {
            part_size: 8 * 1024 * 1024,
            parts: 4,
            requests: 64,
            retries: 6,
            retry_delay: Duration::from_millis(100),
            timeouts: ObjectStoreTimeouts::default(),
            conditions: Conditions::Probe,
            checksums: true,
            directory_ttl: Duration::from_secs(5),
            session_ttl: Duration::from_secs(30),
        }
    }
}

impl Default for ObjectStoreTimeouts {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(5),
            idle: Duration::from_secs(30),
            total: Duration::from_secs(300),
        }
    }
}

setters!(ObjectStoreOptions {
    /// Sets the size of the parts of large files, in bytes.
    with_part_size(part_size: u64) => part_size;
    /// Sets how many parts of one file are sent or received at a time.
    with_parts(parts: usize) => parts;
    /// Sets how many requests may be in flight at a time.
    with_requests(requests: usize) => requests;
    /// Sets how often a request is repeated.
    with_retries(retries: u32) => retries;
    /// Sets the wait before the first repetition.
    with_retry_delay(retry_delay: Duration) => retry_delay;
    /// Sets the timeouts of requests.
    with_timeouts(timeouts: ObjectStoreTimeouts) => timeouts;
    /// Sets which conditions the service honours.
    with_conditions(conditions: Conditions) => conditions;
    /// Sets whether the SHA-256 of what is written is sent along.
    with_checksums(checksums: bool) => checksums;
    /// Sets how long f9 relies on its knowledge of directories.
    with_directory_ttl(directory_ttl: Duration) => directory_ttl;
    /// Sets how long a session outlives a holder that stopped.
    with_session_ttl(session_ttl: Duration) => session_ttl;
});

setters!(ObjectStoreTimeouts {
    /// Sets the timeout for connecting.
    with_connect(connect: Duration) => connect;
    /// Sets the timeout between two received pieces.
    with_idle(idle: Duration) => idle;
    /// Sets the timeout for a request with all its repetitions.
    with_total(total: Duration) => total;
});

/// The smallest and the largest part that every service accepts.
const PART_SIZES: std::ops::RangeInclusive<u64> = 5 * 1024 * 1024..=5 * 1024 * 1024 * 1024;

impl ObjectStoreOptions {
    /// Checks the options without I/O.
    ///
    /// # Errors
    ///
    /// `InvalidInput` with the name of the field.
    pub(super) fn check(&self) -> Result<()> {
        if !PART_SIZES.contains(&self.part_size) {
            return Err(refused("part_size", "must be from 5 MiB to 5 GiB"));
        }
        if !(1..=64).contains(&self.parts) {
            return Err(refused("parts", "must be from 1 to 64"));
        }
        if !(1..=1_024).contains(&self.requests) {
            return Err(refused("requests", "must be from 1 to 1024"));
        }
        if self.retries > 20 {
            return Err(refused("retries", "must not be more than 20"));
        }
        let above_zero = [
            ("timeouts.connect", self.timeouts.connect),
            ("timeouts.idle", self.timeouts.idle),
            ("timeouts.total", self.timeouts.total),
            ("session_ttl", self.session_ttl),
        ];
        if let Some((field, _)) = above_zero.iter().find(|(_, duration)| duration.is_zero()) {
            return Err(refused(field, "must be greater than zero"));
        }
        let others = [("retry_delay", self.retry_delay), ("directory_ttl", self.directory_ttl)];
        match above_zero.iter().chain(&others).find(|(_, duration)| *duration > YEAR) {
            Some((field, _)) => Err(refused(field, "must not be longer than a year")),
            None => Ok(()),
        }
    }
}

pub(super) fn refused(field: &str, reason: impl std::fmt::Display) -> Error {
    Error::new(ErrorKind::InvalidInput).with_message(format!("`{field}`: {reason}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_outside_their_range_are_named() {
        let new = ObjectStoreOptions::default;
        new().check().unwrap();
        let instant = ObjectStoreTimeouts::default().with_idle(Duration::ZERO);
        for (field, options) in [
            ("part_size", new().with_part_size(1024)),
            ("part_size", new().with_part_size(u64::MAX)),
            ("parts", new().with_parts(0)),
            ("requests", new().with_requests(0)),
            ("retries", new().with_retries(21)),
            ("timeouts.idle", new().with_timeouts(instant)),
            ("session_ttl", new().with_session_ttl(Duration::ZERO)),
            ("directory_ttl", new().with_directory_ttl(2 * YEAR)),
        ] {
            let error = options.check().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidInput);
            assert!(error.message().unwrap().starts_with(&format!("`{field}`")), "{error}");
        }
    }

    #[test]
    fn json_refuses_unknown_fields_and_lists_the_known_ones() {
        let read: ObjectStoreOptions =
            serde_json::from_str(r#"{"parts": 2, "conditions": "none", "retry_delay": 0.5}"#)
                .unwrap();
        let expected = ObjectStoreOptions::default()
            .with_parts(2)
            .with_conditions(Conditions::None)
            .with_retry_delay(Duration::from_millis(500));
        assert_eq!(read, expected);
        let error = serde_json::from_str::<ObjectStoreOptions>(r#"{"part": 2}"#).unwrap_err();
        assert!(error.to_string().contains("expected one of `part_size`"), "{error}");
    }
}
