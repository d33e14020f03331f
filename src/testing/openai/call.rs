//! A request, once it has come whole.

use bytes::Bytes;
use serde_json::{Map, Value};

use super::answer::Refusal;
use super::log::SentFile;
use super::routes::Route;

/// A request, once it has come whole.
#[derive(Debug)]
pub(super) struct Call {
    pub(super) route: Route,
    pub(super) method: String,
    pub(super) path: String,
    /// The ids in the path, in its order.
    pub(super) ids: Vec<String>,
    pub(super) query: Vec<(String, String)>,
    pub(super) body: Body,
}

/// The body of a request.
#[derive(Debug)]
pub(super) enum Body {
    /// None that matters.
    Nothing,
    Json(Value),
    Form(Form),
    /// Not what the call takes.
    Refused(Refusal),
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

    pub(super) fn file(&self, name: &str) -> Result<&SentFile, Refusal> {
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

    pub(super) fn fields(&self) -> Result<Fields<'_>, Refusal> {
        match &self.body {
            Body::Json(value) => Fields::of(value, ""),
            Body::Refused(refusal) => Err(refusal.clone()),
            Body::Nothing | Body::Form(_) => Err(not_json()),
        }
    }

    pub(super) fn form(&self) -> Result<&Form, Refusal> {
        match &self.body {
            Body::Form(form) => Ok(form),
            Body::Refused(refusal) => Err(refusal.clone()),
            Body::Nothing | Body::Json(_) => Err(missing_parameter("file")),
        }
    }
}

/// The JSON body of a request; where it is none, why not.
pub(super) fn json_body(content_type: &str, body: &Bytes) -> Body {
    if !content_type.starts_with("application/json") {
        return Body::Refused(
            Refusal::invalid(format!(
                "Unsupported content type: '{content_type}'. This API method only accepts 'application/json' requests, but you \
                 specified the header 'Content-Type: {content_type}'. Please try again with a supported content type."
            ))
            .with_code("unsupported_content_type"),
        );
    }
    serde_json::from_slice(body).map_or_else(|_| Body::Refused(not_json()), Body::Json)
}

fn not_json() -> Refusal {
    Refusal::invalid(
        "We could not parse the JSON body of your request. (HINT: This likely means you aren't using your HTTP library \
         correctly. The OpenAI API expects a JSON payload, but what was sent was not valid JSON.)",
    )
}

/// The fields of a JSON object, each of which is asked for once by its name.
#[derive(Debug)]
pub(super) struct Fields<'a> {
    /// The path of the object, with a dot at its end; empty for the body itself.
    at: String,
    object: &'a Map<String, Value>,
    known: Vec<&'a str>,
}

impl<'a> Fields<'a> {
    /// Those of `value`, which stands at the path `at`.
    pub(super) fn of(value: &'a Value, at: &str) -> Result<Self, Refusal> {
        let object = value.as_object().ok_or_else(|| wrong_type(at, "an object", value))?;
        let at = if at.is_empty() { String::new() } else { format!("{at}.") };
        Ok(Self { at, object, known: Vec::new() })
    }

    /// The path of a field.
    pub(super) fn path(&self, name: &str) -> String {
        format!("{}{name}", self.at)
    }

    /// What is there and not `null`.
    pub(super) fn value(&mut self, name: &str) -> Option<&'a Value> {
        let (name, value) = self.object.get_key_value(name)?;
        self.known.push(name);
        Some(value).filter(|value| !value.is_null())
    }

    /// Whether a field is there, if only as `null`.
    pub(super) fn is_given(&self, name: &str) -> bool {
        self.object.contains_key(name)
    }

    pub(super) fn text(&mut self, name: &str) -> Result<Option<&'a str>, Refusal> {
        let Some(value) = self.value(name) else { return Ok(None) };
        value.as_str().map(Some).ok_or_else(|| wrong_type(&self.path(name), "a string", value))
    }

    pub(super) fn required_text(&mut self, name: &str) -> Result<&'a str, Refusal> {
        self.text(name)?.ok_or_else(|| missing_parameter(&self.path(name)))
    }

    pub(super) fn bool(&mut self, name: &str) -> Result<Option<bool>, Refusal> {
        let Some(value) = self.value(name) else { return Ok(None) };
        value.as_bool().map(Some).ok_or_else(|| wrong_type(&self.path(name), "a boolean", value))
    }

    /// An integer of at least `least` and at most `most`.
    pub(super) fn integer(
        &mut self,
        name: &str,
        least: u64,
        most: u64,
    ) -> Result<Option<u64>, Refusal> {
        let Some(value) = self.value(name) else { return Ok(None) };
        let path = self.path(name);
        if !value.is_i64() && !value.is_u64() {
            return Err(wrong_type(&path, "an integer", value));
        }
        let refused = |what, sign, bound, code| {
            Err(Refusal::invalid(format!(
                "Invalid '{path}': integer {what} value. Expected a value {sign} {bound}, but got {value} instead."
            ))
            .with_param(&path)
            .with_code(code))
        };
        match value.as_u64() {
            Some(number) if (least..=most).contains(&number) => Ok(Some(number)),
            Some(number) if number > most => {
                refused("above maximum", "<=", most, "integer_above_max_value")
            }
            _ => refused("below minimum", ">=", least, "integer_below_min_value"),
        }
    }

    /// An array of at most `most` items.
    pub(super) fn array(
        &mut self,
        name: &str,
        most: usize,
    ) -> Result<Option<&'a Vec<Value>>, Refusal> {
        let Some(value) = self.value(name) else { return Ok(None) };
        let path = self.path(name);
        let array = value.as_array().ok_or_else(|| wrong_type(&path, "an array", value))?;
        if array.len() > most {
            return Err(Refusal::invalid(format!(
                "Invalid '{path}': array too long. Expected an array with maximum length {most}, but got an array with length \
                 {} instead.",
                array.len()
            ))
            .with_param(path)
            .with_code("array_above_max_length"));
        }
        Ok(Some(array))
    }

    /// Refuses the fields that nobody has asked for.
    pub(super) fn finish(self) -> Result<(), Refusal> {
        match self.object.keys().find(|name| !self.known.contains(&name.as_str())) {
            Some(name) => {
                let path = self.path(name);
                Err(Refusal::invalid(format!("Unknown parameter: '{path}'."))
                    .with_param(path)
                    .with_code("unknown_parameter"))
            }
            None => Ok(()),
        }
    }
}

pub(super) fn missing_parameter(path: &str) -> Refusal {
    Refusal::invalid(format!("Missing required parameter: '{path}'."))
        .with_param(path)
        .with_code("missing_required_parameter")
}

pub(super) fn wrong_type(path: &str, expected: &str, value: &Value) -> Refusal {
    let found = match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    };
    Refusal::invalid(format!(
        "Invalid type for '{path}': expected {expected}, but got {found} instead."
    ))
    .with_param(path)
    .with_code("invalid_type")
}

pub(super) fn not_one_of(path: &str, value: &str, supported: &[&str]) -> Refusal {
    let listed: Vec<String> = supported.iter().map(|name| format!("'{name}'")).collect();
    Refusal::invalid(format!(
        "Invalid value: '{value}'. Supported values are: {}.",
        listed.join(", ")
    ))
    .with_param(path)
    .with_code("invalid_value")
}
