//! Programs on their way to gateways, and rollouts that go on: over real TLS on the loopback.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod world;

use basalt_cloud_link::Handle;
use orchestrator_db::{Release, Repository, RolloutRow};
use orchestrator_model::{Kind, Rollout, RolloutState, Step};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::sync::Arc;
use world::{FAR, Gateway, Ground, Replica, quick, until};

/// A release of these octets, in pieces of an odd size.
async fn release(db: &Arc<dyn Repository>, name: &str, octets: &[u8], whole: bool) {
    put(db, (name, "stable"), octets, whole).await;
}

/// A whole release of another channel.
async fn release_of(db: &Arc<dyn Repository>, name: &str, channel: &str) {
    put(db, (name, channel), b"program", true).await;
}

async fn put(db: &Arc<dyn Repository>, (name, channel): (&str, &str), octets: &[u8], whole: bool) {
    let release = Release {
        name: name.to_owned(),
        product: "agwd".to_owned(),
        version: "2".to_owned(),
        platform: "x86_64-linux".to_owned(),
        channel: channel.to_owned(),
        size: octets.len() as i64,
        sha256: String::new(),
        signature: String::new(),
        created_by: "ann".to_owned(),
        created_at: 1,
        received: 0,
        complete: false,
    };
    assert!(db.put_release(&release).await.unwrap());
    for (number, piece) in octets.chunks(100_001).enumerate() {
        db.put_release_data(name, number as i64 * 100_001, piece).await.unwrap();
    }
    if whole {
        db.settle_release(name, true).await.unwrap();
    }
}

