//! The tour of the verbs without async: `cargo run --example blocking_tour`.

#![allow(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "an example shows what it does, and asserts what must fail"
)]

use std::io::{self, BufRead as _, Read as _};

use f9::blocking::LocalFileBackend;
use f9::{
    ChecksumAlgorithm, CreateOptions, DeleteOptions, ErrorKind, ListOptions, ReadOptions,
    UpdateOptions,
};

fn main() -> f9::Result<()> {
    let dir = tempfile::tempdir()?;
    let notes = LocalFileBackend::new(dir.path().join("notes"))?;
    write_and_read(&notes)?;
    change_only_what_was_seen(&notes)?;
    stream(&notes)?;
    find(&notes)?;
    check_and_move(&notes)?;
    take_turns(&notes)?;
    clean_up(&notes)
}

fn write_and_read(notes: &LocalFileBackend) -> f9::Result<()> {
    // The directory `2026` is created too.
    notes.create("2026/plan.md", "# Plan\n")?;
    let taken = notes.create("2026/plan.md", "# Another\n").unwrap_err();
    assert_eq!(taken.kind(), ErrorKind::AlreadyExists);
    println!("{taken}");

    notes.update_with("2026/plan.md", "- ship\n", UpdateOptions::append())?;
    assert_eq!(notes.read_text("2026/plan.md")?, "# Plan\n- ship\n");
    assert_eq!(notes.read_with("2026/plan.md", ReadOptions::range(7..))?, "- ship\n");
    println!("2026/plan.md has {:?} bytes", notes.info("2026/plan.md")?.size);
    Ok(())
}

fn change_only_what_was_seen(notes: &LocalFileBackend) -> f9::Result<()> {
    notes.create("counter", "1")?;
    let seen = notes.info("counter")?.etag.ok_or(ErrorKind::Unsupported)?;
    notes.update("counter", "7")?; // somebody else
    let late = notes.update_with("counter", "2", UpdateOptions::if_match(seen));
    let late = late.unwrap_err();
    assert_eq!(late.kind(), ErrorKind::PreconditionFailed);
    assert_eq!(notes.read("counter")?, "7");
    println!("{late}");
    Ok(())
}

fn stream(notes: &LocalFileBackend) -> f9::Result<()> {
    // Any `Read` is a source, and any `Write` is a target. The whole file is never in memory.
    let info = notes.create_from_reader("big.bin", io::repeat(b'x').take(1_000_000))?;
    assert_eq!(info.size, Some(1_000_000));
    assert_eq!(notes.read_to_writer("big.bin", io::sink())?, 1_000_000);

    // A stream is an iterator of chunks, and also a reader with lines.
    notes.stream_write("big copy.bin", notes.stream_read("big.bin")?)?;
    let mut bytes = 0;
    for chunk in notes.stream_read("big copy.bin")? {
        bytes += chunk?.len();
    }
    assert_eq!(bytes, 1_000_000);
    let lines: Vec<String> =
        notes.stream_read("2026/plan.md")?.lines().collect::<Result<_, _>>()?;
    assert_eq!(lines, ["# Plan", "- ship"]);
    println!("{}", lines.join(" | "));
    Ok(())
}

fn find(notes: &LocalFileBackend) -> f9::Result<()> {
    let mut names = Vec::new();
    for entry in notes.list_with("", ListOptions::recursive())? {
        names.push(entry?.path.to_string());
    }
    assert_eq!(names, ["2026", "2026/plan.md", "big copy.bin", "big.bin", "counter"]);
    assert_eq!(notes.glob("**/*.{md,txt}")?, ["2026/plan.md"]);
    assert_eq!(notes.glob_dirs("*")?, ["2026"]);
    println!("{}", names.join(", "));
    Ok(())
}

fn check_and_move(notes: &LocalFileBackend) -> f9::Result<()> {
    let checksum = notes.checksum("big.bin", ChecksumAlgorithm::Blake3)?;
    notes.copy("big.bin", "2026/big.bin")?;
    notes.verify("2026/big.bin", &checksum.to_string())?;
    notes.rename("2026", "archive/2026")?;
    assert!(notes.exists("archive/2026/big.bin")?);
    assert!(!notes.exists("2026")?);
    println!("{checksum}  archive/2026/big.bin");
    Ok(())
}

fn take_turns(notes: &LocalFileBackend) -> f9::Result<()> {
    // Sessions are exclusive, also among processes on the same directory.
    let session = notes.sync_session()?;
    let count: u64 = notes.read_text("counter")?.parse().unwrap_or(0);
    let next = (count + 1).to_string();
    notes.create_with("counter", next, CreateOptions::overwrite())?;
    session.finish()?;
    assert_eq!(notes.read("counter")?, "8");
    println!("counted to 8");
    Ok(())
}

fn clean_up(notes: &LocalFileBackend) -> f9::Result<()> {
    let full = notes.delete("archive").unwrap_err();
    assert_eq!(full.kind(), ErrorKind::DirectoryNotEmpty);
    notes.delete_with("archive", DeleteOptions::recursive())?;
    for path in ["big.bin", "big copy.bin", "counter"] {
        notes.delete(path)?;
    }
    assert!(notes.glob("**")?.is_empty());
    println!("nothing left");
    Ok(())
}
