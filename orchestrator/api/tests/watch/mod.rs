//! Watching: what changes comes at once and once, also after the line broke; and nothing after the right is gone.

use crate::bench::{Bench, YEARS};
use axum::body::Body;
use axum::http::Response;
use http_body_util::BodyExt;
use orchestrator_db::{GatewayEvent, Phone, PhoneNews, TokenKind};
use serde_json::{Value, json};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// A message of the stream.
#[derive(Debug, PartialEq)]
struct Message {
    id: String,
    event: String,
    data: Value,
}

struct Line {
    body: Body,
    text: String,
}

impl Line {
    async fn open(bench: &Bench, query: &str, headers: &[(&str, &str)]) -> Self {
        let response = open(bench, query, headers).await;
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        Self { body: response.into_body(), text: String::new() }
    }

    /// The next message, comments left out; `None` when the line ends.
    async fn next(&mut self) -> Option<Message> {
        loop {
            if let Some((block, rest)) = self.text.split_once("\n\n") {
                let (block, rest) = (block.to_owned(), rest.to_owned());
                self.text = rest;
                let field = |name: &str| {
                    let mut lines = block.lines().filter_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
                    lines.next().unwrap_or_default().to_owned()
                };
                if block.starts_with(':') {
                    continue;
                }
                let data = serde_json::from_str(&field("data")).unwrap();
                return Some(Message { id: field("id"), event: field("event"), data });
            }
            let frame =
                tokio::time::timeout(Duration::from_secs(60), self.body.frame()).await.expect("it says nothing");
            self.text.push_str(core::str::from_utf8(frame?.unwrap().data_ref().unwrap()).unwrap());
        }
    }
}

async fn open(bench: &Bench, query: &str, headers: &[(&str, &str)]) -> Response<Body> {
    bench.send("GET", &format!("/networks/lab/watch{query}"), headers, "").await
}

fn root(bench: &Bench) -> String {
    format!("Bearer {}", bench.root)
}

async fn put_tier(bench: &Bench, name: &str, title: &str) {
    let body = json!({ "title": title }).to_string();
    let (status, _, _) = bench.ask("PUT", &format!("/networks/lab/tiers/{name}"), Some(&bench.root), &[], &body).await;
    assert!(status < 300);
}

#[tokio::test]
async fn a_collection_and_an_object_are_watched_at_their_own_address() {
    let bench = Bench::with_network("acme", "lab").await;
    let root = root(&bench);
    let accept = ("accept", "text/event-stream");
    let at = async |path: &str, headers: &[(&str, &str)]| {
        let response = bench.send("GET", &format!("/networks/lab{path}"), headers, "").await;
        assert_eq!(
            (response.status().as_u16(), &response.headers()["content-type"]),
            (200, &"text/event-stream".parse().unwrap())
        );
        Line { body: response.into_body(), text: String::new() }
    };
    let auth = ("authorization", root.as_str());
    let mut all = at("/tiers", &[auth, accept]).await;
    put_tier(&bench, "a", "one").await;
    put_tier(&bench, "b", "two").await;
    for name in ["a", "b"] {
        assert_eq!(all.next().await.unwrap().data["name"], name);
    }
    let mut one = at("/tiers/b?watch=true", &[auth]).await;
    put_tier(&bench, "a", "three").await;
    put_tier(&bench, "b", "four").await;
    let told = one.next().await.unwrap();
    assert_eq!((&told.data["name"], &told.data["object"]["body"]["title"]), (&json!("b"), &json!("four")));
    let first = all.next().await.unwrap();
    // The line broke here: it goes on behind what was heard.
    let mut again = at("/tiers?watch", &[auth, ("last-event-id", &first.id)]).await;
    assert_eq!((&first.data["name"], &again.next().await.unwrap().data["name"]), (&json!("a"), &json!("b")));
    assert_eq!(bench.send("GET", "/networks/lab/tiers?watch=true", &[accept], "").await.status(), 401);
}

#[tokio::test]
async fn changes_are_told_once_also_after_the_line_broke() {
    let bench = Bench::with_network("acme", "lab").await;
    let root = root(&bench);
    let auth = ("authorization", root.as_str());
    let mut line = Line::open(&bench, "?kinds=tiers", &[auth]).await;
    put_tier(&bench, "a", "one").await;
    let first = line.next().await.unwrap();
    assert_eq!(
        (first.event.as_str(), &first.data["kind"], &first.data["name"]),
        ("object", &json!("tiers"), &json!("a"))
    );
    assert_eq!(first.data["object"]["body"]["title"], "one");
    drop(line);
    // While nobody listens: one changes twice, one goes, and what was not asked for is not told.
    put_tier(&bench, "b", "one").await;
    put_tier(&bench, "b", "two").await;
    assert_eq!(bench.ask("DELETE", "/networks/lab/tiers/a", Some(&bench.root), &[], "").await.0, 204);
    let apn = r#"{"qci":9,"ambr":{"max_ul_bit_rate":1000000,"max_dl_bit_rate":1000000}}"#;
    assert_eq!(bench.ask("PUT", "/networks/lab/apns/i", Some(&bench.root), &[], apn).await.0, 201);
    let mut line = Line::open(&bench, "?kinds=tiers", &[auth, ("last-event-id", &first.id)]).await;
    let (two, gone) = (line.next().await.unwrap(), line.next().await.unwrap());
    assert_eq!((&two.data["name"], &two.data["object"]["body"]["title"]), (&json!("b"), &json!("two")));
    assert_eq!((&gone.data["name"], &gone.data["object"]), (&json!("a"), &Value::Null));
    put_tier(&bench, "c", "one").await;
    assert_eq!(line.next().await.unwrap().data["name"], "c", "nothing came twice");
    // What was forgotten meanwhile is told as such.
    bench.db.sweep_fleet(i64::MAX, 0).await.unwrap();
    let mut line = Line::open(&bench, "", &[auth, ("last-event-id", &first.id)]).await;
    assert_eq!(line.next().await.unwrap().event, "reset");
    for wrong in ["x", "1-2", "999999-0-0"] {
        assert_eq!(open(&bench, "", &[auth, ("last-event-id", wrong)]).await.status(), 400, "{wrong}");
    }
    assert_eq!(open(&bench, "?kinds=users", &[auth]).await.status(), 400);
    // The process stops: the line ends with a word.
    bench.stop.send_replace(true);
    assert_eq!(line.next().await.unwrap().event, "end");
    assert_eq!(line.next().await, None);
}

