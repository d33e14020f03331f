//! Others on the machine who hold locks, fork, leave futures alone or take all threads: they delay a verb at most.

use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use f9::prelude::*;
use f9::{
    ChecksumAlgorithm, DeleteOptions, ErrorKind, InfoChanges, LocalFileBackend, RenameOptions,
    WriteOptions,
};
use futures::executor::block_on;
use rustix::process::{Pid, Signal, WaitOptions, kill_process, waitpid};

use crate::machine::not_run;
use crate::processes;

/// Long enough for any machine that makes progress, and shorter than the timeout of the lock.
const SOON: Duration = Duration::from_secs(20);

/// Changes entries with every verb that locks the directory.
async fn change_with_every_verb(files: &LocalFileBackend) {
    let overwrite = WriteOptions::overwrite;
    let etag = files.write("a", "1").await.unwrap().etag.unwrap();
    files.write_with("a", "2", WriteOptions::if_match(etag)).await.unwrap();
    files.write_with("a", "3", WriteOptions::append()).await.unwrap();
    assert_eq!(files.read("a").await.unwrap(), "23");
    files.set_info("a", InfoChanges::default().with_permissions(0o600)).await.unwrap();
    files.rename_with("a", "b", RenameOptions::overwrite()).await.unwrap();
    let many = [("b", "4"), ("c", "5")].map(|(path, text)| (path.to_owned(), text.into()));
    for written in files.write_many_with(many.into(), overwrite()).await.unwrap() {
        written.unwrap();
    }
    let state = files.begin_upload("b", overwrite()).await.unwrap();
    let data = futures::stream::iter([Ok("6".into())]);
    let state = files.continue_upload(&state, Box::pin(data)).await.unwrap();
    files.finish_upload(&state).await.unwrap();
    assert_eq!(files.read("b").await.unwrap(), "6");
    for deleted in files.delete_many(&["b", "c"]).await.unwrap() {
        deleted.unwrap();
    }
    files.create("tree/deep/file", "x").await.unwrap();
    files.delete_with("tree", DeleteOptions::recursive()).await.unwrap();
}

#[tokio::test]
async fn a_lock_of_a_stranger_on_a_directory_delays_a_verb_and_does_not_stop_it() {
    for is_shared in [false, true] {
        let dir = tempfile::tempdir().unwrap();
        let files = LocalFileBackend::new(dir.path()).await.unwrap();
        files.create("a", "0").await.unwrap();
        let stranger = File::open(dir.path()).unwrap();
        if is_shared { stranger.try_lock_shared() } else { stranger.try_lock() }.unwrap();
        let begin = Instant::now();
        change_with_every_verb(&files).await;
        assert!(begin.elapsed() < SOON, "{:?}", begin.elapsed());
        let left = fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().file_name());
        // The directory of the uploads stays.
        assert_eq!(left.collect::<Vec<_>>(), [".f9"]);
        stranger.unlock().unwrap();
        change_with_every_verb(&files).await;
    }
}

#[tokio::test]
async fn a_directory_that_a_stranger_has_locked_is_deleted_with_its_content() {
    let dir = tempfile::tempdir().unwrap();
    let files = LocalFileBackend::new(dir.path()).await.unwrap();
    files.create("tree/deep/file", "x").await.unwrap();
    let locked = [dir.path().join("tree"), dir.path().join("tree/deep")];
    let strangers = locked.map(|path| File::open(path).unwrap());
    strangers.iter().for_each(|stranger| stranger.try_lock().unwrap());
    let begin = Instant::now();
    files.delete_with("tree", DeleteOptions::recursive()).await.unwrap();
    assert!(begin.elapsed() < SOON, "{:?}", begin.elapsed());
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
}

#[tokio::test]
async fn writers_beside_a_stranger_lose_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let files = LocalFileBackend::new(dir.path()).await.unwrap();
    files.create("log", "").await.unwrap();
    let stranger = File::open(dir.path()).unwrap();
    stranger.try_lock().unwrap();
    let appends = (0..40).map(|_| files.write_with("log", "x", WriteOptions::append()));
    for appended in futures::future::join_all(appends).await {
        appended.unwrap();
    }
    assert_eq!(files.info("log").await.unwrap().size, Some(40));
}

