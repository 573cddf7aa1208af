//! Numbers and alarms as clients see them.

use crate::bench::{Bench, YEARS};
use http_body_util::BodyExt;
use orchestrator_db::{Alarm, GatewayEvent, HistoryBlock, Phone, PhoneNews, StatePart, TokenKind};
use orchestrator_telemetry::block::Block;
use orchestrator_telemetry::history::{HOUR, MINUTE};
use orchestrator_telemetry::series::{NOTHING, Series};
use serde_json::{Value, json};
use std::time::{SystemTime, UNIX_EPOCH};

fn now() -> i64 {
    i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis()).unwrap()
}

/// A network with a gateway that talks and tells metrics.
async fn world() -> Bench {
    let bench = Bench::with_network("acme", "lab").await;
    let root = Some(bench.root.as_str());
    assert_eq!(bench.ask("PUT", "/networks/lab/tiers/t", root, &[], "{}").await.0, 201);
    assert_eq!(bench.ask("PUT", "/networks/lab/gateways/g1", root, &[], r#"{"tier":"t"}"#).await.0, 201);
    bench.db.gateway_connected("lab", "g1", now(), "r", 1).await.unwrap();
    let metrics = json!({"basalt_agw_enbs": 2.0, "basalt_agw_user_plane_drops_total{reason=\"policed\"}": 7.0});
    bench.db.put_gateway_state("lab", "g1", now(), ("r", 1), &[StatePart::Metrics(metrics)]).await.unwrap();
    bench
}

async fn text(bench: &Bench, path: &str, token: &str) -> (u16, String) {
    let bearer = format!("Bearer {token}");
    let answer = bench.send("GET", path, &[("authorization", &bearer)], "").await;
    let status = answer.status().as_u16();
    let body = answer.into_body().collect().await.unwrap().to_bytes();
    (status, String::from_utf8(body.to_vec()).unwrap())
}

#[tokio::test]
async fn metrics_are_scraped_with_labels_by_whom_they_concern() {
    let bench = world().await;
    bench.add_network("other", "theirs").await;
    let (status, all) = text(&bench, "/metrics", &bench.root).await;
    assert_eq!(status, 200);
    let line = "basalt_agw_user_plane_drops_total{network=\"lab\",gateway=\"g1\",reason=\"policed\"} 7\n";
    assert!(all.contains(line) && all.contains("# TYPE basalt_agw_user_plane_drops_total counter\n"), "{all}");
    assert!(all.contains("basalt_gateway_up{network=\"lab\",gateway=\"g1\"} 1\n"), "{all}");
    assert_eq!(text(&bench, "/networks/theirs/metrics", &bench.root).await, (200, String::new()));
    let grants = json!([{"role": "viewer", "scope": {"network": "lab"}}]);
    let change = json!({"grants": grants, "password": "another long secret"}).to_string();
    assert_eq!(bench.ask("PUT", "/users/ann", Some(&bench.root), &[], &change).await.0, 201);
    bench.token("ann's", "ann", TokenKind::Session, "ann", YEARS).await;
    assert_eq!(text(&bench, "/metrics", "ann's").await.0, 403);
    assert_eq!(text(&bench, "/networks/theirs/metrics", "ann's").await.0, 404);
    assert!(text(&bench, "/networks/lab/metrics", "ann's").await.1.contains("basalt_agw_enbs{"));
    // Without a metrics server there is nobody to ask.
    assert_eq!(text(&bench, "/networks/lab/prometheus/api/v1/query?query=up", "ann's").await.0, 404);
}

#[tokio::test]
async fn charts_and_kpis_come_from_the_history() {
    let bench = world().await;
    let root = Some(bench.root.as_str());
    let hour = now().div_euclid(HOUR) - 2;
    for gateway in ["", "g1"] {
        let mut block = Block::default();
        for minute in 0..60_u32 {
            let mut row = NOTHING;
            row[Series::AttachAttempts.index()] = 10.0;
            row[Series::AttachSuccesses.index()] = 9.0;
            row[Series::UplinkBytes.index()] = f64::from(minute) * 750_000.0;
            block.put(minute as usize, &row);
        }
        let (network, gateway, body) = ("lab".to_owned(), gateway.to_owned(), block.encode());
        bench.db.put_history(&[HistoryBlock { network, gateway, hour, body }]).await.unwrap();
    }
    let span = format!("since={}&until={}", hour * HOUR, (hour + 1) * HOUR);
    let path = format!("/networks/lab/history?series=attach_success_ratio,uplink_throughput&step=1800&{span}");
    let (status, _, chart) = bench.ask("GET", &path, root, &[], "").await;
    assert_eq!(status, 200, "{chart}");
    assert_eq!(chart["series"][0]["points"], json!([[hour * HOUR, 0.9], [hour * HOUR + 30 * MINUTE, 0.9]]));
    let rate = chart["series"][1]["points"][0][1].as_f64().unwrap();
    assert!((rate - 14.5 * 100_000.0).abs() < 1.0, "{rate}");
    assert_eq!(chart["series"][1]["unit"], "bits_per_second");
    let (_, _, day) = bench.ask("GET", "/networks/lab/history?series=attach_attempts&gateway=g1", root, &[], "").await;
    assert_eq!(day["series"][0]["points"].as_array().unwrap().len(), 60);
    for bad in ["series=nothing", "series=up&step=1", "", "series=up&since=9&until=8", "series=up&since=x"] {
        assert_eq!(bench.ask("GET", &format!("/networks/lab/history?{bad}"), root, &[], "").await.0, 400, "{bad}");
    }
    let phone = |imsi: &str, state: &str| Phone {
        gateway: "g1".to_owned(),
        imsi: imsi.to_owned(),
        state: state.to_owned(),
        enb: "001-01/0x1".to_owned(),
        apns: Vec::new(),
        addresses: Vec::new(),
        facts: json!({}),
        told_at: 0,
    };
    let phones = [phone("001010000000001", "connected"), phone("001010000000002", "idle")];
    let news = PhoneNews { at: now(), stream: ("r", 1), whole: true, phones: &phones, gone: &[] };
    bench.db.put_phones("lab", "g1", &news).await.unwrap();
    let (_, _, kpis) = bench.ask("GET", &format!("/networks/lab/kpis?{span}"), root, &[], "").await;
    let of = |name: &str| {
        let all = kpis["kpis"].as_array().unwrap();
        all.iter().find(|kpi| kpi["name"] == name).unwrap_or_else(|| panic!("{name}"))["value"].clone()
    };
    assert_eq!((of("attach_success_ratio"), of("attach_attempts")), (json!(0.9), json!(600.0)));
    assert_eq!(of("paging_success_ratio"), Value::Null);
    assert_eq!(kpis["drops"], json!([{"reason": "policed", "packets": 7.0}]));
    assert_eq!(kpis["base_stations"], json!([{"gateway": "g1", "enb": "001-01/0x1", "connected": 1, "idle": 1}]));
}

async fn raise(bench: &Bench, network: &str, rule: &str, number: i64) -> i64 {
    let alarm = Alarm {
        id: 0,
        network: network.to_owned(),
        gateway: "g1".to_owned(),
        rule: rule.to_owned(),
        subject: "001-01/0x1".to_owned(),
        severity: "major".to_owned(),
        since: 1,
        raised_at: 2,
        cleared_at: 0,
        words: "a mast fell".to_owned(),
    };
    let event = GatewayEvent {
        id: 0,
        gateway: "g1".to_owned(),
        epoch: -2,
        number,
        at: 2,
        kind: rule.to_owned(),
        alarm: true,
        imsi: String::new(),
        words: "=a mast fell".to_owned(),
        facts: "{}".to_owned(),
    };
    bench.db.raise_alarm(&alarm, &event).await.unwrap()
}

#[tokio::test]
async fn alarms_are_listed_acknowledged_silenced_and_cleared() {
    let bench = world().await;
    let root = Some(bench.root.as_str());
    let first = raise(&bench, "lab", "base-station-gone", 1).await;
    let second = raise(&bench, "lab", "gateway-offline", 2).await;
    let list = async |query: &str| {
        let (status, _, page) = bench.ask("GET", &format!("/networks/lab/alarms{query}"), root, &[], "").await;
        assert_eq!(status, 200, "{page}");
        page["items"]
            .as_array()
            .unwrap()
            .iter()
            .map(|it| (it["id"].as_i64().unwrap(), it["state"].clone()))
            .collect::<Vec<_>>()
    };
    assert_eq!(list("").await, [(second, json!("raised")), (first, json!("raised"))]);
    let note = r#"{"note":"somebody is on the way"}"#;
    let path = format!("/networks/lab/acknowledgements/{first}");
    assert_eq!(bench.ask("PUT", &path, root, &[], note).await.0, 201);
    let silence = json!({"kind": "gateway-offline", "from": now() - 1000, "until": now() + 3_600_000}).to_string();
    assert_eq!(bench.ask("PUT", "/networks/lab/silences/night", root, &[], &silence).await.0, 201);
    let (_, _, shown) = bench.ask("GET", &format!("/networks/lab/alarms/{first}"), root, &[], "").await;
    assert_eq!((&shown["state"], &shown["acknowledged"]["by"]), (&json!("acknowledged"), &json!("root")));
    assert_eq!((&shown["runbook"], &shown["silenced"]), (&json!("runbooks/base-station-gone.html"), &json!(false)));
    let (_, _, shown) = bench.ask("GET", &format!("/networks/lab/alarms/{second}"), root, &[], "").await;
    assert_eq!(shown["silenced"], true);
    assert!(bench.db.clear_alarm(first, 9).await.unwrap());
    assert_eq!(list("?state=open").await, [(second, json!("raised"))]);
    assert_eq!(list("?state=cleared&rule=base-station-gone").await, [(first, json!("cleared"))]);
    assert_eq!(list(&format!("?limit=1&cursor={second}")).await, [(first, json!("cleared"))]);
    assert_eq!(bench.ask("GET", "/networks/lab/alarms?state=x", root, &[], "").await.0, 400);
    assert_eq!(bench.ask("GET", "/networks/lab/alarms/999999", root, &[], "").await.0, 404);
    let (_, _, all) = bench.ask("GET", "/alarms", root, &[], "").await;
    assert_eq!(all["items"].as_array().unwrap().len(), 2);
    let (_, _, rules) = bench.ask("GET", "/alarm-rules", root, &[], "").await;
    assert!(rules["items"].as_array().unwrap().len() >= 25);
    // As TM Forum has them.
    let base = "/networks/lab/tmf-api";
    let (status, _, tmf) = bench.ask("GET", &format!("{base}/alarmManagement/v4/alarm"), root, &[], "").await;
    assert_eq!(
        (status, &tmf[0]["perceivedSeverity"], &tmf[1]["perceivedSeverity"]),
        (200, &json!("major"), &json!("cleared"))
    );
    let (_, _, one) = bench.ask("GET", &format!("{base}/alarmManagement/v4/alarm/{first}"), root, &[], "").await;
    assert_eq!(
        (&one["ackState"], &one["alarmClearedTime"]),
        (&json!("acknowledged"), &json!("1970-01-01T00:00:00.009Z"))
    );
    let resources = format!("{base}/resourceInventoryManagement/v4/resource");
    let (_, _, tmf) = bench.ask("GET", &resources, root, &[], "").await;
    assert_eq!((&tmf[0]["id"], &tmf[0]["operationalState"]), (&json!("g1"), &json!("enable")));
    assert_eq!(bench.ask("GET", &format!("{resources}?offset=1"), root, &[], "").await.2, json!([]));
    assert_eq!(bench.ask("GET", &format!("{resources}/g1"), root, &[], "").await.2["category"], "gateway");
    assert_eq!(bench.ask("GET", &format!("{resources}/none"), root, &[], "").await.0, 404);
    // The timeline, for a spreadsheet.
    let (_, csv) = text(&bench, "/networks/lab/events?format=csv&kind=gateway-offline", &bench.root).await;
    assert!(csv.starts_with("id,gateway,at,kind,alarm,imsi,text,facts") && csv.contains("'=a mast fell"), "{csv}");
    let (_, lines) = text(&bench, "/networks/lab/events?format=ndjson", &bench.root).await;
    assert_eq!(
        lines.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()["id"].as_i64()).collect::<Vec<_>>(),
        [Some(second), Some(first)]
    );
}

#[tokio::test]
async fn own_rules_are_tried_before_they_hold_and_receivers_are_tested() {
    let bench = world().await;
    let root = Some(bench.root.as_str());
    let preview = "/networks/lab/alert-rules/preview";
    let rule = json!({"expression": "basalt_agw_enbs > 1", "severity": "major"}).to_string();
    let (status, _, found) = bench.ask("POST", preview, root, &[], &rule).await;
    assert_eq!((status, &found["holds"]), (200, &json!(1)), "{found}");
    assert_eq!(found["items"], json!([{"labels": {"gateway": "g1", "network": "lab"}, "value": 2.0}]));
    let condition = json!({"metric": "basalt_agw_enbs", "labels": {"gateway": "g1"}, "is": "below", "value": 2});
    let simple = json!({"condition": condition, "severity": "minor"}).to_string();
    let (_, _, found) = bench.ask("POST", preview, root, &[], &simple).await;
    assert_eq!((&found["holds"], &found["expression"]), (&json!(0), &json!("basalt_agw_enbs{gateway=\"g1\"} < 2")));
    let path = "/networks/lab/alert-rules/few";
    for wrong in ["basalt_agw_enbs >", "topk(1, a)", "1"] {
        let body = json!({"expression": wrong, "severity": "major"}).to_string();
        let (status, _, problem) = bench.ask("PUT", path, root, &[], &body).await;
        assert_eq!((status, &problem["errors"][0]["path"]), (422, &json!("/expression")), "{wrong}: {problem}");
        assert_eq!(bench.ask("POST", preview, root, &[], &body).await.0, 422, "{wrong}");
    }
    assert_eq!(bench.ask("PUT", path, root, &[], &simple).await.0, 201);
    let receiver = json!({"channel": "slack", "target": "https://hooks.example.net/x"}).to_string();
    assert_eq!(bench.ask("PUT", "/networks/lab/alert-receivers/chat", root, &[], &receiver).await.0, 201);
    let (status, _, test) = bench.ask("POST", "/networks/lab/alert-receivers/chat/test", root, &[], "").await;
    assert_eq!((status, &test["kind"], &test["state"]), (202, &json!("test"), &json!("pending")));
    let (_, _, sent) = bench.ask("GET", "/networks/lab/alert-receivers/chat/deliveries", root, &[], "").await;
    assert_eq!(sent["items"][0]["id"], test["id"]);
    assert_eq!(bench.ask("POST", "/networks/lab/alert-receivers/none/test", root, &[], "").await.0, 404);
    assert_eq!(bench.ask("GET", "/networks/lab/webhooks/chat/deliveries", root, &[], "").await.0, 404);
}
