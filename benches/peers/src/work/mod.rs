//! What is to be done.

use crate::Result;
use crate::arena::Arena;
use crate::rounds::Outcome;

mod small;
mod stream;

/// A work and how it is done.
pub struct Work {
    pub name: &'static str,
    pub run: fn(&Arena, &'static str) -> Result<Outcome>,
}

pub const ALL: &[Work] = &[
    Work { name: "read-1", run: |arena, name| small::read(arena, name, 1) },
    Work { name: "read-64", run: |arena, name| small::read(arena, name, 64) },
    Work { name: "info-1", run: |arena, name| small::info(arena, name, 1) },
    Work { name: "info-64", run: |arena, name| small::info(arena, name, 64) },
    Work { name: "create-1", run: |arena, name| small::create(arena, name, 1) },
    Work { name: "create-64", run: |arena, name| small::create(arena, name, 64) },
    Work { name: "stream-read", run: stream::read },
    Work { name: "stream-write", run: stream::write },
];
