//! Rounds in which every contestant does the same work, in random order. Other load on the machine affects all contestants of a round,
//! and ratios are computed within a round.

use std::fmt::{self, Display, Formatter};

use crate::Result;
use crate::clock::Took;
use crate::contestants::{Profile, Role};

/// The measurement of one run. Less is better.
#[derive(Clone, Copy)]
pub struct Sample {
    pub cost: f64,
    /// The processor time, if it is known.
    pub busy: Option<f64>,
    /// The number of processes or requests, if it is known.
    pub count: Option<Count>,
}

/// A number of processes or requests.
#[derive(Clone, Copy)]
pub struct Count {
    pub number: u64,
    pub of: Counted,
}

#[derive(Clone, Copy)]
pub enum Counted {
    Processes,
    Requests,
}

impl Sample {
    /// Creates a sample with a cost only.
    pub fn of(cost: f64) -> Self {
        Self { cost, busy: None, count: None }
    }

    /// Adds a number of processes or requests.
    pub fn counting(self, number: u64, of: Counted) -> Self {
        Self { count: Some(Count { number, of }), ..self }
    }
}

impl From<Took> for Sample {
    fn from(took: Took) -> Self {
        Self { busy: Some(took.busy), ..Self::of(took.wall) }
    }
}

impl Counted {
    pub fn one(self) -> &'static str {
        match self {
            Self::Processes => "process",
            Self::Requests => "request",
        }
    }

    pub fn many(self) -> &'static str {
        match self {
            Self::Processes => "processes",
            Self::Requests => "requests",
        }
    }
}

impl Display for Count {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let name = if self.number == 1 { self.of.one() } else { self.of.many() };
        write!(f, "{} {name}", self.number)
    }
}

/// One contestant in a work.
pub struct Lane<'a> {
    pub profile: Profile,
    /// Runs the work once.
    pub run: Box<dyn FnMut() -> Result<Sample> + 'a>,
}

impl<'a> Lane<'a> {
    pub fn new<S: Into<Sample>>(profile: Profile, mut run: impl FnMut() -> Result<S> + 'a) -> Self {
        Self { profile, run: Box::new(move || run().map(Into::into)) }
    }
}

/// The samples of one contestant, one for each round; empty if it is not installed.
pub struct Row {
    pub profile: Profile,
    pub samples: Vec<Sample>,
}

/// Runs the lanes once without measuring, and then in `rounds` rounds.
pub fn interleaved(rounds: usize, mut lanes: Vec<Lane<'_>>) -> Result<Vec<Row>> {
    for lane in &mut lanes {
        (lane.run)()?;
    }
    in_rounds(rounds, lanes)
}

/// Runs the lanes in `rounds` rounds without a warm-up, for lanes that start from scratch each time.
pub fn in_rounds(rounds: usize, mut lanes: Vec<Lane<'_>>) -> Result<Vec<Row>> {
    let mut samples = vec![Vec::new(); lanes.len()];
    let mut order: Vec<usize> = (0..lanes.len()).collect();
    for _ in 0..rounds {
        fastrand::shuffle(&mut order);
        for &turn in &order {
            samples[turn].push((lanes[turn].run)()?);
        }
    }
    let rows = lanes.iter().zip(samples);
    Ok(rows.map(|(lane, samples)| Row { profile: lane.profile, samples }).collect())
}

impl Row {
    pub fn missing(name: &'static str) -> Self {
        Self { profile: Profile::bare(name), samples: Vec::new() }
    }

    pub fn is_missing(&self) -> bool {
        self.samples.is_empty()
    }

    pub fn is(&self, name: &str) -> bool {
        self.profile.name == name
    }

    pub fn is_peer(&self) -> bool {
        self.profile.role == Role::Peer
    }

    pub fn costs(&self) -> Vec<f64> {
        self.samples.iter().map(|sample| sample.cost).collect()
    }

    pub fn busy(&self) -> Option<f64> {
        let busy: Option<Vec<f64>> = self.samples.iter().map(|sample| sample.busy).collect();
        busy.map(|busy| quantile(busy, 0.5))
    }

    /// Returns the largest number of a round.
    pub fn count(&self) -> Option<Count> {
        let counts = self.samples.iter().filter_map(|sample| sample.count);
        counts.max_by_key(|count| count.number)
    }

    /// Returns how many times as fast as `other` this one is: the median of the ratios within each round.
    pub fn times_as_fast_as(&self, other: &Self) -> f64 {
        let pairs = self.samples.iter().zip(&other.samples);
        quantile(pairs.map(|(ours, theirs)| theirs.cost / ours.cost).collect(), 0.5)
    }
}

/// Returns the quantile `part` of the samples.
pub fn quantile(mut samples: Vec<f64>, part: f64) -> f64 {
    samples.sort_unstable_by(f64::total_cmp);
    let place = part * samples.len().saturating_sub(1) as f64;
    let at = |place: f64| samples.get(place as usize).copied().unwrap_or(f64::NAN);
    let (low, high) = (at(place.floor()), at(place.ceil()));
    low + (high - low) * place.fract()
}
