//! Random sequences of calls.

use std::fmt;

use f9::{ByteRange, Depth, DirMode, GlobKind, UpdateMode};
use proptest::prelude::*;
use proptest::sample::select;

/// One call of a verb.
#[derive(Clone, Debug)]
pub(crate) enum Operation {
    Create { path: Path, content: Content, mode: Mode, sum: Sum },
    StreamWrite { path: Path, source: Source, mode: Mode, sum: Sum },
    CreateDir { path: Path, mode: DirMode },
    Read { path: Path, part: Part },
    StreamRead { path: Path, part: Part },
    Open { path: Path, part: Part },
    ReadRanges { path: Path, ranges: Vec<ByteRange> },
    Write { path: Path, content: Content },
    StreamAppend { path: Path, source: Source, sum: Sum },
    WriteMany { files: Vec<(Path, Content)>, mode: Mode },
    DeleteMany { paths: Vec<Path> },
    DeleteIfSeen { path: Path, missing_ok: bool },
    ListPage { prefix: Path, depth: Depth, after: Path, limit: usize },
    Update { path: Path, content: Content, mode: UpdateMode, if_seen: bool },
    Delete { path: Path, depth: Depth },
    Info { path: Path, sum: bool },
    Exists { path: Path },
    List { prefix: Path, depth: Depth },
    Glob { pattern: &'static str, kind: GlobKind },
    Checksum { path: Path },
    ChecksumMany { paths: Vec<Path> },
    Copy { from: Path, to: Path, mode: Mode },
    Rename { from: Path, to: Path, mode: Mode },
}

pub(crate) type Path = &'static str;

/// A few paths, so that calls affect each other. Some are a file in one call and a directory in another, and some sort around `d/`.
const PATHS: &[Path] =
    &["a", "b", "d", "d/a", "d/b", "d/e", "d/e/a", "a/b", "d/a/b/c", "d-", "d.x", "d0"];

/// Other spellings of these paths, the root, and invalid paths.
const ODD_PATHS: &[Path] = &[
    "/d//a/",
    "./b",
    "d/./e/",
    "",
    "/",
    "./.",
    "..",
    "d/../a",
    "a\0b",
    "d/.f9tmp-1",
    ".backend.lock",
    ".f9/a",
    concat!(
        "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
        "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
        "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
        "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
    ),
];

const PATTERNS: &[&str] = &[
    "*",
    "**",
    "d/*",
    "d/**",
    "**/a",
    "d/e",
    "{a,d}/*",
    "d/**/a",
    "*/[!b]",
    "?",
    "d?*",
    "/./d//*",
    "",
    "nowhere/*",
    "a/b/*",
    "../*",
    "[",
    "{a",
];

/// The size of the content, and its first byte, which determines the other bytes.
#[derive(Clone, Copy)]
pub(crate) struct Content {
    pub(crate) first: u8,
    pub(crate) size: usize,
}

impl fmt::Debug for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes from {}", self.size, self.first)
    }
}

impl Content {
    pub(crate) fn bytes(self) -> Vec<u8> {
        let counting = (0..=u8::MAX).cycle().skip(self.first.into());
        counting.step_by(7).take(self.size).collect()
    }
}

/// The mode of a write. The etag is the last one seen at the path, if any.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Mode {
    Create,
    Overwrite,
    IfSeen,
}

/// The checksum in the options.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Sum {
    None,
    Right,
    Wrong,
}

/// The source of a streamed write.
#[derive(Clone, Debug)]
pub(crate) struct Source {
    pub(crate) pieces: Vec<Content>,
    /// Whether it fails after the last piece.
    pub(crate) fails: bool,
    /// The difference between the declared size and the real one, if a size is declared.
    pub(crate) declared: Option<i8>,
}

impl Source {
    pub(crate) fn bytes(&self) -> Vec<u8> {
        self.pieces.iter().flat_map(|piece| piece.bytes()).collect()
    }

    pub(crate) fn declared_size(&self) -> Option<u64> {
        let given = self.bytes().len() as u64;
        self.declared.map(|wrong| given.saturating_add_signed(wrong.into()))
    }
}

/// The options of a read.
#[derive(Clone, Debug)]
pub(crate) struct Part {
    pub(crate) range: Option<ByteRange>,
    pub(crate) chunk_size: Option<usize>,
    pub(crate) if_seen: bool,
}

fn path() -> impl Strategy<Value = Path> {
    prop_oneof![9 => select(PATHS), 1 => select(ODD_PATHS)]
}

/// Paths that are not below each other, so that it makes no difference in which order they are changed. One may be given twice.
fn separate_paths() -> impl Strategy<Value = Vec<Path>> {
    prop::collection::vec(select(vec!["a", "b", "d/a", "d/e/a", "d/..", "d/.f9tmp-1"]), 0..5)
}

/// The keys of some entries, and keys that no entry has.
const KEYS: &[Path] = &["", "a", "b", "d", "d/", "d/a", "d/e/", "d-", "d0", "zz"];

fn content() -> impl Strategy<Value = Content> {
    let size = prop_oneof![9 => select(vec![0, 1, 2, 3, 5, 8]), 1 => select(vec![4096, 20_000])];
    (any::<u8>(), size).prop_map(|(first, size)| Content { first, size })
}

