//! A clone with a remote of its own: f9 has one, and the commands that are run by hand have another one like it.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, SystemTime};
use std::{env, fs};

use crate::Result;
use crate::arena::Sizes;
use crate::clock::Start;
use crate::rounds::{Counted, Sample};

/// What git sees of its surroundings, besides `PATH` and an empty home. Like f9's processes, none tidies up behind anybody's back.
const SURROUNDINGS: [(&str, &str); 13] = [
    ("LC_ALL", "C"),
    ("GIT_CONFIG_NOSYSTEM", "1"),
    ("GIT_CONFIG_GLOBAL", "/dev/null"),
    ("GIT_TERMINAL_PROMPT", "0"),
    ("GIT_AUTHOR_NAME", "By Hand"),
    ("GIT_AUTHOR_EMAIL", "by@hand.example"),
    ("GIT_COMMITTER_NAME", "By Hand"),
    ("GIT_COMMITTER_EMAIL", "by@hand.example"),
    ("GIT_CONFIG_COUNT", "2"),
    ("GIT_CONFIG_KEY_0", "gc.auto"),
    ("GIT_CONFIG_VALUE_0", "0"),
    ("GIT_CONFIG_KEY_1", "maintenance.auto"),
    ("GIT_CONFIG_VALUE_1", "false"),
];

/// The file that is changed here.
pub const LOCAL: &str = "local.md";

/// The file that others change.
const REMOTE: &str = "remote.md";

pub struct Side {
    home: PathBuf,
    pub remote: PathBuf,
    pub clone: PathBuf,
}

impl Side {
    /// What is in a folder, or will be.
    pub fn of(folder: &Path) -> Self {
        let at = |name| folder.join(name);
        Self { home: at("home"), remote: at("remote.git"), clone: at("clone") }
    }

    /// Makes the remote, as a server that is looked after would have it.
    pub fn make_remote(&self, history: &History) -> Result<()> {
        fs::create_dir_all(&self.home)?;
        let remote = &self.remote;
        fs::create_dir(remote)?;
        self.succeed(remote, &["init", "-q", "--bare", "--template=", "-b", "main"], "")?;
        self.succeed(remote, &["config", "receive.autoGC", "false"], "")?;
        self.succeed(remote, &["fast-import", "--quiet"], &history.stream)?;
        self.succeed(remote, &["repack", "-a", "-d", "-q"], "")
    }

    /// Clones by hand, through the same transport as f9.
    pub fn make_clone(&self) -> Result<()> {
        fs::create_dir(&self.clone)?;
        let remote = self.remote.to_str().ok_or("the directory is not UTF-8")?;
        self.succeed(&self.clone, &["clone", "-q", "--no-local", remote, "."], "")
    }

    /// Runs commands in the clone, one after the other, as a person would.
    pub fn run(&self, commands: &[&[&str]]) -> Result<Sample> {
        let start = Start::now();
        for arguments in commands {
            self.succeed(&self.clone, arguments, "")?;
        }
        let cost = start.took().wall;
        Ok(Sample::of(cost).counting(commands.len() as u64, Counted::Processes))
    }

    /// Others change a file of the remote.
    pub fn change_remote(&self) -> Result<()> {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?.as_secs();
        let mut change = String::new();
        begin_commit(&mut change, now, "from refs/heads/main^0\n")?;
        put(&mut change, REMOTE, &novelty())?;
        self.succeed(&self.remote, &["fast-import", "--quiet"], &change)
    }

    /// Changes a file in the clone.
    pub fn change_local(&self) -> Result<()> {
        Ok(fs::write(self.clone.join(LOCAL), novelty())?)
    }

    /// The clone and the remote are at one, and nothing is left to be committed.
    pub fn assert_in_step(&self) -> Result<()> {
        let ours = self.answer(&self.clone, &["rev-parse", "HEAD"], "")?;
        let theirs = self.answer(&self.remote, &["rev-parse", "main"], "")?;
        let changes = self.answer(&self.clone, &["status", "--porcelain"], "")?;
        assert!(ours == theirs, "{} and its remote differ", self.clone.display());
        assert!(changes.is_empty(), "{}: {}", self.clone.display(), changes.escape_ascii());
        Ok(())
    }

    fn succeed(&self, dir: &Path, arguments: &[&str], input: &str) -> Result<()> {
        self.answer(dir, arguments, input).map(drop)
    }

    fn answer(&self, dir: &Path, arguments: &[&str], input: &str) -> Result<Vec<u8>> {
        let mut git = Command::new("git");
        git.env_clear().env("PATH", env::var_os("PATH").unwrap_or_default());
        git.env("HOME", &self.home).envs(SURROUNDINGS).current_dir(dir).args(arguments);
        git.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = git.spawn()?;
        // What takes an input answers nothing before its end.
        child.stdin.take().ok_or("no input")?.write_all(input.as_bytes())?;
        let output = child.wait_with_output()?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr);
            return Err(format!("git {}: {said}", arguments.join(" ")).into());
        }
        Ok(output.stdout)
    }
}

/// The first and the last time that a commit touched a file.
pub type Times = (SystemTime, SystemTime);

/// A history for `git fast-import`, and what follows from it.
pub struct History {
    stream: String,
    pub times: BTreeMap<String, Times>,
}

impl History {
    /// Each commit makes some files and changes as many that are there; each tenth also renames one.
    pub fn new(sizes: &Sizes) -> Result<Self> {
        let mut random = fastrand::Rng::with_seed(9);
        let (mut stream, mut paths) = (String::new(), Vec::new());
        let mut times = BTreeMap::new();
        for commit in 0..sizes.git_commits {
            let seconds = 1_700_000_000 + 60 * commit as u64;
            let now = SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
            begin_commit(&mut stream, seconds, "")?;
            let (first, end) = (paths.len(), sizes.git_files * (commit + 1) / sizes.git_commits);
            for _ in first..end {
                if first > 0 {
                    let path: &String = &paths[random.usize(..first)];
                    put(&mut stream, path, &text(path, commit))?;
                    times.entry(path.clone()).and_modify(|times: &mut Times| times.1 = now);
                }
                let path = format!("{:02}/{:04}.md", paths.len() / 100, paths.len());
                put(&mut stream, &path, &text(&path, commit))?;
                times.insert(path.clone(), (now, now));
                paths.push(path);
            }
            if commit % 10 == 9 {
                let chosen = &mut paths[random.usize(..first)];
                let new = format!("{chosen}.{commit}");
                writeln!(stream, "R {chosen} {new}")?;
                let (created, _) = times.remove(chosen).ok_or("an unknown file is renamed")?;
                times.insert(new.clone(), (created, now));
                *chosen = new;
            }
        }
        Ok(Self { stream, times })
    }
}

fn begin_commit(stream: &mut String, seconds: u64, from: &str) -> Result<()> {
    let who = "Others <others@example.com>";
    write!(stream, "commit refs/heads/main\ncommitter {who} {seconds} +0000\ndata 6\nchange\n")?;
    stream.push_str(from);
    Ok(())
}

fn put(stream: &mut String, path: &str, content: &str) -> Result<()> {
    Ok(write!(stream, "M 100644 inline {path}\ndata {}\n{content}\n", content.len())?)
}

/// About 1 KiB, of which a change leaves the greater part.
fn text(path: &str, commit: usize) -> String {
    let lines = (0..40).map(|line| format!("line {line} of the note {path}\n"));
    lines.chain([format!("as of commit {commit}\n")]).collect()
}

/// A content that was not there before.
pub fn novelty() -> String {
    format!("{:032x}\n", fastrand::u128(..))
}
