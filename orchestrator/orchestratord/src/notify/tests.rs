#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]
use super::*;
use basalt_security::{SEALING_NONCE, Secret};
use orchestrator_db::{Change, Precondition, Settings, open as open_db};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

const SECRET: &str = "0123456789abcdef";

struct World {
    db: Arc<dyn Repository>,
    key: SealingKey,
    _folder: tempfile::TempDir,
}

impl World {
    /// A network with a webhook.
    async fn new(url: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let address = format!("sqlite:{}", folder.path().join("db").display());
        let db = open_db(&Settings { address, connections: 4 }).await.unwrap();
        let key = SealingKey::from_octets(Secret::new([7; 32]));
        let put = |kind, network: &str, name: &str, body| Change {
            target: Target { kind, network: network.to_owned(), name: name.to_owned() },
            precondition: Precondition::None,
            body: Some(body),
            sealed: None,
            references: Vec::new(),
        };
        let mut hook = put(Kind::Webhook, "lab", "w", json!({"url": url, "events": ["alarm"], "active": true}));
        let text = json!({ "secret": SECRET }).to_string();
        hook.sealed = Some(key.seal_named(&hook.target.to_string(), [1; SEALING_NONCE], text.as_bytes()));
        db.apply("ann", 1, &[put(Kind::Network, "", "lab", json!({})), hook]).await.unwrap();
        Self { db, key, _folder: folder }
    }

    async fn event(&self, number: i64, kind: &str, alarm: bool) {
        let event = GatewayEvent {
            id: 0,
            gateway: "g".to_owned(),
            epoch: 1,
            number,
            at: crate::now(),
            kind: kind.to_owned(),
            alarm,
            imsi: String::new(),
            words: "words".to_owned(),
            facts: "{}".to_owned(),
        };
        self.db.put_gateway_events("lab", &[event]).await.unwrap();
    }

    async fn look(&self, allowed: &[&str]) {
        let allowed = allowed.iter().map(|it| it.parse().unwrap()).collect();
        look(&self.db, &self.key, &Arc::new(Client::new(allowed).unwrap()), None).await.unwrap();
    }

    async fn all(&self) -> Vec<Delivery> {
        self.db.deliveries("lab", "w", None, 100).await.unwrap()
    }

    /// What waits is due now.
    async fn hurry(&self) {
        for mut delivery in self.all().await.into_iter().filter(|it| it.state == DeliveryState::Pending) {
            delivery.due_at = 1;
            self.db.settle(&delivery).await.unwrap();
        }
    }
}

/// Takes one request and answers it; what came.
async fn receive(listener: &TcpListener, answer: &str) -> String {
    let (mut stream, _) = listener.accept().await.unwrap();
    let mut text = String::new();
    let mut octets = [0; 4096];
    while !text.ends_with('}') {
        let count = stream.read(&mut octets).await.unwrap();
        assert!(count > 0, "cut off: {text}");
        text.push_str(core::str::from_utf8(&octets[..count]).unwrap());
    }
    stream.write_all(answer.as_bytes()).await.unwrap();
    text
}

#[tokio::test]
async fn what_happens_is_told_signed_and_again_until_it_is_taken() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let world = World::new(&format!("http://{}/hook?x=1", listener.local_addr().unwrap())).await;
    let allowed = ["127.0.0.1/32"];
    world.event(1, "before", true).await;
    world.look(&allowed).await;
    world.event(2, "security", true).await;
    world.event(3, "attached", false).await;
    let refused = "HTTP/1.1 503 Busy\r\ncontent-length: 0\r\n\r\n";
    let (_, first) = tokio::join!(world.look(&allowed), receive(&listener, refused));
    let waiting = world.all().await;
    assert_eq!(waiting.len(), 1, "what was before, and what is not wanted, is not told: {waiting:?}");
    assert_eq!((waiting[0].attempts, waiting[0].trouble.as_str()), (1, "it answered 503"));
    assert!(waiting[0].due_at >= waiting[0].changed_at + PAUSE / 2, "not at once");
    world.hurry().await;
    let taken = "HTTP/1.1 204 Taken\r\n\r\n";
    let (_, second) = tokio::join!(world.look(&allowed), receive(&listener, taken));
    assert_eq!(world.all().await[0].state, DeliveryState::Delivered);
    let header = |text: &str, name: &str| {
        let mut lines = text.lines().filter_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
        lines.next().map(str::to_owned).unwrap_or_default()
    };
    assert!(second.starts_with("POST /hook?x=1 HTTP/1.1\r\n"), "{second}");
    assert_eq!(header(&first, "basalt-delivery"), header(&second, "basalt-delivery"), "the same one came again");
    let body = second.split("\r\n\r\n").nth(1).unwrap();
    assert_eq!(serde_json::from_str::<Value>(body).unwrap()["kind"], "security");
    let signed = header(&second, "basalt-signature");
    let at: i64 = signed.strip_prefix("t=").unwrap().split(',').next().unwrap().parse().unwrap();
    assert_eq!(signed, format!("t={at},v1={}", signature(SECRET, at, body)));
    assert!(!second.contains(SECRET));
    // Nothing is told twice.
    world.look(&allowed).await;
    assert_eq!(world.all().await.len(), 1);
}

