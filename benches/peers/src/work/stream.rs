//! One large file, in pieces.

use std::fs;

use crate::Result;
use crate::arena::Arena;
use crate::content::{Algorithm, Pieces, Sink};
use crate::contestants::Role;
use crate::outcome::{Outcome, Unit};
use crate::rounds::{Lane, interleaved};

pub fn read(arena: &Arena, work: &'static str) -> Result<Outcome> {
    let folder = arena.folder(work)?;
    let pieces = Pieces::of(arena.sizes.stream_bytes);
    let (size, digest) = (pieces.size(), pieces.digest(Algorithm::Blake3));
    folder.write_large("large.bin", pieces)?;
    let mut lanes = Vec::new();
    for contestant in
        folder.contestants.iter().filter(|contestant| contestant.profile().role != Role::Writer)
    {
        let name = contestant.profile().name;
        let (_, seen) = contestant.stream_read("large.bin", Sink::hashing(Algorithm::Blake3))?;
        assert_eq!(seen.into_hex(), digest, "{name} read another content");
        lanes.push(Lane::new(contestant.profile(), move || {
            let (took, seen) = contestant.stream_read("large.bin", Sink::Count(0))?;
            assert!(matches!(seen, Sink::Count(bytes) if bytes == size), "{name} skipped a part");
            Ok(took)
        }));
    }
    let rows = interleaved(arena.sizes.rounds, lanes)?;
    let title = format!("stream read {} MiB, cached", size >> 20);
    Ok(Outcome { work, title, unit: Unit::Rate(size), writes: false, rows })
}

pub fn write(arena: &Arena, work: &'static str) -> Result<Outcome> {
    let folder = arena.folder(work)?;
    let pieces = Pieces::of(arena.sizes.stream_bytes);
    let digest = pieces.digest(Algorithm::Blake3);
    let (folder, pieces, digest) = (&folder, &pieces, &digest);
    let lanes = folder.contestants.iter().map(|contestant| {
        let mut turn = 0;
        Lane::new(contestant.profile(), move || {
            turn += 1;
            let path = format!("{turn}.bin");
            let took = contestant.stream_write(&path, pieces)?;
            let written = folder.root.join(path);
            if turn == 1 {
                let found = blake3::Hasher::new().update_mmap(&written)?.finalize();
                assert!(
                    found.to_hex() == **digest,
                    "{} wrote another content",
                    contestant.profile().name
                );
            }
            fs::remove_file(written)?;
            folder.settle()?;
            Ok(took)
        })
    });
    let rows = interleaved(arena.sizes.rounds, lanes.collect())?;
    let title = format!("stream write {} MiB", pieces.size() >> 20);
    Ok(Outcome { work, title, unit: Unit::Rate(pieces.size()), writes: true, rows })
}
