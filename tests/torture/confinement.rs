//! Nothing leads out of the root, whatever a hostile neighbour does to the names in it; and the root itself is never deleted.

use std::collections::{BTreeMap, HashMap};
use std::fs::{self, File};
use std::io::Read as _;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::SystemTime;

use bytes::Bytes;
use f9::prelude::*;
use f9::{
    Checksum, ChecksumAlgorithm, CopyOptions, CreateDirOptions, CreateOptions, DeleteOptions,
    ErrorKind, InfoOptions, InfoStream, LinkMode, ListOptions, LocalFileBackend, ReadOptions,
    RenameOptions, Result, UpdateOptions, WriteOptions,
};
use futures::executor::block_on;
use futures::{StreamExt as _, TryStreamExt as _, stream};
use rustix::fs::inotify::{self, CreateFlags, WatchFlags};
use rustix::fs::{CWD, Mode, OFlags, RenameFlags, mkdirat, openat, renameat_with};
use tempfile::TempDir;

use crate::child::{self, Other};
use crate::extent::extent;
use crate::machine::{lacks_strace, not_run};

/// What every file outside holds, and none inside; none inside is as large, either.
fn mark() -> String {
    "this is outside of the root and nobody's business\n".repeat(1000)
}

/// What every file inside holds.
const PLAIN: &str = "inside";

/// A name that is nowhere inside.
const OUTSIDE_ONLY: &str = "outside-only";

/// Names below the root, by parent, that change places with a link of the same name and `.evil`, which leads outside.
const SWAPPED: [(&str, &str); 5] =
    [("", "dir"), ("upper", "dir"), ("", "file"), ("", "doomed"), ("tree", "inner")];

/// How many visits are paid where the kernel does not resolve whole paths.
const VISITS: &str = "F9_TEST_VISITS";

/// A root beside a directory that nothing may reach.
struct Arena {
    root: PathBuf,
    outside: PathBuf,
    _dir: TempDir,
}

impl Arena {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let base = fs::canonicalize(dir.path()).unwrap();
        let arena = Self { root: base.join("root"), outside: base.join("outside"), _dir: dir };
        fs::create_dir_all(&arena.outside).unwrap();
        fill(&arena.outside, &mark());
        fs::write(arena.outside.join(OUTSIDE_ONLY), mark()).unwrap();
        for dir in ["", "dir", "upper/dir"] {
            fs::create_dir_all(arena.root.join(dir)).unwrap();
            fill(&arena.root.join(dir), PLAIN);
        }
        fs::write(arena.root.join("file"), PLAIN).unwrap();
        symlink(&arena.outside, arena.root.join("dir.evil")).unwrap();
        symlink("../../outside", arena.root.join("upper/dir.evil")).unwrap();
        symlink("../outside/secret", arena.root.join("file.evil")).unwrap();
        arena.restore_doomed();
        arena.restore_tree();
        // So that reading moves it, where the access time is kept only in relation to the others.
        for path in arena.outside().into_keys() {
            let times = fs::FileTimes::new().set_accessed(SystemTime::UNIX_EPOCH);
            File::open(path).unwrap().set_times(times).unwrap();
        }
        arena
    }

    /// After `doomed` has been deleted, be it the directory or the link.
    fn restore_doomed(&self) {
        let (doomed, evil) = (self.root.join("doomed"), self.root.join("doomed.evil"));
        if evil.symlink_metadata().is_err() {
            symlink(&self.outside, &evil).unwrap();
        }
        if doomed.symlink_metadata().is_ok() {
            return;
        }
        if evil.is_symlink() {
            // In one step, as it takes part in the game from then on.
            let made = self.root.join("doomed.new");
            fs::create_dir(&made).unwrap();
            fs::write(made.join("secret"), PLAIN).unwrap();
            fs::rename(made, doomed).unwrap();
        } else {
            symlink(&self.outside, doomed).unwrap();
        }
    }

    fn restore_tree(&self) {
        let (tree, made) = (self.root.join("tree"), self.root.join("tree.new"));
        if tree.symlink_metadata().is_err() {
            fs::create_dir_all(made.join("inner")).unwrap();
            fill(&made.join("inner"), PLAIN);
            symlink(&self.outside, made.join("inner.evil")).unwrap();
            fs::rename(made, tree).unwrap();
        }
    }

    /// All that can be told of what is outside, without leaving a trace.
    fn outside(&self) -> BTreeMap<PathBuf, String> {
        let mut waiting = vec![self.outside.clone()];
        let mut found = BTreeMap::new();
        while let Some(path) = waiting.pop() {
            let data = path.symlink_metadata().unwrap();
            let times = (data.mtime_nsec(), data.ctime_nsec());
            let mut known = format!("{} {:o} {} {times:?}", data.ino(), data.mode(), data.nlink());
            if data.is_dir() {
                waiting.extend(fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
            } else {
                let no_trace = OFlags::NOATIME.bits().cast_signed();
                let mut file =
                    File::options().read(true).custom_flags(no_trace).open(&path).unwrap();
                known.push_str(&format!(" {} {} ", data.atime(), data.atime_nsec()));
                file.read_to_string(&mut known).unwrap();
            }
            found.insert(path, known);
        }
        found
    }
}

