//! One entry of the catalogue.

use super::params::Operation;
use super::schema::Schema;

/// One image model: what it is called, what it takes and what comes out.
#[derive(Debug, Clone)]
pub struct Model {
    /// `owner/name` at the provider.
    pub id: String,
    /// Name for people.
    pub name: String,
    /// One line for people.
    pub description: String,
    /// What it can do, its own operation first.
    pub operations: Vec<Operation>,
    /// The provider's version, 64 hex digits; `None` for an official model, which is called by its id.
    pub version: Option<String>,
    /// How the provider hands over the result.
    pub output: OutputForm,
    /// File format of the result unless another is asked for; `None` where it is not known.
    pub format: Option<String>,
    /// What a source image does to the output's size.
    pub source_size: SourceSize,
    /// Width and height to ask for when the request names none; `None` if it cannot be chosen.
    pub size: Option<(u32, u32)>,
    /// Typical duration in seconds: a rough default per class of model, see `docs/guides/models.md`.
    pub estimated_seconds: u32,
    /// What the provider asks for an image; `None` where no source gives it.
    pub price: Option<ModelPrice>,
    /// Where the price comes from (legend: `sources` in `models.json`); begins with `estimate` where it is one.
    pub price_source: Option<String>,
    /// May be asked for.
    pub active: bool,
    /// Used when an app lets its user not choose.
    pub default: bool,
    /// Where the facts come from (legend: `sources` in `models.json`) and which are in doubt.
    pub facts: String,
    /// What it takes.
    pub input: Schema,
}

/// What the provider asks, in US dollars: by the second where that is given, else for the image and its
/// megapixels together.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct ModelPrice {
    /// For an image, whatever its size.
    pub image: Option<f64>,
    /// For each megapixel (1,048,576 pixels) of the image, rounded up.
    pub megapixel: Option<f64>,
    /// For each megapixel of a source image, rounded up.
    pub source_megapixel: Option<f64>,
    /// How many of them one source image counts at most.
    pub source_megapixels: Option<u32>,
    /// For a second that the model runs.
    pub second: Option<f64>,
    /// Seconds that it usually runs.
    pub seconds: Option<f64>,
}

impl ModelPrice {
    /// What an image of this size is expected to cost without a source image, 1 megapixel where the size is not known;
    /// the same as the SQL function `private.expected_cost`.
    pub fn expected(&self, size: Option<(u32, u32)>) -> Option<f64> {
        if let (Some(second), Some(seconds)) = (self.second, self.seconds) {
            return Some(second * seconds);
        }
        let pixels = size.map_or(1.0, |(width, height)| f64::from(width) * f64::from(height));
        let sized = self.megapixel.map(|price| price * (pixels / 1_048_576.0).ceil());
        self.image.into_iter().chain(sized).reduce(|one, other| one + other)
    }
}

/// How the provider hands over the result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OutputForm {
    /// One URL.
    String,
    /// A list of URLs, also when there is one.
    List,
}

/// What a source image does to the output's size.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum SourceSize {
    /// Nothing: the size that is asked for counts.
    #[default]
    Ignored,
    /// The output takes the source image's shape; a size that is asked for has no effect.
    Kept,
    /// The facts do not say; the size is sent and not promised.
    Unknown,
}

impl Model {
    /// `version` of `POST /v1/predictions`.
    pub fn provider_version(&self) -> &str {
        self.version.as_deref().unwrap_or(&self.id)
    }
}
