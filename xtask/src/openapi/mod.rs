//! Writes the description of the HTTP interface, `shared/src/http/openapi.json`, from the types of
//! [`shared::http::types`]: `npm run openapi`.

mod document;
mod operations;
mod parts;
mod problems;
mod samples;
mod schemas;
mod write;

pub use document::document;
pub use operations::code_sets;
pub use problems::ELSEWHERE;
pub use schemas::given;
pub use write::written;

/// What is written, by its path from the root.
pub const FILE: &str = "shared/src/http/openapi.json";
