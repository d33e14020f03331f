//! The threads that run operations, and the queue in front of them.
//!
//! One queue serves all runtimes of the process, so that the number of threads and of open files is bounded however many futures
//! there are. A thread belongs to an operation only while it runs, so a future that is not polled and a runtime that is idle keep
//! nothing from others. Operations start in the order of their arrival.
//!
//! An operation that the kernel answers from its caches takes some 10 µs, and waking a thread for it takes at least as long. So a few
//! threads take operations from the queue until it is empty, and no further thread is woken for them. If they wait for a disk, the
//! queue stalls. One more thread watches for that and joins them. While operations wait, results are delivered several at a time, because
//! waking the runtime for each of them would take as long as the operation. Without a crowd, the last thread that finds the queue empty
//! looks again for a moment before it sleeps, because a task that makes one call after the other is about to make the next.

use std::collections::VecDeque;
use std::io;
use std::mem;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use super::limits::{cores, max_files, max_threads};

/// An operation. Neither part may panic.
pub(super) trait Job: Send {
    /// Returns how many files the operation opens.
    fn files(&self) -> usize;

    fn run(&mut self);

    /// Returns the result to the caller. Dropping the job instead tells the caller that no thread ran it.
    fn finish(self: Box<Self>);
}

/// How long the queue is watched before a thread joins.
const WINDOW: Duration = Duration::from_micros(250);

/// If the threads take fewer operations than this in a window, they wait for something.
const FEW_PER_THREAD: usize = 2;

/// If they take more than this, additional threads only compete for the cores.
const MANY_PER_THREAD: usize = 5;

/// How long the last active thread looks for another operation before it sleeps. To wake a sleeping thread takes about this long.
const LINGER: Duration = Duration::from_micros(50);

/// The largest number of results that are delivered together.
const MAX_DONE: usize = 16;

/// How long a thread without work stays.
const KEEP_ALIVE: Duration = Duration::from_secs(10);

pub(super) struct Workers {
    process: u32,
    max_threads: fn() -> usize,
    max_files: fn() -> usize,
    state: Mutex<State>,
    called: Condvar,
    /// Tells the lingering thread that the queue has a job.
    has_jobs: AtomicBool,
}

#[derive(Default)]
struct State {
    jobs: VecDeque<Box<dyn Job>>,
    /// The number of operations that have been started.
    started: usize,
    /// How many files the running operations may have open.
    files: usize,
    /// The limit of `files`, as a thread last read it.
    max_files: usize,
    /// Operations that have run. Their callers do not have the results yet.
    done: Vec<Box<dyn Job>>,
    threads: usize,
    /// The threads that take operations, with those that were called and have not woken up yet.
    active: usize,
    /// How many threads should be active.
    wanted: usize,
    /// The threads that wait, including the one that watches.
    idle: usize,
    /// How many idle threads were called to become active.
    calls: usize,
    /// Whether an active thread lingers at the empty queue.
    lingers: bool,
    /// Whether a thread watches the queue, and whether an idle thread was called to do that.
    is_watched: bool,
    calls_watcher: bool,
}

/// What a change of the queue makes necessary.
#[derive(Clone, Copy)]
enum Need {
    Nothing,
    Call,
    Thread(Role),
}

/// What a new thread does first.
#[derive(Clone, Copy)]
enum Role {
    Work,
    Watch,
}

impl State {
    /// Whether the first job can start. One that opens many files then waits for the others, and no later one overtakes it.
    fn can_start(&self) -> bool {
        let first = self.jobs.front();
        first.is_some_and(|job| self.files == 0 || self.files + job.files() <= self.max_files)
    }

    /// Whether the results must be delivered now. Otherwise they wait for others, so that a runtime with many callers is woken once for
    /// all of them. The thread that watches the queue delivers them soon.
    fn must_deliver(&self) -> bool {
        !self.is_watched || self.done.len() >= MAX_DONE.min(self.jobs.len())
    }

