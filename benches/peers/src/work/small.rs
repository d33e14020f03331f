//! Many files of 4 KiB, one or 64 at a time.

use std::fs;
use std::sync::Arc;

use bytes::Bytes;

use crate::Result;
use crate::arena::{Arena, Folder, small_paths};
use crate::clock::Took;
use crate::contestants::Role;
use crate::drive::{Act, Contestant};
use crate::outcome::{Outcome, Unit};
use crate::rounds::{Lane, interleaved};

pub const SIZE: usize = 4096;

pub fn content() -> Bytes {
    let mut content = vec![0; SIZE];
    fastrand::Rng::with_seed(4).fill(&mut content);
    Bytes::from(content)
}

pub fn read(arena: &Arena, work: &'static str, at_a_time: usize) -> Result<Outcome> {
    look(arena, work, "read 4 KiB, cached", &Act::Read, at_a_time)
}

pub fn info(arena: &Arena, work: &'static str, at_a_time: usize) -> Result<Outcome> {
    look(arena, work, "info, cached", &Act::Info, at_a_time)
}

fn look(
    arena: &Arena,
    work: &'static str,
    title: &str,
    act: &Act,
    at_a_time: usize,
) -> Result<Outcome> {
    let folder = arena.folder(work)?;
    let paths = small_paths("d", arena.sizes.small_files);
    folder.fill(&paths, &content())?;
    let mut lanes = Vec::new();
    for contestant in
        folder.contestants.iter().filter(|contestant| contestant.profile().role != Role::Writer)
    {
        contestant.act(&Act::Compare(content()), &paths, at_a_time)?;
        let run = || acted(&**contestant, act, &paths, at_a_time);
        lanes.push(Lane::new(contestant.profile(), run));
    }
    let rows = interleaved(arena.sizes.rounds, lanes)?;
    let title = format!("{title}, {at_a_time} at a time");
    Ok(Outcome { work, title, unit: Unit::Files(paths.len()), writes: false, rows })
}

pub fn acted(
    contestant: &dyn Contestant,
    act: &Act,
    paths: &Arc<[String]>,
    at_a_time: usize,
) -> Result<Took> {
    let (took, sum) = contestant.act(act, paths, at_a_time)?;
    assert_eq!(sum, (paths.len() * SIZE) as u64, "{} skipped a file", contestant.profile().name);
    Ok(took)
}

pub fn create(arena: &Arena, work: &'static str, at_a_time: usize) -> Result<Outcome> {
    let folder = arena.folder(work)?;
    let count = arena.sizes.small_files / 2;
    let (act, folder) = (&Act::Create(content()), &folder);
    let lanes = folder.contestants.iter().map(|contestant| {
        let mut turn = 0;
        Lane::new(contestant.profile(), move || {
            turn += 1;
            let paths = small_paths(&format!("{}-{turn}", contestant.profile().name), count);
            created(folder, &**contestant, act, &paths, at_a_time)
        })
    });
    let rows = interleaved(arena.sizes.rounds, lanes.collect())?;
    let title = format!("create 4 KiB, {at_a_time} at a time");
    Ok(Outcome { work, title, unit: Unit::Files(count), writes: true, rows })
}

/// Replaces files; each contestant has its own.
pub fn overwrite(arena: &Arena, work: &'static str, at_a_time: usize) -> Result<Outcome> {
    let folder = arena.folder(work)?;
    let act = &Act::Overwrite(content());
    let mut lanes = Vec::new();
    for contestant in &folder.contestants {
        let paths = small_paths(contestant.profile().name, arena.sizes.small_files / 2);
        folder.fill(&paths, b"the content before")?;
        let folder = &folder;
        lanes.push(Lane::new(contestant.profile(), move || {
            folder.settle()?;
            acted(&**contestant, act, &paths, at_a_time)
        }));
    }
    let rows = interleaved(arena.sizes.rounds, lanes)?;
    let title = format!("overwrite 4 KiB, {at_a_time} at a time");
    let unit = Unit::Files(arena.sizes.small_files / 2);
    Ok(Outcome { work, title, unit, writes: true, rows })
}

/// Creates files in existing directories, and keeps them, because ext4 is slow after a deletion: it searches past recently freed inodes.
fn created(
    folder: &Folder,
    contestant: &dyn Contestant,
    act: &Act,
    paths: &Arc<[String]>,
    at_a_time: usize,
) -> Result<Took> {
    for path in paths.iter() {
        folder.make_parent(path)?;
    }
    folder.settle()?;
    let took = acted(contestant, act, paths, at_a_time)?;
    for path in paths.iter() {
        assert!(fs::read(folder.root.join(path))? == content(), "{path} has another content");
    }
    Ok(took)
}
