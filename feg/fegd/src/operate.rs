//! For those who operate it: a control socket with peers, test requests and drain.

use crate::drive::Told;
use anyhow::Context as _;
use basalt_control_api::federation::v1 as api;
use basalt_control_api::federation::v1::federation_operator_server::{FederationOperator, FederationOperatorServer};
use basalt_diameter::{Limits, Message, Outcome};
use basalt_diameter_link::{BUCKETS_MICROS, Handler, PeerStatus};
use basalt_ids::{Imsi, Plmn};
use feg_s6a::{To, Visit, realm_of};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::net::UnixListener;
use tokio::sync::{mpsc, oneshot};
use tokio_stream::wrappers::UnixListenerStream;
use tonic::transport::Server;
use tonic::{Request, Response, Status};

/// How long a test request waits.
const PATIENCE: Duration = Duration::from_secs(5);

/// The service.
#[derive(Debug)]
pub struct Operator {
    handler: Handler,
    config: feg_relay::Config,
    realms: Vec<Vec<String>>,
    pings: AtomicU64,
    told: Option<mpsc::Sender<Told>>,
}

impl Operator {
    /// For these peers, whose realms are those.
    pub fn new(handler: Handler, config: feg_relay::Config, realms: Vec<Vec<String>>) -> Self {
        Self { handler, config, realms, pings: AtomicU64::new(0), told: None }
    }

    /// Serves on a socket that only root and its group may open.
    ///
    /// # Errors
    /// The socket cannot be made.
    pub async fn serve(mut self, path: &Path, told: mpsc::Sender<Told>) -> anyhow::Result<()> {
        self.told = Some(told);
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
        }
        // One of an earlier life; a living daemon would still hold its other ports.
        let _ = std::fs::remove_file(path);
        let listener = UnixListener::bind(path).with_context(|| format!("cannot listen on {}", path.display()))?;
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o660))?;
        let service = FederationOperatorServer::new(self);
        tokio::spawn(async move {
            let served = Server::builder().add_service(service);
            if let Err(error) = served.serve_with_incoming(UnixListenerStream::new(listener)).await {
                tracing::error!(%error, "the control socket failed");
            }
        });
        Ok(())
    }

    /// The realm that somebody means by its name or by its network.
    fn realm(&self, wanted: &str) -> String {
        let network = wanted.parse::<Plmn>().ok();
        let known = network.and_then(|plmn| self.config.networks.0.iter().find(|network| network.plmn == plmn));
        match (known, network) {
            (Some(network), _) => network.realm.clone(),
            (None, Some(plmn)) => realm_of(plmn),
            (None, None) => wanted.to_owned(),
        }
    }
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
impl FederationOperator for Operator {
    async fn list_peers(
        &self,
        _request: Request<api::ListPeersRequest>,
    ) -> Result<Response<api::ListPeersResponse>, Status> {
        let mut realms = self.realms.iter().cloned();
        let statuses = self.handler.peers().await.into_iter();
        let peers = statuses.map(|status| show(status, realms.next().unwrap_or_default())).collect();
        let (done, wait) = oneshot::channel();
        if let Some(told) = &self.told {
            let _ = told.send(Told::Show { done }).await;
        }
        let (gateways, draining) = wait.await.unwrap_or_default();
        Ok(Response::new(api::ListPeersResponse { name: self.config.local.host.clone(), draining, peers, gateways }))
    }

    async fn test_ping(
        &self,
        request: Request<api::TestPingRequest>,
    ) -> Result<Response<api::TestPingResponse>, Status> {
        let realm = self.realm(&request.into_inner().realm);
        let number = self.pings.fetch_add(1, Ordering::Relaxed);
        let local = &self.config.local;
        let session = format!("{};ping;{number}", local.host);
        let to = To {
            host: &local.host,
            realm: &local.realm,
            session: &session,
            destination_host: None,
            destination_realm: &realm,
        };
        // A network that does not exist (TS 23.003 §2.2: 999 is for internal use), and nobody in it.
        let (Ok(imsi), Ok(visited)) = (Imsi::new(999_999_999_999_999, 15), Plmn::new(999, 99, 2)) else {
            return Err(Status::internal("no such IMSI"));
        };
        let octets = feg_s6a::authentication(&to, Visit { imsi, visited }, 1, false, None);
        let answered = self.handler.request(octets, number, PATIENCE).await;
        let answered = answered.map_err(|why| Status::unavailable(format!("no answer from {realm}: {why:?}")))?;
        let outcome = Message::decode(&answered.octets, &Limits::default()).and_then(|message| message.outcome());
        let result = match outcome {
            Ok(Outcome::Base(code)) => result(0, code.0),
            Ok(Outcome::Experimental { vendor, code }) => result(vendor, code),
            Err(error) => return Err(Status::data_loss(format!("the answer cannot be read: {error}"))),
        };
        let peers = self.handler.peers().await;
        let peer = peers.get(answered.peer.0).map(|peer| peer.host.clone()).unwrap_or_default();
        let took = u64::try_from(answered.took.as_micros()).unwrap_or(u64::MAX);
        Ok(Response::new(api::TestPingResponse { peer, took, result }))
    }

    async fn drain(&self, request: Request<api::DrainRequest>) -> Result<Response<api::DrainResponse>, Status> {
        if let Some(told) = &self.told {
            let _ = told.send(Told::Drain { on: request.into_inner().on }).await;
        }
        Ok(Response::new(api::DrainResponse {}))
    }
}
