//! The JSON form of the options.

use std::fmt::Debug;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::json;

use super::*;
use crate::core::checksum::{Checksum, ChecksumAlgorithm};
use crate::core::duration::YEAR;
use crate::core::etag::Etag;

fn reads_back<T: Clone + Debug + PartialEq + Serialize + DeserializeOwned>(
    options: &T,
    json: serde_json::Value,
) {
    assert_eq!(serde_json::to_value(options).unwrap(), json);
    assert_eq!(serde_json::from_value::<T>(json).unwrap(), *options);
}

fn has_defaults_and_refuses_unknown_fields<T>()
where
    T: Debug + Default + PartialEq + DeserializeOwned,
{
    assert_eq!(serde_json::from_str::<T>("{}").unwrap(), T::default());
    let error = serde_json::from_str::<T>(r#"{"moed": 1}"#).unwrap_err().to_string();
    assert!(error.contains("unknown field `moed`, expected"), "{error}");
}

#[test]
fn every_field_is_optional_and_an_unknown_field_is_an_error() {
    has_defaults_and_refuses_unknown_fields::<CopyOptions>();
    has_defaults_and_refuses_unknown_fields::<CreateDirOptions>();
    has_defaults_and_refuses_unknown_fields::<CreateOptions>();
    has_defaults_and_refuses_unknown_fields::<DeleteOptions>();
    has_defaults_and_refuses_unknown_fields::<GlobOptions>();
    has_defaults_and_refuses_unknown_fields::<InfoOptions>();
    has_defaults_and_refuses_unknown_fields::<ListOptions>();
    has_defaults_and_refuses_unknown_fields::<PushOptions>();
    has_defaults_and_refuses_unknown_fields::<ReadOptions>();
    has_defaults_and_refuses_unknown_fields::<RenameOptions>();
    has_defaults_and_refuses_unknown_fields::<SessionOptions>();
    has_defaults_and_refuses_unknown_fields::<SyncOptions>();
    has_defaults_and_refuses_unknown_fields::<UpdateOptions>();
    has_defaults_and_refuses_unknown_fields::<VersionOptions>();
    has_defaults_and_refuses_unknown_fields::<WatchOptions>();
    has_defaults_and_refuses_unknown_fields::<WriteOptions>();
    has_defaults_and_refuses_unknown_fields::<InfoChanges>();
}

#[test]
fn options_read_back_from_json() {
    let checksum = Checksum::of(ChecksumAlgorithm::Md5, b"");
    reads_back(&CopyOptions::if_match(Etag::new("e")), json!({"mode": {"if-match": "e"}}));
    reads_back(&RenameOptions::overwrite(), json!({"mode": "overwrite"}));
    reads_back(&CreateDirOptions::overwrite(), json!({"mode": "overwrite"}));
    reads_back(&DeleteOptions::recursive(), json!({"depth": "all", "missing": "fail"}));
    reads_back(&ListOptions::default(), json!({"depth": "one"}));
    reads_back(&GlobOptions::directories(), json!({"kind": "directories"}));
    reads_back(
        &InfoOptions::default().with_encoding().with_checksum(ChecksumAlgorithm::Md5),
        json!({"links": "follow", "checksum": "md5", "encoding": "detect"}),
    );
    reads_back(
        &ReadOptions::range(2..5).with_chunk_size(7).with_if_match(Etag::new("e")),
        json!({"range": {"bounded": {"start": 2, "end": 5}}, "chunk_size": 7, "condition": {"if_match": {"one-of": ["e"]}}}),
    );
    reads_back(&PushOptions::message("a"), json!({"message": "a"}));
    reads_back(&SyncOptions::default(), json!({}));
    reads_back(&PullOptions::default(), json!({}));
    reads_back(
        &WriteOptions::default().with_size(0).with_checksum(checksum.clone()),
        json!({"mode": "overwrite", "size": 0, "checksum": checksum.to_string()}),
    );
    reads_back(
        &WriteOptions::in_place(),
        json!({"mode": "overwrite", "method": "in-place", "checksum": null}),
    );
    reads_back(&CreateOptions::default(), json!({"mode": "create", "checksum": null}));
    reads_back(&UpdateOptions::append(), json!({"mode": "append"}));
    reads_back(&SessionOptions::timeout(Duration::from_millis(1500)), json!({"timeout": 1.5}));
}

#[test]
fn every_form_of_range_reads_back_from_json() {
    reads_back(&ByteRange::from(5..), json!({"from": 5}));
    reads_back(&ByteRange::Suffix(3), json!({"suffix": 3}));
}

#[test]
fn a_wrong_mode_gives_an_error_that_lists_the_modes() {
    let error = serde_json::from_str::<CreateOptions>(r#"{"mode": "repalce"}"#).unwrap_err();
    let message = error.to_string();
    assert!(
        message.contains("expected one of `create`, `overwrite`, `replace`, `if-match`, `append`"),
        "{message}"
    );
}

#[test]
fn a_timeout_without_limit_becomes_a_year() {
    let json = serde_json::to_string(&SessionOptions::timeout(Duration::MAX)).unwrap();
    assert_eq!(serde_json::from_str::<SessionOptions>(&json).unwrap().timeout, YEAR);
}
