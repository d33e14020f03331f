//! The endpoints of vector stores.

use std::sync::Arc;

use serde_json::{Value, json};

use super::attachment::{self, Attachment};
use super::attributes;
use super::call::{Call, Fields, missing_parameter, not_one_of, wrong_type};
use super::paging::{PageRequest, page_body};
use super::records::{Entry, Store};
use super::response::{ApiError, ApiResult};
use super::state::State;

const DAY: u64 = 24 * 3600;

pub(super) fn create(state: &mut State, call: &Call) -> ApiResult {
    let rules = Arc::clone(&state.rules);
    let mut fields = call.fields()?;
    let name = fields.text("name")?.map(str::to_owned);
    let description = fields.text("description")?.map(str::to_owned);
    let metadata = fields.value("metadata").map(attributes::read_metadata).transpose()?;
    let expires_after = read_expiry(&mut fields)?;
    let chunking = attachment::read_chunking(&mut fields, &rules)?;
    let file_ids = fields.array("file_ids", 500)?;
    fields.finish()?;
    let mut entries = Vec::new();
    for id in file_ids.into_iter().flatten() {
        let file_id =
            id.as_str().ok_or_else(|| wrong_type("file_ids", "an array of strings", id))?;
        attachment::check_file_id("file_ids", file_id)?;
        let file_id = file_id.to_owned();
        let attachment = Attachment { file_id, attributes: serde_json::Map::new(), chunking };
        entries.push(attachment::new_entry(state, attachment, "file_ids")?);
    }
    let id = state.add_store();
    let store = state.stores.get_mut(&id).ok_or_else(|| ApiError::no_vector_store(&id))?;
    store.name = name;
    store.description = description;
    store.metadata = metadata.unwrap_or_default();
    store.expires_after = expires_after;
    for entry in entries {
        store.attach(entry, &rules);
    }
    Ok(to_json(store).into())
}

/// Reads `expires_after`, in days.
fn read_expiry(fields: &mut Fields<'_>) -> Result<Option<u64>, ApiError> {
    let Some(value) = fields.value("expires_after") else { return Ok(None) };
    let mut expiry = Fields::of(value, "expires_after")?;
    let anchor = expiry.required_text("anchor")?;
    if anchor != "last_active_at" {
        return Err(not_one_of("expires_after.anchor", anchor, &["last_active_at"]));
    }
    let days = expiry.integer("days", 1, 365)?;
    expiry.finish()?;
    days.map(Some).ok_or_else(|| missing_parameter("expires_after.days"))
}

pub(super) fn list_stores(state: &State, call: &Call) -> ApiResult {
    let page = state.stores.page(&PageRequest::read(call, 20, 100)?, &state.rules, |_| true)?;
    let stores = page.serials.iter().filter_map(|&serial| state.stores.at(serial));
    Ok(page_body(stores.map(to_json).collect(), page.has_more, &state.rules))
}

pub(super) fn store(state: &mut State, call: &Call) -> ApiResult {
    let response = to_json(state.store(call.id(0))?);
    // Clients poll the store to wait for its files.
    if let Some(store) = state.stores.get_mut(call.id(0)) {
        store.entries.iter_mut().for_each(Entry::poll);
    }
    Ok(response.into())
}

pub(super) fn modify(state: &mut State, call: &Call) -> ApiResult {
    state.store(call.id(0))?;
    let mut fields = call.fields()?;
    let (renames, name) = (fields.is_given("name"), fields.text("name")?.map(str::to_owned));
    let metadata = fields.value("metadata").map(attributes::read_metadata).transpose()?;
    let (expires, days) = (fields.is_given("expires_after"), read_expiry(&mut fields)?);
    fields.finish()?;
    let store = state.active_store_mut(call.id(0))?;
    if renames {
        store.name = name;
    }
    if let Some(metadata) = metadata {
        store.metadata = metadata;
    }
    if expires {
        store.expires_after = days;
    }
    Ok(to_json(store).into())
}

pub(super) fn delete(state: &mut State, call: &Call) -> ApiResult {
    let id = call.id(0);
    state.store(id)?;
    state.stores.remove(id);
    Ok(json!({ "id": id, "object": "vector_store.deleted", "deleted": true }).into())
}

fn to_json(store: &Store) -> Value {
    let counts = store.counts();
    let total = counts.values().sum::<u64>() + store.deleted_but_counted;
    let mut file_counts = json!(counts);
    file_counts["total"] = json!(total);
    let status = match counts["in_progress"] {
        _ if store.expired => "expired",
        0 => "completed",
        _ => "in_progress",
    };
    json!({
        "id": store.id,
        "object": "vector_store",
        "created_at": store.created_at,
        "name": store.name,
        "description": store.description,
        "usage_bytes": store.attached().map(Entry::usage_bytes).sum::<usize>(),
        "file_counts": file_counts,
        "status": status,
        "expires_after": store.expires_after.map(|days| json!({ "anchor": "last_active_at", "days": days })),
        "expires_at": store.expires_after.map(|days| store.created_at + days * DAY),
        "last_active_at": store.created_at,
        "metadata": store.metadata,
    })
}
