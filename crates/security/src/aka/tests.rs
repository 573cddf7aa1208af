//! Test data of the specifications, and what the parts make together.

use super::*;

fn bytes(hex: &str) -> Vec<u8> {
    (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
}

fn octets<const N: usize>(hex: &str) -> [u8; N] {
    bytes(hex).try_into().unwrap()
}

fn secret<const N: usize>(hex: &str) -> Secret<[u8; N]> {
    Secret::new(octets(hex))
}

fn sqn(hex: &str) -> Sqn {
    Sqn::from_octets(octets(hex))
}

fn lines(data: &str) -> impl Iterator<Item = Vec<&str>> {
    data.lines().filter(|line| !line.starts_with('#')).map(|line| line.split(' ').collect())
}

/// SQN xor AK ‖ AMF ‖ MAC, put together from the outputs of a test set.
fn token(number: Sqn, ak: &str, rest: &[u8]) -> Vec<u8> {
    let ak: [u8; 6] = octets(ak);
    let concealed = number.octets().into_iter().zip(ak).map(|(a, b)| a ^ b);
    concealed.chain(rest.iter().copied()).collect()
}

#[test]
fn milenage_gives_the_test_sets_of_ts_35_207_and_35_208() {
    let mut sets = 0;
    for line in lines(include_str!("../../testdata/milenage.txt")) {
        let [set, k, rand, number, amf, op, opc, f1, f1_star, f2, f5, f3, f4, f5_star] = line[..] else {
            panic!("malformed line {line:?}");
        };
        let k = secret(k);
        assert_eq!(Milenage::opc(&k, &secret(op)), secret(opc), "set {set}");
        let subscriber = AkaAlgorithm::milenage(&k, &secret(opc));
        let (rand, number) = (octets(rand), sqn(number));
        let vector = subscriber.vector(&rand, number, octets(amf));
        let rest = [bytes(amf), bytes(f1)].concat();
        assert_eq!(vector.autn[..], token(number, f5, &rest), "set {set}");
        assert!(vector.xres.matches(&bytes(f2)), "set {set}");
        assert_eq!(vector.ck, secret(f3), "set {set}");
        assert_eq!(vector.ik, secret(f4), "set {set}");
        // f1* of the set is over its AMF; AUTS has AMF zero, so f5* is checked here and f1* below.
        let auts = subscriber.auts(&rand, number);
        assert_eq!(auts[..6], token(number, f5_star, &[]), "set {set}");
        assert_eq!(subscriber.open_auts(&rand, &auts), Ok(number), "set {set}");
        let functions = Functions::new(&K::new(k.expose()), &Opc::new(&octets(opc)));
        let mac_s = functions.f1_star(&Rand::new(&rand), &milenage_sqn(number), &Amf::new(&octets(amf)));
        assert_eq!(mac_s.as_octets()[..], bytes(f1_star), "set {set}");
        sets += 1;
    }
    assert_eq!(sets, 25);
}

#[test]
fn tuak_gives_the_test_sets_of_ts_35_233() {
    let mut sets = 0;
    for line in lines(include_str!("../../testdata/tuak.txt")) {
        let [set, k, rand, number, amf, top, iterations, topc, f1, f1_star, f2, f3, f4, f5, f5_star] = line[..] else {
            panic!("malformed line {line:?}");
        };
        let (k, iterations) = (bytes(k), iterations.parse().unwrap());
        let derived = Tuak::topc(&k, &secret(top), iterations).unwrap();
        assert_eq!(derived, secret(topc), "set {set}");
        let tuak = Tuak::new(&k, &derived).unwrap().with_iterations(iterations);
        let (rand, number, amf) = (octets(rand), sqn(number), octets(amf));
        let length = |hex: &str| u8::try_from(hex.len() / 2).unwrap();
        assert_eq!(tuak.f1(&rand, number, amf, length(f1)), bytes(f1), "set {set}");
        assert_eq!(tuak.f1_star(&rand, number, amf, length(f1_star)), bytes(f1_star), "set {set}");
        let outputs =
            tuak.f2345(&rand, TuakLengths { mac: length(f1), res: length(f2), ck: length(f3), ik: length(f4) });
        assert!(outputs.res.matches(&bytes(f2)), "set {set}");
        assert!(outputs.ck.matches(&bytes(f3)), "set {set}");
        assert!(outputs.ik.matches(&bytes(f4)), "set {set}");
        assert!(outputs.ak.matches(&bytes(f5)), "set {set}");
        assert!(tuak.f5_star(&rand).matches(&bytes(f5_star)), "set {set}");
        sets += 1;
    }
    assert_eq!(sets, 6);
}

fn subscribers() -> [AkaAlgorithm; 3] {
    let short = Tuak::new(&[0x46; 16], &Secret::new([3; 32])).unwrap();
    let long = Tuak::new(&[0x46; 32], &Secret::new([3; 32])).unwrap();
    [
        AkaAlgorithm::milenage(&Secret::new([0x46; 16]), &Secret::new([0xe8; 16])),
        AkaAlgorithm::Tuak(short),
        AkaAlgorithm::Tuak(long.with_response_length(16)),
    ]
}

#[test]
fn network_and_usim_agree_on_response_and_keys() {
    let serving = Plmn::new(310, 410, 3).unwrap();
    for algorithm in subscribers() {
        let vector = algorithm.vector(&[5; 16], Sqn::new(64).unwrap(), AMF_EPS);
        let mut usim = Usim::new(algorithm.clone(), SqnTracker::new());
        let response = usim.answer(&vector.rand, &vector.autn).unwrap();
        assert!(vector.xres.matches(response.res.expose()));
        assert_eq!(vector.kasme(serving), response.kasme(serving));
        assert_ne!(vector.kasme(serving), vector.kasme(Plmn::new(310, 41, 2).unwrap()));
    }
}

#[test]
fn a_used_number_is_answered_with_a_token_that_repairs() {
    for algorithm in subscribers() {
        let mut usim = Usim::new(algorithm.clone(), SqnTracker::starting_at(Sqn::new(0x1000).unwrap()));
        let old = algorithm.vector(&[5; 16], Sqn::new(64).unwrap(), AMF_EPS);
        let Err(UsimFailure::Synch { auts }) = usim.answer(&old.rand, &old.autn) else {
            panic!("the number is old");
        };
        let highest = algorithm.open_auts(&old.rand, &auts).unwrap();
        assert_eq!(highest, Sqn::new(0x1000).unwrap());
        assert_eq!(algorithm.open_auts(&[6; 16], &auts), Err(MacFailure));
        let fresh = algorithm.vector(&[7; 16], highest.next().unwrap(), AMF_EPS);
        assert!(usim.answer(&fresh.rand, &fresh.autn).is_ok());
    }
}

#[test]
fn a_forged_token_is_refused() {
    for algorithm in subscribers() {
        let vector = algorithm.vector(&[5; 16], Sqn::new(64).unwrap(), AMF_EPS);
        let mut usim = Usim::new(algorithm, SqnTracker::new());
        for at in 0..16 {
            let mut autn = vector.autn;
            autn[at] ^= 1;
            assert_eq!(usim.answer(&vector.rand, &autn), Err(UsimFailure::Mac));
        }
        assert_eq!(usim.highest_sqn(), Sqn::default());
    }
}

#[test]
fn a_vector_without_separation_bit_is_not_for_eps() {
    for algorithm in subscribers() {
        let vector = algorithm.vector(&[5; 16], Sqn::new(64).unwrap(), [0, 0]);
        let mut usim = Usim::new(algorithm, SqnTracker::new());
        let refused = usim.answer(&vector.rand, &vector.autn);
        assert_eq!(refused, Err(UsimFailure::NotForEps));
    }
}

#[test]
fn nothing_of_a_subscriber_is_shown() {
    let [milenage, tuak, _] = subscribers();
    assert_eq!(format!("{milenage:?} {tuak:?}"), "Milenage(…) Tuak(…)");
    let vector = milenage.vector(&[5; 16], Sqn::new(64).unwrap(), AMF_EPS);
    let shown = format!("{vector:?}");
    assert!(shown.contains("xres: Secret(…)") && shown.contains("ck: Secret(…)"), "{shown}");
}
