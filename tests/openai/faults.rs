//! Each fault of the simulator at each request of each verb: the right result or the right error, and the old or the new version
//! afterwards.

use std::error::Error as _;
use std::future::ready;
use std::panic::AssertUnwindSafe;

use f9::testing::openai::{Fault, FaultKind, OpenAISimulator, Retry, Route, StoredFile};
use f9::{Error, ErrorKind, OpenAIConfig, OpenAIVectorStoreFileBackend};
use futures::FutureExt;
use futures::stream::{self, StreamExt as _};

use crate::clock::{never, soon, without_waiting};
use crate::fixture::Fixture;
use crate::notes::{HOUR, Tree, open, opened, tree};
use crate::verbs::Verb;

/// How many cases run concurrently: most of them wait before a retry.
const CONCURRENCY: usize = 32;

/// The requests, the result and the final state of a verb without a fault.
struct Expected {
    /// Each request with the status of its response.
    requests: Vec<(Route, u16)>,
    result: String,
    old: Tree,
    new: Tree,
}

impl Expected {
    async fn of(verb: Verb, fixture: &Fixture) -> Self {
        let openai = fixture.service(verb);
        let old = tree(&open(&openai).await).await.unwrap();
        openai.take_requests();
        let result = verb.run(&open(&openai).await).await.unwrap();
        let requests = openai.take_requests().into_iter();
        let requests = requests.map(|request| (request.route, request.status.unwrap())).collect();
        let new = tree(&open(&openai).await).await.unwrap();
        Self { requests, result, old, new }
    }
}

/// A fault at one request of a verb, or at all requests from there on.
#[derive(Clone, Debug)]
struct Case {
    verb: Verb,
    kind: FaultKind,
    at: usize,
    /// The request at that position without a fault, and the status of its response.
    route: Route,
    status: u16,
    is_permanent: bool,
    /// Whether the service cannot be reached after that request, so that nobody learns what became of it.
    is_cut: bool,
}

impl Case {
    fn of(verb: Verb, requests: &[(Route, u16)]) -> Vec<Self> {
        let mut cases = Vec::new();
        for (at, &(route, status)) in requests.iter().enumerate() {
            for kind in Fault::all_kinds() {
                let case =
                    Self { verb, kind, at, route, status, is_permanent: false, is_cut: false };
                if case.kind == FaultKind::WrongContent && !case.concerns_content() {
                    continue;
                }
                if is_tried_permanently(&case.kind) {
                    cases.push(Self { is_permanent: true, ..case.clone() });
                }
                if !verb.is_read_only() && loses_the_answer(&case.kind) {
                    cases.push(Self { is_cut: true, ..case.clone() });
                }
                cases.push(case);
            }
        }
        cases
    }

    fn concerns_content(&self) -> bool {
        matches!(self.route, Route::Content | Route::Text)
    }

    fn fault(&self, requests: &[(Route, u16)]) -> Fault {
        let mut fault = Fault::from(self.kind.clone()).after(self.at);
        if self.kind == FaultKind::WrongContent {
            let before = requests[..self.at].iter().filter(|(route, _)| *route == self.route);
            fault = fault.on(self.route).after(before.count());
        }
        if self.is_permanent { fault.times(usize::MAX) } else { fault }
    }

    /// Whether the request would succeed if it were retried.
    fn is_retryable(&self) -> bool {
        match &self.kind {
            FaultKind::Status { status, .. } => matches!(status, 408 | 409 | 500..),
            FaultKind::RateLimited(retry) => *retry != Retry::Never,
            FaultKind::InsufficientQuota | FaultKind::WrongContent => false,
            FaultKind::EmptyBody | FaultKind::MalformedJson => {
                self.route != Route::Content && !self.hides_the_reason()
            }
            FaultKind::TruncatedBody { .. } => !self.hides_the_reason(),
            _ => true,
        }
    }

    /// Whether the response no longer contains the reason for the refusal.
    fn hides_the_reason(&self) -> bool {
        let damages = matches!(
            self.kind,
            FaultKind::EmptyBody | FaultKind::MalformedJson | FaultKind::TruncatedBody { .. }
        );
        // A repeated deletion finds nothing.
        let repeats = self.is_permanent && matches!(self.route, Route::Detach | Route::DeleteFile);
        damages && (self.status >= 400 || repeats)
    }

