//! What the daemon starts with. Without any of it, it starts too.

use crate::notify::address::Allowed;
use crate::notify::smtp::SmtpFile;
use crate::oidc::ProviderFile;
use crate::sealing::Sealing;
use crate::tls::Certificate;
use crate::watching::remote::RemoteFile;
use crate::watching::syslog::SyslogFile;
use anyhow::{Context, Result};
use basalt_control_api::orchestrator::is_place;
use clap::Parser;
use orchestrator_backup::age::Recipient;
use serde::{Deserialize, Serialize};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The orchestrator: configures networks, gateways and subscribers.
#[derive(Debug, Parser)]
#[command(name = "orchestratord", version)]
pub(crate) struct Arguments {
    /// A file of settings (TOML). What stands on the command line goes before it.
    #[arg(long, global = true)]
    pub(crate) config: Option<PathBuf>,
    /// Where database, sealing key and CA are kept.
    #[arg(long, global = true)]
    data_dir: Option<PathBuf>,
    /// Address of the REST interface.
    #[arg(long)]
    listen: Option<SocketAddr>,
    /// The REST interface speaks TLS, with the certificate of the settings or one of its own.
    #[arg(long)]
    tls: bool,
    /// Address for gateways (mutual TLS).
    #[arg(long)]
    gateway_listen: Option<SocketAddr>,
    /// Where gateways find this orchestrator, HOST:PORT (several with commas between), as it stands in their tokens; the address that it
    /// listens on, if absent. Gateways learn of other replicas from each of them.
    #[arg(long)]
    gateway_address: Option<String>,
    /// Where other replicas over the same database find this one, HOST:PORT; the address that it listens on for gateways, if absent.
    #[arg(long)]
    replica_address: Option<String>,
    /// sqlite:PATH or postgres://USER@HOST/NAME; a SQLite file in the data directory, if absent.
    #[arg(long, env = "BASALT_DATABASE", hide_env_values = true, global = true)]
    database: Option<String>,
    /// Makes this network if there is none at all, and prints a token for a gateway of this machine to join it; `basalt up` does.
    #[arg(long, value_name = "NAME")]
    pub(crate) first_network: Option<String>,
    /// Prints the settings that follow from file, command line and defaults, and ends.
    #[arg(long)]
    pub(crate) print_config: bool,
    /// What to do instead of serving.
    #[command(subcommand)]
    pub(crate) command: Option<crate::commands::Command>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct File {
    data_dir: Option<PathBuf>,
    listen: Option<SocketAddr>,
    gateway_listen: Option<SocketAddr>,
    gateway_address: Option<String>,
    replica_address: Option<String>,
    database: Option<String>,
    database_connections: Option<u32>,
    gateway_beat: Option<u32>,
    webhook_allow: Vec<String>,
    map_tiles: Option<PathBuf>,
    tls: Option<bool>,
    tls_certificate: Option<PathBuf>,
    tls_key: Option<PathBuf>,
    tls_names: Vec<String>,
    public_url: Option<String>,
    oidc_allow: Vec<String>,
    oidc: Vec<ProviderFile>,
    smtp: Option<SmtpFile>,
    remote_write: Option<RemoteFile>,
    syslog: Option<SyslogFile>,
    otlp: Option<basalt_otlp::Settings>,
    prometheus_url: Option<String>,
    grafana_url: Option<String>,
    sealing: Sealing,
    backup_recipients: Vec<String>,
}

/// The settings that hold.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Settings {
    /// Where database, sealing key and CA are kept.
    pub(crate) data_dir: PathBuf,
    /// Address of the REST interface.
    pub(crate) listen: SocketAddr,
    /// Address for gateways.
    pub(crate) gateway_listen: SocketAddr,
    /// Where gateways find it, as it stands in their tokens.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) gateway_address: Option<String>,
    /// Where other replicas find it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) replica_address: Option<String>,
    /// The database.
    pub(crate) database: String,
    /// Connections to it at most, 2 to 64.
    pub(crate) database_connections: u32,
    /// Seconds between two beats of a gateway's conversation, 2 to 600. An idle gateway notices after three of them that its replica stands
    /// still; each costs it some 80 octets.
    pub(crate) gateway_beat: u32,
    /// The REST interface speaks TLS.
    pub(crate) tls: bool,
    /// Its certificate (PEM, with its chain) and key; one of our own, if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) tls_certificate: Option<PathBuf>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) tls_key: Option<PathBuf>,
    /// Names and addresses in a certificate of our own.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) tls_names: Vec<String>,
    /// Ranges of addresses that are not public and to which webhooks may go nevertheless, also by plain HTTP.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) webhook_allow: Vec<String>,
    /// A file of map tiles (PMTiles) for the console's map.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) map_tiles: Option<PathBuf>,
    /// Where browsers find the console, for providers of identity to send them back: `https://core.example.net`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) public_url: Option<String>,
    /// Ranges of addresses that are not public and at which providers of identity may be, also by plain HTTP.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) oidc_allow: Vec<String>,
    /// A metrics server that is asked for those who may see a network: `http://127.0.0.1:9090`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) prometheus_url: Option<String>,
    /// Where people find Grafana: the console links to it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) grafana_url: Option<String>,
    /// For whom backups are, where a command names nobody (`age1…`).
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) backup_recipients: Vec<String>,
    /// Providers of identity (OpenID Connect).
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) oidc: Vec<ProviderFile>,
    /// The server that takes mail about alarms.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) smtp: Option<SmtpFile>,
    /// A metrics server that is told all metrics of gateways (Prometheus remote write).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) remote_write: Option<RemoteFile>,
    /// A log server that is told all events (syslog).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) syslog: Option<SyslogFile>,
    /// A collector of OpenTelemetry that is told all events, as log records.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) otlp: Option<basalt_otlp::Settings>,
    /// Where the sealing key comes from, where it is not the data directory's file.
    #[serde(skip_serializing_if = "Sealing::is_usual")]
    pub(crate) sealing: Sealing,
}

