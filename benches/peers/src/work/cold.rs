//! Work that has to wait for the disk, on a runtime with one thread: how long it takes, and how long a task beside it that wants to
//! wake every millisecond is kept waiting at worst. Who waits for the disk on the runtime's thread is found out; and, where nothing
//! has to wait, who never lets others have their turn.

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

/// What is told of which work.
#[derive(Clone, Copy, PartialEq)]
pub enum Told {
    Time,
    WorstDelay,
    WorstDelayWhenCached,
}

pub fn read(arena: &Arena, work: &'static str, told: Told) -> Result<Outcome> {
    small(arena, work, "read 4 KiB", &Act::Read, told)
}

pub fn info(arena: &Arena, work: &'static str, told: Told) -> Result<Outcome> {
    small(arena, work, "info", &Act::Info, told)
}

fn small(arena: &Arena, work: &'static str, what: &str, act: &Act, told: Told) -> Result<Outcome> {
    let count = arena.sizes.small_files;
    // Enough to go on for a while, or few enough to wait for.
    let count = if told == Told::WorstDelayWhenCached { count * 4 } else { count / 4 };
    let paths = small_paths("d", count);
    let folder = arena.folder(work)?;
    folder.fill(&paths, &content())?;
    let unit = Unit::Files(paths.len());
    let cold = Cold { arena, folder: &folder, paths: &paths, what, told, unit };
    cold.measure(work, |who| Ok(acted(who, act, &paths, 1)?.into()))
}

pub fn stream(arena: &Arena, work: &'static str, told: Told) -> Result<Outcome> {
    let folder = arena.folder(work)?;
    let pieces = Pieces::of(arena.sizes.stream_bytes / 4);
    let unit = Unit::Rate(pieces.size());
    folder.write_large("large.bin", pieces)?;
    let paths = ["large.bin".to_owned()];
    let cold = Cold { arena, folder: &folder, paths: &paths, what: "stream read", told, unit };
    cold.measure(work, |who| Ok(who.stream_read("large.bin", Sink::Count(0))?.0.into()))
}

struct Cold<'a> {
    arena: &'a Arena,
    folder: &'a Folder,
    paths: &'a [String],
    what: &'a str,
    told: Told,
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
        all.retain(|who| who.is_async() && who.profile().role != Role::Writer);
        all.push(contestants::std_in_a_task(&self.folder.root, &runtime));
        let (act, runtime) = (&act, &*runtime);
        let mut lanes: Vec<Lane<'_>> = all
            .iter()
            .map(|who| {
                Lane::new(who.profile(), move || {
                    if self.told != Told::WorstDelayWhenCached {
                        evict(&self.folder.root, self.paths)?;
                    }
                    let (sample, delay) = beside_a_beat(runtime, || act(&**who))?;
                    Ok(self.chosen(sample, delay))
                })
            })
            .collect();
        if self.told != Told::Time {
            let nothing = || {
                runtime.block_on(async { sleep(Duration::from_millis(100)).await });
                Ok(Sample::of(0.0))
            };
            lanes.push(Lane::new(Profile::bare("nothing but the beat"), move || {
                let (sample, delay) = beside_a_beat(runtime, nothing)?;
                Ok(self.chosen(sample, delay))
            }));
        }
        let rows = interleaved(self.arena.sizes.rounds, lanes)?;
        let title = self.title(what_is_dropped(&self.folder.root)?);
        let unit = if self.told == Told::Time { self.unit } else { Unit::Time };
        Ok(Outcome { work, title, unit, writes: false, rows })
    }

    fn title(&self, dropped: &str) -> String {
        let delay = "worst delay of a beat of 1 ms on the only thread";
        match self.told {
            Told::Time => format!("{}, dropped before: {dropped}", self.what),
            Told::WorstDelay => format!("{delay}, beside {}, dropped before: {dropped}", self.what),
            Told::WorstDelayWhenCached => format!("{delay}, beside {}, cached", self.what),
        }
    }

    fn chosen(&self, sample: Sample, delay: Duration) -> Sample {
        match self.told {
            Told::Time => sample,
            _ => Sample::of(delay.as_secs_f64()),
        }
    }
}

/// Does `work` on `runtime` beside a task that wakes every millisecond, and tells by how much it was late at worst.
fn beside_a_beat<T>(runtime: &Runtime, work: impl FnOnce() -> Result<T>) -> Result<(T, Duration)> {
    let next = || Instant::now() + Duration::from_millis(1);
    // When the next beat is due, and the worst delay so far.
    let beat = Arc::new(Mutex::new((next(), Duration::ZERO)));
    let seen = Arc::clone(&beat);
    let beating = runtime.spawn(async move {
        loop {
            let (due, _) = *seen.lock().unwrap();
            sleep_until(due.into()).await;
            let (_, worst) = *seen.lock().unwrap();
            *seen.lock().unwrap() = (next(), worst.max(due.elapsed()));
        }
    });
    let done = work()?;
    beating.abort();
    // The last beat may still be waiting for its turn.
    let (due, worst) = *beat.lock().unwrap();
    Ok((done, worst.max(due.elapsed())))
}

const DROP_CACHES: &str = "/proc/sys/vm/drop_caches";

/// Makes the kernel forget the files: all it knows of them if we may ask for that, else their content.
fn evict(root: &Path, paths: &[String]) -> Result<()> {
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
