//! The endpoint of search. It scores a chunk by the words it shares with the query, because the simulator has no embeddings.

use std::collections::HashSet;

use serde_json::{Value, json};

use super::call::{Call, Fields, missing_parameter, not_one_of, wrong_type};
use super::filters::Filter;
use super::records::Entry;
use super::response::{ApiError, ApiResult};
use super::rules::{Rules, SearchIds};
use super::state::State;
use super::{attributes, chunks};

/// The search that a client requests.
#[derive(Debug)]
struct Search {
    queries: Vec<String>,
    filter: Option<Filter>,
    max_results: usize,
    min_score: f64,
}

/// A chunk that was found.
#[derive(Debug)]
struct Hit<'a> {
    entry: &'a Entry,
    text: String,
    score: f64,
}

pub(super) fn search(state: &State, call: &Call) -> ApiResult {
    let store = state.active_store(call.id(0))?;
    let search = Search::read(call.fields()?)?;
    let wanted: HashSet<String> = search.queries.iter().flat_map(|query| words(query)).collect();
    let is_candidate = |entry: &&Entry| {
        let matches = |filter: &Filter| filter.matches(&entry.attributes);
        entry.status() == "completed" && search.filter.as_ref().is_none_or(matches)
    };
    let hits =
        store.attached().filter(is_candidate).flat_map(|entry| hits(entry, &wanted, &state.rules));
    let mut hits: Vec<Hit<'_>> = hits.filter(|hit| hit.score >= search.min_score).collect();
    hits.sort_by(|one, other| other.score.total_cmp(&one.score));
    let has_more = hits.len() > search.max_results;
    hits.truncate(search.max_results);
    let data: Vec<Value> = hits.iter().map(|hit| hit.to_json(&state.rules)).collect();
    Ok(json!({
        "object": "vector_store.search_results.page",
        "search_query": search.queries,
        "data": data,
        "has_more": has_more,
        "next_page": null,
    })
    .into())
}

impl Search {
    fn read(mut fields: Fields<'_>) -> Result<Self, ApiError> {
        let queries = match fields.value("query").ok_or_else(|| missing_parameter("query"))? {
            Value::String(query) => vec![query.clone()],
            Value::Array(queries) => queries
                .iter()
                .map(|query| query.as_str().map(str::to_owned))
                .collect::<Option<Vec<String>>>()
                .ok_or_else(|| {
                    ApiError::invalid("Invalid type for 'query': expected an array of strings.")
                        .with_param("query")
                        .with_code("invalid_type")
                })?,
            other => return Err(wrong_type("query", "one of a string or array of strings", other)),
        };
        let filter = match fields.value("filters") {
            Some(value) => Some(Filter::read(value, "filters")?),
            None => None,
        };
        let max_results = fields.integer("max_num_results", 1, 50)?.unwrap_or(10);
        fields.bool("rewrite_query")?;
        let min_score = fields.value("ranking_options").map_or(Ok(0.0), read_min_score)?;
        fields.finish()?;
        let max_results = usize::try_from(max_results).unwrap_or(usize::MAX);
        Ok(Self { queries, filter, max_results, min_score })
    }
}

/// Reads `ranking_options` and returns the minimum score of a hit.
fn read_min_score(value: &Value) -> Result<f64, ApiError> {
    const RANKERS: [&str; 3] = ["auto", "none", "default-2024-11-15"];
    let mut fields = Fields::of(value, "ranking_options")?;
    if let Some(ranker) = fields.text("ranker")?.filter(|ranker| !RANKERS.contains(ranker)) {
        return Err(not_one_of("ranking_options.ranker", ranker, &RANKERS));
    }
    let threshold = fields.value("score_threshold");
    fields.finish()?;
    let Some(threshold) = threshold else { return Ok(0.0) };
    threshold.as_f64().filter(|score| (0.0..=1.0).contains(score)).ok_or_else(|| {
        wrong_type("ranking_options.score_threshold", "a number from 0 to 1", threshold)
    })
}

/// Returns the chunks of a file that share a word with the query.
fn hits<'a>(entry: &'a Entry, wanted: &HashSet<String>, rules: &Rules) -> Vec<Hit<'a>> {
    let chunks = chunks::of_file(&entry.filename, &entry.content, entry.chunking, rules);
    let hit = |text: String| {
        let score = score(&text, wanted);
        (score > 0.0).then_some(Hit { entry, text, score })
    };
    chunks.into_iter().filter_map(hit).collect()
}

/// Returns the share of the wanted words that a text has, from 0 to 1.
fn score(text: &str, wanted: &HashSet<String>) -> f64 {
    let found: HashSet<String> = words(text).collect();
    let count = |number: usize| u32::try_from(number).map_or(f64::MAX, f64::from);
    if wanted.is_empty() {
        0.0
    } else {
        count(wanted.intersection(&found).count()) / count(wanted.len())
    }
}

fn words(text: &str) -> impl Iterator<Item = String> {
    text.split(|letter: char| !letter.is_alphanumeric())
        .filter(|word| !word.is_empty())
        .map(str::to_lowercase)
}

impl Hit<'_> {
    fn to_json(&self, rules: &Rules) -> Value {
        let attributes = attributes::to_json(&self.entry.attributes, rules);
        let file_id = match rules.search_ids {
            SearchIds::File => self.entry.file_id.clone(),
            SearchIds::Document => format!("doc-{}", self.entry.file_id),
            SearchIds::Empty => String::new(),
        };
        json!({
            "file_id": file_id,
            "filename": self.entry.filename,
            "score": self.score * rules.max_score,
            "attributes": if attributes.is_null() { json!({}) } else { attributes },
            "content": [{ "type": "text", "text": self.text }],
        })
    }
}
