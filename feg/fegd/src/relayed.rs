//! Streams of gateways that have no route to us: an orchestrator passes them on, each under a number.

use crate::drive::Told;
use crate::gateways::{Numbers, OUTGOING, Outgoing, news};
use basalt_cloud_link::{DeviceKey, TcpDial, secure_channel};
use basalt_cloud_sync::{Denial, Identity};
use basalt_control_api::federation::v1 as api;
use basalt_control_api::federation::v1::federation_relay_client::FederationRelayClient;
use feg_relay::GatewayId;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use tokio_stream::wrappers::ReceiverStream;
use tonic::Status;

/// Messages on their way to the orchestrator.
const TO_ORCHESTRATOR: usize = 8192;
/// How long a stream may take to be made.
const PATIENCE: Duration = Duration::from_secs(10);
/// The orchestrator asks every few seconds whether we are there; one that is silent for so long is gone.
const SILENCE: Duration = Duration::from_secs(20);
/// Between two tries: this at first, twice as long each time, up to that.
const FIRST: Duration = Duration::from_millis(100);
const LONGEST: Duration = Duration::from_secs(5);

/// Serves them for as long as the daemon runs, once it has joined.
pub async fn run(
    key: DeviceKey,
    mut joined: watch::Receiver<Option<Identity>>,
    told: mpsc::Sender<Told>,
    numbers: Numbers,
) {
    let mut pause = FIRST;
    loop {
        let Ok(identity) = joined.wait_for(Option::is_some).await.map(|identity| identity.clone()) else { return };
        let Some(identity) = identity else { continue };
        let mut streams = Streams { told: told.clone(), numbers: numbers.clone(), open: HashMap::new() };
        match streams.serve(&key, &identity).await {
            Ok(()) => pause = FIRST,
            Err(why) => tracing::info!(why, "the orchestrator passes on no streams of gateways; it is tried again"),
        }
        streams.end().await;
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(LONGEST);
    }
}

struct Streams {
    told: mpsc::Sender<Told>,
    numbers: Numbers,
    open: HashMap<u64, GatewayId>,
}

impl Streams {
    /// One connection, from its beginning to its end. An error when it never stood.
    async fn serve(&mut self, key: &DeviceKey, identity: &Identity) -> Result<(), String> {
        let late = |_| "it does not answer".to_owned();
        let dial = Arc::new(TcpDial);
        let channel = tokio::time::timeout(PATIENCE, secure_channel(&dial, identity, key)).await.map_err(late)?;
        let channel = channel.map_err(|denial| match denial {
            Denial::Unreachable(why) | Denial::Refused(why) => why,
            Denial::Later(_) => "it is busy".to_owned(),
        })?;
        let (out, messages) = mpsc::channel(TO_ORCHESTRATOR);
        let mut client = FederationRelayClient::new(channel);
        let serving = tokio::time::timeout(PATIENCE, client.serve(ReceiverStream::new(messages))).await;
        let words = |status: Status| status.message().to_owned();
        let mut stream = serving.map_err(late)?.map_err(words)?.into_inner();
        tracing::info!("the orchestrator passes on streams of gateways");
        while let Ok(Ok(Some(message))) = tokio::time::timeout(SILENCE, stream.message()).await {
            if self.hear(message, &out).await.is_none() {
                break;
            }
        }
        Ok(())
    }

    /// `None` when nobody hears us any more.
    async fn hear(&mut self, message: api::ToFeg, out: &mpsc::Sender<api::FromFeg>) -> Option<()> {
        use api::to_feg::Kind;
        let number = message.stream;
        match message.kind {
            None => out.try_send(api::FromFeg { stream: number, kind: None }).ok()?,
            Some(Kind::Opened(hello)) => {
                let gateway = self.numbers.next();
                let (sender, outgoing) = mpsc::channel(OUTGOING);
                tokio::spawn(pass(number, outgoing, out.clone()));
                if let Some(former) = self.open.insert(number, gateway) {
                    self.told.send(Told::GatewayDown { gateway: former }).await.ok()?;
                }
                let up = Told::GatewayUp { gateway, name: hello.gateway, life: hello.life, sender };
                self.told.send(up).await.ok()?;
            }
            Some(Kind::Message(message)) => {
                let gateway = *self.open.get(&number)?;
                if let Some(news) = news(gateway, message) {
                    self.told.send(news).await.ok()?;
                }
            }
            Some(Kind::Closed(_)) => {
                if let Some(gateway) = self.open.remove(&number) {
                    self.told.send(Told::GatewayDown { gateway }).await.ok()?;
                }
            }
        }
        Some(())
    }

    async fn end(self) {
        for gateway in self.open.into_values() {
            // The loop may have ended.
            let _ = self.told.send(Told::GatewayDown { gateway }).await;
        }
    }
}

/// Passes on what goes to one gateway, until the loop has done with it.
async fn pass(stream: u64, mut outgoing: mpsc::Receiver<Outgoing>, out: mpsc::Sender<api::FromFeg>) {
    let from = |kind| api::FromFeg { stream, kind: Some(kind) };
    while let Some(Ok(message)) = outgoing.recv().await {
        if out.send(from(api::from_feg::Kind::Message(message))).await.is_err() {
            return;
        }
    }
    // Without the connection, the stream is over anyway.
    let _ = out.send(from(api::from_feg::Kind::Closed(api::Closed {}))).await;
}
