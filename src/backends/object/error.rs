//! What the object backend adds to the errors of its operations.

use crate::core::error::ErrorContext;

pub(super) const CONTEXT: ErrorContext = ErrorContext::of("object store");
