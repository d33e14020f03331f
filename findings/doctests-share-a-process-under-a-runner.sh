#!/usr/bin/env bash
# rustdoc 1.95.0, edition 2024, merges documentation tests into one binary and runs each test in its own process. If cargo has a runner for the
# target, even one that does nothing (`env`), all tests run in one process instead, on several threads, and share its statics. A test that
# changes a static or ends the process then breaks others, without a warning. The cause: rustdoc passes the path of the binary
# (RUSTDOC_DOCTEST_BIN_PATH) only if it starts the binary itself.
#
# Seen: "2 passed; 0 failed" without a runner, "1 passed; 1 failed" with CARGO_TARGET_<TRIPLE>_RUNNER=env.
# Workaround: a runner that sets RUSTDOC_DOCTEST_BIN_PATH to its first argument.
set -euo pipefail
version=$(rustdoc --version | cut -d' ' -f2)
[ "$version" = 1.95.0 ] || echo "seen with rustdoc 1.95.0, this is $version"
cd "$(mktemp -d)"
trap 'rm -rf "$PWD"' EXIT
mkdir src
cat >Cargo.toml <<'TOML'
[package]
name = "counted"
version = "0.0.0"
edition = "2024"
TOML
cat >src/lib.rs <<'RUST'
/// ```
/// assert_eq!(counted::next(), 0);
/// ```
///
/// ```
/// assert_eq!(counted::next(), 0);
/// ```
pub fn next() -> usize {
    static CALLS: std::sync::atomic::AtomicUsize = std::sync::atomic::AtomicUsize::new(0);
    CALLS.fetch_add(1, std::sync::atomic::Ordering::SeqCst)
}
RUST
result() { cargo test --quiet --doc 2>&1 | grep -o '[0-9]* passed; [0-9]* failed' || true; }
runner=CARGO_TARGET_$(rustc -vV | sed -n 's/^host: //p' | tr 'a-z-' 'A-Z_')_RUNNER
alone=$(result)
under_a_runner=$(export "$runner=env"; result)
printf '#!/bin/sh\nRUSTDOC_DOCTEST_BIN_PATH=$1 exec "$@"\n' >runner
chmod +x runner
with_its_path=$(export "$runner=$PWD/runner"; result)
echo "without a runner: $alone; with one: $under_a_runner; with one that sets the path: $with_its_path"
[ "$alone" = "2 passed; 0 failed" ]
[ "$under_a_runner" = "1 passed; 1 failed" ]
[ "$with_its_path" = "2 passed; 0 failed" ]
