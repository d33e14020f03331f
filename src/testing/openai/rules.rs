//! The rules of the simulated service.

use std::collections::BTreeSet;
use std::time::Duration;

/// The behaviour of an [`OpenAISimulator`](super::OpenAISimulator). Change it at any time with
/// [`set`](super::OpenAISimulator::set).
///
/// The defaults follow the known behaviour of OpenAI. Where that is unknown, the default is the case that is harder for clients.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
#[expect(clippy::struct_excessive_bools, reason = "the switches are independent of each other")]
pub struct Rules {
    /// The delay before each request is processed; zero by default.
    pub latency: Duration,

    /// The purposes whose files cannot be downloaded: `assistants`, `user_data`, `evals` and `fine-tune` by default.
    pub forbidden_downloads: BTreeSet<String>,
    /// Refuses empty files; `true` by default.
    pub refuse_empty_files: bool,
    /// The largest file in bytes: 512 MiB by default.
    pub max_file_bytes: u64,
    /// The extensions that files for the purpose `assistants` may have, in lowercase and without the dot; `None` for any.
    pub upload_extensions: Option<BTreeSet<String>>,
    /// The extensions of files that a vector store accepts, in lowercase and without the dot; `None` for any.
    pub attach_extensions: Option<BTreeSet<String>>,
    /// Reports the size of every file as `null`, as OpenAI may do for a file uploaded in parts.
    pub null_file_sizes: bool,

    /// The maximum number of attributes of a file: 16 by default.
    pub max_attributes: usize,
    /// The maximum number of characters in the name of an attribute: 64 by default.
    pub max_attribute_key: usize,
    /// The maximum number of characters in a string attribute: 512 by default. OpenAI's guide says 256.
    pub max_attribute_value: usize,
    /// Counts string attributes in bytes of UTF-8 instead of characters.
    pub attribute_values_in_bytes: bool,
    /// The attributes that are kept; the others are dropped without an error.
    pub kept_attributes: KeptAttributes,
    /// The effect of an update on attributes that it does not name.
    pub attribute_updates: AttributeUpdates,
    /// Returns numbers as floats: `14` as `14.0`. Numbers above 2^53 lose digits with either setting.
    pub numbers_as_floats: bool,

    /// How many responses report a new attachment as `in_progress`, after the response to the attachment itself.
    pub in_progress_polls: u32,
    /// How many requests for a new attachment are answered with 404.
    pub missing_after_attach: u32,
    /// How many listings, counted by their first pages, leave out a new attachment. A request for its status finds it.
    pub unlisted_after_attach: u32,
    /// How many attachments of a new file are answered with 404.
    pub missing_after_upload: u32,
    /// How many listings still include a detached file.
    pub stale_after_delete: u32,
    /// The effect of attaching a file that is attached already.
    pub double_attach: DoubleAttach,
    /// The effect of deleting a file on the vector stores it is attached to.
    pub deleted_files: DeletedFiles,
    /// The lifetime that every upload reports; it only ends with [`expire_file`](super::OpenAISimulator::expire_file).
    pub file_lifetime: Option<Duration>,
    /// Returns the text of an entry also if its file is gone, as ogx does.
    pub text_outlives_files: bool,
    /// The effect of a batch with `files`.
    pub batches: Batches,
    /// The files whose indexing fails.
    pub fail_indexing: Vec<IndexingFailure>,
    /// The header `openai-poll-after-ms` of status responses.
    pub poll_after: Option<Duration>,
    /// Reports zero for all counts of a batch in progress.
    pub zero_batch_counts: bool,

    /// Repeats the last entry of each page as the first entry of the next.
    pub repeated_items: bool,
    /// The first and last ids that a page reports.
    pub page_ids: PageIds,
    /// Reports `has_more` on every page, also on the last.
    pub always_has_more: bool,
    /// The response to a cursor that is not in the list.
    pub unknown_after: UnknownAfter,
    /// Listings of a vector store, and texts, have another page after each page.
    pub endless_pages: bool,
    /// The entries whose id a listing reports as `null`.
    pub hidden_ids: BTreeSet<String>,

    /// The default size of chunks in tokens of 4 characters each: 800.
    pub chunk_tokens: u32,
    /// The default overlap of neighbouring chunks in tokens: 400.
    pub chunk_overlap_tokens: u32,
    /// The order in which the text of a file is returned.
    pub chunk_order: ChunkOrder,
    /// Drops newlines at the end of a text; `true` by default.
    pub trim_trailing_newlines: bool,
    /// The format of the text of a file.
    pub text_shape: TextShape,
    /// The number of chunks on a page of text; `None`, the default, for all.
    pub text_page: Option<usize>,

