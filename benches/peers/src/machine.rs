//! Describes the machine and the versions of a run.

use std::path::Path;
use std::{fs, thread};

use crate::Result;

const LOCK: &str = include_str!("../../../Cargo.lock");

/// Describes the versions of the contestants, the machine, and its load at the start.
pub fn describe(dir: &Path) -> Result<String> {
    let versions = ["f9", "object_store", "opendal", "tokio"];
    let versions = versions.map(|name| format!("{name} {}", version(name)));
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease")?;
    let load = fs::read_to_string("/proc/loadavg")?;
    Ok(format!(
        "{}; {} processors, Linux {}, {}, load {}",
        versions.join(", "),
        thread::available_parallelism()?,
        kernel.trim(),
        file_system(dir)?,
        load.split(' ').next().unwrap_or_default(),
    ))
}

/// Returns the version of a package in the build.
fn version(package: &str) -> &'static str {
    let entry = LOCK
        .split("[[package]]")
        .find(|entry| entry.lines().any(|line| line == format!("name = \"{package}\"")));
    let version = entry.and_then(|entry| entry.split("version = \"").nth(1));
    version.and_then(|version| version.split('"').next()).unwrap_or("?")
}

/// Returns the type of the file system of `dir`.
fn file_system(dir: &Path) -> Result<String> {
    let dir = dir.canonicalize()?;
    let mounts = fs::read_to_string("/proc/self/mounts")?;
    let mounts = mounts.lines().filter_map(|line| {
        let mut fields = line.split(' ').skip(1);
        Some((fields.next()?, fields.next()?))
    });
    let above = mounts.filter(|(place, _)| dir.starts_with(place));
    let nearest = above.max_by_key(|(place, _)| place.len());
    Ok(nearest.map_or("?", |(_, kind)| kind).to_owned())
}
