//! Prints SQL that brings the table `models` up to the catalogue: all of it, or with the argument
//! `changes` what the migrations do not say yet:
//! `npm run -s models:sql -- changes > supabase/migrations/<number>_model_<name>.sql`
//!
//! A migration that has run somewhere is not written again, so the first one, with all models, stays,
//! and later ones hold what came after it.

use std::collections::BTreeMap;
use std::{fs, io};

use serde_json::Value;
use shared::catalogue::{Catalogue, Model};

use crate::in_project;

/// The migration that everything starts from.
pub const FIRST: &str = "20261124000300_models.sql";

/// Columns in the order of [`row`], and the place; the first one is the key.
const COLUMNS: [&str; 37] = [
    "replicate_id",
    "version",
    "name",
    "display_name",
    "description",
    "default_width",
    "default_height",
    "default_steps",
    "default_guidance_scale",
    "default_strength",
    "min_width",
    "max_width",
    "min_height",
    "max_height",
    "max_steps",
    "strength_min",
    "strength_max",
    "supported_aspect_ratios",
    "supports_prompt",
    "supports_negative_prompt",
    "supports_seed",
    "supports_img2img",
    "max_source_images",
    "supports_mask",
    "default_scale",
    "max_scale",
    "cost_per_generation",
    "cost_per_megapixel",
    "cost_per_source_megapixel",
    "max_source_megapixels",
    "cost_per_second",
    "typical_seconds",
    "price_source",
    "estimated_time_seconds",
    "is_active",
    "is_default",
    "sort_order",
];

/// The whole table: an idempotent upsert.
pub fn sql(catalogue: &Catalogue) -> String {
    let rows: Vec<_> = rows(catalogue).map(|(_, row, place)| (row, place)).collect();
    format!(
        "-- Generated from shared/src/catalogue/models.json; do not edit:\n\
         -- npm run -s models:sql > supabase/migrations/{FIRST}\n\n{}",
        upsert(&rows),
    )
}

/// What is in the catalogue and not in the migrations: new or changed rows, and places that moved.
/// Empty if there is nothing.
///
/// # Errors
/// A model that the migrations know and the catalogue does not.
pub fn changes(catalogue: &Catalogue, known: &Known) -> Result<String, String> {
    if let Some(id) = known.keys().find(|id| catalogue.model(id).is_none()) {
        return Err(format!("{id} has left the catalogue: keep it, with \"active\":false"));
    }
    let mut changed = Vec::new();
    let mut moved = Vec::new();
    for (id, row, place) in rows(catalogue) {
        match known.get(id) {
            Some((same, at)) if *same == row && *at == place => {}
            Some((same, _)) if *same == row => {
                moved.push(format!("  ({}, {place})", literal(&Value::from(id))))
            }
            _ => changed.push((row, place)),
        }
    }
    let mut parts = Vec::new();
    if !changed.is_empty() {
        parts.push(upsert(&changed));
    }
    if !moved.is_empty() {
        parts.push(format!(
            "{MOVES}\n{}\n) as place (replicate_id, sort_order)\nwhere model.replicate_id = place.replicate_id;\n",
            moved.join(",\n")
        ));
    }
    if parts.is_empty() {
        return Ok(String::new());
    }
    Ok(format!(
        "-- Generated from shared/src/catalogue/models.json; do not edit:\n\
         -- npm run -s models:sql -- changes > supabase/migrations/<this file>\n\n{}",
        parts.join("\n"),
    ))
}

/// By id: the row without its place, and its place.
pub type Known = BTreeMap<String, (String, usize)>;

const MOVES: &str = "update public.models as model set sort_order = place.sort_order\nfrom (values";

/// Adds what a migration says of the models to what those before it said. It reads what is written
/// here, one row a line, and nothing else.
///
/// # Errors
/// A line that looks like a row and is none.
pub fn learn(known: &mut Known, migration: &str) -> Result<(), String> {
    for line in migration.lines().filter(|line| line.starts_with("  ('")) {
        let error = || format!("not a row of the models: {line}");
        let row = line.trim().trim_end_matches(',').strip_prefix('(').and_then(|row| row.strip_suffix(')'));
        let (row, place) = row.and_then(|row| row.rsplit_once(", ")).ok_or_else(error)?;
        let place = place.parse().map_err(|_| error())?;
        let id = row.split('\'').nth(1).ok_or_else(error)?.to_owned();
        if row.contains(", ") {
            known.insert(id, (row.to_owned(), place));
        } else {
            known.get_mut(&id).ok_or_else(error)?.1 = place;
        }
    }
    Ok(())
}

