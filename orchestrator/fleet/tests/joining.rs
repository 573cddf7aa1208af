//! Gateways join, stay, and have what they should: over real TLS on the loopback.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod world;

use basalt_cloud_sync::{Event, Input, Phone};
use basalt_desired::ItemKey;
use orchestrator_db::{CommandRow, PhoneQuery};
use orchestrator_model::Kind;
use serde_json::json;
use std::collections::BTreeMap;
use world::{FAR, Gateway, Ground, K, Replica, imsi, quick, until};

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_joins_and_has_what_it_should() {
    let ground = Ground::new().await;
    ground.subscribers("lab", 1..1001).await;
    let replica = Replica::start(&ground.db, quick()).await;
    let secret = ground.token("lab", "", FAR).await;
    let gateway = Gateway::new("north");
    let handle = gateway.start(Some(replica.token(&secret)), 1);
    until("in sync", async || ground.in_sync("lab", "north").await.then_some(())).await;
    assert_eq!(gateway.disk.subscribers().len(), 1000);
    assert!(gateway.disk.pages.lock().unwrap().iter().all(|items| *items <= 200), "never all in one message");
    let key = ItemKey { collection: "subscribers".to_owned(), name: imsi(1) };
    assert_eq!(gateway.disk.secrets.lock().unwrap()[&key]["k"], K);
    // A change is pushed at once; only the difference.
    let before = gateway.disk.pages.lock().unwrap().len();
    ground.subscriber("lab", 5, "renamed").await;
    until("the change", async || (gateway.disk.title(&imsi(5))? == "renamed").then_some(())).await;
    assert_eq!(gateway.disk.pages.lock().unwrap()[before..], [1]);
    ground.delete(Kind::Subscriber, "lab", &imsi(6)).await;
    until("the deletion", async || gateway.disk.title(&imsi(6)).is_none().then_some(())).await;
    // Only those that it needs.
    let selection = json!({"tier": "stable", "subscribers": {"imsis": [imsi(7)], "labels": {"site": "north"}}});
    ground.put(Kind::Gateway, "lab", "north", selection).await;
    until("the selection", async || (gateway.disk.subscribers() == [imsi(7)]).then_some(())).await;
    let labelled = json!({"labels": {"site": "north"}, "keys": {"k": K, "opc": K}});
    ground.put(Kind::Subscriber, "lab", &imsi(9), labelled).await;
    until("the label", async || (gateway.disk.subscribers() == [imsi(7), imsi(9)]).then_some(())).await;
    // A change by hand does not last while the orchestrator is there.
    gateway.disk.items.lock().unwrap().remove(&ItemKey { collection: "subscribers".to_owned(), name: imsi(9) });
    handle.tell(Input::Changed(ItemKey { collection: "subscribers".to_owned(), name: imsi(9) })).await;
    until("the repair", async || (gateway.disk.subscribers() == [imsi(7), imsi(9)]).then_some(())).await;
    handle.abort();
    until("gone", async || ground.db.gateway_state("lab", "north").await.unwrap()?.replica.is_empty().then_some(()))
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_lost_on_the_way_does_not_cost_the_token() {
    let ground = Ground::new().await;
    let replica = Replica::start(&ground.db, quick()).await;
    let secret = ground.token("lab", "", FAR).await;
    let gateway = Gateway::new("north");
    let handle = gateway.start(Some(replica.token(&secret)), 1);
    until("in sync", async || ground.in_sync("lab", "north").await.then_some(())).await;
    handle.abort();
    // As if it had been cut off between the orchestrator's commit and the certificate's arrival.
    *gateway.disk.identity.lock().unwrap() = None;
    let _handle = gateway.start(Some(replica.token(&secret)), 2);
    until("joined again", async || gateway.disk.identity.lock().unwrap().clone()).await;
    assert!(ground.events("lab", "token-reused").await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn reports_come_once_and_commands_are_done() {
    let ground = Ground::new().await;
    let replica = Replica::start(&ground.db, quick()).await;
    let secret = ground.token("lab", "", FAR).await;
    let gateway = Gateway::new("north");
    gateway.disk.use_up(1200);
    let handle = gateway.start(Some(replica.token(&secret)), 1);
    let event = Event {
        number: 0,
        place: 0,
        at: 1,
        kind: "attached".to_owned(),
        imsi: imsi(1),
        text: "it attached\u{1b}[31m".to_owned(),
        json: "{}".to_owned(),
    };
    handle.tell(Input::Event(event)).await;
    handle.tell(Input::CheckIn { state: json!({"ues": 3}).to_string(), urgent: false }).await;
    handle.tell(Input::Metrics(BTreeMap::from([("a".to_owned(), 1.5), ("b".to_owned(), f64::NAN)]))).await;
    until("usage", async || gateway.disk.ledger.lock().unwrap().is_empty().then_some(())).await;
    // The answer to records may be lost, the records then come again.
    let again = gateway.disk.ended.lock().unwrap().clone();
    *gateway.disk.ledger.lock().unwrap() = again;
    handle.tell(Input::UsageReady).await;
    until("usage again", async || gateway.disk.ledger.lock().unwrap().is_empty().then_some(())).await;
    let rows = ground.db.usage("lab", None, 0, 5000).await.unwrap();
    assert_eq!((rows.len(), rows.iter().map(|row| row.uplink_bytes).sum::<i64>()), (1200, 1200 * 1201 / 2));
    let state = until("state", async || {
        let state = ground.db.gateway_state("lab", "north").await.unwrap()?;
        (state.state["ues"] == 3 && state.metrics["a"] == 1.5).then_some(state)
    })
    .await;
    assert!(state.metrics["b"].is_null());
    assert!(state.clock_ahead().is_some_and(|ahead| ahead.abs() < 60_000), "{:?}: it is the same clock", state.state);
    let phone = |state: &str| Phone { imsi: imsi(1), state: state.to_owned(), ..Phone::default() };
    for now in ["idle", "connected"] {
        let look = Input::Phones { after: String::new(), through: None, phones: vec![phone(now)] };
        handle.tell(look).await;
        until(now, async || {
            let phones = ground.db.phones("lab", &PhoneQuery { limit: 9, ..PhoneQuery::default() }).await.unwrap();
            (phones.items.len() == 1 && phones.items[0].state == now).then_some(())
        })
        .await;
    }
    let event = until("event", async || ground.events("lab", "attached").await.pop()).await;
    assert_eq!((event.words.as_str(), event.gateway.as_str()), ("it attached[31m", "north"));
    let command = |id: &str, kind: &str| CommandRow {
        id: id.to_owned(),
        gateway: "north".to_owned(),
        kind: kind.to_owned(),
        arguments: "{}".to_owned(),
        created_by: "test".to_owned(),
        created_at: 1,
        expires_at: FAR,
        state: "queued".to_owned(),
        percent: 0,
        output: String::new(),
        changed_at: 1,
    };
    for (id, kind, state, output) in [("c1", "ping", "done", "one\ntwo\n"), ("c2", "fly", "not-supported", "")] {
        ground.db.put_command("lab", &command(id, kind)).await.unwrap();
        let done = until(kind, async || {
            let command = ground.db.command("lab", id).await.unwrap()?;
            (command.state == state).then_some(command)
        })
        .await;
        assert_eq!(done.output, output);
    }
    assert_eq!(gateway.disk.commands.lock().unwrap().len(), 2, "each once");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_of_either_side_costs_a_comparison() {
    let ground = Ground::new().await;
    ground.subscribers("lab", 1..301).await;
    let replica = Replica::start(&ground.db, quick()).await;
    let secret = ground.token("lab", "", FAR).await;
    let gateway = Gateway::new("north");
    let handle = gateway.start(Some(replica.token(&secret)), 1);
    until("in sync", async || ground.in_sync("lab", "north").await.then_some(())).await;
    // The gateway restarts while the orchestrator changes one thing.
    handle.abort();
    until("gone", async || ground.db.gateway_state("lab", "north").await.unwrap()?.replica.is_empty().then_some(()))
        .await;
    ground.subscriber("lab", 7, "later").await;
    gateway.disk.pages.lock().unwrap().clear();
    let _handle = gateway.start(None, 2);
    until("the change", async || (gateway.disk.title(&imsi(7))? == "later").then_some(())).await;
    assert_eq!(*gateway.disk.pages.lock().unwrap(), [1], "only the difference");
    // A second replica beside the first; the first one is killed.
    let second = Replica::start(&ground.db, quick()).await;
    let mut moved = gateway.disk.identity.lock().unwrap().clone().unwrap();
    moved.address.clone_from(&second.address);
    *gateway.disk.identity.lock().unwrap() = Some(moved);
    drop(replica);
    let _handle = gateway.start(None, 3);
    until("at the second", async || (second.fleet.connected() == 1).then_some(())).await;
    ground.subscriber("lab", 8, "latest").await;
    until("the change", async || (gateway.disk.title(&imsi(8))? == "latest").then_some(())).await;
}
