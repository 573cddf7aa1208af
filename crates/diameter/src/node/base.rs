//! Messages of the base protocol: capabilities, watchdog, disconnection, refusals.

use super::types::{Local, Service};
use crate::avp::{Avp, Avps};
use crate::code::{Application, Command, ResultCode};
use crate::dictionary as name;
use crate::failed::failed;
use crate::message::{HEADER, Header, Message};
use crate::writer::Writer;
use crate::{DecodeError, vendor};

/// No security within the connection, and TLS (RFC 6733 §6.10).
const NO_SECURITY: u32 = 0;
const TLS: u32 = 1;
/// Disconnect-Cause (§5.4.3).
const REBOOTING: u32 = 0;

/// What CER and CEA tell of a peer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Capabilities {
    pub(crate) host: String,
    pub(crate) realm: String,
    pub(crate) services: Vec<Service>,
    pub(crate) state_id: Option<u32>,
    pub(crate) tls: bool,
}

impl Capabilities {
    /// Reads them out of a CER or CEA.
    pub(crate) fn read(message: &Message<'_>) -> Result<Self, DecodeError> {
        let host = message.need(name::ORIGIN_HOST)?.identity()?.to_owned();
        let realm = message.need(name::ORIGIN_REALM)?.identity()?.to_owned();
        let state_id = message.find(name::ORIGIN_STATE_ID).map(|avp| avp.u32()).transpose()?;
        let mut services = Vec::new();
        for avp in message.avps() {
            let avp = avp?;
            if avp.id == name::AUTH_APPLICATION_ID || avp.id == name::ACCT_APPLICATION_ID {
                services.push(Service { application: Application(avp.u32()?), vendor: vendor::IETF });
            } else if avp.id == name::VENDOR_SPECIFIC_APPLICATION_ID {
                services.extend(of_vendor(&avp)?);
            }
        }
        let tls = message.avps().all(name::INBAND_SECURITY_ID).any(|avp| avp.u32() == Ok(TLS));
        Ok(Self { host, realm, services, state_id, tls })
    }

    /// Whether an application can be spoken with this peer: it serves it, or passes everything on.
    pub(crate) fn serve(&self, application: Application) -> bool {
        let relay = |service: &Service| service.application == Application::RELAY;
        self.services.iter().any(|service| service.application == application || relay(service))
    }

    /// Whether there is anything to speak about.
    pub(crate) fn agree(&self, local: &Local) -> bool {
        let relay = |service: &Service| service.application == Application::RELAY;
        self.services.iter().any(relay)
            || local.applications.iter().any(|own| relay(own) || self.serve(own.application))
    }
}

/// An application within Vendor-Specific-Application-Id. The vendor of several is that of the first: one is what 3GPP sends.
fn of_vendor(group: &Avp<'_>) -> Result<Option<Service>, DecodeError> {
    let vendor = group.group().find(name::VENDOR_ID)?.map_or(Ok(0), |avp| avp.u32())?;
    for id in [name::AUTH_APPLICATION_ID, name::ACCT_APPLICATION_ID] {
        if let Some(avp) = group.group().find(id)? {
            return Ok(Some(Service { application: Application(avp.u32()?), vendor }));
        }
    }
    Ok(None)
}

/// CER.
pub(crate) fn capabilities_request(local: &Local, tls: bool, ids: (u32, u32)) -> Vec<u8> {
    let header = Header::request(Command::CAPABILITIES_EXCHANGE, Application::BASE);
    let mut writer = Writer::new(&Header { hop_by_hop: ids.0, end_to_end: ids.1, ..header });
    capabilities(&mut writer, local, tls);
    writer.finish()
}

/// CEA.
pub(crate) fn capabilities_answer(local: &Local, tls: bool, request: &Header, code: ResultCode) -> Vec<u8> {
    let mut writer = Writer::new(&request.answer());
    writer.u32(name::RESULT_CODE, code.0);
    capabilities(&mut writer, local, tls);
    writer.finish()
}

