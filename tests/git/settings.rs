//! No setting in the configuration of an adopted clone changes what the backend does.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use f9::prelude::*;
use f9::{ErrorKind, GitSyncFileBackend};

use crate::cli;
use crate::clones::Clones;
use crate::remote::{Change, Remote};
use crate::rng::Rng;

/// With the value `all`, every setting is tried alone, with each of its values.
const ALL: &str = "F9_SETTINGS";

/// How many random sets of settings are tried without `F9_SETTINGS=all`, and how many settings each has.
const SETS: usize = 10;
const SETTINGS_IN_A_SET: usize = 80;

/// Settings that describe the form of the clone, which is refused or honoured (`clone_forms.rs`), and those that name another file to
/// read, which would hold such a setting.
const OF_THE_FORM: [&str; 7] = [
    "core.repositoryformatversion",
    "extensions.",
    // A condition of `includeIf`, which some versions list as a name.
    "hasconfig:",
    "include.path",
    "includeif.",
    "remote.origin.promisor",
    "remote.origin.url",
];

/// Values of settings that once changed what was published, or that run a program.
const HOSTILE: [(&str, &str); 23] = [
    ("branch.main.mergeoptions", "-s ours"),
    ("core.attributesfile", "/evil"),
    ("core.fsmonitor", "/evil"),
    ("core.hookspath", "/evil"),
    ("core.ignorestat", "true"),
    ("core.splitindex", "true"),
    ("core.sshcommand", "/evil"),
    ("core.worktree", "/"),
    ("diff.external", "/evil"),
    ("diff.orderfile", "/evil"),
    ("diff.renamelimit", "1"),
    ("feature.manyfiles", "true"),
    ("filter.evil.clean", "/evil"),
    ("filter.evil.smudge", "/evil"),
    ("i18n.commitencoding", "UTF-16"),
    ("index.skiphash", "true"),
    ("index.version", "4"),
    ("merge.evil.driver", "/evil %O %A %B"),
    ("push.pushoption", "evil"),
    ("trace2.normaltarget", "/evil"),
    ("transfer.fsckobjects", "true"),
    ("url.evil.insteadof", "file"),
    ("user.signingkey", "evil"),
];

/// Returns all settings that git knows, in lower case.
fn known_settings() -> Vec<String> {
    let listed = cli::run(Path::new("/"), ["help", "--config"]);
    let names = listed.lines().filter(|line| line.contains('.') && !line.contains('\''));
    let mut names: Vec<String> = names
        .map(|name| {
            let section = name.split('.').next().unwrap();
            let part = match section {
                "branch" => "main",
                "remote" => "origin",
                _ => "evil",
            };
            let (start, rest) = name.split_once('<').unwrap_or((name, ""));
            let end = rest.split_once('>').map_or("", |(_, end)| end);
            let name =
                if rest.is_empty() { name.to_owned() } else { format!("{start}{part}{end}") };
            name.replace('*', "evil").to_lowercase()
        })
        .filter(|name| !name.ends_with('.') && !name.contains([' ', '_']))
        .filter(|name| !OF_THE_FORM.iter().any(|form| name.starts_with(form)))
        .collect();
    names.sort();
    names.dedup();
    names
}

fn values_of(name: &str) -> Vec<&'static str> {
    match HOSTILE.iter().find(|(hostile, _)| *hostile == name) {
        Some((_, value)) => vec![value],
        None => vec!["true", "false", "evil"],
    }
}

fn write_settings(config: &Path, settings: &[(String, &str)]) {
    let mut text = fs::read_to_string(config).unwrap();
    for (name, value) in settings {
        let (section, key) = name.rsplit_once('.').unwrap();
        let section = match section.split_once('.') {
            Some((section, part)) => format!("{section} \"{part}\""),
            None => section.to_owned(),
        };
        writeln!(text, "[{section}]\n\t{key} = \"{value}\"").unwrap();
    }
    fs::write(config, text).unwrap();
}

