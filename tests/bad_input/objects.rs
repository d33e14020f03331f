//! Entries of the wrong kind, links, and special files, items 32 to 56.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;

use f9::ErrorKind::{
    AlreadyExists, DirectoryNotEmpty, InvalidInput, InvalidPath, IsADirectory, LinkLoop,
    NotADirectory, NotAFile, NotFound, PathEscapesRoot, PermissionDenied, ReadOnly, RootGone,
    TooLarge, UnexpectedEof, Unsupported,
};
use f9::prelude::*;
use f9::{ByteRange, Durability, ErrorKind, LocalFileBackend, ReadOptions};
use futures::TryStreamExt as _;

use crate::machine::{Mount, not_run};
use crate::store::Store;
use crate::table::Expected::{Done, Gives, Refused};
use crate::table::Given::{Dir, Fifo, File, HardLinkOut, Link, LinkOut, Socket, Sparse};
use crate::table::{
    Call, Row, acting, check, check_text, every, every_below, outcome, overwriting, reading,
    refused, seen,
};

fn on(call: impl Fn(String) -> Call, paths: &[&str]) -> Vec<Call> {
    paths.iter().map(|path| call((*path).to_owned())).collect()
}

fn pair(call: impl Fn(String, String) -> Call, from: &str, to: &str) -> Vec<Call> {
    vec![call(from.to_owned(), to.to_owned())]
}

#[tokio::test]
async fn files_and_directories_in_place_of_each_other() {
    let roots = ["", "/", ".", "./", "//"];
    let removing = |paths| [on(Call::Delete, paths), on(Call::DeleteAll, paths)].concat();
    let rows: Vec<Row> = vec![
        ("32: a file as a parent", vec![File("f")], every_below("f/x"), Refused(NotADirectory)),
        ("32: further up", vec![File("f")], every_below("f/x/y"), Refused(NotADirectory)),
        ("32: not there", vec![File("f")], on(Call::Exists, &["f/x", "f/x/y"]), Gives("false")),
        ("33: a directory written to", vec![Dir("d")], overwriting("d"), Refused(IsADirectory)),
        ("33: made as a file", vec![Dir("d")], on(Call::Create, &["d"]), Refused(AlreadyExists)),
        (
            "33: a file moved over it",
            vec![Dir("d")],
            pair(Call::RenameOver, "kept", "d"),
            Refused(IsADirectory),
        ),
        ("34: a directory read", vec![Dir("d")], reading("d"), Refused(IsADirectory)),
        (
            "35: a directory for a file",
            vec![File("f")],
            on(Call::CreateDir, &["f"]),
            Refused(NotADirectory),
        ),
        (
            "35: also if it may exist",
            vec![File("f")],
            on(Call::CreateDirOver, &["f"]),
            Refused(NotADirectory),
        ),
        (
            "36: not empty",
            vec![File("d/x")],
            on(Call::Delete, &["d", "d/"]),
            Refused(DirectoryNotEmpty),
        ),
        ("37: the root", vec![File("d/x")], removing(&roots), Refused(InvalidPath)),
        (
            "37: the root from below",
            vec![File("d/x")],
            removing(&["d/.."]),
            Refused(PathEscapesRoot),
        ),
        ("56: onto itself", vec![], pair(Call::Rename, "kept", "kept"), Refused(AlreadyExists)),
        ("56: onto itself, told to", vec![], pair(Call::RenameOver, "kept", "./kept"), Done),
        (
            "56: into its own child",
            vec![File("d/x")],
            pair(Call::Rename, "d", "d/x/y"),
            Refused(InvalidInput),
        ),
        (
            "56: a new one",
            vec![Dir("d")],
            pair(Call::RenameOver, "d", "d/e"),
            Refused(InvalidInput),
        ),
    ];
    check(rows).await;
}

