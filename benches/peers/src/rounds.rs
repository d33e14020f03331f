//! Rounds in which every contestant does the same work, in an order that is shuffled each time: what else the machine does hits
//! them alike, and a ratio is taken within a round.

use crate::Result;
use crate::contestants::{Profile, Role};

/// What a sample counts. Less is better for all of them.
#[derive(Clone, Copy, PartialEq)]
pub enum Unit {
    /// Seconds for so many files.
    Files(usize),
    /// Seconds for so many bytes.
    Bytes(u64),
    Seconds,
    /// Bytes of memory.
    Memory,
}

/// A contestant's part in one work.
pub struct Lane<'a> {
    pub profile: Profile,
    /// Does the work once, and gives what it cost.
    pub run: Box<dyn FnMut() -> Result<f64> + 'a>,
}

/// What came out for one contestant, a sample for each round.
pub struct Row {
    pub profile: Profile,
    pub samples: Vec<f64>,
}

/// What came out of one work.
pub struct Outcome {
    pub work: &'static str,
    pub title: String,
    pub unit: Unit,
    /// Whether the way in which contestants write belongs to the comparison.
    pub writes: bool,
    pub rows: Vec<Row>,
}

/// Runs the lanes, once without measuring and then in `rounds` rounds.
pub fn interleaved(rounds: usize, lanes: Vec<Lane<'_>>) -> Result<Vec<Row>> {
    let mut lanes: Vec<(Lane<'_>, Vec<f64>)> =
        lanes.into_iter().map(|lane| (lane, Vec::new())).collect();
    for (lane, _) in &mut lanes {
        (lane.run)()?;
    }
    let mut order: Vec<usize> = (0..lanes.len()).collect();
    for _ in 0..rounds {
        fastrand::shuffle(&mut order);
        for &turn in &order {
            let (lane, samples) = &mut lanes[turn];
            samples.push((lane.run)()?);
        }
    }
    Ok(lanes.into_iter().map(|(lane, samples)| Row { profile: lane.profile, samples }).collect())
}

pub fn quantile(samples: &[f64], part: f64) -> f64 {
    let mut sorted = samples.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    let place = part * (sorted.len() - 1) as f64;
    let (low, high) = (sorted[place.floor() as usize], sorted[place.ceil() as usize]);
    low + (high - low) * place.fract()
}

pub fn median(samples: &[f64]) -> f64 {
    quantile(samples, 0.5)
}

impl Outcome {
    pub fn row(&self, name: &str) -> Option<&Row> {
        self.rows.iter().find(|row| row.profile.name == name)
    }

    /// The fastest library besides f9.
    pub fn best_peer(&self) -> Option<&Row> {
        let peers = self.rows.iter().filter(|row| row.profile.role == Role::Peer);
        peers.min_by(|a, b| median(&a.samples).total_cmp(&median(&b.samples)))
    }
}

impl Row {
    pub fn median(&self) -> f64 {
        median(&self.samples)
    }

    /// How many times as fast as `other` this one is: the median of the ratios within each round.
    pub fn times_as_fast_as(&self, other: &Self) -> f64 {
        let pairs = self.samples.iter().zip(&other.samples);
        median(&pairs.map(|(ours, theirs)| theirs / ours).collect::<Vec<_>>())
    }
}
