use super::random_history::Story;
use super::*;
use crate::backends::git::history::entries::{self, Entry};
use crate::core::error::ErrorKind;

/// Asks git for the author dates of the first and last commit with changes in `git log arguments`.
fn ask_git(repository: &Repository, arguments: &[&[u8]]) -> Option<(i64, i64)> {
    use std::os::unix::ffi::OsStrExt as _;
    let mut log = repository.command(&["log", "-c", "--format=commit %H %at %ct %P"]);
    log.args(["--name-status", "--combined-all-paths", "-z"]);
    log.args(arguments.iter().map(|argument| std::ffi::OsStr::from_bytes(argument)));
    let output = log.output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let mut dates = Vec::new();
    let mut date = None;
    let mut rest = &output.stdout[..];
    while let Some((entry, remaining)) = entries::next(rest, 0).unwrap() {
        match entry {
            Entry::Commit(head, _) => date = Some(head.authored),
            Entry::Change(_) => dates.extend(date.take()),
        }
        rest = remaining;
    }
    Some((*dates.last()?, *dates.first()?))
}

fn of_bytes(times: &Times, name: &[u8], directory: bool) -> Option<(SystemTime, SystemTime)> {
    let times = times.of_bytes(name, directory)?;
    Some((times.created, times.modified))
}

fn system_times(dates: Option<(i64, i64)>) -> Option<(SystemTime, SystemTime)> {
    dates.map(|(first, last)| (unix_time(first), unix_time(last)))
}

const FOLDERS: [&[u8]; 3] = [b".", b"in", b"in/an \"other\n"];

#[tokio::test]
async fn times_are_those_that_git_log_reports() {
    for seed in 0..6 {
        let mut story = Story::new(seed, false, true).generate(40);
        let repository = story.write();
        let git = repository.runner().await;
        let times = walk_all(&git, "main").await;
        assert_eq!(git.spawned(), 1);
        let mut known = 0;
        for name in &story.names {
            let expected = ask_git(
                &repository,
                &[b"--full-history", b"--no-renames", b"--date-order", b"main", b"--", name],
            );
            known += usize::from(expected.is_some());
            let found = of_bytes(&times, name, false);
            assert_eq!(found, system_times(expected), "{seed}: {}", name.escape_ascii());
        }
        assert!(known > 15, "{known}");
        for folder in FOLDERS {
            let expected = ask_git(
                &repository,
                &[b"--full-history", b"--no-renames", b"--date-order", b"main", b"--", folder],
            );
            let own = if folder == b"." { b"" } else { folder };
            assert_eq!(of_bytes(&times, own, true), system_times(expected), "{seed}: {folder:?}");
        }
    }
}

#[tokio::test]
async fn files_are_followed_through_renames() {
    for seed in 100..106 {
        let mut story = Story::new(seed, true, false).generate(60);
        let repository = story.write();
        let git = repository.runner().await;
        let times = walk_all(&git, "main").await;
        let tree = &story.commits.last().unwrap().0;
        assert!(story.old_names.len() > 5 && tree.len() > 2);
        for name in tree.keys() {
            let expected = ask_git(&repository, &[b"--follow", b"main", b"--", name]);
            let found = of_bytes(&times, name, false);
            assert_eq!(found, system_times(expected), "{seed}: {}", name.escape_ascii());
        }
        for folder in FOLDERS {
            let expected = ask_git(&repository, &[b"--no-renames", b"main", b"--", folder]);
            let own = if folder == b"." { b"" } else { folder };
            assert_eq!(of_bytes(&times, own, true), system_times(expected), "{seed}: {folder:?}");
        }
    }
}

#[tokio::test]
async fn extended_times_equal_those_of_a_full_walk() {
    for seed in 200..224 {
        // Not both: if two branches rename a file differently, either new name may get the history.
        let mut story = Story::new(seed, seed % 2 == 0, seed % 2 != 0).generate(40);
        let repository = story.write();
        let git = repository.runner().await;
        let head = repository.id("main");
        let expected = walk_all(&git, "main").await;
        for _ in 0..4 {
            let at = story.random.below(story.commits.len() - 1);
            let history = History::default();
            let older = repository.id(&format!("c{at}"));
            drop(history.times(&git, &older).await.unwrap());
            let before = git.spawned();
            let times = history.times(&git, &head).await.unwrap();
            assert_eq!(git.spawned(), before + 1);
            assert_eq!(times.sorted(), expected.sorted(), "{seed}: from {at}");
        }
    }
}

/// Returns the times of a file, in Unix time.
fn dates(times: &Times, path: &str) -> Option<(u64, u64)> {
    let seconds = |time: SystemTime| time.duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
    times.of_file(path).map(|times| (seconds(times.created), seconds(times.modified)))
}

