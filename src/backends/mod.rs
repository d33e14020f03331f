//! One folder for each kind of store. They never import each other.

#[cfg(feature = "git")]
pub(crate) mod git;
pub(crate) mod local;
pub(crate) mod memory;
#[cfg(feature = "object-store")]
pub(crate) mod object;
#[cfg(feature = "openai")]
pub(crate) mod openai;
