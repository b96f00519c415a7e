//! `application/problem+json`: the only table from error codes to HTTP statuses.

use axum::{
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde_json::json;

use crate::error::{Code, Error};

/// The HTTP status of an error code.
pub const fn status_of(code: Code) -> StatusCode {
    match code {
        Code::InvalidParameter
        | Code::UnknownParameter
        | Code::InvalidBody
        | Code::InvalidFilter
        | Code::UnsupportedCrs
        | Code::InvalidFile
        | Code::TooComplex => StatusCode::BAD_REQUEST,
        Code::InvalidGeometry
        | Code::SwappedAxes
        | Code::UnknownProperty
        | Code::RequiredMissing
        | Code::InvalidValue
        | Code::RuleBroken
        | Code::UnknownEnumValue
        | Code::OutOfRange
        | Code::WrongUnit
        | Code::InvalidReference
        | Code::ReadOnly => StatusCode::UNPROCESSABLE_ENTITY,
        Code::UnknownLayer | Code::NotFound => StatusCode::NOT_FOUND,
        Code::DuplicateCode
        | Code::DuplicateKey
        | Code::Referenced
        | Code::Overdraw
        | Code::InvalidTransition
        | Code::DefinitionConflict => StatusCode::CONFLICT,
        Code::VersionMismatch => StatusCode::PRECONDITION_FAILED,
        Code::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
        Code::UnsupportedMedia => StatusCode::UNSUPPORTED_MEDIA_TYPE,
        Code::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
        Code::Forbidden => StatusCode::FORBIDDEN,
        Code::LogGap => StatusCode::GONE,
        Code::StoreUnavailable | Code::Deadlock | Code::OutcomeUnknown => StatusCode::SERVICE_UNAVAILABLE,
        Code::InvalidDefinition | Code::InvalidConfig | Code::Internal => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

impl IntoResponse for Error {
    fn into_response(self) -> Response {
        let code = self.code;
        let status = status_of(code);
        if status.is_server_error() {
            tracing::error!(error = %self, "request failed");
        }
        let ([title, title_zh], [remedy, remedy_zh]) = (self.titles(), self.remedies());
        let mut problem = json!({
            "type": "about:blank", "status": status.as_u16(), "code": self.code,
            "title": title, "title_zh": title_zh, "detail": format!("{title}. {remedy}"), "detail_zh": format!("{title_zh}。{remedy_zh}"),
            "remedy": remedy, "remedy_zh": remedy_zh, "field": self.field, "value": self.value, "hint": self.expected,
        });
        if let Some(details) = self.details {
            problem["current"] = *details;
        }
        let mut response = (status, [(header::CONTENT_TYPE, "application/problem+json")], problem.to_string()).into_response();
        // What may have been written isn't to be sent again unseen.
        if status == StatusCode::SERVICE_UNAVAILABLE && code != Code::OutcomeUnknown {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("2"));
        }
        response
    }
}
