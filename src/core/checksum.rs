//! Checksums of content: the algorithms, the incremental hasher, and the text form.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use sha2::Digest as _;

use crate::core::error::{Error, ErrorKind, Result};
use crate::core::names::unknown;
use crate::core::path::shortened;

macro_rules! algorithms {
    ($($(#[$doc:meta])* $variant:ident = $name:literal),* $(,)?) => {
        /// An algorithm of checksums.
        ///
        /// # Examples
        ///
        /// ```
        /// use f9::ChecksumAlgorithm;
        /// assert_eq!(ChecksumAlgorithm::default(), ChecksumAlgorithm::Sha256);
        /// assert_eq!("BLAKE3".parse::<ChecksumAlgorithm>()?, ChecksumAlgorithm::Blake3);
        /// let error = "crc32".parse::<ChecksumAlgorithm>().unwrap_err();
        /// assert!(error.to_string().contains("expected `md5`, `sha1`, `sha256`, `sha512`, `blake2b` or `blake3`"));
        /// # Ok::<(), f9::Error>(())
        /// ```
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(rename_all = "lowercase")]
        #[non_exhaustive]
        pub enum ChecksumAlgorithm {
            $($(#[$doc])* $variant),*
        }

        impl ChecksumAlgorithm {
            /// All algorithms.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// Returns the name, in lower case.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name),*
                }
            }
        }
    };
}

algorithms! {
    /// MD5 (RFC 1321), for compatibility with old systems. It does not protect against an attacker.
    Md5 = "md5",
    /// SHA-1 (FIPS 180-4), for compatibility with old systems. It does not protect against an attacker.
    Sha1 = "sha1",
    /// SHA-256 (FIPS 180-4), the default.
    #[default]
    Sha256 = "sha256",
    /// SHA-512 (FIPS 180-4).
    Sha512 = "sha512",
    /// BLAKE2b with a digest of 64 bytes (RFC 7693).
    Blake2b = "blake2b",
    /// BLAKE3 with a digest of 32 bytes. The fastest algorithm, because large files are hashed on all cores.
    Blake3 = "blake3",
}

impl fmt::Display for ChecksumAlgorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for ChecksumAlgorithm {
    type Err = Error;

    /// Reads a name in any case. Any other text is [`InvalidInput`](ErrorKind::InvalidInput), and the error lists the names.
    fn from_str(name: &str) -> Result<Self> {
        let found = Self::ALL.iter().find(|known| known.name().eq_ignore_ascii_case(name));
        let names = Self::ALL.iter().map(|known| known.name());
        found.copied().ok_or_else(|| unknown("checksum algorithm", name, names))
    }
}

/// A checksum together with its algorithm; its text is `sha256:9f86…`.
///
/// # Examples
///
/// ```
/// use f9::{Checksum, ChecksumAlgorithm};
/// let checksum = Checksum::of(ChecksumAlgorithm::Md5, b"");
/// assert_eq!(checksum.to_string(), "md5:d41d8cd98f00b204e9800998ecf8427e");
/// assert_eq!("MD5:D41D8CD98F00B204E9800998ECF8427E".parse::<Checksum>()?, checksum);
/// # Ok::<(), f9::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Checksum {
    algorithm: ChecksumAlgorithm,
    hex: String,
}

impl Checksum {
    pub(crate) fn of_blake3(hash: &blake3::Hash) -> Self {
        Self { algorithm: ChecksumAlgorithm::Blake3, hex: hash.to_hex().to_string() }
    }

    /// Computes the checksum of `content`.
    #[must_use]
    pub fn of(algorithm: ChecksumAlgorithm, content: &[u8]) -> Self {
        let mut hasher = Hasher::new(algorithm);
        hasher.update(content);
        hasher.finish()
    }

    /// Creates a checksum from its digits.
    ///
    /// # Errors
    ///
    /// [`InvalidInput`](ErrorKind::InvalidInput) if `hex` does not have as many hexadecimal digits as the algorithm
    /// has.
    pub fn new(algorithm: ChecksumAlgorithm, hex: &str) -> Result<Self> {
        let digits = Self::of(algorithm, b"").hex.len();
        if hex.len() != digits || !hex.bytes().all(|digit| digit.is_ascii_hexdigit()) {
            return Err(Error::new(ErrorKind::InvalidInput)
                .with_message(format!("a {algorithm} checksum has {digits} hexadecimal digits")));
        }
        Ok(Self { algorithm, hex: hex.to_ascii_lowercase() })
    }

