//! The HTTP client: four calls, each one request.

use std::time::Duration;

use serde::Deserialize;
use serde_json::{Value, json};

use super::failure::without_queries;
use super::output::inline_image;
use super::prediction::{Answer, is_id, read_prediction};
use crate::adapters::json_body::{json_of, with_json};
use crate::ports::{
    CreateError, Http, HttpError, HttpRequest, HttpResponse, ImageProvider, NewPrediction, Prediction,
    ProviderError,
};

/// How much of the list is searched: 100 predictions a page, 600 creates a minute at most, so over
/// fifteen minutes of it, <https://replicate.com/docs/topics/predictions/rate-limits>.
const MAX_LIST_PAGES: usize = 100;

/// `logs` come every half second at most, and only the end is repeated when it was not taken,
/// <https://replicate.com/docs/topics/webhooks/receive-webhook>.
const WEBHOOK_EVENTS: [&str; 3] = ["start", "logs", "completed"];

/// The largest prediction, and page of the list, that is read, in bytes: with an image in base64 inside, or
/// with long logs.
const MAX_PREDICTION_BYTES: usize = 12 * 1024 * 1024;

/// A client of the API at one origin.
#[derive(Debug)]
pub struct Client<'a, H> {
    http: &'a H,
    origin: &'a str,
    token: &'a str,
}

impl<'a, H: Http> Client<'a, H> {
    /// `origin` has no `/v1` and no trailing slash.
    pub fn new(http: &'a H, origin: &'a str, token: &'a str) -> Self {
        Self { http, origin, token }
    }

    fn request(&self, method: &'static str, path: &str) -> HttpRequest {
        HttpRequest::new(method, format!("{}/v1{path}", self.origin))
            .header("authorization", format!("Bearer {}", self.token))
    }

    async fn read_one(&self, prediction_id: &str) -> Result<HttpResponse, ProviderError> {
        let id = checked(prediction_id)?;
        self.read(self.request("GET", &format!("/predictions/{id}")).at_most(MAX_PREDICTION_BYTES)).await
    }

    async fn read(&self, request: HttpRequest) -> Result<HttpResponse, ProviderError> {
        match self.http.send(request).await {
            Ok(response) if response.is_success() => Ok(response),
            Ok(response) if response.status == 404 => Err(ProviderError::NotFound),
            Ok(response) => Err(ProviderError::Unavailable(format!("status {}", response.status))),
            Err(error) => Err(ProviderError::Unavailable(error.to_string())),
        }
    }
}

impl<H: Http> ImageProvider for Client<'_, H> {
    async fn create(&self, prediction: &NewPrediction) -> Result<Prediction, CreateError> {
        let mut body = json!({ "version": prediction.version, "input": prediction.input });
        if let (Some(webhook), Some(body)) = (&prediction.webhook, body.as_object_mut()) {
            body.insert("webhook".into(), json!(webhook));
            body.insert("webhook_events_filter".into(), json!(WEBHOOK_EVENTS));
        }
        let request = self
            .request("POST", "/predictions")
            .header("cancel-after", format!("{}s", prediction.deadline.as_secs().max(5)))
            .timeout(Duration::from_secs(30));
        read_created(self.http.send(with_json(request, &body)).await, self.origin)
    }

    async fn get(&self, prediction_id: &str) -> Result<Prediction, ProviderError> {
        let response = self.read_one(prediction_id).await?;
        read_prediction(&response.body, self.origin)
            .ok_or_else(|| ProviderError::Unavailable("not a prediction".into()))
    }

    async fn inline_image(&self, prediction_id: &str) -> Result<Option<String>, ProviderError> {
        Ok(inline_image(&self.read_one(prediction_id).await?.body))
    }

    async fn cancel(&self, prediction_id: &str) -> Result<Option<Prediction>, ProviderError> {
        let id = checked(prediction_id)?;
        let response = self.read(self.request("POST", &format!("/predictions/{id}/cancel"))).await?;
        Ok(read_prediction(&response.body, self.origin))
    }

    async fn list_since(
        &self,
        created_after_ms: u64,
        webhook: &str,
    ) -> Result<Vec<Prediction>, ProviderError> {
        let since = i64::try_from(created_after_ms)
            .ok()
            .and_then(chrono::DateTime::from_timestamp_millis)
            .unwrap_or_default()
            .to_rfc3339_opts(chrono::SecondsFormat::Secs, true);
        let mut found = Vec::new();
        let mut path = format!("/predictions?created_after={since}");
        for _ in 0..MAX_LIST_PAGES {
            let page: Page = serde_json::from_slice(
                &self.read(self.request("GET", &path).at_most(MAX_PREDICTION_BYTES)).await?.body,
            )
            .map_err(|_| ProviderError::Unavailable("not a list of predictions".into()))?;
            let ours = page.results.into_iter().filter(|one| one.names(webhook));
            found.extend(ours.filter_map(|one| one.read(self.origin)));
            let Some(next) = page.next else { return Ok(found) };
            // Only its query is used: the token goes nowhere but to our origin.
            let (_, query) = next
                .split_once('?')
                .ok_or_else(|| ProviderError::Unavailable("the next page has no cursor".into()))?;
            path = format!("/predictions?{query}");
        }
        Err(ProviderError::Unavailable("too many predictions to search".into()))
    }
}

