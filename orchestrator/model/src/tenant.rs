//! Tenants: who owns networks.

use crate::{Checker, Document};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// An organisation that owns networks. Its people and programs see those, and nothing of others.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Tenant {
    /// Name for people, at most 200 characters.
    #[schema(max_length = 200, pattern = "^[^\\x00-\\x1F\\x7F-\\x9F]*$")]
    pub title: String,
    /// Whom to call, at most 1000 characters.
    #[schema(max_length = 1000, pattern = "^[^\\x00-\\x1F\\x7F-\\x9F]*$")]
    pub contact: String,
}

impl Document for Tenant {
    fn check(&self, _: &str, c: &mut Checker) {
        c.text("title", &self.title, 200);
        c.text("contact", &self.contact, 1000);
    }
}
