//! What every database must do for gateways.

use super::{Db, delete, inside, network, put};
use orchestrator_db::{
    Certificate, CommandRow, Device, EventQuery, FeedEntry, GatewayEvent, GatewayToken, StatePart, UsageRow,
};
use orchestrator_model::Kind;
use serde_json::json;

pub async fn run(db: &Db) {
    db.apply("ann", 1, &[put(network("fleet"), json!({}))]).await.unwrap();
    a_feed_tells_each_change_in_order(db).await;
    a_token_is_used_once(db).await;
    what_is_revoked_is_revoked_with_all_certificates(db).await;
    a_superseded_stream_writes_nothing(db).await;
    reports_are_kept_once(db).await;
    commands_end_once(db).await;
    replicas_know_each_other(db).await;
    certificates_that_end_are_found(db).await;
}

async fn replicas_know_each_other(db: &Db) {
    assert_eq!(db.replicas("b:1", 1000, 0).await.unwrap(), ["b:1"]);
    assert_eq!(db.replicas("a:1,c:1", 2000, 0).await.unwrap(), ["a:1,c:1", "b:1"]);
    assert_eq!(db.replicas("b:1", 3000, 2500).await.unwrap(), ["b:1"], "one was not heard of");
    assert_eq!(
        db.replica_links("d:1", 1000, 0).await.unwrap(),
        ["d:1"],
        "gateways and replicas are told different places"
    );
    assert_eq!(db.replica_links("e:1", 2000, 0).await.unwrap(), ["d:1", "e:1"]);
    assert_eq!(db.replica_links("e:1", 3000, 2500).await.unwrap(), ["e:1"]);
    assert!(db.leads().await.unwrap() && db.leads().await.unwrap(), "it is the only one");
}

async fn certificates_that_end_are_found(db: &Db) {
    let network = || "fleet".to_owned();
    for (name, ends) in [("late", [500, 1500]), ("renewed", [1500, 9000]), ("gone", [500, 500])] {
        let digest = format!("token of {name}");
        db.put_gateway_token(&token(&digest, 100)).await.unwrap();
        let device = Device {
            network: network(),
            gateway: name.to_owned(),
            public_key: "aa".to_owned(),
            enrolled_at: 1,
            revoked_at: 0,
        };
        assert!(db.enrol(&digest, 2, &device).await.unwrap());
        for (number, expires_at) in ends.into_iter().enumerate() {
            let (gateway, fingerprint) = (name.to_owned(), format!("{name} {number}"));
            let one = Certificate { fingerprint, network: network(), gateway, issued_at: 1, expires_at, revoked_at: 0 };
            db.put_certificate(&one).await.unwrap();
        }
    }
    let found = || async { db.expiring(1000, 2000).await.unwrap() };
    assert_eq!(found().await, [(network(), "late".to_owned(), 1500)]);
    let behind = async |at| db.certified_before(at).await.unwrap().contains(&(network(), "late".to_owned()));
    assert!(!behind(1).await && behind(2).await);
    db.revoke("fleet", "late", 3).await.unwrap();
    assert_eq!(found().await, []);
    assert!(!behind(2).await);
}

