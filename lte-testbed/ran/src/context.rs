//! A phone's connection: first message, NAS transport, context, release (TS 36.413 §8.3, §8.6).
//!
//! ```text
//!  phone            eNodeB                                         MME
//!    |-- Connect ----->| INITIAL UE MESSAGE ------------------------>|
//!    |<- Deliver ------| <----------------- DOWNLINK NAS TRANSPORT   |
//!    |-- Uplink ------>| UPLINK NAS TRANSPORT ---------------------->|
//!    |<- Configure ----| <----------- INITIAL CONTEXT SETUP REQUEST  |
//!    |-- Configured -->| UE CAPABILITY INFO INDICATION (if wanted) ->|
//!    |                 | INITIAL CONTEXT SETUP RESPONSE / FAILURE -->|
//!    |                 | UE CONTEXT RELEASE REQUEST (inactive, lost)>|
//!    |<- Release ------| <--------------- UE CONTEXT RELEASE COMMAND |
//!    |                 | UE CONTEXT RELEASE COMPLETE --------------->|
//! ```

use basalt_ids::EnbUeS1apId;
use basalt_s1ap::{
    Cause, DownlinkNasTransport, InitialContextSetupFailure, InitialContextSetupRequest, InitialContextSetupResponse,
    InitialUeMessage, NasNonDeliveryIndication, RadioNetworkCause, UeCapabilityInfoIndication,
    UeContextModificationRequest, UeContextModificationResponse, UeContextReleaseCommand, UeContextReleaseComplete,
    UeContextReleaseRequest, UeIds, UplinkNasTransport,
};
use basalt_sansio::{Duration, Time};

use crate::connection::{ConnectionState, Pending};
use crate::enb::{Enb, LinkState, Out, Timer};
use crate::io::{Configuration, ConnectRequest, Effect, Event, PhoneId, RadioSecurity};

/// How long the MME may take to release a context it was asked to release; then the radio lets go by itself.
const RELEASE_PATIENCE: Duration = Duration::from_secs(10);

impl Enb {
    pub(crate) fn connect(&mut self, now: Time, request: ConnectRequest, out: &mut Out) {
        let phone = request.phone;
        if self.link != LinkState::Ready || !self.admits(request.cause) {
            out.push(Effect::Refuse { phone });
            return;
        }
        // A phone that connects anew has lost its old connection; the MME hears of that by the new one.
        if let Some(old) = self.connections.of_phone(phone).map(|connection| connection.id) {
            self.forget(old);
        }
        let (tai, ecgi) = (self.config.tai(), self.config.ecgi());
        let Some(connection) = self.connections.open(now, phone) else {
            out.push(Effect::Refuse { phone });
            return;
        };
        connection.capability = request.capability;
        let id = connection.id;
        let mut message = InitialUeMessage::new(id, request.nas, tai, ecgi, request.cause);
        message.s_tmsi = request.s_tmsi;
        message.gummei = request.gummei;
        self.watch_activity(now, id);
        self.send_ue(id, message, out);
    }

    pub(crate) fn uplink_nas(&mut self, now: Time, phone: PhoneId, nas: Vec<u8>, out: &mut Out) {
        let (tai, ecgi) = (self.config.tai(), self.config.ecgi());
        let Some(connection) = self.connections.of_phone_mut(phone) else {
            out.push(Effect::Refuse { phone });
            return;
        };
        connection.last_activity = now;
        let id = connection.id;
        let Some(mme_id) = connection.mme_id else {
            // Nothing can be sent before the MME has answered the first message.
            out.push(Effect::Event(Event::ProtocolError("a NAS message before the MME's first answer".to_owned())));
            return;
        };
        self.send_ue(id, UplinkNasTransport::new(mme_id, id, nas, ecgi, tai), out);
    }

    pub(crate) fn downlink_nas(&mut self, message: DownlinkNasTransport, out: &mut Out) {
        let ids = UeIds { mme: Some(message.mme_ue_id), enb: Some(message.enb_ue_id) };
        let Some(connection) = self.of_ids(ids, out) else { return };
        let (phone, id) = (connection.phone, connection.id);
        if self.config.faults.lose_downlink {
            return;
        }
        if self.config.faults.undeliverable {
            let cause = RadioNetworkCause::RadioConnectionWithUeLost.into();
            let report = NasNonDeliveryIndication::new(message.mme_ue_id, id, message.nas_pdu, cause);
            self.send_ue(id, report, out);
            return;
        }
        out.push(Effect::Deliver { phone, nas: message.nas_pdu });
    }

    pub(crate) fn context_setup(&mut self, message: InitialContextSetupRequest, out: &mut Out) {
        let ids = UeIds { mme: Some(message.mme_ue_id), enb: Some(message.enb_ue_id) };
        let Some(connection) = self.of_ids(ids, out) else { return };
        let (phone, id, state) = (connection.phone, connection.id, connection.state);
        if self.config.faults.ignore_context {
            return;
        }
        if let Some(cause) = self.config.faults.refuse_context {
            self.refuse_context(id, cause, out);
            return;
        }
        if state == ConnectionState::Active {
            let cause = basalt_s1ap::ProtocolCause::MessageNotCompatibleWithReceiverState.into();
            self.refuse_context(id, cause, out);
            return;
        }
        let enquire_capability = message.ue_radio_capability.is_none();
        let (added, nas) = self.add_bearers(phone, message.erabs);
        let Some(connection) = self.connections.get_mut(id) else { return };
        connection.gummei = message.gummei;
        connection.security = Some(message.ue_security_capabilities);
        connection.next_hop = Some((0, message.security_key.clone()));
        connection.pending.push_back(Pending::Context { enquire_capability });
        let security = Some(RadioSecurity {
            k_enb: message.security_key,
            encryption: message.ue_security_capabilities.encryption,
            integrity: message.ue_security_capabilities.integrity,
        });
        let configuration = Configuration { security, added, removed: Vec::new(), nas };
        out.push(Effect::Configure { phone, configuration });
    }

