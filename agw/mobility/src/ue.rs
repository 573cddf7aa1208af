//! A UE as a plain value.

use crate::collision::Running;
use crate::common::Proof;
use crate::cx::Cx;
use crate::eps::attach::Attach;
use crate::eps::detach::Leaving;
use crate::eps::esm::Waiting;
use crate::eps::guti::Reallocation;
use crate::eps::paging::Paging;
use crate::eps::service::Service;
use crate::eps::tau::Update;
use crate::generation::{Eps, EpsCapability};
use crate::line::Line;
use agw_types::{Ambr, Area, Procedure, RadioCause, RadioCommand, RadioId, SessionRequest, UeId};
use basalt_ids::{Guti, Imei, Imeisv, Imsi, Tai};
use basalt_nas::emm::{AttachRequest, DetachRequestUe, TrackingAreaUpdateRequest};
use basalt_nas::{EmmMessage, Plain};
use basalt_sansio::Time;
use basalt_security::{AccessKeyChain, NasSecurityContext};

/// A UE: who it is, whether it is trusted, where it is, what runs for it.
#[derive(Debug, Clone)]
pub(crate) struct Ue {
    pub(crate) emm: Emm,
    pub(crate) imsi: Option<Imsi>,
    pub(crate) guti: Option<Guti>,
    /// A newer one that was promised and not confirmed: both are valid.
    pub(crate) pending_guti: Option<Guti>,
    /// Keys in use. With them, everything is protected; without, the UE has proven nothing.
    pub(crate) keys: Option<Box<NasSecurityContext>>,
    pub(crate) connection: Option<Connection>,
    pub(crate) capability: EpsCapability,
    pub(crate) area: Area,
    /// Registration area.
    pub(crate) areas: Box<[Tai]>,
    pub(crate) imei: Option<Imei>,
    pub(crate) imeisv: Option<Imeisv>,
    pub(crate) drx: Option<u16>,
    pub(crate) radio_capability: Option<Box<[u8]>>,
    pub(crate) ambr: Ambr,
    /// Seconds since 1970 of the last sign of life.
    pub(crate) last_seen: u64,
    /// Seconds since 1970 when it came into the state it is in; shown, never decided on.
    pub(crate) since: u64,
    /// Packets came at a time when the UE could not be paged for them; it is when that time is over.
    pub(crate) called: bool,
    /// Pages are held back: one failed, or the UE is just leaving its connection.
    pub(crate) paging_backoff: bool,
    /// When that is over it is its turn to be called: it waited for it.
    pub(crate) page_turn: bool,
    /// When it went idle last.
    pub(crate) idle_since: Time,
    /// It is in the queue of detached UEs that make room.
    pub(crate) retired: bool,
    pub(crate) waiting_esm: Option<Box<Waiting>>,
}

/// EPS mobility management state (TS 24.301 §5.1.3.4) with what runs in it.
#[derive(Debug, Clone)]
pub(crate) enum Emm {
    /// A claim that is not proven. Known by its connection only: nothing of the UE it claims to be is touched.
    Claiming(Box<Claim>),
    /// Kept for its temporary identity and keys.
    Deregistered,
    /// Proven, attach under way.
    Attaching(Box<Attach>),
    /// Attached.
    Registered(Option<Task>),
    /// On its way out by the network's will.
    Leaving(Box<Leaving>),
}

/// What runs for a registered UE, one at a time.
#[derive(Debug, Clone)]
pub(crate) enum Task {
    Renewing(Box<Proof<Eps>>),
    Updating(Box<Update>),
    Serving(Service),
    Reallocating(Reallocation),
    Paging(Paging),
}

/// A claim on its way to a proof, and what it is for.
#[derive(Debug, Clone)]
pub(crate) struct Claim {
    pub(crate) proof: Proof<Eps>,
    pub(crate) purpose: Purpose,
}

/// What an unproven UE wants.
#[derive(Debug, Clone)]
#[allow(clippy::large_enum_variant, reason = "boxed in its claim, and short-lived")]
pub(crate) enum Purpose {
    Attach(Plain<AttachRequest>),
    Update(Plain<TrackingAreaUpdateRequest>),
    Detach(Plain<DetachRequestUe>),
}

impl Purpose {
    pub(crate) const fn procedure(&self) -> Procedure {
        match self {
            Purpose::Attach(_) => Procedure::Attach,
            Purpose::Update(_) => Procedure::TrackingAreaUpdate,
            Purpose::Detach(_) => Procedure::Detach,
        }
    }
}

