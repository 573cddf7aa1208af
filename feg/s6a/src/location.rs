//! Update-Location, Purge-UE and Notify (TS 29.272 §5.2.1.1, §5.2.1.3, §5.2.5.1).

use crate::name;
use crate::request::{self, Refusal, To, Visit};
use crate::subscription::Subscription;
use basalt_diameter::{Application, Command, Message, Writer, dictionary as base, vendor};
use basalt_ids::{Apn, Imsi, Plmn};
use core::net::IpAddr;

/// RAT-Type EUTRAN (TS 29.212 §5.3.31).
const EUTRAN: u32 = 1004;
/// ULR-Flags (TS 29.272 §7.3.7).
const SINGLE_REGISTRATION: u32 = 1;
const S6A: u32 = 1 << 1;
const SKIP_SUBSCRIBER_DATA: u32 = 1 << 2;
const INITIAL_ATTACH: u32 = 1 << 5;
/// NOR-Flags (TS 29.272 §7.3.49): UE reachable from MME; S6a/S6d-Indicator: it is an MME who says it.
const REACHABLE: u32 = 1 << 3;
const SAID_BY_MME: u32 = 1 << 8;

/// The phone itself.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Terminal {
    /// IMEI without its check digit: 14 digits.
    pub imei: String,
    /// Software version: 2 digits, or empty.
    pub software: String,
}

/// What an HSS answers to an Update-Location.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Located {
    /// The subscription; `None` where it was told that it is known and may be skipped.
    pub subscription: Option<Box<Subscription>>,
    /// The HSS that answered: later requests go to it.
    pub hss: Option<String>,
}

/// What is notified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Notification {
    /// The phone can be reached again (UE reachable from MME).
    Reachable,
    /// Another PDN gateway has a session.
    Gateway(PdnGateway),
}

/// The PDN gateway that has a session with an access point (MIP6-Agent-Info, TS 29.272 §7.3.45).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PdnGateway {
    /// Context-Identifier of the access point's configuration, where the subscription has one.
    pub context: Option<u32>,
    /// The access point.
    pub apn: Apn,
    /// Which.
    pub identity: GatewayIdentity,
}

/// How a PDN gateway is called.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GatewayIdentity {
    /// By its address.
    Address(IpAddr),
    /// By its name, whose network can be told from it.
    Host {
        /// Its name.
        host: String,
        /// Its realm.
        realm: String,
    },
}

/// ULR. `attach`: the phone attaches; `known`: the subscription is known and may be left out.
#[must_use]
pub fn update_location(to: &To<'_>, visit: Visit, terminal: Option<&Terminal>, attach: bool, known: bool) -> Vec<u8> {
    let mut writer = request::begin(Command::UPDATE_LOCATION, Application::S6A, to, Some(visit.imsi));
    features(&mut writer);
    if let Some(terminal) = terminal {
        terminal_information(&mut writer, terminal);
    }
    writer.u32(name::RAT_TYPE, EUTRAN);
    let attach = if attach { INITIAL_ATTACH | SINGLE_REGISTRATION } else { 0 };
    let known = if known { SKIP_SUBSCRIBER_DATA } else { 0 };
    writer.u32(name::ULR_FLAGS, S6A | attach | known);
    writer.octets(name::VISITED_PLMN_ID, &visit.visited.to_nas());
    writer.u32(name::HOMOGENEOUS_IMS_VOICE, 0);
    writer.finish()
}

pub(crate) fn terminal_information(writer: &mut Writer, terminal: &Terminal) {
    writer.group(name::TERMINAL_INFORMATION, |group| {
        group.text(name::IMEI, &terminal.imei);
        if !terminal.software.is_empty() {
            group.text(name::SOFTWARE_VERSION, &terminal.software);
        }
    });
}

/// Features of list 1 that gateways have (TS 29.272 §7.3.10): operator determined barring of all packet services, regional
/// subscription, notification of reachability, and telling state and location.
pub(crate) fn features(writer: &mut Writer) {
    const ODB_ALL_APN: u32 = 1;
    const REGIONAL_SUBSCRIPTION: u32 = 1 << 9;
    const REACHABILITY_NOTIFICATION: u32 = 1 << 26;
    const STATE_AND_LOCATION: u32 = 1 << 28;
    const ALL: u32 = ODB_ALL_APN | REGIONAL_SUBSCRIPTION | REACHABILITY_NOTIFICATION | STATE_AND_LOCATION;
    writer.group(name::SUPPORTED_FEATURES, |group| {
        group.u32(base::VENDOR_ID, vendor::TGPP).u32(name::FEATURE_LIST_ID, 1);
        group.u32(name::FEATURE_LIST, ALL);
    });
}

