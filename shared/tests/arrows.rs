//! Which room of the crate may name which: data flows from the use cases over the ports to the adapters, and no
//! module reaches around them. The table stands in docs/concepts/architecture.md, which shows it to readers, too.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on must stop")]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// Rooms that are no part of the domain, with what they may name besides it and themselves.
const ARROWS: [(&str, &[&str]); 8] = [
    ("ports", &[]),
    ("persist", &["ports"]),
    ("rate_limit", &["ports"]),
    ("pipeline", &["ports"]),
    ("json_body", &["ports"]),
    ("dns", &["ports", "json_body"]),
    ("replicate", &["ports", "json_body"]),
    ("supabase", &["ports", "json_body", "persist"]),
];

/// The room of a module: the first name of its path.
fn is_room(name: &str) -> bool {
    ARROWS.iter().any(|(room, _)| *room == name)
}

fn allowed(from: &str) -> &'static [&'static str] {
    ARROWS.iter().find(|(room, _)| *room == from).map_or(&[], |(_, to)| to)
}

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            found.push(path);
        }
    }
}

/// The code without comments, which may name anything.
fn code(text: &str) -> String {
    text.lines().map(|line| line.split("//").next().unwrap_or_default()).collect::<Vec<_>>().join(" ")
}

/// The first names behind `crate::`, also those of `crate::{a, b::{c}}`.
fn names(code: &str) -> Vec<String> {
    let mut found = Vec::new();
    for rest in code.split("crate::").skip(1) {
        let Some(list) = rest.strip_prefix('{') else {
            found.push(first_name(rest));
            continue;
        };
        let mut depth = 0;
        let mut is_first = true;
        for (at, letter) in list.char_indices() {
            match letter {
                '{' => depth += 1,
                '}' if depth == 0 => break,
                '}' => depth -= 1,
                ',' if depth == 0 => is_first = true,
                letter if is_first && !letter.is_whitespace() => {
                    found.push(first_name(&list[at..]));
                    is_first = false;
                }
                _ => {}
            }
        }
    }
    found
}

fn first_name(path: &str) -> String {
    path.chars().take_while(|letter| letter.is_ascii_alphanumeric() || *letter == '_').collect()
}

/// What a file of a room names that it may not.
fn forbidden(room: &str, text: &str) -> Vec<String> {
    let names = names(&code(text)).into_iter();
    names.filter(|to| to != room && is_room(to) && !allowed(room).contains(&to.as_str())).collect()
}

#[test]
fn every_arrow_goes_from_the_use_cases_over_the_ports_to_the_adapters() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    sources(&root, &mut files);
    assert!(files.len() > 50, "only {} files: is this the right folder?", files.len());
    let mut wrong = Vec::new();
    for file in files {
        let path = file.strip_prefix(&root).unwrap();
        let room = path.iter().next().and_then(|name| name.to_str()).unwrap().trim_end_matches(".rs");
        // The crate's list of modules names all of them.
        if room == "lib" {
            continue;
        }
        for to in forbidden(room, &fs::read_to_string(&file).unwrap()) {
            wrong.push(format!("src/{}: crate::{to}", path.display()));
        }
    }
    assert!(
        wrong.is_empty(),
        "{}\n\nThese files name a room that theirs may not. A type that use cases and adapters share belongs to the \
         port (src/ports) or to the domain; what an adapter alone can do becomes a method of its port. The table of \
         allowed arrows is ARROWS in shared/tests/arrows.rs and in docs/concepts/architecture.md.",
        wrong.join("\n")
    );
}

#[test]
fn an_arrow_is_seen_however_it_is_written() {
    for text in [
        "use crate::supabase::Rpc;",
        "use crate::{job::Job, supabase::{Rpc, Queue}};",
        "use crate::{\n    job::{Job, JobType},\n    supabase,\n};",
        "fn f() { crate::supabase::f() }",
        "pub(crate) use crate::supabase as other;",
    ] {
        assert_eq!(forbidden("pipeline", text), ["supabase"], "{text}");
    }
    assert!(forbidden("pipeline", "use crate::ports::Clock; // crate::supabase\n").is_empty());
    assert!(forbidden("supabase", "use crate::persist::persist; use crate::supabase::Rpc;").is_empty());
    assert_eq!(forbidden("job", "use crate::ports::Random;"), ["ports"], "the domain asks nobody");
}

#[test]
fn ports_speak_in_types_and_not_in_json() {
    let mut files = Vec::new();
    sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src/ports"), &mut files);
    assert!(files.len() > 10);
    for file in files {
        assert!(
            !code(&fs::read_to_string(&file).unwrap()).contains("serde_json"),
            "{} names serde_json: give what crosses the port a type, and let the adapter read and write its JSON",
            file.display()
        );
    }
}

#[test]
fn the_documentation_shows_the_same_table() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/concepts/architecture.md");
    let text = fs::read_to_string(path).unwrap();
    let (_, table) = text.split_once("| room | may name, besides the domain |").expect("the table of arrows");
    let rows = table.lines().skip(2).take_while(|line| line.starts_with('|'));
    let mut shown = BTreeMap::new();
    for row in rows {
        let words = |cell: &str| cell.split('`').skip(1).step_by(2).map(str::to_owned).collect::<Vec<_>>();
        let mut cells = row.trim_matches('|').split('|');
        let (rooms, to) = (words(cells.next().unwrap()), words(cells.next().unwrap()));
        for room in rooms {
            shown.insert(room, to.clone());
        }
    }
    let table: BTreeMap<String, Vec<String>> = ARROWS
        .iter()
        .map(|(room, to)| ((*room).to_owned(), to.iter().map(|to| (*to).to_owned()).collect()))
        .collect();
    assert_eq!(shown, table);
}