/// One page of the list of predictions.
#[derive(Deserialize)]
struct Page {
    results: Vec<Answer>,
    #[serde(default)]
    next: Option<String>,
}

fn checked(prediction_id: &str) -> Result<&str, ProviderError> {
    if is_id(prediction_id) { Ok(prediction_id) } else { Err(ProviderError::NotFound) }
}

/// Reads the answer to a create. A 5xx or a broken connection may come after the prediction was
/// made, so neither may lead to a second one without a look.
fn read_created(answer: Result<HttpResponse, HttpError>, origin: &str) -> Result<Prediction, CreateError> {
    let response = answer.map_err(|error| CreateError::Unknown(error.to_string()))?;
    let body = json_of(&response);
    let text = |name: &str| body.get(name).and_then(Value::as_str).unwrap_or_default();
    let detail = || match text("detail").trim() {
        "" => "no detail".to_owned(),
        detail => without_queries(detail),
    };
    match response.status {
        200..=299 => read_prediction(&response.body, origin)
            .ok_or_else(|| CreateError::Unknown("not a prediction".into())),
        status @ (401 | 402) => Err(CreateError::Account { status, detail: detail() }),
        429 => {
            let seconds = body
                .get("retry_after")
                .and_then(Value::as_u64)
                .or(response.retry_after.map(u64::from))
                .unwrap_or(10);
            Err(CreateError::Throttled { retry_after: Duration::from_secs(seconds.clamp(1, 3600)) })
        }
        // A time-out or a conflict tells nothing of what became of the request.
        408 | 409 | 500.. => Err(CreateError::Unknown(format!("status {}", response.status))),
        // A page of something in between, which may have let the request through before.
        400..=499 if !body.is_object() && !response.body.is_empty() => {
            Err(CreateError::Unknown(format!("status {}, no JSON", response.status)))
        }
        status @ (403 | 404 | 410 | 451) => Err(CreateError::Model { status, detail: detail() }),
        // "Invalid version or not permitted", "This version has been disabled".
        status @ (400 | 422) if !is_about_input(status, &body) => {
            let detail = format!("{}: {}", text("title"), detail());
            Err(CreateError::Model { status, detail: detail.trim_start_matches(": ").to_owned() })
        }
        400..=499 => Err(CreateError::Rejected(detail())),
        status => Err(CreateError::Unknown(format!("status {status}"))),
    }
}

/// Whether a refusal speaks of the request's input, and not of the model, which is the same for all. What is
/// wrong with an input is told field by field or in words. Of the words only the title is sure to be the
/// provider's own, and a 400 may mean anything.
fn is_about_input(status: u16, body: &Value) -> bool {
    let text = |value: &Value, name: &str| {
        value.get(name).and_then(Value::as_str).unwrap_or_default().trim_start().to_ascii_lowercase()
    };
    if let Some(fields) = body.get("invalid_fields").and_then(Value::as_array) {
        return fields.iter().any(|field| text(field, "field").starts_with("input"));
    }
    let (title, detail) = (text(body, "title"), text(body, "detail"));
    let names_model = title.contains("version") || title.contains("model");
    !names_model && (status == 400 || detail.starts_with('-') || detail.contains("input"))
}
