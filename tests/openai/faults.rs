//! Each fault that the simulator knows, at each request of each verb: the right result or the right error, and the old or the new
//! version afterwards.

use std::error::Error as _;
use std::future::ready;
use std::panic::AssertUnwindSafe;

use f9::testing::{Fault, FaultKind, OpenAISimulator, Retry, Route, StoredFile};
use f9::{Error, ErrorKind, OpenAIConfig};
use futures::FutureExt;
use futures::stream::{self, StreamExt as _};

use crate::clock::{never, soon, without_waiting};
use crate::notes::{HOUR, Tree, open, opened, tree};
use crate::scene::Scene;
use crate::verbs::Verb;

/// How many cases run at a time: many of them wait for a moment before they repeat a request.
const AT_A_TIME: usize = 32;

/// What a verb asks, gives and leaves where nothing goes wrong.
struct Expected {
    /// Each request with the status of its answer.
    requests: Vec<(Route, u16)>,
    told: String,
    old: Tree,
    new: Tree,
}

impl Expected {
    async fn of(verb: Verb, scene: &Scene) -> Self {
        let openai = scene.service(verb);
        let old = tree(&open(&openai).await).await.unwrap();
        openai.take_requests();
        let told = verb.run(&open(&openai).await).await.unwrap();
        let requests = openai.take_requests().into_iter();
        let requests = requests.map(|request| (request.route, request.status.unwrap())).collect();
        let new = tree(&open(&openai).await).await.unwrap();
        Self { requests, told, old, new }
    }
}

/// A fault at one request of a verb, or at all from there on.
#[derive(Clone, Debug)]
struct Case {
    verb: Verb,
    kind: FaultKind,
    at: usize,
    /// The request there where nothing goes wrong, and the status of its answer.
    route: Route,
    status: u16,
    lasts: bool,
}

impl Case {
    fn of(verb: Verb, requests: &[(Route, u16)]) -> Vec<Self> {
        let mut cases = Vec::new();
        for (at, &(route, status)) in requests.iter().enumerate() {
            for kind in Fault::all_kinds() {
                let case = Self { verb, kind, at, route, status, lasts: false };
                if case.kind == FaultKind::WrongContent && !case.is_about_content() {
                    continue;
                }
                if lasts_too(&case.kind) {
                    cases.push(Self { lasts: true, ..case.clone() });
                }
                cases.push(case);
            }
        }
        cases
    }

    fn is_about_content(&self) -> bool {
        matches!(self.route, Route::Content | Route::Text)
    }

    fn fault(&self, requests: &[(Route, u16)]) -> Fault {
        let mut fault = Fault::from(self.kind.clone()).after(self.at);
        if self.kind == FaultKind::WrongContent {
            let before = requests[..self.at].iter().filter(|(route, _)| *route == self.route);
            fault = fault.on(self.route).after(before.count());
        }
        if self.lasts { fault.times(usize::MAX) } else { fault }
    }

    /// Whether the request would go well if it were repeated.
    fn is_passing(&self) -> bool {
        match &self.kind {
            FaultKind::Status { status, .. } => matches!(status, 408 | 409 | 500..),
            FaultKind::RateLimited(retry) => *retry != Retry::Never,
            FaultKind::InsufficientQuota | FaultKind::WrongContent => false,
            FaultKind::EmptyBody | FaultKind::MalformedJson => {
                self.route != Route::Content && !self.damages_a_refusal()
            }
            FaultKind::TruncatedBody { .. } => !self.damages_a_refusal(),
            _ => true,
        }
    }

    /// Whether what is left of the answer does not tell any more why the service refuses.
    fn damages_a_refusal(&self) -> bool {
        let damages = matches!(
            self.kind,
            FaultKind::EmptyBody | FaultKind::MalformedJson | FaultKind::TruncatedBody { .. }
        );
        // What has been deleted is not there when it is deleted once more.
        let repeats = self.lasts && matches!(self.route, Route::Detach | Route::DeleteFile);
        damages && (self.status >= 400 || repeats)
    }

