//! What a handler answers, before CORS and the request id are put on it.

use serde_json::Value;
use shared::http::problem::Problem;
use worker::Response;

/// An answer, mostly JSON.
#[derive(Debug)]
pub struct Answer {
    pub(crate) status: u16,
    pub(crate) body: Body,
    pub(crate) content_type: &'static str,
    pub(crate) headers: Vec<(&'static str, String)>,
}

/// What stands in an answer.
#[derive(Debug)]
pub(crate) enum Body {
    Json(Value),
    Text(String),
    Connection(Response),
}

impl Body {
    /// The stable code of a problem.
    pub(crate) fn code(&self) -> Option<&Value> {
        match self {
            Self::Json(body) => body.get("code"),
            Self::Text(_) | Self::Connection(_) => None,
        }
    }
}

impl Answer {
    /// A JSON body with a status.
    pub fn json(status: u16, body: Value) -> Self {
        Self { status, body: Body::Json(body), content_type: "application/json", headers: Vec::new() }
    }

    /// A text of some other type.
    pub fn text(content_type: &'static str, text: String) -> Self {
        Self { status: 200, body: Body::Text(text), content_type, headers: Vec::new() }
    }

    /// A connection that stays: an upgraded one, or a stream of some type.
    pub fn connection(content_type: &'static str, response: Response) -> Self {
        let status = response.status_code();
        Self { status, body: Body::Connection(response), content_type, headers: Vec::new() }
    }

    /// Another status than 200.
    #[must_use]
    pub fn status(mut self, status: u16) -> Self {
        self.status = status;
        self
    }

    /// Adds a header.
    #[must_use]
    pub fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }
}

impl From<Problem> for Answer {
    fn from(problem: Problem) -> Self {
        let mut headers = Vec::new();
        if let Some(seconds) = problem.retry_after {
            headers.push(("retry-after", seconds.to_string()));
        }
        if let Some(methods) = &problem.allow {
            headers.push(("allow", methods.clone()));
        }
        if problem.code.status() == 401 {
            headers.push(("www-authenticate", "Bearer".to_owned()));
        }
        Self {
            status: problem.code.status(),
            body: Body::Json(problem.body()),
            content_type: "application/problem+json",
            headers,
        }
    }
}
