//! What one gateway should have: of all objects of its network those that it needs, and nothing of anybody else's.

use crate::{Digest, DigestTree, Gateway, ItemKey, Kind, object_digest};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use utoipa::ToSchema;

/// Which subscribers a gateway needs. A subscriber is selected by any of these.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct SubscriberSelection {
    /// These.
    pub imsis: BTreeSet<String>,
    /// Those that have all of these labels; none, when empty.
    pub labels: BTreeMap<String, String>,
}

impl SubscriberSelection {
    /// Whether a subscriber is selected.
    #[must_use]
    pub fn selects(&self, imsi: &str, body: &Value) -> bool {
        let label = |name: &str| body.get("labels").and_then(|labels| labels.get(name)).and_then(Value::as_str);
        let labelled = !self.labels.is_empty() && self.labels.iter().all(|(name, value)| label(name) == Some(value));
        labelled || self.imsis.contains(imsi)
    }
}

/// An object as it is stored.
#[derive(Debug, Clone, Copy)]
pub struct Source<'a> {
    /// Of what kind.
    pub kind: Kind,
    /// Its name.
    pub name: &'a str,
    /// Its body.
    pub body: &'a Value,
    /// The revision at which its secrets were last given; 0 when it has none.
    pub secrets_mark: u64,
}

/// What one gateway should have.
#[derive(Debug, Clone)]
pub struct DesiredState {
    gateway: String,
    /// It is a federation gateway.
    federates: bool,
    selection: Option<SubscriberSelection>,
    tree: DigestTree,
}

impl DesiredState {
    /// The empty state of a gateway.
    #[must_use]
    pub fn new(name: &str, gateway: &Gateway) -> Self {
        let federates = gateway.feg.is_some();
        Self {
            gateway: name.to_owned(),
            federates,
            selection: gateway.subscribers.clone(),
            tree: DigestTree::default(),
        }
    }

    /// Takes in an object of the gateway's network that is new or has changed. What is not for this gateway (any more) is left
    /// or taken out. Whether the state changed.
    pub fn put(&mut self, object: Source<'_>) -> bool {
        self.put_known(object, object_digest(object.body, object.secrets_mark))
    }

    /// The same with a digest that was computed before; of the body only what [`DesiredState::selectors`] gives is looked at.
    pub fn put_known(&mut self, object: Source<'_>, digest: Digest) -> bool {
        let key = key_of(object.kind, object.name);
        if !self.needs(object) {
            return self.tree.remove(&key);
        }
        self.tree.insert(key, digest) != Some(digest)
    }

    /// The part of a body that decides which gateways need it.
    #[must_use]
    pub fn selectors(kind: Kind, body: &Value) -> Value {
        let fields: &[&str] = match kind {
            Kind::Enodeb | Kind::Gnodeb => &["gateway"],
            Kind::TrackingArea => &["gateways"],
            Kind::Subscriber => &["labels"],
            Kind::Federation => &["gateways"],
            _ => return Value::Null,
        };
        let wanted = |field: &&str| Some(((*field).to_owned(), body.get(*field)?.clone()));
        let empty = |value: &Value| value.as_object().is_some_and(serde_json::Map::is_empty);
        let chosen: serde_json::Map<String, Value> =
            fields.iter().filter_map(wanted).filter(|(_, value)| !empty(value)).collect();
        if chosen.is_empty() { Value::Null } else { Value::Object(chosen) }
    }

    /// Which subscribers it selects; all of the network, when `None`.
    #[must_use]
    pub const fn selection(&self) -> Option<&SubscriberSelection> {
        self.selection.as_ref()
    }

    /// Takes out an object. Whether the state changed.
    pub fn remove(&mut self, kind: Kind, name: &str) -> bool {
        self.tree.remove(&key_of(kind, name))
    }

    /// The digests.
    #[must_use]
    pub const fn tree(&self) -> &DigestTree {
        &self.tree
    }

    /// The digest of everything.
    #[must_use]
    pub fn digest(&self) -> Digest {
        self.tree.root()
    }

    /// Whether the gateway needs an object.
    #[must_use]
    pub fn needs(&self, object: Source<'_>) -> bool {
        needs(&self.gateway, self.federates, self.selection.as_ref(), object)
    }

    /// The same of any gateway, by its name and body.
    #[must_use]
    pub fn is_needed_by(gateway: &str, body: &Value, object: Source<'_>) -> bool {
        let federates = body.get("feg").is_some_and(|feg| !feg.is_null());
        // Of what is no selection there is none: then all are needed.
        let selection = body.get("subscribers").filter(|_| object.kind == Kind::Subscriber);
        let selection = selection.and_then(|selection| SubscriberSelection::deserialize(selection).ok());
        needs(gateway, federates, selection.as_ref(), object)
    }
}

