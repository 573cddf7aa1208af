//! For those who operate it: a control socket with peers, test requests and drain.

use crate::drive::Told;
use crate::managed::Cloud;
use crate::peers::Peers;
use crate::realms::Realm;
use anyhow::Context as _;
use basalt_control_api::federation::v1 as api;
use basalt_control_api::federation::v1::federation_operator_server::{FederationOperator, FederationOperatorServer};
use basalt_diameter::{Limits, Message, Outcome};
use basalt_diameter_link::{BUCKETS_MICROS, PeerStatus};
use basalt_ids::{Imsi, Plmn};
use feg_relay::Config;
use feg_s6a::{To, Visit, realm_of};
use serde_json::json;
use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::net::UnixListener;
use tokio::sync::{mpsc, oneshot};
use tokio_stream::wrappers::{ReceiverStream, UnixListenerStream};
use tonic::transport::Server;
use tonic::{Request, Response, Status};

/// How long a test request waits.
const PATIENCE: Duration = Duration::from_secs(5);
/// Messages of a trace that wait for who looks.
const TRACED: usize = 256;

/// What those who operate it may see and do, by the control socket and through an orchestrator.
#[derive(Debug)]
pub struct Operator {
    peers: Peers,
    config: RwLock<Config>,
    pings: AtomicU64,
    told: mpsc::Sender<Told>,
    started_at: u64,
}

/// The service on the control socket.
#[derive(Debug)]
struct Service {
    operator: Arc<Operator>,
    cloud: Option<Cloud>,
}

/// Serves on a socket that only root and its group may open.
///
/// # Errors
/// The socket cannot be made.
pub async fn serve(operator: Arc<Operator>, cloud: Option<Cloud>, path: &Path) -> anyhow::Result<()> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    }
    // One of an earlier life; a living daemon would still hold its other ports.
    let _ = std::fs::remove_file(path);
    let listener = UnixListener::bind(path).with_context(|| format!("cannot listen on {}", path.display()))?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o660))?;
    let service = FederationOperatorServer::new(Service { operator, cloud });
    tokio::spawn(async move {
        let served = Server::builder().add_service(service);
        if let Err(error) = served.serve_with_incoming(UnixListenerStream::new(listener)).await {
            tracing::error!(%error, "the control socket failed");
        }
    });
    Ok(())
}

impl Operator {
    /// For these peers.
    pub fn new(peers: Peers, config: Config, told: mpsc::Sender<Told>) -> Self {
        let started = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let config = RwLock::new(config);
        Self { peers, config, pings: AtomicU64::new(0), told, started_at: started.as_secs() }
    }

    /// What the relay acts on is this now.
    pub fn configured(&self, config: &Config) {
        self.config.write().unwrap_or_else(PoisonError::into_inner).clone_from(config);
    }

    /// The way to the loop.
    pub fn told(&self) -> mpsc::Sender<Told> {
        self.told.clone()
    }

    /// How all peers stand.
    pub async fn statuses(&self) -> Vec<(PeerStatus, Vec<String>)> {
        self.peers.statuses().await
    }

    /// Gateways that are connected, and whether they are told to go elsewhere.
    async fn gateways(&self) -> (Vec<String>, bool) {
        let (done, wait) = oneshot::channel();
        let _ = self.told.send(Told::Show { done }).await;
        wait.await.unwrap_or_default()
    }

    /// Sends gateways elsewhere, or takes them again.
    pub async fn set_draining(&self, on: bool) {
        // The loop may have ended.
        let _ = self.told.send(Told::Drain { on }).await;
    }

