//! Filters of a search by attributes.

use std::cmp::Ordering;

use serde_json::{Map, Value};

use super::answer::Refusal;
use super::call::{Fields, missing_parameter, not_one_of, wrong_type};

/// Which files a search is for.
#[derive(Debug, PartialEq)]
pub(super) enum Filter {
    Compare { operator: Operator, key: String, value: Value },
    And(Vec<Self>),
    Or(Vec<Self>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operator {
    Equal,
    NotEqual,
    Greater,
    GreaterOrEqual,
    Less,
    LessOrEqual,
    In,
    NotIn,
}

/// What a filter may be called.
const TYPES: [&str; 10] = ["eq", "ne", "gt", "gte", "lt", "lte", "in", "nin", "and", "or"];

impl Filter {
    /// Reads a filter that stands at the path `at`.
    pub(super) fn read(value: &Value, at: &str) -> Result<Self, Refusal> {
        let mut fields = Fields::of(value, at)?;
        let kind = fields.required_text("type")?;
        let operator = match kind {
            "eq" => Operator::Equal,
            "ne" => Operator::NotEqual,
            "gt" => Operator::Greater,
            "gte" => Operator::GreaterOrEqual,
            "lt" => Operator::Less,
            "lte" => Operator::LessOrEqual,
            "in" => Operator::In,
            "nin" => Operator::NotIn,
            "and" | "or" => return compound(fields, kind == "and"),
            other => return Err(not_one_of(&fields.path("type"), other, &TYPES)),
        };
        let key = fields.required_text("key")?.to_owned();
        let path = fields.path("value");
        let value = fields.value("value").ok_or_else(|| missing_parameter(&path))?.clone();
        fields.finish()?;
        operator.check(&value, &path)?;
        Ok(Self::Compare { operator, key, value })
    }

    pub(super) fn admits(&self, attributes: &Map<String, Value>) -> bool {
        match self {
            Self::And(filters) => filters.iter().all(|filter| filter.admits(attributes)),
            Self::Or(filters) => filters.iter().any(|filter| filter.admits(attributes)),
            Self::Compare { operator, key, value } => operator.holds(attributes.get(key), value),
        }
    }
}

fn compound(mut fields: Fields<'_>, and: bool) -> Result<Filter, Refusal> {
    let path = fields.path("filters");
    let filters = fields.array("filters", usize::MAX)?.ok_or_else(|| missing_parameter(&path))?;
    fields.finish()?;
    let filters: Result<Vec<Filter>, Refusal> = filters
        .iter()
        .enumerate()
        .map(|(at, filter)| Filter::read(filter, &format!("{path}[{at}]")))
        .collect();
    Ok(if and { Filter::And(filters?) } else { Filter::Or(filters?) })
}

impl Operator {
    /// Whether a value can be compared so.
    fn check(self, value: &Value, path: &str) -> Result<(), Refusal> {
        let scalar = value.is_string() || value.is_number() || value.is_boolean();
        match self {
            Self::In | Self::NotIn if value.is_array() => Ok(()),
            Self::In | Self::NotIn => Err(wrong_type(path, "an array", value)),
            Self::Equal | Self::NotEqual if scalar => Ok(()),
            Self::Equal | Self::NotEqual => {
                Err(wrong_type(path, "one of a string, number or boolean", value))
            }
            _ if value.is_number() || value.is_string() => Ok(()),
            _ => Err(wrong_type(path, "one of a number or string", value)),
        }
    }

    fn holds(self, attribute: Option<&Value>, value: &Value) -> bool {
        let is = |wanted: &dyn Fn(Ordering) -> bool| {
            attribute.and_then(|attribute| order(attribute, value)).is_some_and(wanted)
        };
        let is_among = || {
            let equals = |one: &Value| {
                attribute.and_then(|found| order(found, one)) == Some(Ordering::Equal)
            };
            value.as_array().is_some_and(|values| values.iter().any(equals))
        };
        match self {
            Self::Equal => is(&Ordering::is_eq),
            Self::NotEqual => !is(&Ordering::is_eq),
            Self::Greater => is(&Ordering::is_gt),
            Self::GreaterOrEqual => is(&Ordering::is_ge),
            Self::Less => is(&Ordering::is_lt),
            Self::LessOrEqual => is(&Ordering::is_le),
            Self::In => is_among(),
            Self::NotIn => !is_among(),
        }
    }
}

/// How two values of one kind stand to each other; values of two kinds do not.
fn order(left: &Value, right: &Value) -> Option<Ordering> {
    match (left, right) {
        (Value::String(left), Value::String(right)) => Some(left.cmp(right)),
        (Value::Bool(left), Value::Bool(right)) => Some(left.cmp(right)),
        (Value::Number(left), Value::Number(right)) => left.as_f64()?.partial_cmp(&right.as_f64()?),
        _ => None,
    }
}
