//! What an HSS asks of us (TS 29.272 §5.2.1.2, §5.2.2, §5.2.4), and what it is answered.

use crate::name;
use crate::subscription::Subscription;
use basalt_diameter::node::Local;
use basalt_diameter::{
    Application, AvpId, Command, DecodeError, Header, Message, ResultCode, Writer, dictionary as base, vendor,
};
use basalt_ids::{Imsi, Tai};

/// Cancellation-Type (TS 29.272 §7.3.24).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cancellation {
    /// Another MME has the phone.
    MmeUpdate,
    /// An SGSN has the phone.
    SgsnUpdate,
    /// The subscription is withdrawn.
    Withdrawal,
    /// A change by an interworking function.
    UpdateIwf,
    /// The phone attached elsewhere.
    InitialAttach,
}

/// What is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HssRequest {
    /// CLR.
    Cancel {
        /// Whose.
        imsi: Imsi,
        /// Why.
        kind: Cancellation,
        /// The phone is to attach again at once (CLR-Flags, Reattach-Required).
        reattach: bool,
    },
    /// IDR.
    Insert {
        /// Whose.
        imsi: Imsi,
        /// What changed; empty when only something is asked.
        subscription: Box<Subscription>,
        /// IDR-Flags (TS 29.272 §7.3.103).
        flags: u32,
    },
    /// DSR.
    Delete {
        /// Whose.
        imsi: Imsi,
        /// DSR-Flags (TS 29.272 §7.3.25).
        flags: u32,
        /// Context-Identifiers of access points that go.
        contexts: Vec<u32>,
    },
    /// RSR: the HSS has lost what it knew of phones whose IMSI begins so; of all with no beginnings.
    Reset {
        /// Beginnings of IMSIs.
        beginnings: Vec<String>,
    },
}

/// A request with who sent it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FromHss {
    /// Origin-Host.
    pub host: String,
    /// Origin-Realm.
    pub realm: String,
    /// What is asked.
    pub request: HssRequest,
}

/// What an IDR is answered, where it asked for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Inserted {
    /// User-State (TS 29.272 §7.3.111: 0 detached, 2 attached and reachable for paging, 4 connected and so), where it was asked for.
    pub state: Option<u32>,
    /// Where the phone was seen last: cell (ECGI, 28 bits) and area.
    pub location: Option<(u32, Tai)>,
}

/// What a request is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reply {
    /// Done.
    Done,
    /// An IDR was done.
    Inserted(Inserted),
    /// Nobody here has that phone: DIAMETER_ERROR_USER_UNKNOWN.
    UserUnknown,
    /// It could not be done now.
    Unable,
}

/// What a request has once at most (TS 29.272 §7.2.7, §7.2.9, §7.2.11).
const ONCE: [AvpId; 5] =
    [name::CANCELLATION_TYPE, name::CLR_FLAGS, name::SUBSCRIPTION_DATA, name::IDR_FLAGS, name::DSR_FLAGS];

/// Reads a request of an HSS.
///
/// # Errors
/// What it is answered, and by which AVP.
pub fn read_hss_request(message: &Message<'_>) -> Result<FromHss, DecodeError> {
    let imsi = || {
        let avp = message.need(base::USER_NAME)?;
        let wrong = DecodeError::Value { code: avp.id.code, vendor: avp.id.vendor, wanted: "IMSI" };
        avp.text()?.parse::<Imsi>().map_err(|_| wrong)
    };
    let number = |id| message.find(id).map(|avp| avp.u32()).transpose();
    message.once(&ONCE)?;
    let request = match message.header.command {
        Command::CANCEL_LOCATION => {
            let avp = message.need(name::CANCELLATION_TYPE)?;
            let kind = match avp.u32()? {
                0 => Cancellation::MmeUpdate,
                1 => Cancellation::SgsnUpdate,
                2 => Cancellation::Withdrawal,
                3 => Cancellation::UpdateIwf,
                4 => Cancellation::InitialAttach,
                _ => {
                    return Err(DecodeError::Value {
                        code: avp.id.code,
                        vendor: avp.id.vendor,
                        wanted: "Cancellation-Type",
                    });
                }
            };
            let reattach = number(name::CLR_FLAGS)?.unwrap_or(0) & 2 != 0;
            HssRequest::Cancel { imsi: imsi()?, kind, reattach }
        }
        Command::INSERT_SUBSCRIBER_DATA => {
            let data = message.need(name::SUBSCRIPTION_DATA)?;
            let flags = number(name::IDR_FLAGS)?.unwrap_or(0);
            HssRequest::Insert { imsi: imsi()?, subscription: Box::new(Subscription::read(&data)?), flags }
        }
        Command::DELETE_SUBSCRIBER_DATA => {
            let flags = message.need(name::DSR_FLAGS)?.u32()?;
            let contexts = message.avps().all(name::CONTEXT_IDENTIFIER).filter_map(|avp| avp.u32().ok()).take(50);
            HssRequest::Delete { imsi: imsi()?, flags, contexts: contexts.collect() }
        }
        Command::RESET => {
            let beginnings = message.avps().all(name::USER_ID).filter_map(|avp| avp.text().ok()).take(1000);
            HssRequest::Reset { beginnings: beginnings.map(str::to_owned).collect() }
        }
        _ => return Err(DecodeError::Missing { code: 0, vendor: 0 }),
    };
    let host = message.need(base::ORIGIN_HOST)?.identity()?.to_owned();
    let realm = message.need(base::ORIGIN_REALM)?.identity()?.to_owned();
    Ok(FromHss { host, realm, request })
}

