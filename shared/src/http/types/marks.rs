//! The bodies that mark images. [`crate::http::marks`] reads them.

use schemars::JsonSchema;
use uuid::Uuid;

use crate::policy::bounds::MAX_MARKED;

/// The marks of an image. A field that is left out or `null` stays as it is.
#[derive(Debug, JsonSchema)]
#[schemars(extend("additionalProperties" = false))]
pub struct ImageMarks {
    /// Whether the image is a favourite.
    pub is_favorite: Option<bool>,
    /// Whether every signed-in user may find the image.
    pub is_public: Option<bool>,
    /// Whether the image is archived: put aside, but not deleted.
    pub archived: Option<bool>,
}

/// The marks of several images. A field that is left out or `null` stays as it is.
#[derive(Debug, JsonSchema)]
#[schemars(extend("additionalProperties" = false))]
pub struct ImagesMarks {
    /// The ids of 1 to 100 images.
    #[schemars(length(min = 1, max = MAX_MARKED))]
    pub ids: Vec<Uuid>,
    /// Whether the images are favourites.
    pub is_favorite: Option<bool>,
    /// Whether every signed-in user may find the images.
    pub is_public: Option<bool>,
    /// Whether the images are archived: put aside, but not deleted.
    pub archived: Option<bool>,
    /// Whose images they are. Servers send it, and have to, with the project's secret key; a request with a user's token
    /// that has it is refused with `forbidden`.
    pub user_id: Option<Uuid>,
}
