use super::*;
use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, Barrier, mpsc};

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
    /// Waits until the largest number in use has been this one.
    awaited: usize,
    largest: Arc<AtomicUsize>,
    report: mpsc::Sender<(usize, usize)>,
}

impl Job for Opening {
    fn files(&self) -> usize {
        self.files
    }

    fn run(&mut self) {
        let in_use = self.in_use.fetch_add(self.files, Ordering::SeqCst) + self.files;
        self.largest.fetch_max(in_use, Ordering::SeqCst);
        let begin = Instant::now();
        while self.largest.load(Ordering::SeqCst) < self.awaited && begin.elapsed() < LONG {
            thread::yield_now();
        }
        thread::sleep(Duration::from_millis(1));
        self.in_use.fetch_sub(self.files, Ordering::SeqCst);
        self.report.send((self.files, in_use)).unwrap();
    }

    fn finish(self: Box<Self>) {}
}

/// The limit of files in a test that changes it.
static LIMIT: AtomicUsize = AtomicUsize::new(4);

#[test]
fn a_limit_of_files_that_changes_holds_for_the_next_operations() {
    let workers: &'static Workers =
        Box::leak(Box::new(Workers::new(1, || 16, || LIMIT.load(Ordering::SeqCst))));
    let in_use = Arc::new(AtomicUsize::new(0));
    for limit in [4, 12, 4] {
        LIMIT.store(limit, Ordering::SeqCst);
        let largest = Arc::new(AtomicUsize::new(0));
        let (report, reports) = mpsc::channel();
        for _ in 0..100 {
            let (in_use, report) = (Arc::clone(&in_use), report.clone());
            let largest = Arc::clone(&largest);
            workers.submit(Box::new(Opening { files: 4, in_use, awaited: limit, largest, report }));
        }
        drop(report);
        assert_eq!(reports.iter().count(), 100);
        assert_eq!(largest.load(Ordering::SeqCst), limit);
    }
}

/// A job that calls `may_run`, and then reports its number.
struct Numbered<F> {
    number: usize,
    may_run: F,
    report: mpsc::Sender<usize>,
}

impl<F: FnMut() + Send> Job for Numbered<F> {
    fn files(&self) -> usize {
        1
    }

    fn run(&mut self) {
        (self.may_run)();
    }

    fn finish(self: Box<Self>) {
        self.report.send(self.number).unwrap();
    }
}

#[test]
fn a_result_does_not_wait_for_a_later_operation_that_takes_long() {
    let max_threads = || cores() + 1;
    let workers = workers(max_threads);
    let (go, wait) = mpsc::channel::<()>();
    let wait = Arc::new(Mutex::new(wait));
    let (report, reports) = mpsc::channel();
    // The last operation before those that take long.
    let early = cores() + MAX_DONE * 2 - 2;
    let all = early + 70;
    for number in 0..all {
        let wait = Arc::clone(&wait);
        let may_run = move || {
            if number < cores() {
                // One on each of the active threads, so the next operation lets a thread watch. From then on, results may wait for others.
                while !workers.state().is_watched {
                    thread::yield_now();
                }
            } else if (early..).take(max_threads()).any(|long| long == number) {
                wait.lock().unwrap().recv().unwrap_err();
            }
        };
        workers.submit(Box::new(Numbered { number, may_run, report: report.clone() }));
    }
    let first: Vec<_> = (0..early).map(|_| reports.recv_timeout(LONG).unwrap()).collect();
    assert!(first.iter().all(|&number| number < early), "{first:?}");
    drop((go, report));
    assert_eq!(reports.iter().count(), all - early);
}

#[test]
fn the_operations_that_run_have_no_more_files_open_than_allowed() {
    let workers: &'static Workers = Box::leak(Box::new(Workers::new(1, || 16, || 8)));
    let in_use = Arc::new(AtomicUsize::new(0));
    let (report, reports) = mpsc::channel();
    let sizes = [1, 4, 3, 2, 7, 1, 1, 12, 5];
    for files in sizes.iter().cycle().take(300) {
        let in_use = Arc::clone(&in_use);
        let report = report.clone();
        workers.submit(Box::new(Opening {
            files: *files,
            in_use,
            awaited: 0,
            largest: Arc::default(),
            report,
        }));
    }
    drop(report);
    let all: Vec<_> = reports.iter().collect();
    assert_eq!(all.len(), 300);
    assert!(all.iter().all(|&(files, in_use)| in_use <= 8 || in_use == files), "{all:?}");
    assert!(all.iter().any(|&(files, in_use)| in_use > files), "some run at the same time");
}

/// A job that needs some files, and waits until as many jobs run as the barrier expects.
struct Meeting(usize, Arc<Barrier>);

impl Job for Meeting {
    fn files(&self) -> usize {
        self.0
    }

    fn run(&mut self) {
        self.1.wait();
    }

    fn finish(self: Box<Self>) {}
}

#[test]
fn threads_join_after_an_operation_that_opens_many_files() {
    let workers: &'static Workers = Box::leak(Box::new(Workers::new(1, || 64, || 64)));
    let first = Arc::new(Barrier::new(2));
    workers.submit(Box::new(Meeting(64, Arc::clone(&first))));
    while workers.state().started == 0 {
        thread::yield_now();
    }
    let others = cores() + 4;
    let all = Arc::new(Barrier::new(others));
    let (report, reports) = mpsc::channel();
    for _ in 0..others {
        let (all, report) = (Arc::clone(&all), report.clone());
        workers.submit(Box::new(move || {
            all.wait();
            report.send(()).unwrap();
        }));
    }
    first.wait();
    // All of them run at the same time.
    (0..others).for_each(|_| reports.recv_timeout(LONG).unwrap());
}
