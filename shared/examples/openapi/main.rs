//! Writes the description of the HTTP interface, `shared/src/openapi.json`, from the types of
//! [`shared::api`]: `cargo run -p shared --example openapi`.

use std::path::Path;
use std::{fs, io};

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
pub use write::written;

fn main() -> io::Result<()> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/openapi.json");
    fs::write(file, written(&document()))
}