async fn fetch(handle: &Handle, name: &str, place: u64) -> Result<Vec<u8>, String> {
    let mut pieces = handle.fetch(name.to_owned(), place).await;
    let mut octets = Vec::new();
    while let Some(piece) = pieces.recv().await {
        octets.extend(piece?);
    }
    Ok(octets)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_fetches_a_program_from_any_place_on() {
    let ground = Ground::new().await;
    let program: Vec<u8> = (0..400_000_u32).flat_map(|number| number.to_le_bytes()).collect();
    release(&ground.db, "agwd-2", &program, true).await;
    release(&ground.db, "half", &program, false).await;
    let replica = Replica::start(&ground.db, quick()).await;
    let gateway = Gateway::new("north");
    let nobody = gateway.start(None, 9);
    assert!(fetch(&nobody, "agwd-2", 0).await.unwrap_err().contains("has not joined"));
    nobody.abort();
    let handle = gateway.start(Some(replica.token(&ground.token("lab", "", FAR).await)), 1);
    until("in sync", async || ground.in_sync("lab", "north").await.then_some(())).await;
    assert!(fetch(&handle, "agwd-2", 0).await.unwrap() == program);
    for place in [1, 100_001, 777_777, program.len() as u64] {
        assert!(fetch(&handle, "agwd-2", place).await.unwrap() == program[place as usize..], "{place}");
    }
    for (name, place, word) in
        [("half", 0, "no such release"), ("none", 0, "no such release"), ("agwd-2", FAR as u64, "ends before")]
    {
        let refused = fetch(&handle, name, place).await.unwrap_err();
        assert!(refused.contains(word), "{refused}");
    }
    // One that stops taking pieces harms nobody.
    let mut slow = Vec::new();
    for _ in 0..8 {
        slow.push(handle.fetch("agwd-2".to_owned(), 0).await);
    }
    assert!(fetch(&handle, "agwd-2", 0).await.unwrap() == program);
    drop(slow);
    handle.abort();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rollout_is_halted_by_the_first_gateway_that_cannot() {
    let ground = Ground::new().await;
    release(&ground.db, "agwd-2", b"program", true).await;
    let replica = Replica::start(&ground.db, quick()).await;
    let mut handles = Vec::new();
    for (number, name) in ["north", "south", "west"].into_iter().enumerate() {
        let gateway = Gateway::new(name);
        let token = replica.token(&ground.token("lab", "", FAR - number as i64).await);
        let handle = gateway.start(Some(token), number as u8 + 1);
        until("in sync", async || ground.in_sync("lab", name).await.then_some(())).await;
        handles.push((gateway, handle));
    }
    let rolling = Arc::clone(&replica.fleet);
    let rolling = tokio::spawn(async move { rolling.roll_out().await });
    let plan: Value = json!({"tier": "stable", "release": "agwd-2", "canary_percent": 1, "soak_minutes": 0});
    let rollout = Rollout::new(serde_json::from_value(plan).unwrap(), "2".to_owned());
    let row = RolloutRow {
        id: "r1".to_owned(),
        network: "lab".to_owned(),
        created_at: 1,
        created_by: "ann".to_owned(),
        changed_at: 1,
        active: true,
        body: serde_json::to_string(&rollout).unwrap(),
        revision: 1,
    };
    assert!(ground.db.put_rollout(&row).await.unwrap());
    let now = async || -> Rollout {
        serde_json::from_str(&ground.db.rollout("lab", "r1").await.unwrap().unwrap().body).unwrap()
    };
    until("halted", async || (now().await.state == RolloutState::RolledBack).then_some(())).await;
    let after = now().await;
    let told: BTreeSet<&str> =
        after.gateways.iter().filter(|(_, it)| it.step != Step::Waiting).map(|(name, _)| name.as_str()).collect();
    assert_eq!(told, BTreeSet::from(["north"]), "one of three went first, and it was the last");
    let told = handles[0].0.disk.commands.lock().unwrap()[0].clone();
    let arguments: Value = serde_json::from_str(&told.arguments).unwrap();
    assert_eq!((told.kind.as_str(), &arguments["release"]), ("upgrade", &json!("agwd-2")));
    assert_eq!(ground.events("lab", "rollout-halted").await.len(), 1);
    rolling.abort();
    handles.iter().for_each(|(_, handle)| handle.abort());
}

/// Minutes after midnight UTC.
fn minute_of_day() -> u64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    since.as_secs() / 60 % 1440
}

#[tokio::test(flavor = "multi_thread")]
async fn a_release_of_its_channel_begins_a_rollout_of_a_tier_by_itself_in_its_window_to_who_is_willing() {
    let ground = Ground::new().await;
    let closed = json!({"from_minute": (minute_of_day() + 120) % 1440, "minutes": 60});
    let open = json!({"from_minute": (minute_of_day() + 1380) % 1440, "minutes": 240});
    // In this order they are looked at.
    let tiers = [
        ("early", json!({"channel": "beta"})),
        ("night", json!({"window": closed})),
        ("stable", json!({"window": open, "soak_minutes": 0})),
    ];
    for (name, automatic) in tiers {
        ground.put(Kind::Tier, "lab", name, json!({"automatic": automatic})).await;
    }
    ground.put(Kind::Tier, "lab", "manual", json!({})).await;
    let willing = |tier: &str, willing: bool| json!({"tier": tier, "reporting": {"autoupgrade_enabled": willing}});
    for tier in ["early", "night", "manual"] {
        ground.put(Kind::Gateway, "lab", &format!("of-{tier}"), willing(tier, true)).await;
    }
    ground.put(Kind::Gateway, "lab", "north", willing("stable", true)).await;
    ground.put(Kind::Gateway, "lab", "south", willing("stable", false)).await;
    release(&ground.db, "agwd-2", b"program", true).await;
    let replica = Replica::start(&ground.db, quick()).await;
    let mut handles = Vec::new();
    for (number, name) in ["north", "south"].into_iter().enumerate() {
        let gateway = Gateway::new(name);
        let token = replica.token(&ground.token("lab", name, FAR - number as i64).await);
        let handle = gateway.start(Some(token), number as u8 + 1);
        until("in sync", async || ground.in_sync("lab", name).await.then_some(())).await;
        handles.push((gateway, handle));
    }
    let rolling = Arc::clone(&replica.fleet);
    let rolling = tokio::spawn(async move { rolling.roll_out().await });
    let rollouts = async || ground.db.rollouts("lab", 10).await.unwrap();
    let told =
        until("the willing gateway is told", async || handles[0].0.disk.commands.lock().unwrap().first().cloned())
            .await;
    let arguments: Value = serde_json::from_str(&told.arguments).unwrap();
    assert_eq!((told.kind.as_str(), &arguments["release"]), ("upgrade", &json!("agwd-2")));
    // This gateway cannot: the rollout is taken back, and is not begun again.
    until("it ended", async || rollouts().await.iter().all(|row| !row.active).then_some(())).await;
    release_of(&ground.db, "agwd-3", "beta").await;
    // Another one that acts looks at once.
    let again = Arc::clone(&replica.fleet);
    let again = tokio::spawn(async move { again.roll_out().await });
    until("the next release goes to its own tier", async || (rollouts().await.len() == 2).then_some(())).await;
    let begun: BTreeSet<(String, String)> = rollouts()
        .await
        .iter()
        .map(|row| {
            let rollout: Rollout = serde_json::from_str(&row.body).unwrap();
            assert!(!rollout.gateways.contains_key("south") && row.created_by == format!("tier {}", rollout.plan.tier));
            (rollout.plan.tier, rollout.plan.release)
        })
        .collect();
    let expected = [("stable", "agwd-2"), ("early", "agwd-3")].map(|(tier, it)| (tier.to_owned(), it.to_owned()));
    assert_eq!(begun, BTreeSet::from(expected));
    assert!(handles[1].0.disk.commands.lock().unwrap().is_empty(), "who is not willing is not told");
    rolling.abort();
    again.abort();
    handles.iter().for_each(|(_, handle)| handle.abort());
}
