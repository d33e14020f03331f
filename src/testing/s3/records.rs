//! What the service stores: buckets, versions of objects, unfinished uploads.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::SystemTime;

use s3s::dto::{ETag, Timestamp};

use super::checksums::{Algorithm, Checksum};
use super::content::Content;

#[derive(Debug)]
pub(super) struct Bucket {
    pub(super) created: SystemTime,
    pub(super) versioning: Versioning,
    /// The versions of each key, the newest last. No list is empty.
    pub(super) keys: BTreeMap<String, Vec<Version>>,
    /// The unfinished uploads by key and id. The order of ids is that of their creation.
    pub(super) uploads: BTreeMap<(String, String), Upload>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Versioning {
    /// It was never enabled.
    #[default]
    Off,
    Enabled,
    Suspended,
}

/// The id of a version that was written while versioning was not enabled.
pub(super) const NULL_VERSION: &str = "null";

#[derive(Clone, Debug)]
pub(super) struct Version {
    pub(super) id: String,
    pub(super) modified: SystemTime,
    /// `None` for a delete marker.
    pub(super) object: Option<Arc<Object>>,
}

#[derive(Debug)]
pub(super) struct Object {
    pub(super) content: Content,
    /// Without quotes.
    pub(super) etag: String,
    pub(super) checksum: Option<Checksum>,
    pub(super) attributes: Attributes,
}

/// What a client says about an object.
#[derive(Clone, Debug, Default)]
pub(super) struct Attributes {
    pub(super) content_type: Option<String>,
    pub(super) cache_control: Option<String>,
    pub(super) content_disposition: Option<String>,
    pub(super) content_encoding: Option<String>,
    pub(super) content_language: Option<String>,
    pub(super) expires: Option<Timestamp>,
    pub(super) storage_class: Option<String>,
    /// The user metadata, without the prefix `x-amz-meta-`.
    pub(super) metadata: BTreeMap<String, String>,
}

#[derive(Debug)]
pub(super) struct Upload {
    pub(super) initiated: SystemTime,
    pub(super) attributes: Attributes,
    /// The algorithm that the client named.
    pub(super) algorithm: Option<Algorithm>,
    /// Whether the checksum of the object is made of those of its parts.
    pub(super) is_composite: bool,
    pub(super) parts: BTreeMap<i32, Part>,
}

#[derive(Clone, Debug)]
pub(super) struct Part {
    pub(super) content: Content,
    /// Without quotes.
    pub(super) etag: String,
    pub(super) checksum: Option<Checksum>,
    pub(super) modified: SystemTime,
}

/// Reads the attributes of an object from a request.
macro_rules! attributes {
    ($input:expr) => {
        $crate::testing::s3::records::Attributes {
            content_type: $input.content_type.take().map(String::from),
            cache_control: $input.cache_control.take(),
            content_disposition: $input.content_disposition.take(),
            content_encoding: $crate::testing::s3::records::encoding(
                $input.content_encoding.take(),
            ),
            content_language: $input.content_language.take(),
            expires: $input.expires.take(),
            storage_class: $input.storage_class.take().map(|class| class.as_str().to_owned()),
            metadata: $input.metadata.take().unwrap_or_default().into_iter().collect(),
        }
    };
}
pub(super) use attributes;

/// Removes `aws-chunked`, which is the encoding of a request and not of its object.
pub(super) fn encoding(encoding: Option<String>) -> Option<String> {
    let encoding = encoding?;
    let kept: Vec<&str> = encoding
        .split(',')
        .map(str::trim)
        .filter(|&one| one != "aws-chunked" && !one.is_empty())
        .collect();
    (!kept.is_empty()).then(|| kept.join(","))
}

impl Object {
    pub(super) fn etag(&self) -> ETag {
        ETag::Strong(self.etag.clone())
    }
}

impl Version {
    /// Returns the id for a response: none if the bucket never had versions.
    pub(super) fn shown_id(&self, versioning: Versioning) -> Option<String> {
        (versioning != Versioning::Off).then(|| self.id.clone())
    }
}

impl Bucket {
    pub(super) fn new(created: SystemTime) -> Self {
        Self {
            created,
            versioning: Versioning::Off,
            keys: BTreeMap::new(),
            uploads: BTreeMap::new(),
        }
    }

    /// Returns the newest version of a key, which may be a delete marker.
    pub(super) fn newest(&self, key: &str) -> Option<&Version> {
        self.keys.get(key)?.last()
    }

    /// Returns the object that a read without a version gets.
    pub(super) fn current(&self, key: &str) -> Option<&Arc<Object>> {
        self.newest(key)?.object.as_ref()
    }

    /// Returns a version by its id.
    pub(super) fn version(&self, key: &str, id: &str) -> Option<&Version> {
        self.keys.get(key)?.iter().find(|version| version.id == id)
    }

    /// Adds the newest version of a key, and removes the one that it replaces.
    pub(super) fn add(&mut self, key: &str, version: Version) {
        let versions = self.keys.entry(key.to_owned()).or_default();
        versions.retain(|old| old.id != version.id);
        versions.push(version);
    }

    /// Removes a version by its id and returns it.
    pub(super) fn remove(&mut self, key: &str, id: &str) -> Option<Version> {
        let versions = self.keys.get_mut(key)?;
        let position = versions.iter().position(|version| version.id == id)?;
        let removed = versions.remove(position);
        if versions.is_empty() {
            self.keys.remove(key);
        }
        Some(removed)
    }
}