    fn config(&self) -> Config {
        self.config.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Realms that the configuration names: those of home networks and of their equipment registers.
    pub fn realms(&self) -> BTreeSet<String> {
        let config = self.config();
        let of = |network: &feg_relay::Network| [Some(network.realm.clone()), network.equipment_realm.clone()];
        config.networks.0.iter().flat_map(of).flatten().collect()
    }

    /// The state for an orchestrator, JSON.
    pub async fn state(&self, statuses: &[(PeerStatus, Vec<String>)], realms: &[Realm]) -> String {
        let (gateways, draining) = self.gateways().await;
        let peers: Vec<_> = statuses.iter().take(128).map(|(peer, realms)| peer_json(peer, realms)).collect();
        let config = self.config();
        json!({
            "version": env!("CARGO_PKG_VERSION"),
            "role": "federation",
            "name": config.local.host,
            "started_at": self.started_at,
            "draining": draining,
            "gateways": gateways.iter().take(256).collect::<Vec<_>>(),
            "networks": config.networks.0.iter().take(128).map(|it| it.plmn.to_string()).collect::<Vec<_>>(),
            "peers": peers,
            "realms": realms,
        })
        .to_string()
    }

    /// The realm that somebody means by its name, by its network, or by one of its peers.
    fn realm(&self, wanted: &str, statuses: &[(PeerStatus, Vec<String>)]) -> (String, Option<String>) {
        if let Some((peer, realms)) = statuses.iter().find(|(peer, _)| peer.host.eq_ignore_ascii_case(wanted)) {
            let own = peer.host.split_once('.').map_or("", |(_, realm)| realm);
            let realm = realms.iter().find(|realm| *realm != "*").map_or(own, String::as_str);
            return (realm.to_owned(), Some(peer.host.clone()));
        }
        let network = wanted.parse::<Plmn>().ok();
        let config = self.config();
        let known = network.and_then(|plmn| config.networks.0.iter().find(|network| network.plmn == plmn));
        let realm = match (known, network) {
            (Some(network), _) => network.realm.clone(),
            (None, Some(plmn)) => realm_of(plmn),
            (None, None) => wanted.to_owned(),
        };
        (realm, None)
    }

    /// Asks a realm, or a peer by its name, for vectors of a subscriber that nobody has.
    ///
    /// # Errors
    /// There is no answer, or none that can be read.
    pub async fn ping(&self, wanted: &str) -> Result<api::TestPingResponse, Status> {
        let statuses = self.statuses().await;
        let (realm, host) = self.realm(wanted, &statuses);
        let number = self.pings.fetch_add(1, Ordering::Relaxed);
        let config = self.config();
        let local = &config.local;
        let session = format!("{};ping;{number}", local.host);
        let to = To {
            host: &local.host,
            realm: &local.realm,
            session: &session,
            destination_host: host.as_deref(),
            destination_realm: &realm,
        };
        // A network that does not exist (TS 23.003 §2.2: 999 is for internal use), and nobody in it.
        let (Ok(imsi), Ok(visited)) = (Imsi::new(999_999_999_999_999, 15), Plmn::new(999, 99, 2)) else {
            return Err(Status::internal("no such IMSI"));
        };
        let octets = feg_s6a::authentication(&to, Visit { imsi, visited }, 1, false, None);
        let answered = self.peers.clone().request(octets, number, PATIENCE).await;
        let answered = answered.map_err(|why| Status::unavailable(format!("no answer from {wanted}: {why:?}")))?;
        let outcome = Message::decode(&answered.octets, &Limits::default()).and_then(|message| message.outcome());
        let result = match outcome {
            Ok(Outcome::Base(code)) => result(0, code.0),
            Ok(Outcome::Experimental { vendor, code }) => result(vendor, code),
            Err(error) => return Err(Status::data_loss(format!("the answer cannot be read: {error}"))),
        };
        let peer = statuses.get(answered.peer.0).map(|(peer, _)| peer.host.clone()).unwrap_or_default();
        let took = u64::try_from(answered.took.as_micros()).unwrap_or(u64::MAX);
        Ok(api::TestPingResponse { peer, took, result })
    }
}

fn peer_json(peer: &PeerStatus, realms: &[String]) -> serde_json::Value {
    let results: serde_json::Map<String, serde_json::Value> =
        peer.results.iter().map(|((vendor, code), count)| (result(*vendor, *code), (*count).into())).collect();
    json!({
        "host": peer.host,
        "up": peer.up,
        "since": peer.since,
        "lost": peer.lost.map(|why| format!("{why:?}")),
        "losses": peer.losses,
        "answers": peer.answers,
        "requests": peer.requests,
        "results": results,
        "latency_mean_us": peer.latency_micros.checked_div(peer.answers).unwrap_or(0),
        "latency_bounds_us": BUCKETS_MICROS,
        "latency_counts": peer.latency,
        "realms": realms,
    })
}

/// A result as people write it.
pub fn result(vendor: u32, code: u32) -> String {
    match vendor {
        0 => code.to_string(),
        u32::MAX => "other".to_owned(),
        vendor => format!("{vendor}/{code}"),
    }
}

fn show(status: PeerStatus, realms: Vec<String>) -> api::Peer {
    api::Peer {
        host: status.host,
        up: status.up,
        since: status.since,
        lost: status.lost.map(|why| format!("{why:?}")).unwrap_or_default(),
        losses: status.losses,
        answers: status.answers,
        requests: status.requests,
        results: status.results.iter().map(|((vendor, code), count)| (result(*vendor, *code), *count)).collect(),
        latency_bounds: BUCKETS_MICROS.to_vec(),
        latency_counts: status.latency.to_vec(),
        latency_mean: status.latency_micros.checked_div(status.answers).unwrap_or(0),
        realms,
    }
}

#[tonic::async_trait]
impl FederationOperator for Service {
    async fn list_peers(
        &self,
        _request: Request<api::ListPeersRequest>,
    ) -> Result<Response<api::ListPeersResponse>, Status> {
        let statuses = self.operator.statuses().await;
        let peers = statuses.into_iter().map(|(status, realms)| show(status, realms)).collect();
        let (gateways, draining) = self.operator.gateways().await;
        let name = self.operator.config().local.host;
        let link = self.cloud.as_ref().map(Cloud::status).unwrap_or_default();
        let orchestrator = link.identity.map(|(network, name)| format!("{network}/{name}")).unwrap_or_default();
        let (managed, trouble) = (link.talking, link.trouble);
        Ok(Response::new(api::ListPeersResponse { name, draining, peers, gateways, orchestrator, managed, trouble }))
    }

