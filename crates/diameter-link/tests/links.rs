//! Two nodes on loopback, by every transport that needs no privilege, and guests that misbehave.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

use basalt_diameter::node::{Failure, Local, PeerConfig, PeerId, Route, Service, answer};
use basalt_diameter::{
    Application, Command, Header, Limits, Message, Outcome, ResultCode, Writer, dictionary as name, vendor,
};
use basalt_diameter_link::{Arrived, Handler, Listen, Remote, Settings, Tls, Transport, spawn};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use std::net::SocketAddr;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::mpsc;

const LONG: Duration = Duration::from_secs(60);
const CLIENT: &str = "client.visited.example";
const SERVER: &str = "server.home.example";

struct Authority(Issuer<'static, KeyPair>, Vec<u8>);

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let der = params.self_signed(&key).unwrap().der().to_vec();
        Self(Issuer::new(params, key), der)
    }

    fn tls(&self, name: &str) -> Tls {
        let key = KeyPair::generate().unwrap();
        let certificate = CertificateParams::new(vec![name.to_owned()]).unwrap().signed_by(&key, &self.0).unwrap();
        let mut roots = rustls::RootCertStore::empty();
        roots.add(self.1.clone().into()).unwrap();
        let key = rustls::pki_types::PrivatePkcs8KeyDer::from(key.serialize_der());
        Tls::new(vec![certificate.der().clone()], key.into(), roots).unwrap()
    }
}

fn settings(host: &str, remote: Remote, tls: Option<Tls>) -> Settings {
    let realm = host.split_once('.').unwrap().1.to_owned();
    let local = Local {
        host: host.to_owned(),
        realm,
        addresses: vec!["127.0.0.1".parse().unwrap()],
        vendor: vendor::TGPP,
        product: "test".to_owned(),
        applications: vec![Service { application: Application::S6A, vendor: vendor::TGPP }],
        state_id: 1,
    };
    let routes = vec![Route { realm: "*".to_owned(), application: None, peers: vec![(PeerId(0), 0)] }];
    let (limits, listen, accept_from) = (Limits::default(), Vec::new(), Vec::new());
    Settings { local, remotes: vec![remote], routes, limits, listen, accept_from, tls, arrivals: 1024 }
}

fn remote(host: &str, transport: Transport, address: String) -> Remote {
    Remote { config: PeerConfig::new(host), transport, address }
}

async fn server(transport: Transport, inband: bool, tls: Option<Tls>) -> (Handler, mpsc::Receiver<Arrived>) {
    listening(transport, inband, tls, "127.0.0.1:0".parse().unwrap()).await
}

async fn listening(
    transport: Transport,
    inband: bool,
    tls: Option<Tls>,
    address: SocketAddr,
) -> (Handler, mpsc::Receiver<Arrived>) {
    let mut guest = remote(CLIENT, transport, String::new());
    guest.config.inband_tls = inband;
    guest.config.certified = transport == Transport::Tls;
    let mut settings = settings(SERVER, guest, tls);
    settings.listen = vec![Listen { transport, address }];
    spawn(settings).await.unwrap()
}

async fn client(transport: Transport, inband: bool, tls: Option<Tls>, to: SocketAddr) -> Handler {
    let mut host = remote(SERVER, transport, to.to_string());
    host.config.inband_tls = inband;
    spawn(settings(CLIENT, host, tls)).await.unwrap().0
}

