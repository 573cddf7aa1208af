//! The daemon and freeDiameter's, which others wrote: over TCP, over TLS of both kinds, and from one to the other when one dies.
//!
//! Needs `freeDiameterd` (`cargo xtask setup` installs it) and an address that is not loopback, which it insists on; without them
//! the tests say so and pass. It has no dictionary of S6a, so what it answers is that it cannot: that is an answer, too.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

use basalt_control_api::federation::v1 as api;
use basalt_control_api::federation::v1::federation_operator_client::FederationOperatorClient;
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4, TcpListener, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use tonic::transport::{Channel, Endpoint};

const LONG: Duration = Duration::from_secs(60);
const FEG: &str = "feg1.visited.example";

/// An address that is not loopback; none where there is no way out or no freeDiameter.
fn address() -> Option<Ipv4Addr> {
    let there = Command::new("freeDiameterd").arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
    if there.is_err() {
        eprintln!("skipped: there is no freeDiameterd; `cargo xtask setup` installs it");
        return None;
    }
    let socket = UdpSocket::bind("0.0.0.0:0").unwrap();
    // Nothing is sent: it is only looked up which address would be used.
    let own = socket.connect("198.51.100.1:9").and_then(|()| socket.local_addr());
    match own {
        Ok(SocketAddr::V4(own)) if !own.ip().is_loopback() => Some(*own.ip()),
        _ => {
            eprintln!("skipped: freeDiameterd wants an address that is not loopback, and there is none");
            None
        }
    }
}

fn free(address: Ipv4Addr) -> SocketAddrV4 {
    let listener = TcpListener::bind((address, 0)).unwrap();
    SocketAddrV4::new(address, listener.local_addr().unwrap().port())
}

/// Certificates of one authority.
struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
}

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, "test authority");
        let key = KeyPair::generate().unwrap();
        let pem = params.self_signed(&key).unwrap().pem();
        Self { issuer: Issuer::new(params, key), pem }
    }

    /// Writes certificate, key and authority for a name.
    fn issue(&self, folder: &Path, name: &str) -> [PathBuf; 3] {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        let write = |ending: &str, text: String| {
            let path = folder.join(format!("{name}.{ending}"));
            std::fs::write(&path, text).unwrap();
            path
        };
        [write("crt", certificate.pem()), write("key", key.serialize_pem()), write("ca", self.pem.clone())]
    }
}

/// A daemon, ended with the test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A freeDiameter of `home.example`: where it listens in clear, and over TLS.
struct Free {
    host: String,
    plain: SocketAddrV4,
    secure: SocketAddrV4,
    daemon: Running,
}

/// What a connection to the port in clear may be.
const CLEAR: &str = "ALLOW_IPSEC";
const TLS_WITHIN: &str = "ALLOW_OLD_TLS";

fn free_diameter(folder: &Path, authority: &Authority, number: u32, address: Ipv4Addr, allow: &str) -> Free {
    let (host, plain, secure) = (format!("fd{number}.home.example"), free(address), free(address));
    let [certificate, key, ca] = authority.issue(folder, &host);
    let allowed = folder.join(format!("{host}.acl"));
    std::fs::write(&allowed, format!("{allow} *.visited.example\n")).unwrap();
    let text = format!(
        "Identity = \"{host}\";\nRealm = \"home.example\";\nPort = {};\nSecPort = {};\nNo_SCTP;\nNo_IPv6;\n\
         ListenOn = \"{address}\";\nTwTimer = 6;\nTLS_Cred = {certificate:?}, {key:?};\nTLS_CA = {ca:?};\n\
         TLS_DH_Bits = 1024;\nLoadExtension = \"acl_wl.fdx\" : {allowed:?};\nLoadExtension = \"dbg_msg_dumps.fdx\";\n",
        plain.port(),
        secure.port()
    );
    let config = folder.join(format!("{host}.conf"));
    std::fs::write(&config, text).unwrap();
    let log = std::fs::File::create(folder.join(format!("{host}.log"))).unwrap();
    let mut command = Command::new("freeDiameterd");
    command.arg("-c").arg(&config).stdin(Stdio::null()).stdout(log).stderr(Stdio::null());
    Free { daemon: Running(command.spawn().unwrap()), host, plain, secure }
}

