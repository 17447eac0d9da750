//! Who is let in, within the rate limit, and how Supabase is called for them.

use std::rc::Rc;

use edge::{
    Asker, Environment, FetchClient, Incoming, SignedIn, signed_in, supabase_for_users, user_or_server,
    within_limit,
};
use shared::adapters::supabase::Rpc;
use shared::http::problem::{Code, Problem};
use shared::ports::DatabaseError;
use shared::rate_limit;
use shared::settings::SupabaseSettings;
use uuid::Uuid;
use worker::console_error;

/// Somebody who was let in.
pub(crate) struct Access {
    supabase: Rc<SupabaseSettings>,
    asker: Asker,
}

impl Access {
    pub(crate) fn is_server(&self) -> bool {
        matches!(self.asker, Asker::Server(_))
    }

    /// SQL functions, called with what the asker has shown.
    pub(crate) fn rpc(&self) -> Rpc<'_, FetchClient> {
        let rpc = |token| Rpc::new(&FetchClient, &self.supabase.url, &self.supabase.key, token);
        match &self.asker {
            Asker::User(user) => rpc(Some(&user.token)),
            Asker::Server(key) => rpc(None).with_secret_key(key),
        }
    }

    /// Counts what a server asks for, by the user or the generation that it is about; a user is counted already.
    pub(crate) async fn count(&self, env: &Environment, about: Uuid) -> Result<(), Problem> {
        if self.is_server() { within_limit(env, &rate_limit::server_key(about)).await } else { Ok(()) }
    }

    /// What the database has said. A secret key that it does not take counts for the address that has sent it, as a
    /// token does.
    pub(crate) async fn judged<T>(
        &self,
        answer: Result<T, DatabaseError>,
        incoming: &Incoming,
        env: &Environment,
    ) -> Result<T, Problem> {
        let problem = match answer {
            Ok(answer) => return Ok(answer),
            Err(error) => problem(error),
        };
        if self.is_server() && problem.code == Code::Unauthorized {
            count(incoming, env, Err(&problem)).await?;
        }
        Err(problem)
    }
}

/// A signed-in user.
pub(crate) async fn admit(incoming: &Incoming, env: &Environment) -> Result<Access, Problem> {
    let (supabase, user) = admit_user(incoming, env).await?;
    Ok(Access { supabase, asker: Asker::User(user) })
}

/// A signed-in user, or a server.
pub(crate) async fn admit_asker(incoming: &Incoming, env: &Environment) -> Result<Access, Problem> {
    let supabase = supabase_for_users(env)?;
    let asker = user_or_server(incoming, env, &supabase).await;
    match &asker {
        Ok(Asker::User(user)) => count(incoming, env, Ok(user.user_id)).await?,
        Ok(Asker::Server(_)) => {}
        Err(problem) => count(incoming, env, Err(problem)).await?,
    }
    Ok(Access { supabase, asker: asker? })
}

/// A signed-in user, and Supabase.
pub(crate) async fn admit_user(
    incoming: &Incoming,
    env: &Environment,
) -> Result<(Rc<SupabaseSettings>, SignedIn), Problem> {
    let supabase = supabase_for_users(env)?;
    let user = signed_in(incoming, env, &supabase).await;
    count(incoming, env, user.as_ref().map(|user| user.user_id)).await?;
    Ok((supabase, user?))
}

async fn count(
    incoming: &Incoming,
    env: &Environment,
    caller: Result<Uuid, &Problem>,
) -> Result<(), Problem> {
    // Cloudflare sets the header, over whatever a client has sent.
    let address = incoming.header("cf-connecting-ip");
    match rate_limit::key(incoming.method(), caller, address.as_deref()) {
        Some(key) => within_limit(env, &key).await,
        None => Ok(()),
    }
}

pub(crate) fn problem(error: DatabaseError) -> Problem {
    if !matches!(error, DatabaseError::Refused(_)) {
        console_error!("{error}");
    }
    error.into_problem()
}
