//! What the folder of a provider gives, so that a Worker needs to know no provider by name.

use std::fmt::Debug;

use crate::ports::{Http, ImageProvider, Prediction};
use crate::settings::{SettingsError, Variables};

/// A provider of images, as it is configured.
pub trait ProviderAdapter: Debug + Sized {
    /// Its name in sentences for operators.
    const NAME: &'static str;
    /// The path under which it calls us back.
    const WEBHOOK_PATH: &'static str;
    /// The variable with the secrets of its webhooks, which are signed as Standard Webhooks are.
    const WEBHOOK_SECRET: &'static str;

    /// The provider, asked over HTTP.
    type Client<'a, H: Http + 'a>: ImageProvider
    where
        Self: 'a;

    /// Reads where it is and with which token it is asked.
    ///
    /// # Errors
    /// A variable that is missing or malformed.
    fn configured<F: Fn(&str) -> Option<String>>(variables: &Variables<F>) -> Result<Self, SettingsError>;

    /// The origin of its API: outputs may lie there.
    fn origin(&self) -> &str;

    /// The client.
    fn client<'a, H: Http>(&'a self, http: &'a H) -> Self::Client<'a, H>;

    /// Reads the body of a webhook whose signature is right. `None`: it tells of no prediction.
    ///
    /// # Errors
    /// A variable that is missing or malformed.
    fn read_webhook<F: Fn(&str) -> Option<String>>(
        variables: &Variables<F>,
        body: &[u8],
    ) -> Result<Option<Prediction>, SettingsError>;
}
