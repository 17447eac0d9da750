//! Which room of the crate may name which: use cases and adapters stand on the ports, the ports on the domain, and
//! no module reaches around them. The table stands in docs/concepts/architecture.md, which shows it to readers, too.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on must stop")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// Every room, with what it may name besides itself: rooms that stand further down.
const ARROWS: [(&str, &[&str]); 19] = [
    ("pipeline", &["auth", "ports", "job", "http", "catalogue", "policy", "progress"]),
    (
        "adapters/supabase",
        &[
            "adapters/json_body",
            "settings",
            "ports",
            "job",
            "http",
            "catalogue",
            "live",
            "policy",
            "progress",
        ],
    ),
    (
        "adapters/replicate",
        &["adapters/provider", "adapters/json_body", "settings", "ports", "job", "policy"],
    ),
    ("adapters/dns", &["adapters/json_body", "ports"]),
    ("adapters/moderation", &["adapters/json_body", "settings", "ports"]),
    ("adapters/provider", &["settings", "ports"]),
    ("adapters/json_body", &["ports"]),
    ("rate_limit", &["ports", "http"]),
    ("metrics", &["ports"]),
    ("health", &["ports"]),
    ("settings", &["auth", "policy"]),
    ("auth", &["ports"]),
    ("ports", &["job", "http", "catalogue", "live", "policy", "progress"]),
    ("job", &["http", "catalogue"]),
    ("http", &["catalogue", "live", "policy"]),
    ("catalogue", &[]),
    ("live", &[]),
    ("policy", &[]),
    ("progress", &[]),
];

fn allowed(from: &str) -> &'static [&'static str] {
    ARROWS.iter().find(|(room, _)| *room == from).map_or(&[], |(_, to)| to)
}