#[tokio::test]
async fn what_is_silenced_is_not_told() {
    let world = World::new("http://127.0.0.1:9/").await;
    world.look(&[]).await;
    let target = Target { kind: Kind::Silence, network: "lab".to_owned(), name: "s".to_owned() };
    let body = json!({"gateway": "g", "kind": "security", "from": 0, "until": i64::MAX, "comment": ""});
    let silence =
        Change { target, precondition: Precondition::None, body: Some(body), sealed: None, references: Vec::new() };
    world.db.apply("ann", 1, &[silence]).await.unwrap();
    world.event(1, "security", true).await;
    world.event(2, "events-dropped", true).await;
    world.look(&[]).await;
    let told: Vec<String> = world.all().await.into_iter().map(|it| it.kind).collect();
    assert_eq!(told, ["events-dropped"]);
}

#[tokio::test]
async fn nothing_inside_is_told_anything() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    // By address, by name, by number, and in IPv6's clothes.
    for host in ["127.0.0.1", "localhost", "2130706433", "0x7f.1", "[::1]", "[::ffff:127.0.0.1]"] {
        let world = World::new(&format!("http://{host}:{port}/")).await;
        world.look(&[]).await;
        world.event(1, "security", true).await;
        world.look(&[]).await;
        let all = world.all().await;
        assert_eq!((all.len(), all[0].attempts, all[0].state), (1, 1, DeliveryState::Pending), "{host}");
        let told = ["the address is not public", "the name cannot be resolved"];
        assert!(told.iter().any(|why| all[0].trouble.contains(why)), "{host}: {}", all[0].trouble);
    }
    let metadata = World::new("http://169.254.169.254/latest/meta-data").await;
    metadata.look(&[]).await;
    metadata.event(1, "security", true).await;
    metadata.look(&["10.0.0.0/8"]).await;
    assert!(metadata.all().await[0].trouble.contains("not public"));
    // A redirection inside is not followed, and what is refused again and again is given up, to be seen.
    let world = World::new(&format!("http://127.0.0.1:{port}/")).await;
    let allowed = ["127.0.0.1/32"];
    world.look(&allowed).await;
    world.event(1, "security", true).await;
    let away = "HTTP/1.1 302 Away\r\nlocation: http://169.254.169.254/\r\ncontent-length: 0\r\n\r\n";
    for _ in 0..TRIES {
        tokio::join!(world.look(&allowed), receive(&listener, away));
        world.hurry().await;
    }
    let dead = world.db.deliveries("lab", "w", Some(DeliveryState::Dead), 10).await.unwrap();
    assert_eq!((dead.len(), dead[0].attempts, dead[0].trouble.as_str()), (1, TRIES, "it answered 302"));
}

#[test]
fn pauses_grow_and_are_not_all_the_same() {
    for (attempts, most) in [(1, PAUSE), (2, 2 * PAUSE), (5, 16 * PAUSE), (20, 3_600_000), (i64::MAX, 3_600_000)] {
        let pause = pause(attempts);
        assert!((most / 2..=most).contains(&pause), "{attempts}: {pause}");
    }
    let all: std::collections::BTreeSet<i64> = (0..20).map(|_| pause(10)).collect();
    assert!(all.len() > 1);
}
