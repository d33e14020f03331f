//! What came out, for people and for programs.

use serde_json::{Value, json};

use crate::rounds::{Outcome, Unit, quantile};

impl Unit {
    pub fn name(self) -> &'static str {
        match self {
            Self::Files(_) => "µs a file",
            Self::Bytes(_) => "GB/s",
            Self::Seconds => "ms",
            Self::Memory => "MiB",
        }
    }

    /// A sample in this unit.
    pub fn of(self, sample: f64) -> f64 {
        match self {
            Self::Files(count) => sample * 1e6 / count as f64,
            Self::Bytes(size) => size as f64 / sample / 1e9,
            Self::Seconds => sample * 1e3,
            Self::Memory => sample / (1 << 20) as f64,
        }
    }
}

/// The table of one work, in Markdown. The ratios tell how many times as fast f9 is.
pub fn print(outcome: &Outcome) {
    let unit = outcome.unit;
    println!("\n**{}** ({})\n", outcome.title, unit.name());
    println!("| contestant | {} | quartiles | f9 is | f9::blocking is |", unit.name());
    println!("| --- | --- | --- | --- | --- |");
    for row in &outcome.rows {
        let name = match row.profile.writes {
            how if outcome.writes => format!("{} ({how})", row.profile.name),
            _ => row.profile.name.to_owned(),
        };
        let value = |part| number(unit.of(quantile(&row.samples, part)));
        let ratio = |ours| match outcome.row(ours) {
            Some(ours) if ours.profile.name != row.profile.name => {
                format!("{:.2}×", ours.times_as_fast_as(row))
            }
            _ => String::new(),
        };
        println!(
            "| {name} | {} | {}–{} | {} | {} |",
            value(0.5),
            value(0.25),
            value(0.75),
            ratio("f9"),
            ratio("f9::blocking"),
        );
    }
}

/// Three digits that count.
pub fn number(value: f64) -> String {
    match value {
        value if value >= 100.0 => format!("{value:.0}"),
        value if value >= 10.0 => format!("{value:.1}"),
        value => format!("{value:.2}"),
    }
}

pub fn json(outcome: &Outcome) -> Value {
    let rows = outcome.rows.iter().map(|row| {
        json!({
            "contestant": row.profile.name,
            "writes": row.profile.writes,
            "median": outcome.unit.of(row.median()),
            "samples": row.samples.iter().map(|sample| outcome.unit.of(*sample)).collect::<Vec<_>>(),
        })
    });
    json!({
        "work": outcome.work,
        "title": outcome.title,
        "unit": outcome.unit.name(),
        "rows": rows.collect::<Vec<_>>(),
    })
}
