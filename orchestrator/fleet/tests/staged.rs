//! Changes of objects that some gateways have before the others: over real TLS on the loopback, gateways with the real core and driver.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod world;

use basalt_cloud_link::Handle;
use basalt_desired::ItemKey;
use orchestrator_db::{GatewayEvent, RolloutRow, Target};
use orchestrator_model::{ConfigRollout, ConfigStage, ConfigStep, Kind, RolloutAct, RolloutState, StagedChange};
use serde_json::{Value, json};
use std::sync::Arc;
use tokio::task::JoinHandle;
use world::{FAR, Gateway, Ground, Replica, imsi, quick, until};

const NAMES: [&str; 3] = ["north", "south", "west"];

fn now() -> i64 {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_millis() as i64
}

fn apn(qci: u8) -> Value {
    let ambr = json!({"max_ul_bit_rate": 1_000_000, "max_dl_bit_rate": 1_000_000});
    Kind::Apn.parse_value("internet", json!({"qci": qci, "ambr": ambr})).unwrap().body
}

/// A network with an access point and three gateways that have it.
struct Field {
    ground: Ground,
    replica: Replica,
    gateways: Vec<(Gateway, Handle)>,
    rolling: JoinHandle<()>,
}

impl Field {
    async fn new() -> Self {
        let ground = Ground::new().await;
        ground.put(Kind::Apn, "lab", "internet", apn(9)).await;
        let replica = Replica::start(&ground.db, quick()).await;
        let mut gateways = Vec::new();
        for (number, name) in NAMES.into_iter().enumerate() {
            let gateway = Gateway::new(name);
            let token = replica.token(&ground.token("lab", "", FAR - number as i64).await);
            let handle = gateway.start(Some(token), number as u8 + 1);
            until("in sync", async || ground.in_sync("lab", name).await.then_some(())).await;
            gateways.push((gateway, handle));
        }
        // Another replica than the one that gateways talk to lets it go on.
        let other = Replica::start(&ground.db, quick()).await;
        let rolling = tokio::spawn(async move { other.fleet.roll_out().await });
        Self { ground, replica, gateways, rolling }
    }

    async fn begin(&self, changes: Vec<StagedChange>, plan: Value) {
        let rollout = ConfigRollout::new(serde_json::from_value(plan).unwrap(), changes);
        let row = RolloutRow {
            id: "r1".to_owned(),
            network: "lab".to_owned(),
            created_at: now(),
            created_by: "ann".to_owned(),
            changed_at: now(),
            active: true,
            body: serde_json::to_string(&rollout).unwrap(),
            revision: 1,
        };
        assert_eq!(self.ground.db.put_config_rollout(&row).await.unwrap(), None);
    }

    /// The access point with another class.
    async fn change(&self, qci: u8) -> StagedChange {
        let there = self.object("internet").await;
        StagedChange {
            kind: "apns".to_owned(),
            name: "internet".to_owned(),
            revision: there.as_ref().map(|it| it.0),
            before: there.map(|it| it.1),
            after: Some(apn(qci)),
        }
    }

    async fn object(&self, name: &str) -> Option<(i64, Value)> {
        let target = Target { kind: Kind::Apn, network: "lab".to_owned(), name: name.to_owned() };
        self.ground.db.object(&target).await.unwrap().map(|it| (it.revision, it.body))
    }

    async fn rollout(&self) -> ConfigRollout {
        serde_json::from_str(&self.ground.db.config_rollout("lab", "r1").await.unwrap().unwrap().body).unwrap()
    }

    async fn act(&self, act: RolloutAct) {
        until("acted", async || {
            let row = self.ground.db.config_rollout("lab", "r1").await.unwrap().unwrap();
            let mut rollout: ConfigRollout = serde_json::from_str(&row.body).unwrap();
            assert!(rollout.act(act, "ann", now()));
            let body = serde_json::to_string(&rollout).unwrap();
            let row = RolloutRow { active: rollout.is_active(), body, ..row };
            self.ground.db.change_config_rollout(&row).await.unwrap().then_some(())
        })
        .await;
    }

