//! `orchestratord doctor`: what keeps an orchestrator from working on this machine, each with its cause and what to do.

use crate::sealing;
use crate::settings::{Arguments, Settings};
use basalt_control_api::orchestrator::DEFAULT_PORT;
use basalt_doctor::{Finding, Level, service, worst};
use orchestrator_db::{Error, Repository, open_as_it_is};
use orchestrator_fleet::Authority;
use std::net::ToSocketAddrs as _;
use std::path::Path;
use std::sync::Arc;

/// The name of the process, as the system knows it.
const OWN: &str = "orchestratord";

/// Looks at everything; whether nothing is broken.
pub(super) async fn run(arguments: &Arguments, json: bool) -> bool {
    let findings = match Settings::resolve(arguments) {
        Ok(settings) => look(&settings).await,
        Err(error) => vec![Finding::error(
            "settings",
            format!("{error:#}"),
            "the orchestrator will not start",
            "correct the line; `orchestratord --print-config` shows what follows from the settings",
        )],
    };
    print!("{}", service::report(&findings, json));
    worst(&findings) < Level::Error
}

async fn look(settings: &Settings) -> Vec<Finding> {
    let mut findings = vec![Finding::ok("settings", "can be read"), service::clock()];
    findings.push(service::folder("data-dir", &settings.data_dir));
    findings.extend(service::space("disk-space", &settings.data_dir));
    findings.push(service::port("rest-port", settings.listen, OWN));
    findings.push(service::port("gateway-port", settings.gateway_listen, OWN));
    findings.push(rest_tls(settings));
    findings.extend(certificate(settings));
    findings.extend(gateway_address(settings));
    findings.extend(map_tiles(settings));
    findings.push(backups(settings));
    let key = sealing_key(settings, &mut findings);
    findings.extend(exchange(settings));
    findings.extend(database_way(settings));
    match database(settings).await {
        Err(finding) => findings.push(finding),
        Ok(None) => {}
        Ok(Some(db)) => {
            findings.push(Finding::ok("database", "can be opened, in the present form"));
            if key {
                findings.extend(authority(db.as_ref(), settings).await);
            }
            findings.extend(users(db.as_ref()).await);
            db.close().await;
        }
    }
    findings
}

fn rest_tls(settings: &Settings) -> Finding {
    if settings.tls || settings.listen.ip().is_loopback() {
        return Finding::ok("rest-tls", if settings.tls { "on" } else { "off, for this machine alone" });
    }
    Finding::warning(
        "rest-tls",
        format!("others reach {} by plain HTTP", settings.listen),
        "passwords and keys of SIMs can be read on the way",
        "tls = true, or a TLS proxy on this machine and listen = \"127.0.0.1:8480\"",
    )
}

fn certificate(settings: &Settings) -> Vec<Finding> {
    if !settings.tls {
        return Vec::new();
    }
    let own = settings.data_dir.join("rest.pem");
    let path = settings.tls_certificate.as_deref().unwrap_or(&own);
    if settings.tls_certificate.is_none() && !path.exists() {
        let found = "one of its own is made at the first start";
        return vec![Finding::ok("tls-certificate", found)];
    }
    let mut findings = vec![service::certificate("tls-certificate", path)];
    if let (Some(certificate), Some(key)) = (&settings.tls_certificate, &settings.tls_key) {
        findings.push(match crate::tls::Certificate::open(certificate, key) {
            Ok(_) => Finding::ok("tls-key", format!("{} belongs to the certificate", key.display())),
            Err(error) => Finding::error(
                "tls-key",
                format!("{error:#}"),
                "the orchestrator will not start",
                "name the key with which the certificate was asked for, as PEM, readable for the orchestrator",
            ),
        });
    }
    findings
}

fn gateway_address(settings: &Settings) -> Vec<Finding> {
    let Some(places) = &settings.gateway_address else {
        return vec![Finding::warning(
            "gateway-address",
            "not named",
            "tokens have the address that this machine happens to have: gateways behind other networks do not find it, \
             nor any after it changed",
            "gateway_address = \"NAME:8481\", with a name that gateways can look up",
        )];
    };
    let mut findings = Vec::new();
    for place in places.split(',') {
        findings.push(service::name("gateway-address", place, "the orchestrator"));
        let port = place.rsplit(':').next().and_then(|port| port.parse::<u16>().ok());
        if findings.len() == 1 && port.is_some_and(|port| port != settings.gateway_listen.port()) {
            findings.push(Finding::warning(
                "gateway-way",
                format!("gateways are told {place}, the orchestrator listens on {}", settings.gateway_listen),
                "unless something in between passes one on to the other, no gateway comes through",
                format!("the same port in both ({DEFAULT_PORT} is usual), or a rule that passes it on"),
            ));
        }
    }
    // Each check is told once: the worst of several places.
    let (mut places, rest): (Vec<_>, Vec<_>) = findings.into_iter().partition(|it| it.check == "gateway-address");
    places.sort_by_key(|finding| std::cmp::Reverse(finding.level));
    places.into_iter().take(1).chain(rest).collect()
}

fn map_tiles(settings: &Settings) -> Option<Finding> {
    let path = settings.map_tiles.as_ref()?;
    Some(match std::fs::File::open(path) {
        Ok(_) => Finding::ok("map-tiles", format!("{} can be read", path.display())),
        Err(error) => Finding::warning(
            "map-tiles",
            format!("{}: {error}", path.display()),
            "the console shows gateways without a map below them",
            "put the file (PMTiles) there, readable for the orchestrator, or leave map_tiles out",
        ),
    })
}

