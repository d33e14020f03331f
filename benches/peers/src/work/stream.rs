//! One large file, in pieces.

use std::fs;

use crate::Result;
use crate::arena::Arena;
use crate::content::{Pieces, Sink};
use crate::contestants::Role;
use crate::rounds::{Lane, Outcome, Unit, interleaved};

fn digest_of(pieces: Pieces) -> Option<blake3::Hash> {
    let mut expected = Sink::digesting();
    pieces.for_each(|piece| expected.take(&piece));
    expected.digest()
}

pub fn read(arena: &Arena, work: &'static str) -> Result<Outcome> {
    let folder = arena.folder(work)?;
    let size = arena.sizes.stream_bytes;
    folder.make_large("large.bin", size)?;
    let expected = digest_of(Pieces::of(size));
    let readers = folder.contestants.iter().filter(|who| who.profile().role != Role::Writer);
    let lanes = readers.map(|who| {
        let name = who.profile().name;
        let (_, seen) = who.stream_read("large.bin", Sink::digesting())?;
        assert_eq!(seen.digest(), expected, "{name} gave another content");
        let run = Box::new(move || {
            let (took, seen) = who.stream_read("large.bin", Sink::default())?;
            assert_eq!(seen.bytes, size, "{name} gave another number of bytes");
            Ok(took.as_secs_f64())
        });
        Ok(Lane { profile: who.profile(), run })
    });
    let rows = interleaved(arena.sizes.rounds, lanes.collect::<Result<_>>()?)?;
    let title = format!("stream read {} MiB, cached", size >> 20);
    Ok(Outcome { work, title, unit: Unit::Bytes(size), writes: false, rows })
}

pub fn write(arena: &Arena, work: &'static str) -> Result<Outcome> {
    let folder = arena.folder(work)?;
    let pieces = Pieces::of(arena.sizes.stream_bytes);
    let expected = digest_of(pieces.clone());
    let (folder_ref, pieces_ref) = (&folder, &pieces);
    let lanes = folder.contestants.iter().map(|who| {
        let mut turn = 0;
        let run = Box::new(move || {
            let path = format!("{turn}.bin");
            let took = who.stream_write(&path, pieces_ref)?;
            let written = folder_ref.root.join(path);
            if turn == 0 {
                let digest = blake3::Hasher::new().update_mmap(&written)?.finalize();
                assert_eq!(Some(digest), expected, "{} wrote another content", who.profile().name);
            }
            fs::remove_file(written)?;
            folder_ref.settle()?;
            turn += 1;
            Ok(took.as_secs_f64())
        });
        Lane { profile: who.profile(), run }
    });
    let rows = interleaved(arena.sizes.rounds, lanes.collect())?;
    let title = format!("stream write {} MiB", pieces.size() >> 20);
    Ok(Outcome { work, title, unit: Unit::Bytes(pieces.size()), writes: true, rows })
}