/// fegd with these peers: lines of each.
fn fegd(folder: &Path, address: Ipv4Addr, certificate: Option<[PathBuf; 3]>, peers: &[String]) -> Running {
    let (control, state) = (folder.join("fegd.sock"), folder.join("state"));
    let mut text = format!(
        "host = \"{FEG}\"\nrealm = \"visited.example\"\nmetrics = \"{}\"\ncontrol = {control:?}\nstate_dir = {state:?}\n\
         [[network]]\nplmn = \"999-70\"\nrealm = \"home.example\"\n[gateways]\nlisten = \"{}\"\n",
        free(address),
        free(Ipv4Addr::LOCALHOST)
    );
    if let Some([certificate, key, authority]) = certificate {
        text += &format!(
            "[diameter]\ncertificate = {{ certificate = {certificate:?}, key = {key:?}, authority = {authority:?} }}\n"
        );
    }
    for peer in peers {
        text += &format!("[[peer]]\nrealms = [\"home.example\"]\nwatchdog = 6\n{peer}\n");
    }
    let config = folder.join("fegd.toml");
    std::fs::write(&config, text).unwrap();
    Running(Command::new(env!("CARGO_BIN_EXE_fegd")).arg("--config").arg(&config).spawn().unwrap())
}

fn operator(folder: &Path) -> FederationOperatorClient<Channel> {
    let path = folder.join("fegd.sock");
    let connector = tower::service_fn(move |_: tonic::codegen::http::Uri| {
        let path = path.clone();
        async move { tokio::net::UnixStream::connect(path).await.map(hyper_util::rt::TokioIo::new) }
    });
    FederationOperatorClient::new(Endpoint::from_static("http://fegd").connect_with_connector_lazy(connector))
}

