//! Laws 1 to 4: who may import whom.

use super::Finding;
use super::metadata::{Room, Workspace};

/// Layers, and the layers that each may import.
const LAYERS: [(&str, &[&str]); 6] = [
    ("ids", &["ids"]),
    ("codec", &["ids"]),
    ("core", &["ids", "codec", "core"]),
    ("api", &["ids"]),
    ("driver", &["ids", "codec", "core", "api", "driver"]),
    ("tool", &[]),
];

/// Imports that the layers forbid and the design wants.
const WANTED: [(&str, &str, &str); 2] = [
    ("basalt-pipeline", "basalt-ebpf-abi", "the pipeline decides over the tables whose layout the abi is"),
    ("testbed-sim", "basalt-store", "the simulator runs the log itself, over the store's MemDisk, which is sans-IO"),
];

/// What neither a core, a codec nor the identities may be built with: runtimes, sockets, files, clocks, entropy.
const RUNTIMES: [&str; 32] = [
    "tokio",
    "tokio-stream",
    "tokio-util",
    "async-std",
    "smol",
    "mio",
    "futures",
    "futures-util",
    "socket2",
    "libc",
    "nix",
    "rustix",
    "getrandom",
    "rand",
    "fastrand",
    "aya",
    "aya-obj",
    "rtnetlink",
    "nftables",
    "fjall",
    "redb",
    "tempfile",
    "tonic",
    "prost",
    "hyper",
    "axum",
    "sqlx",
    "chrono",
    "indicatif",
    "crossbeam-channel",
    "rayon",
    "tracing-subscriber",
];

/// Dependencies that only one room may have: facades, and drivers of one thing.
const FACADES: [(&str, &[&str]); 8] = [
    ("oxirush-s1ap", &["basalt-s1ap"]),
    ("oxirush-aper", &["basalt-s1ap", "basalt-ngap"]),
    ("oxirush-ngap", &["basalt-ngap"]),
    ("oxirush-nas", &["basalt-nas"]),
    ("oxirush-security", &["basalt-security"]),
    ("oxirush-sctp", &["basalt-sctp"]),
    ("dcsctp", &["basalt-sctp"]),
    ("aya", &["agw-dataplane"]),
];

/// Rooms of the gateway that meet in `agw/types` only.
const STRANGERS: [&str; 5] = ["agw/ran", "agw/mobility", "agw/session", "agw/policy", "agw/subscribers"];

/// Folders whose rooms never import each other. `crates` and `ebpf` belong to all, and import none of them.
const PRODUCTS: [&str; 4] = ["agw", "feg", "orchestrator", "lte-testbed"];

/// The only room of the testbed that runs the gateway's own core.
const RUNS_THE_CORE: &str = "lte-testbed/sim";

pub(crate) fn check(workspace: &Workspace) -> Vec<Finding> {
    let mut findings = Vec::new();
    for room in workspace.rooms.values() {
        if !LAYERS.iter().any(|(layer, _)| *layer == room.layer) {
            let what = format!("`[package.metadata.basalt] layer` is `{}`, which is no layer", room.layer);
            findings.push(Finding::new(&room.name, 0, "layer", what));
            continue;
        }
        for name in &room.dependencies {
            let broken = match workspace.rooms.get(name) {
                Some(imported) => inside(room, imported),
                None => outside(room, name),
            };
            findings.extend(broken.map(|(rule, what)| Finding::new(&room.name, 0, rule, what)));
        }
    }
    findings
}

/// What is wrong with one of our rooms importing another.
fn inside(room: &Room, imported: &Room) -> Option<(&'static str, String)> {
    let wanted = WANTED.iter().any(|(from, to, _)| (*from, *to) == (room.name.as_str(), imported.name.as_str()));
    let may = LAYERS
        .iter()
        .find(|(layer, _)| *layer == room.layer)
        .is_some_and(|(_, may)| may.contains(&imported.layer.as_str()));
    if !may && !wanted {
        let what = format!("a {} must not import the {} {} (laws 1 and 2)", room.layer, imported.layer, imported.name);
        return Some(("layer", what));
    }
    let (own, other) = (room.folder.as_str(), imported.folder.as_str());
    if STRANGERS.contains(&own) && STRANGERS.contains(&other) {
        return Some(("rooms", format!("{own} and {other} meet in agw/types only (law 3)")));
    }
    let product = |folder: &str| PRODUCTS.into_iter().find(|product| folder.split('/').next() == Some(product));
    match (product(own), product(other)) {
        (Some("lte-testbed"), Some("agw")) if own == RUNS_THE_CORE => None,
        (from, Some(to)) if from != Some(to) => {
            Some(("products", format!("{own} must not import {other}: they meet in control-api (law 4)")))
        }
        _ => None,
    }
}

