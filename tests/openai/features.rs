//! Features beyond the common verbs: search, indexing, bulk creation, repair, and limits.

use std::time::Duration;

use bytes::Bytes;
use f9::prelude::*;
use f9::testing::openai::{Fault, FaultKind, IndexingFailure, OpenAISimulator, Route};
use f9::{
    CreateOptions, ErrorKind, FilePath, IndexingStatus, OpenAIEncoding,
    OpenAIVectorStoreFileBackend, SearchHit, SearchOptions, SessionOptions, WriteMode,
    WriteOptions, blocking,
};
use futures::StreamExt as _;
use futures::stream;
use serde_json::{Value, json};

use crate::clock::{never, stop_clock, without_waiting};
use crate::notes::{HOUR, open, opened};

fn count(simulator: &OpenAISimulator, route: Route) -> usize {
    simulator.requests().iter().filter(|request| request.route == route).count()
}

/// Returns the errors of a bulk operation, with their positions.
fn failures<T>(outcomes: &[f9::Result<T>]) -> Vec<(usize, ErrorKind)> {
    let failed =
        |(place, outcome): (usize, &f9::Result<T>)| Some((place, outcome.as_ref().err()?.kind()));
    outcomes.iter().enumerate().filter_map(failed).collect()
}

mod search {
    use super::*;

    fn paths(hits: &[SearchHit]) -> Vec<&str> {
        let mut paths: Vec<_> = hits.iter().map(|hit| hit.path.as_str()).collect();
        paths.sort_unstable();
        paths
    }

    fn prefix(prefix: &str) -> SearchOptions {
        SearchOptions::default().with_prefix(FilePath::parse(prefix).unwrap())
    }

    async fn garden(simulator: &OpenAISimulator) -> OpenAIVectorStoreFileBackend {
        let files = open(simulator).await;
        for (path, text) in [
            ("garden/plan.md", "Plant the tomatoes in May."),
            ("garden/beds/1.md", "Tomatoes and beans."),
            ("gardening.md", "Tomatoes are not vegetables."),
            ("kitchen/soup.md", "Cook the tomatoes for an hour."),
            ("kitchen/bread.md", "Knead the dough."),
        ] {
            files.create(path, text).await.unwrap();
        }
        files
    }

    #[tokio::test]
    async fn a_search_returns_only_the_selected_files() {
        let simulator = OpenAISimulator::start();
        let files = garden(&simulator).await;
        assert_eq!(files.search("tomatoes").await.unwrap().len(), 4);
        let glob = |pattern: &str| SearchOptions::default().with_glob(pattern.parse().unwrap());
        let size = |least: u64| json!({"type": "gte", "key": "size", "value": least});
        for (options, expected) in [
            (prefix("garden"), &["garden/beds/1.md", "garden/plan.md"][..]),
            (prefix("garden/plan.md"), &["garden/plan.md"]),
            (prefix("/kitchen/"), &["kitchen/soup.md"]),
            (prefix("nowhere"), &[]),
            (glob("*/*.md"), &["garden/plan.md", "kitchen/soup.md"]),
            (glob("**/1.md").with_prefix(FilePath::parse("kitchen").unwrap()), &[]),
            (SearchOptions::default().with_filters(size(28)), &["gardening.md", "kitchen/soup.md"]),
            (prefix("kitchen").with_filters(size(28)), &["kitchen/soup.md"]),
            (prefix("garden").with_filters(size(28)), &[]),
        ] {
            let hits = files.search_with("tomatoes", options.clone()).await.unwrap();
            assert_eq!(paths(&hits), expected, "{options:?}");
        }
        let hits = files
            .search_with("plant tomatoes may", SearchOptions::default().with_max_results(1))
            .await;
        let hits = hits.unwrap();
        assert_eq!(paths(&hits), ["garden/plan.md"]);
        assert_eq!((hits[0].text.as_str(), hits[0].score), ("Plant the tomatoes in May.", 1.0));
    }