/// A radio connection.
#[derive(Debug, Clone)]
pub(crate) struct Connection {
    pub(crate) radio: RadioId,
    /// Keys of the radio, once the base station has a context.
    pub(crate) access_keys: Option<Box<AccessKeyChain>>,
    /// NAS COUNT of the message that opened it: K_eNB comes from it.
    pub(crate) uplink_count: u32,
    /// Next hops that were told to base stations since the UE has used one.
    pub(crate) unheard: u8,
    /// A message without valid protection was told already.
    pub(crate) warned: bool,
}

impl Connection {
    pub(crate) const fn new(radio: RadioId) -> Self {
        Self { radio, access_keys: None, uplink_count: 0, unheard: 0, warned: false }
    }
}

impl Ue {
    /// A UE that claims something over a connection.
    pub(crate) fn claiming(claim: Claim, radio: RadioId, area: Area, unix_secs: u64) -> Self {
        Self {
            imsi: None,
            guti: None,
            pending_guti: None,
            keys: None,
            connection: Some(Connection::new(radio)),
            capability: claim.proof.capability,
            area,
            areas: Box::default(),
            imei: None,
            imeisv: None,
            drx: None,
            radio_capability: None,
            ambr: Ambr { uplink: 0, downlink: 0 },
            last_seen: unix_secs,
            since: unix_secs,
            called: false,
            paging_backoff: false,
            page_turn: false,
            idle_since: Time::ZERO,
            retired: false,
            waiting_esm: None,
            emm: Emm::Claiming(Box::new(claim)),
        }
    }

    /// The way to the UE, if it has a connection.
    pub(crate) fn line(&mut self) -> Option<Line<'_>> {
        let radio = self.connection.as_ref()?.radio;
        Some(Line { radio, keys: self.keys.as_deref_mut() })
    }

    /// Sends a message over the connection, protected if there are keys.
    pub(crate) fn send(&mut self, message: EmmMessage, cx: &mut Cx<'_>) {
        self.send_octets(crate::generation::octets(message), cx);
    }

    /// Sends the octets of a plain message over the connection, protected if there are keys.
    pub(crate) fn send_octets(&mut self, plain: Vec<u8>, cx: &mut Cx<'_>) {
        if let Some(mut line) = self.line() {
            line.send(plain, cx);
        }
    }

    /// Takes a connection over: the UE is where its last trusted message came from.
    pub(crate) fn connect(&mut self, radio: RadioId, ue: UeId, uplink_count: u32, cx: &mut Cx<'_>) {
        if let Some(old) = self.connection.take_if(|old| old.radio != radio) {
            cx.radio(RadioCommand::Release { radio: old.radio, cause: RadioCause::Superseded });
            // Nothing more goes to the old base station; what comes meanwhile waits.
            cx.session(SessionRequest::Idle { ue: cx.id });
        }
        let connection = self.connection.get_or_insert_with(|| Connection::new(radio));
        connection.uplink_count = uplink_count;
        cx.radio(RadioCommand::Bind { radio, ue });
    }

    /// Whether it is attached.
    pub(crate) const fn is_registered(&self) -> bool {
        matches!(self.emm, Emm::Registered(_))
    }

    /// What runs, for the collision table.
    pub(crate) const fn running(&self) -> Running {
        match &self.emm {
            Emm::Claiming(_) | Emm::Deregistered | Emm::Registered(None) => Running::Nothing,
            Emm::Attaching(attach) if attach.accepted() => Running::AttachAccepted,
            Emm::Attaching(_) => Running::Attach,
            Emm::Registered(Some(running)) => match running {
                Task::Renewing(_) => Running::Common,
                Task::Updating(update) if update.accepted() => Running::UpdateAccepted,
                Task::Updating(_) => Running::Update,
                Task::Serving(_) => Running::Service,
                Task::Reallocating(_) => Running::Reallocation,
                Task::Paging(_) => Running::Paging,
            },
            Emm::Leaving(leaving) if leaving.reattach() => Running::DetachToReattach,
            Emm::Leaving(_) => Running::Detach,
        }
    }

    /// Whether a temporary identity is this UE's, promised ones included.
    pub(crate) fn is_called(&self, guti: Guti) -> bool {
        self.guti == Some(guti) || self.pending_guti == Some(guti)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a UE costs at rest: its entry and what is boxed for as long as it is registered. A million of them are to fit into a
    /// gigabyte.
    #[test]
    fn a_registered_ue_at_rest_is_small() {
        let entry = size_of::<Ue>();
        let keys = size_of::<NasSecurityContext>();
        assert!(entry + keys <= 1024, "{entry} + {keys}");
    }
}
