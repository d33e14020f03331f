//! Checksums of objects and parts: which ones a client gave, and whether they are right.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hyper::HeaderMap;
use md5::{Digest as _, Md5};
use s3s::crypto::{Crc32, Crc32c, Crc64Nvme, Sha1, Sha256};
use s3s::dto;
use s3s::{S3Error, S3ErrorCode, S3Result};

use super::content::Content;
use super::errors::{bad_digest, error, invalid_request};

/// An algorithm of checksums in `x-amz-checksum-…`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Algorithm {
    Crc32,
    Crc32c,
    Crc64Nvme,
    Sha1,
    Sha256,
}

/// The checksum that an object or a part is stored with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Checksum {
    pub(super) algorithm: Algorithm,
    /// In base64. If it is made of the checksums of parts, a hyphen and their number follow.
    pub(super) value: String,
    pub(super) is_composite: bool,
}

/// Reads the fields of a request that give checksums, as pairs of an algorithm and a value.
macro_rules! given_checksums {
    ($input:expr) => {
        $crate::testing::s3::checksums::given([
            $input.checksum_crc32.as_deref(),
            $input.checksum_crc32c.as_deref(),
            $input.checksum_crc64nvme.as_deref(),
            $input.checksum_sha1.as_deref(),
            $input.checksum_sha256.as_deref(),
        ])
    };
}
pub(super) use given_checksums;

/// Sets the fields of a response that give a checksum.
macro_rules! set_checksum {
    ($output:expr, $checksum:expr) => {{
        let fields = $crate::testing::s3::checksums::fields($checksum);
        $output.checksum_crc32 = fields.checksum_crc32;
        $output.checksum_crc32c = fields.checksum_crc32c;
        $output.checksum_crc64nvme = fields.checksum_crc64nvme;
        $output.checksum_sha1 = fields.checksum_sha1;
        $output.checksum_sha256 = fields.checksum_sha256;
    }};
}
pub(super) use set_checksum;

pub(super) fn given(values: [Option<&str>; 5]) -> Vec<(Algorithm, String)> {
    let pairs = Algorithm::ALL.into_iter().zip(values);
    pairs.filter_map(|(algorithm, value)| Some((algorithm, value?.to_owned()))).collect()
}

pub(super) fn fields(checksum: Option<&Checksum>) -> dto::Checksum {
    let mut fields = dto::Checksum::default();
    let Some(checksum) = checksum else { return fields };
    let field = match checksum.algorithm {
        Algorithm::Crc32 => &mut fields.checksum_crc32,
        Algorithm::Crc32c => &mut fields.checksum_crc32c,
        Algorithm::Crc64Nvme => &mut fields.checksum_crc64nvme,
        Algorithm::Sha1 => &mut fields.checksum_sha1,
        Algorithm::Sha256 => &mut fields.checksum_sha256,
    };
    *field = Some(checksum.value.clone());
    fields
}

impl Algorithm {
    /// In the order of [`given`].
    pub(super) const ALL: [Self; 5] =
        [Self::Crc32, Self::Crc32c, Self::Crc64Nvme, Self::Sha1, Self::Sha256];

