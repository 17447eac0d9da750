//! Answers about the service itself, and of uploads.

#[cfg(feature = "openapi")]
use schemars::JsonSchema;
use serde::Serialize;
use uuid::Uuid;

/// The service answers.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "openapi", derive(JsonSchema))]
pub struct Health {
    /// Always `ok`.
    #[cfg_attr(feature = "openapi", schemars(extend("const" = "ok")))]
    pub status: &'static str,
}

/// What a page needs to sign somebody in. Both values are public by their nature.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "openapi", derive(JsonSchema))]
pub struct Config<'a> {
    /// The origin of the Supabase project.
    #[cfg_attr(feature = "openapi", schemars(url))]
    pub supabase_url: &'a str,
    /// Its public key.
    pub anon_key: &'a str,
}

/// An uploaded picture: its `source_id` goes into the body of a start.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(JsonSchema))]
pub struct Source {
    /// Its id, for `source_id` of a start.
    pub source_id: Uuid,
    /// What its bytes are.
    #[cfg_attr(feature = "openapi", schemars(extend("enum" = ["png", "jpg", "webp"])))]
    pub format: &'static str,
    /// The file's size.
    pub bytes: u64,
    /// Pixels, as stored: a JPEG may ask to be turned.
    pub width: u32,
    /// Pixels.
    pub height: u32,
    /// Until when it can be started from, a day: RFC 3339. It is deleted when nothing needs it any more.
    #[cfg_attr(feature = "openapi", schemars(extend("format" = "date-time")))]
    pub expires_at: String,
}
