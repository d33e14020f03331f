//! Files in vector stores: their attachment, attributes, status and text.

use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::answer::{Answered, Refusal};
use super::call::{Call, Fields, missing_parameter, not_one_of, wrong_type};
use super::register::{Range, list};
use super::rules::{AttributeUpdates, DoubleAttach, Rules, TextShape};
use super::state::{Chunking, Entry, Outcome, State, Store, indexed};
use super::vector_stores::{in_use, in_use_mut};
use super::{attributes, chunks, files};

const STATUSES: [&str; 4] = ["in_progress", "completed", "failed", "cancelled"];

/// What a client says of a file that it attaches.
#[derive(Debug)]
pub(super) struct Attachment {
    pub(super) file_id: String,
    pub(super) attributes: Map<String, Value>,
    pub(super) chunking: Chunking,
}

impl Attachment {
    pub(super) fn read(mut fields: Fields<'_>, rules: &Rules) -> Result<Self, Refusal> {
        let at = fields.path("file_id");
        let file_id = fields.required_text("file_id")?.to_owned();
        check_file_id(&at, &file_id)?;
        let at = fields.path("attributes");
        let attributes = match fields.value("attributes") {
            Some(value) => attributes::read(value, &at, rules)?,
            None => Map::new(),
        };
        let chunking = chunking(&mut fields, rules)?;
        fields.finish()?;
        Ok(Self { file_id, attributes, chunking })
    }
}

pub(super) fn check_file_id(at: &str, id: &str) -> Result<(), Refusal> {
    if id.starts_with("file") { Ok(()) } else { Err(Refusal::wrong_prefix(at, id, "file")) }
}

/// Reads `chunking_strategy`.
pub(super) fn chunking(fields: &mut Fields<'_>, rules: &Rules) -> Result<Chunking, Refusal> {
    let auto = Chunking { size: rules.chunk_tokens, overlap: rules.chunk_overlap_tokens };
    let at = fields.path("chunking_strategy");
    let Some(strategy) = fields.value("chunking_strategy") else { return Ok(auto) };
    let mut strategy = Fields::of(strategy, &at)?;
    let chunking = match strategy.required_text("type")? {
        "auto" => auto,
        "static" => {
            let at = strategy.path("static");
            let sizes = strategy.value("static").ok_or_else(|| missing_parameter(&at))?;
            static_chunking(Fields::of(sizes, &at)?)?
        }
        other => return Err(not_one_of(&strategy.path("type"), other, &["auto", "static"])),
    };
    strategy.finish()?;
    Ok(chunking)
}

fn static_chunking(mut fields: Fields<'_>) -> Result<Chunking, Refusal> {
    let (size_at, overlap_at) =
        (fields.path("max_chunk_size_tokens"), fields.path("chunk_overlap_tokens"));
    let size = fields.integer("max_chunk_size_tokens", 100, 4096)?;
    let size = size.ok_or_else(|| missing_parameter(&size_at))?;
    let overlap = fields.integer("chunk_overlap_tokens", 0, size / 2)?;
    let overlap = overlap.ok_or_else(|| missing_parameter(&overlap_at))?;
    fields.finish()?;
    let small = |number| u32::try_from(number).unwrap_or(u32::MAX);
    Ok(Chunking { size: small(size), overlap: small(overlap) })
}

