//! The progress that git prints while it transfers objects.
//!
//! With `--progress`, git prints lines such as `Receiving objects:  45% (9/20), 1.20 MiB | 2.00 MiB/s` to its standard error. A carriage
//! return ends a line that the next one replaces. They are removed before the output is searched for the reason of a failure.

use std::sync::{Mutex, PoisonError};

use bytes::BytesMut;
use tokio::io::{AsyncRead, AsyncReadExt as _};

use crate::core::error::Result;
use crate::core::progress::{Progress, ProgressReporter};

/// The titles of the lines about objects that are transferred.
const TRANSFERS: [&str; 3] = ["Receiving objects:", "Unpacking objects:", "Writing objects:"];

/// The beginnings of the other lines of progress.
const OTHERS: [&str; 8] = [
    "Enumerating objects:",
    "Counting objects:",
    "Compressing objects:",
    "Resolving deltas:",
    "Checking connectivity:",
    "Updating files:",
    "Delta compression using up to ",
    "Total ",
];

/// Reports the progress of one or several commands that belong together.
pub(in crate::backends::git) struct Meter {
    reporter: ProgressReporter,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// The sum of the commands that have ended.
    ended: Transfer,
    /// The state of the command that is running.
    running: Transfer,
}

/// How far a transfer has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::backends::git) struct Transfer {
    pub(in crate::backends::git) objects: u64,
    total_objects: u64,
    pub(in crate::backends::git) bytes: u64,
}

impl Meter {
    pub(in crate::backends::git) fn new(reporter: ProgressReporter) -> Self {
        Self { reporter, state: Mutex::default() }
    }

    /// Returns what was transferred so far.
    pub(in crate::backends::git) fn total(&self) -> Transfer {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.ended.plus(state.running)
    }

    /// Takes a line of the command that is running.
    fn take(&self, transfer: Transfer) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.running = state.running.max(transfer);
        let total = state.ended.plus(state.running);
        drop(state);
        let mut progress = Progress::default();
        (progress.bytes, progress.items) = (total.bytes, total.objects);
        progress.total_items = Some(total.total_objects);
        self.reporter.report(&progress);
    }

    fn end(&self) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.ended = state.ended.plus(state.running);
        state.running = Transfer::default();
    }
}

impl Transfer {
    fn plus(self, other: Self) -> Self {
        Self {
            objects: self.objects.saturating_add(other.objects),
            total_objects: self.total_objects.saturating_add(other.total_objects),
            bytes: self.bytes.saturating_add(other.bytes),
        }
    }

    /// Git rounds the bytes in another unit when they are many, so a later number may be lower.
    fn max(self, other: Self) -> Self {
        Self {
            objects: self.objects.max(other.objects),
            total_objects: self.total_objects.max(other.total_objects),
            bytes: self.bytes.max(other.bytes),
        }
    }
}

/// Reads the standard error of a command to its end. Reports the lines of progress and returns the others.
pub(super) async fn read_progress(
    pipe: Option<impl AsyncRead + Unpin>,
    meter: &Meter,
) -> Result<BytesMut> {
    let (mut others, mut unread) = (BytesMut::new(), BytesMut::new());
    if let Some(mut pipe) = pipe {
        while pipe.read_buf(&mut unread).await? > 0 {
            while let Some(end) = unread.iter().position(|byte| matches!(byte, b'\r' | b'\n')) {
                let line = unread.split_to(end + 1);
                take_line(&line, &mut others, meter);
            }
        }
    }
    take_line(&unread, &mut others, meter);
    meter.end();
    Ok(others)
}

fn take_line(line: &[u8], others: &mut BytesMut, meter: &Meter) {
    let text = String::from_utf8_lossy(line);
    match parse_transfer(&text) {
        Some(transfer) => meter.take(transfer),
        None if is_progress(&text) => {}
        None => others.extend_from_slice(line),
    }
}

/// Returns the numbers of a line about objects that are transferred.
fn parse_transfer(line: &str) -> Option<Transfer> {
    let rest = TRANSFERS.iter().find_map(|title| line.strip_prefix(title))?;
    let (percentage, rest) = rest.split_once("% (")?;
    percentage.trim().parse::<u8>().ok()?;
    let (counts, rest) = rest.split_once(')')?;
    let (objects, total_objects) = counts.split_once('/')?;
    let size = rest.strip_prefix(", ").and_then(|rest| parse_size(rest.split(" | ").next()?));
    Some(Transfer {
        objects: objects.parse().ok()?,
        total_objects: total_objects.parse().ok()?,
        bytes: size.unwrap_or_default(),
    })
}