    /// Returns the algorithm with this name of `x-amz-checksum-algorithm`.
    pub(super) fn named(name: &str) -> S3Result<Self> {
        let found = Self::ALL.into_iter().find(|one| one.name().eq_ignore_ascii_case(name));
        found.ok_or_else(|| invalid_request("Checksum algorithm provided is unsupported."))
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Crc32 => "CRC32",
            Self::Crc32c => "CRC32C",
            Self::Crc64Nvme => "CRC64NVME",
            Self::Sha1 => "SHA1",
            Self::Sha256 => "SHA256",
        }
    }

    fn header(self) -> &'static str {
        match self {
            Self::Crc32 => "x-amz-checksum-crc32",
            Self::Crc32c => "x-amz-checksum-crc32c",
            Self::Crc64Nvme => "x-amz-checksum-crc64nvme",
            Self::Sha1 => "x-amz-checksum-sha1",
            Self::Sha256 => "x-amz-checksum-sha256",
        }
    }

    /// Returns the checksum of a whole content.
    pub(super) fn of(self, content: &Content) -> Checksum {
        Checksum {
            algorithm: self,
            value: STANDARD.encode(self.digest(content.segments().iter().map(AsRef::as_ref))),
            is_composite: false,
        }
    }

    /// Returns the checksum of the checksums of parts.
    pub(super) fn of_parts(self, parts: &[Content]) -> Checksum {
        let digests =
            parts.iter().map(|part| self.digest(part.segments().iter().map(AsRef::as_ref)));
        let digests: Vec<Vec<u8>> = digests.collect();
        let digest = self.digest(digests.iter().map(AsRef::as_ref));
        Checksum {
            algorithm: self,
            value: format!("{}-{}", STANDARD.encode(digest), parts.len()),
            is_composite: true,
        }
    }

    fn digest<'a>(self, segments: impl Iterator<Item = &'a [u8]>) -> Vec<u8> {
        fn run<'a, C: s3s::crypto::Checksum>(segments: impl Iterator<Item = &'a [u8]>) -> Vec<u8> {
            let mut hasher = C::new();
            segments.for_each(|segment| hasher.update(segment));
            hasher.finalize().as_ref().to_vec()
        }
        match self {
            Self::Crc32 => run::<Crc32>(segments),
            Self::Crc32c => run::<Crc32c>(segments),
            Self::Crc64Nvme => run::<Crc64Nvme>(segments),
            Self::Sha1 => run::<Sha1>(segments),
            Self::Sha256 => run::<Sha256>(segments),
        }
    }
}

/// Returns the checksums that headers give, as in the trailer of a body.
pub(super) fn in_headers(headers: &HeaderMap) -> Vec<(Algorithm, String)> {
    let values = Algorithm::ALL.map(|algorithm| headers.get(algorithm.header())?.to_str().ok());
    given(values)
}

/// Checks the checksums that came with a content, and returns the one to store: the given one, else that of `wanted`.
pub(super) fn verify(
    content: &Content,
    given: &[(Algorithm, String)],
    wanted: Algorithm,
) -> S3Result<Checksum> {
    if given.len() > 1 {
        return Err(invalid_request(
            "Expecting a single x-amz-checksum- header. Multiple checksum Types are not allowed.",
        ));
    }
    let Some((algorithm, value)) = given.first() else { return Ok(wanted.of(content)) };
    let checksum = algorithm.of(content);
    if STANDARD.decode(value).is_err() {
        return Err(invalid_request("Value for the x-amz-checksum header is invalid."));
    }
    if checksum.value != *value {
        return Err(bad_digest(algorithm.name()));
    }
    Ok(checksum)
}

/// Checks a `Content-MD5`, if there is one.
pub(super) fn verify_md5(md5: &[u8], given: Option<&str>) -> S3Result<()> {
    let Some(given) = given else { return Ok(()) };
    let invalid = || -> S3Error {
        error(S3ErrorCode::InvalidDigest, "The Content-MD5 you specified is not valid.")
    };
    let decoded = STANDARD.decode(given).ok().filter(|decoded| decoded.len() == 16);
    if decoded.ok_or_else(invalid)? == md5 { Ok(()) } else { Err(bad_digest("Content-MD5")) }
}

/// Returns the MD5 of a content.
pub(super) fn md5(content: &Content) -> [u8; 16] {
    let mut hasher = Md5::new();
    content.segments().iter().for_each(|segment| hasher.update(segment));
    hasher.finalize().into()
}

/// Returns the `ETag` of an object of parts, without quotes.
pub(super) fn multipart_etag(parts: &[Content]) -> String {
    let mut hasher = Md5::new();
    parts.iter().for_each(|part| hasher.update(md5(part)));
    format!("{}-{}", hex::encode(hasher.finalize()), parts.len())
}