    /// Returns the algorithm.
    #[must_use]
    pub fn algorithm(&self) -> ChecksumAlgorithm {
        self.algorithm
    }

    /// Returns the hexadecimal digits, in lower case.
    #[must_use]
    pub fn hex(&self) -> &str {
        &self.hex
    }

    /// Returns the hexadecimal digits, in lower case.
    #[must_use]
    pub fn into_hex(self) -> String {
        self.hex
    }

    /// Compares this checksum with `found`, which has the same algorithm.
    ///
    /// # Errors
    ///
    /// [`IntegrityMismatch`](ErrorKind::IntegrityMismatch) if they differ; the error shows both.
    pub fn expect(&self, found: &Self) -> Result<()> {
        if self == found {
            return Ok(());
        }
        Err(Error::new(ErrorKind::IntegrityMismatch)
            .with_message(format!("expected {self}, found {found}")))
    }
}

impl fmt::Display for Checksum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.algorithm, self.hex)
    }
}

impl FromStr for Checksum {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let (algorithm, hex) = text.split_once(':').ok_or_else(|| {
            Error::new(ErrorKind::InvalidInput).with_message(format!(
                "`{}` is not a checksum (expected `algorithm:digits`)",
                shortened(text)
            ))
        })?;
        Self::new(algorithm.parse()?, hex)
    }
}

impl TryFrom<String> for Checksum {
    type Error = Error;

    fn try_from(text: String) -> Result<Self> {
        text.parse()
    }
}

impl From<Checksum> for String {
    fn from(checksum: Checksum) -> Self {
        checksum.to_string()
    }
}

/// Computes a checksum incrementally.
///
/// # Examples
///
/// ```
/// use f9::{Checksum, ChecksumAlgorithm, Hasher};
/// let mut hasher = Hasher::new(ChecksumAlgorithm::Blake3);
/// hasher.update(b"hello ");
/// hasher.update(b"world");
/// assert_eq!(hasher.finish(), Checksum::of(ChecksumAlgorithm::Blake3, b"hello world"));
/// ```
#[derive(Clone, Debug)]
pub struct Hasher(State);

#[derive(Clone, Debug)]
enum State {
    Md5(md5::Md5),
    Sha1(sha1::Sha1),
    Sha256(sha2::Sha256),
    Sha512(sha2::Sha512),
    Blake2b(Box<blake2::Blake2b512>),
    Blake3(Box<blake3::Hasher>),
}

impl Hasher {
    /// Creates a hasher of empty content.
    #[must_use]
    pub fn new(algorithm: ChecksumAlgorithm) -> Self {
        Self(match algorithm {
            ChecksumAlgorithm::Md5 => State::Md5(md5::Md5::new()),
            ChecksumAlgorithm::Sha1 => State::Sha1(sha1::Sha1::new()),
            ChecksumAlgorithm::Sha256 => State::Sha256(sha2::Sha256::new()),
            ChecksumAlgorithm::Sha512 => State::Sha512(sha2::Sha512::new()),
            ChecksumAlgorithm::Blake2b => State::Blake2b(Box::default()),
            ChecksumAlgorithm::Blake3 => State::Blake3(Box::default()),
        })
    }

