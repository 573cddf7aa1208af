//! Gateways that come straight, by the certificates that an orchestrator gave to both sides: names are checked, on both sides.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

use basalt_cloud_link::{DeviceKey, client_config};
use basalt_cloud_sync::Identity;
use basalt_control_api::federation::v1 as api;
use basalt_control_api::federation::v1::federation_client::FederationClient;
use basalt_control_api::orchestrator::member_name;
use hyper_util::rt::TokioIo;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    PKCS_ECDSA_P256_SHA256, PublicKeyData, SignatureAlgorithm,
};
use rustls::pki_types::ServerName;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::{Child, Command};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio_rustls::TlsConnector;
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Status};

const LONG: Duration = Duration::from_secs(60);
const NETWORK: &str = "lab";

/// A point on P-256, as a device has it.
struct Point(Vec<u8>);

impl PublicKeyData for Point {
    fn der_bytes(&self) -> &[u8] {
        &self.0
    }

    fn algorithm(&self) -> &'static SignatureAlgorithm {
        &PKCS_ECDSA_P256_SHA256
    }
}

/// What an orchestrator is to both sides.
struct Authority {
    certificate: Vec<u8>,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, "authority");
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        let key = KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key).unwrap().der().to_vec();
        Self { certificate, issuer: Issuer::new(params, key) }
    }

    fn identity(&self, gateway: &str, key: &DeviceKey) -> Identity {
        let mut params = CertificateParams::new(vec![member_name(NETWORK, gateway)]).unwrap();
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth, ExtendedKeyUsagePurpose::ServerAuth];
        let certificate = params.signed_by(&Point(key.public()), &self.issuer).unwrap().der().to_vec();
        // Nobody listens there: it goes on without.
        let address = "127.0.0.1:9".to_owned();
        let authority = self.certificate.clone();
        let (network, gateway) = (NETWORK.to_owned(), gateway.to_owned());
        Identity { network, gateway, address, certificate, authority, not_before: 0, not_after: 4_000_000_000 }
    }
}

struct Daemon {
    child: Child,
    gateways: SocketAddr,
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// One that has joined.
fn daemon(folder: &Path, identity: &Identity) -> Daemon {
    let [_, _, high, low] = std::process::id().to_be_bytes();
    let address = Ipv4Addr::new(127, 1 + high % 250, low, 77);
    let (gateways, metrics) = (SocketAddr::from((address, 8482)), SocketAddr::from((address, 9106)));
    let text = format!(
        "host = \"feg1.visited.example\"\nrealm = \"visited.example\"\nmetrics = \"{metrics}\"\ncontrol = {:?}\nstate_dir = {folder:?}\n\
         [gateways]\nlisten = \"{gateways}\"\n",
        folder.join("fegd.sock")
    );
    let file = folder.join("fegd.toml");
    std::fs::write(&file, text).unwrap();
    let kept = serde_json::json!({"identity": identity, "items": []});
    std::fs::write(folder.join("orchestrator.json"), kept.to_string()).unwrap();
    let child = Command::new(env!("CARGO_BIN_EXE_fegd")).arg("--config").arg(&file).spawn().unwrap();
    Daemon { child, gateways }
}

/// A connection: by TLS with this identity, to one of that name.
async fn channel(to: SocketAddr, tls: Option<(&Identity, &DeviceKey, &str)>) -> Result<Channel, String> {
    let tls = tls.map(|(identity, key, name)| {
        let config = client_config(identity, key).unwrap();
        (TlsConnector::from(Arc::new(config)), ServerName::try_from(member_name(NETWORK, name)).unwrap())
    });
    trait Io: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send {}
    impl<T: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send> Io for T {}
    let connector = tower::service_fn(move |_: tonic::codegen::http::Uri| {
        let tls = tls.clone();
        async move {
            let stream = TcpStream::connect(to).await?;
            let io: Box<dyn Io> = match tls {
                Some((connector, name)) => Box::new(connector.connect(name, stream).await?),
                None => Box::new(stream),
            };
            Ok::<_, io::Error>(TokioIo::new(io))
        }
    });
    Endpoint::from_static("http://federation")
        .connect_with_connector(connector)
        .await
        .map_err(|error| format!("{error:?}"))
}

/// What the first answer to a gateway of that name is.
async fn greet(channel: Channel, gateway: &str) -> Result<(), Status> {
    let (send, messages) = mpsc::channel(4);
    let hello = api::Hello { gateway: gateway.to_owned(), life: 1, ..api::Hello::default() };
    let hello = api::FromGateway { message: Some(api::from_gateway::Message::Hello(hello)) };
    send.send(hello).await.unwrap();
    let mut stream = FederationClient::new(channel).converse(ReceiverStream::new(messages)).await?.into_inner();
    let first = tokio::time::timeout(LONG, stream.message()).await.expect("nothing is said")?;
    let welcome = first.and_then(|first| first.message);
    assert!(matches!(welcome, Some(api::to_gateway::Message::Welcome(_))), "{welcome:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn both_sides_are_who_their_orchestrator_says() {
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::new();
    let feg_key = DeviceKey::load_or_create(&folder.path().join("device.key")).unwrap();
    let daemon = daemon(folder.path(), &authority.identity("feg1", &feg_key));
    let key = DeviceKey::generate().unwrap();
    let mast = authority.identity("mast", &key);
    let deadline = tokio::time::Instant::now() + LONG;
    let welcomed = loop {
        match channel(daemon.gateways, Some((&mast, &key, "feg1"))).await {
            Ok(channel) => break channel,
            Err(error) => assert!(tokio::time::Instant::now() < deadline, "{error}"),
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    greet(welcomed.clone(), "mast").await.unwrap();
    // It is not another gateway.
    assert_eq!(greet(welcomed, "hill").await.unwrap_err().code(), Code::PermissionDenied);
    // It does not speak to another federation gateway than it means.
    let error = channel(daemon.gateways, Some((&mast, &key, "feg2"))).await.unwrap_err();
    assert!(error.contains("NotValidForName"), "{error}");
    // Who comes from another authority is nobody, although he believes us.
    let other = Authority::new().identity("mast", &key);
    let stranger = Identity { authority: authority.certificate.clone(), ..other };
    let served = match channel(daemon.gateways, Some((&stranger, &key, "feg1"))).await {
        Ok(channel) => greet(channel, "mast").await.is_ok(),
        Err(_) => false,
    };
    assert!(!served, "a stranger is served");
    // From this machine, in clear.
    greet(channel(daemon.gateways, None).await.unwrap(), "mast").await.unwrap();
}
