//! OpenAI's own library for Python uses the whole API.

use std::process::Command;
use std::time::Duration;

use f9::testing::openai::{BetaHeader, Fault, FaultKind, OpenAISimulator, Retry, Route};

use crate::machine::not_run;

/// Names the interpreter that has the library, as `.ci/run` does.
const PYTHON: &str = "F9_OPENAI_SDK_PYTHON";

/// Runs the script of this name against a server; `None` if no interpreter is configured.
fn run(test: &str, script: &str, openai: &OpenAISimulator) -> Option<()> {
    let Some(python) = std::env::var_os(PYTHON) else {
        not_run(test, &format!("{PYTHON} names no Python interpreter that has `openai`"));
        return None;
    };
    let directory = env!("CARGO_MANIFEST_DIR");
    let output = Command::new(python)
        .arg("-B")
        .arg(format!("{directory}/{script}"))
        .env("OPENAI_BASE_URL", openai.base_url())
        .env("OPENAI_API_KEY", openai.api_key())
        .env("VECTOR_STORE_ID", openai.vector_store_id())
        .output()
        .unwrap();
    let said = |text: &[u8]| String::from_utf8_lossy(text).into_owned();
    let (out, err) = (said(&output.stdout), said(&output.stderr));
    assert!(output.status.success(), "{script}: {}\n{out}\n{err}", output.status);
    assert_eq!(out.lines().last(), Some("all done"), "{out}");
    Some(())
}

#[test]
fn openais_library_for_python() {
    let openai = OpenAISimulator::start();
    openai.set(|rules| {
        rules.in_progress_polls = 2;
        rules.poll_after = Some(Duration::from_millis(1));
        // The library sends the header with every call on vector stores.
        rules.beta_header = BetaHeader::Required;
    });
    if run("openais_library_for_python", "sdk.py", &openai).is_none() {
        return;
    }
    let log = openai.take_requests();
    let unseen: Vec<Route> = Route::ALL
        .into_iter()
        .filter(|&route| !log.iter().any(|seen| seen.route == route))
        .collect();
    assert!(unseen.is_empty(), "the script does not call {unseen:?}");
}

#[test]
fn openais_library_for_python_sees_faults_as_they_are() {
    let openai = OpenAISimulator::start();
    for status in [403, 409, 422, 500] {
        openai.inject(Fault::status(status).on(Route::ListFiles));
    }
    openai.inject(Fault::new(FaultKind::RateLimited(Retry::Never)).on(Route::ListFiles));
    openai.inject(Fault::new(FaultKind::InsufficientQuota).on(Route::ListFiles));
    openai.inject(Fault::new(FaultKind::Html { status: 502 }).on(Route::ListFiles));
    openai.inject(Fault::new(FaultKind::ResetBefore).on(Route::ListFiles));
    openai.inject(Fault::new(FaultKind::TruncatedBody { after: 10 }).on(Route::ListFiles));
    // The library retries these.
    openai.inject(Fault::new(FaultKind::RateLimited(Retry::AfterMillis(1))).on(Route::File));
    openai.inject(Fault::new(FaultKind::RateLimited(Retry::AfterSeconds(0.001))).on(Route::File));
    if run("openais_library_for_python_sees_faults_as_they_are", "faults.py", &openai).is_some() {
        assert_eq!(openai.faults_left(), 0);
    }
}
