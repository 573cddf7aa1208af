//! Every kind of message that the daemon exchanges with a home network, judged by tshark, which others wrote. Needs `tshark`
//! (`cargo xtask setup` installs it); without it the test says so and passes.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

use basalt_control_api::federation::v1 as api;
use basalt_control_api::federation::v1::federation_client::FederationClient;
use basalt_diameter::{Limits, Message, framed};
use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use testbed_peers::{Config, Order};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Streaming;
use tonic::transport::Endpoint;

const LONG: Duration = Duration::from_secs(60);
const HOME: &str = "epc.mnc070.mcc999.3gppnetwork.org";
const PHONE: &str = "999700000000001";

type Kept = Arc<Mutex<Vec<Vec<u8>>>>;

/// Somebody between: messages of both directions are kept.
async fn tap(to: SocketAddr) -> (SocketAddr, Kept) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (address, kept) = (listener.local_addr().unwrap(), Kept::default());
    let all = Arc::clone(&kept);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (ours, theirs) = (stream.into_split(), TcpStream::connect(to).await.unwrap().into_split());
            for (mut from, mut to) in [(ours.0, theirs.1), (theirs.0, ours.1)] {
                let kept = Arc::clone(&all);
                tokio::spawn(async move {
                    let mut octets = Vec::new();
                    while matches!(from.read_buf(&mut octets).await, Ok(1..)) {
                        while let Some(length) = framed(&octets, &Limits::default()).unwrap()
                            && length <= octets.len()
                        {
                            let message: Vec<u8> = octets.drain(..length).collect();
                            kept.lock().unwrap().push(message.clone());
                            if to.write_all(&message).await.is_err() {
                                return;
                            }
                        }
                    }
                });
            }
        }
    });
    (address, kept)
}

/// A capture in which each packet is one message (link type 252: a tag names the dissector).
fn capture(messages: &[Vec<u8>]) -> Vec<u8> {
    let mut file = Vec::new();
    for word in [0xa1b2_c3d4, 0x0002_0004_u32.rotate_left(16), 0, 0, 262_144, 252] {
        file.extend(word.to_le_bytes());
    }
    let tags = [&[0, 12, 0, 8][..], b"diameter", &[0; 4]].concat();
    for message in messages {
        let length = (tags.len() + message.len()) as u32;
        for word in [0, 0, length, length] {
            file.extend(word.to_le_bytes());
        }
        file.extend([&tags[..], message].concat());
    }
    file
}

struct Mast {
    send: mpsc::Sender<api::FromGateway>,
    receive: Streaming<api::ToGateway>,
    next: u64,
}

impl Mast {
    async fn connect(to: SocketAddr) -> Self {
        let endpoint = Endpoint::from_shared(format!("http://{to}")).unwrap();
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
        send.send(api::FromGateway { message: Some(api::from_gateway::Message::Hello(hello)) }).await.unwrap();
        let receive =
            FederationClient::new(channel).converse(ReceiverStream::new(receiver)).await.unwrap().into_inner();
        let mut mast = Self { send, receive, next: 0 };
        mast.hear().await;
        mast
    }

    async fn hear(&mut self) -> api::to_gateway::Message {
        tokio::time::timeout(LONG, self.receive.message()).await.expect("in time").unwrap().unwrap().message.unwrap()
    }

    async fn ask(&mut self, imsi: &str, kind: api::request::Kind) -> api::answer::Kind {
        self.next += 1;
        let (imsi, visited) = (imsi.to_owned(), "001-01".to_owned());
        let request = api::Request {
            id: self.next,
            within_ms: 5_000,
            imsi,
            visited,
            kind: Some(kind),
            ..api::Request::default()
        };
        let message = Some(api::from_gateway::Message::Request(request));
        self.send.send(api::FromGateway { message }).await.unwrap();
        let api::to_gateway::Message::Answer(answer) = self.hear().await else { panic!("no answer") };
        answer.kind.unwrap()
    }