    /// The id that a search reports for the file of a hit.
    pub search_ids: SearchIds,
    /// The highest score of a hit: 1 by default.
    pub max_score: f64,

    /// The format of errors.
    pub error_shape: ErrorShape,
    /// Resets the connection after each response with a status from 400 to 499.
    pub reset_after_4xx: bool,
    /// Whether calls to vector stores must or must not have the header `OpenAI-Beta: assistants=v2`.
    pub beta_header: BetaHeader,
}

impl Rules {
    /// Returns the default rules, but with every file downloadable, as from llama-stack and Azure.
    #[must_use]
    pub fn lenient() -> Self {
        Self { forbidden_downloads: BTreeSet::new(), ..Self::default() }
    }

    /// Returns the worst behaviour of all known servers together, except that files can be indexed and a backend can read everything
    /// back that it wrote with the encoding `framed`.
    #[must_use]
    pub fn worst() -> Self {
        Self {
            max_attribute_value: 256,
            attribute_values_in_bytes: true,
            kept_attributes: KeptAttributes::Text,
            attribute_updates: AttributeUpdates::Merge,
            null_file_sizes: true,
            in_progress_polls: 1,
            missing_after_attach: 1,
            unlisted_after_attach: 1,
            missing_after_upload: 1,
            deleted_files: DeletedFiles::Listed,
            file_lifetime: Some(Duration::from_secs(365 * 24 * 3600)),
            text_outlives_files: true,
            batches: Batches::Ignored,
            zero_batch_counts: true,
            repeated_items: true,
            page_ids: PageIds::Omitted,
            always_has_more: true,
            unknown_after: UnknownAfter::Restarts,
            chunk_order: ChunkOrder::Lexicographic,
            text_shape: TextShape::Legacy,
            search_ids: SearchIds::Document,
            max_score: 3.0,
            error_shape: ErrorShape::Untyped,
            reset_after_4xx: true,
            ..Self::default()
        }
    }
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            latency: Duration::ZERO,
            forbidden_downloads: set(&["assistants", "user_data", "evals", "fine-tune"]),
            refuse_empty_files: true,
            max_file_bytes: 512 * 1024 * 1024,
            upload_extensions: Some(set(&UPLOAD_EXTENSIONS)),
            attach_extensions: Some(set(&ATTACH_EXTENSIONS)),
            null_file_sizes: false,
            max_attributes: 16,
            max_attribute_key: 64,
            max_attribute_value: 512,
            attribute_values_in_bytes: false,
            kept_attributes: KeptAttributes::default(),
            attribute_updates: AttributeUpdates::default(),
            numbers_as_floats: false,
            in_progress_polls: 0,
            missing_after_attach: 0,
            unlisted_after_attach: 0,
            missing_after_upload: 0,
            stale_after_delete: 0,
            double_attach: DoubleAttach::default(),
            deleted_files: DeletedFiles::default(),
            file_lifetime: None,
            text_outlives_files: false,
            batches: Batches::default(),
            fail_indexing: Vec::new(),
            poll_after: None,
            zero_batch_counts: false,
            repeated_items: false,
            page_ids: PageIds::default(),
            always_has_more: false,
            unknown_after: UnknownAfter::default(),
            endless_pages: false,
            hidden_ids: BTreeSet::new(),
            chunk_tokens: 800,
            chunk_overlap_tokens: 400,
            chunk_order: ChunkOrder::default(),
            trim_trailing_newlines: true,
            text_shape: TextShape::default(),
            text_page: None,
            search_ids: SearchIds::default(),
            max_score: 1.0,
            error_shape: ErrorShape::default(),
            reset_after_4xx: false,
            beta_header: BetaHeader::default(),
        }
    }
}

/// The extensions that OpenAI lists when it refuses another one.
const UPLOAD_EXTENSIONS: [&str; 29] = [
    "c", "cpp", "css", "csv", "docx", "gif", "go", "html", "java", "jpeg", "jpg", "js", "json",
    "md", "pdf", "php", "pkl", "png", "pptx", "py", "rb", "tar", "tex", "ts", "txt", "webp",
    "xlsx", "xml", "zip",
];

/// The extensions that OpenAI's retrieval guide lists.
const ATTACH_EXTENSIONS: [&str; 21] = [
    "c", "cpp", "cs", "css", "doc", "docx", "go", "html", "java", "js", "json", "md", "pdf", "php",
    "pptx", "py", "rb", "sh", "tex", "ts", "txt",
];

fn set(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|&name| name.to_owned()).collect()
}

