//! The answer of `GET /models`: what the catalogue says of each model, at the price that the database charges.

mod charged;
mod describe;

pub use charged::{Charged, ChargedCache, ChargedModel};
