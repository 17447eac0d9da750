//! Prints the migration that brings the table `models` up to the catalogue:
//! `cargo run -p shared --example models_sql > supabase/migrations/20261124000200_models.sql`

use serde_json::Value;
use shared::catalogue::{Catalogue, Model};

/// Name of the file that holds the output.
pub const MIGRATION: &str = "20261124000200_models.sql";

/// Columns in the order of [`row`]; the first one is the key.
const COLUMNS: [&str; 26] = [
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
    "supports_negative_prompt",
    "supports_seed",
    "supports_img2img",
    "cost_per_generation",
    "estimated_time_seconds",
    "is_active",
    "is_default",
    "sort_order",
];

/// The whole migration: an idempotent upsert.
pub fn sql() -> String {
    let rows: Vec<_> = Catalogue::builtin()
        .all()
        .enumerate()
        .map(|(index, model)| format!("  ({})", row(model, (index + 1) * 10).join(", ")))
        .collect();
    let updates: Vec<_> =
        COLUMNS.iter().skip(1).map(|column| format!("  {column} = excluded.{column}")).collect();
    format!(
        "-- Generated from shared/src/catalogue/models.json; do not edit:\n\
         -- cargo run -p shared --example models_sql > supabase/migrations/{MIGRATION}\n\n\
         insert into public.models (\n  {}\n) values\n{}\non conflict (replicate_id) do update set\n{};\n",
        COLUMNS.join(",\n  "),
        rows.join(",\n"),
        updates.join(",\n"),
    )
}

fn row(model: &Model, sort_order: usize) -> [String; COLUMNS.len()] {
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
        at("/supports/negative_prompt"),
        at("/supports/seed"),
        at("/supports/source_image"),
        at("/price/usd_per_image"),
        at("/estimated_seconds"),
        at("/is_active"),
        at("/is_default"),
        sort_order.to_string(),
    ]
}

/// A JSON value as an SQL literal.
fn literal(value: &Value) -> String {
    match value {
        Value::String(text) => format!("'{}'", text.replace('\'', "''")),
        Value::Array(_) | Value::Object(_) => format!("'{}'::jsonb", value.to_string().replace('\'', "''")),
        other => other.to_string(),
    }
}

fn main() {
    print!("{}", sql());
}
