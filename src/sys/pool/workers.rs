//! The threads that run operations, and the queue in front of them.
//!
//! One queue serves all runtimes of the process, so that the number of threads and of open files is bounded however many futures
//! there are. A thread belongs to an operation only while it runs, so a future that is not polled and a runtime that is idle keep
//! nothing from others. Operations start in the order of their arrival.
//!
//! An operation that the kernel answers from its caches takes some 10 µs, and waking a thread for it takes at least as long. So a few
//! threads take operations from the queue until it is empty, and no further thread is woken for them. If they wait for a disk, the
//! queue stalls. One more thread watches for that and joins them. The last thread that finds the queue empty looks again for a moment
//! before it sleeps, because a task that makes one call after the other is about to make the next.

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
    threads: usize,
    /// The threads that take operations, with those that were called and have not woken up yet.
    active: usize,
    /// How many threads should be active.
    wanted: usize,
    /// The threads that wait, with the one that watches.
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
    fn can_start(&self, max_files: usize) -> bool {
        let first = self.jobs.front();
        first.is_some_and(|job| self.files == 0 || self.files + job.files() <= max_files)
    }

    fn next_job(&mut self, max_files: usize) -> Option<Box<dyn Job>> {
        if self.active > self.wanted || !self.can_start(max_files) {
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
        if state.jobs.len() <= usize::from(state.lingers) || !state.can_start((self.max_files)()) {
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
        if matches!(role, Role::Watch) {
            state.idle += 1;
            state.calls_watcher = true;
            match self.rest(state) {
                Some(called) => state = called,
                None => return,
            }
        }
        loop {
            while let Some(job) = state.next_job((self.max_files)()) {
                state = self.run_jobs(state, job);
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
        loop {
            let files = job.files();
            job.run();
            let mut state = self.state();
            state.files -= files;
            // Before the caller gets the result, because its next call must find this thread.
            let next = state.next_job((self.max_files)());
            let lingers = next.is_none() && state.jobs.is_empty() && !state.lingers;
            if lingers {
                state.lingers = true;
                self.has_jobs.store(false, Ordering::Release);
            }
            let need = self.need(&mut state);
            drop(state);
            self.meet(need);
            job.finish();
            let Some(next) = next else {
                if lingers {
                    self.linger();
                }
                let mut state = self.state();
                state.lingers &= !lingers;
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
                let need = self.need(&mut state);
                return Some(self.meet_unlocked(state, need));
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
            let started = state.started.wrapping_sub(before);
            if started < FEW_PER_THREAD * state.active.max(1) {
                state.wanted = state.wanted.max(state.active + 1);
                let need = self.need(&mut state);
                state = self.meet_unlocked(state, need);
            } else if started > MANY_PER_THREAD * state.active {
                state.wanted = cores().max(state.wanted * 3 / 4);
            }
        }
        state.is_watched = false;
        state
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
mod tests {
    use super::*;
    use std::sync::atomic::AtomicUsize;
    use std::sync::{Arc, mpsc};

    impl<F: FnMut() + Send> Job for F {
        fn files(&self) -> usize {
            1
        }

        fn run(&mut self) {
            self();
        }

        fn finish(self: Box<Self>) {}
    }

    fn workers(max_threads: fn() -> usize) -> &'static Workers {
        Box::leak(Box::new(Workers::new(std::process::id(), max_threads, || 1_000)))
    }

    /// Long enough for any machine that makes progress.
    const LONG: Duration = Duration::from_secs(300);

    #[test]
    fn operations_start_in_the_order_of_their_arrival() {
        let workers = workers(|| 1);
        let (report, reports) = mpsc::channel();
        for number in 0..1_000 {
            let report = report.clone();
            workers.submit(Box::new(move || report.send(number).unwrap()));
        }
        drop(report);
        assert!(reports.iter().eq(0..1_000));
    }

    #[test]
    fn operations_that_wait_do_not_keep_others_from_running() {
        let workers = workers(|| 20);
        let (go, wait) = mpsc::channel::<()>();
        let wait = Arc::new(Mutex::new(wait));
        for _ in 0..19 {
            let wait = Arc::clone(&wait);
            workers.submit(Box::new(move || {
                wait.lock().unwrap().recv().unwrap_err();
            }));
        }
        let (report, reported) = mpsc::channel();
        workers.submit(Box::new(move || report.send(()).unwrap()));
        reported.recv_timeout(LONG).unwrap();
        drop(go);
    }

    #[test]
    fn there_are_never_more_threads_than_allowed() {
        const MOST: usize = 7;
        let workers = workers(|| MOST);
        let (now, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let (report, reports) = mpsc::channel();
        for _ in 0..200 {
            let (now, most, report) = (Arc::clone(&now), Arc::clone(&most), report.clone());
            workers.submit(Box::new(move || {
                most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                thread::sleep(Duration::from_millis(2));
                now.fetch_sub(1, Ordering::SeqCst);
                report.send(()).unwrap();
            }));
        }
        drop(report);
        assert_eq!(reports.iter().count(), 200);
        assert_eq!(most.load(Ordering::SeqCst), MOST);
        assert!(workers.state().threads <= MOST);
    }

    #[test]
    fn short_operations_need_few_threads() {
        let workers = workers(|| 64);
        let (report, reports) = mpsc::channel();
        for _ in 0..100_000 {
            let report = report.clone();
            workers.submit(Box::new(move || report.send(()).unwrap()));
        }
        drop(report);
        assert_eq!(reports.iter().count(), 100_000);
        assert!(workers.state().threads < 64);
    }

    #[test]
    fn a_thread_that_waits_for_work_takes_no_time() {
        let workers = workers(|| 2);
        for _ in 0..10 {
            let (report, reported) = mpsc::channel();
            workers.submit(Box::new(move || report.send(()).unwrap()));
            reported.recv_timeout(LONG).unwrap();
        }
        let begin = Instant::now();
        loop {
            let state = workers.state();
            if state.active == 0 && state.idle == state.threads && !state.is_watched {
                break;
            }
            drop(state);
            assert!(begin.elapsed() < LONG);
            thread::yield_now();
        }
    }

    /// A job that needs some files, and reports how many are in use while it runs.
    struct Opening {
        files: usize,
        in_use: Arc<AtomicUsize>,
        report: mpsc::Sender<(usize, usize)>,
    }

    impl Job for Opening {
        fn files(&self) -> usize {
            self.files
        }

        fn run(&mut self) {
            let in_use = self.in_use.fetch_add(self.files, Ordering::SeqCst) + self.files;
            thread::sleep(Duration::from_millis(1));
            self.in_use.fetch_sub(self.files, Ordering::SeqCst);
            self.report.send((self.files, in_use)).unwrap();
        }

        fn finish(self: Box<Self>) {}
    }

    #[test]
    fn the_operations_that_run_have_no_more_files_open_than_allowed() {
        let workers: &'static Workers = Box::leak(Box::new(Workers::new(1, || 16, || 8)));
        let in_use = Arc::new(AtomicUsize::new(0));
        let (report, reports) = mpsc::channel();
        let sizes = [1, 4, 3, 2, 7, 1, 1, 12, 5];
        for files in sizes.iter().cycle().take(300) {
            let (in_use, report) = (Arc::clone(&in_use), report.clone());
            workers.submit(Box::new(Opening { files: *files, in_use, report }));
        }
        drop(report);
        let all: Vec<_> = reports.iter().collect();
        assert_eq!(all.len(), 300);
        assert!(all.iter().all(|&(files, in_use)| in_use <= 8 || in_use == files), "{all:?}");
        assert!(all.iter().any(|&(files, in_use)| in_use > files), "some run at the same time");
    }
}
