//! Vector stores: f9 beside the requests that the Python original sends for the same, on a simulated service that takes its time.

use std::collections::BTreeSet;
use std::sync::Arc;

use f9::prelude::*;
use f9::{DeleteOptions, FileInfo, ListOptions, OpenAIVectorStoreFileBackend};
use futures::TryStreamExt as _;
use futures::future::try_join_all;

use crate::Result;
use crate::arena::Arena;
use crate::contestants::{Profile, Role};
use crate::outcome::{Outcome, Unit};
use crate::rounds::{Lane, Row, Sample, in_rounds};

mod ground;
pub mod index;
mod original;

pub use ground::{AT_A_TIME, LATENCY};
use ground::{Ground, TOP, content};
use original::Original;

const F9: Profile = Profile { name: "f9", role: Role::F9, writes: "" };

/// Who sends what the Python original sends.
pub const ORIGINAL: &str = "the Python original's calls";

/// What f9 is called where nothing is left to be asked.
pub const KNOWING: &str = "f9 that knows the store";

/// What is looked for: one file in ten.
const PATTERN: &str = "**/*7.md";

pub fn create(arena: &Arena, work: &'static str) -> Result<Outcome> {
    let ground = Ground::new(arena, arena.sizes.openai_files);
    let joined = || {
        created(&ground, |f9, paths| async move {
            let each = paths.iter().map(|path| f9.create(path, content()));
            try_join_all(each).await.map(drop)
        })
    };
    let serial = || {
        created(&ground, |f9, paths| async move {
            for path in paths.iter() {
                f9.create(path, content()).await?;
            }
            Ok(())
        })
    };
    let lanes = vec![
        Lane::new(F9, joined),
        Lane::new(Profile::bare("f9, one after the other"), serial),
        original_lane(|| created_by_original(&ground)),
    ];
    let rows = in_rounds(arena.sizes.openai_rounds, lanes)?;
    Ok(outcome(&ground, work, "create 1 KiB", rows))
}

pub fn create_many(arena: &Arena, work: &'static str) -> Result<Outcome> {
    let ground = Ground::new(arena, arena.sizes.openai_files);
    let many = || {
        created(&ground, |f9, paths| async move {
            let files: Vec<_> = paths.iter().map(|path| (path.clone(), content())).collect();
            f9.create_many(files).await?.into_iter().try_for_each(|created| created.map(drop))
        })
    };
    let lanes = vec![Lane::new(F9, many), original_lane(|| created_by_original(&ground))];
    let rows = in_rounds(arena.sizes.openai_rounds, lanes)?;
    Ok(outcome(&ground, work, "create 1 KiB, with `create_many`", rows))
}

/// What f9 is told to create, in a store that it knows to be empty.
fn created<F>(
    ground: &Ground<'_>,
    create: impl FnOnce(OpenAIVectorStoreFileBackend, Arc<[String]>) -> F,
) -> Result<Sample>
where
    F: Future<Output = f9::Result<()>> + Send + 'static,
{
    ground.service.clear();
    let f9 = ground.open_and_look()?;
    let (sample, ()) = ground.measured(create(f9, Arc::clone(&ground.paths)))?;
    ground.assert_written();
    Ok(sample)
}

fn created_by_original(ground: &Ground<'_>) -> Result<Sample> {
    ground.service.clear();
    let (original, paths) = (Original::of(&ground.service)?, Arc::clone(&ground.paths));
    let create = async move {
        let (mut directories, content) = (BTreeSet::new(), content());
        for path in paths.iter() {
            original.create(path, &content, &mut directories).await?;
        }
        Ok::<_, crate::Error>(())
    };
    let (sample, ()) = ground.measured(create)?;
    ground.assert_written();
    Ok(sample)
}

pub fn list(arena: &Arena, work: &'static str) -> Result<Outcome> {
    let ground = Ground::planted(arena, arena.sizes.openai_listed);
    let ours = || {
        let f9 = ground.open()?;
        let (sample, found) = ground.measured(async move { all_files(&f9).await })?;
        assert!(found.iter().map(|info| info.path.as_str()).eq(ground.paths.iter()));
        Ok(sample)
    };
    let original = || {
        let original = Original::of(&ground.service)?;
        let (sample, found) = ground.measured(async move { original.refresh().await })?;
        assert!(found.iter().rev().map(|entry| &entry.path).eq(ground.paths.iter()));
        Ok(sample)
    };
    let lanes = vec![Lane::new(F9, ours), original_lane(original)];
    let rows = in_rounds(arena.sizes.openai_list_rounds, lanes)?;
    Ok(outcome(&ground, work, "list files with sizes and times, nothing known before", rows))
}

