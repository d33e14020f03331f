//! The endpoints of files in vector stores: attachment, attributes, status and text.

use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::attachment::{Attachment, check_file_id, new_entry};
use super::call::{Call, missing_parameter, not_one_of, wrong_type};
use super::paging::{PageRequest, page_body};
use super::records::{Entry, IndexingOutcome, Store};
use super::response::{ApiError, ApiResult};
use super::rules::{AttributeUpdates, DoubleAttach, Rules, TextShape};
use super::state::State;
use super::{attributes, chunks};

const STATUSES: [&str; 4] = ["in_progress", "completed", "failed", "cancelled"];

pub(super) fn attach(state: &mut State, call: &Call) -> ApiResult {
    state.active_store(call.id(0))?;
    let attachment = Attachment::read(call.fields()?, &state.rules)?;
    let entry = new_entry(state, attachment, "file_ids")?;
    let rules = Arc::clone(&state.rules);
    let store = state.active_store_mut(call.id(0))?;
    let kept =
        store.entry(&entry.file_id).filter(|_| rules.double_attach == DoubleAttach::KeepsOld);
    let response = match kept {
        Some(old) => to_json(old, &store.id, &rules),
        None => {
            let mut response = to_json(&entry, &store.id, &rules);
            // The service starts indexing after its response, so the response never shows a result.
            response["status"] = json!("in_progress");
            response["last_error"] = Value::Null;
            response["usage_bytes"] = json!(0);
            response
        }
    };
    store.attach(entry, &rules);
    Ok(response.into())
}

/// Reads the query parameter `filter`.
pub(super) fn status_filter(call: &Call) -> Result<Option<&str>, ApiError> {
    match call.query("filter") {
        Some(status) if !STATUSES.contains(&status) => Err(not_one_of("filter", status, &STATUSES)),
        filter => Ok(filter),
    }
}

pub(super) fn list_attached(state: &mut State, call: &Call) -> ApiResult {
    let filter = status_filter(call)?;
    let rules = Arc::clone(&state.rules);
    let store = state.active_store_mut(call.id(0))?;
    let wanted = |entry: &Entry| {
        entry.unlisted_left == 0 && filter.is_none_or(|status| entry.status() == status)
    };
    let response = page(store, call, &rules, wanted)?;
    if call.query("after").is_none() {
        for entry in store.entries.iter_mut() {
            entry.unlisted_left = entry.unlisted_left.saturating_sub(1);
        }
    }
    Ok(response)
}

/// Returns a page of the `wanted` entries and counts it as one response for each of them.
pub(super) fn page(
    store: &mut Store,
    call: &Call,
    rules: &Rules,
    wanted: impl Fn(&Entry) -> bool,
) -> ApiResult {
    let request = PageRequest::read(call, 20, 100)?;
    if let Some(after) = request.after.as_ref().filter(|_| rules.endless_pages) {
        let number = after.strip_prefix("file-endless").and_then(|number| number.parse().ok());
        let id = format!("file-endless{}", number.unwrap_or(0_u64) + 1);
        return Ok(page_body(vec![json!({ "id": id })], true, rules));
    }
    let page = store.entries.page(&request, rules, wanted)?;
    let mut data = Vec::new();
    for &serial in &page.serials {
        let Some(entry) = store.entries.at_mut(serial) else { continue };
        let mut item = to_json(entry, &store.id, rules);
        if rules.hidden_ids.contains(&entry.file_id) {
            item["id"] = Value::Null;
        }
        data.push(item);
        entry.poll();
        if let Some(listings) = &mut entry.stale_listings_left {
            *listings -= 1;
            if *listings == 0 {
                let id = entry.file_id.clone();
                store.entries.remove(&id);
            }
        }
    }
    Ok(page_body(data, page.has_more || rules.endless_pages, rules))
}

pub(super) fn status(state: &mut State, call: &Call) -> ApiResult {
    let rules = Arc::clone(&state.rules);
    let store = state.active_store_mut(call.id(0))?;
    let store_id = store.id.clone();
    let entry = find(store, call.id(1))?;
    if entry.misses_left > 0 {
        entry.misses_left -= 1;
        return Err(ApiError::no_attached_file(call.id(1), &store_id));
    }
    let response = to_json(entry, &store_id, &rules);
    entry.poll();
    Ok(response.into())
}