/// ULA.
///
/// # Errors
/// [`Refusal`].
pub fn update_location_answer(message: &Message<'_>, session: &str) -> Result<Located, Refusal> {
    request::granted(message, session)?;
    // Separation indication: bit 0 of ULA-Flags; an answer without flags is one of before they existed.
    message.find(name::ULA_FLAGS).map(|avp| avp.u32()).transpose()?;
    let data = message.find(name::SUBSCRIPTION_DATA);
    let subscription = data.map(|avp| Subscription::read(&avp).map(Box::new)).transpose()?;
    let hss = message.find(base::ORIGIN_HOST).and_then(|avp| avp.identity().ok()).map(str::to_owned);
    Ok(Located { subscription, hss })
}

/// PUR: nothing is known of the phone here any more.
#[must_use]
pub fn purge(to: &To<'_>, imsi: Imsi) -> Vec<u8> {
    let mut writer = request::begin(Command::PURGE_UE, Application::S6A, to, Some(imsi));
    // UE purged in MME (TS 29.272 §7.3.149).
    writer.u32(name::PUR_FLAGS, 1);
    writer.finish()
}

/// PUA: whether its temporary identity must not be given out again (Freeze M-TMSI).
///
/// # Errors
/// [`Refusal`].
pub fn purge_answer(message: &Message<'_>, session: &str) -> Result<bool, Refusal> {
    request::granted(message, session)?;
    let flags = message.find(name::PUA_FLAGS).map(|avp| avp.u32()).transpose()?;
    Ok(flags.is_some_and(|flags| flags & 1 != 0))
}

/// NOR (TS 29.272 §5.2.5.1, §7.2.17).
#[must_use]
pub fn notification(to: &To<'_>, visit: Visit, what: &Notification) -> Vec<u8> {
    let mut writer = request::begin(Command::NOTIFY, Application::S6A, to, Some(visit.imsi));
    let flags = match what {
        Notification::Reachable => REACHABLE,
        Notification::Gateway(gateway) => {
            pdn_gateway(&mut writer, visit.visited, gateway);
            0
        }
    };
    writer.u32(name::NOR_FLAGS, flags | SAID_BY_MME);
    writer.finish()
}

/// Where the network of an address is told as well; a name tells it itself (TS 29.272 §5.2.5.1.1).
fn pdn_gateway(writer: &mut Writer, visited: Plmn, gateway: &PdnGateway) {
    writer.group(name::MIP6_AGENT_INFO, |group| match &gateway.identity {
        GatewayIdentity::Address(address) => {
            group.address(name::MIP_HOME_AGENT_ADDRESS, *address);
        }
        GatewayIdentity::Host { host, realm } => {
            group.group(name::MIP_HOME_AGENT_HOST, |group| {
                group.text(base::DESTINATION_REALM, realm).text(base::DESTINATION_HOST, host);
            });
        }
    });
    if let GatewayIdentity::Address(_) = gateway.identity {
        // TS 29.273 §9.2.3.1.2.
        let network = format!("mnc{:03}.mcc{:03}.3gppnetwork.org", visited.mnc(), visited.mcc());
        writer.text(name::VISITED_NETWORK_IDENTIFIER, &network);
    }
    if let Some(context) = gateway.context {
        writer.u32(name::CONTEXT_IDENTIFIER, context);
    }
    writer.text(name::SERVICE_SELECTION, &gateway.apn.to_string());
}

#[cfg(test)]
mod tests {
    use super::*;
    use basalt_diameter::{AvpId, Header, Limits, Outcome, ResultCode};

    fn notified(what: &Notification) -> Vec<u8> {
        let (host, realm) = ("feg1.visited.example", "visited.example");
        let (session, home) = ("feg1;1;1", "home.example");
        let to = To { host, realm, session, destination_host: Some("hss1.home.example"), destination_realm: home };
        let visit = Visit { imsi: "999700000000001".parse().unwrap(), visited: "001-01".parse().unwrap() };
        notification(&to, visit, what)
    }

    fn of_gateway(identity: GatewayIdentity) -> Vec<u8> {
        let apn = "internet".parse().unwrap();
        notified(&Notification::Gateway(PdnGateway { context: Some(7), apn, identity }))
    }

