//! `GET /models` as the database has it: which models it lets start, and what it charges for them.
//!
//! The catalogue knows what a model takes; whether it may be asked for, and its price, are the operator's.

use serde_json::Value;

use crate::catalogue::{Catalogue, Model};
use crate::http::types::Price;

/// A model that may be asked for.
#[derive(Debug, Clone, PartialEq)]
pub struct ChargedModel {
    /// `owner/name`.
    pub id: String,
    /// What it costs, where that is known.
    pub price: Option<Price>,
    /// False while the provider refuses it.
    pub is_available: bool,
}

/// All models that may be asked for.
#[derive(Debug, Clone, PartialEq)]
pub struct Charged(pub Vec<ChargedModel>);

impl Charged {
    /// The models of the catalogue that may be asked for, in its order, at these prices.
    pub fn describe(&self, catalogue: &Catalogue) -> Vec<Value> {
        let described = |model: &Model| {
            let charged = self.0.iter().find(|charged| charged.id == model.id)?;
            Some(model.describe_at(charged.price, charged.is_available))
        };
        catalogue.active().filter_map(described).collect()
    }
}

/// What was fetched last, for as long as it may be used.
#[derive(Debug, Default)]
pub struct ChargedCache(Option<(u64, Charged)>);

impl ChargedCache {
    /// Seconds for which a copy is as good as asking.
    const FRESH_S: u64 = 60;
    /// Seconds for which it is better than no answer, while the database cannot be reached.
    const STALE_S: u64 = 600;

    /// A copy that saves the question.
    pub fn fresh(&self, now_s: u64) -> Option<&Charged> {
        self.within(now_s, Self::FRESH_S)
    }

    /// A copy for want of an answer.
    pub fn stale(&self, now_s: u64) -> Option<&Charged> {
        self.within(now_s, Self::STALE_S)
    }

    /// Keeps what was fetched.
    pub fn keep(&mut self, now_s: u64, charged: Charged) {
        self.0 = Some((now_s, charged));
    }

    fn within(&self, now_s: u64, seconds: u64) -> Option<&Charged> {
        let (at, charged) = self.0.as_ref()?;
        (now_s.saturating_sub(*at) <= seconds).then_some(charged)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_what_the_database_lets_start_is_listed_and_at_its_price() {
        let model = |id: &str, usd: Option<f64>, usd_per_second| ChargedModel {
            id: id.to_owned(),
            price: usd.map(|usd_per_image| Price { usd_per_image, usd_per_second, ..Price::default() }),
            is_available: usd.is_some(),
        };
        let charged = Charged(vec![
            model("black-forest-labs/flux-schnell", Some(0.5), None),
            model("stability-ai/sdxl", Some(0.01), Some(0.002)),
            model("google/imagen-4", None, None),
            model("somebody/unknown", Some(1.0), None),
        ]);
        let listed = charged.describe(Catalogue::builtin());
        let seen: Vec<_> =
            listed.iter().map(|model| (model["id"].as_str().unwrap(), &model["price"])).collect();
        assert_eq!(
            seen,
            [
                ("black-forest-labs/flux-schnell", &json!({ "usd_per_image": 0.5 })),
                ("google/imagen-4", &Value::Null),
                ("stability-ai/sdxl", &json!({ "usd_per_image": 0.01, "usd_per_second": 0.002 })),
            ]
        );
        let available: Vec<_> = listed.iter().map(|model| &model["is_available"]).collect();
        assert_eq!(available, [true, false, true]);
    }

    #[test]
    fn a_copy_is_fresh_for_a_minute_and_better_than_nothing_for_ten() {
        let mut cache = ChargedCache::default();
        assert_eq!((cache.fresh(0), cache.stale(0)), (None, None));
        cache.keep(1000, Charged(Vec::new()));
        let found = |now| (cache.fresh(now).is_some(), cache.stale(now).is_some());
        assert_eq!(found(1060), (true, true));
        assert_eq!(found(1061), (false, true));
        assert_eq!(found(1600), (false, true));
        assert_eq!(found(1601), (false, false));
    }
}
