//! The configuration file: the lab's own settings, and those that were asked for on top.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;

use anyhow::{Result, anyhow};
use toml::{Table, Value};

use super::GatewaySetup;
use crate::lab;

/// Where Prometheus text is served, inside the gateway's namespace.
pub(super) const METRICS: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 9105);

/// The lab's configuration with the settings that were asked for on top.
pub(super) fn configuration(setup: &GatewaySetup, directory: &Path) -> Result<Table> {
    let text = |path: &Path| path.to_string_lossy().into_owned();
    let (address, length) = lab::PHONES;
    let mut config: Table = toml::from_str(&format!(
        r#"
        name = "basalt-lab"
        state_dir = {state:?}
        run_dir = {run:?}
        [network]
        plmns = ["001-01"]
        tacs = [1]
        full_name = "Basalt"
        short_name = "Basalt"
        [radio]
        listen = ["{gateway}"]
        [internet]
        interface = "{sgi}"
        mode = "routed"
        dns = ["{dns}"]
        [[apn]]
        name = "internet"
        pools = ["{address}/{length}"]
        [metrics]
        listen = "{METRICS}"
        "#,
        state = text(&setup.state_dir),
        run = text(directory),
        gateway = lab::GATEWAY_S1,
        sgi = lab::SGI_INTERFACE,
        dns = lab::SERVER,
    ))?;
    if setup.unprivileged {
        set(&mut config, "radio.sctp", Value::from("udp"))?;
        set(&mut config, "dataplane.mode", Value::from("software"))?;
    }
    merge(&mut config, setup.settings.clone());
    Ok(config)
}

/// Sets `path` (keys joined by dots) in a configuration.
///
/// # Errors
/// A part of the path is no table.
pub fn set(config: &mut Table, path: &str, value: Value) -> Result<()> {
    let mut table = config;
    let mut keys: Vec<&str> = path.split('.').collect();
    let last = keys.pop().unwrap_or_default();
    for key in keys {
        let inner = table.entry(key).or_insert_with(|| Value::Table(Table::new()));
        table = inner.as_table_mut().ok_or_else(|| anyhow!("{key} of {path} is no table"))?;
    }
    table.insert(last.to_owned(), value);
    Ok(())
}

fn merge(into: &mut Table, from: Table) {
    for (key, value) in from {
        match (into.get_mut(&key), value) {
            (Some(Value::Table(inner)), Value::Table(value)) => merge(inner, value),
            (_, value) => {
                into.insert(key, value);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_reach_their_tables() {
        let mut config: Table = toml::from_str("[radio]\nport = 1").unwrap();
        set(&mut config, "radio.sctp", Value::from("udp")).unwrap();
        set(&mut config, "paging.attempts", Value::from(2)).unwrap();
        assert!(set(&mut config, "radio.port.x", Value::from(1)).is_err());
        let mut other = Table::new();
        set(&mut other, "radio.port", Value::from(2)).unwrap();
        merge(&mut config, other);
        let radio = config["radio"].as_table().unwrap();
        assert_eq!((radio["port"].as_integer(), radio["sctp"].as_str()), (Some(2), Some("udp")));
    }

    #[test]
    fn the_labs_configuration_is_whole() {
        let setup = GatewaySetup { settings: Table::new(), state_dir: "/tmp/state".into(), unprivileged: true };
        let config = configuration(&setup, Path::new("/tmp/run")).unwrap();
        assert_eq!(config["radio"].as_table().unwrap()["sctp"].as_str(), Some("udp"));
        assert_eq!(config["apn"].as_array().unwrap().len(), 1);
    }
}