/// The same names inside and outside, so that what leads out finds what it looks for.
fn fill(dir: &Path, content: &str) {
    for who in ["pool", "thread"] {
        fs::create_dir_all(dir.join(format!("{who}-deep/x"))).unwrap();
        fs::create_dir_all(dir.join(format!("{who}-made"))).unwrap();
        for name in
            ["written", "updated", "appended", "streamed", "copied", "from", "to", "deep/x/y"]
        {
            fs::write(dir.join(format!("{who}-{name}")), content).unwrap();
        }
    }
    fs::write(dir.join("secret"), content).unwrap();
}

/// Whatever happens to what is below a directory, also that somebody looks.
struct Watch(OwnedFd);

impl Watch {
    fn new(dir: &Path) -> Self {
        let events = inotify::init(CreateFlags::NONBLOCK | CreateFlags::CLOEXEC).unwrap();
        let mut waiting = vec![dir.to_owned()];
        while let Some(dir) = waiting.pop() {
            let below = fs::read_dir(&dir).unwrap().map(|entry| entry.unwrap().path());
            waiting.extend(below.filter(|path| path.is_dir()));
            inotify::add_watch(&events, &dir, WatchFlags::ALL_EVENTS).unwrap();
        }
        let watch = Self(events);
        // What has just been done to look for directories.
        watch.has_seen_any();
        watch
    }

    fn has_seen_any(&self) -> bool {
        let mut event = [0; 65536];
        rustix::io::read(&self.0, &mut event).is_ok()
    }
}

/// Changes the places of all names once.
struct Swapper<'a> {
    root: &'a Path,
    parents: Vec<Option<OwnedFd>>,
}

impl<'a> Swapper<'a> {
    fn new(root: &'a Path) -> Self {
        Self { root, parents: SWAPPED.iter().map(|_| None).collect() }
    }

    fn swap(&mut self) {
        for (parent, (above, name)) in self.parents.iter_mut().zip(SWAPPED) {
            let evil = format!("{name}.evil");
            // It goes on in a directory that is being deleted, whatever that is called by then.
            let swapped = parent.as_ref().is_some_and(|parent| {
                renameat_with(parent, name, parent, &evil, RenameFlags::EXCHANGE).is_ok()
            });
            if !swapped {
                let flags = OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
                *parent = openat(CWD, self.root.join(above), flags, Mode::empty()).ok();
            }
        }
    }
}

/// The hostile neighbour, in a process of its own until the pipe to it is closed.
#[test]
fn names_change_places() {
    let Some(root) = child::root() else {
        let arena = Arena::new();
        let mut swapper = Swapper::new(&arena.root);
        for (round, has_swapped) in [(0, false), (1, true), (2, false)] {
            swapper.swap();
            for (above, name) in SWAPPED {
                let path = arena.root.join(above).join(name);
                assert_eq!(path.is_symlink(), has_swapped, "{path:?} in round {round}");
            }
        }
        return;
    };
    let stop = Arc::new(AtomicBool::new(false));
    let stopped = Arc::clone(&stop);
    thread::spawn(move || {
        drop(std::io::stdin().read_to_end(&mut Vec::new()));
        stopped.store(true, Ordering::Relaxed);
    });
    let mut swapper = Swapper::new(&root);
    child::say("swapping");
    while !stop.load(Ordering::Relaxed) {
        swapper.swap();
    }
}

/// What came of each verb.
#[derive(Debug, Default)]
struct Tally {
    succeeded: u64,
    failed: HashMap<ErrorKind, u64>,
}

