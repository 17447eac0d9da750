//! Who calls: a signed-in user, the service, or another of our Workers.

use shared::auth::service_key::{ServiceKeys, is_meant_for_service};
use shared::auth::token::{Authenticator, Denied, SharedSecret, TokenError};
use shared::http::problem::{Code, Problem};
use shared::settings::{SettingsError, SupabaseSettings};
use uuid::Uuid;
use worker::{Context, console_warn};

use crate::client::FetchClient;
use crate::environment::{Environment, misconfigured, variables};
use crate::host;
use crate::request::Incoming;
use crate::runtime::EdgeRuntime;
use crate::token_signatures::WebCrypto;

/// A signed-in user.
#[derive(Debug)]
pub struct SignedIn {
    /// Whose token it is.
    pub user_id: Uuid,
    /// The token. Whom it is sent to, PostgREST or Storage, verifies it once more.
    pub token: String,
    /// The end of the token's life, in seconds since 1970.
    pub expires_at: u64,
}

/// Verifies the token of a signed-in user.
pub async fn signed_in(
    incoming: &Incoming,
    env: &Environment,
    supabase: &SupabaseSettings,
) -> Result<SignedIn, Problem> {
    let token = incoming.bearer().or_else(|| incoming.subprotocol_token());
    let token = token.ok_or_else(|| refused(&instead_of_token(incoming)))?;
    if token.starts_with("sb_") {
        return Err(refused(&TokenError::ApiKey));
    }
    let secret = env.made.secret.get_or_make(|| shared_secret(env)).map_err(|error| misconfigured(&error))?;
    let authenticator = Authenticator {
        http: &FetchClient,
        signatures: &WebCrypto,
        runtime: &EdgeRuntime,
        project_url: &supabase.url,
        api_key: &supabase.key,
        secret: secret.as_ref().as_ref(),
        cache: &env.made.jwks,
    };
    let warn = |error: &str| console_warn!("the project's public keys could not be fetched: {error}");
    match authenticator.user(&token, warn).await {
        Ok(user) => Ok(SignedIn { user_id: user.id, token, expires_at: user.expires_at }),
        Err(Denied::Token(error)) => Err(refused(&error)),
        Err(Denied::NoKeys { retry_after }) => {
            Err(Problem { retry_after: Some(retry_after), ..Problem::unavailable() })
        }
    }
}

/// What a request has that has no token.
fn instead_of_token(incoming: &Incoming) -> TokenError {
    match incoming.header("authorization") {
        Some(_) => TokenError::NoBearer,
        None if incoming.header("apikey").is_some() => TokenError::ApiKey,
        None => TokenError::Missing,
    }
}

/// Who asks for what is a user's.
#[derive(Debug)]
pub enum Asker {
    /// The user.
    User(SignedIn),
    /// A server of the app's, with what it says is the project's secret key. Supabase judges the key: we have none to
    /// compare it with.
    Server(String),
}

/// Who asks: by a user's token, else by a secret key as bearer token or `apikey`.
pub async fn user_or_server(
    incoming: &Incoming,
    env: &Environment,
    supabase: &SupabaseSettings,
) -> Result<Asker, Problem> {
    match signed_in(incoming, env, supabase).await {
        Ok(user) => Ok(Asker::User(user)),
        // Looked for where there is no user only: it takes a header more. A bearer token that is there decides: who
        // hands on a user's token beside the key means the user, also where the token is no good.
        Err(problem) => {
            let given = incoming.bearer().or_else(|| incoming.header("apikey"));
            given.filter(|given| is_meant_for_service(given)).map(Asker::Server).ok_or(problem)
        }
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

/// Lets in who calls over a service binding or with one of the service keys, as `apikey` or as bearer token,
/// whatever the other header says; 401 for everybody else.
/// What a binding's `props` say cannot be forged from outside:
/// <https://developers.cloudflare.com/workers/runtime-apis/context/#props>.
pub fn service_caller(incoming: &Incoming, context: &Context, keys: &ServiceKeys) -> Result<Caller, Problem> {
    if host::is_bound(context.as_ref()) {
        return Ok(Caller::Binding);
    }
    let given = [incoming.header("apikey"), incoming.bearer()];
    if given.into_iter().flatten().any(|given| keys.include(&given)) {
        return Ok(Caller::ServiceKey);
    }
    Err(Problem::new(Code::Unauthorized, "This path needs the service key."))
}

fn refused(error: &TokenError) -> Problem {
    Problem::new(Code::Unauthorized, error.to_string())
}

fn shared_secret(env: &Environment) -> Result<Option<SharedSecret>, SettingsError> {
    let Some(secret) = variables(env).optional("SUPABASE_JWT_SECRET") else { return Ok(None) };
    SharedSecret::new(&secret)
        .map(Some)
        .map_err(|error| SettingsError(format!("SUPABASE_JWT_SECRET: {error}")))
}