/// Parses a size such as `1.20 MiB` or `1 byte`.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a size that does not fit becomes the nearest one"
)]
fn parse_size(text: &str) -> Option<u64> {
    let (number, unit) = text.trim_end().trim_end_matches(", done.").split_once(' ')?;
    let scale = match unit {
        "byte" | "bytes" => 1.0,
        "KiB" => 1024.0,
        "MiB" => 1024.0 * 1024.0,
        "GiB" => 1024.0 * 1024.0 * 1024.0,
        _ => return None,
    };
    let number: f64 = number.parse().ok()?;
    Some((number * scale) as u64)
}

/// Reports whether a line is about progress, here or, after `remote: `, at the remote.
fn is_progress(line: &str) -> bool {
    let line = line.strip_prefix("remote: ").unwrap_or(line);
    let Some(rest) = OTHERS.iter().find_map(|title| line.strip_prefix(title)) else {
        return false;
    };
    rest.trim_start().starts_with(|c: char| c.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn transfer(objects: u64, total_objects: u64, bytes: u64) -> Option<Transfer> {
        Some(Transfer { objects, total_objects, bytes })
    }

    #[test]
    fn lines_about_a_transfer_are_parsed() {
        for (line, expected) in [
            ("Receiving objects:   0% (1/203)\r", transfer(1, 203, 0)),
            ("Receiving objects:  45% (9/20), 1.25 MiB | 2.40 MiB/s\r", transfer(9, 20, 1_310_720)),
            (
                "Receiving objects: 100% (20/20), 2.50 KiB | 1.00 MiB/s, done.\n",
                transfer(20, 20, 2560),
            ),
            ("Receiving objects: 100% (20/20), 2.50 KiB, done.\n", transfer(20, 20, 2560)),
            (
                "Unpacking objects: 100% (3/3), 260 bytes | 260.00 KiB/s, done.\n",
                transfer(3, 3, 260),
            ),
            ("Writing objects:  50% (1/2), 1 byte | 1 byte/s\r", transfer(1, 2, 1)),
            ("Writing objects: 100% (2/2), 3.00 GiB | 9 MiB/s, done.", transfer(2, 2, 3 << 30)),
            ("Writing objects: 100% (2/2), 3 parsecs | x", transfer(2, 2, 0)),
            ("Writing objects: 100% (2/", None),
            ("Writing objects: many% (2/3)", None),
            ("Writing objects: 100% (two/3)", None),
            ("remote: Writing objects: 100% (2/2)", None),
            ("fatal: Writing objects: 100% (2/2)", None),
            ("", None),
        ] {
            assert_eq!(parse_transfer(line), expected, "{line:?}");
        }
    }

    #[test]
    fn other_lines_of_progress_are_recognized() {
        for line in [
            "Enumerating objects: 5, done.\n",
            "Counting objects:  20% (1/5)\r",
            "remote: Counting objects: 100% (5/5), done.        \n",
            "remote: Compressing objects: 100% (3/3), done.\n",
            "remote: Total 20 (delta 0), reused 0 (delta 0), pack-reused 0 (from 0)\n",
            "Total 3 (delta 0), reused 0 (delta 0), pack-reused 0\n",
            "Delta compression using up to 2 threads\n",
            "remote: Resolving deltas: 100% (2/2), done.\n",
            "Resolving deltas:   0% (0/2)\r",
        ] {
            assert!(is_progress(line), "{line:?}");
        }
        for line in [
            "remote: error: Counting objects: 1",
            "fatal: the remote end hung up unexpectedly",
            "Counting objects: none",
            "Total loss",
            "remote: Total loss",
            " ! [rejected] main -> main (fetch first)",
            "",
        ] {
            assert!(!is_progress(line), "{line:?}");
        }
    }

    #[tokio::test]
    async fn progress_is_reported_and_removed_and_never_decreases() {
        let (reporter, _reports) = ProgressReporter::channel();
        let meter = Meter::new(reporter);
        let printed = "remote: Enumerating objects: 4, done.\nReceiving objects:  50% (2/4), 1.00 KiB | 1 KiB/s\r\
                       Receiving objects: 100% (4/4), 1000 bytes | 1 KiB/s, done.\nfatal: early EOF\nlast";
        for _ in 0..2 {
            let others = read_progress(Some(printed.as_bytes()), &meter).await.unwrap();
            assert_eq!(others, "fatal: early EOF\nlast");
        }
        assert_eq!(Some(meter.total()), transfer(8, 8, 2048));
    }
}
