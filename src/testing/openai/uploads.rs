//! Uploads: files sent in parts.

use bytes::{Bytes, BytesMut};
use md5::{Digest as _, Md5};
use serde_json::{Value, json};

use super::answer::{Answered, Refusal};
use super::call::{Call, missing_parameter, not_one_of, wrong_type};
use super::files;
use super::register::Named;
use super::state::State;

/// How many bytes an upload may have.
const MOST: u64 = 8 * 1024 * 1024 * 1024;

/// How many bytes a part may have.
const MOST_PER_PART: usize = 64 * 1024 * 1024;

/// For how many seconds parts are taken.
const HOUR: u64 = 3600;

#[derive(Debug)]
pub(super) struct Upload {
    id: String,
    created_at: u64,
    filename: String,
    purpose: String,
    bytes: u64,
    lifetime: Option<u64>,
    parts: Vec<(String, Bytes)>,
    status: Status,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Status {
    Pending,
    Completed { file_id: String },
    Cancelled,
}

impl Named for Upload {
    fn id(&self) -> &str {
        &self.id
    }
}

pub(super) fn create(state: &mut State, call: &Call) -> Answered {
    let mut fields = call.fields()?;
    let filename = fields.required_text("filename")?;
    let purpose = fields.required_text("purpose")?;
    fields.required_text("mime_type")?;
    let bytes = fields.integer("bytes", 0, MOST)?.ok_or_else(|| missing_parameter("bytes"))?;
    let lifetime = match fields.value("expires_after") {
        Some(value) => Some(lifetime(value)?),
        None => None,
    };
    fields.finish()?;
    files::check_purpose(purpose)?;
    files::check_name(filename, purpose, &state.rules)?;
    if bytes == 0 && state.rules.refuse_empty_files {
        return Err(Refusal::invalid("File is empty."));
    }
    let upload = Upload {
        id: state.new_id("upload_"),
        created_at: state.now(),
        filename: filename.to_owned(),
        purpose: purpose.to_owned(),
        bytes,
        lifetime,
        parts: Vec::new(),
        status: Status::Pending,
    };
    let answer = shown(&upload, state);
    state.uploads.insert(upload);
    Ok(answer.into())
}

/// Reads `expires_after`, in seconds.
fn lifetime(value: &Value) -> Result<u64, Refusal> {
    let mut fields = super::call::Fields::of(value, "expires_after")?;
    let anchor = fields.required_text("anchor")?;
    if anchor != "created_at" {
        return Err(not_one_of("expires_after.anchor", anchor, &["created_at"]));
    }
    let seconds = fields.integer("seconds", 3600, 2_592_000)?;
    fields.finish()?;
    seconds.ok_or_else(|| missing_parameter("expires_after.seconds"))
}

pub(super) fn add_part(state: &mut State, call: &Call) -> Answered {
    pending(state, call.id(0))?;
    let data = &call.form()?.file("data")?.bytes;
    if data.is_empty() || data.len() > MOST_PER_PART {
        return Err(Refusal::invalid(format!(
            "A part has from 1 to {MOST_PER_PART} bytes, but this one has {}.",
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

pub(super) fn complete(state: &mut State, call: &Call) -> Answered {
    let upload = pending(state, call.id(0))?;
    let mut fields = call.fields()?;
    let part_ids =
        fields.array("part_ids", usize::MAX)?.ok_or_else(|| missing_parameter("part_ids"))?;
    let md5 = fields.text("md5")?;
    fields.finish()?;
    let content = joined(upload, part_ids)?;
    if content.len() as u64 != upload.bytes {
        return Err(Refusal::invalid(format!(
            "The parts have {} bytes in total, but {} were announced.",
            content.len(),
            upload.bytes
        ))
        .with_param("part_ids"));
    }
    if md5.is_some_and(|md5| !md5.eq_ignore_ascii_case(&hex::encode(Md5::digest(&content)))) {
        return Err(
            Refusal::invalid("The MD5 checksum does not match the content.").with_param("md5")
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
    upload.status = Status::Completed { file_id };
    answer(state, call.id(0))
}

/// The content that the parts make, in the order of the client's list.
fn joined(upload: &Upload, part_ids: &[Value]) -> Result<Bytes, Refusal> {
    let mut content = BytesMut::new();
    for id in part_ids {
        let id = id.as_str().ok_or_else(|| wrong_type("part_ids", "an array of strings", id))?;
        let part = upload.parts.iter().find(|(part, _)| part == id);
        let (_, bytes) = part.ok_or_else(|| {
            Refusal::invalid(format!("Invalid 'part_ids': '{id}' is no part of this upload."))
                .with_param("part_ids")
                .with_code("invalid_value")
        })?;
        content.extend_from_slice(bytes);
    }
    Ok(content.freeze())
}

pub(super) fn cancel(state: &mut State, call: &Call) -> Answered {
    let upload = pending(state, call.id(0))?;
    upload.parts.clear();
    upload.status = Status::Cancelled;
    answer(state, call.id(0))
}

fn answer(state: &State, id: &str) -> Answered {
    let upload = state.uploads.get(id).ok_or_else(|| no_upload(id))?;
    Ok(shown(upload, state).into())
}

/// An upload that takes parts.
fn pending<'a>(state: &'a mut State, id: &str) -> Result<&'a mut Upload, Refusal> {
    let upload = state.uploads.get_mut(id).ok_or_else(|| no_upload(id))?;
    if upload.status != Status::Pending {
        let status = upload.status.name();
        return Err(Refusal::invalid(format!(
            "The upload '{id}' is {status}, so it takes nothing more."
        )));
    }
    Ok(upload)
}

fn no_upload(id: &str) -> Refusal {
    Refusal::missing(format!("No such Upload object: {id}")).with_param("id")
}

impl Status {
    fn name(&self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Completed { .. } => "completed",
            Self::Cancelled => "cancelled",
        }
    }
}

fn shown(upload: &Upload, state: &State) -> Value {
    let file = match &upload.status {
        Status::Completed { file_id } => state.files.get(file_id),
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
        "file": file.map(|file| files::shown(file, &state.rules)),
    })
}
