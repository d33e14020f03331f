//! The endpoints of files.

use std::sync::Arc;

use serde_json::{Value, json};

use super::call::{Call, missing_parameter};
use super::paging::{PageRequest, page_body};
use super::records::File;
use super::response::{ApiError, ApiResult, ResponseBody};
use super::rules::{DeletedFiles, Rules};
use super::state::State;

/// The purposes that a client may name, in the order in which the service lists them.
const PURPOSES: [&str; 6] = ["assistants", "batch", "fine-tune", "vision", "user_data", "evals"];

/// The default lifetime of a file for a batch, in seconds.
const THIRTY_DAYS: u64 = 30 * 24 * 3600;

pub(super) fn upload(state: &mut State, call: &Call) -> ApiResult {
    let form = call.form()?;
    let purpose = form.text("purpose").ok_or_else(|| missing_parameter("purpose"))?;
    let file = form.file("file")?;
    check_purpose(purpose)?;
    let lifetime =
        read_lifetime(form.text("expires_after[anchor]"), form.text("expires_after[seconds]"))?;
    check_name(&file.filename, purpose, &state.rules)?;
    if file.bytes.is_empty() && state.rules.refuse_empty_files {
        return Err(ApiError::invalid("File is empty."));
    }
    check_size(file.bytes.len() as u64, &state.rules)?;
    let id = state.add_file(&file.filename, purpose, file.bytes.clone());
    let lifetime = lifetime.or((purpose == "batch").then_some(THIRTY_DAYS));
    let lifetime = lifetime.or(state.rules.file_lifetime.map(|lifetime| lifetime.as_secs()));
    let rules = Arc::clone(&state.rules);
    let file = state.files.get_mut(&id).ok_or_else(|| ApiError::no_file(&id))?;
    file.expires_at = lifetime.map(|lifetime| file.created_at + lifetime);
    Ok(to_json(file, &rules).into())
}

pub(super) fn check_purpose(purpose: &str) -> Result<(), ApiError> {
    if PURPOSES.contains(&purpose) {
        return Ok(());
    }
    let listed: Vec<String> = PURPOSES.iter().map(|name| format!("'{name}'")).collect();
    Err(ApiError::invalid(format!("'{purpose}' is not one of [{}] - 'purpose'", listed.join(", ")))
        .with_param("purpose"))
}

/// Reads the requested lifetime of a file, in seconds.
fn read_lifetime(anchor: Option<&str>, seconds: Option<&str>) -> Result<Option<u64>, ApiError> {
    let (anchor, seconds) = match (anchor, seconds) {
        (None, None) => return Ok(None),
        (None, Some(_)) => return Err(missing_parameter("expires_after.anchor")),
        (Some(_), None) => return Err(missing_parameter("expires_after.seconds")),
        (Some(anchor), Some(seconds)) => (anchor, seconds),
    };
    if anchor != "created_at" {
        return Err(super::call::not_one_of("expires_after.anchor", anchor, &["created_at"]));
    }
    match seconds.parse() {
        Ok(seconds @ 3600..=2_592_000) => Ok(Some(seconds)),
        _ => Err(ApiError::invalid(format!(
            "Invalid 'expires_after.seconds': expected an integer from 3600 to 2592000, but got '{seconds}' instead."
        ))
        .with_param("expires_after.seconds")
        .with_code("invalid_value")),
    }
}

/// Checks that `purpose` allows files with the extension of `filename`.
pub(super) fn check_name(filename: &str, purpose: &str, rules: &Rules) -> Result<(), ApiError> {
    let extension = extension(filename);
    if purpose == "batch" && extension.as_deref() != Some("jsonl") {
        return Err(ApiError::invalid("Invalid file format for Batch API. Must be .jsonl"));
    }
    let Some(allowed) = rules.upload_extensions.as_ref().filter(|_| purpose == "assistants") else {
        return Ok(());
    };
    let extension = extension.unwrap_or_default();
    if allowed.contains(&extension) {
        return Ok(());
    }
    let listed: Vec<String> = allowed.iter().map(|name| format!("\"{name}\"")).collect();
    Err(ApiError::invalid(format!(
        "Invalid extension {extension}. Supported formats: {}",
        listed.join(", ")
    )))
}

pub(super) fn check_size(bytes: u64, rules: &Rules) -> Result<(), ApiError> {
    if bytes <= rules.max_file_bytes {
        return Ok(());
    }
    Err(ApiError::new(
        413,
        "invalid_request_error",
        format!(
            "The file is too large: it has {bytes} bytes, and the maximum is {}.",
            rules.max_file_bytes
        ),
    ))
}

/// Returns the lowercase text after the last dot of a name.
pub(super) fn extension(filename: &str) -> Option<String> {
    filename.rsplit_once('.').map(|(_, extension)| extension.to_ascii_lowercase())
}

pub(super) fn list_files(state: &State, call: &Call) -> ApiResult {
    let request = PageRequest::read(call, 10_000, 10_000)?;
    let purpose = call.query("purpose");
    let wanted = |file: &File| purpose.is_none_or(|purpose| file.purpose == purpose);
    let page = state.files.page(&request, &state.rules, wanted)?;
    let files = page.serials.iter().filter_map(|&serial| state.files.at(serial));
    let data = files.map(|file| to_json(file, &state.rules)).collect();
    Ok(page_body(data, page.has_more, &state.rules))
}

pub(super) fn file(state: &State, call: &Call) -> ApiResult {
    Ok(to_json(find(state, call.id(0))?, &state.rules).into())
}

pub(super) fn content(state: &State, call: &Call) -> ApiResult {
    let file = find(state, call.id(0))?;
    if state.rules.forbidden_downloads.contains(&file.purpose) {
        let purpose = &file.purpose;
        return Err(ApiError::invalid(format!(
            "Not allowed to download files of purpose: {purpose}"
        )));
    }
    Ok(ResponseBody::Content(file.content.clone()))
}

pub(super) fn delete(state: &mut State, call: &Call) -> ApiResult {
    let id = call.id(0);
    state.files.remove(id).ok_or_else(|| ApiError::no_file(id))?;
    let rule = state.rules.deleted_files;
    for store in state.stores.iter_mut().filter(|_| rule != DeletedFiles::Listed) {
        if store.entries.remove(id).is_some() && rule == DeletedFiles::Counted {
            store.deleted_but_counted += 1;
        }
    }
    Ok(json!({ "id": id, "object": "file", "deleted": true }).into())
}

fn find<'a>(state: &'a State, id: &str) -> Result<&'a File, ApiError> {
    state.files.get(id).ok_or_else(|| ApiError::no_file(id))
}

pub(super) fn to_json(file: &File, rules: &Rules) -> Value {
    json!({
        "id": file.id,
        "object": "file",
        "bytes": (!rules.null_file_sizes).then_some(file.content.len()),
        "created_at": file.created_at,
        "expires_at": file.expires_at,
        "filename": file.filename,
        "purpose": file.purpose,
        "status": "processed",
        "status_details": null,
    })
}