/// Waits until peers are up, or not, in their order.
async fn peers(folder: &Path, wanted: &[bool]) {
    let mut client = operator(folder);
    let wait = async {
        loop {
            if let Ok(list) = client.list_peers(api::ListPeersRequest {}).await
                && list.get_ref().peers.iter().map(|peer| peer.up).eq(wanted.iter().copied())
            {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    let logs = || {
        let logs = std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().path());
        let logs = logs.filter(|path| path.extension().is_some_and(|ending| ending == "log"));
        logs.map(|path| std::fs::read_to_string(path).unwrap_or_default()).collect::<String>()
    };
    tokio::time::timeout(LONG, wait).await.unwrap_or_else(|_| panic!("peers do not become {wanted:?}:\n{}", logs()));
}

/// Waits until something has come to a connection of this port that its program has not read: in /proc/net/tcp, proc(5).
async fn unread(at: SocketAddrV4) {
    let local = format!("{:08X}:{:04X}", u32::from_ne_bytes(at.ip().octets()), at.port());
    let is_there = |line: &str| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let queued =
            words.get(4).and_then(|queues| queues.split_once(':')).is_some_and(|(_, unread)| unread != "00000000");
        words.get(1) == Some(&local.as_str()) && words.get(3) == Some(&"01") && queued
    };
    let wait = async {
        while !std::fs::read_to_string("/proc/net/tcp").unwrap().lines().any(is_there) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(LONG, wait).await.expect("nothing comes to the daemon that stands still");
}

fn signal(free: &Free, name: &str) {
    let pid = free.daemon.0.id().to_string();
    assert!(Command::new("kill").args([name, &pid]).status().unwrap().success());
}

/// Which peer answers a test request, and what.
async fn ping(folder: &Path) -> (String, String) {
    let ping =
        operator(folder).test_ping(api::TestPingRequest { realm: "999-70".to_owned() }).await.unwrap().into_inner();
    (ping.peer, ping.result)
}

#[tokio::test]
async fn over_tcp_the_second_stands_in_when_the_first_dies() {
    let Some(address) = address() else { return };
    let folder = tempfile::tempdir().unwrap();
    let (folder, authority) = (folder.path(), Authority::new());
    let one = free_diameter(folder, &authority, 1, address, CLEAR);
    let two = free_diameter(folder, &authority, 2, address, CLEAR);
    let line = |free: &Free, rank: u8| format!("host = {:?}\naddress = \"{}\"\nrank = {rank}", free.host, free.plain);
    let _fegd = fegd(folder, address, None, &[line(&one, 0), line(&two, 1)]);
    peers(folder, &[true, true]).await;
    let (_, result) = ping(folder).await;
    assert!(["3002", "3003", "3007"].contains(&result.as_str()), "it has no HSS behind it: {result}");
    drop(one.daemon);
    peers(folder, &[false, true]).await;
    let (peer, again) = ping(folder).await;
    assert_eq!((peer, again), (two.host, result));
}

#[tokio::test]
async fn over_tls_on_its_own_port_and_within_the_connection() {
    let Some(address) = address() else { return };
    let folder = tempfile::tempdir().unwrap();
    let (folder, authority) = (folder.path(), Authority::new());
    let one = free_diameter(folder, &authority, 1, address, CLEAR);
    let two = free_diameter(folder, &authority, 2, address, TLS_WITHIN);
    let own = format!("host = {:?}\naddress = \"{}\"\ntransport = \"tls\"", one.host, one.secure);
    let within = format!("host = {:?}\naddress = \"{}\"\ninband_tls = true", two.host, two.plain);
    let _fegd = fegd(folder, address, Some(authority.issue(folder, FEG)), &[own, within]);
    peers(folder, &[true, true]).await;
    let (_, result) = ping(folder).await;
    assert!(["3002", "3003", "3007"].contains(&result.as_str()), "it has no HSS behind it: {result}");
}

/// A certificate of another authority opens nothing, and one of another name neither, whoever has to notice.
#[tokio::test]
async fn over_tls_strangers_stay_outside() {
    let Some(address) = address() else { return };
    let folder = tempfile::tempdir().unwrap();
    let (folder, authority) = (folder.path(), Authority::new());
    let one = free_diameter(folder, &authority, 1, address, CLEAR);
    let two = free_diameter(folder, &authority, 2, address, CLEAR);
    // The first is asked for by a name that is not its certificate's; the second shows that all else is right.
    let wrong = format!("host = \"fd3.home.example\"\naddress = \"{}\"\ntransport = \"tls\"", one.secure);
    let right = format!("host = {:?}\naddress = \"{}\"\ntransport = \"tls\"", two.host, two.secure);
    let fegd_one = fegd(folder, address, Some(authority.issue(folder, FEG)), &[wrong, right]);
    peers(folder, &[false, true]).await;
    drop(fegd_one);
    let stranger = tempfile::tempdir().unwrap();
    let right = format!("host = {:?}\naddress = \"{}\"\ntransport = \"tls\"", two.host, two.secure);
    let [certificate, key, _] = Authority::new().issue(stranger.path(), FEG);
    let authority = folder.join(format!("{FEG}.ca"));
    let plain = format!("host = {:?}\naddress = \"{}\"", one.host, one.plain);
    let _fegd = fegd(stranger.path(), address, Some([certificate, key, authority]), &[right, plain]);
    peers(stranger.path(), &[false, true]).await;
}

/// A request that one daemon has and does not answer goes to the other one when the first dies, marked as one that may have been seen
/// before (RFC 6733 §3, §5.5.4); all of it over TLS.
#[tokio::test]
async fn over_tls_a_request_in_flight_goes_to_the_second_with_the_t_flag() {
    let Some(address) = address() else { return };
    let folder = tempfile::tempdir().unwrap();
    let (folder, authority) = (folder.path(), Authority::new());
    let one = free_diameter(folder, &authority, 1, address, CLEAR);
    let two = free_diameter(folder, &authority, 2, address, CLEAR);
    let line = |free: &Free, rank: u8| {
        format!("host = {:?}\naddress = \"{}\"\ntransport = \"tls\"\nrank = {rank}", free.host, free.secure)
    };
    let own = authority.issue(folder, FEG);
    let _fegd = fegd(folder, address, Some(own), &[line(&one, 0), line(&two, 1)]);
    peers(folder, &[true, true]).await;
    signal(&one, "-STOP");
    let ((peer, result), ()) = tokio::join!(ping(folder), async {
        unread(one.secure).await;
        drop(one.daemon);
    });
    assert_eq!(peer, two.host);
    assert!(["3002", "3003", "3007"].contains(&result.as_str()), "it has no HSS behind it: {result}");
    let log = folder.join(format!("{}.log", two.host));
    let wait = async {
        while !has_repeated_request(&std::fs::read_to_string(&log).unwrap()) {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(LONG, wait).await.expect("the second has no request with the T flag");
}

/// Whether freeDiameter's record of messages has an Authentication-Information-Request (318) that is proxiable and marked as repeated.
fn has_repeated_request(log: &str) -> bool {
    let lines: Vec<&str> = log.lines().collect();
    lines.windows(2).any(|two| two[0].contains("Flags: 0xD0 (RP-T)") && two[1].contains("Command Code: 318"))
}

/// Watchdogs have timers of 6 s at least (RFC 3539 §3.4.1), so this takes more than ten seconds.
#[tokio::test]
async fn watchdogs_find_a_silent_peer_and_one_that_is_back() {
    let Some(address) = address() else { return };
    let folder = tempfile::tempdir().unwrap();
    let (folder, authority) = (folder.path(), Authority::new());
    let one = free_diameter(folder, &authority, 1, address, CLEAR);
    let line = format!("host = {:?}\naddress = \"{}\"", one.host, one.plain);
    let _fegd = fegd(folder, address, None, &[line]);
    peers(folder, &[true]).await;
    signal(&one, "-STOP");
    peers(folder, &[false]).await;
    signal(&one, "-CONT");
    peers(folder, &[true]).await;
    let log = std::fs::read_to_string(folder.join("fd1.home.example.log")).unwrap();
    assert!(!log.contains("FATAL"), "{log}");
}
