//! The eNodeB: its state, its one entry, and where each input goes.

use basalt_ids::{Ebi, EnbUeS1apId, Teid};
use basalt_s1ap::{Cause, OverloadAction, Pdu};
use basalt_sansio::{Outbox, Time, Timers};

use crate::config::EnbConfig;
use crate::connection::{Bearer, ConnectionInfo, ConnectionState, Connections};
use crate::io::{Effect, Event, Input, PhoneId};

/// What stands between the eNodeB and the MME.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LinkState {
    /// No association.
    Down,
    /// S1 SETUP REQUEST is sent.
    SettingUp,
    /// The MME refused; it is asked again later.
    Refused,
    /// The interface stands.
    Ready,
}

/// One eNodeB. See the [crate](crate).
#[derive(Clone, Debug)]
pub struct Enb {
    pub(crate) config: EnbConfig,
    pub(crate) link: LinkState,
    pub(crate) overload: Option<OverloadAction>,
    pub(crate) connections: Connections,
    pub(crate) timers: Timers<Timer>,
}

/// What an eNodeB waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Timer {
    /// Send S1 SETUP REQUEST (again).
    Setup,
    /// The answer to ENB CONFIGURATION UPDATE.
    Update,
    /// Traffic of a phone.
    Inactivity(EnbUeS1apId),
    /// UE CONTEXT RELEASE COMMAND after the eNodeB asked for it, or the answer to PATH SWITCH REQUEST.
    Answer(EnbUeS1apId),
    /// The next message of an S1 handover, the phone, or the End Marker after it.
    Relocation(EnbUeS1apId),
}

pub(crate) type Out = Outbox<Effect>;

impl Enb {
    /// An eNodeB without an association.
    #[must_use]
    pub fn new(config: EnbConfig) -> Self {
        Self {
            config,
            link: LinkState::Down,
            overload: None,
            connections: Connections::default(),
            timers: Timers::new(),
        }
    }

    /// Takes one input and puts everything that follows from it into `out`.
    pub fn step(&mut self, now: Time, input: Input, out: &mut Out) {
        match input {
            Input::LinkUp => self.link_up(now, out),
            Input::LinkDown => self.link_down(out),
            Input::LinkRestarted => {
                self.link_down(out);
                self.link_up(now, out);
            }
            Input::S1ap(octets) => self.s1ap(now, &octets, out),
            Input::Connect(request) => self.connect(now, request, out),
            Input::Uplink { phone, nas } => self.uplink_nas(now, phone, nas, out),
            Input::Configured { phone, ok } => self.configured(now, phone, ok, out),
            Input::Inactive(phone) => {
                self.ask_release(now, phone, basalt_s1ap::RadioNetworkCause::UserInactivity.into(), out);
            }
            Input::RadioLost(phone) => {
                let cause = basalt_s1ap::RadioNetworkCause::RadioConnectionWithUeLost.into();
                self.ask_release(now, phone, cause, out);
            }
            Input::Abandon(phone) => self.abandon(phone),
            Input::HandOver(phone) => self.hand_over(phone, out),
            Input::TakeOver { phone, context } => self.take_over(now, phone, *context, out),
            Input::ForgetHandedOver(phone) => self.forget_handed_over(phone),
            Input::Relocate { phone, target, direct } => self.require_handover(now, phone, target, direct, out),
            Input::CancelRelocation(phone) => self.cancel_handover(phone, out),
            Input::Arrive(phone) => self.arrive(now, phone, out),
            Input::EndMarker(teid) => self.end_marker(teid, out),
            Input::Update { supported_tas, name } => self.update(now, supported_tas, name, out),
            Input::Reset { phones, cause } => self.reset(&phones, cause, out),
            Input::DropBearer { phone, ebi } => self.drop_bearer(phone, ebi, out),
            Input::Raw { pdu, phone } => {
                let ue = phone.and_then(|phone| self.connections.of_phone(phone)).map(|found| found.id.value());
                out.push(Effect::Send { pdu, ue });
            }
            Input::Wakeup => self.wakeup(now, out),
        }
    }

    /// When [`Input::Wakeup`] is due.
    #[must_use]
    pub fn next_wakeup(&self) -> Option<Time> {
        self.timers.next_wakeup()
    }

    /// Its configuration.
    #[must_use]
    pub fn config(&self) -> &EnbConfig {
        &self.config
    }

    /// Its faults, to change them.
    pub fn faults_mut(&mut self) -> &mut crate::Faults {
        &mut self.config.faults
    }

    /// What stands between it and the MME.
    #[must_use]
    pub fn link(&self) -> LinkState {
        self.link
    }

    /// How many phones are connected.
    #[must_use]
    pub fn connected(&self) -> usize {
        self.connections.len()
    }

    /// A phone's connection.
    #[must_use]
    pub fn connection(&self, phone: PhoneId) -> Option<ConnectionInfo> {
        self.connections.of_phone(phone).map(|connection| connection.info())
    }

    /// When a phone last sent or received something.
    #[must_use]
    pub fn last_activity(&self, phone: PhoneId) -> Option<Time> {
        self.connections.of_phone(phone).map(|connection| connection.last_activity)
    }

    /// The tunnel that a phone's packets leave by.
    pub fn uplink_tunnel(&mut self, now: Time, phone: PhoneId, ebi: Ebi) -> Option<Bearer> {
        let connection = self.connections.of_phone_mut(phone).filter(|connection| !connection.is_without_phone())?;
        connection.last_activity = now;
        connection.bearer(ebi).copied()
    }

