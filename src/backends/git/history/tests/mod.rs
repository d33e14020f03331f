use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use super::times::walk;
use super::*;
use crate::backends::git::clone_config::ObjectFormat;
use crate::backends::git::command::{Access, RepositorySettings};
use crate::backends::git::common_dir::create;
use crate::core::path::FilePath;

mod entries;
mod log;
mod random_history;
mod read_at;
mod times;
mod versions;

const A: &str = "8c7b55fc6012c0d0f14dc237023fa93af977e87e";
const B: &str = "6fffe05346b98e58dac8d5bedc1e09adfbd98f34";

/// A temporary repository.
struct Repository {
    dir: tempfile::TempDir,
}

impl Repository {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let repository = Self { dir };
        repository.git(&["init", "-q", "--template=", "-b", "main"]);
        repository
    }

    fn path(&self) -> &Path {
        self.dir.path()
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut git = Command::new("git");
        git.env_clear().env("PATH", std::env::var_os("PATH").unwrap());
        git.env("HOME", self.path()).env("LC_ALL", "C");
        git.env("GIT_COMMITTER_NAME", "C").env("GIT_COMMITTER_EMAIL", "c@x");
        git.env("GIT_CONFIG_NOSYSTEM", "1").env("GIT_CONFIG_GLOBAL", "/dev/null");
        git.env("GIT_LITERAL_PATHSPECS", "1").env("GIT_NO_REPLACE_OBJECTS", "1");
        git.current_dir(self.path()).args(arguments);
        git
    }

    fn git(&self, arguments: &[&str]) -> Vec<u8> {
        let output = self.command(arguments).output().unwrap();
        assert!(output.status.success(), "{arguments:?}: {output:?}");
        output.stdout
    }

    fn git_with_input(&self, arguments: &[&str], input: &[u8]) -> Vec<u8> {
        let mut command = self.command(arguments);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        child.stdin.take().unwrap().write_all(input).unwrap();
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "{arguments:?}: {output:?}");
        output.stdout
    }

    fn import(&self, commits: &[u8]) {
        self.git_with_input(&["fast-import", "--quiet", "--date-format=raw", "--force"], commits);
    }

    fn id(&self, revision: &str) -> Oid {
        let printed = self.git(&["rev-parse", "--verify", revision]);
        String::from_utf8(printed).unwrap().trim().parse().unwrap()
    }

    /// Returns the runner of git commands that the backend uses.
    async fn runner(&self) -> Git {
        let git_dir = self.path().join(".git");
        let settings = RepositorySettings {
            work_tree: self.path(),
            git_dir: &git_dir,
            branch: "main",
            author: ("A", "a@example.org"),
        };
        let access = Access {
            url: "/nowhere".to_owned(),
            protocol: crate::backends::git::remote::Protocol::File,
            credentials: None,
            ssh_key: None,
            known_hosts: None,
        };
        let deadline = Duration::from_secs(120);
        create(settings.git_dir, ObjectFormat::Sha1, None).unwrap();
        Git::new(settings, access, (deadline, deadline, deadline)).await.unwrap()
    }
}

/// Builds a script for `git fast-import`. Each commit is its mark, its parents, and its changes.
fn script(commits: &[(u32, &str, &str)]) -> Vec<u8> {
    let mut script = String::new();
    for (mark, parents, changes) in commits {
        let message = format!("{mark}: ü\n\nR100\n");
        script += &format!("commit refs/heads/main\nmark :{mark}\n");
        script +=
            &format!("author Ä \"B\" <a@x> {mark}000 +0130\ncommitter C <c@x> {mark}001 -0200\n");
        script += &format!("data {}\n{message}", message.len());
        for (number, parent) in parents.split_whitespace().enumerate() {
            script += &format!("{} :{parent}\n", if number == 0 { "from" } else { "merge" });
        }
        script += &format!("{changes}\n");
    }
    script.into_bytes()
}

const TEXT: &str = "M 100644 inline a\ndata 24\n1\n2\n3\n4\n5\n6\n7\n8\n9\nabcde\n";
const EDITED: &str = "M 100644 inline b\ndata 24\n1\n2\n3\n4\n5\n6\n7\n8\n9\nabcdx\n";

fn path(text: &str) -> FilePath {
    FilePath::parse(text).unwrap()
}

async fn walk_all(git: &Git, head: &str) -> Times {
    walk(git, head).await.unwrap().into_times()
}
