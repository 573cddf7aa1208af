//! A gateway at one replica, its federation gateway at the other, as processes over one PostgreSQL; one is killed with -9.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

#[path = "../../db/tests/postgres/mod.rs"]
mod postgres;
mod processes;
#[path = "../../fleet/tests/world/mod.rs"]
mod world;

use basalt_cloud_link::{TcpDial, secure_channel};
use basalt_control_api::federation::v1 as api;
use basalt_control_api::federation::v1::federation_client::FederationClient;
use basalt_control_api::federation::v1::federation_relay_client::FederationRelayClient;
use processes::{Replica, made};
use serde_json::json;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::Channel;
use tonic::{Status, Streaming};
use world::{Gateway, PATIENCE, until};

/// A phone's attach waits for longer than this for its vectors.
const DEADLINE: Duration = Duration::from_secs(4);

/// One that joined, and can show its certificate to any replica.
async fn joined(replica: &Replica, session: &str, name: &str, seed: u8) -> Gateway {
    let wanted = json!({"tier": "stable", "hours": 1, "gateway": name});
    let token = made(&replica.address, "POST /api/v1/networks/lab/gateway-tokens", session, wanted).await;
    let gateway = Gateway::new(name);
    gateway.start(Some(token["token"].as_str().unwrap().parse().unwrap()), seed);
    until("joined", async || gateway.disk.identity.lock().unwrap().is_some().then_some(())).await;
    gateway
}

/// A connection of a gateway's to a replica, once that is there.
async fn channel(gateway: &Gateway, replica: &Replica) -> Channel {
    let mut identity = gateway.disk.identity.lock().unwrap().clone().unwrap();
    identity.address.clone_from(&replica.gateways);
    until("a connection", async || secure_channel(&Arc::new(TcpDial), &identity, &gateway.key).await.ok()).await
}

/// What a federation gateway says to an orchestrator and hears from it.
struct Feg {
    send: mpsc::Sender<api::FromFeg>,
    receive: Streaming<api::ToFeg>,
}

impl Feg {
    async fn serve(channel: Channel) -> Self {
        let (send, messages) = mpsc::channel(64);
        let serving = FederationRelayClient::new(channel).serve(ReceiverStream::new(messages)).await;
        Self { send, receive: serving.unwrap().into_inner() }
    }

    /// Answers everything that is asked, and asks for each request that comes that the phone go, until the connection ends.
    async fn work(mut self) {
        while let Ok(Some(told)) = self.receive.message().await {
            let messages = match told.kind {
                Some(api::to_feg::Kind::Opened(hello)) => {
                    assert_eq!(hello.gateway, "mast", "the name is that of the certificate, over replicas too");
                    vec![api::to_gateway::Message::Welcome(api::Welcome { name: "feg1".to_owned(), draining: false })]
                }
                Some(api::to_feg::Kind::Message(api::FromGateway {
                    message: Some(api::from_gateway::Message::Request(request)),
                })) => {
                    let cancel = api::home_request::Kind::Cancel(api::Cancel { kind: 1, reattach: false });
                    let home =
                        api::HomeRequest { id: request.id, imsi: request.imsi, kind: Some(cancel), insert_flags: 0 };
                    let done = Some(api::answer::Kind::Done(api::Done {}));
                    vec![
                        api::to_gateway::Message::HomeRequest(home),
                        api::to_gateway::Message::Answer(api::Answer { id: request.id, kind: done }),
                    ]
                }
                None => {
                    let _ = self.send.send(api::FromFeg { stream: told.stream, kind: None }).await;
                    continue;
                }
                _ => continue,
            };
            for message in messages {
                let kind = Some(api::from_feg::Kind::Message(api::ToGateway { message: Some(message) }));
                let _ = self.send.send(api::FromFeg { stream: told.stream, kind }).await;
            }
        }
    }
}

/// A gateway's stream.
struct Stream {
    send: mpsc::Sender<api::FromGateway>,
    receive: Streaming<api::ToGateway>,
}

impl Stream {
    /// One that is welcomed.
    async fn open(channel: Channel) -> Self {
        let (send, messages) = mpsc::channel(64);
        let hello =
            api::Hello { gateway: "mast".to_owned(), life: 7, feg: "feg1".to_owned(), network: "other".to_owned() };
        send.send(api::FromGateway { message: Some(api::from_gateway::Message::Hello(hello)) }).await.unwrap();
        let opened = FederationClient::new(channel).converse(ReceiverStream::new(messages)).await.unwrap();
        let mut stream = Self { send, receive: opened.into_inner() };
        let first = stream.next().await.unwrap();
        assert!(matches!(first, api::to_gateway::Message::Welcome(_)), "{first:?}");
        stream
    }

    async fn next(&mut self) -> Result<api::to_gateway::Message, Status> {
        let message = tokio::time::timeout(PATIENCE, self.receive.message()).await.expect("nothing is said")?;
        message.and_then(|message| message.message).ok_or_else(|| Status::unavailable("it ended"))
    }

    /// Both directions; how long both took.
    async fn ask(&mut self, id: u64) -> Duration {
        let began = Instant::now();
        let request = api::Request { id, within_ms: 4000, imsi: "999700000000001".to_owned(), ..Default::default() };
        let request = api::FromGateway { message: Some(api::from_gateway::Message::Request(request)) };
        self.send.send(request).await.unwrap();
        let home = self.next().await.unwrap();
        assert!(matches!(home, api::to_gateway::Message::HomeRequest(home) if home.id == id));
        let answer = self.next().await.unwrap();
        assert!(matches!(answer, api::to_gateway::Message::Answer(answer) if answer.id == id));
        began.elapsed()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gateway_reaches_a_federation_gateway_that_another_replica_serves() {
    let server = match postgres::Server::start() {
        Ok(server) => server,
        Err(reason) => return println!("skipped: {reason}"),
    };
    let folder = tempfile::tempdir().unwrap();
    let (one, mut other, session) = processes::pair(folder.path(), &server.address()).await;
    let feg = json!({"tier": "stable", "feg": {"host": "feg1.example.net", "realm": "example.net"}});
    made(&one.address, "PUT /api/v1/networks/lab/gateways/feg1", &session, feg).await;
    let (mast, feg1) = (joined(&one, &session, "mast", 1).await, joined(&other, &session, "feg1", 2).await);
    let working = tokio::spawn(Feg::serve(channel(&feg1, &other).await).await.work());
    let mut stream = Stream::open(channel(&mast, &one).await).await;
    let took = stream.ask(1).await;
    assert!(took < DEADLINE, "{took:?}");
    println!("over two replicas, both directions: {took:?}");
    // The replica dies that the federation gateway was connected to: the gateway hears it at once.
    other.kill();
    let died = Instant::now();
    let ended = stream.next().await;
    assert_eq!(ended.unwrap_err().code(), tonic::Code::Unavailable);
    assert!(died.elapsed() < DEADLINE, "{:?}", died.elapsed());
    working.await.unwrap();
    // The federation gateway goes to the other one.
    let working = tokio::spawn(Feg::serve(channel(&feg1, &one).await).await.work());
    let mut stream = Stream::open(channel(&mast, &one).await).await;
    stream.ask(2).await;
    // The replica is back, and the gateway is at that one now.
    other.start();
    let mut over = Stream::open(channel(&mast, &other).await).await;
    over.ask(3).await;
    stream.ask(4).await;
    working.abort();
}
