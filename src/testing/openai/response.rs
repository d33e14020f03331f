//! The result of a call: a body, or an error in the words of OpenAI.

use bytes::Bytes;
use serde_json::{Value, json};

use super::rules::ErrorShape;

pub(super) type ApiResult = Result<ResponseBody, ApiError>;

/// The body of a response with status 200.
#[derive(Debug)]
pub(super) enum ResponseBody {
    Json(Value),
    /// The bytes of a file.
    Content(Bytes),
}

impl From<Value> for ResponseBody {
    fn from(value: Value) -> Self {
        Self::Json(value)
    }
}

/// An error, as OpenAI describes it.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct ApiError {
    pub(super) status: u16,
    kind: String,
    message: String,
    param: Option<String>,
    code: Option<String>,
}

impl ApiError {
    pub(super) fn new(status: u16, kind: impl Into<String>, message: impl Into<String>) -> Self {
        Self { status, kind: kind.into(), message: message.into(), param: None, code: None }
    }

    /// Returns the error of an invalid request.
    pub(super) fn invalid(message: impl Into<String>) -> Self {
        Self::new(400, "invalid_request_error", message)
    }

    /// Returns the error of a missing object.
    pub(super) fn not_found(message: impl Into<String>) -> Self {
        Self::new(404, "invalid_request_error", message)
    }

    /// Returns the error of an unknown file.
    pub(super) fn no_file(id: &str) -> Self {
        Self::not_found(format!("No such File object: {id}")).with_param("id")
    }

    pub(super) fn no_vector_store(id: &str) -> Self {
        Self::not_found(format!("No vector store found with id '{id}'."))
    }

    pub(super) fn no_attached_file(id: &str, store: &str) -> Self {
        Self::not_found(format!("No file found with id '{id}' in vector store '{store}'."))
    }

    /// Returns the error of an id with a wrong prefix.
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

    /// Returns the status and the body in this format.
    pub(super) fn to_response(&self, shape: ErrorShape) -> (u16, Value) {
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
            ErrorShape::FastApi => (self.untyped_status(), json!({ "detail": self.message })),
            ErrorShape::Untyped => {
                (self.untyped_status(), json!({ "error": { "message": self.message } }))
            }
            ErrorShape::Gateway => {
                let status = self.untyped_status();
                let message = if self.message.starts_with("No such File object") {
                    format!("Error code: {status}")
                } else {
                    let passed_on = json!({ "detail": self.message });
                    format!("litellm.BadRequestError: OpenAIException - {passed_on}")
                };
                let error = json!({ "message": message, "type": self.kind, "param": null, "code": status.to_string() });
                (status, json!({ "error": error }))
            }
        }
    }

    fn untyped_status(&self) -> u16 {
        if self.status == 404 { 400 } else { self.status }
    }
}
