//! A subscriber of the orchestrator as a request to this gateway: the same words that `basalt subscriber add` uses, so that the same
//! checks hold.

use agw_subscribers::StoredSubscriber;
use agw_types::ApnConfig;
use basalt_control_api::gateway::v1 as api;
use basalt_security::SealingKey;
use serde_json::Value;
use std::collections::BTreeMap;
use std::net::Ipv6Addr;

/// What besides its own body decides what a subscriber may have.
pub struct Surroundings {
    /// The network's body.
    pub network: Value,
    /// Access points by name.
    pub apns: BTreeMap<String, Value>,
    /// Data plans by name.
    pub plans: BTreeMap<String, Value>,
}

/// The request. Without secrets the subscriber keeps the keys that it has here.
///
/// # Errors
/// What keeps it from being used here, in a sentence.
pub fn request(
    imsi: &str,
    body: &str,
    secrets: Option<&BTreeMap<String, String>>,
    around: &Surroundings,
    configured: &[ApnConfig],
) -> Result<api::AddSubscriberRequest, String> {
    let body: Value = serde_json::from_str(body).map_err(|_| "its body cannot be read".to_owned())?;
    let text = |field: &str| body.get(field).and_then(Value::as_str).unwrap_or_default().to_owned();
    let list = |field: &str| body.get(field).and_then(Value::as_array).cloned().unwrap_or_default();
    let barred = list("forbidden_network_types").iter().any(|rat| rat == "EUTRAN");
    let state = if text("state") == "INACTIVE" || barred {
        api::SubscriberState::Suspended
    } else {
        api::SubscriberState::Active
    };
    let algorithm = if text("auth_algo") == "TUAK" { api::AuthAlgorithm::Tuak } else { api::AuthAlgorithm::Milenage };
    if !list("service_areas").is_empty() {
        return Err(
            "service_areas: this gateway does not keep subscribers to areas, and so does not serve it".to_owned()
        );
    }
    let plan = match body.get("data_plan").and_then(Value::as_str) {
        None => None,
        Some(name) => Some(around.plans.get(name).ok_or_else(|| format!("there is no data plan `{name}`"))?),
    };
    let planned = plan.and_then(|plan| plan.get("ambr")).map(rates).unwrap_or_default();
    let profile = match body.get("sub_profile").and_then(Value::as_str) {
        None => (0, 0),
        Some(name) => {
            let found = around.network.pointer("/epc/sub_profiles").and_then(|profiles| profiles.get(name));
            rates(found.ok_or_else(|| format!("the network has no sub_profile `{name}`"))?)
        }
    };
    let limits = slower(profile, planned);
    let subscriber = api::Subscriber {
        imsi: imsi.to_owned(),
        name: text("title"),
        msisdn: text("msisdn"),
        state: state.into(),
        algorithm: algorithm.into(),
        ambr_uplink: limits.0,
        ambr_downlink: limits.1,
        apns: apns(&list("active_apns"), around, configured, limits),
        amf: around.network.pointer("/epc/lte_auth_amf").and_then(Value::as_str).unwrap_or_default().to_owned(),
    };
    let keys = match secrets.filter(|secrets| !secrets.is_empty()) {
        None => None,
        Some(secrets) => Some(api::SimKeys {
            k: secrets.get("k").and_then(|text| octets(text)).ok_or("its K cannot be read")?,
            opc: secrets.get("opc").and_then(|text| octets(text)).ok_or("its OPc cannot be read")?,
            ..api::SimKeys::default()
        }),
    };
    Ok(api::AddSubscriberRequest { subscriber: Some(subscriber), keys, replace: true })
}

/// The access points that it names; without any, those of the network that this gateway serves. None is faster than the subscriber: its
/// own limit (UE-AMBR) holds over all of them (TS 23.401 §4.7.3), and a phone need not be told more of one (APN-AMBR).
fn apns(
    named: &[Value],
    around: &Surroundings,
    configured: &[ApnConfig],
    limits: (u64, u64),
) -> Vec<api::SubscribedApn> {
    let shaped = |name: &str, own: Option<&Value>| {
        let general = around.apns.get(name).unwrap_or(&Value::Null);
        let number = |path: &str| general.pointer(path).and_then(Value::as_u64).and_then(|it| u32::try_from(it).ok());
        let (ambr_uplink, ambr_downlink) = slower(general.get("ambr").map(rates).unwrap_or_default(), limits);
        let owned = |path: &str| own.and_then(|own| own.pointer(path));
        let address = owned("/static_address/ipv4").and_then(Value::as_str);
        let routes = owned("/framed_routes").and_then(Value::as_array).into_iter().flatten();
        let pdn_type = general.get("pdn_type").and_then(Value::as_str).unwrap_or_default();
        api::SubscribedApn {
            apn: name.to_owned(),
            qci: number("/qci").unwrap_or(0),
            priority: number("/arp/priority_level").unwrap_or(0),
            ambr_uplink,
            ambr_downlink,
            static_ipv4: address.unwrap_or_default().to_owned(),
            static_ipv6: owned("/static_address/ipv6").and_then(Value::as_str).and_then(prefix).unwrap_or_default(),
            pdn_type: pdn_type.to_ascii_lowercase(),
            framed_routes: routes.filter_map(Value::as_str).map(str::to_owned).collect(),
        }
    };
    if named.is_empty() {
        let served = configured.iter().filter(|apn| around.apns.contains_key(apn.apn.as_str()));
        return served.map(|apn| shaped(apn.apn.as_str(), None)).collect();
    }
    let name = |own: &Value| own.get("apn").and_then(Value::as_str).unwrap_or_default().to_owned();
    named.iter().map(|own| shaped(&name(own), Some(own))).collect()
}

