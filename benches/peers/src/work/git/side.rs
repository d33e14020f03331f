//! A clone with its remote. f9 has one, and the commands by hand have an equal one.

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

/// The environment of git, besides `PATH` and an empty home. Like f9, it disables background maintenance.
const ENVIRONMENT: [(&str, &str); 13] = [
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

/// The file that the clone changes.
pub const LOCAL: &str = "local.md";

/// The file that others change.
const REMOTE: &str = "remote.md";

/// The number of files that both change.
const CONFLICTS: usize = 400;

pub struct Side {
    home: PathBuf,
    pub remote: PathBuf,
    pub clone: PathBuf,
}

impl Side {
    /// Returns the paths in a directory.
    pub fn of(folder: &Path) -> Self {
        let at = |name| folder.join(name);
        Self { home: at("home"), remote: at("remote.git"), clone: at("clone") }
    }

    /// Creates the remote, packed as on a maintained server.
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

    /// Commits a change to the remote, as another user.
    pub fn change_remote(&self) -> Result<()> {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?.as_secs();
        let mut change = String::new();
        begin_commit(&mut change, now, "from refs/heads/main^0\n")?;
        put(&mut change, REMOTE, &random_content())?;
        self.succeed(&self.remote, &["fast-import", "--quiet"], &change)
    }

    /// Changes a file in the clone.
    pub fn change_local(&self) -> Result<()> {
        Ok(fs::write(self.clone.join(LOCAL), random_content())?)
    }

    /// Changes the same files at the remote, as another user, and in the clone, where the changes are committed.
    pub fn change_both(&self) -> Result<()> {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?.as_secs();
        let mut change = String::new();
        begin_commit(&mut change, now, "from refs/heads/main^0\n")?;
        fs::create_dir_all(self.clone.join("conflicts"))?;
        for number in 0..CONFLICTS {
            let path = format!("conflicts/{number}.md");
            put(&mut change, &path, &random_content())?;
            fs::write(self.clone.join(path), random_content())?;
        }
        self.succeed(&self.remote, &["fast-import", "--quiet"], &change)?;
        self.run(&[&["add", "-A"], &["commit", "-q", "-m", "change"]]).map(drop)
    }

    /// Asserts that the clone and the remote are equal and that nothing is uncommitted.
    pub fn assert_equal(&self) -> Result<()> {
        let ours = self.output(&self.clone, &["rev-parse", "HEAD"], "")?;
        let theirs = self.output(&self.remote, &["rev-parse", "main"], "")?;
        let changes = self.output(&self.clone, &["status", "--porcelain"], "")?;
        assert!(ours == theirs, "{} and its remote differ", self.clone.display());
        assert!(changes.is_empty(), "{}: {}", self.clone.display(), changes.escape_ascii());
        Ok(())
    }

    fn succeed(&self, dir: &Path, arguments: &[&str], input: &str) -> Result<()> {
        self.output(dir, arguments, input).map(drop)
    }

    fn output(&self, dir: &Path, arguments: &[&str], input: &str) -> Result<Vec<u8>> {
        let mut git = Command::new("git");
        git.env_clear().env("PATH", env::var_os("PATH").unwrap_or_default());
        git.env("HOME", &self.home).envs(ENVIRONMENT).current_dir(dir).args(arguments);
        git.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = git.spawn()?;
        // These commands write no output before the end of their input.
        child.stdin.take().ok_or("no input")?.write_all(input.as_bytes())?;
        let output = child.wait_with_output()?;
        if !output.status.success() {
            let message = String::from_utf8_lossy(&output.stderr);
            return Err(format!("git {}: {message}", arguments.join(" ")).into());
        }
        Ok(output.stdout)
    }
}

/// The times of the first and the last commit that changed a file.
pub type Times = (SystemTime, SystemTime);

/// A history for `git fast-import`, and the resulting times.
pub struct History {
    stream: String,
    pub times: BTreeMap<String, Times>,
}

impl History {
    /// Creates a history. Each commit creates some files and changes as many; every tenth also renames one.
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
    let author = "Others <others@example.com>";
    write!(stream, "commit refs/heads/main\ncommitter {author} {seconds} +0000\ndata 6\nchange\n")?;
    stream.push_str(from);
    Ok(())
}

fn put(stream: &mut String, path: &str, content: &str) -> Result<()> {
    Ok(write!(stream, "M 100644 inline {path}\ndata {}\n{content}\n", content.len())?)
}

/// Returns a text of about 1 KiB. A change keeps most of it.
fn text(path: &str, commit: usize) -> String {
    let lines = (0..40).map(|line| format!("line {line} of the note {path}\n"));
    lines.chain([format!("as of commit {commit}\n")]).collect()
}

/// Returns a new random content.
pub fn random_content() -> String {
    format!("{:032x}\n", fastrand::u128(..))
}
