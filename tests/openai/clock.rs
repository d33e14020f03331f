//! Time that passes when a test says so.

use std::time::Duration;

use f9::OpenAITimeouts;
use f9::testing::OpenAISimulator;
use futures::FutureExt as _;

use crate::notes::HOUR;

/// Half of what a write waits for the removal of what it replaces, which is to be tried again in the other half.
const SILENCE: Duration = Duration::from_secs(5);

/// Time-outs for answers of which some never come, which [`without_waiting`] does not wait for.
pub(crate) fn soon() -> OpenAITimeouts {
    OpenAITimeouts::default().with_idle(SILENCE).with_total(HOUR)
}

/// Time-outs that nothing reaches.
pub(crate) fn never() -> OpenAITimeouts {
    OpenAITimeouts::default().with_idle(HOUR).with_total(HOUR)
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
        let mut seen = openai.unanswered();
        loop {
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
        () = passing => unreachable!("time passes for ever"),
    }
}
