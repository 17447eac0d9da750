//! Live updates: who may listen is decided here, the user's channel does the rest.

use edge::{Answer, EdgeRuntime, Environment, Incoming, listen, origin_is_allowed};
use shared::auth::token::TokenError;
use shared::http::problem::{Code, Problem};
use shared::http::query;
use shared::http::routes::Target;
use shared::live::{Subscription, Transport, heard, protocol};
use shared::ports::Clock;
use uuid::Uuid;

use crate::access::admit_user;
use crate::generations::generation_id;

pub(crate) async fn one(incoming: &Incoming, env: &Environment, id: &str) -> Result<Answer, Problem> {
    connect(incoming, env, || generation_id(id).map(Some)).await
}

pub(crate) async fn all(incoming: &Incoming, env: &Environment) -> Result<Answer, Problem> {
    connect(incoming, env, || Ok(None)).await
}

async fn connect(
    incoming: &Incoming,
    env: &Environment,
    generation_id: impl FnOnce() -> Result<Option<Uuid>, Problem>,
) -> Result<Answer, Problem> {
    if !origin_is_allowed(incoming, env) {
        return Err(Problem::new(Code::Forbidden, "This origin may not listen here."));
    }
    let (_, caller) = admit_user(incoming, env).await?;
    query::check(Target::Events, incoming.search())?;
    let generation_id = generation_id()?;
    let header = |name: &str| incoming.header(name);
    let transport =
        Transport::of(incoming.method(), header("upgrade").as_deref(), header("accept").as_deref());
    let Some(transport) = transport else {
        return Err(Problem::new(
            Code::UpgradeRequired,
            "Live updates come over a WebSocket (Upgrade: websocket) or as server-sent events (Accept: \
             text/event-stream).",
        ));
    };
    let last = header("last-event-id").or_else(|| incoming.query(query::LAST_EVENT_ID));
    let since = heard(last.as_deref(), || incoming.query("since"))
        .map_err(|error| Problem::invalid("since", error.to_string()))?;
    // Verification grants a token some seconds more; a connection ends on time.
    if EdgeRuntime.now_s() >= caller.expires_at {
        return Err(Problem::new(Code::Unauthorized, TokenError::Expired.to_string()));
    }
    let subscription = Subscription {
        user_id: caller.user_id,
        generation_id,
        since,
        expires_at_ms: caller.expires_at.saturating_mul(1000),
        transport,
    };
    let response = listen(env, &subscription).await?;
    let answer = Answer::connection("text/event-stream", response);
    Ok(match transport {
        Transport::ServerSentEvents => answer.header("cache-control", "private, no-store, no-transform"),
        Transport::WebSocket
            if header("sec-websocket-protocol").is_some_and(|all| protocol::is_offered(&all)) =>
        {
            answer.header("sec-websocket-protocol", protocol::NAME)
        }
        Transport::WebSocket => answer,
    })
}
