//! E-RAB Setup, Modify, Release and Release Indication (TS 36.413 §8.2.1 to §8.2.3), Modification
//! Indication (§8.2.4).
//!
//! ```text
//!   eNB                                   MME
//!    │                 E-RAB SETUP REQUEST │
//!    │◄────────────────────────────────────┤  ◄─ SetupBearers
//!    │ E-RAB SETUP RESPONSE                │
//!    ├────────────────────────────────────►│  ─► BearersReady
//!
//!    │                E-RAB MODIFY REQUEST │
//!    │◄────────────────────────────────────┤  ◄─ ModifyBearers
//!    │ E-RAB MODIFY RESPONSE               │
//!    ├────────────────────────────────────►│  ─► BearersModified
//!
//!    │               E-RAB RELEASE COMMAND │
//!    │◄────────────────────────────────────┤  ◄─ ReleaseBearers
//!    │ E-RAB RELEASE RESPONSE              │
//!    ├────────────────────────────────────►│  ─► BearersReleased (asked)
//!    │ E-RAB RELEASE INDICATION            │
//!    ├────────────────────────────────────►│  ─► BearersReleased (not asked)
//!
//!    │ E-RAB MODIFICATION INDICATION       │
//!    ├────────────────────────────────────►│  ─► BearersMoved
//!    │          E-RAB MODIFICATION CONFIRM │
//!    │◄────────────────────────────────────┤
//! ```

use crate::cause::from_s1ap;
use crate::connection::{Bearers, Context, Deferred, endpoint};
use crate::context::{answered, erab, erab_qos, ue_ambr};
use crate::{Cx, Ran};
use agw_types::{
    Ambr, BearerEndpoint, BearerFailure, BearerModify, BearerSetup, Metric, Outcome, Procedure, RadioEventKind, RadioId,
};
use basalt_ids::{Ebi, MmeUeS1apId};
use basalt_s1ap::{
    Cause, ErabDone, ErabItem, ErabModificationConfirm, ErabModificationIndication, ErabModifyRequest,
    ErabModifyResponse, ErabReleaseCommand, ErabReleaseIndication, ErabReleaseResponse, ErabSetupRequest,
    ErabSetupResponse, ErabToBeModified, NasCause, RadioNetworkCause, TransportCause,
};

impl Ran {
    /// E-RAB SETUP REQUEST.
    pub(crate) fn setup_bearers(
        &mut self,
        radio: RadioId,
        ambr: Option<Ambr>,
        bearers: Vec<BearerSetup>,
        cx: &mut Cx<'_>,
    ) {
        let Some(connection) = self.active(radio) else { return };
        if connection.context == Context::Requested {
            // A phone that was quick asks before the base station has answered: what it gets comes after the context.
            let deferred = connection.deferred.get_or_insert_with(|| Box::new(Deferred { ambr, bearers: Vec::new() }));
            deferred.ambr = ambr.or(deferred.ambr);
            deferred.bearers.extend(bearers);
            return;
        }
        bearers.iter().for_each(|bearer| connection.asked.insert(bearer.ebi));
        let mut request =
            ErabSetupRequest::new(MmeUeS1apId(radio.0.0), connection.enb_id, bearers.into_iter().map(erab).collect());
        request.ue_ambr = ambr.map(ue_ambr);
        let (link, stream) = (connection.link, connection.stream);
        cx.send(link, stream, request);
    }

    /// E-RAB SETUP RESPONSE.
    pub(crate) fn bearers_ready(&mut self, radio: RadioId, message: &ErabSetupResponse, cx: &mut Cx<'_>) {
        let ours = cx.config.user_plane;
        let Some(connection) = self.active(radio) else { return };
        let named: Bearers = message
            .erabs
            .iter()
            .map(|erab| erab.ebi)
            .chain(message.failed_erabs.iter().map(|item| item.ebi))
            .filter(|ebi| connection.asked.contains(*ebi))
            .collect();
        if named.is_empty() {
            cx.count(Metric::Unexpected("E-RABSetupResponse"));
            return;
        }
        connection.asked = connection.asked.without(named);
        let answer = answered(named, &message.erabs, &message.failed_erabs, ours);
        answer.established.iter().for_each(|bearer| connection.bearers.insert(bearer.ebi));
        let kind =
            RadioEventKind::BearersReady { initial: false, established: answer.established, failed: answer.failed };
        cx.event(radio, connection.ue, kind);
    }

    /// E-RAB MODIFY REQUEST. Bearers that the base station has not are told as failed at once.
    pub(crate) fn modify_bearers(&mut self, radio: RadioId, bearers: Vec<BearerModify>, cx: &mut Cx<'_>) {
        let Some(connection) = self.active(radio) else { return };
        let (there, missing): (Vec<_>, Vec<_>) =
            bearers.into_iter().partition(|bearer| connection.bearers.contains(bearer.ebi));
        if !missing.is_empty() {
            let cause = from_s1ap(Some(Cause::RadioNetwork(RadioNetworkCause::UnknownErabId)));
            let failed = missing.iter().map(|bearer| BearerFailure { ebi: bearer.ebi, cause }).collect();
            cx.event(radio, connection.ue, RadioEventKind::BearersModified { modified: Vec::new(), failed });
        }
        if there.is_empty() {
            return;
        }
        there.iter().for_each(|bearer| connection.changing.insert(bearer.ebi));
        let erabs = there.into_iter().map(|bearer| ErabToBeModified {
            ebi: bearer.ebi,
            qos: erab_qos(bearer.qos, bearer.rates),
            nas_pdu: bearer.nas,
            extensions: Vec::new(),
        });
        let request = ErabModifyRequest::new(MmeUeS1apId(radio.0.0), connection.enb_id, erabs.collect());
        let (link, stream) = (connection.link, connection.stream);
        cx.send(link, stream, request);
    }

