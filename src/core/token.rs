//! Opaque texts of a store, such as etags.

/// Defines a type of its own for texts that are only compared.
macro_rules! token {
    ($(#[$doc:meta])* $token:ident) => {
        $(#[$doc])*
        #[derive(
            Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
        )]
        #[serde(transparent)]
        pub struct $token(String);

        impl $token {
            /// Creates it from its text.
            #[must_use]
            pub fn new(text: impl Into<String>) -> Self {
                Self(text.into())
            }

            /// Returns the text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl std::fmt::Display for $token {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.pad(&self.0)
            }
        }

        impl AsRef<str> for $token {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }

        impl From<&str> for $token {
            fn from(text: &str) -> Self {
                Self::new(text)
            }
        }

        impl From<String> for $token {
            fn from(text: String) -> Self {
                Self(text)
            }
        }

        impl std::str::FromStr for $token {
            type Err = std::convert::Infallible;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                Ok(Self::new(text))
            }
        }
    };
}

pub(crate) use token;
