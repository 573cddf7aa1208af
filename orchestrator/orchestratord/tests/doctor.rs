//! `orchestratord doctor` and `orchestratord init`, with faults brought about one by one.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

use serde_json::Value;
use std::fs::{Permissions, set_permissions, write};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

fn program(words: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_orchestratord"));
    command.args(words).env_remove("BASALT_DATABASE").output().unwrap()
}

fn done(words: &[&str]) -> String {
    let output = program(words);
    let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{words:?}: {said}");
    said
}

/// An orchestrator that was set up, below a folder.
struct Ground {
    folder: tempfile::TempDir,
    settings: String,
}

impl Ground {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().display().to_string();
        done(&["init", "--root", &root, "--name", "localhost", "--rest", "127.0.0.1:0"]);
        let free = || TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let settings = std::fs::read_to_string(folder.path().join("etc/basalt/orchestratord.toml")).unwrap();
        let (rest, gateways) = (free(), free());
        let settings =
            settings.replace("127.0.0.1:0", &rest.to_string()).replace("localhost:8481", &gateways.to_string());
        let settings = settings.replace("backup_recipients = []", &format!("backup_recipients = [{RECIPIENT}]"));
        Self { folder, settings: format!("gateway_listen = \"{gateways}\"\n{settings}") }
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("var/lib/basalt-orchestrator")
    }

    /// What the doctor says with these settings.
    fn look(&self, settings: &str) -> Vec<Value> {
        let path = self.folder.path().join("doctor.toml");
        write(&path, settings).unwrap();
        let output = program(&["doctor", "--json", "--config", path.to_str().unwrap()]);
        let findings: Vec<Value> = serde_json::from_slice(&output.stdout).unwrap();
        let broken = findings.iter().any(|finding| finding["level"] == "error");
        assert_eq!(output.status.success(), !broken);
        findings
    }

    /// One fault, which its own check tells with a cause and a fix.
    fn fault(&self, check: &str, settings: &str) {
        let findings = self.look(settings);
        let finding = findings.iter().find(|finding| finding["check"] == check);
        let finding = finding.unwrap_or_else(|| panic!("{check} says nothing: {findings:#?}"));
        assert_ne!(finding["level"], "ok", "{check}: {findings:#?}");
        assert!(finding["cause"] != "" && finding["fix"] != "", "{finding}");
    }
}

const RECIPIENT: &str = "\"age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p\"";

