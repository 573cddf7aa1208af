//! What the console shows of a network: phones, base stations, events, sums, numbers.

use crate::bench::{Bench, K, OPC};
use orchestrator_db::{GatewayEvent, Phone, PhoneNews, StatePart, UsageRow};
use serde_json::{Value, json};
use std::time::{SystemTime, UNIX_EPOCH};

fn now() -> i64 {
    i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis()).unwrap()
}

fn phone(gateway: &str, imsi: &str, state: &str) -> Phone {
    Phone {
        gateway: gateway.to_owned(),
        imsi: imsi.to_owned(),
        state: state.to_owned(),
        enb: "001-01/0x1".to_owned(),
        apns: vec!["internet".to_owned()],
        addresses: vec![format!("10.0.0.{}", &imsi[14..])],
        facts: json!({"cell": "001-01/0x101", "sessions": [{"ebi": 5, "qci": 9}], "last_seen": 5}),
        told_at: 7,
    }
}

fn keys<'a>(page: &'a Value, key: &str) -> Vec<&'a str> {
    page["items"].as_array().unwrap().iter().map(|item| item[key].as_str().unwrap_or_default()).collect()
}

/// Two gateways with a base station and phones each.
async fn lived() -> Bench {
    let bench = Bench::with_network("acme", "lab").await;
    let root = Some(bench.root.as_str());
    assert_eq!(bench.ask("PUT", "/networks/lab/tiers/t", root, &[], "{}").await.0, 201);
    let subscriber = json!({"title": "Ann's", "keys": {"k": K, "opc": OPC}}).to_string();
    assert_eq!(bench.ask("PUT", "/networks/lab/subscribers/001010000000001", root, &[], &subscriber).await.0, 201);
    for (gateway, stream) in [("g1", 1), ("g2", 2)] {
        let path = format!("/networks/lab/gateways/{gateway}");
        assert_eq!(bench.ask("PUT", &path, root, &[], r#"{"tier":"t"}"#).await.0, 201);
        bench.db.gateway_connected("lab", gateway, now(), "r", stream).await.unwrap();
        let enb = json!({"id": format!("001-01/0x{stream}"), "name": "roof", "since": 5});
        let state = json!({"enbs": [enb], "registered_ues": 2, "connected_ues": 1, "sessions": 2});
        bench.db.put_gateway_state("lab", gateway, now(), ("r", stream), &[StatePart::State(state)]).await.unwrap();
    }
    let one = [phone("g1", "001010000000001", "connected"), phone("g1", "001010000000002", "idle")];
    bench
        .db
        .put_phones("lab", "g1", &PhoneNews { at: 7, stream: ("r", 1), whole: true, phones: &one, gone: &[] })
        .await
        .unwrap();
    bench
        .db
        .put_phones(
            "lab",
            "g2",
            &PhoneNews {
                at: 7,
                stream: ("r", 2),
                whole: true,
                phones: &[phone("g2", "001010000000003", "idle")],
                gone: &[],
            },
        )
        .await
        .unwrap();
    bench
}

#[tokio::test]
async fn phones_of_all_gateways_are_one_list() {
    let bench = lived().await;
    let root = Some(bench.root.as_str());
    let get = async |query: &str| bench.ask("GET", &format!("/networks/lab/phones{query}"), root, &[], "").await;
    let (status, _, page) = get("?limit=2").await;
    assert_eq!((status, keys(&page, "imsi")), (200, vec!["001010000000001", "001010000000002"]));
    let first = &page["items"][0];
    assert_eq!((&first["title"], &first["known"], &first["gateway"]), (&json!("Ann's"), &json!(true), &json!("g1")));
    assert_eq!((&first["addresses"], &first["sessions"][0]["qci"]), (&json!(["10.0.0.1"]), &json!(9)));
    let cursor = page["next_cursor"].as_str().unwrap();
    let (_, _, page) = get(&format!("?limit=2&cursor={cursor}")).await;
    assert_eq!((keys(&page, "imsi"), &page["next_cursor"]), (vec!["001010000000003"], &Value::Null));
    for (query, count) in [
        ("?gateway=g1", 2),
        ("?state=idle", 2),
        ("?imsi=00101000000000", 3),
        ("?imsi=001010000000003", 1),
        ("?address=10.0.0.2", 1),
        ("?apn=internet&enb=001-01/0x1", 3),
        ("?apn=none", 0),
    ] {
        assert_eq!(get(query).await.2["items"].as_array().unwrap().len(), count, "{query}");
    }
    for wrong in ["?imsi=x", "?cursor=x", "?limit=0"] {
        assert_eq!(get(wrong).await.0, 400, "{wrong}");
    }
}

#[tokio::test]
async fn base_stations_are_seen_also_when_nobody_configured_them() {
    let bench = lived().await;
    let root = Some(bench.root.as_str());
    let enodeb = json!({"title": "Roof", "config_type": "UNMANAGED", "cell_id": 0x101}).to_string();
    assert_eq!(bench.ask("PUT", "/networks/lab/enodebs/serial-1", root, &[], &enodeb).await.0, 201);
    let (_, _, page) = bench.ask("GET", "/networks/lab/base-stations", root, &[], "").await;
    assert_eq!(keys(&page, "enodeb"), ["serial-1", ""]);
    assert_eq!((&page["items"][0]["title"], &page["items"][1]["title"]), (&json!("Roof"), &Value::Null));
    assert_eq!((keys(&page, "gateway"), &page["items"][0]["gateway_connected"]), (vec!["g1", "g2"], &json!(true)));
}

#[tokio::test]
async fn events_are_a_timeline_with_filters() {
    let bench = lived().await;
    let root = Some(bench.root.as_str());
    let event = |number, kind: &str, imsi: &str, at| GatewayEvent {
        id: 0,
        gateway: "g1".to_owned(),
        epoch: 1,
        number,
        at,
        kind: kind.to_owned(),
        alarm: kind == "security",
        imsi: imsi.to_owned(),
        words: String::new(),
        facts: "{}".to_owned(),
    };
    let events =
        [event(1, "attached", "00101", 10), event(2, "security", "", 20), event(3, "detached", "00101", now())];
    bench.db.put_gateway_events("lab", &events).await.unwrap();
    for (query, kinds) in [
        ("", vec!["detached", "security", "attached"]),
        ("?imsi=00101", vec!["detached", "attached"]),
        ("?kind=security", vec!["security"]),
        ("?alarms=true&gateway=g1", vec!["security"]),
        ("?gateway=g2", vec![]),
        ("?since=10&until=20", vec!["attached"]),
    ] {
        let (_, _, page) = bench.ask("GET", &format!("/networks/lab/events{query}"), root, &[], "").await;
        assert_eq!(keys(&page, "kind"), kinds, "{query}");
    }
    assert_eq!(bench.ask("GET", "/networks/lab/events?since=-1", root, &[], "").await.0, 400);
}

#[tokio::test]
async fn usage_comes_in_sums_and_a_network_in_numbers() {
    let bench = lived().await;
    let root = Some(bench.root.as_str());
    let record = |sequence, imsi: &str, uplink_bytes| UsageRow {
        gateway: "g1".to_owned(),
        session: "1".to_owned(),
        sequence,
        imsi: imsi.to_owned(),
        apn: "internet".to_owned(),
        ended_at: now() - 1000,
        uplink_bytes,
        ..UsageRow::default()
    };
    let records = [record(1, "00101", 5), record(2, "00102", 9), record(3, "00101", 6)];
    bench.db.put_usage("lab", "g1", (1, 3), &records).await.unwrap();
    let (_, _, sums) = bench.ask("GET", "/networks/lab/usage/sums", root, &[], "").await;
    assert_eq!((keys(&sums, "key"), &sums["items"][0]["uplink_bytes"]), (vec!["00101", "00102"], &json!(11)));
    let (_, _, sums) = bench.ask("GET", "/networks/lab/usage/sums?by=apn&since=0&limit=1", root, &[], "").await;
    assert_eq!((keys(&sums, "key"), &sums["items"][0]["uplink_bytes"]), (vec!["internet"], &json!(20)));
    for wrong in ["by=body", "since=x", "until=-5"] {
        assert_eq!(bench.ask("GET", &format!("/networks/lab/usage/sums?{wrong}"), root, &[], "").await.0, 400);
    }
    let (_, _, seen) = bench.ask("GET", "/networks/lab/overview", root, &[], "").await;
    assert_eq!(seen["gateways"], json!({"total": 2, "connected": 2}));
    assert_eq!(seen["base_stations"], json!({"configured": 0, "connected": 2}));
    let numbers = ["subscribers", "registered_phones", "connected_phones", "sessions", "alarms_24h"];
    assert_eq!(numbers.map(|name| seen[name].as_u64().unwrap()), [1, 4, 2, 4, 0]);
    assert!(seen["changes_24h"].as_u64().unwrap() >= 4);
    assert_eq!(seen["usage_last_hour"]["uplink_bytes"], 20);
}