#[tokio::test]
async fn all_who_may_change_a_root_may_lock_its_sessions() {
    for (root_mode, lock_mode) in [(0o700, 0o600), (0o755, 0o600), (0o775, 0o660), (0o1777, 0o666)]
    {
        let dir = tempfile::tempdir().unwrap();
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(root_mode)).unwrap();
        let files = LocalFileBackend::new(dir.path()).await.unwrap();
        drop(files.sync_session().await.unwrap());
        let found = fs::metadata(dir.path().join(".backend.lock")).unwrap().permissions().mode();
        assert_eq!(found & 0o777, lock_mode, "{root_mode:o}");
    }
}

#[tokio::test]
async fn a_queued_session_that_is_not_polled_does_not_keep_others_waiting() {
    let dir = tempfile::tempdir().unwrap();
    let files = LocalFileBackend::new(dir.path()).await.unwrap();
    let held = files.sync_session().await.unwrap();
    let open = || {
        let files = files.clone();
        // Each session has a task of its own, as one task may open a session twice.
        tokio::spawn(async move { files.sync_session().await.map(drop) })
    };
    let other = files.clone();
    let (left_alone, alone) = tokio::sync::oneshot::channel();
    let asleep = tokio::spawn(async move {
        let mut queued = Box::pin(other.sync_session());
        assert!(futures::poll!(&mut queued).is_pending());
        left_alone.send(()).unwrap();
        tokio::time::sleep(10 * SOON).await;
        drop(queued);
    });
    alone.await.unwrap();
    let waiting = [open(), open(), open()];
    tokio::task::yield_now().await;
    drop(held);
    for session in waiting {
        tokio::time::timeout(SOON, session).await.unwrap().unwrap().unwrap();
    }
    asleep.abort();
}

#[test]
fn a_runtime_that_is_idle_keeps_no_other_from_checksums() {
    let dir = tempfile::tempdir().unwrap();
    let runtime = || tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (idle, busy) = (runtime(), runtime());
    let files = busy.block_on(LocalFileBackend::new(dir.path())).unwrap();
    busy.block_on(files.create("a", "content")).unwrap();
    let mut given_up: Vec<_> =
        (0..1000).map(|_| Box::pin(files.checksum("a", ChecksumAlgorithm::Sha256))).collect();
    idle.block_on(async {
        for checksum in &mut given_up {
            drop(futures::poll!(checksum));
        }
    });
    let checksum =
        async { tokio::time::timeout(SOON, files.checksum("a", ChecksumAlgorithm::Sha256)).await };
    busy.block_on(checksum).unwrap().unwrap();
}

/// Makes `getppid` fork, so that a test can do that without unsafe code.
const FORKS: &str = "#include <unistd.h>\npid_t getppid(void) { return fork(); }\n";

fn lock_is_free(root: &Path) -> bool {
    let lock = root.join(".backend.lock");
    Command::new("flock").arg("-n").arg(lock).arg("true").status().unwrap().success()
}

#[expect(clippy::exit, reason = "a forked child must not go on with the tests")]
fn end_child() -> ! {
    std::process::exit(0)
}

/// Runs in a process in which `getppid` forks.
#[test]
fn a_session_around_forks() {
    let (root, own) = processes::root();
    if own.is_some() {
        return;
    }
    let fork = || Pid::from_raw(std::os::unix::process::parent_id().cast_signed());
    let files = block_on(LocalFileBackend::new(&root)).unwrap();
    let session = block_on(files.sync_session()).unwrap();
    match fork() {
        None => {
            drop(session);
            end_child();
        }
        Some(child) => drop(waitpid(Some(child), WaitOptions::empty()).unwrap()),
    }
    assert!(!lock_is_free(&root), "the child released the lock of its parent");
    let sleeper = match fork() {
        None => {
            std::thread::sleep(10 * SOON);
            end_child();
        }
        Some(child) => child,
    };
    drop(session);
    let is_free = lock_is_free(&root);
    kill_process(sleeper, Signal::KILL).unwrap();
    waitpid(Some(sleeper), WaitOptions::empty()).unwrap();
    assert!(is_free, "the child keeps the lock that its parent has released");

    // The child has none of the threads of its parent, and still uses the backend.
    let runtime = || tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime().block_on(files.write("a", "parent")).unwrap();
    match fork() {
        None => {
            runtime().block_on(files.write("b", "child")).unwrap();
            end_child();
        }
        Some(child) => drop(waitpid(Some(child), WaitOptions::empty()).unwrap()),
    }
    assert_eq!(fs::read(root.join("b")).unwrap(), b"child");
}