async fn a_feed_tells_each_change_in_order(db: &Db) {
    let wakes = db.wakes();
    let tier = inside(Kind::Tier, "fleet", "t");
    db.apply("ann", 1, &[put(tier.clone(), json!({"title": "a"}))]).await.unwrap();
    db.apply("ann", 1, &[put(tier.clone(), json!({"title": "a"}))]).await.unwrap();
    db.apply("ann", 1, &[delete(tier)]).await.unwrap();
    assert!(wakes.has_changed().unwrap());
    let feed = db.feed("fleet", 0, 100).await.unwrap();
    let entry = |number, what: &str, name: &str| FeedEntry { number, what: what.to_owned(), name: name.to_owned() };
    assert_eq!(feed, [entry(1, "networks", "fleet"), entry(2, "tiers", "t"), entry(3, "tiers", "t")]);
    assert_eq!(db.feed("fleet", 2, 100).await.unwrap().len(), 1);
    assert!(db.feeds().await.unwrap().contains(&("fleet".to_owned(), 3)));
    // Writers of one network at once: no number is missing or twice.
    let writers = (0..8).map(|n| {
        let db = db.clone();
        let change = put(inside(Kind::Tier, "fleet", &format!("w{n}")), json!({}));
        tokio::spawn(async move { db.apply("ann", 1, &[change]).await })
    });
    for writer in writers.collect::<Vec<_>>() {
        writer.await.unwrap().unwrap();
    }
    let numbers: Vec<i64> = db.feed("fleet", 3, 100).await.unwrap().iter().map(|entry| entry.number).collect();
    assert_eq!(numbers, (4..12).collect::<Vec<_>>());
    let names = ["w1".to_owned(), "none".to_owned(), "w2".to_owned()];
    assert_eq!(db.objects_named(Kind::Tier, "fleet", &names).await.unwrap().len(), 2);
}

fn token(digest: &str, expires_at: i64) -> GatewayToken {
    GatewayToken {
        digest: digest.to_owned(),
        id: format!("id of {digest}"),
        network: "fleet".to_owned(),
        tier: "t".to_owned(),
        gateway: String::new(),
        created_by: "ann".to_owned(),
        created_at: 1,
        expires_at,
        used_at: 0,
        used_by: String::new(),
    }
}

fn device(gateway: &str) -> Device {
    let (network, public_key) = ("fleet".to_owned(), "04ab".to_owned());
    Device { network, gateway: gateway.to_owned(), public_key, enrolled_at: 5, revoked_at: 0 }
}

async fn a_token_is_used_once(db: &Db) {
    for one in [token("d1", 100), token("d2", 100), token("d3", 3)] {
        db.put_gateway_token(&one).await.unwrap();
    }
    assert!(!db.enrol("d3", 5, &device("g1")).await.unwrap(), "expired");
    assert!(!db.enrol("none", 5, &device("g1")).await.unwrap());
    let (one, other) = (device("g1"), device("g2"));
    let both = tokio::join!(db.enrol("d1", 5, &one), db.enrol("d1", 5, &other));
    let used = usize::from(both.0.unwrap()) + usize::from(both.1.unwrap());
    assert_eq!(used, 1, "one of two that come together");
    let winner = db.gateway_token("d1").await.unwrap().unwrap().used_by;
    assert!(!db.enrol("d2", 6, &device(&winner)).await.unwrap(), "the name has joined");
    assert_eq!(db.gateway_token("d2").await.unwrap().unwrap().used_at, 0, "and the token is not lost");
    assert!(db.enrol("d2", 6, &device("g3")).await.unwrap());
    assert_eq!(db.device("fleet", "g3").await.unwrap().unwrap().enrolled_at, 6);
    assert!(db.delete_gateway_token("fleet", "id of d3").await.unwrap());
    assert!(!db.delete_gateway_token("other", "id of d2").await.unwrap());
    assert_eq!(db.gateway_tokens("fleet").await.unwrap().len(), 2);
}

async fn what_is_revoked_is_revoked_with_all_certificates(db: &Db) {
    for (fingerprint, issued_at) in [("f1", 1), ("f2", 2)] {
        let certificate = Certificate {
            fingerprint: fingerprint.to_owned(),
            network: "fleet".to_owned(),
            gateway: "g3".to_owned(),
            issued_at,
            expires_at: 1000,
            revoked_at: 0,
        };
        db.put_certificate(&certificate).await.unwrap();
    }
    assert!(db.revoke("fleet", "g3", 50).await.unwrap());
    let all = db.certificates("fleet", "g3").await.unwrap();
    assert_eq!(all.iter().map(|it| (it.issued_at, it.revoked_at)).collect::<Vec<_>>(), [(2, 50), (1, 50)]);
    assert_eq!(db.certificate("f1").await.unwrap().unwrap().revoked_at, 50);
    assert_eq!(db.device("fleet", "g3").await.unwrap().unwrap().revoked_at, 50);
    assert!(!db.revoke("fleet", "nobody", 50).await.unwrap());
    // A revoked gateway joins again with a token.
    db.put_gateway_token(&token("d4", 100)).await.unwrap();
    assert!(db.enrol("d4", 60, &device("g3")).await.unwrap());
    assert_eq!(db.device("fleet", "g3").await.unwrap().unwrap().revoked_at, 0);
}

