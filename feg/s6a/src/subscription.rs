//! Subscription-Data (TS 29.272 §7.3.2): what a gateway acts on or shows. Whole in ULA, in parts in IDR.

use crate::name;
use basalt_diameter::{Avp, AvpId, Avps, DecodeError};
use basalt_ids::{Apn, Msisdn, Qci};
use std::net::IpAddr;

/// Bits of Access-Restriction-Data (TS 29.272 §7.3.31).
pub mod access_restriction {
    /// WB-E-UTRAN is not allowed.
    pub const EUTRAN: u32 = 1 << 4;
}

/// Bit rates, bit/s.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ambr {
    /// From the phone.
    pub uplink: u64,
    /// To the phone.
    pub downlink: u64,
}

/// Allocation-Retention-Priority (TS 29.212 §5.3.32).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Arp {
    /// 1 (highest) to 15.
    pub priority: u8,
    /// May take resources from others.
    pub may_preempt: bool,
    /// May lose resources to others.
    pub preemptable: bool,
}

/// EPS-Subscribed-QoS-Profile (TS 29.272 §7.3.37).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Qos {
    /// Class.
    pub qci: Qci,
    /// Priority.
    pub arp: Arp,
}

/// PDN-Type (TS 29.272 §7.3.62).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PdnType {
    /// IPv4.
    Ipv4,
    /// IPv6.
    Ipv6,
    /// Both at once.
    Ipv4v6,
    /// Either.
    Ipv4OrIpv6,
}

/// APN-Configuration (TS 29.272 §7.3.35).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApnConfiguration {
    /// Context-Identifier.
    pub context: u32,
    /// Its name; `None` for the wildcard `*`.
    pub apn: Option<Apn>,
    /// What a session may be.
    pub pdn_type: PdnType,
    /// Addresses that the subscriber always gets.
    pub addresses: Vec<IpAddr>,
    /// QoS of the default bearer.
    pub qos: Option<Qos>,
    /// Aggregate rate.
    pub ambr: Option<Ambr>,
    /// 3GPP-Charging-Characteristics.
    pub charging: Option<u16>,
    /// May be served by the visited network's own gateway (VPLMN-Dynamic-Address-Allowed).
    pub local_breakout: bool,
}

/// APN-Configuration-Profile (TS 29.272 §7.3.34).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Apns {
    /// The default one's Context-Identifier.
    pub default: u32,
    /// These are all; otherwise they are added to or replace those known.
    pub complete: bool,
    /// The access points.
    pub list: Vec<ApnConfiguration>,
}

/// What is told of a subscription; what is not told is `None` or empty.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Subscription {
    /// Telephone number.
    pub msisdn: Option<Msisdn>,
    /// Barred by the operator (Subscriber-Status).
    pub barred: Option<bool>,
    /// Operator-Determined-Barring bits.
    pub odb: Option<u32>,
    /// HPLMN-ODB bits.
    pub hplmn_odb: Option<u32>,
    /// Network-Access-Mode.
    pub network_access_mode: Option<u32>,
    /// Access-Restriction-Data bits.
    pub access_restriction: Option<u32>,
    /// APN-OI-Replacement.
    pub apn_oi_replacement: Option<String>,
    /// Aggregate rate of all sessions.
    pub ambr: Option<Ambr>,
    /// Access points.
    pub apns: Option<Apns>,
    /// Zone codes within which the subscriber is served; none told: everywhere.
    pub zone_codes: Vec<u16>,
    /// 3GPP-Charging-Characteristics.
    pub charging: Option<u16>,
    /// RAT-Frequency-Selection-Priority-ID, 1 to 256.
    pub rfsp: Option<u32>,
    /// Subscribed-Periodic-RAU-TAU-Timer, seconds.
    pub periodic_timer: Option<u32>,
    /// Roaming is restricted because a feature is not supported here.
    pub roaming_restricted: bool,
}

/// Access points of one subscriber that are read; an HSS has a few.
const MOST_APNS: usize = 50;