/// The room of a module, by the first two names of its path: each adapter is a room of its own.
fn room(path: &[String]) -> String {
    match path {
        [adapters, of, ..] if adapters == "adapters" => format!("{adapters}/{of}"),
        [room, ..] => room.clone(),
        [] => String::new(),
    }
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

/// The first two names of what stands behind `crate::`, also of `crate::{a, b::{c}}`.
fn names(code: &str) -> Vec<Vec<String>> {
    code.split("crate::").skip(1).flat_map(|path| heads(path, 2)).collect()
}

/// The first names of a path, or of each path of a list in braces.
fn heads(path: &str, depth: usize) -> Vec<Vec<String>> {
    if let Some(list) = path.strip_prefix('{') {
        return items(list).into_iter().flat_map(|item| heads(item, depth)).collect();
    }
    let name = first_name(path);
    match path[name.len()..].strip_prefix("::") {
        Some(rest) if depth > 1 => {
            heads(rest, depth - 1).into_iter().map(|under| [vec![name.clone()], under].concat()).collect()
        }
        _ => vec![vec![name]],
    }
}

/// The items of a list up to the brace that closes it.
fn items(list: &str) -> Vec<&str> {
    let (mut found, mut begin, mut depth) = (Vec::new(), 0, 0);
    for (at, letter) in list.char_indices() {
        match letter {
            '{' => depth += 1,
            '}' if depth > 0 => depth -= 1,
            ',' | '}' if depth == 0 => {
                found.push(list[begin..at].trim());
                begin = at + 1;
            }
            _ => {}
        }
        if letter == '}' && begin > at {
            break;
        }
    }
    found.retain(|item| !item.is_empty());
    found
}

fn first_name(path: &str) -> String {
    path.chars().take_while(|letter| letter.is_ascii_alphanumeric() || *letter == '_').collect()
}

/// What a file of a room names that it may not.
fn forbidden(from: &str, text: &str) -> Vec<String> {
    let code = code(text);
    let mut rooms: Vec<_> = names(&code).into_iter().map(|path| room(&path)).collect();
    if from.starts_with("adapters/") {
        let beside = ARROWS.iter().filter_map(|(room, _)| room.strip_prefix("adapters/"));
        let named = beside.filter(|name| code.contains(&format!("super::{name}")));
        rooms.extend(named.map(|name| format!("adapters/{name}")));
    }
    rooms.retain(|to| to != from && !allowed(from).contains(&to.as_str()));
    rooms
}

#[test]
fn no_file_names_a_room_that_its_own_may_not() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    sources(&root, &mut files);
    assert!(files.len() > 50, "only {} files: is this the right folder?", files.len());
    let (mut wrong, mut seen) = (Vec::new(), BTreeSet::new());
    for file in files {
        let path = file.strip_prefix(&root).unwrap();
        let module = path.with_extension("");
        let from = room(&module.iter().map(|name| name.to_str().unwrap().to_owned()).collect::<Vec<_>>());
        // Lists of modules name all of them.
        if ["lib", "adapters/mod"].contains(&from.as_str()) {
            continue;
        }
        seen.insert(from.clone());
        for to in forbidden(&from, &fs::read_to_string(&file).unwrap()) {
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
    let table: BTreeSet<_> = ARROWS.iter().map(|(room, _)| (*room).to_owned()).collect();
    assert_eq!(seen, table, "left: the rooms in shared/src, right: those in ARROWS");
}

#[test]
fn arrows_go_down_only() {
    let floor = |name: &str| ARROWS.iter().position(|(room, _)| *room == name);
    for (at, (from, to)) in ARROWS.iter().enumerate() {
        for to in *to {
            assert!(floor(to) > Some(at), "{from} names {to}, which does not stand below it");
        }
    }
}

#[test]
fn an_arrow_is_seen_however_it_is_written() {
    for text in [
        "use crate::adapters::supabase::Rpc;",
        "use crate::{job::Job, adapters::supabase::{Rpc, Queue}};",
        "use crate::adapters::{supabase::Rpc};",
        "use crate::{\n    job::{Job, JobType},\n    adapters::supabase,\n};",
        "fn f() { crate::adapters::supabase::f() }",
        "pub(crate) use crate::adapters::supabase as other;",
    ] {
        assert_eq!(forbidden("pipeline", text), ["adapters/supabase"], "{text}");
    }
    assert!(forbidden("pipeline", "use crate::ports::Clock; // crate::adapters::supabase\n").is_empty());
    assert!(
        forbidden(
            "adapters/supabase",
            "use crate::adapters::supabase::wire; use crate::adapters::supabase::Rpc;"
        )
        .is_empty()
    );
    assert_eq!(forbidden("adapters/supabase", "use crate::adapters::replicate;"), ["adapters/replicate"]);
    assert_eq!(forbidden("adapters/supabase", "use super::super::replicate;"), ["adapters/replicate"]);
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

/// Rooms that speak to others in types. A job's row is read in its own room, by a private type.
const SPEAK_IN_TYPES: [&str; 5] = ["pipeline", "adapters", "ports", "job", "job.rs"];

fn files_that_speak_in_types() -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    for room in SPEAK_IN_TYPES {
        match root.join(room) {
            folder if folder.is_dir() => sources(&folder, &mut files),
            file => files.push(file),
        }
    }
    assert!(files.len() > 60, "only {} files", files.len());
    let read = |file: PathBuf| {
        let text = fs::read_to_string(&file).unwrap();
        (file.strip_prefix(&root).unwrap().to_str().unwrap().to_owned(), text)
    };
    files.into_iter().map(read).collect()
}

/// What other rooms see of a file: its public functions with their arguments, public fields, and public types with
/// all that they hold: JSON behind a name is JSON.
fn public(text: &str) -> Vec<String> {
    let code = code(text.split("#[cfg(test)]").next().unwrap());
    let items = code.split("pub ").skip(1).map(|item| match item.split_once('{') {
        Some((head, _)) if head.contains("fn ") => head.to_owned(),
        _ => item.split([',', ';', '}']).next().unwrap_or_default().to_owned(),
    });
    items.chain(types(&code)).collect()
}

/// The public types of some code, each to its end.
fn types(code: &str) -> Vec<String> {
    let kinds = ["pub struct ", "pub enum "].into_iter().flat_map(|kind| code.split(kind).skip(1));
    let whole = kinds.map(|item| {
        let (mut depth, mut end) = (0, item.len());
        for (at, letter) in item.char_indices() {
            match letter {
                '{' => depth += 1,
                '}' => depth -= 1,
                _ => {}
            }
            if depth == 0 && matches!(letter, '}' | ';') {
                end = at;
                break;
            }
        }
        item[..end].to_owned()
    });
    whole.collect()
}

fn names_json(signature: &str) -> bool {
    let words: Vec<_> =
        signature.split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_').collect();
    !signature.starts_with("use ") && words.iter().any(|word| *word == "Value" || *word == "serde_json")
}

#[test]
fn nothing_that_use_cases_and_adapters_show_is_json() {
    let mut wrong = Vec::new();
    for (path, text) in files_that_speak_in_types() {
        let shown = public(&text).into_iter().filter(|one| names_json(one));
        wrong.extend(shown.map(|one| format!("src/{path}: pub {one}")));
    }
    assert!(
        wrong.is_empty(),
        "{}\n\nThese show JSON to other rooms. Give it a type: of the port, of src/http, or JsonText where nobody looks \
         into it.",
        wrong.join("\n")
    );
}

#[test]
fn json_is_seen_in_a_public_signature() {
    for text in [
        "pub fn f(body: &Value) -> u8 { 1 }",
        "impl A {\n    pub async fn f(\n        &self,\n        row: serde_json::Value,\n    ) {}\n}",
        "pub struct A {\n    /// A row.\n    pub row: Option<Value>,\n}",
        "pub struct A(pub Value);",
        "pub struct A(Value);",
        "pub struct A {\n    pub id: u8,\n    row: Value,\n}",
        "pub enum A {\n    B { row: u8 },\n    C(Value),\n}",
    ] {
        assert!(public(text).iter().any(|one| names_json(one)), "{text}");
    }
    for text in [
        "use serde_json::Value;\nfn f(body: &Value) {}\npub fn g(it: u8) { let row: Value = h(it); }",
        "pub use crate::a::B;\nstruct A { row: Value }",
        "pub struct A { id: u8 }\nimpl A { pub(super) fn read(row: &Value) -> Self { Self { id: 1 } } }",
        "pub fn f() -> u8 { 1 }\n#[cfg(test)]\nmod tests { pub fn f(it: Value) {} }",
    ] {
        assert!(!public(text).iter().any(|one| names_json(one)), "{text}");
    }
}

/// Names of what takes one of a few values.
const WORDS: [&str; 10] =
    ["status", "code", "outcome", "period", "quantile", "reason", "kind", "state", "priority", "job_type"];

/// Fields and arguments of such a name whose type is a text.
fn words_as_text(text: &str) -> Vec<String> {
    let code = code(text.split("#[cfg(test)]").next().unwrap());
    let mut found = Vec::new();
    for (at, _) in code.match_indices(": ") {
        let name = code[..at].rsplit(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_').next();
        let mut of = code[at + 2..].trim_start();
        while let Some(rest) = ["Option<", "Vec<", "&", "mut ", "'static ", "'a "]
            .iter()
            .find_map(|outer| of.strip_prefix(outer))
        {
            of = rest;
        }
        if WORDS.contains(&name.unwrap()) && ["String", "str"].contains(&first_name(of).as_str()) {
            found.push(format!("{}: {}", name.unwrap(), first_name(of)));
        }
    }
    found
}

#[test]
fn no_word_crosses_a_port_as_a_text() {
    let mut wrong = Vec::new();
    for (path, text) in files_that_speak_in_types() {
        // Adapters read and write the words of services.
        if !path.starts_with("adapters") {
            wrong.extend(words_as_text(&text).into_iter().map(|one| format!("src/{path}: {one}")));
        }
    }
    assert!(
        wrong.is_empty(),
        "{}\n\nThese take one of a few values: make them an enum; or where others may write what they like, a text with \
         a name of its own, as ErrorCode.",
        wrong.join("\n")
    );
}

#[test]
fn a_word_as_a_text_is_seen() {
    for text in [
        "pub struct A {\n    pub status: String,\n}",
        "pub struct A { pub code: &'static str }",
        "fn f(&self, outcome: Option<&str>) {}",
        "struct A<'a> { reason: Vec<&'a str> }",
    ] {
        assert_eq!(words_as_text(text).len(), 1, "{text}");
    }
    for text in [
        "pub struct A { pub status: u16, pub code: FailureCode, detail: String }",
        "// status: String\nfn f(url: &str) {}",
        "#[cfg(test)]\nmod tests { fn f(code: &str) {} }",
    ] {
        assert!(words_as_text(text).is_empty(), "{text}");
    }
}

#[test]
fn workers_call_no_sql_function_by_its_name() {
    let mut files = Vec::new();
    sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../functions"), &mut files);
    assert!(files.len() > 20);
    for file in files {
        assert!(
            !code(&fs::read_to_string(&file).unwrap()).contains(".call(\""),
            "{} calls a SQL function by its name: that belongs to a port (src/ports) and its adapter",
            file.display()
        );
    }
}

#[test]
fn the_documentation_shows_the_same_table() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/concepts/architecture.md");
    let text = fs::read_to_string(path).unwrap();
    let (_, table) = text.split_once("| room | may name |").expect("the table of arrows");
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
