//! A whole network to play with: a lab, an internet, and a gateway in it.

use std::path::PathBuf;

use anyhow::{Context, Result};
use basalt_sctp::{Backend, UDP_ENCAPSULATION_PORT, port};
use toml::Table;

use crate::gateway::{Gateway, GatewaySetup};
use crate::internet::Services;
use crate::lab::{self, Lab};
use crate::radio::{Radio, RadioOptions};
use crate::{stop, sys};

/// What a network is to be like.
#[derive(Clone, Debug)]
pub struct NetworkPlan {
    /// Name of its lab.
    pub lab: String,
    /// Settings of the gateway beyond the lab's own.
    pub settings: Table,
    /// Where the gateway keeps its state; in memory if it is not said.
    pub state_dir: Option<PathBuf>,
    /// SCTP over UDP and the software data plane: what works without root.
    pub unprivileged: bool,
    /// How SCTP travels, with root.
    pub backend: Backend,
    /// Octets of a packet that the cables carry, if not the usual ones.
    pub cables: Option<u32>,
}

impl NetworkPlan {
    /// The usual network in a lab of this name.
    #[must_use]
    pub fn new(lab: &str, unprivileged: bool) -> Self {
        let (settings, backend) = (Table::new(), Backend::Auto);
        Self { lab: lab.to_owned(), settings, state_dir: None, unprivileged, backend, cables: None }
    }
}

/// See the [module](self). Dropped, it is taken down, and nothing of it stays.
#[derive(Debug)]
pub struct Network {
    /// The gateway.
    pub gateway: Gateway,
    /// The lab.
    pub lab: Lab,
    internet: Vec<Services>,
    radio: RadioOptions,
    up: bool,
}

impl Network {
    /// Brings a network up.
    ///
    /// # Errors
    /// The lab or the gateway cannot be brought up; nothing stays then.
    pub fn start(plan: &NetworkPlan) -> Result<Self> {
        // Before there is anything: signals may come at any time.
        stop::take_down(&plan.lab)?;
        sys::adopt_orphans().context("adopting what a gateway leaves behind")?;
        let built = Lab::up(&plan.lab).and_then(|lab| {
            Self::build(plan, lab).inspect_err(|_| {
                // The first error is the one to tell.
                let _ = Lab::down(&plan.lab);
            })
        });
        if built.is_err() {
            stop::forget(&plan.lab);
        }
        built
    }

    fn build(plan: &NetworkPlan, lab: Lab) -> Result<Self> {
        lab.occupy()?;
        if let Some(mtu) = plan.cables {
            lab.resize(mtu)?;
        }
        let mut internet = vec![Services::start(&lab.internet, lab::SERVER)?];
        if std::path::Path::new("/proc/sys/net/ipv6").exists() {
            internet.push(Services::start(&lab.internet, lab::SERVER6)?);
        }
        let state_dir = plan.state_dir.clone().unwrap_or_else(|| lab.directory().join("state"));
        let setup = GatewaySetup { settings: plan.settings.clone(), state_dir, unprivileged: plan.unprivileged };
        let gateway = Gateway::start(&lab, &setup)?;
        let radio = RadioOptions {
            ns: Some(lab.ran.clone()),
            backend: if plan.unprivileged { Backend::Udp { port: 0 } } else { plan.backend },
            mme: (lab::GATEWAY_S1, port::S1AP).into(),
            remote_udp_port: UDP_ENCAPSULATION_PORT,
        };
        Ok(Self { gateway, lab, internet, radio, up: true })
    }

    /// Where and how a radio of this network runs.
    #[must_use]
    pub fn radio_options(&self) -> &RadioOptions {
        &self.radio
    }

    /// Starts a radio of this network. It is to be dropped before the network is.
    ///
    /// # Errors
    /// No thread, or no right to enter the namespace.
    pub fn radio(&self) -> Result<Radio> {
        Radio::start(&self.radio)
    }

    /// Takes everything down and says whether the gateway ended in order.
    ///
    /// # Errors
    /// The gateway did not end in order, or something cannot be removed.
    pub fn end(mut self) -> Result<()> {
        let stopped = if self.gateway.runs() { self.gateway.stop() } else { Ok(()) };
        self.remove()?;
        stopped
    }

    fn remove(&mut self) -> Result<()> {
        self.up = false;
        self.internet.clear();
        let removed = Lab::down(self.lab.name());
        stop::forget(self.lab.name());
        removed
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        if self.up {
            if self.gateway.runs() {
                let _ = self.gateway.stop();
            }
            if let Err(error) = self.remove() {
                eprintln!("testbed: {error:#}");
            }
        }
    }
}
