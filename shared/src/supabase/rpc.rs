//! One call of a SQL function over PostgREST.
//!
//! The `postgrest` crate builds the request; our own HTTP port sends it, because the crate's
//! `execute` has no time-out.

use std::time::Duration;

use postgrest::Postgrest;
use serde_json::Value;

use crate::live::take_changes;
use crate::ports::{Http, HttpError, HttpRequest, HttpResponse, LiveChannel};
use crate::problem::{Code, Problem};

/// Why a call gave no result.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum RpcError {
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
    pub fn is_repeatable(&self, idempotent: bool) -> bool {
        match self {
            Self::Transient(_) | Self::Denied(_) => true,
            Self::Unavailable(_) => idempotent,
            Self::Refused(_) | Self::Forbidden(_) | Self::Defect(_) => false,
        }
    }

    /// What the caller of the HTTP interface sees of it.
    pub fn into_problem(self) -> Problem {
        match self {
            Self::Refused(problem) => problem,
            Self::Transient(_) | Self::Unavailable(_) | Self::Denied(_) => Problem::unavailable(),
            Self::Forbidden(_) | Self::Defect(_) => Problem::internal(),
        }
    }

    /// The same for the operator, whose key it is that was not accepted.
    pub fn into_operators_problem(self) -> Problem {
        let denied = matches!(self, Self::Denied(_));
        let mut problem = self.into_problem();
        if denied {
            problem.detail =
                "Supabase refuses this Worker's key: is SUPABASE_SERVICE_ROLE_KEY the project's secret key?"
                    .into();
        }
        problem
    }
}

/// Calls SQL functions with one token.
pub struct Rpc<'a, H> {
    http: &'a H,
    postgrest: Postgrest,
    token: Option<&'a str>,
    live: Option<&'a dyn LiveChannel>,
}

impl<'a, H: Http> Rpc<'a, H> {
    /// `api_key` is the project's anon or service key; `token` the user's JWT, or the service key where
    /// it is one ([`SupabaseSettings::bearer`](crate::settings::SupabaseSettings::bearer)).
    /// Both must be plain ASCII without spaces (`Settings` and the token check see to it).
    pub fn new(http: &'a H, supabase_url: &str, api_key: &str, token: Option<&'a str>) -> Self {
        let postgrest = Postgrest::new(format!("{supabase_url}/rest/v1")).insert_header("apikey", api_key);
        Self { http, postgrest, token, live: None }
    }

    /// Hands what the functions say to have changed to the live channel.
    #[must_use]
    pub fn telling(mut self, live: &'a dyn LiveChannel) -> Self {
        self.live = Some(live);
        self
    }

    /// Calls `function` with named arguments. What the answer says to have changed is for the live
    /// channel alone and taken out of it.
    pub async fn call(&self, function: &str, arguments: &Value) -> Result<Value, RpcError> {
        let mut answer = self.ask(function, arguments).await?;
        let changes = take_changes(&mut answer);
        if let Some(live) = self.live
            && !changes.is_empty()
        {
            live.publish(changes);
        }
        Ok(answer)
    }

    async fn ask(&self, function: &str, arguments: &Value) -> Result<Value, RpcError> {
        let request = self.build(function, arguments)?;
        match self.http.send(request).await {
            Ok(response) => read(function, &response),
            Err(error @ HttpError::TooLarge) => Err(RpcError::Defect(format!("{function}: {error}"))),
            Err(error) => Err(RpcError::Unavailable(format!("{function}: {error}"))),
        }
    }

    fn build(&self, function: &str, arguments: &Value) -> Result<HttpRequest, RpcError> {
        let call = self.postgrest.rpc(function, arguments.to_string());
        let call = match self.token {
            Some(token) => call.auth(token),
            None => call,
        };
        let built =
            call.build().build().map_err(|_| RpcError::Defect("SUPABASE_URL is not a valid URL".into()))?;
        let mut request = HttpRequest::new("POST", built.url().as_str()).within(Duration::from_secs(10));
        for (name, value) in built.headers() {
            if let Ok(value) = value.to_str() {
                request.headers.push((name.as_str().to_owned(), value.to_owned()));
            }
        }
        let body = built.body().and_then(|body| body.as_bytes()).unwrap_or_default();
        request.body = String::from_utf8_lossy(body).into_owned();
        Ok(request)
    }
}

/// Reads PostgREST's answer. Our functions raise `PTxyz` with the stable code in `details` and in
/// `hint` words such as `retry_after=60 limit=requests_per_minute` or `field=prompt`; <https://docs.postgrest.org/en/stable/references/errors.html>.
fn read(function: &str, response: &HttpResponse) -> Result<Value, RpcError> {
    let body = match serde_json::from_slice(&response.body) {
        Ok(body) => body,
        // What a function without a result answers.
        Err(_) if response.status == 204 => Value::Null,
        // A page of something in between, whatever its status.
        Err(_) => {
            return Err(RpcError::Unavailable(format!("{function}: status {}, no JSON", response.status)));
        }
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

    #[test]
    fn internal_words_never_reach_the_user() {
        let body = r#"{"code":"42703","message":"column \"x\" does not exist","details":null,"hint":null}"#;
        for status in [400, 401, 403, 404, 500, 503] {
            let problem = answer(status, body).unwrap_err().into_problem();
            assert!(!problem.body().to_string().contains("column"), "{status}");
        }
    }

    #[test]
    fn the_operator_is_told_of_a_refused_key() {
        let error = answer(401, r#"{"message":"Invalid API key"}"#).unwrap_err();
        let problem = error.clone().into_operators_problem();
        assert_eq!((problem.code, problem.retry_after), (Code::Unavailable, Some(5)));
        assert!(problem.detail.contains("SUPABASE_SERVICE_ROLE_KEY"), "{}", problem.detail);
        assert!(!error.into_problem().detail.contains("SUPABASE"));
        let error = answer(503, "{}").unwrap_err();
        assert_eq!(error.clone().into_operators_problem(), error.into_problem());
    }

    #[test]
    fn success_is_json_or_nothing() {
        assert_eq!(answer(200, "[1]"), Ok(serde_json::json!([1])));
        assert_eq!(answer(204, ""), Ok(Value::Null));
        assert!(matches!(answer(200, ""), Err(RpcError::Unavailable(_))), "something in between");
    }
}
