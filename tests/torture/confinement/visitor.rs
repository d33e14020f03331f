//! Runs every verb through names that are swapped with links, and checks that no result comes from outside.

use std::collections::{BTreeMap, HashMap};

use bytes::Bytes;
use f9::prelude::*;
use f9::{
    Checksum, ChecksumAlgorithm, CopyOptions, CreateDirOptions, CreateOptions, DeleteOptions,
    ErrorKind, InfoOptions, InfoStream, LinkMode, ListOptions, LocalFileBackend, ReadOptions,
    RenameOptions, Result, UpdateOptions, WriteOptions,
};
use futures::{StreamExt as _, TryStreamExt as _, stream};

use super::arena::{Arena, INSIDE, OUTSIDE_ONLY, outside_content};

/// The verbs that never fail because of a swap: they resolve each name only once, or no swapped name.
pub(super) const NEVER_FAIL: [&str; 10] = [
    "delete doomed",
    "delete tree",
    "glob everything",
    "info of a swapped name",
    "list entry",
    "list everything",
    "read copy",
    "read moved",
    "session",
    "streamed",
];

/// Returns whether a verb may succeed every time. A verb with an etag is tried only after a success.
pub(super) fn may_always_succeed(verb: &str) -> bool {
    NEVER_FAIL.contains(&verb) || verb.ends_with("if match")
}

/// The results of one verb.
#[derive(Debug, Default)]
pub(super) struct Tally {
    pub(super) succeeded: u64,
    pub(super) failed: HashMap<ErrorKind, u64>,
}

/// Runs every verb through the swapped names.
pub(super) struct Visitor<'a> {
    pub(super) arena: &'a Arena,
    pub(super) backend: LocalFileBackend,
    pub(super) name: &'static str,
    pub(super) tallies: BTreeMap<&'static str, Tally>,
}

