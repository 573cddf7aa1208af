//! Browsers: sessions by cookie, what other sites make a browser send, passwords, users of tenants.

use crate::bench::Bench;
use axum::body::Body;
use axum::http::Response;
use http_body_util::BodyExt;
use serde_json::{Value, json};

const PASSWORD: &str = "correct horse battery";
const HERE: (&str, &str) = ("host", "core.example");

async fn json_of(response: Response<Body>) -> Value {
    serde_json::from_slice(&response.into_body().collect().await.unwrap().to_bytes()).unwrap()
}

/// Logs in as a browser does: the cookie and the proof.
async fn log_in(bench: &Bench, name: &str, password: &str) -> (String, String) {
    let login = json!({"name": name, "password": password, "cookie": true}).to_string();
    let agent = ("user-agent", "Browser 1");
    let response = bench.send("POST", "/sessions", &[HERE, ("origin", "http://core.example"), agent], &login).await;
    assert_eq!(response.status(), 201);
    let cookie = response.headers()["set-cookie"].to_str().unwrap().to_owned();
    for part in ["; HttpOnly", "; SameSite=Strict", "; Path=/", "; Max-Age=43200"] {
        assert!(cookie.contains(part), "{cookie}");
    }
    let body = json_of(response).await;
    assert!(body["token"].is_null(), "no script sees the token");
    (cookie.split(';').next().unwrap().to_owned(), body["csrf_token"].as_str().unwrap().to_owned())
}

#[tokio::test]
async fn a08_a_write_by_cookie_is_meant() {
    let bench = Bench::with_network("acme", "lab").await;
    let (cookie, proof) = log_in(&bench, "root", PASSWORD).await;
    let me = json_of(bench.send("GET", "/me", &[HERE, ("cookie", &cookie)], "").await).await;
    assert_eq!((&me["name"], &me["csrf_token"]), (&json!("root"), &json!(proof)));
    let (cookie, proof) = (("cookie", cookie.as_str()), ("x-csrf-token", proof.as_str()));
    let put = async |headers: &[(&str, &str)]| {
        bench.send("PUT", "/networks/lab/tiers/t", headers, "{}").await.status().as_u16()
    };
    for (refused, headers) in [
        (403, vec![HERE, cookie]),
        (403, vec![HERE, cookie, ("x-csrf-token", "")]),
        (403, vec![HERE, cookie, ("x-csrf-token", "guess")]),
        (403, vec![HERE, cookie, proof, ("origin", "https://evil.example")]),
        (403, vec![HERE, cookie, proof, ("origin", "null")]),
        (403, vec![HERE, cookie, proof, ("sec-fetch-site", "cross-site")]),
        (401, vec![HERE, ("cookie", "basalt=guess"), proof]),
        (401, vec![HERE, ("cookie", "other=1"), proof]),
        (201, vec![HERE, cookie, proof, ("origin", "http://core.example"), ("sec-fetch-site", "same-origin")]),
    ] {
        assert_eq!(put(&headers).await, refused, "{headers:?}");
    }
    // No other site may read, frame or be sent to.
    let answer = bench.send("GET", "/me", &[HERE, cookie, ("origin", "https://evil.example")], "").await;
    let header = |name: &str| answer.headers().get(name).map(|value| value.to_str().unwrap().to_owned());
    assert_eq!(header("access-control-allow-origin"), None);
    assert_eq!(header("x-frame-options").as_deref(), Some("DENY"));
    assert!(header("content-security-policy").unwrap().contains("frame-ancestors 'none'"));
    assert_eq!(header("cross-origin-resource-policy").as_deref(), Some("same-origin"));
    // Nor log a browser in.
    let login = json!({"name": "root", "password": PASSWORD, "cookie": true}).to_string();
    let foreign = bench.send("POST", "/sessions", &[HERE, ("origin", "https://evil.example")], &login).await;
    assert_eq!(foreign.status(), 403);
    // An old cookie does not keep anybody from logging in anew, and the new session is another one.
    let again = bench.send("POST", "/sessions", &[HERE, ("cookie", "basalt=fixed")], &login).await;
    assert_eq!(again.status(), 201);
    assert!(!again.headers()["set-cookie"].to_str().unwrap().contains("fixed"));
}

#[tokio::test]
async fn sessions_are_listed_and_ended() {
    let bench = Bench::with_network("acme", "lab").await;
    let (first, proof) = log_in(&bench, "root", PASSWORD).await;
    let list = json_of(bench.send("GET", "/sessions", &[("cookie", &first)], "").await).await;
    let items = list["items"].as_array().unwrap();
    let own = items.iter().find(|it| it["current"] == true).unwrap();
    assert_eq!((items.len(), own["title"].as_str()), (2, Some("Browser 1")));
    let other = items.iter().find(|it| it["current"] == false).unwrap()["id"].as_str().unwrap();
    let delete = async |path: &str| {
        let headers = [("cookie", first.as_str()), ("x-csrf-token", proof.as_str())];
        bench.send("DELETE", path, &headers, "").await
    };
    assert_eq!(delete("/sessions/none").await.status(), 404);
    assert_eq!(delete(&format!("/sessions/{other}")).await.status(), 204);
    assert_eq!(bench.ask("GET", "/me", Some(&bench.root), &[], "").await.0, 401, "ended from elsewhere");
    let gone = delete("/sessions/current").await;
    assert_eq!(gone.status(), 204);
    assert!(gone.headers()["set-cookie"].to_str().unwrap().contains("Max-Age=0"));
    assert_eq!(bench.send("GET", "/me", &[("cookie", &first)], "").await.status(), 401);
}

