//! A tree of many files, one in five with the extension `.rs`.

use std::process::Command;

use crate::Result;
use crate::arena::{Arena, Folder};
use crate::clock::Start;
use crate::contestants::{Profile, Role};
use crate::outcome::{Outcome, Unit};
use crate::rounds::{Lane, Row, Sample, interleaved};

const FILES_IN_EACH: usize = 50;

fn create_tree(arena: &Arena, work: &'static str) -> Result<Folder> {
    let folder = arena.folder(work)?;
    let paths: Vec<String> = (0..arena.sizes.directories * FILES_IN_EACH)
        .map(|n| {
            let (dir, file) = (n / FILES_IN_EACH, n % FILES_IN_EACH);
            let kind = if file % 5 == 0 { "rs" } else { "txt" };
            format!("part-{:02}/module-{dir:04}/file-{file:02}.{kind}", dir % 40)
        })
        .collect();
    folder.fill(&paths, b"tree")?;
    Ok(folder)
}

pub fn list(arena: &Arena, work: &'static str) -> Result<Outcome> {
    let folder = create_tree(arena, work)?;
    let mut expected = None;
    let mut lanes = Vec::new();
    for contestant in
        folder.contestants.iter().filter(|contestant| contestant.profile().role != Role::Writer)
    {
        let (_, found) = contestant.list()?;
        let expected = expected.get_or_insert(folder.contestants[0].list()?.1);
        assert!(*expected == found, "{} has another listing", contestant.profile().name);
        lanes.push(Lane::new(contestant.profile(), || Ok(contestant.list()?.0)));
    }
    let rows = interleaved(arena.sizes.rounds, lanes)?;
    let count = arena.sizes.directories * FILES_IN_EACH;
    let title = format!("list {count} files, sorted, with sizes and times, cached");
    Ok(Outcome { work, title, unit: Unit::Time, writes: false, rows })
}

pub fn glob(arena: &Arena, work: &'static str) -> Result<Outcome> {
    let folder = create_tree(arena, work)?;
    let mut lanes = Vec::new();
    let expected = folder.contestants[0].rust_files()?.1;
    for contestant in
        folder.contestants.iter().filter(|contestant| contestant.profile().role != Role::Writer)
    {
        assert!(
            expected == contestant.rust_files()?.1,
            "{} found other files",
            contestant.profile().name
        );
        lanes.push(Lane::new(contestant.profile(), || Ok(contestant.rust_files()?.0)));
    }
    let fd = ["fd", "fdfind"].into_iter().find(|name| find(name, &folder).is_ok());
    if let Some(fd) = fd {
        assert!(expected == find(fd, &folder)?.1, "fd found other files");
        lanes.push(Lane::new(Profile::bare("fd"), || Ok(find(fd, &folder)?.0)));
    }
    let mut rows = interleaved(arena.sizes.rounds, lanes)?;
    rows.extend(fd.is_none().then(|| Row::missing("fd")));
    let count = arena.sizes.directories * FILES_IN_EACH;
    let title = format!("{} of {count} files match **/*.rs, sorted, cached", expected.len());
    Ok(Outcome { work, title, unit: Unit::Time, writes: false, rows })
}

/// Runs the command with its default threads, and returns its sorted output. The time includes the start and the sorting.
fn find(fd: &str, folder: &Folder) -> Result<(Sample, Vec<String>)> {
    let start = Start::now();
    let mut command = Command::new(fd);
    command.args(["--unrestricted", "--type", "f", "--extension", "rs", "--strip-cwd-prefix"]);
    let output = command.current_dir(&folder.root).output()?;
    if !output.status.success() {
        return Err(format!("{fd}: {}", String::from_utf8_lossy(&output.stderr)).into());
    }
    let mut found: Vec<String> =
        String::from_utf8(output.stdout)?.lines().map(str::to_owned).collect();
    found.sort_unstable();
    Ok((Sample::of(start.took().wall), found))
}
