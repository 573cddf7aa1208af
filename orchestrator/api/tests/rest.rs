//! The interface as its clients see it, over a database in a temporary folder.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod bench;
mod browser;
mod bulk;
mod live;
mod magma;
mod matrix;
#[path = "../../db/tests/postgres/mod.rs"]
mod postgres;
mod rows;
mod staged;
mod traces;
mod watch;
mod watching;

use bench::{Bench, K, OPC};
use orchestrator_api::digest_of;
use serde_json::{Value, json};

const AMBR: &str = r#"{"max_ul_bit_rate":1000000,"max_dl_bit_rate":1000000}"#;

/// All of this once more, in a process of its own, over a PostgreSQL that is started here.
#[test]
fn the_interface_does_the_same_over_postgres() {
    if std::env::var_os(bench::POSTGRES).is_some() {
        return;
    }
    let server = match postgres::Server::start() {
        Ok(server) => server,
        Err(reason) => {
            println!("skipped: {reason}");
            return;
        }
    };
    let mut again = std::process::Command::new(std::env::current_exe().unwrap());
    let output = again.env(bench::POSTGRES, server.address()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
}

#[tokio::test]
async fn the_first_user_is_made_once_and_by_the_token_only() {
    let bench = Bench::fresh().await;
    let setup = |token: &str| json!({"token": token, "name": "root", "password": "correct horse battery"}).to_string();
    assert_eq!(bench.ask("POST", "/setup", None, &[], &setup("guess")).await.0, 403);
    let weak = json!({"token": bench.setup, "name": "root", "password": "short"}).to_string();
    assert_eq!(bench.ask("POST", "/setup", None, &[], &weak).await.0, 422);
    assert_eq!(bench.ask("POST", "/setup", None, &[], &setup(&bench.setup)).await.0, 201);
    assert_eq!(bench.ask("POST", "/setup", None, &[], &setup(&bench.setup)).await.0, 403, "used");
    // The setup token is no session.
    assert_eq!(bench.ask("GET", "/me", Some(&bench.setup), &[], "").await.0, 401);
}

#[tokio::test]
async fn objects_are_written_read_and_go_back() {
    let bench = Bench::with_network("acme", "lab").await;
    let root = Some(bench.root.as_str());
    let path = "/networks/lab/apns/internet";
    let body = |qci: u8| format!(r#"{{"qci":{qci},"ambr":{AMBR}}}"#);
    let (status, tag, _) = bench.ask("PUT", path, root, &[("if-none-match", "*")], &body(9)).await;
    assert_eq!((status, tag.as_str()), (201, "\"1\""));
    assert_eq!(bench.ask("PUT", path, root, &[("if-none-match", "*")], &body(9)).await.0, 412);
    let (status, tag, _) = bench.ask("PATCH", path, root, &[("if-match", "\"1\"")], r#"{"qci":8}"#).await;
    assert_eq!((status, tag.as_str()), (200, "\"2\""));
    let (status, _, problem) = bench.ask("PUT", path, root, &[("if-match", "\"1\"")], &body(7)).await;
    assert_eq!((status, problem["type"].as_str()), (412, Some("urn:basalt:problem:changed-meanwhile")));
    let (status, _, problem) = bench.ask("PUT", path, root, &[], &body(1)).await;
    assert_eq!((status, problem["errors"][0]["path"].as_str()), (422, Some("/qci")));
    let (_, _, versions) = bench.ask("GET", &format!("{path}/versions"), root, &[], "").await;
    assert_eq!(versions["items"][0]["difference"], json!([{"path": "/qci", "before": 9, "after": 8}]));
    assert_eq!(versions["items"][0]["who"], "root");
    let (status, tag, back) = bench.ask("POST", &format!("{path}/rollback"), root, &[], r#"{"revision":1}"#).await;
    assert_eq!((status, tag.as_str(), back["body"]["qci"].as_u64()), (200, "\"3\"", Some(9)));
    assert_eq!(bench.ask("DELETE", "/networks/lab", root, &[], "").await.0, 409, "it has an access point");
    assert_eq!(bench.ask("DELETE", path, root, &[], "").await.0, 204);
    assert_eq!(bench.ask("GET", path, root, &[], "").await.0, 404);
    let (status, _, problem) = bench.ask("PUT", "/networks/lab/gateways/g1", root, &[], r#"{"tier":"none"}"#).await;
    assert_eq!((status, problem["errors"][0]["path"].as_str()), (422, Some("/tier")));
}

#[tokio::test]
async fn a05_keys_go_in_and_never_out() {
    let bench = Bench::with_network("acme", "lab").await;
    let root = Some(bench.root.as_str());
    let path = "/networks/lab/subscribers/001010000000001";
    assert_eq!(bench.ask("PUT", path, root, &[], "{}").await.0, 422, "a new one needs keys");
    let body = json!({"title": "first", "keys": {"k": K, "opc": OPC}}).to_string();
    let (status, _, shown) = bench.ask("PUT", path, root, &[], &body).await;
    assert_eq!((status, shown["has_secrets"].as_bool()), (201, Some(true)));
    // Without keys the former ones stay.
    assert_eq!(bench.ask("PUT", path, root, &[], r#"{"title":"second"}"#).await.0, 200);
    assert_eq!(bench.ask("POST", &format!("{path}/rollback"), root, &[], r#"{"revision":1}"#).await.0, 200);
    // A key in a wrong place is refused without being repeated.
    let mut told = vec![bench.ask("PUT", path, root, &[], &json!({"keys": K}).to_string()).await];
    for read in [path, &format!("{path}/versions"), "/networks/lab/subscribers", "/audit"] {
        told.push(bench.ask("GET", read, root, &[], "").await);
    }
    assert_eq!(told.iter().map(|it| it.0).collect::<Vec<_>>(), [422, 200, 200, 200, 200]);
    assert!(told.iter().all(|(_, _, body)| !body.to_string().contains(K) && !body.to_string().contains(OPC)));
    assert!(!bench.database_holds(K));
}

#[tokio::test]
async fn gateways_are_seen_and_told() {
    let bench = Bench::with_network("acme", "lab").await;
    let root = Some(bench.root.as_str());
    assert_eq!(bench.ask("PUT", "/networks/lab/tiers/stable", root, &[], "{}").await.0, 201);
    // A token is shown once; the tier must be there.
    let tokens = "/networks/lab/gateway-tokens";
    let (status, _, problem) = bench.ask("POST", tokens, root, &[], r#"{"tier":"none"}"#).await;
    assert_eq!((status, problem["errors"][0]["path"].as_str()), (422, Some("/tier")));
    assert_eq!(bench.ask("POST", tokens, root, &[], r#"{"tier":"stable","hours":0}"#).await.0, 422);
    let key = [("idempotency-key", "token-1")];
    let (status, _, made) = bench.ask("POST", tokens, root, &key, r#"{"tier":"stable","gateway":"g1"}"#).await;
    let token = made["token"].as_str().unwrap();
    assert!(status == 201 && token.starts_with("bgt1.core.example:8481.abab"), "{made}");
    assert_eq!(made["command"], format!("basalt gateway join {token}"));
    let secret = token.rsplit('.').next().unwrap();
    let again = bench.ask("POST", tokens, root, &key, r#"{"tier":"stable","gateway":"g1"}"#).await;
    let list = bench.ask("GET", tokens, root, &[], "").await;
    assert_eq!((again.0, list.2["items"].as_array().unwrap().len()), (201, 1));
    assert!(!again.2.to_string().contains(secret) && !list.2.to_string().contains(secret));
    assert!(!bench.database_holds(secret));
    let id = made["id"].as_str().unwrap();
    assert_eq!(bench.ask("DELETE", &format!("{tokens}/{id}"), root, &[], "").await.0, 204);
    // Of a gateway that has never come.
    assert_eq!(bench.ask("GET", "/networks/lab/gateways/g1/status", root, &[], "").await.0, 404);
    assert_eq!(bench.ask("PUT", "/networks/lab/gateways/g1", root, &[], r#"{"tier":"stable"}"#).await.0, 201);
    let (_, _, seen) = bench.ask("GET", "/networks/lab/gateways/g1/status", root, &[], "").await;
    assert_eq!((seen["connected"].as_bool(), seen["joined_at"].is_null()), (Some(false), true));
    assert_eq!(bench.ask("POST", "/networks/lab/gateways/g1/revoke", root, &[], "").await.0, 404);
    // Commands wait for it.
    let commands = "/networks/lab/gateways/g1/commands";
    assert_eq!(bench.ask("POST", commands, root, &[], r#"{"kind":"self-destruct"}"#).await.0, 422);
    let ping = r#"{"kind":"ping","arguments":{"host":"192.0.2.1"},"minutes":5}"#;
    let (status, _, command) = bench.ask("POST", commands, root, &[], ping).await;
    assert_eq!((status, command["state"].as_str()), (201, Some("queued")));
    let path = format!("/networks/lab/commands/{}", command["id"].as_str().unwrap());
    let (_, _, read) = bench.ask("GET", &path, root, &[], "").await;
    assert_eq!((&read["arguments"]["host"], &read["created_by"]), (&json!("192.0.2.1"), &json!("root")));
    bench.db.gateway_connected("lab", "g1", 1, "r", 1).await.unwrap();
    let parts = [orchestrator_db::StatePart::Metrics(json!({"enbs": 2.0}))];
    bench.db.put_gateway_state("lab", "g1", 2, ("r", 1), &parts).await.unwrap();
    let (_, _, metrics) = bench.ask("GET", "/networks/lab/gateways/g1/metrics", root, &[], "").await;
    assert_eq!(metrics, json!({"at": 2, "values": {"enbs": 2.0}}));
    let (_, _, states) = bench.ask("GET", "/networks/lab/gateway-states", root, &[], "").await;
    assert_eq!(states["items"][0]["connected"], false, "it was not heard for long");
    for path in ["gateways/g1/events", "events?alarms=true", "usage?imsi=00101&since=5", "gateways/g1/certificates"] {
        assert_eq!(bench.ask("GET", &format!("/networks/lab/{path}"), root, &[], "").await.0, 200, "{path}");
    }
    for path in ["events?alarms=1", "usage?since=x", "events?cursor=x"] {
        assert_eq!(bench.ask("GET", &format!("/networks/lab/{path}"), root, &[], "").await.0, 400, "{path}");
    }
}

#[tokio::test]
async fn lists_are_paged_filtered_and_narrowed() {
    let bench = Bench::with_network("acme", "lab").await;
    let root = Some(bench.root.as_str());
    let line = |n: u32| {
        let state = if n.is_multiple_of(3) { "INACTIVE" } else { "ACTIVE" };
        let body = json!({"state": state, "keys": {"k": K, "opc": OPC}});
        format!("{}\n", json!({"name": format!("00101{n:010}"), "body": body}))
    };
    let lines: String = (0..30).map(line).collect();
    let path = "/networks/lab/subscribers";
    let form = [("content-type", "application/x-ndjson")];
    let (status, _, done) = bench.ask("POST", &format!("{path}/import?dry_run=true"), root, &form, &lines).await;
    assert_eq!((status, done["created"].as_u64()), (200, Some(30)));
    let (_, _, page) = bench.ask("GET", path, root, &[], "").await;
    assert_eq!(page["items"].as_array().unwrap().len(), 0, "a dry run changes nothing");
    assert_eq!(bench.ask("POST", &format!("{path}/import"), root, &form, &lines).await.0, 200);
    let (mut seen, mut cursor) = (Vec::new(), String::new());
    loop {
        let query = format!("{path}?limit=7&sort=-name&filter=state:ACTIVE&fields=body.state{cursor}");
        let (status, _, page) = bench.ask("GET", &query, root, &[], "").await;
        assert_eq!(status, 200);
        for item in page["items"].as_array().unwrap() {
            assert_eq!(item["body"], json!({"state": "ACTIVE"}));
            seen.push(item["name"].as_str().unwrap().to_owned());
        }
        let Some(next) = page["next_cursor"].as_str() else { break };
        cursor = format!("&cursor={next}");
    }
    assert_eq!(seen.len(), 20);
    assert!(seen.is_sorted_by(|a, b| a > b));
    for bad in
        ["limit=0", "limit=1001", "sort=body", "filter=state", "filter=a'b:c", "cursor=zz", "fields=a%20b", "x=%zz"]
    {
        assert_eq!(bench.ask("GET", &format!("{path}?{bad}"), root, &[], "").await.0, 400, "{bad}");
    }
}

#[tokio::test]
async fn a09_an_import_with_one_wrong_row_imports_nothing() {
    let bench = Bench::with_network("acme", "lab").await;
    let root = Some(bench.root.as_str());
    let mut text = "name,title,keys.k,keys.opc\n".to_owned();
    (0..500).for_each(|n| text.push_str(&format!("00101{n:010},\"=cmd, {n}\",{K},{OPC}\n")));
    let (good, form) = (text.clone(), [("content-type", "text/csv"), ("idempotency-key", "import-1")]);
    text.push_str(&format!("001019999999999,x,{K},zz\n001010000000000,twice,{K},{OPC}\n"));
    let path = "/networks/lab/subscribers/import";
    let (status, _, problem) = bench.ask("POST", path, root, &form, &text).await;
    assert_eq!(status, 422);
    assert_eq!(problem["rows"][0]["line"], 502);
    assert_eq!(problem["rows"][0]["errors"][0]["path"], "/keys/opc");
    assert_eq!(problem["rows"][1]["line"], 503);
    let count = async || {
        let (_, _, page) = bench.ask("GET", "/networks/lab/subscribers?limit=1000", root, &[], "").await;
        page["items"].as_array().unwrap().len()
    };
    assert_eq!(count().await, 0);
    // A refused request may be tried again with the same key; an answered one is answered the same.
    let first = bench.ask("POST", path, root, &form, &good).await;
    assert_eq!((first.0, first.2["created"].as_u64()), (200, Some(500)));
    assert_eq!(bench.ask("POST", path, root, &form, &good).await, first);
    assert_eq!(bench.ask("POST", path, root, &form, &text).await.0, 422, "the key came with another content");
    assert_eq!(count().await, 500);
}

#[tokio::test]
async fn a10_hostile_documents_cost_their_sender_only() {
    let bench = Bench::with_network("acme", "lab").await;
    let root = Some(bench.root.as_str());
    let path = "/networks/lab/tiers/t";
    for (body, status) in [
        ("[".repeat(100_000), 400),
        (r#"{"title":"a","title":"b"}"#.to_owned(), 400),
        (r#"{"parallel_percent":1e400}"#.to_owned(), 400),
        (r#"{"role":"admin","network_id":"other"}"#.to_owned(), 422),
        (String::new(), 400),
        (format!("{{\"title\":\"{}\"}}", "a".repeat(2 << 20)), 413),
        ("{\"title\":\"\\u001b[31m\"}".to_owned(), 422),
    ] {
        assert_eq!(bench.ask("PUT", path, root, &[], &body).await.0, status, "{}", &body[..body.len().min(40)]);
    }
    assert_eq!(bench.ask("PUT", path, root, &[("content-encoding", "gzip")], "{}").await.0, 415);
    assert_eq!(bench.ask("GET", "/networks/%2e%2e/tiers", root, &[], "").await.0, 404);
    assert_eq!(bench.ask("GET", "/no/such", root, &[], "").await.0, 404);
    assert_eq!(bench.ask("PUT", path, root, &[], "{}").await.0, 201);
}

#[tokio::test]
async fn a06_passwords_are_not_guessed_and_sessions_end() {
    let bench = Bench::with_network("acme", "lab").await;
    let login = |name: &str, password: &str| json!({"name": name, "password": password}).to_string();
    for _ in 0..5 {
        assert_eq!(bench.ask("POST", "/sessions", None, &[], &login("root", "wrong")).await.0, 401);
    }
    let right = login("root", "correct horse battery");
    assert_eq!(bench.ask("POST", "/sessions", None, &[], &right).await.0, 401, "locked");
    // Who is in stays in; who goes is out.
    let root = Some(bench.root.as_str());
    let change = json!({"grants": [], "password": "another long secret"}).to_string();
    assert_eq!(bench.ask("PUT", "/users/bob", root, &[], &change).await.0, 201);
    let (status, _, session) = bench.ask("POST", "/sessions", None, &[], &login("bob", "another long secret")).await;
    assert_eq!(status, 201);
    let bob = session["token"].as_str();
    assert_eq!(bench.ask("GET", "/me", bob, &[], "").await.0, 200);
    assert_eq!(bench.ask("DELETE", "/sessions/current", bob, &[], "").await.0, 204);
    assert_eq!(bench.ask("GET", "/me", bob, &[], "").await.0, 401);
}

#[test]
fn the_committed_document_is_the_present_one() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../openapi/orchestrator.json");
    let present = format!("{:#}\n", orchestrator_api::document());
    if std::env::var_os("BASALT_UPDATE").is_some() {
        std::fs::write(path, &present).unwrap();
    }
    let committed = std::fs::read_to_string(path).unwrap_or_default();
    assert!(committed == present, "the document drifted: run BASALT_UPDATE=1 cargo test -p orchestrator-api");
    let document: Value = serde_json::from_str(&committed).unwrap();
    let schemas = document["components"]["schemas"].as_object().unwrap();
    for part in committed.split("#/components/schemas/").skip(1) {
        let name = part.split('"').next().unwrap();
        assert!(schemas.contains_key(name), "{name} is spoken of and not there");
    }
}

#[tokio::test]
async fn releases_come_in_pieces_and_commands_name_them() {
    let bench = Bench::with_network("acme", "lab").await;
    let root = Some(bench.root.as_str());
    let program = "a program of forty-one octets, not of more";
    let digest = digest_of(program);
    let mut body = json!({"product": "agwd", "version": "2.0.0", "platform": "x86_64-linux", "size": program.len(),
        "sha256": "0".repeat(64), "signature": "ab".repeat(64)});
    for (field, value) in
        [("size", json!(0)), ("version", json!("2/0")), ("sha256", json!("XY")), ("signature", json!(""))]
    {
        let mut wrong = body.clone();
        wrong[field] = value;
        let (status, _, problem) = bench.ask("POST", "/releases", root, &[], &wrong.to_string()).await;
        assert_eq!((status, problem["errors"][0]["path"].as_str()), (422, Some(format!("/{field}").as_str())));
    }
    // Another digest than was told: all of it goes.
    let path = "/releases/agwd-2.0.0-x86_64-linux";
    assert_eq!(bench.ask("POST", "/releases", root, &[], &body.to_string()).await.0, 201);
    let (status, _, problem) = bench.ask("PUT", &format!("{path}/data"), root, &[], program).await;
    assert_eq!((status, problem["type"].as_str()), (422, Some("urn:basalt:problem:wrong-digest")));
    let (_, _, known) = bench.ask("GET", path, root, &[], "").await;
    assert_eq!((known["received"].as_u64(), known["complete"].as_bool()), (Some(0), Some(false)));
    body["sha256"] = digest.into();
    assert_eq!(bench.ask("POST", "/releases", root, &[], &body.to_string()).await.0, 409, "another one of the name");
    assert_eq!(bench.ask("DELETE", path, root, &[], "").await.0, 204);
    assert_eq!(bench.ask("POST", "/releases", root, &[], &body.to_string()).await.0, 201);
    let (first, rest) = program.split_at(10);
    assert_eq!(bench.ask("PUT", &format!("{path}/data?place=0"), root, &[], first).await.2["received"], 10);
    assert_eq!(bench.ask("PUT", &format!("{path}/data?place=0"), root, &[], first).await.2["received"], 10);
    assert_eq!(bench.ask("POST", "/releases", root, &[], &body.to_string()).await.2["received"], 10, "it goes on");
    assert_eq!(bench.ask("PUT", &format!("{path}/data?place=11"), root, &[], program).await.0, 422);
    // Of half a program nobody is told.
    assert_eq!(bench.ask("PUT", "/networks/lab/tiers/stable", root, &[], "{}").await.0, 201);
    assert_eq!(bench.ask("PUT", "/networks/lab/gateways/g1", root, &[], r#"{"tier":"stable"}"#).await.0, 201);
    let name = "agwd-2.0.0-x86_64-linux";
    let command = json!({"kind": "upgrade", "arguments": {"release": name, "rate": 1000}}).to_string();
    let plan = json!({"tier": "stable", "release": name}).to_string();
    let (commands, rollouts) = ("/networks/lab/gateways/g1/commands", "/networks/lab/rollouts");
    assert_eq!(bench.ask("POST", commands, root, &[], &command).await.0, 422);
    assert_eq!(bench.ask("POST", rollouts, root, &[], &plan).await.0, 422);
    assert_eq!(bench.ask("PUT", &format!("{path}/data?place=10"), root, &[], rest).await.2["complete"], true);
    let (status, _, made) = bench.ask("POST", commands, root, &[], &command).await;
    assert_eq!(
        (status, &made["arguments"]["version"], &made["arguments"]["rate"]),
        (201, &json!("2.0.0"), &json!(1000))
    );
    let sneaky = json!({"kind": "upgrade", "arguments": {"release": name, "signature": "00"}}).to_string();
    assert_eq!(bench.ask("POST", commands, root, &[], &sneaky).await.0, 422);
    assert_eq!(bench.ask("POST", commands, root, &[], r#"{"kind":"upgrade","arguments":{"back":true}}"#).await.0, 201);
    // A rollout; one of a tier at a time.
    let wrong = json!({"tier": "stable", "release": name, "canary_percent": 0}).to_string();
    assert_eq!(bench.ask("POST", rollouts, root, &[], &wrong).await.2["errors"][0]["path"], "/canary_percent");
    let (status, _, made) = bench.ask("POST", rollouts, root, &[], &plan).await;
    assert_eq!((status, &made["state"], &made["stage"]), (201, &json!("running"), &json!("canary")));
    assert_eq!(bench.ask("POST", rollouts, root, &[], &plan).await.0, 409);
    let one = format!("{rollouts}/{}", made["id"].as_str().unwrap());
    for (act, status, state) in
        [("pause", 200, "paused"), ("pause", 409, ""), ("resume", 200, "running"), ("cancel", 200, "cancelled")]
    {
        let body = json!({ "act": act }).to_string();
        let (got, _, after) = bench.ask("POST", &format!("{one}/act"), root, &[], &body).await;
        assert_eq!((got, after["state"].as_str().unwrap_or_default()), (status, state), "{act}");
    }
    assert_eq!(bench.ask("POST", rollouts, root, &[], &plan).await.0, 201);
    assert_eq!(bench.ask("GET", rollouts, root, &[], "").await.2["items"].as_array().unwrap().len(), 2);
    assert_eq!(bench.ask("GET", &one, root, &[], "").await.2["state"], "cancelled");
}

#[tokio::test]
async fn what_was_made_before_a_crash_is_not_made_twice() {
    let bench = Bench::with_network("acme", "lab").await;
    let root = Some(bench.root.as_str());
    assert_eq!(bench.ask("PUT", "/networks/lab/tiers/stable", root, &[], "{}").await.0, 201);
    assert_eq!(bench.ask("PUT", "/networks/lab/gateways/g1", root, &[], r#"{"tier":"stable"}"#).await.0, 201);
    let key_body = json!({"title": "ci", "grants": [], "days": 1}).to_string();
    let cases = [
        ("/networks/lab/gateways/g1/commands", r#"{"kind":"ping","arguments":{"host":"192.0.2.1"}}"#.to_owned()),
        ("/networks/lab/gateway-tokens", r#"{"tier":"stable"}"#.to_owned()),
        ("/api-keys", key_body),
    ];
    for (path, body) in cases {
        let key = [("idempotency-key", path)];
        let (status, _, first) = bench.ask("POST", path, root, &key, &body).await;
        assert_eq!(status, 201, "{path}: {first}");
        // The process ended before it could note its answer.
        bench.db.answered("root", path, None).await.unwrap();
        let (status, _, again) = bench.ask("POST", path, root, &key, &body).await;
        assert_eq!((status, &first["id"]), (201, &again["id"]), "{path}");
        let (_, _, list) = bench.ask("GET", path, root, &[], "").await;
        assert_eq!(list["items"].as_array().unwrap().len(), 1, "{path}");
        if let Some(token) = again["token"].as_str() {
            assert_ne!(first["token"].as_str(), Some(token), "a secret that reached nobody is worth nothing");
        }
        // Another request makes another.
        let (_, _, other) = bench.ask("POST", path, root, &[("idempotency-key", "other")], &body).await;
        assert_ne!(first["id"], other["id"], "{path}");
        bench.db.answered("root", "other", None).await.unwrap();
    }
}

#[tokio::test]
async fn a_dry_run_of_one_object_tells_and_changes_nothing() {
    let bench = Bench::with_network("acme", "lab").await;
    let root = Some(bench.root.as_str());
    for (method, path, body, status) in [
        ("PUT", "/tenants/new", "{}", 201),
        ("PUT", "/networks/new", r#"{"tenant":"acme"}"#, 201),
        ("PUT", "/networks/new", r#"{"tenant":"none"}"#, 422),
        ("PATCH", "/networks/lab", r#"{"title":"other"}"#, 200),
        ("DELETE", "/tenants/acme", "", 409),
        ("PUT", "/networks/lab/tiers/t", "{}", 201),
        ("DELETE", "/networks/lab", "", 204),
    ] {
        let (got, _, answer) = bench.ask(method, &format!("{path}?dry_run=true"), root, &[], body).await;
        assert_eq!(got, status, "{method} {path}: {answer}");
    }
    for path in ["/tenants/new", "/networks/new", "/networks/lab/tiers/t"] {
        assert_eq!(bench.ask("GET", path, root, &[], "").await.0, 404, "{path}");
    }
    let (status, tag, network) = bench.ask("GET", "/networks/lab", root, &[], "").await;
    assert_eq!((status, tag.as_str(), network["body"]["title"].as_str()), (200, "\"1\"", Some("")));
    assert_eq!(bench.ask("PUT", "/tenants/new?dry_run=perhaps", root, &[], "{}").await.0, 400);
}

#[tokio::test]
async fn large_answers_are_packed_for_those_who_take_it_and_secrets_never() {
    let bench = Bench::with_network("acme", "lab").await;
    let bearer = format!("Bearer {}", bench.root);
    let of = async |path: &str, coding: &str| {
        let headers = [("authorization", bearer.as_str()), ("accept-encoding", coding)];
        let response = bench.send("GET", path, &headers, "").await;
        let told = |name: &str| response.headers().get(name).map(|it| it.to_str().unwrap().to_owned());
        let (coding, vary) = (told("content-encoding"), told("vary"));
        (coding, vary, http_body_util::BodyExt::collect(response.into_body()).await.unwrap().to_bytes())
    };
    let (coding, vary, plain) = of("/alarm-rules", "br, gzip;q=0").await;
    assert_eq!((coding, vary.as_deref()), (None, Some("accept-encoding")));
    let (coding, _, packed) = of("/alarm-rules", "br, gzip").await;
    assert!(coding.as_deref() == Some("gzip") && packed.len() * 2 < plain.len());
    let mut back = Vec::new();
    std::io::Read::read_to_end(&mut flate2::read::GzDecoder::new(&packed[..]), &mut back).unwrap();
    assert_eq!(back, plain);
    // What tells a secret of who asks, what has an entity tag, and what is small.
    let title = "x".repeat(40);
    for number in 0..20 {
        let grants = json!({"title": format!("{number}{title}"), "grants": [], "days": 1}).to_string();
        assert_eq!(bench.ask("POST", "/api-keys", Some(&bench.root), &[], &grants).await.0, 201);
    }
    for path in ["/me", "/api-keys", "/sessions", "/networks/lab", "/networks"] {
        assert_eq!(of(path, "gzip").await.0, None, "{path}");
    }
}