impl Visitor<'_> {
    fn count<T>(&mut self, verb: &'static str, result: Result<T>) -> Option<T> {
        let tally = self.tallies.entry(verb).or_default();
        match result {
            Ok(value) => {
                tally.succeeded += 1;
                Some(value)
            }
            Err(error) => {
                *tally.failed.entry(error.kind()).or_default() += 1;
                None
            }
        }
    }

    fn content(&mut self, verb: &'static str, content: Result<Bytes>) {
        if let Some(content) = self.count(verb, content) {
            let text = std::str::from_utf8(&content).unwrap();
            assert!(text.starts_with(INSIDE) || INSIDE.starts_with(text), "{verb} returned {text}");
        }
    }

    async fn entries(&mut self, verb: &'static str, entries: Result<InfoStream<'static>>) {
        let Some(entries) = self.count(verb, entries) else { return };
        for entry in entries.collect::<Vec<_>>().await {
            if let Some(info) = self.count("list entry", entry) {
                assert_ne!(info.path.name(), Some(OUTSIDE_ONLY), "{verb} showed {}", info.path);
                assert_ne!(
                    info.size,
                    Some(outside_content().len() as u64),
                    "{verb} showed {}",
                    info.path
                );
            }
        }
    }

    async fn read(&mut self, dir: &str) {
        let backend = self.backend.clone();
        let secret = format!("{dir}/secret");
        self.content("read", backend.read(&secret).await);
        self.content("read", backend.read("file").await);
        self.content("read range", backend.read_with(&secret, ReadOptions::range(0..4)).await);
        let streamed = backend.stream_read(&secret).await;
        if let Some(streamed) = self.count("stream_read", streamed) {
            let chunks: Result<Vec<Bytes>> = streamed.try_collect().await;
            self.content("streamed", chunks.map(|chunks| chunks.concat().into()));
        }
        let algorithm = ChecksumAlgorithm::Blake3;
        let forbidden = Checksum::of(algorithm, outside_content().as_bytes());
        let checksum = backend.checksum(&secret, algorithm).await;
        if let Some(checksum) = self.count("checksum", checksum) {
            assert_ne!(checksum, forbidden);
        }
        let paths = [secret.as_str(), "secret"];
        if let Some(sums) =
            self.count("checksum_many", backend.checksum_many(&paths, algorithm).await)
        {
            assert!(sums.values().all(|sum| *sum != forbidden));
        }
    }

    async fn inspect(&mut self, dir: &str) {
        let backend = self.backend.clone();
        let secret = format!("{dir}/secret");
        let everything =
            InfoOptions::default().with_encoding().with_checksum(ChecksumAlgorithm::Md5);
        for (verb, path, links) in [
            ("info", secret.as_str(), LinkMode::Keep),
            ("info with links followed", secret.as_str(), LinkMode::Follow),
            ("info of a swapped name", dir, LinkMode::Keep),
            ("info of a swapped name with links followed", dir, LinkMode::Follow),
        ] {
            for options in [InfoOptions::default(), everything.clone()] {
                let info = backend.info_with(path, options.with_links(links)).await;
                if let Some(info) = self.count(verb, info) {
                    assert_ne!(info.size, Some(outside_content().len() as u64), "{verb}");
                }
            }
        }
        self.count("exists", backend.exists(&secret).await);
        self.entries("list", backend.list(dir).await).await;
        let recursive = ListOptions::recursive();
        self.entries("list recursively", backend.list_with(dir, recursive.clone()).await).await;
        self.entries("list everything", backend.list_with("", recursive).await).await;
        for (verb, pattern) in [("glob", format!("{dir}/**")), ("glob everything", "**".into())] {
            if let Some(found) = self.count(verb, backend.glob(&pattern).await) {
                assert!(found.iter().all(|path| path.name() != Some(OUTSIDE_ONLY)), "{verb}");
            }
        }
    }

    async fn write(&mut self, dir: &str) {
        let backend = self.backend.clone();
        let at = |name: &str| format!("{dir}/{}-{name}", self.name);
        let (fresh, written, updated, appended, streamed) =
            (at("fresh"), at("written"), at("updated"), at("appended"), at("streamed"));
        self.count("create", backend.create(&fresh, INSIDE).await);
        self.count("delete", backend.delete(&fresh).await);
        let overwrite = CreateOptions::overwrite;
        let created = backend.create_with(&written, INSIDE, overwrite()).await;
        self.count("create over", created);
        self.count("create over", backend.create_with("file", INSIDE, overwrite()).await);
        if let Ok(info) = backend.info(&written).await {
            let etag = info.etag.unwrap();
            let matching = CreateOptions::if_match(etag.clone());
            let created = backend.create_with(&written, INSIDE, matching).await;
            let etag = created.as_ref().map_or(etag, |info| info.etag.clone().unwrap());
            self.count("create if match", created);
            let options = UpdateOptions::if_match(etag);
            let result = backend.update_with(&written, INSIDE, options).await;
            self.count("update if match", result);
        }
        self.count("update", backend.update(&updated, INSIDE).await);
        let append = backend.update_with(&appended, "+", UpdateOptions::append()).await;
        self.count("append", append);
        let source = || Box::pin(stream::iter([Ok(INSIDE.into()), Ok(INSIDE.into())]));
        let result = backend.stream_write_with(&fresh, source(), WriteOptions::default()).await;
        self.count("stream_write", result);
        self.count(
            "delete recursively",
            backend.delete_with(&fresh, DeleteOptions::recursive()).await,
        );
        let result =
            backend.stream_write_with(&streamed, source(), WriteOptions::overwrite()).await;
        let etag = result.as_ref().ok().map(|info| info.etag.clone().unwrap());
        self.count("stream_write over", result);
        if let Some(etag) = etag {
            let options = WriteOptions::if_match(etag);
            let result = backend.stream_write_with(&streamed, source(), options).await;
            self.count("stream_write if match", result);
        }
    }

    async fn copy_and_rename(&mut self, dir: &str) {
        let backend = self.backend.clone();
        let visitor = self.name;
        let at = |name: &str| format!("{dir}/{visitor}-{name}");
        let here = |name: &str| format!("{visitor}-{name}");
        let (secret, copied, from, to) =
            (format!("{dir}/secret"), at("copied"), at("from"), at("to"));
        let overwrite = CopyOptions::overwrite;
        let result = backend.copy_with(&secret, &here("copied"), overwrite()).await;
        self.count("copy from", result);
        self.content("read copy", backend.read(&here("copied")).await);
        self.count("copy to", backend.copy_with("secret", &copied, overwrite()).await);
        self.count("copy to itself", backend.copy_with(&secret, &secret, overwrite()).await);
        let overwrite = RenameOptions::overwrite;
        let result = backend.rename_with(&from, &here("from"), overwrite()).await;
        self.count("rename from", result);
        self.content("read moved", backend.read(&here("from")).await);
        self.count("rename to", backend.rename_with(&here("to"), &to, overwrite()).await);
        // Restores the renamed files for the next visit.
        for name in [from, here("to")] {
            drop(backend.create(&name, INSIDE).await);
        }
        let (deep, made) = (at("deep"), at("made"));
        self.count("create below", backend.create(&format!("{deep}/x/y"), INSIDE).await);
        let result = backend.delete_with(&deep, DeleteOptions::recursive()).await;
        self.count("delete recursively", result);
        self.count("delete a directory", backend.delete(&made).await);
        self.count("create_dir", backend.create_dir(&made).await);
        let result = backend.create_dir_with(&made, CreateDirOptions::overwrite()).await;
        self.count("create_dir over", result);
        self.count("create_dir below", backend.create_dir(&format!("{deep}/x/z")).await);
        // A wait for the session of the other visitor needs a runtime.
        if self.name == "thread" {
            return;
        }
        let session = backend.sync_session().await;
        if let Some(session) = self.count("session", session) {
            self.count("session", session.finish().await);
        }
    }

    /// Deletes a swapped name, or a tree with a swapped name in it.
    async fn delete(&mut self) {
        let recursive = DeleteOptions::recursive;
        if self.name == "thread" {
            let deleted = self.backend.delete_with("tree", recursive()).await;
            self.count("delete tree", deleted);
            return self.arena.restore_tree();
        }
        for _ in 0..20 {
            let deleted = self.backend.delete_with("doomed", recursive()).await;
            self.count("delete doomed", deleted);
            self.arena.restore_doomed();
        }
    }

    /// Returns whether every verb has met both the directory and the link.
    fn has_seen_both(&self) -> bool {
        self.tallies.iter().all(|(verb, tally)| {
            tally.succeeded > 0 && (may_always_succeed(verb) || !tally.failed.is_empty())
        })
    }

    pub(super) async fn visit(mut self, visits: usize) -> BTreeMap<&'static str, Tally> {
        // More visits, until every verb has succeeded and failed.
        let max_visits = visits * 100;
        let mut visit = 0;
        while visit < visits || visit < max_visits && !self.has_seen_both() {
            visit += 1;
            for dir in ["dir", "upper/dir"] {
                self.read(dir).await;
                self.inspect(dir).await;
                self.write(dir).await;
                self.copy_and_rename(dir).await;
                self.delete().await;
            }
        }
        self.tallies
    }
}
