//! What an orchestrator said, kept over restarts, and laid over the file of settings.

use crate::config::{File, HomeNetwork, Peer};
use anyhow::{Context as _, Result};
use basalt_cloud_sync::{Identity, Page};
use basalt_desired::{Digest, ItemKey};
use serde::{Deserialize, Serialize};
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

/// What was kept, in the state directory.
const FILE: &str = "orchestrator.json";

/// What is known of an orchestrator, as it is kept.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Kept {
    pub(super) identity: Option<Identity>,
    items: Vec<Item>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Item {
    collection: String,
    name: String,
    digest: [u8; 16],
    body: String,
}

/// A federation as far as it is ours.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Federation {
    peers: Vec<serde_json::Value>,
    networks: Vec<HomeNetwork>,
    limits: Limits,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Limits {
    rate: Option<u32>,
    waiting: Option<usize>,
}

/// Our own object.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Own {
    feg: Option<Who>,
}

#[derive(Debug, Deserialize)]
struct Who {
    host: String,
    realm: String,
}

impl Kept {
    /// Reads it; nothing was kept where there is no file.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn load(folder: &Path) -> Result<Self> {
        let path = folder.join(FILE);
        match std::fs::read(&path) {
            Ok(octets) => serde_json::from_slice(&octets).with_context(|| format!("{} is damaged", path.display())),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Self::default()),
            Err(error) => Err(error).with_context(|| format!("cannot read {}", path.display())),
        }
    }

    /// Beside its place, then moved there: a crash leaves a whole file or the former one.
    pub(super) fn store(&self, folder: &Path) -> Result<()> {
        let (path, beside) = (folder.join(FILE), folder.join("orchestrator.new"));
        let mut options = std::fs::OpenOptions::new();
        let mut file = options.write(true).create(true).truncate(true).mode(0o600).open(&beside)?;
        file.write_all(&serde_json::to_vec(self)?)?;
        file.sync_all()?;
        std::fs::rename(&beside, &path)?;
        Ok(std::fs::File::open(folder)?.sync_all()?)
    }

    /// The file with what the orchestrator says over it; `None` when it says nothing.
    pub fn lay_over(&self, file: &File) -> Option<File> {
        let mut laid = file.clone();
        let mut federations = self.items.iter().filter(|item| item.collection == "federations").peekable();
        let own = self.own();
        federations.peek().is_some().then_some(()).or(own.as_ref().map(|_| ()))?;
        if let Some(who) = own {
            (laid.host, laid.realm) = (who.host, who.realm);
        }
        if federations.peek().is_some() {
            laid.peers.clear();
            laid.networks.clear();
        }
        for item in federations {
            // One that cannot be read was refused when it came.
            let Ok((peers, federation)) = read(item) else { continue };
            laid.peers.extend(peers);
            laid.networks.extend(federation.networks);
            laid.gateways.rate = federation.limits.rate.or(laid.gateways.rate);
            laid.gateways.waiting = federation.limits.waiting.or(laid.gateways.waiting);
        }
        Some(laid)
    }

    fn own(&self) -> Option<Who> {
        let name = &self.identity.as_ref()?.gateway;
        let own = self.items.iter().find(|item| item.collection == "gateways" && item.name == *name)?;
        serde_json::from_str::<Own>(&own.body).ok()?.feg
    }

    pub(super) fn put(&mut self, page: &Page) {
        let gone = |item: &Item| {
            let is = |key: &ItemKey| key.collection == item.collection && key.name == item.name;
            page.removes.iter().any(is) || page.puts.iter().any(|put| is(&put.key))
        };
        self.items.retain(|item| !gone(item));
        self.items.extend(page.puts.iter().map(|put| Item {
            collection: put.key.collection.clone(),
            name: put.key.name.clone(),
            digest: put.digest.0,
            body: put.body.clone(),
        }));
    }

    pub(super) fn held(&self) -> Vec<(ItemKey, Digest)> {
        self.items.iter().map(|item| (item.key(), Digest(item.digest))).collect()
    }

    /// The federations that are held, each with the fault that keeps it from being read.
    pub(super) fn federations(&self) -> impl Iterator<Item = (ItemKey, Option<String>)> {
        let federations = self.items.iter().filter(|item| item.collection == "federations");
        federations.map(|item| (item.key(), read(item).err().map(|error| error.to_string())))
    }
}

impl Item {
    fn key(&self) -> ItemKey {
        ItemKey { collection: self.collection.clone(), name: self.name.clone() }
    }
}

fn read(item: &Item) -> Result<(Vec<Peer>, Federation), serde_json::Error> {
    let federation: Federation = serde_json::from_str(&item.body)?;
    let peer = |peer: &serde_json::Value| serde_json::from_value::<Peer>(peer.clone());
    Ok((federation.peers.iter().map(peer).collect::<Result<_, _>>()?, federation))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config;
    use basalt_cloud_sync::Put;
    use serde_json::json;
    use std::collections::BTreeMap;
    use std::time::Duration;

    fn put(collection: &str, name: &str, body: &serde_json::Value) -> Put {
        let key = ItemKey { collection: collection.to_owned(), name: name.to_owned() };
        Put { key, digest: Digest([1; 16]), body: body.to_string(), secrets: BTreeMap::new() }
    }

    fn identity() -> Identity {
        Identity {
            network: "n".to_owned(),
            gateway: "feg1".to_owned(),
            address: String::new(),
            certificate: Vec::new(),
            authority: Vec::new(),
            not_before: 0,
            not_after: 0,
        }
    }

    #[test]
    fn what_the_orchestrator_says_goes_before_the_file_and_survives() {
        let file = config::read("[[network]]\nplmn = \"001-01\"\n").unwrap();
        let mut kept = Kept { identity: Some(identity()), items: Vec::new() };
        assert!(kept.lay_over(&file).is_none());
        let own = json!({"tier": "stable", "feg": {"host": "feg1.example.net", "realm": "example.net"}});
        let federation = json!({
            "gateways": [{"gateway": "feg1"}],
            "peers": [{"host": "hss.example.org", "address": "192.0.2.1:3868", "transport": "tcp", "inband_tls": false,
                "realms": ["example.org"], "rank": 0, "watchdog": 7}],
            "networks": [{"plmn": "999-70", "realm": "example.org", "imsis": ["9997001"]}],
            "limits": {"rate": 50},
        });
        let puts = vec![put("gateways", "feg1", &own), put("federations", "home", &federation)];
        kept.put(&Page { number: 1, puts, removes: Vec::new() });
        let folder = tempfile::tempdir().unwrap();
        kept.store(folder.path()).unwrap();
        let kept = Kept::load(folder.path()).unwrap();
        let laid = kept.lay_over(&file).unwrap();
        let effective = config::resolve(&laid).unwrap();
        assert_eq!(effective.relay.local.host, "feg1.example.net");
        assert_eq!(effective.relay.networks.0.len(), 1, "those of the file are no more");
        assert_eq!(effective.relay.rate, 50);
        let diameter = effective.diameter.unwrap();
        assert_eq!(diameter.remotes[0].config.watchdog, Duration::from_secs(7));
        assert_eq!(diameter.remotes[0].address, "192.0.2.1:3868");
    }
}
