//! How long authentication and protection take: `cargo run --profile fast -p basalt-security --example security_speed`.
#![allow(clippy::unwrap_used, reason = "a measurement on fixed values")]

use basalt_ids::Plmn;
use basalt_security::{
    AMF_EPS, AkaAlgorithm, Algorithms, Ciphering, Integrity, NasSecurityContext, Protection, Provider, Secret, Side,
    Sqn, Tuak,
};
use std::hint::black_box;
use std::time::Instant;

const ROUNDS: u32 = 50_000;

fn report(name: &str, mut work: impl FnMut()) {
    let best = (0..5).map(|_| {
        let start = Instant::now();
        (0..ROUNDS).for_each(|_| work());
        start.elapsed().as_secs_f64() * 1e9 / f64::from(ROUNDS)
    });
    println!("{name:44} {:6.0} ns", best.fold(f64::INFINITY, f64::min));
}

fn main() {
    let milenage = AkaAlgorithm::milenage(&Secret::new([1; 16]), &Secret::new([2; 16]));
    let tuak = Tuak::new(&[1; 16], &Secret::new([2; 32])).unwrap();
    let tuak = AkaAlgorithm::Tuak(tuak);
    let (sqn, home) = (Sqn::new(64).unwrap(), Plmn::new(1, 1, 2).unwrap());
    for (name, algorithm) in [("Milenage", &milenage), ("TUAK", &tuak)] {
        report(&format!("{name}: vector with K_ASME"), || {
            let vector = algorithm.vector(black_box(&[3; 16]), sqn, AMF_EPS);
            black_box(vector.kasme(home));
        });
    }
    let kasme = Secret::new([5; 32]);
    for (ciphering, integrity, provider) in [
        (Ciphering::Eea0, Integrity::Eia2, Provider::STANDARD),
        (Ciphering::Eea2, Integrity::Eia2, Provider::STANDARD),
        (Ciphering::Eea1, Integrity::Eia1, Provider::STANDARD),
        (Ciphering::Eea3, Integrity::Eia3, Provider::STANDARD),
        (Ciphering::Eea2, Integrity::Eia2, Provider::null_for_simulation()),
    ] {
        let algorithms = Algorithms { ciphering, integrity };
        let double = if provider.is_null() { " (double)" } else { "" };
        let new = |side| NasSecurityContext::new(side, 0, kasme.clone(), algorithms, provider);
        report(&format!("{ciphering:?} {integrity:?}{double}: new context"), || {
            black_box(new(Side::Network));
        });
        let (mut ue, mut network) = (new(Side::Ue), new(Side::Network));
        report(&format!("{ciphering:?} {integrity:?}{double}: protect and verify 100 octets"), || {
            let sent = ue.protect(Protection::IntegrityCiphered, &[7; 100]).unwrap();
            black_box(network.verify(&sent).unwrap());
        });
    }
    let context = NasSecurityContext::new(
        Side::Network,
        0,
        kasme.clone(),
        Algorithms { ciphering: Ciphering::Eea2, integrity: Integrity::Eia2 },
        Provider::STANDARD,
    );
    report("K_eNB and next hop key", || {
        black_box(context.access_keys(black_box(0)));
    });
}
