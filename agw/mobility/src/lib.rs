//! EMM: who the UE is, whether it is trusted, where it is (TS 24.301 clause 5).
//!
//! What it is: every UE of a shard as a plain value, and the procedures that move it: attach, tracking area update, service
//! request, paging, detach, handover, and the common ones by which a UE proves who it is. What it deliberately is not: a radio
//! (it sees access-neutral events), a session (it carries ESM messages unread), a subscriber list (it asks).
//!
//! Invariants:
//! - a message that is not verified changes nothing of a known UE: it makes a claim of its own, which takes the known UE's
//!   place only when it is proven ([`collision`] begins after that);
//! - a UE with keys is spoken to with them only, and heard with them only;
//! - one mobility procedure runs for a UE at a time; what happens when another starts is one table, [`collision::resolve`];
//! - what is promised (a GUTI, an address) is saved in the step that promises it;
//! - every wait has a timer, every table a bound and an answer when it is full.
//!
//! What it wants done comes out as [`Want`]s, in order; the core carries them to the other rooms and brings the answers back.
#![forbid(unsafe_code)]
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests"))]

mod arrival;
mod claim;
pub mod collision;
mod common;
mod cx;
mod eps;
mod expiry;
mod generation;
mod index;
mod line;
mod page_rate;
mod reject;
mod trust;
mod ue;
mod uplink;
mod views;

pub use cx::Want;
pub use generation::{Eps, EpsCapability, Generation};
pub use reject::{advice, cause_for};

use crate::cx::{Cx, Fate};
use crate::eps::{attach, detach, esm, handover, paging, path_switch, release, service, tau};
use crate::index::Index;
use crate::page_rate::PageRate;
use crate::reject::Rejections;
use crate::ue::{Emm, Task, Ue};
use agw_types::{
    Ambr, Answer, BearerEndpoint, BearerFailure, Cancelled, Command, GatewayConfig, Limits, Metric, Now, OperatorReply,
    RadioCause, RadioCommand, RadioEvent, RadioEventKind, RadioId, SessionReply, SessionRequest, Ticket, UeId,
};
use basalt_ids::Imsi;
use basalt_nas::ie::EmmCause;
use basalt_sansio::{IdLayout, Outbox, Rng, SecureRng, SecureSeed, SlotTable};
use basalt_security::{AlgorithmOrder, Provider};
use std::collections::VecDeque;

/// All UEs of one shard.
#[derive(Debug, Clone)]
pub struct Mobility {
    config: GatewayConfig,
    algorithms: AlgorithmOrder,
    provider: Provider,
    limits: Limits,
    ues: SlotTable<Ue>,
    index: Index,
    rejections: Rejections,
    pages: PageRate,
    /// UEs that were detached, the longest first: they make room when the table is full.
    retired: VecDeque<UeId>,
    rng: SecureRng,
    asked: u16,
    /// No new UEs are taken.
    draining: bool,
}

impl Mobility {
    /// No UE yet. `seed` makes temporary identities unpredictable.
    #[must_use]
    pub fn new(
        config: &GatewayConfig,
        limits: Limits,
        layout: IdLayout,
        shard: u32,
        seed: &SecureSeed,
        provider: Provider,
    ) -> Self {
        let mut rng = SecureRng::new(seed);
        let key = (rng.next_u64(), rng.next_u64());
        Self {
            config: config.clone(),
            algorithms: order(config),
            provider,
            limits,
            ues: SlotTable::new(layout, shard),
            index: Index::new(key, shard),
            rejections: Rejections::default(),
            pages: PageRate::new(),
            retired: VecDeque::new(),
            rng,
            asked: 0,
            draining: false,
        }
    }

    /// Takes a new configuration: it counts from the next message of each UE on.
    pub fn configure(&mut self, config: &GatewayConfig) {
        self.config = config.clone();
        self.algorithms = order(config);
    }

    /// A base station told something about a UE.
    pub fn radio(&mut self, now: Now, event: RadioEvent, out: &mut Outbox<Want>) {
        let RadioEvent { radio, ue, kind } = event;
        if let RadioEventKind::Initial { nas, area, s_tmsi, .. } = kind {
            self.initial(now, radio, &nas, area, s_tmsi, out);
            return;
        }
        let owner = ue.filter(|id| self.connection(*id) == Some(radio));
        let Some(id) = owner else {
            // Nobody's connection, or that of a UE that has another one by now.
            if !matches!(kind, RadioEventKind::Released { .. }) {
                out.push(Want::Radio(RadioCommand::Release { radio, cause: RadioCause::NormalRelease }));
            }
            return;
        };
        if let RadioEventKind::Uplink { nas, area } = kind {
            self.uplink(now, id, radio, &nas, area, out);
            return;
        }
        self.with(id, now, out, |ue, cx| radio_event(ue, kind, cx));
    }

