//! Attacks on the interface that have no case beside what they attack: rows A03 to A14 and K04 of the list of attacks. A01 and A02
//! are in `matrix`, A05, A06, A09 and A10 in `rest.rs`, A08 in `browser`, A11 with the daemon's webhooks, K01 to K05 with the fleet.

use crate::bench::{Bench, K, OPC, YEARS};
use orchestrator_db::{EventQuery, GatewayEvent, StoredUser, TokenKind};
use serde_json::{Value, json};

/// Somebody with a session and these grants.
async fn somebody(bench: &Bench, name: &'static str, role: &str, scope: Value) -> Option<&'static str> {
    let user = StoredUser {
        name: name.to_owned(),
        password: String::new(),
        grants: json!([{"role": role, "scope": scope}]).to_string(),
        failures: 0,
        locked_until: 0,
        created_at: 1,
    };
    bench.db.put_user(&user).await.unwrap();
    bench.token(name, name, TokenKind::Session, name, YEARS).await;
    Some(name)
}

#[tokio::test]
async fn a03_fields_that_are_not_the_senders_to_set_are_refused() {
    let bench = Bench::with_network("acme", "lab").await;
    let ann = somebody(&bench, "ann", "operator", json!({"network": "lab"})).await;
    let path = "/networks/lab/subscribers/001010000000001";
    let body = json!({"keys": {"k": K, "opc": OPC}}).to_string();
    assert_eq!(bench.ask("PUT", path, ann, &[], &body).await.0, 201);
    for field in ["role", "network_id", "network", "revision", "changed_by", "has_secrets", "__proto__", "sealed"] {
        for method in ["PUT", "PATCH"] {
            let body = json!({"keys": {"k": K, "opc": OPC}, field: "admin"}).to_string();
            let (status, _, problem) = bench.ask(method, path, ann, &[], &body).await;
            assert_eq!(
                (status, problem["type"].as_str()),
                (422, Some("urn:basalt:problem:invalid-document")),
                "{field}"
            );
        }
    }
    // Nor of oneself: grants are another's to give, and a key never holds more than its owner.
    for body in [json!({"current": "x", "password": "y", "role": "admin"}), json!({"grants": []})] {
        assert_eq!(bench.ask("POST", "/me/password", ann, &[], &body.to_string()).await.0, 422);
    }
    assert_eq!(bench.ask("PUT", "/users/ann", ann, &[], r#"{"grants":[]}"#).await.0, 403);
    let (_, _, me) = bench.ask("GET", "/me", ann, &[], "").await;
    assert_eq!(me["grants"], json!([{"role": "operator", "scope": {"network": "lab"}}]));
}

#[tokio::test]
async fn a04_no_made_up_token_is_good() {
    let bench = Bench::with_network("acme", "lab").await;
    let root = bench.root.as_str();
    let secret = root.trim_start_matches("bst_");
    let digest = orchestrator_api::digest_of(root);
    // {"alg":"none"}, HS256 with an empty key, a key id that is a path; what is stored of a good token; parts of one.
    let none = "eyJhbGciOiJub25lIn0.eyJzdWIiOiJyb290In0.".to_owned();
    let empty_key = format!("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJyb290In0.{}", "A".repeat(43));
    let path = "eyJhbGciOiJIUzI1NiIsImtpZCI6Ii4uLy4uL2Rldi9udWxsIn0.eyJzdWIiOiJyb290In0.x".to_owned();
    let other = ["root".to_owned(), "bst_".to_owned(), secret.to_owned(), digest.clone(), format!("bst_{digest}")];
    let near = [root.to_uppercase(), format!("{root}0"), root[..root.len() - 1].to_owned(), format!(" {root}")];
    for made in [none, empty_key, path].iter().chain(&other).chain(&near) {
        assert_eq!(bench.ask("GET", "/me", Some(made), &[], "").await.0, 401, "{made}");
    }
    for header in [format!("Basic {root}"), format!("bearer{root}"), root.to_owned(), "Bearer".to_owned()] {
        let response = bench.send("GET", "/me", &[("authorization", &header)], "").await;
        assert_eq!(response.status(), 401, "{header}");
    }
    assert_eq!(bench.ask("GET", "/me", Some(root), &[], "").await.0, 200);
}

#[tokio::test]
async fn a07_what_somebody_wrote_runs_nowhere() {
    let bench = Bench::with_network("acme", "lab").await;
    let root = Some(bench.root.as_str());
    for bad in ["\u{1b}[2J", "a\u{7}", "a\nb", "a\u{9b}31m", "a\u{0}"] {
        for path in ["/networks/lab/enodebs/e1", "/networks/lab/subscribers/001010000000001"] {
            let body = json!({"title": bad, "keys": {"k": K, "opc": OPC}}).to_string();
            assert_eq!(bench.ask("PUT", path, root, &[], &body).await.0, 422, "{bad:?}");
        }
    }
    // Formulas of spreadsheets stay text, and come back as they were.
    for (number, title) in
        ["=cmd|' /C calc'!A0", "+1+1", "-2+3", "@SUM(1)", "<script>alert(1)</script>"].iter().enumerate()
    {
        let path = format!("/networks/lab/subscribers/00101000000000{number}");
        let body = json!({"title": title, "keys": {"k": K, "opc": OPC}}).to_string();
        assert_eq!(bench.ask("PUT", &path, root, &[], &body).await.0, 201);
        let (_, _, read) = bench.ask("GET", &path, root, &[], "").await;
        assert_eq!(read["body"]["title"], *title);
    }
    let bearer = format!("Bearer {}", bench.root);
    let response = bench.send("GET", "/networks/lab/subscribers?format=csv", &[("authorization", &bearer)], "").await;
    assert_eq!(response.headers()["x-content-type-options"], "nosniff");
    let octets = http_body_util::BodyExt::collect(response.into_body()).await.unwrap().to_bytes();
    let text = String::from_utf8(octets.to_vec()).unwrap();
    assert_eq!(text.lines().count(), 6, "{text}");
    for line in text.lines().skip(1) {
        let cells = line.split(',').map(|cell| cell.trim_matches('"'));
        assert!(cells.clone().all(|cell| !cell.starts_with(['=', '+', '-', '@'])), "{line}");
    }
}

#[tokio::test]
async fn a12_no_query_leads_into_another_network_or_costs_without_bound() {
    let bench = Bench::with_network("acme", "lab").await;
    bench.add_network("other", "theirs").await;
    let ann = somebody(&bench, "ann", "admin", json!({"tenant": "acme"})).await;
    for network in ["lab", "theirs"] {
        let event = GatewayEvent {
            id: 0,
            gateway: "g1".to_owned(),
            epoch: 1,
            number: 1,
            at: 1,
            kind: "attached".to_owned(),
            alarm: true,
            imsi: "001010000000001".to_owned(),
            words: format!("of {network}"),
            facts: "{}".to_owned(),
        };
        bench.db.put_gateway_events(network, &[event]).await.unwrap();
    }
    let lists =
        ["events", "usage", "usage/sums", "phones", "base-stations", "gateway-states", "overview", "jobs", "watch"];
    for list in lists {
        assert_eq!(bench.ask("GET", &format!("/networks/theirs/{list}"), ann, &[], "").await.0, 404, "{list}");
        // A word in the query names no other network than the address does.
        for query in ["network=theirs", "tenant=other", "network_id=theirs", "gateway=../theirs/g1"] {
            let (_, _, page) = bench.ask("GET", &format!("/networks/lab/{list}?{query}"), ann, &[], "").await;
            assert!(!page.to_string().contains("of theirs"), "{list}?{query}: {page}");
        }
    }
    for wildcard in ["%25", "%2A", "_", "g1%27%20OR%20%271%27=%271", "%22"] {
        let (status, _, page) =
            bench.ask("GET", &format!("/networks/lab/events?gateway={wildcard}"), ann, &[], "").await;
        assert_eq!((status, page["items"].as_array().map(Vec::len)), (200, Some(0)), "{wildcard}");
    }
    // Costs are bounded: pages, filters, and what they look for.
    for query in ["limit=1001", "limit=1000000000", "limit=-1", "limit=1e3"] {
        for list in ["events", "phones", "usage", "subscribers"] {
            assert_eq!(
                bench.ask("GET", &format!("/networks/lab/{list}?{query}"), ann, &[], "").await.0,
                400,
                "{list} {query}"
            );
        }
    }
    let nine = "filter=title:x&".repeat(9);
    assert_eq!(bench.ask("GET", &format!("/networks/lab/subscribers?{nine}"), ann, &[], "").await.0, 400);
    let all = bench.db.gateway_events("lab", &EventQuery { limit: 10, ..EventQuery::default() }).await.unwrap();
    assert_eq!(all.items.len(), 1);
}

#[tokio::test]
async fn a13_a_name_is_no_path() {
    let bench = Bench::with_network("acme", "lab").await;
    let root = Some(bench.root.as_str());
    for name in
        ["..", "../..", "..%2f..%2fetc%2fpasswd", "%2e%2e", "a%00b", "a%2fb", "a%5cb", "...", ".hidden", "-", "a%20b"]
    {
        for collection in ["gateways", "tiers", "subscribers", "commands", "jobs"] {
            let path = format!("/networks/lab/{collection}/{name}");
            let (status, _, _) = bench.ask("GET", &path, root, &[], "").await;
            assert!([404, 405].contains(&status), "GET {path}: {status}");
        }
        let (status, _, _) = bench.ask("PUT", &format!("/networks/lab/tiers/{name}"), root, &[], "{}").await;
        assert!([404, 405, 422].contains(&status), "PUT tier {name}: {status}");
    }
    let (_, _, tiers) = bench.ask("GET", "/networks/lab/tiers", root, &[], "").await;
    assert_eq!(tiers["items"], json!([]), "nothing was made");
    // The version that a gateway is told to install, and names in a file, are names, too.
    for name in ["../../etc/passwd", "/etc/passwd", "a/b", "..", "a\\b", "a\u{0}b", ""] {
        let tier = json!({"version": name}).to_string();
        let status = bench.ask("PUT", "/networks/lab/tiers/t", root, &[], &tier).await.0;
        assert_eq!(status, if name.is_empty() { 201 } else { 422 }, "{name:?}");
        let row = json!({"name": name, "body": {}}).to_string();
        let form = [("content-type", "application/x-ndjson")];
        assert_eq!(bench.ask("POST", "/networks/lab/tiers/import", root, &form, &row).await.0, 422, "{name:?}");
    }
}

#[tokio::test]
async fn a14_the_askers_right_counts_at_each_hop() {
    let bench = Bench::with_network("acme", "lab").await;
    bench.add_network("other", "theirs").await;
    let root = Some(bench.root.as_str());
    assert_eq!(bench.ask("PUT", "/networks/lab/tiers/stable", root, &[], "{}").await.0, 201);
    assert_eq!(bench.ask("PUT", "/networks/lab/gateways/g1", root, &[], r#"{"tier":"stable"}"#).await.0, 201);
    let viewer = somebody(&bench, "viewer", "viewer", json!({"network": "lab"})).await;
    let stranger = somebody(&bench, "stranger", "admin", json!({"tenant": "other"})).await;
    // What the orchestrator would have a gateway do for somebody with its own, broader rights.
    let capture = r#"{"kind":"packet-capture","arguments":{}}"#;
    assert_eq!(bench.ask("POST", "/networks/lab/gateways/g1/commands", viewer, &[], capture).await.0, 403);
    let (status, _, command) = bench.ask("POST", "/networks/lab/gateways/g1/commands", root, &[], capture).await;
    assert_eq!(status, 201);
    let id = command["id"].as_str().unwrap();
    assert_eq!(bench.ask("GET", &format!("/networks/lab/commands/{id}/data"), viewer, &[], "").await.0, 403);
    // Its number is good in its own network only, whoever asks.
    for path in [format!("/networks/theirs/commands/{id}"), format!("/networks/theirs/commands/{id}/data")] {
        assert_eq!(bench.ask("GET", &path, stranger, &[], "").await.0, 404);
        assert_eq!(bench.ask("GET", &path, root, &[], "").await.0, 404);
    }
    // Work that goes on by itself begins with the asker's right.
    let form = [("content-type", "application/x-ndjson")];
    let rows = r#"{"name":"t1","body":{}}"#;
    let import = "/networks/lab/tiers/import?background=true";
    assert_eq!(bench.ask("POST", import, viewer, &form, rows).await.0, 403);
    assert_eq!(bench.ask("POST", import, stranger, &form, rows).await.0, 404);
    // A key is not more than its owner is now.
    let keys =
        json!({"title": "k", "grants": [{"role": "viewer", "scope": {"network": "lab"}}], "days": 1}).to_string();
    let (status, _, key) = bench.ask("POST", "/api-keys", viewer, &[], &keys).await;
    assert_eq!(status, 201);
    let key = key["token"].as_str();
    assert_eq!(bench.ask("GET", "/networks/lab", key, &[], "").await.0, 200);
    assert_eq!(bench.ask("PUT", "/users/viewer", root, &[], r#"{"grants":[]}"#).await.0, 200);
    assert_eq!(bench.ask("GET", "/networks/lab", key, &[], "").await.0, 404);
}

#[tokio::test]
async fn k04_a_stolen_database_has_no_key_and_no_token() {
    let bench = Bench::with_network("acme", "lab").await;
    let root = Some(bench.root.as_str());
    let path = "/networks/lab/subscribers/001010000000001";
    let body = json!({"keys": {"k": K, "opc": OPC}}).to_string();
    assert_eq!(bench.ask("PUT", path, root, &[], &body).await.0, 201);
    assert_eq!(bench.ask("PUT", "/networks/lab/tiers/stable", root, &[], "{}").await.0, 201);
    let (_, _, made) = bench.ask("POST", "/networks/lab/gateway-tokens", root, &[], r#"{"tier":"stable"}"#).await;
    let secret = made["token"].as_str().unwrap().rsplit('.').next().unwrap().to_owned();
    for secret in [K, OPC, &K.to_uppercase(), &OPC.to_uppercase(), &bench.root, &secret, "correct horse battery"] {
        assert!(!bench.database_holds(secret), "{secret}");
    }
    assert!(bench.database_holds("001010000000001"), "the test looks at the right place");
}
