//! Work that waits for the disk, on a runtime with one thread: its duration, and the worst delay of another task that wakes every
//! millisecond. This shows contestants that block the runtime thread, and, with cached files, contestants that never yield.

use std::fs::{self, File};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rustix::fs::{Advice, fadvise, statfs};
use tokio::runtime::{Builder, Runtime};
use tokio::time::{sleep, sleep_until};

use crate::Result;
use crate::arena::{Arena, Folder, small_paths};
use crate::content::{Pieces, Sink};
use crate::contestants::{self, Profile, Role};
use crate::drive::{Act, Contestant};
use crate::outcome::{Outcome, Unit};
use crate::rounds::{Lane, Sample, interleaved};
use crate::work::small::{acted, content};

/// The measured quantity.
#[derive(Clone, Copy, PartialEq)]
pub enum Metric {
    Time,
    WorstDelay,
    WorstDelayWhenCached,
}

pub fn read(arena: &Arena, work: &'static str, metric: Metric) -> Result<Outcome> {
    small(arena, work, "read 4 KiB", &Act::Read, metric)
}

pub fn info(arena: &Arena, work: &'static str, metric: Metric) -> Result<Outcome> {
    small(arena, work, "info", &Act::Info, metric)
}

fn small(
    arena: &Arena,
    work: &'static str,
    what: &str,
    act: &Act,
    metric: Metric,
) -> Result<Outcome> {
    let count = arena.sizes.small_files;
    // Many files if they are cached, few if each waits for the disk.
    let count = if metric == Metric::WorstDelayWhenCached { count * 4 } else { count / 4 };
    let paths = small_paths("d", count);
    let folder = arena.folder(work)?;
    folder.fill(&paths, &content())?;
    let unit = Unit::Files(paths.len());
    let cold = Cold { arena, folder: &folder, paths: &paths, what, metric, unit };
    cold.measure(work, |contestant| Ok(acted(contestant, act, &paths, 1)?.into()))
}

pub fn stream(arena: &Arena, work: &'static str, metric: Metric) -> Result<Outcome> {
    let folder = arena.folder(work)?;
    let pieces = Pieces::of(arena.sizes.stream_bytes / 4);
    let unit = Unit::Rate(pieces.size());
    folder.write_large("large.bin", pieces)?;
    let paths = ["large.bin".to_owned()];
    let cold = Cold { arena, folder: &folder, paths: &paths, what: "stream read", metric, unit };
    cold.measure(work, |contestant| {
        Ok(contestant.stream_read("large.bin", Sink::Count(0))?.0.into())
    })
}

struct Cold<'a> {
    arena: &'a Arena,
    folder: &'a Folder,
    paths: &'a [String],
    what: &'a str,
    metric: Metric,
    unit: Unit,
}

impl Cold<'_> {
    fn measure(
        &self,
        work: &'static str,
        act: impl Fn(&dyn Contestant) -> Result<Sample>,
    ) -> Result<Outcome> {
        let runtime = Arc::new(Builder::new_current_thread().enable_all().build()?);
        let mut all = contestants::all(&self.folder.root, &runtime)?;
        all.retain(|contestant| contestant.is_async() && contestant.profile().role != Role::Writer);
        all.push(contestants::std_in_a_task(&self.folder.root, &runtime));
        let (act, runtime) = (&act, &*runtime);
        let mut lanes: Vec<Lane<'_>> = all
            .iter()
            .map(|contestant| {
                Lane::new(contestant.profile(), move || {
                    if self.metric != Metric::WorstDelayWhenCached {
                        evict(&self.folder.root, self.paths)?;
                    }
                    let (sample, delay) = beside_a_ticker(runtime, || act(&**contestant))?;
                    Ok(self.select(sample, delay))
                })
            })
            .collect();
        if self.metric != Metric::Time {
            let nothing = || {
                runtime.block_on(async { sleep(Duration::from_millis(100)).await });
                Ok(Sample::of(0.0))
            };
            lanes.push(Lane::new(Profile::bare("nothing but the ticker"), move || {
                let (sample, delay) = beside_a_ticker(runtime, nothing)?;
                Ok(self.select(sample, delay))
            }));
        }
        let rows = interleaved(self.arena.sizes.rounds, lanes)?;
        let title = self.title(what_is_dropped(&self.folder.root)?);
        let unit = if self.metric == Metric::Time { self.unit } else { Unit::Time };
        Ok(Outcome { work, title, unit, writes: false, rows })
    }

    fn title(&self, dropped: &str) -> String {
        let delay = "worst delay of a 1 ms ticker on the only thread";
        match self.metric {
            Metric::Time => format!("{}, dropped before: {dropped}", self.what),
            Metric::WorstDelay => {
                format!("{delay}, beside {}, dropped before: {dropped}", self.what)
            }
            Metric::WorstDelayWhenCached => format!("{delay}, beside {}, cached", self.what),
        }
    }

    fn select(&self, sample: Sample, delay: Duration) -> Sample {
        match self.metric {
            Metric::Time => sample,
            _ => Sample::of(delay.as_secs_f64()),
        }
    }
}

/// Runs `work` on `runtime` beside a task that wakes every millisecond, and returns the worst delay of that task.
fn beside_a_ticker<T>(
    runtime: &Runtime,
    work: impl FnOnce() -> Result<T>,
) -> Result<(T, Duration)> {
    let next = || Instant::now() + Duration::from_millis(1);
    // The time of the next tick, and the worst delay so far.
    let ticks = Arc::new(Mutex::new((next(), Duration::ZERO)));
    let seen = Arc::clone(&ticks);
    let ticker = runtime.spawn(async move {
        loop {
            let (due, _) = *seen.lock().unwrap();
            sleep_until(due.into()).await;
            let (_, worst) = *seen.lock().unwrap();
            *seen.lock().unwrap() = (next(), worst.max(due.elapsed()));
        }
    });
    let done = work()?;
    ticker.abort();
    // The last tick may still be pending.
    let (due, worst) = *ticks.lock().unwrap();
    Ok((done, worst.max(due.elapsed())))
}

const DROP_CACHES: &str = "/proc/sys/vm/drop_caches";

/// Drops the files from the caches of the kernel: all caches if the user may, otherwise only the pages.
pub fn evict(root: &Path, paths: &[String]) -> Result<()> {
    rustix::fs::syncfs(File::open(root)?)?;
    if fs::write(DROP_CACHES, "3").is_ok() {
        return Ok(());
    }
    for path in paths {
        fadvise(File::open(root.join(path))?, 0, None, Advice::DontNeed)?;
    }
    Ok(())
}

fn what_is_dropped(root: &Path) -> Result<&'static str> {
    const TMPFS: i64 = 0x0102_1994;
    Ok(if statfs(root)?.f_type == TMPFS {
        "nothing, as tmpfs is a cache without a disk"
    } else if rustix::process::geteuid().is_root() {
        "all caches"
    } else {
        "the pages of the files, but not their names"
    })
}
