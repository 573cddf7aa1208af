#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]
mod real_programs;

use super::*;
use crate::notify::smtp::{Protection, Smtp, SmtpFile, connector};
use basalt_security::{SEALING_NONCE, SealingKey, Secret};
use orchestrator_api::receiver_place;
use orchestrator_db::{Change, Device, GatewayToken, Precondition, StatePart, Target};
use orchestrator_model::Kind;
use orchestrator_telemetry::message::Notice;
use serde_json::{Value, json};
use std::time::Instant;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

/// However slow the machine is.
const PATIENCE: Duration = Duration::from_secs(60);

struct World {
    db: Arc<dyn Repository>,
    key: SealingKey,
    folder: tempfile::TempDir,
}

impl World {
    /// A network with a gateway that joined and talks.
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let address = format!("sqlite:{}", folder.path().join("db").display());
        let db = orchestrator_db::open(&orchestrator_db::Settings { address, connections: 4 }).await.unwrap();
        let world = Self { db, key: SealingKey::from_octets(Secret::new([7; 32])), folder };
        world.put(Kind::Network, "", "lab", json!({}), None).await;
        world.put(Kind::Gateway, "lab", "g", json!({"tier": "t"}), None).await;
        let token = GatewayToken {
            digest: "d".to_owned(),
            id: "i".to_owned(),
            network: "lab".to_owned(),
            tier: "t".to_owned(),
            gateway: "g".to_owned(),
            created_by: String::new(),
            created_at: 1,
            expires_at: i64::MAX,
            used_at: 0,
            used_by: String::new(),
        };
        world.db.put_gateway_token(&token).await.unwrap();
        let (network, gateway) = ("lab".to_owned(), "g".to_owned());
        let device = Device { network, gateway, public_key: "00".to_owned(), enrolled_at: 2, revoked_at: 0 };
        assert!(world.db.enrol("d", 2, &device).await.unwrap());
        world.db.gateway_connected("lab", "g", crate::now(), "r", 1).await.unwrap();
        world
    }

    async fn put(&self, kind: Kind, network: &str, name: &str, body: Value, secret: Option<&str>) {
        let target = Target { kind, network: network.to_owned(), name: name.to_owned() };
        let text = secret.map(|secret| json!({ "secret": secret }).to_string());
        let seal = |text: String| self.key.seal_named(&target.to_string(), [1; SEALING_NONCE], text.as_bytes());
        let change = Change {
            sealed: text.map(seal),
            target,
            precondition: Precondition::None,
            body: Some(body),
            references: Vec::new(),
        };
        self.db.apply("ann", 1, &[change]).await.unwrap();
    }

    fn here(&self) -> Here {
        let certificate = Some(self.folder.path().join("rest.pem")).filter(|path| path.exists());
        Here { folder: self.folder.path().to_owned(), certificate }
    }

    async fn tell(&self, part: StatePart) {
        self.db.put_gateway_state("lab", "g", crate::now(), ("r", 1), &[part]).await.unwrap();
    }

    /// Those of networks: the machine that tests run on may have its own.
    async fn alarms(&self) -> Vec<(String, bool)> {
        let page = self.db.alarms(&AlarmQuery::default()).await.unwrap();
        let all = page.items.into_iter().rev().filter(|alarm| !alarm.network.is_empty());
        all.map(|alarm| (alarm.rule, alarm.cleared_at == 0)).collect()
    }

    /// Looks until something is so.
    async fn until(&self, watch: &mut Watch, what: &str, done: impl AsyncFn() -> bool) {
        let began = Instant::now();
        loop {
            watch.look(self.db.as_ref(), false, None, &self.here()).await.unwrap();
            if done().await {
                return;
            }
            assert!(began.elapsed() < PATIENCE, "{what}: {:?}", self.alarms().await);
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

fn is_open(alarms: &[(String, bool)], rule: &str) -> bool {
    alarms.iter().any(|(name, open)| name == rule && *open)
}

/// Takes one POST; its head and its body.
async fn receive(listener: &TcpListener) -> (String, String) {
    let (mut stream, _) = listener.accept().await.unwrap();
    let mut all = Vec::new();
    loop {
        let mut part = [0; 4096];
        let count = stream.read(&mut part).await.unwrap();
        assert!(count > 0, "cut off");
        all.extend_from_slice(&part[..count]);
        let text = String::from_utf8_lossy(&all).into_owned();
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let lengths =
            head.lines().filter_map(|line| line.to_ascii_lowercase().strip_prefix("content-length: ")?.parse().ok());
        if lengths.collect::<Vec<usize>>() == [body.len()] {
            stream.write_all(b"HTTP/1.1 202 Taken\r\ncontent-length: 0\r\n\r\n").await.unwrap();
            return (head.to_owned(), body.to_owned());
        }
    }
}

/// A mail server that takes one message.
async fn mailbox(listener: TcpListener) -> (Vec<String>, String) {
    let (stream, _) = listener.accept().await.unwrap();
    let (mut stream, mut said) = (BufReader::new(stream), Vec::new());
    stream.write_all(b"220 mail\r\n").await.unwrap();
    loop {
        let mut line = String::new();
        stream.read_line(&mut line).await.unwrap();
        let answer: &[u8] = match line.split(' ').next().unwrap().trim_end() {
            "EHLO" => b"250-mail\r\n250 8BITMIME\r\n",
            "DATA" => b"354 go on\r\n",
            "QUIT" => b"221 bye\r\n",
            _ => b"250 ok\r\n",
        };
        stream.write_all(answer).await.unwrap();
        said.push(line.trim_end().to_owned());
        if line.starts_with("DATA") {
            break;
        }
    }
    let mut mail = String::new();
    while !mail.ends_with("\r\n.\r\n") {
        assert!(stream.read_line(&mut mail).await.unwrap() > 0, "cut off: {mail}");
    }
    stream.write_all(b"250 taken\r\n").await.unwrap();
    (said, mail)
}

#[tokio::test]
async fn a_fault_becomes_an_alarm_that_receivers_are_told_and_ends() {
    let world = World::new().await;
    let hooks = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mails = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/hook", hooks.local_addr().unwrap());
    let secret = "0123456789abcdef";
    let hook = json!({"channel": "webhook", "target": url, "send_resolved": true, "severity": "major"});
    world.put(Kind::AlertReceiver, "lab", "hook", hook, Some(secret)).await;
    let mail = json!({"channel": "email", "target": "ann@example.net", "send_resolved": false, "severity": "critical"});
    world.put(Kind::AlertReceiver, "lab", "mail", mail, None).await;
    let mut watch = Watch::open(&world.db).await.unwrap();
    world
        .tell(StatePart::State(
            json!({"pools": {"internet": {"free": 0, "total": 10}}, "host": {"disk_free_percent": 3}}),
        ))
        .await;
    world.until(&mut watch, "raised", async || is_open(&world.alarms().await, "disk-nearly-full")).await;
    let alarms = world.alarms().await;
    assert!(is_open(&alarms, "address-pool-exhausted") && is_open(&alarms, "address-pool-nearly-full"), "{alarms:?}");
    // Who wants what is major has both, who wants what is critical has one.
    let file = SmtpFile {
        server: mails.local_addr().unwrap().to_string(),
        from: "Basalt <core@example.net>".to_owned(),
        protection: Protection::None,
        user: None,
        password_file: None,
    };
    let client = Arc::new(anywhere().unwrap());
    let smtp = Arc::new(Smtp::new(&file, connector(&client)).unwrap());
    let sent = crate::notify::look(&world.db, &world.key, &client, Some(&smtp));
    let taken = async { (receive(&hooks).await, receive(&hooks).await) };
    let (sent, (one, two), (said, mail)) = tokio::join!(sent, taken, mailbox(mails));
    sent.unwrap();
    let told = |body: &str| serde_json::from_str::<Value>(body).unwrap();
    let mut rules = [told(&one.1)["rule"].clone(), told(&two.1)["rule"].clone()];
    rules.sort_by_key(ToString::to_string);
    assert_eq!(rules, ["address-pool-exhausted", "disk-nearly-full"]);
    assert!(one.0.contains("basalt-signature: t="), "{}", one.0);
    assert!(
        said.contains(&"MAIL FROM:<core@example.net>".to_owned())
            && said.contains(&"RCPT TO:<ann@example.net>".to_owned())
    );
    assert!(mail.contains("Subject: [critical] address-pool-exhausted lab / g / internet"), "{mail}");
    for receiver in ["hook", "mail"] {
        let all = world.db.deliveries("lab", &receiver_place(receiver), None, 10).await.unwrap();
        assert!(all.iter().all(|it| it.state.as_str() == "delivered"), "{all:?}");
    }
    // Another process goes on: it raises nothing again, and ends what is over. A gateway that is no more has no alarms.
    let count = alarms.len();
    let mut watch = Watch::open(&world.db).await.unwrap();
    watch.look(world.db.as_ref(), false, None, &world.here()).await.unwrap();
    assert_eq!(world.alarms().await.len(), count);
    world.db.revoke("lab", "g", 5).await.unwrap();
    world.until(&mut watch, "cleared", async || world.alarms().await.iter().all(|(_, open)| !open)).await;
    let pending = world.db.deliveries("lab", "@hook", Some(orchestrator_db::DeliveryState::Pending), 10).await.unwrap();
    assert_eq!(pending.len(), 2, "who wants the end is told it");
    assert!(pending.iter().all(|it| it.event.ends_with("/cleared")), "{pending:?}");
}

#[tokio::test]
async fn a_gateway_that_goes_is_missed_within_seconds_and_own_rules_hold() {
    let world = World::new().await;
    let condition = json!({"metric": "basalt_agw_enbs", "is": "below", "value": 3.0});
    let rule = json!({"condition": condition, "severity": "minor", "summary": "few", "receivers": ["chat"], "for_seconds": 0,
                      "expression": "", "labels": {}});
    world.put(Kind::AlertRule, "lab", "few-enbs", rule, None).await;
    for name in ["chat", "other"] {
        let body = json!({"channel": "slack", "target": "https://hooks.example.net/x", "send_resolved": false});
        world.put(Kind::AlertReceiver, "lab", name, body, None).await;
    }
    let mut watch = Watch::open(&world.db).await.unwrap();
    world.tell(StatePart::Metrics(json!({"basalt_agw_enbs": 2.0}))).await;
    world.until(&mut watch, "own", async || is_open(&world.alarms().await, "few-enbs")).await;
    let told = async |name: &str| world.db.deliveries("lab", &receiver_place(name), None, 10).await.unwrap().len();
    assert_eq!((told("chat").await, told("other").await), (1, 0), "a rule names who is told");
    world.tell(StatePart::Gone).await;
    world.until(&mut watch, "offline", async || is_open(&world.alarms().await, "gateway-offline")).await;
    assert_eq!((told("chat").await, told("other").await), (2, 1), "both want what is critical");
    // Its events are alarms, too, once for a while.
    for number in [1, 2] {
        let event = orchestrator_db::GatewayEvent {
            id: 0,
            gateway: "g".to_owned(),
            epoch: 1,
            number,
            at: crate::now(),
            kind: "security".to_owned(),
            alarm: true,
            imsi: String::new(),
            words: "somebody guesses".to_owned(),
            facts: "{}".to_owned(),
        };
        world.db.put_gateway_events("lab", &[event]).await.unwrap();
    }
    world.until(&mut watch, "event", async || is_open(&world.alarms().await, "suspicious-traffic")).await;
    let count = world.alarms().await.iter().filter(|(rule, _)| rule == "suspicious-traffic").count();
    assert_eq!(count, 1);
    // Minutes are kept.
    let hour = crate::now().div_euclid(HOUR);
    let hours = world.db.history("lab", "g", (hour - 1, hour)).await.unwrap();
    assert!(!hours.is_empty());
}

/// A certificate that ends in so many days.
fn certificate(days: i64) -> String {
    let mut params = rcgen::CertificateParams::new(vec!["core.example.net".to_owned()]).unwrap();
    let end = crate::now() / 1000 + days * 86_400 + 3_600;
    params.not_after = rcgen::date_time_ymd(1970, 1, 1) + Duration::from_secs(end.unsigned_abs());
    params.self_signed(&rcgen::KeyPair::generate().unwrap()).unwrap().pem()
}

#[tokio::test]
async fn alarms_of_the_orchestrator_itself_go_to_receivers_that_want_them() {
    let world = World::new().await;
    world.put(Kind::Network, "", "other", json!({}), None).await;
    for (network, name, of_orchestrator, severity) in [
        ("lab", "operator", true, json!("critical")),
        ("other", "operator", true, json!("minor")),
        ("lab", "tenant", false, json!("info")),
        ("lab", "own-rules", true, Value::Null),
    ] {
        let body = json!({"channel": "slack", "target": "https://hooks.example.net/x", "send_resolved": true,
                          "severity": severity, "of_orchestrator": of_orchestrator});
        world.put(Kind::AlertReceiver, network, name, body, None).await;
    }
    let until = i64::MAX / 2;
    let silence =
        json!({"gateway": "", "kind": "orchestrator-certificate-expiring", "from": 0, "until": until, "comment": ""});
    world.put(Kind::Silence, "other", "quiet", silence, None).await;
    let open = async || {
        let page =
            world.db.alarms(&AlarmQuery { network: Some(String::new()), ..AlarmQuery::default() }).await.unwrap();
        let of = page.items.into_iter().find(|alarm| alarm.rule == "orchestrator-certificate-expiring");
        of.is_some_and(|alarm| alarm.cleared_at == 0)
    };
    // Of this rule alone: the machine that tests run on may have a full disk.
    let told = async |network: &str, name: &str| {
        let all = world.db.deliveries(network, &receiver_place(name), None, 100).await.unwrap();
        all.into_iter().filter(|it| it.kind == "orchestrator-certificate-expiring").collect::<Vec<_>>()
    };
    let file = world.folder.path().join("rest.pem");
    std::fs::write(&file, certificate(20)).unwrap();
    let mut watch = Watch::open(&world.db).await.unwrap();
    watch.look(world.db.as_ref(), false, None, &world.here()).await.unwrap();
    assert!(!open().await, "it is good for long enough");
    std::fs::write(&file, certificate(10)).unwrap();
    world.until(&mut watch, "raised", open).await;
    let of_operator = told("lab", "operator").await;
    let body: Value = serde_json::from_str(&of_operator[0].body).unwrap();
    assert_eq!((of_operator.len(), &body["network"], &body["gateway"]), (1, &json!(""), &json!("")));
    assert!(body["text"].as_str().unwrap().contains("is valid for 10 days"), "{body}");
    assert!(told("lab", "tenant").await.is_empty() && told("lab", "own-rules").await.is_empty());
    assert!(told("other", "operator").await.is_empty(), "it is silenced there");
    // Another process goes on; a new file ends it.
    let mut watch = Watch::open(&world.db).await.unwrap();
    std::fs::write(&file, certificate(90)).unwrap();
    world.until(&mut watch, "cleared", async || !open().await).await;
    let ended = told("lab", "operator").await;
    assert!(ended.len() == 2 && ended.iter().any(|it| it.event.ends_with("/cleared")), "{ended:?}");
}
