//! The way to the gateway: gRPC over its Unix socket.

use crate::error::{Error, Result};
use basalt_control_api::gateway::v1 as api;
use basalt_control_api::gateway::v1::gateway_client::GatewayClient;
use hyper_util::rt::TokioIo;
use std::future::Future;
use std::io;
use std::path::Path;
use std::time::Duration;
use tokio::net::UnixStream;
use tonic::transport::{Channel, Endpoint};
use tonic::{Response, Status, Streaming};

/// How long the gateway may take for an ordinary answer: it waits for its disk, never for a phone.
const PATIENCE: Duration = Duration::from_secs(30);
/// The same for a watch of packets: before the first one the kernel verifies programs, which takes seconds of a processor.
const WATCH_PATIENCE: Duration = Duration::from_secs(180);
/// The same for an import of any size.
const IMPORT_PATIENCE: Duration = Duration::from_secs(600);
/// Entries asked for at a time.
const PAGE: u32 = 1_000;
/// Largest answer, octets: a page of entries with everything in them.
const MESSAGE: usize = 64 << 20;

/// A connection to a gateway.
pub(crate) struct Client(GatewayClient<Channel>);

impl Client {
    /// Connects, or says why that is not possible.
    pub(crate) async fn connect(socket: &Path) -> Result<Self> {
        // The first stream is made here and not by the connector: only so is the system's own error at hand.
        let first = UnixStream::connect(socket).await.map_err(|error| unreachable(socket, &error))?;
        let (mut first, path) = (Some(first), socket.to_owned());
        let connector = tower::service_fn(move |_| {
            let (first, path) = (first.take(), path.clone());
            async move {
                let stream = match first {
                    Some(stream) => stream,
                    None => UnixStream::connect(path).await?,
                };
                Ok::<_, io::Error>(TokioIo::new(stream))
            }
        });
        // The authority is not used over a Unix socket, but HTTP/2 wants one.
        let endpoint = Endpoint::from_static("http://gateway");
        let channel = endpoint.connect_with_connector(connector).await.map_err(|error| Error::Unreachable {
            what: format!("{} is not a gateway's control socket: {error}", socket.display()),
            fix: "give the socket of agwd by --socket PATH".to_owned(),
        })?;
        Ok(Self(GatewayClient::new(channel).max_decoding_message_size(MESSAGE)))
    }

    /// Asks one question.
    pub(crate) async fn ask<T, F>(&mut self, question: impl FnOnce(GatewayClient<Channel>) -> F) -> Result<T>
    where
        F: Future<Output = std::result::Result<Response<T>, Status>>,
    {
        within(PATIENCE, question(self.0.clone())).await
    }

    /// Begins to watch a phone's packets.
    pub(crate) async fn watch(&mut self, request: api::WatchPacketsRequest) -> Result<Streaming<api::SeenPacket>> {
        within(WATCH_PATIENCE, self.0.watch_packets(request)).await
    }

    /// Watches signalling.
    pub(crate) async fn trace(&mut self, request: api::TraceCallRequest) -> Result<Streaming<api::TracedCalls>> {
        within(PATIENCE, self.0.trace_call(request)).await
    }

    /// Sends an import in messages of some rows each.
    pub(crate) async fn import(
        &mut self,
        rows: Vec<api::AddSubscriberRequest>,
        dry_run: bool,
    ) -> Result<api::ImportSubscribersResponse> {
        let mut messages = Vec::with_capacity(rows.len() / PAGE as usize + 1);
        let mut rows = rows.into_iter().peekable();
        while rows.peek().is_some() {
            let rows = rows.by_ref().take(PAGE as usize).collect();
            messages.push(api::ImportSubscribersRequest { rows, dry_run });
        }
        within(IMPORT_PATIENCE, self.0.import_subscribers(tokio_stream::iter(messages))).await
    }

    /// All subscribers, page by page.
    pub(crate) async fn subscribers(&mut self) -> Result<Vec<api::Subscriber>> {
        let mut all = Vec::new();
        let mut after = String::new();
        loop {
            let request = api::ListSubscribersRequest { after: after.clone(), page_size: PAGE };
            let page = self.ask(|mut client| async move { client.list_subscribers(request).await }).await?;
            all.extend(page.subscribers);
            if !advance(&mut after, page.next) {
                return Ok(all);
            }
        }
    }

