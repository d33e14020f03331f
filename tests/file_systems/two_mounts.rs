//! One directory through two mounts, which do not share their locks.

use std::fs;
use std::time::Duration;

use f9::prelude::*;
use f9::{Durability, LocalFileBackend, WriteOptions};

use crate::machine;
use crate::mounts::Mounted;

#[tokio::test]
async fn the_temporary_file_of_another_mount_stays_when_a_root_is_opened() {
    let mounted = match Mounted::bindfs() {
        Ok(mounted) => mounted,
        Err(reason) => {
            let test = "the_temporary_file_of_another_mount_stays_when_a_root_is_opened";
            return machine::not_run(test, &reason.to_string());
        }
    };
    for (written, opened) in
        [(mounted.source(), mounted.root()), (mounted.root(), mounted.source())]
    {
        let builder = LocalFileBackend::builder(&written).durability(Durability::Synced);
        let backend = builder.open().await.unwrap();
        let (go, wait) = tokio::sync::oneshot::channel::<()>();
        let source = futures::stream::once(async {
            wait.await.unwrap();
            Ok::<_, f9::Error>(bytes::Bytes::from("whole"))
        });
        let writing = tokio::spawn(async move {
            backend.stream_write_with("a", Box::pin(source), WriteOptions::overwrite()).await
        });
        let is_temporary = |entry: std::io::Result<fs::DirEntry>| {
            entry.unwrap().file_name().to_string_lossy().starts_with(".f9tmp-")
        };
        while !fs::read_dir(&opened).unwrap().any(is_temporary) {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        for _ in 0..5 {
            LocalFileBackend::new(&opened).await.unwrap();
            assert!(fs::read_dir(&opened).unwrap().any(is_temporary));
        }
        go.send(()).unwrap();
        writing.await.unwrap().unwrap();
        assert_eq!(fs::read(written.join("a")).unwrap(), b"whole");
    }
}
