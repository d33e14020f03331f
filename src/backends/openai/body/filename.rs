//! Under which name content is uploaded.
//!
//! The service tells by the extension whether it accepts a file at all, and how it parses it.

use super::BodyEncoding;
use crate::FilePath;

/// The longest that is kept of a name, in characters.
const MAX_STEM: usize = 64;

/// The extensions that content keeps, with their media types: those accepted for uploads and in vector stores alike, whose files come
/// out of the service's parser as the text that they are.
///
/// Not among them: what is no plain text to the parser (`doc`, `docx`, `pdf`, `pptx`), what loses its marks on the way (`html`), what is
/// refused if it is not well-formed (`json`), and what is elsewhere taken for a video (`ts`).
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

/// The name under which the file at `path` is uploaded: `<stem>.<tag>.<extension>`, in ASCII letters, digits, `_`, `-` and `.`.
///
/// `tag` tells versions apart; it is made of the same characters.
pub(crate) fn upload_name(path: &FilePath, encoding: BodyEncoding, tag: &str) -> String {
    let name = path.name().unwrap_or_default();
    // The dot of `.profile` begins no extension.
    let (stem, extension) = match name.rsplit_once('.') {
        Some((stem, extension)) if !stem.is_empty() => (stem, extension.to_ascii_lowercase()),
        _ => (name, String::new()),
    };
    let plain = |c: char| if c.is_ascii_alphanumeric() || c == '-' { c } else { '_' };
    let stem: String = stem.chars().take(MAX_STEM).map(plain).collect();
    let stem = if stem.is_empty() { "file" } else { &stem };
    let keeps = encoding == BodyEncoding::Raw && KEPT.iter().any(|(kept, _)| *kept == extension);
    let extension = if keeps { &*extension } else { "txt" };
    format!("{stem}.{tag}.{extension}")
}

/// The media type of a name that [`upload_name`] gave.
pub(crate) fn content_type(name: &str) -> &'static str {
    let extension = name.rsplit_once('.').map_or("", |(_, extension)| extension);
    let found = KEPT.iter().find(|(kept, _)| *kept == extension);
    found.map_or("text/plain", |(_, media_type)| media_type)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn raw(path: &str) -> String {
        upload_name(&FilePath::parse(path).unwrap(), BodyEncoding::Raw, "1a2b")
    }

    #[test]
    fn names_are_ones_that_every_service_accepts() {
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
    fn only_content_as_it_is_keeps_its_extension() {
        let path = FilePath::parse("a.py").unwrap();
        for encoding in [BodyEncoding::Framed, BodyEncoding::Base64] {
            assert_eq!(upload_name(&path, encoding, "t"), "a.t.txt");
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
    fn the_media_type_goes_with_the_name() {
        assert_eq!(content_type("notes.1a2b.md"), "text/markdown");
        assert_eq!(content_type("notes.1a2b.txt"), "text/plain");
        assert_eq!(content_type("none"), "text/plain");
    }
}
