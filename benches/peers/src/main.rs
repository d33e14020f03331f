//! Compares f9 with its peers and with direct calls on the same work, in one run. See `benches/README.md`.

use std::path::PathBuf;
use std::{env, fs};

use serde_json::json;

use arena::{Arena, Sizes};
use work::memory;
use work::openai::index;

mod arena;
mod clock;
mod content;
mod contestants;
mod drive;
mod machine;
mod outcome;
mod rounds;
mod target;
mod work;

type Error = Box<dyn std::error::Error + Send + Sync>;
type Result<T> = std::result::Result<T, Error>;

const USAGE: &str = "arguments: [--dir DIR] [--quick] [--rounds N] [--only NAME]… [--json FILE]";

struct Arguments {
    dir: PathBuf,
    sizes: Sizes,
    /// The prefixes of the names of works to run; empty for all.
    only: Vec<String>,
    json: Option<PathBuf>,
}

impl Arguments {
    fn parse(given: Vec<String>) -> Result<Self> {
        let mut given = given.into_iter();
        let mut parsed =
            Self { dir: env::temp_dir(), sizes: Sizes::FULL, only: Vec::new(), json: None };
        let mut rounds = None;
        while let Some(name) = given.next() {
            let mut value = || given.next().ok_or(format!("{name} needs a value; {USAGE}"));
            match name.as_str() {
                "--dir" => parsed.dir = value()?.into(),
                "--quick" => parsed.sizes = Sizes::QUICK,
                "--rounds" => rounds = Some(value()?.parse()?),
                "--only" => parsed.only.push(value()?),
                "--json" => parsed.json = Some(value()?.into()),
                _ => return Err(USAGE.into()),
            }
        }
        parsed.sizes.rounds = rounds.unwrap_or(parsed.sizes.rounds);
        Ok(parsed)
    }

    fn wants(&self, work: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|only| work.starts_with(only.as_str()))
    }
}

fn main() -> Result<()> {
    let given: Vec<String> = env::args().skip(1).collect();
    match given.split_first().map(|(first, of)| (first.as_str(), of)) {
        Some((memory::CHILD, of)) => return memory::child(of),
        Some((index::CHILD, of)) => return index::child(of),
        _ => {}
    }
    let arguments = Arguments::parse(given)?;
    let machine = machine::describe(&arguments.dir)?;
    println!("{machine}\n");
    let arena = Arena::new(&arguments.dir, arguments.sizes)?;
    let mut outcomes = Vec::new();
    for work in work::ALL.iter().filter(|work| arguments.wants(work.name)) {
        let outcome = (work.run)(&arena, work.name)?;
        println!("{outcome}");
        outcomes.push(outcome);
    }
    println!("{}", target::table(&outcomes));
    if let Some(file) = arguments.json {
        let outcomes: Vec<_> = outcomes.iter().map(outcome::Outcome::json).collect();
        let all = json!({ "machine": machine, "outcomes": outcomes });
        fs::write(file, serde_json::to_string_pretty(&all)?)?;
    }
    Ok(())
}
