//! Picture Queue without its surroundings: the domain, the use cases, and the adapters to Supabase
//! and Replicate, all on ports that a Worker or a test implements.
//!
//! A folder says what may be touched where: the use cases (`pipeline`) and the `adapters` stand on the `ports`,
//! these on what the domain is made of, and no room names one above it. Nothing here calls Cloudflare
//! Workers, and nothing here is an entry point; the limits of a Worker are known where a
//! budget follows from them (`pipeline/drain.rs`).

pub mod adapters;
pub mod auth;
pub mod catalogue;
pub mod health;
pub mod http;
pub mod job;
pub mod live;
pub mod metrics;
pub mod pipeline;
pub mod policy;
pub mod ports;
pub mod progress;
pub mod rate_limit;
pub mod settings;
