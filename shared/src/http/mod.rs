//! The HTTP interface, without a server: its routes and CORS, what is read from a request, the types of bodies and
//! answers, problems, and the description of all this.

pub mod batch;
pub mod cors;
pub mod fields;
pub mod idempotency;
pub mod json_text;
pub mod known_fields;
pub mod list_query;
pub mod marks;
pub mod models;
pub mod named_user;
pub mod problem;
mod prompts;
pub mod query;
pub mod request;
pub mod rerun;
pub mod router;
pub mod routes;
pub mod traceparent;
pub mod types;