    #[tokio::test]
    async fn a_number_of_results_out_of_range_is_refused() {
        let simulator = OpenAISimulator::start();
        let files = open(&simulator).await;
        for refused in [0, 51, u32::MAX] {
            let options = SearchOptions::default().with_max_results(refused);
            let error = files.search_with("tomatoes", options).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidInput);
            assert_eq!(error.operation(), Some("search"));
        }
        assert!(simulator.take_requests().is_empty());
        let wrong = SearchOptions::default().with_filters(json!({"type": "like"}));
        assert!(files.search_with("tomatoes", wrong).await.is_err());
    }

    #[tokio::test]
    async fn a_search_returns_no_old_versions_and_no_files_of_other_programs() {
        let simulator = OpenAISimulator::start();
        let files = garden(&simulator).await;
        let id = simulator.add_file("other.txt", "assistants", "tomatoes of others");
        simulator.attach_file(&id, json!({"author": "somebody"}));
        // The old version cannot be removed.
        simulator.inject(Fault::status(400).on(Route::Detach));
        files.update("garden/plan.md", "Plant the potatoes in April.").await.unwrap();
        assert_eq!(simulator.vector_store_files().len(), 7);
        for files in [files, open(&simulator).await] {
            let hits = files.search("tomatoes").await.unwrap();
            assert_eq!(paths(&hits), ["garden/beds/1.md", "gardening.md", "kitchen/soup.md"]);
            let hits = files.search_with("tomatoes", prefix("garden/plan.md")).await.unwrap();
            assert_eq!(paths(&hits), [""; 0]);
        }
    }

    #[tokio::test]
    async fn files_of_other_programs_do_not_displace_hits() {
        let simulator = OpenAISimulator::start();
        for number in 0..12 {
            let id = simulator.add_file(&format!("{number}.txt"), "assistants", "tomatoes");
            simulator.attach_file(&id, json!({}));
        }
        let files = garden(&simulator).await;
        simulator.take_requests();
        let best = SearchOptions::default().with_max_results(1);
        let hits = files.search_with("tomatoes", best.clone()).await.unwrap();
        assert_eq!((hits.len(), count(&simulator, Route::Search)), (1, 2));
        assert_eq!(files.search("tomatoes").await.unwrap().len(), 4);
        simulator.take_requests();
        let hits =
            files.search_with("tomatoes", best.with_prefix("kitchen".parse().unwrap())).await;
        assert_eq!((hits.unwrap().len(), count(&simulator, Route::Search)), (1, 1));
    }

    /// The characters of framed lines carry no meaning.
    #[tokio::test]
    async fn a_search_returns_no_framed_content() {
        let simulator = OpenAISimulator::start();
        let config = simulator.config().with_encoding(OpenAIEncoding::Framed);
        opened(config).await.create("a.bin", "tomatoes").await.unwrap();
        let stored = simulator.files()[0].bytes.clone();
        let word = std::str::from_utf8(&stored).unwrap().trim().to_owned();
        let files = open(&simulator).await;
        files.create("b.md", word.clone()).await.unwrap();
        let hits = files.search(&word).await.unwrap();
        assert_eq!(paths(&hits), ["b.md"]);
    }

    #[tokio::test]
    async fn of_many_selected_files_those_among_the_best_results_are_returned() {
        let simulator = OpenAISimulator::start();
        let files = open(&simulator).await;
        let many = (0..150).map(|day| (format!("days/{day:03}.md"), format!("Day {day}")));
        let others =
            (0..30).map(|week| (format!("weeks/{week}.md"), format!("Week {week} of tomatoes")));
        let created = files.create_many(many.chain(others)).await.unwrap();
        assert_eq!(failures(&created), []);
        let find =
            async |options: SearchOptions| files.search_with("day 77", options).await.unwrap();
        let hits = find(prefix("days").with_max_results(3)).await;
        assert_eq!(hits.len(), 3);
        assert_eq!(hits[0].path, "days/077.md");
        assert!(hits.iter().all(|hit| hit.path.as_str().starts_with("days/")));
        assert_eq!(find(prefix("days").with_max_results(50)).await.len(), 50);
        let request = simulator.take_requests().pop().unwrap();
        let body: Value = request.json.unwrap();
        assert_eq!(body["max_num_results"], 50);
        assert!(body.get("filters").is_none(), "more than can be named: {body}");
        let weeks = files.search_with("tomatoes", prefix("weeks")).await.unwrap();
        assert_eq!(weeks.len(), 10);
    }
}

mod indexing {
    use super::*;

