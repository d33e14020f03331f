//! Names of temporary files whose owner is dead.

use std::process::Command;
use std::thread;
use std::time::Duration;

use f9::prelude::*;
use f9::{Durability, LocalFileBackend};

/// Returns names of temporary files of a process that has ended. They are those of this process with another process id.
pub(crate) fn names_of_the_dead(count: usize) -> Vec<String> {
    let name = name_if_dead(&thread::spawn(name_of_this_process).join().unwrap());
    (0..count).map(|number| format!("{name}{number}")).collect()
}

/// Returns the temporary name of this process that it would have if this process had ended.
pub(crate) fn name_if_dead(name: &str) -> String {
    let mut child = Command::new("true").spawn().unwrap();
    child.wait().unwrap();
    let this = format!("-{:x}-", std::process::id());
    assert!(name.contains(&this), "{name}");
    name.replace(&this, &format!("-{:x}-", child.id()))
}

#[tokio::main(flavor = "current_thread")]
async fn name_of_this_process() -> String {
    let dir = tempfile::tempdir().unwrap();
    let builder = LocalFileBackend::builder(dir.path()).durability(Durability::Synced);
    let backend = builder.open().await.unwrap();
    let writing = tokio::spawn(async move {
        let source = futures::stream::pending::<f9::Result<bytes::Bytes>>();
        backend.stream_write("a", source).await
    });
    loop {
        if let Some(entry) = std::fs::read_dir(dir.path()).unwrap().next() {
            writing.abort();
            return entry.unwrap().file_name().into_string().unwrap();
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}