    async fn test_ping(
        &self,
        request: Request<api::TestPingRequest>,
    ) -> Result<Response<api::TestPingResponse>, Status> {
        self.operator.ping(&request.into_inner().realm).await.map(Response::new)
    }

    async fn drain(&self, request: Request<api::DrainRequest>) -> Result<Response<api::DrainResponse>, Status> {
        self.operator.set_draining(request.into_inner().on).await;
        Ok(Response::new(api::DrainResponse {}))
    }

    async fn join(&self, request: Request<api::JoinRequest>) -> Result<Response<api::JoinResponse>, Status> {
        let cloud = self.cloud.as_ref();
        let cloud = cloud.ok_or_else(|| Status::failed_precondition("there is no place for keys: set `state_dir`"))?;
        let joined = cloud.join(&request.into_inner().token).await;
        let (network, name) = joined.map_err(Status::failed_precondition)?;
        Ok(Response::new(api::JoinResponse { network, name }))
    }

    type TraceStream = ReceiverStream<Result<api::TracedMessage, Status>>;

    async fn trace(&self, request: Request<api::TraceRequest>) -> Result<Response<Self::TraceStream>, Status> {
        let imsi = request.into_inner().imsi.parse().map_err(|_| Status::invalid_argument("that is no IMSI"))?;
        let (sender, mut seen) = mpsc::channel(TRACED);
        let begun = self.operator.told.send(Told::Trace { imsi, sender }).await;
        begun.map_err(|_| Status::unavailable("fegd is stopping"))?;
        let (out, messages) = mpsc::channel(TRACED);
        tokio::spawn(async move {
            loop {
                let message = tokio::select! {
                    message = seen.recv() => message,
                    // Who looked has gone: the trace ends.
                    () = out.closed() => return,
                };
                let Some(message) = message else { return };
                if out.send(Ok(message)).await.is_err() {
                    return;
                }
            }
        });
        Ok(Response::new(ReceiverStream::new(messages)))
    }
}