    #[test]
    fn a_gateway_is_told_by_its_address_with_its_network_or_by_its_name() {
        let octets = of_gateway(GatewayIdentity::Address("192.0.2.8".parse().unwrap()));
        let message = Message::decode(&octets, &Limits::default()).unwrap();
        let info = message.need(name::MIP6_AGENT_INFO).unwrap();
        assert!(info.mandatory);
        let address = info.group().need(name::MIP_HOME_AGENT_ADDRESS).unwrap().address().unwrap();
        assert_eq!(address.to_string(), "192.0.2.8");
        let network = message.need(name::VISITED_NETWORK_IDENTIFIER).unwrap();
        assert_eq!(network.data, b"mnc001.mcc001.3gppnetwork.org");
        assert_eq!(message.need(name::CONTEXT_IDENTIFIER).unwrap().u32(), Ok(7));
        assert_eq!(message.need(name::SERVICE_SELECTION).unwrap().text(), Ok("internet"));
        assert_eq!(message.need(name::NOR_FLAGS).unwrap().u32(), Ok(SAID_BY_MME));
        let (host, realm) = ("pgw1.epc.mnc001.mcc001.3gppnetwork.org", "epc.mnc001.mcc001.3gppnetwork.org");
        let octets = of_gateway(GatewayIdentity::Host { host: host.to_owned(), realm: realm.to_owned() });
        let message = Message::decode(&octets, &Limits::default()).unwrap();
        let group = message.need(name::MIP6_AGENT_INFO).unwrap();
        let group = group.group().need(name::MIP_HOME_AGENT_HOST).unwrap();
        assert_eq!(group.group().need(base::DESTINATION_HOST).unwrap().text(), Ok(host));
        assert_eq!(group.group().need(base::DESTINATION_REALM).unwrap().text(), Ok(realm));
        assert!(message.find(name::VISITED_NETWORK_IDENTIFIER).is_none());
    }

    #[test]
    fn reachability_is_a_flag_alone() {
        let octets = notified(&Notification::Reachable);
        let message = Message::decode(&octets, &Limits::default()).unwrap();
        assert_eq!(message.need(name::NOR_FLAGS).unwrap().u32(), Ok(REACHABLE | SAID_BY_MME));
        assert!(message.find(name::MIP6_AGENT_INFO).is_none());
    }

    fn located(write: impl FnOnce(&mut Writer)) -> Result<Located, Refusal> {
        let mut writer = Writer::new(&Header::request(Command::UPDATE_LOCATION, Application::S6A).answer());
        writer.text(base::SESSION_ID, "feg1;1;1").text(base::ORIGIN_HOST, "hss1.home.example");
        write(&mut writer);
        let octets = writer.finish();
        update_location_answer(&Message::decode(&octets, &Limits::default()).unwrap(), "feg1;1;1")
    }

    fn experimental(writer: &mut Writer, vendor: Option<u32>, code: u32) {
        writer.group(base::EXPERIMENTAL_RESULT, |group| {
            if let Some(vendor) = vendor {
                group.u32(base::VENDOR_ID, vendor);
            }
            group.u32(base::EXPERIMENTAL_RESULT_CODE, code);
        });
    }

    #[test]
    fn an_answer_grants_by_any_result_of_success_and_by_no_other() {
        let of_base = |code| {
            located(|answer| {
                answer.u32(base::RESULT_CODE, code);
            })
        };
        let tgpp = |vendor, code| located(|answer| experimental(answer, vendor, code));
        for good in [of_base(2001), of_base(2002), tgpp(Some(vendor::TGPP), 2021)] {
            assert_eq!(good.map(|located| located.hss), Ok(Some("hss1.home.example".to_owned())));
        }
        let refused = |outcome| Err(Refusal::Result { outcome, diagnostic: None });
        for code in [0, 1001, 3004, 4181, 5012, 6001, u32::MAX] {
            assert_eq!(of_base(code), refused(Outcome::Base(ResultCode(code))));
            for vendor in [None, Some(0), Some(vendor::TGPP), Some(99)] {
                let outcome = Outcome::Experimental { vendor: vendor.unwrap_or(0), code };
                assert_eq!(tgpp(vendor, code), refused(outcome));
            }
        }
        assert!(matches!(located(|_| ()), Err(Refusal::Malformed(_))), "no result");
        for (id, data) in [(base::RESULT_CODE, &[7][..]), (base::EXPERIMENTAL_RESULT, &[])] {
            let answer = located(|answer| {
                answer.raw(id, true, data);
            });
            assert!(matches!(answer, Err(Refusal::Malformed(_))), "{id:?}");
        }
    }

    #[test]
    fn an_answer_may_have_no_subscription_and_what_nobody_knows() {
        let located = located(|answer| {
            answer.u32(base::RESULT_CODE, 2001).raw(AvpId { code: 77, vendor: 4_711 }, true, &[1, 2, 3]);
            answer.raw(AvpId::tgpp(9_999), true, &[0; 8]);
        });
        assert_eq!(located.map(|located| located.subscription), Ok(None));
    }
}
