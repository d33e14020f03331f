//! Etags.

use crate::core::token::token;

token!(
    /// An opaque token that changes whenever the content of a file may have changed.
    ///
    /// Compare it for equality, or pass it to [`WriteMode::IfMatch`](crate::WriteMode::IfMatch). Its text has no quotes and no other
    /// meaning.
    Etag
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_conversion_keeps_the_text() {
        let etag = Etag::new("a-1");
        assert_eq!([Etag::from("a-1"), Etag::from("a-1".to_owned())], [etag.clone(), etag.clone()]);
        assert_eq!("a-1".parse(), Ok(etag.clone()));
        assert_eq!((etag.as_ref(), etag.to_string()), ("a-1", "a-1".to_owned()));
        assert_eq!(serde_json::to_string(&etag).unwrap(), "\"a-1\"");
    }
}
