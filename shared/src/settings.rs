//! The configuration, read once from the environment and checked.

mod kept;

use std::time::Duration;

use crate::auth::service_key::{self, ServiceKeys};
use crate::policy::url_policy::{AllowedOrigins, MAX_URL_BYTES};

pub use kept::{Kept, PerEnvironment};

/// The resolver that is asked unless another one is configured.
pub const DEFAULT_RESOLVER_URL: &str = "https://cloudflare-dns.com/dns-query";

/// A variable is missing or malformed; the text names it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct SettingsError(pub String);

/// Where Supabase is, and with which keys we call it.
#[derive(Debug, Clone)]
pub struct SupabaseSettings {
    /// `SUPABASE_URL`, without a trailing slash.
    pub url: String,
    /// `SUPABASE_ANON_KEY` or `SUPABASE_SERVICE_ROLE_KEY`, whichever the function works with.
    pub key: String,
}

impl SupabaseSettings {
    /// The key where it is a token: [`bearer`].
    pub fn bearer(&self) -> Option<&str> {
        bearer(&self.key)
    }
}

/// A key where it is a JWT. Supabase's newer keys (`sb_secret_…`) are none: they go into `apikey` alone, and as a
/// bearer token they are refused, <https://supabase.com/docs/guides/api/api-keys>.
pub fn bearer(key: &str) -> Option<&str> {
    (!key.starts_with("sb_")).then_some(key)
}

/// Who judges prompts before a start.
#[derive(Debug, Clone)]
pub struct Moderation {
    /// `MODERATION_URL`.
    pub url: String,
    /// `MODERATION_SECRET`, the bearer token that it knows us by.
    pub secret: Option<String>,
    /// How long it may take.
    pub timeout: Duration,
    /// A start goes on where it says nothing.
    pub allows_on_failure: bool,
}

/// The variables by name.
pub struct Variables<F>(F);

impl<F: Fn(&str) -> Option<String>> Variables<F> {
    /// `lookup` gives a variable's value.
    pub fn new(lookup: F) -> Self {
        Self(lookup)
    }

    /// A variable that may be missing or empty.
    pub fn optional(&self, name: &str) -> Option<String> {
        (self.0)(name).map(|value| value.trim().to_owned()).filter(|value| !value.is_empty())
    }

    fn required(&self, name: &str) -> Result<String, SettingsError> {
        self.optional(name).ok_or_else(|| SettingsError(format!("{name} is not set")))
    }

    /// A secret that goes into a header.
    ///
    /// # Errors
    /// It is missing, or contains what no header takes.
    pub fn key(&self, name: &str) -> Result<String, SettingsError> {
        let value = self.required(name)?;
        if value.bytes().all(|byte| byte.is_ascii_graphic()) {
            Ok(value)
        } else {
            Err(SettingsError(format!("{name} contains characters that no key has")))
        }
    }

