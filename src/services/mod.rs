//! Services that use only the contract and so work with every backend.

pub mod compat;
pub(crate) mod uri;
pub mod vault;