    /// The session room answered.
    pub fn session(&mut self, now: Now, reply: SessionReply, out: &mut Outbox<Want>) {
        let id = match &reply {
            SessionReply::Send { ue, .. }
            | SessionReply::AttachReady { ue, .. }
            | SessionReply::AttachRejected { ue, .. }
            | SessionReply::BearerReady { ue, .. }
            | SessionReply::BearerChanging { ue, .. }
            | SessionReply::BearerEnding { ue, .. }
            | SessionReply::Call { ue }
            | SessionReply::Resume { ue, .. }
            | SessionReply::HandOver { ue, .. }
            | SessionReply::Forward { ue, .. }
            | SessionReply::Changed { ue }
            | SessionReply::LastSessionGone { ue }
            | SessionReply::DefaultBearer { ue, .. } => *ue,
        };
        self.with(id, now, out, |ue, cx| esm::reply(ue, reply, cx));
    }

    /// The subscriber side answered.
    pub fn answer(&mut self, now: Now, ticket: Ticket, answer: Answer, out: &mut Outbox<Want>) {
        let sequence = Some(ticket.sequence);
        self.with(ticket.ue, now, out, |ue, cx| {
            if esm::profile(ue, sequence, &answer, cx) {
                return;
            }
            match &ue.emm {
                Emm::Attaching(_) => attach::profile(ue, sequence, answer, cx),
                _ => claim::prove(ue, cx, |proof, line, cx| proof.vector(sequence, answer, line, cx)),
            }
        });
    }

    /// Downlink packets wait for a UE.
    pub fn call(&mut self, now: Now, id: UeId, out: &mut Outbox<Want>) {
        self.with(id, now, out, paging::call);
    }

    /// The base station does not know a tunnel of a UE any more: the UE has no radio there.
    pub fn tunnel_lost(&mut self, now: Now, id: UeId, out: &mut Outbox<Want>) {
        self.with(id, now, out, |ue, cx| {
            if ue.connection.is_some() {
                release::requested(ue, RadioCause::TransportResources, cx);
            }
        });
    }

    /// An operator wants something of a UE.
    pub fn command(&mut self, now: Now, command: &Command, out: &mut Outbox<Want>) -> OperatorReply {
        let imsi = match command {
            Command::Detach { imsi, .. }
            | Command::Deactivate { imsi, .. }
            | Command::Page { imsi }
            | Command::Release { imsi } => *imsi,
            // The other rooms'.
            Command::ResetEnb { .. } | Command::SetRule { .. } | Command::RemoveRule { .. } | Command::Drain { .. } => {
                return OperatorReply::NotFound;
            }
        };
        let Some(id) = self.index.imsi(imsi) else { return OperatorReply::NotFound };
        let reply = self.with(id, now, out, |ue, cx| command_for(ue, command, cx));
        reply.unwrap_or(OperatorReply::NotFound)
    }

    /// Takes no new UEs from now on, or takes them again.
    pub fn drain(&mut self, on: bool) {
        self.draining = on;
    }

    /// Who has proven to be somebody that the lists of networks and equipment do not let in.
    pub fn barred(&self) -> impl Iterator<Item = Imsi> {
        let access = &self.config.access;
        self.ues.iter().filter_map(|(_, ue)| {
            let imsi = ue.imsi?;
            // Equipment that is unknown was let in before its kind was asked for: it stays until it attaches again.
            let known = ue.imeisv.is_some();
            let admitted = access.admits_subscriber(imsi) && (!known || access.admits_equipment(ue.imeisv));
            (!admitted).then_some(imsi)
        })
    }

    /// A subscriber was removed or suspended.
    pub fn subscriber_gone(&mut self, now: Now, imsi: Imsi, out: &mut Outbox<Want>) {
        let Some(id) = self.index.imsi(imsi) else { return };
        self.with(id, now, out, |ue, cx| {
            let wish = detach::Wish {
                reattach: false,
                cause: Some(EmmCause::NoSuitableCellsInTrackingArea),
                purge: true,
                reason: "the subscription was removed or suspended",
            };
            detach::start(ue, wish, cx);
        });
    }

    /// The home network cancelled a UE's location.
    pub fn cancelled(&mut self, now: Now, imsi: Imsi, how: Cancelled, out: &mut Outbox<Want>) {
        let Some(id) = self.index.imsi(imsi) else { return };
        let wish = |reattach, reason| detach::Wish { reattach, cause: None, purge: true, reason };
        self.with(id, now, out, |ue, cx| match how {
            Cancelled::Moved => detach::silently(ue, "the phone is served elsewhere now", cx),
            Cancelled::Withdrawn => detach::start(ue, wish(false, "the home network withdrew the subscription"), cx),
            Cancelled::Reattach => detach::start(ue, wish(true, "the home network asks the phone to attach again"), cx),
        });
    }

