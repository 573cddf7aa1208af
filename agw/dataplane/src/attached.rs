//! Programs on interfaces that disappear and return: a new interface of the old name gets its program again.

use crate::config::Config;
use crate::host::{self, Snapshot};
use crate::xdp::{Loaded, Mode};
use basalt_ebpf_abi::programs;
use std::sync::{Arc, Mutex, PoisonError};

/// Which program belongs on which interface, and where it is.
pub(crate) struct Attached {
    loaded: Arc<Mutex<Loaded>>,
    allow: Vec<Mode>,
    internet: String,
    /// Program, interface, and its index when the program was attached; 0 before anyone has looked.
    places: Vec<(&'static str, String, u32)>,
}

impl Attached {
    /// What was just attached.
    pub(crate) fn new(loaded: Arc<Mutex<Loaded>>, config: &Config, allow: &[Mode]) -> Self {
        let mut places = vec![(programs::ACCESS, config.access_interface.clone(), 0)];
        if config.direct() {
            places.push((programs::INTERNET, config.internet_interface.clone(), 0));
        }
        Self { loaded, allow: allow.to_vec(), internet: config.internet_interface.clone(), places }
    }

    /// Attaches programs to interfaces that are new.
    pub(crate) fn follow(&mut self, snapshot: &Snapshot) {
        for (program, name, index) in &mut self.places {
            let Some(link) = snapshot.link(name) else {
                if *index != 0 {
                    tracing::warn!(interface = name, "an interface has disappeared; it is waited for");
                    *index = u32::MAX;
                }
                continue;
            };
            if *index == 0 || link.index == *index {
                *index = link.index;
                continue;
            }
            let mut loaded = self.loaded.lock().unwrap_or_else(PoisonError::into_inner);
            match loaded.attach(program, name, &self.allow) {
                Ok(mode) => {
                    tracing::info!(interface = name, ?mode, "an interface is back");
                    *index = link.index;
                }
                // Tried again with the next change, and every second.
                Err(error) => tracing::warn!(interface = name, %error, "an interface is back, but not usable yet"),
            }
            if *name == self.internet
                && let Err(error) = host::ipv4_switch(name, "forwarding", "1")
            {
                tracing::warn!(%error, "forwarding on an interface that is back");
            }
        }
    }

    /// Whether an interface is away.
    pub(crate) fn waiting(&self) -> bool {
        self.places.iter().any(|(_, _, index)| *index == u32::MAX)
    }
}
