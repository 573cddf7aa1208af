//! Subscribers as they come over the control API: checked, with errors that say what to write instead.

use agw_subscribers::{Credentials, StoredAlgorithm, StoredSubscriber, Subscriber};
use agw_types::{Ambr, ApnConfig, ApnProfile, Arp, BearerQos, IpPrefix, PdnTypes, Prefix64, Profile, SubscriberState};
use basalt_control_api::gateway::v1 as api;
use basalt_ids::{Apn, Imsi, Qci};
use basalt_security::{AMF_EPS, AkaAlgorithm, SealingKey, Secret, Sqn};
use std::net::IpAddr;

/// Everything that a request says, checked.
#[derive(Debug)]
pub struct Wanted {
    /// Ready for use.
    pub subscriber: Subscriber,
    /// To be sealed.
    pub credentials: Credentials,
    /// The keys are those the subscriber had before.
    pub same_keys: bool,
}

const DEFAULT_QCI: u8 = 9;
const DEFAULT_PRIORITY: u8 = 8;

/// Reads a request. `former` is the subscriber's record, if there is one; its keys stay when the request has none.
///
/// # Errors
/// What is wrong and what to do, as one sentence or two.
pub fn read(
    request: &api::AddSubscriberRequest,
    former: Option<&StoredSubscriber>,
    key: &SealingKey,
    configured: &[ApnConfig],
) -> Result<Wanted, String> {
    let asked = request.subscriber.as_ref().ok_or("the request names no subscriber")?;
    let imsi = imsi(&asked.imsi)?;
    if former.is_some() && !request.replace {
        return Err(format!("subscriber {imsi} exists already; give --replace to overwrite it"));
    }
    let (credentials, sqn, same_keys) = match (&request.keys, former) {
        (Some(keys), _) => (credentials(keys, asked.algorithm())?, sqn(keys.sqn)?, false),
        (None, Some(former)) => {
            let kept = former.credentials(key).map_err(|error| error.to_string())?;
            (kept, Sqn::new(former.sqn).unwrap_or_default(), true)
        }
        (None, None) => return Err("a new subscriber needs its keys: K and OPc (or OP)".to_owned()),
    };
    let aka: AkaAlgorithm = credentials.functions().map_err(|error| error.to_string())?;
    let subscriber = Subscriber {
        profile: profile(imsi, asked, configured)?,
        name: asked.name.clone(),
        state: match asked.state() {
            api::SubscriberState::Suspended => SubscriberState::Suspended,
            _ => SubscriberState::Active,
        },
        aka,
        amf: amf(&asked.amf)?,
        sqn,
    };
    Ok(Wanted { subscriber, credentials, same_keys })
}

/// Reads an IMSI.
///
/// # Errors
/// What an IMSI is.
pub fn imsi(text: &str) -> Result<Imsi, String> {
    text.parse().map_err(|error| format!("`{}` is not an IMSI (6 to 15 digits): {error}", text.escape_debug()))
}

fn credentials(keys: &api::SimKeys, algorithm: api::AuthAlgorithm) -> Result<Credentials, String> {
    let algorithm = match algorithm {
        api::AuthAlgorithm::Tuak => StoredAlgorithm::Tuak,
        _ => StoredAlgorithm::Milenage,
    };
    let (operator, derived) = match (keys.opc.is_empty(), keys.op.is_empty()) {
        (false, true) => (&keys.opc, true),
        (true, false) => (&keys.op, false),
        (false, false) => return Err("OPc and OP are both given; give the one that your SIM vendor gave".to_owned()),
        (true, true) => return Err("OPc is missing; give OPc, or OP to compute it from".to_owned()),
    };
    let (k, operator) = (Secret::new(keys.k.clone()), Secret::new(operator.clone()));
    Credentials::new(algorithm, k, operator, derived).map_err(|error| error.to_string())
}

fn sqn(value: u64) -> Result<Sqn, String> {
    Sqn::new(value).ok_or_else(|| format!("sequence number {value} has more than 48 bits"))
}

fn amf(text: &str) -> Result<[u8; 2], String> {
    if text.is_empty() {
        return Ok(AMF_EPS);
    }
    let value = u16::from_str_radix(text, 16).ok().filter(|_| text.len() == 4);
    value.map(u16::to_be_bytes).ok_or_else(|| {
        format!(
            "`{}` is not an authentication management field: 4 hexadecimal digits, such as 8000",
            text.escape_debug()
        )
    })
}

/// 0 means unlimited.
const fn rate(bits_per_second: u64) -> u64 {
    if bits_per_second == 0 { u64::MAX } else { bits_per_second }
}

