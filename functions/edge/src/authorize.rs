//! Who calls: a signed-in user, the service, or another of our Workers.

use std::cell::RefCell;
use std::rc::Rc;

use serde::Deserialize;
use shared::problem::{Code, Problem};
use shared::service_key::ServiceKeys;
use shared::settings::{SettingsError, SupabaseSettings};
use shared::supabase::token::{Authenticator, Denied, JwksCache, SharedSecret, TokenError};
use uuid::Uuid;
use worker::{Context, Env, console_warn};

use crate::client::FetchClient;
use crate::environment::{misconfigured, variables};
use crate::request::Incoming;
use crate::signatures::WebCrypto;
use crate::world::EdgeWorld;

thread_local! {
    /// The project's public keys, kept as long as the isolate lives.
    static JWKS: Rc<RefCell<JwksCache>> = Rc::default();
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
    let authenticator = Authenticator {
        http: &FetchClient,
        signatures: &WebCrypto,
        world: &EdgeWorld,
        supabase,
        secret: secret.as_ref(),
        cache: &JWKS.with(Rc::clone),
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
    #[derive(Deserialize)]
    struct Props {
        caller: Option<String>,
    }
    if context.props::<Props>().is_ok_and(|props| props.caller.is_some()) {
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

fn shared_secret(env: &Env) -> Result<Option<SharedSecret>, Problem> {
    let Some(secret) = variables(env).optional("SUPABASE_JWT_SECRET") else { return Ok(None) };
    SharedSecret::new(&secret)
        .map(Some)
        .map_err(|error| misconfigured(&SettingsError(format!("SUPABASE_JWT_SECRET: {error}"))))
}
