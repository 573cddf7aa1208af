//! What an eNodeB is told before it starts.

use std::net::Ipv4Addr;

use basalt_ids::{Ecgi, Eci, EnbId, GlobalEnbId, Tac, Tai};
use basalt_s1ap::{Cause, PagingDrx, SupportedTa};
use basalt_sansio::Duration;

/// One eNodeB with one cell.
#[derive(Clone, Debug)]
pub struct EnbConfig {
    /// Name told to the MME.
    pub name: String,
    /// Its identity.
    pub id: GlobalEnbId,
    /// Areas it serves; its cell is in the first one.
    pub supported_tas: Vec<SupportedTa>,
    /// Default paging cycle.
    pub paging_drx: PagingDrx,
    /// Where it receives GTP-U.
    pub user_plane: Ipv4Addr,
    /// Upper twelve bits of its TEIDs, so that several eNodeBs can share an address; 0 to 4095.
    pub teid_prefix: u16,
    /// After how long without traffic it asks to release a phone; `None` never.
    pub inactivity: Option<Duration>,
    /// How long it waits for the answer to S1 SETUP REQUEST and its likes before it tries again.
    pub answer_timer: Duration,
    /// What it does wrong.
    pub faults: Faults,
}

impl EnbConfig {
    /// An eNodeB of one area in the network of its identity.
    #[must_use]
    pub fn new(name: &str, id: GlobalEnbId, tac: Tac, user_plane: Ipv4Addr) -> Self {
        Self {
            name: name.to_owned(),
            id,
            supported_tas: vec![SupportedTa::new(tac, vec![id.plmn])],
            paging_drx: PagingDrx::Frames128,
            user_plane,
            teid_prefix: 0,
            inactivity: None,
            answer_timer: Duration::from_secs(5),
            faults: Faults::default(),
        }
    }

    /// The area its cell is in.
    #[must_use]
    pub fn tai(&self) -> Tai {
        let tac = self.supported_tas.first().map_or(Tac(0), |area| area.tac);
        Tai { plmn: self.id.plmn, tac }
    }

    /// Its cell: cell 1 of the eNodeB (TS 36.413 §9.2.1.38: for a macro eNB, its 20 bits lead the 28 of the cell).
    #[must_use]
    pub fn ecgi(&self) -> Ecgi {
        let id = self.id.enb;
        let cell = match id {
            EnbId::Home(value) => value,
            _ => id.value() << (28 - id.bits()) | 1,
        };
        // Cut to the 28 bits that a cell identity has; an identity beyond its own range loses its upper bits.
        Ecgi { plmn: self.id.plmn, eci: eci(cell & 0x0fff_ffff) }
    }
}

/// The cell identity of 28 bits; cell 0 for more.
fn eci(value: u32) -> Eci {
    const ZERO: Eci = match Eci::new(0) {
        Ok(eci) => eci,
        Err(_) => panic!("zero fits"),
    };
    Eci::new(value).unwrap_or(ZERO)
}

/// What an eNodeB does wrong, on purpose.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Faults {
    /// Answers INITIAL CONTEXT SETUP REQUEST with a failure of this cause.
    pub refuse_context: Option<Cause>,
    /// Does not answer INITIAL CONTEXT SETUP REQUEST at all.
    pub ignore_context: bool,
    /// Cannot deliver downlink NAS messages, and says so (NAS NON DELIVERY INDICATION).
    pub undeliverable: bool,
    /// Loses downlink NAS messages without a word.
    pub lose_downlink: bool,
    /// Does not answer UE CONTEXT RELEASE COMMAND.
    pub ignore_release: bool,
    /// Does not pass pages on.
    pub ignore_paging: bool,
    /// Answers HANDOVER REQUEST with a failure of this cause.
    pub refuse_handover: Option<Cause>,
    /// Does not answer HANDOVER REQUEST at all.
    pub ignore_handover: bool,
    /// Does not answer E-RAB SETUP REQUEST.
    pub ignore_erab_setup: bool,
}