/// One who runs every verb through the names that change places.
struct Visitor<'a> {
    arena: &'a Arena,
    backend: LocalFileBackend,
    who: &'static str,
    tallies: BTreeMap<&'static str, Tally>,
}

impl Visitor<'_> {
    fn count<T>(&mut self, verb: &'static str, result: Result<T>) -> Option<T> {
        let tally = self.tallies.entry(verb).or_default();
        match result {
            Ok(value) => {
                tally.succeeded += 1;
                Some(value)
            }
            Err(error) => {
                *tally.failed.entry(error.kind()).or_default() += 1;
                None
            }
        }
    }

    fn content(&mut self, verb: &'static str, content: Result<Bytes>) {
        if let Some(content) = self.count(verb, content) {
            let text = std::str::from_utf8(&content).unwrap();
            assert!(text.starts_with(PLAIN) || PLAIN.starts_with(text), "{verb} gave {text}");
        }
    }

    async fn entries(&mut self, verb: &'static str, entries: Result<InfoStream<'static>>) {
        let Some(entries) = self.count(verb, entries) else { return };
        for entry in entries.collect::<Vec<_>>().await {
            if let Some(info) = self.count("list entry", entry) {
                assert_ne!(info.path.name(), Some(OUTSIDE_ONLY), "{verb} showed {}", info.path);
                assert_ne!(info.size, Some(mark().len() as u64), "{verb} showed {}", info.path);
            }
        }
    }

    async fn read(&mut self, dir: &str) {
        let backend = self.backend.clone();
        let secret = format!("{dir}/secret");
        self.content("read", backend.read(&secret).await);
        self.content("read", backend.read("file").await);
        self.content("read range", backend.read_with(&secret, ReadOptions::range(0..4)).await);
        let streamed = backend.stream_read(&secret).await;
        if let Some(streamed) = self.count("stream_read", streamed) {
            let chunks: Result<Vec<Bytes>> = streamed.try_collect().await;
            self.content("streamed", chunks.map(|chunks| chunks.concat().into()));
        }
        let algorithm = ChecksumAlgorithm::Blake3;
        let forbidden = Checksum::of(algorithm, mark().as_bytes());
        let checksum = backend.checksum(&secret, algorithm).await;
        if let Some(checksum) = self.count("checksum", checksum) {
            assert_ne!(checksum, forbidden.hex());
        }
        let paths = [secret.as_str(), "secret"];
        if let Some(sums) =
            self.count("checksum_many", backend.checksum_many(&paths, algorithm).await)
        {
            assert!(sums.values().all(|sum| sum != forbidden.hex()));
        }
    }

    async fn look(&mut self, dir: &str) {
        let backend = self.backend.clone();
        let secret = format!("{dir}/secret");
        let everything =
            InfoOptions::default().with_encoding().with_checksum(ChecksumAlgorithm::Md5);
        for (verb, path, links) in [
            ("info", secret.as_str(), LinkMode::Keep),
            ("info following", secret.as_str(), LinkMode::Follow),
            ("info of what is swapped", dir, LinkMode::Keep),
            ("info following what is swapped", dir, LinkMode::Follow),
        ] {
            for options in [InfoOptions::default(), everything.clone()] {
                let info = backend.info_with(path, options.with_links(links)).await;
                if let Some(info) = self.count(verb, info) {
                    assert_ne!(info.size, Some(mark().len() as u64), "{verb}");
                }
            }
        }
        self.count("exists", backend.exists(&secret).await);
        self.entries("list", backend.list(dir).await).await;
        let recursive = ListOptions::recursive();
        self.entries("list recursively", backend.list_with(dir, recursive.clone()).await).await;
        self.entries("list everything", backend.list_with("", recursive).await).await;
        for (verb, pattern) in [("glob", format!("{dir}/**")), ("glob everything", "**".into())] {
            if let Some(found) = self.count(verb, backend.glob(&pattern).await) {
                assert!(found.iter().all(|path| path.name() != Some(OUTSIDE_ONLY)), "{verb}");
            }
        }
    }

    async fn write(&mut self, dir: &str) {
        let backend = self.backend.clone();
        let at = |name: &str| format!("{dir}/{}-{name}", self.who);
        let (fresh, written, updated, appended, streamed) =
            (at("fresh"), at("written"), at("updated"), at("appended"), at("streamed"));
        self.count("create", backend.create(&fresh, PLAIN).await);
        self.count("delete", backend.delete(&fresh).await);
        let overwrite = CreateOptions::overwrite;
        let created = backend.create_with(&written, PLAIN.into(), overwrite()).await;
        self.count("create over", created);
        self.count("create over", backend.create_with("file", PLAIN.into(), overwrite()).await);
        if let Ok(info) = backend.info(&written).await {
            let etag = info.etag.unwrap();
            let matching = CreateOptions::if_match(etag.clone());
            let created = backend.create_with(&written, PLAIN.into(), matching).await;
            let etag = created.as_ref().map_or(etag, |info| info.etag.clone().unwrap());
            self.count("create if match", created);
            let options = UpdateOptions::if_match(etag);
            let result = backend.update_with(&written, PLAIN.into(), options).await;
            self.count("update if match", result);
        }
        self.count("update", backend.update(&updated, PLAIN).await);
        let append = backend.update_with(&appended, "+".into(), UpdateOptions::append()).await;
        self.count("append", append);
        let source = || Box::pin(stream::iter([Ok(PLAIN.into()), Ok(PLAIN.into())]));
        let result = backend.stream_write_with(&fresh, source(), WriteOptions::default()).await;
        self.count("stream_write", result);
        self.count(
            "delete recursively",
            backend.delete_with(&fresh, DeleteOptions::recursive()).await,
        );
        let result =
            backend.stream_write_with(&streamed, source(), WriteOptions::overwrite()).await;
        let etag = result.as_ref().ok().map(|info| info.etag.clone().unwrap());
        self.count("stream_write over", result);
        if let Some(etag) = etag {
            let options = WriteOptions::if_match(etag);
            let result = backend.stream_write_with(&streamed, source(), options).await;
            self.count("stream_write if match", result);
        }
    }

    async fn arrange(&mut self, dir: &str) {
        let backend = self.backend.clone();
        let who = self.who;
        let at = |name: &str| format!("{dir}/{who}-{name}");
        let here = |name: &str| format!("{who}-{name}");
        let (secret, copied, from, to) =
            (format!("{dir}/secret"), at("copied"), at("from"), at("to"));
        let overwrite = CopyOptions::overwrite;
        let result = backend.copy_with(&secret, &here("copied"), overwrite()).await;
        self.count("copy from", result);
        self.content("read copy", backend.read(&here("copied")).await);
        self.count("copy to", backend.copy_with("secret", &copied, overwrite()).await);
        self.count("copy to itself", backend.copy_with(&secret, &secret, overwrite()).await);
        let overwrite = RenameOptions::overwrite;
        let result = backend.rename_with(&from, &here("from"), overwrite()).await;
        self.count("rename from", result);
        self.content("read moved", backend.read(&here("from")).await);
        self.count("rename to", backend.rename_with(&here("to"), &to, overwrite()).await);
        // Whatever has moved is there again for the next time.
        for name in [from, here("to")] {
            drop(backend.create(&name, PLAIN).await);
        }
        let (deep, made) = (at("deep"), at("made"));
        self.count("create below", backend.create(&format!("{deep}/x/y"), PLAIN).await);
        let result = backend.delete_with(&deep, DeleteOptions::recursive()).await;
        self.count("delete recursively", result);
        self.count("delete a directory", backend.delete(&made).await);
        self.count("create_dir", backend.create_dir(&made).await);
        let result = backend.create_dir_with(&made, CreateDirOptions::overwrite()).await;
        self.count("create_dir over", result);
        self.count("create_dir below", backend.create_dir(&format!("{deep}/x/z")).await);
        // Waiting for the other needs a runtime.
        if self.who == "thread" {
            return;
        }
        let session = backend.sync_session().await;
        if let Some(session) = self.count("session", session) {
            self.count("session", session.finish().await);
        }
    }

    /// Deletes what is swapped itself, or a tree in which something is.
    async fn delete(&mut self) {
        let recursive = DeleteOptions::recursive;
        if self.who == "thread" {
            let deleted = self.backend.delete_with("tree", recursive()).await;
            self.count("delete tree", deleted);
            return self.arena.restore_tree();
        }
        for _ in 0..20 {
            let deleted = self.backend.delete_with("doomed", recursive()).await;
            self.count("delete doomed", deleted);
            self.arena.restore_doomed();
        }
    }

    fn has_seen_both(&self) -> bool {
        self.tallies.iter().all(|(verb, tally)| {
            tally.succeeded > 0 && (need_not_fail(verb) || !tally.failed.is_empty())
        })
    }

    async fn visit(mut self, visits: usize) -> BTreeMap<&'static str, Tally> {
        // It may take more until every verb has met both the directory and the link.
        let last = visits * 100;
        let mut visit = 0;
        while visit < visits || visit < last && !self.has_seen_both() {
            visit += 1;
            for dir in ["dir", "upper/dir"] {
                self.read(dir).await;
                self.look(dir).await;
                self.write(dir).await;
                self.arrange(dir).await;
                self.delete().await;
            }
        }
        self.tallies
    }
}

