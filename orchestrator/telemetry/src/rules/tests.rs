use super::*;
use crate::engine::{Engine, Step};
use crate::watched::tests::news;
use crate::watched::{Names, Watched};
use serde_json::{Value, json};
use std::collections::BTreeSet;

const T: i64 = 1_000_000_000;

fn attach(success: u32, failure: u32) -> Value {
    json!({
        "basalt_agw_procedures_total{cause=\"\",outcome=\"success\",procedure=\"attach\"}": success,
        "basalt_agw_procedures_total{cause=\"15\",outcome=\"rejected\",procedure=\"attach\"}": failure,
    })
}

/// What is bad at a gateway that told these states and metrics, a minute apart.
fn bad(told: &[(Value, Value)]) -> BTreeSet<&'static str> {
    let (mut gateway, mut names) = (Watched::default(), Names::default());
    let mut at = T;
    for (state, metrics) in told {
        at += 60_000;
        let mut state = state.clone();
        state["at"] = json!(state["ahead"].as_i64().unwrap_or(0) + at);
        gateway.hear(&news(at, &state, metrics), &mut names, at, false);
    }
    let found = look(&gateway, at).into_iter().filter(|(_, finding)| finding.words.is_some());
    found.map(|(rule, _)| rule.name).collect()
}

fn states(states: &[Value]) -> BTreeSet<&'static str> {
    bad(&states.iter().map(|state| (state.clone(), json!({}))).collect::<Vec<_>>())
}

fn metrics(metrics: &[Value]) -> BTreeSet<&'static str> {
    bad(&metrics.iter().map(|metrics| (json!({}), metrics.clone())).collect::<Vec<_>>())
}

#[test]
fn a_gateway_that_is_well_has_no_alarm() {
    let state = json!({
        "version": env!("CARGO_PKG_VERSION"), "enbs": [{"id": "a"}], "pools": {"internet": {"free": 50, "total": 100}},
        "host": {"disk_free_percent": 50, "memory_free_percent": 50, "clock_synchronised": true},
        "peers": [{"host": "hss.home", "up": true}], "data_plane": "xdp-native",
        "realms": [{"realm": "home.example", "peers": 2, "up": 1, "asked": 5000, "slow": 9, "unanswered": 3}],
    });
    assert_eq!(bad(&[(state.clone(), attach(0, 0)), (state, attach(100, 1))]), BTreeSet::new());
}

#[test]
fn each_fault_of_a_state_has_its_alarm() {
    for (told, rule) in [
        (vec![json!({"enbs": [{"id": "a"}, {"id": "b"}]}), json!({"enbs": [{"id": "a"}]})], "base-station-gone"),
        (vec![json!({"enbs": [{"id": "a"}]}), json!({"enbs": []})], "all-base-stations-gone"),
        (vec![json!({"pools": {"internet": {"free": 9, "total": 100}}})], "address-pool-nearly-full"),
        (vec![json!({"pools": {"internet": {"free": 0, "total": 100}}})], "address-pool-exhausted"),
        (vec![json!({"host": {"disk_free_percent": 9}})], "disk-nearly-full"),
        (vec![json!({"host": {"memory_free_percent": 5}})], "memory-low"),
        (vec![json!({"host": {"clock_synchronised": false}})], "clock-not-synchronised"),
        (vec![json!({"ahead": 0}), json!({"ahead": 90_000}), json!({"ahead": 91_000})], "clock-wrong"),
        (vec![json!({"data_plane": "software", "data_plane_why": "no CAP_BPF"})], "xdp-fell-back"),
        (vec![json!({"peers": [{"host": "hss", "up": false}]})], "federation-peer-down"),
        (vec![json!({"realms": [{"realm": "home.example", "peers": 2, "up": 0}]})], "federation-realm-unreachable"),
        (
            vec![json!({"realms": [{"realm": "home.example", "peers": 1, "up": 1, "asked": 50, "slow": 9}]})],
            "federation-realm-slow",
        ),
        (vec![json!({"version": "9.9.9"})], "version-skew"),
        (vec![json!({"draining": true})], "gateway-draining"),
    ] {
        if rule == "gateway-draining" {
            let (mut gateway, mut names) = (Watched::default(), Names::default());
            gateway.hear(&news(T, &told[0], &json!({})), &mut names, T, false);
            gateway.seen_at = T + 2 * 3_600_000;
            assert!(look(&gateway, T + 2 * 3_600_000).iter().any(|(found, _)| found.name == rule));
            continue;
        }
        assert!(states(&told).contains(rule), "{rule}: {:?}", states(&told));
    }
}

