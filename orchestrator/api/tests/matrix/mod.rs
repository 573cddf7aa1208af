//! Every route of the OpenAPI document, by everybody who should not: made from the document, so that no route is missed.

use crate::bench::{Bench, YEARS};
use orchestrator_api::document;
use orchestrator_db::{StoredUser, TokenKind};
use serde_json::{Value, json};

/// Who asks, what he may, and whether his token is good.
const PEOPLE: [(&str, &str, &str); 9] = [
    ("viewer-here", "viewer", "network:lab"),
    ("operator-here", "operator", "network:lab"),
    ("admin-here", "admin", "network:lab"),
    ("viewer-tenant", "viewer", "tenant:acme"),
    ("operator-tenant", "operator", "tenant:acme"),
    ("admin-tenant", "admin", "tenant:acme"),
    ("admin-elsewhere", "admin", "tenant:other"),
    ("viewer-everywhere", "viewer", "everything"),
    ("operator-everywhere", "operator", "everything"),
];

#[tokio::test]
async fn a01_every_route_by_everybody() {
    let bench = Bench::with_network("acme", "lab").await;
    bench.add_network("other", "theirs").await;
    for (name, role, place) in PEOPLE {
        let scope = match place.split_once(':') {
            Some((kind, name)) => json!({ kind: name }),
            None => json!(place),
        };
        let user = StoredUser {
            name: name.to_owned(),
            password: String::new(),
            grants: json!([{"role": role, "scope": scope}]).to_string(),
            failures: 0,
            locked_until: 0,
            created_at: 1,
        };
        bench.db.put_user(&user).await.unwrap();
        bench.token(&format!("token of {name}"), name, TokenKind::Session, name, YEARS).await;
    }
    // Whoever may delete the network finds it in use.
    assert_eq!(bench.ask("PUT", "/networks/lab/tiers/stable", Some(&bench.root), &[], "{}").await.0, 201);
    bench.token("expired", "expired", TokenKind::Session, "viewer-here", 1).await;
    let document = document();
    let mut asked = 0;
    for (path, methods) in document["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            let need = operation["x-basalt-need"].as_str().unwrap();
            asked += one(&bench, &method.to_uppercase(), path, need).await;
        }
    }
    assert!(asked > 1500, "{asked}");
}

async fn one(bench: &Bench, method: &str, path: &str, need: &str) -> usize {
    let path = path
        .strip_prefix("/api/v1")
        .unwrap()
        .replace("{network}", "lab")
        .replace("{tenant}", "acme")
        .replace("{name}", "none");
    let what = format!("{method} {path} ({need})");
    // A body that is refused as such, after the rights are checked: nothing is changed by this test.
    let ask = async |token: Option<&str>| bench.ask(method, &path, token, &[], "[").await.0;
    let is_open = need == "open";
    assert_eq!(ask(None).await == 401, !is_open, "{what} without token");
    for bad in ["expired", "eyJhbGciOiJub25lIn0.e30.", "", "token of nobody"] {
        assert_eq!(ask(Some(bad)).await, 401, "{what} with a bad token");
    }
    if need == "signed-in" && method == "DELETE" && path == "/sessions/current" {
        return 5;
    }
    for (name, role, place) in PEOPLE {
        let status = ask(Some(&format!("token of {name}"))).await;
        let expected = expected(need, role, place);
        match expected {
            Some(refusal) => assert_eq!(status, refusal, "{what} by {name}"),
            None => assert!(![401, 403].contains(&status), "{what} by {name}: {status}"),
        }
    }
    5 + PEOPLE.len()
}

/// The refusal that somebody must get; `None` when he may.
fn expected(need: &str, role: &str, place: &str) -> Option<u16> {
    let rank = |role: &str| ["viewer", "operator", "admin"].iter().position(|it| *it == role).unwrap();
    match need.split_once(':') {
        None => None,
        Some(("tenant", _)) if place == "tenant:other" || place.starts_with("network:") => Some(404),
        Some(("everywhere", needed)) => (place != "everything" || rank(role) < rank(needed)).then_some(403),
        Some((_, _)) if place == "tenant:other" => Some(404),
        Some((_, needed)) => (rank(role) < rank(needed)).then_some(403),
    }
}

#[tokio::test]
async fn a02_the_body_and_the_file_do_not_lead_elsewhere() {
    let bench = Bench::with_network("acme", "lab").await;
    bench.add_network("other", "theirs").await;
    let grants = json!([{"role": "admin", "scope": {"tenant": "acme"}}]);
    let change = json!({"grants": grants, "password": "another long secret"}).to_string();
    assert_eq!(bench.ask("PUT", "/users/ann", Some(&bench.root), &[], &change).await.0, 201);
    bench.token("ann's", "ann", TokenKind::Session, "ann", YEARS).await;
    let ann = Some("ann's");
    // Her own tenant's network she makes; that of others she neither makes, takes, gives away nor sees.
    let tenant = |tenant: &str| json!({"tenant": tenant}).to_string();
    assert_eq!(bench.ask("PUT", "/networks/new", ann, &[], &tenant("acme")).await.0, 201);
    assert_eq!(bench.ask("PUT", "/networks/newer", ann, &[], &tenant("other")).await.0, 403);
    assert_eq!(bench.ask("PATCH", "/networks/new", ann, &[], &tenant("other")).await.0, 403);
    assert_eq!(bench.ask("PUT", "/networks/theirs", ann, &[], &tenant("acme")).await.0, 404);
    let (_, _, list) = bench.ask("GET", "/networks", ann, &[], "").await;
    let names: Vec<&Value> = list["items"].as_array().unwrap().iter().map(|item| &item["name"]).collect();
    assert_eq!(names, ["lab", "new"]);
    let form = [("content-type", "application/x-ndjson")];
    let row = r#"{"name":"t","network":"theirs","body":{}}"#;
    assert_eq!(bench.ask("POST", "/networks/lab/tiers/import", ann, &form, row).await.0, 422);
    assert_eq!(bench.ask("POST", "/networks/theirs/tiers/import", ann, &form, row).await.0, 404);
    // A key of hers may less than she, and never more.
    let key = |grants: Value| json!({"title": "ci", "grants": grants, "days": 1}).to_string();
    let more = json!([{"role": "viewer", "scope": "everything"}]);
    assert_eq!(bench.ask("POST", "/api-keys", ann, &[], &key(more)).await.0, 422);
    let less = json!([{"role": "viewer", "scope": {"tenant": "acme"}}]);
    let (status, _, made) = bench.ask("POST", "/api-keys", ann, &[], &key(less)).await;
    assert_eq!(status, 201);
    let key = made["token"].as_str();
    assert_eq!(bench.ask("GET", "/networks/lab", key, &[], "").await.0, 200);
    assert_eq!(bench.ask("PUT", "/networks/lab/tiers/t", key, &[], "{}").await.0, 403);
    assert_eq!(bench.ask("GET", "/networks/theirs", key, &[], "").await.0, 404);
    assert!(!bench.database_holds(key.unwrap()));
    let id = made["id"].as_str().unwrap();
    assert_eq!(bench.ask("DELETE", &format!("/api-keys/{id}"), ann, &[], "").await.0, 204);
    assert_eq!(bench.ask("GET", "/networks/lab", key, &[], "").await.0, 401);
    // What was refused is written down.
    let (_, _, log) = bench.ask("GET", "/networks/theirs/audit", Some(&bench.root), &[], "").await;
    let refused = log["items"].as_array().unwrap().iter().filter(|line| line["who"] == "ann" && line["outcome"] == 404);
    assert_eq!(refused.count(), 3);
}