    fn next_job(&mut self) -> Option<Box<dyn Job>> {
        if self.active > self.wanted || !self.can_start() {
            return None;
        }
        let job = self.jobs.pop_front()?;
        self.started += 1;
        self.files += job.files();
        Some(job)
    }
}

impl Workers {
    fn new(process: u32, max_threads: fn() -> usize, max_files: fn() -> usize) -> Self {
        let state = State { wanted: cores(), ..State::default() };
        Self {
            process,
            max_threads,
            max_files,
            state: Mutex::new(state),
            called: Condvar::new(),
            has_jobs: AtomicBool::new(false),
        }
    }

    /// Returns the threads of this process. A process that was made by `fork` does not have those of its parent. `None` after too many
    /// forks in a row.
    pub(super) fn of_this_process() -> Option<&'static Self> {
        static WORKERS: [OnceLock<Workers>; 8] = [const { OnceLock::new() }; 8];
        let process = std::process::id();
        let mut generations = WORKERS.iter();
        generations.find_map(|slot| {
            let workers = slot.get_or_init(|| Self::new(process, max_threads, max_files));
            (workers.process == process).then_some(workers)
        })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // No code under this mutex can panic in the middle of a change.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn is_busy(&self) -> bool {
        !self.state().jobs.is_empty()
    }

    /// Queues `job`. If the system allows no thread at all, all queued jobs are dropped.
    pub(super) fn submit(&'static self, job: Box<dyn Job>) {
        let mut state = self.state();
        state.jobs.push_back(job);
        if state.lingers {
            self.has_jobs.store(true, Ordering::Release);
        }
        let need = self.need(&mut state);
        drop(state);
        self.meet(need);
    }

    /// Returns what makes sure that the queue is emptied, and that somebody watches it.
    fn need(&self, state: &mut State) -> Need {
        // Each of these threads is about to take a job.
        let coming = state.calls + usize::from(state.lingers);
        if state.jobs.len() <= coming || !state.can_start() {
            return Need::Nothing;
        }
        let role = if state.active < state.wanted {
            Role::Work
        } else if !state.is_watched {
            Role::Watch
        } else {
            return Need::Nothing;
        };
        let is_called = state.idle > state.calls + usize::from(state.calls_watcher);
        if !is_called && state.threads >= (self.max_threads)() {
            return Need::Nothing;
        }
        match role {
            Role::Work => state.active += 1,
            Role::Watch => state.is_watched = true,
        }
        if !is_called {
            state.threads += 1;
            return Need::Thread(role);
        }
        match role {
            Role::Work => state.calls += 1,
            Role::Watch => state.calls_watcher = true,
        }
        Need::Call
    }

    fn meet(&'static self, need: Need) {
        match need {
            Need::Nothing => {}
            Need::Call => self.called.notify_one(),
            Need::Thread(role) => {
                if self.start(role).is_err() {
                    self.without_thread(role);
                }
            }
        }
    }

    fn start(&'static self, role: Role) -> io::Result<()> {
        let thread = thread::Builder::new().name("f9-io".to_owned());
        thread.spawn(move || self.run(role)).map(drop)
    }

    fn without_thread(&self, role: Role) {
        let mut state = self.state();
        state.threads -= 1;
        match role {
            Role::Work => state.active -= 1,
            Role::Watch => state.is_watched = false,
        }
        // With a thread, the queue is emptied later.
        let dropped = if state.threads == 0 { mem::take(&mut state.jobs) } else { VecDeque::new() };
        drop(state);
        drop(dropped);
    }

    fn run(&'static self, role: Role) {
        let mut state = self.state();
        state.max_files = (self.max_files)();
        if matches!(role, Role::Watch) {
            state.idle += 1;
            state.calls_watcher = true;
            match self.rest(state) {
                Some(called) => state = called,
                None => return,
            }
        }
        loop {
            while let Some(job) = state.next_job() {
                // This job may wait, and nobody else may look at the queue meanwhile.
                let need = self.need(&mut state);
                state = self.run_jobs(self.meet_unlocked(state, need), job);
            }
            state.active -= 1;
            state.idle += 1;
            if state.jobs.is_empty() {
                state.wanted = cores().max(state.wanted - 1);
            }
            let need = self.need(&mut state);
            match self.rest(self.meet_unlocked(state, need)) {
                Some(called) => state = called,
                None => return,
            }
        }
    }

    /// Runs `job`, and the following ones while there are any.
    fn run_jobs<'a>(
        &'static self,
        state: MutexGuard<'a, State>,
        mut job: Box<dyn Job>,
    ) -> MutexGuard<'a, State> {
        drop(state);
        let mut done = Vec::new();
        loop {
            let files = job.files();
            job.run();
            let mut state = self.state();
            state.files -= files;
            state.done.push(job);
            // Before the caller gets the result, because its next call must find this thread.
            let next = state.next_job();
            if next.is_none() || state.must_deliver() {
                mem::swap(&mut done, &mut state.done);
            }
            let lingers =
                next.is_none() && state.jobs.is_empty() && !state.lingers && !state.is_watched;
            if lingers {
                state.lingers = true;
                self.has_jobs.store(false, Ordering::Release);
            }
            let need = self.need(&mut state);
            drop(state);
            self.meet(need);
            done.drain(..).for_each(Job::finish);
            let Some(next) = next else {
                if lingers {
                    self.linger();
                }
                let mut state = self.state();
                state.lingers &= !lingers;
                state.max_files = (self.max_files)();
                return state;
            };
            job = next;
        }
    }

    /// Waits for a moment for the next job.
    fn linger(&self) {
        let begin = Instant::now();
        while !self.has_jobs.load(Ordering::Acquire) && begin.elapsed() < LINGER {
            thread::yield_now();
        }
    }

    /// Waits until this thread must become active; `None` if it must end.
    fn rest<'a>(&'static self, mut state: MutexGuard<'a, State>) -> Option<MutexGuard<'a, State>> {
        loop {
            if state.calls > 0 {
                state.calls -= 1;
                state.idle -= 1;
                state.max_files = (self.max_files)();
                return Some(state);
            }
            if mem::take(&mut state.calls_watcher) {
                state = self.watch(state);
                continue;
            }
            let (called, waited) =
                self.called.wait_timeout(state, KEEP_ALIVE).unwrap_or_else(PoisonError::into_inner);
            state = called;
            if waited.timed_out() && state.calls == 0 && !state.calls_watcher {
                state.idle -= 1;
                state.threads -= 1;
                return None;
            }
        }
    }

    /// Watches the queue until it is empty or this thread is called. If the queue stalls, calls for one more active thread.
    fn watch<'a>(&'static self, mut state: MutexGuard<'a, State>) -> MutexGuard<'a, State> {
        while !state.jobs.is_empty() && state.calls == 0 {
            let before = state.started;
            let waited = self.called.wait_timeout(state, WINDOW);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
            state.max_files = (self.max_files)();
            let started = state.started.wrapping_sub(before);
            if started < FEW_PER_THREAD * state.active.max(1) {
                state.wanted = state.wanted.max(state.active + 1);
                let need = self.need(&mut state);
                state = self.meet_unlocked(state, need);
            } else if started > MANY_PER_THREAD * state.active {
                state.wanted = cores().max(state.wanted * 3 / 4);
            }
            state = self.deliver(state);
        }
        state.is_watched = false;
        self.deliver(state)
    }

    /// Gives all results to their callers.
    fn deliver<'a>(&'static self, mut state: MutexGuard<'a, State>) -> MutexGuard<'a, State> {
        let done = mem::take(&mut state.done);
        if done.is_empty() {
            return state;
        }
        drop(state);
        done.into_iter().for_each(Job::finish);
        self.state()
    }

    /// Meets `need` without the lock.
    fn meet_unlocked<'a>(
        &'static self,
        state: MutexGuard<'a, State>,
        need: Need,
    ) -> MutexGuard<'a, State> {
        if matches!(need, Need::Nothing) {
            return state;
        }
        drop(state);
        self.meet(need);
        self.state()
    }
}

#[cfg(test)]
mod tests;