impl Subscription {
    /// Reads the group.
    pub(crate) fn read(group: &Avp<'_>) -> Result<Self, DecodeError> {
        let avps = group.group();
        let number = |id: AvpId| avps.clone().find(id)?.map(|avp| avp.u32()).transpose();
        let ambr = avps.clone().find(name::AMBR)?.map(|avp| ambr(&avp)).transpose()?;
        let apns = avps.clone().find(name::APN_PROFILE)?.map(|avp| apns(&avp)).transpose()?;
        let oi = avps.clone().find(name::APN_OI_REPLACEMENT)?.map(|avp| avp.text()).transpose()?;
        let zone = |avp: Avp<'_>| avp.data.try_into().ok().map(u16::from_be_bytes);
        Ok(Self {
            msisdn: avps.clone().find(name::MSISDN)?.and_then(|avp| msisdn(avp.data)),
            barred: number(name::SUBSCRIBER_STATUS)?.map(|status| status == 1),
            odb: number(name::ODB)?,
            hplmn_odb: number(name::HPLMN_ODB)?,
            network_access_mode: number(name::NETWORK_ACCESS_MODE)?,
            access_restriction: number(name::ACCESS_RESTRICTION)?,
            apn_oi_replacement: oi.map(str::to_owned),
            ambr,
            apns,
            zone_codes: avps.clone().all(name::ZONE_CODE).filter_map(zone).take(10).collect(),
            charging: charging(&avps)?,
            rfsp: number(name::RFSP)?,
            periodic_timer: number(name::PERIODIC_TIMER)?,
            roaming_restricted: number(name::ROAMING_RESTRICTED)? == Some(0),
        })
    }
}

/// Digits, two in an octet, the first in the low half (TS 29.002: TBCD); some write a type of number before them.
fn msisdn(octets: &[u8]) -> Option<Msisdn> {
    let mut digits = String::new();
    for half in octets.iter().flat_map(|octet| [octet & 15, octet >> 4]) {
        match half {
            0..=9 => digits.push(char::from(b'0' + half)),
            15 => break,
            _ => return None,
        }
    }
    digits.parse().ok()
}

/// Four hexadecimal digits as text (TS 29.061 §16.4.7.2, code 13); some write them as two octets.
fn charging(avps: &Avps<'_>) -> Result<Option<u16>, DecodeError> {
    let Some(avp) = avps.clone().find(name::CHARGING_CHARACTERISTICS)? else { return Ok(None) };
    if let Ok(octets) = <[u8; 2]>::try_from(avp.data) {
        return Ok(Some(u16::from_be_bytes(octets)));
    }
    Ok(u16::from_str_radix(avp.text()?, 16).ok())
}

fn ambr(group: &Avp<'_>) -> Result<Ambr, DecodeError> {
    let plain = |id: AvpId| group.group().need(id)?.u32().map(u64::from);
    let extended = |id: AvpId| {
        let kilobits = group.group().find(id)?.map(|avp| avp.u32()).transpose()?;
        Ok::<_, DecodeError>(kilobits.map(|kilobits| u64::from(kilobits) * 1000))
    };
    // Beyond 4 294 967 295 bit/s the plain value stays at its end, and the extended one tells (TS 29.272 §7.3.41).
    let uplink = extended(name::EXTENDED_BANDWIDTH_UL)?.map_or_else(|| plain(name::MAX_BANDWIDTH_UL), Ok)?;
    let downlink = extended(name::EXTENDED_BANDWIDTH_DL)?.map_or_else(|| plain(name::MAX_BANDWIDTH_DL), Ok)?;
    Ok(Ambr { uplink, downlink })
}

