//! `GET /models` as the database has it: which models it lets start, and what it charges for them.
//!
//! The catalogue knows what a model takes; whether it may be asked for, and its price, are the operator's.

use serde_json::Value;

use super::{Catalogue, Model};
use crate::api::Price;

/// Models that may be asked for, each with its price and whether the provider takes it at the moment.
#[derive(Debug, Clone, PartialEq)]
pub struct Charged(Vec<(String, Option<Price>, bool)>);

impl Charged {
    /// Reads what the SQL function `model_prices` answers: `[{id, is_available, usd_per_image, …}]`.
    pub fn parse(rows: &Value) -> Option<Self> {
        let row = |row: &Value| {
            let number = |name: &str| row.get(name).and_then(Value::as_f64);
            let price = number("usd_per_image").map(|usd_per_image| Price {
                usd_per_image,
                usd_per_megapixel: number("usd_per_megapixel"),
                usd_per_second: number("usd_per_second"),
            });
            let is_available = row.get("is_available") != Some(&Value::Bool(false));
            Some((row.get("id")?.as_str()?.to_owned(), price, is_available))
        };
        Some(Self(rows.as_array()?.iter().map(row).collect::<Option<_>>()?))
    }

    /// The models of the catalogue that may be asked for, in its order, at these prices.
    pub fn describe(&self, catalogue: &Catalogue) -> Vec<Value> {
        let described = |model: &Model| {
            let (_, price, is_available) = self.0.iter().find(|(named, ..)| *named == model.id)?;
            Some(model.describe_at(*price, *is_available))
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
        let rows = json!([
            { "id": "black-forest-labs/flux-schnell", "usd_per_image": 0.5 },
            { "id": "stability-ai/sdxl", "usd_per_image": 0.01, "usd_per_second": 0.002 },
            { "id": "google/imagen-4", "usd_per_image": null, "is_available": false },
            { "id": "somebody/unknown", "usd_per_image": 1 },
        ]);
        let listed = Charged::parse(&rows).unwrap().describe(Catalogue::builtin());
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
        for wrong in [json!(null), json!({}), json!([{ "usd_per_image": 1 }])] {
            assert_eq!(Charged::parse(&wrong), None, "{wrong}");
        }
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
