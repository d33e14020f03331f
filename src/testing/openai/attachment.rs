//! Reads the attachment of a file to a vector store from a request, and makes its entry.

use serde_json::{Map, Value};

use super::call::{Fields, missing_parameter, not_one_of};
use super::chunks::Chunking;
use super::records::{Entry, IndexingOutcome};
use super::response::ApiError;
use super::rules::Rules;
use super::state::State;
use super::{attributes, files};

/// The attachment that a client requests.
#[derive(Debug)]
pub(super) struct Attachment {
    pub(super) file_id: String,
    pub(super) attributes: Map<String, Value>,
    pub(super) chunking: Chunking,
}

impl Attachment {
    pub(super) fn read(mut fields: Fields<'_>, rules: &Rules) -> Result<Self, ApiError> {
        let path = fields.path("file_id");
        let file_id = fields.required_text("file_id")?.to_owned();
        check_file_id(&path, &file_id)?;
        let path = fields.path("attributes");
        let attributes = match fields.value("attributes") {
            Some(value) => attributes::read(value, &path, rules)?,
            None => Map::new(),
        };
        let chunking = read_chunking(&mut fields, rules)?;
        fields.finish()?;
        Ok(Self { file_id, attributes, chunking })
    }
}

pub(super) fn check_file_id(path: &str, id: &str) -> Result<(), ApiError> {
    if id.starts_with("file") { Ok(()) } else { Err(ApiError::wrong_prefix(path, id, "file")) }
}

/// Reads `chunking_strategy`.
pub(super) fn read_chunking(fields: &mut Fields<'_>, rules: &Rules) -> Result<Chunking, ApiError> {
    let auto = Chunking { size: rules.chunk_tokens, overlap: rules.chunk_overlap_tokens };
    let path = fields.path("chunking_strategy");
    let Some(strategy) = fields.value("chunking_strategy") else { return Ok(auto) };
    let mut strategy = Fields::of(strategy, &path)?;
    let chunking = match strategy.required_text("type")? {
        "auto" => auto,
        "static" => {
            let path = strategy.path("static");
            let sizes = strategy.value("static").ok_or_else(|| missing_parameter(&path))?;
            read_static_chunking(Fields::of(sizes, &path)?)?
        }
        other => return Err(not_one_of(&strategy.path("type"), other, &["auto", "static"])),
    };
    strategy.finish()?;
    Ok(chunking)
}

fn read_static_chunking(mut fields: Fields<'_>) -> Result<Chunking, ApiError> {
    let (size_path, overlap_path) =
        (fields.path("max_chunk_size_tokens"), fields.path("chunk_overlap_tokens"));
    let size = fields.integer("max_chunk_size_tokens", 100, 4096)?;
    let size = size.ok_or_else(|| missing_parameter(&size_path))?;
    let overlap = fields.integer("chunk_overlap_tokens", 0, size / 2)?;
    let overlap = overlap.ok_or_else(|| missing_parameter(&overlap_path))?;
    fields.finish()?;
    let to_u32 = |number| u32::try_from(number).unwrap_or(u32::MAX);
    Ok(Chunking { size: to_u32(size), overlap: to_u32(overlap) })
}

/// Makes the entry of an attachment. `param` is the request parameter that names the file.
///
/// # Errors
///
/// 404 if there is no such file, 400 if a vector store does not accept its extension.
pub(super) fn new_entry(
    state: &mut State,
    attachment: Attachment,
    param: &str,
) -> Result<Entry, ApiError> {
    let created_at = state.now();
    let Attachment { file_id, attributes, chunking } = attachment;
    let rules = &state.rules;
    let file = state.files.get_mut(&file_id).ok_or_else(|| ApiError::no_file(&file_id))?;
    if file.misses_left > 0 {
        file.misses_left -= 1;
        return Err(ApiError::no_file(&file_id));
    }
    let extension = files::extension(&file.filename);
    if let Some(allowed) = &rules.attach_extensions
        && !extension.as_ref().is_some_and(|extension| allowed.contains(extension))
    {
        let extension = extension.map_or("none".to_owned(), |extension| format!(".{extension}"));
        return Err(ApiError::invalid(format!(
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
        attributes: attributes::kept(attributes, rules),
        created_at,
        chunking,
        batch: None,
        polls_left: rules.in_progress_polls,
        outcome: IndexingOutcome::of(&file.filename, &file.content, rules),
        misses_left: rules.missing_after_attach,
        unlisted_left: rules.unlisted_after_attach,
        stale_listings_left: None,
    })
}