    async fn state(&self, wanted: RolloutState) {
        until(&format!("{wanted:?}"), async || (self.rollout().await.state == wanted).then_some(())).await;
    }

    /// The class that each gateway has.
    fn classes(&self) -> Vec<Option<u64>> {
        let key = ItemKey { collection: "apns".to_owned(), name: "internet".to_owned() };
        let class = |gateway: &Gateway| {
            let items = gateway.disk.items.lock().unwrap();
            let body: Value = serde_json::from_str(&items.get(&key)?.1).unwrap();
            body["qci"].as_u64()
        };
        self.gateways.iter().map(|(gateway, _)| class(gateway)).collect()
    }

    async fn have(&self, wanted: [u64; 3]) {
        until(&format!("{wanted:?}"), async || (self.classes() == wanted.map(Some)).then_some(())).await;
    }

    fn pages(&self) -> usize {
        self.gateways.iter().map(|(gateway, _)| gateway.disk.pages.lock().unwrap().len()).sum()
    }

    async fn alarm(&self, gateway: &str) {
        let event = GatewayEvent {
            id: 0,
            gateway: gateway.to_owned(),
            epoch: 99,
            number: now(),
            at: now(),
            kind: "attach-low".to_owned(),
            alarm: true,
            imsi: String::new(),
            words: "phones do not attach".to_owned(),
            facts: "{}".to_owned(),
        };
        self.ground.db.put_gateway_events("lab", &[event]).await.unwrap();
    }
}