#[test]
fn each_fault_in_numbers_has_its_alarm() {
    let procedure = |name: &str, success: u32, failure: u32| {
        json!({
            format!("basalt_agw_procedures_total{{cause=\"\",outcome=\"success\",procedure=\"{name}\"}}"): success,
            format!("basalt_agw_procedures_total{{cause=\"\",outcome=\"timeout\",procedure=\"{name}\"}}"): failure,
        })
    };
    for (name, rule) in [
        ("attach", "attach-success-low"),
        ("service_request", "service-request-success-low"),
        ("tracking_area_update", "tracking-area-update-failures"),
        ("authentication", "authentication-failures"),
        ("paging", "paging-failures"),
        ("pdn_connectivity", "pdn-connectivity-failures"),
        ("path_switch", "handover-failures"),
    ] {
        let found = metrics(&[procedure(name, 10, 10), procedure(name, 40, 60)]);
        assert!(found.contains(rule), "{rule}: {found:?}");
        assert!(metrics(&[procedure(name, 10, 10), procedure(name, 12, 14)]).is_empty(), "few say nothing: {rule}");
        assert!(metrics(&[procedure(name, 10, 10), procedure(name, 910, 14)]).is_empty(), "{rule}");
    }
    let one = |name: &str, value: f64| json!({ name: value });
    for (name, before, after, rule) in [
        ("basalt_agw_gtpu_paths{state=\"down\"}", 0.0, 1.0, "user-plane-path-down"),
        ("basalt_agw_data_plane_errors_total", 0.0, 2.0, "data-plane-errors"),
        ("basalt_agw_data_plane_repairs_total{found=\"missing\"}", 0.0, 2.0, "data-plane-repairs"),
        (
            "basalt_agw_data_plane_table_entries{state=\"used\",table=\"tunnels\"}",
            1.0,
            9.0,
            "data-plane-table-nearly-full",
        ),
        ("basalt_agw_usage_records_unacknowledged", 0.0, 20_000.0, "usage-records-waiting"),
        ("basalt_agw_unreleased_steps", 0.0, 600.0, "disk-slow"),
        (
            "basalt_agw_procedures_total{cause=\"\",outcome=\"success\",procedure=\"attach\"}",
            0.0,
            9000.0,
            "attach-storm",
        ),
        ("basalt_agw_user_plane_drops_total{reason=\"policy\"}", 0.0, 0.0, ""),
        ("basalt_feg_requests_total{outcome=\"unavailable\"}", 0.0, 50.0, "federation-errors"),
    ] {
        let found = metrics(&[one(name, before), one(name, after)]);
        assert!(rule.is_empty() && found.is_empty() || found.contains(rule), "{name}: {found:?}");
    }
    let packets = |passed: u32, dropped: u32| {
        json!({
            "basalt_agw_user_plane_packets_total{direction=\"uplink\"}": passed,
            "basalt_agw_user_plane_drops_total{reason=\"policed\"}": dropped,
        })
    };
    assert!(metrics(&[packets(0, 0), packets(10_000, 1_000)]).contains("packet-drops-high"));
    assert!(metrics(&[packets(0, 0), packets(10_000, 100)]).is_empty());
}

#[test]
fn what_a_gateway_does_not_hold_is_told() {
    let (mut gateway, mut names) = (Watched::default(), Names::default());
    let mut told = news(T, &json!({}), &json!({}));
    told.sync = json!({
        "held": false,
        "refused": [{"collection": "apns", "name": "x", "reason": "no such interface"}],
        "pending": [{}],
    })
    .to_string();
    gateway.hear(&told, &mut names, T, false);
    let found = look(&gateway, T);
    let words = |rule: &str| {
        let found = found.iter().find(|(found, _)| found.name == rule);
        found.and_then(|(_, finding)| finding.words.clone()).unwrap_or_default()
    };
    assert!(words("configuration-refused").contains("apns/x: no such interface"));
    assert!(!words("reconcile-difference").is_empty() && !words("restart-needed").is_empty());
}

