//! The memory of a stream above the idle process. Each contestant runs in its own process, which prints its peak.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::{env, fs};

use crate::Result;
use crate::arena::{Arena, runtime};
use crate::content::{Pieces, Sink};
use crate::contestants::{self, Role};
use crate::outcome::{Outcome, Unit};
use crate::rounds::{Lane, Sample, interleaved};

/// The first argument of such a process.
pub const CHILD: &str = "--memory-of";

pub fn read(arena: &Arena, work: &'static str) -> Result<Outcome> {
    streamed(arena, work, "read")
}

pub fn write(arena: &Arena, work: &'static str) -> Result<Outcome> {
    streamed(arena, work, "write")
}

fn streamed(arena: &Arena, work: &'static str, verb: &str) -> Result<Outcome> {
    let folder = arena.folder(work)?;
    let size = arena.sizes.memory_bytes;
    let path = folder.root.join("large.bin");
    if verb == "read" {
        folder.write_large("large.bin", Pieces::of(size))?;
    }
    let (folder, path) = (&folder, &path);
    let wanted =
        folder.contestants.iter().filter(|contestant| contestant.profile().role != Role::Writer);
    let lanes = wanted.map(|contestant| {
        let name = contestant.profile().name;
        Lane::new(contestant.profile(), move || {
            let mut child = Command::new(env::current_exe()?);
            child.args([CHILD, name, verb]).arg(&folder.root).arg(size.to_string());
            let peak =
                measured_by(&mut child).map_err(|error| format!("{name} failed: {error}"))?;
            assert_eq!(fs::metadata(path)?.len(), size, "{name} left another size");
            if verb == "write" {
                fs::remove_file(path)?;
                folder.settle()?;
            }
            Ok(Sample::of(peak))
        })
    });
    let rows = interleaved(arena.sizes.memory_rounds, lanes.collect())?;
    let title = format!("memory above idle to stream {verb} {} MiB", size >> 20);
    Ok(Outcome { work, title, unit: Unit::Memory, writes: false, rows })
}

/// Runs in the measured process: streams once, and prints the largest growth of its resident memory in bytes.
pub fn child(arguments: &[String]) -> Result<()> {
    let [name, verb, root, size] = arguments else {
        return Err("expected four arguments: contestant, verb, root and size".into());
    };
    let all = contestants::all(Path::new(root), &Arc::new(runtime()?))?;
    let contestant = all
        .iter()
        .find(|contestant| contestant.profile().name == name)
        .ok_or("no contestant has this name")?;
    let pieces = Pieces::of(size.parse()?).fresh();
    let growth = Growth::begin()?;
    match verb.as_str() {
        "read" => drop(contestant.stream_read("large.bin", Sink::Count(0))?),
        _ => drop(contestant.stream_write("large.bin", &pieces)?),
    }
    println!("{}", growth.most()?);
    Ok(())
}

/// Returns the number of bytes that a measured process prints.
pub fn measured_by(child: &mut Command) -> Result<f64> {
    let output = child.output()?;
    let bytes = String::from_utf8(output.stdout)?.trim().parse();
    bytes.map_err(|_| String::from_utf8_lossy(&output.stderr).into())
}

/// The growth of the resident memory of this process.
pub struct Growth {
    idle: u64,
}

impl Growth {
    pub fn begin() -> Result<Self> {
        fs::write("/proc/self/clear_refs", "5")?; // resets the peak
        Ok(Self { idle: resident("VmRSS:")? })
    }

    pub fn now(&self) -> Result<u64> {
        Ok(resident("VmRSS:")?.saturating_sub(self.idle))
    }

    /// Returns the largest growth so far.
    pub fn most(&self) -> Result<u64> {
        Ok(resident("VmHWM:")?.saturating_sub(self.idle))
    }
}

/// Returns a memory size of this process in bytes.
fn resident(name: &str) -> Result<u64> {
    let status = fs::read_to_string("/proc/self/status")?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix(name))
        .ok_or("a line is missing from /proc/self/status")?;
    Ok(line.trim().trim_end_matches(" kB").parse::<u64>()? * 1024)
}
