//! Opens backends by URI.
//!
//! [`BackendUri`] parses a URI and never shows its secrets, [`Parameters`] reads its parameters, and [`BackendFactory`] calls the
//! handler of its scheme. Only `factory` and the handlers that it registers import backends.

mod backend_uri;
mod factory;
mod file;
#[cfg(feature = "git")]
mod git;
#[cfg(feature = "object-store")]
mod object;
#[cfg(feature = "openai")]
mod openai;
mod parameters;
mod parse;
mod parts;
mod redact;
mod scp;
#[cfg(test)]
mod tests;

pub use backend_uri::BackendUri;
pub use factory::{BackendFactory, parse_uri, register_backend, resolve_backend};
pub use parameters::Parameters;
