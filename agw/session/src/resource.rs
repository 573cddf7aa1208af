//! Resources that a UE asks for (TS 24.301 §6.5.3, §6.5.4): policy grants a rule, or the request is refused with a cause.
//!
//! ```text
//!   UE                                            network
//!    │ BEARER RESOURCE ALLOCATION REQUEST            │
//!    │──────────────────────────────────────────────►│   policy grants a rule; its bearer is the answer
//!    │ ACTIVATE DEDICATED / MODIFY EPS BEARER …      │   with the transaction of the request
//!    │◄──────────────────────────────────────────────│
//!    │ or BEARER RESOURCE ALLOCATION REJECT          │
//!    │◄──────────────────────────────────────────────│
//!    │ BEARER RESOURCE MODIFICATION REQUEST          │   of what it asked for before: less, or nothing
//!    │──────────────────────────────────────────────►│
//!    │ MODIFY / DEACTIVATE EPS BEARER …, or REJECT   │
//!    │◄──────────────────────────────────────────────│
//! ```

use crate::binding;
use crate::rules::Requested;
use crate::{SessionOut, Sessions};
use agw_types::{Ambr, Arp, BearerQos, Event, Outcome, Policy, Procedure, RejectInfo, ResourceRequest, RuleQos, UeId};
use basalt_ids::{Ebi, Pti};
use basalt_nas::esm::{
    BearerResourceAllocationReject, BearerResourceAllocationRequest, BearerResourceModificationReject,
    BearerResourceModificationRequest, EsmMessage,
};
use basalt_nas::ie::{EpsQos, EsmCause, Tft, TftError, TftOperation, TrafficFlow};
use basalt_sansio::Time;

/// Names of rules that phones ask for begin so.
const PREFIX: &str = "requested-";
/// Precedences of such rules begin here: above what operators number by tens.
const PRECEDENCE: u8 = 200;
/// Priority of their bearers: neither takes nor keeps a place of others.
const ARP: Arp = Arp { priority: 10, may_preempt: false, preemptable: true };

impl Sessions {
    /// BEARER RESOURCE ALLOCATION REQUEST.
    pub(crate) fn allocate_resource(
        &mut self,
        now: Time,
        policy: &dyn Policy,
        ue: UeId,
        pti: Pti,
        request: &BearerResourceAllocationRequest,
        out: &mut SessionOut,
    ) {
        let linked = request.linked_ebi.ebi();
        let granted = self.grant_resource(policy, ue, pti, linked, &request.traffic_flow, &request.qos, out);
        match granted {
            Ok(()) => {
                self.pump(now, ue, out);
                self.pump_others(now, out);
            }
            Err(cause) => {
                self.tell_refusal(ue, "bearer resource allocation", cause, out);
                refuse(ue, pti, cause, out);
            }
        }
    }

    #[allow(clippy::too_many_arguments, reason = "what the request says")]
    fn grant_resource(
        &mut self,
        policy: &dyn Policy,
        ue: UeId,
        pti: Pti,
        linked: Option<Ebi>,
        flow: &TrafficFlow,
        qos: &EpsQos,
        out: &mut SessionOut,
    ) -> Result<(), EsmCause> {
        if pti.0 == 0 || pti.0 == 255 {
            return Err(EsmCause::InvalidPtiValue);
        }
        let tft = Tft::decode(flow).map_err(cause_of)?;
        let TftOperation::Create(filters) = tft.operation else { return Err(EsmCause::SemanticErrorInTft) };
        let held = self.ues.get(&ue).ok_or(EsmCause::InvalidEpsBearerIdentity)?;
        if held.requested.iter().any(|request| request.pti == pti) {
            return Err(EsmCause::PtiAlreadyInUse);
        }
        let session = linked.and_then(|ebi| held.session(ebi)).ok_or(EsmCause::InvalidEpsBearerIdentity)?;
        let (imsi, ebi, apn) = (held.imsi, session.ebi, session.apn.clone());
        let flows: Option<Vec<_>> = filters.iter().map(binding::flow).collect();
        let flows = flows.ok_or(EsmCause::SemanticErrorsInPacketFilters)?;
        let mut name = (1..).map(|number: u32| format!("{PREFIX}{number}"));
        let name = name.find(|name| session.rules.iter().all(|active| active.rule.name != *name));
        let kilo = |rate: u64| rate.saturating_mul(1000);
        let rates = qos.rates();
        let gbr = rates.map(|r| Ambr { uplink: kilo(r.guaranteed_uplink), downlink: kilo(r.guaranteed_downlink) });
        let unlimited = Ambr { uplink: u64::MAX, downlink: u64::MAX };
        let mbr = rates.map_or(unlimited, |r| Ambr { uplink: kilo(r.max_uplink), downlink: kilo(r.max_downlink) });
        let request = ResourceRequest {
            name: name.ok_or(EsmCause::InsufficientResources)?,
            precedence: PRECEDENCE,
            filters: flows,
            qos: RuleQos { bearer: BearerQos { qci: qos.qci, arp: ARP }, gbr },
            mbr,
        };
        let rule = policy.resource(imsi, &apn, request).map_err(EsmCause::from_code)?;
        rule.check().map_err(|_| EsmCause::EpsQosNotAccepted)?;
        if rule.qos.is_none_or(|qos| qos.bearer == session.qos) {
            // Nothing that the phone would notice comes of it.
            return Err(EsmCause::EpsQosNotAccepted);
        }
        let rule = self.put_rule(ue, ebi, rule, out).map_err(|_| EsmCause::InsufficientResources)?;
        if let Some(held) = self.ues.get_mut(&ue) {
            held.requested.push(Requested { session: ebi, rule, pti });
        }
        Ok(())
    }

