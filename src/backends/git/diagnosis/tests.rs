use super::tables::*;
use super::*;

const FETCH: CommandKind = CommandKind::Fetch(Protocol::File);
const FETCH_HTTP: CommandKind = CommandKind::Fetch(Protocol::Http);
const FETCH_SSH: CommandKind = CommandKind::Fetch(Protocol::Ssh);
const FETCH_GIT: CommandKind = CommandKind::Fetch(Protocol::Git);
const PUSH_SSH: CommandKind = CommandKind::Push(Protocol::Ssh);

const IO: Failure = Failure::Kind(ErrorKind::Io);

/// Each table, a command that uses it, and the prefix of its texts.
const TABLES: [(&[Sign], CommandKind, &str); 11] = [
    (LOCAL, CommandKind::Local, "fatal: "),
    (LOCAL, CommandKind::Local, "error: "),
    (REMOTE, FETCH, "fatal: "),
    (STATUS_LINES, FETCH, ""),
    (SIDEBAND, FETCH, ""),
    (HTTP, FETCH_HTTP, "fatal: "),
    (CURL, FETCH_HTTP, "fatal: unable to access 'http://host/a.git/': "),
    (GIT_DAEMON, FETCH_GIT, "fatal: "),
    (SSH, FETCH_SSH, ""),
    (SSH_SERVER, FETCH_SSH, "fatal: "),
    (FILE, FETCH, "fatal: "),
];

/// Messages with `{}` for a name.
const MESSAGES: [(CommandKind, &str, Failure); 10] = [
    (
        CommandKind::Local,
        "error: Your local changes to the following files would be overwritten by merge:\n\t{}\n\
         Please commit your changes or stash them before you merge.\nAborting\n",
        Failure::WouldOverwrite,
    ),
    (
        CommandKind::Local,
        "error: The following untracked working tree files would be overwritten by merge:\n\t{}\n\
         Please move or remove them before you merge.\nAborting\n",
        Failure::WouldOverwrite,
    ),
    (CommandKind::Local, "error: unable to write file {}\n", Failure::Kind(ErrorKind::StorageFull)),
    (CommandKind::Local, "error: invalid path '{}'\n", Failure::Kind(ErrorKind::InvalidData)),
    (
        CommandKind::Local,
        "error: '{}/' does not have a commit checked out\nfatal: adding files failed\n",
        Failure::Kind(ErrorKind::InvalidOperation),
    ),
    (
        CommandKind::Local,
        "error: open(\"{}\"): Permission denied\nerror: unable to index file '{}'\nfatal: adding files failed\n",
        Failure::Kind(ErrorKind::PermissionDenied),
    ),
    (
        CommandKind::Local,
        "fatal: unable to stat '{}': No such file or directory\n",
        Failure::FileVanished,
    ),
    (
        FETCH,
        "fatal: '/srv/{}.git' does not appear to be a git repository\n\
         fatal: Could not read from remote repository.\n\n\
         Please make sure you have the correct access rights\nand the repository exists.\n",
        Failure::Kind(ErrorKind::NotFound),
    ),
    (
        FETCH_SSH,
        "fatal: '/srv/{}.git' does not appear to be a git repository\n\
         fatal: Could not read from remote repository.\n",
        Failure::Kind(ErrorKind::NotFound),
    ),
    (
        CommandKind::Local,
        "error: unable to create file {}: No space left on device\n",
        Failure::Kind(ErrorKind::StorageFull),
    ),
];

/// Returns every text of the tables, with `x` for `*`, and the parts of the texts.
fn texts() -> Vec<String> {
    let rows = TABLES.iter().flat_map(|(table, ..)| table.iter());
    let parts = rows.clone().flat_map(|(pattern, _)| pattern.split('*')).map(str::trim);
    let parts = parts.filter(|part| part.len() > 2).map(str::to_owned);
    rows.map(|(pattern, _)| pattern.replace('*', "x")).chain(parts).collect()
}

