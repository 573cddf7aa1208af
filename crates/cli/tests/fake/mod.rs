//! A gateway that remembers what it was asked and answers from memory, over a real Unix socket.

mod answers;

use answers::Fake;
use basalt_control_api::gateway::v1 as api;
use basalt_control_api::gateway::v1::gateway_server::GatewayServer;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use tokio::net::UnixListener;
use tokio::sync::oneshot;
use tokio_stream::wrappers::UnixListenerStream;

/// What the gateway knows.
#[derive(Default)]
pub struct State {
    /// Packets of watched phones have no end.
    pub watches_go_on: bool,
    pub subscribers: BTreeMap<String, api::Subscriber>,
    /// Keys as they arrived, which a real gateway seals.
    pub keys: BTreeMap<String, api::SimKeys>,
    pub ues: Vec<api::Ue>,
    pub enbs: Vec<api::Enb>,
    pub events: Vec<api::Event>,
    pub status: api::GatewayStatus,
    pub findings: Vec<api::Finding>,
    pub usage: Vec<api::SubscriberUsage>,
    /// By IMSI.
    pub rules: Vec<(String, api::RuleStatus)>,
    pub records: Vec<api::UsageRecord>,
    /// Commands to phones and base stations.
    pub commands: Vec<String>,
    /// Messages of the last import.
    pub import_messages: usize,
    /// Largest page given, however many are asked for.
    pub page: usize,
}

pub type Shared = Arc<Mutex<State>>;

/// A gateway that serves until it is dropped.
pub struct FakeGateway {
    pub state: Shared,
    pub socket: PathBuf,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl FakeGateway {
    /// Serves on a socket in `dir`.
    pub fn start(dir: &Path, state: State) -> Self {
        let socket = dir.join("agwd.sock");
        let state = Arc::new(Mutex::new(state));
        let (stop, stopped) = oneshot::channel::<()>();
        let (ready, is_ready) = std::sync::mpsc::channel();
        let (path, service) = (socket.clone(), Fake(state.clone()));
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async move {
                let listener = UnixListener::bind(path).unwrap();
                ready.send(()).unwrap();
                let server = tonic::transport::Server::builder().add_service(GatewayServer::new(service));
                let serving = server.serve_with_incoming(UnixListenerStream::new(listener));
                tokio::select! {
                    result = serving => result.unwrap(),
                    _ = stopped => {}
                }
            });
        });
        is_ready.recv().unwrap();
        Self { state, socket, stop: Some(stop), thread: Some(thread) }
    }
}

impl Drop for FakeGateway {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap();
        }
    }
}
