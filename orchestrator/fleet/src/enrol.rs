//! Joining: a token for a certificate; and coming back with the device key.

use crate::alarm::About;
use crate::authority::Whose;
use crate::fleet::{Fleet, hex, now, seconds, unhex};
use crate::identity::{Known, exists, peer, unavailable};
use crate::relay::is_feg;
use basalt_control_api::orchestrator::v1 as api;
use basalt_control_api::orchestrator::v1::enrolment_server::Enrolment as Service;
use basalt_control_api::orchestrator::v1::{enrolment_text, re_enrolment_text};
use orchestrator_db::{Certificate, Change, Device, GatewayToken, Precondition, Target};
use orchestrator_model::Kind;
use ring::signature::{ECDSA_P256_SHA256_ASN1, UnparsedPublicKey};
use serde_json::json;
use sha2::{Digest, Sha256};
use std::sync::Arc;
use tonic::{Request, Response, Status};

/// Octets of an uncompressed point on P-256.
const POINT: usize = 65;

pub(crate) struct Enrolment(pub(crate) Arc<Fleet>);

#[tonic::async_trait]
impl Service for Enrolment {
    async fn enrol(&self, request: Request<api::EnrolRequest>) -> Result<Response<api::Issued>, Status> {
        let address = peer(&request)?.address.ip().to_string();
        let request = request.into_inner();
        let digest = Sha256::digest(request.secret.as_bytes());
        if request.public_key.len() != POINT
            || !signed(&request.public_key, &enrolment_text(&digest), &request.signature)
        {
            return Err(Status::invalid_argument("the signature is not of the key that was sent"));
        }
        let token = good_token(&self.0, &hex(&digest), &request, &address).await?;
        if token.used_at > 0 {
            // It joined, and the answer was lost on the way.
            let known = Known { network: token.network, gateway: token.used_by, peer: address };
            exists(&self.0, &known).await?;
            return issue(&self.0, &known, &request.public_key).await.map(Response::new);
        }
        let gateway = if token.gateway.is_empty() { request.gateway.clone() } else { token.gateway.clone() };
        let known = Known { network: token.network.clone(), gateway, peer: address };
        make_gateway(&self.0, &known, &token).await?;
        let device = Device {
            network: known.network.clone(),
            gateway: known.gateway.clone(),
            public_key: hex(&request.public_key),
            enrolled_at: now(),
            revoked_at: 0,
        };
        let used = self.0.db.enrol(&token.digest, now(), &device).await.map_err(|error| unavailable(&error))?;
        if !used {
            let words =
                format!("a token was refused for {}: it was used meanwhile, or the name has joined", known.gateway);
            self.0.alarms.raise("token-refused", known.about(), words).await;
            return Err(Status::already_exists(format!(
                "the gateway {} has joined already, or the token was used: revoke the gateway, or take another name",
                known.gateway
            )));
        }
        tracing::info!(network = known.network, gateway = known.gateway, "a gateway joined");
        issue(&self.0, &known, &request.public_key).await.map(Response::new)
    }

    async fn get_challenge(&self, _: Request<api::ChallengeRequest>) -> Result<Response<api::Challenge>, Status> {
        let challenge = self.0.authority().challenge(seconds()).map_err(|_| Status::unavailable("no randomness"))?;
        Ok(Response::new(api::Challenge { challenge }))
    }

    async fn re_enrol(&self, request: Request<api::ReEnrolRequest>) -> Result<Response<api::Issued>, Status> {
        let address = peer(&request)?.address.ip().to_string();
        let request = request.into_inner();
        let known = Known { network: request.network.clone(), gateway: request.gateway.clone(), peer: address };
        if !self.0.authority().recognises(&request.challenge, seconds()) {
            let about = About { peer: known.peer, ..About::default() };
            self.0
                .alarms
                .raise("challenge-refused", about, "a challenge of another time or authority".to_owned())
                .await;
            return Err(Status::permission_denied("the challenge is over or none of ours"));
        }
        let device = self.0.db.device(&known.network, &known.gateway).await.map_err(|error| unavailable(&error))?;
        let text = re_enrolment_text(&known.network, &known.gateway, &request.challenge);
        let point = device.as_ref().and_then(|device| unhex(&device.public_key)).unwrap_or_default();
        if !signed(&point, &text, &request.signature) {
            // The name is a stranger's word: the alarm goes to nobody's network.
            let about = About { peer: known.peer, ..About::default() };
            self.0.alarms.raise("device-key-refused", about, "a device key that is not the gateway's".to_owned()).await;
            return Err(Status::permission_denied("this is not the device key of a gateway that has joined"));
        }
        if device.is_some_and(|device| device.revoked_at > 0) {
            let words = format!("{} showed its device key, and was revoked", known.gateway);
            self.0.alarms.raise("device-revoked", known.about(), words).await;
            return Err(Status::permission_denied("this gateway was revoked; join again with a token"));
        }
        exists(&self.0, &known).await?;
        issue(&self.0, &known, &point).await.map(Response::new)
    }
}

