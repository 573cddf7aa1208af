//! S1 handover (TS 36.413 §8.4.1, §8.4.2, §8.4.3, §8.4.5 to §8.4.7; TS 23.401 §5.5.1.2 within one MME).
//!
//! ```text
//!   source eNB                            MME                             target eNB
//!    │ HANDOVER REQUIRED                   │                                   │
//!    ├────────────────────────────────────►│  ─► HandoverRequired              │
//!    │                                     │  ◄─ HandOver: NH, NCC, bearers    │
//!    │                                     │ HANDOVER REQUEST                  │
//!    │                                     ├──────────────────────────────────►│
//!    │                                     │       HANDOVER REQUEST ACKNOWLEDGE │
//!    │                                     │◄──────────────────────────────────┤
//!    │                                     │  ─► HandoverAdmitted, ◄─ Forward, if the gateway forwards
//!    │                    HANDOVER COMMAND │                                   │
//!    │◄────────────────────────────────────┤                                   │
//!    │ ENB STATUS TRANSFER                 │ MME STATUS TRANSFER               │
//!    ├────────────────────────────────────►├──────────────────────────────────►│
//!    │                                     │                   HANDOVER NOTIFY │
//!    │                                     │◄──────────────────────────────────┤
//!    │          UE CONTEXT RELEASE COMMAND │  ─► HandedOver                    │
//!    │◄────────────────────────────────────┤  a while later: the source forwards what it has
//! ```
//!
//! The target's connection has an id of its own. Until HANDOVER NOTIFY it is nobody's: whatever else is said over it counts for
//! nothing. What ends it (HANDOVER FAILURE, the target's reset or end, a guard time, HANDOVER CANCEL) leaves the UE where it is; what
//! ends the source's connection ends the target's, unless the UE was sent on its way already and the source is merely lost.

mod execution;
mod preparation;

use crate::connection::{Bearers, Context};
use crate::{Cx, Guard, Ran};
use agw_types::{LinkId, Metric, Outcome, Procedure, RadioCause, RadioCommand, RadioEventKind, RadioId, UeId};
use basalt_ids::MmeUeS1apId;
use basalt_s1ap::{Cause, HandoverPreparationFailure, RadioNetworkCause};
use serde::Serialize;

/// A handover under way, kept by its source connection.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Handover {
    /// Whose.
    ue: UeId,
    /// Target's association.
    link: LinkId,
    /// Target's connection, once it was asked.
    target: Option<RadioId>,
    stage: Stage,
    /// Bearers that the target was asked to take.
    asked: Bearers,
    /// The source is lost, and the UE on its way.
    orphaned: bool,
    /// For the target, from the source.
    request: Request,
    /// What mobility wanted to tell the UE meanwhile, in order: it hears it where it is afterwards.
    held: Vec<RadioCommand>,
}

/// What the source said.
#[derive(Debug, Clone, Serialize)]
struct Request {
    cause: Option<Cause>,
    container: Vec<u8>,
    /// Source and target reach each other.
    direct: bool,
    area: agw_types::Area,
}

/// How far a handover is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
enum Stage {
    /// Mobility was asked.
    Asked,
    /// HANDOVER REQUEST was sent.
    Requested,
    /// The target is ready; mobility was asked for tunnels.
    Admitted(Box<preparation::Admitted>),
    /// HANDOVER COMMAND was sent.
    Commanded,
}

/// Messages that are held for a UE on its way; what is beyond is said again by its procedure's timer.
const HELD: usize = 16;

impl Ran {
    /// Whether a command has to wait for the end of a handover, or to fail because of it.
    pub(crate) fn hold(&mut self, command: RadioCommand, cx: &mut Cx<'_>) -> Option<RadioCommand> {
        let radio = match &command {
            RadioCommand::Downlink { radio, .. }
            | RadioCommand::SetupBearers { radio, .. }
            | RadioCommand::ModifyBearers { radio, .. }
            | RadioCommand::ReleaseBearers { radio, .. } => *radio,
            _ => return Some(command),
        };
        let Some(handover) = self.handovers.get_mut(&radio) else { return Some(command) };
        let ue = Some(handover.ue);
        let failure = |ebi| agw_types::BearerFailure { ebi, cause: RadioCause::Handover };
        match command {
            // As a base station answers that is about to hand the UE over (§8.2.1.4, §8.2.2.4): asked again afterwards.
            RadioCommand::SetupBearers { bearers, .. } => {
                let failed = bearers.iter().map(|bearer| failure(bearer.ebi)).collect();
                cx.event(radio, ue, RadioEventKind::BearersReady { initial: false, established: Vec::new(), failed });
            }
            RadioCommand::ModifyBearers { bearers, .. } => {
                let failed = bearers.iter().map(|bearer| failure(bearer.ebi)).collect();
                cx.event(radio, ue, RadioEventKind::BearersModified { modified: Vec::new(), failed });
            }
            other if handover.held.len() < HELD => handover.held.push(other),
            _ => cx.count(Metric::Discarded("NAS message for a phone that is handed over")),
        }
        None
    }