#[test]
fn every_text_has_its_meaning() {
    for (table, command, prefix) in TABLES {
        for (pattern, failure) in table {
            let message = format!("{prefix}{}\n", pattern.replace('*', "a name"));
            assert_eq!(diagnose(command, &message), *failure, "{message}");
            let later =
                format!("warning: something else\nerror: unknown\n{message}fatal: unknown\n");
            assert_eq!(diagnose(command, &later), *failure, "{later}");
        }
    }
}

#[test]
fn a_name_never_changes_the_failure() {
    for text in texts() {
        for (command, message, failure) in MESSAGES {
            for name in [
                text.clone(),
                format!("fatal: {text}"),
                format!("a {text}: b"),
                format!("it's {text}"),
                format!("a \"{text}\" 'b"),
                format!("a\n{text}"),
                format!("a\nfatal: {text}"),
                format!("a\n\terror: {text}\n"),
            ] {
                let printed = message.replace("{}", &name);
                // Nothing marks the end of an unquoted name that holds a line break.
                if printed.contains("create file") && name.contains('\n') {
                    continue;
                }
                assert_eq!(diagnose(command, &printed), failure, "{printed}");
            }
        }
    }
}

#[test]
fn lines_of_the_remote_never_change_the_failure() {
    for text in texts() {
        for prefix in ["", "fatal: ", "error: ", "remote: "] {
            let printed =
                format!("remote: {prefix}{text}\nerror: failed to push some refs to 'x'\n");
            for protocol in [Protocol::Http, Protocol::Ssh, Protocol::Git, Protocol::File] {
                assert_eq!(diagnose(CommandKind::Push(protocol), &printed), IO, "{printed}");
            }
        }
        let page = format!(
            "remote: {text}\nfatal: unable to access 'http://h/': The requested URL returned error: 503\n"
        );
        if !text.starts_with("remote: ") {
            assert_eq!(
                diagnose(FETCH_HTTP, &page),
                Failure::Kind(ErrorKind::Unreachable),
                "{page}"
            );
        }
    }
}

#[test]
fn a_local_command_has_no_failure_of_the_network() {
    for (table, _, prefix) in TABLES.into_iter().filter(|(table, ..)| *table != LOCAL) {
        for (pattern, _) in table {
            let message = format!("{prefix}{}\n", pattern.replace('*', "x"));
            let failure = diagnose(CommandKind::Local, &message);
            assert_eq!(failure, IO, "{message}");
        }
    }
}

#[test]
fn a_url_never_changes_the_failure() {
    for text in texts() {
        let path = text.replace(' ', "%20");
        let printed = format!("fatal: repository 'http://host/{path}.git/' not found\n");
        assert_eq!(diagnose(FETCH_HTTP, &printed), Failure::Kind(ErrorKind::NotFound), "{printed}");
        let printed = format!(
            "fatal: unable to access 'http://host/{path}.git/': Failed to connect to host port 80 after 0 ms: Couldn't connect to server\n"
        );
        assert_eq!(
            diagnose(FETCH_HTTP, &printed),
            Failure::Kind(ErrorKind::Unreachable),
            "{printed}"
        );
    }
}

#[test]
fn an_http_status_has_one_meaning_in_all_messages() {
    for (status, kind) in [
        (302, ErrorKind::NotFound),
        (401, ErrorKind::Unauthenticated),
        (403, ErrorKind::PermissionDenied),
        (404, ErrorKind::NotFound),
        (400, ErrorKind::Remote),
        (408, ErrorKind::Unreachable),
        (410, ErrorKind::NotFound),
        (413, ErrorKind::TooLarge),
        (507, ErrorKind::StorageFull),
        (429, ErrorKind::RateLimited),
        (500, ErrorKind::Unreachable),
        (503, ErrorKind::Unreachable),
    ] {
        let reason = format!("The requested URL returned error: {status}");
        for printed in [
            format!("fatal: unable to access 'http://host/a.git/': {reason}\n"),
            format!(
                "error: RPC failed; HTTP {status} curl 22 {reason}\n\
                 send-pack: unexpected disconnect while reading sideband packet\n\
                 fatal: the remote end hung up unexpectedly\n"
            ),
        ] {
            assert_eq!(diagnose(FETCH_HTTP, &printed), Failure::Kind(kind), "{printed}");
        }
    }
    let cut = "error: RPC failed; curl 18 transfer closed with 7 bytes remaining to read\n";
    assert_eq!(diagnose(FETCH_HTTP, cut), Failure::Kind(ErrorKind::Unreachable));
}