fn backups(settings: &Settings) -> Finding {
    if settings.backup_recipients.is_empty() {
        return Finding::warning(
            "backups",
            "nobody is named for whom backups are",
            "without a backup, a lost disk loses every subscriber, and every site has to be joined anew",
            "basalt backup keygen -o KEY, keep KEY elsewhere, backup_recipients = [\"age1…\"], and a timer: basalt backup create --to FOLDER --keep 14",
        );
    }
    Finding::ok("backups", format!("for {} recipients", settings.backup_recipients.len()))
}

/// Whether there is a key to look further with.
fn sealing_key(settings: &Settings, findings: &mut Vec<Finding>) -> bool {
    if let Some(path) = sealing::file(settings) {
        match service::secret_file("sealing-key", &path, Some(32)) {
            Some(finding) => findings.push(finding),
            None if is_there(settings) => findings.push(Finding::error(
                "sealing-key",
                format!("{} is gone, and there is a database", path.display()),
                "keys of SIMs and of the gateways' authority do not open; a new key would not help",
                "bring it back from a backup (basalt backup restore), or from another replica",
            )),
            None => findings.push(Finding::ok("sealing-key", "made at the first start")),
        }
    } else {
        findings.push(match sealing::existing(settings) {
            Ok(_) => Finding::ok("sealing-key", "comes from where the settings say"),
            Err(error) => Finding::error(
                "sealing-key",
                format!("{error:#}"),
                "the orchestrator will not start",
                "look at what `sealing` in the settings names: the credential, the variable, or the program's own log",
            ),
        });
    }
    sealing::existing(settings).is_ok()
}

fn exchange(settings: &Settings) -> Option<Finding> {
    let former = sealing::former(&settings.data_dir);
    former.exists().then(|| {
        Finding::warning(
            "sealing-exchange",
            format!("{} is still there", former.display()),
            "an exchange of the sealing key was cut off: both keys are needed",
            "basalt-orchestrator's own user: orchestratord sealing rotate, which goes on where it ended",
        )
    })
}

/// Whether something is stored already, as far as files tell.
fn is_there(settings: &Settings) -> bool {
    settings.database.strip_prefix("sqlite:").is_some_and(|path| Path::new(path).exists())
}

fn database_way(settings: &Settings) -> Option<Finding> {
    let rest = settings.database.split_once("://")?.1;
    let host = rest.rsplit('@').next()?.split(['/', '?']).next()?;
    let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
    let near = name.is_empty()
        || name == "localhost"
        || (name, 5432).to_socket_addrs().is_ok_and(|mut all| all.all(|address| address.ip().is_loopback()));
    let closed = ["sslmode=require", "sslmode=verify-ca", "sslmode=verify-full"];
    if near || closed.iter().any(|mode| rest.contains(mode)) {
        return Some(Finding::ok("database-way", if near { "on this machine" } else { "encrypted" }));
    }
    Some(Finding::warning(
        "database-way",
        format!("PostgreSQL at {name} may be spoken to in the clear"),
        "whoever is on the way reads and changes what the orchestrator stores",
        "…?sslmode=verify-full in the database's address, and ssl = on at the server",
    ))
}

/// Opens it as it is: a diagnosis changes nothing.
async fn database(settings: &Settings) -> Result<Option<Arc<dyn Repository>>, Finding> {
    if settings.database.starts_with("sqlite:") && !is_there(settings) {
        return Ok(None);
    }
    let opened = open_as_it_is(&orchestrator_db::Settings { address: settings.database.clone(), connections: 4 }).await;
    opened.map(Some).map_err(|error| {
        let found = format!("{error}");
        match error {
            Error::Migration(_) => Finding::error(
                "database-form",
                found,
                "it was brought to a form that this version does not know, or its history was changed",
                "install the version that ran last (apt-get install basalt-orchestrator=VERSION), or restore the backup made before",
            ),
            Error::Address(_) => Finding::error("database", found, "the orchestrator will not start", "sqlite:PATH or postgres://USER@HOST/NAME"),
            _ => Finding::error(
                "database",
                found,
                "the orchestrator will not start",
                "PostgreSQL: is it running, are name and password right (psql with the same address)? SQLite: is the file whole \
                 (sqlite3 FILE 'PRAGMA integrity_check')? If not: basalt backup restore",
            ),
        }
    })
}

async fn authority(db: &dyn Repository, settings: &Settings) -> Option<Finding> {
    let key = sealing::existing(settings).ok()?;
    db.setting(orchestrator_fleet::AUTHORITY_SETTING, None).await.ok()??;
    Some(match Authority::ensure(db, &key).await {
        Ok(_) => Finding::ok("sealing-opens", "the key opens what it sealed"),
        Err(error) => Finding::error(
            "sealing-opens",
            format!("{error:#}"),
            "it is not the key that sealed this database",
            "put the key of this database there: from a backup of it, or from another replica",
        ),
    })
}

async fn users(db: &dyn Repository) -> Option<Finding> {
    let any = db.users(None, "", 1).await.ok()?;
    if !any.items.is_empty() {
        return Some(Finding::ok("first-user", "there are users"));
    }
    Some(Finding::warning(
        "first-user",
        "there is no user yet",
        "nobody can log in, and whoever reads the log first can make himself the first user",
        "open the setup link: journalctl -u basalt-orchestratord | grep setup",
    ))
}
