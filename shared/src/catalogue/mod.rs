//! The model catalogue: what each image model takes, and the one mapper from a request to its input.
//!
//! `models.json` holds one entry per model. A field of an entry's input schema may carry a *role*
//! (prompt, seed, steps, width …); the mapper fills roles and knows no model by name. Adding a model
//! is one entry and no code: see `docs/guides/models.md`.

mod draft;
mod model;
mod model_input;
mod offered;
mod params;
mod read;
mod report;
mod schema;
mod shape;
mod size;

use std::sync::OnceLock;

use sha2::{Digest, Sha256};
use uuid::Uuid;

pub use model::{Model, ModelPrice, OutputForm, SourceSize};
pub use params::{
    Adjustment, GenerationParams, MAX_SOURCES, Mapped, ModelInput, Operation, OutputFormat, SourceImage,
    Unsupported,
};
pub use schema::{Field, Kind, Paints, Role, Schema};
pub use shape::AspectRatio;

/// The catalogue that is compiled in.
#[cfg(feature = "openapi")]
const BUILTIN: &str = include_str!("models.json");
/// The same without what no Worker reads (`build.rs`).
#[cfg(not(feature = "openapi"))]
const BUILTIN: &str = include_str!(concat!(env!("OUT_DIR"), "/models.json"));

/// An entry of it that need not have been read.
struct Entry {
    id: &'static str,
    text: &'static str,
    model: OnceLock<Option<Model>>,
}

fn entries() -> &'static [Entry] {
    static ENTRIES: OnceLock<Vec<Entry>> = OnceLock::new();
    ENTRIES.get_or_init(|| read::entries(BUILTIN))
}

/// The id of a model's row, the same in every project: `private.model_row_id` of the migrations.
fn row_id(id: &str) -> Uuid {
    let mut bytes = [0; 16];
    for (to, from) in bytes.iter_mut().zip(Sha256::digest(id.as_bytes())) {
        *to = from;
    }
    Uuid::from_bytes(bytes)
}

/// Every model the system knows, in the order in which they are shown.
#[derive(Debug, Default)]
pub struct Catalogue {
    models: Vec<Model>,
}

impl Catalogue {
    /// Reads a catalogue in the form of `models.json`.
    ///
    /// # Errors
    /// Text that is not JSON, or an entry with a missing, misspelt or wrong member, which is named.
    pub fn parse(text: &str) -> Result<Self, String> {
        Ok(Self { models: read::models(text)? })
    }

    /// The catalogue that is compiled in, parsed at its first use.
    ///
    /// It is empty if the file does not parse, as nothing here may panic; the tests keep that from
    /// being shipped.
    pub fn builtin() -> &'static Self {
        static ALL: OnceLock<Catalogue> = OnceLock::new();
        ALL.get_or_init(|| Self::parse(BUILTIN).unwrap_or_default())
    }

    /// One model of the catalogue that is compiled in. Its entry alone is read, once: a request names one model,
    /// and to read them all would take most of the first start of an isolate.
    pub fn builtin_model(id: &str) -> Option<&'static Model> {
        let entry = entries().iter().find(|entry| entry.id == id)?;
        entry.model.get_or_init(|| read::entry(entry.text)).as_ref()
    }

    /// The id (`owner/name`) of the model of the catalogue that is compiled in which a request calls by its short name
    /// (`name`) or by the id of its row in the table `models`, as the original's apps do.
    pub fn full_id(name: &str) -> Option<&'static str> {
        let row = Uuid::try_parse(name).ok();
        entries().iter().map(|entry| entry.id).find(|id| match row {
            Some(row) => row_id(id) == row,
            None => id.split_once('/').is_some_and(|(_, short)| short == name),
        })
    }

    /// The model with this id (`owner/name`), active or not.
    pub fn model(&self, id: &str) -> Option<&Model> {
        self.models.iter().find(|model| model.id == id)
    }

    /// Every model, in order of display.
    pub fn all(&self) -> impl Iterator<Item = &Model> {
        self.models.iter()
    }

    /// The models that may be asked for, in order of display.
    pub fn active(&self) -> impl Iterator<Item = &Model> {
        self.all().filter(|model| model.active)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_model_is_known_by_its_short_name_and_by_the_id_of_its_row() {
        const FULL: &str = "black-forest-labs/flux-schnell";
        // As Postgres has it: select private.model_row_id('black-forest-labs/flux-schnell').
        for name in ["flux-schnell", "aa9ee7c4-ad4e-857e-3694-4465f5b436dc"] {
            assert_eq!(Catalogue::full_id(name), Some(FULL), "{name}");
        }
        for name in ["flux", "", "/", "black-forest-labs", "00000000-0000-4000-8000-000000000000"] {
            assert_eq!(Catalogue::full_id(name), None, "{name}");
        }
    }

    #[test]
    fn no_short_name_is_taken_twice() {
        let mut names: Vec<&str> =
            entries().iter().filter_map(|entry| entry.id.split_once('/')).map(|(_, name)| name).collect();
        names.sort_unstable();
        let count = names.len();
        names.dedup();
        assert_eq!(names.len(), count);
    }
}