    /// All phones, page by page.
    pub(crate) async fn ues(&mut self) -> Result<Vec<api::Ue>> {
        let mut all = Vec::new();
        let mut after = String::new();
        loop {
            let request = api::ListUesRequest { after: after.clone(), page_size: PAGE };
            let page = self.ask(|mut client| async move { client.list_ues(request).await }).await?;
            all.extend(page.ues);
            if !advance(&mut after, page.next) {
                return Ok(all);
            }
        }
    }

    /// All sessions, page by page.
    pub(crate) async fn sessions(&mut self) -> Result<Vec<api::Session>> {
        let mut all = Vec::new();
        let mut after = String::new();
        loop {
            let request = api::ListSessionsRequest { after: after.clone(), page_size: PAGE };
            let page = self.ask(|mut client| async move { client.list_sessions(request).await }).await?;
            all.extend(page.sessions);
            if !advance(&mut after, page.next) {
                return Ok(all);
            }
        }
    }

    /// What all subscribers used, page by page.
    pub(crate) async fn usage(&mut self) -> Result<Vec<api::SubscriberUsage>> {
        let mut all = Vec::new();
        let mut after = String::new();
        loop {
            let request = api::ListUsageRequest { after: after.clone(), page_size: PAGE };
            let page = self.ask(|mut client| async move { client.list_usage(request).await }).await?;
            all.extend(page.subscribers);
            if !advance(&mut after, page.next) {
                return Ok(all);
            }
        }
    }

    /// All base stations.
    pub(crate) async fn enbs(&mut self) -> Result<Vec<api::Enb>> {
        let answer = self.ask(|mut client| async move { client.list_enbs(api::ListEnbsRequest {}).await }).await?;
        Ok(answer.enbs)
    }

    /// The gateway's state.
    pub(crate) async fn status(&mut self) -> Result<api::GatewayStatus> {
        self.ask(|mut client| async move { client.get_status(api::GetStatusRequest {}).await }).await
    }

    /// The stream of events.
    pub(crate) async fn events(&mut self, request: api::WatchEventsRequest) -> Result<tonic::Streaming<api::Event>> {
        self.ask(|mut client| async move { client.watch_events(request).await }).await
    }
}

/// Goes to the next page. False at the end, and when the gateway does not move on: that would never end.
fn advance(after: &mut String, next: String) -> bool {
    let moves = !next.is_empty() && next != *after;
    *after = next;
    moves
}

async fn within<T>(
    patience: Duration,
    answer: impl Future<Output = std::result::Result<Response<T>, Status>>,
) -> Result<T> {
    let answer = tokio::time::timeout(patience, answer).await.map_err(|_| Status::deadline_exceeded(""))?;
    Ok(answer?.into_inner())
}

fn unreachable(socket: &Path, error: &io::Error) -> Error {
    let shown = socket.display();
    let (what, fix) = match error.kind() {
        io::ErrorKind::NotFound => (
            format!("agwd is not running, or not here: there is no {shown}"),
            "start it (systemctl start agwd), or give its socket by --socket PATH or BASALT_SOCKET".to_owned(),
        ),
        io::ErrorKind::ConnectionRefused => (
            format!("agwd is not running: nobody answers at {shown}"),
            "start it (systemctl start agwd); its log says why it stopped (journalctl -u agwd)".to_owned(),
        ),
        io::ErrorKind::PermissionDenied => (
            format!("this user may not talk to the gateway at {shown}"),
            "use sudo, or become a member of the socket's group".to_owned(),
        ),
        _ => (
            format!("the gateway at {shown} cannot be reached: {error}"),
            "give its socket by --socket PATH".to_owned(),
        ),
    };
    Error::Unreachable { what, fix }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_keeps_from_the_gateway_is_told_apart() {
        let told = |kind: io::ErrorKind| unreachable(Path::new("/run/x"), &kind.into()).to_string();
        assert!(told(io::ErrorKind::NotFound).contains("there is no /run/x"));
        assert!(told(io::ErrorKind::ConnectionRefused).contains("nobody answers"));
        assert!(told(io::ErrorKind::PermissionDenied).contains("may not"));
        assert!(told(io::ErrorKind::InvalidInput).contains("cannot be reached"));
    }

    #[test]
    fn pages_end() {
        let mut after = String::new();
        assert!(advance(&mut after, "a".to_owned()));
        assert!(!advance(&mut after, "a".to_owned()), "a gateway that does not move on");
        assert!(!advance(&mut after, String::new()));
    }
}
