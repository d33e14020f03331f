//! Each fault of the simulator at each request of each verb: the right result or the right error, and the old or the new version
//! afterwards.

use std::error::Error as _;
use std::future::ready;
use std::panic::AssertUnwindSafe;

use f9::testing::openai::{Fault, FaultKind, OpenAISimulator, Retry, Route, StoredFile};
use f9::{Error, ErrorKind, OpenAIConfig};
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
}

impl Case {
    fn of(verb: Verb, requests: &[(Route, u16)]) -> Vec<Self> {
        let mut cases = Vec::new();
        for (at, &(route, status)) in requests.iter().enumerate() {
            for kind in Fault::all_kinds() {
                let case = Self { verb, kind, at, route, status, is_permanent: false };
                if case.kind == FaultKind::WrongContent && !case.concerns_content() {
                    continue;
                }
                if is_tried_permanently(&case.kind) {
                    cases.push(Self { is_permanent: true, ..case.clone() });
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

    /// Returns the kinds of errors that the operation may fail with.
    fn kinds(&self) -> &'static [ErrorKind] {
        match &self.kind {
            _ if self.hides_the_reason() => &[ErrorKind::Remote, ErrorKind::Unreachable],
            FaultKind::Status { status: 401, .. } => &[ErrorKind::Unauthenticated],
            FaultKind::Status { status: 403, .. } => &[ErrorKind::PermissionDenied],
            FaultKind::Status { status: 404, .. } => match self.route {
                Route::List | Route::Store | Route::Search => &[ErrorKind::RootGone],
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
        if outcome.is_err() && (found != expected.new || expected.new == expected.old) {
            self.check_retry(&openai, expected, &found).await;
        }
    }

    async fn check_retry(&self, openai: &OpenAISimulator, expected: &Expected, found: &Tree) {
        let repeated = self.verb.run(&open(openai).await).await;
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
        if !self.is_permanent && self.is_retryable() {
            // The next attempt succeeds.
            panic!("{self:?}: {text}");
        }
        assert!(self.kinds().contains(&error.kind()), "{self:?}: {text}");
        assert!(!text.contains('\n'), "{self:?}: {text}");
        if let Some(names) = self.contains_request_id() {
            assert_eq!(text.contains("request req_"), names, "{self:?}: {text}");
        }
        let shown = format!("{text}{error:?}");
        assert!(!shown.contains(openai.api_key()), "{shown}");
    }
}

/// Whether the fault is also tried permanently: one of each retryable kind.
fn is_tried_permanently(kind: &FaultKind) -> bool {
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
