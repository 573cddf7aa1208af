//! Staged changes of objects: what may be begun, how it is shown, and who stops it.

use crate::bench::{Bench, K, OPC};
use orchestrator_db::{Certificate, StatePart};
use serde_json::{Value, json};

const ROLLOUTS: &str = "/networks/lab/config-rollouts";

fn apn(qci: u8) -> Value {
    json!({"qci": qci, "ambr": {"max_ul_bit_rate": 1_000_000, "max_dl_bit_rate": 1_000_000}})
}

async fn bench() -> Bench {
    let bench = Bench::with_network("acme", "lab").await;
    let subscriber = json!({"keys": {"k": K, "opc": OPC}}).to_string();
    for (path, body) in [
        ("tiers/stable", "{}".to_owned()),
        ("gateways/g1", json!({"tier": "stable"}).to_string()),
        ("apns/internet", apn(9).to_string()),
        ("apns/old", apn(9).to_string()),
        ("subscribers/001010000000001", subscriber),
    ] {
        let path = format!("/networks/lab/{path}");
        assert_eq!(bench.ask("PUT", &path, Some(&bench.root), &[], &body).await.0, 201, "{path}");
    }
    bench
}

#[tokio::test]
async fn it_is_begun_shown_and_stopped() {
    let bench = bench().await;
    let root = Some(bench.root.as_str());
    let changes = json!([
        {"kind": "apns", "name": "internet", "body": apn(8)},
        {"kind": "apns", "name": "new", "body": apn(7)},
        {"kind": "apns", "name": "old", "body": null},
        {"kind": "subscribers", "name": "001010000000001", "body": {"title": "pump"}},
    ]);
    let plan = json!({"changes": changes, "tier": "stable", "canary_percent": 5}).to_string();
    let (status, _, made) = bench.ask("POST", ROLLOUTS, root, &[], &plan).await;
    assert_eq!((status, &made["state"], &made["stage"]), (201, &json!("running"), &json!("canary")), "{made}");
    let expected = json!({"tier": "stable", "canary_percent": 5, "soak_minutes": 30, "at_once": 10, "most_failures": 0,
                          "roll_back": true});
    assert_eq!((&made["plan"], &made["created_by"], &made["soak_until"]), (&expected, &json!("root"), &Value::Null));
    let (first, old) = (&made["changes"][0], &made["changes"][2]);
    assert_eq!((&first["before"]["qci"], &first["after"]["qci"]), (&json!(9), &json!(8)));
    assert_eq!(
        (&made["changes"][1]["before"], &old["after"], &old["before"]["qci"]),
        (&Value::Null, &Value::Null, &json!(9))
    );
    assert!(!made.to_string().contains(K));
    // Nothing is changed yet.
    let (_, tag, there) = bench.ask("GET", "/networks/lab/apns/internet", root, &[], "").await;
    assert_eq!((tag.as_str(), &there["body"]["qci"]), ("\"1\"", &json!(9)));
    assert_eq!(bench.ask("GET", "/networks/lab/apns/new", root, &[], "").await.0, 404);
    // Another one about one of these objects has to wait; one about others has not.
    let other = |name: &str| json!({"changes": [{"kind": "apns", "name": name, "body": apn(6)}]}).to_string();
    let (status, _, problem) = bench.ask("POST", ROLLOUTS, root, &[], &other("new")).await;
    assert_eq!((status, problem["detail"].as_str().unwrap().contains("apns/new")), (409, true), "{problem}");
    assert_eq!(bench.ask("POST", ROLLOUTS, root, &[], &other("newer")).await.0, 201);
    let one = format!("{ROLLOUTS}/{}", made["id"].as_str().unwrap());
    for (act, status, state) in [
        ("resume", 409, ""),
        ("pause", 200, "paused"),
        ("resume", 200, "running"),
        ("roll-back", 200, "rolling-back"),
        ("cancel", 200, "cancelled"),
        ("cancel", 409, ""),
    ] {
        let body = json!({ "act": act }).to_string();
        let (got, _, after) = bench.ask("POST", &format!("{one}/act"), root, &[], &body).await;
        assert_eq!((got, after["state"].as_str().unwrap_or_default()), (status, state), "{act}: {after}");
    }
    assert_eq!(bench.ask("GET", &one, root, &[], "").await.2["words"], "by root");
    assert_eq!(bench.ask("GET", ROLLOUTS, root, &[], "").await.2["items"].as_array().unwrap().len(), 2);
    assert_eq!(bench.ask("GET", &format!("{ROLLOUTS}/none"), root, &[], "").await.0, 404);
    assert_eq!(bench.ask("POST", ROLLOUTS, root, &[], &other("new")).await.0, 201, "it is free again");
    let (_, _, audit) = bench.ask("GET", "/networks/lab/audit?limit=1000", root, &[], "").await;
    let acts = audit["items"].as_array().unwrap().iter();
    let acts = acts.filter(|line| line["target"].as_str().unwrap().ends_with("/act") && line["outcome"] == 200);
    assert!(acts.filter(|line| line["who"] == "root").count() >= 4, "{audit}");
}