#[tokio::test]
async fn a_change_under_the_old_name_on_a_branch_counts_for_the_new_name() {
    let repository = Repository::new();
    // 3 renames, 4 edits the old name on a parallel branch, 5 merges both.
    let side = TEXT.replace("1\n2", "x\n2");
    let both = EDITED.replace("1\n2", "x\n2");
    let other = "M 100644 inline z\ndata 1\nz\n";
    repository.import(&script(&[
        (1, "", other),
        (2, "1", TEXT),
        (3, "2", "R a b"),
        (4, "2", &side),
        (5, "3 4", &both),
        (6, "5", TEXT),
        (7, "6", "D b"),
    ]));
    let git = repository.runner().await;
    let times = walk_all(&git, "main~2").await;
    assert_eq!(dates(&times, "b"), Some((2000, 5000)));
    assert_eq!(dates(&times, "z"), Some((1000, 1000)));
    // A later file at the old name has its own history. A deleted file keeps its history.
    let times = walk_all(&git, "main").await;
    assert_eq!(dates(&times, "a"), Some((6000, 6000)));
    assert_eq!(dates(&times, "b"), Some((2000, 7000)));
    assert_eq!(times.of_file("never"), None);
    let history = History::default();
    for older in ["main~3", "main~2", "main~1", "main"] {
        let extended = history.times(&git, &repository.id(older)).await.unwrap();
        assert_eq!(extended.sorted(), walk_all(&git, older).await.sorted(), "{older}");
    }
}

#[tokio::test]
async fn the_same_head_costs_nothing_and_a_sibling_costs_a_full_walk() {
    let repository = Repository::new();
    repository.import(&script(&[(1, "", TEXT), (2, "1", "R a b"), (3, "1", "D a")]));
    let git = repository.runner().await;
    let history = History::default();
    let [one, two] = [repository.id("main~1"), repository.id("main")];
    let (first, second) = futures::join!(history.times(&git, &one), history.times(&git, &one));
    assert!(Arc::ptr_eq(&first.unwrap(), &second.unwrap()));
    assert_eq!(git.spawned(), 1);
    let times = history.times(&git, &two).await.unwrap();
    assert_eq!(git.spawned(), 2);
    assert_eq!(dates(&times, "a"), Some((1000, 3000)));
    // The cached head is a descendant, not an ancestor.
    let times = history.times(&git, &one).await.unwrap();
    assert_eq!((git.spawned(), dates(&times, "a")), (4, Some((1000, 1000))));
    let missing: Oid = "1".repeat(40).parse().unwrap();
    history.cached.lock().await.as_mut().unwrap().0 = missing.clone();
    assert_eq!(dates(&history.times(&git, &two).await.unwrap(), "a"), Some((1000, 3000)));
    assert_eq!(history.times(&git, &missing).await.unwrap_err().kind(), ErrorKind::Corrupted);
}

#[tokio::test]
async fn an_invalid_author_date_becomes_the_committer_date() {
    let repository = Repository::new();
    repository.import(&script(&[(1, "", TEXT)]));
    let whole = String::from_utf8(repository.git(&["cat-file", "commit", "main"])).unwrap();
    for (date, expected) in [("nonsense", 1001), ("-5 +0000", 1001), ("12 +0000", 12)] {
        let forged = whole.replace("1000 +0130", date);
        let id = repository.git_with_input(
            &["hash-object", "-t", "commit", "-w", "--stdin", "--literally"],
            forged.as_bytes(),
        );
        let times =
            walk_all(&repository.runner().await, std::str::from_utf8(&id).unwrap().trim()).await;
        assert_eq!(dates(&times, "a"), Some((expected, expected)), "{date}");
    }
}

#[tokio::test]
async fn a_new_name_is_dropped_only_when_one_branch_is_left() {
    let dates_of = async |commits: &[(u32, &str, &str)], path: &str| {
        let repository = Repository::new();
        repository.import(&script(commits));
        dates(&walk_all(&repository.runner().await, "main").await, path)
    };
    // Both branches rename it in the same way.
    let same = [(1, "", TEXT), (2, "1", "R a b"), (3, "1", "R a b"), (4, "2 3", "")];
    assert_eq!(dates_of(&same, "b").await, Some((1000, 3000)));
    // The new name of one file is the old name of another; a parallel branch changes neither.
    let former = TEXT.replace("inline a", "inline b").replace("abcde", "other");
    let text = TEXT.replace("1\n2\n3\n4\n5\n6\n7", "q\nw\ne\nr\nt\ny\nu");
    let beside = "M 100644 inline z\ndata 1\nz\n";
    let reused = [
        (1, "", former.as_str()),
        (2, "1", "R b d"),
        (3, "2", &text),
        (4, "3", "R a b"),
        (5, "1", beside),
        (6, "4 5", beside),
    ];
    assert_eq!(dates_of(&reused, "d").await, Some((1000, 2000)));
    assert_eq!(dates_of(&reused, "b").await, Some((3000, 4000)));
}

#[tokio::test]
async fn a_commit_is_newer_than_its_parent_even_if_its_date_is_not() {
    let repository = Repository::new();
    repository.import(&script(&[(5, "", TEXT), (3, "5", &TEXT.replace("abc", "xyz"))]));
    let git = repository.runner().await;
    let history = History::default();
    drop(history.times(&git, &repository.id("main~1")).await.unwrap());
    let times = history.times(&git, &repository.id("main")).await.unwrap();
    assert_eq!(dates(&times, "a"), Some((5000, 3000)));
}
