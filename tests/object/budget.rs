//! The requests that each verb takes.

use f9::prelude::*;
use f9::testing::s3::Operation::{
    CompleteMultipartUpload, CopyObject, CreateMultipartUpload, DeleteObject, DeleteObjects,
    GetObject, HeadObject, ListObjectsV2, PutObject, UploadPart, UploadPartCopy,
};
use f9::{
    ChecksumAlgorithm, CopyOptions, DeleteOptions, ListOptions, ReadOptions, UpdateOptions,
    WriteOptions,
};
use futures::TryStreamExt as _;

use super::fixture::{PART, Scene, content};

#[tokio::test]
async fn each_verb_takes_as_few_requests_as_it_can() {
    let scene = Scene::new();
    let files = scene.open().await;
    // The first write looks at the directory, and at its parents, none of which exists.
    files.create("dir/a", "one").await.unwrap();
    assert_eq!(scene.operations(), [ListObjectsV2, HeadObject, PutObject]);
    // From then on a write is one request.
    files.create("dir/b", "two").await.unwrap();
    files.write("dir/c", "three").await.unwrap();
    let etag = files.write("dir/c", "3").await.unwrap().etag.unwrap();
    files.write_with("dir/c", "drei", WriteOptions::if_match(etag)).await.unwrap();
    assert_eq!(scene.operations(), [PutObject; 4]);
    files.update("dir/a", "eins").await.unwrap();
    assert_eq!(scene.operations(), [HeadObject, PutObject]);
    files.update_with("dir/a", "!", UpdateOptions::append()).await.unwrap();
    assert_eq!(scene.operations(), [HeadObject, GetObject, PutObject]);
    assert_eq!(files.read("dir/a").await.unwrap(), "eins!");
    files.read_with("dir/a", ReadOptions::range(1..3)).await.unwrap();
    assert_eq!(scene.operations(), [GetObject; 2]);
    files.info("dir/a").await.unwrap();
    files.checksum("dir/a", ChecksumAlgorithm::Sha256).await.unwrap();
    assert_eq!(scene.operations(), [HeadObject; 2]);
    files.info("dir").await.unwrap();
    assert_eq!(scene.operations(), [HeadObject, ListObjectsV2]);
    files.copy("dir/a", "dir/d").await.unwrap();
    files.copy_with("dir/a", "dir/d", CopyOptions::overwrite()).await.unwrap();
    assert_eq!(scene.operations(), [HeadObject, CopyObject, HeadObject, CopyObject]);
    files.rename("dir/d", "dir/e").await.unwrap();
    assert_eq!(scene.operations(), [HeadObject, CopyObject, DeleteObject]);
    files.delete("dir/e").await.unwrap();
    assert_eq!(scene.operations(), [HeadObject, DeleteObject]);
    files.list("dir").await.unwrap().try_collect::<Vec<_>>().await.unwrap();
    assert_eq!(scene.operations(), [ListObjectsV2]);
}

#[tokio::test]
async fn large_files_are_sent_and_received_in_parts() {
    let scene = Scene::new();
    let files = scene.open().await;
    let large = content(2 * PART + 1);
    files.write("small", "").await.unwrap();
    scene.operations();
    let chunks = large.chunks(100_000).map(bytes::Bytes::copy_from_slice);
    let chunks: Vec<_> = chunks.collect();
    files.stream_write("large", futures::stream::iter(chunks)).await.unwrap();
    let mut operations = scene.operations();
    operations.retain(|operation| *operation != UploadPart);
    assert_eq!(operations, [CreateMultipartUpload, CompleteMultipartUpload]);
    assert_eq!(files.read("large").await.unwrap(), large);
    assert_eq!(scene.operations(), [GetObject; 3]);
    files.update_with("large", "+", UpdateOptions::append()).await.unwrap();
    let operations = scene.operations();
    assert!(!operations.contains(&GetObject), "{operations:?}");
    assert!(operations.contains(&UploadPartCopy), "{operations:?}");
    assert_eq!(files.read("large").await.unwrap(), [&large[..], b"+"].concat());
}

#[tokio::test]
async fn a_directory_is_deleted_in_requests_of_a_thousand_keys() {
    let scene = Scene::new();
    for number in 0..2_500 {
        scene.s3.put(&format!("dir/{number}"), "x");
    }
    scene.s3.put("dirt", "stays");
    scene.s3.put("dir-2", "stays");
    let files = scene.open().await;
    files.delete_with("dir", DeleteOptions::recursive()).await.unwrap();
    let operations = scene.operations();
    assert_eq!(operations.iter().filter(|operation| **operation == DeleteObjects).count(), 3);
    assert_eq!(operations.len(), 8, "{operations:?}");
    assert_eq!(scene.keys(), ["dir-2", "dirt"]);
}

#[tokio::test]
async fn a_listing_asks_for_no_more_than_its_limit() {
    let scene = Scene::new();
    for number in 0..3_000 {
        scene.s3.put(&format!("{number:04}"), "x");
    }
    let files = scene.open().await;
    let some = ListOptions::default().with_limit(3).with_start_after("0999");
    let listed = files.list_with("", some).await.unwrap();
    let listed: Vec<_> = listed.map_ok(|info| info.path).try_collect().await.unwrap();
    assert_eq!(listed, ["1000", "1001", "1002"]);
    let requests = scene.s3.take_requests();
    assert_eq!(requests.len(), 1);
    assert!(requests[0].query.contains("max-keys=4"), "{}", requests[0].query);
    let all = files.list("").await.unwrap().try_collect::<Vec<_>>().await.unwrap();
    assert_eq!(all.len(), 3_000);
    assert_eq!(scene.operations(), [ListObjectsV2; 3]);
}
