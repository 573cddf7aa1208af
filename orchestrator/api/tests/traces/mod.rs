//! Call traces: whom gateways are asked about, what comes back of it, who may see it.

use super::bench::Bench;
use basalt_calltrace::{Protocol, Record, gap};
use http_body_util::BodyExt as _;
use orchestrator_db::StatePart;
use serde_json::json;

const IMSI: &str = "001010000000001";

async fn bench() -> Bench {
    let bench = Bench::with_network("acme", "lab").await;
    let root = Some(bench.root.as_str());
    assert_eq!(bench.ask("PUT", "/networks/lab/tiers/stable", root, &[], "{}").await.0, 201);
    for (name, body) in [
        ("g1", json!({"tier": "stable"})),
        ("g2", json!({"tier": "stable"})),
        ("feg", json!({"tier": "stable", "feg": {"host": "feg.example", "realm": "example"}})),
    ] {
        let path = format!("/networks/lab/gateways/{name}");
        let (status, _, said) = bench.ask("PUT", &path, root, &[], &body.to_string()).await;
        assert_eq!(status, 201, "{said}");
    }
    bench
}

fn nas(at: u64, sent: bool, octets: &[u8]) -> String {
    let mut record = Record::new(at, Protocol::Nas, sent, octets.to_vec());
    (record.node, record.imsi) = ("somebody else".to_owned(), Some(IMSI.to_owned()));
    record.line()
}

#[tokio::test]
async fn a_trace_asks_all_gateways_and_merges_what_they_say() {
    let bench = bench().await;
    let root = Some(bench.root.as_str());
    let wanted = json!({"imsi": IMSI, "minutes": 5}).to_string();
    let (status, _, made) = bench.ask("POST", "/networks/lab/traces", root, &[], &wanted).await;
    assert_eq!((status, &made["state"], &made["imsi"]), (201, &json!("running"), &json!(IMSI)), "{made}");
    let commands: Vec<(String, String)> = made["gateways"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| (it["gateway"].as_str().unwrap().to_owned(), it["command"].as_str().unwrap().to_owned()))
        .collect();
    let names: Vec<&str> = commands.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["feg", "g1", "g2"]);
    let queued = bench.db.queued_commands("lab", "g1", 0).await.unwrap();
    let arguments: serde_json::Value = serde_json::from_str(&queued[0].arguments).unwrap();
    assert_eq!(
        (queued[0].kind.as_str(), &arguments["imsi"], &arguments["seconds"]),
        ("call-trace", &json!(IMSI), &json!(300))
    );
    // A detach, asked for at one gateway and accepted at another: in the order of time, whoever said it first.
    let id = |name: &str| commands.iter().find(|(gateway, _)| gateway == name).unwrap().1.clone();
    let accept = [gap(4), nas(2_000, true, &[7, 0x46])].concat();
    bench.db.put_command_data("lab", &id("g2"), 0, accept.as_bytes()).await.unwrap();
    let request = [7, 0x45, 0x01, 0x08, 0x09, 0x10, 0x10, 0, 0, 0, 0, 0x10];
    let request = nas(1_000, false, &request);
    bench.db.put_command_data("lab", &id("g1"), 0, request.as_bytes()).await.unwrap();
    bench.db.gateway_connected("lab", "g1", 1, "r", 1).await.unwrap();
    let state = StatePart::State(json!({"clock_ahead_ms": -30}));
    bench.db.put_gateway_state("lab", "g1", 2, ("r", 1), &[state]).await.unwrap();
    let one = format!("/networks/lab/traces/{}", made["id"].as_str().unwrap());
    let (status, _, ladder) = bench.ask("GET", &format!("{one}/ladder"), root, &[], "").await;
    assert_eq!(status, 200, "{ladder}");
    let said: Vec<_> = ladder["messages"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| (it["name"].as_str().unwrap(), it["gateway"].as_str().unwrap(), it["from"].as_str().unwrap()))
        .collect();
    let phone = format!("phone:{IMSI}");
    assert_eq!(said, [("DETACH REQUEST", "g1", phone.as_str()), ("DETACH ACCEPT", "g2", "gateway:g2")], "{ladder}");
    let detach = &ladder["procedures"][0];
    assert_eq!(
        (&detach["name"], &detach["result"], &detach["duration"]),
        (&json!("detach"), &json!("success"), &json!(1_000))
    );
    assert_eq!(ladder["dropped"], 4);
    assert_eq!(ladder["clocks"][0], json!({"gateway": "feg", "offset_ms": null}));
    assert_eq!(ladder["clocks"][1], json!({"gateway": "g1", "offset_ms": -30}));
    let bearer = format!("Bearer {}", bench.root);
    let capture = bench.send("GET", &format!("{one}/pcapng"), &[("authorization", &bearer)], "").await;
    assert_eq!(capture.headers()["content-type"], "application/x-pcapng");
    let octets = capture.into_body().collect().await.unwrap().to_bytes();
    assert_eq!(octets[..4], [0x0a, 0x0d, 0x0d, 0x0a]);
    // Its end reaches the gateways, and nothing of it is left.
    assert_eq!(bench.ask("DELETE", &one, root, &[], "").await.0, 204);
    let queued = bench.db.queued_commands("lab", "g1", 0).await.unwrap();
    assert!(queued.iter().any(|command| command.arguments.contains("stop") && command.arguments.contains(&id("g1"))));
    assert_eq!(bench.ask("GET", &format!("{one}/ladder"), root, &[], "").await.0, 404);
    assert_eq!(bench.db.command_data("lab", &id("g1"), 0).await.unwrap().1, 0);
}

