//! Programs that others wrote take what the orchestrator tells: Prometheus, Alertmanager, a mail server.

use super::*;
use std::process::{Child, Command, Stdio};

/// A program of the system, ended with the test.
struct Program(Child);

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Starts a program that serves HTTP; `None` where it is not installed.
async fn start(name: &str, arguments: &[String], port: u16) -> Option<Program> {
    let started = Command::new(name).args(arguments).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
    let Ok(child) = started else {
        println!("skipped: {name} is not installed");
        return None;
    };
    let program = Program(child);
    let began = Instant::now();
    while TcpStream::connect(("127.0.0.1", port)).await.is_err() {
        assert!(began.elapsed() < PATIENCE, "{name} does not listen");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    Some(program)
}

async fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port()
}

async fn get(url: String) -> (u16, Value) {
    let request = FetchRequest { url, form: None, basic: None };
    match anywhere().unwrap().fetch(&request).await {
        Ok((status, body)) => (status, serde_json::from_slice(&body).unwrap_or_default()),
        Err(_) => (0, Value::Null),
    }
}

#[tokio::test]
async fn a_real_prometheus_takes_what_gateways_tell() {
    let (folder, port) = (tempfile::tempdir().unwrap(), free_port().await);
    let config = folder.path().join("prometheus.yml");
    std::fs::write(&config, "global: {}\n").unwrap();
    let arguments = [
        format!("--config.file={}", config.display()),
        format!("--storage.tsdb.path={}", folder.path().join("tsdb").display()),
        format!("--web.listen-address=127.0.0.1:{port}"),
        "--web.enable-remote-write-receiver".to_owned(),
    ];
    let base = format!("http://127.0.0.1:{port}");
    // What comes before the server is there waits, and comes then.
    let file = remote::RemoteFile { url: format!("{base}/api/v1/write"), token_file: None };
    let remote = Arc::new(Remote::new(&file, anywhere().unwrap()).unwrap());
    let samples: orchestrator_telemetry::watched::Samples = Arc::new([("basalt_agw_ues{state=\"idle\"}".into(), 7.0)]);
    for network in ["lab", "theirs"] {
        remote.push((network.to_owned(), "g".to_owned()), crate::now(), Arc::clone(&samples));
    }
    let sender = tokio::spawn(Arc::clone(&remote).run());
    let began = Instant::now();
    while remote.failed.load(Ordering::Relaxed) == 0 {
        assert!(began.elapsed() < PATIENCE, "nobody listens, and nothing failed");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let Some(_prometheus) = start("prometheus", &arguments, port).await else { return };
    let query =
        orchestrator_telemetry::enforce::enforce("sum(basalt_agw_ues) by (network, gateway)", &[("network", "lab")]);
    let query = query.unwrap().replace(' ', "%20").replace('{', "%7B").replace('}', "%7D").replace('"', "%22");
    loop {
        let (_, found) = get(format!("{base}/api/v1/query?query={query}")).await;
        if let Some(first) = found["data"]["result"].get(0) {
            assert_eq!(first["metric"], json!({"gateway": "g", "network": "lab"}));
            assert_eq!(first["value"][1], "7");
            assert_eq!(found["data"]["result"].as_array().unwrap().len(), 1, "one network alone");
            break;
        }
        assert!(began.elapsed() < 2 * PATIENCE, "it never came: {found}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(
        (remote.waiting(), remote.dropped.load(Ordering::Relaxed), remote.sent.load(Ordering::Relaxed)),
        (0, 0, 2)
    );
    sender.abort();
}

#[tokio::test]
async fn a_real_alertmanager_takes_alarms() {
    let (folder, port) = (tempfile::tempdir().unwrap(), free_port().await);
    let config = folder.path().join("alertmanager.yml");
    std::fs::write(&config, "route:\n  receiver: none\nreceivers:\n  - name: none\n").unwrap();
    let arguments = [
        format!("--config.file={}", config.display()),
        format!("--storage.path={}", folder.path().display()),
        format!("--web.listen-address=127.0.0.1:{port}"),
        "--cluster.listen-address=".to_owned(),
    ];
    let Some(_alertmanager) = start("prometheus-alertmanager", &arguments, port).await else { return };
    let world = World::new().await;
    let base = format!("http://127.0.0.1:{port}/api/v2/alerts");
    let body = json!({"channel": "alertmanager", "target": base, "send_resolved": true});
    world.put(Kind::AlertReceiver, "lab", "am", body, None).await;
    world.db.enqueue("lab", &[waiting("am")], None).await.unwrap();
    let began = Instant::now();
    loop {
        // It may listen and not be ready yet; then what was refused comes again.
        crate::notify::look(&world.db, &world.key, &Arc::new(anywhere().unwrap()), None).await.unwrap();
        let (status, alerts) = get(base.clone()).await;
        if let Some(alert) = alerts.get(0).filter(|_| status == 200) {
            assert_eq!(
                (&alert["labels"]["alertname"], &alert["labels"]["network"]),
                (&json!("gateway-offline"), &json!("lab"))
            );
            break;
        }
        assert!(began.elapsed() < PATIENCE, "{status} {alerts}");
        for mut waits in world.db.deliveries("lab", "@am", None, 10).await.unwrap() {
            (waits.due_at, waits.state) = (1, orchestrator_db::DeliveryState::Pending);
            world.db.settle(&waits).await.unwrap();
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// An alarm that waits for a receiver.
fn waiting(receiver: &str) -> orchestrator_db::Delivery {
    let now = crate::now();
    let notice = Notice { rule: "gateway-offline".to_owned(), gateway: "g".to_owned(), ..Notice::test("lab", now) };
    orchestrator_db::Delivery {
        id: "1".to_owned(),
        network: "lab".to_owned(),
        webhook: receiver_place(receiver),
        event: "alarm/1/raised".to_owned(),
        kind: "gateway-offline".to_owned(),
        body: serde_json::to_string(&notice).unwrap(),
        state: orchestrator_db::DeliveryState::Pending,
        attempts: 0,
        due_at: 1,
        created_at: 1,
        changed_at: 1,
        trouble: String::new(),
    }
}

#[tokio::test]
async fn a_real_mail_server_takes_alarms_over_starttls() {
    let (folder, port) = (tempfile::tempdir().unwrap(), free_port().await);
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let (certificate, key) = (folder.path().join("cert.pem"), folder.path().join("key.pem"));
    std::fs::write(&certificate, made.cert.pem()).unwrap();
    std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();
    let mails = folder.path().join("mails");
    let arguments = [
        "--nosetuid".to_owned(),
        format!("--listen=localhost:{port}"),
        "--class=aiosmtpd.handlers.Mailbox".to_owned(),
        format!("--tlscert={}", certificate.display()),
        format!("--tlskey={}", key.display()),
        mails.display().to_string(),
    ];
    let Some(_server) = start("aiosmtpd", &arguments, port).await else { return };
    let world = World::new().await;
    world.put(Kind::AlertReceiver, "lab", "mail", json!({"channel": "email", "target": "noc@example.net"}), None).await;
    world.db.enqueue("lab", &[waiting("mail")], None).await.unwrap();
    let mut roots = rustls::RootCertStore::empty();
    roots.add(made.cert.der().clone()).unwrap();
    let tls = rustls::ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let file = SmtpFile {
        server: format!("localhost:{port}"),
        from: "Basalt <basalt@example.net>".to_owned(),
        protection: Protection::Starttls,
        user: None,
        password_file: None,
    };
    let smtp = Arc::new(Smtp::new(&file, Arc::new(tls).into()).unwrap());
    crate::notify::look(&world.db, &world.key, &Arc::new(anywhere().unwrap()), Some(&smtp)).await.unwrap();
    let began = Instant::now();
    let mail = loop {
        let new = std::fs::read_dir(mails.join("new")).into_iter().flatten().flatten().next();
        if let Some(file) = new {
            break std::fs::read_to_string(file.path()).unwrap();
        }
        let told = world.db.deliveries("lab", "@mail", None, 10).await.unwrap();
        assert!(began.elapsed() < PATIENCE, "{told:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    assert!(mail.contains("To: noc@example.net") && mail.contains("From: Basalt <basalt@example.net>"), "{mail}");
    assert!(mail.contains("gateway-offline") || mail.to_lowercase().contains("offline"), "{mail}");
}