/// On the loopback: the interface speaks plain HTTP, for a browser of this machine or a TLS proxy on it.
const LISTEN: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 8480);

/// Everywhere: whoever comes without a token or a certificate is refused in the handshake.
const GATEWAY_LISTEN: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::UNSPECIFIED), 8481);

impl Settings {
    /// From command line, file and defaults, in this order.
    pub(crate) fn resolve(arguments: &Arguments) -> Result<Self> {
        let file = match &arguments.config {
            Some(path) => {
                let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
                toml::from_str(&text).with_context(|| path.display().to_string())?
            }
            None => File::default(),
        };
        let data_dir = arguments.data_dir.clone().or(file.data_dir).unwrap_or_else(data_dir);
        let database = arguments.database.clone().or(file.database);
        let database = database.unwrap_or_else(|| format!("sqlite:{}", data_dir.join("orchestrator.db").display()));
        let database_connections = file.database_connections.unwrap_or(16);
        anyhow::ensure!((2..=64).contains(&database_connections), "database_connections is 2 to 64");
        let gateway_beat = file.gateway_beat.unwrap_or(30);
        anyhow::ensure!((2..=600).contains(&gateway_beat), "gateway_beat is 2 to 600 seconds");
        let listen = arguments.listen.or(file.listen).unwrap_or(LISTEN);
        let gateway_listen = arguments.gateway_listen.or(file.gateway_listen).unwrap_or(GATEWAY_LISTEN);
        let gateway_address = arguments.gateway_address.clone().or(file.gateway_address);
        let replica_address = arguments.replica_address.clone().or(file.replica_address);
        if let Some(address) = &replica_address {
            anyhow::ensure!(is_place(address), "replica_address is HOST:PORT, such as 10.0.0.2:8481");
        }
        if let Some(address) = &gateway_address {
            anyhow::ensure!(
                address.split(',').all(is_place),
                "gateway_address is HOST:PORT, such as core.example.net:8481, or several with commas between"
            );
        }
        let webhook_allow = file.webhook_allow;
        let (tls_certificate, tls_key) = (file.tls_certificate, file.tls_key);
        anyhow::ensure!(tls_certificate.is_some() == tls_key.is_some(), "tls_certificate and tls_key go together");
        let settings = Self {
            tls: arguments.tls || file.tls.unwrap_or(tls_certificate.is_some()),
            tls_certificate,
            tls_key,
            tls_names: file.tls_names,
            data_dir,
            listen,
            gateway_listen,
            gateway_address,
            replica_address,
            database,
            database_connections,
            gateway_beat,
            webhook_allow,
            map_tiles: file.map_tiles,
            public_url: file.public_url,
            oidc_allow: file.oidc_allow,
            oidc: file.oidc,
            smtp: file.smtp,
            remote_write: file.remote_write,
            syslog: file.syslog,
            otlp: file.otlp,
            prometheus_url: file.prometheus_url,
            grafana_url: file.grafana_url,
            sealing: file.sealing,
            backup_recipients: file.backup_recipients,
        };
        let is_web = |url: &str| url.starts_with("https://") || url.starts_with("http://");
        if let Some(url) = settings.grafana_url.as_deref().filter(|url| !is_web(url)) {
            anyhow::bail!("grafana_url {url:?} is not the address of a page: it begins with https:// or http://");
        }
        settings.sealing.check()?;
        for recipient in &settings.backup_recipients {
            recipient.parse::<Recipient>().map_err(|error| anyhow::anyhow!("backup_recipients: {error}"))?;
        }
        settings.webhook_allow()?;
        crate::oidc::open(&settings)?;
        Ok(settings)
    }

