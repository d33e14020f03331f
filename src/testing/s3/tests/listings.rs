//! Listings, compared with a simple model.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::client::{Client, Response, decode};
use crate::testing::s3::S3Simulator;

/// Lists all pages and returns the names of each. Keys and prefixes are in the order of their bytes.
fn pages(client: &Client, parameters: &[(&str, &str)]) -> Vec<Vec<String>> {
    let mut pages = Vec::new();
    let mut token: Option<String> = None;
    loop {
        let mut query = vec![("encoding-type", "url")];
        query.extend_from_slice(parameters);
        if let Some(token) = &token {
            query.push(("continuation-token", token));
        }
        let page = client.list(&query);
        assert_eq!(page.status, 200, "{}", page.text());
        pages.push(names(&page));
        assert_eq!(page.only("KeyCount"), pages.last().unwrap().len().to_string());
        if page.only("IsTruncated") == "false" {
            assert_eq!(page.all("NextContinuationToken"), Vec::<String>::new());
            return pages;
        }
        token = Some(page.only("NextContinuationToken"));
    }
}

/// Returns the keys and common prefixes of a page.
fn names(page: &Response) -> Vec<String> {
    let keys = page.all("Key");
    let prefixes = page
        .all("CommonPrefixes")
        .into_iter()
        .map(|element| element.replace("<Prefix>", "").replace("</Prefix>", ""));
    let mut names: Vec<String> =
        keys.into_iter().chain(prefixes).map(|name| decode(&name)).collect();
    names.sort();
    names
}

/// What a listing must return.
fn model(keys: &BTreeSet<String>, prefix: &str, delimiter: &str, after: &str) -> Vec<String> {
    let roll_up = |key: &String| match key[prefix.len()..].find(delimiter) {
        Some(position) if !delimiter.is_empty() => {
            key[..prefix.len() + position + delimiter.len()].to_owned()
        }
        _ => key.clone(),
    };
    let listed: BTreeSet<String> = keys
        .iter()
        .filter(|key| key.starts_with(prefix))
        .map(roll_up)
        .filter(|name| name.as_str() > after)
        .collect();
    listed.into_iter().collect()
}

/// Keys of few different characters, so that many have prefixes in common.
fn keys() -> impl Strategy<Value = BTreeSet<String>> {
    let character = prop::sample::select(vec![
        '/', '/', 'a', 'b', '.', ' ', '+', '%', '&', '<', '\n', '\r', '\u{1}', '\u{7f}', 'ü', '🦀',
    ]);
    let key = prop::collection::vec(character, 1..6).prop_map(String::from_iter);
    prop::collection::btree_set(key, 0..20)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn pages_are_those_of_the_model(
        keys in keys(),
        prefix in prop::sample::select(vec!["", "", "a", "/", "a/", "+", "ü", "%"]),
        delimiter in prop::sample::select(vec!["", "/", "/", "//", "b", "ü"]),
        after in prop::sample::select(vec!["", "", "a", "/", "a/b", "ü/"]),
        page_size in 1_usize..8,
    ) {
        let s3 = S3Simulator::start();
        for key in &keys {
            s3.put(key, key.clone());
        }
        let client = Client::new(&s3);
        let size = page_size.to_string();
        let parameters =
            [("prefix", prefix), ("delimiter", delimiter), ("start-after", after), ("max-keys", size.as_str())];
        let pages = pages(&client, &parameters);
        let expected = model(&keys, prefix, delimiter, after);
        let sizes: Vec<usize> = pages.iter().map(Vec::len).collect();
        prop_assert!(sizes[..sizes.len() - 1].iter().all(|size| *size == page_size), "{sizes:?}");
        prop_assert_eq!(pages.concat(), expected);
    }
}

#[test]
fn a_listing_of_version_1_goes_on_after_its_marker() {
    let s3 = S3Simulator::start();
    let client = Client::new(&s3);
    for key in ["a", "b/1", "b/2", "c", "d"] {
        s3.put(key, "1");
    }
    let list = |marker: &str| {
        let query = [("delimiter", "/"), ("max-keys", "2"), ("marker", marker)];
        client.call("GET", None, &query, &[], b"")
    };
    let first = list("");
    assert_eq!(names(&first), ["a", "b/"]);
    assert_eq!((first.only("IsTruncated"), first.only("NextMarker")), ("true".into(), "b/".into()));
    let second = list("b/");
    assert_eq!(names(&second), ["c", "d"]);
    assert_eq!(second.only("IsTruncated"), "false");
}

#[test]
fn an_entry_shows_etag_size_and_time() {
    let s3 = S3Simulator::start();
    let etag = s3.put("a", "hello");
    let client = Client::new(&s3);
    let page = client.list(&[]);
    assert_eq!(page.only("ETag"), format!("\"{etag}\""));
    assert_eq!((page.only("Size"), page.only("StorageClass")), ("5".into(), "STANDARD".into()));
    assert!(page.only("LastModified").ends_with('Z'));
    s3.set(|rules| rules.list_etags = false);
    assert_eq!(client.list(&[]).all("ETag"), Vec::<String>::new());
}

#[test]
fn names_are_encoded_only_if_asked_for() {
    let s3 = S3Simulator::start();
    s3.put("a b+c/ü", "1");
    let client = Client::new(&s3);
    let key = |encoding: &[(&str, &str)]| client.list(encoding).only("Key");
    assert_eq!(key(&[]), "a b+c/ü");
    assert_eq!(key(&[("encoding-type", "url")]), "a+b%2Bc/%C3%BC");
    s3.set(|rules| rules.spaces_as_plus = false);
    assert_eq!(key(&[("encoding-type", "url")]), "a%20b%2Bc/%C3%BC");
    s3.clear();
    s3.put("a\u{1}\r\n", "1");
    assert_eq!(key(&[]), "a&#x1;&#xd;&#xa;");
}

#[test]
fn pages_have_at_most_1000_items() {
    let s3 = S3Simulator::start();
    for number in 0..1001 {
        s3.put(&format!("{number:04}"), "");
    }
    let client = Client::new(&s3);
    let sizes =
        |parameters| -> Vec<usize> { pages(&client, parameters).iter().map(Vec::len).collect() };
    assert_eq!(sizes(&[]), [1000, 1]);
    assert_eq!(sizes(&[("max-keys", "5000")]), [1000, 1]);
    s3.set(|rules| rules.page_size = 700);
    assert_eq!(sizes(&[]), [700, 301]);
    let none = client.list(&[("max-keys", "0")]);
    assert_eq!((names(&none).len(), none.only("IsTruncated")), (0, "false".to_owned()));
    assert_eq!(client.list(&[("max-keys", "-1")]).status, 400);
    assert_eq!(client.list(&[("continuation-token", "x")]).code(), "InvalidArgument");
}

#[test]
fn pages_are_in_reverse_order_or_overlap_if_the_rules_say_so() {
    let s3 = S3Simulator::start();
    for key in ["a", "b", "c", "d"] {
        s3.put(key, "");
    }
    let client = Client::new(&s3);
    s3.set(|rules| rules.lists_in_order = false);
    assert_eq!(client.list(&[("max-keys", "3")]).all("Key"), ["c", "b", "a"]);
    s3.set(|rules| {
        rules.lists_in_order = true;
        rules.repeats_keys = true;
    });
    assert_eq!(pages(&client, &[("max-keys", "2")]), [["a", "b"], ["b", "c"], ["c", "d"]]);
    assert_eq!(pages(&client, &[("max-keys", "1")]), [["a"], ["b"], ["c"], ["d"]]);
}