    /// Adds the next bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        match &mut self.0 {
            State::Md5(hasher) => hasher.update(bytes),
            State::Sha1(hasher) => hasher.update(bytes),
            State::Sha256(hasher) => hasher.update(bytes),
            State::Sha512(hasher) => hasher.update(bytes),
            State::Blake2b(hasher) => hasher.update(bytes),
            State::Blake3(hasher) => {
                hasher.update(bytes);
            }
        }
    }

    /// Returns the checksum of all bytes.
    #[must_use]
    pub fn finish(self) -> Checksum {
        let (algorithm, hex) = match self.0 {
            State::Md5(hasher) => (ChecksumAlgorithm::Md5, hex::encode(hasher.finalize())),
            State::Sha1(hasher) => (ChecksumAlgorithm::Sha1, hex::encode(hasher.finalize())),
            State::Sha256(hasher) => (ChecksumAlgorithm::Sha256, hex::encode(hasher.finalize())),
            State::Sha512(hasher) => (ChecksumAlgorithm::Sha512, hex::encode(hasher.finalize())),
            State::Blake2b(hasher) => (ChecksumAlgorithm::Blake2b, hex::encode(hasher.finalize())),
            State::Blake3(hasher) => return Checksum::of_blake3(&hasher.finalize()),
        };
        Checksum { algorithm, hex }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The published digests of the empty text and of "abc" (RFC 1321, FIPS 180-4, RFC 7693, the BLAKE3 test vectors).
    const KNOWN: &[(ChecksumAlgorithm, &str, &str)] = &[
        (
            ChecksumAlgorithm::Md5,
            "d41d8cd98f00b204e9800998ecf8427e",
            "900150983cd24fb0d6963f7d28e17f72",
        ),
        (
            ChecksumAlgorithm::Sha1,
            "da39a3ee5e6b4b0d3255bfef95601890afd80709",
            "a9993e364706816aba3e25717850c26c9cd0d89d",
        ),
        (
            ChecksumAlgorithm::Sha256,
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
        ),
        (
            ChecksumAlgorithm::Sha512,
            "cf83e1357eefb8bdf1542850d66d8007d620e4050b5715dc83f4a921d36ce9ce47d0d13c5d85f2b0ff8318d2877eec2f63b931bd47417a81a538327af927da3e",
            "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f",
        ),
        (
            ChecksumAlgorithm::Blake2b,
            "786a02f742015903c6c6fd852552d272912f4740e15847618a86e217f71f5419d25e1031afee585313896444934eb04b903a685b1448b755d56f701afe9be2ce",
            "ba80a53f981c4d0d6a2797b69f12f6e94c212f14685ac4b74b12bb6fdbffa2d17d87c5392aab792dc252d5de4533cc9518d38aa8dbf1925ab92386edd4009923",
        ),
        (
            ChecksumAlgorithm::Blake3,
            "af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262",
            "6437b3ac38465133ffb63b75273a8db548c558465d79db03fd359c6cd5bd9d85",
        ),
    ];

    #[test]
    fn digests_are_the_published_ones() {
        assert_eq!(KNOWN.len(), ChecksumAlgorithm::ALL.len());
        for &(algorithm, empty, abc) in KNOWN {
            assert_eq!(Checksum::of(algorithm, b"").hex(), empty);
            assert_eq!(Checksum::of(algorithm, b"abc").hex(), abc);
        }
    }

    #[test]
    fn an_incremental_checksum_is_that_of_the_whole_content() {
        let content: Vec<u8> = (0..1_000_000_u32).map(|i| (i % 251) as u8).collect();
        for &algorithm in ChecksumAlgorithm::ALL {
            let mut hasher = Hasher::new(algorithm);
            content.chunks(70_001).for_each(|piece| hasher.update(piece));
            assert_eq!(hasher.finish(), Checksum::of(algorithm, &content), "{algorithm}");
        }
    }

    #[test]
    fn a_long_text_is_shown_in_part() {
        let nonsense = "x".repeat(9000);
        for error in [
            nonsense.parse::<Checksum>().unwrap_err(),
            nonsense.parse::<ChecksumAlgorithm>().unwrap_err(),
        ] {
            assert!(error.to_string().len() < 500, "{} bytes", error.to_string().len());
        }
    }

    #[test]
    fn the_text_reads_back_and_any_other_text_is_refused() {
        for &algorithm in ChecksumAlgorithm::ALL {
            let checksum = Checksum::of(algorithm, b"x");
            assert_eq!(checksum.to_string().parse::<Checksum>().unwrap(), checksum);
            let json = serde_json::to_string(&checksum).unwrap();
            assert_eq!(serde_json::from_str::<Checksum>(&json).unwrap(), checksum);
        }
        for text in [
            "",
            "sha256",
            "sha256:",
            "sha256:12",
            "md5:zz1d8cd98f00b204e9800998ecf8427e",
            "crc32:00",
        ] {
            assert_eq!(
                text.parse::<Checksum>().unwrap_err().kind(),
                ErrorKind::InvalidInput,
                "{text}"
            );
        }
    }
}