/// What all migrations about models, in their order, say together.
///
/// # Errors
/// A folder or file that cannot be read, or one of [`learn`].
pub fn known() -> Result<Known, String> {
    let folder = in_project("supabase/migrations");
    let said = |error: io::Error| format!("{}: {error}", folder.display());
    let mut files = Vec::new();
    for entry in fs::read_dir(&folder).map_err(said)? {
        let path = entry.map_err(said)?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if name.ends_with(".sql") && (name == FIRST || name.contains("_model_")) {
            files.push(path);
        }
    }
    files.sort();
    let mut known = Known::new();
    for file in files {
        learn(&mut known, &fs::read_to_string(&file).map_err(said)?)
            .map_err(|error| format!("{}: {error}", file.display()))?;
    }
    Ok(known)
}

fn upsert(rows: &[(String, usize)]) -> String {
    let lines: Vec<_> = rows.iter().map(|(row, place)| format!("  ({row}, {place})")).collect();
    let updates: Vec<_> =
        COLUMNS.iter().skip(1).map(|column| format!("  {column} = excluded.{column}")).collect();
    format!(
        "insert into public.models (\n  {}\n) values\n{}\non conflict (replicate_id) do update set\n{};\n",
        COLUMNS.join(",\n  "),
        lines.join(",\n"),
        updates.join(",\n"),
    )
}

/// Id, row without its place, and place of every model.
fn rows(catalogue: &Catalogue) -> impl Iterator<Item = (&str, String, usize)> {
    catalogue
        .all()
        .enumerate()
        .map(|(index, model)| (model.id.as_str(), row(model).join(", "), (index + 1) * 10))
}

/// The columns of a model but for the last one, its place.
fn row(model: &Model) -> [String; COLUMNS.len() - 1] {
    let described = model.describe();
    let at = |pointer: &str| literal(described.pointer(pointer).unwrap_or(&Value::Null));
    let strength = |limit: &str| match described.pointer("/supports/strength") {
        Some(Value::Bool(true)) => limit.to_owned(),
        _ => "null".to_owned(),
    };
    let short_name = model.id.split('/').next_back().unwrap_or_default();
    [
        at("/id"),
        at("/version"),
        literal(&Value::from(short_name)),
        at("/name"),
        at("/description"),
        at("/defaults/width"),
        at("/defaults/height"),
        at("/defaults/num_inference_steps"),
        at("/defaults/guidance_scale"),
        at("/defaults/strength"),
        at("/limits/width/min"),
        at("/limits/width/max"),
        at("/limits/height/min"),
        at("/limits/height/max"),
        at("/supports/steps/max"),
        strength("0"),
        strength("1"),
        at("/supports/aspect_ratios"),
        at("/supports/prompt"),
        at("/supports/negative_prompt"),
        at("/supports/seed"),
        at("/supports/source_image"),
        at("/supports/max_source_images"),
        (!described.pointer("/supports/mask").is_none_or(Value::is_null)).to_string(),
        at("/supports/scale/default"),
        at("/supports/scale/max"),
        number(model.price.and_then(|price| price.image)),
        number(model.price.and_then(|price| price.megapixel)),
        number(model.price.and_then(|price| price.source_megapixel)),
        number(model.price.and_then(|price| price.source_megapixels).map(f64::from)),
        number(model.price.and_then(|price| price.second)),
        number(model.price.and_then(|price| price.seconds)),
        literal(&Value::from(model.price_source.as_deref())),
        at("/estimated_seconds"),
        at("/is_active"),
        at("/is_default"),
    ]
}

fn number(number: Option<f64>) -> String {
    number.map_or_else(|| "null".to_owned(), |number| number.to_string())
}

/// A JSON value as an SQL literal.
fn literal(value: &Value) -> String {
    match value {
        Value::String(text) => format!("'{}'", text.replace('\'', "''")),
        Value::Array(_) | Value::Object(_) => format!("'{}'::jsonb", value.to_string().replace('\'', "''")),
        other => other.to_string(),
    }
}
