//! How the attributes of an attachment tell which file it is.
//!
//! A vector store keeps no paths: everything f9 knows of a file stands in up to 16 attributes of its attachment. A path longer than
//! one value is cut into pieces. `path`, `is_dir`, `size`, `modified_at` and `encoding` mean what they mean to the Python library
//! `f9_file_backend`, whose entries are read as well.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::Value;

use super::api::{Attributes, VectorStoreFile};
use super::body::BodyEncoding;
use crate::tree::HasEtag;
use crate::{Checksum, ChecksumAlgorithm, Error, ErrorKind, Etag, FilePath, Result};

/// The longest value of an attribute, in bytes. The reference says 512 characters, the guide 256.
const MAX_VALUE_BYTES: usize = 256;

/// The longest path that can be kept, in bytes.
const MAX_PATH_BYTES: usize = 2048;

/// How many pieces a path may have, so that with the other attributes they are 16. Pieces end between characters, so that one of them
/// may have three bytes less than a value can.
const MAX_PIECES: usize = 9;
const _: () = assert!(MAX_PIECES * (MAX_VALUE_BYTES - 3) >= MAX_PATH_BYTES);

/// What the attachment of a file or a directory tells of it.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Entry {
    /// Of the uploaded file, and so of the attachment.
    pub(super) id: String,
    pub(super) kind: Kind,
    /// Of two versions at a path, the one with the higher number is the newer.
    pub(super) generation: u64,
    pub(super) created_at: SystemTime,
    pub(super) modified_at: SystemTime,
    /// By the service's clock, in seconds since 1970.
    pub(super) attached_at: u64,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Kind {
    Directory,
    File(FileKind),
}

/// What is known of the content of a file.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct FileKind {
    pub(super) size: u64,
    pub(super) encoding: BodyEncoding,
    /// Unknown for files that the Python library wrote.
    pub(super) sha256: Option<[u8; 32]>,
}

impl HasEtag for Entry {
    fn has_etag(&self, etag: &Etag) -> bool {
        self.id == etag.as_str()
    }
}

impl FileKind {
    pub(super) fn checksum(&self) -> Option<Checksum> {
        let digits = hex::encode(self.sha256?);
        Checksum::new(ChecksumAlgorithm::Sha256, &digits).ok()
    }
}

impl Entry {
    /// Of two entries for one path, the greater is the newer.
    pub(super) fn age(&self) -> impl Ord + '_ {
        (self.generation, self.modified_at, self.attached_at, &self.id)
    }

    pub(super) fn is_dir(&self) -> bool {
        self.kind == Kind::Directory
    }

    /// What is known of the content, if it is a file.
    pub(super) fn file(&self) -> Option<&FileKind> {
        match &self.kind {
            Kind::File(file) => Some(file),
            Kind::Directory => None,
        }
    }

    /// What the attributes of an attachment tell; `None` for one that is no file of f9's.
    pub(super) fn from_attachment(attachment: &VectorStoreFile) -> Option<(FilePath, Self)> {
        let attributes = &attachment.attributes;
        let path = path_from(attributes)?;
        let kind = if attributes.get("is_dir").is_some_and(is_true) {
            Kind::Directory
        } else {
            Kind::File(FileKind {
                size: number(attributes.get("size")?)?,
                encoding: BodyEncoding::from_name(attributes.get("encoding")?.as_str()?)?,
                sha256: attributes.get("sha256").and_then(|value| digest(value.as_str()?)),
            })
        };
        let attached = UNIX_EPOCH + Duration::from_secs(attachment.created_at);
        let time = |name| attributes.get(name).and_then(time);
        let modified_at = time("modified_at").unwrap_or(attached);
        let entry = Self {
            id: attachment.id.clone(),
            kind,
            generation: attributes.get("generation").and_then(number).unwrap_or(0),
            created_at: time("created_at").unwrap_or(modified_at),
            modified_at,
            attached_at: attachment.created_at,
        };
        Some((path, entry))
    }

    /// The attributes that move this entry from one path to another: should the service add them to those there are, nothing of the
    /// old path is left.
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

    /// The attributes that make an attachment this entry at `path`.
    ///
    /// # Errors
    ///
    /// `InvalidPath` if the path does not fit.
    pub(super) fn to_attributes(&self, path: &FilePath) -> Result<Attributes> {
        let mut attributes = Attributes::new();
        for (number, piece) in pieces(path)?.into_iter().enumerate() {
            attributes.insert(piece_name(number), piece.into());
        }
        attributes.insert("is_dir".to_owned(), (self.kind == Kind::Directory).into());
        attributes.insert("generation".to_owned(), self.generation.into());
        // As text: the service keeps numbers as doubles, which cannot hold nanoseconds.
        attributes.insert("created_at".to_owned(), seconds(self.created_at).into());
        attributes.insert("modified_at".to_owned(), seconds(self.modified_at).into());
        if let Kind::File(file) = &self.kind {
            attributes.insert("size".to_owned(), file.size.into());
            attributes.insert("encoding".to_owned(), file.encoding.name().into());
            if let Some(sha256) = file.sha256 {
                attributes.insert("sha256".to_owned(), hex::encode(sha256).into());
            }
        }
        Ok(attributes)
    }
}

