//! Answers as octets.

use crate::behaviour::Odd;
use crate::config::Subscriber;
use crate::name;
use basalt_diameter::{Application, AvpId, Message, Writer, dictionary as base, vendor};
use basalt_ids::Plmn;
use basalt_security::AuthVector;

/// Who answers.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Who<'a> {
    pub(crate) host: &'a str,
    pub(crate) realm: &'a str,
}

/// How a request ends.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Code {
    Base(u32),
    Experimental(u32, Option<u32>),
}

/// Begins an answer; `session`: that of the request, unless it is to be another.
pub(crate) fn begin(who: Who<'_>, request: &Message<'_>, session: Option<&[u8]>, code: Code) -> Writer {
    let error = matches!(code, Code::Base(code) if code / 1000 == 3);
    let header = request.header.answer();
    let mut writer = Writer::new(&basalt_diameter::Header { error, ..header });
    let own = request.find(base::SESSION_ID).map(|avp| avp.data).unwrap_or_default();
    writer.octets(base::SESSION_ID, session.unwrap_or(own));
    writer.group(base::VENDOR_SPECIFIC_APPLICATION_ID, |group| {
        let application = if header.application == Application::S13 { Application::S13 } else { Application::S6A };
        group.u32(base::VENDOR_ID, vendor::TGPP).u32(base::AUTH_APPLICATION_ID, application.0);
    });
    match code {
        Code::Base(code) => {
            writer.u32(base::RESULT_CODE, code);
        }
        Code::Experimental(code, diagnostic) => {
            writer.group(base::EXPERIMENTAL_RESULT, |group| {
                group.u32(base::VENDOR_ID, vendor::TGPP).u32(base::EXPERIMENTAL_RESULT_CODE, code);
            });
            if let Some(diagnostic) = diagnostic {
                writer.u32(name::ERROR_DIAGNOSTIC, diagnostic);
            }
        }
    }
    writer.u32(base::AUTH_SESSION_STATE, 1);
    writer.text(base::ORIGIN_HOST, who.host).text(base::ORIGIN_REALM, who.realm);
    writer
}

/// Authentication-Info.
pub(crate) fn vectors(writer: &mut Writer, vectors: &[AuthVector], serving: Plmn) {
    writer.group(name::AUTHENTICATION_INFO, |info| {
        for (item, vector) in (1..).zip(vectors) {
            info.group(name::EUTRAN_VECTOR, |group| {
                group.u32(name::ITEM_NUMBER, item).octets(name::RAND, &vector.rand);
                group.octets(name::XRES, vector.xres.expose()).octets(name::AUTN, &vector.autn);
                group.octets(name::KASME, vector.kasme(serving).expose());
            });
        }
    });
}

/// A vector as nobody may use it, and for other requests a subscription that cannot be read.
pub(crate) fn nonsense(writer: &mut Writer, vectors: bool) {
    if !vectors {
        writer.octets(name::SUBSCRIPTION_DATA, &[0, 0, 5, 0x6c, 0xc0, 0xff, 0xff, 0xff]);
        return;
    }
    writer.group(name::AUTHENTICATION_INFO, |info| {
        info.group(name::EUTRAN_VECTOR, |group| {
            group.octets(name::RAND, &[7; 16]).octets(name::XRES, &[7; 2]);
            group.octets(name::AUTN, &[7; 16]).octets(name::KASME, &[7; 32]);
        });
    });
}

/// AVPs that nobody knows: of a vendor that there is not, and of codes that 3GPP has not given.
pub(crate) fn unknown(writer: &mut Writer) {
    writer.raw(AvpId { code: 77, vendor: 4_711 }, true, &[1, 2, 3]);
    writer.raw(AvpId::tgpp(9_999), true, &[0; 8]).raw(AvpId::tgpp(9_998), false, &[]);
}

