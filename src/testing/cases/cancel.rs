//! A dropped call has its whole effect or none, and leaves no leftovers.
//!
//! Each verb is polled once, twice and so on until it completes, and then dropped. The store may still finish the call in the
//! background, so each round uses its own directory and waits until the store settles.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Poll;
use std::time::{Duration, Instant};

use bytes::Bytes;

use crate::core::error::ErrorKind;
use crate::core::options::{
    CopyOptions, CreateDirOptions, CreateOptions, DeleteOptions, RenameOptions, UpdateOptions,
    WriteOptions,
};
use crate::prelude::*;
use crate::testing::Fixture;
use crate::testing::content::{bytes, signed, source, yielding_source};
use crate::testing::state::{SETTLE_LIMIT, State, is_clean, state_below, state_of};

/// More polls than any call should need.
const MAX_POLLS: usize = 500;

/// Returns the size of the new content, which is more than 1 MiB, and of the old content.
fn sizes(store: &dyn Fixture) -> (usize, usize) {
    (store.scale().pick(3 << 20, 5 << 18), store.scale().pick(1 << 20, 300_000))
}

/// Polls a future up to `polls` times, each time after its waker is called, and drops it. Returns whether it completed.
async fn completes_within<F: Future>(polls: usize, future: F) -> bool {
    let mut future = pin!(future);
    let mut left = polls;
    poll_fn(|context| {
        if left == 0 {
            return Poll::Ready(false);
        }
        left -= 1;
        match future.as_mut().poll(context) {
            Poll::Ready(_) => Poll::Ready(true),
            Poll::Pending if left == 0 => Poll::Ready(false),
            Poll::Pending => Poll::Pending,
        }
    })
    .await
}

/// Returns the state of a round with these files. The paths are relative to the directory of the round.
fn round_state(round: &str, files: &[(&str, &Bytes)]) -> State {
    let paths: Vec<String> = files.iter().map(|(path, _)| format!("{round}/{path}")).collect();
    let contents = files.iter().map(|(_, content)| (*content).clone());
    let mut state = state_of(paths.iter().map(String::as_str).zip(contents));
    state.remove(&format!("{round}/"));
    state
}