async fn a_superseded_stream_writes_nothing(db: &Db) {
    db.gateway_connected("fleet", "g3", 10, "r1", 1).await.unwrap();
    let state = |words: &str| vec![StatePart::State(json!({ "x": words })), StatePart::Metrics(json!({"m": 1}))];
    db.put_gateway_state("fleet", "g3", 11, ("r1", 1), &state("first")).await.unwrap();
    db.gateway_connected("fleet", "g3", 12, "r2", 1).await.unwrap();
    db.put_gateway_state("fleet", "g3", 13, ("r1", 1), &state("late")).await.unwrap();
    db.put_gateway_state("fleet", "g3", 13, ("r1", 1), &[StatePart::Gone]).await.unwrap();
    let held = db.gateway_state("fleet", "g3").await.unwrap().unwrap();
    assert_eq!(
        (held.replica.as_str(), held.seen_at, &held.state["x"], &held.metrics["m"]),
        ("r2", 12, &json!("first"), &json!(1))
    );
    db.put_gateway_state("fleet", "g3", 14, ("r2", 1), &[StatePart::Gone]).await.unwrap();
    assert_eq!(db.gateway_states("fleet", "", 10).await.unwrap().items[0].replica, "");
}

async fn reports_are_kept_once(db: &Db) {
    let event = |number, kind: &str, alarm| GatewayEvent {
        id: 0,
        gateway: "g3".to_owned(),
        epoch: 9,
        number,
        at: 5,
        kind: kind.to_owned(),
        alarm,
        imsi: String::new(),
        words: "words".to_owned(),
        facts: "{}".to_owned(),
    };
    let events = [event(1, "attached", false), event(2, "security", true)];
    db.put_gateway_events("fleet", &events).await.unwrap();
    db.put_gateway_events("fleet", &[event(2, "security", true), event(3, "detached", false)]).await.unwrap();
    let of_g3 = EventQuery { gateway: Some("g3".to_owned()), limit: 2, ..EventQuery::default() };
    let page = db.gateway_events("fleet", &of_g3).await.unwrap();
    assert_eq!((page.items.iter().map(|it| it.number).collect::<Vec<_>>(), page.more), (vec![3, 2], true));
    let alarms = EventQuery { alarms: true, ..EventQuery::default() };
    assert_eq!(db.gateway_events("fleet", &alarms).await.unwrap().items.len(), 1);
    let first = page.items[1].id;
    for (query, count) in [
        (EventQuery { kind: Some("detached".to_owned()), ..EventQuery::default() }, 1),
        (EventQuery { imsi: Some("00101".to_owned()), ..EventQuery::default() }, 0),
        (EventQuery { since: 6, ..EventQuery::default() }, 0),
        (EventQuery { until: 5, ..EventQuery::default() }, 0),
        (EventQuery { above: Some(first), ..EventQuery::default() }, 1),
        (EventQuery { above: Some(0), kind: Some("security".to_owned()), since: 5, ..EventQuery::default() }, 1),
    ] {
        assert_eq!(db.gateway_events("fleet", &query).await.unwrap().items.len(), count, "{query:?}");
    }
    let oldest = EventQuery { above: Some(0), limit: 1, ..EventQuery::default() };
    assert_eq!(db.gateway_events("fleet", &oldest).await.unwrap().items[0].number, 1, "the oldest first");
    let record = |sequence, ended_at| UsageRow {
        gateway: "g3".to_owned(),
        session: "1".to_owned(),
        epoch: -1,
        sequence,
        imsi: "00101".to_owned(),
        ended_at,
        uplink_bytes: 7,
        last: true,
        ..UsageRow::default()
    };
    db.put_usage("fleet", "g3", (5, 2), &[record(1, 10), record(2, 20)]).await.unwrap();
    db.put_usage("fleet", "g3", (5, 1), &[record(1, 10)]).await.unwrap();
    assert_eq!(db.usage("fleet", None, 0, 10).await.unwrap(), [record(1, 10), record(2, 20)]);
    assert_eq!(db.usage("fleet", Some("00101"), 11, 10).await.unwrap(), [record(2, 20)]);
    assert!(db.usage("fleet", Some("x"), 0, 10).await.unwrap().is_empty());
    assert_eq!(db.ledger("fleet", "g3").await.unwrap(), Some((5, 2)), "it does not go back");
}

