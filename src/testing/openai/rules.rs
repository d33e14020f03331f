//! How the simulated service behaves for as long as nobody says otherwise.

use std::collections::BTreeSet;
use std::time::Duration;

/// The standing behaviour of an [`OpenAISimulator`](super::OpenAISimulator), to be changed with
/// [`set`](super::OpenAISimulator::set) at any time.
///
/// By default it is as strict as OpenAI is known to be. Where nobody outside knows what OpenAI does, the default is what asks
/// more of the client.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
#[expect(
    clippy::struct_excessive_bools,
    reason = "switches that have nothing to do with each other"
)]
pub struct Rules {
    /// How long each request waits before it is processed; zero by default.
    pub latency: Duration,

    /// Files of these purposes are not given back: `assistants`, `user_data`, `evals` and `fine-tune` by default.
    pub forbidden_downloads: BTreeSet<String>,
    /// Whether files of no bytes are refused; `true` by default.
    pub refuse_empty_files: bool,
    /// How many bytes a file may have: 512 MiB by default.
    pub max_file_bytes: u64,
    /// The endings that files for the purpose `assistants` must have, in small letters and without the dot; `None` for any.
    pub upload_extensions: Option<BTreeSet<String>>,
    /// The endings of files that a vector store takes, in small letters and without the dot; `None` for any.
    pub attach_extensions: Option<BTreeSet<String>>,
    /// Whether the size of a file is answered as `null`, as it may be for one made of parts.
    pub null_bytes: bool,

    /// How many attributes a file may have: 16 by default.
    pub max_attributes: usize,
    /// How many characters the name of an attribute may have: 64 by default.
    pub max_attribute_key: usize,
    /// How many characters the text of an attribute may have: 512 by default; OpenAI's guide says 256.
    pub max_attribute_value: usize,
    /// Whether the text of an attribute is counted in bytes of UTF-8 rather than in characters.
    pub attribute_values_in_bytes: bool,
    /// What an update of attributes does with those it does not name.
    pub attribute_updates: AttributeUpdates,
    /// Whether numbers come back as floats, `14` as `14.0`. Above 2^53 they lose digits in any case.
    pub numbers_as_floats: bool,

    /// How many answers that show a fresh attachment say `in_progress`, after the one to the attachment itself.
    pub in_progress_polls: u32,
    /// How many requests for a fresh attachment are answered as if it were not there.
    pub missing_after_attach: u32,
    /// How many listings, counted by their first pages, do not show a fresh attachment yet. Asked for by itself it is there.
    pub unlisted_after_attach: u32,
    /// How many attachments of a fresh file are answered as if the file were not there.
    pub missing_after_upload: u32,
    /// How many listings still show a file that was detached.
    pub stale_after_delete: u32,
    /// What attaching a file does that is attached already.
    pub double_attach: DoubleAttach,
    /// What the deletion of a file leaves in the vector stores it was attached to.
    pub deleted_files: DeletedFiles,
    /// Files that cannot be indexed.
    pub fail_indexing: Vec<IndexingFailure>,
    /// What polls are told in `openai-poll-after-ms`.
    pub poll_after: Option<Duration>,
    /// Whether the counts of a batch that is in progress are all zero.
    pub zero_batch_counts: bool,

    /// Whether each page begins with the entry that the page before ended with.
    pub repeated_items: bool,
    /// What pages say of their first and last ids.
    pub page_ids: PageIds,
    /// Whether also the last page says that there are more.
    pub always_has_more: bool,
    /// What listing after an id does that is not in the list.
    pub unknown_after: UnknownAfter,

    /// How long chunks are where the client does not say, in tokens of 4 characters each: 800 by default.
    pub chunk_tokens: u32,
    /// How many tokens neighbours share where the client does not say: 400 by default.
    pub chunk_overlap_tokens: u32,
    /// In which order the chunks of a file are given back.
    pub chunk_order: ChunkOrder,
    /// Whether line breaks at the end of a text are lost; `true` by default.
    pub trim_trailing_newlines: bool,
    /// The shape in which the text of a file is given back.
    pub text_shape: TextShape,
    /// How many chunks are given back at a time; `None`, the default, for all.
    pub text_page: Option<usize>,

    /// The shape of errors.
    pub error_shape: ErrorShape,
    /// Whether the connection is reset after each answer with a status of 400 to 499.
    pub reset_after_4xx: bool,
    /// Whether `OpenAI-Beta: assistants=v2` has to come with calls to vector stores, or must not.
    pub beta_header: BetaHeader,
}