    /// A UE's aggregate rate changed: what is subscribed, and what the radio is told.
    pub fn rates(&mut self, now: Now, id: UeId, subscribed: Ambr, ambr: Ambr, out: &mut Outbox<Want>) {
        self.with(id, now, out, |ue, cx| {
            ue.ambr = subscribed;
            if let Some(connection) = ue.connection.as_ref().filter(|_| ue.is_registered()) {
                cx.radio(RadioCommand::ModifyContext { radio: connection.radio, ambr });
            }
        });
    }

    /// The connection of a UE.
    fn connection(&self, id: UeId) -> Option<RadioId> {
        self.ues.get(id.0)?.connection.as_ref().map(|connection| connection.radio)
    }

    /// Runs a handler for one UE and sees to what becomes of its entry.
    fn with<R>(
        &mut self,
        id: UeId,
        now: Now,
        out: &mut Outbox<Want>,
        handler: impl FnOnce(&mut Ue, &mut Cx<'_>) -> R,
    ) -> Option<R> {
        let ue = self.ues.get_mut(id.0)?;
        let mut cx = Cx {
            id,
            now,
            config: &self.config,
            algorithms: &self.algorithms,
            provider: self.provider,
            index: &mut self.index,
            rng: &mut self.rng,
            rejections: &mut self.rejections,
            pages: &mut self.pages,
            asked: &mut self.asked,
            out,
            fate: Fate::Stay,
        };
        let before = views::state(ue);
        let result = handler(ue, &mut cx);
        if views::state(ue) != before {
            ue.since = now.unix_secs;
        }
        let fate = cx.fate;
        if fate == Fate::Stay && matches!(ue.emm, Emm::Deregistered) && !ue.retired {
            ue.retired = true;
            self.retire(id);
        }
        match fate {
            Fate::Stay => {}
            Fate::Remove => self.remove(now, id, out),
            Fate::Purge => self.purge(now, id, out),
            Fate::Proven => self.proven(now, id, out),
        }
        Some(result)
    }

    /// Takes a UE's entry out: its identities rest, its timers and sessions go.
    fn remove(&mut self, now: Now, id: UeId, out: &mut Outbox<Want>) {
        let Some(ue) = self.ues.remove(id.0) else { return };
        if matches!(ue.emm, Emm::Claiming(_)) {
            self.index.half_open = self.index.half_open.saturating_sub(1);
        }
        if let Some(connection) = &ue.connection {
            out.push(Want::Radio(RadioCommand::Release { radio: connection.radio, cause: RadioCause::NormalRelease }));
        }
        if let Some(imsi) = ue.imsi {
            self.index.clear_imsi(imsi, id);
        }
        for guti in [ue.guti, ue.pending_guti].into_iter().flatten() {
            self.index.release(now.mono, self.config.timers.quarantine, guti.m_tmsi);
        }
        out.push(Want::Gone(id));
    }

    /// Takes a UE's entry out, and its record.
    fn purge(&mut self, now: Now, id: UeId, out: &mut Outbox<Want>) {
        let imsi = self.ues.get(id.0).and_then(|ue| ue.imsi);
        self.remove(now, id, out);
        if let Some(imsi) = imsi {
            out.push(Want::Forget(imsi));
        }
    }

    /// Room for one more UE: the longest detached one goes if need be.
    fn make_room(&mut self, now: Now, out: &mut Outbox<Want>) -> bool {
        while self.ues.len() >= self.limits.ues as usize {
            let Some(oldest) = self.retired.pop_front() else { return false };
            match self.ues.get_mut(oldest.0) {
                Some(ue) if matches!(ue.emm, Emm::Deregistered) => self.purge(now, oldest, out),
                // It came back; when it leaves again it queues again.
                Some(ue) => ue.retired = false,
                None => {}
            }
        }
        true
    }

    /// Queues a detached UE to make room. Those that are gone leave the queue when they are too many.
    fn retire(&mut self, id: UeId) {
        self.retired.push_back(id);
        if self.retired.len() > 2 * self.ues.len() + 64 {
            let ues = &self.ues;
            self.retired.retain(|id| ues.contains(id.0));
        }
    }
}

/// The configured order of algorithms; the default one for a configuration that names none that can be used.
fn order(config: &GatewayConfig) -> AlgorithmOrder {
    AlgorithmOrder::new(&config.security.ciphering, &config.security.integrity).unwrap_or_default()
}

/// What a base station tells about a UE that has the connection, NAS messages apart.
fn radio_event(ue: &mut Ue, kind: RadioEventKind, cx: &mut Cx<'_>) {
    match kind {
        RadioEventKind::BearersReady { initial: true, established, failed } => {
            context_ready(ue, established, &failed, cx);
        }
        RadioEventKind::BearersReady { initial: false, established, failed } => {
            cx.session(SessionRequest::Connected { ue: cx.id, bearers: established, failed, switched: false });
        }
        RadioEventKind::ContextFailed { cause } => match &ue.emm {
            Emm::Attaching(_) => attach::context_failed(ue, cause, cx),
            Emm::Registered(Some(Task::Updating(_))) => tau::context_failed(ue, cx),
            Emm::Registered(Some(Task::Serving(_))) => service::context_failed(ue, cx),
            _ => release::requested(ue, RadioCause::Unspecified, cx),
        },
        // What the network asked for was said with an ESM message, whose answer ends the session.
        RadioEventKind::BearersReleased { asked: true, .. } => {}
        RadioEventKind::BearersReleased { asked: false, bearers } => {
            cx.session(SessionRequest::Dropped { ue: cx.id, bearers });
        }
        RadioEventKind::BearersModified { modified, failed } => {
            cx.session(SessionRequest::Modified { ue: cx.id, modified, failed });
        }
        RadioEventKind::PathSwitched { area, bearers, algorithms } => {
            path_switch::switched(ue, area, bearers, algorithms, cx);
        }
        RadioEventKind::HandoverRequired => handover::required(ue, cx),
        RadioEventKind::HandoverAdmitted { tunnels } => handover::admitted(tunnels, cx),
        RadioEventKind::HandedOver { to, area, bearers } => handover::handed_over(ue, to, area, bearers, cx),
        RadioEventKind::HandoverEnded => handover::ended(cx),
        RadioEventKind::BearersMoved { bearers } => {
            let failed = Vec::new();
            cx.session(SessionRequest::Connected { ue: cx.id, bearers, failed, switched: false });
        }
        RadioEventKind::Capability { octets } => {
            if ue.keys.is_some() {
                ue.radio_capability = Some(octets.into());
                if ue.is_registered() {
                    cx.save();
                }
            }
        }
        RadioEventKind::ReleaseRequested { cause } => release::requested(ue, cause, cx),
        RadioEventKind::Released { .. } => release::lost(ue, cx),
        // The timer of the message's procedure sends it again.
        RadioEventKind::NotDelivered { .. } => cx.count(Metric::Unexpected("NAS message not delivered")),
        RadioEventKind::Initial { .. } | RadioEventKind::Uplink { .. } => {}
    }
}

fn context_ready(ue: &mut Ue, established: Vec<BearerEndpoint>, failed: &[BearerFailure], cx: &mut Cx<'_>) {
    match &ue.emm {
        Emm::Attaching(_) => attach::context_ready(ue, established, failed, cx),
        Emm::Registered(Some(Task::Updating(_))) => tau::context_ready(ue, established, failed, cx),
        Emm::Registered(Some(Task::Serving(_))) => service::context_ready(ue, established, failed, cx),
        // The procedure was completed by what the UE did meanwhile; its bearers stand all the same.
        Emm::Registered(_) => service::connected(ue, established, failed, cx),
        _ => cx.count(Metric::Unexpected("context setup without a procedure")),
    }
}

fn command_for(ue: &mut Ue, command: &Command, cx: &mut Cx<'_>) -> OperatorReply {
    match command {
        Command::Detach { reattach, .. } => {
            if matches!(ue.emm, Emm::Deregistered) {
                return OperatorReply::Refused("the phone is not attached".to_owned());
            }
            let wish =
                detach::Wish { reattach: *reattach, cause: None, purge: false, reason: "an operator detached it" };
            detach::start(ue, wish, cx);
            OperatorReply::Started
        }
        Command::Deactivate { ebi, .. } => {
            if !ue.is_registered() {
                return OperatorReply::Refused("the phone is not attached".to_owned());
            }
            cx.session(SessionRequest::Deactivate { ue: cx.id, ebi: *ebi });
            OperatorReply::Started
        }
        Command::Page { .. } => {
            if paging::call_by_operator(ue, cx) {
                OperatorReply::Started
            } else {
                OperatorReply::Refused("only an idle phone can be paged".to_owned())
            }
        }
        Command::Release { .. } => {
            // In the middle of a procedure it is left alone: it comes to rest by itself.
            let at_rest = matches!(ue.emm, Emm::Registered(None)) && ue.connection.is_some();
            if at_rest {
                release::disconnect(ue, RadioCause::UserInactivity, cx);
                OperatorReply::Started
            } else {
                OperatorReply::Refused("only a connected phone at rest can be let go".to_owned())
            }
        }
        Command::ResetEnb { .. } | Command::SetRule { .. } | Command::RemoveRule { .. } | Command::Drain { .. } => {
            OperatorReply::NotFound
        }
    }
}