    /// What the operation may fail with.
    fn kinds(&self) -> &'static [ErrorKind] {
        match &self.kind {
            _ if self.damages_a_refusal() => &[ErrorKind::Remote, ErrorKind::Unreachable],
            FaultKind::Status { status: 401, .. } => &[ErrorKind::Unauthenticated],
            FaultKind::Status { status: 403, .. } => &[ErrorKind::PermissionDenied],
            FaultKind::Status { status: 404, .. } => match self.route {
                Route::List | Route::Store | Route::Search => &[ErrorKind::RootGone],
                // It is not the path that is missing.
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

    /// Whether an error must name the request, or cannot; `None` where the answer to another than the one that went wrong may tell.
    fn names_the_request(&self) -> Option<bool> {
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

    /// Whether the answer never comes.
    fn is_silence(&self) -> bool {
        matches!(self.kind, FaultKind::TimeoutBefore | FaultKind::TimeoutAfter)
    }

    fn config(&self, openai: &OpenAISimulator) -> OpenAIConfig {
        let timeouts = if self.is_silence() { soon() } else { never() };
        openai.config().with_cache_ttl(HOUR).with_retries(2).with_timeouts(timeouts)
    }

    async fn check(&self, scene: &Scene, expected: &Expected) {
        let openai = scene.service(self.verb);
        let planted = (openai.files(), openai.vector_store_files());
        let notes = opened(self.config(&openai)).await;
        openai.inject(self.fault(&expected.requests));
        let outcome = without_waiting(&openai, self.verb.run(&notes)).await;
        openai.clear_faults();
        match &outcome {
            Ok(told) => assert_eq!(*told, expected.told, "{self:?}"),
            Err(error) => self.check_error(error, &openai),
        }
        let found = if self.verb.only_reads() {
            assert_eq!((openai.files(), openai.vector_store_files()), planted, "{self:?}");
            expected.old.clone()
        } else {
            self.check_store(&openai, &outcome, expected, &planted.0).await
        };
        if outcome.is_err() && (found != expected.new || expected.new == expected.old) {
            self.check_repetition(&openai, expected, &found).await;
        }
    }

    async fn check_repetition(&self, openai: &OpenAISimulator, expected: &Expected, found: &Tree) {
        let repeated = self.verb.run(&open(openai).await).await;
        let is_partly_done = *found != expected.old && self.verb.finds_its_own_traces();
        match repeated {
            Ok(told) => assert_eq!(told, expected.told, "{self:?}, repeated"),
            Err(error) if is_partly_done => assert_eq!(error.kind(), ErrorKind::AlreadyExists),
            Err(error) => panic!("{self:?}, repeated: {error}"),
        }
        if !(is_partly_done && self.verb == Verb::RenameDir) {
            let now = tree(&open(openai).await).await.unwrap();
            assert_eq!(now, expected.new, "{self:?}, repeated");
        }
    }

    /// What a backend finds that knows nothing of what went wrong, before a repair and after it.
    async fn check_store(
        &self,
        openai: &OpenAISimulator,
        outcome: &f9::Result<String>,
        expected: &Expected,
        planted: &[StoredFile],
    ) -> Tree {
        let notes = open(openai).await;
        let found = tree(&notes).await.unwrap_or_else(|error| panic!("{self:?} leaves {error}"));
        let is_allowed = match outcome {
            Ok(_) => found == expected.new,
            Err(_) => self.verb.may_leave(&found, &expected.old, &expected.new),
        };
        assert!(is_allowed, "{self:?} leaves {found:?}\nafter {outcome:?}");
        notes.repair().await.unwrap();
        let report = notes.survey().await.unwrap();
        assert!(report.is_empty(), "{self:?} leaves {report:?}");
        assert_eq!(tree(&notes).await.unwrap(), found, "{self:?}, repaired");
        // An upload may be about to be attached for an hour, so a repair lets it be. Where the answer to it was lost, or it could
        // neither be attached nor deleted, it is what is left of a call that failed. Nothing is left of a call that succeeded.
        let left = openai.files().into_iter().filter(|file| !file.attached);
        let left: Vec<_> = left.map(|file| file.id).collect();
        let are_new = planted.iter().all(|file| !left.contains(&file.id));
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
        if !self.lasts && self.is_passing() {
            // The next attempt goes well.
            panic!("{self:?}: {text}");
        }
        assert!(self.kinds().contains(&error.kind()), "{self:?}: {text}");
        assert!(!text.contains('\n'), "{self:?}: {text}");
        if let Some(names) = self.names_the_request() {
            assert_eq!(text.contains("request req_"), names, "{self:?}: {text}");
        }
        let told = format!("{text}{error:?}");
        assert!(!told.contains(openai.api_key()), "{told}");
    }
}

/// Whether a fault is also tried that stays: one of each kind that passes by itself.
fn lasts_too(kind: &FaultKind) -> bool {
    match kind {
        FaultKind::Status { status, .. } => *status == 500,
        FaultKind::RateLimited(retry) => *retry == Retry::Unsaid,
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

#[expect(clippy::print_stdout, reason = "which cases have failed has to be seen")]
async fn under_every_fault(verb: Verb) {
    let scene = Scene::new().await;
    let expected = Expected::of(verb, &scene).await;
    let cases = Case::of(verb, &expected.requests);
    // What never comes is not waited for, and so nothing else may be under way.
    let (silent, others): (Vec<_>, Vec<_>) = cases.iter().partition(|case| case.is_silence());
    let mut failed = 0;
    for (cases, at_a_time) in [(silent, 1), (others, AT_A_TIME)] {
        let checks = cases.into_iter().map(|case| {
            let check = AssertUnwindSafe(case.check(&scene, &expected));
            let check = FutureExt::catch_unwind(check);
            check.map(move |outcome| outcome.map_err(|_| println!("{case:?} has failed")))
        });
        let checks = stream::iter(checks).buffer_unordered(at_a_time);
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
