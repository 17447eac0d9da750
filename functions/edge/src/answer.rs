//! What a handler answers, before CORS and the request id are put on it.

use serde_json::Value;
use shared::problem::Problem;

/// A JSON answer.
#[derive(Debug)]
pub struct Answer {
    pub(crate) status: u16,
    pub(crate) body: Value,
    pub(crate) content_type: &'static str,
    pub(crate) headers: Vec<(&'static str, String)>,
}

impl Answer {
    /// A JSON body with a status.
    pub fn json(status: u16, body: Value) -> Self {
        Self { status, body, content_type: "application/json", headers: Vec::new() }
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
            body: problem.body(),
            content_type: "application/problem+json",
            headers,
        }
    }
}
