//! Rules, guaranteed rates and marking.

use super::wrong;
use crate::config::GroupQuota;
use crate::config::detect::Interface;
use crate::config::file::{self, File};
use crate::config::parse::ConfigError;
use crate::rules;
use agw_types::{Ambr, ApnQos, Marking, QosConfig, RATING_GROUP, RequestedQos};
use basalt_ids::Apn;
use std::collections::BTreeMap;

/// What is promised to all bearers together where the file does not say: four fifths of what the slower one of the links carries in each
/// direction, so that others are not starved and headers have room. Packets of both directions arrive by a link that is on both sides:
/// each direction has half of it. `None` where no link tells its speed.
pub(super) fn of_links(radio: Option<&Interface>, internet: Option<&Interface>) -> Option<u64> {
    let speed = |side: Option<&Interface>| side.and_then(|interface| interface.speed);
    let slower = speed(radio).into_iter().chain(speed(internet)).min()?;
    let one = radio.zip(internet).is_some_and(|(radio, internet)| radio.name == internet.name);
    Some(slower / if one { 2 } else { 1 } / 5 * 4)
}

/// `links` is what the links can keep of promises in each direction, bit/s.
pub(super) fn qos(file: &File, text: &str, links: Option<u64>) -> Result<QosConfig, ConfigError> {
    let mut all = Vec::new();
    for written in &file.rule {
        let rule = rules::read(written).map_err(|error| wrong(error).at_key(text, "rule"))?;
        if all.iter().any(|other: &agw_types::PolicyRule| other.name == rule.name) {
            return Err(wrong(format!("rule `{}` is there twice", rule.name)).fix("give one of them another name"));
        }
        all.push(rule);
    }
    let mut apns = BTreeMap::new();
    for written in &file.apn {
        let names: Vec<&str> = all.iter().map(|rule| rule.name.as_str()).collect();
        if let Some(unknown) = written.rules.iter().find(|name| !names.contains(&name.as_str())) {
            let known = if names.is_empty() { "there is none".to_owned() } else { names.join(", ") };
            return Err(wrong(format!("access point `{}` has rule `{unknown}`, which is not defined", written.name))
                .fix(format!("define it under [[rule]], or use one of: {known}"))
                .at_key(text, "rules"));
        }
        let Ok(name) = written.name.parse::<Apn>() else { continue };
        let of = apn(written);
        if of != ApnQos::default() {
            apns.insert(name.to_string(), of);
        }
    }
    let mut marking = Marking::default();
    for (qci, dscp) in &file.qos.dscp {
        let number = qci.parse().ok().filter(|number| (1..=254).contains(number));
        let number: u8 = number.ok_or_else(|| {
            wrong(format!("`{qci}` is not a QCI")).fix("use 1 to 254, as in dscp = { \"1\" = 46 }").at_key(text, "dscp")
        })?;
        if *dscp > 63 {
            return Err(wrong(format!("DSCP {dscp} has more than six bits")).fix("use 0 to 63").at_key(text, "dscp"));
        }
        marking.0.insert(number, *dscp);
    }
    let qos = &file.qos;
    Ok(QosConfig {
        rules: all,
        apns,
        guaranteed: both(qos.gbr_uplink.or(links), qos.gbr_downlink.or(links)),
        guaranteed_per_enb: both(qos.enb_gbr_uplink, qos.enb_gbr_downlink),
        marking,
    })
}

/// A warning comes when a fifth is left, where nothing else is said.
const WARN: u64 = 5;

pub(super) fn quotas(file: &File, text: &str) -> Result<BTreeMap<u32, GroupQuota>, ConfigError> {
    let mut all = BTreeMap::new();
    for written in &file.quota {
        let group = written.rating_group;
        let refuse = |what: String, fix: &str| Err(wrong(what).fix(fix).at_key(text, "quota"));
        if !(1..RATING_GROUP).contains(&group) {
            return refuse(format!("a quota is for rating group {group}"), "use rating_group = 1 to 2147483647");
        }
        if written.octets == 0 {
            let fix = "set octets, or close the gates of its rules";
            return refuse(format!("the quota of rating group {group} lets nothing pass"), fix);
        }
        if written.slow == Some(0) {
            let fix = "leave slow out, and nothing passes when the quota is used up";
            return refuse(format!("the rules of rating group {group} are slowed to 0 bit/s"), fix);
        }
        let warn = written.warn.unwrap_or(written.octets / WARN);
        let quota = GroupQuota { octets: written.octets, warn, slow: written.slow };
        if all.insert(group, quota).is_some() {
            return refuse(format!("rating group {group} has two quotas"), "leave one of them out");
        }
    }
    Ok(all)
}

fn apn(written: &file::Apn) -> ApnQos {
    let most = written.requested_gbr.unwrap_or(0);
    let requested = (!written.requested_qcis.is_empty())
        .then(|| RequestedQos { qcis: written.requested_qcis.clone(), gbr: Ambr { uplink: most, downlink: most } });
    ApnQos { rules: written.rules.clone(), guaranteed: both(written.gbr_uplink, written.gbr_downlink), requested }
}

