//! Random numbers from the kernel, the only source of randomness in the crate.

use std::io;

use rustix::io::retry_on_intr;
use rustix::rand::{GetRandomFlags, getrandom};

use crate::core::error::Result;

/// Returns `N` random bytes.
///
/// # Errors
///
/// Those of `getrandom(2)`.
pub(crate) fn bytes<const N: usize>() -> Result<[u8; N]> {
    let mut bytes = [0; N];
    // The kernel returns up to 256 bytes at once, so no call is short.
    retry_on_intr(|| getrandom(&mut bytes, GetRandomFlags::empty())).map_err(io::Error::from)?;
    Ok(bytes)
}

/// Returns `N` random bytes as hexadecimal digits, for a name that no other process chooses.
///
/// # Errors
///
/// Those of [`bytes`].
pub(crate) fn hex<const N: usize>() -> Result<String> {
    Ok(::hex::encode(bytes::<N>()?))
}

/// Returns a random number from 0 to 1, for jitter. Without randomness it is always 0.5, because a wait must not fail.
pub(crate) fn fraction() -> f64 {
    bytes().map_or(0.5, |bytes| f64::from(u32::from_ne_bytes(bytes)) / f64::from(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_differ_and_fractions_are_from_zero_to_one() {
        assert_ne!(hex::<16>().unwrap(), hex::<16>().unwrap());
        assert_eq!(hex::<4>().unwrap().len(), 8);
        let fractions: Vec<_> = (0..100).map(|_| fraction()).collect();
        assert!(fractions.iter().all(|fraction| (0.0..=1.0).contains(fraction)));
        assert!(fractions.iter().any(|&fraction| fraction != fractions[0]));
    }
}
