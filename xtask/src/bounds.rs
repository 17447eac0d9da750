//! Writes `docs/reference/bounds.md`, what users may send at most, from the parsers' own constants:
//! `npm run docs:bounds`. The tests of the database read the tables and try both sides of each bound in SQL,
//! so one file holds both interfaces together.

use std::fmt::Display;
use std::ops::RangeInclusive;

use serde_json::Value;
use shared::catalogue::MAX_SOURCES;
use shared::http::list_query::MAX_LIMIT;
use shared::http::types::Status;
use shared::pipeline::MAX_SOURCE_BYTES;
use shared::policy::bounds::{
    MAX_BATCH, MAX_BODY_BYTES, MAX_ID_CHARS, MAX_KEY_BYTES, MAX_MARKED, MAX_SEARCH_CHARS, MAX_TIME_CHARS,
    OPERATIONS,
};

use crate::openapi::{document, given};

/// What is written, by its path from the root.
pub const FILE: &str = "docs/reference/bounds.md";

const HEAD: &str = "# Bounds

Written by `npm run docs:bounds` from the constants of the parsers; do not edit. The tests of the database \
read these tables and try both sides of each bound.

Users reach the database by two interfaces: the Worker's HTTP interface, and PostgREST with their own token. Both \
have the same bounds in the same units.

- **characters** are Unicode code points: `chars().count()` in Rust, `char_length` in SQL. An emoji is one or \
more, a quote is one, however JSON spells it.
- **bytes** are those of UTF-8.
- A **number** is read in double precision at both; a whole number may be written `28.0`.
- `null` counts as not given. A member that is not known is refused at both, also in `items`; only the \
payload of `enqueue_job` may have more. A NUL character is refused by the Worker wherever it stands, and by Postgres before any function of ours is called (22P05, HTTP 400), as are half surrogates (22P02, HTTP 400).
";

const WHOLE: &str = "
## The request as a whole

| what | bound | the Worker | SQL |
|---|---|---|---|
";

const NOTES: &str = "
What only one of them has:

- `prompts` and `num_images` are the Worker's. It makes `items` of them, `[{prompt, seed}]`, 1 to 10, and a direct \
call gives those itself, or one `prompt` and `seed`.
- `user_id` is the Worker's, for servers. A direct call with the secret key has `p_user_id` instead.
- The model's own limits (which sizes, how many steps, whether it takes a negative prompt) are the catalogue's: the \
Worker fits the request to them or refuses it (422 `unsupported`). A direct call passes them, and its run reads the \
request again, before anything is paid for.
- A URL is read by the Worker as browsers do and passed on as read, so it takes more spellings of one address \
(`https:example.com`, capitals in a name). Names in other scripts are refused at both: they are written in their \
`xn--` form ([0026](../decisions/0026-names-of-hosts-are-ascii.md)). SQL takes the address as it is then, and leaves to \
the run whether a name that begins with `xn--` is one.
- `model_id` may also be the id of a row of `models` in a direct call, as in the original.
- `adjustments` and `output` of a direct call are what the Worker adds: at most 20 changes of `field`, `requested`, \
`used` and `reason`, each text of at most 4,000 characters, each number of at most 400 digits.

Refusals have the same `code` at both. The status differs: 400 from the Worker, 422 from a function \
([0008](../decisions/0008-errors-400-and-stable-codes.md)). A function names the member in `hint`, as `field=prompt`.
";

const COLUMNS: &str = "
## Columns that users write

Over PostgREST, in rows of their own. Every other column is written by functions alone.

| column | unit | at most |
|---|---|---|
| `profiles.username` | characters | 255 |
| `profiles.avatar_url` | characters | 2048 |

`images.rating` is a whole number from -100 to 100, `images.archived_at` a time of the years 1970 to 9999, \
`is_public` and `is_favorite` are true or false.
";

const ANSWERS: &str = "
## Answers

A Worker reads at most 4 MiB of an answer. `list_generations` ends a page before it has 2 MiB and names where to go \
on; a claim of 40 jobs, the most, has at most 3 MiB with the longest texts.
";

/// What stands between the members of a table.
fn row(cells: &[&dyn Display]) -> String {
    let cells: Vec<String> = cells.iter().map(|cell| format!(" {cell} ")).collect();
    format!("|{}|\n", cells.join("|"))
}

fn range<N: Display>(name: &str, kind: &str, range: &RangeInclusive<N>) -> String {
    row(&[&format!("`{name}`"), &kind, &"", range.start(), range.end()])
}

fn words(name: &str, words: &[&str]) -> String {
    let words: Vec<String> = words.iter().map(|word| format!("`{word}`")).collect();
    row(&[&format!("`{name}`"), &"word", &words.join(", "), &"", &""])
}

