//! NAS messages over a connection that a UE has already.
//!
//! A UE with keys is heard with them only: what is not verified is dropped, counted, and told once a connection. A claim is heard
//! in plain, for the messages of TS 24.301 §4.4.4.3, and by SECURITY MODE COMPLETE with the keys it proves.

use crate::arrival::Origin;
use crate::cx::{Cx, Want};
use crate::eps::{attach, detach, esm, guti, release, renewal, service, settled, status, tau};
use crate::trust::{Untrusted, Verified};
use crate::ue::{Emm, Purpose, Task, Ue};
use crate::{Mobility, claim};
use agw_types::{Area, Event, Metric, Now, RadioCause, RadioId, UeId};
use basalt_nas::emm::{AttachRequest, DetachAccept};
use basalt_nas::{Direction, EmmMessage, Envelope, Plain};
use basalt_sansio::Outbox;

/// No NAS message is longer than what a radio message carries (TS 36.323 §4.3.1).
const LONGEST: usize = 8188;

impl Mobility {
    /// A NAS message over the connection of `id`.
    pub(crate) fn uplink(
        &mut self,
        now: Now,
        id: UeId,
        radio: RadioId,
        nas: &[u8],
        area: Area,
        out: &mut Outbox<Want>,
    ) {
        let again = self.with(id, now, out, |ue, cx| {
            if nas.len() > LONGEST {
                cx.count(Metric::Discarded("NAS message too long"));
                None
            } else if ue.keys.is_some() {
                with_keys(ue, nas, area, cx);
                None
            } else {
                without_keys(ue, nas, cx)
            }
        });
        if let Some(Some(request)) = again {
            // Another claim over the same connection (§5.5.1.2.7 e): the first is forgotten.
            if let Some(ue) = self.ues.get_mut(id.0) {
                ue.connection = None;
            }
            self.remove(now, id, out);
            self.untrusted(now, Origin { radio, area }, Plain(EmmMessage::AttachRequest(request.0)), out);
        }
    }
}

/// A message over the connection of a claim. Gives an attach request that starts the claim anew.
fn without_keys(ue: &mut Ue, nas: &[u8], cx: &mut Cx<'_>) -> Option<Plain<AttachRequest>> {
    let plain = match Envelope::parse(nas) {
        Ok(Envelope::Plain(Plain(plain))) => plain,
        Ok(Envelope::Protected(protected)) => {
            if let Emm::Claiming(claim) = &mut ue.emm
                && let Some(verdict) = claim.proof.complete(nas, cx)
            {
                claim::conclude(ue, verdict, cx);
                return None;
            }
            if protected.header_type.is_ciphered() {
                cx.count(Metric::Discarded("NAS message without valid protection"));
                return None;
            }
            // Protected with keys that are not known here: as good as plain (§4.4.4.3).
            protected.payload
        }
        Ok(Envelope::ServiceRequest(_)) | Err(_) => {
            cx.count(Metric::Discarded("NAS message too short or out of place"));
            return None;
        }
    };
    match EmmMessage::decode(plain, Direction::Uplink).ok().and_then(|message| Untrusted::admit(Plain(message))) {
        Some(message) => untrusted(ue, message, cx),
        None => {
            cx.count(Metric::Discarded("plain NAS message outside the list of TS 24.301 §4.4.4.3"));
            None
        }
    }
}

fn untrusted(ue: &mut Ue, message: Untrusted, cx: &mut Cx<'_>) -> Option<Plain<AttachRequest>> {
    match message {
        Untrusted::IdentityResponse(response) => {
            claim::prove(ue, cx, |proof, line, cx| proof.identity(&response, line, cx));
        }
        Untrusted::AuthenticationResponse(response) => {
            claim::prove(ue, cx, |proof, line, cx| proof.response(&response, line, cx));
        }
        Untrusted::AuthenticationFailure(failure) => {
            claim::prove(ue, cx, |proof, line, cx| proof.failure(&failure, line, cx));
        }
        Untrusted::SecurityModeReject(reject) => {
            claim::prove(ue, cx, |proof, _, cx| proof.refused(&reject, cx));
        }
        Untrusted::AttachRequest(request) => {
            let same = matches!(&ue.emm, Emm::Claiming(claim)
                if matches!(&claim.purpose, Purpose::Attach(running) if *running == request));
            if !same {
                release::abort_running(ue, None, cx);
                return Some(request);
            }
        }
        Untrusted::DetachRequest(request) => {
            // §5.5.1.2.7 h: the attach ends; of whoever the UE claims to be, nothing does.
            if !request.0.detach_type.switch_off {
                ue.send(EmmMessage::DetachAccept(DetachAccept::new()), cx);
            }
            release::abort_running(ue, None, cx);
            release::disconnect(ue, RadioCause::Detach, cx);
        }
        Untrusted::TrackingAreaUpdateRequest(_) | Untrusted::ExtendedServiceRequest | Untrusted::DetachAccept => {
            cx.count(Metric::Unexpected("NAS message of an unproven phone"));
        }
    }
    None
}

