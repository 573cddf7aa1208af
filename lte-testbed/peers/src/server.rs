//! The HSS on its port.

use crate::behaviour::Behaviour;
use crate::config::Config;
use crate::hss::{Hss, Response, Seen};
use crate::order::Order;
use anyhow::{Context as _, Result};
use basalt_diameter::node::{Local, PeerConfig, PeerId, Route, Service};
use basalt_diameter::{Application, Limits, Message, Outcome, vendor};
use basalt_diameter_link::{Arrived, Handler, Listen, Remote, Settings, Tls, Transport, spawn};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::{mpsc, watch};

/// How long an order's answer is waited for.
const PATIENCE: Duration = Duration::from_secs(10);

/// Hears of each request before it is answered, so that what was given is known even of an HSS that is killed.
pub type Tell = Box<dyn Fn(&Seen) + Send>;

/// A running HSS.
#[derive(Clone)]
pub struct Server {
    hss: Arc<Mutex<Hss>>,
    handler: Handler,
    changed: watch::Sender<usize>,
    died: watch::Receiver<bool>,
    sessions: Arc<std::sync::atomic::AtomicU64>,
}

/// Starts one.
///
/// # Errors
/// The file's values cannot be used, or the port is not free.
pub async fn start(config: &Config) -> Result<Server> {
    start_telling(config, Box::new(|_| ())).await
}

/// The same, with somebody who hears of each request.
///
/// # Errors
/// As [`start`].
pub async fn start_telling(config: &Config, tell: Tell) -> Result<Server> {
    let hss = Arc::new(Mutex::new(Hss::new(config)?));
    let service = |application| Service { application, vendor: vendor::TGPP };
    let local = Local {
        host: config.host.clone(),
        realm: config.realm.clone(),
        addresses: vec![config.listen.ip()],
        vendor: vendor::TGPP,
        product: "basalt test HSS".to_owned(),
        applications: vec![service(Application::S6A), service(Application::S13)],
        state_id: 1,
    };
    let tls = config.tls.as_ref().map(|files| Tls::load(&files.certificate, &files.key, &files.authority));
    let tls = tls.transpose().context("certificates")?;
    let transport = if tls.is_some() { Transport::Tls } else { Transport::Tcp };
    let remote = |host: &String| Remote {
        config: PeerConfig { connect: false, rate: 1_000_000, served: 1_000_000, ..PeerConfig::new(host) },
        transport,
        address: String::new(),
    };
    let remotes: Vec<Remote> = config.peers.iter().map(remote).collect();
    let all = (0..remotes.len()).map(|place| (PeerId(place), 0)).collect();
    let (handler, arrived) = spawn(Settings {
        local,
        remotes,
        routes: vec![Route { realm: "*".to_owned(), application: None, peers: all }],
        limits: Limits::default(),
        listen: vec![Listen { transport, address: config.listen }],
        accept_from: Vec::new(),
        tls,
        arrivals: 65_536,
    })
    .await?;
    let (changed, _) = watch::channel(0);
    let (dies, died) = watch::channel(false);
    let server = Server { hss, handler, changed, died, sessions: Arc::default() };
    tokio::spawn(serve(server.clone(), arrived, dies, tell));
    Ok(server)
}

async fn serve(server: Server, mut arrived: mpsc::Receiver<Arrived>, dies: watch::Sender<bool>, tell: Tell) {
    while let Some(Arrived { handle, octets, .. }) = arrived.recv().await {
        let (response, seen) = server.with(|hss| {
            let before = hss.seen().len();
            let response = hss.respond(&octets);
            hss.seen().iter().skip(before).for_each(&tell);
            (response, hss.seen().len())
        });
        server.changed.send_replace(seen);
        match response {
            Response::Answer(octets, delay) if delay.is_zero() => server.handler.answer(handle, octets).await,
            Response::Answer(octets, delay) => {
                let handler = server.handler.clone();
                tokio::spawn(async move {
                    tokio::time::sleep(delay).await;
                    handler.answer(handle, octets).await;
                });
            }
            Response::Nothing => {}
            Response::Die => {
                dies.send_replace(true);
                return;
            }
        }
    }
}

impl Server {
    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> Option<SocketAddr> {
        self.handler.bound().first().copied()
    }

    fn with<T>(&self, work: impl FnOnce(&mut Hss) -> T) -> T {
        work(&mut self.hss.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Does something otherwise from now on.
    pub fn behave(&self, behaviour: Behaviour) {
        self.with(|hss| hss.behave(behaviour));
    }

    /// Does everything as asked from now on.
    pub fn behave_well(&self) {
        self.with(Hss::behave_well);
    }

    /// What came so far.
    #[must_use]
    pub fn seen(&self) -> Vec<Seen> {
        self.with(|hss| hss.seen().to_vec())
    }

    /// Tells how many requests came, whenever one comes.
    #[must_use]
    pub fn watch(&self) -> watch::Receiver<usize> {
        self.changed.subscribe()
    }

    /// Waits until a behaviour ends the process.
    pub async fn died(&self) {
        let mut died = self.died.clone();
        // Without its task nothing ends it any more.
        if died.wait_for(|died| *died).await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    /// Carries an order out; the code of the answer. A reset goes to everybody who has a phone.
    ///
    /// # Errors
    /// Nobody has the phone, or there is no answer.
    pub async fn order(&self, order: &Order) -> Result<u32> {
        let to = self.with(|hss| match order.imsi() {
            Some(imsi) => hss.whereabouts(imsi).into_iter().collect(),
            None => hss.visited(),
        });
        anyhow::ensure!(!to.is_empty(), "nobody has that phone");
        let mut code = 0;
        for to in to {
            let number = self.sessions.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            let octets = self.with(|hss| {
                if let Order::Rate(imsi, rates) = order {
                    hss.set_ambr(*imsi, *rates);
                }
                let who = hss.who();
                let subscriber = order.imsi().and_then(|imsi| hss.subscriber(imsi));
                order.write(who, &format!("{};1;{number}", who.host), &to, subscriber)
            });
            let answered = self.handler.request(octets, 0, PATIENCE).await;
            let answered = answered.map_err(|why| anyhow::anyhow!("no answer: {why:?}"))?;
            let message = Message::decode(&answered.octets, &Limits::default())?;
            code = match message.outcome()? {
                Outcome::Base(code) => code.0,
                Outcome::Experimental { code, .. } => code,
            };
        }
        Ok(code)
    }

    /// Says goodbye to its peers and ends.
    pub async fn stop(&self) {
        self.handler.stop().await;
    }
}