#[tokio::test]
async fn who_traced_whom_is_written_down_and_not_everybody_may() {
    let bench = bench().await;
    let root = Some(bench.root.as_str());
    let viewer =
        json!({"password": "correct horse battery", "grants": [{"role": "viewer", "scope": {"network": "lab"}}]});
    assert_eq!(bench.ask("PUT", "/users/vera", root, &[], &viewer.to_string()).await.0, 201);
    let login = json!({"name": "vera", "password": "correct horse battery"}).to_string();
    let (_, _, session) = bench.ask("POST", "/sessions", None, &[], &login).await;
    let vera = session["token"].as_str();
    let wanted = json!({"base_station": "001-01/0x19b"}).to_string();
    assert_eq!(bench.ask("POST", "/networks/lab/traces", vera, &[], &wanted).await.0, 403);
    let (_, _, made) = bench.ask("POST", "/networks/lab/traces", root, &[], &wanted).await;
    assert_eq!(made["gateways"].as_array().unwrap().len(), 2, "a federation gateway has no base stations");
    let one = format!("/networks/lab/traces/{}", made["id"].as_str().unwrap());
    assert_eq!(bench.ask("GET", &one, vera, &[], "").await.0, 200);
    for path in ["ladder", "pcapng"] {
        assert_eq!(bench.ask("GET", &format!("{one}/{path}"), vera, &[], "").await.0, 403, "{path}");
    }
    assert_eq!(bench.ask("DELETE", &one, vera, &[], "").await.0, 403);
    assert_eq!(bench.ask("GET", &format!("{one}/ladder"), root, &[], "").await.0, 200);
    let (_, _, log) = bench.ask("GET", "/networks/lab/audit", root, &[], "").await;
    let lines = log["items"].as_array().unwrap();
    let wrote = |who: &str, action: &str, end: &str, outcome: u16| {
        lines.iter().any(|line| {
            line["who"] == who
                && line["action"] == action
                && line["outcome"] == outcome
                && line["target"].as_str().unwrap().ends_with(end)
        })
    };
    assert!(wrote("root", "POST", "/traces", 201) && wrote("root", "GET", "/ladder", 200), "{log}");
    assert!(wrote("vera", "GET", "/pcapng", 403) && wrote("vera", "POST", "/traces", 403), "{log}");
    // What nobody can be asked about.
    for wrong in [
        json!({}),
        json!({"imsi": "12"}),
        json!({"imsi": IMSI, "base_station": "x"}),
        json!({"gateway": "none"}),
        json!({"imsi": IMSI, "minutes": 61}),
        json!({"imsi": IMSI, "octets": 1}),
        json!({"imsi": IMSI, "more": 1}),
    ] {
        let status = bench.ask("POST", "/networks/lab/traces", root, &[], &wrong.to_string()).await.0;
        assert!([400, 422].contains(&status), "{wrong}: {status}");
    }
    // The same request again is the same trace.
    let key = [("idempotency-key", "once")];
    let first = bench.ask("POST", "/networks/lab/traces", root, &key, &wanted).await.2;
    assert_eq!(bench.ask("POST", "/networks/lab/traces", root, &key, &wanted).await.2["id"], first["id"]);
}
