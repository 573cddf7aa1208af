//! A gateway on its own behind the verbs of objects: what it keeps by itself are subscribers, with the orchestrator's names of fields, so
//! that one file serves both. What only an orchestrator has is refused by name.

use crate::client::Client;
use crate::error::{Error, Result};
use crate::keys::KeyTexts;
use crate::rest::Request;
use basalt_control_api::gateway::v1 as api;
use serde::Deserialize;
use serde_json::{Value, json};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use tokio::sync::Mutex;

/// A gateway that is asked as an orchestrator is.
pub(in crate::commands) struct Lone(Mutex<Client>);

/// A subscriber's body. Fields are those of the orchestrator's schema `Subscriber`; `ambr`, `amf` and what an access point has beside its
/// addresses stand with the orchestrator in other objects.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Body {
    #[serde(default)]
    title: String,
    state: Option<String>,
    msisdn: Option<String>,
    auth_algo: Option<String>,
    keys: Option<Keys>,
    ambr: Option<Rates>,
    #[serde(default)]
    active_apns: Vec<Apn>,
    #[serde(default)]
    amf: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Keys {
    k: String,
    opc: String,
}

#[derive(Clone, Copy, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Rates {
    #[serde(default)]
    max_dl_bit_rate: u64,
    #[serde(default)]
    max_ul_bit_rate: u64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Apn {
    apn: String,
    #[serde(default)]
    qci: u32,
    #[serde(default)]
    priority: u32,
    ambr: Option<Rates>,
    static_address: Option<Addresses>,
    #[serde(default)]
    framed_routes: Vec<String>,
    #[serde(default)]
    pdn_type: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Addresses {
    ipv4: Option<String>,
    ipv6: Option<String>,
}

impl Lone {
    pub(super) fn new(client: Client) -> Self {
        Self(Mutex::new(client))
    }

    /// A request that an orchestrator would be sent.
    pub(super) async fn send(&self, request: &Request<'_>) -> Result<Value> {
        let (path, query) = request.path().split_once('?').unwrap_or((request.path(), ""));
        let mut parts = path.trim_start_matches('/').split('/').skip_while(|part| *part != "subscribers").skip(1);
        if !path.contains("/subscribers") {
            let kind = path.rsplit('/').nth(1).unwrap_or_default();
            return Err(Error::usage(
                format!(
                    "a gateway on its own keeps subscribers; {kind} are an orchestrator's, or stand in its configuration"
                ),
                "name an orchestrator (`basalt context`), or edit /etc/basalt/agwd.toml (`basalt config` shows what holds)",
            ));
        }
        let dry_run = query.contains("dry_run=true");
        let body = || serde_json::from_slice::<Value>(request.body.as_deref().unwrap_or_default()).unwrap_or_default();
        match (request.method(), parts.next(), parts.next()) {
            ("GET", Some(_), Some("versions")) => Ok(json!({"items": []})),
            ("GET", Some(imsi), None) => self.read(imsi).await,
            ("PUT", Some(imsi), None) => self.put(imsi, body(), request.if_match).await,
            ("DELETE", Some(imsi), None) => {
                let request = api::DeleteSubscriberRequest { imsi: imsi.to_owned() };
                self.0.lock().await.ask(|mut client| async move { client.delete_subscriber(request).await }).await?;
                Ok(Value::Null)
            }
            ("POST", Some("import"), None) if dry_run => {
                self.rehearse(request.body.as_deref().unwrap_or_default()).await
            }
            _ => Err(Error::usage("a gateway on its own cannot do that", "name an orchestrator: `basalt context`")),
        }
    }

    /// All subscribers.
    pub(super) async fn list(&self, path: &str) -> Result<Vec<Value>> {
        if !path.ends_with("/subscribers") {
            return self.send(&Request::new("GET", &format!("{path}/-"))).await.map(|one| vec![one]);
        }
        Ok(self.0.lock().await.subscribers().await?.iter().map(shown).collect())
    }

    async fn read(&self, imsi: &str) -> Result<Value> {
        let request = api::GetSubscriberRequest { imsi: imsi.to_owned() };
        let asked = self.0.lock().await.ask(|mut client| async move { client.get_subscriber(request).await }).await;
        asked.map(|subscriber| shown(&subscriber))
    }

    async fn put(&self, imsi: &str, body: Value, if_match: Option<u64>) -> Result<Value> {
        if let Some(wanted) = if_match
            && self.read(imsi).await?.get("revision").and_then(Value::as_u64) != Some(wanted)
        {
            let what = format!("subscriber/{imsi} has changed meanwhile");
            return Err(Error::Refused { code: "aborted", what, fix: "look at it again".to_owned() });
        }
        let request = request(imsi, body)?;
        let wanted = request.subscriber.as_ref().map_or(0, |subscriber| subscriber.state);
        let mut client = self.0.lock().await;
        let kept = client.ask(|mut client| async move { client.add_subscriber(request).await }).await?;
        if kept.state == wanted {
            return Ok(shown(&kept));
        }
        let request = api::SetSubscriberStateRequest { imsi: imsi.to_owned(), state: wanted };
        let kept = client.ask(|mut client| async move { client.set_subscriber_state(request).await }).await?;
        Ok(shown(&kept))
    }

    /// Has the gateway check lines of an import, and change nothing.
    async fn rehearse(&self, lines: &[u8]) -> Result<Value> {
        let mut rows = Vec::new();
        for line in lines.split(|octet| *octet == b'\n').filter(|line| !line.is_empty()) {
            let mut object: Value = serde_json::from_slice(line).unwrap_or_default();
            let body = object.get_mut("body").map(Value::take).unwrap_or_default();
            rows.push(request(super::text(&object, "/name"), body)?);
        }
        let answer = self.0.lock().await.import(rows, true).await?;
        match answer.errors.first() {
            Some(error) => Err(Error::Refused {
                code: "invalid_argument",
                what: format!("object {}: {}", error.row, error.message),
                fix: String::new(),
            }),
            None => Ok(json!({"created": answer.imported, "replaced": answer.replaced})),
        }
    }
}

fn request(imsi: &str, body: Value) -> Result<api::AddSubscriberRequest> {
    let imsi = crate::commands::imsi(imsi)?;
    let unusable = |what: String| {
        let fix = "a gateway on its own knows title, state, msisdn, auth_algo, keys, ambr, active_apns and amf; other fields are an \
                   orchestrator's";
        Error::usage(format!("subscriber/{imsi}: {what}"), fix)
    };
    // A decoder's words may repeat a value, and a value may be a key: only those about names are shown.
    let body: Body = serde_json::from_value(body).map_err(|error| {
        let words = error.to_string();
        unusable(if words.starts_with("unknown field") || words.starts_with("missing field") {
            words.split(", expected").next().unwrap_or_default().to_owned()
        } else {
            "a field has a wrong type".to_owned()
        })
    })?;
    let state = match body.state.as_deref() {
        None | Some("ACTIVE") => api::SubscriberState::Active,
        Some("INACTIVE") => api::SubscriberState::Suspended,
        Some(_) => return Err(unusable("`state` is ACTIVE or INACTIVE".to_owned())),
    };
    let algorithm = match body.auth_algo.as_deref() {
        None | Some("MILENAGE") => api::AuthAlgorithm::Milenage,
        Some("TUAK") => api::AuthAlgorithm::Tuak,
        Some(_) => return Err(unusable("`auth_algo` is MILENAGE or TUAK".to_owned())),
    };
    let keys = body.keys.map(|keys| {
        let texts = KeyTexts::of(&keys.k, &keys.opc);
        texts.octets(algorithm == api::AuthAlgorithm::Tuak).map(crate::keys::Keys::into_request)
    });
    let keys = keys.transpose().map_err(|what| unusable(what.to_string()))?;
    let rates = body.ambr.unwrap_or_default();
    let subscriber = api::Subscriber {
        imsi: imsi.clone(),
        name: body.title,
        msisdn: body.msisdn.unwrap_or_default(),
        state: state.into(),
        algorithm: algorithm.into(),
        ambr_uplink: rates.max_ul_bit_rate,
        ambr_downlink: rates.max_dl_bit_rate,
        apns: body.active_apns.into_iter().map(Apn::into_request).collect(),
        amf: body.amf,
    };
    Ok(api::AddSubscriberRequest { subscriber: Some(subscriber), keys, replace: true })
}

impl Apn {
    fn into_request(self) -> api::SubscribedApn {
        let rates = self.ambr.unwrap_or_default();
        let (static_ipv4, static_ipv6) = self.static_address.map(|it| (it.ipv4, it.ipv6)).unwrap_or_default();
        api::SubscribedApn {
            apn: self.apn,
            qci: self.qci,
            priority: self.priority,
            ambr_uplink: rates.max_ul_bit_rate,
            ambr_downlink: rates.max_dl_bit_rate,
            static_ipv4: static_ipv4.unwrap_or_default(),
            static_ipv6: static_ipv6.unwrap_or_default(),
            pdn_type: self.pdn_type,
            framed_routes: self.framed_routes,
        }
    }
}

/// A subscriber as an orchestrator would show it. The revision is a digest: it says whether it is the same, not what came first.
fn shown(it: &api::Subscriber) -> Value {
    let state = if it.state() == api::SubscriberState::Suspended { "INACTIVE" } else { "ACTIVE" };
    let algorithm = if it.algorithm() == api::AuthAlgorithm::Tuak { "TUAK" } else { "MILENAGE" };
    let mut body = json!({"title": it.name, "state": state, "auth_algo": algorithm});
    let rates = |down: u64, up: u64| json!({"max_dl_bit_rate": down, "max_ul_bit_rate": up});
    if !it.msisdn.is_empty() {
        body["msisdn"] = it.msisdn.clone().into();
    }
    if (it.ambr_downlink, it.ambr_uplink) != (0, 0) {
        body["ambr"] = rates(it.ambr_downlink, it.ambr_uplink);
    }
    if !it.amf.is_empty() {
        body["amf"] = it.amf.clone().into();
    }
    let apns = it.apns.iter().map(|apn| {
        let mut shown = json!({"apn": apn.apn, "qci": apn.qci, "priority": apn.priority});
        if !apn.pdn_type.is_empty() {
            shown["pdn_type"] = apn.pdn_type.clone().into();
        }
        if (apn.ambr_downlink, apn.ambr_uplink) != (0, 0) {
            shown["ambr"] = rates(apn.ambr_downlink, apn.ambr_uplink);
        }
        for (field, address) in [("ipv4", &apn.static_ipv4), ("ipv6", &apn.static_ipv6)] {
            if !address.is_empty() {
                shown["static_address"][field] = address.clone().into();
            }
        }
        if !apn.framed_routes.is_empty() {
            shown["framed_routes"] = apn.framed_routes.clone().into();
        }
        shown
    });
    body["active_apns"] = apns.collect();
    let mut digest = DefaultHasher::new();
    body.to_string().hash(&mut digest);
    json!({"name": it.imsi, "revision": digest.finish() >> 11, "has_secrets": true, "body": body})
}
