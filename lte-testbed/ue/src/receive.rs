//! The one gate that messages come in by: verification, and what is acted on without it (TS 24.301 §4.4.4.2).

use basalt_nas::ie::{EmmCause, IdentityType};
use basalt_nas::{Direction, EmmMessage, Envelope, ErrorKind, EsmPdu, NasMessage, Plain, Protected};
use basalt_sansio::Time;

use crate::fault::Uplink;
use crate::io::{Event, ProtocolSurprise};
use crate::ue::{Out, Ue};

impl Ue {
    pub(crate) fn receive(&mut self, now: Time, octets: &[u8], out: &mut Out) {
        if !self.connected {
            // Nothing can come without a radio connection; a late message of a released one is nobody's.
            return;
        }
        match Envelope::parse(octets) {
            Ok(Envelope::Plain(Plain(message))) => self.receive_plain(now, message, out),
            Ok(Envelope::Protected(envelope)) => self.receive_protected(now, envelope, octets, out),
            Ok(Envelope::ServiceRequest(_)) | Err(_) => self.distrust(ProtocolSurprise::Malformed, out),
        }
    }

    fn receive_plain(&mut self, now: Time, octets: &[u8], out: &mut Out) {
        let Ok(message) = NasMessage::decode(octets, Direction::Downlink) else {
            self.distrust(ProtocolSurprise::Malformed, out);
            return;
        };
        if self.security.secure {
            self.distrust(ProtocolSurprise::Unprotected, out);
            return;
        }
        // TS 24.301 §4.4.4.2: what a UE acts on before the network has proved itself.
        match message {
            NasMessage::Emm(EmmMessage::IdentityRequest(request)) if request.identity_type == IdentityType::Imsi => {
                self.identity_request(&request, out);
            }
            NasMessage::Emm(EmmMessage::AuthenticationRequest(request)) => {
                self.authentication_request(now, &request, out);
            }
            NasMessage::Emm(EmmMessage::AuthenticationReject(_)) => self.authentication_reject(out),
            NasMessage::Emm(EmmMessage::AttachReject(reject)) if reject.cause != EmmCause::NotAuthorizedForCsg => {
                self.attach_reject(now, &reject, out);
            }
            NasMessage::Emm(EmmMessage::DetachAccept(_)) => self.detach_accept(now, out),
            NasMessage::Emm(EmmMessage::TrackingAreaUpdateReject(reject))
                if reject.cause != EmmCause::NotAuthorizedForCsg =>
            {
                self.update_reject(now, &reject, out);
            }
            NasMessage::Emm(EmmMessage::ServiceReject(reject)) if reject.cause != EmmCause::NotAuthorizedForCsg => {
                self.service_reject(now, &reject, out);
            }
            NasMessage::Emm(_) | NasMessage::Esm(_) => self.distrust(ProtocolSurprise::Unprotected, out),
        }
    }

    fn receive_protected(&mut self, now: Time, envelope: Protected<'_>, octets: &[u8], out: &mut Out) {
        if envelope.header_type.is_new_context() {
            self.security_mode_command(now, envelope, octets, out);
            return;
        }
        let Some(context) = &mut self.security.current else {
            self.distrust(ProtocolSurprise::MessageMac, out);
            return;
        };
        let Ok(verified) = context.verify(octets) else {
            self.distrust(ProtocolSurprise::MessageMac, out);
            return;
        };
        // The network proved that it holds the keys (TS 24.301 §4.4.2.3).
        self.security.secure = true;
        let plain = verified.into_inner();
        match NasMessage::decode(&plain, Direction::Downlink) {
            Ok(NasMessage::Emm(message)) => self.emm(now, message, out),
            Ok(NasMessage::Esm(pdu)) => self.esm(now, pdu, out),
            Err(error) => self.unreadable(error.kind, out),
        }
    }

    /// A message that proved to be the network's own and still cannot be read (TS 24.301 §7).
    fn unreadable(&mut self, kind: ErrorKind, out: &mut Out) {
        self.distrust(ProtocolSurprise::Malformed, out);
        if let Some(cause) = kind.emm_cause() {
            self.send_emm(Uplink::EmmStatus, basalt_nas::emm::EmmStatus::new(cause), out);
        }
    }

    fn emm(&mut self, now: Time, message: EmmMessage, out: &mut Out) {
        match message {
            EmmMessage::AttachAccept(accept) => self.attach_accept(now, accept, out),
            EmmMessage::AttachReject(reject) => self.attach_reject(now, &reject, out),
            EmmMessage::AuthenticationRequest(request) => self.authentication_request(now, &request, out),
            EmmMessage::AuthenticationReject(_) => self.authentication_reject(out),
            EmmMessage::IdentityRequest(request) => self.identity_request(&request, out),
            EmmMessage::GutiReallocationCommand(command) => self.guti_reallocation(&command, out),
            EmmMessage::EmmInformation(information) => {
                let name = information.full_name.or(information.short_name).and_then(|name| name.text());
                self.tell(Event::NetworkName(name), out);
            }
            EmmMessage::EmmStatus(status) => self.tell(Event::Status(status.cause), out),
            EmmMessage::TrackingAreaUpdateAccept(accept) => self.update_accept(now, &accept, out),
            EmmMessage::TrackingAreaUpdateReject(reject) => self.update_reject(now, &reject, out),
            EmmMessage::ServiceAccept(_) => self.service_accepted(now, out),
            EmmMessage::ServiceReject(reject) => self.service_reject(now, &reject, out),
            EmmMessage::DetachRequestNetwork(request) => self.network_detach(now, &request, out),
            EmmMessage::DetachAccept(_) => self.detach_accept(now, out),
            other => self.distrust(ProtocolSurprise::Unexpected(other.name()), out),
        }
    }

    pub(crate) fn esm_container(&mut self, now: Time, octets: &[u8], out: &mut Out) {
        match EsmPdu::decode(octets, Direction::Downlink) {
            Ok(pdu) => self.esm(now, pdu, out),
            Err(_) => self.distrust(ProtocolSurprise::Malformed, out),
        }
    }

    pub(crate) fn distrust(&self, surprise: ProtocolSurprise, out: &mut Out) {
        self.tell(Event::Distrust(surprise), out);
    }
}