fn mode(path: &Path, mode: u32) {
    set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

#[test]
fn each_fault_has_its_finding() {
    let ground = Ground::new();
    let good = ground.settings.clone();
    let data = ground.data();
    let findings = ground.look(&good);
    let complaints: Vec<&str> =
        findings.iter().filter(|it| it["level"] != "ok").map(|it| it["check"].as_str().unwrap()).collect();
    // Nobody has made himself the first user yet.
    assert_eq!(complaints, ["first-user"], "{findings:#?}");
    let with = |more: &str| format!("{more}\n{good}");
    let without = |key: &str| good.lines().filter(|line| !line.starts_with(key)).collect::<Vec<_>>().join("\n");
    // Settings.
    ground.fault("settings", &with("lisen = 1"));
    ground.fault("settings", &format!("{good}\n[sealing]\nfile = '/a'\nenvironment = 'B'\n"));
    ground.fault("backups", &without("backup_recipients"));
    ground.fault("gateway-address", &without("gateway_address"));
    ground.fault(
        "gateway-address",
        &format!("{}\ngateway_address = 'no-such-name.invalid:8481'", without("gateway_address")),
    );
    ground.fault("gateway-way", &format!("{}\ngateway_address = '127.0.0.1:1'", without("gateway_address")));
    ground.fault("map-tiles", &with("map_tiles = '/nonexistent.pmtiles'"));
    ground.fault(
        "database-way",
        &with("database = 'postgres://u@192.0.2.1/x'\ndatabase_connections = 4")
            .replace("192.0.2.1", "unreachable.invalid"),
    );
    // Ports.
    let held = TcpListener::bind("127.0.0.1:0").unwrap();
    let held_at = held.local_addr().unwrap();
    ground.fault("rest-port", &format!("{}\nlisten = '{held_at}'", without("listen")));
    ground.fault("gateway-port", &format!("{}\ngateway_listen = '{held_at}'", without("gateway_listen")));
    let open = without("listen").replace("tls = true", "tls = false");
    ground.fault(
        "rest-tls",
        &format!(
            "{open}\nlisten = '0.0.0.0:{}'",
            TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
        ),
    );
    // Certificates.
    let (chain, key) = (ground.folder.path().join("c.pem"), ground.folder.path().join("k.pem"));
    let tls = with(&format!("tls_certificate = '{}'\ntls_key = '{}'", chain.display(), key.display()));
    ground.fault("tls-certificate", &tls);
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    write(&chain, made.cert.pem()).unwrap();
    write(&key, rcgen::KeyPair::generate().unwrap().serialize_pem()).unwrap();
    ground.fault("tls-key", &tls);
    let mut params = rcgen::CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    params.not_after = rcgen::date_time_ymd(2020, 1, 1);
    let own = rcgen::KeyPair::generate().unwrap();
    write(&chain, params.self_signed(&own).unwrap().pem()).unwrap();
    write(&key, own.serialize_pem()).unwrap();
    ground.fault("tls-certificate", &tls);
    // The sealing key.
    let sealing = data.join("sealing.key");
    let octets = std::fs::read(&sealing).unwrap();
    mode(&sealing, 0o644);
    ground.fault("sealing-key", &good);
    mode(&sealing, 0o600);
    write(&sealing, [1; 31]).unwrap();
    ground.fault("sealing-key", &good);
    write(&sealing, [1; 32]).unwrap();
    ground.fault("sealing-opens", &good);
    std::fs::remove_file(&sealing).unwrap();
    ground.fault("sealing-key", &good);
    ground.fault("sealing-key", &format!("{good}\n[sealing]\ncommand = ['/bin/false']\n"));
    ground.fault("sealing-key", &format!("{good}\n[sealing]\ncredential = 'none'\n"));
    write(&sealing, &octets).unwrap();
    mode(&sealing, 0o600);
    let former = data.join("sealing.former.key");
    write(&former, [2; 32]).unwrap();
    mode(&former, 0o600);
    ground.fault("sealing-exchange", &good);
    std::fs::remove_file(&former).unwrap();
    // The folder and what is in it.
    mode(&data, 0o755);
    ground.fault("data-dir", &good);
    mode(&data, 0o700);
    let missing = format!("{}\ndata_dir = '/nonexistent/data'", without("data_dir"));
    ground.fault("data-dir", &missing);
    ground.fault("database", &with("database = 'mysql://x'"));
    let database = data.join("orchestrator.db");
    let whole = std::fs::read(&database).unwrap();
    write(&database, vec![7; 100_000]).unwrap();
    ground.fault("database", &good);
    write(&database, whole).unwrap();
    let later = "INSERT INTO _sqlx_migrations VALUES (9999, 'later', '2026-01-01', 1, x'00', 1)";
    if Command::new("sqlite3").arg(&database).arg(later).status().is_ok_and(|status| status.success()) {
        ground.fault("database-form", &good);
    }
}

#[test]
fn init_sets_up_once_and_then_finds_everything_there() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().display().to_string();
    let words = ["init", "--root", &root, "--name", "core.example.net"];
    let dry = done(&[words.as_slice(), &["--dry-run"]].concat());
    assert!(dry.contains("would make settings") && std::fs::read_dir(folder.path()).unwrap().next().is_none(), "{dry}");
    let first = done(&words);
    assert!(first.contains("made       settings") && first.contains("https://core.example.net:8480/setup#"), "{first}");
    let path = folder.path().join("etc/basalt/orchestratord.toml");
    let settings = std::fs::read_to_string(&path).unwrap();
    assert!(settings.contains("gateway_address = \"core.example.net:8481\""), "{settings}");
    let key = std::fs::read(folder.path().join("var/lib/basalt-orchestrator/sealing.key")).unwrap();
    let again = done(&words);
    assert!(!again.contains("made ") && again.contains("setup#"), "{again}");
    assert_eq!(std::fs::read(folder.path().join("var/lib/basalt-orchestrator/sealing.key")).unwrap(), key);
    // What somebody wrote stays.
    write(&path, format!("listen = \"127.0.0.1:9\"\ndata_dir = \"{root}/var/lib/basalt-orchestrator\"\n")).unwrap();
    done(&words);
    assert!(std::fs::read_to_string(&path).unwrap().contains("127.0.0.1:9"));
    let wrong = program(&["init", "--root", &root, "--name", "no name"]);
    assert!(!wrong.status.success());
    // A password goes where others do not read.
    let other = tempfile::tempdir().unwrap();
    let url = "postgres://u:hunter2@127.0.0.1:1/x";
    let output = program(&["init", "--root", other.path().to_str().unwrap(), "--name", "x", "--postgres", url]);
    assert!(!output.status.success(), "there is no such database");
    let env = other.path().join("etc/basalt/orchestratord.env");
    assert_eq!(std::fs::metadata(&env).unwrap().permissions().mode() & 0o777, 0o600);
    let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(!said.contains("hunter2"), "{said}");
}