/// A bound of one direction leaves the other one without.
fn both(uplink: Option<u64>, downlink: Option<u64>) -> Option<Ambr> {
    let some = uplink.is_some() || downlink.is_some();
    some.then(|| Ambr { uplink: uplink.unwrap_or(u64::MAX), downlink: downlink.unwrap_or(u64::MAX) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<QosConfig, ConfigError> {
        qos(&toml::from_str(text).unwrap(), text, None)
    }

    #[test]
    fn rules_bounds_and_marking_are_read() {
        let text = "
            [[apn]]
            name = \"ims\"
            rules = [\"voice\"]
            gbr_downlink = 1000000
            requested_qcis = [1]
            requested_gbr = 64000
            [[rule]]
            name = \"voice\"
            precedence = 10
            flows = [\"both udp remote 192.0.2.0/24\"]
            qci = 1
            gbr_uplink = 64000
            gbr_downlink = 64000
            [qos]
            enb_gbr_uplink = 5000000
            dscp = { \"1\" = 40 }
        ";
        let qos = read(text).unwrap();
        assert_eq!(qos.rules[0].qos.unwrap().gbr, Some(Ambr { uplink: 64_000, downlink: 64_000 }));
        let ims = &qos.apns["ims"];
        assert_eq!(ims.guaranteed, Some(Ambr { uplink: u64::MAX, downlink: 1_000_000 }));
        assert_eq!(ims.requested.as_ref().unwrap().qcis, [1]);
        assert_eq!(qos.guaranteed_per_enb.unwrap().uplink, 5_000_000);
        assert_eq!((qos.guaranteed, qos.marking.tos(basalt_ids::Qci(1))), (None, 40 << 2));
        let shown = rules::show(&qos.rules[0]);
        assert_eq!(rules::read(&shown).unwrap(), qos.rules[0]);
    }

    #[test]
    fn what_is_promised_is_what_the_slower_link_keeps() {
        let link = |name: &str, megabits: Option<u64>| Interface {
            name: name.to_owned(),
            addresses: Vec::new(),
            networks: Vec::new(),
            mtu: 1500,
            speed: megabits.map(|megabits| megabits * 1_000_000),
        };
        let (fast, slow, unknown) = (link("s1", Some(10_000)), link("wan", Some(1_000)), link("tun0", None));
        assert_eq!(of_links(Some(&fast), Some(&slow)), Some(800_000_000));
        assert_eq!(of_links(Some(&slow), Some(&slow)), Some(400_000_000));
        assert_eq!(of_links(Some(&fast), Some(&unknown)), Some(8_000_000_000));
        assert_eq!((of_links(Some(&unknown), None), of_links(None, None)), (None, None));

        let text = "[qos]\ngbr_uplink = 5000000";
        let read = |links| qos(&toml::from_str(text).unwrap(), text, links).unwrap().guaranteed;
        assert_eq!(read(Some(800_000_000)), Some(Ambr { uplink: 5_000_000, downlink: 800_000_000 }));
        assert_eq!(read(None), Some(Ambr { uplink: 5_000_000, downlink: u64::MAX }));
    }

    #[test]
    fn quotas_are_read_and_what_is_wrong_with_them_is_named() {
        let read = |text: &str| quotas(&toml::from_str(text).unwrap(), text);
        let text = "[[quota]]\nrating_group = 10\noctets = 1000\n[[quota]]\nrating_group = 11\noctets = 9\nwarn = 0\nslow = 64000";
        let all = read(text).unwrap();
        assert_eq!(all[&10], GroupQuota { octets: 1000, warn: 200, slow: None });
        assert_eq!(all[&11], GroupQuota { octets: 9, warn: 0, slow: Some(64_000) });
        for (text, word) in [
            ("[[quota]]\noctets = 1", "rating_group = 1 to"),
            ("[[quota]]\nrating_group = 2147483648\noctets = 1", "2147483647"),
            ("[[quota]]\nrating_group = 1", "set octets"),
            ("[[quota]]\nrating_group = 1\noctets = 1\nslow = 0", "leave slow out"),
            ("[[quota]]\nrating_group = 1\noctets = 1\n[[quota]]\nrating_group = 1\noctets = 2", "two quotas"),
        ] {
            let error = read(text).unwrap_err().to_string();
            assert!(error.contains(word), "{text}: {error}");
        }
    }

    #[test]
    fn what_is_wrong_is_named_with_a_fix() {
        for (text, word) in [
            ("[[apn]]\nname = \"ims\"\nrules = [\"voice\"]", "not defined"),
            ("[[rule]]\nname = \"a\"\nflows = [\"nothing\"]", "no word of a flow"),
            ("[[rule]]\nname = \"a\"", "no flow"),
            ("[[rule]]\nname = \"a\"\nflows = [\"udp\"]\n[[rule]]\nname = \"a\"\nflows = [\"udp\"]", "twice"),
            ("[qos]\ndscp = { \"1\" = 64 }", "six bits"),
            ("[qos]\ndscp = { \"voice\" = 1 }", "not a QCI"),
        ] {
            let error = read(text).unwrap_err().to_string();
            assert!(error.contains(word), "{text}: {error}");
        }
    }
}
