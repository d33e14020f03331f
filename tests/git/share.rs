//! How much a run tries of what is proved by many random cases.
//!
//! A plain run, CI's too, tries a part of the cases, from a new seed that it prints. A variable of the environment asks for more: a number
//! of cases, or `all`. With `F9_SEED` set to what a run has printed, the same cases come again.

/// How many cases this run tries: `part`, if the variable does not say otherwise; `all` is how many are a full proof.
pub(crate) fn cases(variable: &str, part: usize, all: usize) -> usize {
    match std::env::var(variable) {
        Err(_) => part,
        Ok(number) if number == "all" => all,
        Ok(number) => number.parse().unwrap(),
    }
}
