//! `docs/reference/bounds.md` is up to date: the tests of the database read it.

use std::fs;

#[expect(dead_code, reason = "main is the example's own")]
#[path = "../examples/bounds.rs"]
mod bounds;

#[test]
fn the_document_is_what_the_parsers_say() {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/reference/bounds.md");
    assert_eq!(
        fs::read_to_string(file).unwrap(),
        bounds::written(),
        "run `cargo run -p shared --example bounds`"
    );
}