#[test]
fn a_forked_child_neither_releases_nor_keeps_a_lock() {
    let test = "a_forked_child_neither_releases_nor_keeps_a_lock";
    let dir = tempfile::tempdir().unwrap();
    let (source, library) = (dir.path().join("forks.c"), dir.path().join("forks.so"));
    fs::write(&source, FORKS).unwrap();
    let mut compile = Command::new("cc");
    compile.args(["-shared", "-fPIC", "-o"]).arg(&library).arg(&source);
    if !compile.status().is_ok_and(|status| status.success()) {
        return not_run(test, "there is no C compiler");
    }
    let root = dir.path().join("root");
    fs::create_dir(&root).unwrap();
    let done = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "strangers::a_session_around_forks", "--nocapture"])
        .env("F9_TEST_ROOT", &root)
        .env("LD_PRELOAD", &library)
        .output()
        .unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
}

#[cfg(feature = "openai")]
fn set_max_threads(count: u64) {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let maximum = getrlimit(Resource::Nproc).maximum;
    setrlimit(Resource::Nproc, Rlimit { current: Some(count), maximum }).unwrap();
}

/// Runs in a process that may have no further thread.
#[test]
fn verbs_without_threads() {
    let (root, own) = processes::root();
    if own.is_some() {
        return;
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let error = runtime.block_on(LocalFileBackend::new(&root)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::QuotaExceeded, "{error}");
    assert!(error.to_string().contains("threads"), "{error}");
    #[cfg(feature = "blocking")]
    {
        let error = f9::blocking::LocalFileBackend::new(&root).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::QuotaExceeded, "{error}");
    }
    #[cfg(feature = "openai")]
    {
        let config = f9::OpenAIConfig::new("vs_1").with_base_url("http://localhost:9/v1");
        let config = config.with_api_key("key").with_retries(0);
        let opened = f9::OpenAIVectorStoreFileBackend::open(config);
        set_max_threads(8);
        let notes = runtime.block_on(opened).unwrap();
        set_max_threads(2);
        // A thread of f9 looks up the host. Tokio has none and would panic.
        let error = runtime.block_on(notes.read("a")).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unreachable, "{error}");
    }
    // Without a runtime, the calling thread does the work.
    let files = block_on(LocalFileBackend::new(&root)).unwrap();
    block_on(files.write("a", "content")).unwrap();
}

#[test]
fn without_threads_a_verb_fails_with_an_error() {
    let test = "without_threads_a_verb_fails_with_an_error";
    if !rustix::process::geteuid().is_root() {
        return not_run(test, "it needs root, to be another user");
    }
    // The limit counts the threads of a user.
    const USER: u32 = 54_321;
    let dir = tempfile::tempdir().unwrap();
    let (binary, root) = (dir.path().join("local"), dir.path().join("root"));
    fs::copy(std::env::current_exe().unwrap(), &binary).unwrap();
    fs::create_dir(&root).unwrap();
    std::os::unix::fs::chown(&root, Some(USER), Some(USER)).unwrap();
    fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let mut command = Command::new("prlimit");
    command
        .arg("--nproc=2:8")
        .arg(&binary)
        .args(["--exact", "strangers::verbs_without_threads", "--nocapture"])
        .env("F9_TEST_ROOT", &root)
        .current_dir("/")
        .uid(USER)
        .gid(USER)
        .stdin(Stdio::null());
    let done = command.output().unwrap();
    let (out, err) = (String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr));
    assert!(done.status.success() && out.contains("1 passed"), "{out}\n{err}");
    assert!(!err.contains("panicked"), "{err}");
}
