//! One stream to one federation gateway, for ever made anew.

use super::{heard, lost};
use crate::gateway::Job;
use agw_federation::Feg;
use anyhow::{Context as _, Result};
use basalt_cloud_link::{DeviceKey, TcpDial, client_config, secure_channel};
use basalt_cloud_sync::{Denial, Identity};
use basalt_control_api::federation::v1 as api;
use basalt_control_api::federation::v1::federation_client::FederationClient;
use basalt_control_api::orchestrator::member_name;
use hyper_util::rt::TokioIo;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::{mpsc, oneshot};
use tokio::task::AbortHandle;
use tokio_rustls::TlsConnector;
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::{Channel, Endpoint};

/// Messages that wait for the stream.
const OUTGOING: usize = 4096;
/// How long a connection may take to be made, and a stream to be welcomed.
const PATIENCE: Duration = Duration::from_secs(5);
/// Between two tries: this at first, twice as long each time, up to that.
const FIRST: Duration = Duration::from_millis(100);
const LONGEST: Duration = Duration::from_secs(5);

/// What a stream is made with.
#[derive(Clone)]
pub struct Plan {
    pub feg: Feg,
    pub name: String,
    pub way: Way,
    pub gateway: String,
    pub life: u64,
    pub jitter: u64,
    pub task_number: u64,
}

/// How a federation gateway is reached.
#[derive(Clone)]
pub enum Way {
    /// By itself.
    Straight { address: String, tls: Option<TlsConnector> },
    /// By itself, with the certificates that both have from the orchestrator; the key with which this gateway joined it.
    Joined { address: String, key: DeviceKey },
    /// The orchestrator passes on what is said; the key with which this gateway joined it.
    Orchestrator(DeviceKey),
}

trait Io: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Io for T {}

/// Our certificate, and the authority of the federation gateways'.
///
/// # Errors
/// A file cannot be read, or they do not fit together.
pub fn tls(certificate: &Path, key: &Path, authority: &Path) -> Result<TlsConnector> {
    let read = |path: &Path| {
        let list = CertificateDer::pem_file_iter(path).and_then(Iterator::collect::<Result<Vec<_>, _>>);
        list.with_context(|| format!("cannot read {}", path.display()))
    };
    let mut roots = RootCertStore::empty();
    for root in read(authority)? {
        roots.add(root)?;
    }
    let key = PrivateKeyDer::from_pem_file(key).with_context(|| format!("cannot read {}", key.display()))?;
    let mut config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .with_root_certificates(roots)
        .with_client_auth_cert(read(certificate)?, key)?;
    config.alpn_protocols = vec![b"h2".to_vec()];
    Ok(Arc::new(config).into())
}

/// Starts it; what is to be sent goes into the sender, and is lost while there is no stream.
pub fn spawn(plan: Plan, jobs: mpsc::Sender<Job>) -> (mpsc::Sender<api::FromGateway>, AbortHandle) {
    let (sender, mut outgoing) = mpsc::channel(OUTGOING);
    let task = tokio::spawn(async move {
        let mut pause = FIRST;
        loop {
            match converse(&plan, &jobs, &mut outgoing).await {
                Ok(()) => pause = FIRST,
                Err(error) => {
                    tracing::info!(feg = plan.name, error = format!("{error:#}"), "no stream to a federation gateway");
                }
            }
            let (feg, task_number) = (plan.feg, plan.task_number);
            if jobs.send(Box::new(move |gateway| lost(gateway, feg, task_number))).await.is_err() {
                return;
            }
            // What was meant for the old stream is asked anew on the next.
            while outgoing.try_recv().is_ok() {}
            tokio::time::sleep(pause + Duration::from_millis(plan.jitter % 50)).await;
            pause = (pause * 2).min(LONGEST);
        }
    });
    (sender, task.abort_handle())
}