fn needs(gateway: &str, federates: bool, selection: Option<&SubscriberSelection>, object: Source<'_>) -> bool {
    let belongs = |field: &str| object.body.get(field).and_then(Value::as_str) == Some(gateway);
    if federates {
        // Of subscribers and their keys it knows nothing: those of others are asked for, and ours are none of its business.
        return match object.kind {
            Kind::Network => true,
            Kind::Gateway => object.name == gateway,
            Kind::Federation => carriers(object.body).any(|name| name == gateway),
            _ => false,
        };
    }
    match object.kind {
        // Whom alarms go to and who the others are is no gateway's matter.
        Kind::Tenant
        | Kind::AlertRule
        | Kind::AlertReceiver
        | Kind::Silence
        | Kind::Acknowledgement
        | Kind::Webhook => false,
        // Without a carrier there is nobody to ask.
        Kind::Federation => carriers(object.body).next().is_some(),
        Kind::Gateway => object.name == gateway,
        Kind::Enodeb | Kind::Gnodeb => belongs("gateway"),
        Kind::TrackingArea => match object.body.get("gateways").and_then(Value::as_array) {
            Some(gateways) if !gateways.is_empty() => gateways.iter().any(|name| name == gateway),
            _ => true,
        },
        Kind::Subscriber => selection.is_none_or(|selection| selection.selects(object.name, object.body)),
        Kind::Network
        | Kind::Tier
        | Kind::GatewayPool
        | Kind::Apn
        | Kind::PolicyRule
        | Kind::BaseName
        | Kind::QosProfile
        | Kind::RatingGroup
        | Kind::DataPlan => true,
    }
}

/// The federation gateways that carry a federation.
fn carriers(federation: &Value) -> impl Iterator<Item = &str> {
    let all = federation.get("gateways").and_then(Value::as_array).into_iter().flatten();
    all.filter_map(|carrier| carrier.get("gateway").and_then(Value::as_str))
}

/// The key of an object.
#[must_use]
pub fn key_of(kind: Kind, name: &str) -> ItemKey {
    ItemKey { collection: kind.collection().to_owned(), name: name.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn state(gateway: &Value) -> DesiredState {
        DesiredState::new("g1", &serde_json::from_value(gateway.clone()).unwrap())
    }

    fn put(state: &mut DesiredState, kind: Kind, name: &str, body: &Value) -> bool {
        state.put(Source { kind, name, body, secrets_mark: 0 })
    }

    #[test]
    fn only_the_subscribers_that_it_needs() {
        let mut state =
            state(&json!({"tier": "t", "subscribers": {"imsis": ["001010000000001"], "labels": {"site": "north"}}}));
        assert!(put(&mut state, Kind::Subscriber, "001010000000001", &json!({})));
        assert!(!put(&mut state, Kind::Subscriber, "001010000000002", &json!({"labels": {"site": "south"}})));
        assert!(put(&mut state, Kind::Subscriber, "001010000000003", &json!({"labels": {"site": "north"}})));
        assert_eq!(state.tree().len(), 2);
        // A subscriber that moves away is taken out.
        assert!(put(&mut state, Kind::Subscriber, "001010000000003", &json!({"labels": {"site": "south"}})));
        assert_eq!(state.tree().len(), 1);
    }

    #[test]
    fn nothing_of_another_gateway() {
        let mut state = state(&json!({"tier": "t"}));
        assert!(!put(&mut state, Kind::Gateway, "g2", &json!({"tier": "t"})));
        assert!(!put(&mut state, Kind::Enodeb, "e", &json!({"gateway": "g2"})));
        assert!(!put(&mut state, Kind::TrackingArea, "a", &json!({"gateways": ["g2"]})));
        assert!(!put(&mut state, Kind::AlertReceiver, "r", &json!({})));
        assert!(state.tree().is_empty());
        assert!(put(&mut state, Kind::Gateway, "g1", &json!({"tier": "t"})));
        assert!(put(&mut state, Kind::TrackingArea, "b", &json!({"gateways": []})));
        assert!(put(&mut state, Kind::Subscriber, "001010000000001", &json!({})), "all of them, without a selection");
    }

    #[test]
    fn a_federation_gateway_has_the_federations_that_it_carries_and_nobodys_keys() {
        let mut feg = state(&json!({"tier": "t", "feg": {"host": "feg1.example.net", "realm": "example.net"}}));
        assert!(!put(&mut feg, Kind::Subscriber, "001010000000001", &json!({})));
        assert!(!put(&mut feg, Kind::Federation, "f", &json!({"gateways": [{"gateway": "g2"}]})));
        assert!(put(&mut feg, Kind::Federation, "f", &json!({"gateways": [{"gateway": "g2"}, {"gateway": "g1"}]})));
        assert!(put(&mut feg, Kind::Federation, "f", &json!({"gateways": []})), "it is taken away");
        let mut access = state(&json!({"tier": "t"}));
        assert!(put(&mut access, Kind::Federation, "f", &json!({"gateways": [{"gateway": "g2"}]})));
        assert!(!put(&mut access, Kind::Federation, "h", &json!({"gateways": []})));
    }

    #[test]
    fn a_change_of_keys_is_a_change() {
        let mut state = state(&json!({"tier": "t"}));
        let body = json!({"state": "ACTIVE"});
        let object =
            |secrets_mark| Source { kind: Kind::Subscriber, name: "001010000000001", body: &body, secrets_mark };
        assert!(state.put(object(1)));
        assert!(!state.put(object(1)), "the same again");
        let before = state.digest();
        assert!(state.put(object(2)));
        assert_ne!(state.digest(), before);
        assert!(state.remove(Kind::Subscriber, "001010000000001"));
        assert!(state.tree().is_empty());
    }
}
