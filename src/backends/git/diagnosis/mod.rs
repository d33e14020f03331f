//! Determines why a git command failed from its standard error (`LC_ALL=C`).
//!
//! Git prints the names of files, branches and repositories unescaped, line breaks included, and a name must not change the result. So
//! only whole messages that begin with `fatal: ` or `error: ` are looked up, and whole lines of ssh and of a fetch. The first known
//! message counts. Each kind of command has its own tables: a local command has no network failures.

mod failure;
mod tables;

pub(super) use self::failure::{Failure, said, summary, uncoloured};
use self::tables::{
    CURL, FILE, GIT_DAEMON, HTTP, LOCAL, REMOTE, SIDEBAND, SSH, SSH_SERVER, STATUS_LINES, Sign,
};
use super::remote::Protocol;
use crate::core::error::ErrorKind;

/// The kind of a command. It determines which failures are possible.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum CommandKind {
    Local,
    Fetch(Protocol),
    Push(Protocol),
}

/// Returns the failure that the standard error of a command reports. An unknown one is [`Io`](ErrorKind::Io).
pub(super) fn diagnose(command: CommandKind, stderr: &str) -> Failure {
    let messages = messages(stderr);
    let mut known = messages.iter().filter_map(|message| command.failure_of(message));
    known.next().unwrap_or(Failure::Kind(ErrorKind::Io))
}

/// Splits standard error into messages. A message of git may have several lines.
fn messages(stderr: &str) -> Vec<String> {
    let mut messages: Vec<String> = Vec::new();
    for line in stderr.split(['\n', '\r']).filter(|line| !line.is_empty()) {
        match messages.last_mut() {
            Some(message) if continues(message, line) => {
                message.push('\n');
                message.push_str(line);
            }
            _ => messages.push(line.to_owned()),
        }
    }
    messages
}

impl CommandKind {
    fn failure_of(self, message: &str) -> Option<Failure> {
        let first_line = message.lines().next().unwrap_or_default();
        // A list of names follows the line that describes the problem. A quoted name may contain a line break.
        let texts =
            if has_open_quote(first_line) { [message, first_line] } else { [first_line, message] };
        let of_message = texts.into_iter().find_map(|text| self.failure_of_message(text));
        of_message.or_else(|| message.lines().find_map(|line| self.failure_of_line(line)))
    }

    /// Looks up a whole line. Local commands have no such lines.
    fn failure_of_line(self, line: &str) -> Option<Failure> {
        let (protocol, sideband) = match self {
            Self::Local => return None,
            Self::Fetch(protocol) => (protocol, SIDEBAND),
            // The remote prints the output of hooks there.
            Self::Push(protocol) => (protocol, &[][..]),
        };
        if line.starts_with("remote: ") {
            return find(sideband, line);
        }
        let of_ssh = if protocol == Protocol::Ssh { SSH } else { &[] };
        find(of_ssh, line).or_else(|| find(STATUS_LINES, line))
    }

    fn failure_of_message(self, message: &str) -> Option<Failure> {
        let text = message.strip_prefix("fatal: ").or_else(|| message.strip_prefix("error: "))?;
        let protocol = match self {
            Self::Local => return find(LOCAL, text),
            Self::Fetch(protocol) | Self::Push(protocol) => protocol,
        };
        let of_protocol = match protocol {
            Protocol::Http | Protocol::Https => failure_of_curl(text).or_else(|| find(HTTP, text)),
            Protocol::Git => find(GIT_DAEMON, text),
            Protocol::Ssh => find(SSH_SERVER, text),
            Protocol::File => find(FILE, text),
        };
        of_protocol.or_else(|| find(REMOTE, text)).or_else(|| find(LOCAL, text))
    }
}

/// Looks up the reason that curl gives in a message.
fn failure_of_curl(text: &str) -> Option<Failure> {
    let (reason, unknown) = if let Some(rest) = text.strip_prefix("unable to access '") {
        // The URL has no space.
        (rest.split_once("': ")?.1, None)
    } else {
        let rest = text.strip_prefix("RPC failed; ")?;
        // `HTTP 503 curl 22 <reason>`, where the first pair may be missing.
        let reason = rest.split_once("curl ").and_then(|(_, rest)| rest.split_once(' '));
        (reason.map_or(rest, |(_, reason)| reason), Some(Failure::Kind(ErrorKind::Unreachable)))
    };
    match reason.strip_prefix("The requested URL returned error: ") {
        Some(status) => failure_of_status(status),
        None => find(CURL, reason),
    }
    .or(unknown)
}

/// Returns the failure for the HTTP status at the beginning of `text`.
fn failure_of_status(text: &str) -> Option<Failure> {
    let kind = match text.get(..3)?.parse::<u16>().ok()? {
        401 => ErrorKind::Unauthenticated,
        403 => ErrorKind::PermissionDenied,
        429 => ErrorKind::RateLimited,
        // Redirects are not followed.
        300..=399 | 404 | 410 => ErrorKind::NotFound,
        413 => ErrorKind::TooLarge,
        507 => ErrorKind::StorageFull,
        408 | 500..=599 => ErrorKind::Unreachable,
        // The same request would be refused again.
        400..=499 => ErrorKind::Remote,
        _ => return None,
    };
    Some(Failure::Kind(kind))
}

fn find(table: &[Sign], text: &str) -> Option<Failure> {
    table.iter().find(|(pattern, _)| matches(pattern, text)).map(|&(_, failure)| failure)
}

/// Reports whether all of `text` matches `pattern`, in which `*` is any text.
fn matches(pattern: &str, text: &str) -> bool {
    let mut parts = pattern.split('*');
    let Some(mut rest) = text.strip_prefix(parts.next().unwrap_or_default()) else { return false };
    let Some(last) = parts.next_back() else { return rest.is_empty() };
    for part in parts {
        let Some((_, after)) = rest.split_once(part) else { return false };
        rest = after;
    }
    rest.ends_with(last)
}

/// Reports whether `line` is a part of the message before it.
fn continues(message: &str, line: &str) -> bool {
    const PREFIXES: [&str; 7] =
        ["fatal: ", "error: ", "warning: ", "hint: ", "remote: ", "From ", " ! "];
    let has_names =
        ["fatal: ", "error: ", "warning: "].iter().any(|prefix| message.starts_with(prefix));
    let begins_message = PREFIXES.iter().any(|prefix| line.starts_with(prefix));
    has_names && (!begins_message || has_open_quote(message))
}

/// Reports whether a quoted name goes on after the end of `text`.
fn has_open_quote(text: &str) -> bool {
    let is_quote = |c: char| matches!(c, '\'' | '"');
    let begins_name = |&(at, _): &(usize, &str)| text[..at].ends_with([' ', '(']);
    let mut end = 0;
    while let Some((at, quote)) =
        text.match_indices(is_quote).filter(|&(at, _)| at >= end).find(begins_name)
    {
        let ends_name = |&(at, _): &(usize, &str)| {
            let rest = &text[at + quote.len()..];
            rest.is_empty() || rest.starts_with([' ', '\n', ':', ')', ',', '.', ';', '\'', '"'])
        };
        let mut ends = text.match_indices(quote).filter(|&(end, _)| end > at);
        match ends.find(ends_name) {
            Some((last, _)) => end = last + quote.len(),
            None => return true,
        }
    }
    false
}

#[cfg(test)]
mod tests;
