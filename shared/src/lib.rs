//! Picture Queue without its surroundings: the domain, the use cases, and the adapters to Supabase
//! and Replicate, all on ports that a Worker or a test implements.
//!
//! Data flows one way: request → domain → port → adapter. Nothing here knows Cloudflare Workers,
//! and nothing here is an entry point.

pub mod address_policy;
pub mod api;
pub mod catalogue;
pub mod dns;
pub mod health;
pub mod http;
pub mod idempotency;
pub mod image_file;
pub mod job;
mod json_body;
pub mod list_query;
pub mod live;
pub mod metrics;
pub mod persist;
pub mod pipeline;
pub mod ports;
pub mod problem;
pub mod progress;
pub mod rate_limit;
pub mod replicate;
pub mod request;
pub mod service_key;
pub mod settings;
pub mod supabase;
pub mod svg;
pub mod url_policy;
pub mod webhook;
