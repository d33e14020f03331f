//! The conditions of requests on objects.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use hyper::HeaderMap;
use hyper::header::{HeaderName, IF_MATCH, IF_NONE_MATCH};
use s3s::dto::{ETagCondition, Timestamp};
use s3s::{S3Error, S3Result};

use super::errors::{invalid_argument, no_such_key, not_implemented, precondition_failed};
use super::records::Object;
use super::rules::Conditions;

/// The conditions of a read, or those of a copy on its source.
#[derive(Debug, Default)]
pub(super) struct ReadConditions {
    pub(super) if_match: Option<ETagCondition>,
    pub(super) if_none_match: Option<ETagCondition>,
    pub(super) if_modified_since: Option<Timestamp>,
    pub(super) if_unmodified_since: Option<Timestamp>,
}

/// The result of the conditions of a read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Holds,
    /// The client has the object already.
    NotModified,
    Failed,
}

impl ReadConditions {
    pub(super) fn is_empty(&self) -> bool {
        self.if_match.is_none()
            && self.if_none_match.is_none()
            && self.if_modified_since.is_none()
            && self.if_unmodified_since.is_none()
    }

    /// Evaluates the conditions in the order of RFC 9110, section 13.2.2.
    pub(super) fn evaluate(&self, object: &Object, modified: SystemTime) -> Verdict {
        let modified = whole_seconds(modified);
        let required = match (&self.if_match, &self.if_unmodified_since) {
            (Some(condition), _) => matches(condition, object, Comparison::Strong),
            (None, Some(since)) => modified <= *since,
            (None, None) => true,
        };
        let is_new = match (&self.if_none_match, &self.if_modified_since) {
            (Some(condition), _) => !matches(condition, object, Comparison::Weak),
            (None, Some(since)) => modified > *since,
            (None, None) => true,
        };
        match (required, is_new) {
            (false, _) => Verdict::Failed,
            (true, false) => Verdict::NotModified,
            (true, true) => Verdict::Holds,
        }
    }

    /// Checks the conditions on the source of a copy.
    pub(super) fn check_source(&self, object: &Object, modified: SystemTime) -> S3Result<()> {
        match self.evaluate(object, modified) {
            Verdict::Holds => Ok(()),
            Verdict::NotModified | Verdict::Failed => Err(precondition_failed()),
        }
    }
}

/// The conditions of a write on the object that it replaces or deletes.
#[derive(Debug, Default)]
pub(super) struct WriteConditions {
    pub(super) if_match: Option<ETagCondition>,
    pub(super) if_none_match: Option<ETagCondition>,
}

impl WriteConditions {
    /// Reads the conditions from headers.
    pub(super) fn from_headers(headers: &HeaderMap) -> S3Result<Self> {
        let read = |name: HeaderName| -> S3Result<_> {
            let Some(value) = headers.get(name) else { return Ok(None) };
            let parsed = ETagCondition::parse_http_header(value.as_bytes());
            Ok(Some(parsed.map_err(|_| invalid_argument("A condition is not valid."))?))
        };
        Ok(Self { if_match: read(IF_MATCH)?, if_none_match: read(IF_NONE_MATCH)? })
    }

    /// Checks the conditions of a write as `rule` says. `current` is the object that exists.
    pub(super) fn check(&self, rule: Conditions, current: Option<&Object>) -> S3Result<()> {
        if self.is_empty() {
            return Ok(());
        }
        match rule {
            Conditions::Ignored => return Ok(()),
            Conditions::Unsupported => return Err(not_implemented()),
            Conditions::CreateOnly if self.if_match.is_some() => return Err(precondition_failed()),
            Conditions::Honoured | Conditions::CreateOnly => {}
        }
        match &self.if_none_match {
            // S3 accepts no other value.
            Some(ETagCondition::ETag(_)) => return Err(not_implemented()),
            Some(ETagCondition::Any) if current.is_some() => return Err(precondition_failed()),
            Some(ETagCondition::Any) | None => {}
        }
        match (&self.if_match, current) {
            (None, _) => Ok(()),
            (Some(_), None) => Err(no_such_key()),
            (Some(condition), Some(object)) => {
                holds(matches(condition, object, Comparison::Strong))
            }
        }
    }

    /// Checks the conditions of a delete as `rule` says. A missing object fails with 412 too.
    pub(super) fn check_delete(&self, rule: Conditions, current: Option<&Object>) -> S3Result<()> {
        match current {
            None if rule == Conditions::Honoured => holds(self.is_empty()),
            current => self.check(rule, current),
        }
    }

    fn is_empty(&self) -> bool {
        self.if_match.is_none() && self.if_none_match.is_none()
    }
}

fn holds(condition: bool) -> Result<(), S3Error> {
    if condition { Ok(()) } else { Err(precondition_failed()) }
}

#[derive(Clone, Copy)]
enum Comparison {
    Strong,
    Weak,
}

fn matches(condition: &ETagCondition, object: &Object, comparison: Comparison) -> bool {
    match (condition, comparison) {
        (ETagCondition::Any, _) => true,
        (ETagCondition::ETag(etag), Comparison::Strong) => etag.strong_cmp(&object.etag()),
        (ETagCondition::ETag(etag), Comparison::Weak) => etag.weak_cmp(&object.etag()),
    }
}

/// Cuts a time to the precision of the dates of HTTP.
fn whole_seconds(time: SystemTime) -> Timestamp {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    (UNIX_EPOCH + Duration::from_secs(since.as_secs())).into()
}
