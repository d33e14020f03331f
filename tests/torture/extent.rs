//! How much is tried.

/// `all` of something with `F9_TORTURE=all`, else as much as `plain`.
pub(crate) fn extent<T>(plain: T, all: T) -> T {
    if std::env::var_os("F9_TORTURE").is_some_and(|extent| extent == "all") { all } else { plain }
}
