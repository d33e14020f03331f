//! How paths and metadata are stored in the attributes of an attachment.
//!
//! A vector store has no paths: f9 keeps all metadata of a file in up to 16 attributes of its attachment. A path longer than one
//! value is split into pieces. `path`, `is_dir`, `size`, `modified_at` and `encoding` are those of the Python library
//! `f9_file_backend`, whose entries can be read too.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::Value;

use super::api::{Attributes, VectorStoreFile};
use super::body::BodyEncoding;
use crate::core::checksum::{Checksum, ChecksumAlgorithm};
use crate::core::error::{Error, ErrorKind, Result};
use crate::core::etag::Etag;
use crate::core::path::FilePath;
use crate::core::target::FileState;

/// The longest value of an attribute, in bytes. The reference says 512 characters, the guide 256.
const MAX_VALUE_BYTES: usize = 256;

/// The most attributes of an attachment.
const MAX_ATTRIBUTES: usize = 16;

/// The longest path that fits, in bytes.
pub(super) const MAX_PATH_BYTES: usize = 2048;

/// The most pieces of a path; with the other attributes they make 16. Pieces end between characters, so each may be three bytes
/// shorter than a value.
const MAX_PIECES: usize = 9;
const _: () = assert!(MAX_PIECES * (MAX_VALUE_BYTES - 3) >= MAX_PATH_BYTES);

/// A file or directory, as its attachment describes it.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Entry {
    /// The id of the uploaded file, and so of the attachment.
    pub(super) id: String,
    pub(super) kind: Kind,
    /// Of two versions of a path, the one with the higher number is newer.
    pub(super) generation: u64,
    pub(super) created_at: SystemTime,
    pub(super) modified_at: SystemTime,
    /// By the service's clock, in seconds since 1970.
    pub(super) attached_at: u64,
    /// When the service deletes the uploaded file, if it said so.
    pub(super) expires_at: Option<SystemTime>,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Kind {
    Directory,
    File(FileMeta),
    /// A file of f9 whose attributes are incomplete or damaged, or whose id is missing. It keeps its place in the tree, but cannot be read.
    Corrupted,
}

/// The metadata of a file's content.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct FileMeta {
    pub(super) size: u64,
    pub(super) encoding: BodyEncoding,
    /// `None` for files written by the Python library.
    pub(super) sha256: Option<[u8; 32]>,
}

/// The value of `sha256` after f9 renamed a file of the Python library. Any other value is a checksum or damaged.
const UNKNOWN_SHA256: &str = "unknown";

/// The attributes that f9 writes and the Python library does not. Other programs use some of these names too.
const OWN_ATTRIBUTES: [&str; 3] = ["generation", "created_at", "sha256"];

/// The attributes of every file of f9. Of these, a server that keeps only text may drop `generation` and `size`.
const FILE_ATTRIBUTES: [&str; 6] =
    ["generation", "created_at", "modified_at", "sha256", "encoding", "size"];

/// How many of these a damaged entry must still have to be taken for one of f9.
const MIN_FILE_ATTRIBUTES: usize = 3;

impl FileState for Entry {
    fn etag(&self) -> Option<Etag> {
        Some(Etag::new(&*self.id))
    }

    fn modified_at(&self) -> Option<SystemTime> {
        Some(self.modified_at)
    }
}

impl FileMeta {
    /// Parses the attributes; `None` if one is missing or damaged. Only the Python library writes entries without a checksum.
    fn read(attributes: &Attributes, is_own: bool) -> Option<Self> {
        let text = |name| attributes.get(name).and_then(Value::as_str);
        let sha256 = match text("sha256") {
            Some(UNKNOWN_SHA256) => None,
            None if !is_own => None,
            digits => Some(parse_sha256(digits?)?),
        };
        let size = number(attributes.get("size")?)?;
        Some(Self { size, encoding: BodyEncoding::from_name(text("encoding")?)?, sha256 })
    }

    pub(super) fn checksum(&self) -> Option<Checksum> {
        let digits = hex::encode(self.sha256?);
        Checksum::new(ChecksumAlgorithm::Sha256, &digits).ok()
    }
}

