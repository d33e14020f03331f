//! The memory and the time that f9 needs to list a large vector store.

use std::env;
use std::process::Command;

use f9::prelude::*;
use f9::{OpenAIConfig, OpenAIVectorStoreFileBackend, Secret};

use super::fixture::{CACHE_TTL, Fixture};
use super::{F9, PATTERN};
use crate::Result;
use crate::arena::{Arena, runtime};
use crate::contestants::Profile;
use crate::outcome::{Outcome, Unit};
use crate::rounds::{Counted, Lane, Sample, in_rounds, interleaved};
use crate::work::memory::{Growth, measured_by};

/// The first argument of the child process whose memory is measured.
pub const CHILD: &str = "--memory-of-index";

/// The key is passed in the environment.
const KEY: &str = "OPENAI_API_KEY";

pub fn memory(arena: &Arena, work: &'static str) -> Result<Outcome> {
    let count = arena.sizes.openai_known;
    let fixture = Fixture::with_files(arena, count);
    let measured = |what: &'static str| {
        let mut child = Command::new(env::current_exe()?);
        let service = &fixture.service;
        child.args([CHILD, what, &service.base_url(), service.vector_store_id()]);
        service.take_requests();
        let told = measured_by(child.env(KEY, service.api_key()))?;
        let requests = service.take_requests().len() as u64;
        Ok(Sample::of(told).counting(requests, Counted::Requests))
    };
    let lanes = vec![
        Lane::new(F9, || measured("kept")),
        Lane::new(Profile::bare("f9, peak while listing"), || measured("most")),
    ];
    let rows = in_rounds(arena.sizes.openai_rounds, lanes)?;
    let title = format!("memory above idle to hold a listing of {count} files");
    Ok(Outcome { work, title, unit: Unit::Memory, writes: false, rows })
}

/// The measured process: lists the store once.
pub fn child(arguments: &[String]) -> Result<()> {
    let [what, url, store] = arguments else {
        return Err("unknown index".into());
    };
    let config = OpenAIConfig::new(store).with_base_url(url).with_cache_ttl(CACHE_TTL);
    let config = config.with_api_key(Secret::new(env::var(KEY)?));
    runtime()?.block_on(async {
        let backend = OpenAIVectorStoreFileBackend::open(config).await?;
        let growth = Growth::begin()?;
        assert!(!backend.exists("nothing").await?);
        println!("{}", if what == "kept" { growth.now()? } else { growth.most()? });
        Ok(())
    })
}

pub fn glob(arena: &Arena, work: &'static str) -> Result<Outcome> {
    let count = arena.sizes.openai_known;
    let fixture = Fixture::with_files(arena, count);
    let backend = fixture.open_and_list()?;
    let find = || {
        let backend = backend.clone();
        let (sample, found) = fixture.measured(async move { backend.glob(PATTERN).await })?;
        assert_eq!(found.len(), count / 10);
        Ok(sample)
    };
    let rows = interleaved(arena.sizes.rounds, vec![Lane::new(F9, find)])?;
    let title = format!("{} of {count} listed files match {PATTERN}", count / 10);
    Ok(Outcome { work, title, unit: Unit::Time, writes: false, rows })
}
