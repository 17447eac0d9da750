//! Writes the catalogue as the Workers hold it: without what none of them reads, since the module is compiled at each
//! cold start. Out go where the facts come from, the prices, which the database tells, and the fields of a model's input
//! that the mapper never fills.
use std::{env, error::Error, fs, path::Path};

use serde_json::Value;

const CATALOGUE: &str = "src/catalogue/models.json";
/// What makes a field one that may be sent.
const SENT: [&str; 5] = ["role", "required", "value", "when_sized", "when_source"];

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed={CATALOGUE}");
    let mut file: Value = serde_json::from_str(&fs::read_to_string(CATALOGUE)?)?;
    if let Some(file) = file.as_object_mut() {
        file.remove("sources");
    }
    let models = file.get_mut("models").and_then(Value::as_array_mut);
    for model in models.into_iter().flatten().filter_map(Value::as_object_mut) {
        for member in ["facts", "price", "price_source"] {
            model.remove(member);
        }
        if let Some(input) = model.get_mut("input").and_then(Value::as_object_mut) {
            input.retain(|_, field| SENT.iter().any(|member| field.get(member).is_some()));
        }
    }
    let out = env::var_os("OUT_DIR").ok_or("cargo sets OUT_DIR")?;
    fs::write(Path::new(&out).join("models.json"), file.to_string())?;
    Ok(())
}