fn apns(group: &Avp<'_>) -> Result<Apns, DecodeError> {
    let avps = group.group();
    let default = avps.clone().need(name::CONTEXT_IDENTIFIER)?.u32()?;
    let complete = avps.clone().find(name::ALL_APNS_INCLUDED)?.map_or(Ok(0), |avp| avp.u32())? == 0;
    // One that cannot be read, or is of a kind that is not known (non-IP), is left out; the others count.
    let list = avps.all(name::APN_CONFIGURATION).take(MOST_APNS).filter_map(|avp| configuration(&avp).ok().flatten());
    Ok(Apns { default, complete, list: list.collect() })
}

fn configuration(group: &Avp<'_>) -> Result<Option<ApnConfiguration>, DecodeError> {
    let avps = group.group();
    let pdn_type = match avps.clone().need(name::PDN_TYPE)?.u32()? {
        0 => PdnType::Ipv4,
        1 => PdnType::Ipv6,
        2 => PdnType::Ipv4v6,
        3 => PdnType::Ipv4OrIpv6,
        _ => return Ok(None),
    };
    let apn = match avps.clone().need(name::SERVICE_SELECTION)?.text()? {
        "*" => None,
        text => match text.parse::<Apn>() {
            Ok(apn) => Some(apn),
            Err(_) => return Ok(None),
        },
    };
    Ok(Some(ApnConfiguration {
        context: avps.clone().need(name::CONTEXT_IDENTIFIER)?.u32()?,
        apn,
        pdn_type,
        addresses: avps
            .clone()
            .all(name::SERVED_PARTY_IP_ADDRESS)
            .filter_map(|avp| avp.address().ok())
            .take(2)
            .collect(),
        qos: avps.clone().find(name::EPS_QOS_PROFILE)?.map(|avp| qos(&avp)).transpose()?.flatten(),
        ambr: avps.clone().find(name::AMBR)?.map(|avp| ambr(&avp)).transpose()?,
        charging: charging(&avps)?,
        local_breakout: avps.find(name::VPLMN_DYNAMIC_ADDRESS)?.map_or(Ok(0), |avp| avp.u32())? == 1,
    }))
}

