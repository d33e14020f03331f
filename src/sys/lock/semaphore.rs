//! A semaphore, first in, first out, that does not wait for waiters that are not polled.
//!
//! Tokio's semaphore gives a permit to the first waiter even if nobody polls that future any more, as in a `select!` loop that keeps it
//! for later. Then all others wait. Here a permit only goes to a future that asks for it. A waiter whose turn it is and that does not
//! ask within [`PATIENCE`] loses its place, and gets it back with its next poll.

use std::collections::VecDeque;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use futures::future::{Either, select};
use tokio::time::Instant;

use super::time_left::TimeLeft;
use crate::sys::pool;

/// How long a waiter may take to ask when it is its turn. Also how often the others check that.
const PATIENCE: Duration = Duration::from_millis(250);

#[derive(Debug)]
pub(crate) struct Semaphore {
    /// Returns the number of permits, which may change.
    total: fn() -> usize,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    taken: usize,
    waiters: VecDeque<Waiter>,
    next: u64,
    /// Since when the first waiter could take its permits.
    turn: Option<Instant>,
    last_returned: Option<Instant>,
}

#[derive(Debug)]
struct Waiter {
    number: u64,
    permits: usize,
    waker: Waker,
    last_polled: Instant,
}

/// A number of permits. Dropping it returns them.
#[derive(Debug)]
pub(crate) struct Permit {
    semaphore: Arc<Semaphore>,
    permits: usize,
}

impl Semaphore {
    pub(crate) fn new(total: fn() -> usize) -> Self {
        Self { total, state: Mutex::default() }
    }

    /// Takes `permits` if nobody waits for some.
    pub(crate) fn try_acquire(self: &Arc<Self>, permits: usize) -> Option<Permit> {
        let mut state = self.state();
        (state.waiters.is_empty() && self.can_take(&state, permits))
            .then(|| self.take(&mut state, permits))
    }

    /// Waits for `permits`; `None` if there are none within the time.
    pub(crate) async fn acquire(
        self: &Arc<Self>,
        permits: usize,
        left: TimeLeft,
    ) -> Option<Permit> {
        self.wait(permits, || left.get()).await
    }

    /// Waits for `permits`; `None` if no permit was returned for as long as `idle`.
    pub(crate) async fn acquire_unless_idle(
        self: &Arc<Self>,
        permits: usize,
        idle: Duration,
    ) -> Option<Permit> {
        let begin = Instant::now();
        let left = || {
            let last = self.state().last_returned.map_or(begin, |returned| returned.max(begin));
            idle.saturating_sub(last.elapsed())
        };
        self.wait(permits, left).await
    }

