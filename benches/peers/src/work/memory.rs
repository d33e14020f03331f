//! How much memory a stream takes above what the idle process has: each in a process of its own, which is asked for its peak.

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

/// What the first argument of such a process is.
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
    let wanted = folder.contestants.iter().filter(|who| who.profile().role != Role::Writer);
    let lanes = wanted.map(|who| {
        let name = who.profile().name;
        Lane::new(who.profile(), move || {
            let mut child = Command::new(env::current_exe()?);
            child.args([CHILD, name, verb]).arg(&folder.root).arg(size.to_string());
            let peak = told_by(&mut child).map_err(|error| format!("{name} failed: {error}"))?;
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

/// The process that is measured: streams once and prints by how many bytes its resident memory grew at most.
pub fn child(arguments: &[String]) -> Result<()> {
    let [name, verb, root, size] = arguments else {
        return Err("the memory of what?".into());
    };
    let all = contestants::all(Path::new(root), &Arc::new(runtime()?))?;
    let who = all.iter().find(|who| who.profile().name == name).ok_or("nobody of that name")?;
    let pieces = Pieces::of(size.parse()?).fresh();
    let growth = Growth::begin()?;
    match verb.as_str() {
        "read" => drop(who.stream_read("large.bin", Sink::Count(0))?),
        _ => drop(who.stream_write("large.bin", &pieces)?),
    }
    println!("{}", growth.most()?);
    Ok(())
}

/// The number of bytes that a process of its own has measured and printed.
pub fn told_by(child: &mut Command) -> Result<f64> {
    let output = child.output()?;
    let told = String::from_utf8(output.stdout)?.trim().parse();
    told.map_err(|_| String::from_utf8_lossy(&output.stderr).into())
}

/// By how many bytes the resident memory of this process grows.
pub struct Growth {
    idle: u64,
}

impl Growth {
    pub fn begin() -> Result<Self> {
        fs::write("/proc/self/clear_refs", "5")?; // the peak begins anew
        Ok(Self { idle: resident("VmRSS:")? })
    }

    pub fn now(&self) -> Result<u64> {
        Ok(resident("VmRSS:")?.saturating_sub(self.idle))
    }

    /// Since the beginning.
    pub fn most(&self) -> Result<u64> {
        Ok(resident("VmHWM:")?.saturating_sub(self.idle))
    }
}

/// A number of bytes that the kernel tells of this process.
fn resident(name: &str) -> Result<u64> {
    let status = fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix(name)).ok_or("not told")?;
    Ok(line.trim().trim_end_matches(" kB").parse::<u64>()? * 1024)
}
