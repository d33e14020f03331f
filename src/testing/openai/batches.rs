//! The endpoints of file batches, which attach many files with one call.

use std::collections::HashSet;
use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::attachment::{self, Attachment, check_file_id};
use super::attributes;
use super::call::{Call, Fields, missing_parameter, wrong_type};
use super::records::{Batch, Entry, IndexingOutcome, Store, counts};
use super::response::{ApiError, ApiResult};
use super::rules::{Batches, Rules};
use super::state::State;
use super::vector_store_files::{page, status_filter};

/// The largest number of files in a batch.
const MAX_FILES: usize = 2000;

pub(super) fn create(state: &mut State, call: &Call) -> ApiResult {
    state.active_store(call.id(0))?;
    let rules = Arc::clone(&state.rules);
    let attachments = read_attachments(call.fields()?, &rules)?;
    let mut entries = Vec::new();
    for attachment in attachments {
        entries.push(attachment::new_entry(state, attachment, "file_ids")?);
    }
    let id = state.new_id("vsfb_");
    let created_at = state.now();
    let store = state.active_store_mut(call.id(0))?;
    let file_ids = entries.iter().map(|entry| entry.file_id.clone()).collect();
    let batch = Batch { id: id.clone(), created_at, cancelled: false, file_ids };
    for mut entry in entries.into_iter().filter(|_| rules.batches == Batches::Attached) {
        entry.batch = Some(id.clone());
        store.attach(entry, &rules);
    }
    let mut response = to_json(&batch, store, &rules);
    // The service starts indexing after its response, so the response never shows a result.
    let total = if rules.zero_batch_counts { 0 } else { batch.file_ids.len() };
    response["status"] = json!("in_progress");
    response["file_counts"] = json!({ "in_progress": total, "completed": 0, "failed": 0, "cancelled": 0, "total": total });
    store.batches.insert(batch);
    Ok(response.into())
}

/// Reads `file_ids` with the attributes and the chunking they share, or `files`.
fn read_attachments(mut fields: Fields<'_>, rules: &Rules) -> Result<Vec<Attachment>, ApiError> {
    let file_ids = fields.array("file_ids", MAX_FILES)?;
    let files = fields.array("files", MAX_FILES)?;
    let shared = match fields.value("attributes") {
        Some(value) => attributes::read(value, "attributes", rules)?,
        None => Map::new(),
    };
    let chunking = attachment::read_chunking(&mut fields, rules)?;
    fields.finish()?;
    let attachments: Result<Vec<Attachment>, ApiError> = match (file_ids, files) {
        (Some(_), Some(_)) => {
            return Err(ApiError::invalid("Only one of 'file_ids' and 'files' may be given.")
                .with_param("files")
                .with_code("invalid_value"));
        }
        (None, None) => return Err(missing_parameter("file_ids")),
        (Some(ids), None) => ids
            .iter()
            .map(|id| {
                let file_id =
                    id.as_str().ok_or_else(|| wrong_type("file_ids", "an array of strings", id))?;
                check_file_id("file_ids", file_id)?;
                Ok(Attachment { file_id: file_id.to_owned(), attributes: shared.clone(), chunking })
            })
            .collect(),
        (None, Some(files)) => files
            .iter()
            .enumerate()
            .map(|(at, file)| Attachment::read(Fields::of(file, &format!("files[{at}]"))?, rules))
            .collect(),
    };
    let attachments = attachments?;
    let mut seen = HashSet::new();
    match attachments.iter().find(|attachment| !seen.insert(&attachment.file_id)) {
        Some(twice) => Err(ApiError::invalid(format!("Duplicate file id '{}'.", twice.file_id))
            .with_param("file_ids")
            .with_code("invalid_value")),
        None if attachments.is_empty() => Err(ApiError::invalid(
            "Invalid 'file_ids': empty array. Expected an array with minimum length 1, but got an empty array instead.",
        )
        .with_param("file_ids")
        .with_code("empty_array")),
        None => Ok(attachments),
    }
}

pub(super) fn status(state: &mut State, call: &Call) -> ApiResult {
    let rules = Arc::clone(&state.rules);
    let store = state.active_store_mut(call.id(0))?;
    let response = to_json(find(store, call.id(1))?, store, &rules);
    for entry in store.entries.iter_mut().filter(|entry| belongs_to(entry, call.id(1))) {
        entry.poll();
    }
    Ok(response.into())
}

pub(super) fn cancel(state: &mut State, call: &Call) -> ApiResult {
    let rules = Arc::clone(&state.rules);
    let store = state.active_store_mut(call.id(0))?;
    find(store, call.id(1))?;
    let running = |entry: &&mut Entry| belongs_to(entry, call.id(1)) && entry.polls_left > 0;
    let mut cancelled = false;
    for entry in store.entries.iter_mut().filter(running) {
        entry.polls_left = 0;
        entry.outcome = IndexingOutcome::Cancelled;
        cancelled = true;
    }
    if let Some(batch) = store.batches.get_mut(call.id(1)) {
        batch.cancelled |= cancelled;
    }
    Ok(to_json(find(store, call.id(1))?, store, &rules).into())
}

pub(super) fn files(state: &mut State, call: &Call) -> ApiResult {
    let filter = status_filter(call)?;
    let rules = Arc::clone(&state.rules);
    let store = state.active_store_mut(call.id(0))?;
    find(store, call.id(1))?;
    let wanted = |entry: &Entry| {
        belongs_to(entry, call.id(1)) && filter.is_none_or(|status| entry.status() == status)
    };
    page(store, call, &rules, wanted)
}

fn belongs_to(entry: &Entry, batch: &str) -> bool {
    entry.batch.as_deref() == Some(batch)
}

fn find<'a>(store: &'a Store, id: &str) -> Result<&'a Batch, ApiError> {
    if !id.starts_with("vsfb_") {
        return Err(ApiError::wrong_prefix("batch_id", id, "vsfb_"));
    }
    store.batches.get(id).ok_or_else(|| {
        ApiError::not_found(format!(
            "No file batch found with id '{id}' in vector store '{}'.",
            store.id
        ))
    })
}

fn to_json(batch: &Batch, store: &Store, rules: &Rules) -> Value {
    let counts = counts(batch.file_ids.iter().filter_map(|id| store.entry(id)));
    let in_progress = counts["in_progress"] > 0;
    let status = match (batch.cancelled, in_progress) {
        (true, _) => "cancelled",
        (false, true) => "in_progress",
        (false, false) => "completed",
    };
    let mut file_counts = json!(counts);
    file_counts["total"] = json!(counts.values().sum::<u64>());
    if in_progress && rules.zero_batch_counts {
        file_counts =
            json!({ "in_progress": 0, "completed": 0, "failed": 0, "cancelled": 0, "total": 0 });
    }
    json!({
        "id": batch.id,
        "object": "vector_store.files_batch",
        "created_at": batch.created_at,
        "vector_store_id": store.id,
        "status": status,
        "file_counts": file_counts,
    })
}