#[test]
fn a_name_that_is_swapped_for_a_link_leads_nowhere() {
    let told = std::env::var(VISITS);
    let visits = told.map_or(extent(20, 300), |visits| visits.parse().unwrap());
    let arena = Arena::new();
    let before = arena.outside();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let backend = runtime.block_on(LocalFileBackend::new(&arena.root)).unwrap();
    let visitor =
        |who| Visitor { arena: &arena, backend: backend.clone(), who, tallies: BTreeMap::new() };
    let mut swapper = Other::start("confinement::names_change_places", &arena.root, "");
    swapper.hear("swapping");
    let watch = Watch::new(&arena.outside);
    let tallies = thread::scope(|scope| {
        // One works in the pool, the other on its own thread, where no runtime is.
        let thread = scope.spawn(|| block_on(visitor("thread").visit(visits)));
        [runtime.block_on(visitor("pool").visit(visits)), thread.join().unwrap()]
    });
    assert!(!watch.has_seen_any(), "somebody looked at what is outside");
    swapper.finish();
    assert_eq!(arena.outside(), before);
    assert!(watch.has_seen_any(), "had somebody looked, it would have been seen");
    check(tallies);
}

/// Verbs that no swapping makes fail: they look at no name twice, or at none that is swapped.
const NEVER_FAIL: [&str; 11] = [
    "delete doomed",
    "delete tree",
    "glob",
    "glob everything",
    "info of what is swapped",
    "list entry",
    "list everything",
    "read copy",
    "read moved",
    "session",
    "streamed",
];