    #[tokio::test]
    async fn waiting_ends_when_the_service_has_parsed_the_file() {
        let simulator = OpenAISimulator::start();
        simulator.set(|rules| rules.in_progress_polls = 3);
        let files = open(&simulator).await;
        files.create("a.md", "text").await.unwrap();
        assert_eq!(files.indexing_status("a.md").await.unwrap(), IndexingStatus::InProgress);
        assert_eq!(
            files.wait_until_indexed("a.md", HOUR).await.unwrap(),
            IndexingStatus::Completed
        );
        assert_eq!(files.indexing_status("a.md").await.unwrap(), IndexingStatus::Completed);
        assert_eq!(files.search("text").await.unwrap().len(), 1);
    }

    #[tokio::test]
    async fn waiting_ends_at_the_timeout() {
        let simulator = OpenAISimulator::start();
        simulator.set(|rules| rules.in_progress_polls = u32::MAX);
        let files = open(&simulator).await;
        files.create("a.md", "text").await.unwrap();
        let error = files.wait_until_indexed("a.md", Duration::from_millis(5)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Timeout);
        assert_eq!(error.path(), Some("a.md"));
        assert!(files.search("text").await.unwrap().is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn the_status_is_polled_once_more_at_the_timeout() {
        let _still = stop_clock();
        let simulator = OpenAISimulator::start();
        // The service reports completion at the second poll, which is due after the timeout.
        simulator.set(|rules| rules.in_progress_polls = 1);
        let files = opened(simulator.config().with_cache_ttl(HOUR)).await;
        files.create("a.md", "text").await.unwrap();
        let polls = || {
            let requests = simulator.requests().into_iter();
            requests.filter(|r| r.route == Route::Status && r.status.is_some()).count()
        };
        let advancing = async {
            while polls() == 0 {
                tokio::task::yield_now().await;
            }
            // Longer than the pause, and shorter than the limit of the last poll.
            tokio::time::advance(Duration::from_millis(100)).await;
        };
        let waiting = files.wait_until_indexed("a.md", Duration::from_millis(1));
        let (waited, ()) = tokio::join!(waiting, advancing);
        assert_eq!((waited.unwrap(), polls()), (IndexingStatus::Completed, 2));
    }

    #[tokio::test]
    async fn polls_are_separated_by_pauses() {
        let simulator = OpenAISimulator::start();
        simulator.set(|rules| rules.in_progress_polls = 6);
        let config = simulator.config().with_retry_delay(Duration::ZERO).with_cache_ttl(HOUR);
        let files = opened(config).await;
        files.create("a.md", "text").await.unwrap();
        let began = std::time::Instant::now();
        files.wait_until_indexed("a.md", HOUR).await.unwrap();
        // 1 + 2 + 4 + 8 + 16 + 32 ms.
        assert!(began.elapsed() >= Duration::from_millis(63));
    }

    #[tokio::test]
    async fn waiting_ends_if_the_service_does_not_answer() {
        let simulator = OpenAISimulator::start();
        let config = simulator.config().with_cache_ttl(HOUR).with_timeouts(never());
        let files = opened(config).await;
        files.create("a.md", "text").await.unwrap();
        simulator.inject(Fault::new(FaultKind::TimeoutBefore).on(Route::Status).times(usize::MAX));
        let waiting = files.wait_until_indexed("a.md", Duration::from_millis(5));
        let error = without_waiting(&simulator, waiting).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Timeout, "{error}");
        assert!(error.to_string().contains("within 0.005 s"), "{error}");
    }

    #[tokio::test]
    async fn a_file_that_cannot_be_parsed_reports_why_and_is_kept() {
        let simulator = OpenAISimulator::lenient();
        simulator.set(|rules| {
            let failure = IndexingFailure::new("invalid_file", "It is too large.");
            rules.fail_indexing = vec![failure.for_content_with("broken")];
        });
        let files = open(&simulator).await;
        files.create("a.md", "broken text").await.unwrap();
        files.create("b.md", "whole text").await.unwrap();
        let failed = IndexingStatus::Failed {
            code: "invalid_file".to_owned(),
            message: "It is too large.".to_owned(),
        };
        assert_eq!(files.wait_until_indexed("a.md", HOUR).await.unwrap(), failed);
        let completed = files.wait_until_indexed("b.md", HOUR).await.unwrap();
        assert_eq!(completed, IndexingStatus::Completed);
        assert_eq!(files.read("a.md").await.unwrap(), "broken text");
        assert_eq!(files.glob("*").await.unwrap(), ["a.md", "b.md"]);
        // If the file cannot be read, the error names the cause and the remedy.
        simulator.set(|rules| rules.forbidden_downloads.extend(["assistants".to_owned()]));
        let error = files.read("a.md").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::DownloadForbidden);
        let source = std::error::Error::source(&error).unwrap().to_string();
        assert!(source.contains("It is too large."), "{source}");
        files.update("a.md", "whole again").await.unwrap();
        assert_eq!(files.read("a.md").await.unwrap(), "whole again");
    }