#[test]
fn lines_of_ssh_may_end_in_crlf() {
    for (printed, kind) in [
        (
            "No ED25519 host key is known for [127.0.0.1]:1 and you have requested strict checking.\r\n\
             Host key verification failed.\r\nfatal: Could not read from remote repository.\n",
            ErrorKind::UntrustedServer,
        ),
        (
            "me@host: Permission denied (publickey).\r\nfatal: Could not read from remote repository.\n",
            ErrorKind::Unauthenticated,
        ),
        ("ssh: connect to host h port 22: Connection refused\r\n", ErrorKind::Unreachable),
    ] {
        assert_eq!(diagnose(FETCH_SSH, printed), Failure::Kind(kind), "{printed}");
        assert_eq!(diagnose(PUSH_SSH, printed), Failure::Kind(kind), "{printed}");
        assert_eq!(diagnose(FETCH_HTTP, printed), IO, "{printed}");
    }
}

#[test]
fn a_rewritten_branch_is_reported_by_its_line() {
    let printed =
        "From /srv/a\n ! [rejected]        SSL        -> origin/SSL  (non-fast-forward)\n";
    assert_eq!(diagnose(FETCH, printed), Failure::NonFastForward);
    assert_eq!(diagnose(FETCH, "From /srv/ ! [rejected] a (non-fast-forward)\n"), IO);
}

#[test]
fn a_star_matches_any_text() {
    for (pattern, text, fits) in [
        ("a", "a", true),
        ("a", "ab", false),
        ("a*", "a", true),
        ("a*", "ba", false),
        ("*a", "ba", true),
        ("*a", "ab", false),
        ("a*b*c", "a-b-b-c", true),
        ("a*b*c", "a-c-b", false),
        ("ab*ba", "aba", false),
        ("*", "", true),
    ] {
        assert_eq!(matches(pattern, text), fits, "{pattern} {text}");
    }
}

#[test]
fn a_summary_is_one_short_line() {
    assert_eq!(
        summary("From /srv/a\nfatal: one\n\nhint: no\nerror: \x07two\n"),
        "fatal: one; error:  two"
    );
    let long = summary(&"é".repeat(1000));
    assert!(long.len() <= 505 && long.ends_with('…'), "{}", long.len());
}

#[test]
fn what_the_server_says_follows_the_reason_of_git() {
    let stderr = "remote: one        \nremote:\nremote:  50%\rremote: two \u{7}x\r\nerror: three\n";
    assert_eq!(said(stderr), "the server says: one; 50%; two  x");
    assert_eq!(summary(stderr), "error: three; the server says: one; 50%; two  x");
    assert_eq!(said("error: three\nremotely: x\n"), "");
    let long = said(&format!("remote: first {}\nremote: last\n", "é".repeat(10_000)));
    assert!(long.starts_with("the server says: first é") && long.ends_with("é; last"), "{long}");
    assert!(long.len() < 2050, "{}", long.len());
}

#[test]
fn the_lines_of_the_server_lose_their_colours() {
    for (text, plain) in [
        ("remote: \u{1b}[1;31mtwo\u{1b}[0m\u{1b}[K x\r\n", "remote: two x\r\n"),
        ("remote: a\nremote: \u{1b}[32mb", "remote: a\nremote: b"),
        ("remote: a\u{1b}[\nb", "remote: a\nb"),
        ("remote: a\u{1b}[3", "remote: a"),
        ("remote: a\u{1b}[é", "remote: aé"),
        ("remote: hun\u{1b}[0mter2", "remote: hunter2"),
        ("error: invalid path '\u{1b}[31m'\n", "error: invalid path '\u{1b}[31m'\n"),
    ] {
        assert_eq!(uncoloured(text), plain, "{text:?}");
    }
}
