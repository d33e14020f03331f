//! Digests of one large file, and of many small ones.

use crate::Result;
use crate::arena::{Arena, small_paths};
use crate::clock::Start;
use crate::content::{Algorithm, Pieces};
use crate::contestants::{Profile, Role};
use crate::outcome::{Outcome, Unit};
use crate::rounds::{Lane, interleaved};
use crate::work::small;

pub fn sha256(arena: &Arena, work: &'static str) -> Result<Outcome> {
    large(arena, work, Algorithm::Sha256)
}

pub fn blake3(arena: &Arena, work: &'static str) -> Result<Outcome> {
    large(arena, work, Algorithm::Blake3)
}

fn large(arena: &Arena, work: &'static str, algorithm: Algorithm) -> Result<Outcome> {
    let folder = arena.folder(work)?;
    let pieces = Pieces::of(arena.sizes.stream_bytes);
    let (size, digest) = (pieces.size(), &pieces.digest(algorithm));
    folder.write_large("large.bin", pieces)?;
    let readers =
        folder.contestants.iter().filter(|contestant| contestant.profile().role != Role::Writer);
    let mut lanes: Vec<Lane<'_>> = readers
        .map(|contestant| {
            Lane::new(contestant.profile(), move || {
                let (took, found) = contestant.checksum("large.bin", algorithm)?;
                assert_eq!(found, *digest, "{} is wrong", contestant.profile().name);
                Ok(took)
            })
        })
        .collect();
    if matches!(algorithm, Algorithm::Blake3) {
        let path = folder.root.join("large.bin");
        lanes.push(Lane::new(Profile::bare("memory map + rayon"), move || {
            let start = Start::now();
            let found = blake3::Hasher::new().update_mmap_rayon(&path)?.finalize();
            assert!(found.to_hex() == **digest);
            Ok(start.took())
        }));
    }
    let rows = interleaved(arena.sizes.rounds, lanes)?;
    let title = format!("{work} of {} MiB, cached", size >> 20);
    Ok(Outcome { work, title, unit: Unit::Rate(size), writes: false, rows })
}

/// The direct loop does one file after the other. The peers have no such verb.
pub fn many(arena: &Arena, work: &'static str) -> Result<Outcome> {
    let folder = arena.folder(work)?;
    let paths = &small_paths("d", arena.sizes.hashed_files);
    folder.fill(paths, &small::content())?;
    let wanted = ["f9", "f9::blocking", "std::fs"];
    let hashers =
        folder.contestants.iter().filter(|contestant| wanted.contains(&contestant.profile().name));
    let mut expected = None;
    let mut lanes = Vec::new();
    for contestant in hashers {
        let (_, digests) = contestant.checksum_many(paths)?;
        assert_eq!(*expected.get_or_insert_with(|| digests.clone()), digests);
        assert_eq!(digests.len(), paths.len(), "{} missed something", contestant.profile().name);
        lanes.push(Lane::new(contestant.profile(), move || Ok(contestant.checksum_many(paths)?.0)));
    }
    let rows = interleaved(arena.sizes.rounds, lanes)?;
    let title = format!("sha256 of {} files of 4 KiB, cached", paths.len());
    Ok(Outcome { work, title, unit: Unit::Files(paths.len()), writes: false, rows })
}