/// Checks that the attributes can hold a path.
///
/// # Errors
///
/// `InvalidPath` telling how long a path may be.
pub(super) fn check_path(path: &FilePath) -> Result<()> {
    pieces(path).map(drop)
}

/// The piece of a path that `path` holds, by which a search may be narrowed.
pub(super) fn first_piece(path: &FilePath) -> &str {
    &path[..path.floor_char_boundary(MAX_VALUE_BYTES)]
}

fn piece_name(number: usize) -> String {
    if number == 0 { "path".to_owned() } else { format!("path_{number}") }
}

fn pieces(path: &FilePath) -> Result<Vec<&str>> {
    if path.len() > MAX_PATH_BYTES {
        return Err(Error::new(ErrorKind::InvalidPath).with_message(format!(
            "{} bytes, a vector store holds paths of up to {MAX_PATH_BYTES}",
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

/// The path that attributes tell; `None` for those of somebody else.
pub(super) fn path_from(attributes: &Attributes) -> Option<FilePath> {
    let mut path = attributes.get("path")?.as_str()?.to_owned();
    for number in 1..MAX_PIECES {
        let Some(piece) = attributes.get(&piece_name(number)) else { break };
        path.push_str(piece.as_str()?);
    }
    FilePath::parse_entry(&path).ok()
}

/// Servers give booleans back as they are, as text, or as numbers.
fn is_true(value: &Value) -> bool {
    match value {
        Value::Bool(is) => *is,
        Value::String(text) => text.eq_ignore_ascii_case("true") || text == "1",
        other => number(other) == Some(1),
    }
}

/// Servers give numbers back as integers, as floats, or as text.
fn number(value: &Value) -> Option<u64> {
    let text = match value {
        Value::Number(number) => return number.as_u64().or_else(|| whole(number.as_f64()?)),
        Value::String(text) => text,
        _ => return None,
    };
    text.parse().ok().or_else(|| whole(text.parse().ok()?))
}

fn whole(number: f64) -> Option<u64> {
    /// Above this, doubles skip numbers.
    const EXACT: f64 = 9_007_199_254_740_992.0;

    let is_whole = (0.0..=EXACT).contains(&number) && number.fract() == 0.0;
    // Through text: a cast would be refused as one that may lose digits.
    is_whole.then(|| format!("{number:.0}").parse().ok()).flatten()
}

/// Seconds since 1970 with nanoseconds; times before that are told as 1970.
fn seconds(time: SystemTime) -> String {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    format!("{}.{:09}", since.as_secs(), since.subsec_nanos())
}

fn time(value: &Value) -> Option<SystemTime> {
    let since = match value {
        Value::Number(number) => Duration::try_from_secs_f64(number.as_f64()?).ok()?,
        // Digit by digit, as a double would round the nanoseconds.
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

/// A SHA-256 from its hexadecimal digits.
pub(super) fn digest(digits: &str) -> Option<[u8; 32]> {
    let mut digest = [0; 32];
    hex::decode_to_slice(digits, &mut digest).ok()?;
    Some(digest)
}

#[cfg(test)]
mod tests;