    async fn obey(&mut self, outcome: api::home_answer::Outcome) {
        let api::to_gateway::Message::HomeRequest(order) = self.hear().await else { panic!("no order") };
        let answer = api::HomeAnswer { id: order.id, outcome: outcome.into(), ..api::HomeAnswer::default() };
        let message = Some(api::from_gateway::Message::HomeAnswer(answer));
        self.send.send(api::FromGateway { message }).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn tshark_finds_nothing_wrong() {
    if Command::new("tshark").arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status().is_err() {
        eprintln!("skipped: there is no tshark; `cargo xtask setup` installs it");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let (k, opc) = ("11".repeat(16), "22".repeat(16));
    let text = format!(
        "host = \"hss1.home.example\"\nrealm = \"{HOME}\"\nlisten = \"127.0.0.1:0\"\npeers = [\"feg1.visited.example\"]\n\
         [[subscriber]]\nimsi = \"{PHONE}\"\nk = \"{k}\"\nopc = \"{opc}\"\nmsisdn = \"491701234567\"\n"
    );
    let home = testbed_peers::start(&toml::from_str::<Config>(&text).unwrap()).await.unwrap();
    let (between, kept) = tap(home.address().unwrap()).await;
    let free = || std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let (gateways, metrics) = (free(), free());
    let (control, state) = (folder.path().join("fegd.sock"), folder.path().join("state"));
    let text = format!(
        "host = \"feg1.visited.example\"\nrealm = \"visited.example\"\nmetrics = \"{metrics}\"\ncontrol = {control:?}\n\
         state_dir = {state:?}\n[gateways]\nlisten = \"{gateways}\"\n[[network]]\nplmn = \"999-70\"\n\
         [[peer]]\nhost = \"hss1.home.example\"\naddress = \"{between}\"\nrealms = [\"{HOME}\"]\n"
    );
    let config = folder.path().join("fegd.toml");
    std::fs::write(&config, text).unwrap();
    let mut fegd = Command::new(env!("CARGO_BIN_EXE_fegd")).arg("--config").arg(&config).spawn().unwrap();
    let mut mast = Mast::connect(gateways).await;

    use api::request::Kind;
    let vectors = |resync| Kind::Authenticate(api::Authenticate { vectors: 3, immediate: true, resync });
    let wait = async {
        while !matches!(mast.ask(PHONE, vectors(Vec::new())).await, api::answer::Kind::Vectors(_)) {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(LONG, wait).await.expect("the HSS is connected");
    mast.ask(PHONE, vectors(vec![7; 30])).await;
    mast.ask("999700000000099", vectors(Vec::new())).await;
    let (imei, software) = ("35609204079300".to_owned(), "01".to_owned());
    let check = api::CheckEquipment { imei: imei.clone(), software: software.clone() };
    mast.ask(PHONE, Kind::CheckEquipment(check)).await;
    mast.ask(PHONE, Kind::UpdateLocation(api::UpdateLocation { attach: true, imei, software })).await;
    mast.ask(PHONE, Kind::Notify(api::Notify::default())).await;
    let imsi = PHONE.parse().unwrap();
    for (order, outcome) in [
        (Order::Rate(imsi, (1_000, 2_000)), api::home_answer::Outcome::Done),
        (Order::Delete(imsi, 2, Vec::new()), api::home_answer::Outcome::Unable),
        (Order::Reset(vec!["99970".to_owned()]), api::home_answer::Outcome::Done),
        (Order::Cancel(imsi, 0, false), api::home_answer::Outcome::Unknown),
    ] {
        let server = home.clone();
        let asked = tokio::spawn(async move { server.order(&order).await.unwrap() });
        mast.obey(outcome).await;
        asked.await.unwrap();
    }
    mast.ask(PHONE, Kind::Purge(api::Purge {})).await;
    // It says goodbye: DPR, DPA.
    assert!(Command::new("kill").arg(fegd.id().to_string()).status().unwrap().success());
    assert!(tokio::task::spawn_blocking(move || fegd.wait()).await.unwrap().unwrap().success());

    let kept = kept.lock().unwrap().clone();
    let command = |octets: &Vec<u8>| Message::header_of(octets).map(|header| (header.command.0, header.request));
    let kinds: BTreeSet<_> = kept.iter().filter_map(command).collect();
    let both = |command| [(command, false), (command, true)];
    let wanted: BTreeSet<_> =
        [257, 282, 316, 317, 318, 319, 320, 321, 322, 323, 324].into_iter().flat_map(both).collect();
    assert_eq!(kinds, wanted);
    let path = folder.path().join("federation.pcap");
    std::fs::write(&path, capture(&kept)).unwrap();
    let judge = |filter: &str| {
        let mut tshark = Command::new("tshark");
        let output = tshark.arg("-r").arg(&path).args(["-Y", filter]).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    assert_eq!(judge("diameter").lines().count(), kept.len());
    // Warnings and errors of its experts count as well.
    let wrong = judge("_ws.malformed or _ws.expert.severity >= 0x600000");
    assert!(wrong.is_empty(), "tshark complains about\n{wrong}");
}