impl Entry {
    /// Orders the entries of one path: the greatest is the newest. A corrupted entry never hides an intact one, since it may come from a
    /// write that failed because the service did not keep its attributes.
    pub(super) fn version(&self) -> impl Ord + '_ {
        let is_intact = self.kind != Kind::Corrupted;
        (is_intact, self.generation, self.modified_at, self.attached_at, &self.id)
    }

    /// Whether this may be a damaged version that is newer than `intact`, which is shown instead. Its generation may be lost.
    pub(super) fn may_be_newer(&self, intact: &Self) -> bool {
        self.kind == Kind::Corrupted
            && (self.generation > intact.generation || self.modified_at > intact.modified_at)
    }

    pub(super) fn is_dir(&self) -> bool {
        self.kind == Kind::Directory
    }

    /// Returns the metadata of the content if the entry is an intact file.
    pub(super) fn meta(&self) -> Option<&FileMeta> {
        if let Kind::File(meta) = &self.kind { Some(meta) } else { None }
    }

    /// As [`meta`](Self::meta).
    ///
    /// # Errors
    ///
    /// `IsADirectory`, `Corrupted`.
    pub(super) fn expect_file(&self) -> Result<&FileMeta> {
        self.meta().ok_or_else(|| match self.kind {
            Kind::Directory => ErrorKind::IsADirectory.into(),
            _ => corrupted(&self.id),
        })
    }

    /// Parses the attributes of an attachment; `None` if f9 did not write it.
    pub(super) fn from_attachment(attachment: &VectorStoreFile) -> Option<(FilePath, Self)> {
        let attributes = &attachment.attributes;
        let path = path_of_attributes(attributes)?;
        let is_own = is_own(attributes);
        let kind = if attributes.get("is_dir").is_some_and(is_true) {
            Some(Kind::Directory)
        } else {
            FileMeta::read(attributes, is_own).map(Kind::File)
        };
        let corrupted = is_own.then_some(Kind::Corrupted);
        let kind = kind.filter(|_| !attachment.id.is_empty()).or(corrupted)?;
        let attached = UNIX_EPOCH.checked_add(Duration::from_secs(attachment.created_at));
        let time = |name| attributes.get(name).and_then(time);
        let modified_at = modified_at(attributes).or(attached).unwrap_or(UNIX_EPOCH);
        let entry = Self {
            id: attachment.id.clone(),
            kind,
            generation: generation(attributes),
            created_at: time("created_at").unwrap_or(modified_at),
            modified_at,
            attached_at: attachment.created_at,
            expires_at: time("expires_at"),
        };
        Some((path, entry))
    }

    /// Whether a listing with this attachment shows the entry at `path`.
    pub(super) fn is_kept_in(&self, attachment: &VectorStoreFile, path: &FilePath) -> bool {
        Self::from_attachment(attachment)
            .is_some_and(|(kept_at, kept)| kept_at == *path && self.is_same_version(&kept))
    }

    /// Whether both describe the same content, written at the same time.
    pub(super) fn is_same_version(&self, other: &Self) -> bool {
        let written = |entry: &Self| (entry.generation, entry.created_at, entry.modified_at);
        self.kind == other.kind && written(self) == written(other)
    }

    /// Returns the attributes that move this entry from `old` to `path`. They overwrite every piece of the old path, in case the
    /// service merges attributes instead of replacing them.
    ///
    /// # Errors
    ///
    /// `InvalidPath` if the path does not fit.
    pub(super) fn to_attributes_from(&self, old: &FilePath, path: &FilePath) -> Result<Attributes> {
        let mut attributes = self.to_attributes(path)?;
        for number in pieces(path)?.len()..pieces(old)?.len() {
            attributes.insert(piece_name(number), "".into());
        }
        Ok(attributes)
    }

    /// Returns the attributes of this entry at `path`.
    ///
    /// # Errors
    ///
    /// `InvalidPath` if the path does not fit, and `Corrupted` for a corrupted entry.
    pub(super) fn to_attributes(&self, path: &FilePath) -> Result<Attributes> {
        let mut attributes = Attributes::new();
        for (number, piece) in pieces(path)?.into_iter().enumerate() {
            attributes.insert(piece_name(number), piece.into());
        }
        attributes.insert("is_dir".to_owned(), (self.kind == Kind::Directory).into());
        attributes.insert("generation".to_owned(), self.generation.into());
        // As text: the service stores numbers as doubles, which cannot hold nanoseconds.
        attributes.insert("created_at".to_owned(), seconds(self.created_at).into());
        attributes.insert("modified_at".to_owned(), seconds(self.modified_at).into());
        if self.kind != Kind::Directory {
            let meta = self.expect_file()?;
            let sha256 = meta.sha256.map_or_else(|| UNKNOWN_SHA256.to_owned(), hex::encode);
            attributes.insert("size".to_owned(), meta.size.into());
            attributes.insert("encoding".to_owned(), meta.encoding.name().into());
            attributes.insert("sha256".to_owned(), sha256.into());
        }
        if let Some(time) = self.expires_at.filter(|_| attributes.len() < MAX_ATTRIBUTES) {
            attributes.insert("expires_at".to_owned(), seconds(time).into());
        }
        Ok(attributes)
    }
}

/// Whether f9 wrote the attributes, even if some of them are lost. The Python library has none of `OWN_ATTRIBUTES`, and another
/// program may have one of them by chance.
fn is_own(attributes: &Attributes) -> bool {
    let count =
        |names: &[&str]| names.iter().filter(|name| attributes.contains_key(**name)).count();
    count(&OWN_ATTRIBUTES) > 0 && count(&FILE_ATTRIBUTES) >= MIN_FILE_ATTRIBUTES
}