/// The answer to a request of an HSS.
#[must_use]
pub fn reply(local: &Local, message: &Message<'_>, reply: Reply) -> Vec<u8> {
    let mut writer = begin(local, message);
    match reply {
        Reply::Done | Reply::Inserted(_) => writer.u32(base::RESULT_CODE, ResultCode::SUCCESS.0),
        Reply::Unable => writer.u32(base::RESULT_CODE, ResultCode::UNABLE_TO_COMPLY.0),
        Reply::UserUnknown => writer.group(base::EXPERIMENTAL_RESULT, |group| {
            group.u32(base::VENDOR_ID, vendor::TGPP);
            group.u32(base::EXPERIMENTAL_RESULT_CODE, crate::cause::code::USER_UNKNOWN);
        }),
    };
    if let Reply::Inserted(inserted) = reply {
        writer.u32(name::IDA_FLAGS, 0);
        told(&mut writer, inserted);
    }
    writer.finish()
}

/// The answer to what cannot be read or is not served.
#[must_use]
pub fn refuse(local: &Local, message: &Message<'_>, code: ResultCode) -> Vec<u8> {
    let mut writer = basalt_diameter::node::answer(local, message, code);
    writer.u32(base::AUTH_SESSION_STATE, 1);
    writer.finish()
}

/// The answer to a request of a command that is served, with something wrong in it: the AVP is named (RFC 6733 §7.5).
#[must_use]
pub fn refuse_for(local: &Local, message: &Message<'_>, error: DecodeError) -> Vec<u8> {
    let mut writer = basalt_diameter::node::refusal(local, &message.header, message.octets(), error);
    writer.u32(base::AUTH_SESSION_STATE, 1);
    writer.finish()
}

fn begin(local: &Local, message: &Message<'_>) -> Writer {
    let header: Header = message.header.answer();
    let mut writer = Writer::new(&header);
    if let Some(session) = message.find(base::SESSION_ID) {
        writer.raw(session.id, true, session.data);
    }
    writer.group(base::VENDOR_SPECIFIC_APPLICATION_ID, |group| {
        group.u32(base::VENDOR_ID, vendor::TGPP).u32(base::AUTH_APPLICATION_ID, Application::S6A.0);
    });
    writer.u32(base::AUTH_SESSION_STATE, 1);
    writer.text(base::ORIGIN_HOST, &local.host).text(base::ORIGIN_REALM, &local.realm);
    for info in message.avps().all(base::PROXY_INFO) {
        writer.raw(info.id, true, info.data);
    }
    writer
}

