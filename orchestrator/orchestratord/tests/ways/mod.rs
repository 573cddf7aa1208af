//! What stands between: a way to a database that can be cut, and the one address before several replicas.

use crate::processes::ask;
use serde_json::Value;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// Between two looks at the replicas, and for an answer.
const LOOK: Duration = Duration::from_millis(300);
const ANSWER: Duration = Duration::from_secs(1);

/// The way of one replica to the database. Cut, it brings nothing in either direction and ends no connection, as a network that loses
/// all packets; afterwards what was sent arrives.
pub struct Way {
    /// Of the database, by this way.
    pub address: String,
    cut: watch::Sender<bool>,
}

impl Way {
    pub async fn to(database: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (before, rest) = database.split_once('@').unwrap();
        let (server, name) = rest.split_once('/').unwrap();
        let address = format!("{before}@{}/{name}", listener.local_addr().unwrap());
        let (server, cut) = (server.to_owned(), watch::Sender::new(false));
        let told = cut.subscribe();
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let (server, told) = (server.clone(), told.clone());
                tokio::spawn(async move {
                    let Ok(server) = TcpStream::connect(server).await else { return };
                    let ((from_client, to_client), (from_server, to_server)) =
                        (client.into_split(), server.into_split());
                    tokio::join!(bring(from_client, to_server, told.clone()), bring(from_server, to_client, told));
                });
            }
        });
        Self { address, cut }
    }

    pub fn cut(&self, cut: bool) {
        self.cut.send_replace(cut);
    }
}

async fn bring(mut from: impl AsyncRead + Unpin, mut to: impl AsyncWrite + Unpin, mut cut: watch::Receiver<bool>) {
    let mut octets = vec![0; 16 << 10];
    while let Ok(count @ 1..) = from.read(&mut octets).await {
        // An error means that the test is over.
        if cut.wait_for(|cut| !*cut).await.is_err() || to.write_all(&octets[..count]).await.is_err() {
            return;
        }
    }
    // What was half closed is closed.
    let _ = to.shutdown().await;
}

/// The one address: brings each connection to a replica that answered a moment ago.
pub struct Balancer {
    pub address: String,
    healthy: watch::Receiver<Vec<String>>,
}

impl Balancer {
    pub async fn before(replicas: Vec<String>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let (tell, healthy) = watch::channel(replicas.clone());
        tokio::spawn(async move {
            let mut looks = tokio::time::interval(LOOK);
            while !tell.is_closed() {
                looks.tick().await;
                let mut all = Vec::new();
                for replica in &replicas {
                    if serves(replica).await {
                        all.push(replica.clone());
                    }
                }
                tell.send_replace(all);
            }
        });
        let (turn, all) = (Arc::new(AtomicUsize::new(0)), healthy.clone());
        tokio::spawn(async move {
            while let Ok((mut client, _)) = listener.accept().await {
                let now = all.borrow().clone();
                let turn = turn.fetch_add(1, Ordering::Relaxed);
                let Some(replica) = now.get(turn % now.len().max(1)).cloned() else { continue };
                tokio::spawn(async move {
                    if let Ok(mut server) = TcpStream::connect(replica).await {
                        // Whoever is cut off in the middle asks again.
                        let _ = copy_bidirectional(&mut client, &mut server).await;
                    }
                });
            }
        });
        Self { address, healthy }
    }

    /// How many serve now.
    pub fn healthy(&self) -> usize {
        self.healthy.borrow().len()
    }
}

async fn serves(replica: &str) -> bool {
    let asked = ask(replica, "GET /api/v1/login/options", "", &Value::Null);
    matches!(tokio::time::timeout(ANSWER, asked).await, Ok(Ok((200, _))))
}

/// How many gateways talk to a replica.
pub async fn connected(replica: &str) -> Option<u64> {
    let asked = async {
        let mut stream = TcpStream::connect(replica).await?;
        stream.write_all(b"GET /metrics HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await?;
        Ok::<_, std::io::Error>(answer)
    };
    let answer = tokio::time::timeout(ANSWER, asked).await.ok()?.ok()?;
    let line = answer.lines().find_map(|line| line.strip_prefix("basalt_orchestrator_connected_gateways "));
    line?.trim().parse().ok()
}
