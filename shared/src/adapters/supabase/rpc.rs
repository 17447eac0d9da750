//! One call of a SQL function over PostgREST.
//!
//! The `postgrest` crate builds each function's request, once; what varies is the token and the arguments. Our
//! own HTTP port sends it, because the crate's `execute` has no time-out.

use std::cell::RefCell;
use std::time::Duration;

use postgrest::Postgrest;
use serde::de::IgnoredAny;
use serde_json::Value;

use crate::http::json_text::JsonText;
use crate::http::problem::{Code, Problem};
use crate::http::traceparent::TRACEPARENT;
use crate::live::take_changes;
use crate::ports::{Http, HttpError, HttpRequest, HttpResponse, LiveChannel};
use crate::settings::bearer;

/// Why a call gave no result.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub(super) enum RpcError {
    /// The function refused, in words that the user may read.
    #[error("{0}")]
    Refused(Problem),
    /// Refused for a reason that passes. Nothing was changed: worth trying again at once.
    #[error("{0}")]
    Transient(String),
    /// No answer, or one that says nothing of our request: whether it took effect is unknown.
    #[error("{0}")]
    Unavailable(String),
    /// The key or the token was not accepted (401), and nothing was changed. The tokens that we send are
    /// verified, so that passes as a rule: the clocks inside Supabase differ, or keys are being rotated.
    #[error("not authorized: {0}")]
    Denied(String),
    /// A right is missing (42501), and nothing was changed.
    #[error("{0}")]
    Forbidden(String),
    /// An answer that should not happen: a defect.
    #[error("{0}")]
    Defect(String),
}

impl RpcError {
    /// Whether the same call may be sent again: `idempotent` says that it may have taken effect already.
    pub(super) fn is_repeatable(&self, idempotent: bool) -> bool {
        match self {
            Self::Transient(_) | Self::Denied(_) => true,
            Self::Unavailable(_) => idempotent,
            Self::Refused(_) | Self::Forbidden(_) | Self::Defect(_) => false,
        }
    }
}

/// What the crate made of a function at one address with one key.
struct Built {
    supabase_url: String,
    api_key: String,
    function: String,
    request: HttpRequest,
}

/// More than all functions that we call: only a test calls with many addresses.
const MAX_BUILT: usize = 64;

thread_local! {
    static BUILT: RefCell<Vec<Built>> = const { RefCell::new(Vec::new()) };
}

/// Calls SQL functions with one token.
pub struct Rpc<'a, H> {
    http: &'a H,
    supabase_url: &'a str,
    api_key: &'a str,
    token: Option<&'a str>,
    secret_key: Option<&'a str>,
    live: Option<&'a dyn LiveChannel>,
    traceparent: Option<&'a str>,
}

impl<'a, H: Http> Rpc<'a, H> {
    /// `api_key` is the project's anon or service key; `token` the user's JWT, or the service key where
    /// it is one ([`SupabaseSettings::bearer`](crate::settings::SupabaseSettings::bearer)).
    /// Both must be plain ASCII without spaces (`Settings` and the token check see to it).
    pub fn new(http: &'a H, supabase_url: &'a str, api_key: &'a str, token: Option<&'a str>) -> Self {
        Self { http, supabase_url, api_key, token, secret_key: None, live: None, traceparent: None }
    }

    /// Calls with a secret key that somebody has sent us, in place of our own key and of a token. Supabase judges it.
    #[must_use]
    pub fn with_secret_key(mut self, key: &'a str) -> Self {
        self.token = bearer(key);
        self.secret_key = Some(key);
        self
    }

    /// Hands what the functions say to have changed to the live channel.
    #[must_use]
    pub fn with_live_channel(mut self, live: &'a dyn LiveChannel) -> Self {
        self.live = Some(live);
        self
    }

    /// Tells the functions to which trace their calls belong: they keep it with the jobs that they make.
    #[must_use]
    pub fn with_traceparent(mut self, traceparent: Option<&'a str>) -> Self {
        self.traceparent = traceparent;
        self
    }

    /// Calls `function` with named arguments. What the answer says to have changed is for the live
    /// channel alone and taken out of it.
    pub(super) async fn call(&self, function: &str, arguments: &Value) -> Result<Value, RpcError> {
        let answer = read(function, &self.send(function, arguments).await?);
        let mut answer = answer.map_err(|error| self.of_callers_key(error))?;
        let changes = take_changes(&mut answer);
        if let Some(live) = self.live
            && !changes.is_empty()
        {
            live.publish(changes);
        }
        Ok(answer)
    }

    /// Calls a function that changes nothing, and gives its answer as it came: it is JSON, and no more is looked at.
    pub(super) async fn pass(&self, function: &str, arguments: &Value) -> Result<JsonText, RpcError> {
        let response = self.send(function, arguments).await?;
        if !response.is_success() {
            let answer = read(function, &response).map(|body| JsonText::new(body.to_string()));
            return answer.map_err(|error| self.of_callers_key(error));
        }
        match String::from_utf8(response.body) {
            Ok(text) if serde_json::from_str::<IgnoredAny>(&text).is_ok() => Ok(JsonText::new(text)),
            _ => Err(no_json(function, response.status)),
        }
    }

