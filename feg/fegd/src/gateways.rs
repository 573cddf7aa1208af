//! The streams of gateways.

use crate::convert;
use crate::drive::Told;
use crate::incoming::Io;
use basalt_control_api::federation::v1 as api;
use basalt_control_api::federation::v1::federation_server::Federation;
use feg_relay::{AskId, GatewayId};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::mpsc;
use tokio_stream::StreamExt as _;
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::server::Connected;
use tonic::{Request, Response, Status, Streaming};

/// Messages that wait for a gateway; one that lets more wait does not read, and its stream ends.
pub const OUTGOING: usize = 8192;
/// How long a gateway may take to say who it is.
const GREETING: Duration = Duration::from_secs(10);

/// Gives each stream of a gateway a number of its own, wherever it comes from.
#[derive(Debug, Clone, Default)]
pub struct Numbers(Arc<AtomicU64>);

impl Numbers {
    /// The next one.
    pub fn next(&self) -> GatewayId {
        GatewayId(self.0.fetch_add(1, Ordering::Relaxed))
    }
}

/// The service.
#[derive(Debug)]
pub struct Streams {
    told: mpsc::Sender<Told>,
    numbers: Numbers,
}

impl Streams {
    /// Tells everything to the loop.
    pub fn new(told: mpsc::Sender<Told>, numbers: Numbers) -> Self {
        Self { told, numbers }
    }
}

/// What a gateway's stream gives out.
pub type Outgoing = Result<api::ToGateway, Status>;

#[tonic::async_trait]
impl Federation for Streams {
    type ConverseStream = ReceiverStream<Outgoing>;

    async fn converse(
        &self,
        request: Request<Streaming<api::FromGateway>>,
    ) -> Result<Response<Self::ConverseStream>, Status> {
        let peer = request.extensions().get::<<Io as Connected>::ConnectInfo>().cloned();
        let mut stream = request.into_inner();
        let gateway = self.numbers.next();
        let (sender, receiver) = mpsc::channel(OUTGOING);
        let told = self.told.clone();
        // The first message may come after the answer's head: it is waited for beside it.
        tokio::spawn(async move {
            let hello = tokio::time::timeout(GREETING, stream.next()).await;
            let Ok(Some(Ok(api::FromGateway { message: Some(api::from_gateway::Message::Hello(hello)) }))) = hello
            else {
                let _ = sender.send(Err(Status::invalid_argument("a stream begins with a Hello"))).await;
                return;
            };
            let sound = !hello.gateway.is_empty() && hello.gateway.len() <= 255;
            if !sound || peer.is_some_and(|peer| !peer.is_named(&hello.gateway)) {
                let _ = sender.send(Err(Status::permission_denied("the certificate has another name"))).await;
                return;
            }
            let up = Told::GatewayUp { gateway, name: hello.gateway, life: hello.life, sender };
            if told.send(up).await.is_ok() {
                read(gateway, stream, &told).await;
                let _ = told.send(Told::GatewayDown { gateway }).await;
            }
        });
        Ok(Response::new(ReceiverStream::new(receiver)))
    }
}

async fn read(gateway: GatewayId, mut stream: Streaming<api::FromGateway>, told: &mpsc::Sender<Told>) {
    while let Some(Ok(message)) = stream.next().await {
        if let Some(news) = news(gateway, message)
            && told.send(news).await.is_err()
        {
            return;
        }
    }
}

/// What a gateway's message is to the loop; `None` for what cannot be read.
pub fn news(gateway: GatewayId, message: api::FromGateway) -> Option<Told> {
    use api::from_gateway::Message;
    match message.message? {
        Message::Request(request) => {
            let span = request.traceparent.parse().ok();
            convert::request(request).map(|request| Told::Asked { gateway, request: Box::new(request), span })
        }
        Message::HomeAnswer(answer) => {
            let (outcome, told) = (convert::outcome(&answer), convert::told(&answer));
            Some(Told::Replied { gateway, ask: AskId(answer.id), outcome, told })
        }
        Message::Hello(_) => None,
    }
}
