//! Pagination, including servers with paging quirks.

use std::time::Duration;

use serde_json::{Value, json};

use super::super::pages::{MAX_PAGES, Walk};
use super::calls::entry;
use super::server::{Act, Reply, Request, Server, answer, client, ok, refused};
use crate::core::error::ErrorKind;

fn page(ids: impl IntoIterator<Item = usize>, has_more: bool) -> Reply {
    let data: Vec<Value> = ids.into_iter().map(|n| entry(&format!("file-{n}"))).collect();
    ok(
        &json!({"object": "list", "data": data, "first_id": "", "last_id": null, "has_more": has_more}),
    )
}

/// Returns the numbers of the listed entries.
async fn list(server: &Server) -> Vec<usize> {
    let entries = server.client().list(Some).await.unwrap();
    entries.iter().map(|e| e.id.strip_prefix("file-").unwrap().parse().unwrap()).collect()
}

/// Returns the number of the entry in the query's cursor.
fn after(request: &Request) -> Option<usize> {
    let (_, cursor) = request.line.split_once("&after=file-")?;
    Some(cursor.parse().unwrap())
}

#[tokio::test]
async fn a_list_takes_one_request_per_hundred_items() {
    for (count, requests) in [(0, 1), (1, 1), (99, 1), (100, 1), (101, 2), (200, 2), (250, 3)] {
        let server = Server::answering(move |request| {
            let start = after(request).map_or(0, |last| last + 1);
            page(start..count.min(start + 100), count > start + 100)
        })
        .await;
        assert_eq!(list(&server).await, (0..count).collect::<Vec<_>>());
        let lines = server.lines();
        assert_eq!(lines.len(), requests, "{count}");
        assert_eq!(lines[0], "GET vector_stores/vs_1/files?limit=100&order=asc");
        for (n, line) in lines.iter().enumerate().skip(1) {
            let expected = format!("{}&after=file-{}", lines[0], n * 100 - 1);
            assert_eq!(*line, expected);
        }
    }
}

#[tokio::test]
async fn repeated_items_count_once_and_repeated_pages_end_the_list() {
    let server =
        Server::script([page([1, 2, 3], true), page([3, 2, 4], true), page([], true)]).await;
    assert_eq!(list(&server).await, [1, 2, 3, 4]);
    // The last page repeats.
    let server = Server::script([page([1, 2], true), page([3, 4], true), page([3, 4], true)]).await;
    assert_eq!(list(&server).await, [1, 2, 3, 4]);
    // The only page, or its end, repeats.
    let server = Server::script([page([1], true), page([1], true)]).await;
    assert_eq!(list(&server).await, [1]);
    let server = Server::script([page([1, 2], true), page([2], true)]).await;
    assert_eq!(list(&server).await, [1, 2]);
    // `has_more` is missing.
    let server = Server::script([ok(&json!({"data": [entry("file-1")]}))]).await;
    assert_eq!(list(&server).await, [1]);
    assert_eq!(server.requests().len(), 1);
}

#[tokio::test]
async fn a_listing_restarts_when_its_cursor_is_deleted() {
    for lost in [
        refused(404, "No file found with id 'file-2' in vector store 'vs_1'."),
        refused(400, "Invalid 'after': 'file-2'"),
        refused(404, "Not found"),
        // Some services silently restart.
        page([1, 2], true),
        page([1], true),
    ] {
        let server =
            Server::script([page([1, 2], true), lost, page([1, 3], true), page([4], false)]).await;
        assert_eq!(list(&server).await, [1, 3, 4]);
    }
}

/// The first item may be deleted together with the cursor's item.
#[tokio::test]
async fn a_listing_restarts_when_the_server_returns_another_first_page() {
    let pages =
        [(1..3, true), (3..5, true), (2..4, true), (2..4, true), (5..7, true), (7..8, false)];
    let server = Server::script(pages.map(|(ids, has_more)| page(ids, has_more))).await;
    assert_eq!(list(&server).await, [2, 3, 5, 6, 7]);
}

#[tokio::test]
async fn a_listing_that_never_ends_fails() {
    // After each first page the store is reported as gone; the next first page disproves that.
    let server = Server::answering(|request| match after(request) {
        None => page([1, 2], true),
        Some(_) => refused(404, "Not found"),
    })
    .await;
    let error = server.client().list(Some).await.unwrap_err();
    assert_eq!((error.kind(), server.requests().len()), (ErrorKind::Remote, 8));
    assert!(error.is_retryable());
    let server = Server::answering(|_| page([1, 2], true)).await;
    assert_eq!(server.client().list(Some).await.unwrap_err().kind(), ErrorKind::Remote);
}

#[tokio::test]
async fn listing_a_missing_store_fails() {
    for (gone, kind) in [
        (refused(404, "No vector store found with id 'vs_1'."), ErrorKind::RootGone),
        (refused(404, "Not found"), ErrorKind::RootGone),
        (refused(400, "Vector store 'vs_1' has expired"), ErrorKind::RootGone),
        (answer(404, "", "<html>no"), ErrorKind::Remote),
        (ok(&json!({})), ErrorKind::Remote),
        (ok(&json!({"data": ["file-1"]})), ErrorKind::Remote),
    ] {
        let server = Server::script([gone]).await;
        assert_eq!(server.client().list(Some).await.unwrap_err().kind(), kind);
        assert_eq!(server.requests().len(), 1);
    }
}

