//! What the three functions share on Cloudflare Workers: configuration from the environment, JSON
//! and problem answers, CORS, and the ports of `shared` over `fetch`. No decisions are made here.

mod answer;
mod authorize;
mod bounded;
mod client;
mod environment;
mod live;
mod rate_limit;
mod relay;
mod request;
mod serve;
mod signatures;
mod wake;
mod world;

pub use answer::Answer;
pub use authorize::{Caller, SignedIn, service_caller, signed_in};
pub use client::FetchClient;
pub use environment::{Workplace, budget, misconfigured, variables};
pub use live::{Invocation, LISTEN_PATH, LiveUpdates, PUBLISH_PATH, listen};
pub use rate_limit::within_limit;
pub use request::Incoming;
pub use serve::{origin_is_allowed, serve};
pub use wake::{JOBS_LEFT, WAKE_TIME, WEBHOOKS, WakeFor, wake, wakes};
pub use world::EdgeWorld;