/// Subscription-Data, whole.
pub(crate) fn subscription(writer: &mut Writer, subscriber: &Subscriber, odd: Option<Odd>) {
    let rates = Some(subscriber.ambr).filter(|_| odd != Some(Odd::NoRates));
    writer.group(name::SUBSCRIPTION_DATA, |data| {
        if odd == Some(Odd::Unknown) {
            unknown(data);
        }
        if !subscriber.msisdn.is_empty() {
            data.octets(name::MSISDN, &tbcd(&subscriber.msisdn));
        }
        data.u32(name::NETWORK_ACCESS_MODE, 2);
        data.u32(name::SUBSCRIBER_STATUS, u32::from(subscriber.barred));
        if subscriber.access_restriction != 0 {
            data.u32(name::ACCESS_RESTRICTION, subscriber.access_restriction);
        }
        for zone in &subscriber.zone_codes {
            data.octets(name::ZONE_CODE, &zone.to_be_bytes());
        }
        data.text(name::CHARGING_CHARACTERISTICS, "0800");
        if let Some(rates) = rates {
            ambr(data, rates);
        }
        if odd != Some(Odd::NoAccessPoints) {
            data.group(name::APN_PROFILE, |profile| access_points(profile, subscriber, rates, odd));
        }
    });
}

fn access_points(profile: &mut Writer, subscriber: &Subscriber, rates: Option<(u32, u32)>, odd: Option<Odd>) {
    profile.u32(name::CONTEXT_IDENTIFIER, 1).u32(name::ALL_APNS_INCLUDED, 0);
    if odd == Some(Odd::Unusable) {
        unusable(profile);
    }
    for (context, apn) in (1..).zip(&subscriber.apns) {
        access_point(profile, (context, apn.as_str()), rates, odd == Some(Odd::Unknown));
    }
    if odd == Some(Odd::Any) {
        access_point(profile, (99, "*"), rates, false);
    }
}

fn access_point(profile: &mut Writer, (context, apn): (u32, &str), rates: Option<(u32, u32)>, odd: bool) {
    profile.group(name::APN_CONFIGURATION, |group| {
        if odd {
            unknown(group);
        }
        group.u32(name::CONTEXT_IDENTIFIER, context).u32(name::PDN_TYPE, 0).text(name::SERVICE_SELECTION, apn);
        group.group(name::EPS_QOS_PROFILE, |qos| {
            qos.u32(name::QCI, 9).group(name::ARP, |arp| {
                arp.u32(name::PRIORITY_LEVEL, 8).u32(name::PREEMPTION_CAPABILITY, 1);
                arp.u32(name::PREEMPTION_VULNERABILITY, 0);
            });
        });
        if let Some(rates) = rates {
            ambr(group, rates);
        }
    });
}

/// One of a kind that there is not, one without a name, one whose name is none.
fn unusable(profile: &mut Writer) {
    profile.group(name::APN_CONFIGURATION, |group| {
        group.u32(name::CONTEXT_IDENTIFIER, 90).u32(name::PDN_TYPE, 77).text(name::SERVICE_SELECTION, "iot");
    });
    profile.group(name::APN_CONFIGURATION, |group| {
        group.u32(name::CONTEXT_IDENTIFIER, 91).u32(name::PDN_TYPE, 0);
    });
    profile.group(name::APN_CONFIGURATION, |group| {
        group.u32(name::CONTEXT_IDENTIFIER, 92).u32(name::PDN_TYPE, 0).text(name::SERVICE_SELECTION, "a b..c");
    });
}

/// AMBR, bit/s: up, down.
pub(crate) fn ambr(writer: &mut Writer, (up, down): (u32, u32)) {
    writer.group(name::AMBR, |group| {
        group.u32(name::MAX_BANDWIDTH_UL, up).u32(name::MAX_BANDWIDTH_DL, down);
    });
}

fn tbcd(digits: &str) -> Vec<u8> {
    let digits: Vec<u8> = digits.bytes().map(|digit| digit.wrapping_sub(b'0') & 15).collect();
    digits.chunks(2).map(|pair| pair.first().copied().unwrap_or(15) | pair.get(1).copied().unwrap_or(15) << 4).collect()
}
