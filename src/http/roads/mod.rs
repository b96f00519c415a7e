//! Roads in the shape of OSRM's HTTP API v1, so that its clients work unchanged; each answer also says what it rests on. One file a
//! service.

mod answer;
mod asked;
mod isochrone;
mod nearest;
mod route;
mod table;
mod trace;

use std::sync::Arc;

use axum::{
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use serde_json::{Value as Json, json};
use utoipa_axum::router::OpenApiRouter;

pub use answer::{closure_json, idle_json, met_json, tenths};

use crate::{
    app::App,
    error::{Code, Error},
};

pub fn routes() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new()
        .merge(route::routes())
        .merge(table::routes())
        .merge(nearest::routes())
        .merge(trace::routes())
        .merge(isochrone::routes())
}

/// An error in OSRM's shape.
pub struct Refused {
    code: &'static str,
    message: String,
    answer: Option<Json>,
}

impl Refused {
    fn new(code: &'static str, message: impl Into<String>) -> Refused {
        Refused { code, message: message.into(), answer: None }
    }
}

impl From<Error> for Refused {
    fn from(error: Error) -> Refused {
        let code = match error.code {
            Code::UnknownParameter => "InvalidQuery",
            Code::TooLarge => "TooBig",
            Code::InvalidParameter | Code::SwappedAxes => "InvalidOptions",
            _ => "InvalidValue",
        };
        Refused::new(code, format!("{}. {} / {}。{}", error.titles()[0], error.remedies()[0], error.titles()[1], error.remedies()[1]))
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        let mut body = json!({ "code": self.code, "message": self.message });
        if let Some(answer) = self.answer {
            body["answer"] = answer;
        }
        let status = if self.code == "NotImplemented" { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::BAD_REQUEST };
        (status, [(header::CONTENT_TYPE, "application/json")], body.to_string()).into_response()
    }
}

type Answered = Result<Response, Refused>;