fn profile(imsi: Imsi, asked: &api::Subscriber, configured: &[ApnConfig]) -> Result<Profile, String> {
    let ambr = Ambr { uplink: rate(asked.ambr_uplink), downlink: rate(asked.ambr_downlink) };
    let msisdn = match asked.msisdn.trim_start_matches('+') {
        "" => None,
        digits => Some(digits.parse().map_err(|error| {
            format!("`{}` is not a telephone number (3 to 15 digits): {error}", asked.msisdn.escape_debug())
        })?),
    };
    let mut apns = Vec::new();
    for wanted in &asked.apns {
        let profile = apn(wanted, ambr, configured)?;
        if apns.iter().any(|other: &ApnProfile| other.apn == profile.apn) {
            return Err(format!("access point `{}` is there twice", profile.apn));
        }
        apns.push(profile);
    }
    if apns.is_empty() {
        let first = configured.first().ok_or("the gateway has no access point")?;
        apns.push(ApnProfile::new(first.apn.clone(), qos(0, 0)?, ambr));
    }
    Ok(Profile { imsi, msisdn, ambr, apns })
}

fn apn(wanted: &api::SubscribedApn, ue_ambr: Ambr, configured: &[ApnConfig]) -> Result<ApnProfile, String> {
    let name: Apn = wanted
        .apn
        .parse()
        .map_err(|error| format!("`{}` is not an access point name: {error}", wanted.apn.escape_debug()))?;
    if !configured.iter().any(|apn| apn.apn == name) {
        let known: Vec<&str> = configured.iter().map(|apn| apn.apn.as_str()).collect();
        return Err(format!("the gateway has no access point `{name}`; it has: {}", known.join(", ")));
    }
    let static_ipv4 = match wanted.static_ipv4.as_str() {
        "" => None,
        text => Some(text.parse().map_err(|_| format!("`{}` is not an IPv4 address", text.escape_debug()))?),
    };
    let static_ipv6 = match wanted.static_ipv6.as_str() {
        "" => None,
        text => Some(prefix64(text)?),
    };
    let pdn_types = match wanted.pdn_type.as_str() {
        "" => PdnTypes::Ipv4v6,
        text => text.parse().map_err(|hint| format!("`{}`: {hint}", text.escape_debug()))?,
    };
    let read = |text: &String| text.parse().map_err(|hint| format!("`{}`: {hint}", text.escape_debug()));
    let framed_routes: Vec<IpPrefix> = wanted.framed_routes.iter().map(read).collect::<Result<_, _>>()?;
    if framed_routes.len() > FRAMED_ROUTES {
        return Err(format!("{} networks behind one phone are too many: at most {FRAMED_ROUTES}", framed_routes.len()));
    }
    for (network, others) in framed_routes.iter().zip((1..).map(|next| framed_routes.get(next..).unwrap_or_default())) {
        inside(*network, others, configured)?;
    }
    let limit = |own: u64, ue: u64| if own == 0 { ue } else { own };
    Ok(ApnProfile {
        apn: name,
        qos: qos(wanted.qci, wanted.priority)?,
        ambr: Ambr {
            uplink: limit(wanted.ambr_uplink, ue_ambr.uplink),
            downlink: limit(wanted.ambr_downlink, ue_ambr.downlink),
        },
        static_ipv4,
        static_ipv6,
        pdn_types,
        framed_routes,
    })
}

/// No network behind a phone is behind another one, too.
///
/// # Errors
/// Which network, and behind whose phone it is already.
pub fn apart<'a>(profile: &Profile, others: impl Iterator<Item = &'a StoredSubscriber> + Clone) -> Result<(), String> {
    for network in profile.apns.iter().flat_map(|apn| &apn.framed_routes) {
        for other in others.clone().map(|other| &other.profile).filter(|other| other.imsi != profile.imsi) {
            let mut theirs = other.apns.iter().flat_map(|apn| &apn.framed_routes);
            if let Some(taken) = theirs.find(|taken| taken.overlaps(*network)) {
                return Err(format!(
                    "`{network}` overlaps {taken} behind the phone of subscriber {}: a network is behind one phone",
                    other.imsi
                ));
            }
        }
    }
    Ok(())
}

/// Networks behind one phone.
const FRAMED_ROUTES: usize = 16;

