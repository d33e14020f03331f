//! The grammar of paths.

use f9::prelude::*;
use f9::{Error, ErrorKind, FilePath, GlobPattern, MAX_NAME_BYTES, MAX_PATH_BYTES};
use futures::executor::block_on;
use proptest::prelude::*;

use crate::config;
use crate::reference::names_of;

/// Text from the special parts of the grammar, or any text.
fn text() -> impl Strategy<Value = String> {
    let long = |bytes| "n".repeat(bytes);
    let pieces: Vec<String> = [
        "a",
        "b",
        "é",
        " ",
        "/",
        "/",
        "/",
        "//",
        "./",
        "../",
        ".",
        "..",
        "...",
        "\0",
        "\n",
        "\u{1b}[2J",
        "\u{202e}",
        "\u{7f}",
        "\u{85}",
        "%2e%2e",
        "\\",
        "*",
        ".f9",
        ".f9tmp-",
        ".backend.lock",
    ]
    .iter()
    .map(|&piece| piece.to_owned())
    .chain([long(MAX_NAME_BYTES - 1), long(MAX_NAME_BYTES), long(MAX_NAME_BYTES + 1)])
    .collect();
    let made = prop::collection::vec(prop::sample::select(pieces), 0..40);
    prop_oneof![made.prop_map(|pieces| pieces.concat()), any::<String>()]
}

fn path() -> impl Strategy<Value = FilePath> {
    text().prop_filter_map("no path", |text| FilePath::parse(&text).ok())
}

/// Checks that an error text is one line without control characters and invisible characters.
fn is_one_line(error: &Error) -> Result<(), TestCaseError> {
    let text = error.to_string();
    let steers = |c: char| {
        c.is_control()
            || ('\u{2028}'..='\u{202e}').contains(&c)
            || ('\u{2066}'..='\u{2069}').contains(&c)
    };
    prop_assert!(!text.contains(steers), "{text:?}");
    prop_assert!(text.len() < 10 * MAX_NAME_BYTES, "{} bytes", text.len());
    Ok(())
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn a_path_parses_like_the_reference(text in text()) {
        let expected = names_of(&text).map(|names| names.join("/"));
        let parsed = FilePath::parse(&text).map(String::from).map_err(|error| error.kind());
        prop_assert_eq!(&parsed, &expected);
        let entry = FilePath::parse_entry(&text).map(String::from).map_err(|error| error.kind());
        let below = |path: String| if path.is_empty() { Err(ErrorKind::InvalidPath) } else { Ok(path) };
        prop_assert_eq!(entry, expected.and_then(below));
    }

    #[test]
    fn a_path_has_no_special_segments(path in path()) {
        prop_assert!(!path.as_str().starts_with('/') && !path.ends_with('/') && !path.contains('\0'));
        prop_assert!(path.len() <= MAX_PATH_BYTES);
        if !path.is_root() {
            for name in path.split('/') {
                prop_assert!(!matches!(name, "" | "." | "..") && name.len() <= MAX_NAME_BYTES);
                prop_assert!(!f9::is_reserved_name(name));
            }
        }
    }

    #[test]
    fn a_path_parses_to_itself(path in path()) {
        prop_assert_eq!(&FilePath::parse(&path).unwrap(), &path);
        prop_assert_eq!(&FilePath::parse(&format!("/./{path}//")).unwrap(), &path);
        prop_assert_eq!(&path.to_string().parse::<FilePath>().unwrap(), &path);
        let json = serde_json::to_string(&path).unwrap();
        prop_assert_eq!(serde_json::from_str::<FilePath>(&json).unwrap(), path);
    }

    #[test]
    fn a_path_is_its_parent_and_its_name(path in path()) {
        match (path.parent(), path.name()) {
            (None, None) => prop_assert!(path.is_root()),
            (Some(parent), Some(name)) => {
                prop_assert!(!name.contains('/'));
                prop_assert_eq!(&parent.join(name).unwrap(), &path);
                prop_assert!(path.starts_with(&parent) && !parent.starts_with(&path));
                let segments: Vec<&str> = parent.segments().chain([name]).collect();
                prop_assert_eq!(path.segments().collect::<Vec<_>>(), segments);
                let stem = path.extension().map(|ext| &name[..name.len() - ext.len() - 1]);
                prop_assert!(stem.is_none_or(|stem| !stem.is_empty()), "{name:?}");
            }
            half => prop_assert!(false, "{half:?}"),
        }
    }

    #[test]
    fn a_joined_path_parses_like_both_texts_with_a_slash_between(path in path(), text in text()) {
        let joined = path.join(&text).map_err(|error| error.kind());
        let parsed = FilePath::parse(&format!("{path}/{text}")).map_err(|error| error.kind());
        prop_assert_eq!(&joined, &parsed);
        if let Ok(joined) = joined {
            prop_assert!(joined.starts_with(&path));
            let rest = FilePath::parse(&text).unwrap();
            prop_assert_eq!(joined.segments().count(), path.segments().count() + rest.segments().count());
        }
    }

    #[test]
    fn the_text_of_an_error_is_always_one_line(text in text(), other in text()) {
        let files = f9::MemoryFileBackend::new();
        let errors = [
            FilePath::parse_entry(&text).err(),
            GlobPattern::parse(&text).err(),
            f9::parse_uri(&text).err(),
            f9::parse_uri(&format!("memory://{text}?{other}")).err(),
            block_on(files.read(&text)).err(),
            block_on(files.rename(&text, &other)).err(),
            block_on(files.glob(&format!("[{text}"))).err(),
        ];
        for error in errors.iter().flatten() {
            is_one_line(error)?;
        }
    }
}
