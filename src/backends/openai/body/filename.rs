//! The names of uploads.
//!
//! The service decides by the extension whether it accepts a file and how it parses it.

use super::BodyEncoding;
use crate::core::path::FilePath;

/// The longest stem of a name, in characters.
const MAX_STEM: usize = 64;

/// Extensions that uploads keep, with their media types. The service accepts them for uploads and in vector stores, and its parser
/// returns their text unchanged.
///
/// Excluded: formats that are not plain text to the parser (`doc`, `docx`, `pdf`, `pptx`), markup that it removes (`html`), files
/// that it refuses if malformed (`json`), and an extension that some services treat as video (`ts`).
const KEPT: &[(&str, &str)] = &[
    ("c", "text/x-c"),
    ("cpp", "text/x-c++"),
    ("css", "text/css"),
    ("go", "text/x-golang"),
    ("java", "text/x-java"),
    ("js", "text/javascript"),
    ("md", "text/markdown"),
    ("php", "text/x-php"),
    ("py", "text/x-python"),
    ("rb", "text/x-ruby"),
    ("tex", "text/x-tex"),
    ("txt", "text/plain"),
];

/// Returns the upload name of the file at `path` and its media type. The name is `<stem>.<tag>.<extension>`, in ASCII letters, digits,
/// `_`, `-` and `.`.
///
/// `tag` distinguishes versions; it consists of the same characters.
pub(crate) fn upload_name(
    path: &FilePath,
    encoding: BodyEncoding,
    tag: &str,
) -> (String, &'static str) {
    let name = path.name().unwrap_or_default();
    // The leading dot of `.profile` starts no extension.
    let (stem, extension) = match name.rsplit_once('.') {
        Some((stem, extension)) if !stem.is_empty() => (stem, extension.to_ascii_lowercase()),
        _ => (name, String::new()),
    };
    let plain = |c: char| if c.is_ascii_alphanumeric() || c == '-' { c } else { '_' };
    let stem: String = stem.chars().take(MAX_STEM).map(plain).collect();
    let stem = if stem.is_empty() { "file" } else { &stem };
    let kept = KEPT.iter().find(|(kept, _)| encoding == BodyEncoding::Raw && *kept == extension);
    let (extension, media_type) = kept.copied().unwrap_or(("txt", "text/plain"));
    (format!("{stem}.{tag}.{extension}"), media_type)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn raw(path: &str) -> String {
        upload_name(&FilePath::parse(path).unwrap(), BodyEncoding::Raw, "1a2b").0
    }

    #[test]
    fn upload_names_contain_only_safe_characters_and_kept_extensions() {
        for (path, expected) in [
            ("a/b/notes.md", "notes.1a2b.md"),
            ("Main.PY", "Main.1a2b.py"),
            ("a.b.c", "a_b.1a2b.c"),
            ("data.csv", "data.1a2b.txt"),
            ("page.html", "page.1a2b.txt"),
            ("x.json", "x.1a2b.txt"),
            ("x.ts", "x.1a2b.txt"),
            ("run.sh", "run.1a2b.txt"),
            ("report.pdf", "report.1a2b.txt"),
            ("Makefile", "Makefile.1a2b.txt"),
            (".profile", "_profile.1a2b.txt"),
            (".md", "_md.1a2b.txt"),
            ("a.", "a.1a2b.txt"),
            ("...", "__.1a2b.txt"),
            ("", "file.1a2b.txt"),
            ("naïve \"x\"\r\n", "na_ve__x___.1a2b.txt"),
            ("日本.md", "__.1a2b.md"),
            ("a-b_c%2F;.rb", "a-b_c_2F_.1a2b.rb"),
            ("x.mď", "x.1a2b.txt"),
        ] {
            assert_eq!(raw(path), expected, "{path:?}");
        }
        let long = raw(&format!("{}.md", "é".repeat(120)));
        assert_eq!(long, format!("{}.1a2b.md", "_".repeat(64)));
    }

    #[test]
    fn only_raw_content_keeps_its_extension() {
        let path = FilePath::parse("a.py").unwrap();
        for encoding in [BodyEncoding::Framed, BodyEncoding::Base64] {
            assert_eq!(upload_name(&path, encoding, "t"), ("a.t.txt".to_owned(), "text/plain"));
        }
    }

    #[test]
    fn kept_extensions_are_accepted_everywhere() {
        let uploads = "c cpp css csv docx gif go html java jpeg jpg js json md pdf php pkl png pptx py rb tar tex ts txt webp xlsx xml zip";
        let stores =
            "c cpp cs css doc docx go html java js json md pdf php pptx py rb sh tex ts txt";
        for (kept, _) in KEPT {
            for accepted in [uploads, stores] {
                assert!(accepted.split(' ').any(|accepted| accepted == *kept), "{kept}");
            }
        }
    }

    #[test]
    fn the_media_type_follows_from_the_extension() {
        for (path, media_type) in
            [("notes.md", "text/markdown"), ("notes.txt", "text/plain"), ("none", "text/plain")]
        {
            let path = FilePath::parse(path).unwrap();
            assert_eq!(upload_name(&path, BodyEncoding::Raw, "t").1, media_type);
        }
    }
}
