//! The model catalogue: what each image model takes, and the one mapper from a request to its input.
//!
//! `models.json` holds one entry per model. A field of an entry's input schema may carry a *role*
//! (prompt, seed, steps, width …); the mapper fills roles and knows no model by name. Adding a model
//! is one entry and no code: see `docs/guides/models.md`.

mod ask;
mod charged;
mod describe;
mod draft;
mod map;
mod model;
mod read;
mod report;
mod schema;
mod size;

use std::sync::OnceLock;

pub use ask::{Adjustment, Ask, Mapped, ModelInput, Unsupported};
pub use charged::{Charged, ChargedCache};
pub use model::{Model, ModelPrice, OutputForm, SourceSize};
pub use schema::{Field, Kind, Role, Schema};

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
        static BUILTIN: OnceLock<Catalogue> = OnceLock::new();
        BUILTIN.get_or_init(|| Self::parse(include_str!("models.json")).unwrap_or_default())
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