    /// An http(s) URL without a trailing slash, which may be missing.
    ///
    /// # Errors
    /// It is none.
    pub fn url(&self, name: &str) -> Result<Option<String>, SettingsError> {
        let Some(value) = self.optional(name) else { return Ok(None) };
        let valid = value.len() <= MAX_URL_BYTES
            && url::Url::parse(&value)
                .is_ok_and(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
        if valid {
            Ok(Some(value.trim_end_matches('/').to_owned()))
        } else {
            Err(SettingsError(format!("{name} is not an http(s) URL")))
        }
    }

    /// Supabase with the anon key, for calls in a user's name.
    pub fn supabase_for_users(&self) -> Result<SupabaseSettings, SettingsError> {
        self.supabase(|| self.key("SUPABASE_ANON_KEY"))
    }

    /// Supabase as anybody may know it. A key that opens more, set by mistake, is not handed out.
    pub fn supabase_for_anybody(&self) -> Result<SupabaseSettings, SettingsError> {
        let supabase = self.supabase_for_users()?;
        if service_key::is_secret(&supabase.key) {
            return Err(SettingsError("SUPABASE_ANON_KEY is a secret key, not the public one".into()));
        }
        Ok(supabase)
    }

    /// Supabase with the service key.
    pub fn supabase_for_service(&self) -> Result<SupabaseSettings, SettingsError> {
        self.supabase(|| Ok(self.service_keys()?.current().to_owned()))
    }

    /// `SUPABASE_SERVICE_ROLE_KEY`: the key that we call with, and after it, separated by spaces, others that
    /// callers of the private paths may hold while it is replaced.
    pub fn service_keys(&self) -> Result<ServiceKeys, SettingsError> {
        const NAME: &str = "SUPABASE_SERVICE_ROLE_KEY";
        let list = self.required(NAME)?;
        let keys = ServiceKeys::parse(&list).filter(|_| list.bytes().all(is_in_a_list_of_keys));
        keys.ok_or_else(|| SettingsError(format!("{NAME} is no key, nor up to four separated by spaces")))
    }

    fn supabase(
        &self,
        key: impl FnOnce() -> Result<String, SettingsError>,
    ) -> Result<SupabaseSettings, SettingsError> {
        let url = self.url("SUPABASE_URL")?.ok_or_else(|| SettingsError("SUPABASE_URL is not set".into()))?;
        Ok(SupabaseSettings { url, key: key()? })
    }

    /// The address that the provider calls back at `path` under `PUBLIC_URL`; `None` where that is not set, or no
    /// variable `secret` to know it by: then the sweep alone finishes jobs.
    pub fn callback(&self, path: &str, secret: &str) -> Result<Option<String>, SettingsError> {
        if self.optional(secret).is_none() {
            return Ok(None);
        }
        Ok(self.url("PUBLIC_URL")?.map(|base| format!("{base}{path}")))
    }

    /// Origins that webhooks may be sent to although they are not public: `WEBHOOK_ALLOWED_ORIGINS`, none
    /// by default.
    pub fn webhook_allowed_origins(&self) -> Result<AllowedOrigins, SettingsError> {
        const NAME: &str = "WEBHOOK_ALLOWED_ORIGINS";
        AllowedOrigins::parse(&self.optional(NAME).unwrap_or_default())
            .ok_or_else(|| SettingsError(format!("{NAME} is not a list of http(s) origins")))
    }

    /// The resolver that is asked where a webhook's receiver lies: `DNS_OVER_HTTPS_URL`.
    pub fn dns_over_https_url(&self) -> Result<String, SettingsError> {
        Ok(self.url("DNS_OVER_HTTPS_URL")?.unwrap_or_else(|| DEFAULT_RESOLVER_URL.to_owned()))
    }

    /// How many jobs run at once: `MAX_PARALLEL_JOBS`, 3 as in the original, 40 at most: so many of the
    /// largest payloads fit into one answer that is read whole.
    pub fn max_parallel_jobs(&self) -> u32 {
        self.count("MAX_PARALLEL_JOBS", 40).unwrap_or(3)
    }

    /// How many jobs one invocation takes at most: `MAX_JOBS_PER_INVOCATION`. A job mostly takes two
    /// subrequests and its share of a claim; the default stays below the free plan's 50 an invocation,
    /// <https://developers.cloudflare.com/workers/platform/limits/#subrequests>. On the paid plan
    /// (10,000) 2,000 is right.
    pub fn max_jobs_per_invocation(&self) -> u32 {
        self.count("MAX_JOBS_PER_INVOCATION", 2_000).unwrap_or(20)
    }

    /// The judge of prompts: `MODERATION_URL`, none by default. It has `MODERATION_TIMEOUT_MS`, 2,000 of at most 10,000.
    /// Where it fails, `MODERATION_ON_FAILURE` decides: `refuse`, the default, or `allow`.
    pub fn moderation(&self) -> Result<Option<Moderation>, SettingsError> {
        const ON_FAILURE: &str = "MODERATION_ON_FAILURE";
        const SECRET: &str = "MODERATION_SECRET";
        let Some(url) = self.url("MODERATION_URL")? else { return Ok(None) };
        let secret = self.optional(SECRET).map(|_| self.key(SECRET)).transpose()?;
        let allows_on_failure = match self.optional(ON_FAILURE).as_deref() {
            None | Some("refuse") => false,
            Some("allow") => true,
            Some(_) => return Err(SettingsError(format!("{ON_FAILURE} is neither refuse nor allow"))),
        };
        let timeout = self.count("MODERATION_TIMEOUT_MS", 10_000).unwrap_or(2_000);
        Ok(Some(Moderation {
            url,
            secret,
            timeout: Duration::from_millis(timeout.into()),
            allows_on_failure,
        }))
    }

    fn count(&self, name: &str, max: u32) -> Option<u32> {
        self.optional(name).and_then(|text| text.parse().ok()).filter(|n| (1..=max).contains(n))
    }
}

fn is_in_a_list_of_keys(byte: u8) -> bool {
    byte.is_ascii_graphic() || byte.is_ascii_whitespace()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn variables(list: &'static [(&str, &str)]) -> Variables<impl Fn(&str) -> Option<String>> {
        Variables::new(move |name| {
            list.iter().find(|(known, _)| *known == name).map(|(_, value)| value.to_string())
        })
    }

    #[test]
    fn urls_lose_their_slash_and_keys_are_checked() {
        let supabase =
            variables(&[("SUPABASE_URL", "https://x.supabase.co/"), ("SUPABASE_ANON_KEY", " a.b.c ")])
                .supabase_for_users()
                .unwrap();
        assert_eq!((supabase.url.as_str(), supabase.key.as_str()), ("https://x.supabase.co", "a.b.c"));
    }

    #[test]
    fn an_error_names_the_variable_and_never_its_value() {
        let error = variables(&[("SUPABASE_URL", "https://x.co"), ("SUPABASE_ANON_KEY", "sec\nret")])
            .supabase_for_users()
            .unwrap_err();
        assert!(error.0.contains("SUPABASE_ANON_KEY") && !error.0.contains("sec"), "{error}");
        let error = variables(&[]).supabase_for_service().unwrap_err();
        assert_eq!(error.0, "SUPABASE_URL is not set");
    }

    #[test]
    fn while_a_service_key_is_replaced_the_first_is_used_and_both_are_accepted() {
        const NAME: &str = "SUPABASE_SERVICE_ROLE_KEY";
        let both = variables(&[("SUPABASE_URL", "https://x.co"), (NAME, "sb_secret_new sb_secret_old")]);
        assert_eq!(both.supabase_for_service().unwrap().key, "sb_secret_new");
        let keys = both.service_keys().unwrap();
        assert!(keys.include("sb_secret_new") && keys.include("sb_secret_old"));
        for bad in ["a b c d e", "a\u{1}b", "clé"] {
            let error = Variables::new(|_: &str| Some(bad.to_owned())).service_keys().unwrap_err();
            assert!(error.0.contains(NAME) && !error.0.contains(bad), "{error}");
        }
    }

    #[test]
    fn a_secret_key_in_the_place_of_the_public_one_is_not_handed_out() {
        let public =
            variables(&[("SUPABASE_URL", "https://x.co"), ("SUPABASE_ANON_KEY", "sb_publishable_abc")]);
        assert!(public.supabase_for_anybody().is_ok());
        let secret = variables(&[("SUPABASE_URL", "https://x.co"), ("SUPABASE_ANON_KEY", "sb_secret_abc")]);
        let error = secret.supabase_for_anybody().unwrap_err();
        assert!(error.0.contains("SUPABASE_ANON_KEY") && !error.0.contains("sb_secret"), "{error}");
    }

    #[test]
    fn a_webhook_needs_both_its_url_and_its_secret() {
        let callback = |list| variables(list).callback("/webhooks/it", "SECRET").unwrap();
        let both = callback(&[("PUBLIC_URL", "https://p.example/"), ("SECRET", "whsec_x")]);
        assert_eq!(both.as_deref(), Some("https://p.example/webhooks/it"));
        assert_eq!(callback(&[("PUBLIC_URL", "https://p.example")]), None);
        assert_eq!(callback(&[("SECRET", "whsec_x")]), None);
    }

    #[test]
    fn webhooks_have_defaults_and_a_typing_error_is_noticed() {
        let empty = variables(&[]);
        assert_eq!(empty.dns_over_https_url().unwrap(), DEFAULT_RESOLVER_URL);
        assert!(empty.webhook_allowed_origins().is_ok());
        let wrong = variables(&[("WEBHOOK_ALLOWED_ORIGINS", "localhost:1"), ("DNS_OVER_HTTPS_URL", "dns")]);
        assert!(wrong.webhook_allowed_origins().unwrap_err().0.contains("WEBHOOK_ALLOWED_ORIGINS"));
        assert!(wrong.dns_over_https_url().is_err());
    }

    #[test]
    fn parallelism_has_a_default_and_bounds() {
        for (text, expected) in [("7", 7), ("0", 3), ("x", 3), ("1000", 3), ("40", 40), ("41", 3)] {
            let found = Variables::new(move |_: &str| Some(text.to_owned())).max_parallel_jobs();
            assert_eq!(found, expected, "{text}");
        }
    }
}