/// Those that need an etag are not tried where there is none.
fn need_not_fail(verb: &str) -> bool {
    NEVER_FAIL.contains(&verb) || verb.ends_with("if match")
}

fn check(visits: [BTreeMap<&'static str, Tally>; 2]) {
    use ErrorKind::{AlreadyExists, LinkLoop, NotAFile, NotFound, PathEscapesRoot};
    let mut tallies = BTreeMap::<&str, Tally>::new();
    for (verb, tally) in visits.into_iter().flatten() {
        let sum = tallies.entry(verb).or_default();
        sum.succeeded += tally.succeeded;
        for (kind, count) in tally.failed {
            *sum.failed.entry(kind).or_default() += count;
        }
    }
    for (verb, tally) in tallies {
        let never_fails = NEVER_FAIL.contains(&verb);
        let is_stated = |kind: &ErrorKind| match kind {
            // A path that has been something else at every look is a loop of links, at last.
            PathEscapesRoot | LinkLoop => !never_fails,
            // What was made the last time could not be taken away.
            AlreadyExists => verb.starts_with("create") || verb == "stream_write",
            // What is to be taken away could not be made.
            NotFound => verb.starts_with("delete") || verb == "rename from",
            // The link takes the place of the file that is to be replaced.
            NotAFile => verb == "create over",
            _ => false,
        };
        assert!(tally.failed.keys().all(is_stated), "{verb}: {tally:?}");
        assert!(tally.succeeded > 0, "{verb}: {tally:?}");
        assert!(need_not_fail(verb) || !tally.failed.is_empty(), "{verb}: {tally:?}");
    }
}

/// Before Linux 5.6, and in some sandboxes, the kernel does not resolve whole paths beneath a directory.
#[test]
fn nor_does_it_where_the_kernel_cannot_confine_a_path() {
    if let Some(reason) = lacks_strace() {
        return not_run("nor_does_it_where_the_kernel_cannot_confine_a_path", reason);
    }
    for refusal in ["ENOSYS", "EPERM"] {
        let mut traced = Command::new("strace");
        traced.args(["-f", "--seccomp-bpf", "-qq", "-o", "/dev/null", "-e", "trace=openat2"]);
        traced.args(["-e", &format!("inject=openat2:error={refusal}")]);
        traced.arg(std::env::current_exe().unwrap()).env(VISITS, extent("5", "50"));
        let name = "confinement::a_name_that_is_swapped_for_a_link_leads_nowhere";
        Other::start_by(traced, name, Path::new(""), "").finish();
    }
}

#[test]
fn the_root_is_never_deleted_however_it_is_spelled() {
    use ErrorKind::{InvalidPath, PathEscapesRoot};
    let arena = Arena::new();
    let content = || {
        let listed = Command::new("ls").arg("-laR").arg(&arena.root).output().unwrap();
        String::from_utf8(listed.stdout).unwrap()
    };
    let before = content();
    let backend = block_on(LocalFileBackend::new(&arena.root)).unwrap();
    #[cfg(feature = "blocking")]
    let facade = f9::blocking::LocalFileBackend::new(&arena.root).unwrap();
    let spellings = ["", ".", "/", "./", "//", "/.", "/./", ".//."].map(|path| (path, InvalidPath));
    let escaping = ["dir/..", "/..", "..", "dir/../", "./..", "dir/x/../.."];
    let escaping = escaping.map(|path| (path, PathEscapesRoot));
    for (path, kind) in spellings.into_iter().chain(escaping) {
        for options in [DeleteOptions::default(), DeleteOptions::recursive()] {
            let refused = block_on(backend.delete_with(path, options.clone())).unwrap_err();
            assert_eq!(refused.kind(), kind, "`{path}` {options:?}");
            #[cfg(feature = "blocking")]
            assert_eq!(facade.delete_with(path, options).unwrap_err().kind(), kind, "`{path}`");
            assert_eq!(content(), before, "`{path}`");
        }
    }
}

/// Makes a tree that is deeper than any path is long, with the temporary of a dead process at the bottom.
fn dig(root: &Path, name: &str, depth: usize) {
    let mode = Mode::from_raw_mode(0o777);
    let mut here: OwnedFd = File::open(root).unwrap().into();
    for _ in 0..depth {
        mkdirat(&here, name, mode).unwrap();
        here = openat(&here, name, OFlags::DIRECTORY, mode).unwrap();
    }
    mkdirat(&here, "bottom", mode).unwrap();
    drop(openat(&here, ".f9tmp-dead", OFlags::CREATE | OFlags::RDWR, mode).unwrap());
}

/// So deep a tree that its path is longer than any system call takes.
fn depth() -> usize {
    extent(1000, 3000)
}

/// Everything that is done with a deep tree.
#[test]
fn a_tree_of_any_depth_is_swept_listed_found_and_deleted() {
    let own = tempfile::tempdir().unwrap();
    let root = child::root().unwrap_or_else(|| own.path().to_owned());
    dig(&root, "deep", depth());
    fs::write(root.join("deep/file"), "x").unwrap();
    let backend = block_on(LocalFileBackend::new(&root)).unwrap();
    let entries = block_on(backend.list_with("", ListOptions::recursive())).unwrap();
    let entries: Vec<_> = block_on(entries.map(Result::unwrap).collect());
    assert_eq!(entries.len(), depth() + 2);
    assert!(entries.iter().any(|entry| entry.path.name() == Some("bottom")));
    assert_eq!(block_on(backend.glob("**/bottom")).unwrap().len(), 1);
    let found = Command::new("find").arg(&root).args(["-name", ".f9tmp-*"]).output().unwrap();
    assert_eq!((found.stdout, found.status.success()), (Vec::new(), true), "it has been swept");
    block_on(backend.delete_with("deep", DeleteOptions::recursive())).unwrap();
    assert_eq!(fs::read_dir(&root).unwrap().count(), 0);
    // What a killed deletion leaves is swept as a whole.
    dig(&root, ".f9tmp-tree", depth());
    block_on(LocalFileBackend::new(&root)).unwrap();
    assert_eq!(fs::read_dir(&root).unwrap().count(), 0);
}

/// 1024 is what a process may have open by default; this much is less.
#[test]
fn a_deep_tree_needs_few_open_files() {
    let dir = tempfile::tempdir().unwrap();
    let mut limited = Command::new("sh");
    limited.args(["-c", "ulimit -n 256 && exec \"$0\" \"$@\""]);
    limited.arg(std::env::current_exe().unwrap());
    let name = "confinement::a_tree_of_any_depth_is_swept_listed_found_and_deleted";
    Other::start_by(limited, name, dir.path(), "").finish();
}
