//! What every database must do for numbers and alarms.

use super::{Db, inside, network, put};
use orchestrator_db::{Alarm, AlarmQuery, Device, GatewayEvent, GatewayToken, HistoryBlock, StatePart};
use orchestrator_model::Kind;
use serde_json::json;

pub async fn run(db: &Db) {
    db.apply("ann", 1, &[put(network("numbers"), json!({})), put(inside(Kind::Gateway, "numbers", "g"), json!({}))])
        .await
        .unwrap();
    what_is_new_is_read_once(db).await;
    hours_are_kept(db).await;
    alarms_are_raised_once_and_cleared_once(db).await;
}

async fn what_is_new_is_read_once(db: &Db) {
    for (gateway, at) in [("g", 5_000_000_000_001), ("h", 5_000_000_000_002)] {
        db.gateway_connected("numbers", gateway, at, "r", 1).await.unwrap();
    }
    let parts = [StatePart::Metrics(json!({"x": 1.5}))];
    db.put_gateway_state("numbers", "g", 5_000_000_000_003, ("r", 1), &parts).await.unwrap();
    let news = db.gateway_news((5_000_000_000_000, "", ""), 10).await.unwrap();
    let named: Vec<_> = news.iter().map(|it| (it.gateway.as_str(), it.metrics.as_str(), it.connected_at)).collect();
    assert_eq!(named, [("h", "{}", 5_000_000_000_002), ("g", "{\"x\":1.5}", 5_000_000_000_001)]);
    let last = news.last().unwrap();
    assert_eq!(db.gateway_news((last.seen_at, &last.network, &last.gateway), 10).await.unwrap(), []);
    let links = db.gateway_links().await.unwrap();
    assert!(links.contains(&("numbers".into(), "h".into(), "r".into(), 5_000_000_000_002, 5_000_000_000_002)));
    // Of those, who joined and is still wanted is a member.
    for gateway in ["g", "h"] {
        let (network, gateway) = ("numbers".to_owned(), gateway.to_owned());
        let token = GatewayToken {
            digest: gateway.clone(),
            id: format!("numbers-{gateway}"),
            network: network.clone(),
            tier: String::new(),
            gateway: gateway.clone(),
            created_by: String::new(),
            created_at: 1,
            expires_at: 10,
            used_at: 0,
            used_by: String::new(),
        };
        db.put_gateway_token(&token).await.unwrap();
        let device = Device { network, gateway, public_key: "00".to_owned(), enrolled_at: 2, revoked_at: 0 };
        assert!(db.enrol(&token.digest, 2, &device).await.unwrap());
    }
    let members = async || {
        let mut members = db.members().await.unwrap();
        members.retain(|(network, _)| network == "numbers");
        members
    };
    assert_eq!(members().await, [("numbers".to_owned(), "g".to_owned())], "the other was never configured");
    db.revoke("numbers", "g", 3).await.unwrap();
    assert_eq!(members().await, []);
}

async fn hours_are_kept(db: &Db) {
    let block = |gateway: &str, hour, body: &[u8]| HistoryBlock {
        network: "numbers".to_owned(),
        gateway: gateway.to_owned(),
        hour,
        body: body.to_vec(),
    };
    db.put_history(&[block("g", 7, &[1]), block("g", 8, &[2]), block("", 8, &[3])]).await.unwrap();
    db.put_history(&[block("g", 8, &[4, 0])]).await.unwrap();
    assert_eq!(db.history("numbers", "g", (7, 8)).await.unwrap(), [block("g", 7, &[1]), block("g", 8, &[4, 0])]);
    assert_eq!(db.history("numbers", "", (0, 99)).await.unwrap(), [block("", 8, &[3])]);
    assert_eq!(db.history_of(8).await.unwrap().len(), 2);
    db.sweep_telemetry(8, 0).await.unwrap();
    assert_eq!(db.history("numbers", "g", (7, 8)).await.unwrap(), [block("g", 8, &[4, 0])]);
}

fn alarm(rule: &str) -> Alarm {
    Alarm {
        id: 0,
        network: "numbers".to_owned(),
        gateway: "g".to_owned(),
        rule: rule.to_owned(),
        subject: "s".to_owned(),
        severity: "major".to_owned(),
        since: 1,
        raised_at: 2,
        cleared_at: 0,
        words: "words".to_owned(),
    }
}

async fn alarms_are_raised_once_and_cleared_once(db: &Db) {
    let event = |number| GatewayEvent {
        id: 0,
        gateway: "g".to_owned(),
        epoch: -2,
        number,
        at: 2,
        kind: "rule".to_owned(),
        alarm: true,
        imsi: String::new(),
        words: "words".to_owned(),
        facts: "{}".to_owned(),
    };
    let before = db.last_event().await.unwrap();
    let first = db.raise_alarm(&alarm("one"), &event(1)).await.unwrap();
    assert_eq!(db.raise_alarm(&alarm("one"), &event(1)).await.unwrap(), first, "told again");
    let second = db.raise_alarm(&alarm("two"), &event(2)).await.unwrap();
    assert!(first > before && second > first && db.last_event().await.unwrap() == second);
    let told = db.alarm_events(before, 10).await.unwrap();
    assert_eq!(
        told.iter().map(|(network, it)| (network.as_str(), it.id)).collect::<Vec<_>>(),
        [("numbers", first), ("numbers", second)]
    );
    assert!(!db.adopt_alarm(&Alarm { id: first, ..alarm("one") }).await.unwrap(), "it is there");
    assert!(db.clear_alarm(first, 9).await.unwrap() && !db.clear_alarm(first, 10).await.unwrap());
    let find = async |query: AlarmQuery| {
        let page = db.alarms(&query).await.unwrap();
        page.items.iter().map(|it| (it.id, it.cleared_at)).collect::<Vec<_>>()
    };
    let all = AlarmQuery { network: Some("numbers".to_owned()), ..AlarmQuery::default() };
    assert_eq!(find(all.clone()).await, [(second, 0), (first, 9)]);
    assert_eq!(find(AlarmQuery { open: Some(true), ..all.clone() }).await, [(second, 0)]);
    assert_eq!(find(AlarmQuery { open: Some(false), limit: 1, ..all.clone() }).await, [(first, 9)]);
    assert_eq!(find(AlarmQuery { rule: Some("one".to_owned()), below: second, ..all.clone() }).await, [(first, 9)]);
    assert_eq!(
        find(AlarmQuery { id: Some(second), gateway: Some("g".to_owned()), ..all.clone() }).await,
        [(second, 0)]
    );
    assert_eq!(find(AlarmQuery { network: Some(String::new()), ..all.clone() }).await, []);
    db.sweep_telemetry(0, 10).await.unwrap();
    assert_eq!(find(all).await, [(second, 0)], "what holds is not forgotten");
}
