//! What is taken from outside: how much of each field, which URLs and addresses, which files.

pub mod address_policy;
pub mod bounds;
pub mod image_file;
pub mod svg;
pub mod url_policy;