    pub(crate) fn configured(&mut self, now: Time, phone: PhoneId, ok: bool, out: &mut Out) {
        let Some(connection) = self.connections.of_phone_mut(phone) else { return };
        connection.last_activity = now;
        let id = connection.id;
        match connection.pending.pop_front() {
            Some(Pending::Context { enquire_capability }) if ok => self.context_ready(id, enquire_capability, out),
            Some(Pending::Context { .. }) => {
                self.refuse_context(id, RadioNetworkCause::FailureInRadioInterfaceProcedure.into(), out);
            }
            Some(Pending::Erabs(bearers)) => self.erabs_ready(id, &bearers, ok, out),
            Some(Pending::Nobody) | None => {}
        }
    }

    fn context_ready(&mut self, id: EnbUeS1apId, enquire_capability: bool, out: &mut Out) {
        let Some(connection) = self.connections.get_mut(id) else { return };
        let Some(mme_id) = connection.mme_id else { return };
        connection.state = ConnectionState::Active;
        let phone = connection.phone;
        let tunnels = connection.bearers.iter().map(|bearer| self.config.tunnel(bearer)).collect();
        if enquire_capability && !connection.capability.is_empty() {
            let capability = connection.capability.clone();
            self.send_ue(id, UeCapabilityInfoIndication::new(mme_id, id, capability), out);
        }
        self.send_ue(id, InitialContextSetupResponse::new(mme_id, id, tunnels), out);
        out.push(Effect::Event(Event::ContextReady(phone)));
    }

    fn refuse_context(&mut self, id: EnbUeS1apId, cause: Cause, out: &mut Out) {
        let Some(connection) = self.connections.get(id) else { return };
        let (phone, Some(mme_id)) = (connection.phone, connection.mme_id) else { return };
        self.send_ue(id, InitialContextSetupFailure::new(mme_id, id, cause), out);
        out.push(Effect::Event(Event::ContextFailed(phone, cause)));
    }

    pub(crate) fn context_modification(&mut self, message: &UeContextModificationRequest, out: &mut Out) {
        let ids = UeIds { mme: Some(message.mme_ue_id), enb: Some(message.enb_ue_id) };
        let Some(id) = self.of_ids(ids, out).map(|connection| connection.id) else { return };
        self.send_ue(id, UeContextModificationResponse::new(message.mme_ue_id, id), out);
    }

    /// Asks the MME to release a phone; one that the MME does not know yet is let go at once.
    pub(crate) fn ask_release(&mut self, now: Time, phone: PhoneId, cause: Cause, out: &mut Out) {
        let Some(connection) = self.connections.of_phone_mut(phone) else { return };
        let id = connection.id;
        let Some(mme_id) = connection.mme_id else {
            self.drop_connection(id, cause, out);
            return;
        };
        if connection.state == ConnectionState::ReleaseAsked {
            return;
        }
        connection.state = ConnectionState::ReleaseAsked;
        self.timers.cancel(&Timer::Inactivity(id));
        self.timers.arm(Timer::Answer(id), now + RELEASE_PATIENCE);
        self.send_ue(id, UeContextReleaseRequest::new(mme_id, id, cause), out);
    }

    pub(crate) fn release_command(&mut self, message: &UeContextReleaseCommand, out: &mut Out) {
        let ids = UeIds::from(message.ue_s1ap_ids);
        let Some(connection) = self.of_ids(ids, out) else { return };
        let (id, mme_id) = (connection.id, connection.mme_id.or(ids.mme));
        if self.config.faults.ignore_release {
            return;
        }
        let cause = message.cause.unwrap_or(RadioNetworkCause::Unspecified.into());
        self.drop_connection(id, cause, out);
        if let Some(mme_id) = mme_id {
            self.send_ue(id, UeContextReleaseComplete::new(mme_id, id), out);
        }
    }

    /// Arms the inactivity timer, where one is configured.
    pub(crate) fn watch_activity(&mut self, now: Time, id: EnbUeS1apId) {
        if let Some(period) = self.config.inactivity {
            self.timers.arm(Timer::Inactivity(id), now + period);
        }
    }

    pub(crate) fn inactivity(&mut self, now: Time, id: EnbUeS1apId, out: &mut Out) {
        let (Some(period), Some(connection)) = (self.config.inactivity, self.connections.get(id)) else { return };
        let due = connection.last_activity + period;
        if due > now {
            self.timers.arm(Timer::Inactivity(id), due);
            return;
        }
        let phone = connection.phone;
        self.ask_release(now, phone, RadioNetworkCause::UserInactivity.into(), out);
    }

    /// The MME did not answer a release or a path switch: the radio lets go.
    pub(crate) fn no_answer(&mut self, id: EnbUeS1apId, out: &mut Out) {
        let Some(connection) = self.connections.get(id) else { return };
        let what = match connection.state {
            ConnectionState::Switching => "PathSwitchRequest",
            _ => "UEContextReleaseRequest",
        };
        out.push(Effect::Event(Event::NoAnswer(what)));
        self.drop_connection(id, RadioNetworkCause::ReleaseDueToEutranGeneratedReason.into(), out);
    }
}
