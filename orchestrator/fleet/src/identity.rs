//! Whether a call may be worked on: the certificate is known, of the gateway that is spoken for, and not revoked.

use crate::alarm::About;
use crate::fleet::{Fleet, now};
use crate::listen::Peer;
use orchestrator_db::{Error, Target};
use orchestrator_model::Kind;
use tonic::{Request, Status};

/// A gateway that has shown who it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Known {
    pub(crate) network: String,
    pub(crate) gateway: String,
    pub(crate) peer: String,
}

impl Known {
    pub(crate) fn about(&self) -> About {
        About { network: self.network.clone(), gateway: self.gateway.clone(), peer: self.peer.clone() }
    }
}

/// Where a request comes from.
pub(crate) fn peer<T>(request: &Request<T>) -> Result<Peer, Status> {
    request.extensions().get::<Peer>().cloned().ok_or_else(|| Status::internal("the connection is unknown"))
}

/// The database is away: the gateway comes again.
pub(crate) fn unavailable(error: &Error) -> Status {
    tracing::error!(%error, "database");
    Status::unavailable("the database cannot be used now")
}

/// Who holds the certificate of a connection.
pub(crate) async fn known(fleet: &Fleet, peer: &Peer) -> Result<Known, Status> {
    let address = peer.address.ip().to_string();
    let certificate = fleet.db.certificate(&peer.fingerprint).await.map_err(|error| unavailable(&error))?;
    let Some(certificate) = certificate else {
        let about = About { peer: address, ..About::default() };
        let words = "a certificate of ours that is not in the database: it was swept, or the database is an old copy";
        fleet.alarms.raise("certificate-unknown", about, words.to_owned()).await;
        return Err(Status::unauthenticated("the certificate is not known here; show the device key"));
    };
    let known = Known { network: certificate.network, gateway: certificate.gateway, peer: address };
    if certificate.revoked_at > 0 {
        let words = format!("{} came with a revoked certificate", known.gateway);
        fleet.alarms.raise("certificate-revoked", known.about(), words).await;
        return Err(Status::unauthenticated("the certificate was revoked; join again with a token"));
    }
    if certificate.expires_at <= now() {
        return Err(Status::unauthenticated("the certificate is over; show the device key"));
    }
    exists(fleet, &known).await?;
    Ok(known)
}

/// A gateway that was deleted is refused until it is made again.
pub(crate) async fn exists(fleet: &Fleet, known: &Known) -> Result<(), Status> {
    let target = Target { kind: Kind::Gateway, network: known.network.clone(), name: known.gateway.clone() };
    match fleet.db.object(&target).await.map_err(|error| unavailable(&error))? {
        Some(_) => Ok(()),
        None => {
            let words = format!("{} came, which was deleted", known.gateway);
            fleet.alarms.raise("gateway-deleted", known.about(), words).await;
            Err(Status::permission_denied("this gateway was deleted at the orchestrator"))
        }
    }
}

/// Each call names the gateway that it speaks for.
pub(crate) async fn speaks_for(fleet: &Fleet, known: &Known, network: &str, gateway: &str) -> Result<(), Status> {
    if known.network == network && known.gateway == gateway {
        return Ok(());
    }
    let shown = |text: &str| text.chars().take(64).collect::<String>().escape_debug().to_string();
    let kind = if known.network == network { "gateway-foreign" } else { "network-foreign" };
    let words = format!("{} spoke for {} of network {}", known.gateway, shown(gateway), shown(network));
    fleet.alarms.raise(kind, known.about(), words).await;
    Err(Status::permission_denied("the certificate is of another gateway"))
}