#[tokio::test]
async fn links() {
    let out = || {
        vec![
            LinkOut("absolute", "secret"),
            Link("relative", "../outside/secret"),
            LinkOut("dir", ""),
            Link("sub/up", "../../outside"),
            LinkOut("new", "new"),
            Link("magic", "/proc/self/root"),
        ]
    };
    let dangling = || vec![Link("l", "nowhere")];
    let looping = || vec![Link("l", "m"), Link("m", "l")];
    let l = ["l"];
    let rows: Vec<Row> = vec![
        ("38: a link deleted", vec![File("f"), Link("l", "f")], on(Call::Delete, &l), Done),
        ("38: to a directory", vec![File("d/f"), Link("l", "d")], on(Call::DeleteAll, &l), Done),
        ("38: to outside", vec![LinkOut("l", "dir")], on(Call::DeleteAll, &l), Done),
        ("39: seen, leading nowhere", dangling(), on(Call::Info, &l), Refused(NotFound)),
        ("39: there, leading nowhere", dangling(), on(Call::Exists, &l), Gives("false")),
        ("39: deleted, leading nowhere", dangling(), on(Call::Delete, &l), Done),
        ("39: read, leading nowhere", dangling(), reading("l"), Refused(NotFound)),
        ("39: written to, leading nowhere", dangling(), overwriting("l"), Refused(NotFound)),
        ("40: seen, in a loop", looping(), on(Call::Info, &l), Refused(LinkLoop)),
        ("40: deleted, in a loop", looping(), on(Call::Delete, &l), Done),
        ("40: read, in a loop", looping(), reading("l"), Refused(LinkLoop)),
        ("40: written to, in a loop", looping(), overwriting("l"), Refused(LinkLoop)),
        ("40: below it", looping(), every("l/x"), Refused(LinkLoop)),
        ("41: read by absolute link", out(), reading("absolute"), Refused(PathEscapesRoot)),
        ("41: read by relative link", out(), reading("relative"), Refused(PathEscapesRoot)),
        ("41: written to", out(), overwriting("absolute"), Refused(PathEscapesRoot)),
        ("41: through a directory", out(), every("dir/secret"), Refused(PathEscapesRoot)),
        ("41: a new file in it", out(), acting("dir/new"), Refused(PathEscapesRoot)),
        ("41: a relative directory", out(), every("sub/up/secret"), Refused(PathEscapesRoot)),
        ("41: made through a link", out(), overwriting("new"), Refused(PathEscapesRoot)),
        ("47: a magic link", out(), every("magic/etc/passwd"), Refused(PathEscapesRoot)),
        ("47: the magic link itself", out(), on(Call::List, &["magic"]), Refused(PathEscapesRoot)),
    ];
    check(rows).await;
}

#[tokio::test]
async fn hard_links_and_modes() {
    let outside = || vec![HardLinkOut("h")];
    let rows: Vec<Row> = vec![
        ("43: another name outside, read", outside(), on(Call::Read, &["h"]), Gives("secret")),
        ("43: written to, which parts them", outside(), overwriting("h"), Done),
        ("43: deleted", outside(), on(Call::Delete, &["h"]), Done),
    ];
    check(rows).await;
    for call in overwriting("f") {
        let store = Store::new().await;
        fs::write(store.on_disk("f"), "old").unwrap();
        fs::write(store.on_disk("kept"), "kept").unwrap();
        fs::set_permissions(store.on_disk("f"), fs::Permissions::from_mode(0o6751)).unwrap();
        outcome(&store, &call, Done).await.unwrap();
        let mode = fs::metadata(store.on_disk("f")).unwrap().permissions().mode();
        assert_eq!(mode & 0o7777, 0o6751, "55: {call:?} keeps the mode");
    }
    let store = Store::new().await;
    fs::write(store.on_disk("f"), "one file").unwrap();
    fs::hard_link(store.on_disk("f"), store.on_disk("h")).unwrap();
    let moved = Call::RenameOver("f".into(), "h".into());
    outcome(&store, &moved, Done).await.unwrap();
    let names: Vec<PathBuf> = seen(&store.root).into_keys().collect();
    assert_eq!(names, [store.on_disk("h")], "56: moved onto another name of itself");
}

#[tokio::test]
async fn special_files_are_refused_without_waiting() {
    let (fifo, socket) = (|| vec![Fifo("s")], || vec![Socket("s")]);
    let s = ["s"];
    let rows: Vec<Row> = vec![
        ("44: a FIFO read", fifo(), reading("s"), Refused(NotAFile)),
        ("44: a FIFO written to", fifo(), overwriting("s"), Refused(NotAFile)),
        ("44: a FIFO seen", fifo(), on(Call::InfoWithSum, &s), Gives("Other of 0 bytes")),
        ("44: a FIFO as a parent", fifo(), every_below("s/x"), Refused(NotADirectory)),
        ("44: a FIFO deleted", fifo(), on(Call::Delete, &s), Done),
        ("45: a socket read", socket(), reading("s"), Refused(NotAFile)),
        ("45: a socket written to", socket(), overwriting("s"), Refused(NotAFile)),
        ("45: a socket listed", socket(), on(Call::List, &[""]), Gives("kept s")),
    ];
    check(rows).await;
}