#[tokio::test]
async fn live_state_is_told_as_gateways_tell_it() {
    let bench = Bench::with_network("acme", "lab").await;
    let root = root(&bench);
    let now = i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis()).unwrap();
    bench.db.gateway_connected("lab", "g1", now - 60_000, "r", 1).await.unwrap();
    let mut line = Line::open(&bench, "?kinds=events,phones,gateway-states", &[("authorization", &root)]).await;
    let phone = Phone {
        gateway: "g1".to_owned(),
        imsi: "001010000000001".to_owned(),
        state: "idle".to_owned(),
        enb: String::new(),
        apns: vec![],
        addresses: vec![],
        facts: json!({}),
        told_at: 0,
    };
    let mut news = PhoneNews { at: now + 1000, stream: ("r", 1), whole: true, phones: &[phone], gone: &[] };
    bench.db.put_phones("lab", "g1", &news).await.unwrap();
    let told = line.next().await.unwrap();
    assert_eq!((told.event.as_str(), &told.data["state"]), ("phone", &json!("idle")));
    let event = GatewayEvent {
        id: 0,
        gateway: "g1".to_owned(),
        epoch: 1,
        number: 1,
        at: 5,
        kind: "security".to_owned(),
        alarm: true,
        imsi: String::new(),
        words: "somebody guesses".to_owned(),
        facts: "{}".to_owned(),
    };
    bench.db.put_gateway_events("lab", &[event]).await.unwrap();
    let told = line.next().await.unwrap();
    assert_eq!((told.event.as_str(), &told.data["text"]), ("event", &json!("somebody guesses")));
    let gone = ["001010000000001".to_owned()];
    news = PhoneNews { at: now + 2000, whole: false, phones: &[], gone: &gone, ..news };
    bench.db.put_phones("lab", "g1", &news).await.unwrap();
    assert_eq!(line.next().await.unwrap().data["state"], "gone");
    let seen = [orchestrator_db::StatePart::Seen];
    bench.db.put_gateway_state("lab", "g1", now + 3000, ("r", 1), &seen).await.unwrap();
    let told = line.next().await.unwrap();
    assert_eq!((told.event.as_str(), &told.data["gateway"]), ("gateway", &json!("g1")));
}

#[tokio::test]
async fn who_lost_the_right_hears_nothing_more() {
    let bench = Bench::with_network("acme", "lab").await;
    let root = Some(bench.root.as_str());
    let user = |role: &str| {
        let grants = json!([{"role": role, "scope": {"network": "lab"}}]);
        json!({"grants": grants, "password": "another long secret"}).to_string()
    };
    assert_eq!(bench.ask("PUT", "/users/ann", root, &[], &user("viewer")).await.0, 201);
    for withdraw in ["session", "grant"] {
        bench.token(withdraw, withdraw, TokenKind::Session, "ann", YEARS).await;
        let bearer = format!("Bearer {withdraw}");
        let mut line = Line::open(&bench, "?kinds=tiers", &[("authorization", &bearer)]).await;
        if withdraw == "session" {
            assert!(bench.db.delete_token("ann", withdraw).await.unwrap());
        } else {
            let none = json!({ "grants": [] }).to_string();
            assert_eq!(bench.ask("PUT", "/users/ann", root, &[], &none).await.0, 200);
        }
        put_tier(&bench, "secret", withdraw).await;
        let end = line.next().await.unwrap();
        assert_eq!(end.event, "end", "{withdraw}: {end:?}");
        assert_eq!(line.next().await, None);
    }
    // Places are bounded for each, and given back.
    let bearer = format!("Bearer {}", bench.root);
    let auth = [("authorization", bearer.as_str())];
    let mut lines = Vec::new();
    for _ in 0..16 {
        lines.push(Line::open(&bench, "", &auth).await);
    }
    assert_eq!(open(&bench, "", &auth).await.status(), 429);
    drop(lines);
    let deadline = std::time::Instant::now() + Duration::from_secs(60);
    while open(&bench, "", &auth).await.status() == 429 {
        assert!(std::time::Instant::now() < deadline, "no place was given back");
        tokio::task::yield_now().await;
    }
}
