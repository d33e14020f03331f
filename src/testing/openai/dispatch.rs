//! Runs each call on its endpoint.

use super::call::Call;
use super::response::{ApiError, ApiResult};
use super::routes::Route;
use super::rules::Batches;
use super::state::State;
use super::{batches, files, search, vector_store_files, vector_stores};

/// Runs a call.
pub(super) fn run(state: &mut State, call: &Call) -> ApiResult {
    match call.route {
        Route::Batch if state.rules.batches == Batches::Missing => Err(no_endpoint(call)),
        Route::Upload => files::upload(state, call),
        Route::ListFiles => files::list_files(state, call),
        Route::File => files::file(state, call),
        Route::DeleteFile => files::delete(state, call),
        Route::Content => files::content(state, call),
        Route::CreateStore => vector_stores::create(state, call),
        Route::ListStores => vector_stores::list_stores(state, call),
        Route::Store => vector_stores::store(state, call),
        Route::ModifyStore => vector_stores::modify(state, call),
        Route::DeleteStore => vector_stores::delete(state, call),
        Route::Search => search::search(state, call),
        Route::Attach => vector_store_files::attach(state, call),
        Route::List => vector_store_files::list_attached(state, call),
        Route::Status => vector_store_files::status(state, call),
        Route::Attributes => vector_store_files::update_attributes(state, call),
        Route::Detach => vector_store_files::detach(state, call),
        Route::Text => vector_store_files::text(state, call),
        Route::Batch => batches::create(state, call),
        Route::BatchStatus => batches::status(state, call),
        Route::BatchFiles => batches::files(state, call),
        Route::CancelBatch => batches::cancel(state, call),
        Route::Unknown => Err(no_endpoint(call)),
    }
}

fn no_endpoint(call: &Call) -> ApiError {
    ApiError::not_found(format!("Invalid URL ({} {})", call.method, call.path))
}
