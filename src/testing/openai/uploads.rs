//! The endpoints of uploads, which are files sent in parts.

use bytes::{Bytes, BytesMut};
use md5::{Digest as _, Md5};
use serde_json::{Value, json};

use super::call::{Call, missing_parameter, not_one_of, wrong_type};
use super::files;
use super::records::{Upload, UploadStatus};
use super::response::{ApiError, ApiResult};
use super::state::State;

/// The largest upload, in bytes.
const MAX_BYTES: u64 = 8 * 1024 * 1024 * 1024;

/// The largest part, in bytes.
const MAX_PART_BYTES: usize = 64 * 1024 * 1024;

/// How long an upload accepts parts, in seconds.
const HOUR: u64 = 3600;

pub(super) fn create(state: &mut State, call: &Call) -> ApiResult {
    let mut fields = call.fields()?;
    let filename = fields.required_text("filename")?;
    let purpose = fields.required_text("purpose")?;
    fields.required_text("mime_type")?;
    let bytes = fields.integer("bytes", 0, MAX_BYTES)?.ok_or_else(|| missing_parameter("bytes"))?;
    let lifetime = fields.value("expires_after").map(read_lifetime).transpose()?;
    fields.finish()?;
    files::check_purpose(purpose)?;
    files::check_name(filename, purpose, &state.rules)?;
    if bytes == 0 && state.rules.refuse_empty_files {
        return Err(ApiError::invalid("File is empty."));
    }
    let upload = Upload {
        id: state.new_id("upload_"),
        created_at: state.now(),
        filename: filename.to_owned(),
        purpose: purpose.to_owned(),
        bytes,
        lifetime,
        parts: Vec::new(),
        status: UploadStatus::Pending,
    };
    let response = to_json(&upload, state);
    state.uploads.insert(upload);
    Ok(response.into())
}

/// Reads `expires_after`, in seconds.
fn read_lifetime(value: &Value) -> Result<u64, ApiError> {
    let mut fields = super::call::Fields::of(value, "expires_after")?;
    let anchor = fields.required_text("anchor")?;
    if anchor != "created_at" {
        return Err(not_one_of("expires_after.anchor", anchor, &["created_at"]));
    }
    let seconds = fields.integer("seconds", 3600, 2_592_000)?;
    fields.finish()?;
    seconds.ok_or_else(|| missing_parameter("expires_after.seconds"))
}

pub(super) fn add_part(state: &mut State, call: &Call) -> ApiResult {
    pending(state, call.id(0))?;
    let data = &call.form()?.file("data")?.bytes;
    if data.is_empty() || data.len() > MAX_PART_BYTES {
        return Err(ApiError::invalid(format!(
            "A part must have from 1 to {MAX_PART_BYTES} bytes, but this one has {}.",
            data.len()
        ))
        .with_param("data"));
    }
    let (id, created_at) = (state.new_id("part_"), state.now());
    let upload = pending(state, call.id(0))?;
    upload.parts.push((id.clone(), data.clone()));
    Ok(json!({
        "id": id,
        "object": "upload.part",
        "created_at": created_at,
        "upload_id": upload.id,
    })
    .into())
}

pub(super) fn complete(state: &mut State, call: &Call) -> ApiResult {
    let upload = pending(state, call.id(0))?;
    let mut fields = call.fields()?;
    let part_ids =
        fields.array("part_ids", usize::MAX)?.ok_or_else(|| missing_parameter("part_ids"))?;
    let md5 = fields.text("md5")?;
    fields.finish()?;
    let content = join_parts(upload, part_ids)?;
    if content.len() as u64 != upload.bytes {
        return Err(ApiError::invalid(format!(
            "The parts have {} bytes in total, but the upload declared {}.",
            content.len(),
            upload.bytes
        ))
        .with_param("part_ids"));
    }
    if md5.is_some_and(|md5| !md5.eq_ignore_ascii_case(&hex::encode(Md5::digest(&content)))) {
        return Err(
            ApiError::invalid("The MD5 checksum does not match the content.").with_param("md5")
        );
    }
    let (filename, purpose, lifetime) =
        (upload.filename.clone(), upload.purpose.clone(), upload.lifetime);
    let file_id = state.add_file(&filename, &purpose, content);
    if let Some(file) = state.files.get_mut(&file_id) {
        file.expires_at = lifetime.map(|lifetime| file.created_at + lifetime);
    }
    let upload = pending(state, call.id(0))?;
    upload.parts.clear();
    upload.status = UploadStatus::Completed { file_id };
    respond(state, call.id(0))
}

/// Joins the parts in the order of the client's list.
fn join_parts(upload: &Upload, part_ids: &[Value]) -> Result<Bytes, ApiError> {
    let mut content = BytesMut::new();
    for id in part_ids {
        let id = id.as_str().ok_or_else(|| wrong_type("part_ids", "an array of strings", id))?;
        let part = upload.parts.iter().find(|(part, _)| part == id);
        let (_, bytes) = part.ok_or_else(|| {
            ApiError::invalid(format!("Invalid 'part_ids': '{id}' is not a part of this upload."))
                .with_param("part_ids")
                .with_code("invalid_value")
        })?;
        content.extend_from_slice(bytes);
    }
    Ok(content.freeze())
}

pub(super) fn cancel(state: &mut State, call: &Call) -> ApiResult {
    let upload = pending(state, call.id(0))?;
    upload.parts.clear();
    upload.status = UploadStatus::Cancelled;
    respond(state, call.id(0))
}

fn respond(state: &State, id: &str) -> ApiResult {
    let upload = state.uploads.get(id).ok_or_else(|| no_upload(id))?;
    Ok(to_json(upload, state).into())
}

/// Returns an upload that still accepts parts.
fn pending<'a>(state: &'a mut State, id: &str) -> Result<&'a mut Upload, ApiError> {
    let upload = state.uploads.get_mut(id).ok_or_else(|| no_upload(id))?;
    if upload.status != UploadStatus::Pending {
        let status = upload.status.name();
        return Err(ApiError::invalid(format!(
            "The upload '{id}' is {status} and accepts no more changes."
        )));
    }
    Ok(upload)
}

fn no_upload(id: &str) -> ApiError {
    ApiError::not_found(format!("No such Upload object: {id}")).with_param("id")
}

fn to_json(upload: &Upload, state: &State) -> Value {
    let file = match &upload.status {
        UploadStatus::Completed { file_id } => state.files.get(file_id),
        _ => None,
    };
    json!({
        "id": upload.id,
        "object": "upload",
        "bytes": upload.bytes,
        "created_at": upload.created_at,
        "expires_at": upload.created_at + HOUR,
        "filename": upload.filename,
        "purpose": upload.purpose,
        "status": upload.status.name(),
        "file": file.map(|file| files::to_json(file, &state.rules)),
    })
}
