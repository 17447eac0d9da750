//! The services outside, each behind the ports that it implements. An adapter knows no use case and no other adapter.

pub mod dns;
mod json_body;
pub mod moderation;
pub mod provider;
pub mod replicate;
pub mod supabase;

/// The provider that makes the images: this line says which.
pub type Provider = replicate::Replicate;
