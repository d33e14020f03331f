//! Two people write notes into one git repository, and both change the same line.
//!
//! ```sh
//! git init --bare --initial-branch=main notes.git
//! cargo run --example git_notes -- notes.git
//! ```
//!
//! Without an argument it creates a repository. With the same repository, a second run continues from there.

#![allow(clippy::print_stdout, reason = "an example shows what it does")]

use std::path::PathBuf;
use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};

use f9::prelude::*;
use f9::{CreateOptions, ErrorKind, GitConfig, GitSyncFileBackend};

#[tokio::main]
async fn main() -> f9::Result<()> {
    let dir = tempfile::tempdir()?;
    let remote = match std::env::args_os().nth(1) {
        Some(remote) => PathBuf::from(remote),
        None => {
            let made = dir.path().join("notes.git");
            Command::new("git").args(["init", "--quiet", "--bare"]).arg(&made).status()?;
            made
        }
    };
    let remote = remote.to_string_lossy();
    let anna = GitSyncFileBackend::open(GitConfig::new(&*remote, dir.path().join("anna"))).await?;
    let run = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let first = format!("# Plan of {run}\n");
    anna.create_with("plan.md", first, CreateOptions::overwrite()).await?;
    anna.push("Plan").await?;

    let ben = GitSyncFileBackend::open(GitConfig::new(&*remote, dir.path().join("ben"))).await?;
    ben.update("plan.md", format!("# Ben's plan of {run}\n")).await?;
    ben.push("Make it mine").await?;

    anna.update("plan.md", format!("# Anna's plan of {run}\n")).await?;
    match anna.pull().await {
        Err(error) if error.kind() == ErrorKind::Conflict => println!("{error}"),
        other => return other.map(drop),
    }
    for conflict in anna.conflict_report().await? {
        println!("{} {}", conflict.status.code(), conflict.path);
        anna.conflict_resolve(&conflict.path, format!("# Our plan of {run}\n").into()).await?;
    }
    anna.sync("Settle on one plan").await?;

    ben.pull().await?;
    print!("{}", ben.read_text("plan.md").await?);
    for revision in ben.log("plan.md", Some(4)).await? {
        println!("{:.7} {}", revision.id, revision.message.trim_end());
    }
    Ok(())
}