    /// BEARER RESOURCE MODIFICATION REQUEST: a phone may give back what it asked for; the operator's rules are not its own to change.
    pub(crate) fn modify_resource(
        &mut self,
        now: Time,
        ue: UeId,
        pti: Pti,
        request: &BearerResourceModificationRequest,
        out: &mut SessionOut,
    ) {
        let bearer = request.ebi_for_packet_filter.ebi();
        match self.release_resource(ue, pti, bearer, &request.traffic_flow, out) {
            Ok(()) => {
                self.pump(now, ue, out);
                self.pump_others(now, out);
            }
            Err(cause) => {
                self.tell_refusal(ue, "bearer resource modification", cause, out);
                let message = BearerResourceModificationReject::new(cause);
                out.send(ue, None, pti, EsmMessage::BearerResourceModificationReject(message));
            }
        }
    }

    fn release_resource(
        &mut self,
        ue: UeId,
        pti: Pti,
        bearer: Option<Ebi>,
        flow: &TrafficFlow,
        out: &mut SessionOut,
    ) -> Result<(), EsmCause> {
        if pti.0 == 0 || pti.0 == 255 {
            return Err(EsmCause::InvalidPtiValue);
        }
        let tft = Tft::decode(flow).map_err(cause_of)?;
        let held = self.ues.get_mut(&ue).ok_or(EsmCause::InvalidEpsBearerIdentity)?;
        if held.changing.as_ref().is_some_and(|running| Some(running.ebi) == bearer) {
            return Err(EsmCause::CollisionWithNetworkRequest);
        }
        let ebi = bearer.ok_or(EsmCause::InvalidEpsBearerIdentity)?;
        let session = held
            .list
            .iter_mut()
            .find(|session| session.bearers.iter().any(|bearer| bearer.ebi == ebi))
            .ok_or(EsmCause::InvalidEpsBearerIdentity)?;
        let filters = session.bearers.iter().find(|bearer| bearer.ebi == ebi).map(|bearer| bearer.filters.clone());
        let filters = filters.unwrap_or_default();
        let ids = match tft.operation {
            TftOperation::DeleteFilters(ids) => ids,
            TftOperation::Delete => filters.iter().map(|filter| filter.id).collect(),
            TftOperation::Ignore | TftOperation::None => return Err(EsmCause::SemanticErrorInTft),
            TftOperation::Create(_) | TftOperation::Add(_) | TftOperation::Replace(_) => {
                return Err(EsmCause::ServiceOptionNotSubscribed);
            }
        };
        let gone: Vec<_> = filters.iter().filter(|filter| ids.contains(&filter.id)).collect();
        if gone.len() != ids.len() {
            return Err(EsmCause::SyntacticalErrorInTft);
        }
        let own =
            |rule: u32| session.rules.iter().any(|active| active.id == rule && active.rule.name.starts_with(PREFIX));
        if !gone.iter().all(|filter| own(filter.rule)) {
            return Err(EsmCause::ServiceOptionNotSubscribed);
        }
        // A flow of a rule goes only with the whole rule: what is left of it keeps its place.
        let whole = |rule: u32| filters.iter().filter(|f| f.rule == rule).all(|f| ids.contains(&f.id));
        if !gone.iter().all(|filter| whole(filter.rule)) {
            return Err(EsmCause::RequestRejectedUnspecified);
        }
        let home = session.ebi;
        session.rules.retain(|active| gone.iter().all(|filter| filter.rule != active.id));
        let left = filters.iter().find(|filter| !ids.contains(&filter.id)).map(|filter| filter.rule);
        match left {
            // The modification that follows answers the request.
            Some(rule) => held.requested.push(Requested { session: home, rule, pti }),
            None => self.start_end(ue, home, ebi, pti, EsmCause::RegularDeactivation, out),
        }
        out.reply(agw_types::SessionReply::Changed { ue });
        self.serve(ue, home, out);
        Ok(())
    }

    fn tell_refusal(&self, ue: UeId, procedure: &str, cause: EsmCause, out: &mut SessionOut) {
        out.ended(Procedure::DedicatedBearer, Outcome::EsmCause(cause.code()));
        let Some(held) = self.ues.get(&ue) else { return };
        out.tell(Event::Rejected(RejectInfo {
            imsi: Some(held.imsi),
            procedure: procedure.to_owned(),
            emm_cause: None,
            esm_cause: Some(cause.code()),
            reason: format!("the phone asks for resources that policy does not grant ({cause})"),
            advice: "nothing to do unless the phone shall have them: then allow the class for the access point"
                .to_owned(),
            unix_secs: 0,
        }));
    }
}

/// BEARER RESOURCE ALLOCATION REJECT.
pub(crate) fn refuse(ue: UeId, pti: Pti, cause: EsmCause, out: &mut SessionOut) {
    let message = BearerResourceAllocationReject::new(cause);
    out.send(ue, None, pti, EsmMessage::BearerResourceAllocationReject(message));
}

const fn cause_of(error: TftError) -> EsmCause {
    match error {
        TftError::SyntaxOfOperation => EsmCause::SyntacticalErrorInTft,
        TftError::SyntaxOfFilter => EsmCause::SyntacticalErrorsInPacketFilters,
    }
}
