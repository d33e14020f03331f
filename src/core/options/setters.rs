//! The setters of option structs.

/// Implements setters for single fields, each with its documentation.
macro_rules! setters {
    ($options:ident { $($(#[$doc:meta])* $setter:ident($field:ident: $type:ty) => $value:expr;)* }) => {
        impl $options {
            $(
                $(#[$doc])*
                #[must_use]
                pub fn $setter(mut self, $field: $type) -> Self {
                    self.$field = $value;
                    self
                }
            )*
        }
    };
}

pub(crate) use setters;
