//! The parts of the HTTP interface that do not depend on a server: routes, request fields, CORS.

pub mod cors;
pub mod fields;
pub mod route;
