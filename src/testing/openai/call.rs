//! A request that is received completely, and the checks of its fields.

use bytes::Bytes;
use serde_json::{Map, Value};

use super::log::SentFile;
use super::response::ApiError;
use super::routes::Route;

/// A request that is received completely.
#[derive(Debug)]
pub(super) struct Call {
    pub(super) route: Route,
    pub(super) method: String,
    pub(super) path: String,
    /// The ids in the path, from left to right.
    pub(super) ids: Vec<String>,
    pub(super) query: Vec<(String, String)>,
    pub(super) body: Body,
}

/// The body of a request.
#[derive(Debug)]
pub(super) enum Body {
    /// No body, or one that the route ignores.
    Nothing,
    Json(Value),
    Form(Form),
    /// A body that the route does not accept.
    Invalid(ApiError),
}

/// The fields of a form.
#[derive(Debug, Default)]
pub(super) struct Form {
    pub(super) texts: Vec<(String, String)>,
    pub(super) files: Vec<(String, SentFile)>,
}

impl Form {
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.texts.iter().find(|(field, _)| field == name).map(|(_, text)| text.as_str())
    }

    pub(super) fn file(&self, name: &str) -> Result<&SentFile, ApiError> {
        let file = self.files.iter().find(|(field, _)| field == name).map(|(_, file)| file);
        file.ok_or_else(|| missing_parameter(name))
    }
}

impl Call {
    pub(super) fn id(&self, position: usize) -> &str {
        self.ids.get(position).map_or("", String::as_str)
    }

    pub(super) fn query(&self, name: &str) -> Option<&str> {
        self.query.iter().find(|(field, _)| field == name).map(|(_, value)| value.as_str())
    }

    pub(super) fn fields(&self) -> Result<Fields<'_>, ApiError> {
        match &self.body {
            Body::Json(value) => Fields::of(value, ""),
            Body::Invalid(error) => Err(error.clone()),
            Body::Nothing | Body::Form(_) => Err(not_json()),
        }
    }

    pub(super) fn form(&self) -> Result<&Form, ApiError> {
        match &self.body {
            Body::Form(form) => Ok(form),
            Body::Invalid(error) => Err(error.clone()),
            Body::Nothing | Body::Json(_) => Err(missing_parameter("file")),
        }
    }
}

/// Parses the JSON body of a request.
pub(super) fn json_body(content_type: &str, body: &Bytes) -> Body {
    if !content_type.starts_with("application/json") {
        return Body::Invalid(
            ApiError::invalid(format!(
                "Unsupported content type: '{content_type}'. This API method only accepts 'application/json' requests, but you \
                 specified the header 'Content-Type: {content_type}'. Please try again with a supported content type."
            ))
            .with_code("unsupported_content_type"),
        );
    }
    serde_json::from_slice(body).map_or_else(|_| Body::Invalid(not_json()), Body::Json)
}

fn not_json() -> ApiError {
    ApiError::invalid(
        "We could not parse the JSON body of your request. (HINT: This likely means you aren't using your HTTP library \
         correctly. The OpenAI API expects a JSON payload, but what was sent was not valid JSON.)",
    )
}

/// The fields of a JSON object. [`finish`](Self::finish) refuses the fields that were never read.
#[derive(Debug)]
pub(super) struct Fields<'a> {
    /// The path of the object with a trailing dot; empty for the body itself.
    prefix: String,
    object: &'a Map<String, Value>,
    read: Vec<&'a str>,
}

impl<'a> Fields<'a> {
    /// Reads the object `value` at `path`.
    pub(super) fn of(value: &'a Value, path: &str) -> Result<Self, ApiError> {
        let object = value.as_object().ok_or_else(|| wrong_type(path, "an object", value))?;
        let prefix = if path.is_empty() { String::new() } else { format!("{path}.") };
        Ok(Self { prefix, object, read: Vec::new() })
    }

    /// Returns the path of a field.
    pub(super) fn path(&self, name: &str) -> String {
        format!("{}{name}", self.prefix)
    }