/// An item without an id must not hide the others.
#[tokio::test]
async fn items_without_ids_are_listed() {
    let without_id = || json!({"id": null, "attributes": {"path": "a"}});
    let data = |items: &[Value], has_more| ok(&json!({"data": items, "has_more": has_more}));
    let server = Server::script([
        data(&[without_id(), entry("file-1"), without_id()], true),
        data(&[entry("file-1"), entry("file-2")], false),
    ])
    .await;
    let listed = server.client().list(Some).await.unwrap();
    let ids: Vec<&str> = listed.iter().map(|entry| entry.id.as_str()).collect();
    assert_eq!(ids, ["", "file-1", "", "file-2"]);
    assert!(server.lines()[1].ends_with("&after=file-1"));
    // Without any id, nobody knows where the next page begins.
    let server = Server::script([data(&[without_id()], true)]).await;
    assert_eq!(server.client().list(Some).await.unwrap_err().kind(), ErrorKind::Remote);
}

#[tokio::test]
async fn the_pages_and_bytes_of_a_walk_are_limited() {
    let server = Server::script([]).await;
    let walk = || Walk::new(server.client().0.transport.retry_state(), 100);
    let mut long = walk();
    assert!((0..MAX_PAGES).all(|_| long.count(0).is_ok()));
    assert_eq!(long.count(0).unwrap_err().kind(), ErrorKind::Remote);
    let mut wide = walk();
    assert!((0..100).all(|_| wide.count(1).is_ok()));
    assert_eq!(wide.count(1).unwrap_err().kind(), ErrorKind::Remote);
}

/// Each page comes at once, so only the time of all of them together is too long.
#[tokio::test]
async fn endless_pages_end_at_the_total_timeout() {
    let mut number = 0;
    let server = Server::answering(move |request| {
        number += 1;
        let mut reply = vec![Act::Pass(Duration::from_secs(59))];
        let token = format!("page{number}");
        reply.extend(if request.line.contains("/content") {
            ok(&json!({"data": [{"text": "a"}], "has_more": true, "next_page": token}))
        } else {
            page([number], true)
        });
        reply
    })
    .await;
    let client = server.client();
    assert_eq!(client.list(Some).await.unwrap_err().kind(), ErrorKind::Timeout);
    assert_eq!(server.requests().len(), 11, "of one minute each, in ten minutes");
    assert_eq!(client.text("file-a").await.unwrap_err().kind(), ErrorKind::Timeout);
    assert_eq!(client.files(Some).await.unwrap_err().kind(), ErrorKind::Timeout);
}

#[tokio::test]
async fn an_unexpected_response_is_quoted_in_the_error() {
    let headers = "x-request-id: req_7\r\n";
    let server = Server::script([answer(200, headers, "<html><title>Log in, sk-abc")]).await;
    let client = client(&server.config().with_retries(0));
    let error = client.file("file-a").await.unwrap_err();
    assert_eq!(error.message(), Some("unexpected response: Log in, *** (request req_7)"));
}

#[tokio::test]
async fn the_files_of_the_project_are_paginated_in_the_same_way() {
    let file = |n| json!({"id": format!("file-{n}"), "filename": "x", "bytes": null});
    let first = json!({"data": [file(1), file(2)], "has_more": true});
    let server = Server::script([ok(&first), ok(&json!({"data": [file(3)]}))]).await;
    let files = server.client().files(Some).await.unwrap();
    assert_eq!(
        files.iter().map(|f| f.id.as_str()).collect::<Vec<_>>(),
        ["file-1", "file-2", "file-3"]
    );
    let first = "GET files?order=asc&limit=10000";
    assert_eq!(server.lines(), [first.to_owned(), format!("{first}&after=file-2")]);
}

#[tokio::test]
async fn parsed_text_is_read_page_by_page() {
    let part = |text: &str| json!({"type": "text", "text": text});
    let page = move |text: &str, has_more, next: Value| {
        ok(&json!({"data": [part(text)], "has_more": has_more, "next_page": next}))
    };
    let server = Server::script([
        page("a", true, json!("p 2")),
        page("b", true, json!("p3")),
        page("c", false, json!(null)),
    ])
    .await;
    assert_eq!(server.client().text("file-a").await.unwrap(), ["a", "b", "c"]);
    let path = "GET vector_stores/vs_1/files/file-a/content";
    assert_eq!(
        server.lines(),
        [path.to_owned(), format!("{path}?page=p%202"), format!("{path}?page=p3")]
    );
    // A service that ends, and one that returns the first page for any token.
    let server = Server::script([page("a", false, json!("p2"))]).await;
    assert_eq!(server.client().text("file-a").await.unwrap(), ["a"]);
    let server = Server::answering(move |_| page("a", true, json!("p2"))).await;
    assert_eq!(server.client().text("file-a").await.unwrap(), ["a"]);
    assert_eq!(server.requests().len(), 2);
}
