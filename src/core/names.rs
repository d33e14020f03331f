//! Enums whose values have a fixed name in JSON, in URIs and in texts.

use crate::core::error::{Error, ErrorKind};
use crate::core::path::shortened;

/// Gives an enum the constant `ALL`, the method `name`, and `Display`, `FromStr`, `Serialize` and `Deserialize` by that name.
///
/// `name` is an exhaustive match, so a variant that the list does not have is a compile error.
macro_rules! names {
    ($type:ident, $what:literal { $($variant:ident = $name:literal),* $(,)? }) => {
        impl $type {
            /// All values.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// Returns the name of this value, which is also its text and its form in JSON.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name),*
                }
            }
        }

        impl std::fmt::Display for $type {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.pad(self.name())
            }
        }

        impl std::str::FromStr for $type {
            type Err = $crate::core::error::Error;

            /// Reads a [`name`](Self::name). Any other text is [`InvalidInput`](crate::ErrorKind::InvalidInput), and the
            /// error lists the names.
            fn from_str(text: &str) -> Result<Self, Self::Err> {
                let found = Self::ALL.iter().find(|value| value.name() == text);
                let names = Self::ALL.iter().map(|value| value.name());
                found.copied().ok_or_else(|| $crate::core::names::unknown($what, text, names))
            }
        }

        impl serde::Serialize for $type {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.name())
            }
        }

        impl<'de> serde::Deserialize<'de> for $type {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = String::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}

pub(crate) use names;

/// Returns the error of a text that is none of `names`.
pub(crate) fn unknown<'a>(
    what: &str,
    text: &str,
    names: impl IntoIterator<Item = &'a str>,
) -> Error {
    let mut names: Vec<_> = names.into_iter().map(|name| format!("`{name}`")).collect();
    let last = names.pop().unwrap_or_default();
    let expected = if names.is_empty() { last } else { format!("{} or {last}", names.join(", ")) };
    Error::new(ErrorKind::InvalidInput)
        .with_message(format!("unknown {what} `{}` (expected {expected})", shortened(text)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_error_of_an_unknown_name_lists_the_names() {
        let message = |names: &[&'static str]| {
            let error = unknown("color", "x", names.iter().copied());
            assert_eq!(error.kind(), ErrorKind::InvalidInput);
            error.message().unwrap().to_owned()
        };
        assert_eq!(message(&["red"]), "unknown color `x` (expected `red`)");
        assert_eq!(message(&["red", "green"]), "unknown color `x` (expected `red` or `green`)");
        assert_eq!(message(&["a", "b", "c"]), "unknown color `x` (expected `a`, `b` or `c`)");
    }

    #[test]
    fn an_unknown_text_is_shown_in_part() {
        let text = unknown("color", &"x".repeat(9000), ["red"]).to_string();
        assert!(text.len() < 400, "{} bytes", text.len());
    }
}
