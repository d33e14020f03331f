//! Paths: the parser accepts the same texts as the reference and normalizes them in the same way.

#![no_main]

use f9::{Error, FilePath};
use libfuzzer_sys::fuzz_target;

#[allow(dead_code, reason = "each target uses a part of it")]
#[path = "../../properties/reference.rs"]
mod reference;

fn is_one_line(error: &Error) {
    let text = error.to_string();
    assert!(!text.contains(char::is_control), "{text:?}");
    assert!(text.len() < 3000, "{} bytes", text.len());
}

fuzz_target!(|texts: (&str, &str)| {
    let (text, below) = texts;
    let expected = reference::names_of(text).map(|names| names.join("/"));
    let parsed = FilePath::parse(text);
    if let Err(error) = &parsed {
        is_one_line(error);
    }
    assert_eq!(parsed.as_deref().map_err(Error::kind), expected.as_deref().map_err(|&kind| kind));
    let Ok(path) = parsed else { return };
    assert_eq!(FilePath::parse(&path).unwrap(), path);
    match (path.parent(), path.name()) {
        (Some(parent), Some(name)) => {
            assert_eq!(parent.join(name).unwrap(), path);
            assert!(path.starts_with(&parent));
        }
        nothing => assert_eq!((nothing, path.is_root()), ((None, None), true)),
    }
    let joined = path.join(below);
    let expected = reference::names_of(&format!("{path}/{below}")).map(|names| names.join("/"));
    if let Err(error) = &joined {
        is_one_line(error);
    }
    assert_eq!(joined.as_deref().map_err(Error::kind), expected.as_deref().map_err(|&kind| kind));
});
