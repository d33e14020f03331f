//! Time that advances only when a test moves it.

use std::future::pending;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use f9::OpenAITimeouts;
use f9::testing::openai::OpenAISimulator;
use futures::FutureExt as _;

use crate::notes::HOUR;

/// The longest duration that can be configured. No test takes that long, even where it moves the clock by hours.
const YEAR: Duration = Duration::from_secs(365 * 24 * 3600);

/// The timeout for a response that never comes.
const SILENCE: Duration = HOUR;

/// How long a 404 for a new file is retried: the service may lag behind for that long.
const BEHIND: Duration = Duration::from_secs(10);

/// A test that takes this long in real time hangs.
const LONGEST: Duration = Duration::from_secs(300);

/// Timeouts for responses that may never come, which [`without_waiting`] skips.
pub(crate) fn soon() -> OpenAITimeouts {
    never().with_idle(SILENCE)
}

/// Timeouts that never expire.
pub(crate) fn never() -> OpenAITimeouts {
    let timeouts = OpenAITimeouts::default().with_connect(YEAR).with_idle(YEAR);
    timeouts.with_total(YEAR).with_indexing(YEAR)
}

/// Advances this runtime's clock without stopping it: timers up to `by` expire.
pub(crate) fn jump(by: Duration) {
    tokio::time::pause();
    // The first poll moves the clock; the rest of the future only yields.
    assert!(tokio::time::advance(by).now_or_never().is_none());
    tokio::time::resume();
}

/// Runs `work`, and advances the clock by the timeout of [`soon`] whenever the service leaves a request unanswered. Nothing else
/// should run in this runtime meanwhile.
pub(crate) async fn without_waiting<T>(
    openai: &OpenAISimulator,
    work: impl Future<Output = T>,
) -> T {
    let advancing = async {
        let began = Instant::now();
        let mut seen = openai.unanswered();
        while began.elapsed() < LONGEST {
            tokio::time::sleep(Duration::from_millis(1)).await;
            let unanswered = openai.unanswered();
            if unanswered > seen {
                seen = unanswered;
                jump(SILENCE);
            }
        }
    };
    tokio::select! {
        done = work => done,
        () = advancing => panic!("the work has not ended after {LONGEST:?}"),
    }
}

/// Runs `work`, and once the service has answered 404 twice, advances the clock so that the client believes it.
pub(crate) async fn until_believed<T>(
    openai: &OpenAISimulator,
    work: impl Future<Output = T>,
) -> T {
    openai.take_requests();
    let is_missing = || {
        let requests = openai.requests();
        requests.iter().filter(|request| request.status == Some(404)).count() >= 2
    };
    let advancing = async {
        while !is_missing() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        jump(BEHIND);
        pending::<T>().await
    };
    tokio::select! {
        done = work => done,
        done = advancing => done,
    }
}

/// Stops a paused clock from advancing on its own until the guard is dropped; tests still move it.
#[expect(
    clippy::disallowed_methods,
    reason = "tokio does not move the clock while a thread blocks"
)]
pub(crate) fn stop_clock() -> mpsc::Sender<()> {
    let (end, ended) = mpsc::channel();
    drop(tokio::task::spawn_blocking(move || ended.recv()));
    end
}
