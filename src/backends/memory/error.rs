//! The context that errors of this backend carry.

use crate::core::error::ErrorContext;

pub(super) const CONTEXT: ErrorContext = ErrorContext::of("memory");