/// The entry that an attachment makes, if the file is one that a vector store takes. `param` is where the request names the file.
pub(super) fn entry(
    state: &mut State,
    attachment: Attachment,
    param: &str,
) -> Result<Entry, Refusal> {
    let created_at = state.now();
    let Attachment { file_id, attributes, chunking } = attachment;
    let rules = &state.rules;
    let file = state.files.get_mut(&file_id).ok_or_else(|| Refusal::no_file(&file_id))?;
    if file.missing > 0 {
        file.missing -= 1;
        return Err(Refusal::no_file(&file_id));
    }
    let extension = files::extension(&file.filename);
    if let Some(allowed) = &rules.attach_extensions
        && !extension.as_ref().is_some_and(|extension| allowed.contains(extension))
    {
        let extension = extension.map_or("none".to_owned(), |extension| format!(".{extension}"));
        return Err(Refusal::invalid(format!(
            "Files with extensions [{extension}] are not supported for retrieval. See \
             https://platform.openai.com/docs/assistants/tools/file-search/supported-files"
        ))
        .with_param(param)
        .with_code("unsupported_file"));
    }
    Ok(Entry {
        file_id,
        filename: file.filename.clone(),
        content: file.content.clone(),
        attributes,
        created_at,
        chunking,
        batch: None,
        polls_left: rules.in_progress_polls,
        outcome: indexed(&file.filename, &file.content, rules),
        missing: rules.missing_after_attach,
        unlisted: rules.unlisted_after_attach,
        detached: None,
    })
}

pub(super) fn attach(state: &mut State, call: &Call) -> Answered {
    in_use(state, call.id(0))?;
    let attachment = Attachment::read(call.fields()?, &state.rules)?;
    let entry = entry(state, attachment, "file_ids")?;
    let rules = Arc::clone(&state.rules);
    let store = in_use_mut(state, call.id(0))?;
    let kept =
        store.entry(&entry.file_id).filter(|_| rules.double_attach == DoubleAttach::KeepsOld);
    let answer = match kept {
        Some(old) => shown(old, &store.id, &rules),
        None => {
            let mut answer = shown(&entry, &store.id, &rules);
            // Indexing has only begun, however soon it is done.
            answer["status"] = json!("in_progress");
            answer["last_error"] = Value::Null;
            answer["usage_bytes"] = json!(0);
            answer
        }
    };
    store.attach(entry, &rules);
    Ok(answer.into())
}

/// Reads the query parameter `filter`.
pub(super) fn status_filter(call: &Call) -> Result<Option<&str>, Refusal> {
    match call.query("filter") {
        Some(status) if !STATUSES.contains(&status) => Err(not_one_of("filter", status, &STATUSES)),
        filter => Ok(filter),
    }
}

pub(super) fn list_attached(state: &mut State, call: &Call) -> Answered {
    let filter = status_filter(call)?;
    let rules = Arc::clone(&state.rules);
    let store = in_use_mut(state, call.id(0))?;
    let wanted =
        |entry: &Entry| entry.unlisted == 0 && filter.is_none_or(|status| entry.status() == status);
    let answer = page(store, call, &rules, wanted)?;
    if call.query("after").is_none() {
        for entry in store.entries.iter_mut() {
            entry.unlisted = entry.unlisted.saturating_sub(1);
        }
    }
    Ok(answer)
}

/// A page of the entries that are wanted. Those shown come one answer further.
pub(super) fn page(
    store: &mut Store,
    call: &Call,
    rules: &Rules,
    wanted: impl Fn(&Entry) -> bool,
) -> Answered {
    let range = Range::of(call, 20, 100)?;
    let page = store.entries.page(&range, rules, wanted)?;
    let mut data = Vec::new();
    for &serial in &page.serials {
        let Some(entry) = store.entries.at_mut(serial) else { continue };
        data.push(shown(entry, &store.id, rules));
        entry.poll();
        if let Some(listings) = &mut entry.detached {
            *listings -= 1;
            if *listings == 0 {
                let id = entry.file_id.clone();
                store.entries.remove(&id);
            }
        }
    }
    Ok(list(data, page.has_more, rules))
}

pub(super) fn status(state: &mut State, call: &Call) -> Answered {
    let rules = Arc::clone(&state.rules);
    let store = in_use_mut(state, call.id(0))?;
    let store_id = store.id.clone();
    let entry = found(store, call.id(1))?;
    if entry.missing > 0 {
        entry.missing -= 1;
        return Err(Refusal::no_attached_file(call.id(1), &store_id));
    }
    let answer = shown(entry, &store_id, &rules);
    entry.poll();
    Ok(answer.into())
}