async fn all_files(f9: &OpenAIVectorStoreFileBackend) -> f9::Result<Vec<FileInfo>> {
    let entries = f9.list_with("", ListOptions::recursive()).await?;
    entries.try_filter(|info| std::future::ready(!info.is_dir())).try_collect().await
}

pub fn read(arena: &Arena, work: &'static str) -> Result<Outcome> {
    let ground = Ground::planted(arena, arena.sizes.openai_files);
    let ours = || {
        let (f9, paths) = (ground.open_and_look()?, Arc::clone(&ground.paths));
        let read = async move { try_join_all(paths.iter().map(|path| f9.read(path))).await };
        let (sample, found) = ground.measured(read)?;
        assert!(found.iter().all(|found| *found == content()));
        Ok(sample)
    };
    let original = || {
        let (original, known) = original_that_knows(&ground)?;
        let read = async move {
            let mut found = Vec::new();
            for entry in known {
                found.push(original.read(&entry.id).await?);
            }
            Ok::<_, crate::Error>(found)
        };
        let (sample, found) = ground.measured(read)?;
        assert!(found.iter().all(|found| *found == content()));
        Ok(sample)
    };
    let lanes = vec![Lane::new(F9, ours), original_lane(original)];
    let rows = in_rounds(arena.sizes.openai_rounds, lanes)?;
    Ok(outcome(&ground, work, "read 1 KiB", rows))
}

pub fn glob(arena: &Arena, work: &'static str) -> Result<Outcome> {
    let ground = Ground::planted(arena, arena.sizes.openai_listed);
    let ours = |f9: OpenAIVectorStoreFileBackend| {
        let (sample, found) = ground.measured(async move { f9.glob(PATTERN).await })?;
        assert_eq!(found.len(), ground.paths.len() / 10);
        Ok::<_, crate::Error>(sample)
    };
    let original = || {
        let original = Original::of(&ground.service)?;
        let (sample, mut found) = ground.measured(async move { original.refresh().await })?;
        found.retain(|entry| entry.path.ends_with("7.md"));
        assert_eq!(found.len(), ground.paths.len() / 10);
        Ok(sample)
    };
    let lanes = vec![
        Lane::new(F9, || ours(ground.open()?)),
        Lane::new(Profile::bare(KNOWING), || ours(ground.open_and_look()?)),
        original_lane(original),
    ];
    let rows = in_rounds(arena.sizes.openai_list_rounds, lanes)?;
    Ok(outcome(&ground, work, "one in ten matches **/*7.md, nothing known before", rows))
}

pub fn delete(arena: &Arena, work: &'static str) -> Result<Outcome> {
    let ground = Ground::new(arena, arena.sizes.openai_files);
    let ours = || {
        ground.plant();
        let f9 = ground.open_and_look()?;
        let delete = async move { f9.delete_with(TOP, DeleteOptions::recursive()).await };
        let (sample, ()) = ground.measured(delete)?;
        ground.assert_empty();
        Ok(sample)
    };
    let original = || {
        ground.plant();
        ground.plant_directories();
        let (original, known) = original_that_knows(&ground)?;
        let delete = async move {
            for entry in known {
                original.delete(&entry.id).await?;
            }
            Ok::<_, crate::Error>(())
        };
        let (sample, ()) = ground.measured(delete)?;
        ground.assert_empty();
        Ok(sample)
    };
    let lanes = vec![Lane::new(F9, ours), original_lane(original)];
    let rows = in_rounds(arena.sizes.openai_rounds, lanes)?;
    Ok(outcome(&ground, work, "delete a directory with all below", rows))
}

fn original_that_knows(ground: &Ground<'_>) -> Result<(Original, Vec<original::Entry>)> {
    let original = Original::of(&ground.service)?;
    let asked = original.clone();
    Ok((original, ground.unmeasured(async move { asked.refresh().await })?))
}

fn original_lane<'a>(run: impl FnMut() -> Result<Sample> + 'a) -> Lane<'a> {
    Lane::new(Profile::bare(ORIGINAL), run)
}

fn outcome(ground: &Ground<'_>, work: &'static str, title: &str, rows: Vec<Row>) -> Outcome {
    let count = ground.paths.len();
    let title = format!(
        "{title}; {count} files, {} ms a request; the original with a cache that lasts, not its default",
        LATENCY.as_millis(),
    );
    Outcome { work, title, unit: Unit::Files(count), writes: false, rows }
}
