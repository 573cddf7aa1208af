//! The configuration that follows from the file of this machine and what the orchestrator says.
//!
//! Precedence, from weakest to strongest: defaults and what the machine tells; the file; the orchestrator. What the orchestrator does
//! not say stays as the file has it. Items are laid over the file one after the other, each is tried, and one that would make the
//! configuration invalid is left out with its reason while the others hold. Interfaces, addresses towards base stations, folders
//! and sizes are the machine's alone.

mod apns;
mod body;
mod federation;
mod gateway;
mod network;
mod rules;
#[cfg(test)]
mod tests;

pub use rules::named_rules;

use super::managed::StoredItem;
use crate::config::file::{self, File};
use crate::config::{self, Effective, Machine};
use basalt_desired::ItemKey;
use serde::de::DeserializeOwned;
use std::collections::BTreeMap;

/// What this machine says by itself.
#[derive(Debug, Clone, Default)]
pub struct Local {
    /// The file.
    pub file: File,
    /// What the machine tells.
    pub machine: Machine,
}

/// What comes of both.
#[derive(Debug)]
pub struct Overlaid {
    /// Valid.
    pub effective: Effective,
    /// Items that are not in force, or not wholly, and why.
    pub refused: BTreeMap<ItemKey, String>,
}

/// Items as they are held.
pub type Items = BTreeMap<ItemKey, StoredItem>;

/// Lays what the orchestrator says over the file. `name` is the gateway's at the orchestrator.
///
/// # Errors
/// The file by itself is not valid, or there is no current folder.
pub fn overlay(local: &Local, name: &str, items: &Items) -> anyhow::Result<Overlaid> {
    let effective = config::resolve(&local.file, "", &local.machine)?.absolute()?;
    let mut layers = Layers {
        name,
        items,
        machine: &local.machine,
        local: &local.file,
        file: local.file.clone(),
        effective,
        refused: BTreeMap::new(),
    };
    if !items.keys().any(|key| key.collection != "subscribers") {
        return Ok(Overlaid { effective: layers.effective, refused: BTreeMap::new() });
    }
    network::lay(&mut layers);
    gateway::lay(&mut layers);
    rules::lay(&mut layers);
    apns::lay(&mut layers);
    federation::lay(&mut layers);
    let refused = layers.refused.into_iter().map(|(key, reasons)| (key, reasons.join("; "))).collect();
    Ok(Overlaid { effective: layers.effective, refused })
}

struct Layers<'a> {
    name: &'a str,
    items: &'a Items,
    machine: &'a Machine,
    /// As the file is.
    local: &'a File,
    /// As it would have to be to say all that is in force.
    file: File,
    effective: Effective,
    refused: BTreeMap<ItemKey, Vec<String>>,
}

impl Layers<'_> {
    /// Tries a change that an item asks for. False when it cannot be; the reason is noted then.
    fn attempt(&mut self, key: &ItemKey, change: impl FnOnce(&mut File)) -> bool {
        let mut file = self.file.clone();
        change(&mut file);
        if file == self.file {
            return true;
        }
        let resolved = config::resolve(&file, "", self.machine).map_err(|error| {
            let fix = error.fix.map(|fix| format!(" ({fix})")).unwrap_or_default();
            format!("{}{fix}", error.what)
        });
        match resolved.and_then(|effective| effective.absolute().map_err(|error| error.to_string())) {
            Ok(effective) => {
                (self.file, self.effective) = (file, effective);
                true
            }
            Err(reason) => {
                self.refuse(key, reason);
                false
            }
        }
    }

    fn refuse(&mut self, key: &ItemKey, reason: impl Into<String>) {
        self.refused.entry(key.clone()).or_default().push(reason.into());
    }

    /// Notes each of these that is true: what this gateway cannot do.
    fn cannot(&mut self, key: &ItemKey, list: &[(bool, &str)]) {
        for (_, reason) in list.iter().filter(|(asked, _)| *asked) {
            self.refuse(key, *reason);
        }
    }

    /// The items of a collection, read. One that cannot be read is noted.
    fn read<T: DeserializeOwned>(&mut self, collection: &str) -> Vec<(ItemKey, T)> {
        let (mut list, mut unreadable) = (Vec::new(), Vec::new());
        for (key, item) in self.items.iter().filter(|(key, _)| key.collection == collection) {
            match serde_json::from_str(&item.body) {
                Ok(body) => list.push((key.clone(), body)),
                Err(error) => unreadable.push((key.clone(), error)),
            }
        }
        for (key, error) in unreadable {
            self.refuse(&key, format!("its body cannot be read: {error}"));
        }
        list
    }

    /// The gateway's own object.
    fn own(&mut self) -> Option<(ItemKey, body::Gateway)> {
        let name = self.name.to_owned();
        self.read("gateways").into_iter().find(|(key, _)| key.name == name)
    }
}

/// The access point of a name in a file.
fn apn_mut<'a>(file: &'a mut File, name: &str) -> Option<&'a mut file::Apn> {
    file.apn.iter_mut().find(|apn| apn.name.eq_ignore_ascii_case(name))
}
