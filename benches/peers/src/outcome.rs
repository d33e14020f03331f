//! The results of a work, as a table and as JSON.

use std::fmt::{self, Display, Formatter};

use serde_json::{Value, json};

use crate::rounds::{Row, quantile};

/// The unit of a cost.
#[derive(Clone, Copy)]
pub enum Unit {
    /// Microseconds for each of this many files.
    Files(usize),
    /// GB/s, for this many bytes.
    Rate(u64),
    /// Milliseconds.
    Time,
    /// MiB.
    Memory,
}

impl Unit {
    pub fn name(self) -> &'static str {
        match self {
            Self::Files(_) => "µs a file",
            Self::Rate(_) => "GB/s",
            Self::Time => "ms",
            Self::Memory => "MiB",
        }
    }

    fn of(self, cost: f64) -> f64 {
        match self {
            Self::Files(count) => cost * 1e6 / count as f64,
            Self::Rate(bytes) => bytes as f64 / cost / 1e9,
            Self::Time => cost * 1e3,
            Self::Memory => cost / f64::from(1 << 20),
        }
    }

    pub fn show(self, cost: f64) -> String {
        match self.of(cost) {
            value if value.is_nan() => "–".to_owned(),
            value if value.abs() >= 100.0 => format!("{value:.0}"),
            value if value.abs() >= 10.0 => format!("{value:.1}"),
            value => format!("{value:.2}"),
        }
    }
}

pub struct Outcome {
    pub work: &'static str,
    pub title: String,
    pub unit: Unit,
    /// Shows how each contestant writes.
    pub writes: bool,
    pub rows: Vec<Row>,
}

impl Outcome {
    pub fn row(&self, name: &str) -> Option<&Row> {
        self.rows.iter().find(|row| row.is(name) && !row.is_missing())
    }

    /// Returns the fastest library besides f9.
    pub fn best_peer(&self) -> Option<&Row> {
        let median = |row: &Row| quantile(row.costs(), 0.5);
        let peers = self.rows.iter().filter(|row| row.is_peer());
        peers.min_by(|a, b| median(a).total_cmp(&median(b)))
    }

    fn line(&self, row: &Row) -> String {
        if row.is_missing() {
            return format!("| {} | not installed | | | | |", row.profile.name);
        }
        let name = match (row.profile.writes, row.count()) {
            (writes, _) if self.writes => format!("{} ({writes})", row.profile.name),
            (_, Some(count)) => format!("{} ({count})", row.profile.name),
            _ => row.profile.name.to_owned(),
        };
        let value = |part| self.unit.show(quantile(row.costs(), part));
        let busy = row.busy().map_or_else(String::new, |busy| self.unit.show(busy));
        let ratio = |ours| match self.row(ours) {
            Some(ours) if !row.is(ours.profile.name) => {
                format!("{:.2}×", ours.times_as_fast_as(row))
            }
            _ => String::new(),
        };
        let (median, mut low, mut high) = (value(0.5), value(0.25), value(0.75));
        if let Unit::Rate(_) = self.unit {
            (low, high) = (high, low);
        }
        let (f9, blocking) = (ratio("f9"), ratio("f9::blocking"));
        format!("| {name} | {median} | {low} – {high} | {busy} | {f9} | {blocking} |")
    }

    pub fn json(&self) -> Value {
        let rows = self.rows.iter().map(|row| {
            let values = row.costs().into_iter().map(|cost| self.unit.of(cost));
            json!({
                "contestant": row.profile.name,
                "writes": row.profile.writes,
                "median": self.unit.of(quantile(row.costs(), 0.5)),
                "count": row.count().map(|count| json!({ count.of.many(): count.number })),
                "busy": row.busy().map(|busy| self.unit.of(busy)),
                "samples": values.collect::<Vec<_>>(),
            })
        });
        json!({
            "work": self.work,
            "title": self.title,
            "unit": self.unit.name(),
            "rows": rows.collect::<Vec<_>>(),
        })
    }
}

/// A table in Markdown.
impl Display for Outcome {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let unit = self.unit.name();
        writeln!(f, "**{}** (`{}`), {unit}\n", self.title, self.work)?;
        writeln!(f, "| | median | quartiles | CPU | f9 is | f9::blocking is |")?;
        writeln!(f, "| --- | --- | --- | --- | --- | --- |")?;
        self.rows.iter().try_for_each(|row| writeln!(f, "{}", self.line(row)))
    }
}