    /// Whose packet this is, by the TEID it came with.
    pub fn downlink_phone(&mut self, now: Time, teid: Teid) -> Option<(PhoneId, Ebi)> {
        let (phone, ebi) = self.connections.tunnel(teid)?;
        self.connections.of_phone_mut(phone)?.last_activity = now;
        Some((phone, ebi))
    }

    fn s1ap(&mut self, now: Time, octets: &[u8], out: &mut Out) {
        match basalt_s1ap::decode(octets) {
            Ok(decoded) => self.received(now, decoded.pdu, out),
            Err(error) => self.undecodable(&error, out),
        }
    }

    fn received(&mut self, now: Time, pdu: Pdu, out: &mut Out) {
        match pdu {
            Pdu::S1SetupResponse(message) => self.setup_done(message, out),
            Pdu::S1SetupFailure(message) => self.setup_failed(now, &message, out),
            Pdu::EnbConfigurationUpdateAcknowledge(_) => self.update_done(out),
            Pdu::EnbConfigurationUpdateFailure(message) => self.update_failed(&message, out),
            Pdu::MmeConfigurationUpdate(_) => self.mme_update(out),
            Pdu::OverloadStart(message) => self.overload_start(message.action, out),
            Pdu::OverloadStop(_) => self.overload_stop(out),
            Pdu::Paging(message) => self.paging(message, out),
            Pdu::DownlinkNasTransport(message) => self.downlink_nas(message, out),
            Pdu::InitialContextSetupRequest(message) => self.context_setup(message, out),
            Pdu::UeContextReleaseCommand(message) => self.release_command(&message, out),
            Pdu::UeContextModificationRequest(message) => self.context_modification(&message, out),
            Pdu::ErabSetupRequest(message) => self.erab_setup(message, out),
            Pdu::ErabModifyRequest(message) => self.erab_modify(message, out),
            Pdu::ErabReleaseCommand(message) => self.erab_release(message, out),
            Pdu::PathSwitchRequestAcknowledge(message) => self.path_switched(message, out),
            Pdu::PathSwitchRequestFailure(message) => self.path_switch_failed(&message, out),
            Pdu::HandoverCommand(message) => self.handover_commanded(now, &message, out),
            Pdu::HandoverPreparationFailure(message) => self.handover_refused(&message, out),
            Pdu::HandoverCancelAcknowledge(message) => self.handover_cancelled(&message, out),
            Pdu::HandoverRequest(message) => self.handover_requested(now, message, out),
            // It has no PDCP to tell.
            Pdu::MmeStatusTransfer(_) => {}
            Pdu::Reset(message) => self.reset_by_mme(message, out),
            Pdu::ResetAcknowledge(message) => {
                out.push(Effect::Event(Event::ResetDone { connections: message.connections.len() }));
            }
            Pdu::ErrorIndication(message) => self.error_indication(&message, out),
            other => out.push(Effect::Event(Event::Unexpected(other.name()))),
        }
    }

    fn wakeup(&mut self, now: Time, out: &mut Out) {
        while let Some(timer) = self.timers.pop_expired(now) {
            match timer {
                Timer::Setup => self.setup_again(now, out),
                Timer::Update => out.push(Effect::Event(Event::NoAnswer("ENBConfigurationUpdate"))),
                Timer::Inactivity(id) => self.inactivity(now, id, out),
                Timer::Answer(id) => self.no_answer(id, out),
                Timer::Relocation(id) => self.relocation_expired(now, id, out),
            }
        }
    }

    /// Sends a message of the interface.
    pub(crate) fn send(&self, pdu: impl Into<Pdu>, out: &mut Out) {
        self.send_about(None, pdu, out);
    }

    /// Sends a message about a UE, on its stream.
    pub(crate) fn send_ue(&self, ue: EnbUeS1apId, pdu: impl Into<Pdu>, out: &mut Out) {
        self.send_about(Some(ue.value()), pdu, out);
    }

    fn send_about(&self, ue: Option<u32>, pdu: impl Into<Pdu>, out: &mut Out) {
        match basalt_s1ap::encode(&pdu.into()) {
            Ok(pdu) => out.push(Effect::Send { pdu, ue }),
            // A configuration or a value of the driver that the standard has no encoding for.
            Err(error) => out.push(Effect::Event(Event::ProtocolError(error.to_string()))),
        }
    }

    /// Forgets a connection and tells its phone.
    pub(crate) fn drop_connection(&mut self, id: EnbUeS1apId, cause: Cause, out: &mut Out) {
        if let Some(connection) = self.forget(id).filter(|connection| !connection.is_without_phone()) {
            out.push(Effect::Release { phone: connection.phone, cause });
        }
    }

    /// Forgets a connection without a word.
    pub(crate) fn forget(&mut self, id: EnbUeS1apId) -> Option<crate::connection::Connection> {
        self.timers.cancel(&Timer::Inactivity(id));
        self.timers.cancel(&Timer::Answer(id));
        self.timers.cancel(&Timer::Relocation(id));
        self.connections.close(id)
    }

    /// The target of an X2 handover has the phone; one that never left is still here.
    fn forget_handed_over(&mut self, phone: PhoneId) {
        if self.connections.of_phone(phone).is_some_and(|connection| connection.state == ConnectionState::Leaving) {
            self.abandon(phone);
        }
    }

    fn abandon(&mut self, phone: PhoneId) {
        if let Some(id) = self.connections.of_phone(phone).map(|connection| connection.id) {
            self.forget(id);
        }
    }
}
