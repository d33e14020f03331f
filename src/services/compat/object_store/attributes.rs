//! Attributes of objects: the content type and the user metadata of files.

use std::borrow::Cow;

use object_store::{Attribute, Attributes};

use crate::backend::{Capabilities, Capability};
use crate::core::info::FileInfo;
use crate::core::metadata::FileMetadata;

/// Returns the metadata of a write; `None` if a backend with these capabilities does not keep all attributes.
pub(super) fn metadata_of(
    attributes: &Attributes,
    capabilities: Capabilities,
) -> Option<FileMetadata> {
    let mut metadata = FileMetadata::default();
    for (attribute, value) in attributes {
        let value = value.to_string();
        match attribute {
            Attribute::ContentType if capabilities.has(Capability::ContentType) => {
                metadata.content_type = Some(value);
            }
            Attribute::Metadata(key) if capabilities.has(Capability::UserMetadata) => {
                metadata.user_metadata.insert(key.to_string(), value);
            }
            _ => return None,
        }
    }
    Some(metadata)
}

pub(super) fn attributes_of(info: FileInfo) -> Attributes {
    let content_type = info.content_type.map(|value| (Attribute::ContentType, value));
    let user_metadata = info.user_metadata.into_iter();
    let pairs = user_metadata.map(|(key, value)| (Attribute::Metadata(Cow::Owned(key)), value));
    content_type.into_iter().chain(pairs).collect()
}