    /// A secret key that somebody has sent was not verified before, as a token is: it is theirs that is wrong.
    fn of_callers_key(&self, error: RpcError) -> RpcError {
        match error {
            RpcError::Denied(_) if self.secret_key.is_some() => RpcError::Refused(not_the_key()),
            error => error,
        }
    }

    async fn send(&self, function: &str, arguments: &Value) -> Result<HttpResponse, RpcError> {
        let request = self.build(function, arguments)?;
        self.http.send(request).await.map_err(|error| match error {
            HttpError::TooLarge => RpcError::Defect(format!("{function}: {error}")),
            HttpError::Timeout | HttpError::Connection => {
                RpcError::Unavailable(format!("{function}: {error}"))
            }
        })
    }

    fn build(&self, function: &str, arguments: &Value) -> Result<HttpRequest, RpcError> {
        let mut request = match self.built(function) {
            Some(request) => request,
            None => self.build_first(function)?,
        };
        // Not kept with the requests that are built: it is not ours.
        if let Some(key) = self.secret_key {
            request.headers.retain(|(name, _)| name != "apikey");
            request = request.header("apikey", key);
        }
        if let Some(token) = self.token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        if let Some(traceparent) = self.traceparent {
            request = request.header(TRACEPARENT, traceparent);
        }
        request.body = arguments.to_string();
        Ok(request)
    }

    fn built(&self, function: &str) -> Option<HttpRequest> {
        BUILT.with_borrow(|all| {
            let known = all.iter().find(|it| {
                it.function == function && it.supabase_url == self.supabase_url && it.api_key == self.api_key
            })?;
            Some(known.request.clone())
        })
    }

    /// Has the crate build a function's request.
    fn build_first(&self, function: &str) -> Result<HttpRequest, RpcError> {
        let postgrest =
            Postgrest::new(format!("{}/rest/v1", self.supabase_url)).insert_header("apikey", self.api_key);
        let built = postgrest
            .rpc(function, "")
            .build()
            .build()
            .map_err(|_| RpcError::Defect("SUPABASE_URL is not a valid URL".into()))?;
        let mut request = HttpRequest::new("POST", built.url().as_str()).timeout(Duration::from_secs(10));
        for (name, value) in built.headers() {
            if let Ok(value) = value.to_str() {
                request = request.header(name.as_str(), value);
            }
        }
        BUILT.with_borrow_mut(|all| {
            if all.len() >= MAX_BUILT {
                all.clear();
            }
            all.push(Built {
                supabase_url: self.supabase_url.to_owned(),
                api_key: self.api_key.to_owned(),
                function: function.to_owned(),
                request: request.clone(),
            });
        });
        Ok(request)
    }
}

/// What a server hears whose key Supabase does not take.
pub(super) fn not_the_key() -> Problem {
    Problem::new(Code::Unauthorized, "This is not the project's secret key.")
}

/// Reads PostgREST's answer. Our functions raise `PTxyz` with the stable code in `details` and in
/// `hint` words such as `retry_after=60 limit=requests_per_minute` or `field=prompt`; <https://docs.postgrest.org/en/stable/references/errors.html>.
fn read(function: &str, response: &HttpResponse) -> Result<Value, RpcError> {
    let body = match serde_json::from_slice(&response.body) {
        Ok(body) => body,
        // What a function without a result answers.
        Err(_) if response.status == 204 => Value::Null,
        Err(_) => return Err(no_json(function, response.status)),
    };
    if response.is_success() {
        return Ok(body);
    }
    let text = |name: &str| body.get(name).and_then(Value::as_str).unwrap_or_default();
    if text("code").starts_with("PT")
        && let Some(code) = Code::from_name(text("details"))
    {
        let mut problem = Problem::new(code, text("message"));
        for word in text("hint").split_whitespace() {
            match word.split_once('=') {
                Some(("retry_after", seconds)) => problem.retry_after = seconds.parse().ok(),
                Some(("limit", name)) => problem.limit = Some(name.to_owned()),
                Some(("field", name)) => problem.field = Some(name.to_owned()),
                _ => {}
            }
        }
        return Err(RpcError::Refused(problem));
    }
    let summary = format!("{function}: status {} {} {}", response.status, text("code"), text("message"));
    Err(match (response.status, text("code")) {
        (401, _) => RpcError::Denied(summary),
        (_, "42501") => RpcError::Forbidden(summary),
        (_, code) if passes(code) => RpcError::Transient(summary),
        // Without a word of PostgREST's or of the database's it is the gateway that speaks.
        (408 | 425 | 429 | 500.., _) | (_, "") => RpcError::Unavailable(summary),
        _ => RpcError::Defect(summary),
    })
}

/// A page of something in between, whatever its status.
fn no_json(function: &str, status: u16) -> RpcError {
    RpcError::Unavailable(format!("{function}: status {status}, no JSON"))
}

