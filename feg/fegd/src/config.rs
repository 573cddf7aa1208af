//! The configuration: one small TOML; what an orchestrator says goes before it ([`crate::managed`]).

use anyhow::{Context as _, Result, bail, ensure};
use basalt_control_api::federation;
use basalt_diameter::node::{Local, PeerConfig, PeerId, Route, Service};
use basalt_diameter::{Application, Limits, PORT, SECURE_PORT, vendor};
use basalt_diameter_link::{Listen, Remote, Settings, Tls, Transport};
use basalt_ids::Plmn;
use feg_relay::{Network, Networks};
use serde::Deserialize;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

/// The file as written.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct File {
    /// DiameterIdentity; may be left to an orchestrator.
    #[serde(default)]
    pub host: String,
    /// Realm; as `host`.
    #[serde(default)]
    pub realm: String,
    /// Where keys and what an orchestrator said are kept; `/var/lib/basalt/feg` by default.
    pub state_dir: Option<PathBuf>,
    /// A token to join an orchestrator with at the first start.
    pub token: Option<String>,
    /// Where gateways connect.
    #[serde(default)]
    pub gateways: Gateways,
    /// Our side of Diameter.
    #[serde(default)]
    diameter: Diameter,
    /// Peers.
    #[serde(default, rename = "peer")]
    pub peers: Vec<Peer>,
    /// Home networks.
    #[serde(default, rename = "network")]
    pub networks: Vec<HomeNetwork>,
    /// Prometheus; `127.0.0.1:9106` by default.
    metrics: Option<SocketAddr>,
    /// The control socket.
    control: Option<PathBuf>,
    /// A collector of OpenTelemetry that is told what is asked as spans.
    otlp: Option<basalt_otlp::Settings>,
}

/// `[gateways]`
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Gateways {
    /// `127.0.0.1:8482` by default. Who comes from elsewhere needs a certificate.
    listen: Option<SocketAddr>,
    /// Certificate, key and authority; gateways show certificates of the same authority. Those that the orchestrator gave to both,
    /// where this is absent.
    tls: Option<Files>,
    /// Requests of one gateway each second.
    pub rate: Option<u32>,
    /// Requests of one gateway that may wait for home networks.
    pub waiting: Option<usize>,
}

#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Diameter {
    /// Addresses for TCP.
    tcp: Vec<SocketAddr>,
    /// Addresses for TLS.
    tls: Vec<SocketAddr>,
    /// Addresses for SCTP.
    sctp: Vec<SocketAddr>,
    /// Our certificate, its key and the authority of peers.
    certificate: Option<Files>,
    /// Networks that may connect, such as "10.0.0.0/8"; any by default.
    accept_from: Vec<String>,
    /// Addresses told to peers; 127.0.0.1 by default.
    addresses: Vec<IpAddr>,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Files {
    certificate: PathBuf,
    key: PathBuf,
    authority: PathBuf,
}