    async fn wait(self: &Arc<Self>, permits: usize, left: impl Fn() -> Duration) -> Option<Permit> {
        let semaphore = Arc::clone(self);
        let mut acquire = pin!(Acquire { semaphore, permits, number: None });
        loop {
            let pause = pin!(pool::pause(left().min(PATIENCE)));
            match select(acquire.as_mut(), pause).await {
                Either::Left((permit, _)) => return Some(permit),
                Either::Right(_) if left().is_zero() => return None,
                Either::Right(_) => {}
            }
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // No code under this mutex can panic in the middle of a change.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A waiter that is alone may take more permits than there are.
    fn can_take(&self, state: &State, permits: usize) -> bool {
        state.taken == 0 || state.taken.saturating_add(permits) <= (self.total)()
    }

    fn take(self: &Arc<Self>, state: &mut State, permits: usize) -> Permit {
        state.taken += permits;
        Permit { semaphore: Arc::clone(self), permits }
    }

    /// Tells the first waiter if it is its turn now.
    fn pass_on(&self, state: &mut State) {
        state.turn = None;
        if let Some(first) = state.waiters.front()
            && self.can_take(state, first.permits)
        {
            first.waker.wake_by_ref();
            state.turn = Some(Instant::now());
        }
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let mut state = self.semaphore.state();
        state.taken -= self.permits;
        state.last_returned = Some(Instant::now());
        if state.turn.is_none() {
            self.semaphore.pass_on(&mut state);
        }
    }
}

struct Acquire {
    semaphore: Arc<Semaphore>,
    permits: usize,
    /// The number in the queue.
    number: Option<u64>,
}

impl Future for Acquire {
    type Output = Permit;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Permit> {
        let semaphore = Arc::clone(&self.semaphore);
        let mut state = semaphore.state();
        let is_waiting = |waiter: &Waiter| Some(waiter.number) == self.number;
        let place = match state.waiters.iter().position(is_waiting) {
            Some(place) => {
                state.waiters[place].waker.clone_from(cx.waker());
                state.waiters[place].last_polled = Instant::now();
                place
            }
            None => {
                let is_new = self.number.is_none();
                let number = *self.number.get_or_insert(state.next);
                state.next += u64::from(is_new);
                let (waker, last_polled) = (cx.waker().clone(), Instant::now());
                let waiter = Waiter { number, permits: self.permits, waker, last_polled };
                // A waiter that lost its place comes before those that came later.
                let place = state.waiters.partition_point(|waiter| waiter.number < number);
                state.waiters.insert(place, waiter);
                if place == 0 {
                    semaphore.pass_on(&mut state);
                }
                place
            }
        };
        let is_ignored = |state: &State| state.turn.is_some_and(|turn| turn.elapsed() >= PATIENCE);
        if place > 0 && is_ignored(&state) {
            // Waiters that are polled ask every quarter of a second.
            let is_asleep = |waiter: &Waiter| waiter.last_polled.elapsed() >= PATIENCE;
            while state.waiters.front().is_some_and(is_asleep) {
                state.waiters.pop_front();
            }
            semaphore.pass_on(&mut state);
        }
        let number = self.number;
        if state.waiters.front().is_some_and(|first| Some(first.number) == number) {
            self.take_first(&semaphore, &mut state)
        } else {
            Poll::Pending
        }
    }
}

impl Acquire {
    /// Takes the permits. The caller is the first in the queue.
    fn take_first(&mut self, semaphore: &Arc<Semaphore>, state: &mut State) -> Poll<Permit> {
        if !semaphore.can_take(state, self.permits) {
            return Poll::Pending;
        }
        state.waiters.pop_front();
        self.number = None;
        let permit = semaphore.take(state, self.permits);
        semaphore.pass_on(state);
        Poll::Ready(permit)
    }
}

impl Drop for Acquire {
    fn drop(&mut self) {
        let Some(number) = self.number else { return };
        let mut state = self.semaphore.state();
        let is_first = state.waiters.front().is_some_and(|first| first.number == number);
        state.waiters.retain(|waiter| waiter.number != number);
        if is_first {
            self.semaphore.pass_on(&mut state);
        }
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt as _;
    use futures::future::{BoxFuture, join_all};

    use super::*;

    fn acquire(semaphore: &Arc<Semaphore>, permits: usize) -> BoxFuture<'static, Permit> {
        let semaphore = Arc::clone(semaphore);
        async move { semaphore.acquire(permits, TimeLeft::new(Duration::MAX)).await.unwrap() }
            .boxed()
    }

    #[tokio::test(start_paused = true)]
    async fn waiters_get_their_turn_in_order() {
        let semaphore = Arc::new(Semaphore::new(|| 1));
        let order = Mutex::new(Vec::new());
        let waiters = (0..100).map(|number| {
            let (semaphore, order) = (&semaphore, &order);
            async move {
                let _permit = acquire(semaphore, 1).await;
                order.lock().unwrap().push(number);
                tokio::task::yield_now().await;
            }
        });
        let begin = Instant::now();
        join_all(waiters).await;
        assert_eq!(order.into_inner().unwrap(), Vec::from_iter(0..100));
        assert!(begin.elapsed() < PATIENCE, "nobody waited for the clock");
    }

    #[tokio::test(start_paused = true)]
    async fn a_waiter_that_is_not_polled_is_passed_over_and_gets_its_place_back() {
        let semaphore = Arc::new(Semaphore::new(|| 1));
        let held = acquire(&semaphore, 1).await;
        let (mut asleep, mut awake) = (acquire(&semaphore, 1), acquire(&semaphore, 1));
        assert!(futures::poll!(asleep.as_mut()).is_pending());
        assert!(futures::poll!(awake.as_mut()).is_pending());
        drop(held);
        let held = tokio::time::timeout(4 * PATIENCE, awake).await.unwrap();
        let mut late = acquire(&semaphore, 1);
        assert!(futures::poll!(late.as_mut()).is_pending());
        assert!(futures::poll!(asleep.as_mut()).is_pending());
        drop(held);
        assert!(futures::poll!(late.as_mut()).is_pending());
        drop(asleep.await);
        late.await;
    }

    #[tokio::test(start_paused = true)]
    async fn a_dropped_waiter_passes_its_turn_on() {
        let semaphore = Arc::new(Semaphore::new(|| 1));
        let held = acquire(&semaphore, 1).await;
        let (mut first, mut second) = (acquire(&semaphore, 1), acquire(&semaphore, 1));
        assert!(futures::poll!(first.as_mut()).is_pending());
        assert!(futures::poll!(second.as_mut()).is_pending());
        drop(held);
        drop(first);
        assert!(futures::poll!(second.as_mut()).is_ready());
    }

    #[tokio::test(start_paused = true)]
    async fn one_that_needs_many_permits_is_not_overtaken() {
        let semaphore = Arc::new(Semaphore::new(|| 4));
        let (one, two) = (acquire(&semaphore, 1).await, acquire(&semaphore, 1).await);
        let (mut many, mut few) = (acquire(&semaphore, 4), acquire(&semaphore, 1));
        assert!(futures::poll!(many.as_mut()).is_pending());
        assert!(futures::poll!(few.as_mut()).is_pending());
        assert!(semaphore.try_acquire(1).is_none());
        drop(one);
        tokio::time::sleep(4 * PATIENCE).await;
        assert!(futures::poll!(few.as_mut()).is_pending());
        drop(two);
        drop(many.await);
        few.await;
        assert!(semaphore.try_acquire(9).is_some(), "more than there are, alone");
    }

    #[tokio::test(start_paused = true)]
    async fn waiting_ends_after_the_timeout() {
        let semaphore = Arc::new(Semaphore::new(|| 1));
        let _held = acquire(&semaphore, 1).await;
        let timeout = TimeLeft::new(Duration::from_secs(3));
        assert!(semaphore.acquire(1, timeout).await.is_none());
        assert!(semaphore.state().waiters.is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn a_waiter_is_patient_while_permits_are_returned() {
        let semaphore = Arc::new(Semaphore::new(|| 2));
        let (first, _held) = (acquire(&semaphore, 1).await, acquire(&semaphore, 1).await);
        let begin = Instant::now();
        let idle = Duration::from_secs(10);
        let waiting = semaphore.acquire_unless_idle(2, idle);
        let returning = async {
            tokio::time::sleep(idle * 4 / 5).await;
            drop(first);
        };
        assert!(futures::join!(waiting, returning).0.is_none());
        assert_eq!(begin.elapsed().as_secs(), 18);
    }
}
