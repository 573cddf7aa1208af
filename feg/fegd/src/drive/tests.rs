//! Other configurations while requests are on their way.

use super::*;
use feg_relay::Wish;
use std::collections::BTreeMap;
use testbed_peers::Server;

const LONG: Duration = Duration::from_secs(60);
const HOME: &str = "epc.mnc070.mcc999.3gppnetwork.org";
const PHONE: &str = "999700000000001";
/// Requests that are on their way at each change.
const ASKED: u64 = 25;
const CHANGES: u64 = 8;

async fn hss(host: &str) -> Server {
    let (k, opc) = ("11".repeat(16), "22".repeat(16));
    // An answer takes longer than a farewell: every change finds requests on their way.
    let text = format!(
        "host = \"{host}\"\nrealm = \"{HOME}\"\nlisten = \"127.0.0.1:0\"\npeers = [\"feg1.visited.example\"]\n\
         behaviour = [\"AIR delay 200\"]\n[[subscriber]]\nimsi = \"{PHONE}\"\nk = \"{k}\"\nopc = \"{opc}\"\n"
    );
    testbed_peers::start(&toml::from_str(&text).unwrap()).await.unwrap()
}

fn file(host: &str, home: &Server) -> File {
    let address = home.address().unwrap();
    let text = format!(
        "host = \"feg1.visited.example\"\nrealm = \"visited.example\"\n[[network]]\nplmn = \"999-70\"\n\
         [[peer]]\nhost = \"{host}\"\naddress = \"{address}\"\nrealms = [\"{HOME}\"]\n"
    );
    config::read(&text).unwrap()
}

/// The loop with a gateway, and who puts configurations into force.
struct World {
    told: mpsc::Sender<Told>,
    answers: mpsc::Receiver<Outgoing>,
    wanted: watch::Sender<File>,
}

impl World {
    async fn start(first: File) -> Self {
        let (told_sender, told) = mpsc::channel(TOLD);
        let (change, peers, ended) = peers::new(told_sender.clone());
        let mut effective = config::resolve(&first).unwrap();
        let relay = Relay::new(effective.relay.clone(), &SecureSeed([1; 32]));
        change.put(&mut effective).await.unwrap();
        let metrics = Metrics::new().unwrap();
        let machine = Loop::new(relay, &effective, peers.clone(), told_sender.clone(), metrics);
        tokio::spawn(machine.run(told, ended));
        let operator = operate::Operator::new(peers, effective.relay.clone(), told_sender.clone());
        let (wanted, files) = watch::channel(first.clone());
        let to_loop = told_sender.clone();
        tokio::spawn(async move { follow(&change, first, files, &operator, &to_loop).await });
        let (sender, answers) = mpsc::channel(64);
        let gateway = GatewayId(1);
        let up = Told::GatewayUp { gateway, name: "mast".to_owned(), life: 7, sender };
        told_sender.send(up).await.unwrap();
        Self { told: told_sender, answers, wanted }
    }

    async fn ask(&self, id: u64) {
        let wish = Wish::Vectors { count: 1, immediate: true, resync: None };
        let (imsi, visited) = (PHONE.parse().unwrap(), "001-01".parse().unwrap());
        let request = Box::new(Request { id, within: Duration::from_secs(10), imsi, visited, wish });
        self.told.send(Told::Asked { gateway: GatewayId(1), request, span: None }).await.unwrap();
    }

    async fn answer(&mut self) -> api::Answer {
        loop {
            let next = tokio::time::timeout(LONG, self.answers.recv()).await.expect("no request hangs");
            if let Some(api::to_gateway::Message::Answer(answer)) = next.unwrap().unwrap().message {
                return answer;
            }
        }
    }
}

/// Waits until a home network has had so many requests.
async fn has_had(home: &Server, count: usize) {
    let mut seen = home.watch();
    tokio::time::timeout(LONG, seen.wait_for(|seen| *seen >= count)).await.expect("it is asked").unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_on_their_way_outlive_another_configuration() {
    let names = ["hss1.home.example", "hss2.home.example"];
    let homes = [hss(names[0]).await, hss(names[1]).await];
    let mut world = World::start(file(names[0], &homes[0])).await;
    let mut had = [0, 0];
    for change in 0..CHANGES {
        let (now, next) = ((change % 2) as usize, ((change + 1) % 2) as usize);
        for id in change * ASKED..(change + 1) * ASKED {
            world.ask(id).await;
        }
        // Some are with the home network, which has answered none of them, when peers and routing become others.
        has_had(&homes[now], had[now] + 1).await;
        world.wanted.send_replace(file(names[next], &homes[next]));
        let mut answers = BTreeMap::new();
        for _ in 0..ASKED {
            let answer = world.answer().await;
            let granted = matches!(answer.kind, Some(api::answer::Kind::Vectors(_)));
            assert!(granted, "none is lost: {answer:?}");
            assert!(answers.insert(answer.id, ()).is_none(), "each is answered once");
        }
        let ids: Vec<u64> = answers.into_keys().collect();
        assert_eq!(ids, (change * ASKED..(change + 1) * ASKED).collect::<Vec<_>>());
        had = [homes[0].seen().len(), homes[1].seen().len()];
    }
    assert!(had.iter().all(|had| *had > 0), "{had:?}");
}