fn capabilities(writer: &mut Writer, local: &Local, tls: bool) {
    writer.text(name::ORIGIN_HOST, &local.host).text(name::ORIGIN_REALM, &local.realm);
    for address in &local.addresses {
        writer.address(name::HOST_IP_ADDRESS, *address);
    }
    writer.u32(name::VENDOR_ID, local.vendor).text(name::PRODUCT_NAME, &local.product);
    writer.u32(name::ORIGIN_STATE_ID, local.state_id);
    let mut vendors: Vec<u32> = local.applications.iter().map(|service| service.vendor).filter(|it| *it != 0).collect();
    vendors.sort_unstable();
    vendors.dedup();
    for vendor in vendors {
        writer.u32(name::SUPPORTED_VENDOR_ID, vendor);
    }
    for service in local.applications.iter().filter(|service| service.vendor == vendor::IETF) {
        writer.u32(name::AUTH_APPLICATION_ID, service.application.0);
    }
    writer.u32(name::INBAND_SECURITY_ID, if tls { TLS } else { NO_SECURITY });
    for service in local.applications.iter().filter(|service| service.vendor != vendor::IETF) {
        writer.group(name::VENDOR_SPECIFIC_APPLICATION_ID, |group| {
            group.u32(name::VENDOR_ID, service.vendor).u32(name::AUTH_APPLICATION_ID, service.application.0);
        });
    }
}

/// DWR.
pub(crate) fn watchdog_request(local: &Local, ids: (u32, u32)) -> Vec<u8> {
    let header = Header::request(Command::DEVICE_WATCHDOG, Application::BASE);
    let mut writer = Writer::new(&Header { hop_by_hop: ids.0, end_to_end: ids.1, ..header });
    writer.text(name::ORIGIN_HOST, &local.host).text(name::ORIGIN_REALM, &local.realm);
    writer.u32(name::ORIGIN_STATE_ID, local.state_id);
    writer.finish()
}

/// DPR. Its cause is that we restart (§5.4.3): that who hears it may try again.
pub(crate) fn disconnect_request(local: &Local, ids: (u32, u32)) -> Vec<u8> {
    let header = Header::request(Command::DISCONNECT_PEER, Application::BASE);
    let mut writer = Writer::new(&Header { hop_by_hop: ids.0, end_to_end: ids.1, ..header });
    writer.text(name::ORIGIN_HOST, &local.host).text(name::ORIGIN_REALM, &local.realm);
    writer.u32(name::DISCONNECT_CAUSE, REBOOTING);
    writer.finish()
}

/// An answer with a result, and what every answer has: the session, who answers, and what proxies left for themselves (§6.2).
/// A protocol error sets the E bit (§7.1.3).
#[must_use]
pub fn answer(local: &Local, request: &Message<'_>, code: ResultCode) -> Writer {
    let error = code.is_protocol_error();
    let mut writer = Writer::new(&Header { error, ..request.header.answer() });
    if let Some(session) = request.find(name::SESSION_ID) {
        writer.raw(session.id, true, session.data);
    }
    writer.u32(name::RESULT_CODE, code.0);
    writer.text(name::ORIGIN_HOST, &local.host).text(name::ORIGIN_REALM, &local.realm);
    for info in request.avps().all(name::PROXY_INFO) {
        writer.raw(info.id, true, info.data);
    }
    writer
}

/// A refusal of a request for what it says, or because it cannot even be read: what of it can be told is answered, and the AVP that was
/// wrong is named (§6.2, §7.5). `octets` are the request as it came.
#[must_use]
pub fn refusal(local: &Local, request: &Header, octets: &[u8], error: DecodeError) -> Writer {
    let code = error.result();
    let mut writer = Writer::new(&Header { error: code.is_protocol_error(), ..request.answer() });
    let avps = || Avps::new(octets.get(HEADER..).unwrap_or_default(), HEADER);
    if let Ok(Some(session)) = avps().find(name::SESSION_ID) {
        writer.raw(session.id, true, session.data);
    }
    writer.u32(name::RESULT_CODE, code.0);
    writer.text(name::ORIGIN_HOST, &local.host).text(name::ORIGIN_REALM, &local.realm);
    writer.text(name::ERROR_MESSAGE, &error.to_string());
    failed(&mut writer, octets, error);
    for info in avps().all(name::PROXY_INFO) {
        writer.raw(info.id, true, info.data);
    }
    writer
}