fn told(writer: &mut Writer, inserted: Inserted) {
    if let Some(state) = inserted.state {
        writer.group(name::EPS_USER_STATE, |group| {
            group.group(name::MME_USER_STATE, |group| {
                group.u32(name::USER_STATE, state);
            });
        });
    }
    if let Some((cell, tai)) = inserted.location {
        let plmn = tai.plmn.to_nas();
        writer.group(name::EPS_LOCATION, |group| {
            group.group(name::MME_LOCATION, |group| {
                group.octets(name::EUTRAN_CELL, &[&plmn[..], &cell.to_be_bytes()].concat());
                group.octets(name::TRACKING_AREA, &[&plmn[..], &tai.tac.0.to_be_bytes()].concat());
            });
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use basalt_diameter::{Limits, Outcome};

    fn local() -> Local {
        let (host, realm) = ("feg1.visited.example".to_owned(), "visited.example".to_owned());
        Local { host, realm, addresses: vec![], vendor: 0, product: String::new(), applications: vec![], state_id: 0 }
    }

    fn asked(command: Command, fill: impl FnOnce(&mut Writer)) -> Vec<u8> {
        let mut writer = Writer::new(&Header::request(command, Application::S6A));
        writer.text(base::SESSION_ID, "hss;1;1").text(base::ORIGIN_HOST, "hss.home.example");
        writer.text(base::ORIGIN_REALM, "home.example").text(base::USER_NAME, "999700000000001");
        fill(&mut writer);
        writer.finish()
    }

    fn read(octets: &[u8]) -> Result<HssRequest, DecodeError> {
        read_hss_request(&Message::decode(octets, &Limits::default()).unwrap()).map(|from| from.request)
    }

    #[test]
    fn every_request_is_read() {
        for (number, kind) in [
            (0, Cancellation::MmeUpdate),
            (1, Cancellation::SgsnUpdate),
            (2, Cancellation::Withdrawal),
            (3, Cancellation::UpdateIwf),
            (4, Cancellation::InitialAttach),
        ] {
            let octets = asked(Command::CANCEL_LOCATION, |writer| {
                writer.u32(name::CANCELLATION_TYPE, number).u32(name::CLR_FLAGS, 2);
            });
            let imsi = "999700000000001".parse().unwrap();
            assert_eq!(read(&octets), Ok(HssRequest::Cancel { imsi, kind, reattach: true }));
        }
        let octets = asked(Command::DELETE_SUBSCRIBER_DATA, |writer| {
            writer.u32(name::DSR_FLAGS, 8).u32(name::CONTEXT_IDENTIFIER, 4);
        });
        assert!(matches!(read(&octets), Ok(HssRequest::Delete { flags: 8, contexts, .. }) if contexts == [4]));
        let octets = asked(Command::RESET, |writer| {
            writer.text(name::USER_ID, "99970");
        });
        assert_eq!(read(&octets), Ok(HssRequest::Reset { beginnings: vec!["99970".to_owned()] }));
        let octets = asked(Command::INSERT_SUBSCRIBER_DATA, |writer| {
            writer.group(name::SUBSCRIPTION_DATA, |group| {
                group.group(name::AMBR, |group| {
                    group.u32(name::MAX_BANDWIDTH_UL, u32::MAX).u32(name::MAX_BANDWIDTH_DL, 2000);
                    group.u32(name::EXTENDED_BANDWIDTH_UL, 5_000_000);
                });
            });
        });
        let Ok(HssRequest::Insert { subscription, .. }) = read(&octets) else { panic!() };
        let ambr = subscription.ambr.unwrap();
        assert_eq!((ambr.uplink, ambr.downlink), (5_000_000_000, 2000));
    }

    #[test]
    fn what_lacks_something_is_refused() {
        assert!(read(&asked(Command::CANCEL_LOCATION, |_| ())).is_err());
        assert!(
            read(&asked(Command::CANCEL_LOCATION, |writer| {
                writer.u32(name::CANCELLATION_TYPE, 9);
            }))
            .is_err()
        );
        assert!(read(&asked(Command::PURGE_UE, |_| ())).is_err());
    }

    #[test]
    fn answers_name_the_session_and_the_result() {
        let octets = asked(Command::CANCEL_LOCATION, |writer| {
            writer.u32(name::CANCELLATION_TYPE, 0);
        });
        let request = Message::decode(&octets, &Limits::default()).unwrap();
        let outcome = |answer| {
            let octets = reply(&local(), &request, answer);
            let message = Message::decode(&octets, &Limits::default()).unwrap();
            assert_eq!(message.need(base::SESSION_ID).unwrap().data, b"hss;1;1");
            assert!(!message.header.request);
            message.outcome().unwrap()
        };
        assert_eq!(outcome(Reply::Done), Outcome::Base(ResultCode::SUCCESS));
        assert_eq!(outcome(Reply::UserUnknown), Outcome::Experimental { vendor: vendor::TGPP, code: 5001 });
        assert_eq!(outcome(Reply::Unable), Outcome::Base(ResultCode::UNABLE_TO_COMPLY));
    }
}
