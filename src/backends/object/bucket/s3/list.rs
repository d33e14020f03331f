//! Listings: of keys, of versions, and of uploads in parts.

use std::cmp::Reverse;

use http::Method;

use super::answers::{self, VersionItem, read, unescaped};
use super::client::Request;
use super::failure::error;
use super::headers::unquoted;
use super::{S3, split};
use crate::backends::object::bucket::{List, ObjectVersion, Page, Unfinished, UploadedPart};
use crate::core::error::{ErrorKind, Result};

/// Where the next page of a listing starts: after this key, and after this version or upload of it.
type Marker = (String, Option<String>);

impl S3 {
    /// Lists a page of keys.
    pub(super) async fn list_page(&self, list: List) -> Result<Page> {
        let request = Request::new(Method::GET, "")
            .query("list-type", "2")
            .query("encoding-type", "url")
            .query("prefix", list.prefix)
            .query_some("delimiter", list.is_grouped.then_some("/"))
            .query_some("start-after", list.start_after)
            .query_some("max-keys", list.max.map(|max| max.to_string()))
            .query_some("continuation-token", list.token.as_deref());
        let token = list.token;
        let answer = self.send(&request).await?;
        let listing: answers::Listing = read(&answer.body)?;
        let encoding = listing.encoding_type;
        let objects = listing.contents.into_iter().map(|entry| entry.into_object(&encoding));
        let groups =
            listing.common_prefixes.iter().map(|group| unescaped(&group.prefix, &encoding));
        let next = listing.next_continuation_token.filter(|_| listing.is_truncated);
        if listing.is_truncated && next.is_none() {
            return Err(error(ErrorKind::Remote, "the listing has an end without a continuation"));
        }
        if next.is_some() && next == token {
            return Err(error(ErrorKind::Remote, "the listing goes on where it was"));
        }
        Ok(Page {
            objects: objects.collect::<Result<_>>()?,
            groups: groups.collect::<Result<_>>()?,
            next,
        })
    }

    /// Lists the parts of an upload, in order.
    pub(super) async fn list_parts(&self, key: &str, upload: &str) -> Result<Vec<UploadedPart>> {
        let (mut parts, mut marker) = (Vec::new(), None::<String>);
        loop {
            let request = Request::new(Method::GET, key)
                .query("uploadId", split(upload).1)
                .query_some("part-number-marker", marker.clone());
            let page: answers::Parts = read(&self.send(&request).await?.body)?;
            parts.extend(page.part.into_iter().map(|part| UploadedPart {
                number: part.part_number,
                size: part.size,
                id: unquoted(&part.etag),
            }));
            match page.next_part_number_marker.filter(|_| page.is_truncated) {
                Some(next) if marker.as_ref() != Some(&next) => marker = Some(next),
                _ => return Ok(parts),
            }
        }
    }

    /// Lists the unfinished uploads of keys with a prefix.
    pub(super) async fn list_unfinished(&self, prefix: &str) -> Result<Vec<Unfinished>> {
        let (mut uploads, mut marker) = (Vec::new(), None::<Marker>);
        loop {
            let request = Request::new(Method::GET, "")
                .query("uploads", "")
                .query("encoding-type", "url")
                .query("prefix", prefix)
                .query_some("key-marker", marker.clone().map(|(key, _)| key))
                .query_some("upload-id-marker", marker.clone().and_then(|(_, id)| id));
            let page: answers::Uploads = read(&self.send(&request).await?.body)?;
            for upload in page.upload {
                uploads.push(Unfinished {
                    key: unescaped(&upload.key, &page.encoding_type)?,
                    id: format!(".{}", upload.upload_id),
                    begun_at: upload.initiated,
                });
            }
            let next = page.next_key_marker.filter(|_| page.is_truncated);
            let next = next_marker(next, page.next_upload_id_marker, &page.encoding_type)?;
            match next {
                Some(next) if marker.as_ref() != Some(&next) => marker = Some(next),
                _ => return Ok(uploads),
            }
        }
    }

    /// Lists the versions of an object, the newest first.
    pub(super) async fn list_versions(&self, key: &str) -> Result<Vec<ObjectVersion>> {
        let (mut versions, mut is_past) = (Vec::new(), false);
        let mut marker = None::<Marker>;
        loop {
            let request = Request::new(Method::GET, "")
                .query("versions", "")
                .query("encoding-type", "url")
                .query("prefix", key)
                .query_some("key-marker", marker.clone().map(|(key, _)| key))
                .query_some("version-id-marker", marker.clone().and_then(|(_, id)| id));
            let page: answers::Versions = read(&self.send(&request).await?.body)?;
            let mut entries: Vec<_> =
                page.items.into_iter().filter_map(VersionItem::read).collect();
            // Some services list the deletions first.
            entries.sort_by_key(|(entry, _)| (!entry.is_latest, Reverse(entry.last_modified)));
            for (entry, is_deletion) in entries {
                let is_current = entry.is_latest;
                let object = entry.into_object(&page.encoding_type)?;
                // Longer keys come after this one.
                if object.key == key {
                    versions.push(ObjectVersion { object, is_deletion, is_current });
                } else {
                    is_past = true;
                }
            }
            if is_past {
                return Ok(versions);
            }
            let next = page.next_key_marker.filter(|_| page.is_truncated);
            let next = next_marker(next, page.next_version_id_marker, &page.encoding_type)?;
            match next {
                Some(next) if marker.as_ref() != Some(&next) => marker = Some(next),
                _ => return Ok(versions),
            }
        }
    }
}

/// Returns where the next page starts, if there is one.
fn next_marker(key: Option<String>, id: Option<String>, encoding: &str) -> Result<Option<Marker>> {
    let key = key.map(|key| unescaped(&key, encoding)).transpose()?;
    Ok(key.map(|key| (key, id)))
}
