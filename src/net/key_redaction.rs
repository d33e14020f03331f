//! Removal of API keys from text that is shown.

use crate::core::secret::Secret;

const REDACTED: &str = "***";

/// Removes one key, and everything that looks like a key, from text.
#[derive(Debug)]
pub(crate) struct Redaction(Secret);

impl Redaction {
    pub(crate) fn new(key: Secret) -> Self {
        Self(key)
    }

    /// Returns the text without keys.
    pub(crate) fn apply(&self, text: &str) -> String {
        let key = self.0.expose();
        let text = if key.is_empty() { text.to_owned() } else { text.replace(key, REDACTED) };
        let mut redacted = String::with_capacity(text.len());
        let mut rest = text.as_str();
        while let Some(at) = rest.find("sk-") {
            let (before, key) = rest.split_at(at);
            let is_within_word = before.ends_with(|c: char| c.is_alphanumeric());
            let end = key.find(|c: char| !is_key_character(c)).unwrap_or(key.len());
            let (key, after) = key.split_at(end);
            redacted.push_str(before);
            redacted.push_str(if is_within_word { key } else { REDACTED });
            rest = after;
        }
        redacted + rest
    }
}

/// Stars included: the service abbreviates keys with them.
fn is_key_character(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '*')
}