pub(super) fn update_attributes(state: &mut State, call: &Call) -> ApiResult {
    let rules = Arc::clone(&state.rules);
    let store = state.active_store_mut(call.id(0))?;
    let store_id = store.id.clone();
    let entry = find(store, call.id(1))?;
    let mut fields = call.fields()?;
    let new = match fields.value("attributes") {
        Some(value) => attributes::read(value, "attributes", &rules)?,
        None if fields.is_given("attributes") => Map::new(),
        None => return Err(missing_parameter("attributes")),
    };
    fields.finish()?;
    let mut merged = match rules.attribute_updates {
        AttributeUpdates::Replace => Map::new(),
        AttributeUpdates::Merge | AttributeUpdates::Ignore => entry.attributes.clone(),
    };
    merged.extend(attributes::kept(new, &rules));
    attributes::read(&Value::Object(merged.clone()), "attributes", &rules)?;
    if rules.attribute_updates != AttributeUpdates::Ignore {
        entry.attributes = merged;
    }
    Ok(to_json(entry, &store_id, &rules).into())
}

pub(super) fn detach(state: &mut State, call: &Call) -> ApiResult {
    let listings = state.rules.stale_after_delete;
    let store = state.active_store_mut(call.id(0))?;
    let id = call.id(1);
    let entry = find(store, id)?;
    if listings > 0 {
        entry.stale_listings_left = Some(listings);
    } else {
        store.entries.remove(id);
    }
    Ok(json!({ "id": id, "object": "vector_store.file.deleted", "deleted": true }).into())
}

pub(super) fn text(state: &mut State, call: &Call) -> ApiResult {
    let rules = Arc::clone(&state.rules);
    let has_file = state.files.get(call.id(1)).is_some() || rules.text_outlives_files;
    let store = state.active_store_mut(call.id(0))?;
    let entry = find(store, call.id(1))?;
    if !has_file || rules.text_shape == TextShape::Missing {
        return Err(ApiError::not_found("Not found"));
    }
    let chunks = if entry.status() == "completed" {
        chunks::of_file(&entry.filename, &entry.content, entry.chunking, &rules)
    } else {
        Vec::new()
    };
    let first = match call.query("page") {
        Some(page) => page.parse().map_err(|_| wrong_type("page", "a page token", &json!(page)))?,
        None => 0,
    };
    let size = rules.text_page.unwrap_or(usize::MAX);
    let next = first + size.min(chunks.len().saturating_sub(first));
    let content: Vec<Value> = chunks[first.min(chunks.len())..next.min(chunks.len())]
        .iter()
        .map(|text| json!({ "type": "text", "text": text }))
        .collect();
    let has_more = next < chunks.len() || rules.endless_pages;
    let response = match rules.text_shape {
        TextShape::Page => json!({
            "object": "vector_store.file_content.page",
            "data": content,
            "has_more": has_more,
            "next_page": has_more.then(|| next.max(first + 1).to_string()),
        }),
        _ => json!({
            "file_id": entry.file_id,
            "filename": entry.filename,
            "attributes": attributes::to_json(&entry.attributes, &rules),
            "content": content,
        }),
    };
    Ok(response.into())
}

fn find<'a>(store: &'a mut Store, id: &str) -> Result<&'a mut Entry, ApiError> {
    check_file_id("file_id", id)?;
    let refusal = ApiError::no_attached_file(id, &store.id);
    store.entry_mut(id).ok_or(refusal)
}

fn to_json(entry: &Entry, store: &str, rules: &Rules) -> Value {
    let status = entry.status();
    let last_error = match &entry.outcome {
        IndexingOutcome::Failed { code, message } if status == "failed" => {
            json!({ "code": code, "message": message })
        }
        _ => Value::Null,
    };
    json!({
        "id": entry.file_id,
        "object": "vector_store.file",
        "usage_bytes": entry.usage_bytes(),
        "created_at": entry.created_at,
        "vector_store_id": store,
        "status": status,
        "last_error": last_error,
        "chunking_strategy": {
            "type": "static",
            "static": {
                "max_chunk_size_tokens": entry.chunking.size,
                "chunk_overlap_tokens": entry.chunking.overlap,
            },
        },
        "attributes": attributes::to_json(&entry.attributes, rules),
    })
}
