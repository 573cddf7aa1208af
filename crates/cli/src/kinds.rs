//! The kinds of objects that an orchestrator keeps, as its REST interface and people call them.

use crate::error::{Error, Result};

/// A kind.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Kind {
    /// Name of the collection in paths: `policy-rules`.
    pub(crate) collection: &'static str,
    /// One of them: `policy-rule`.
    pub(crate) singular: &'static str,
    /// Another name of one of them, or nothing.
    pub(crate) alias: &'static str,
    /// Whether it is part of a network; tenants and networks are not.
    pub(crate) of_network: bool,
    /// Columns of a table beside the name: title, and path in the body.
    pub(crate) columns: &'static [(&'static str, &'static str)],
}

const fn of_network(
    collection: &'static str,
    singular: &'static str,
    alias: &'static str,
    columns: &'static [(&'static str, &'static str)],
) -> Kind {
    Kind { collection, singular, alias, of_network: true, columns }
}

/// All kinds, in the order in which they can be applied: what is referred to comes first.
pub(crate) const KINDS: [Kind; 21] = [
    Kind { collection: "tenants", singular: "tenant", alias: "", of_network: false, columns: &[("TITLE", "/title")] },
    Kind {
        collection: "networks",
        singular: "network",
        alias: "",
        of_network: false,
        columns: &[("TENANT", "/tenant"), ("TITLE", "/title")],
    },
    of_network("tiers", "tier", "", &[("VERSION", "/version")]),
    of_network("gateway-pools", "gateway-pool", "", &[]),
    of_network("tracking-areas", "tracking-area", "", &[("TAC", "/tac"), ("TITLE", "/title")]),
    of_network("qos-profiles", "qos-profile", "", &[("QCI", "/qci")]),
    of_network("rating-groups", "rating-group", "", &[]),
    of_network("data-plans", "data-plan", "", &[("TITLE", "/title"), ("OCTETS", "/quota_octets")]),
    of_network("policy-rules", "policy-rule", "rule", &[("PRIORITY", "/priority")]),
    of_network("base-names", "base-name", "", &[]),
    of_network("apns", "apn", "dnn", &[("PDN TYPE", "/pdn_type")]),
    of_network("gateways", "gateway", "", &[("TIER", "/tier")]),
    of_network("federations", "federation", "", &[]),
    of_network("enodebs", "enodeb", "", &[("TITLE", "/title"), ("GATEWAY", "/gateway")]),
    of_network("gnodebs", "gnodeb", "", &[("TITLE", "/title"), ("GATEWAY", "/gateway")]),
    of_network("subscribers", "subscriber", "sub", &[("TITLE", "/title"), ("STATE", "/state")]),
    of_network("alert-receivers", "alert-receiver", "", &[]),
    of_network("webhooks", "webhook", "", &[("URL", "/url"), ("ACTIVE", "/active")]),
    of_network("alert-rules", "alert-rule", "", &[("SEVERITY", "/severity")]),
    of_network("silences", "silence", "", &[("GATEWAY", "/gateway"), ("KIND", "/kind"), ("UNTIL", "/until")]),
    of_network("acknowledgements", "acknowledgement", "", &[("NOTE", "/note")]),
];

impl Kind {
    /// Finds a kind by any of its names, in any letter case.
    ///
    /// # Errors
    /// There is none of that name: the nearest is named.
    pub(crate) fn named(text: &str) -> Result<&'static Kind> {
        let name = text.to_ascii_lowercase();
        let fits = |kind: &&Kind| kind.names().contains(&name.as_str());
        if let Some(kind) = KINDS.iter().find(fits) {
            return Ok(kind);
        }
        let nearest = KINDS.iter().flat_map(Kind::names).max_by(|a, b| {
            let near = |it: &str| strsim::jaro_winkler(it, &name);
            near(a).total_cmp(&near(b))
        });
        let known: Vec<&str> = KINDS.iter().map(|kind| kind.collection).collect();
        Err(Error::usage(
            format!("`{}` is no kind of object; `{}` is", text.escape_debug(), nearest.unwrap_or_default()),
            format!("kinds are {}", known.join(", ")),
        ))
    }

    fn names(&self) -> Vec<&'static str> {
        [self.collection, self.singular, self.alias].into_iter().filter(|name| !name.is_empty()).collect()
    }

    /// Path of the collection, or of one object.
    ///
    /// # Errors
    /// The kind is part of a network, and none was named; a name cannot be one.
    pub(crate) fn path(&self, network: Option<&str>, name: Option<&str>) -> Result<String> {
        let mut path = String::new();
        if self.of_network {
            let network = network.ok_or_else(|| {
                Error::usage(
                    format!("{} are part of a network, and none was named", self.collection),
                    "give --network NAME, or set it in the context: `basalt context add`",
                )
            })?;
            path = format!("/networks/{}", plain(network)?);
        }
        path = format!("{path}/{}", self.collection);
        match name {
            Some(name) => Ok(format!("{path}/{}", plain(name)?)),
            None => Ok(path),
        }
    }
}

/// A name as it may stand in a path.
pub(crate) fn plain(name: &str) -> Result<&str> {
    let fits = name.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-:".contains(&b));
    if name.is_empty() || !fits || name.bytes().all(|b| b == b'.') {
        let words = format!("`{}` cannot be the name of an object", name.escape_debug());
        return Err(Error::usage(words, "names have letters, digits, `.`, `_`, `-` and `:`"));
    }
    Ok(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_have_several_names_and_wrong_ones_are_corrected() {
        for name in ["policy-rules", "Policy-Rule", "rule"] {
            assert_eq!(Kind::named(name).unwrap().collection, "policy-rules");
        }
        assert!(Kind::named("subscribr").unwrap_err().to_string().contains("`subscriber` is"));
    }

    #[test]
    fn paths_hold_nothing_but_names() {
        let apn = Kind::named("apn").unwrap();
        assert_eq!(apn.path(Some("lab"), Some("internet")).unwrap(), "/networks/lab/apns/internet");
        assert_eq!(Kind::named("tenant").unwrap().path(None, None).unwrap(), "/tenants");
        assert!(apn.path(None, None).is_err());
        for name in ["", "..", "a/b", "a?b", "a b", "ä"] {
            assert!(apn.path(Some("lab"), Some(name)).is_err(), "{name}");
        }
    }

    #[test]
    fn the_orchestrators_document_knows_every_kind() {
        let text =
            std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../openapi/orchestrator.json")).unwrap();
        for kind in &KINDS {
            let path = if kind.of_network { "/networks/{network}/" } else { "/" };
            assert!(text.contains(&format!("\"/api/v1{path}{}\"", kind.collection)), "{}", kind.collection);
        }
    }
}
