//! Many files of 4 KiB, one at a time or 64 at a time.

use std::fs;
use std::sync::Arc;

use bytes::Bytes;

use crate::Result;
use crate::arena::{Arena, Folder, small_paths};
use crate::contestants::Role;
use crate::drive::{Act, Contestant};
use crate::rounds::{Lane, Outcome, Unit, interleaved};

const SIZE: usize = 4096;

fn content() -> Bytes {
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
    let readers = folder.contestants.iter().filter(|who| who.profile().role != Role::Writer);
    let lanes = readers.map(|who| {
        who.act(&Act::Compare(content()), &paths, at_a_time)?;
        let paths = Arc::clone(&paths);
        let run = Box::new(move || measured(&**who, act, &paths, at_a_time));
        Ok(Lane { profile: who.profile(), run })
    });
    let rows = interleaved(arena.sizes.rounds, lanes.collect::<Result<_>>()?)?;
    let title = format!("{title}, {at_a_time} at a time");
    Ok(Outcome { work, title, unit: Unit::Files(paths.len()), writes: false, rows })
}

fn measured(
    who: &dyn Contestant,
    act: &Act,
    paths: &Arc<[String]>,
    at_a_time: usize,
) -> Result<f64> {
    let (took, sum) = who.act(act, paths, at_a_time)?;
    assert_eq!(sum, (paths.len() * SIZE) as u64, "{} missed something", who.profile().name);
    Ok(took.as_secs_f64())
}

pub fn create(arena: &Arena, work: &'static str, at_a_time: usize) -> Result<Outcome> {
    let folder = arena.folder(work)?;
    let count = arena.sizes.small_files / 2;
    let create = Act::Create(content());
    let (folder_ref, create_ref) = (&folder, &create);
    let lanes = folder.contestants.iter().map(|who| {
        let mut turn = 0;
        let run = Box::new(move || {
            turn += 1;
            let top = format!("{}-{turn}", who.profile().name);
            created(folder_ref, &**who, create_ref, &small_paths(&top, count), at_a_time)
        });
        Lane { profile: who.profile(), run }
    });
    let rows = interleaved(arena.sizes.rounds, lanes.collect())?;
    let title = format!("create 4 KiB, {at_a_time} at a time");
    Ok(Outcome { work, title, unit: Unit::Files(count), writes: true, rows })
}

/// The directories are there before. What was created stays: a file system may be slow to give a freed inode to the next, as ext4
/// is for a minute.
fn created(
    folder: &Folder,
    who: &dyn Contestant,
    create: &Act,
    paths: &Arc<[String]>,
    at_a_time: usize,
) -> Result<f64> {
    for path in paths.iter() {
        folder.make_parent(path)?;
    }
    folder.settle()?;
    let took = measured(who, create, paths, at_a_time)?;
    for path in paths.iter() {
        assert!(fs::read(folder.root.join(path))? == content(), "{path} is not what was written");
    }
    Ok(took)
}
