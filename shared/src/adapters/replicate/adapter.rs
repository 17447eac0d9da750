//! Replicate as a provider: how it is configured, and where it calls back.

use super::client::Client;
use super::prediction::read_prediction;
use crate::adapters::provider::ProviderAdapter;
use crate::ports::{Http, Prediction};
use crate::settings::{SettingsError, Variables};

/// Where Replicate is.
#[derive(Debug, Clone)]
pub struct Replicate {
    /// `REPLICATE_API_URL`: an origin without `/v1`.
    origin: String,
    /// `REPLICATE_API_TOKEN`.
    token: String,
}

impl ProviderAdapter for Replicate {
    const NAME: &'static str = "Replicate";
    const WEBHOOK_PATH: &'static str = "/webhooks/replicate";
    const WEBHOOK_SECRET: &'static str = "REPLICATE_WEBHOOK_SECRET";

    type Client<'a, H: Http + 'a> = Client<'a, H>;

    fn configured<F: Fn(&str) -> Option<String>>(variables: &Variables<F>) -> Result<Self, SettingsError> {
        Ok(Self { origin: origin(variables)?, token: variables.key("REPLICATE_API_TOKEN")? })
    }

    fn origin(&self) -> &str {
        &self.origin
    }

    fn client<'a, H: Http>(&'a self, http: &'a H) -> Client<'a, H> {
        Client::new(http, &self.origin, &self.token)
    }

    fn read_webhook<F: Fn(&str) -> Option<String>>(
        variables: &Variables<F>,
        body: &[u8],
    ) -> Result<Option<Prediction>, SettingsError> {
        Ok(read_prediction(body, &origin(variables)?))
    }
}

/// The origin of the API.
fn origin<F: Fn(&str) -> Option<String>>(variables: &Variables<F>) -> Result<String, SettingsError> {
    Ok(variables.url("REPLICATE_API_URL")?.unwrap_or_else(|| "https://api.replicate.com".into()))
}