impl Rules {
    /// As servers behave that give back every file, such as llama-stack and Azure: like the default in everything else.
    #[must_use]
    pub fn lenient() -> Self {
        Self { forbidden_downloads: BTreeSet::new(), ..Self::default() }
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
            null_bytes: false,
            max_attributes: 16,
            max_attribute_key: 64,
            max_attribute_value: 512,
            attribute_values_in_bytes: false,
            attribute_updates: AttributeUpdates::default(),
            numbers_as_floats: false,
            in_progress_polls: 0,
            missing_after_attach: 0,
            unlisted_after_attach: 0,
            missing_after_upload: 0,
            stale_after_delete: 0,
            double_attach: DoubleAttach::default(),
            deleted_files: DeletedFiles::default(),
            fail_indexing: Vec::new(),
            poll_after: None,
            zero_batch_counts: false,
            repeated_items: false,
            page_ids: PageIds::default(),
            always_has_more: false,
            unknown_after: UnknownAfter::default(),
            chunk_tokens: 800,
            chunk_overlap_tokens: 400,
            chunk_order: ChunkOrder::default(),
            trim_trailing_newlines: true,
            text_shape: TextShape::default(),
            text_page: None,
            error_shape: ErrorShape::default(),
            reset_after_4xx: false,
            beta_header: BetaHeader::default(),
        }
    }
}

/// As the service names them where it refuses another.
const UPLOAD_EXTENSIONS: [&str; 29] = [
    "c", "cpp", "css", "csv", "docx", "gif", "go", "html", "java", "jpeg", "jpg", "js", "json",
    "md", "pdf", "php", "pkl", "png", "pptx", "py", "rb", "tar", "tex", "ts", "txt", "webp",
    "xlsx", "xml", "zip",
];

/// As OpenAI's guide to retrieval lists them.
const ATTACH_EXTENSIONS: [&str; 21] = [
    "c", "cpp", "cs", "css", "doc", "docx", "go", "html", "java", "js", "json", "md", "pdf", "php",
    "pptx", "py", "rb", "sh", "tex", "ts", "txt",
];

fn set(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|&name| name.to_owned()).collect()
}

/// What an update of attributes does with those it does not name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum AttributeUpdates {
    /// They are gone.
    #[default]
    Replace,
    /// They stay.
    Merge,
}

/// What attaching a file does that is attached already.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum DoubleAttach {
    /// The old entry is answered, and the new attributes are ignored, as ogx does.
    #[default]
    KeepsOld,
    /// The new entry takes the place of the old one.
    Replaces,
    /// Both are listed, as by llama-stack.
    ListsTwice,
}

/// What the deletion of a file leaves in the vector stores it was attached to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum DeletedFiles {
    /// The entry is gone, but still counted, as seen with OpenAI.
    #[default]
    Counted,
    /// Nothing, as documented.
    Detached,
    /// The entry is listed as before, as by ogx.
    Listed,
}

/// What pages say of their first and last ids.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum PageIds {
    /// What they are.
    #[default]
    Given,
    /// That they are `null`, also where there are more.
    Null,
    /// Nothing.
    Omitted,
}

/// What listing after an id does that is not in the list.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum UnknownAfter {
    /// It is refused with status 400.
    #[default]
    Refused,
    /// It begins again with the first page, as ogx does.
    Restarts,
}

/// In which order the chunks of a file are given back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum ChunkOrder {
    /// In the order of the text.
    #[default]
    InOrder,
    /// In the order of their letters, as by ogx.
    Lexicographic,
    /// In an order that depends on this number alone.
    Shuffled(u64),
}

/// The shape in which the text of a file is given back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum TextShape {
    /// A page of chunks.
    #[default]
    Page,
    /// One object with the chunks among its fields, as llama-stack answers and an example of OpenAI's documentation shows.
    Obsolete,
}

/// The shape of errors.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum ErrorShape {
    /// `{"error": {"message", "type", "param", "code"}}`.
    #[default]
    OpenAI,
    /// `{"detail": …}`, and status 400 for what is not there, as by llama-stack.
    FastApi,
}

/// Whether `OpenAI-Beta: assistants=v2` has to come with calls to vector stores.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum BetaHeader {
    /// It may.
    #[default]
    Optional,
    /// Without it calls are refused with status 400.
    Required,
    /// With it calls are refused with status 400.
    Forbidden,
}

/// Files that cannot be indexed, and what their entries say of that.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct IndexingFailure {
    /// What the name of such a file contains; empty for any name.
    pub filename_contains: String,
    /// What its content contains; empty for any content.
    pub content_contains: Vec<u8>,
    /// The kind of failure: `server_error`, `unsupported_file`, `invalid_file` or one that is to come.
    pub code: String,
    /// What is said of it.
    pub message: String,
}

impl IndexingFailure {
    /// The failure of every file, for now.
    #[must_use]
    pub fn new(code: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            filename_contains: String::new(),
            content_contains: Vec::new(),
            code: code.into(),
            message: message.into(),
        }
    }

    /// Only that of files whose name contains this.
    #[must_use]
    pub fn for_names_with(mut self, part: impl Into<String>) -> Self {
        self.filename_contains = part.into();
        self
    }

    /// Only that of files whose content contains this.
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
