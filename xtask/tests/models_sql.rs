//! The SQL of the table `models`: what is new is found, and nothing else.

use serde_json::json;
use shared::catalogue::Catalogue;
use xtask::models_sql::{Known, changes, known, learn, sql};

fn catalogue(ids: &[(&str, &str)]) -> Catalogue {
    let entry = |(id, name): &(&str, &str)| {
        json!({
            "id": id, "name": name, "description": "It's, \"one\", (of) many", "operations": ["generate"],
            "output": "list", "estimated_seconds": 4, "active": true, "facts": "ours",
            "size": "1024x1024",
            "input": {
                "prompt": { "type": "string", "role": "prompt", "required": true },
                "aspect_ratio": { "type": "string", "role": "aspect_ratio", "enum": ["1:1", "16:9"] },
            },
        })
    };
    Catalogue::parse(&json!({ "models": ids.iter().map(entry).collect::<Vec<_>>() }).to_string())
        .unwrap_or_default()
}

/// What migrations say, one after the other.
fn said(migrations: &[&str]) -> Known {
    let mut known = Known::new();
    for migration in migrations {
        assert_eq!(learn(&mut known, migration), Ok(()));
    }
    known
}

#[test]
fn the_whole_table_leaves_no_changes() {
    let catalogue = catalogue(&[("a/one", "One"), ("a/two", "Two")]);
    assert!(sql(&catalogue).contains("'a/two'"), "{}", sql(&catalogue));
    assert_eq!(changes(&catalogue, &said(&[&sql(&catalogue)])).unwrap(), "");
}

#[test]
fn a_new_model_in_the_middle_is_one_row_and_moves_those_behind_it() {
    let first = sql(&catalogue(&[("a/one", "One"), ("a/two", "Two"), ("b/three", "Three")]));
    let grown = catalogue(&[("a/one", "One"), ("a/new", "New"), ("a/two", "Two"), ("b/three", "Three")]);
    let second = changes(&grown, &said(&[&first])).unwrap();
    let lines: Vec<_> = second.lines().filter(|line| line.starts_with("  ('")).collect();
    assert!(lines[0].starts_with("  ('a/new', null, 'new', 'New', 'It''s, \"one\", (of) many',"), "{second}");
    assert!(lines[0].ends_with(", 20)"), "{second}");
    assert_eq!(lines[1..], ["  ('a/two', 30),", "  ('b/three', 40)"], "{second}");
    assert!(second.contains("on conflict (replicate_id) do update"), "{second}");
    assert_eq!(changes(&grown, &said(&[&first, &second])).unwrap(), "", "then nothing is left");
}

#[test]
fn at_the_end_nothing_moves() {
    let first = sql(&catalogue(&[("a/one", "One")]));
    let second = changes(&catalogue(&[("a/one", "One"), ("b/two", "Two")]), &said(&[&first])).unwrap();
    assert!(second.contains("('b/two'") && !second.contains("update public.models"), "{second}");
}

#[test]
fn a_change_is_the_row_of_that_model_alone() {
    let first = sql(&catalogue(&[("a/one", "One"), ("a/two", "Two")]));
    let renamed = catalogue(&[("a/one", "One"), ("a/two", "Deux")]);
    let second = changes(&renamed, &said(&[&first])).unwrap();
    assert!(second.contains("'Deux'") && !second.contains("a/one"), "{second}");
    assert_eq!(changes(&renamed, &said(&[&first, &second])).unwrap(), "");
}

#[test]
fn a_model_does_not_leave() {
    let first = sql(&catalogue(&[("a/one", "One"), ("a/two", "Two")]));
    let error = changes(&catalogue(&[("a/one", "One")]), &said(&[&first])).unwrap_err();
    assert!(error.contains("a/two") && error.contains("active"), "{error}");
}

#[test]
fn what_only_looks_like_a_row_is_named() {
    for line in ["  ('a/one')", "  ('a/one', ten)", "  ('never/added', 10)"] {
        let error = learn(&mut Known::new(), line).unwrap_err();
        assert!(error.contains(line.trim()), "{error}");
    }
}

#[test]
fn the_migrations_say_what_the_catalogue_says() {
    let missing = changes(Catalogue::builtin(), &known().unwrap()).unwrap();
    assert!(
        missing.is_empty(),
        "put this into a new migration (docs/guides/models.md): \
         npm run -s models:sql -- changes > supabase/migrations/<number>_model_<name>.sql\n{missing}",
    );
}