async fn up(handler: &Handler) {
    let is_up = async {
        while !handler.peers().await[0].up {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(LONG, is_up).await.expect("the peer comes up");
}

fn request(padding: usize) -> Vec<u8> {
    let mut writer = Writer::new(&Header::request(Command::AUTHENTICATION_INFORMATION, Application::S6A));
    writer.text(name::SESSION_ID, "client;1;1").text(name::ORIGIN_HOST, CLIENT);
    writer.text(name::ORIGIN_REALM, "visited.example").text(name::DESTINATION_REALM, "home.example");
    writer.octets(name::ERROR_MESSAGE, &vec![b'x'; padding]);
    writer.finish()
}

/// Answers everything with success, in the server's name.
fn serve(handler: Handler, mut arrived: mpsc::Receiver<Arrived>) {
    tokio::spawn(async move {
        while let Some(Arrived { handle, octets, .. }) = arrived.recv().await {
            let message = Message::decode(&octets, &Limits::default()).unwrap();
            let realm = "home.example".to_owned();
            let local = Local {
                host: SERVER.to_owned(),
                realm,
                addresses: vec![],
                vendor: 0,
                product: String::new(),
                applications: vec![],
                state_id: 0,
            };
            handler.answer(handle, answer(&local, &message, ResultCode::SUCCESS).finish()).await;
        }
    });
}

async fn converse(transport: Transport, inband: bool, tls: Option<(Tls, Tls)>) {
    converse_at("127.0.0.1:0".parse().unwrap(), transport, inband, tls).await;
}

async fn converse_at(address: SocketAddr, transport: Transport, inband: bool, tls: Option<(Tls, Tls)>) {
    let (ours, theirs) = tls.unzip();
    let (host, arrived) = listening(transport, inband, theirs, address).await;
    let at = host.bound()[0];
    serve(host.clone(), arrived);
    let guest = client(transport, inband, ours, at).await;
    up(&guest).await;
    let asked = (0..200).map(|number| {
        let guest = guest.clone();
        tokio::spawn(async move { guest.request(request(number * 200), number as u64, LONG).await })
    });
    for asked in asked.collect::<Vec<_>>() {
        let answered = asked.await.unwrap().unwrap();
        let message = Message::decode(&answered.octets, &Limits::default()).unwrap();
        assert_eq!(message.outcome(), Ok(Outcome::Base(ResultCode::SUCCESS)));
    }
    let status = guest.peers().await.remove(0);
    assert_eq!((status.answers, status.results[&(0, 2001)], status.losses), (200, 200, 0));
    assert_eq!(status.latency.iter().sum::<u64>(), 200);
    tokio::time::timeout(LONG, guest.stop()).await.expect("DPR, DPA and the end");
    assert_eq!(guest.request(request(0), 0, LONG).await, Err(Failure::Stopping));
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_go_over_tcp() {
    converse(Transport::Tcp, false, None).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_go_over_tls() {
    let authority = Authority::new();
    converse(Transport::Tls, false, Some((authority.tls(CLIENT), authority.tls(SERVER)))).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn tls_begins_within_the_connection() {
    let authority = Authority::new();
    converse(Transport::Tcp, true, Some((authority.tls(CLIENT), authority.tls(SERVER)))).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_go_over_sctp() {
    let probe = basalt_sctp::probe();
    if probe.auto.is_none() {
        eprintln!("skipped: {}", probe.why);
        return;
    }
    // An address of its own: raw sockets hear what is for others at theirs.
    let [_, _, high, low] = std::process::id().to_be_bytes();
    let address = SocketAddr::from(([127, 64 + high % 64, low, 77], basalt_diameter::PORT));
    converse_at(address, Transport::Sctp, false, None).await;
}

/// Asks once and gets nothing, and nobody is up.
async fn nothing_opens(guest: &Handler, host: &Handler) {
    let asked = guest.request(request(0), 0, Duration::from_secs(1)).await;
    assert_eq!(asked, Err(Failure::NoPeer));
    assert!(!guest.peers().await[0].up && !host.peers().await[0].up);
}

#[tokio::test(flavor = "multi_thread")]
async fn within_the_connection_a_certificate_of_another_name_opens_nothing_either() {
    let authority = Authority::new();
    let (host, _arrived) = server(Transport::Tcp, true, Some(authority.tls(SERVER))).await;
    let guest = client(Transport::Tcp, true, Some(authority.tls("mallory.visited.example")), host.bound()[0]).await;
    let lost = async {
        while host.peers().await[0].lost.is_none() && guest.peers().await[0].lost.is_none() {
            // The client may believe for a moment that all is well: its side of TLS stands before the server has judged it.
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(LONG, lost).await.expect("the connection ends");
    assert!(!host.peers().await[0].up);
}

#[tokio::test(flavor = "multi_thread")]
async fn certificates_of_another_authority_open_nothing() {
    let (authority, other) = (Authority::new(), Authority::new());
    let (host, _arrived) = server(Transport::Tls, false, Some(authority.tls(SERVER))).await;
    let guest = client(Transport::Tls, false, Some(other.tls(CLIENT)), host.bound()[0]).await;
    nothing_opens(&guest, &host).await;
    let (host, _arrived) = server(Transport::Tls, false, Some(other.tls(SERVER))).await;
    let guest = client(Transport::Tls, false, Some(authority.tls(CLIENT)), host.bound()[0]).await;
    nothing_opens(&guest, &host).await;
    // In clear where TLS is spoken, and the other way round.
    let guest = client(Transport::Tcp, false, None, host.bound()[0]).await;
    nothing_opens(&guest, &host).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_to_many_requests_come_out_of_one_queue() {
    let (host, arrived) = server(Transport::Tcp, false, None).await;
    serve(host.clone(), arrived);
    let guest = client(Transport::Tcp, false, None, host.bound()[0]).await;
    up(&guest).await;
    let (sender, mut ended) = mpsc::channel(50);
    let requests = guest.requests(sender);
    for number in 0..50 {
        requests.send(number, request(0), number, LONG).unwrap();
    }
    // All places are taken until answers are taken out.
    assert_eq!(requests.send(50, request(0), 0, LONG), Err(Failure::NoPeer));
    let mut numbers = Vec::new();
    for _ in 0..50 {
        let (number, answered) = tokio::time::timeout(LONG, ended.recv()).await.unwrap().unwrap();
        assert!(answered.is_ok());
        numbers.push(number);
    }
    numbers.sort_unstable();
    assert_eq!(numbers, (0..50).collect::<Vec<_>>());
    // What is no request ends there, too.
    requests.send(51, Vec::new(), 0, LONG).unwrap();
    let (number, answered) = tokio::time::timeout(LONG, ended.recv()).await.unwrap().unwrap();
    assert_eq!((number, answered), (51, Err(Failure::Invalid)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_of_another_name_opens_nothing() {
    let authority = Authority::new();
    let (host, _arrived) = server(Transport::Tls, false, Some(authority.tls(SERVER))).await;
    let guest = client(Transport::Tls, false, Some(authority.tls("mallory.visited.example")), host.bound()[0]).await;
    // The handshake succeeds (the authority is right); CER is refused, and the connection closed, every time.
    let asked = guest.request(request(0), 0, Duration::from_secs(3)).await;
    assert_eq!(asked, Err(Failure::NoPeer));
    assert!(!guest.peers().await[0].up && !host.peers().await[0].up);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_sends_garbage_is_answered_and_closed_and_others_go_on() {
    let (host, arrived) = server(Transport::Tcp, false, None).await;
    let at = host.bound()[0];
    serve(host.clone(), arrived);
    let guest = client(Transport::Tcp, false, None, at).await;
    up(&guest).await;
    for garbage in [
        &b"GET / HTTP/1.1\r\n\r\n      "[..],
        &[1, 0, 0, 16, 0x80, 0, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
        &[1, 255, 255, 252, 0x80, 0, 1, 1],
    ] {
        let mut stream = TcpStream::connect(at).await.unwrap();
        stream.write_all(garbage).await.unwrap();
        let mut rest = Vec::new();
        let read = tokio::time::timeout(LONG, stream.read_to_end(&mut rest)).await;
        // A reset is as good an end as any other.
        let _ = read.expect("the connection is closed");
    }
    assert!(guest.request(request(0), 0, LONG).await.is_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_peer_comes_back() {
    let (host, arrived) = server(Transport::Tcp, false, None).await;
    let at = host.bound()[0];
    serve(host.clone(), arrived);
    let guest = client(Transport::Tcp, false, None, at).await;
    up(&guest).await;
    host.stop().await;
    drop(host);
    let down = async {
        while guest.peers().await[0].up {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(LONG, down).await.unwrap();
    assert_eq!(guest.request(request(0), 0, LONG).await, Err(Failure::NoPeer));
    assert_eq!(guest.peers().await[0].losses, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn addresses_that_may_not_connect_are_closed() {
    let mut settings = settings(SERVER, remote(CLIENT, Transport::Tcp, String::new()), None);
    settings.listen = vec![Listen { transport: Transport::Tcp, address: "127.0.0.1:0".parse().unwrap() }];
    settings.accept_from = vec![("10.0.0.0".parse().unwrap(), 8)];
    let (host, _arrived) = spawn(settings).await.unwrap();
    let mut stream = TcpStream::connect(host.bound()[0]).await.unwrap();
    let mut octet = [0];
    let read = tokio::time::timeout(LONG, stream.read(&mut octet)).await.expect("it is closed");
    assert!(matches!(read, Ok(0) | Err(_)));
}
