//! The daemon between a gateway and test HSSs, by its own programs' interfaces.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

use basalt_control_api::federation::v1 as api;
use basalt_control_api::federation::v1::federation_client::FederationClient;
use basalt_control_api::federation::v1::federation_operator_client::FederationOperatorClient;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::{Child, Command};
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;
use testbed_peers::{Config, Order, Server};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Streaming;
use tonic::transport::{Channel, Endpoint};

const LONG: Duration = Duration::from_secs(60);
const HOME: &str = "epc.mnc070.mcc999.3gppnetwork.org";
const PHONE: &str = "999700000000001";

/// A daemon of its own, ended with the test.
struct Daemon {
    child: Child,
    gateways: SocketAddr,
    folder: tempfile::TempDir,
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A loopback address that no other test has: ports on it are free.
fn address() -> Ipv4Addr {
    static NEXT: AtomicU8 = AtomicU8::new(1);
    let [_, _, high, low] = std::process::id().to_be_bytes();
    Ipv4Addr::new(127, 1 + high % 250, low, NEXT.fetch_add(1, Ordering::Relaxed))
}

fn daemon(peers: &[(&str, SocketAddr, u8)]) -> Daemon {
    let folder = tempfile::tempdir().unwrap();
    let address = address();
    let (gateways, metrics) = (SocketAddr::from((address, 8482)), SocketAddr::from((address, 9106)));
    let control = folder.path().join("fegd.sock");
    let mut text = format!(
        "host = \"feg1.visited.example\"\nrealm = \"visited.example\"\nmetrics = \"{metrics}\"\ncontrol = \"{}\"\nstate_dir = {:?}\n\
         [gateways]\nlisten = \"{gateways}\"\n[[network]]\nplmn = \"999-70\"\n",
        control.display(),
        folder.path()
    );
    for (host, address, rank) in peers {
        text +=
            &format!("[[peer]]\nhost = \"{host}\"\naddress = \"{address}\"\nrealms = [\"{HOME}\"]\nrank = {rank}\n");
    }
    let file = folder.path().join("fegd.toml");
    std::fs::write(&file, text).unwrap();
    let child = Command::new(env!("CARGO_BIN_EXE_fegd")).arg("--config").arg(&file).spawn().unwrap();
    Daemon { child, gateways, folder }
}

async fn hss(host: &str) -> Server {
    let subscriber =
        format!("[[subscriber]]\nimsi = \"{PHONE}\"\nk = \"{}\"\nopc = \"{}\"\n", "11".repeat(16), "22".repeat(16));
    let text = format!(
        "host = \"{host}\"\nrealm = \"{HOME}\"\nlisten = \"127.0.0.1:0\"\npeers = [\"feg1.visited.example\"]\n{subscriber}"
    );
    testbed_peers::start(&toml::from_str::<Config>(&text).unwrap()).await.unwrap()
}

/// Waits for what becomes true.
async fn until<F: Future<Output = bool>>(what: &str, mut check: impl FnMut() -> F) {
    let wait = async {
        while !check().await {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(LONG, wait).await.unwrap_or_else(|_| panic!("it does not happen that {what}"));
}

struct Gateway {
    send: mpsc::Sender<api::FromGateway>,
    receive: Streaming<api::ToGateway>,
}

impl Gateway {
    async fn connect(daemon: &Daemon) -> Self {
        let endpoint = Endpoint::from_shared(format!("http://{}", daemon.gateways)).unwrap();
        let wait = async {
            loop {
                match endpoint.connect().await {
                    Ok(channel) => return channel,
                    Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
                }
            }
        };
        let channel = tokio::time::timeout(LONG, wait).await.expect("the daemon listens");
        let (send, receiver) = mpsc::channel(64);
        let hello = api::Hello { gateway: "mast".to_owned(), life: 7, ..api::Hello::default() };
        send.send(from(api::from_gateway::Message::Hello(hello))).await.unwrap();
        let mut client = FederationClient::new(channel);
        let receive = client.converse(ReceiverStream::new(receiver)).await.unwrap().into_inner();
        let mut gateway = Self { send, receive };
        assert!(matches!(gateway.next().await, api::to_gateway::Message::Welcome(_)));
        gateway
    }

    async fn next(&mut self) -> api::to_gateway::Message {
        tokio::time::timeout(LONG, self.receive.message()).await.expect("in time").unwrap().unwrap().message.unwrap()
    }

    async fn ask(&mut self, id: u64, kind: api::request::Kind) -> api::answer::Kind {
        self.send(id, kind).await;
        let api::to_gateway::Message::Answer(answer) = self.next().await else { panic!("no answer") };
        assert_eq!(answer.id, id);
        answer.kind.unwrap()
    }

    async fn send(&mut self, id: u64, kind: api::request::Kind) {
        let (imsi, visited) = (PHONE.to_owned(), "001-01".to_owned());
        let request = api::Request { id, within_ms: 2_000, imsi, visited, kind: Some(kind), ..api::Request::default() };
        self.send.send(from(api::from_gateway::Message::Request(request))).await.unwrap();
    }
}

fn from(message: api::from_gateway::Message) -> api::FromGateway {
    api::FromGateway { message: Some(message) }
}

fn vectors() -> api::request::Kind {
    api::request::Kind::Authenticate(api::Authenticate { vectors: 3, immediate: true, resync: Vec::new() })
}

fn locate() -> api::request::Kind {
    api::request::Kind::UpdateLocation(api::UpdateLocation { attach: true, ..Default::default() })
}

async fn operator(socket: &Path) -> FederationOperatorClient<Channel> {
    let path = socket.to_owned();
    let connector = tower::service_fn(move |_: tonic::codegen::http::Uri| {
        let path = path.clone();
        async move { tokio::net::UnixStream::connect(path).await.map(hyper_util::rt::TokioIo::new) }
    });
    let channel = Endpoint::from_static("http://fegd").connect_with_connector_lazy(connector);
    FederationOperatorClient::new(channel)
}

async fn peers_up(daemon: &Daemon, count: usize) {
    let client = operator(&daemon.folder.path().join("fegd.sock")).await;
    until("peers are up", || {
        let mut client = client.clone();
        async move {
            let list = client.list_peers(api::ListPeersRequest {}).await;
            list.is_ok_and(|list| list.get_ref().peers.iter().filter(|peer| peer.up).count() == count)
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_phone_is_authenticated_located_cancelled_and_changed() {
    let home = hss("hss1.home.example").await;
    let daemon = daemon(&[("hss1.home.example", home.address().unwrap(), 0)]);
    let mut gateway = Gateway::connect(&daemon).await;
    peers_up(&daemon, 1).await;
    let api::answer::Kind::Vectors(list) = gateway.ask(1, vectors()).await else { panic!() };
    assert_eq!(list.vectors.len(), 3);
    let again = gateway.ask(1, vectors()).await;
    assert_eq!(again, api::answer::Kind::Vectors(list), "the same number is the same request");
    assert_eq!(home.seen().len(), 1);
    let api::answer::Kind::Located(located) = gateway.ask(2, locate()).await else { panic!() };
    let subscription = located.subscription.unwrap();
    assert_eq!(subscription.ambr.unwrap(), api::Rates { uplink: 50_000_000, downlink: 100_000_000 });
    assert_eq!(subscription.apns.unwrap().apns[0].name, "internet");
    // What the home network asks comes to the gateway, and its answer goes back.
    let imsi = PHONE.parse().unwrap();
    for (order, outcome, code) in [
        (Order::Rate(imsi, (1_000, 2_000)), api::home_answer::Outcome::Done, 2001),
        (Order::Cancel(imsi, 2, false), api::home_answer::Outcome::Unknown, 2001),
        (Order::Delete(imsi, 1, vec![]), api::home_answer::Outcome::Unknown, 5001),
        (Order::Delete(imsi, 1, vec![]), api::home_answer::Outcome::Unable, 5012),
        (Order::Reset(vec![]), api::home_answer::Outcome::Done, 2001),
    ] {
        let server = home.clone();
        let asked = tokio::spawn(async move { server.order(&order).await.unwrap() });
        let api::to_gateway::Message::HomeRequest(request) = gateway.next().await else { panic!() };
        let answer = api::HomeAnswer { id: request.id, outcome: outcome.into(), ..api::HomeAnswer::default() };
        gateway.send.send(from(api::from_gateway::Message::HomeAnswer(answer))).await.unwrap();
        assert_eq!(asked.await.unwrap(), code);
    }
    let api::answer::Kind::Done(_) = gateway.ask(3, api::request::Kind::Purge(api::Purge {})).await else { panic!() };
    assert!(home.order(&Order::Cancel(imsi, 2, false)).await.is_err(), "nobody has the phone any more");
}

#[tokio::test(flavor = "multi_thread")]
async fn lies_and_refusals_have_their_answers() {
    let home = hss("hss1.home.example").await;
    let daemon = daemon(&[("hss1.home.example", home.address().unwrap(), 0)]);
    let mut gateway = Gateway::connect(&daemon).await;
    peers_up(&daemon, 1).await;
    let rows = [
        ("AIR experimental 5001 once", Some(8)),
        ("AIR result 3004 once", Some(22)),
        ("AIR other-session once", Some(17)),
        ("AIR empty once", Some(17)),
        ("AIR nonsense once", Some(17)),
        ("AIR drop once", None),
        ("AIR delay 3000 once", None),
    ];
    for (id, (behaviour, cause)) in (1..).zip(rows) {
        home.behave(behaviour.parse().unwrap());
        match (gateway.ask(id, vectors()).await, cause) {
            (api::answer::Kind::Refused(refused), Some(cause)) => assert_eq!(refused.emm_cause, cause, "{behaviour}"),
            (api::answer::Kind::Unavailable(_), None) => {}
            (other, _) => panic!("{behaviour}: {other:?}"),
        }
    }
    home.behave("ULR nonsense once".parse().unwrap());
    assert!(matches!(gateway.ask(99, locate()).await, api::answer::Kind::Unavailable(_)), "no message at all");
    assert!(matches!(gateway.ask(100, vectors()).await, api::answer::Kind::Vectors(_)));
}

#[tokio::test(flavor = "multi_thread")]
async fn when_a_home_server_goes_the_other_one_answers() {
    let (one, two) = (hss("hss1.home.example").await, hss("hss2.home.example").await);
    let daemon =
        daemon(&[("hss1.home.example", one.address().unwrap(), 0), ("hss2.home.example", two.address().unwrap(), 1)]);
    let mut gateway = Gateway::connect(&daemon).await;
    peers_up(&daemon, 2).await;
    assert!(matches!(gateway.ask(1, vectors()).await, api::answer::Kind::Vectors(_)));
    assert_eq!((one.seen().len(), two.seen().len()), (1, 0));
    // A request that the first has and does not answer goes to the second when the first is gone.
    one.behave("any drop".parse().unwrap());
    gateway.send(2, vectors()).await;
    until("the first has the request", || async { one.seen().len() == 2 }).await;
    one.stop().await;
    let api::to_gateway::Message::Answer(answer) = gateway.next().await else { panic!() };
    assert!(matches!((answer.id, answer.kind.unwrap()), (2, api::answer::Kind::Vectors(_))));
    assert_eq!(two.seen().len(), 1);
    // Both gone: said so, and soon.
    two.stop().await;
    peers_up(&daemon, 0).await;
    assert!(matches!(gateway.ask(3, vectors()).await, api::answer::Kind::Unavailable(_)));
}

#[tokio::test(flavor = "multi_thread")]
async fn operators_see_peers_and_ping_realms() {
    let home = hss("hss1.home.example").await;
    let daemon = daemon(&[("hss1.home.example", home.address().unwrap(), 0)]);
    peers_up(&daemon, 1).await;
    let mut client = operator(&daemon.folder.path().join("fegd.sock")).await;
    let ping = client.test_ping(api::TestPingRequest { realm: "999-70".to_owned() }).await.unwrap().into_inner();
    assert_eq!((ping.peer.as_str(), ping.result.as_str()), ("hss1.home.example", "10415/5001"));
    let mut gateway = Gateway::connect(&daemon).await;
    client.drain(api::DrainRequest { on: true }).await.unwrap();
    assert!(matches!(gateway.next().await, api::to_gateway::Message::Draining(_)));
    // What is asked nevertheless is answered.
    assert!(matches!(gateway.ask(1, vectors()).await, api::answer::Kind::Vectors(_)));
    let list = client.list_peers(api::ListPeersRequest {}).await.unwrap().into_inner();
    assert!(list.draining && list.gateways == ["mast"]);
    assert_eq!(list.peers[0].results["2001"], 1);
}