/// Codes of PostgREST and of Postgres that say: not now, and nothing was changed.
/// <https://docs.postgrest.org/en/stable/references/errors.html>,
/// <https://www.postgresql.org/docs/current/errcodes-appendix.html>
fn passes(code: &str) -> bool {
    // No connection, an old schema cache, no free connection, and a schema cache behind a migration. Not
    // PGRST001: there a connection may have been lost with its transaction.
    const CODES: [&str; 7] = ["PGRST000", "PGRST002", "PGRST003", "PGRST202", "25006", "0A000", "55P03"];
    // Serialization and deadlock, resources (disk full, too many connections), operator's intervention
    // (shut down, starting up, statement time-out).
    const CLASSES: [&str; 3] = ["40", "53", "57"];
    CODES.contains(&code) || (code.len() == 5 && CLASSES.iter().any(|class| code.starts_with(class)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ports::{Accepted, PipeError, PipeHead};

    fn answer(status: u16, body: &str) -> Result<Value, RpcError> {
        read("f", &HttpResponse { status, retry_after: None, body: body.as_bytes().to_vec() })
    }

    #[test]
    fn a_refusal_keeps_its_code_sentence_and_wait() {
        let body = r#"{"code":"PT429","message":"Too many.","details":"quota_exceeded","hint":"retry_after=17 limit=images_per_day"}"#;
        let Err(RpcError::Refused(problem)) = answer(429, body) else { panic!("not a refusal") };
        assert_eq!(
            (problem.code, problem.detail.as_str(), problem.retry_after, problem.limit.as_deref()),
            (Code::QuotaExceeded, "Too many.", Some(17), Some("images_per_day"))
        );
    }

    struct Unused;

    impl Http for Unused {
        async fn send(&self, _: HttpRequest) -> Result<HttpResponse, HttpError> {
            Err(HttpError::Connection)
        }

        async fn pipe<E>(
            &self,
            _: HttpRequest,
            _: u64,
            _: impl FnOnce(&PipeHead<'_>) -> Result<Accepted<E>, E>,
        ) -> Result<(HttpResponse, u64), PipeError<E>> {
            Err(PipeError::Source(HttpError::Connection))
        }
    }

    #[test]
    fn a_request_that_was_built_before_has_the_token_and_the_arguments_of_its_call() {
        let seen = |url, key, token, function, arguments: &Value| {
            let request = Rpc::new(&Unused, url, key, token).build(function, arguments).unwrap();
            let header = |name: &str| {
                let values: Vec<_> = request.headers.iter().filter(|(known, _)| known == name).collect();
                assert!(values.len() <= 1, "{name}");
                values.first().map(|(_, value)| value.clone())
            };
            assert_eq!(header("content-type").as_deref(), Some("application/json"));
            (request.url.clone(), header("apikey"), header("authorization"), request.body.clone())
        };
        let text = |text: &str| Some(text.to_owned());
        for _ in 0..2 {
            for (key, token, n) in [("a", Some("one"), 1), ("a", Some("two"), 2), ("b", None, 3)] {
                for function in ["f", "g"] {
                    assert_eq!(
                        seen("https://x.co", key, token, function, &serde_json::json!({ "n": n })),
                        (
                            format!("https://x.co/rest/v1/rpc/{function}"),
                            text(key),
                            token.map(|token| format!("Bearer {token}")),
                            format!("{{\"n\":{n}}}"),
                        )
                    );
                }
            }
        }
        for n in 0..=MAX_BUILT {
            let key = n.to_string();
            assert!(Rpc::new(&Unused, "https://x.co", &key, None).build("f", &Value::Null).is_ok());
        }
        assert!(BUILT.with_borrow(Vec::len) <= MAX_BUILT);
    }

    #[test]
    fn a_secret_key_that_was_sent_takes_the_place_of_ours_and_is_not_kept() {
        let seen = |rpc: Rpc<'_, Unused>| {
            let mut headers = rpc.build("f", &Value::Null).unwrap().headers;
            headers.retain(|(name, _)| name == "apikey" || name == "authorization");
            headers.sort();
            headers.into_iter().map(|(_, value)| value).collect::<Vec<_>>()
        };
        let ours = || Rpc::new(&Unused, "https://secret.co", "anon", Some("token"));
        assert_eq!(seen(ours().with_secret_key("sb_secret_x")), ["sb_secret_x"], "it is no token");
        assert_eq!(seen(ours().with_secret_key("a.b.c")), ["a.b.c", "Bearer a.b.c"]);
        assert_eq!(seen(ours()), ["anon", "Bearer token"]);
        assert!(BUILT.with_borrow(|all| all.iter().all(|it| it.api_key != "sb_secret_x")));
    }

    #[test]
    fn success_is_json_or_nothing() {
        assert_eq!(answer(200, "[1]"), Ok(serde_json::json!([1])));
        assert_eq!(answer(204, ""), Ok(Value::Null));
        assert!(matches!(answer(200, ""), Err(RpcError::Unavailable(_))), "something in between");
    }
}