/// A network behind a phone is neither everybody's, nor another one's, nor in a pool.
fn inside(network: IpPrefix, others: &[IpPrefix], configured: &[ApnConfig]) -> Result<(), String> {
    let ipv4 = configured.iter().flat_map(|apn| &apn.pools).map(|pool| (IpAddr::V4(pool.network), pool.prefix));
    let ipv6 = configured.iter().flat_map(|apn| &apn.pools6).map(|pool| (IpAddr::V6(pool.network), pool.prefix));
    let mut pools = ipv4.chain(ipv6).filter_map(|(first, length)| IpPrefix::new(first, length));
    if network.length() == 0 {
        return Err(format!("`{network}` cannot be behind a phone: it is the whole internet"));
    }
    if let Some(other) = others.iter().find(|other| other.overlaps(network)) {
        return Err(format!("`{network}` and `{other}` overlap: give each network behind a phone once"));
    }
    match pools.find(|pool| pool.overlaps(network)) {
        Some(pool) => {
            Err(format!("`{network}` overlaps the address pool {pool}: networks behind phones lie outside of pools"))
        }
        None => Ok(()),
    }
}

fn prefix64(text: &str) -> Result<Prefix64, String> {
    let hint = || format!("`{}` is not an IPv6 prefix such as 2001:db8:1:7::/64", text.escape_debug());
    let prefix: IpPrefix = text.parse().map_err(|_| hint())?;
    match prefix.first() {
        IpAddr::V6(first) if prefix.length() == 64 => Ok(Prefix64::of(first)),
        _ => Err(hint()),
    }
}

fn qos(qci: u32, priority: u32) -> Result<BearerQos, String> {
    let qci = match qci {
        0 => DEFAULT_QCI,
        5..=9 => qci as u8,
        _ => return Err(format!("QCI {qci} cannot be a default bearer's: use 5 to 9")),
    };
    let priority = match priority {
        0 => DEFAULT_PRIORITY,
        1..=15 => priority as u8,
        _ => return Err(format!("priority {priority} is out of range: use 1 (highest) to 15")),
    };
    Ok(BearerQos { qci: Qci(qci), arp: Arp { priority, may_preempt: false, preemptable: true } })
}