pub(super) fn update_attributes(state: &mut State, call: &Call) -> Answered {
    let rules = Arc::clone(&state.rules);
    let store = in_use_mut(state, call.id(0))?;
    let store_id = store.id.clone();
    let entry = found(store, call.id(1))?;
    let mut fields = call.fields()?;
    let new = match fields.value("attributes") {
        Some(value) => attributes::read(value, "attributes", &rules)?,
        None if fields.is_given("attributes") => Map::new(),
        None => return Err(missing_parameter("attributes")),
    };
    fields.finish()?;
    let mut merged = match rules.attribute_updates {
        AttributeUpdates::Replace => Map::new(),
        AttributeUpdates::Merge => entry.attributes.clone(),
    };
    merged.extend(new);
    attributes::read(&Value::Object(merged.clone()), "attributes", &rules)?;
    entry.attributes = merged;
    Ok(shown(entry, &store_id, &rules).into())
}

pub(super) fn detach(state: &mut State, call: &Call) -> Answered {
    let listings = state.rules.stale_after_delete;
    let store = in_use_mut(state, call.id(0))?;
    let id = call.id(1);
    let entry = found(store, id)?;
    if listings > 0 {
        entry.detached = Some(listings);
    } else {
        store.entries.remove(id);
    }
    Ok(json!({ "id": id, "object": "vector_store.file.deleted", "deleted": true }).into())
}

pub(super) fn text(state: &mut State, call: &Call) -> Answered {
    let rules = Arc::clone(&state.rules);
    let store = in_use_mut(state, call.id(0))?;
    let entry = found(store, call.id(1))?;
    let chunks = if entry.status() == "completed" {
        chunks::of_file(&entry.filename, &entry.content, entry.chunking, &rules)
    } else {
        Vec::new()
    };
    let first = match call.query("page") {
        Some(page) => {
            page.parse().map_err(|_| wrong_type("page", "a token of a page", &json!(page)))?
        }
        None => 0,
    };
    let size = rules.text_page.unwrap_or(usize::MAX);
    let next = first + size.min(chunks.len().saturating_sub(first));
    let content: Vec<Value> = chunks[first.min(chunks.len())..next.min(chunks.len())]
        .iter()
        .map(|text| json!({ "type": "text", "text": text }))
        .collect();
    let has_more = next < chunks.len();
    let answer = match rules.text_shape {
        TextShape::Page => json!({
            "object": "vector_store.file_content.page",
            "data": content,
            "has_more": has_more,
            "next_page": has_more.then(|| next.to_string()),
        }),
        TextShape::Obsolete => json!({
            "file_id": entry.file_id,
            "filename": entry.filename,
            "attributes": attributes::shown(&entry.attributes, &rules),
            "content": content,
        }),
    };
    Ok(answer.into())
}

fn found<'a>(store: &'a mut Store, id: &str) -> Result<&'a mut Entry, Refusal> {
    check_file_id("file_id", id)?;
    let refusal = Refusal::no_attached_file(id, &store.id);
    store.entry_mut(id).ok_or(refusal)
}

pub(super) fn shown(entry: &Entry, store: &str, rules: &Rules) -> Value {
    let status = entry.status();
    let last_error = match &entry.outcome {
        Outcome::Failed { code, message } if status == "failed" => {
            json!({ "code": code, "message": message })
        }
        _ => Value::Null,
    };
    json!({
        "id": entry.file_id,
        "object": "vector_store.file",
        "usage_bytes": usage(entry),
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
        "attributes": attributes::shown(&entry.attributes, rules),
    })
}

/// How many bytes the index of an entry takes.
pub(super) fn usage(entry: &Entry) -> usize {
    if entry.status() == "completed" { entry.content.len() } else { 0 }
}
