//! Prints the system calls of each verb of the local backend in order, and the number of trips to the blocking pool. Each verb runs in its
//! own process under `strace`, between two lookups of a marker path.

use std::path::Path;
use std::process::Command;
use std::{env, fs};

use f9::prelude::*;
use f9::{
    Bytes, ChecksumAlgorithm, CopyOptions, CreateOptions, Durability, LocalFileBackend,
    RenameOptions, UpdateOptions,
};
use futures::{StreamExt as _, TryStreamExt as _, stream};

type Result<T> = std::result::Result<T, Box<dyn std::error::Error + Send + Sync>>;

const VERBS: &[&str] = &[
    "read 4 KiB",
    "read 1 MiB",
    "info",
    "exists, missing",
    "create 4 KiB",
    "create 4 KiB, Synced",
    "overwrite 4 KiB",
    "update 4 KiB",
    "append 4 KiB",
    "stream_read 1 MiB",
    "stream_write 4 MiB",
    "copy 4 KiB",
    "rename",
    "rename, overwrite",
    "delete",
    "list 10 files",
    "glob 10 files in 2 directories",
    "checksum of 1 MiB",
];

/// The path of the marker lookups.
const MARK: &str = "/mark-of-calls";

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    if let [verb, root] = arguments.as_slice() {
        return traced(verb, Path::new(root)).await;
    }
    println!("| verb | trips | system calls |\n| --- | --- | --- |");
    for verb in VERBS {
        let dir = tempfile::tempdir()?;
        let log = dir.path().join("log");
        let mut strace = Command::new("strace");
        strace.args(["-f", "-qq", "-o"]).arg(&log).arg(env::current_exe()?).arg(verb);
        if !strace.arg(dir.path().join("root")).status()?.success() {
            return Err("strace failed".into());
        }
        let (trips, calls) = summary(&fs::read_to_string(log)?);
        println!("| {verb} | {trips} | {calls} |");
    }
    Ok(())
}

/// Runs a verb twice, and marks the second run, so that one-time initialization does not count.
async fn traced(verb: &str, root: &Path) -> Result<()> {
    let durability = if verb.ends_with("Synced") { Durability::Synced } else { Durability::Atomic };
    let files = LocalFileBackend::builder(root).durability(durability).open().await?;
    // The standard library makes an extra call at the first failed lookup.
    drop(fs::metadata("/no-mark"));
    for name in ["first", "second"] {
        fs::create_dir_all(root.join(name).join("deep"))?;
        for n in 0..10 {
            let dir = if verb.starts_with("glob") && n > 5 { "deep" } else { "" };
            fs::write(root.join(name).join(dir).join(format!("{n}.txt")), [1; 4096])?;
        }
        fs::write(root.join(name).join("large"), vec![1; 1 << 20])?;
        if verb.starts_with("list") {
            fs::remove_file(root.join(name).join("large"))?;
            fs::remove_dir(root.join(name).join("deep"))?;
        }
        let marked = name == "second";
        if marked {
            drop(fs::metadata(MARK));
        }
        act(&files, verb, name).await?;
        if marked {
            drop(fs::metadata(MARK));
        }
    }
    Ok(())
}

async fn act(files: &LocalFileBackend, verb: &str, dir: &str) -> Result<()> {
    let path = |name| format!("{dir}/{name}");
    let data = || Bytes::from_static(&[2; 4096]);
    let (old, new) = (path("1.txt"), path("new.txt"));
    match verb {
        "read 4 KiB" => drop(files.read(&old).await?),
        "read 1 MiB" => drop(files.read(&path("large")).await?),
        "info" => drop(files.info(&old).await?),
        "exists, missing" => drop(files.exists(&new).await?),
        "create 4 KiB" | "create 4 KiB, Synced" => drop(files.create(&new, data()).await?),
        "overwrite 4 KiB" => {
            files.create_with(&old, data(), CreateOptions::overwrite()).await?;
        }
        "update 4 KiB" => drop(files.update(&old, data()).await?),
        "append 4 KiB" => {
            files.update_with(&old, data(), UpdateOptions::append()).await?;
        }
        "stream_read 1 MiB" => {
            let mut chunks = files.stream_read(&path("large")).await?;
            while chunks.try_next().await?.is_some() {}
        }
        "stream_write 4 MiB" => {
            let piece = Bytes::from(vec![3; 256 << 10]);
            let pieces = stream::iter(vec![piece; 16]).map(Ok::<_, f9::Error>);
            files.stream_write(&new, pieces).await?;
        }
        "copy 4 KiB" => drop(files.copy_with(&old, &new, CopyOptions::default()).await?),
        "rename" => drop(files.rename(&old, &new).await?),
        "rename, overwrite" => {
            files.rename_with(&old, &path("2.txt"), RenameOptions::overwrite()).await?;
        }
        "delete" => files.delete(&old).await?,
        "list 10 files" => drop(files.list(dir).await?.try_collect::<Vec<_>>().await?),
        "glob 10 files in 2 directories" => {
            assert_eq!(files.glob(&path("**/*.txt")).await?.len(), 10);
        }
        "checksum of 1 MiB" => {
            files.checksum(&path("large"), ChecksumAlgorithm::Sha256).await?;
        }
        _ => return Err(format!("no verb {verb}").into()),
    }
    Ok(())
}

/// Calls for scheduling, waiting and memory. All other calls belong to the verb.
const NOT_OF_THE_VERB: &[&str] = &[
    "futex",
    "epoll_wait",
    "mmap",
    "munmap",
    "mprotect",
    "madvise",
    "mremap",
    "brk",
    "clone3",
    "rseq",
    "set_robust_list",
    "sched_getaffinity",
    "sched_yield",
    "rt_sigprocmask",
    "sigaltstack",
    "gettid",
    "prctl",
    "restart_syscall",
    "exit",
];

/// Returns the number of trips to the pool, and the calls between the two markers.
fn summary(log: &str) -> (usize, String) {
    let mut lines = log.lines().skip_while(|line| !line.contains(MARK));
    let runtime = lines.next().and_then(|line| line.split(' ').next()).unwrap_or_default();
    let mut trips = 0;
    let mut calls: Vec<(String, usize)> = Vec::new();
    let mut pool_thread: Option<&str> = None;
    for line in lines.take_while(|line| !line.contains(MARK)) {
        let Some((thread, call)) = line.split_once(' ') else { continue };
        let call = call.trim_start();
        let name = call.split('(').next().unwrap_or_default();
        let wakes = name == "write" && call.contains(r#""\1\0\0\0\0\0\0\0", 8"#);
        if name.starts_with("<...") || name.starts_with("+++") {
            continue;
        }
        if NOT_OF_THE_VERB.contains(&name) || wakes {
            // A pool thread that waits or wakes another thread has finished its task.
            if pool_thread == Some(thread) {
                pool_thread = None;
            }
            continue;
        }
        if thread != runtime && pool_thread != Some(thread) {
            pool_thread = Some(thread);
            trips += 1;
        }
        match calls.last_mut() {
            Some((last, count)) if last == name => *count += 1,
            _ => calls.push((name.to_owned(), 1)),
        }
    }
    let cells = calls.into_iter().map(|(name, count)| match count {
        1 => format!("`{name}`"),
        count => format!("`{name}` ×{count}"),
    });
    (trips, cells.collect::<Vec<_>>().join(", "))
}
