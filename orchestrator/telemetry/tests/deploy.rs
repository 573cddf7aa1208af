//! The files for metrics servers and dashboards in `deploy/` are what they should be.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use orchestrator_telemetry::enforce::enforce;
use orchestrator_telemetry::rules::find;
use serde_json::Value;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy").join(name)
}

#[test]
fn promtool_takes_the_rules_and_they_fire_when_they_should() {
    for arguments in [["check", "rules", "basalt.rules.yml"], ["test", "rules", "basalt.test.yml"]] {
        let Ok(ran) = Command::new("promtool").args(arguments).current_dir(folder("prometheus")).output() else {
            println!("skipped: promtool is not installed (cargo xtask setup)");
            return;
        };
        let said = String::from_utf8_lossy(&ran.stdout).into_owned() + &String::from_utf8_lossy(&ran.stderr);
        assert!(ran.status.success(), "{arguments:?}: {said}");
    }
}

#[test]
fn each_alert_leads_to_a_page() {
    let rules = std::fs::read_to_string(folder("prometheus/basalt.rules.yml")).unwrap();
    let pages: Vec<&str> = rules.lines().filter_map(|line| line.trim().strip_prefix("runbook: runbooks/")).collect();
    assert_eq!(pages.len(), rules.matches("- alert: ").count());
    for page in pages {
        assert!(find(page.trim_end_matches(".html")).is_some(), "{page}");
    }
}

#[test]
fn dashboards_ask_what_can_be_asked() {
    let mut uids = BTreeSet::new();
    for file in std::fs::read_dir(folder("grafana")).unwrap().flatten() {
        let name = file.file_name().into_string().unwrap();
        let board: Value = serde_json::from_slice(&std::fs::read(file.path()).unwrap()).unwrap();
        assert!(uids.insert(board["uid"].as_str().unwrap().to_owned()), "{name}");
        assert!(board["schemaVersion"].as_u64().unwrap() >= 36 && board["title"].is_string(), "{name}");
        let mut ids = BTreeSet::new();
        for panel in board["panels"].as_array().unwrap() {
            assert!(ids.insert(panel["id"].as_u64().unwrap()), "{name}: {}", panel["title"]);
            let place = &panel["gridPos"];
            assert!(place["x"].as_u64().unwrap() + place["w"].as_u64().unwrap() <= 24, "{name}: {}", panel["title"]);
            assert!(matches!(panel["type"].as_str(), Some("timeseries" | "stat")), "{name}");
            for target in panel["targets"].as_array().unwrap() {
                let expression = target["expr"].as_str().unwrap();
                let asked = expression.replace("$network", "lab").replace("$gateway", "g1");
                // Through the query proxy, too.
                enforce(&asked, &[("network", "lab")]).unwrap_or_else(|why| panic!("{name}: {expression}: {why}"));
                assert_eq!(target["datasource"]["uid"], "${datasource}", "{name}");
            }
        }
    }
    assert_eq!(uids.len(), 4);
}