    /// What the REST interface shows for itself, if it speaks TLS.
    pub(crate) fn certificate(&self) -> Result<Option<Arc<Certificate>>> {
        let certificate = match (self.tls, &self.tls_certificate, &self.tls_key) {
            (false, ..) => return Ok(None),
            (true, Some(chain), Some(key)) => Certificate::open(chain, key)?,
            _ => {
                let mut names = self.tls_names.clone();
                names.extend(["localhost".to_owned(), "127.0.0.1".to_owned(), "::1".to_owned()]);
                Certificate::own(&self.data_dir, names)?
            }
        };
        Ok(Some(certificate))
    }

    /// Where webhooks may go besides public addresses.
    pub(crate) fn webhook_allow(&self) -> Result<Vec<Allowed>> {
        let read = |text: &String| text.parse().map_err(|error: String| anyhow::anyhow!("webhook_allow: {error}"));
        self.webhook_allow.iter().map(read).collect()
    }

    /// Where providers of identity may be besides public addresses.
    pub(crate) fn oidc_allow(&self) -> Result<Vec<Allowed>> {
        let read = |text: &String| text.parse().map_err(|error: String| anyhow::anyhow!("oidc_allow: {error}"));
        self.oidc_allow.iter().map(read).collect()
    }

    /// As a file of settings. A password in the database's address is not shown.
    pub(crate) fn shown(&self) -> Result<String> {
        let mut shown = self.clone();
        if let Some((before, host)) = shown.database.rsplit_once('@')
            && let Some((scheme, user)) = before.split_once("://")
        {
            let user = user.split(':').next().unwrap_or_default();
            shown.database = format!("{scheme}://{user}@{host}");
        }
        Ok(toml::to_string(&shown)?)
    }
}

/// `/var/lib/basalt` where we may write, else a folder of the user's.
fn data_dir() -> PathBuf {
    let of_system = Path::new("/var/lib");
    let home = std::env::var_os("HOME").map(PathBuf::from).unwrap_or_default();
    let mine = std::fs::metadata("/proc/self").is_ok_and(|own| std::os::unix::fs::MetadataExt::uid(&own) == 0);
    if mine { of_system.join("basalt/orchestrator") } else { home.join(".local/share/basalt/orchestrator") }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn the_command_line_goes_before_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("orchestratord.toml");
        std::fs::write(&path, "listen = \"127.0.0.1:1\"\ndata_dir = \"/d\"\ndatabase_connections = 8\n").unwrap();
        let config = path.to_str().unwrap();
        let resolve = |more: &[&str]| {
            let words = ["orchestratord", "--config", config].into_iter().chain(more.iter().copied());
            Settings::resolve(&Arguments::parse_from(words)).unwrap()
        };
        assert_eq!(resolve(&[]).listen.port(), 1);
        assert_eq!(resolve(&["--listen", "127.0.0.1:2"]).listen.port(), 2);
        assert_eq!(resolve(&["--data-dir", "/e"]).database, "sqlite:/e/orchestrator.db");
        std::fs::write(&path, "lisen = 1").unwrap();
        let arguments = Arguments::parse_from(["orchestratord", "--config", config]);
        assert!(format!("{:#}", Settings::resolve(&arguments).unwrap_err()).contains("lisen"));
    }

    #[test]
    fn what_is_printed_has_no_password_and_can_be_read_again() {
        let words = ["orchestratord", "--data-dir", "/d", "--database", "postgres://ann:hunter2@db/basalt"];
        let shown = Settings::resolve(&Arguments::parse_from(words)).unwrap().shown().unwrap();
        assert!(!shown.contains("hunter2") && shown.contains("postgres://ann@db/basalt"), "{shown}");
        toml::from_str::<File>(&shown).unwrap();
    }
}
