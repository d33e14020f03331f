//! Tests of `s3` URIs.

use std::time::Duration;

use super::*;
use crate::core::secret::Secret;

async fn read(text: &str) -> Result<S3Config> {
    config(&text.parse()?).await
}

#[tokio::test]
async fn every_parameter_is_a_field() {
    let uri = "s3://photos/2026/may?region=eu-1&endpoint=https://store.example&path_style=false\
        &access_key=AK&secret_key=SK&session_token=T&part_size=6000000&parts=2&requests=8&retries=3\
        &conditions=all&checksums=false&retry_delay=0.5&directory_ttl=0&session_ttl=9";
    let options = ObjectStoreOptions::default()
        .with_part_size(6_000_000)
        .with_parts(2)
        .with_requests(8)
        .with_retries(3)
        .with_conditions(Conditions::All)
        .with_checksums(false)
        .with_retry_delay(Duration::from_millis(500))
        .with_directory_ttl(Duration::ZERO)
        .with_session_ttl(Duration::from_secs(9));
    let expected = S3Config::new("photos")
        .with_prefix("/2026/may")
        .with_region("eu-1")
        .with_endpoint("https://store.example")
        .with_path_style(false)
        .with_access_key(Secret::new("AK"))
        .with_secret_key(Secret::new("SK"))
        .with_session_token(Secret::new("T"))
        .with_options(options);
    assert_eq!(read(uri).await.unwrap(), expected);
    let other = read("s3://b?anonymous=true&allow_http=true&endpoint=http://store").await.unwrap();
    let expected = S3Config::new("b").with_endpoint("http://store").with_allow_http(true);
    assert_eq!(other, expected.with_anonymous(true));
    let profile = read("s3://b?profile=work").await.unwrap();
    assert_eq!(profile, S3Config::new("b").with_profile("work"));
}

#[tokio::test]
async fn what_is_wrong_is_named_and_no_secret_is_shown() {
    for (uri, reason) in [
        ("s3://", "the bucket is missing"),
        ("s3:///photos", "the bucket is missing"),
        ("s3://AK:s3cret@photos", "it contains a user name"),
        ("s3://photos?acess_key=s3cret", "unknown parameter `acess_key`"),
        ("s3://photos?access_key=s3cret", "`access_key` and `secret_key` belong together"),
        (
            "s3://photos?access_key=env:F9_NOT_SET&secret_key=s3cret",
            "cannot read the parameter `access_key`",
        ),
        ("s3://photos?endpoint=http://example.com", "everybody on the network can read"),
        ("s3://photos?part_size=100", "must be from 5 MiB"),
        ("s3://photos?conditions=some", "must be probe, all or none"),
        ("s3://ph%20otos", "may have only letters"),
    ] {
        let error = read(uri).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidUri, "{uri}");
        let text = format!("{error} {error:?}");
        assert!(text.contains(reason) && !text.contains("s3cret"), "{uri}: {text}");
    }
}
