//! Many at once: out and in again, as a job, and from files of SIM vendors.

use crate::bench::{Bench, K, OPC};
use http_body_util::BodyExt;
use serde_json::{Value, json};
use std::time::{Duration, Instant};

const SUBSCRIBERS: &str = "/networks/lab/subscribers";

async fn text(bench: &Bench, path: &str) -> (String, String) {
    let bearer = format!("Bearer {}", bench.root);
    let response = bench.send("GET", path, &[("authorization", &bearer)], "").await;
    assert_eq!(response.status(), 200, "{path}");
    let form = response.headers()["content-type"].to_str().unwrap().to_owned();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    (form, String::from_utf8(body.to_vec()).unwrap())
}

async fn import(bench: &Bench, query: &str, form: &str, body: &str) -> (u16, Value) {
    let headers = [("content-type", form)];
    let (status, _, told) =
        bench.ask("POST", &format!("{SUBSCRIBERS}/import{query}"), Some(&bench.root), &headers, body).await;
    (status, told)
}

#[tokio::test]
async fn what_is_exported_can_be_imported() {
    let bench = Bench::with_network("acme", "lab").await;
    let title = |n: u32| if n == 7 { "=HYPERLINK(\"x\"),2" } else { "plain" };
    let line = |n: u32| {
        let body = json!({"title": title(n), "labels": {"a": "b"}, "keys": {"k": K, "opc": OPC}});
        format!("{}\n", json!({"name": format!("00101{n:010}"), "body": body}))
    };
    let lines: String = (0..2500).map(line).collect();
    assert_eq!(import(&bench, "", "application/x-ndjson", &lines).await.0, 200);
    let (form, csv) = text(&bench, &format!("{SUBSCRIBERS}?format=csv")).await;
    assert_eq!(form, "text/csv; charset=utf-8");
    let (_, ndjson) = text(&bench, &format!("{SUBSCRIBERS}?format=ndjson&limit=1")).await;
    assert_eq!(ndjson.lines().count(), 2500, "everything, not a page");
    for all in [&csv, &ndjson] {
        assert!(!all.contains(K) && !all.contains(OPC) && !all.contains("keys"));
    }
    assert!(csv.contains("\"'=HYPERLINK(\"\"x\"\"),2\""), "no spreadsheet calculates it");
    let (_, some) = text(&bench, &format!("{SUBSCRIBERS}?format=ndjson&filter=title:plain")).await;
    assert_eq!(some.lines().count(), 2499);
    // Back in: nothing changes, the keys stay.
    for (form, all) in [("text/csv", &csv), ("application/x-ndjson", &ndjson)] {
        let (status, told) = import(&bench, "", form, all).await;
        assert_eq!((status, &told["replaced"]), (200, &json!(2500)), "{told}");
    }
    let path = format!("{SUBSCRIBERS}/001010000000007");
    let (_, tag, shown) = bench.ask("GET", &path, Some(&bench.root), &[], "").await;
    assert_eq!((tag.as_str(), &shown["body"]["title"]), ("\"1\"", &json!(title(7))));
    assert_eq!(bench.ask("GET", &format!("{SUBSCRIBERS}?format=xml"), Some(&bench.root), &[], "").await.0, 400);
    let (_, audit) = text(&bench, "/audit?format=csv").await;
    assert!(audit.starts_with("id,at,who,network,action,target,outcome\r\n") && audit.contains(",root,lab,POST,"));
}

