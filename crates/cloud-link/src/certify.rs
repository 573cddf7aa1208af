//! Getting certificates: by token, by the device key, by the present certificate. And the channel that each needs.

use crate::{DeviceKey, Dial, tls};
use basalt_cloud_sync::{Denial, Identity};
use basalt_control_api::orchestrator::v1::conversation_client::ConversationClient;
use basalt_control_api::orchestrator::v1::enrolment_client::EnrolmentClient;
use basalt_control_api::orchestrator::v1::{self as api, enrolment_text, re_enrolment_text};
use basalt_control_api::orchestrator::{ENROLMENT_NAME, JoinToken, SERVER_NAME};
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, Error as TlsError};
use sha2::{Digest, Sha256};
use std::error::Error;
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio_rustls::TlsConnector;
use tonic::transport::{Channel, Endpoint, Uri};
use tonic::{Code, Status};

/// An answer to a question that is not the stream takes no longer.
const PATIENCE: Duration = Duration::from_secs(30);

/// How soon a link that went without a word is noticed.
#[derive(Debug, Clone, Copy)]
struct Liveness {
    /// For a connection.
    connect: Duration,
    /// Between two questions by HTTP/2, and for an answer.
    interval: Duration,
    answer: Duration,
    /// The system asks by TCP, too, and ends what is not answered.
    watched: bool,
}

/// Of the conversation with an orchestrator of one place, whose own beats tell it; this is for questions before them.
const SLOW: Liveness =
    Liveness { connect: PATIENCE, interval: Duration::from_secs(120), answer: PATIENCE, watched: false };
/// Of the conversation with one of several places: the gateway can go to another one. A replica whose machine or way is gone is noticed by
/// TCP, which costs no payload; one that stands still by what it does not acknowledge, and by its beats. When all gateways come at once,
/// a connection waits for its turn: patience for it is longer.
const QUICK: Liveness = Liveness { connect: Duration::from_secs(10), watched: true, ..SLOW };
/// Of streams that phones wait behind.
const FAST: Liveness = Liveness {
    connect: Duration::from_secs(5),
    interval: Duration::from_secs(5),
    answer: Duration::from_secs(3),
    watched: false,
};

/// A channel with this TLS.
async fn channel<D: Dial>(
    dial: &Arc<D>,
    address: &str,
    name: &'static str,
    config: ClientConfig,
    liveness: Liveness,
) -> Result<Channel, Denial> {
    let connector = TlsConnector::from(Arc::new(config));
    let (dial, address) = (Arc::clone(dial), address.to_owned());
    let connect = tower::service_fn(move |_: Uri| {
        let (dial, address, connector) = (Arc::clone(&dial), address.clone(), connector.clone());
        async move {
            let stream = dial.dial(&address).await?;
            if liveness.watched {
                dial.watch(&stream)?;
            }
            let name = ServerName::try_from(name).map_err(io::Error::other)?;
            Ok::<_, io::Error>(TokioIo::new(connector.connect(name, stream).await?))
        }
    });
    let endpoint = Endpoint::from_static("http://orchestrator.basalt")
        .http2_keep_alive_interval(liveness.interval)
        .keep_alive_timeout(liveness.answer);
    // All of it, TLS too: one that stands still takes connections and says nothing on them.
    match tokio::time::timeout(liveness.connect, endpoint.connect_with_connector(connect)).await {
        Ok(channel) => channel.map_err(|error| denial(&error)),
        Err(_) => Err(Denial::Unreachable("no connection in time".to_owned())),
    }
}

/// A channel of a gateway with a certificate.
pub(crate) async fn mutual<D: Dial>(
    dial: &Arc<D>,
    address: &str,
    identity: &Identity,
    key: &DeviceKey,
) -> Result<ConversationClient<Channel>, Denial> {
    let config = tls::mutual(&identity.authority, &identity.certificate, key).map_err(|error| refused(&error))?;
    let liveness = if identity.address.contains(',') { QUICK } else { SLOW };
    channel(dial, address, SERVER_NAME, config, liveness).await.map(ConversationClient::new)
}

/// A channel to the orchestrator by the certificate of one who joined it, for services beside the conversation. Of several places the
/// first that answers: all who are told the same places meet there.
///
/// # Errors
/// Why there is none.
pub async fn secure_channel<D: Dial>(dial: &Arc<D>, identity: &Identity, key: &DeviceKey) -> Result<Channel, Denial> {
    let config = tls::mutual(&identity.authority, &identity.certificate, key).map_err(|error| refused(&error))?;
    let mut last = Denial::Unreachable("there is no address".to_owned());
    for address in identity.address.split(',') {
        match channel(dial, address, SERVER_NAME, config.clone(), FAST).await {
            Ok(channel) => return Ok(channel),
            Err(denial) => last = denial,
        }
    }
    Err(last)
}

/// The same at whichever of the orchestrator's places answers first.
pub(crate) async fn somewhere<D: Dial>(
    dial: &Arc<D>,
    identity: &Identity,
    key: &DeviceKey,
) -> Result<ConversationClient<Channel>, Denial> {
    let mut last = Denial::Unreachable("there is no address".to_owned());
    for address in identity.address.split(',') {
        match mutual(dial, address, identity, key).await {
            Ok(client) => return Ok(client),
            Err(denial) => last = denial,
        }
    }
    Err(last)
}