#[test]
fn a_gateway_that_falls_silent_is_told_once_and_what_it_said_stays() {
    let (mut gateway, mut names, mut engine) = (Watched::default(), Names::default(), Engine::default());
    let timings: Vec<_> = RULES.iter().map(Rule::timing).collect();
    let mut judge = |gateway: &Watched, now| {
        let found = look(gateway, now).into_iter();
        let found = found.filter_map(|(rule, it)| Some((timings.iter().find(|it| it.rule == rule.name)?, it)));
        let connected = gateway.is_connected(now);
        let steps = engine.judge(now, ("n", "g"), found.collect(), &|rule| is_blind(rule, connected));
        for step in &steps {
            if let Step::Raise { key, .. } = step {
                engine.raised(key, Some(now));
            }
        }
        let raised = |step: &Step| matches!(step, Step::Raise { .. });
        steps
            .iter()
            .map(|step| {
                (
                    raised(step),
                    match step {
                        Step::Raise { key, .. } | Step::Clear { key, .. } => key.rule.clone(),
                    },
                )
            })
            .collect::<Vec<_>>()
    };
    let state = json!({"host": {"disk_free_percent": 3}});
    gateway.hear(&news(T, &state, &json!({})), &mut names, T, false);
    assert_eq!(judge(&gateway, T), [(true, "disk-nearly-full".to_owned())]);
    gateway.linked = false;
    assert_eq!(judge(&gateway, T + 1_000), []);
    assert_eq!(judge(&gateway, T + 7_000), [(true, "gateway-offline".to_owned())]);
    assert_eq!(judge(&gateway, T + 600_000), [], "its disk was not seen to be better");
    let state = json!({"host": {"disk_free_percent": 50}});
    gateway.hear(&news(T + 601_000, &state, &json!({})), &mut names, T + 601_000, false);
    assert_eq!(judge(&gateway, T + 601_000), []);
    assert_eq!(judge(&gateway, T + 612_000), [(false, "gateway-offline".to_owned())]);
    assert_eq!(judge(&gateway, T + 661_000), [(false, "disk-nearly-full".to_owned())]);
}

#[test]
fn each_rule_has_a_page_that_says_what_to_do() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/book/src/runbooks");
    let names: BTreeSet<&str> = RULES.iter().map(|rule| rule.name).collect();
    assert_eq!(names.len(), RULES.len());
    for name in &names {
        let page = std::fs::read_to_string(format!("{folder}/{name}.md")).unwrap_or_default();
        assert!(page.starts_with(&format!("# {name}\n")), "docs/book/src/runbooks/{name}.md");
        for part in ["## What it means", "## What to look at", "## What to do"] {
            assert!(page.contains(part), "{name}.md has no part `{part}`");
        }
    }
    let pages = std::fs::read_dir(folder).unwrap().flatten();
    for page in pages.map(|page| page.file_name().into_string().unwrap()) {
        let name = page.trim_end_matches(".md");
        assert!(name == "README" || names.contains(name), "{page} is about no rule");
    }
}

#[test]
fn alarms_of_home_networks_are_theirs_and_end() {
    let (mut gateway, mut names) = (Watched::default(), Names::default());
    let mut look_at = |at: i64, up: u32, slow: u32| {
        let realm = |name: &str, up: u32, slow: u32| json!({"realm": name, "peers": 1, "up": up, "asked": 40, "slow": slow, "unanswered": 0});
        let state = json!({"at": at, "realms": [realm("good.example", 1, 0), realm("bad.example", up, slow)]});
        gateway.hear(&news(at, &state, &json!({})), &mut names, at, false);
        let found = look(&gateway, at).into_iter().filter(|(rule, _)| rule.name.starts_with("federation-realm"));
        found.map(|(rule, found)| (rule.name, found.subject, found.words.is_some())).collect::<Vec<_>>()
    };
    let of = |rule, bad| (rule, "bad.example".to_owned(), bad);
    assert_eq!(look_at(T, 0, 0), [of("federation-realm-unreachable", true)]);
    assert_eq!(look_at(T + 60_000, 1, 5), [of("federation-realm-slow", true)]);
    assert_eq!(look_at(T + 120_000, 1, 3), [of("federation-realm-slow", false)], "neither bad nor good");
    assert_eq!(look_at(T + 180_000, 1, 1), []);
}
