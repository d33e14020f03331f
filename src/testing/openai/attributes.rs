//! The attributes of a file in a vector store.

use serde_json::{Map, Number, Value};

use super::call::wrong_type;
use super::response::ApiError;
use super::rules::{KeptAttributes, Rules};

/// Reads the attributes that a client sends and checks their limits.
pub(super) fn read(
    value: &Value,
    path: &str,
    rules: &Rules,
) -> Result<Map<String, Value>, ApiError> {
    let attributes = value.as_object().ok_or_else(|| wrong_type(path, "an object", value))?;
    check_count(attributes.len(), rules.max_attributes, path)?;
    for (key, value) in attributes {
        let length = key.chars().count();
        if length > rules.max_attribute_key {
            return Err(too_long(path, rules.max_attribute_key, length));
        }
        let path = format!("{path}.{key}");
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

/// Reads the metadata of a vector store: attributes whose values are all strings.
pub(super) fn read_metadata(value: &Value) -> Result<Map<String, Value>, ApiError> {
    let metadata = read(value, "metadata", &Rules::default())?;
    match metadata.iter().find(|(_, value)| !value.is_string()) {
        Some((key, value)) => Err(wrong_type(&format!("metadata.{key}"), "a string", value)),
        None => Ok(metadata),
    }
}

/// Returns the attributes that the service keeps of those that a client sent.
pub(super) fn kept(mut sent: Map<String, Value>, rules: &Rules) -> Map<String, Value> {
    sent.retain(|_, value| match rules.kept_attributes {
        KeptAttributes::All => true,
        KeptAttributes::Text => value.is_string(),
        KeptAttributes::Nothing => false,
    });
    sent
}

/// Returns the attributes as responses show them.
pub(super) fn to_json(attributes: &Map<String, Value>, rules: &Rules) -> Value {
    if attributes.is_empty() {
        return Value::Null;
    }
    let entry = |(key, value): (&String, &Value)| (key.clone(), number_to_json(value, rules));
    Value::Object(attributes.iter().map(entry).collect())
}

/// Returns a number as the service shows it. The service stores numbers as doubles.
fn number_to_json(value: &Value, rules: &Rules) -> Value {
    let Some(number) = value.as_f64() else { return value.clone() };
    let double = Number::from_f64(number).map_or(Value::Null, Value::Number);
    if rules.numbers_as_floats || number.fract() != 0.0 {
        return double;
    }
    // A double without a fraction is written without a decimal point, so clients read an integer.
    format!("{number:.0}").parse().map_or(double, |integer: Number| Value::Number(integer))
}

fn check_count(count: usize, max: usize, path: &str) -> Result<(), ApiError> {
    if count <= max {
        return Ok(());
    }
    Err(ApiError::invalid(format!(
        "Invalid '{path}': too many properties. Expected an object with at most {max} properties, but got an object with {count} \
         properties instead."
    ))
    .with_param(path)
    .with_code("object_above_max_properties"))
}

fn too_long(path: &str, max: usize, length: usize) -> ApiError {
    ApiError::invalid(format!(
        "Invalid '{path}': string too long. Expected a string with maximum length {max}, but got a string with length {length} \
         instead."
    ))
    .with_param(path)
    .with_code("string_above_max_length")
}
