//! `cargo xtask`: writes what is generated from the Rust code.

use std::process::ExitCode;
use std::{env, fs};

use shared::catalogue::Catalogue;
use xtask::models_sql::{changes, known, sql};
use xtask::{bounds, in_project, openapi};

const HELP: &str = "cargo xtask …

  openapi              writes shared/src/http/openapi.json, the description of the HTTP interface (npm run openapi)
  bounds               writes docs/reference/bounds.md, what users may send at most (npm run docs:bounds)
  models-sql           prints the table `models` as the catalogue has it (npm run models:sql)
  models-sql changes   prints what the migrations do not say of it yet
";

fn main() -> ExitCode {
    let arguments: Vec<_> = env::args().skip(1).collect();
    let done = match arguments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        [.., "--help"] => {
            print!("{HELP}");
            Ok(())
        }
        ["openapi"] => write(openapi::FILE, &openapi::written(&openapi::document())),
        ["bounds"] => write(bounds::FILE, &bounds::written()),
        ["models-sql"] => catalogue().map(|catalogue| print!("{}", sql(&catalogue))),
        ["models-sql", "changes"] => print_changes(),
        _ => Err(HELP.to_owned()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(sentence) => {
            eprintln!("{}", sentence.trim_end());
            ExitCode::FAILURE
        }
    }
}

fn write(file: &str, text: &str) -> Result<(), String> {
    fs::write(in_project(file), text).map_err(|error| format!("{file}: {error}"))
}

fn print_changes() -> Result<(), String> {
    print!("{}", changes(&catalogue()?, &known()?)?);
    Ok(())
}

/// The built-in one, but what is wrong with it is said.
fn catalogue() -> Result<Catalogue, String> {
    Catalogue::parse(include_str!("../../shared/src/catalogue/models.json"))
}