    /// E-RAB MODIFY RESPONSE. A bearer of both lists failed (§8.2.2.4).
    pub(crate) fn bearers_modified(&mut self, radio: RadioId, message: &ErabModifyResponse, cx: &mut Cx<'_>) {
        let Some(connection) = self.active(radio) else { return };
        let mut open = connection.changing;
        let mut failed = Vec::new();
        for item in message.failed_erabs.iter().filter(|item| connection.changing.contains(item.ebi)) {
            if open.contains(item.ebi) {
                open.remove(item.ebi);
                failed.push(BearerFailure { ebi: item.ebi, cause: from_s1ap(Some(item.cause)) });
            }
        }
        let modified: Vec<Ebi> = message.erabs.iter().map(|done| done.ebi).filter(|ebi| open.contains(*ebi)).collect();
        if modified.is_empty() && failed.is_empty() {
            cx.count(Metric::Unexpected("E-RABModifyResponse"));
            return;
        }
        modified.iter().for_each(|ebi| open.remove(*ebi));
        connection.changing = open;
        cx.event(radio, connection.ue, RadioEventKind::BearersModified { modified, failed });
    }

    /// E-RAB RELEASE COMMAND.
    pub(crate) fn release_bearers(&mut self, radio: RadioId, bearers: &[Ebi], nas: Option<Vec<u8>>, cx: &mut Cx<'_>) {
        let Some(connection) = self.active(radio) else { return };
        bearers.iter().for_each(|ebi| connection.leaving.insert(*ebi));
        let items = bearers.iter().map(|ebi| ErabItem::new(*ebi, Cause::Nas(NasCause::NormalRelease))).collect();
        let mut command = ErabReleaseCommand::new(MmeUeS1apId(radio.0.0), connection.enb_id, items);
        command.nas_pdu = nas;
        let (link, stream) = (connection.link, connection.stream);
        cx.send(link, stream, command);
    }

    /// E-RAB RELEASE RESPONSE. A bearer that the base station could not release is not there either.
    pub(crate) fn bearers_released(&mut self, radio: RadioId, message: &ErabReleaseResponse, cx: &mut Cx<'_>) {
        let Some(connection) = self.active(radio) else { return };
        let named = message.erabs.iter().map(|done| done.ebi).chain(message.failed_erabs.iter().map(|item| item.ebi));
        let bearers: Vec<Ebi> = named.filter(|ebi| connection.leaving.contains(*ebi)).collect();
        if bearers.is_empty() {
            cx.count(Metric::Unexpected("E-RABReleaseResponse"));
            return;
        }
        for ebi in &bearers {
            connection.leaving.remove(*ebi);
            connection.bearers.remove(*ebi);
        }
        cx.event(radio, connection.ue, RadioEventKind::BearersReleased { asked: true, bearers });
    }

    /// E-RAB RELEASE INDICATION.
    pub(crate) fn bearers_gone(&mut self, radio: RadioId, message: &ErabReleaseIndication, cx: &mut Cx<'_>) {
        let Some(connection) = self.active(radio) else { return };
        let named = message.erabs.iter().map(|item| item.ebi);
        let bearers: Vec<Ebi> = named.filter(|ebi| connection.bearers.contains(*ebi)).collect();
        if bearers.is_empty() {
            cx.count(Metric::Unexpected("E-RABReleaseIndication"));
            return;
        }
        bearers.iter().for_each(|ebi| connection.bearers.remove(*ebi));
        cx.event(radio, connection.ue, RadioEventKind::BearersReleased { asked: false, bearers });
    }

    /// E-RAB MODIFICATION INDICATION: each bearer by itself. One that is listed twice does not move (§8.2.4.4).
    pub(crate) fn bearers_moved(&mut self, radio: RadioId, message: &ErabModificationIndication, cx: &mut Cx<'_>) {
        let ours = cx.config.user_plane;
        let Some(connection) = self.active(radio) else { return };
        let (link, stream, ue) = (connection.link, connection.stream, connection.ue);
        let mut confirm = ErabModificationConfirm::new(message.mme_ue_id, message.enb_ue_id);
        let mut moved: Vec<BearerEndpoint> = Vec::new();
        let mut seen = Bearers::default();
        for tunnel in &message.erabs {
            let twice = seen.contains(tunnel.ebi);
            seen.insert(tunnel.ebi);
            let there = connection.bearers.contains(tunnel.ebi);
            match endpoint(tunnel, ours).filter(|_| there && !twice) {
                Some(endpoint) => moved.push(endpoint),
                None => {
                    let cause = match (twice, there) {
                        (true, _) => Cause::RadioNetwork(RadioNetworkCause::MultipleErabIdInstances),
                        (_, false) => Cause::RadioNetwork(RadioNetworkCause::UnknownErabId),
                        _ => Cause::Transport(TransportCause::TransportResourceUnavailable),
                    };
                    moved.retain(|bearer| bearer.ebi != tunnel.ebi);
                    confirm.failed_erabs.retain(|item| item.ebi != tunnel.ebi);
                    confirm.failed_erabs.push(ErabItem::new(tunnel.ebi, cause));
                }
            }
        }
        confirm.erabs = moved.iter().map(|bearer| ErabDone::new(bearer.ebi)).collect();
        let outcome = if moved.is_empty() { Outcome::Failure } else { Outcome::Success };
        cx.count(Metric::Procedure { procedure: Procedure::BearerMove, outcome });
        cx.send(link, stream, confirm);
        if !moved.is_empty() {
            cx.event(radio, ue, RadioEventKind::BearersMoved { bearers: moved });
        }
    }
}
