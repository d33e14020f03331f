//! Files in a working tree of git.

mod names;
