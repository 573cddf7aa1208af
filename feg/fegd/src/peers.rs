//! The node of Diameter that runs now. Another configuration has another node; who asks meanwhile waits for it.

use crate::config::Effective;
use crate::drive::Told;
use basalt_diameter::node::Failure;
use basalt_diameter_link::{Answered, Ended, Handler, PeerStatus, Requests};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

/// After its start a node has no peers yet for a moment; so long, requests wait for them.
const SETTLING: Duration = Duration::from_secs(5);
/// Requests of the relay that may wait for answers at a time.
const ASKED: usize = 131_072;
/// Between two tries then.
const AGAIN: Duration = Duration::from_millis(20);
/// How long peers may take to hear that we go.
const PARTING: Duration = Duration::from_secs(3);

/// A node and what it was made from.
#[derive(Debug, Clone)]
pub struct Node {
    handler: Handler,
    requests: Requests,
    since: Instant,
    /// Realms of each peer.
    realms: Arc<Vec<Vec<String>>>,
}

/// The way to the node that runs now.
#[derive(Debug, Clone)]
pub struct Peers(watch::Receiver<Option<Node>>);

/// Who changes it.
#[derive(Debug)]
pub struct Change {
    now: watch::Sender<Option<Node>>,
    told: mpsc::Sender<Told>,
    ended: mpsc::Sender<Ended>,
}

/// No node yet; requests of peers are told, and what came of ours that were sent by [`Peers::settled`] comes out of the queue.
pub fn new(told: mpsc::Sender<Told>) -> (Change, Peers, mpsc::Receiver<Ended>) {
    let (now, peers) = watch::channel(None);
    let (ended, answers) = mpsc::channel(ASKED);
    (Change { now, told, ended }, Peers(peers), answers)
}

impl Change {
    /// Ends the node that runs, if any, and starts another. Peers see one connection of ours at a time.
    ///
    /// # Errors
    /// The other one does not start: there is none then.
    pub async fn put(&self, effective: &mut Effective) -> anyhow::Result<()> {
        self.end().await;
        let Some(settings) = effective.diameter.take() else { return Ok(()) };
        let (handler, mut arrived) = basalt_diameter_link::spawn(settings).await?;
        let (told, from) = (self.told.clone(), handler.clone());
        tokio::spawn(async move {
            while let Some(arrived) = arrived.recv().await {
                if told.send(Told::FromHome { from: from.clone(), arrived }).await.is_err() {
                    return;
                }
            }
        });
        let requests = handler.requests(self.ended.clone());
        let realms = Arc::new(effective.realms.clone());
        self.now.send_replace(Some(Node { handler, requests, since: Instant::now(), realms }));
        Ok(())
    }

    /// Ends the node that runs.
    pub async fn end(&self) {
        if let Some(former) = self.now.send_replace(None) {
            // One that does not end in time is left alone: its tasks end with its connections.
            let _ = tokio::time::timeout(PARTING, former.handler.stop()).await;
        }
    }
}

impl Peers {
    /// The way to the present node, if there is one and it had the time to connect to its peers.
    pub fn settled(&self) -> Option<Requests> {
        let node = self.0.borrow();
        let node = node.as_ref().filter(|node| node.since.elapsed() >= SETTLING)?;
        Some(node.requests.clone())
    }

    /// Sends a request and waits for its answer.
    ///
    /// # Errors
    /// Why there is none.
    pub async fn request(mut self, octets: Vec<u8>, key: u64, within: Duration) -> Result<Answered, Failure> {
        let deadline = Instant::now() + within;
        loop {
            let node = tokio::time::timeout_at(deadline, self.0.wait_for(Option::is_some)).await;
            let node = node.map_err(|_| Failure::NoPeer)?.map_err(|_| Failure::Stopping)?.clone();
            let Some(node) = node else { return Err(Failure::NoPeer) };
            let left = deadline.saturating_duration_since(Instant::now());
            let result = node.handler.request(octets.clone(), key, left).await;
            let settling = node.since.elapsed() < SETTLING && Instant::now() + AGAIN < deadline;
            match result {
                Err(Failure::NoPeer) if settling => tokio::time::sleep(AGAIN).await,
                // It ended under us: its successor is asked. Who has answered has not got this request.
                Err(Failure::Stopping) if self.0.has_changed().is_ok() && Instant::now() < deadline => {
                    if tokio::time::timeout_at(deadline, self.0.changed()).await.is_err() {
                        return Err(Failure::Stopping);
                    }
                }
                result => return result,
            }
        }
    }

    /// How all peers stand, with the realms of each.
    pub async fn statuses(&self) -> Vec<(PeerStatus, Vec<String>)> {
        let Some(node) = self.0.borrow().clone() else { return Vec::new() };
        let realms = node.realms.iter().cloned().chain(std::iter::repeat(Vec::new()));
        node.handler.peers().await.into_iter().zip(realms).collect()
    }
}
