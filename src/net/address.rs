//! The addresses of services.

use std::net::IpAddr;

use reqwest::Url;

/// Parses the address of a service strictly: refuses what a browser would repair.
///
/// # Errors
///
/// What is wrong with it, without its text, which may hold a password by mistake.
pub(crate) fn parse(text: &str) -> Result<Url, &'static str> {
    let lower = text.to_ascii_lowercase();
    if !lower.starts_with("https://") && !lower.starts_with("http://") {
        return Err("must start with `https://`");
    }
    if text.contains(|c: char| c == '\\' || c.is_control() || c.is_whitespace()) {
        return Err("contains white space, a control character or a backslash");
    }
    // Checked in the text: a password may contain any of these characters and shift the parts of the URL.
    if text.contains('@') {
        return Err("contains an `@`; put the key in its own field");
    }
    if text.contains(['?', '#']) {
        return Err("must not have a query or a fragment");
    }
    if lower.contains(":///") {
        return Err("has no host");
    }
    Url::parse(text).map_err(|_| "not a valid URL")
}

/// Whether the service is on this machine, so that no one can listen on the way.
pub(crate) fn is_this_machine(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    let address = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || address.parse().is_ok_and(|address: IpAddr| address.is_loopback())
}