    #[tokio::test]
    async fn only_files_have_an_indexing_status() {
        let simulator = OpenAISimulator::start();
        let files = open(&simulator).await;
        files.create("d/a.md", "text").await.unwrap();
        for (path, kind) in [
            ("d", ErrorKind::IsADirectory),
            ("b", ErrorKind::NotFound),
            ("d/a.md/x", ErrorKind::NotADirectory),
            ("", ErrorKind::InvalidPath),
        ] {
            assert_eq!(files.indexing_status(path).await.unwrap_err().kind(), kind, "{path:?}");
            let waited = files.wait_until_indexed(path, HOUR).await;
            assert_eq!(waited.unwrap_err().kind(), kind, "{path:?}");
        }
    }
}

mod many {
    use super::*;

    fn days(count: usize, text: &str) -> Vec<(String, String)> {
        (0..count).map(|day| (format!("2026/{day:03}.md"), format!("{text} {day}"))).collect()
    }

    #[tokio::test]
    async fn files_are_attached_a_hundred_at_a_time() {
        let simulator = OpenAISimulator::start();
        simulator.set(|rules| rules.in_progress_polls = 1);
        let config = simulator.config().with_cache_ttl(HOUR).with_concurrency(3);
        let files = OpenAIVectorStoreFileBackend::open(config).await.unwrap();
        let created = files.create_many(days(250, "Day")).await.unwrap();
        for (day, created) in created.into_iter().enumerate() {
            assert_eq!(created.unwrap().path, *format!("2026/{day:03}.md"));
        }
        assert_eq!(count(&simulator, Route::Upload), 250);
        assert_eq!(count(&simulator, Route::Batch), 3);
        assert_eq!(count(&simulator, Route::Attach), 0);
        for files in [files, open(&simulator).await] {
            assert_eq!(files.glob("2026/*.md").await.unwrap().len(), 250);
            assert_eq!(files.read("2026/249.md").await.unwrap(), "Day 249");
        }
    }

    #[tokio::test]
    async fn a_failed_file_does_not_affect_the_others() {
        let simulator = OpenAISimulator::start();
        let files = open(&simulator).await;
        files.create("2026/005.md", "there before").await.unwrap();
        files.create("file", "in the way").await.unwrap();
        let mut many = days(20, "Day");
        many.extend(
            ["../up", "2026/003.md", "file/below", "2026", "2026/004.md/below"]
                .map(|p| (p.to_owned(), String::new())),
        );
        let created = files.create_many(many).await.unwrap();
        let expected = [
            (5, ErrorKind::AlreadyExists),
            (20, ErrorKind::PathEscapesRoot),
            (21, ErrorKind::InvalidInput),
            (22, ErrorKind::NotADirectory),
            (23, ErrorKind::InvalidInput),
            (24, ErrorKind::InvalidInput),
        ];
        assert_eq!(failures(&created), expected);
        for (place, error) in
            created.iter().enumerate().filter_map(|(n, c)| Some((n, c.as_ref().err()?)))
        {
            assert!(
                error.path().is_some() && error.operation() == Some("create"),
                "{place}: {error}"
            );
        }
        assert_eq!(files.read("2026/005.md").await.unwrap(), "there before");
        assert_eq!(files.glob("2026/*").await.unwrap().len(), 20);
        simulator.inject(Fault::status(400).on(Route::Upload).after(1).times(2));
        let created =
            files.create_many((0..5).map(|n| (format!("more/{n}"), "more"))).await.unwrap();
        assert_eq!(failures(&created).len(), 2);
        assert_eq!(files.glob("more/*").await.unwrap().len(), 3);
        assert_eq!(simulator.vector_store_files().len(), 2 + 19 + 3);
        assert_eq!(simulator.files().len(), 2 + 19 + 3, "failed uploads are removed");
    }

