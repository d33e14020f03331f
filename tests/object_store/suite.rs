//! The suite that the crate `object_store` runs on its own stores.

use object_store::integration;

/// Defines a test for each function of the suite, on a local directory and on memory.
macro_rules! suite {
    ($($function:ident($store:ident) $call:expr;)*) => {
        mod local {
            use super::*;
            use crate::stores::Local;

            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $function() {
                    let local = Local::new().await;
                    let $store = &local.store;
                    $call;
                }
            )*
        }

        mod memory {
            use super::*;

            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $function() {
                    let (memory, _) = crate::stores::memory();
                    let $store = &memory;
                    $call;
                }
            )*
        }
    };
}

suite! {
    put_get_delete_list(store) integration::put_get_delete_list(store).await;
    put_get_attributes(store) integration::put_get_attributes(store).await;
    get_opts(store) integration::get_opts(store).await;
    put_opts(store) integration::put_opts(store, true).await;
    stream_get(store) integration::stream_get(store).await;
    list_uses_directories_correctly(store) integration::list_uses_directories_correctly(store).await;
    list_with_delimiter(store) integration::list_with_delimiter(store).await;
    get_nonexistent_object(store) {
        let error = integration::get_nonexistent_object(store, None).await.unwrap_err();
        assert!(matches!(error, object_store::Error::NotFound { .. }), "{error}");
    };
    rename_and_copy(store) integration::rename_and_copy(store).await;
    copy_if_not_exists(store) integration::copy_if_not_exists(store).await;
    copy_rename_nonexistent_object(store) integration::copy_rename_nonexistent_object(store).await;
    multipart_race_condition(store) integration::multipart_race_condition(store, true).await;
    multipart_out_of_order(store) integration::multipart_out_of_order(store).await;
    list_with_offset_exclusivity(store) integration::list_with_offset_exclusivity(store).await;
}

/// Like `LocalFileSystem` of `object_store`, the store needs no runtime.
#[test]
fn the_suite_passes_outside_of_tokio() {
    futures::executor::block_on(async {
        let local = crate::stores::Local::new().await;
        integration::put_get_delete_list(&local.store).await;
        integration::get_opts(&local.store).await;
        integration::multipart_out_of_order(&local.store).await;
    });
}
