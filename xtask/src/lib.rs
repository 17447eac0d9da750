//! What is generated from the Rust code: `cargo xtask`, or the commands of `docs/reference/commands.md`.
//! Tests compare the files with it.

use std::path::{Path, PathBuf};

pub mod bounds;
pub mod models_sql;
pub mod openapi;

/// A file of the project, by its path from the root.
#[must_use]
pub fn in_project(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(file)
}
