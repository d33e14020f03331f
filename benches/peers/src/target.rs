//! What f9 has set itself to reach, as ratios within one run.

use crate::outcome::Outcome;
use crate::rounds::{Row, quantile};

struct Target {
    work: &'static str,
    ours: &'static str,
    wanted: Wanted,
}

enum Wanted {
    /// This many times as fast as the faster of object_store and OpenDAL.
    TimesBestPeer(f64),
    Times(f64, &'static str),
    /// At most so many times as long as another takes.
    AtMostTimes(f64, &'static str),
    AtMostMebibytes(f64),
    NoProcess,
}

use Wanted::{AtMostMebibytes, AtMostTimes, NoProcess, Times, TimesBestPeer};

const TARGETS: &[Target] = &[
    Target { work: "read-1", ours: "f9::blocking", wanted: AtMostTimes(1.3, "std::fs") },
    Target { work: "read-1", ours: "f9", wanted: TimesBestPeer(6.0) },
    Target { work: "read-64", ours: "f9", wanted: TimesBestPeer(2.0) },
    Target { work: "info-1", ours: "f9", wanted: TimesBestPeer(5.0) },
    Target { work: "info-64", ours: "f9", wanted: TimesBestPeer(2.0) },
    Target { work: "create-1", ours: "f9", wanted: Times(1.1, "object_store") },
    Target { work: "create-64", ours: "f9", wanted: Times(1.1, "object_store") },
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
    Target { work: "git-info", ours: "f9", wanted: NoProcess },
    Target { work: "git-list-first", ours: "f9", wanted: AtMostTimes(1.5, "by hand") },
    Target { work: "git-list", ours: "f9", wanted: NoProcess },
];

impl Target {
    /// The line of the table, if its work has been done and all it names were there.
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
            NoProcess => {
                let found = ours.processes()?;
                ("no process".to_owned(), found.to_string(), found == 0)
            }
        };
        let met = if met { "yes" } else { "**no**" };
        Some(format!("| {} | {} | {wanted} | {found} | {met} |", self.work, self.ours))
    }
}

/// The table of all targets that this run can tell something about.
pub fn table(outcomes: &[Outcome]) -> String {
    let lines: Vec<String> = TARGETS.iter().filter_map(|target| target.line(outcomes)).collect();
    format!(
        "| work | who | target | measured | met? |\n| --- | --- | --- | --- | --- |\n{}\n",
        lines.join("\n")
    )
}