    #[tokio::test]
    async fn existing_files_are_replaced_if_the_mode_allows_it() {
        let simulator = OpenAISimulator::start();
        let files = open(&simulator).await;
        files.create_many(days(130, "Day")).await.unwrap();
        let options = || CreateOptions::default().with_mode(WriteMode::Overwrite);
        let created = files.create_many_with(days(140, "Night"), options()).await.unwrap();
        assert_eq!(failures(&created), []);
        assert_eq!(simulator.vector_store_files().len(), 140);
        assert_eq!(simulator.files().len(), 140);
        for files in [files, open(&simulator).await] {
            assert_eq!(files.read("2026/007.md").await.unwrap(), "Night 7");
            assert_eq!(files.glob("**").await.unwrap().len(), 141);
        }
    }

    /// A refused file does not affect the others.
    #[tokio::test]
    async fn only_the_refused_files_of_a_batch_fail() {
        let openai = OpenAISimulator::lenient();
        openai.set(|rules| {
            rules.attach_extensions.as_mut().unwrap().remove("py");
        });
        let notes = open(&openai).await;
        let files = (0..150).map(|number| match number {
            7 | 120 => (format!("{number}.py"), "pass"),
            _ => (format!("{number}.md"), "text"),
        });
        let outcomes = notes.create_many(files).await.unwrap();
        for (number, outcome) in outcomes.iter().enumerate() {
            assert_eq!(outcome.is_err(), matches!(number, 7 | 120), "{number}: {outcome:?}");
        }
        assert_eq!(open(&openai).await.glob("*").await.unwrap().len(), 148);
        assert_eq!(openai.files().len(), 148, "refused uploads are removed");
    }

    /// The service refuses all files, as a batch and one by one: no upload is left, and the old versions stay.
    #[tokio::test]
    async fn a_refused_batch_keeps_the_old_versions() {
        let simulator = OpenAISimulator::start();
        let files = open(&simulator).await;
        files.create_many(days(10, "Day")).await.unwrap();
        simulator.inject(Fault::status(400).on(Route::Batch));
        simulator.inject(Fault::status(400).on(Route::Attach).times(12));
        let options = CreateOptions::default().with_mode(WriteMode::Overwrite);
        let created = files.create_many_with(days(12, "Night"), options).await.unwrap();
        assert_eq!(failures(&created).len(), 12);
        assert_eq!(files.read("2026/009.md").await.unwrap(), "Day 9");
        assert_eq!((simulator.files().len(), simulator.vector_store_files().len()), (10, 10));
    }

    #[tokio::test]
    async fn an_empty_batch_sends_nothing_and_single_file_conditions_are_refused() {
        let simulator = OpenAISimulator::start();
        let files = open(&simulator).await;
        assert!(files.create_many(Vec::<(String, String)>::new()).await.unwrap().is_empty());
        let etag = CreateOptions::if_match(f9::Etag::new("1"));
        let sum = f9::Checksum::of(f9::ChecksumAlgorithm::Sha256, b"");
        let append = CreateOptions::default().with_mode(WriteMode::Append);
        let (sum, size) =
            (CreateOptions::default().with_checksum(sum), append.clone().with_size(1));
        let size = size.with_mode(WriteMode::Overwrite);
        for (options, operation) in
            [(etag, "update"), (sum, "create"), (size, "write"), (append, "append to")]
        {
            let error = files.create_many_with([("a", "b")], options).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidInput, "{operation}: {error}");
            assert_eq!(error.operation(), Some(operation));
        }
        assert!(simulator.files().is_empty());
        simulator.inject(Fault::status(401));
        let files = open(&simulator).await;
        let many = ["a", "b", "c"].map(|path| (path.to_owned(), "x".into()));
        let sized = WriteOptions::default().with_size(1);
        let error = files.write_many_with(many.into(), sized).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        let error = files.create_many([("a", "b")]).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unauthenticated);
    }
}

mod repair {
    use super::*;

    fn ids<T>(found: &[(T, String)]) -> Vec<&str> {
        found.iter().map(|(_, id)| id.as_str()).collect()
    }

