//! The performance targets of f9, mostly as ratios within one run.

use crate::outcome::{Outcome, Unit};
use crate::rounds::{Counted, Row, quantile};
use crate::work::bulk;
use crate::work::openai::{self, ORIGINAL};

struct Target {
    work: &'static str,
    ours: &'static str,
    wanted: Wanted,
}

enum Wanted {
    /// This many times as fast as the faster of object_store and OpenDAL.
    TimesBestPeer(f64),
    Times(f64, &'static str),
    /// At most this many times the time of another contestant.
    AtMostTimes(f64, &'static str),
    AtMostMebibytes(f64),
    AtMostMillis(f64),
    NoneOf(Counted),
    /// At most this many requests for each file.
    RequestsEach(f64),
    /// At most this many times the latency of its requests at full concurrency.
    AtMostTimesTheWait(f64),
}

use Counted::{Processes, Requests};
use Wanted::{
    AtMostMebibytes, AtMostMillis, AtMostTimes, AtMostTimesTheWait, NoneOf, RequestsEach, Times,
    TimesBestPeer,
};

const TARGETS: &[Target] = &[
    Target { work: "read-1", ours: "f9::blocking", wanted: AtMostTimes(1.3, "std::fs") },
    Target { work: "read-1", ours: "f9", wanted: TimesBestPeer(6.0) },
    Target { work: "read-64", ours: "f9", wanted: TimesBestPeer(2.0) },
    Target { work: "info-1", ours: "f9", wanted: TimesBestPeer(5.0) },
    Target { work: "info-64", ours: "f9", wanted: TimesBestPeer(2.0) },
    Target { work: "create-1", ours: "f9", wanted: Times(1.1, "object_store") },
    Target { work: "create-64", ours: "f9", wanted: Times(1.1, "object_store") },
    Target { work: "overwrite-1", ours: "f9", wanted: Times(1.2, "object_store") },
    Target { work: "overwrite-64", ours: "f9", wanted: Times(1.2, "object_store") },
    Target { work: "open-1", ours: "f9", wanted: Times(1.0, bulk::READ) },
    Target { work: "open-64", ours: "f9", wanted: Times(1.0, bulk::READ) },
    Target { work: "write-many", ours: "f9", wanted: Times(2.0, "object_store") },
    Target { work: "write-many", ours: "f9", wanted: Times(1.7, bulk::JOINED) },
    Target { work: "write-many-synced", ours: "f9", wanted: Times(2.5, "object_store") },
    Target { work: "delete-many", ours: "f9", wanted: Times(1.5, "object_store") },
    Target { work: "read-ranges", ours: "f9", wanted: Times(2.0, "object_store") },
    Target { work: "read-ranges-cold", ours: "f9", wanted: Times(2.0, "object_store") },
    Target { work: "list-page", ours: "f9", wanted: AtMostTimes(0.15, bulk::WHOLE) },
    Target { work: "stream-read", ours: "f9", wanted: Times(1.2, "OpenDAL") },
    Target { work: "stream-read", ours: "f9", wanted: Times(0.7, "std::fs") },
    Target { work: "stream-write", ours: "f9", wanted: Times(1.0, "object_store") },
    Target { work: "stream-write", ours: "f9", wanted: Times(0.95, "std::fs") },
    Target { work: "sha256", ours: "f9", wanted: Times(0.95, "std::fs") },
    Target { work: "blake3", ours: "f9", wanted: Times(0.85, "memory map + rayon") },
    Target { work: "checksum-many", ours: "f9", wanted: Times(1.6, "std::fs") },
    Target { work: "list", ours: "f9", wanted: Times(2.5, "object_store") },
    Target { work: "glob", ours: "f9", wanted: Times(5.0, "object_store") },
    Target { work: "glob", ours: "f9", wanted: Times(0.7, "fd") },
    Target { work: "memory-read", ours: "f9", wanted: AtMostMebibytes(16.0) },
    Target { work: "memory-write", ours: "f9", wanted: AtMostMebibytes(16.0) },
    Target { work: "git-pull-nothing", ours: "f9", wanted: AtMostTimes(1.3, "by hand") },
    Target { work: "git-pull-forward", ours: "f9", wanted: AtMostTimes(1.3, "by hand") },
    Target { work: "git-pull-merge", ours: "f9", wanted: AtMostTimes(1.3, "by hand") },
    Target { work: "git-push", ours: "f9", wanted: AtMostTimes(1.3, "by hand") },
    Target { work: "git-push-nothing", ours: "f9", wanted: AtMostTimes(1.3, "by hand") },
    Target { work: "git-info-first", ours: "f9", wanted: AtMostTimes(1.5, "by hand") },
    Target { work: "git-info", ours: "f9", wanted: NoneOf(Processes) },
    Target { work: "git-list-first", ours: "f9", wanted: AtMostTimes(1.5, "by hand") },
    Target { work: "git-list", ours: "f9", wanted: NoneOf(Processes) },
    Target { work: "openai-create", ours: "f9", wanted: RequestsEach(2.0) },
    Target { work: "openai-create", ours: "f9", wanted: AtMostTimesTheWait(1.5) },
    Target { work: "openai-create", ours: "f9", wanted: Times(1.0, ORIGINAL) },
    // One upload for each file, and for a hundred files one request to attach them and one to list them.
    Target { work: "openai-create-many", ours: "f9", wanted: RequestsEach(1.02) },
    Target { work: "openai-create-many", ours: "f9", wanted: Times(1.0, ORIGINAL) },
    Target { work: "openai-list", ours: "f9", wanted: RequestsEach(0.01) },
    Target { work: "openai-list", ours: "f9", wanted: Times(1.0, ORIGINAL) },
    Target { work: "openai-read", ours: "f9", wanted: RequestsEach(1.0) },
    Target { work: "openai-read", ours: "f9", wanted: AtMostTimesTheWait(1.5) },
    Target { work: "openai-read", ours: "f9", wanted: Times(1.0, ORIGINAL) },
    Target { work: "openai-glob", ours: openai::CACHED, wanted: NoneOf(Requests) },
    Target { work: "openai-glob", ours: "f9", wanted: Times(1.0, ORIGINAL) },
    Target { work: "openai-delete", ours: "f9", wanted: RequestsEach(2.0) },
    Target { work: "openai-delete", ours: "f9", wanted: AtMostTimesTheWait(1.5) },
    Target { work: "openai-delete", ours: "f9", wanted: Times(1.0, ORIGINAL) },
    Target { work: "openai-index", ours: "f9", wanted: AtMostMebibytes(100.0) },
    Target { work: "openai-index-glob", ours: "f9", wanted: AtMostMillis(50.0) },
];

impl Target {
    /// Returns the line of the table, if the work was run and all its contestants are present.
    fn line(&self, outcomes: &[Outcome]) -> Option<String> {
        let outcome = outcomes.iter().find(|outcome| outcome.work == self.work)?;
        let ours = outcome.row(self.ours)?;
        let times = |other: &Row| ours.times_as_fast_as(other);
        let (wanted, found, met) = match self.wanted {
            TimesBestPeer(wanted) => {
                let peer = outcome.best_peer()?;
                let text = format!("≥ {wanted}× {}, the best peer", peer.profile.name);
                (text, format!("{:.2}×", times(peer)), times(peer) >= wanted)
            }
            Times(wanted, other) => {
                let found = times(outcome.row(other)?);
                (format!("≥ {wanted}× {other}"), format!("{found:.2}×"), found >= wanted)
            }
            AtMostTimes(wanted, other) => {
                let found = 1.0 / times(outcome.row(other)?);
                let text = format!("≤ {wanted}× the time of {other}");
                (text, format!("{found:.2}×"), found <= wanted)
            }
            AtMostMebibytes(wanted) => {
                let found = quantile(ours.costs(), 0.5) / f64::from(1 << 20);
                (format!("≤ {wanted} MiB"), format!("{found:.1} MiB"), found <= wanted)
            }
            AtMostMillis(wanted) => {
                let found = quantile(ours.costs(), 0.5) * 1e3;
                (format!("≤ {wanted} ms"), format!("{found:.1} ms"), found <= wanted)
            }
            NoneOf(of) => {
                let found = ours.count()?.number;
                (format!("no {}", of.one()), found.to_string(), found == 0)
            }
            RequestsEach(wanted) => {
                let Unit::Files(files) = outcome.unit else { return None };
                let (wanted, found) = (wanted * files as f64, ours.count()?.number as f64);
                (format!("≤ {wanted} requests"), found.to_string(), found <= wanted)
            }
            AtMostTimesTheWait(wanted) => {
                let together = ours.count()?.number as f64 / openai::AT_A_TIME as f64;
                let wait = together * openai::LATENCY.as_secs_f64();
                let found = quantile(ours.costs(), 0.5) / wait;
                let text =
                    format!("≤ {wanted}× the wait, {} requests at a time", openai::AT_A_TIME);
                (text, format!("{found:.2}×"), found <= wanted)
            }
        };
        let met = if met { "yes" } else { "**no**" };
        Some(format!("| {} | {} | {wanted} | {found} | {met} |", self.work, self.ours))
    }
}

/// Returns the table of all targets that this run measured.
pub fn table(outcomes: &[Outcome]) -> String {
    let lines: Vec<String> = TARGETS.iter().filter_map(|target| target.line(outcomes)).collect();
    format!(
        "| work | contestant | target | measured | met? |\n| --- | --- | --- | --- | --- |\n{}\n",
        lines.join("\n")
    )
}
