//! `basalt up` on the command line.

use clap::Args;
use std::net::SocketAddr;
use std::path::PathBuf;

/// Orchestrator and gateway on this machine.
#[derive(Args)]
pub(crate) struct Up {
    /// Folder for everything that both keep: /var/lib/basalt, or .local/share/basalt of a user who is not root
    #[arg(long, value_name = "FOLDER")]
    pub(crate) state_dir: Option<PathBuf>,
    /// Address of console and REST interface; 127.0.0.1:8480 by default
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub(crate) listen: Option<SocketAddr>,
    /// Address for gateways, also others; 0.0.0.0:8481 by default
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub(crate) gateway_listen: Option<SocketAddr>,
    /// Network that is made when there is none, and that the gateway joins
    #[arg(long, value_name = "NAME", default_value = "home")]
    pub(crate) first_network: String,
    /// The gateway's configuration; /etc/basalt/agwd.toml where there is one, else one is written for the test network 001-01
    #[arg(long, value_name = "FILE")]
    pub(crate) gateway_config: Option<PathBuf>,
    /// The orchestrator's settings, where they are not its defaults
    #[arg(long, value_name = "FILE")]
    pub(crate) orchestrator_config: Option<PathBuf>,
}
