//! What is answered: a result, or a refusal in the service's own words.

use bytes::Bytes;
use serde_json::{Value, json};

use super::rules::ErrorShape;

/// What a call comes to.
pub(super) type Answered = Result<Answer, Refusal>;

/// The body of an answer with status 200.
#[derive(Debug)]
pub(super) enum Answer {
    Json(Value),
    /// The bytes of a file.
    Content(Bytes),
}

impl From<Value> for Answer {
    fn from(value: Value) -> Self {
        Self::Json(value)
    }
}

/// An answer that says no: the error envelope of OpenAI.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Refusal {
    pub(super) status: u16,
    kind: String,
    message: String,
    param: Option<String>,
    code: Option<String>,
}

impl Refusal {
    pub(super) fn new(status: u16, kind: impl Into<String>, message: impl Into<String>) -> Self {
        Self { status, kind: kind.into(), message: message.into(), param: None, code: None }
    }

    /// A request that cannot be right.
    pub(super) fn invalid(message: impl Into<String>) -> Self {
        Self::new(400, "invalid_request_error", message)
    }

    /// Something that is not there.
    pub(super) fn missing(message: impl Into<String>) -> Self {
        Self::new(404, "invalid_request_error", message)
    }

    pub(super) fn no_file(id: &str) -> Self {
        Self::missing(format!("No such File object: {id}")).with_param("id")
    }

    pub(super) fn no_vector_store(id: &str) -> Self {
        Self::missing(format!("No vector store found with id '{id}'."))
    }

    pub(super) fn no_attached_file(id: &str, store: &str) -> Self {
        Self::missing(format!("No file found with id '{id}' in vector store '{store}'."))
    }

    /// An id of another kind of thing.
    pub(super) fn wrong_prefix(param: &str, id: &str, prefix: &str) -> Self {
        Self::invalid(format!(
            "Invalid '{param}': '{id}'. Expected an ID that begins with '{prefix}'."
        ))
        .with_param(param)
        .with_code("invalid_value")
    }

    pub(super) fn with_param(mut self, param: impl Into<String>) -> Self {
        self.param = Some(param.into());
        self
    }

    pub(super) fn with_code(mut self, code: impl Into<String>) -> Self {
        self.code = Some(code.into());
        self
    }

    /// The status and the body, as this kind of server has them.
    pub(super) fn in_shape(&self, shape: ErrorShape) -> (u16, Value) {
        match shape {
            ErrorShape::OpenAI => {
                let error = json!({
                    "message": self.message,
                    "type": self.kind,
                    "param": self.param,
                    "code": self.code,
                });
                (self.status, json!({ "error": error }))
            }
            ErrorShape::FastApi => {
                let status = if self.status == 404 { 400 } else { self.status };
                (status, json!({ "detail": self.message }))
            }
        }
    }
}
