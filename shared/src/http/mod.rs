//! The parts of the HTTP interface that do not depend on a server: routes and request fields.

pub mod fields;
pub mod route;
