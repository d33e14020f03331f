//! One folder for each kind of store. They never import each other.

#[cfg(feature = "git")]
#[cfg_attr(not(test), expect(dead_code, reason = "the backend is to come"))]
pub(crate) mod git;
pub(crate) mod local;
pub(crate) mod memory;