#[tokio::test]
async fn item_45_devices_are_refused_without_waiting() {
    use rustix::fs::{CWD, FileType, Mode, makedev, mknodat};
    for (name, number) in [("null", 3), ("zero", 5)] {
        for call in [reading(name), overwriting(name)].concat() {
            let store = Store::new().await;
            fs::write(store.on_disk("kept"), "kept").unwrap();
            let (mode, device) = (Mode::from_raw_mode(0o666), makedev(1, number));
            let path = store.on_disk(name);
            if let Err(reason) = mknodat(CWD, path, FileType::CharacterDevice, mode, device) {
                let test = "item_45_devices_are_refused_without_waiting";
                return not_run(test, &reason.to_string());
            }
            let refused = outcome(&store, &call, Refused(NotAFile)).await;
            refused.unwrap_or_else(|wrong| panic!("{call:?}: {wrong}"));
        }
    }
}

const TERABYTE: u64 = 1 << 40;

#[tokio::test]
async fn item_48_a_file_of_a_terabyte_that_takes_no_room() {
    let last = || Call::ReadRange("s", ByteRange::Suffix(3));
    let past = || Call::ReadRange("s", ByteRange::From(TERABYTE + 1));
    let sparse = || vec![Sparse("s", TERABYTE)];
    let shown = "File of 1099511627776 bytes";
    let rows: Vec<Row> = vec![
        ("48: seen", sparse(), on(Call::Info, &["s"]), Gives(shown)),
        ("48: its last bytes", sparse(), vec![last()], Gives("\0\0\0")),
        ("48: past them", sparse(), vec![past()], Refused(ErrorKind::InvalidRange)),
    ];
    check(rows).await;
}

/// Runs in a process with little memory.
#[tokio::test]
async fn all_of_a_terabyte() {
    let Some(root) = root_of_its_own() else { return };
    fs::File::create(root.join("s")).unwrap().set_len(TERABYTE).unwrap();
    let backend = LocalFileBackend::new(&root).await.unwrap();
    let options = ReadOptions::default().with_chunk_size(usize::MAX);
    let errors = [
        backend.read("s").await.unwrap_err(),
        backend.stream_read_with("s", options).await.err().unwrap(),
    ];
    for error in errors {
        assert_eq!(error.kind(), TooLarge);
        check_text(&error).unwrap();
    }
}

#[test]
fn item_48_what_does_not_fit_into_memory_check_text() {
    let dir = tempfile::tempdir().unwrap();
    limited("ulimit -v 8000000 && exec", "objects::all_of_a_terabyte", dir.path());
}

/// Returns the directory of a process that [`limited`] starts; `None` in the process that runs all tests.
pub(crate) fn root_of_its_own() -> Option<PathBuf> {
    std::env::var_os("F9_TEST_ROOT").map(PathBuf::from)
}

/// Runs the test `name` of this binary in `root`, after the shell commands `before`.
pub(crate) fn limited(before: &str, name: &str, root: &Path) {
    let script = format!("{before} \"$0\" --exact {name} --nocapture");
    let mut command = Command::new("sh");
    command.args(["-c", &script]).arg(std::env::current_exe().unwrap());
    let done = command.env("F9_TEST_ROOT", root).output().unwrap();
    let (out, err) = (String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr));
    assert!(done.status.success() && out.contains("1 passed"), "{out}\n{err}");
}

#[tokio::test]
async fn items_49_to_51_files_that_change_while_they_are_streamed() {
    let content = vec![b'o'; 100_000];
    for (item, change, expected) in [
        ("49: it grows", grow as fn(&Path), Ok(content.clone())),
        ("50: it is truncated", truncate, Err(UnexpectedEof)),
        ("51: it is replaced", replace, Ok(content.clone())),
    ] {
        let store = Store::new().await;
        store.backend.create("f", content.clone()).await.unwrap();
        let options = ReadOptions::default().with_chunk_size(1000);
        let mut chunks = store.backend.stream_read_with("f", options).await.unwrap();
        let mut read = chunks.try_next().await.unwrap().unwrap().to_vec();
        change(&store.on_disk("f"));
        let rest: Result<Vec<_>, _> = chunks.try_collect().await;
        let rest = rest.map(|rest| {
            read.extend(rest.concat());
            read
        });
        if let Err(error) = &rest {
            check_text(error).unwrap_or_else(|wrong| panic!("{item}: {wrong}"));
        }
        assert!(rest.map_err(|error| error.kind()) == expected, "{item}");
    }
}