/// The attributes that are kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum KeptAttributes {
    /// Text, numbers and booleans.
    #[default]
    All,
    /// Only text, as with LiteLLM.
    Text,
    /// None.
    Nothing,
}

/// The effect of an update on attributes that it does not name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum AttributeUpdates {
    /// They are removed.
    #[default]
    Replace,
    /// They are kept.
    Merge,
    /// An update is accepted and changes nothing.
    Ignore,
}

/// The effect of attaching a file that is attached already.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum DoubleAttach {
    /// The response shows the present entry, and the new attributes are ignored, as in ogx.
    #[default]
    KeepsOld,
    /// The new entry replaces the present one.
    Replaces,
    /// Both entries are listed, as in llama-stack.
    ListsTwice,
}

/// The effect of deleting a file on the vector stores it is attached to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum DeletedFiles {
    /// The entry is removed but still counted, as observed with OpenAI.
    #[default]
    Counted,
    /// The entry is removed, as OpenAI documents.
    Detached,
    /// The entry is still listed, as in ogx.
    Listed,
}

/// The effect of a batch with `files`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Batches {
    /// All files are attached.
    #[default]
    Attached,
    /// The batch is accepted, and none of its files is attached, as in ogx.
    Ignored,
    /// There is no such endpoint, as in llama-stack 0.2.12.
    Missing,
}

/// The first and last ids that a page reports.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum PageIds {
    /// The ids.
    #[default]
    Given,
    /// `null`, also if there are more pages.
    Null,
    /// Neither field is present.
    Omitted,
}

/// The response to a cursor that is not in the list.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum UnknownAfter {
    /// Status 400.
    #[default]
    Refused,
    /// The first page, as in ogx.
    Restarts,
}

/// The order of the chunks of a file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum ChunkOrder {
    /// The order of the text.
    #[default]
    InOrder,
    /// Sorted by text, as in ogx.
    Lexicographic,
    /// Shuffled with this seed.
    Shuffled(u64),
}

/// The format of the text of a file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum TextShape {
    /// A page of chunks.
    #[default]
    Page,
    /// One object with the chunks in a field, as in llama-stack and in an example of OpenAI's documentation.
    Legacy,
    /// There is no such endpoint: status 404.
    Missing,
}

/// The id that a search reports for the file of a hit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum SearchIds {
    /// The id of the file.
    #[default]
    File,
    /// The id of a document of the index, as in ogx.
    Document,
    /// An empty one, as in llama-stack 0.2.12.
    Empty,
}

/// The format of errors.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum ErrorShape {
    /// `{"error": {"message", "type", "param", "code"}}`.
    #[default]
    OpenAI,
    /// `{"detail": …}`, with status 400 for missing objects, as in llama-stack.
    FastApi,
    /// `{"error": {"message"}}`, with status 400 for missing objects, as in ogx.
    Untyped,
    /// As [`OpenAI`](Self::OpenAI), with status 400 for missing objects: the message holds the whole answer of [`FastApi`](Self::FastApi),
    /// or no reason if an uploaded file is missing, as in LiteLLM before llama-stack.
    Gateway,
}

/// Whether calls to vector stores need the header `OpenAI-Beta: assistants=v2`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum BetaHeader {
    /// Calls work with and without it.
    #[default]
    Optional,
    /// Calls without it get status 400.
    Required,
    /// Calls with it get status 400.
    Forbidden,
}

/// The files whose indexing fails, and the error that their entries show.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct IndexingFailure {
    /// The text that the file name contains; empty for any name.
    pub filename_contains: String,
    /// The bytes that the content contains; empty for any content.
    pub content_contains: Vec<u8>,
    /// The error code, such as `server_error`, `unsupported_file` or `invalid_file`.
    pub code: String,
    /// The error message.
    pub message: String,
}

impl IndexingFailure {
    /// Creates a failure of every file.
    #[must_use]
    pub fn new(code: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            filename_contains: String::new(),
            content_contains: Vec::new(),
            code: code.into(),
            message: message.into(),
        }
    }

    /// Limits the failure to files whose name contains `part`.
    #[must_use]
    pub fn for_names_with(mut self, part: impl Into<String>) -> Self {
        self.filename_contains = part.into();
        self
    }

    /// Limits the failure to files whose content contains `part`.
    #[must_use]
    pub fn for_content_with(mut self, part: impl Into<Vec<u8>>) -> Self {
        self.content_contains = part.into();
        self
    }

    pub(super) fn applies_to(&self, filename: &str, content: &[u8]) -> bool {
        let part = &self.content_contains;
        filename.contains(&self.filename_contains)
            && (part.is_empty() || content.windows(part.len()).any(|window| window == part))
    }
}