#[tokio::test]
async fn an_import_goes_on_as_a_job() {
    let bench = Bench::with_network("acme", "lab").await;
    let jobs = async |id: &str| {
        let path = format!("/networks/lab/jobs/{id}");
        let deadline = Instant::now() + Duration::from_secs(60);
        loop {
            let (status, _, job) = bench.ask("GET", &path, Some(&bench.root), &[], "").await;
            assert_eq!(status, 200);
            if job["state"] != "running" {
                return job;
            }
            assert!(Instant::now() < deadline, "{job}");
            tokio::task::yield_now().await;
        }
    };
    let line = |n: u32, k: &str| {
        let body = json!({"keys": {"k": k, "opc": OPC}});
        format!("{}\n", json!({"name": format!("00101{n:010}"), "body": body}))
    };
    let good: String = (0..500).map(|n| line(n, K)).collect();
    let (status, job) = import(&bench, "?background=true", "application/x-ndjson", &good).await;
    assert_eq!((status, &job["state"]), (202, &json!("running")));
    let done = jobs(job["id"].as_str().unwrap()).await;
    assert_eq!(
        (&done["state"], &done["percent"], &done["result"]["created"]),
        (&json!("done"), &json!(100), &json!(500))
    );
    let wrong = format!("{good}{}", line(900, "zz"));
    let (_, job) = import(&bench, "?background=true", "application/x-ndjson", &wrong).await;
    let failed = jobs(job["id"].as_str().unwrap()).await;
    assert_eq!((&failed["state"], &failed["result"]["rows"][0]["line"]), (&json!("failed"), &json!(501)));
    assert!(!failed.to_string().contains(K));
    let (_, _, list) = bench.ask("GET", "/networks/lab/jobs", Some(&bench.root), &[], "").await;
    assert_eq!(list["items"].as_array().unwrap().len(), 2);
    assert_eq!(bench.ask("GET", "/networks/lab/jobs/none", Some(&bench.root), &[], "").await.0, 404);
}

#[tokio::test]
async fn a_vendors_file_becomes_subscribers() {
    let bench = Bench::with_network("acme", "lab").await;
    let file = format!("* Customer: ACME\nvar_out: IMSI/ICCID/PIN1/KI/OPC\n001010000000001 8988001 1234 {K} {OPC}\n");
    assert_eq!(
        import(&bench, "?form=sim&dry_run=true", "text/plain", &file).await,
        (200, json!({"rows": 1, "created": 1, "replaced": 0, "dry_run": true}))
    );
    assert_eq!(import(&bench, "?form=sim", "text/plain", &file).await.0, 200);
    let (_, _, shown) = bench.ask("GET", &format!("{SUBSCRIBERS}/001010000000001"), Some(&bench.root), &[], "").await;
    assert_eq!((&shown["has_secrets"], &shown["body"]["labels"]["iccid"]), (&json!(true), &json!("8988001")));
    let protected = format!("IMSI,ICCID,eKI,OPC\n001010000000002,8988002,{K},{OPC}\n");
    let (status, problem) = import(&bench, "?form=sim", "text/plain", &protected).await;
    assert_eq!((status, &problem["rows"][0]["line"]), (422, &json!(1)));
    assert!(problem.to_string().contains("eKI") && !problem.to_string().contains(K));
    let op_apart = format!("IMSI KI\n001010000000003 {K}\n");
    assert_eq!(import(&bench, "?form=sim", "text/plain", &op_apart).await.0, 422);
    let headers = [("content-type", "text/plain"), ("x-sim-op", OPC)];
    let path = format!("{SUBSCRIBERS}/import?form=sim");
    assert_eq!(bench.ask("POST", &path, Some(&bench.root), &headers, &op_apart).await.0, 200);
    assert_eq!(import(&bench, "?form=other", "text/plain", &file).await.0, 400);
}

#[tokio::test]
async fn a_webhook_is_tested_and_its_key_stays_inside() {
    let bench = Bench::with_network("acme", "lab").await;
    let root = Some(bench.root.as_str());
    let path = "/networks/lab/webhooks/w";
    let body = json!({"url": "https://example.net/", "events": ["alarm"], "secret": "0123456789abcdef"}).to_string();
    let (status, _, shown) = bench.ask("PUT", path, root, &[], &body).await;
    assert_eq!((status, &shown["has_secrets"]), (201, &json!(true)));
    assert!(!shown.to_string().contains("0123456789abcdef") && !bench.database_holds("0123456789abcdef"));
    let (status, _, queued) = bench.ask("POST", &format!("{path}/test"), root, &[], "").await;
    assert_eq!((status, &queued["kind"]), (202, &json!("test")));
    for (state, count) in [("pending", 1), ("dead", 0)] {
        let (_, _, page) = bench.ask("GET", &format!("{path}/deliveries?state={state}"), root, &[], "").await;
        assert_eq!(page["items"].as_array().unwrap().len(), count, "{state}");
    }
    assert_eq!(bench.ask("GET", &format!("{path}/deliveries?state=x"), root, &[], "").await.0, 400);
    assert_eq!(bench.ask("POST", "/networks/lab/webhooks/none/test", root, &[], "").await.0, 404);
}