fn qos(group: &Avp<'_>) -> Result<Option<Qos>, DecodeError> {
    let qci = group.group().need(name::QCI)?.u32()?;
    let arp = group.group().need(name::ARP)?.group();
    let priority = arp.clone().need(name::PRIORITY_LEVEL)?.u32()?;
    // 0 is "enabled" for both; absent, the first is disabled and the second enabled (TS 29.212 §5.3.46, §5.3.47).
    let may_preempt = arp.clone().find(name::PREEMPTION_CAPABILITY)?.map_or(Ok(1), |avp| avp.u32())? == 0;
    let preemptable = arp.find(name::PREEMPTION_VULNERABILITY)?.map_or(Ok(0), |avp| avp.u32())? == 0;
    let (Ok(qci), Ok(priority)) = (u8::try_from(qci), u8::try_from(priority)) else { return Ok(None) };
    let sound = (1..=254).contains(&qci) && (1..=15).contains(&priority);
    Ok(sound.then_some(Qos { qci: Qci(qci), arp: Arp { priority, may_preempt, preemptable } }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use basalt_diameter::{Application, Command, Header, Limits, Message, Writer};

    #[test]
    fn numbers_are_read_from_tbcd() {
        assert_eq!(
            msisdn(&[0x94, 0x71, 0x32, 0x54, 0xf6]).map(|number| number.to_string()).as_deref(),
            Some("491723456")
        );
        assert_eq!(msisdn(&[0xaa]), None);
        assert_eq!(msisdn(&[]), None);
    }

    fn read(write: impl FnOnce(&mut Writer)) -> Result<Subscription, DecodeError> {
        let mut writer = Writer::new(&Header::request(Command::UPDATE_LOCATION, Application::S6A).answer());
        writer.group(name::SUBSCRIPTION_DATA, write);
        let octets = writer.finish();
        let message = Message::decode(&octets, &Limits::default()).unwrap();
        Subscription::read(&message.need(name::SUBSCRIPTION_DATA).unwrap())
    }

    fn rates(writer: &mut Writer, rates: &[(AvpId, u32)]) {
        writer.group(name::AMBR, |group| {
            for (id, rate) in rates {
                group.u32(*id, *rate);
            }
        });
    }

    /// An access point: context, PDN-Type, name, QCI.
    fn access_point(profile: &mut Writer, (context, kind, apn, qci): (u32, u32, &str, u32)) {
        profile.group(name::APN_CONFIGURATION, |group| {
            group.u32(name::CONTEXT_IDENTIFIER, context).u32(name::PDN_TYPE, kind);
            if !apn.is_empty() {
                group.text(name::SERVICE_SELECTION, apn);
            }
            group.group(name::EPS_QOS_PROFILE, |qos| {
                qos.u32(name::QCI, qci).group(name::ARP, |arp| {
                    arp.u32(name::PRIORITY_LEVEL, 3);
                });
            });
        });
    }

    #[test]
    fn access_points_that_nobody_can_use_are_left_out_and_the_others_count() {
        let known = read(|data| {
            data.group(name::APN_PROFILE, |profile| {
                profile.u32(name::CONTEXT_IDENTIFIER, 2);
                let list = [(1, 0, "*", 9), (2, 2, "internet.mnc070.mcc999.gprs", 5), (3, 77, "iot", 9), (4, 0, "", 9)];
                list.into_iter().for_each(|one| access_point(profile, one));
                [(5, 0, "a b", 9), (6, 3, "ims", 0)].into_iter().for_each(|one| access_point(profile, one));
            });
        });
        let apns = known.unwrap().apns.unwrap();
        let list: Vec<_> =
            apns.list.iter().map(|one| (one.context, one.apn.is_some(), one.pdn_type, one.qos)).collect();
        let qos = |qci| Some(Qos { qci: Qci(qci), arp: Arp { priority: 3, may_preempt: false, preemptable: true } });
        let any = (1, false, PdnType::Ipv4, qos(9));
        assert_eq!(list, [any, (2, true, PdnType::Ipv4v6, qos(5)), (6, true, PdnType::Ipv4OrIpv6, None)]);
        assert_eq!((apns.default, apns.complete), (2, true));
    }

    #[test]
    fn what_is_not_told_is_not_there_and_what_nobody_knows_is_passed_over() {
        assert_eq!(read(|_| ()), Ok(Subscription::default()));
        let known = read(|data| {
            data.raw(AvpId { code: 77, vendor: 4_711 }, true, &[1, 2, 3]).raw(AvpId::tgpp(9_999), true, &[0; 5]);
            data.u32(name::SUBSCRIBER_STATUS, 1).raw(name::ZONE_CODE, true, &[1, 2]).raw(name::ZONE_CODE, true, &[9]);
        });
        assert_eq!(known, Ok(Subscription { barred: Some(true), zone_codes: vec![0x102], ..Subscription::default() }));
    }

    #[test]
    fn rates_are_whole_or_the_answer_is_wrong() {
        let (up, down) = (name::MAX_BANDWIDTH_UL, name::MAX_BANDWIDTH_DL);
        let (more_up, more_down) = (name::EXTENDED_BANDWIDTH_UL, name::EXTENDED_BANDWIDTH_DL);
        let of = |list: &[(AvpId, u32)]| read(|data| rates(data, list)).map(|known| known.ambr);
        assert_eq!(of(&[(up, 1_000), (down, 2_000)]), Ok(Some(Ambr { uplink: 1_000, downlink: 2_000 })));
        let wide = of(&[(up, 1_000), (down, u32::MAX), (more_down, 10_000_000)]);
        assert_eq!(wide, Ok(Some(Ambr { uplink: 1_000, downlink: 10_000_000_000 })));
        let both = of(&[(more_up, 5_000_000), (more_down, 10_000_000)]).unwrap().unwrap();
        assert_eq!((both.uplink, both.downlink), (5_000_000_000, 10_000_000_000));
        assert!(matches!(of(&[(up, 1_000)]), Err(DecodeError::Missing { code: 515, .. })));
    }
}