/// Returns the error for the entry with this id.
pub(super) fn corrupted(id: &str) -> Error {
    Error::new(ErrorKind::Corrupted).with_message(match id {
        "" => "the service reports the entry without an id, so it can be neither read nor removed".to_owned(),
        id => format!(
            "the attributes of the entry `{id}` are incomplete or damaged, so its content cannot be verified"
        ),
    })
}

/// Converts all attributes to text.
pub(super) fn as_text(attributes: Attributes) -> Attributes {
    let as_text = |value: Value| match value {
        Value::String(_) => value,
        other => other.to_string().into(),
    };
    attributes.into_iter().map(|(name, value)| (name, as_text(value))).collect()
}

/// Returns the generation in the attributes; 0 for entries of the Python library.
pub(super) fn generation(attributes: &Attributes) -> u64 {
    attributes.get("generation").and_then(number).unwrap_or(0)
}

/// Returns the time of the last change in the attributes.
pub(super) fn modified_at(attributes: &Attributes) -> Option<SystemTime> {
    attributes.get("modified_at").and_then(time)
}

/// Checks that the attributes can hold a path.
///
/// # Errors
///
/// `InvalidPath` with the maximum length.
pub(super) fn check_path(path: &FilePath) -> Result<()> {
    pieces(path).map(drop)
}

/// Returns the value of the attribute `path`, for filters of a search.
pub(super) fn first_piece(path: &FilePath) -> &str {
    &path[..path.floor_char_boundary(MAX_VALUE_BYTES)]
}

fn piece_name(number: usize) -> String {
    if number == 0 { "path".to_owned() } else { format!("path_{number}") }
}

fn pieces(path: &FilePath) -> Result<Vec<&str>> {
    if path.len() > MAX_PATH_BYTES {
        return Err(Error::new(ErrorKind::InvalidPath).with_message(format!(
            "the path has {} bytes; a vector store holds paths of up to {MAX_PATH_BYTES}",
            path.len(),
        )));
    }
    let (mut pieces, mut rest) = (Vec::new(), path.as_str());
    while !rest.is_empty() {
        let (piece, after) = rest.split_at(rest.floor_char_boundary(MAX_VALUE_BYTES));
        pieces.push(piece);
        rest = after;
    }
    Ok(pieces)
}

/// Returns the path in the attributes; `None` if f9 did not write them.
pub(super) fn path_of_attributes(attributes: &Attributes) -> Option<FilePath> {
    let mut path = attributes.get("path")?.as_str()?.to_owned();
    for number in 1..MAX_PIECES {
        let Some(piece) = attributes.get(&piece_name(number)) else { break };
        path.push_str(piece.as_str()?);
    }
    FilePath::parse_entry(&path).ok()
}

/// Servers return booleans as booleans, text or numbers.
fn is_true(value: &Value) -> bool {
    match value {
        Value::Bool(is) => *is,
        Value::String(text) => text.eq_ignore_ascii_case("true") || text == "1",
        other => number(other) == Some(1),
    }
}

/// Servers return numbers as integers, floats or text.
fn number(value: &Value) -> Option<u64> {
    match value {
        Value::Number(number) => number.as_u64().or_else(|| exact_integer(number.as_f64()?)),
        Value::String(text) => text.parse().ok().or_else(|| exact_integer(text.parse().ok()?)),
        _ => None,
    }
}

fn exact_integer(number: f64) -> Option<u64> {
    /// Above this, doubles skip integers.
    const EXACT: f64 = 9_007_199_254_740_992.0;

    let is_whole = (0.0..=EXACT).contains(&number) && number.fract() == 0.0;
    // Through text, because the lints refuse a lossy cast.
    is_whole.then(|| format!("{number:.0}").parse().ok()).flatten()
}

/// Seconds since 1970 with nanoseconds; earlier times become 1970.
fn seconds(time: SystemTime) -> String {
    let duration = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    format!("{}.{:09}", duration.as_secs(), duration.subsec_nanos())
}

fn time(value: &Value) -> Option<SystemTime> {
    let since = match value {
        Value::Number(number) => Duration::try_from_secs_f64(number.as_f64()?).ok()?,
        // Digit by digit, because a double would round the nanoseconds.
        Value::String(text) => {
            let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
            if fraction.len() > 9 || !fraction.bytes().all(|digit| digit.is_ascii_digit()) {
                return None;
            }
            Duration::new(whole.parse().ok()?, format!("{fraction:0<9}").parse().ok()?)
        }
        _ => return None,
    };
    UNIX_EPOCH.checked_add(since)
}

/// Parses the hexadecimal digits of a SHA-256.
pub(super) fn parse_sha256(digits: &str) -> Option<[u8; 32]> {
    let mut digest = [0; 32];
    hex::decode_to_slice(digits, &mut digest).ok()?;
    Some(digest)
}

#[cfg(test)]
mod tests;
