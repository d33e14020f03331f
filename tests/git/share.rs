//! The number of random cases that a run tries.
//!
//! A plain run, also in CI, tries a part of the cases, with a new seed that it prints. An environment variable sets another number, or
//! `all`. With `F9_SEED` set to a printed seed, a run repeats the same cases.

/// Returns the number of cases that this run tries: `part` unless the variable is set. `all` is the number for a full proof.
pub(crate) fn cases(variable: &str, part: usize, all: usize) -> usize {
    match std::env::var(variable) {
        Err(_) => part,
        Ok(number) if number == "all" => all,
        Ok(number) => number.parse().unwrap(),
    }
}