/// `[[peer]]`
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Peer {
    /// DiameterIdentity.
    host: String,
    /// `HOST` or `HOST:PORT`; absent, or empty, for one that connects to us.
    address: Option<String>,
    /// "tcp", "tls" or "sctp".
    #[serde(default)]
    transport: Kind,
    /// TLS begins within the connection.
    #[serde(default)]
    inband_tls: bool,
    /// Realms that it serves; "*" for all that nobody else serves.
    realms: Vec<String>,
    /// Peers of the lowest rank share the load, others stand in for them.
    #[serde(default)]
    rank: u8,
    /// Requests that may wait for its answers.
    outstanding: Option<usize>,
    /// Requests of its own each second.
    rate: Option<u32>,
    /// Seconds of silence after which it is asked whether it is there; 6 or more.
    watchdog: Option<u64>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Kind {
    #[default]
    Tcp,
    Tls,
    Sctp,
}

/// `[[network]]`
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HomeNetwork {
    /// Such as "310-410".
    plmn: String,
    /// `epc.mncMNC.mccMCC.3gppnetwork.org` by default.
    realm: Option<String>,
    /// The realm that checks equipment.
    equipment_realm: Option<String>,
    /// Beginnings of the IMSIs that are its own; all of its network by default.
    #[serde(default)]
    imsis: Vec<String>,
}

/// What the daemon acts on.
#[derive(Debug)]
pub struct Effective {
    /// For Diameter; `None` until an orchestrator says who we are.
    pub diameter: Option<Settings>,
    /// For the relay.
    pub relay: feg_relay::Config,
    /// Where gateways connect.
    pub gateways: SocketAddr,
    /// Our certificate for gateways, where there is one.
    pub gateway_tls: Option<(PathBuf, PathBuf, PathBuf)>,
    /// Prometheus.
    pub metrics: SocketAddr,
    /// The control socket.
    pub control: PathBuf,
    /// A collector that is told what is asked as spans.
    pub otlp: Option<basalt_otlp::Settings>,
    /// Realms of each peer, for people.
    pub realms: Vec<Vec<String>>,
}

/// Gateways ask again for so long: NAS timers are over by then.
const MEMORY: Duration = Duration::from_secs(60);
/// A home network waits some seconds for its answer; it hears from us before.
const PATIENCE: Duration = Duration::from_secs(4);

/// Reads the file.
///
/// # Errors
/// It is no TOML of this form.
pub fn read(text: &str) -> Result<File> {
    Ok(toml::from_str(text)?)
}

impl File {
    /// Whether two need different nodes of Diameter.
    pub fn diameter_differs(&self, other: &Self) -> bool {
        (&self.host, &self.realm, &self.diameter, &self.peers)
            != (&other.host, &other.realm, &other.diameter, &other.peers)
    }

    /// Where keys and what an orchestrator said are kept.
    pub fn state_dir(&self) -> PathBuf {
        self.state_dir.clone().unwrap_or_else(|| "/var/lib/basalt/feg".into())
    }
}

/// Checks it, and fills in what it leaves open.
///
/// # Errors
/// The first thing that is wrong.
pub fn resolve(file: &File) -> Result<Effective> {
    let named = !file.host.is_empty() && !file.realm.is_empty();
    ensure!(named || file.host.is_empty() && file.realm.is_empty(), "`host` and `realm` belong together");
    let listen = file.gateways.listen.unwrap_or_else(|| (Ipv4Addr::LOCALHOST, federation::DEFAULT_PORT).into());
    let local = local(file);
    let tls =
        file.diameter.certificate.as_ref().map(|files| Tls::load(&files.certificate, &files.key, &files.authority));
    let settings = Settings {
        local: local.clone(),
        remotes: file.peers.iter().map(remote).collect::<Result<_>>()?,
        routes: routes(&file.peers),
        limits: Limits::default(),
        listen: listeners(&file.diameter),
        accept_from: file.diameter.accept_from.iter().map(|text| prefix(text)).collect::<Result<_>>()?,
        tls: tls.transpose().context("diameter.certificate")?,
        arrivals: 4096,
    };
    let secured = |remote: &Remote| remote.transport == Transport::Tls || remote.config.inband_tls;
    ensure!(
        settings.tls.is_some() || !settings.remotes.iter().any(secured),
        "a peer is spoken to over TLS: diameter.certificate is needed"
    );
    let relay = feg_relay::Config {
        local,
        networks: Networks(file.networks.iter().map(network).collect::<Result<_>>()?),
        waiting: file.gateways.waiting.unwrap_or(5_000),
        rate: file.gateways.rate.unwrap_or(5_000),
        memory: MEMORY,
        patience: PATIENCE,
    };
    if let Some(otlp) = &file.otlp {
        otlp.check().map_err(anyhow::Error::msg).context("otlp")?;
    }
    Ok(Effective {
        otlp: file.otlp.clone(),
        diameter: named.then_some(settings),
        relay,
        gateways: listen,
        gateway_tls: file.gateways.tls.clone().map(|files| (files.certificate, files.key, files.authority)),
        metrics: file.metrics.unwrap_or_else(|| (Ipv4Addr::LOCALHOST, 9106).into()),
        control: file.control.clone().unwrap_or_else(|| federation::DEFAULT_CONTROL_SOCKET.into()),
        realms: file.peers.iter().map(|peer| peer.realms.clone()).collect(),
    })
}

fn local(file: &File) -> Local {
    let service = |application| Service { application, vendor: vendor::TGPP };
    let mut addresses = file.diameter.addresses.clone();
    if addresses.is_empty() {
        addresses.push(IpAddr::V4(Ipv4Addr::LOCALHOST));
    }
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    Local {
        host: file.host.clone(),
        realm: file.realm.clone(),
        addresses,
        vendor: vendor::TGPP,
        product: "Basalt".to_owned(),
        applications: vec![service(Application::S6A), service(Application::S13)],
        // Grows with each start (RFC 6733 §8.16).
        state_id: u32::try_from(now.as_secs()).unwrap_or(u32::MAX),
    }
}

fn remote(peer: &Peer) -> Result<Remote> {
    let (transport, port) = match peer.transport {
        Kind::Tcp => (Transport::Tcp, PORT),
        Kind::Tls => (Transport::Tls, SECURE_PORT),
        Kind::Sctp => (Transport::Sctp, PORT),
    };
    ensure!(!peer.realms.is_empty(), "peer {} serves no realm: list them in `realms`", peer.host);
    ensure!(!peer.inband_tls || transport == Transport::Tcp, "peer {}: TLS begins within TCP only", peer.host);
    let mut config = PeerConfig::new(&peer.host);
    config.certified = transport == Transport::Tls;
    config.inband_tls = peer.inband_tls;
    // What a peer says in another realm's name is refused.
    config.realms = if peer.realms.iter().any(|realm| realm == "*") { Vec::new() } else { peer.realms.clone() };
    config.outstanding = peer.outstanding.unwrap_or(config.outstanding);
    config.rate = peer.rate.unwrap_or(config.rate);
    if let Some(seconds) = peer.watchdog {
        ensure!(seconds >= 6, "peer {}: a watchdog below 6 s is not permitted (RFC 3539)", peer.host);
        config.watchdog = Duration::from_secs(seconds);
    }
    let address = match &peer.address {
        None => String::new(),
        Some(address) if address.is_empty() => String::new(),
        Some(address) if address.parse::<IpAddr>().is_ok_and(|address| address.is_ipv6()) => {
            format!("[{address}]:{port}")
        }
        Some(address) if address.contains(':') => address.clone(),
        Some(address) => format!("{address}:{port}"),
    };
    Ok(Remote { config, transport, address })
}

/// One route for each realm that any peer serves.
fn routes(peers: &[Peer]) -> Vec<Route> {
    let mut realms: Vec<&String> = peers.iter().flat_map(|peer| &peer.realms).collect();
    realms.sort();
    realms.dedup();
    let route = |realm: &String| {
        let serving = peers.iter().enumerate().filter(|(_, peer)| peer.realms.contains(realm));
        let peers = serving.map(|(place, peer)| (PeerId(place), peer.rank)).collect();
        Route { realm: realm.clone(), application: None, peers }
    };
    realms.into_iter().map(route).collect()
}

fn listeners(diameter: &Diameter) -> Vec<Listen> {
    let kinds = [(Transport::Tcp, &diameter.tcp), (Transport::Tls, &diameter.tls), (Transport::Sctp, &diameter.sctp)];
    let of = |(transport, addresses): (Transport, &Vec<SocketAddr>)| {
        addresses.iter().map(move |address| Listen { transport, address: *address }).collect::<Vec<_>>()
    };
    kinds.into_iter().flat_map(of).collect()
}

fn network(file: &HomeNetwork) -> Result<Network> {
    let plmn: Plmn = file.plmn.parse().with_context(|| format!("network.plmn {}", file.plmn))?;
    let mut network = Network::new(plmn);
    if let Some(realm) = &file.realm {
        network.realm.clone_from(realm);
    }
    network.equipment_realm.clone_from(&file.equipment_realm);
    network.beginnings.clone_from(&file.imsis);
    Ok(network)
}

fn prefix(text: &str) -> Result<(IpAddr, u8)> {
    let (address, length) = text.split_once('/').unwrap_or((text, ""));
    let address: IpAddr = address.parse().with_context(|| format!("accept_from {text}"))?;
    let most = if address.is_ipv4() { 32 } else { 128 };
    let length =
        if length.is_empty() { most } else { length.parse().with_context(|| format!("accept_from {text}"))? };
    if length > most {
        bail!("accept_from {text}: a prefix has {most} bits at most");
    }
    Ok((address, length))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SMALL: &str = r#"
        host = "feg1.visited.example"
        realm = "visited.example"
        [[peer]]
        host = "hss1.home.example"
        address = "192.0.2.7"
        realms = ["home.example"]
        [[peer]]
        host = "hss2.home.example"
        address = "192.0.2.8:3869"
        realms = ["home.example"]
        rank = 1
        [[network]]
        plmn = "310-410"
        realm = "home.example"
    "#;

    #[test]
    fn a_small_file_is_enough() {
        let effective = resolve(&read(SMALL).unwrap()).unwrap();
        let diameter = effective.diameter.unwrap();
        assert_eq!(diameter.remotes[0].address, "192.0.2.7:3868");
        assert_eq!(diameter.remotes[1].address, "192.0.2.8:3869");
        assert_eq!(diameter.routes[0].peers, [(PeerId(0), 0), (PeerId(1), 1)]);
        assert_eq!(effective.gateways.to_string(), "127.0.0.1:8482");
    }

    #[test]
    fn what_cannot_work_is_refused() {
        let refused = |text: &str| format!("{:#}", read(text).and_then(|file| resolve(&file)).unwrap_err());
        assert!(refused(&SMALL.replace("rank = 1", "transport = \"tls\"")).contains("diameter.certificate is needed"));
        assert!(refused(&SMALL.replace("rank = 1", "watchdog = 2")).contains("6 s"));
        assert!(refused(&SMALL.replace("310-410", "x")).contains("network.plmn"));
        assert!(refused(&SMALL.replace("rank", "rang")).contains("rang"));
        assert!(refused(&SMALL.replace("realm = \"visited.example\"", "")).contains("belong together"));
    }
}