#[tokio::test]
async fn what_cannot_be_is_refused_with_its_place() {
    let bench = bench().await;
    let root = Some(bench.root.as_str());
    let keys = json!({"keys": {"k": K, "opc": OPC}});
    let cases = [
        ("/changes", json!([])),
        ("/changes/0/kind", json!([{"kind": "alert-rules", "name": "a", "body": {}}])),
        ("/changes/0/kind", json!([{"kind": "apn", "name": "internet", "body": apn(8)}])),
        ("/changes/0/name", json!([{"kind": "networks", "name": "other", "body": {"tenant": "acme"}}])),
        (
            "/changes/1/name",
            json!([{"kind": "apns", "name": "a", "body": apn(8)}, {"kind": "apns", "name": "a", "body": null}]),
        ),
        ("/changes/0/body/qci", json!([{"kind": "apns", "name": "internet", "body": apn(1)}])),
        ("/changes/0/body", json!([{"kind": "apns", "name": "internet", "body": apn(9)}])),
        ("/changes/0/body", json!([{"kind": "apns", "name": "none", "body": null}])),
        ("/changes/0/body", json!([{"kind": "gateways", "name": "g1", "body": null}])),
        ("/changes/0/body", json!([{"kind": "gateways", "name": "g2", "body": {"tier": "stable"}}])),
        ("/changes/0/body/tier", json!([{"kind": "gateways", "name": "g1", "body": {"tier": "none"}}])),
        ("/changes/0/body", json!([{"kind": "subscribers", "name": "001010000000001", "body": keys}])),
        ("/changes/0/body", json!([{"kind": "subscribers", "name": "001010000000002", "body": {"title": "new"}}])),
    ];
    for (path, changes) in cases {
        let body = json!({ "changes": changes }).to_string();
        let (status, _, problem) = bench.ask("POST", ROLLOUTS, root, &[], &body).await;
        assert_eq!((status, problem["errors"][0]["path"].as_str()), (422, Some(path)), "{changes}: {problem}");
        assert!(!problem.to_string().contains(K));
    }
    let good = json!([{"kind": "apns", "name": "internet", "body": apn(8)}]);
    for (path, field) in [("/canary_percent", json!({"canary_percent": 0})), ("/tier", json!({"tier": "none"}))] {
        let mut body = field;
        body["changes"] = good.clone();
        let (status, _, problem) = bench.ask("POST", ROLLOUTS, root, &[], &body.to_string()).await;
        assert_eq!((status, problem["errors"][0]["path"].as_str()), (422, Some(path)), "{problem}");
    }
    // As a whole: the tier is used by a gateway.
    let body = json!({"changes": [{"kind": "tiers", "name": "stable", "body": null}]}).to_string();
    assert_eq!(bench.ask("POST", ROLLOUTS, root, &[], &body).await.0, 409);
    // A body that is forgotten deletes nothing.
    let body = json!({"changes": [{"kind": "apns", "name": "internet"}]}).to_string();
    assert_eq!(bench.ask("POST", ROLLOUTS, root, &[], &body).await.0, 422);
    assert_eq!(bench.ask("GET", ROLLOUTS, root, &[], "").await.2["items"], json!([]));
}

#[tokio::test]
async fn gateways_are_shown_with_the_end_of_their_certificates() {
    let bench = bench().await;
    let root = Some(bench.root.as_str());
    let one = "/networks/lab/gateways/g1/status";
    assert_eq!(bench.ask("GET", one, root, &[], "").await.2["certificate_expires_at"], Value::Null);
    bench.db.gateway_connected("lab", "g1", 1, "r", 1).await.unwrap();
    bench.db.put_gateway_state("lab", "g1", 2, ("r", 1), &[StatePart::Seen]).await.unwrap();
    for (fingerprint, gateway, issued_at, expires_at) in
        [("a", "g1", 1, 100), ("b", "g1", 50, 150), ("c", "g2", 60, 900)]
    {
        let certificate = Certificate {
            fingerprint: fingerprint.to_owned(),
            network: "lab".to_owned(),
            gateway: gateway.to_owned(),
            issued_at,
            expires_at,
            revoked_at: 0,
        };
        bench.db.put_certificate(&certificate).await.unwrap();
    }
    let list = "/networks/lab/gateway-states";
    assert_eq!(bench.ask("GET", one, root, &[], "").await.2["certificate_expires_at"], 150);
    assert_eq!(bench.ask("GET", list, root, &[], "").await.2["items"][0]["certificate_expires_at"], 150);
    assert!(bench.db.revoke("lab", "g1", 70).await.unwrap());
    assert_eq!(bench.ask("GET", one, root, &[], "").await.2["certificate_expires_at"], Value::Null);
    assert_eq!(bench.ask("GET", list, root, &[], "").await.2["items"][0]["certificate_expires_at"], Value::Null);
}