/// A message over the connection of a UE with keys.
fn with_keys(ue: &mut Ue, nas: &[u8], area: Area, cx: &mut Cx<'_>) {
    if let Emm::Registered(Some(Task::Renewing(proof))) = &mut ue.emm
        && let Some(verdict) = proof.complete(nas, cx)
    {
        renewal::conclude(ue, verdict, cx);
        return;
    }
    let Some(keys) = ue.keys.as_deref_mut() else { return };
    if let Ok(Envelope::ServiceRequest(_)) = Envelope::parse(nas) {
        match keys.verify_service_request(nas) {
            Ok(verified) => service_over_connection(ue, verified.count(), cx),
            Err(_) => unprotected(ue, cx),
        }
        return;
    }
    match keys.verify(nas) {
        Ok(verified) => {
            ue.area = area;
            ue.last_seen = cx.now.unix_secs;
            if ue.is_registered() {
                // Its count is used up, also after a crash.
                cx.save();
            }
            trusted(ue, verified, cx);
            settled(ue, cx);
        }
        Err(_) => unprotected(ue, cx),
    }
}

/// A UE whose connection carries signalling only may ask for bearers over it.
fn service_over_connection(ue: &mut Ue, count: u32, cx: &mut Cx<'_>) {
    match &ue.connection {
        Some(connection) if connection.access_keys.is_none() => {
            let radio = connection.radio;
            service::requested(ue, radio, count, cx);
        }
        _ => cx.count(Metric::Unexpected("SERVICE REQUEST over a connection with bearers")),
    }
}

/// A message that is not protected, or not with the keys in use: dropped, whatever it says (§4.4.4.3).
fn unprotected(ue: &mut Ue, cx: &mut Cx<'_>) {
    cx.count(Metric::Discarded("NAS message without valid protection"));
    if let Some(connection) = &mut ue.connection
        && !core::mem::replace(&mut connection.warned, true)
    {
        let what = "a NAS message without valid protection, or a repeated one, came over a protected connection and was dropped";
        cx.tell(Event::Security { imsi: ue.imsi, what: what.to_owned() });
    }
}

/// Protocol discriminator of ESM.
const ESM: u8 = 2;

fn trusted(ue: &mut Ue, verified: Verified<Vec<u8>>, cx: &mut Cx<'_>) {
    if verified.get().first().is_some_and(|first| first & 0x0f == ESM) {
        esm::uplink(ue, verified, cx);
        return;
    }
    let count = verified.count();
    let message = match verified.try_map(|plain| EmmMessage::decode(&plain, Direction::Uplink)) {
        Ok(message) => message,
        Err(error) => {
            status::unreadable(ue, &error, cx);
            return;
        }
    };
    let Some(radio) = ue.connection.as_ref().map(|connection| connection.radio) else { return };
    match message.get() {
        EmmMessage::AttachComplete(_) => {
            let complete = message.try_map(|message| match message {
                EmmMessage::AttachComplete(complete) => Ok(complete),
                _ => Err(()),
            });
            if let Ok(complete) = complete {
                attach::complete(ue, complete, cx);
            }
        }
        EmmMessage::AttachRequest(_) => {
            let EmmMessage::AttachRequest(request) = message.into_inner() else { return };
            attach_over_connection(ue, request, count, cx);
        }
        EmmMessage::TrackingAreaUpdateRequest(_) => {
            let EmmMessage::TrackingAreaUpdateRequest(request) = message.into_inner() else { return };
            tau::requested(ue, request, radio, count, cx);
        }
        EmmMessage::DetachRequestUe(request) => detach::by_ue(ue, request, cx),
        EmmMessage::ExtendedServiceRequest(request) => service::extended(ue, request, radio, count, cx),
        EmmMessage::TrackingAreaUpdateComplete(_) => tau::complete(ue, cx),
        EmmMessage::GutiReallocationComplete(_) => guti::complete(ue, cx),
        EmmMessage::DetachAccept(_) => detach::accepted(ue, cx),
        EmmMessage::EmmStatus(_) => status::received(cx),
        EmmMessage::IdentityResponse(response) => {
            let response = Plain(response.clone());
            claim::prove(ue, cx, |proof, line, cx| proof.identity(&response, line, cx));
        }
        EmmMessage::AuthenticationResponse(response) => {
            let response = Plain(response.clone());
            claim::prove(ue, cx, |proof, line, cx| proof.response(&response, line, cx));
        }
        EmmMessage::AuthenticationFailure(failure) => {
            let failure = Plain(failure.clone());
            claim::prove(ue, cx, |proof, line, cx| proof.failure(&failure, line, cx));
        }
        EmmMessage::SecurityModeReject(reject) => {
            let reject = Plain(reject.clone());
            claim::prove(ue, cx, |proof, _, cx| proof.refused(&reject, cx));
        }
        // SECURITY MODE COMPLETE of a procedure that is over: the command's answer came twice.
        EmmMessage::SecurityModeComplete(_) => status::wrong_state(ue, "SECURITY MODE COMPLETE", cx),
        _ => status::not_implemented(ue, cx),
    }
}

/// ATTACH REQUEST over the connection that the UE has.
fn attach_over_connection(ue: &mut Ue, request: AttachRequest, count: u32, cx: &mut Cx<'_>) {
    use crate::collision::{Arriving, Resolution, resolve};
    let same = matches!(&ue.emm, Emm::Attaching(attach) if attach.request == request);
    match resolve(ue.running(), if same { Arriving::SameAttach } else { Arriving::Attach }) {
        Resolution::Continue => cx.count(Metric::Unexpected("ATTACH REQUEST again")),
        Resolution::Resend => attach::resend(ue, cx),
        Resolution::Progress | Resolution::Complete => {
            if let Some(connection) = &mut ue.connection {
                connection.uplink_count = count;
            }
            let started = cx.now.mono;
            attach::begin(ue, request, started, cx);
        }
    }
}
