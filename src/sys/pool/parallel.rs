//! Work on several threads at a time.

use std::panic;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

/// Calls `work` for each number below `count`, on this thread and on as many others as cores are idle. Each thread has its own
/// `state`. Returns the results in the order of the numbers.
///
/// # Errors
///
/// The first error of `work`. No further work starts after it.
pub(crate) fn parallel_map<S, T: Send, E: Send>(
    count: usize,
    new_state: impl Fn() -> S + Sync,
    work: impl Fn(&mut S, usize) -> Result<T, E> + Sync,
) -> Result<Vec<T>, E> {
    let next = AtomicUsize::new(0);
    let run = || {
        let (mut state, mut done) = (new_state(), Vec::new());
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            if number >= count {
                return Ok(done);
            }
            match work(&mut state, number) {
                Ok(value) => done.push((number, value)),
                Err(error) => {
                    next.store(count, Ordering::Relaxed);
                    return Err(error);
                }
            }
        }
    };
    let done = on_threads(count, run).into_iter().collect::<Result<Vec<_>, E>>()?;
    let mut done: Vec<_> = done.into_iter().flatten().collect();
    done.sort_unstable_by_key(|&(number, _)| number);
    Ok(done.into_iter().map(|(_, value)| value).collect())
}

/// Calls `work` on up to `limit` threads, including this one.
fn on_threads<T: Send>(limit: usize, work: impl Fn() -> T + Sync) -> Vec<T> {
    let work = &work;
    thread::scope(|scope| {
        // If the system allows no more threads, fewer threads do the work.
        let start = |helper| {
            let help = move || {
                let _helper: Helper = helper;
                work()
            };
            thread::Builder::new().spawn_scoped(scope, help).ok()
        };
        let others: Vec<_> = (1..limit).map_while(|_| Helper::idle().and_then(start)).collect();
        let mut done = vec![work()];
        done.extend(others.into_iter().map(|other| match other.join() {
            Ok(value) => value,
            Err(panic) => panic::resume_unwind(panic),
        }));
        done
    })
}

/// A helper thread. The whole process has fewer of them than cores, because more threads would not be faster.
struct Helper;

static HELPERS: AtomicUsize = AtomicUsize::new(0);

impl Helper {
    fn idle() -> Option<Self> {
        let cores = thread::available_parallelism().map_or(1, usize::from);
        let one_more = |helpers: usize| (helpers + 1 < cores).then_some(helpers + 1);
        let order = Ordering::Relaxed;
        HELPERS.fetch_update(order, order, one_more).ok().map(|_| Self)
    }
}

impl Drop for Helper {
    fn drop(&mut self) {
        HELPERS.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicBool;

    use super::*;

    #[test]
    fn results_are_in_the_order_of_the_numbers() {
        let number = |state: &mut Vec<usize>, number| {
            state.push(number);
            Ok::<_, ()>(number)
        };
        for count in [0, 1, 2, 1000] {
            let numbers = parallel_map(count, Vec::new, number).unwrap();
            assert!(numbers.into_iter().eq(0..count));
        }
    }

    #[test]
    fn after_a_failure_no_further_work_starts() {
        let (failed, done) = (AtomicBool::new(false), AtomicUsize::new(0));
        let work = |_: &mut (), number| {
            if number == 0 {
                failed.store(true, Ordering::SeqCst);
                return Err("the first");
            }
            thread::yield_now();
            while !failed.load(Ordering::SeqCst) {
                thread::yield_now();
            }
            done.fetch_add(1, Ordering::SeqCst);
            Ok(())
        };
        let count = 10_000_000;
        assert_eq!(parallel_map(count, || (), work).unwrap_err(), "the first");
        assert!(done.into_inner() < count - 1);
    }

    #[test]
    fn there_are_never_more_threads_than_cores() {
        let (now, most) = (AtomicUsize::new(0), AtomicUsize::new(0));
        let inner = |_: &mut (), _| {
            most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            for _ in 0..100 {
                thread::yield_now();
            }
            now.fetch_sub(1, Ordering::SeqCst);
            Ok::<_, ()>(())
        };
        let outer = |_: &mut (), _| parallel_map(100, || (), inner);
        parallel_map(20, || (), outer).unwrap();
        let cores = thread::available_parallelism().map_or(1, usize::from);
        assert!(most.into_inner() <= cores);
    }
}