fn grow(path: &Path) {
    let mut file = fs::File::options().append(true).open(path).unwrap();
    std::io::Write::write_all(&mut file, &[b'n'; 50_000]).unwrap();
}

fn truncate(path: &Path) {
    fs::File::options().write(true).open(path).unwrap().set_len(500).unwrap();
}

fn replace(path: &Path) {
    fs::write(path.with_extension("new"), "new").unwrap();
    fs::rename(path.with_extension("new"), path).unwrap();
}

/// Runs `act` as a user other than root, because root has all permissions.
pub(crate) fn as_another_user(act: impl AsyncFnOnce() + Send + 'static) {
    let somebody = move || {
        if rustix::process::geteuid().is_root() {
            rustix::thread::set_thread_uid(rustix::process::Uid::from_raw(65534)).unwrap();
        }
        futures::executor::block_on(act());
    };
    thread::spawn(somebody).join().unwrap();
}

#[tokio::test]
async fn item_52_what_may_not_be_read_or_searched() {
    let store = Store::new().await;
    fs::write(store.on_disk("kept"), "kept").unwrap();
    fs::write(store.on_disk("f"), "closed").unwrap();
    fs::create_dir(store.on_disk("d")).unwrap();
    fs::write(store.on_disk("d/f"), "behind a closed door").unwrap();
    for (path, mode) in [("f", 0o000), ("d", 0o666), ("", 0o755)] {
        let permissions = fs::Permissions::from_mode(mode);
        fs::set_permissions(store.on_disk(path), permissions).unwrap();
    }
    let root = store.root.clone();
    as_another_user(async move || {
        let files = LocalFileBackend::builder(&root).sweep(false).open().await.unwrap();
        let calls = [reading("f"), vec![Call::InfoWithSum("f".into())], reading("d/f")].concat();
        for call in calls.into_iter().chain([Call::Info("d/f".into()), Call::Exists("d/f".into())])
        {
            let error = call.on(&files).await.unwrap_err();
            assert_eq!(error.kind(), PermissionDenied, "52: {call:?}: {error}");
            check_text(&error).unwrap();
        }
    });
    let permissions = fs::Permissions::from_mode(0o755);
    fs::set_permissions(store.on_disk("d"), permissions).unwrap();
}

/// An attribute of a file, as chattr(1) sets it. It is cleared on drop.
struct Attribute<'a>(&'a Path, &'static str);

impl<'a> Attribute<'a> {
    fn set(path: &'a Path, flag: &'static str) -> Result<Self, String> {
        let done = Command::new("chattr").arg(format!("+{flag}")).arg(path).output();
        let done = done.map_err(|error| error.to_string())?;
        let reason = String::from_utf8_lossy(&done.stderr).trim().to_owned();
        if done.status.success() { Ok(Self(path, flag)) } else { Err(reason) }
    }
}

impl Drop for Attribute<'_> {
    fn drop(&mut self) {
        drop(Command::new("chattr").arg(format!("-{}", self.1)).arg(self.0).status());
    }
}