/// Adopts a clone with `settings`, uses it, and returns everything that could be seen.
async fn seen_with(settings: &[(String, &str)]) -> String {
    let lines: String = (0..12).map(|line| format!("line {line}\n")).collect();
    let remote = Remote::with(&[
        Change::write(
            ".gitattributes",
            "*.md merge=evil diff=evil\n*.u working-tree-encoding=UTF-16LE filter=evil\n",
        ),
        Change::write("Case.txt", "case"),
        Change::write("a.md", &lines),
        Change::write("b.md", &lines),
        Change::write("crlf", "one\r\ntwo\r\n"),
        Change::write("d/e/f", &lines),
        Change::write("u.u", "text"),
    ]);
    let clones = Clones::of(remote);
    let config = clones.config("mine");
    cli::run(config.path.parent().unwrap(), ["clone", "-q", &config.remote_url, "mine"]);
    write_settings(&config.path.join(".git/config"), settings);
    fs::write(config.path.join("a.md"), lines.replace("line 1\n", "mine\n")).unwrap();
    clones.remote.commit(&[
        Change::write("a.md", lines.replace("line 10\n", "theirs\n")),
        Change::write("new", "new"),
        Change::rename("d/e/f", "d/moved"),
    ]);
    let mine = clones.open("mine").await;
    mine.pull().await.unwrap();
    mine.create("A.MD", "twin").await.unwrap();
    mine.rename("Case.txt", "case.txt").await.unwrap();
    mine.update("crlf", "three\r\n").await.unwrap();
    mine.update("u.u", "more").await.unwrap();
    mine.update("b.md", lines.replace("line 5\n", "mine\n")).await.unwrap();
    mine.push("Mine — ü").await.unwrap();
    clones.remote.commit(&[Change::write("b.md", lines.replace("line 5\n", "theirs\n"))]);
    mine.update("b.md", lines.replace("line 5\n", "mine again\n")).await.unwrap();
    assert_eq!(mine.pull().await.unwrap_err().kind(), ErrorKind::Conflict);
    let seen = format!("{:?}\n", mine.conflict_report().await.unwrap());
    mine.conflict_accept_remote("b.md").await.unwrap();
    mine.delete("new").await.unwrap();
    mine.push("Settled").await.unwrap();
    clones.remote.assert_sound();
    seen + &state_of(&mine, &clones.remote).await
}

async fn state_of(mine: &GitSyncFileBackend, remote: &Remote) -> String {
    let mut seen = remote.git(["ls-tree", "-r", "refs/heads/main"]);
    let mut log = remote.main().log("%an %ae %cn %ce %e %G? %B");
    // Commits of one second have no order.
    log.sort();
    writeln!(seen, "\n{log:?}").unwrap();
    for path in mine.glob("**/*").await.unwrap() {
        if mine.info(&path).await.unwrap().is_dir() {
            writeln!(seen, "{path}/").unwrap();
            continue;
        }
        writeln!(seen, "{path}: {:?}", mine.read(&path).await.unwrap()).unwrap();
    }
    for revision in mine.log("d/moved", None).await.unwrap() {
        writeln!(seen, "{:?}", revision.message).unwrap();
    }
    seen
}

#[tokio::test]
async fn no_setting_of_a_clone_changes_anything() {
    let expected = seen_with(&[]).await;
    let names = known_settings();
    assert!(names.len() > 500, "{}", names.len());
    if std::env::var_os(ALL).is_some_and(|all| all == "all") {
        for name in &names {
            for value in values_of(name) {
                let seen = seen_with(&[(name.clone(), value)]).await;
                assert_eq!(seen, expected, "{name} = {value}");
            }
        }
        println!("{} settings, each alone", names.len());
        return;
    }
    let mut rng = Rng::new("settings of clones");
    let all: Vec<(String, &str)> = HOSTILE.map(|(name, value)| (name.to_owned(), value)).into();
    assert_eq!(seen_with(&all).await, expected);
    let mut tried = BTreeMap::new();
    for _ in 0..SETS {
        let mut set = Vec::new();
        for _ in 0..SETTINGS_IN_A_SET {
            let name = rng.pick(&names).unwrap().clone();
            let value = rng.pick(values_of(&name)).unwrap();
            set.push((name, value));
        }
        assert_eq!(seen_with(&set).await, expected, "{set:#?}");
        tried.extend(set);
    }
    println!("{} of {} settings", tried.len(), names.len());
}
