//! Subscribers that a lab makes up: the same number always has the same identity and keys.

use std::fmt::Write as _;

use basalt_ids::{Imeisv, Imsi, Plmn};
use basalt_sansio::{Rng, SimRng};
use basalt_security::{AkaAlgorithm, Secret, Sqn};
use testbed_ue::Usim;

/// A subscriber of a lab.
#[derive(Clone)]
pub struct Subscriber {
    /// Identity.
    pub imsi: Imsi,
    /// Equipment.
    pub imeisv: Imeisv,
    /// Zones outside of which its home network lets it not be served; everywhere if there are none.
    pub zones: Vec<u16>,
    /// Access points of its subscription, the default one first; none leaves that to who keeps the subscription.
    pub apns: Vec<String>,
    k: [u8; 16],
    opc: [u8; 16],
}

impl std::fmt::Debug for Subscriber {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Subscriber").field("imsi", &self.imsi).finish_non_exhaustive()
    }
}

impl Subscriber {
    /// Subscriber `number` (1 and up) of a network. Numbers beyond what an IMSI has room for wrap.
    ///
    /// # Errors
    /// None of a network with a two- or three-digit MNC; the digits always fit.
    pub fn new(plmn: Plmn, number: u32) -> Result<Self, basalt_ids::InvalidId> {
        let msin_digits = 15 - 3 - usize::from(plmn.mnc_digits());
        let mnc_width = usize::from(plmn.mnc_digits());
        let imsi = format!("{:03}{:0mnc_width$}{:0msin_digits$}", plmn.mcc(), plmn.mnc(), number);
        let imsi: Imsi = imsi.parse()?;
        let imeisv: Imeisv = format!("35349006{:06}01", number % 1_000_000).parse()?;
        let mut rng = SimRng::new(imsi.value());
        let (mut k, mut opc) = ([0; 16], [0; 16]);
        rng.fill(&mut k);
        rng.fill(&mut opc);
        Ok(Self { imsi, imeisv, zones: Vec::new(), apns: Vec::new(), k, opc })
    }

    /// Its card.
    #[must_use]
    pub fn usim(&self) -> Usim {
        let algorithm = AkaAlgorithm::milenage(&Secret::new(self.k), &Secret::new(self.opc));
        Usim::new(self.imsi, algorithm, Sqn::default())
    }

    /// A card that says it is this subscriber's and is not: another K.
    #[must_use]
    pub fn forged_usim(&self) -> Usim {
        let k = self.k.map(|octet| octet ^ 0xff);
        Usim::new(self.imsi, AkaAlgorithm::milenage(&Secret::new(k), &Secret::new(self.opc)), Sqn::default())
    }

    /// K in hexadecimal, for the gateway's list.
    #[must_use]
    pub fn k_hex(&self) -> String {
        hex(&self.k)
    }

    /// OPc in hexadecimal, for the gateway's list.
    #[must_use]
    pub fn opc_hex(&self) -> String {
        hex(&self.opc)
    }
}

fn hex(octets: &[u8]) -> String {
    octets.iter().fold(String::new(), |mut text, octet| {
        let _ = write!(text, "{octet:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_always_is_the_same_subscriber() {
        let network = Plmn::new(1, 1, 2).unwrap();
        let first = Subscriber::new(network, 1).unwrap();
        assert_eq!(first.imsi.to_string(), "001010000000001");
        assert_eq!(first.k_hex(), Subscriber::new(network, 1).unwrap().k_hex());
        assert_ne!(first.k_hex(), Subscriber::new(network, 2).unwrap().k_hex());
        let wide = Subscriber::new(Plmn::new(310, 410, 3).unwrap(), 7).unwrap();
        assert_eq!(wide.imsi.to_string(), "310410000000007");
        assert!(!format!("{wide:?}").contains(&wide.k_hex()));
    }
}
