//! Time that passes when a test says so.

use std::future::pending;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use f9::OpenAITimeouts;
use f9::testing::OpenAISimulator;
use futures::FutureExt as _;

use crate::notes::HOUR;

/// The longest that may be configured. No test takes that long, even where it moves the clock some hours ahead.
const YEAR: Duration = Duration::from_secs(365 * 24 * 3600);

/// How long an answer that never comes is waited for.
const SILENCE: Duration = HOUR;

/// For how long it is not believed that a new file is gone, but asked again: so long the service may be behind.
const BEHIND: Duration = Duration::from_secs(10);

/// After so long for real, work has hung.
const LONGEST: Duration = Duration::from_secs(300);

/// Time-outs for answers of which some never come, which [`without_waiting`] does not wait for.
pub(crate) fn soon() -> OpenAITimeouts {
    never().with_idle(SILENCE)
}

/// Time-outs that nothing reaches.
pub(crate) fn never() -> OpenAITimeouts {
    let timeouts = OpenAITimeouts::default().with_connect(YEAR).with_idle(YEAR);
    timeouts.with_total(YEAR).with_indexing(YEAR)
}

/// Moves the clock of this runtime ahead, from where it goes on: what waits for that long is over.
pub(crate) fn jump(by: Duration) {
    tokio::time::pause();
    // The clock is moved when this is first polled; what follows is a yield.
    assert!(tokio::time::advance(by).now_or_never().is_none());
    tokio::time::resume();
}

/// Does some work, and moves the clock ahead whenever the service leaves a request without an answer, by what [`soon`] waits for
/// one. Nothing else should be under way in this runtime meanwhile.
pub(crate) async fn without_waiting<T>(
    openai: &OpenAISimulator,
    work: impl Future<Output = T>,
) -> T {
    let passing = async {
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
        () = passing => panic!("the work has not ended after {LONGEST:?}"),
    }
}

/// Does some work, and once the service has told twice that something is missing, lets it be so long ago that it is believed.
pub(crate) async fn until_believed<T>(
    openai: &OpenAISimulator,
    work: impl Future<Output = T>,
) -> T {
    openai.take_requests();
    let is_missing = || {
        let requests = openai.requests();
        requests.iter().filter(|request| request.status == Some(404)).count() >= 2
    };
    let passing = async {
        while !is_missing() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        jump(BEHIND);
        pending::<T>().await
    };
    tokio::select! {
        done = work => done,
        done = passing => done,
    }
}

/// Lets a clock that is paused from the start stand still until what is returned is dropped, but for what a test moves it.
#[expect(
    clippy::disallowed_methods,
    reason = "while a thread blocks, tokio does not move the clock"
)]
pub(crate) fn stand_still() -> mpsc::Sender<()> {
    let (end, ended) = mpsc::channel();
    drop(tokio::task::spawn_blocking(move || ended.recv()));
    end
}