fn mode() -> impl Strategy<Value = Mode> {
    prop_oneof![3 => Just(Mode::Create), 3 => Just(Mode::Overwrite), 2 => Just(Mode::IfSeen)]
}

fn sum() -> impl Strategy<Value = Sum> {
    prop_oneof![6 => Just(Sum::None), 1 => Just(Sum::Right), 1 => Just(Sum::Wrong)]
}

fn depth() -> impl Strategy<Value = Depth> {
    select(vec![Depth::One, Depth::All])
}

fn source() -> impl Strategy<Value = Source> {
    let pieces = prop::collection::vec(content(), 0..4);
    let declared = prop_oneof![4 => Just(None), 2 => Just(Some(0)), 1 => select(vec![-1, 1, 100]).prop_map(Some)];
    (pieces, prop::bool::weighted(0.2), declared).prop_map(|(pieces, fails, declared)| Source {
        pieces,
        fails,
        declared,
    })
}

fn range() -> impl Strategy<Value = ByteRange> {
    let offset = || select(vec![0, 1, 2, 3, 5, 8, 9, 5000, u64::MAX - 1, u64::MAX]);
    prop_oneof![
        (offset(), offset()).prop_map(|(start, end)| ByteRange::Bounded(start..end)),
        offset().prop_map(ByteRange::From),
        offset().prop_map(ByteRange::Suffix),
    ]
}

fn part() -> impl Strategy<Value = Part> {
    let chunk_size = select(vec![2, 3, 1000, usize::MAX, 0]);
    (prop::option::of(range()), prop::option::of(chunk_size), prop::bool::weighted(0.2))
        .prop_map(|(range, chunk_size, if_seen)| Part { range, chunk_size, if_seen })
}

fn operation() -> impl Strategy<Value = Operation> {
    use Operation as Op;
    let update_mode = select(vec![UpdateMode::Replace, UpdateMode::Append]);
    let dir_mode = select(vec![DirMode::Create, DirMode::Overwrite]);
    let kind = select(vec![GlobKind::Any, GlobKind::Files, GlobKind::Directories]);
    prop_oneof![
        4 => (path(), content(), mode(), sum())
            .prop_map(|(path, content, mode, sum)| Op::Create { path, content, mode, sum }),
        4 => (path(), source(), mode(), sum())
            .prop_map(|(path, source, mode, sum)| Op::StreamWrite { path, source, mode, sum }),
        2 => (path(), dir_mode).prop_map(|(path, mode)| Op::CreateDir { path, mode }),
        2 => (path(), part()).prop_map(|(path, part)| Op::Read { path, part }),
        2 => (path(), part()).prop_map(|(path, part)| Op::StreamRead { path, part }),
        3 => (path(), content(), update_mode, any::<bool>())
            .prop_map(|(path, content, mode, if_seen)| Op::Update { path, content, mode, if_seen }),
        3 => (path(), depth()).prop_map(|(path, depth)| Op::Delete { path, depth }),
        3 => (path(), any::<bool>()).prop_map(|(path, sum)| Op::Info { path, sum }),
        2 => (path(), part()).prop_map(|(path, part)| Op::Open { path, part }),
        1 => (path(), prop::collection::vec(range(), 0..4))
            .prop_map(|(path, ranges)| Op::ReadRanges { path, ranges }),
        2 => (path(), content()).prop_map(|(path, content)| Op::Write { path, content }),
        2 => (path(), source(), sum())
            .prop_map(|(path, source, sum)| Op::StreamAppend { path, source, sum }),
        2 => (separate_paths(), prop::collection::vec(content(), 5), select(vec![Mode::Create, Mode::Overwrite]))
            .prop_map(|(paths, contents, mode)| {
                Op::WriteMany { files: paths.into_iter().zip(contents).collect(), mode }
            }),
        1 => separate_paths().prop_map(|paths| Op::DeleteMany { paths }),
        2 => (path(), any::<bool>())
            .prop_map(|(path, missing_ok)| Op::DeleteIfSeen { path, missing_ok }),
        2 => (path(), depth(), select(KEYS), 0..5_usize)
            .prop_map(|(prefix, depth, after, limit)| Op::ListPage { prefix, depth, after, limit }),
        1 => path().prop_map(|path| Op::Exists { path }),
        1 => (path(), depth()).prop_map(|(prefix, depth)| Op::List { prefix, depth }),
        2 => depth().prop_map(|depth| Op::List { prefix: "", depth }),
        1 => (select(PATTERNS), kind).prop_map(|(pattern, kind)| Op::Glob { pattern, kind }),
        1 => path().prop_map(|path| Op::Checksum { path }),
        1 => prop::collection::vec(path(), 0..4).prop_map(|paths| Op::ChecksumMany { paths }),
        3 => (path(), path(), mode()).prop_map(|(from, to, mode)| Op::Copy { from, to, mode }),
        4 => (path(), path(), mode()).prop_map(|(from, to, mode)| Op::Rename { from, to, mode }),
    ]
}

pub(crate) fn operations() -> impl Strategy<Value = Vec<Operation>> {
    prop::collection::vec(operation(), 1..30)
}