async fn enrolment<D: Dial>(
    dial: &Arc<D>,
    address: &str,
    fingerprints: Vec<[u8; 32]>,
) -> Result<EnrolmentClient<Channel>, Denial> {
    let config = tls::enrolment(fingerprints).map_err(|error| refused(&error))?;
    channel(dial, address, ENROLMENT_NAME, config, SLOW).await.map(EnrolmentClient::new)
}

/// Exchanges a token for a certificate.
pub(crate) async fn enrol<D: Dial>(
    dial: &Arc<D>,
    address: &str,
    token: &JoinToken,
    name: &str,
    version: &str,
    key: &DeviceKey,
) -> Result<Identity, Denial> {
    let mut client = enrolment(dial, address, vec![token.fingerprint]).await?;
    let digest = Sha256::digest(token.secret.as_bytes());
    let signature = key.sign(&enrolment_text(&digest)).map_err(|error| refused(&error))?;
    let request = api::EnrolRequest {
        secret: token.secret.clone(),
        gateway: name.to_owned(),
        public_key: key.public(),
        signature,
        version: version.to_owned(),
    };
    let issued = within(client.enrol(request)).await?;
    identity(issued, &token.address)
}

/// Shows the device key for a new certificate.
pub(crate) async fn re_enrol<D: Dial>(
    dial: &Arc<D>,
    address: &str,
    former: &Identity,
    key: &DeviceKey,
) -> Result<Identity, Denial> {
    let known = tls::certificates(&former.authority).map_err(|error| refused(&error))?;
    let fingerprints = known.iter().map(|one| tls::fingerprint(one)).collect();
    let mut client = enrolment(dial, address, fingerprints).await?;
    let challenge = within(client.get_challenge(api::ChallengeRequest {})).await?.challenge;
    let text = re_enrolment_text(&former.network, &former.gateway, &challenge);
    let signature = key.sign(&text).map_err(|error| refused(&error))?;
    let (network, gateway) = (former.network.clone(), former.gateway.clone());
    let request = api::ReEnrolRequest { network, gateway, challenge, signature };
    let issued = within(client.re_enrol(request)).await?;
    identity(issued, &former.address)
}

/// Renews with the present certificate.
pub(crate) async fn renew<D: Dial>(
    dial: &Arc<D>,
    address: &str,
    former: &Identity,
    key: &DeviceKey,
) -> Result<Identity, Denial> {
    let mut client = mutual(dial, address, former, key).await?;
    let request = api::RenewRequest { network: former.network.clone(), gateway: former.gateway.clone() };
    let issued = within(client.renew(request)).await?;
    identity(issued, &former.address)
}

/// Whoever gave it was recognised; it may be of a later generation of the authority than that by which he was.
fn identity(issued: api::Issued, address: &str) -> Result<Identity, Denial> {
    let certificate = [vec![issued.certificate], issued.bridges].concat().concat();
    let authority = [vec![issued.authority], issued.other_authorities].concat().concat();
    for certificates in [&certificate, &authority] {
        tls::certificates(certificates).map_err(|error| refused(&error))?;
    }
    Ok(Identity {
        network: issued.network,
        gateway: issued.gateway,
        address: address.to_owned(),
        certificate,
        authority,
        not_before: issued.not_before,
        not_after: issued.not_after,
    })
}

async fn within<T>(answer: impl Future<Output = Result<tonic::Response<T>, Status>>) -> Result<T, Denial> {
    match tokio::time::timeout(PATIENCE, answer).await {
        Ok(Ok(response)) => Ok(response.into_inner()),
        Ok(Err(status)) => Err(of_status(&status)),
        Err(_) => Err(Denial::Unreachable("no answer in time".to_owned())),
    }
}

fn refused(error: &dyn Error) -> Denial {
    Denial::Refused(error.to_string())
}

/// A status as a denial: what TLS or the orchestrator refuses is told apart from what the network lost.
pub(crate) fn of_status(status: &Status) -> Denial {
    match status.code() {
        Code::PermissionDenied
        | Code::Unauthenticated
        | Code::AlreadyExists
        | Code::InvalidArgument
        | Code::NotFound => Denial::Refused(status.message().to_owned()),
        _ => denial(status),
    }
}

fn denial(error: &(dyn Error + 'static)) -> Denial {
    let mut words = error.to_string();
    let mut next = Some(error);
    while let Some(error) = next {
        words = error.to_string();
        // An io::Error hides what it carries from `source`.
        let carried = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        let tls = error.downcast_ref::<TlsError>().or_else(|| carried.and_then(|it| it.downcast_ref::<TlsError>()));
        if let Some(tls) = tls
            && matches!(tls, TlsError::AlertReceived(_) | TlsError::InvalidCertificate(_))
        {
            return Denial::Refused(tls.to_string());
        }
        next = carried.map(|it| it as &(dyn Error + 'static)).or_else(|| error.source());
    }
    Denial::Unreachable(words)
}
