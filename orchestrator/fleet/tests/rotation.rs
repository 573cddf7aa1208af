//! Another certificate authority while gateways talk, are away, and join: over real TLS on the loopback.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod world;

use basalt_cloud_link::{TcpDial, secure_channel};
use basalt_control_api::orchestrator::JoinToken;
use orchestrator_fleet::Authority;
use std::sync::Arc;
use world::{FAR, Gateway, Ground, Replica, quick, sealing, until};

fn seconds() -> u64 {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs()
}

async fn gone(ground: &Ground, gateway: &str) {
    let gone = async || ground.db.gateway_state("lab", gateway).await.unwrap()?.replica.is_empty().then_some(());
    until("gone", gone).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_gateway_is_visited_when_the_authority_changes() {
    let ground = Ground::new().await;
    let replica = Replica::start(&ground.db, quick()).await;
    let [north, south, west] = ["north", "south", "west"].map(Gateway::new);
    for gateway in [&north, &south, &west] {
        let secret = ground.token("lab", &gateway.name, FAR).await;
        let handle = gateway.start(Some(replica.token(&secret)), 1);
        until("in sync", async || ground.in_sync("lab", &gateway.name).await.then_some(())).await;
        handle.abort();
        gone(&ground, &gateway.name).await;
    }
    let before = ground.token("lab", "east", FAR).await;
    let first = Authority::ensure(ground.db.as_ref(), &sealing()).await.unwrap();
    let mut fingerprint = replica.fleet.fingerprint();
    // From the next second on, so that what was issued before is told from what is issued after.
    first.rotate(ground.db.as_ref(), &sealing(), seconds(), seconds() + 1).await.unwrap();
    tokio::time::timeout(std::time::Duration::from_secs(60), fingerprint.changed()).await.unwrap().unwrap();

    // One that knows the first generation only recognises the second by its bridge, and is believed.
    let handle = north.start(None, 2);
    until("north talks", async || ground.in_sync("lab", "north").await.then_some(())).await;
    handle.abort();
    gone(&ground, "north").await;
    // One whose certificate ran out meanwhile shows its device key, and has a certificate of the second then.
    south.disk.identity.lock().unwrap().as_mut().unwrap().not_after = 1;
    let handle = south.start(None, 2);
    until("south talks", async || ground.in_sync("lab", "south").await.then_some(())).await;
    handle.abort();
    gone(&ground, "south").await;
    // A token from before the change is good still; a new one names the second generation.
    let _east = Gateway::new("east").start(Some(replica.token(&before)), 1);
    until("east talks", async || ground.in_sync("lab", "east").await.then_some(())).await;
    let second = Authority::ensure(ground.db.as_ref(), &sealing()).await.unwrap();
    let secret = ground.token("lab", "new", FAR).await;
    let token = JoinToken { fingerprint: second.fingerprint(seconds()).unwrap(), ..replica.token(&secret) };
    let _new = Gateway::new("new").start(Some(token), 1);
    until("the new one talks", async || ground.in_sync("lab", "new").await.then_some(())).await;

    let from = second.overview(seconds()).last().unwrap().from;
    let behind = ground.db.certified_before(i64::try_from(from * 1000).unwrap()).await.unwrap();
    assert_eq!(behind, [("lab".to_owned(), "north".to_owned()), ("lab".to_owned(), "west".to_owned())]);
    second.retire(ground.db.as_ref(), seconds()).await.unwrap();
    // Retired: one that knows the first generation only finds a stranger there; the others go on.
    let identity = west.disk.identity.lock().unwrap().clone().unwrap();
    let stranger = async || secure_channel(&Arc::new(TcpDial), &identity, &west.key).await.err().map(drop);
    until("the orchestrator is a stranger to west", stranger).await;
    let _south = south.start(None, 3);
    until("south talks again", async || ground.in_sync("lab", "south").await.then_some(())).await;
}