    #[tokio::test]
    async fn leftovers_of_crashes_are_found_and_removed() {
        let simulator = OpenAISimulator::start();
        let files = open(&simulator).await;
        for path in ["kept", "lost", "twice"] {
            files.create(path, path).await.unwrap();
        }
        assert!(files.check().await.unwrap().is_empty());

        // An old version that could not be removed.
        let old = files.info("twice").await.unwrap().extra["file_id"].clone();
        simulator.inject(Fault::status(400).on(Route::Detach));
        files.update("twice", "again").await.unwrap();
        // A file whose content another program has deleted.
        let lost = files.info("lost").await.unwrap().extra["file_id"].clone();
        simulator.set(|rules| rules.deleted_files = f9::testing::openai::DeletedFiles::Listed);
        delete_as_another(&simulator, &lost).await;
        // Uploads that were never attached: an old one, a recent one, and one of another program.
        simulator.inject(Fault::new(FaultKind::status(400)).on(Route::Attach).times(2));
        simulator.inject(Fault::status(400).on(Route::DeleteFile).times(2));
        files.create("old", "old").await.unwrap_err();
        files.create("new", "new").await.unwrap_err();
        simulator.clear_faults();
        let unattached: Vec<_> =
            simulator.files().into_iter().filter(|file| !file.attached).collect();
        let [left, young] = &unattached[..] else { panic!("{unattached:?}") };
        simulator.backdate_file(&left.id, Duration::from_secs(3700));
        let foreign = simulator.add_file("other.txt", "assistants", "other");
        simulator.backdate_file(&foreign, HOUR * 2);
        // A file at the path of a directory.
        files.create("d/a", "a").await.unwrap();
        let shadowed = simulator.add_file("kept.txt", "assistants", "shadowed");
        let attributes = json!({"path": "d", "size": 8, "encoding": "raw"});
        simulator.attach_file(&shadowed, attributes);

        let report = files.check().await.unwrap();
        assert_eq!(ids(&report.duplicates), [&old]);
        assert_eq!(ids(&report.dead), [&lost]);
        assert_eq!(report.unattached, [(left.filename.clone(), left.id.clone())]);
        assert_eq!(ids(&report.shadowed), [&shadowed]);
        assert_eq!(files.repair().await.unwrap(), report);
        let mut after = files.check().await.unwrap();
        assert_eq!(ids(&after.shadowed), [&shadowed], "it is the only copy");
        after.shadowed.clear();
        assert!(after.is_empty(), "{after:?}");
        let files_left: Vec<_> = simulator.files().into_iter().map(|file| file.id).collect();
        assert!(files_left.contains(&young.id) && files_left.contains(&foreign));
        for files in [files, open(&simulator).await] {
            assert_eq!(files.glob("**").await.unwrap(), ["d", "d/a", "kept", "twice"]);
            assert_eq!(files.read("twice").await.unwrap(), "again");
        }
    }

    /// A file of another vector store of the project, whose path looks like the name of an upload.
    #[tokio::test]
    async fn uploads_for_other_stores_are_kept() {
        let simulator = OpenAISimulator::start();
        let files = open(&simulator).await;
        files.create("a", "one").await.unwrap();
        let (stem, rest) = simulator.files()[0]
            .filename
            .clone()
            .split_once('.')
            .map(|(s, r)| (s.to_owned(), r.to_owned()))
            .unwrap();
        let name = format!("{stem}_{}.f9-01234567-89ab.txt", rest.trim_end_matches(".txt"));
        let other = simulator.add_file(&name, "assistants", "other");
        simulator.backdate_file(&other, HOUR * 2);
        assert!(files.repair().await.unwrap().is_empty());
        assert_eq!(simulator.files().len(), 2);
    }

    /// The newest version is lost, and the one before could not be removed: it is the only copy.
    #[tokio::test]
    async fn the_only_remaining_version_is_kept() {
        let simulator = OpenAISimulator::start();
        simulator.set(|rules| rules.deleted_files = f9::testing::openai::DeletedFiles::Listed);
        let files = open(&simulator).await;
        files.create("a", "one").await.unwrap();
        simulator.inject(Fault::status(400).on(Route::Detach));
        files.update("a", "two").await.unwrap();
        let lost = files.info("a").await.unwrap().extra["file_id"].clone();
        delete_as_another(&simulator, &lost).await;
        let report = files.repair().await.unwrap();
        assert_eq!((ids(&report.dead), ids(&report.duplicates)), (vec![&*lost], vec![]));
        for files in [files, open(&simulator).await] {
            assert_eq!(files.read("a").await.unwrap(), "one");
        }
    }

    /// Deletes a file as another program would: its entry stays.
    async fn delete_as_another(simulator: &OpenAISimulator, id: &str) {
        let url = format!("{}/files/{id}", simulator.base_url());
        let request = reqwest::Client::new().delete(url).bearer_auth(simulator.api_key());
        assert!(request.send().await.unwrap().status().is_success());
    }
}

