//! The text of an error: one line without control characters or invisible characters.

use std::error::Error as StdError;
use std::fmt::{self, Write as _};

use super::{Error, Inner};

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = f.debug_struct("Error");
        out.field("kind", &self.0.kind);
        for (name, value) in [
            ("operation", self.0.operation),
            ("path", self.0.path.as_deref()),
            ("target", self.0.target.as_deref()),
            ("subject", self.0.subject.as_deref()),
            ("backend", self.0.backend),
            ("message", self.0.message.as_deref()),
        ] {
            if let Some(value) = value {
                out.field(name, &value);
            }
        }
        if self.is_applied() {
            out.field("is_applied", &true);
        }
        if self.has_unknown_outcome() {
            out.field("has_unknown_outcome", &true);
        }
        if !self.0.conflicts.is_empty() {
            out.field("conflicts", &self.0.conflicts);
        }
        if let Some(retry_after) = &self.0.retry_after {
            out.field("retry_after", retry_after);
        }
        if let Some(source) = &self.0.source {
            out.field("source", source);
        }
        out.finish()
    }
}

impl StdError for Inner {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.source.as_deref().map(|source| source as _)
    }
}

impl fmt::Display for Inner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.operation, self.path.as_ref().or(self.subject.as_ref())) {
            (Some(operation), Some(subject)) => {
                write!(f, "cannot {operation} {}", Quoted(subject))?;
                if let Some(target) = &self.target {
                    write!(f, " to {}", Quoted(target))?;
                }
                f.write_str(": ")?;
            }
            (Some(operation), None) => write!(f, "cannot {operation}: ")?,
            (None, Some(subject)) => write!(f, "{}: ", Quoted(subject))?,
            (None, None) => {}
        }
        f.write_str(self.kind.description())?;
        if let Some(message) = &self.message {
            f.write_str(": ")?;
            write_escaped(f, message)?;
        }
        if self.unknown && !self.applied {
            f.write_str("; it is not known whether the change was made")?;
        }
        Ok(())
    }
}

/// A path in an error text: in back-quotes, with control characters escaped.
struct Quoted<'a>(&'a str);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return f.write_str("the root");
        }
        f.write_char('`')?;
        write_escaped(f, self.0)?;
        f.write_char('`')
    }
}

fn write_escaped(f: &mut fmt::Formatter<'_>, text: &str) -> fmt::Result {
    for c in text.chars() {
        // With zero-width and direction-changing characters, one name can look like another.
        let is_invisible = matches!(c, '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}');
        if is_invisible {
            write!(f, "{}", c.escape_unicode())?;
        } else if c.is_control() {
            write!(f, "{}", c.escape_debug())?;
        } else {
            f.write_char(c)?;
        }
    }
    Ok(())
}
