//! A file system where a copy shares the blocks of the original.

use std::fs::{self, File};
use std::path::Path;
use std::process::Command;

use f9::prelude::*;
use f9::{LocalFileBackend, Result, UpdateOptions};
use futures::executor::block_on;

use crate::machine::{self, Mount};

const TEST: &str = "an_append_to_a_copy_with_shared_blocks_leaves_the_original";

#[test]
fn an_append_to_a_copy_with_shared_blocks_leaves_the_original() {
    let dir = tempfile::tempdir().unwrap();
    let (image, disk) = (dir.path().join("image"), dir.path().join("disk"));
    // The smallest size that mkfs.xfs accepts. The image is sparse.
    File::create(&image).unwrap().set_len(320 << 20).unwrap();
    fs::create_dir(&disk).unwrap();
    let status = Command::new("mkfs.xfs").args(["-q", "-m", "reflink=1"]).arg(&image).status();
    if !status.is_ok_and(|status| status.success()) {
        return machine::not_run(TEST, "it needs mkfs.xfs");
    }
    let mounted = match Mount::new(&["-o", "loop", image.to_str().unwrap()], &disk) {
        Ok(mounted) => mounted,
        Err(reason) => return machine::not_run(TEST, &reason.to_string()),
    };
    fs::write(disk.join("one"), "one").unwrap();
    let (one, two) = (File::open(disk.join("one")), File::create(disk.join("two")));
    rustix::fs::ioctl_ficlone(two.unwrap(), one.unwrap())
        .expect("the file system supports shared blocks");

    block_on(append(&disk.join("store"))).unwrap();
    drop(mounted);
}

async fn append(root: &Path) -> Result<()> {
    let store = LocalFileBackend::new(root).await?;
    // The length is not a multiple of the block size.
    let old = "old".repeat(10_000);
    store.create("old", old.clone()).await?;
    store.copy("old", "copy").await?;
    store.update_with("copy", "more", UpdateOptions::append()).await?;
    store.update_with("copy", "and more", UpdateOptions::append()).await?;
    assert_eq!(store.read_text("copy").await?, format!("{old}moreand more"));
    assert_eq!(store.read_text("old").await?, old);
    Ok(())
}
