#!/usr/bin/env bash
# One would guess: whether serde_json reads a document does not depend on a member that the target type
# does not have; and that all readers of JSON agree on what a number is.
# A plain struct skips an unknown `"score": 1e400`. Let the struct gain one `#[serde(flatten)]` member, or be
# a tagged or untagged enum, and the same document is refused: "number out of range", as every member is
# kept in between as a value, and an f64 has to hold it. serde_json::Value refuses it too. A number that is
# too small for an f64, 1e-400, is silently 0 instead. JavaScript makes Infinity of 1e400.
# Who meets it: services that forward JSON from elsewhere: two doors to the same data give two answers, and
# adding a flattened member changes what is accepted.
set -euo pipefail
dir=$(mktemp -d); trap 'rm -rf "$dir"' EXIT; cd "$dir"
mkdir src
cat >Cargo.toml <<'TOML'
[package]
name = "number"
version = "0.0.0"
edition = "2021"
[dependencies]
serde = { version = "=1.0.229", features = ["derive"] }
serde_json = "=1.0.154"
[workspace]
TOML
cat >src/main.rs <<'RUST'
#![allow(dead_code)]
use serde::de::{DeserializeOwned, IgnoredAny};
use serde::Deserialize;

#[derive(Deserialize)]
struct Plain { id: u32 }
#[derive(Deserialize)]
struct Paging { page: u32 }
#[derive(Deserialize)]
struct Flattened { id: u32, #[serde(flatten)] paging: Option<Paging> }
#[derive(Deserialize)]
#[serde(tag = "type")]
enum Tagged { Made { id: u32 } }

fn outcome<T: DeserializeOwned>(name: &str, number: &str) {
    let text = format!(r#"{{"id":1,"type":"Made","score":{number}}}"#);
    match serde_json::from_str::<T>(&text) {
        Ok(_) => println!("{name} {number} read"),
        Err(error) => println!("{name} {number} refused: {error}"),
    }
}

fn main() {
    for number in ["1e300", "1e400", "1e-400"] {
        outcome::<IgnoredAny>("IgnoredAny", number);
        outcome::<Plain>("Plain", number);
        outcome::<Flattened>("Flattened", number);
        outcome::<Tagged>("Tagged", number);
        outcome::<serde_json::Value>("Value", number);
    }
    println!("1e-400 is {}", serde_json::from_str::<serde_json::Value>("1e-400").expect("a number"));
}
RUST
CARGO_TARGET_DIR=$dir/target cargo build --quiet
seen=$(target/debug/number)
echo "serde_json 1.0.154, serde 1.0.229"; echo "$seen"
expect() { grep -q "^$1" <<<"$seen" || { echo "Behaviour changed: expected \"$1\"." >&2; exit 1; }; }
for type in IgnoredAny Plain; do expect "$type 1e400 read"; done
for type in Flattened Tagged Value; do
  expect "$type 1e300 read"; expect "$type 1e-400 read"; expect "$type 1e400 refused: number out of range"
done
expect '1e-400 is 0'
