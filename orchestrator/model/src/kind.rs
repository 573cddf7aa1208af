//! The kinds of objects: one table from which addresses, schemas, storage and rights follow.

use crate::{Checker, FieldError, parse_strict};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::collections::BTreeMap;
use utoipa::ToSchema;
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::Schema;

/// Where a kind lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// Once for the whole installation.
    Global,
    /// In each network.
    Network,
}

/// One object speaks of another by its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reference {
    /// Where, as a JSON pointer.
    pub path: String,
    /// Of what kind the other is. It lives in the same network, or globally.
    pub kind: Kind,
    /// Its name.
    pub name: String,
}

impl Reference {
    /// One name in a field.
    #[must_use]
    pub fn one(field: &str, kind: Kind, name: &str) -> Self {
        Self { path: format!("/{field}"), kind, name: name.to_owned() }
    }

    /// A list of names in a field.
    #[must_use]
    pub fn list(field: &str, kind: Kind, names: &[String]) -> Vec<Self> {
        let one = |(index, name): (usize, &String)| Self::one(&format!("{field}/{index}"), kind, name);
        names.iter().enumerate().map(one).collect()
    }
}

/// What an object's body is made of.
pub trait Document: Serialize + DeserializeOwned {
    /// Notes what is wrong. `name` is the object's.
    fn check(&self, name: &str, checker: &mut Checker);

    /// The objects that it speaks of.
    fn references(&self) -> Vec<Reference> {
        Vec::new()
    }

    /// Takes its secrets out, by name. They are stored sealed, apart from the body.
    fn take_secrets(&mut self) -> BTreeMap<String, String> {
        BTreeMap::new()
    }

    /// The secrets that it needs to work, given now or before.
    fn secret_names(&self) -> Vec<String> {
        Vec::new()
    }
}

/// A body that was found good.
#[derive(Clone, PartialEq)]
pub struct Parsed {
    /// The body in its normal form (defaults filled in), without secrets.
    pub body: Value,
    /// Secrets that came with it. They go nowhere but into the sealer.
    pub secrets: BTreeMap<String, String>,
    /// Secrets that must be there, from now or from before; others of before are forgotten.
    pub needed_secrets: Vec<String>,
    /// The objects it speaks of.
    pub references: Vec<Reference>,
}

impl core::fmt::Debug for Parsed {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let names: Vec<&String> = self.secrets.keys().collect();
        f.debug_struct("Parsed").field("body", &self.body).field("secrets", &names).finish_non_exhaustive()
    }
}

macro_rules! kinds {
    ($($(#[$doc:meta])* $kind:ident: $collection:literal, $scope:ident, $document:ty;)*) => {
        /// What an object is.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Kind {
            $($(#[$doc])* $kind,)*
        }

        impl Kind {
            /// All kinds.
            pub const ALL: &'static [Self] = &[$(Self::$kind),*];

            /// Its collection in addresses and in storage: `policy-rules`.
            #[must_use]
            pub const fn collection(self) -> &'static str {
                match self { $(Self::$kind => $collection),* }
            }

            /// Where it lives.
            #[must_use]
            pub const fn scope(self) -> Scope {
                match self { $(Self::$kind => Scope::$scope),* }
            }

            /// The name of its schema.
            #[must_use]
            pub const fn schema_name(self) -> &'static str {
                match self { $(Self::$kind => stringify!($kind)),* }
            }

            /// Adds its schema, and those that it uses, to a list.
            pub fn schemas(self, out: &mut Vec<(String, RefOr<Schema>)>) {
                match self {
                    $(Self::$kind => {
                        out.push((stringify!($kind).to_owned(), <$document as utoipa::PartialSchema>::schema()));
                        <$document as ToSchema>::schemas(out);
                    })*
                }
            }

            /// Checks a body that was read already.
            ///
            /// # Errors
            /// All faults that were found; at most one when the form itself is wrong.
            pub fn parse_value(self, name: &str, body: Value) -> Result<Parsed, Vec<FieldError>> {
                match self { $(Self::$kind => parse::<$document>(name, body)),* }
            }
        }
    };
}

kinds! {
    /// An organisation.
    Tenant: "tenants", Global, crate::Tenant;
    /// A radio network with its settings.
    Network: "networks", Global, crate::Network;
    /// A group of gateways that run one version.
    Tier: "tiers", Network, crate::Tier;
    /// An access gateway.
    Gateway: "gateways", Network, crate::Gateway;
    /// Gateways that stand in for each other (MME pool, TS 23.236).
    GatewayPool: "gateway-pools", Network, crate::GatewayPool;
    /// An LTE base station.
    Enodeb: "enodebs", Network, crate::Enodeb;
    /// An NR base station.
    Gnodeb: "gnodebs", Network, crate::Gnodeb;
    /// A tracking area.
    TrackingArea: "tracking-areas", Network, crate::TrackingArea;
    /// An access point (data network).
    Apn: "apns", Network, crate::Apn;
    /// A subscriber.
    Subscriber: "subscribers", Network, crate::Subscriber;
    /// A policy and charging rule.
    PolicyRule: "policy-rules", Network, crate::PolicyRule;
    /// A named set of policy rules (TS 29.212 §5.3.4).
    BaseName: "base-names", Network, crate::BaseName;
    /// A QoS profile that policy rules share.
    QosProfile: "qos-profiles", Network, crate::QosProfile;
    /// A rating group (TS 32.299 §7.2.155).
    RatingGroup: "rating-groups", Network, crate::RatingGroup;
    /// A data plan.
    DataPlan: "data-plans", Network, crate::DataPlan;
    /// The way to a partner's core.
    Federation: "federations", Network, crate::Federation;
    /// A condition that must not hold.
    AlertRule: "alert-rules", Network, crate::AlertRule;
    /// Who is told.
    AlertReceiver: "alert-receivers", Network, crate::AlertReceiver;
    /// Alarms that nobody is told of for a while.
    Silence: "silences", Network, crate::Silence;
    /// Somebody looks after an alarm.
    Acknowledgement: "acknowledgements", Network, crate::Acknowledgement;
    /// Whom a network tells what happens.
    Webhook: "webhooks", Network, crate::Webhook;
}

impl Kind {
    /// The kind of a collection.
    #[must_use]
    pub fn from_collection(collection: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|kind| kind.collection() == collection)
    }

    /// Reads and checks a body.
    ///
    /// # Errors
    /// As [`Kind::parse_value`].
    pub fn parse(self, name: &str, body: &[u8]) -> Result<Parsed, Vec<FieldError>> {
        let value = parse_strict(body).map_err(|error| vec![error])?;
        self.parse_value(name, value)
    }
}