#[tokio::test]
async fn item_52_what_even_root_may_not_change() {
    let changing = |path: &str| {
        let mut calls = overwriting(path);
        calls.extend(on(Call::Delete, &[path]));
        calls.extend(pair(Call::Rename, path, "new"));
        calls.extend(pair(Call::RenameOver, "kept", path));
        calls
    };
    let in_it = || [on(Call::Create, &["d/new/x"]), on(Call::CreateDir, &["d/new"])].concat();
    let mut rows = Vec::new();
    for flag in ["i", "a"] {
        rows.push((format!("a file that is +{flag}"), "f", flag, changing("f")));
        rows.push((format!("a file in a directory that is +{flag}"), "d", flag, changing("d/f")));
    }
    rows.push(("a new file in a directory that is +i".to_owned(), "d", "i", in_it()));
    for (item, closed, flag, calls) in rows {
        let durabilities = [Durability::Atomic, Durability::Synced];
        for (call, durability) in calls.iter().flat_map(|call| durabilities.map(|d| (call, d))) {
            let mut store = Store::new().await;
            let builder = LocalFileBackend::builder(&store.root).durability(durability);
            store.backend = builder.open().await.unwrap();
            fs::write(store.on_disk("kept"), "kept").unwrap();
            fs::write(store.on_disk("f"), "old").unwrap();
            fs::create_dir(store.on_disk("d")).unwrap();
            fs::write(store.on_disk("d/f"), "old").unwrap();
            let closed = store.on_disk(closed);
            let outcome = match Attribute::set(&closed, flag) {
                Ok(_set) => outcome(&store, call, Refused(PermissionDenied)).await,
                Err(reason) => return not_run("item_52_what_even_root_may_not_change", &reason),
            };
            outcome.unwrap_or_else(|wrong| panic!("52: {item}: {call:?}: {wrong}"));
        }
    }
}

#[tokio::test]
async fn item_53_roots_that_are_not_there() {
    let store = Store::new().await;
    let (missing, file) = (store.root.join("missing"), store.outside.join("secret"));
    for (item, root, kind) in [
        ("53: the root is missing", &missing, NotFound),
        ("53: the root is a file", &file, NotADirectory),
    ] {
        let refused = LocalFileBackend::builder(root).create_root(false).open().await.unwrap_err();
        assert_eq!(refused.kind(), kind, "{item}");
        check_text(&refused).unwrap_or_else(|wrong| panic!("{item}: {wrong}"));
    }
    assert!(!missing.exists());
    fs::remove_dir_all(&store.root).unwrap();
    let of_the_root = [on(Call::List, &[""]), on(Call::ListAll, &[""]), on(Call::Glob, &["**"])];
    for call in every("f").into_iter().chain(of_the_root.concat()) {
        let error = call.on(&store.backend).await.unwrap_err();
        assert_eq!(error.kind(), RootGone, "53: removed while running: {call:?}");
        check_text(&error).unwrap_or_else(|wrong| panic!("53: {call:?}: {wrong}"));
        assert!(!store.root.exists(), "53: {call:?} creates it again");
    }
}

#[tokio::test]
async fn item_54_a_file_system_that_is_read_only() {
    let store = Store::new().await;
    fs::write(store.on_disk("kept"), "kept").unwrap();
    fs::write(store.on_disk("f"), "old").unwrap();
    let test = "item_54_a_file_system_that_is_read_only";
    let _mounted = match Mount::new(&["--bind", store.root.to_str().unwrap()], &store.root) {
        Ok(mounted) => mounted,
        Err(reason) => return not_run(test, &reason.to_string()),
    };
    let mut remount = Command::new("mount");
    let remounted = remount.args(["-o", "remount,bind,ro"]).arg(&store.root).status().unwrap();
    assert!(remounted.success());
    // A backend from before the mount has the old directory open.
    let files = LocalFileBackend::new(&store.root).await.unwrap();
    let moving = [pair(Call::Rename, "f", "new"), pair(Call::Copy, "f", "new")].concat();
    let making = [on(Call::Create, &["new", "d/new"]), on(Call::CreateDir, &["d"])].concat();
    let calls = [overwriting("f"), on(Call::Delete, &["f"]), moving, making].concat();
    refused(&files, &calls, ReadOnly).await;
}

#[tokio::test]
async fn item_56_a_move_across_file_systems() {
    let store = Store::new().await;
    fs::write(store.on_disk("kept"), "kept").unwrap();
    fs::create_dir(store.on_disk("mounted")).unwrap();
    let at = store.on_disk("mounted");
    let mounted = match Mount::new(&["-t", "tmpfs", "-o", "size=64k", "f9"], &at) {
        Ok(mounted) => mounted,
        Err(reason) => {
            return not_run("item_56_a_move_across_file_systems", &reason.to_string());
        }
    };
    let there = Call::Rename("kept".into(), "mounted/d/kept".into());
    let refused = outcome(&store, &there, Refused(Unsupported)).await;
    let copied = outcome(&store, &Call::Copy("kept".into(), "mounted/d/kept".into()), Done).await;
    let read = store.backend.read("mounted/d/kept").await;
    drop(mounted);
    refused.unwrap();
    copied.unwrap();
    assert_eq!(read.unwrap(), "kept");
}