/// The /64 of an address.
fn prefix(address: &str) -> Option<String> {
    let bits = u128::from(address.parse::<Ipv6Addr>().ok()?) >> 64 << 64;
    Some(format!("{}/64", Ipv6Addr::from(bits)))
}

/// Uplink and downlink; 0 is unlimited here, and never is there.
fn rates(limit: &Value) -> (u64, u64) {
    let rate = |field: &str| limit.get(field).and_then(Value::as_u64).unwrap_or(0);
    (rate("max_ul_bit_rate"), rate("max_dl_bit_rate"))
}

/// The slower of two in each direction.
fn slower(one: (u64, u64), other: (u64, u64)) -> (u64, u64) {
    let pick = |one: u64, other: u64| if one == 0 || (other > 0 && other < one) { other } else { one };
    (pick(one.0, other.0), pick(one.1, other.1))
}

fn octets(text: &str) -> Option<Vec<u8>> {
    let pairs = text.as_bytes().chunks(2).map(|pair| u8::from_str_radix(core::str::from_utf8(pair).ok()?, 16).ok());
    text.len().is_multiple_of(2).then(|| pairs.collect::<Option<_>>())?
}

/// Keys that are those the subscriber has already are left out: its sequence number goes on.
pub fn with_kept_keys(
    mut request: api::AddSubscriberRequest,
    former: Option<&StoredSubscriber>,
    sealing: &SealingKey,
) -> api::AddSubscriberRequest {
    let held = former.and_then(|former| former.credentials(sealing).ok());
    if let (Some(keys), Some(held)) = (&request.keys, held)
        && held.k.matches(&keys.k)
        && held.opc.matches(&keys.opc)
    {
        request.keys = None;
    }
    request
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn around() -> Surroundings {
        let network = json!({"epc": {"lte_auth_amf": "8000",
            "sub_profiles": {"gold": {"max_ul_bit_rate": 5, "max_dl_bit_rate": 6}}}});
        let apn = json!({"qci": 8, "arp": {"priority_level": 3}, "ambr": {"max_ul_bit_rate": 1, "max_dl_bit_rate": 2}});
        let plans =
            BTreeMap::from([("silver".to_owned(), json!({"ambr": {"max_ul_bit_rate": 7, "max_dl_bit_rate": 8}}))]);
        Surroundings { network, apns: BTreeMap::from([("internet".to_owned(), apn)]), plans }
    }

    fn configured() -> Vec<ApnConfig> {
        vec![ApnConfig::ipv4("internet".parse().unwrap(), Vec::new())]
    }

    fn read(body: &Value) -> Result<api::AddSubscriberRequest, String> {
        let secrets = BTreeMap::from([("k".to_owned(), "ab".repeat(16)), ("opc".to_owned(), "cd".repeat(16))]);
        request("001010000000001", &body.to_string(), Some(&secrets), &around(), &configured())
    }

    #[test]
    fn the_network_says_what_the_subscriber_leaves_open() {
        let request = read(&json!({"title": "pump", "sub_profile": "gold"})).unwrap();
        let subscriber = request.subscriber.unwrap();
        assert_eq!((subscriber.ambr_uplink, subscriber.ambr_downlink, subscriber.amf.as_str()), (5, 6, "8000"));
        let apn = &subscriber.apns[0];
        assert_eq!((apn.apn.as_str(), apn.qci, apn.priority, apn.ambr_downlink), ("internet", 8, 3, 2));
        assert_eq!(request.keys.unwrap().k, vec![0xab; 16]);
        let planned = read(&json!({"data_plan": "silver"})).unwrap().subscriber.unwrap();
        assert_eq!((planned.ambr_uplink, planned.ambr_downlink), (7, 8));
        assert_eq!((planned.apns[0].ambr_uplink, planned.apns[0].ambr_downlink), (1, 2), "its access point is slower");
        let both = read(&json!({"data_plan": "silver", "sub_profile": "gold"})).unwrap().subscriber.unwrap();
        assert_eq!((both.ambr_uplink, both.ambr_downlink), (5, 6));
        assert_eq!((slower((0, 9), (3, 0)), slower((4, 4), (3, 5))), ((3, 9), (3, 4)));
    }

    #[test]
    fn its_own_access_points_states_and_faults() {
        let own = json!([{"apn": "ims", "static_address": {"ipv4": "10.0.0.9", "ipv6": "2001:db8:1:7::9"}, "framed_routes": ["10.7.0.0/16"]}]);
        let subscriber = read(&json!({"active_apns": own, "state": "INACTIVE"})).unwrap().subscriber.unwrap();
        assert_eq!((subscriber.apns[0].apn.as_str(), subscriber.apns[0].static_ipv4.as_str()), ("ims", "10.0.0.9"));
        assert_eq!(subscriber.apns[0].static_ipv6, "2001:db8:1:7::/64");
        assert_eq!(subscriber.apns[0].framed_routes, ["10.7.0.0/16"]);
        assert_eq!(subscriber.state(), api::SubscriberState::Suspended);
        let barred = read(&json!({"forbidden_network_types": ["EUTRAN"]})).unwrap().subscriber.unwrap();
        assert_eq!(barred.state(), api::SubscriberState::Suspended);
        assert!(read(&json!({"data_plan": "none"})).unwrap_err().contains("no data plan `none`"));
        assert!(read(&json!({"service_areas": ["town"]})).unwrap_err().contains("service_areas"));
        assert!(read(&json!({"sub_profile": "none"})).unwrap_err().contains("no sub_profile `none`"));
        let wrong = BTreeMap::from([("k".to_owned(), "zz".to_owned())]);
        let refused = request("1", "{}", Some(&wrong), &around(), &configured()).unwrap_err();
        assert!(!refused.contains("zz"));
    }
}