/// What is wrong with a room being built with somebody else's package.
fn outside(room: &Room, name: &str) -> Option<(&'static str, String)> {
    if room.is_pure() && RUNTIMES.contains(&name) {
        return Some(("layer", format!("a {} must not be built with {name} (laws 1 and 2)", room.layer)));
    }
    let facade = FACADES.iter().find(|(package, _)| *package == name)?;
    let owner = facade.1.contains(&room.name.as_str());
    (!owner).then(|| ("facade", format!("{name} is behind {}, nobody else imports it", facade.1.join(" and "))))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn room(folder: &str, layer: &str, dependencies: &[&str]) -> Room {
        let dependencies = dependencies.iter().map(|name| (*name).to_owned()).collect();
        let name = match folder.split_once('/') {
            Some(("crates", name)) => format!("basalt-{name}"),
            Some(("lte-testbed", name)) => format!("testbed-{name}"),
            _ => folder.replace('/', "-"),
        };
        Room { name, folder: folder.to_owned(), layer: layer.to_owned(), dependencies, ..Room::default() }
    }

    /// The rules that a workspace of these rooms breaks.
    fn broken(rooms: &[Room]) -> Vec<String> {
        let rooms = rooms.iter().map(|room| (room.name.clone(), room.clone())).collect();
        let findings = check(&Workspace { rooms, foreign: Vec::new() });
        findings.iter().map(|finding| format!("{} {}", finding.place, finding.rule)).collect()
    }

    fn house() -> Vec<Room> {
        vec![
            room("crates/ids", "ids", &["serde"]),
            room("crates/nas", "codec", &["basalt-ids", "oxirush-nas"]),
            room("crates/s1ap", "codec", &["basalt-ids", "oxirush-s1ap"]),
            room("crates/store", "driver", &["basalt-sansio"]),
            room("crates/sansio", "core", &["serde"]),
            room("agw/types", "core", &["basalt-nas", "basalt-s1ap"]),
            room("agw/ran", "core", &["agw-types"]),
            room("agw/session", "core", &["agw-types"]),
            room("agw/core", "core", &["agw-ran", "agw-session"]),
            room("agw/agwd", "driver", &["agw-core", "tokio", "basalt-store"]),
            room("lte-testbed/sim", "core", &["agw-core", "basalt-store"]),
            room("lte-testbed/ue", "core", &["basalt-nas"]),
        ]
    }

    #[test]
    fn the_house_as_designed_breaks_no_law() {
        assert_eq!(broken(&house()), Vec::<String>::new());
    }

    #[test]
    fn each_law_has_teeth() {
        let cases = [
            ("crates/s1ap", "basalt-nas", "basalt-s1ap layer"),
            ("crates/nas", "tokio", "basalt-nas layer"),
            ("crates/nas", "basalt-sansio", "basalt-nas layer"),
            ("agw/session", "basalt-store", "agw-session layer"),
            ("agw/session", "getrandom", "agw-session layer"),
            ("agw/session", "agw-ran", "agw-session rooms"),
            ("lte-testbed/ue", "agw-types", "testbed-ue products"),
            ("agw/agwd", "testbed-ue", "agw-agwd products"),
            ("crates/store", "agw-types", "basalt-store products"),
            ("agw/core", "oxirush-nas", "agw-core facade"),
        ];
        for (folder, import, expected) in cases {
            let mut rooms = house();
            for room in rooms.iter_mut().filter(|room| room.folder == folder) {
                room.dependencies.push(import.to_owned());
            }
            assert_eq!(broken(&rooms), [expected], "{folder} importing {import}");
        }
    }

    #[test]
    fn a_room_without_a_layer_is_noticed() {
        assert_eq!(broken(&[room("crates/new", "", &[])]), ["basalt-new layer"]);
    }
}