fn parse<D: Document>(name: &str, body: Value) -> Result<Parsed, Vec<FieldError>> {
    let mut document: D = serde_path_to_error::deserialize(body).map_err(|error| vec![form(&error)])?;
    let mut checker = Checker::default();
    if !crate::check::is_name(name) {
        checker.name(name);
    }
    document.check(name, &mut checker);
    let errors = checker.into_errors();
    if !errors.is_empty() {
        return Err(errors);
    }
    let secrets = document.take_secrets();
    let body = serde_json::to_value(&document).map_err(|error| {
        let what = error.to_string();
        vec![FieldError { path: String::new(), what, allowed: "a JSON object".to_owned() }]
    })?;
    Ok(Parsed { body, secrets, needed_secrets: document.secret_names(), references: document.references() })
}

/// A fault of the form: a field too many, missing, or of another type. The value itself is not repeated: it may be a secret in
/// the wrong place.
fn form(error: &serde_path_to_error::Error<serde_json::Error>) -> FieldError {
    let mut path = String::new();
    for segment in error.path() {
        match segment {
            serde_path_to_error::Segment::Seq { index } => path.push_str(&format!("/{index}")),
            serde_path_to_error::Segment::Map { key } => {
                path.push_str(&format!("/{}", key.replace('~', "~0").replace('/', "~1")));
            }
            _ => {}
        }
    }
    let text = error.inner().to_string();
    let said = crate::check::shown_words(&text);
    let (what, allowed) = said.split_once(", expected ").unwrap_or((&said, "a document of the schema"));
    FieldError { path, what: what.to_owned(), allowed: allowed.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn collections_are_told_apart() {
        for kind in Kind::ALL {
            assert_eq!(Kind::from_collection(kind.collection()), Some(*kind));
        }
        assert_eq!(Kind::from_collection("users"), None);
    }

    #[test]
    fn a_field_too_many_is_named_and_its_value_is_not() {
        let body = br#"{"title":"x","role":"admin-9f3c"}"#;
        let errors = Kind::Tenant.parse("t", body).unwrap_err();
        assert_eq!(errors.len(), 1);
        assert_eq!(errors[0].what, "unknown field `role`");
        assert!(errors[0].allowed.contains("`title`"), "{}", errors[0]);
        assert!(!errors[0].to_string().contains("9f3c"));
    }

    #[test]
    fn a_value_of_another_type_is_placed_and_not_repeated() {
        let body = br#"{"title":{"k":"465b5ce8b199b49faa5f0a2ee238a6bc"}}"#;
        let errors = Kind::Tenant.parse("t", body).unwrap_err();
        assert_eq!(errors[0].path, "/title");
        assert!(!errors[0].to_string().contains("465b"), "{}", errors[0]);
        let body = br#"{"keys":"465b5ce8b199b49faa5f0a2ee238a6bc"}"#;
        let errors = Kind::Subscriber.parse("001010000000001", body).unwrap_err();
        assert_eq!(errors[0].path, "/keys");
        assert!(!errors[0].to_string().contains("465b"), "{}", errors[0]);
    }

    #[test]
    fn a_bad_name_is_a_fault_of_the_whole() {
        let errors = Kind::Tenant.parse("../etc", b"{}").unwrap_err();
        assert_eq!(errors[0].path, "");
    }

    #[test]
    fn what_is_normal_stays_as_it_is() {
        let once = Kind::Network.parse("n", br#"{"tenant":"t"}"#).unwrap();
        let twice = Kind::Network.parse_value("n", once.body.clone()).unwrap();
        assert_eq!(once, twice);
    }
}