/// One stream, from its beginning to its end. An error when it never stood.
async fn converse(
    plan: &Plan,
    jobs: &mpsc::Sender<Job>,
    outgoing: &mut mpsc::Receiver<api::FromGateway>,
) -> Result<()> {
    let mut gateway = plan.gateway.clone();
    let channel = match &plan.way {
        Way::Straight { address, tls } => straight(&plan.name, address, tls.as_ref()).await?,
        Way::Joined { address, key } => {
            let identity = identity(jobs).await?;
            let tls = TlsConnector::from(Arc::new(client_config(&identity, key)?));
            let name = member_name(&identity.network, &plan.name);
            // Who it is its certificate says.
            gateway = identity.gateway;
            straight(&name, address, Some(&tls)).await?
        }
        Way::Orchestrator(key) => through_orchestrator(key, jobs).await?,
    };
    let (sender, receiver) = mpsc::channel(OUTGOING);
    let feg = plan.name.clone();
    let hello = api::Hello { gateway, life: plan.life, feg, ..api::Hello::default() };
    sender.try_send(api::FromGateway { message: Some(api::from_gateway::Message::Hello(hello)) })?;
    let mut client = FederationClient::new(channel);
    let stream = tokio::time::timeout(PATIENCE, client.converse(ReceiverStream::new(receiver))).await;
    let mut stream = stream.context("it does not answer")??.into_inner();
    let first = match &plan.way {
        Way::Straight { .. } | Way::Joined { .. } => {
            tokio::time::timeout(PATIENCE, stream.message()).await.context("it says nothing")?
        }
        // It is silent until the federation gateway is there.
        Way::Orchestrator(_) => stream.message().await,
    };
    let first = first?;
    let mut next = Some(first.context("it ended the stream")?);
    tracing::info!(feg = plan.name, "a federation gateway is connected");
    loop {
        if let Some(message) = next.take() {
            let (feg, task_number) = (plan.feg, plan.task_number);
            if jobs.send(Box::new(move |gateway| heard(gateway, feg, task_number, message))).await.is_err() {
                return Ok(());
            }
        }
        tokio::select! {
            message = stream.message() => match message {
                Ok(Some(message)) => next = Some(message),
                Ok(None) | Err(_) => return Ok(()),
            },
            message = outgoing.recv() => match message {
                Some(message) => sender.send(message).await.context("the stream takes nothing")?,
                None => return Ok(()),
            },
        }
    }
}

async fn straight(name: &str, address: &str, tls: Option<&TlsConnector>) -> Result<Channel> {
    let (name, address, tls) = (name.to_owned(), address.to_owned(), tls.cloned());
    let connector = tower::service_fn(move |_: tonic::codegen::http::Uri| {
        let (name, address, tls) = (name.clone(), address.clone(), tls.clone());
        async move { dial(&name, &address, tls).await.map(TokioIo::new) }
    });
    let endpoint = Endpoint::from_static("http://federation")
        .http2_keep_alive_interval(Duration::from_secs(5))
        .keep_alive_timeout(Duration::from_secs(3))
        .keep_alive_while_idle(true);
    let connected = tokio::time::timeout(PATIENCE, endpoint.connect_with_connector(connector)).await;
    Ok(connected.context("it does not answer")??)
}

/// Who this gateway is to the orchestrator.
async fn identity(jobs: &mpsc::Sender<Job>) -> Result<Identity> {
    let (done, wait) = oneshot::channel::<Option<Identity>>();
    let job: Job = Box::new(move |gateway| {
        // Whoever asked may have gone.
        let _ = done.send(gateway.managed.identity().cloned());
    });
    jobs.send(job).await.ok().context("the gateway is ending")?;
    wait.await.ok().flatten().context("this gateway has not joined an orchestrator")
}

async fn through_orchestrator(key: &DeviceKey, jobs: &mpsc::Sender<Job>) -> Result<Channel> {
    let identity = identity(jobs).await?;
    let dial = Arc::new(TcpDial);
    let channel = tokio::time::timeout(PATIENCE, secure_channel(&dial, &identity, key)).await;
    channel.context("the orchestrator does not answer")?.map_err(|denial| match denial {
        Denial::Unreachable(why) | Denial::Refused(why) => anyhow::anyhow!("the orchestrator: {why}"),
        Denial::Later(_) => anyhow::anyhow!("the orchestrator is busy"),
    })
}

async fn dial(name: &str, address: &str, tls: Option<TlsConnector>) -> io::Result<Box<dyn Io>> {
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    let Some(tls) = tls else { return Ok(Box::new(stream)) };
    let name = ServerName::try_from(name.to_owned()).map_err(io::Error::other)?;
    Ok(Box::new(tls.connect(name, stream).await?))
}