mod sessions {
    use super::*;

    #[tokio::test]
    async fn one_task_holds_the_session_and_the_others_wait() {
        let simulator = OpenAISimulator::start();
        let (one, other) = (open(&simulator).await, open(&simulator).await);
        let session = one.sync_session().await.unwrap();
        // One task may hold the session twice.
        let again = other.sync_session().await.unwrap();
        let at_once = || SessionOptions::default().with_timeout(Duration::ZERO);
        let handle = other.clone();
        let refused =
            tokio::spawn(async move { handle.sync_session_with(at_once()).await.map(drop) });
        assert_eq!(refused.await.unwrap().unwrap_err().kind(), ErrorKind::LockTimeout);
        again.finish().await.unwrap();
        let handle = other.clone();
        let waiting = tokio::spawn(async move { handle.sync_session().await.map(drop) });
        tokio::task::yield_now().await;
        one.create("a", "in the session").await.unwrap();
        session.finish().await.unwrap();
        waiting.await.unwrap().unwrap();
        let other_store = OpenAISimulator::start();
        let session = one.sync_session().await.unwrap();
        let other_handle = open(&other_store).await;
        let free =
            tokio::spawn(async move { other_handle.sync_session_with(at_once()).await.map(drop) });
        free.await.unwrap().unwrap();
        drop(session);
    }
}

mod size {
    use super::*;

    /// A declared size above the limit is refused before the source is polled.
    #[tokio::test]
    async fn a_declared_size_above_the_limit_is_refused_before_reading() {
        let simulator = OpenAISimulator::start();
        let files = open(&simulator).await;
        let source = stream::poll_fn(|_| panic!("the source is polled"));
        let options = WriteOptions::default().with_size(512 * 1024 * 1024 + 1);
        let error = files.stream_write_with("a", source.boxed(), options).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TooLarge);
        assert!(error.message().unwrap().contains("512 MiB"), "{error}");
        assert_eq!(count(&simulator, Route::Upload), 0);
    }

    /// A source without end is refused once it exceeds the limit, and nothing of it is sent.
    #[tokio::test]
    async fn a_source_without_end_is_refused_and_not_sent() {
        let simulator = OpenAISimulator::start();
        let files = open(&simulator).await;
        // Binary content is framed, which takes more than half of the limit.
        let piece = Bytes::from(vec![0xff; 8 * 1024 * 1024]);
        let source = stream::repeat_with(move || Ok::<_, f9::Error>(piece.clone())).boxed();
        let error = files.stream_write("a", source).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TooLarge);
        assert!(error.message().unwrap().contains("297 MiB"), "{error}");
        assert_eq!(count(&simulator, Route::Upload), 0);
        assert!(files.glob("**").await.unwrap().is_empty());
    }
}

/// Measured in a separate process: this test binary, started with the address of the store.
mod memory {
    use std::process::Command;

    use super::*;

    const STORE: &str = "F9_TEST_VECTOR_STORE";

    /// Runs the test `name` of this binary in another process that works on the store.
    fn run_in_child_process(simulator: &OpenAISimulator, name: &str) {
        let store = json!({
            "base_url": simulator.base_url(),
            "api_key": simulator.api_key(),
            "vector_store_id": simulator.vector_store_id(),
            "cache_ttl": 3600,
        });
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", name, "--nocapture"]).env(STORE, store.to_string());
        let done = command.output().unwrap();
        let output = String::from_utf8_lossy(&done.stdout).into_owned()
            + &String::from_utf8_lossy(&done.stderr);
        assert!(done.status.success() && output.contains("1 passed"), "{output}");
    }

    /// Opens the store given to this process, if it is such a process.
    async fn store_of_parent() -> Option<OpenAIVectorStoreFileBackend> {
        let config = serde_json::from_str(&std::env::var(STORE).ok()?).unwrap();
        Some(OpenAIVectorStoreFileBackend::open(config).await.unwrap())
    }

    /// Returns a line of the kernel's process status, in bytes.
    fn status(name: &str) -> u64 {
        let status = std::fs::read_to_string("/proc/self/status").unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
        line.trim_start_matches(':').trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024
    }

    const STREAMED: usize = 20 * 1024 * 1024;