    /// Returns the value of a field unless it is `null`.
    pub(super) fn value(&mut self, name: &str) -> Option<&'a Value> {
        let (name, value) = self.object.get_key_value(name)?;
        self.read.push(name);
        Some(value).filter(|value| !value.is_null())
    }

    /// Returns whether a field is present, also if it is `null`.
    pub(super) fn is_given(&self, name: &str) -> bool {
        self.object.contains_key(name)
    }

    pub(super) fn text(&mut self, name: &str) -> Result<Option<&'a str>, ApiError> {
        let Some(value) = self.value(name) else { return Ok(None) };
        value.as_str().map(Some).ok_or_else(|| wrong_type(&self.path(name), "a string", value))
    }

    pub(super) fn required_text(&mut self, name: &str) -> Result<&'a str, ApiError> {
        self.text(name)?.ok_or_else(|| missing_parameter(&self.path(name)))
    }

    pub(super) fn bool(&mut self, name: &str) -> Result<Option<bool>, ApiError> {
        let Some(value) = self.value(name) else { return Ok(None) };
        value.as_bool().map(Some).ok_or_else(|| wrong_type(&self.path(name), "a boolean", value))
    }

    /// Returns an integer from `min` to `max`.
    pub(super) fn integer(
        &mut self,
        name: &str,
        min: u64,
        max: u64,
    ) -> Result<Option<u64>, ApiError> {
        let Some(value) = self.value(name) else { return Ok(None) };
        let path = self.path(name);
        if !value.is_i64() && !value.is_u64() {
            return Err(wrong_type(&path, "an integer", value));
        }
        let refused = |what, sign, bound, code| {
            Err(ApiError::invalid(format!(
                "Invalid '{path}': integer {what} value. Expected a value {sign} {bound}, but got {value} instead."
            ))
            .with_param(&path)
            .with_code(code))
        };
        match value.as_u64() {
            Some(number) if (min..=max).contains(&number) => Ok(Some(number)),
            Some(number) if number > max => {
                refused("above maximum", "<=", max, "integer_above_max_value")
            }
            _ => refused("below minimum", ">=", min, "integer_below_min_value"),
        }
    }

    /// Returns an array of at most `max` items.
    pub(super) fn array(
        &mut self,
        name: &str,
        max: usize,
    ) -> Result<Option<&'a Vec<Value>>, ApiError> {
        let Some(value) = self.value(name) else { return Ok(None) };
        let path = self.path(name);
        let array = value.as_array().ok_or_else(|| wrong_type(&path, "an array", value))?;
        if array.len() > max {
            return Err(ApiError::invalid(format!(
                "Invalid '{path}': array too long. Expected an array with maximum length {max}, but got an array with length \
                 {} instead.",
                array.len()
            ))
            .with_param(path)
            .with_code("array_above_max_length"));
        }
        Ok(Some(array))
    }

    /// Checks that every field was read.
    pub(super) fn finish(self) -> Result<(), ApiError> {
        match self.object.keys().find(|name| !self.read.contains(&name.as_str())) {
            Some(name) => {
                let path = self.path(name);
                Err(ApiError::invalid(format!("Unknown parameter: '{path}'."))
                    .with_param(path)
                    .with_code("unknown_parameter"))
            }
            None => Ok(()),
        }
    }
}

pub(super) fn missing_parameter(path: &str) -> ApiError {
    ApiError::invalid(format!("Missing required parameter: '{path}'."))
        .with_param(path)
        .with_code("missing_required_parameter")
}

pub(super) fn wrong_type(path: &str, expected: &str, value: &Value) -> ApiError {
    let found = match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    };
    ApiError::invalid(format!(
        "Invalid type for '{path}': expected {expected}, but got {found} instead."
    ))
    .with_param(path)
    .with_code("invalid_type")
}

pub(super) fn not_one_of(path: &str, value: &str, supported: &[&str]) -> ApiError {
    let listed: Vec<String> = supported.iter().map(|name| format!("'{name}'")).collect();
    ApiError::invalid(format!(
        "Invalid value: '{value}'. Supported values are: {}.",
        listed.join(", ")
    ))
    .with_param(path)
    .with_code("invalid_value")
}