    /// Whether the service may have made the change although its only response says nothing about it.
    fn hides_the_outcome(&self) -> bool {
        matches!(self.route, Route::Attach | Route::Batch | Route::Attributes | Route::Detach)
            && !matches!(self.kind, FaultKind::RateLimited(_) | FaultKind::InsufficientQuota)
    }

    /// Returns the kinds of errors that the operation may fail with.
    fn kinds(&self) -> &'static [ErrorKind] {
        match &self.kind {
            _ if self.hides_the_reason() => &[ErrorKind::Remote, ErrorKind::Unreachable],
            FaultKind::Status { status: 401, .. } => &[ErrorKind::Unauthenticated],
            FaultKind::Status { status: 403, .. } => &[ErrorKind::PermissionDenied],
            FaultKind::Status { status: 404, .. } => match self.route {
                Route::List | Route::Store | Route::Search => &[ErrorKind::RootGone],
                // The version with the etag is gone.
                Route::Status if self.verb == Verb::UpdateIfMatch => {
                    &[ErrorKind::PreconditionFailed]
                }
                // The missing object is not the path.
                Route::Upload | Route::Attach | Route::Batch => &[ErrorKind::Remote],
                _ => &[ErrorKind::NotFound],
            },
            FaultKind::Status { .. } | FaultKind::Html { .. } => &[ErrorKind::Remote],
            FaultKind::RateLimited(_) => &[ErrorKind::RateLimited],
            FaultKind::InsufficientQuota => &[ErrorKind::QuotaExceeded],
            FaultKind::EmptyBody | FaultKind::MalformedJson if self.route != Route::Content => {
                &[ErrorKind::Remote]
            }
            FaultKind::EmptyBody | FaultKind::MalformedJson | FaultKind::WrongContent => {
                &[ErrorKind::IntegrityMismatch]
            }
            FaultKind::ResetBefore | FaultKind::ResetAfter => &[ErrorKind::Unreachable],
            FaultKind::TimeoutBefore | FaultKind::TimeoutAfter => &[ErrorKind::Timeout],
            FaultKind::TruncatedBody { .. } => &[ErrorKind::Unreachable, ErrorKind::UnexpectedEof],
            _ => &[],
        }
    }

    /// Whether an error must contain the request id, or cannot; `None` if another response may have caused it.
    fn contains_request_id(&self) -> Option<bool> {
        match self.kind {
            _ if self.is_cut => None,
            // The backend says what the answer means.
            _ if self.kinds() == [ErrorKind::PreconditionFailed] => None,
            FaultKind::Status { .. }
            | FaultKind::RateLimited(_)
            | FaultKind::InsufficientQuota
            | FaultKind::Html { .. } => Some(true),
            FaultKind::EmptyBody | FaultKind::MalformedJson if self.route != Route::Content => {
                Some(true)
            }
            FaultKind::ResetBefore
            | FaultKind::ResetAfter
            | FaultKind::TimeoutBefore
            | FaultKind::TimeoutAfter => Some(false),
            _ => None,
        }
    }

    /// Whether the response never comes.
    fn is_unanswered(&self) -> bool {
        matches!(self.kind, FaultKind::TimeoutBefore | FaultKind::TimeoutAfter)
    }

    fn config(&self, openai: &OpenAISimulator) -> OpenAIConfig {
        let timeouts = if self.is_unanswered() { soon() } else { never() };
        openai.config().with_cache_ttl(HOUR).with_retries(2).with_timeouts(timeouts)
    }

    async fn check(&self, fixture: &Fixture, expected: &Expected) {
        let openai = fixture.service(self.verb);
        let initial = (openai.files(), openai.vector_store_files());
        let notes = opened(self.config(&openai)).await;
        openai.inject(self.fault(&expected.requests));
        if self.is_cut {
            openai.inject(outage_after(self.at));
        }
        let outcome = without_waiting(&openai, self.verb.run(&notes)).await;
        openai.clear_faults();
        match &outcome {
            Ok(result) => assert_eq!(*result, expected.result, "{self:?}"),
            Err(error) => self.check_error(error, &openai),
        }
        let found = if self.verb.is_read_only() {
            assert_eq!((openai.files(), openai.vector_store_files()), initial, "{self:?}");
            expected.old.clone()
        } else {
            self.check_store(&openai, &outcome, expected, &initial.0).await
        };
        let Err(error) = &outcome else { return };
        self.check_effect(error, expected, &found);
        if error.is_retryable() {
            self.check_retry(&notes, &openai, expected, &found).await;
        } else if found != expected.new || expected.new == expected.old {
            self.check_retry(&open(&openai).await, &openai, expected, &found).await;
        }
    }

    /// Checks what the error says about the change: it was made, it was not, or that is not known.
    fn check_effect(&self, error: &Error, expected: &Expected, found: &Tree) {
        let text = format!("{self:?} leaves {found:?}\nafter {error:?}");
        assert!(!(error.is_applied() && error.is_retryable()), "{text}");
        let changes_nothing = expected.new == expected.old;
        assert!(!changes_nothing || !error.is_applied() && !error.has_unknown_outcome(), "{text}");
        if error.is_applied() {
            assert_eq!(*found, expected.new, "{text}");
        } else if !error.has_unknown_outcome() && !changes_nothing {
            assert!(*found != expected.new, "{text}");
            assert!(self.verb.has_parts() || *found == expected.old, "{text}");
        }
        // What one request decides is only unknown if the answer to that request, or all the later ones, got lost.
        if !self.is_permanent && !self.is_cut && !self.verb.has_parts() {
            assert!(!error.has_unknown_outcome() || self.hides_the_outcome(), "{text}");
        }
    }

    /// Repeats the verb, as a loop over retryable errors does with the same handle.
    async fn check_retry(
        &self,
        notes: &OpenAIVectorStoreFileBackend,
        openai: &OpenAISimulator,
        expected: &Expected,
        found: &Tree,
    ) {
        let repeated = self.verb.run(notes).await;
        let is_partly_done = *found != expected.old && self.verb.may_find_partial_result();
        match repeated {
            Ok(result) => assert_eq!(result, expected.result, "{self:?}, repeated"),
            Err(error) if is_partly_done => assert_eq!(error.kind(), ErrorKind::AlreadyExists),
            Err(error) => panic!("{self:?}, repeated: {error}"),
        }
        if !(is_partly_done && self.verb == Verb::RenameDir) {
            let now = tree(&open(openai).await).await.unwrap();
            assert_eq!(now, expected.new, "{self:?}, repeated");
        }
    }

    /// Checks the state that a new backend finds, before and after a repair.
    async fn check_store(
        &self,
        openai: &OpenAISimulator,
        outcome: &f9::Result<String>,
        expected: &Expected,
        initial: &[StoredFile],
    ) -> Tree {
        let notes = open(openai).await;
        let found = tree(&notes).await.unwrap_or_else(|error| panic!("{self:?} leaves {error}"));
        let is_allowed = match outcome {
            Ok(_) => found == expected.new,
            Err(_) => self.verb.may_leave(&found, &expected.old, &expected.new),
        };
        assert!(is_allowed, "{self:?} leaves {found:?}\nafter {outcome:?}");
        notes.repair().await.unwrap();
        let report = notes.check().await.unwrap();
        assert!(report.is_empty(), "{self:?} leaves {report:?}");
        assert_eq!(tree(&notes).await.unwrap(), found, "{self:?}, repaired");
        // A repair keeps uploads younger than an hour. Such an upload is left if the response to it was lost, or if it could be
        // neither attached nor deleted. A call that succeeded leaves nothing.
        let left = openai.files().into_iter().filter(|file| !file.attached);
        let left: Vec<_> = left.map(|file| file.id).collect();
        let are_new = initial.iter().all(|file| !left.contains(&file.id));
        assert!(are_new && (outcome.is_err() || left.is_empty()), "{self:?} leaves {left:?}");
        found
    }

    fn check_error(&self, error: &Error, openai: &OpenAISimulator) {
        let mut text = error.to_string();
        assert!(text.starts_with(self.verb.fails_with()), "{self:?}: {text}");
        let mut source = error.source();
        while let Some(cause) = source {
            text += &format!(": {cause}");
            source = cause.source();
        }
        if !self.is_permanent && !self.is_cut && self.is_retryable() {
            // The next attempt succeeds.
            panic!("{self:?}: {text}");
        }
        let is_away = self.is_cut && error.kind() == ErrorKind::Unreachable;
        assert!(is_away || self.kinds().contains(&error.kind()), "{self:?}: {text}");
        assert!(!text.contains('\n'), "{self:?}: {text}");
        if let Some(names) = self.contains_request_id() {
            assert_eq!(text.contains("request req_"), names, "{self:?}: {text}");
        }
        let shown = format!("{text}{error:?}");
        assert!(!shown.contains(openai.api_key()), "{shown}");
    }
}