/// A row for each member of a start that both take, by the description of the HTTP interface: its bounds are the
/// parser's.
fn members() -> String {
    let document = document();
    let members = document.pointer("/components/schemas/StartRequest/properties").and_then(Value::as_object);
    members.into_iter().flatten().map(|(name, member)| member_row(&document, name, &given(member))).collect()
}

fn member_row(document: &Value, name: &str, member: &Value) -> String {
    let text = |key: &str| member.get(key).and_then(Value::as_str).unwrap_or_default();
    let number = |key: &str| member.get(key).and_then(Value::as_f64).unwrap_or_default();
    if let Some(path) = text("$ref").strip_prefix('#').filter(|_| name != "mask") {
        let all = document.pointer(path).and_then(|schema| schema.get("enum")).and_then(Value::as_array);
        return words(name, &all.into_iter().flatten().filter_map(Value::as_str).collect::<Vec<_>>());
    }
    let member = format!("`{name}`");
    match (text("type"), text("format")) {
        _ if name == "aspect_ratio" => row(&[&member, &"ratio `W:H`", &"whole numbers", &1, &99]),
        _ if name == "sources" => row(&[&member, &"list", &"images", &1, &MAX_SOURCES]),
        _ if name == "mask" => row(&[&member, &"image", &"", &"", &""]),
        // `prompts`: the Worker makes items of them.
        ("array", _) => String::new(),
        // An argument of its own in SQL.
        _ if name == "user_id" => String::new(),
        ("integer", _) => range(name, "whole", &(number("minimum")..=number("maximum"))),
        ("number", _) => range(name, "number", &(number("minimum")..=number("maximum"))),
        (_, "uri") => row(&[&member, &"https URL", &"bytes", &"", &number("maxLength")]),
        (_, "uuid") => row(&[&member, &"id", &"characters", &"", &MAX_ID_CHARS]),
        (_, "date-time") => row(&[&member, &"time, within a year", &"characters", &"", &MAX_TIME_CHARS]),
        _ => row(&[&member, &"text", &"characters", &number("minLength"), &number("maxLength")]),
    }
}

/// The text of `docs/reference/bounds.md`.
pub fn written() -> String {
    let kib = MAX_BODY_BYTES / 1024;
    let table = |title: &str| {
        format!("\n## {title}\n\n| member | kind | unit | at least | at most |\n|---|---|---|---|---|\n")
    };
    [
        HEAD.to_owned(),
        WHOLE.to_owned(),
        row(&[
            &"size",
            &format!("{kib} KiB"),
            &"bytes of the body (413 `body_too_large`)",
            &format!("bytes of its different texts as JSON, and of the rest as stored, each {} KiB; with what the Worker adds 512 KiB (413 `body_too_large`)", kib + 1),
        ]),
        row(&[&"depth", &"127", &"lists and objects in each other", &"the same"]),
        row(&[&"images", &format!("1 to {MAX_BATCH}"), &"`prompts` or `num_images`", &"`items`"]),
        table("`start_generation(p_request)` and `POST /start-generation`"),
        members(),
        "\nA prompt is not only white space. `strength` and `mask` need a source, which is named by one of the four members \
         at most. An image in `sources` or as `mask` is the id of an upload, or an object with one of \
         `source_image_url`, `source_generation_id` and `source_id` and nothing else; a refusal names it as \
         `sources[0].source_id`. \
         `aspect_ratio` is not given together with `width` or `height`. \
         The user's plan says which priorities it has.\n"
            .to_owned(),
        table("Other arguments"),
        row(&[&"`p_idempotency_key`, `Idempotency-Key`", &"visible ASCII", &"bytes", &1, &MAX_KEY_BYTES]),
        row(&[&"`p_request_hash`", &"visible ASCII", &"bytes", &1, &128]),
        range("p_limit", "whole", &(1..=MAX_LIMIT)),
        words("p_status", &Status::ALL.map(Status::as_str)),
        words("p_operation", &OPERATIONS),
        row(&[&"`p_q`", &"text", &"characters", &1, &MAX_SEARCH_CHARS]),
        row(&[&"`p_image_ids`", &"list of ids", &"images", &1, &MAX_MARKED]),
        "\n`p_cursor` is a `next_cursor` of an earlier page. Arguments that are ids are read by Postgres. \
         `enqueue_job` takes of users a payload that is judged as `p_request`.\n"
            .to_owned(),
        NOTES.to_owned(),
        COLUMNS.to_owned(),
        format!(
            "\n## Uploads\n\nA file of the bucket `source-images` has at most {} MiB ({MAX_SOURCE_BYTES} bytes), at both: \
             see [operate.md](../operations/operate.md#uploads).\n",
            MAX_SOURCE_BYTES / 1024 / 1024
        ),
        ANSWERS.to_owned(),
    ]
    .concat()
}