impl Drop for Field {
    fn drop(&mut self) {
        self.rolling.abort();
        self.gateways.iter().for_each(|(_, handle)| handle.abort());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_has_it_first_and_an_alarm_there_takes_it_back() {
    let field = Field::new().await;
    field.begin(vec![field.change(8).await], json!({"canary_percent": 1, "soak_minutes": 60})).await;
    field.have([8, 9, 9]).await;
    until("soak", async || matches!(field.rollout().await.stage, ConfigStage::Soak(_)).then_some(())).await;
    assert_eq!(field.object("internet").await.unwrap(), (1, apn(9)), "the object itself is as it was");
    // What else happens goes on: an object of another name, and the same one for those that do not have the change yet.
    field.ground.subscriber("lab", 1, "pump").await;
    until("the subscriber is there", async || {
        field.gateways.iter().all(|(gateway, _)| gateway.disk.subscribers() == [imsi(1)]).then_some(())
    })
    .await;
    field.alarm("south").await;
    field.alarm("north").await;
    field.have([9, 9, 9]).await;
    field.state(RolloutState::RolledBack).await;
    let after = field.rollout().await;
    assert_eq!(after.words, "north: alarm attach-low after the change");
    assert_eq!(
        (after.gateways["north"].step, after.gateways["south"].step),
        (ConfigStep::Returned, ConfigStep::Waiting)
    );
    assert_eq!(field.object("internet").await.unwrap().0, 1, "no version was made");
    until("told", async || (field.ground.events("lab", "rollout-halted").await.len() == 1).then_some(())).await;
    until("in sync", async || field.ground.in_sync("lab", "north").await.then_some(())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn all_have_it_at_last_by_a_version_that_no_gateway_sees() {
    let field = Field::new().await;
    field.begin(vec![field.change(8).await], json!({"canary_percent": 1, "soak_minutes": 0, "at_once": 1})).await;
    field.state(RolloutState::Done).await;
    field.have([8, 8, 8]).await;
    assert_eq!(field.object("internet").await.unwrap(), (2, apn(8)));
    let target = Target { kind: Kind::Apn, network: "lab".to_owned(), name: "internet".to_owned() };
    let version = field.ground.db.version(&target, 2).await.unwrap().unwrap();
    assert_eq!((version.who.as_str(), version.before), ("ann", Some(apn(9))));
    let pages = field.pages();
    // A later change comes to all, and is all that came: the version of the staged change brought nothing.
    field.ground.put(Kind::Apn, "lab", "internet", apn(7)).await;
    field.have([7, 7, 7]).await;
    assert_eq!(field.pages(), pages + NAMES.len());
    for name in NAMES {
        until("in sync", async || field.ground.in_sync("lab", name).await.then_some(())).await;
    }
    until("told", async || (field.ground.events("lab", "config-rollout-done").await.len() == 1).then_some(())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn it_outlives_the_replica_and_the_gateway_and_what_somebody_else_changes_halts_it() {
    let mut field = Field::new().await;
    field.begin(vec![field.change(8).await], json!({"canary_percent": 1, "soak_minutes": 60})).await;
    field.have([8, 9, 9]).await;
    until("soak", async || matches!(field.rollout().await.stage, ConfigStage::Soak(_)).then_some(())).await;
    // The replica that acts ends, and a gateway that has the change begins anew with nothing: it gets the change again.
    field.rolling.abort();
    let other = Replica::start(&field.ground.db, quick()).await;
    field.rolling = tokio::spawn(async move { other.fleet.roll_out().await });
    field.gateways[0].1.abort();
    field.gateways[0].0.disk.items.lock().unwrap().clear();
    field.gateways[0].1 = field.gateways[0].0.start(None, 40);
    field.have([8, 9, 9]).await;
    // Whoever changes the object meanwhile reaches those that do not have the staged change; that one is taken away.
    field.ground.put(Kind::Apn, "lab", "internet", apn(5)).await;
    field.have([5, 5, 5]).await;
    field.state(RolloutState::RolledBack).await;
    assert_eq!(field.rollout().await.words, "apns/internet was changed by test meanwhile");
    assert!(field.replica.fleet.connected() == 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_in_force_at_the_first_one_pauses_it_and_dropped_it_is_gone_everywhere() {
    let field = Field::new().await;
    let mut change = field.change(9).await;
    (change.name, change.revision, change.before) = ("unusable".to_owned(), None, None);
    let mut gone = field.change(9).await;
    gone.after = None;
    let plan = json!({"canary_percent": 1, "soak_minutes": 60, "roll_back": false});
    change.after.as_mut().unwrap()["title"] = "unusable".into();
    field.begin(vec![change, gone], plan).await;
    field.state(RolloutState::Paused).await;
    assert_eq!(field.rollout().await.words, "north: unusable: not here");
    assert_eq!(field.classes(), [None, Some(9), Some(9)], "an object that is deleted is deleted at the first one");
    field.act(RolloutAct::Cancel).await;
    field.have([9, 9, 9]).await;
    until("in sync", async || field.ground.in_sync("lab", "north").await.then_some(())).await;
    assert_eq!((field.object("internet").await.unwrap().0, field.object("unusable").await), (1, None));
}

/// The replica that gateways talk to hears of a staged change by the feed alone.
#[tokio::test(flavor = "multi_thread")]
async fn gateways_of_one_network_are_not_touched_by_another_ones() {
    let field = Field::new().await;
    field.ground.network("other").await;
    let row = RolloutRow {
        id: "r2".to_owned(),
        network: "other".to_owned(),
        created_at: 1,
        created_by: "ann".to_owned(),
        changed_at: 1,
        active: true,
        body: serde_json::to_string(&ConfigRollout::new(
            serde_json::from_value(json!({"soak_minutes": 0})).unwrap(),
            vec![StagedChange { revision: None, before: None, ..field.change(6).await }],
        ))
        .unwrap(),
        revision: 1,
    };
    assert_eq!(field.ground.db.put_config_rollout(&row).await.unwrap(), None);
    let made = Target { kind: Kind::Apn, network: "other".to_owned(), name: "internet".to_owned() };
    // Nobody there needs it: there is nobody to look at.
    until("made", async || field.ground.db.object(&made).await.unwrap().is_some().then_some(())).await;
    assert_eq!(field.classes(), [Some(9); 3]);
    let db = Arc::clone(&field.ground.db);
    until("done", async || db.active_config_rollouts(None).await.unwrap().is_empty().then_some(())).await;
}
