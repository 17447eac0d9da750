//! What the three functions share on Cloudflare Workers: configuration from the environment, JSON
//! and problem answers, CORS, and the ports of `shared` over `fetch`. No decisions are made here.

mod answer;
mod authorize;
mod client;
mod environment;
mod forward;
mod host;
mod live;
mod pipe;
mod rate_limit;
mod request;
mod runtime;
mod serve;
mod token_signatures;
mod wake;

pub use answer::Answer;
pub use authorize::{Asker, Caller, SignedIn, service_caller, signed_in, user_or_server};
pub use client::FetchClient;
pub use environment::{
    App, Environment, budget, misconfigured, moderation, supabase_for_users, variables,
    webhook_allowed_origins,
};
pub use forward::forward;
pub use live::{Invocation, LISTEN_PATH, LiveUpdates, PUBLISH_PATH, listen};
pub use rate_limit::within_limit;
pub use request::Incoming;
pub use runtime::{EdgeRuntime, note};
pub use serve::{origin_is_allowed, serve};
pub use wake::{JOBS_LEFT, WAKE_TIME, WEBHOOKS, WakeFor, wake, wakes};