/// Waits until a round has one of the allowed states. Every content seen until then must be in one of them.
async fn settles(store: &dyn Fixture, round: &str, allowed: &[State]) {
    let files = store.backend().await;
    let started = Instant::now();
    loop {
        is_clean(store).await;
        let found = state_below(&*files, round).await;
        for (path, content) in &found {
            let is_allowed =
                allowed.iter().any(|state| state.values().any(|other| other == content));
            let size = content.as_ref().map(Bytes::len);
            assert!(is_allowed, "{path} is torn: {size:?} bytes");
        }
        if allowed.contains(&found) {
            return;
        }
        assert!(
            started.elapsed() < SETTLE_LIMIT,
            "neither the old nor the new state: {:?}",
            found.keys()
        );
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

/// Asserts that the store still works in the directory of the round.
async fn is_usable(files: &dyn AsyncFileBackend, round: &str) {
    let path = format!("{round}/afterwards/file");
    files.create(&path, "works").await.unwrap();
    assert_eq!(files.read(&path).await.unwrap(), "works");
    files.delete_with(&format!("{round}/afterwards"), DeleteOptions::recursive()).await.unwrap();
}

/// Returns the number of polls and the directory of each round.
fn rounds() -> impl Iterator<Item = (usize, String)> {
    (0..MAX_POLLS).map(|polls| (polls, format!("round {polls}")))
}

pub async fn a_dropped_create_leaves_all_or_nothing(store: &dyn Fixture) {
    let files = store.backend().await;
    let content = bytes(sizes(store).0);
    for (polls, round) in rounds() {
        let path = format!("{round}/new/file");
        let call = files.create_with(&path, content.clone(), CreateOptions::default());
        let completed = completes_within(polls, call).await;
        let done = round_state(&round, &[("new/file", &content)]);
        settles(store, &round, &[State::new(), done]).await;
        is_usable(&*files, &round).await;
        if completed {
            assert!(files.read(&path).await.unwrap() == content);
            return;
        }
    }
    panic!("the call never completed");
}

pub async fn a_dropped_overwrite_leaves_the_old_or_the_new(store: &dyn Fixture) {
    let files = store.backend().await;
    let (large, small) = sizes(store);
    let (old, new) = (signed(1, small), signed(2, large));
    for (polls, round) in rounds() {
        let path = format!("{round}/file");
        files.create(&path, old.clone()).await.unwrap();
        let call = files.create_with(&path, new.clone(), CreateOptions::overwrite());
        let completed = completes_within(polls, call).await;
        let states = [&old, &new].map(|content| round_state(&round, &[("file", content)]));
        settles(store, &round, &states).await;
        is_usable(&*files, &round).await;
        if completed {
            return assert!(files.read(&path).await.unwrap() == new);
        }
    }
    panic!("the call never completed");
}

/// Drops streamed writes over the content `old`, or of a new file.
async fn drop_streamed_writes(store: &dyn Fixture, old: Option<Bytes>) {
    let files = store.backend().await;
    let chunk = signed(2, 100_000);
    let new = Bytes::from([&chunk[..]; 6].concat());
    for (polls, round) in rounds() {
        let path = format!("{round}/new/file");
        if let Some(old) = &old {
            files.create(&path, old.clone()).await.unwrap();
        }
        let ended = Arc::new(AtomicBool::new(false));
        let data = yielding_source(std::iter::repeat_n(chunk.clone(), 6), &ended);
        let call = files.stream_write_with(&path, data, WriteOptions::overwrite());
        let completed = completes_within(polls, call).await;
        let before = old.as_ref().map(|old| round_state(&round, &[("new/file", old)]));
        let mut allowed = vec![before.unwrap_or_default()];
        if ended.load(Ordering::SeqCst) {
            allowed.push(round_state(&round, &[("new/file", &new)]));
        }
        settles(store, &round, &allowed).await;
        is_usable(&*files, &round).await;
        if completed {
            return assert!(files.read(&path).await.unwrap() == new);
        }
    }
    panic!("the call never completed");
}

pub async fn a_streamed_write_dropped_before_its_end_leaves_nothing(store: &dyn Fixture) {
    drop_streamed_writes(store, None).await;
}

pub async fn a_streamed_overwrite_dropped_before_its_end_leaves_the_old(store: &dyn Fixture) {
    drop_streamed_writes(store, Some(signed(1, 200_000))).await;
}

/// Drops updates of a file with the data `data`. `new` is the content after an update.
async fn drop_updates(store: &dyn Fixture, options: UpdateOptions, new: Bytes, data: Bytes) {
    let files = store.backend().await;
    let old = signed(1, sizes(store).1);
    for (polls, round) in rounds() {
        let path = format!("{round}/file");
        files.create(&path, old.clone()).await.unwrap();
        let call = files.update_with(&path, data.clone(), options.clone());
        let completed = completes_within(polls, call).await;
        let states = [&old, &new].map(|content| round_state(&round, &[("file", content)]));
        settles(store, &round, &states).await;
        is_usable(&*files, &round).await;
        if completed {
            return assert!(files.read(&path).await.unwrap() == new);
        }
    }
    panic!("the call never completed");
}

pub async fn a_dropped_update_leaves_the_old_or_the_new(store: &dyn Fixture) {
    let new = signed(2, sizes(store).0);
    drop_updates(store, UpdateOptions::default(), new.clone(), new).await;
}

pub async fn a_dropped_append_is_added_whole_or_not_at_all(store: &dyn Fixture) {
    let (large, small) = sizes(store);
    let added = signed(2, large - small);
    let whole = Bytes::from([&signed(1, small)[..], &added[..]].concat());
    drop_updates(store, UpdateOptions::append(), whole, added).await;
}

pub async fn a_dropped_recursive_deletion_removes_all_or_nothing(store: &dyn Fixture) {
    let files = store.backend().await;
    let content = Bytes::from("content");
    let count = store.scale().pick(30, 12);
    let names: Vec<String> =
        (0..count).map(|number| format!("dir/{}/{number}", number % 3)).collect();
    let created: Vec<(&str, &Bytes)> = names.iter().map(|name| (name.as_str(), &content)).collect();
    for (polls, round) in rounds() {
        for name in &names {
            files.create(&format!("{round}/{name}"), content.clone()).await.unwrap();
        }
        let directory = format!("{round}/dir");
        let call = files.delete_with(&directory, DeleteOptions::recursive());
        let completed = completes_within(polls, call).await;
        settles(store, &round, &[round_state(&round, &created), State::new()]).await;
        is_usable(&*files, &round).await;
        if completed {
            return assert!(!files.exists(&directory).await.unwrap());
        }
    }
    panic!("the call never completed");
}

pub async fn a_dropped_copy_leaves_all_or_nothing(store: &dyn Fixture) {
    let files = store.backend().await;
    let (large, small) = sizes(store);
    let (content, old) = (signed(1, large), signed(2, small));
    for (polls, round) in rounds() {
        let (from, to) = (format!("{round}/from"), format!("{round}/to"));
        files.create(&from, content.clone()).await.unwrap();
        files.create(&to, old.clone()).await.unwrap();
        let call = files.copy_with(&from, &to, CopyOptions::overwrite());
        let completed = completes_within(polls, call).await;
        let states = [&old, &content]
            .map(|target| round_state(&round, &[("from", &content), ("to", target)]));
        settles(store, &round, &states).await;
        is_usable(&*files, &round).await;
        if completed {
            return assert!(files.read(&to).await.unwrap() == content);
        }
    }
    panic!("the call never completed");
}

pub async fn a_dropped_rename_moves_the_file_or_does_nothing(store: &dyn Fixture) {
    let files = store.backend().await;
    let (content, old) = (signed(1, 100_000), signed(2, 100_000));
    for (polls, round) in rounds() {
        let (from, to) = (format!("{round}/from"), format!("{round}/to"));
        files.create(&from, content.clone()).await.unwrap();
        files.create(&to, old.clone()).await.unwrap();
        let call = files.rename_with(&from, &to, RenameOptions::overwrite());
        let completed = completes_within(polls, call).await;
        let before = round_state(&round, &[("from", &content), ("to", &old)]);
        let after = round_state(&round, &[("to", &content)]);
        settles(store, &round, &[before, after]).await;
        is_usable(&*files, &round).await;
        if completed {
            return assert!(files.read(&to).await.unwrap() == content);
        }
    }
    panic!("the call never completed");
}

pub async fn a_dropped_rename_moves_the_directory_or_does_nothing(store: &dyn Fixture) {
    let files = store.backend().await;
    let content = Bytes::from("content");
    for (polls, round) in rounds() {
        for name in ["a", "sub/b"] {
            files.create(&format!("{round}/from/{name}"), content.clone()).await.unwrap();
        }
        let (from, to) = (format!("{round}/from"), format!("{round}/new/to"));
        let call = files.rename_with(&from, &to, RenameOptions::default());
        let completed = completes_within(polls, call).await;
        let before = round_state(&round, &[("from/a", &content), ("from/sub/b", &content)]);
        let after = round_state(&round, &[("new/to/a", &content), ("new/to/sub/b", &content)]);
        settles(store, &round, &[before, after]).await;
        is_usable(&*files, &round).await;
        if completed {
            return assert!(files.info(&to).await.unwrap().is_dir());
        }
    }
    panic!("the call never completed");
}

pub async fn a_dropped_create_dir_creates_the_directory_or_nothing(store: &dyn Fixture) {
    let files = store.backend().await;
    for (polls, round) in rounds() {
        files.create(&format!("{round}/beside"), "").await.unwrap();
        let path = format!("{round}/dir");
        let call = files.create_dir_with(&path, CreateDirOptions::default());
        let completed = completes_within(polls, call).await;
        let before = round_state(&round, &[("beside", &Bytes::new())]);
        let mut after = before.clone();
        after.insert(format!("{path}/"), None);
        settles(store, &round, &[before, after]).await;
        is_usable(&*files, &round).await;
        if completed {
            return assert!(files.info(&path).await.unwrap().is_dir());
        }
    }
    panic!("the call never completed");
}

pub async fn dropped_reads_leave_nothing_behind(store: &dyn Fixture) {
    let files = store.backend().await;
    let content = bytes(sizes(store).1);
    files.create("dir/file", content.clone()).await.unwrap();
    for polls in 0..20 {
        completes_within(polls, files.read("dir/file")).await;
        completes_within(polls, files.info("dir/file")).await;
        completes_within(polls, files.list("dir")).await;
        completes_within(polls, files.glob("**")).await;
        completes_within(polls, files.stream_read("dir/file")).await;
        let checksum = files.checksum("dir/file", crate::core::checksum::ChecksumAlgorithm::Sha256);
        completes_within(polls, checksum).await;
    }
    is_clean(store).await;
    assert!(files.read("dir/file").await.unwrap() == content);
    files.delete_with("dir", DeleteOptions::recursive()).await.unwrap();
}

pub async fn a_dropped_finish_publishes_an_upload_once(store: &dyn Fixture) {
    let files = store.backend().await;
    for (polls, round) in rounds() {
        let path = format!("{round}/file");
        files.create(&path, "old ").await.unwrap();
        let upload = files.begin_upload(&path, WriteOptions::append()).await.unwrap();
        let upload = files.continue_upload(&upload, source(["new".into()])).await.unwrap();
        let completed = completes_within(polls, files.finish_upload(&upload)).await;
        let started = Instant::now();
        loop {
            match files.finish_upload(&upload).await.map_err(|error| error.kind()) {
                Ok(_) | Err(ErrorKind::NotFound) => break,
                // The dropped call still runs.
                Err(ErrorKind::InvalidOperation) => {}
                Err(kind) => panic!("{kind:?}"),
            }
            assert!(started.elapsed() < SETTLE_LIMIT, "the upload stays locked");
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        assert_eq!(files.read(&path).await.unwrap(), "old new", "after {polls} polls");
        is_clean(store).await;
        if completed {
            return;
        }
    }
    panic!("the call never completed");
}
