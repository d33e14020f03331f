//! One folder for each kind of store. They never import each other.

pub(crate) mod local;
pub(crate) mod memory;
