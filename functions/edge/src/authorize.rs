//! Who calls: a signed-in user, the service, or another of our Workers.

use std::cell::RefCell;
use std::time::Duration;

use serde::Deserialize;
use shared::ports::{Clock, Http, HttpRequest};
use shared::problem::{Code, Problem};
use shared::service_key;
use shared::settings::{SettingsError, SupabaseSettings};
use shared::supabase::token::{FetchReason, JwksCache, KeySet, SharedSecret, TokenError, Verifier};
use uuid::Uuid;
use worker::{Context, Env, console_warn};

use crate::client::FetchClient;
use crate::environment::{misconfigured, variables};
use crate::request::Incoming;
use crate::world::EdgeWorld;

thread_local! {
    /// The project's public keys, kept as long as the isolate lives.
    static JWKS: RefCell<JwksCache> = RefCell::default();
}

/// A signed-in user.
#[derive(Debug)]
pub struct SignedIn {
    /// Whose token it is.
    pub user_id: Uuid,
    /// The token. PostgREST verifies it once more.
    pub token: String,
    /// The end of the token's life, in seconds since 1970.
    pub expires_at: u64,
}

/// Verifies the token of a signed-in user.
pub async fn signed_in(
    incoming: &Incoming,
    env: &Env,
    supabase: &SupabaseSettings,
) -> Result<SignedIn, Problem> {
    let token = incoming.bearer().or_else(|| incoming.subprotocol_token());
    let token = token.ok_or_else(|| refused(&TokenError::Missing))?;
    let secret = shared_secret(env)?;
    let now = EdgeWorld.now_s();
    if JWKS.with_borrow(|jwks| jwks.needs_fetch(now, FetchReason::Age)) {
        fetch_keys(supabase, now).await;
    }
    let verify = |token: &str| {
        JWKS.with_borrow(|jwks| {
            let verified = Verifier::new(secret.as_ref(), jwks.keys(now)).verify(token, now);
            (verified, jwks.keys(now).is_some())
        })
    };
    let (mut verified, mut keys_held) = verify(&token);
    let unknown_key = matches!(verified, Err(TokenError::UnknownKey { .. }));
    if unknown_key && JWKS.with_borrow(|jwks| jwks.needs_fetch(now, FetchReason::UnknownKey)) {
        fetch_keys(supabase, now).await;
        (verified, keys_held) = verify(&token);
    }
    match verified {
        Ok(user) => Ok(SignedIn { user_id: user.id, token, expires_at: user.expires_at }),
        // Without any key the token cannot be judged: that is our failure.
        Err(TokenError::UnknownKey { .. }) if !keys_held => Err(Problem::unavailable()),
        Err(error) => Err(refused(&error)),
    }
}

/// Who may run the private functions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Caller {
    /// Whoever holds the service key.
    ServiceKey,
    /// Another of our Workers, over its service binding.
    Binding,
}

/// Lets in who calls over a service binding or with the service key; 401 for everybody else.
/// What a binding's `props` say cannot be forged from outside:
/// <https://developers.cloudflare.com/workers/runtime-apis/context/#props>.
pub fn service_caller(incoming: &Incoming, context: &Context, service_key: &str) -> Result<Caller, Problem> {
    #[derive(Deserialize)]
    struct Props {
        caller: Option<String>,
    }
    if context.props::<Props>().is_ok_and(|props| props.caller.is_some()) {
        return Ok(Caller::Binding);
    }
    let given = incoming.bearer().or_else(|| incoming.header("apikey"));
    if given.is_some_and(|given| service_key::matches(&given, service_key)) {
        return Ok(Caller::ServiceKey);
    }
    Err(Problem::new(Code::Unauthorized, "This path needs the service key."))
}

fn refused(error: &TokenError) -> Problem {
    Problem::new(Code::Unauthorized, error.to_string())
}

fn shared_secret(env: &Env) -> Result<Option<SharedSecret>, Problem> {
    let Some(secret) = variables(env).optional("SUPABASE_JWT_SECRET") else { return Ok(None) };
    SharedSecret::new(&secret)
        .map(Some)
        .map_err(|error| misconfigured(&SettingsError(format!("SUPABASE_JWT_SECRET: {error}"))))
}

async fn fetch_keys(supabase: &SupabaseSettings, now: u64) {
    let url = format!("{}/auth/v1/.well-known/jwks.json", supabase.url);
    let request = HttpRequest::new("GET", url).header("apikey", &supabase.key).within(Duration::from_secs(5));
    let keys = match FetchClient.send(request).await {
        Ok(response) if response.is_success() => {
            KeySet::parse(&response.body).map_err(|error| error.to_string())
        }
        Ok(response) => Err(format!("status {}", response.status)),
        Err(error) => Err(error.to_string()),
    };
    JWKS.with_borrow_mut(|jwks| match keys {
        Ok(keys) => jwks.fetched(keys, now),
        Err(error) => {
            console_warn!("the project's public keys could not be fetched: {error}");
            jwks.fetch_failed(now);
        }
    });
}
