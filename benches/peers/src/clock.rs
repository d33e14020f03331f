//! Measures wall-clock time and processor time.

use rustix::time::{ClockId, Timespec, clock_gettime};

/// The wall-clock time and the processor time of this process, in seconds.
#[derive(Clone, Copy)]
pub struct Took {
    pub wall: f64,
    /// Not affected by other processes, so it varies less.
    pub busy: f64,
}

pub struct Start {
    wall: f64,
    busy: f64,
}

impl Start {
    pub fn now() -> Self {
        let seconds = |id| {
            let Timespec { tv_sec, tv_nsec } = clock_gettime(id);
            tv_sec as f64 + tv_nsec as f64 / 1e9
        };
        Self { wall: seconds(ClockId::Monotonic), busy: seconds(ClockId::ProcessCPUTime) }
    }

    pub fn took(&self) -> Took {
        let now = Self::now();
        Took { wall: now.wall - self.wall, busy: now.busy - self.busy }
    }
}