/// A subscriber as it is shown: no keys.
#[must_use]
pub fn show(stored: &StoredSubscriber) -> api::Subscriber {
    let unlimited = |rate: u64| if rate == u64::MAX { 0 } else { rate };
    let apns = stored.profile.apns.iter().map(|apn| api::SubscribedApn {
        apn: apn.apn.to_string(),
        qci: apn.qos.qci.0.into(),
        priority: apn.qos.arp.priority.into(),
        ambr_uplink: unlimited(apn.ambr.uplink),
        ambr_downlink: unlimited(apn.ambr.downlink),
        static_ipv4: apn.static_ipv4.map(|address| address.to_string()).unwrap_or_default(),
        static_ipv6: apn.static_ipv6.map(|prefix| prefix.to_string()).unwrap_or_default(),
        pdn_type: apn.pdn_types.name().to_owned(),
        framed_routes: apn.framed_routes.iter().map(ToString::to_string).collect(),
    });
    let state = match stored.state {
        SubscriberState::Active => api::SubscriberState::Active,
        SubscriberState::Suspended => api::SubscriberState::Suspended,
    };
    let algorithm = match stored.algorithm {
        StoredAlgorithm::Milenage => api::AuthAlgorithm::Milenage,
        StoredAlgorithm::Tuak => api::AuthAlgorithm::Tuak,
    };
    let [high, low] = stored.amf;
    api::Subscriber {
        imsi: stored.profile.imsi.to_string(),
        name: stored.name.clone(),
        msisdn: stored.profile.msisdn.map(|msisdn| msisdn.to_string()).unwrap_or_default(),
        state: state.into(),
        algorithm: algorithm.into(),
        ambr_uplink: unlimited(stored.profile.ambr.uplink),
        ambr_downlink: unlimited(stored.profile.ambr.downlink),
        apns: apns.collect(),
        amf: format!("{high:02x}{low:02x}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key() -> SealingKey {
        SealingKey::from_octets(Secret::new([1; 32]))
    }

    fn configured() -> Vec<ApnConfig> {
        vec![ApnConfig::ipv4("internet".parse().unwrap(), Vec::new())]
    }

    fn request() -> api::AddSubscriberRequest {
        api::AddSubscriberRequest {
            subscriber: Some(api::Subscriber { imsi: "001010000000001".to_owned(), ..Default::default() }),
            keys: Some(api::SimKeys { k: vec![1; 16], opc: vec![2; 16], ..Default::default() }),
            replace: false,
        }
    }

    fn refusal(change: impl FnOnce(&mut api::AddSubscriberRequest)) -> String {
        let mut request = request();
        change(&mut request);
        read(&request, None, &key(), &configured()).unwrap_err()
    }

    fn stored(wanted: &Wanted) -> StoredSubscriber {
        StoredSubscriber::seal(&wanted.subscriber, &wanted.credentials, &key(), [[1; 24], [2; 24]])
    }

    #[test]
    fn an_imsi_and_keys_are_enough() {
        let wanted = read(&request(), None, &key(), &configured()).unwrap();
        let shown = show(&stored(&wanted));
        assert_eq!(shown.apns[0].apn, "internet");
        assert_eq!(shown.apns[0].qci, 9);
        assert_eq!(shown.ambr_downlink, 0, "unlimited");
        assert_eq!(shown.amf, "8000");
        assert!(!format!("{shown:?}").contains("0101010101"), "no keys");
    }

    #[test]
    fn replacing_without_keys_keeps_them() {
        let first = stored(&read(&request(), None, &key(), &configured()).unwrap());
        let mut again = request();
        again.keys = None;
        assert!(read(&again, Some(&first), &key(), &configured()).unwrap_err().contains("--replace"));
        again.replace = true;
        let wanted = read(&again, Some(&first), &key(), &configured()).unwrap();
        assert!(wanted.same_keys);
        assert_eq!(wanted.credentials.k.expose(), &vec![1; 16]);
    }

    #[test]
    fn a_network_is_behind_one_phone() {
        let with = |imsi: &str, network: &str| {
            let mut request = request();
            let subscriber = request.subscriber.as_mut().unwrap();
            subscriber.imsi = imsi.to_owned();
            let framed_routes = vec![network.to_owned()];
            subscriber.apns =
                vec![api::SubscribedApn { apn: "internet".to_owned(), framed_routes, ..Default::default() }];
            stored(&read(&request, None, &key(), &configured()).unwrap())
        };
        let others = [with("001010000000001", "192.168.7.0/24")];
        let refusal = apart(&with("001010000000002", "192.168.0.0/16").profile, others.iter()).unwrap_err();
        assert!(refusal.contains("192.168.7.0/24 behind the phone of subscriber 001010000000001"), "{refusal}");
        for (imsi, network) in [("001010000000002", "192.168.8.0/24"), ("001010000000001", "192.168.0.0/16")] {
            assert_eq!(apart(&with(imsi, network).profile, others.iter()), Ok(()));
        }
    }

    #[test]
    fn mistakes_say_what_to_write() {
        let subscriber =
            |change: fn(&mut api::Subscriber)| refusal(|request| change(request.subscriber.as_mut().unwrap()));
        assert!(subscriber(|s| s.imsi = "12".to_owned()).contains("6 to 15 digits"));
        assert!(subscriber(|s| s.amf = "80".to_owned()).contains("4 hexadecimal digits"));
        assert!(subscriber(|s| s.msisdn = "call me".to_owned()).contains("telephone number"));
        assert!(
            subscriber(|s| s.apns.push(api::SubscribedApn { apn: "ims".to_owned(), ..Default::default() }))
                .contains("it has: internet")
        );
        let apn =
            |qci, priority| api::SubscribedApn { apn: "internet".to_owned(), qci, priority, ..Default::default() };
        assert!(refusal(|r| r.subscriber.as_mut().unwrap().apns.push(apn(1, 0))).contains("use 5 to 9"));
        assert!(refusal(|r| r.subscriber.as_mut().unwrap().apns.push(apn(9, 16))).contains("1 (highest) to 15"));
        let with = |change: fn(&mut api::SubscribedApn)| {
            refusal(|r| {
                let mut apn = apn(9, 0);
                change(&mut apn);
                r.subscriber.as_mut().unwrap().apns.push(apn);
            })
        };
        assert!(with(|a| a.static_ipv6 = "2001:db8::1".to_owned()).contains("2001:db8:1:7::/64"));
        assert!(with(|a| a.pdn_type = "ip".to_owned()).contains("ipv4-or-ipv6"));
        assert!(with(|a| a.framed_routes = vec!["0.0.0.0/0".to_owned()]).contains("whole internet"));
        assert!(with(|a| a.framed_routes = vec!["192.168.7.1/24".to_owned()]).contains("beyond the length"));
        let twice = with(|a| a.framed_routes = vec!["192.168.0.0/16".to_owned(), "192.168.7.0/24".to_owned()]);
        assert!(twice.contains("overlap"));
        assert!(refusal(|r| r.keys = None).contains("needs its keys"));
        assert!(refusal(|r| r.keys.as_mut().unwrap().opc.clear()).contains("OPc is missing"));
        assert!(refusal(|r| r.keys.as_mut().unwrap().k = vec![0; 5]).contains("16 octets"));
        assert!(refusal(|r| r.keys.as_mut().unwrap().sqn = 1 << 48).contains("48 bits"));
    }
}
