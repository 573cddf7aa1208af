//! What gateways and federation gateways say to each other through an orchestrator, over real TLS on the loopback.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod world;

use basalt_cloud_link::{TcpDial, client_config, secure_channel};
use basalt_control_api::federation::v1 as api;
use basalt_control_api::federation::v1::federation_client::FederationClient;
use basalt_control_api::federation::v1::federation_relay_client::FederationRelayClient;
use basalt_control_api::orchestrator::REPLICA_NAME;
use orchestrator_model::Kind;
use rustls::pki_types::ServerName;
use serde_json::json;
use std::sync::Arc;
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio_rustls::TlsConnector;
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::Channel;
use tonic::{Code, Streaming};
use world::{FAR, Gateway, Ground, PATIENCE, Replica, quick, until};

/// Joins and gives a channel by the certificate.
async fn joined(ground: &Ground, replica: &Replica, name: &str, seed: u8) -> (Gateway, Channel) {
    let secret = ground.token("lab", name, FAR).await;
    let gateway = Gateway::new(name);
    gateway.start(Some(replica.token(&secret)), seed);
    until("in sync", async || ground.in_sync("lab", name).await.then_some(())).await;
    let identity = gateway.disk.identity.lock().unwrap().clone().unwrap();
    let channel = secure_channel(&Arc::new(TcpDial), &identity, &gateway.key).await.unwrap();
    (gateway, channel)
}

struct Feg {
    send: mpsc::Sender<api::FromFeg>,
    receive: Streaming<api::ToFeg>,
}

impl Feg {
    async fn serve(channel: Channel) -> Self {
        let (send, messages) = mpsc::channel(64);
        let receive =
            FederationRelayClient::new(channel).serve(ReceiverStream::new(messages)).await.unwrap().into_inner();
        Self { send, receive }
    }

    /// The next message that is not the question whether we are there.
    async fn next(&mut self) -> (u64, api::to_feg::Kind) {
        loop {
            let told = tokio::time::timeout(PATIENCE, self.receive.message()).await.unwrap().unwrap().unwrap();
            if let Some(kind) = told.kind {
                return (told.stream, kind);
            }
            self.send.send(api::FromFeg { stream: told.stream, kind: None }).await.unwrap();
        }
    }

    async fn welcome(&mut self, stream: u64) {
        let welcome = api::to_gateway::Message::Welcome(api::Welcome { name: "feg1".to_owned(), draining: false });
        let message = api::ToGateway { message: Some(welcome) };
        let kind = Some(api::from_feg::Kind::Message(message));
        self.send.send(api::FromFeg { stream, kind }).await.unwrap();
    }
}

/// A stream of a gateway that wants a federation gateway of this name.
async fn converse(channel: Channel, feg: &str) -> (mpsc::Sender<api::FromGateway>, Streaming<api::ToGateway>) {
    let (send, messages) = mpsc::channel(64);
    let hello =
        api::Hello { gateway: "somebody else".to_owned(), life: 7, feg: feg.to_owned(), ..api::Hello::default() };
    send.send(api::FromGateway { message: Some(api::from_gateway::Message::Hello(hello)) }).await.unwrap();
    let stream = FederationClient::new(channel).converse(ReceiverStream::new(messages)).await.unwrap().into_inner();
    (send, stream)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_speaks_to_a_federation_gateway_and_hears_when_it_goes() {
    let ground = Ground::new().await;
    let replica = Replica::start(&ground.db, quick()).await;
    let feg = json!({"tier": "stable", "feg": {"host": "feg1.example.net", "realm": "example.net"}});
    ground.put(Kind::Gateway, "lab", "feg1", feg).await;
    let (_mast, mast) = joined(&ground, &replica, "mast", 1).await;
    let (feg1, relayed) = joined(&ground, &replica, "feg1", 2).await;
    assert!(feg1.disk.subscribers().is_empty(), "it has nobody's keys");
    // It waits for one that is away.
    let (send, mut stream) = converse(mast.clone(), "feg1").await;
    let mut feg = Feg::serve(relayed.clone()).await;
    let (number, opened) = feg.next().await;
    let api::to_feg::Kind::Opened(hello) = opened else { panic!("{opened:?}") };
    assert_eq!((hello.gateway.as_str(), hello.life), ("mast", 7), "the name is that of the certificate");
    feg.welcome(number).await;
    let first = tokio::time::timeout(PATIENCE, stream.message()).await.unwrap().unwrap().unwrap();
    assert!(matches!(first.message, Some(api::to_gateway::Message::Welcome(_))));
    let request = api::Request { id: 3, within_ms: 1000, ..api::Request::default() };
    send.send(api::FromGateway { message: Some(api::from_gateway::Message::Request(request)) }).await.unwrap();
    let (same, message) = feg.next().await;
    assert!(same == number && matches!(message, api::to_feg::Kind::Message(_)));
    // It goes: the gateway hears it at once, and waits for another one on a new stream.
    drop(feg);
    let ended = tokio::time::timeout(PATIENCE, stream.message()).await.unwrap();
    assert_eq!(ended.unwrap_err().code(), Code::Unavailable);
    let (_send, mut stream) = converse(mast, "feg1").await;
    let mut feg = Feg::serve(relayed).await;
    let (number, _) = feg.next().await;
    feg.welcome(number).await;
    assert!(tokio::time::timeout(PATIENCE, stream.message()).await.unwrap().unwrap().is_some());
    // A gateway that goes is told to it.
    drop((_send, stream));
    let (closed, kind) = feg.next().await;
    assert!(closed == number && matches!(kind, api::to_feg::Kind::Closed(_)));
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_a_federation_gateway_who_is_not_made_one() {
    let ground = Ground::new().await;
    let replica = Replica::start(&ground.db, quick()).await;
    let (_mast, mast) = joined(&ground, &replica, "mast", 1).await;
    let (_send, messages) = mpsc::channel::<api::FromFeg>(1);
    let refused = FederationRelayClient::new(mast.clone()).serve(ReceiverStream::new(messages)).await;
    assert_eq!(refused.unwrap_err().code(), Code::PermissionDenied);
    let (_send, mut stream) = converse(mast, "mast").await;
    let refused = tokio::time::timeout(PATIENCE, stream.message()).await.unwrap();
    assert_eq!(refused.unwrap_err().code(), Code::PermissionDenied);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_is_no_replica() {
    let ground = Ground::new().await;
    let replica = Replica::start(&ground.db, quick()).await;
    let (mast, _channel) = joined(&ground, &replica, "mast", 1).await;
    let identity = mast.disk.identity.lock().unwrap().clone().unwrap();
    let tls = TlsConnector::from(Arc::new(client_config(&identity, &mast.key).unwrap()));
    let tcp = TcpStream::connect(&replica.address).await.unwrap();
    let name = ServerName::try_from(REPLICA_NAME).unwrap();
    // The handshake may end on our side before the other has judged the certificate.
    if let Ok(mut stream) = tls.connect(name, tcp).await {
        let read = tokio::time::timeout(PATIENCE, stream.read(&mut [0; 1])).await.unwrap();
        assert!(!matches!(read, Ok(1..)), "it is served");
    }
    until("an alarm", async || ground.events("", "certificate-forged").await.pop().map(|event| assert!(event.alarm)))
        .await;
}