fn signed(point: &[u8], text: &[u8], signature: &[u8]) -> bool {
    UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, point).verify(text, signature).is_ok()
}

/// The token, if it may be used now: for the first time, or again by the device key that it was used with.
async fn good_token(
    fleet: &Fleet,
    digest: &str,
    request: &api::EnrolRequest,
    address: &str,
) -> Result<GatewayToken, Status> {
    let held = fleet.db.gateway_token(digest).await.map_err(|error| unavailable(&error))?;
    let about = |network: &str, gateway: &str| About {
        network: network.to_owned(),
        gateway: gateway.to_owned(),
        peer: address.to_owned(),
    };
    let refuse = || Status::permission_denied("the token is wrong, was used or has expired: make a new one");
    let Some(token) = held else {
        fleet.alarms.raise("token-unknown", about("", ""), "a token that does not exist was tried".to_owned()).await;
        return Err(refuse());
    };
    let again = token.used_at > 0;
    if again && !used_by(fleet, &token, &request.public_key).await? {
        let words = format!("the token {} that {} joined with was tried again", token.id, token.used_by);
        fleet.alarms.raise("token-reused", about(&token.network, &token.used_by), words).await;
        return Err(refuse());
    }
    if token.expires_at <= now() {
        let words = format!("the token {} was tried after its time", token.id);
        fleet.alarms.raise("token-expired", about(&token.network, ""), words).await;
        return Err(refuse());
    }
    if !token.gateway.is_empty() && !request.gateway.is_empty() && token.gateway != request.gateway {
        tracing::info!(token = token.id, "a gateway takes the name that its token gives");
    }
    Ok(token)
}

/// Whether this device key is the one that joined with the token.
async fn used_by(fleet: &Fleet, token: &GatewayToken, public_key: &[u8]) -> Result<bool, Status> {
    let device = fleet.db.device(&token.network, &token.used_by).await.map_err(|error| unavailable(&error))?;
    Ok(device.is_some_and(|device| device.revoked_at == 0 && device.public_key == hex(public_key)))
}

/// The gateway's object, unless somebody made it before.
async fn make_gateway(fleet: &Fleet, known: &Known, token: &GatewayToken) -> Result<(), Status> {
    let target = Target { kind: Kind::Gateway, network: known.network.clone(), name: known.gateway.clone() };
    if fleet.db.object(&target).await.map_err(|error| unavailable(&error))?.is_some() {
        return Ok(());
    }
    let body = json!({ "tier": token.tier });
    let parsed = Kind::Gateway.parse_value(&known.gateway, body).map_err(|errors| {
        let what = errors.first().map(|error| format!("{} ({})", error.what, error.allowed)).unwrap_or_default();
        Status::invalid_argument(format!("the gateway's name cannot be used: {what}; set `name` in its configuration"))
    })?;
    let change = Change {
        target,
        precondition: Precondition::None,
        body: Some(parsed.body),
        sealed: None,
        references: parsed.references,
    };
    let who = format!("token {} of {}", token.id, token.created_by);
    match fleet.db.apply(&who, now(), &[change]).await {
        Ok(_) => Ok(()),
        Err(orchestrator_db::Error::Refused(refusal)) => Err(Status::failed_precondition(refusal.to_string())),
        Err(error) => Err(unavailable(&error)),
    }
}

/// A certificate, kept and given.
pub(crate) async fn issue(fleet: &Fleet, known: &Known, point: &[u8]) -> Result<api::Issued, Status> {
    let life = fleet.settings.certificate_life;
    let feg = is_feg(fleet, &known.network, &known.gateway).await?;
    let whose = Whose { network: &known.network, gateway: &known.gateway, feg };
    let (authority, at) = (fleet.authority(), seconds());
    let cannot = |error: anyhow::Error| {
        tracing::error!(%error, "a certificate could not be made");
        Status::unavailable("a certificate cannot be made now")
    };
    let made = authority.issue(whose, point, at, life).map_err(cannot)?;
    let certificate = Certificate {
        fingerprint: hex(&Sha256::digest(&made.der)),
        network: known.network.clone(),
        gateway: known.gateway.clone(),
        issued_at: now(),
        expires_at: i64::try_from(made.not_after.saturating_mul(1000)).unwrap_or(i64::MAX),
        revoked_at: 0,
    };
    fleet.db.put_certificate(&certificate).await.map_err(|error| unavailable(&error))?;
    Ok(api::Issued {
        network: known.network.clone(),
        gateway: known.gateway.clone(),
        certificate: made.der,
        authority: authority.certificate(at).map_err(cannot)?.to_vec(),
        bridges: authority.bridges(at).iter().map(|one| one.to_vec()).collect(),
        other_authorities: authority.others(at),
        not_before: made.not_before,
        not_after: made.not_after,
    })
}
