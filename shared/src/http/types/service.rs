//! Answers about the service itself, and of uploads.

#[cfg(feature = "openapi")]
use schemars::JsonSchema;
use serde::Serialize;
use uuid::Uuid;

/// The service is reachable.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "openapi", derive(JsonSchema))]
pub struct Health {
    /// Always `ok`.
    #[cfg_attr(feature = "openapi", schemars(extend("const" = "ok")))]
    pub status: &'static str,
}

/// What a web page needs to sign a user in. Both values are public.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "openapi", derive(JsonSchema))]
pub struct Config<'a> {
    /// The URL of the Supabase project.
    #[cfg_attr(feature = "openapi", schemars(url))]
    pub supabase_url: &'a str,
    /// The project's public key.
    pub anon_key: &'a str,
}

/// An uploaded source image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(JsonSchema))]
pub struct Source {
    /// The upload's id. Pass it as `source_id` of a request.
    pub source_id: Uuid,
    /// The file format, as detected from the bytes.
    #[cfg_attr(feature = "openapi", schemars(extend("enum" = ["png", "jpg", "webp"])))]
    pub format: &'static str,
    /// The size of the file in bytes.
    pub bytes: u64,
    /// The width in pixels, as stored: a viewer may rotate a JPEG.
    pub width: u32,
    /// The height in pixels, as stored.
    pub height: u32,
    /// Requests can use the upload until this time, a day after the upload (RFC 3339). It is deleted afterwards, once no
    /// generation needs it.
    #[cfg_attr(feature = "openapi", schemars(extend("format" = "date-time")))]
    pub expires_at: String,
}
