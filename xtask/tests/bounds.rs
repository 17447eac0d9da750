//! `docs/reference/bounds.md` is up to date: the tests of the database read it.

use std::fs;

use xtask::{bounds, in_project};

#[test]
fn the_document_is_what_the_parsers_say() {
    assert_eq!(
        fs::read_to_string(in_project(bounds::FILE)).unwrap(),
        bounds::written(),
        "run npm run docs:bounds"
    );
}
