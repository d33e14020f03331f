//! How much a test tries.

/// Returns `all` if `F9_TORTURE=all` is set, and otherwise `plain`.
pub(crate) fn plain_or_all<T>(plain: T, all: T) -> T {
    if std::env::var_os("F9_TORTURE").is_some_and(|value| value == "all") { all } else { plain }
}