async fn commands_end_once(db: &Db) {
    let command = CommandRow {
        id: "c1".to_owned(),
        gateway: "g3".to_owned(),
        kind: "ping".to_owned(),
        arguments: "{}".to_owned(),
        created_by: "ann".to_owned(),
        created_at: 5,
        expires_at: 100,
        state: "queued".to_owned(),
        percent: 0,
        output: String::new(),
        changed_at: 5,
    };
    db.put_command("fleet", &command).await.unwrap();
    let last = db.feed("fleet", 0, 1000).await.unwrap().pop().unwrap();
    assert_eq!((last.what.as_str(), last.name.as_str()), (FeedEntry::COMMANDS, "g3"));
    assert_eq!(db.queued_commands("fleet", "g3", 50).await.unwrap(), [command]);
    assert!(db.queued_commands("fleet", "g3", 100).await.unwrap().is_empty(), "its time is over");
    for (state, output) in [("sent", ""), ("running", "one "), ("done", "two"), ("running", "too late")] {
        db.command_progress("fleet", "c1", (0, 6), state, 10, output).await.unwrap();
    }
    let ended = db.command("fleet", "c1").await.unwrap().unwrap();
    assert_eq!((ended.state.as_str(), ended.output.as_str()), ("done", "one two"));
    let (numbered, data) = (CommandRow { id: "c2".to_owned(), ..ended.clone() }, [1, 2, 3]);
    db.put_command("fleet", &CommandRow { state: "queued".to_owned(), output: String::new(), ..numbered })
        .await
        .unwrap();
    for number in [7, 8, 8, 7] {
        db.command_progress("fleet", "c2", (number, 6), "running", 10, "x").await.unwrap();
    }
    assert_eq!(db.command("fleet", "c2").await.unwrap().unwrap().output, "xx", "each report once");
    db.command_progress("fleet", "c2", (3, 6), "done", 100, "z").await.unwrap();
    let ended = db.command("fleet", "c2").await.unwrap().unwrap();
    assert_eq!((ended.state.as_str(), ended.output.as_str()), ("done", "xxz"), "also by a clock that was set back");
    for (place, size) in [(0, 3), (0, 3), (9, 3), (3, 6)] {
        assert_eq!(db.put_command_data("fleet", "c2", place, &data).await.unwrap(), size);
    }
    assert_eq!(db.command_data("fleet", "c2", 3).await.unwrap(), (data.to_vec(), 6));
    assert_eq!(db.command_data("fleet", "c2", 6).await.unwrap(), (Vec::new(), 6));
    assert!(db.command("other", "c1").await.unwrap().is_none());
    assert_eq!(db.commands("fleet", "g3", 10).await.unwrap().len(), 2);
    db.sweep_fleet(1000, 1).await.unwrap();
    assert!(db.feed("fleet", 0, 1000).await.unwrap().is_empty());
    db.sweep_fleet(1000, 1000).await.unwrap();
    assert_eq!(db.command_data("fleet", "c2", 0).await.unwrap().1, 0, "it goes with its command");
}
