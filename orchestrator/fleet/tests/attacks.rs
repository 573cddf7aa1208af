//! Who should not come in: forged, expired, foreign, revoked, cloned, replayed. Each is refused, and an alarm tells it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod world;

use basalt_cloud_sync::Identity;
use orchestrator_fleet::Settings;
use std::sync::Arc;
use std::time::Duration;
use world::{FAR, Gateway, Ground, Replica, quick, until};

async fn joined(ground: &Ground, replica: &Replica, name: &str) -> (Gateway, basalt_cloud_link::Handle) {
    let secret = ground.token("lab", "", FAR).await;
    let gateway = Gateway::new(name);
    let handle = gateway.start(Some(replica.token(&secret)), 1);
    until("in sync", async || ground.in_sync("lab", name).await.then_some(())).await;
    (gateway, handle)
}

async fn alarm(ground: &Ground, network: &str, kind: &str) {
    until(kind, async || ground.events(network, kind).await.pop().map(|event| assert!(event.alarm))).await;
}

fn identity(gateway: &Gateway) -> Identity {
    gateway.disk.identity.lock().unwrap().clone().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn k01_tokens_are_good_once_in_their_time_and_for_their_authority() {
    let ground = Ground::new().await;
    let replica = Replica::start(&ground.db, quick()).await;
    let secret = ground.token("lab", "", FAR).await;
    let first = Gateway::new("north");
    let _first = first.start(Some(replica.token(&secret)), 1);
    until("joined", async || ground.in_sync("lab", "north").await.then_some(())).await;
    let again = Gateway::new("south");
    let _again = again.start(Some(replica.token(&secret)), 2);
    alarm(&ground, "lab", "token-reused").await;
    let late = ground.token("lab", "", 1).await;
    let expired = Gateway::new("south");
    let _expired = expired.start(Some(replica.token(&late)), 3);
    alarm(&ground, "lab", "token-expired").await;
    let guess = Gateway::new("south");
    let _guess = guess.start(Some(replica.token(&"0".repeat(64))), 4);
    alarm(&ground, "", "token-unknown").await;
    // A name that has joined is not given to another device.
    let other = ground.token("lab", "", FAR).await;
    let thief = Gateway::new("north");
    let _thief = thief.start(Some(replica.token(&other)), 5);
    alarm(&ground, "lab", "token-refused").await;
    // An orchestrator that is not the token's is not told the secret.
    let mut wrong = replica.token(&ground.token("lab", "", FAR).await);
    wrong.fingerprint[0] ^= 1;
    let careful = Gateway::new("south");
    let _careful = careful.start(Some(wrong), 6);
    until("refusal", async || careful.refused().then_some(())).await;
    for gateway in [&again, &expired, &guess, &thief, &careful] {
        assert!(gateway.disk.identity.lock().unwrap().is_none());
    }
    assert_eq!(replica.fleet.connected(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn k03_a_certificate_is_its_gateways_only() {
    let ground = Ground::new().await;
    ground.network("other").await;
    let replica = Replica::start(&ground.db, quick()).await;
    let (gateway, handle) = joined(&ground, &replica, "north").await;
    handle.abort();
    // With its own certificate it speaks for another gateway, and for another network.
    for (network, name, kind) in [("lab", "south", "gateway-foreign"), ("other", "north", "network-foreign")] {
        let liar = Gateway { key: gateway.key.clone(), ..Gateway::new("north") };
        let identity = Identity { network: network.to_owned(), gateway: name.to_owned(), ..identity(&gateway) };
        *liar.disk.identity.lock().unwrap() = Some(identity);
        let _liar = liar.start(None, 2);
        alarm(&ground, "lab", kind).await;
        assert!(liar.disk.subscribers().is_empty());
    }
    // The certificate with another key, and one of another authority.
    let thief = Gateway::new("north");
    *thief.disk.identity.lock().unwrap() = Some(identity(&gateway));
    let _thief = thief.start(None, 3);
    until("refusal of another key", async || thief.refused().then_some(())).await;
    let elsewhere = Ground::new().await;
    let foreign = Replica::start(&elsewhere.db, quick()).await;
    let (forger, theirs) = joined(&elsewhere, &foreign, "north").await;
    theirs.abort();
    let forged =
        Identity { authority: identity(&gateway).authority, address: replica.address.clone(), ..identity(&forger) };
    *forger.disk.identity.lock().unwrap() = Some(forged);
    let _forger = forger.start(None, 4);
    alarm(&ground, "", "certificate-forged").await;
    assert_eq!(replica.fleet.connected(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn k03_what_is_revoked_is_out_at_once_and_stays_out() {
    let ground = Ground::new().await;
    let replica = Replica::start(&ground.db, quick()).await;
    let (gateway, _handle) = joined(&ground, &replica, "north").await;
    assert!(ground.db.revoke("lab", "north", 5).await.unwrap());
    until("out", async || (replica.fleet.connected() == 0).then_some(())).await;
    alarm(&ground, "lab", "certificate-revoked").await;
    alarm(&ground, "lab", "device-revoked").await;
    assert_eq!(replica.fleet.connected(), 0);
    // With a new token it joins again.
    let secret = ground.token("lab", "north", FAR).await;
    let anew = Gateway { key: gateway.key.clone(), ..Gateway::new("whatever") };
    let _anew = anew.start(Some(replica.token(&secret)), 7);
    until("back", async || (replica.fleet.connected() == 1).then_some(())).await;
    assert_eq!(identity(&anew).gateway, "north", "the token says the name");
}

#[tokio::test(flavor = "multi_thread")]
async fn k02_the_second_of_two_with_one_identity_is_refused() {
    let ground = Ground::new().await;
    let replica = Replica::start(&ground.db, quick()).await;
    let (gateway, _handle) = joined(&ground, &replica, "north").await;
    let clone = Gateway { key: gateway.key.clone(), ..Gateway::new("north") };
    *clone.disk.identity.lock().unwrap() = Some(identity(&gateway));
    ground.subscriber("lab", 1, "secret").await;
    let _clone = clone.start(None, 9);
    alarm(&ground, "lab", "gateway-cloned").await;
    until("refusal", async || clone.refused().then_some(())).await;
    assert!(clone.disk.subscribers().is_empty());
    until("the first goes on", async || (gateway.disk.subscribers().len() == 1).then_some(())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn k05_certificates_are_renewed_and_after_their_time_the_device_key_counts() {
    let ground = Ground::new().await;
    let life = Settings { certificate_life: Duration::from_secs(3), ..quick() };
    let replica = Replica::start(&ground.db, life).await;
    let (gateway, handle) = joined(&ground, &replica, "north").await;
    // The beginning lies five minutes back, so that two thirds of this short life are over: it renews at once and goes on.
    let first = identity(&gateway).certificate;
    until("renewal", async || (identity(&gateway).certificate != first).then_some(())).await;
    handle.abort();
    // Off until the certificate is over.
    let over = identity(&gateway).not_after;
    until("its end", async || {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
        (now > over).then_some(())
    })
    .await;
    let old = identity(&gateway);
    let back = gateway.start(None, 2);
    until("back", async || back.status().borrow().talking.then_some(())).await;
    assert!(identity(&gateway).not_after > over);
    back.abort();
    // Whoever comes with the old one is refused in the handshake.
    let expired = Gateway { key: gateway.key.clone(), ..Gateway::new("north") };
    *expired.disk.identity.lock().unwrap() = Some(Identity { not_after: u64::MAX, ..old });
    let _expired = expired.start(None, 3);
    alarm(&ground, "", "certificate-expired").await;
    // The device key of another gateway is none.
    let stranger = Gateway::new("north");
    *stranger.disk.identity.lock().unwrap() = Some(Identity { not_after: 1, ..identity(&gateway) });
    let _stranger = stranger.start(None, 4);
    alarm(&ground, "", "device-key-refused").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn k03_without_a_certificate_or_without_tls_there_is_nothing() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let ground = Ground::new().await;
    let replica = Replica::start(&ground.db, quick()).await;
    // Plain text.
    let mut plain = tokio::net::TcpStream::connect(&replica.address).await.unwrap();
    plain.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await.unwrap();
    let mut answer = Vec::new();
    // However it ends, nothing of HTTP/2 is said.
    let _ = tokio::time::timeout(world::PATIENCE, plain.read_to_end(&mut answer)).await.unwrap();
    assert!(answer.len() < 16, "{answer:?}");
    // TLS to the name of conversations without a certificate.
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut roots = rustls::RootCertStore::empty();
    let authority = orchestrator_fleet::Authority::ensure(ground.db.as_ref(), &world::sealing()).await.unwrap();
    roots.add(authority.certificate(0).unwrap().clone()).unwrap();
    let config = rustls::ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let config = config.with_root_certificates(roots).with_no_client_auth();
    let stream = tokio::net::TcpStream::connect(&replica.address).await.unwrap();
    let name = rustls::pki_types::ServerName::try_from("orchestrator.basalt").unwrap();
    let connected = tokio_rustls::TlsConnector::from(Arc::new(config)).connect(name, stream).await;
    if let Ok(mut stream) = connected {
        let mut octets = [0; 64];
        let read = tokio::time::timeout(world::PATIENCE, stream.read(&mut octets)).await.unwrap();
        assert!(read.is_err(), "the alert ends it");
    }
    alarm(&ground, "", "certificate-missing").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn k02_a_copy_that_appears_at_another_replica_raises_the_alarm() {
    let ground = Ground::new().await;
    let (first, second) = (Replica::start(&ground.db, quick()).await, Replica::start(&ground.db, quick()).await);
    let (gateway, _handle) = joined(&ground, &first, "north").await;
    let copy = Gateway { key: gateway.key.clone(), ..Gateway::new("north") };
    *copy.disk.identity.lock().unwrap() = Some(Identity { address: second.address.clone(), ..identity(&gateway) });
    let _copy = copy.start(None, 2);
    alarm(&ground, "lab", "gateway-cloned").await;
}
