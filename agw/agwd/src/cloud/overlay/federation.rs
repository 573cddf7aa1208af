//! Federations: whose subscribers are authenticated by their own operators, and which federation gateways are asked.

use super::Layers;
use super::body::Federation;
use crate::config::file::{self, FederationGateway};

/// Several federations hold together; where they differ in what stands for an answer, the last one counts.
pub fn lay(layers: &mut Layers<'_>) {
    for (key, federation) in layers.read::<Federation>("federations") {
        layers.attempt(&key, |file| one(&mut file.federation, &federation));
    }
}

fn one(file: &mut file::Federation, said: &Federation) {
    for network in &said.networks {
        let (list, more) = match network.imsis.as_slice() {
            [] => (&mut file.networks, core::slice::from_ref(&network.plmn)),
            beginnings => (&mut file.imsis, beginnings),
        };
        let new: Vec<String> = more.iter().filter(|one| !list.contains(one)).cloned().collect();
        list.extend(new);
    }
    file.others |= said.others;
    for carrier in &said.gateways {
        let address = carrier.address.clone().unwrap_or_else(|| FederationGateway::ORCHESTRATOR.to_owned());
        file.gateway.retain(|known| known.name != carrier.gateway);
        file.gateway.push(FederationGateway { name: carrier.gateway.clone(), address, joined: true });
    }
    let seconds = |age: Option<u32>| age.map(|seconds| format!("{seconds}s"));
    let policy = &said.policy;
    file.vectors = policy.vectors.or(file.vectors);
    file.vector_age = seconds(policy.vector_age).or_else(|| file.vector_age.clone());
    file.profile_age = seconds(policy.profile_age).or_else(|| file.profile_age.clone());
    file.check_equipment |= policy.check_equipment;
    file.refuse_tracked |= policy.refuse_tracked;
    file.refuse_unknown |= policy.refuse_unknown;
    file.refuse_unchecked |= policy.refuse_unchecked;
}