    #[tokio::test]
    async fn stream_in_child() {
        let Some(files) = store_of_parent().await else { return };
        files.create("warm", "text").await.unwrap();
        let before = status("VmHWM");
        let pieces =
            (0..STREAMED / 65536).map(|_| Ok::<_, f9::Error>(Bytes::from(vec![b'a'; 65536])));
        let info = files.stream_write("large.txt", stream::iter(pieces).boxed()).await.unwrap();
        assert_eq!(info.size, Some(STREAMED as u64));
        let grown = status("VmHWM") - before;
        assert!(grown < 8 << 20, "{grown} bytes more");
    }

    #[test]
    fn a_stream_of_any_length_takes_little_memory() {
        let simulator = OpenAISimulator::start();
        run_in_child_process(&simulator, "features::memory::stream_in_child");
        let large = simulator.files().into_iter().find(|file| file.filename.starts_with("large."));
        assert_eq!(large.unwrap().bytes.len(), STREAMED);
    }

    /// The number of listed entries: 20,000 by default, and `F9_ENTRIES=100000` in a full run.
    fn entries() -> usize {
        std::env::var("F9_ENTRIES").map_or(20_000, |entries| entries.parse().unwrap())
    }

    #[tokio::test]
    async fn list_in_child() {
        let Some(files) = store_of_parent().await else { return };
        assert!(!files.exists("nothing").await.unwrap());
        let before = status("VmRSS");
        assert_eq!(files.glob("year-7/day-77/*").await.unwrap().len(), 1);
        // A second listing, which holds both trees at a time.
        files.check().await.unwrap();
        let grown = status("VmRSS") - before;
        println!("{grown} bytes for {} entries", entries());
        // A kilobyte per entry, and some for the listing itself.
        let most = entries() as u64 * 1024 + (8 << 20);
        assert!(grown < most, "{grown} bytes more");
    }

    #[test]
    fn many_entries_take_little_memory() {
        let simulator = OpenAISimulator::start();
        for number in 0..entries() {
            let path = format!("year-{}/day-{number}/a note of that day.md", number % 10);
            let id = simulator.add_file("note.md", "assistants", "note");
            let attributes = json!({
                "path": path, "is_dir": false, "generation": 1, "size": 4, "encoding": "raw", "sha256": "ab".repeat(32),
                "created_at": "1700000000.123456789", "modified_at": "1700000000.123456789",
            });
            simulator.attach_file(&id, attributes);
        }
        run_in_child_process(&simulator, "features::memory::list_in_child");
    }
}

#[test]
fn the_blocking_facade_has_every_feature() {
    use blocking::OpenAIVectorStoreFileBackend as Blocking;

    let simulator = OpenAISimulator::start();
    let files = Blocking::open(simulator.config()).unwrap();
    let created =
        files.create_many((0..120).map(|n| (format!("days/{n}.md"), format!("Day {n}")))).unwrap();
    assert_eq!(failures(&created), []);
    let options = CreateOptions::default().with_mode(WriteMode::Overwrite);
    let created = files.create_many_with([("days/1.md", "tomatoes")], options).unwrap();
    assert_eq!(failures(&created), []);
    assert_eq!(files.wait_until_indexed("days/1.md", HOUR).unwrap(), IndexingStatus::Completed);
    assert_eq!(files.indexing_status("days/2.md").unwrap(), IndexingStatus::Completed);
    assert_eq!(files.search("tomatoes").unwrap()[0].path, "days/1.md");
    let options = SearchOptions::default().with_glob("days/3.md".parse().unwrap());
    assert_eq!(files.search_with("day", options).unwrap().len(), 1);
    simulator.inject(Fault::status(400).on(Route::Detach));
    files.update("days/5.md", "again").unwrap();
    assert_eq!(files.check().unwrap().duplicates.len(), 1);
    assert_eq!(files.repair().unwrap().duplicates.len(), 1);
    assert!(files.check().unwrap().is_empty());
    let session = files.sync_session().unwrap();
    files.delete("days/7.md").unwrap();
    session.finish().unwrap();
    assert_eq!(files.glob("days/*").unwrap().len(), 119);
    assert!(files.requests_sent() > 120);
    let text = "a line\n".repeat(100_000);
    files
        .stream_write(
            "large.txt",
            text.as_bytes()
                .chunks(5000)
                .map(|piece| Ok::<_, f9::Error>(Bytes::copy_from_slice(piece))),
        )
        .unwrap();
    assert_eq!(files.read("large.txt").unwrap(), text);
}