    /// Says what was held, over the connection that the UE has now.
    fn unhold(&mut self, held: Vec<RadioCommand>, to: RadioId, cx: &mut Cx<'_>) {
        for command in held {
            match command {
                RadioCommand::Downlink { nas, .. } => self.downlink(to, nas, cx),
                RadioCommand::ReleaseBearers { bearers, nas, .. } => self.release_bearers(to, &bearers, nas, cx),
                _ => {}
            }
        }
    }

    /// The handover of whose target connection this is.
    fn handover_to(&self, target: RadioId) -> Option<RadioId> {
        self.handovers.iter().find(|(_, handover)| handover.target == Some(target)).map(|(source, _)| *source)
    }

    /// Target connections of handovers over an association whose ids the base station has not given.
    pub(crate) fn expected_over(&self, link: LinkId) -> Vec<RadioId> {
        let targets = self.handovers.values().filter(|handover| handover.link == link).filter_map(|h| h.target);
        targets.filter(|target| self.connections.get(target.0).is_some_and(|c| c.nameless)).collect()
    }

    /// A handover came to nothing at the target, or by the source's will: the target lets go of what it has, the UE stays.
    fn handover_failed(&mut self, source: RadioId, outcome: Outcome, cause: Cause, cx: &mut Cx<'_>) {
        let Some(handover) = self.take_handover(source, outcome, cx) else { return };
        if handover.orphaned {
            let kind = RadioEventKind::Released { cause: RadioCause::RadioConnectionLost };
            cx.event(source, Some(handover.ue), kind);
            return;
        }
        if handover.stage != Stage::Commanded
            && outcome != Outcome::Superseded
            && let Some(connection) = self.active(source)
        {
            let failure = HandoverPreparationFailure::new(MmeUeS1apId(source.0.0), connection.enb_id, cause);
            cx.send(connection.link, connection.stream, failure);
        }
        cx.event(source, Some(handover.ue), RadioEventKind::HandoverEnded);
        self.unhold(handover.held, source, cx);
    }

    /// Takes a handover out; its target's connection is released.
    fn take_handover(&mut self, source: RadioId, outcome: Outcome, cx: &mut Cx<'_>) -> Option<Handover> {
        let handover = self.handovers.remove(&source)?;
        self.guards.cancel(&Guard::Handover(source));
        cx.count(Metric::Procedure { procedure: Procedure::Handover, outcome });
        if let Some(target) = handover.target {
            self.release(target, RadioCause::HandoverCancelled, cx);
        }
        Some(handover)
    }

    /// Mobility lets a UE's connection go, or it moves another way: a handover of it is over.
    pub(crate) fn abandon_handover(&mut self, source: RadioId, cx: &mut Cx<'_>) {
        self.take_handover(source, Outcome::Superseded, cx);
    }

    /// A connection is gone. True when its UE is on its way to another base station, and not lost therefore.
    pub(crate) fn handover_without(&mut self, radio: RadioId, context: Context, cx: &mut Cx<'_>) -> bool {
        if context == Context::Arriving {
            if let Some(source) = self.handover_to(radio) {
                let cause = Cause::RadioNetwork(RadioNetworkCause::HandoverFailureInTarget);
                self.handover_failed(source, Outcome::RadioLost, cause, cx);
            }
            return true;
        }
        match self.handovers.get_mut(&radio) {
            Some(handover) if handover.stage == Stage::Commanded => {
                handover.orphaned = true;
                true
            }
            Some(_) => {
                self.take_handover(radio, Outcome::RadioLost, cx);
                false
            }
            None => false,
        }
    }

    /// The target did not answer, the UE did not arrive, or the source has had its time.
    pub(crate) fn handover_expired(&mut self, source: RadioId, cx: &mut Cx<'_>) {
        if self.handovers.contains_key(&source) {
            let cause = Cause::RadioNetwork(RadioNetworkCause::HandoverFailureInTarget);
            self.handover_failed(source, Outcome::Timeout, cause, cx);
        } else {
            self.release(source, RadioCause::SuccessfulHandover, cx);
        }
    }
}