/// Whether the request is processed and its answer lost or unreadable: one of each way.
pub(crate) fn loses_the_answer(kind: &FaultKind) -> bool {
    matches!(kind, FaultKind::ResetAfter | FaultKind::MalformedJson)
}

/// Makes all requests fail unprocessed after the one with a fault that was injected before.
pub(crate) fn outage_after(request: usize) -> Fault {
    Fault::new(FaultKind::ResetBefore).after(request).times(usize::MAX)
}

/// Whether the fault is also tried permanently: one of each retryable kind.
pub(crate) fn is_tried_permanently(kind: &FaultKind) -> bool {
    match kind {
        FaultKind::Status { status, .. } => *status == 500,
        FaultKind::RateLimited(retry) => *retry == Retry::NoHeader,
        FaultKind::EmptyBody
        | FaultKind::MalformedJson
        | FaultKind::ResetBefore
        | FaultKind::ResetAfter
        | FaultKind::TimeoutBefore
        | FaultKind::TimeoutAfter
        | FaultKind::TruncatedBody { .. } => true,
        _ => false,
    }
}

#[expect(clippy::print_stdout, reason = "the failed cases must be listed")]
async fn under_every_fault(verb: Verb) {
    let fixture = Fixture::new().await;
    let expected = Expected::of(verb, &fixture).await;
    let cases = Case::of(verb, &expected.requests);
    // Tests do not wait for timeouts but move the clock, so nothing else may run.
    let (unanswered, others): (Vec<_>, Vec<_>) =
        cases.iter().partition(|case| case.is_unanswered());
    let mut failed = 0;
    for (cases, concurrency) in [(unanswered, 1), (others, CONCURRENCY)] {
        let checks = cases.into_iter().map(|case| {
            let check = AssertUnwindSafe(case.check(&fixture, &expected));
            let check = FutureExt::catch_unwind(check);
            check.map(move |outcome| outcome.map_err(|_| println!("{case:?} has failed")))
        });
        let checks = stream::iter(checks).buffer_unordered(concurrency);
        failed += checks.filter(|outcome| ready(outcome.is_err())).count().await;
    }
    assert_eq!(failed, 0, "of {} cases", cases.len());
}

macro_rules! under_every_fault {
    ($($name:ident: $verb:ident;)*) => {
        $(#[tokio::test]
        async fn $name() {
            under_every_fault(Verb::$verb).await;
        })*
    };
}

under_every_fault! {
    create: Create;
    overwrite: Overwrite;
    update: Update;
    update_if_match: UpdateIfMatch;
    append: Append;
    stream_write: StreamWrite;
    create_dir: CreateDir;
    create_many: CreateMany;
    read: Read;
    read_framed: ReadFramed;
    read_forbidden: ReadForbidden;
    read_framed_forbidden: ReadFramedForbidden;
    stream_read: StreamRead;
    info: Info;
    list: List;
    glob: Glob;
    checksum: Checksum;
    search: Search;
    copy: Copy;
    rename: Rename;
    rename_over: RenameOver;
    rename_dir: RenameDir;
    delete: Delete;
    delete_all: DeleteAll;
    repair: Repair;
}
