//! The attributes of a file in a vector store.

use serde_json::{Map, Number, Value};

use super::answer::Refusal;
use super::call::wrong_type;
use super::rules::Rules;

/// The attributes that a client sends, if they keep to the limits.
pub(super) fn read(value: &Value, at: &str, rules: &Rules) -> Result<Map<String, Value>, Refusal> {
    let attributes = value.as_object().ok_or_else(|| wrong_type(at, "an object", value))?;
    within(attributes.len(), rules.max_attributes, at)?;
    for (key, value) in attributes {
        let length = key.chars().count();
        if length > rules.max_attribute_key {
            return Err(too_long(at, rules.max_attribute_key, length));
        }
        let path = format!("{at}.{key}");
        match value {
            Value::Bool(_) | Value::Number(_) => {}
            Value::String(text) => {
                let length =
                    if rules.attribute_values_in_bytes { text.len() } else { text.chars().count() };
                if length > rules.max_attribute_value {
                    return Err(too_long(&path, rules.max_attribute_value, length));
                }
            }
            _ => return Err(wrong_type(&path, "one of a string, number or boolean", value)),
        }
    }
    Ok(attributes.clone())
}

/// The metadata that a client sends for a vector store: like attributes, but of texts only.
pub(super) fn read_metadata(value: &Value) -> Result<Map<String, Value>, Refusal> {
    let metadata = read(value, "metadata", &Rules::default())?;
    match metadata.iter().find(|(_, value)| !value.is_string()) {
        Some((key, value)) => Err(wrong_type(&format!("metadata.{key}"), "a string", value)),
        None => Ok(metadata),
    }
}

/// The attributes as they come back.
pub(super) fn shown(attributes: &Map<String, Value>, rules: &Rules) -> Value {
    if attributes.is_empty() {
        return Value::Null;
    }
    let shown = |(key, value): (&String, &Value)| (key.clone(), number_shown(value, rules));
    Value::Object(attributes.iter().map(shown).collect())
}

/// Numbers are kept as doubles.
fn number_shown(value: &Value, rules: &Rules) -> Value {
    let Some(number) = value.as_f64() else { return value.clone() };
    let double = Number::from_f64(number).map_or(Value::Null, Value::Number);
    if rules.numbers_as_floats || number.fract() != 0.0 {
        return double;
    }
    // Without a fraction, a double is written with no digit behind the point, so that it reads as an integer.
    format!("{number:.0}").parse().map_or(double, |integer: Number| Value::Number(integer))
}

fn within(count: usize, most: usize, at: &str) -> Result<(), Refusal> {
    if count <= most {
        return Ok(());
    }
    Err(Refusal::invalid(format!(
        "Invalid '{at}': too many properties. Expected an object with at most {most} properties, but got an object with {count} \
         properties instead."
    ))
    .with_param(at)
    .with_code("object_above_max_properties"))
}

fn too_long(at: &str, most: usize, length: usize) -> Refusal {
    Refusal::invalid(format!(
        "Invalid '{at}': string too long. Expected a string with maximum length {most}, but got a string with length {length} \
         instead."
    ))
    .with_param(at)
    .with_code("string_above_max_length")
}
