//! Who is let in, within the rate limit, and how Supabase is called for them.

use std::cell::RefCell;
use std::rc::Rc;

use edge::{
    Asker, Environment, FetchClient, Incoming, SignedIn, signed_in, supabase_for_users, user_or_server,
    within_limit,
};
use shared::adapters::supabase::{Rpc, Sources};
use shared::auth::service_key::AcceptedKeys;
use shared::http::named_user::named_user;
use shared::http::problem::{Code, Problem};
use shared::ports::DatabaseError;
use shared::rate_limit;
use shared::settings::SupabaseSettings;
use uuid::Uuid;
use worker::console_error;

thread_local! {
    /// Secret keys that Supabase has accepted, as long as the isolate lives.
    static ACCEPTED: RefCell<AcceptedKeys> = const { RefCell::new(AcceptedKeys::new()) };
}

/// Somebody who was let in.
pub(crate) struct Access {
    supabase: Rc<SupabaseSettings>,
    asker: Asker,
}

impl Access {
    pub(crate) fn is_server(&self) -> bool {
        matches!(self.asker, Asker::Server(_))
    }

    /// Whose token it is; a server has none.
    pub(crate) fn user_id(&self) -> Option<Uuid> {
        match &self.asker {
            Asker::User(user) => Some(user.user_id),
            Asker::Server(_) => None,
        }
    }

    /// SQL functions, called with what the asker has shown.
    pub(crate) fn rpc(&self) -> Rpc<'_, FetchClient> {
        let rpc = |token| Rpc::new(&FetchClient, &self.supabase.url, &self.supabase.key, token);
        match &self.asker {
            Asker::User(user) => rpc(Some(&user.token)),
            Asker::Server(key) => rpc(None).with_secret_key(key),
        }
    }

    /// The user that a server acts for; `None` for a signed-in user, who names none.
    pub(crate) fn named(&self, user_id: Option<Uuid>) -> Result<Option<Uuid>, Problem> {
        named_user(self.is_server(), user_id)
    }

    /// The same, counted, of what changes something.
    pub(crate) async fn for_user(
        &self,
        env: &Environment,
        user_id: Option<Uuid>,
    ) -> Result<Option<Uuid>, Problem> {
        let named = self.named(user_id)?;
        if let Some(user_id) = named {
            self.count(env, user_id).await?;
        }
        Ok(named)
    }

    /// Uploads of the asker's, or of the user that a server has named.
    pub(crate) fn sources(&self, named: Option<Uuid>) -> Sources<'_> {
        match &self.asker {
            Asker::User(user) => Sources::new(&self.supabase, &user.token, user.user_id),
            Asker::Server(key) => Sources::of_server(&self.supabase, key, named.unwrap_or_default()),
        }
    }

    /// Counts what a server asks for, by the user, the generation or the image that it is about. A user is counted already, and so
    /// is a key of which nothing is known: whoever makes one up uses up no server's share.
    pub(crate) async fn count(&self, env: &Environment, about: Uuid) -> Result<(), Problem> {
        match &self.asker {
            Asker::Server(key) if is_accepted(key) => within_limit(env, &rate_limit::server_key(about)).await,
            _ => Ok(()),
        }
    }

    /// What the database has said; by that it is known whether a server's key is the project's.
    pub(crate) fn judged<T>(&self, answer: Result<T, DatabaseError>) -> Result<T, Problem> {
        let answer = answer.map_err(problem);
        let is_refused = answer.as_ref().is_err_and(|problem| {
            matches!(problem.code, Code::Unauthorized | Code::Unavailable | Code::InternalError)
        });
        if !is_refused {
            self.accepted();
        }
        answer
    }

    /// Supabase has taken what was shown.
    pub(crate) fn accepted(&self) {
        if let Asker::Server(key) = &self.asker {
            ACCEPTED.with_borrow_mut(|keys| keys.note(key));
        }
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
        Ok(Asker::Server(key)) if is_accepted(key) => {}
        Ok(Asker::Server(_)) => {
            within_limit(env, &rate_limit::address_key(address(incoming).as_deref())).await?
        }
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
    match rate_limit::key(incoming.method(), caller, address(incoming).as_deref()) {
        Some(key) => within_limit(env, &key).await,
        None => Ok(()),
    }
}

/// Cloudflare sets the header, over whatever a client has sent.
fn address(incoming: &Incoming) -> Option<String> {
    incoming.header("cf-connecting-ip")
}

fn is_accepted(key: &str) -> bool {
    ACCEPTED.with_borrow(|keys| keys.include(key))
}

pub(crate) fn problem(error: DatabaseError) -> Problem {
    if !matches!(error, DatabaseError::Refused(_)) {
        console_error!("{error}");
    }
    error.into_problem()
}