#[tokio::test]
async fn a_password_is_changed_by_who_knows_it() {
    let bench = Bench::with_network("acme", "lab").await;
    let root = Some(bench.root.as_str());
    let (cookie, _) = log_in(&bench, "root", PASSWORD).await;
    let change = |current: &str, new: &str| json!({"current": current, "password": new}).to_string();
    let new = "another long secret";
    assert_eq!(bench.ask("POST", "/me/password", root, &[], &change("wrong", new)).await.0, 401);
    assert_eq!(bench.ask("POST", "/me/password", root, &[], &change(PASSWORD, "short")).await.0, 422);
    let key = json!({"title": "", "days": 1, "grants": [{"role": "admin", "scope": "everything"}]}).to_string();
    let (_, _, made) = bench.ask("POST", "/api-keys", root, &[], &key).await;
    let by_key = bench.ask("POST", "/me/password", made["token"].as_str(), &[], &change(PASSWORD, new)).await;
    assert_eq!(by_key.0, 403);
    assert_eq!(bench.ask("POST", "/me/password", root, &[], &change(PASSWORD, new)).await.0, 204);
    assert_eq!(bench.send("GET", "/me", &[("cookie", &cookie)], "").await.status(), 401, "other sessions end");
    assert_eq!(bench.ask("GET", "/me", root, &[], "").await.0, 200, "this one goes on");
    let login = |password: &str| json!({"name": "root", "password": password}).to_string();
    assert_eq!(bench.ask("POST", "/sessions", None, &[], &login(PASSWORD)).await.0, 401);
    assert_eq!(bench.ask("POST", "/sessions", None, &[], &login(new)).await.0, 201);
}

#[tokio::test]
async fn a_tenant_has_its_own_people() {
    let bench = Bench::with_network("acme", "lab").await;
    bench.add_network("other", "theirs").await;
    let root = Some(bench.root.as_str());
    let user = |grants: Value| json!({"grants": grants, "password": PASSWORD}).to_string();
    let all_of = |tenant: &str| json!([{"role": "admin", "scope": {"tenant": tenant}}]);
    assert_eq!(bench.ask("PUT", "/tenants/none/users/ann", root, &[], &user(all_of("none"))).await.0, 404);
    let (status, _, made) = bench.ask("PUT", "/tenants/acme/users/ann", root, &[], &user(all_of("acme"))).await;
    assert_eq!((status, made["name"].as_str()), (201, Some("ann@acme")));
    assert_eq!(bench.ask("PUT", "/tenants/other/users/ann", root, &[], &user(all_of("other"))).await.0, 201);
    let login = json!({"name": "ann@acme", "password": PASSWORD}).to_string();
    let (_, _, session) = bench.ask("POST", "/sessions", None, &[], &login).await;
    let ann = session["token"].as_str();
    // She makes people of her tenant, with what lies in it.
    let in_lab = json!([{"role": "operator", "scope": {"network": "lab"}}]);
    assert_eq!(bench.ask("PUT", "/tenants/acme/users/bob", ann, &[], &user(in_lab)).await.0, 201);
    for grants in [
        json!([{"role": "viewer", "scope": "everything"}]),
        all_of("other"),
        json!([{"role": "viewer", "scope": {"network": "theirs"}}]),
        json!([{"role": "viewer", "scope": {"network": "none"}}]),
    ] {
        let (status, _, problem) = bench.ask("PUT", "/tenants/acme/users/eve", ann, &[], &user(grants.clone())).await;
        assert_eq!((status, problem["errors"][0]["path"].as_str()), (422, Some("/grants/0")), "{grants}");
    }
    let (_, _, list) = bench.ask("GET", "/tenants/acme/users", ann, &[], "").await;
    let names: Vec<&Value> = list["items"].as_array().unwrap().iter().map(|it| &it["name"]).collect();
    assert_eq!(names, ["ann@acme", "bob@acme"]);
    for (method, path) in [
        ("GET", "/tenants/other/users"),
        ("PUT", "/tenants/other/users/ann"),
        ("DELETE", "/tenants/other/users/ann"),
        ("GET", "/tenants/none/users"),
    ] {
        assert_eq!(bench.ask(method, path, ann, &[], &user(all_of("other"))).await.0, 404, "{method} {path}");
    }
    assert_eq!(bench.ask("GET", "/users", ann, &[], "").await.0, 403);
    assert_eq!(bench.ask("DELETE", "/tenants/acme/users/ann", ann, &[], "").await.0, 409, "not herself");
    // A network that changes hands is lost to the people of the former tenant.
    let login = json!({"name": "bob@acme", "password": PASSWORD}).to_string();
    let (_, _, session) = bench.ask("POST", "/sessions", None, &[], &login).await;
    let bob = session["token"].as_str();
    assert_eq!(bench.ask("GET", "/networks/lab", bob, &[], "").await.0, 200);
    assert_eq!(bench.ask("PATCH", "/networks/lab", root, &[], r#"{"tenant":"other"}"#).await.0, 200);
    assert_eq!(bench.ask("GET", "/networks/lab", bob, &[], "").await.0, 404);
    // A tenant goes after its people, so that a later one of its name does not inherit them.
    assert_eq!(bench.ask("DELETE", "/tenants/acme", root, &[], "").await.0, 409);
    for name in ["ann", "bob"] {
        assert_eq!(bench.ask("DELETE", &format!("/tenants/acme/users/{name}"), root, &[], "").await.0, 204);
    }
    assert_eq!(bench.ask("GET", "/me", ann, &[], "").await.0, 401);
    assert_eq!(bench.ask("DELETE", "/tenants/acme", root, &[], "").await.0, 204);
}
