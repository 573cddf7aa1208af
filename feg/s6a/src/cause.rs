//! What a phone is told when an HSS or EIR does not grant something (TS 29.272 annex A, TS 24.301 §9.9.3.9).

use crate::request::Refusal;
use basalt_diameter::{Outcome, ResultCode, vendor};

/// Experimental result codes of 3GPP (TS 29.272 §7.4).
pub mod code {
    /// DIAMETER_ERROR_USER_UNKNOWN.
    pub const USER_UNKNOWN: u32 = 5001;
    /// DIAMETER_ERROR_ROAMING_NOT_ALLOWED.
    pub const ROAMING_NOT_ALLOWED: u32 = 5004;
    /// DIAMETER_ERROR_UNKNOWN_EPS_SUBSCRIPTION.
    pub const UNKNOWN_EPS_SUBSCRIPTION: u32 = 5420;
    /// DIAMETER_ERROR_RAT_NOT_ALLOWED.
    pub const RAT_NOT_ALLOWED: u32 = 5421;
    /// DIAMETER_ERROR_EQUIPMENT_UNKNOWN.
    pub const EQUIPMENT_UNKNOWN: u32 = 5422;
    /// DIAMETER_ERROR_UNKNOWN_SERVING_NODE.
    pub const UNKNOWN_SERVING_NODE: u32 = 5423;
    /// DIAMETER_AUTHENTICATION_DATA_UNAVAILABLE.
    pub const AUTHENTICATION_DATA_UNAVAILABLE: u32 = 4181;
}

/// EMM causes (TS 24.301 §9.9.3.9).
pub mod emm {
    /// Illegal ME.
    pub const ILLEGAL_ME: u8 = 6;
    /// EPS services not allowed.
    pub const EPS_NOT_ALLOWED: u8 = 7;
    /// EPS services and non-EPS services not allowed.
    pub const EPS_AND_NON_EPS_NOT_ALLOWED: u8 = 8;
    /// PLMN not allowed.
    pub const PLMN_NOT_ALLOWED: u8 = 11;
    /// EPS services not allowed in this PLMN.
    pub const EPS_NOT_ALLOWED_IN_PLMN: u8 = 14;
    /// No suitable cells in tracking area.
    pub const NO_SUITABLE_CELLS: u8 = 15;
    /// Network failure.
    pub const NETWORK_FAILURE: u8 = 17;
    /// Congestion.
    pub const CONGESTION: u8 = 22;
    /// Severe network failure.
    pub const SEVERE_NETWORK_FAILURE: u8 = 42;
}

/// Error-Diagnostic (TS 29.272 §7.3.128).
mod diagnostic {
    pub(super) const NO_GPRS_DATA_SUBSCRIBED: u32 = 1;
    pub(super) const ODB_ALL_APN: u32 = 2;
    pub(super) const ODB_HPLMN_APN: u32 = 3;
    pub(super) const ODB_VPLMN_APN: u32 = 4;
}

/// The EMM cause for a refusal: the one place where it is decided.
///
/// TS 29.272 table A.1 leaves to the operator which of #12, #13 and #15 follows RAT_NOT_ALLOWED, and which of #15, #17 and #42 follows
/// what the HSS rejects or nobody delivers (5003, 3002, 3003); #15 lets the phone look for a cell of another technology or network. A
/// busy HSS (3004) gives #22, which carries a back-off time, so that phones do not come back at once.
///
/// The table's text is not at hand here; the test beside this says for each row which public sources bear it out.
#[must_use]
pub const fn cause(refusal: &Refusal) -> u8 {
    match refusal {
        Refusal::Malformed(_) => emm::NETWORK_FAILURE,
        Refusal::Result { outcome: Outcome::Experimental { vendor: vendor::TGPP | 0, code }, diagnostic } => {
            experimental(*code, *diagnostic)
        }
        Refusal::Result { outcome: Outcome::Experimental { .. }, .. } => emm::SEVERE_NETWORK_FAILURE,
        Refusal::Result { outcome: Outcome::Base(code), .. } => base(*code),
    }
}

const fn experimental(code: u32, diagnostic: Option<u32>) -> u8 {
    match (code, diagnostic) {
        (code::USER_UNKNOWN, _) => emm::EPS_AND_NON_EPS_NOT_ALLOWED,
        (code::UNKNOWN_EPS_SUBSCRIPTION, Some(diagnostic::NO_GPRS_DATA_SUBSCRIBED)) => emm::EPS_NOT_ALLOWED,
        (code::UNKNOWN_EPS_SUBSCRIPTION | code::RAT_NOT_ALLOWED, _) => emm::NO_SUITABLE_CELLS,
        (code::ROAMING_NOT_ALLOWED, Some(diagnostic::ODB_HPLMN_APN | diagnostic::ODB_VPLMN_APN)) => {
            emm::EPS_NOT_ALLOWED_IN_PLMN
        }
        (code::ROAMING_NOT_ALLOWED, Some(diagnostic::ODB_ALL_APN)) => emm::NO_SUITABLE_CELLS,
        (code::ROAMING_NOT_ALLOWED, _) => emm::PLMN_NOT_ALLOWED,
        (code::EQUIPMENT_UNKNOWN, _) => emm::ILLEGAL_ME,
        (code::AUTHENTICATION_DATA_UNAVAILABLE, _) => emm::NETWORK_FAILURE,
        _ => emm::SEVERE_NETWORK_FAILURE,
    }
}

const fn base(code: ResultCode) -> u8 {
    match code {
        ResultCode::AUTHORIZATION_REJECTED | ResultCode::UNABLE_TO_DELIVER | ResultCode::REALM_NOT_SERVED => {
            emm::NO_SUITABLE_CELLS
        }
        ResultCode::TOO_BUSY | ResultCode::OUT_OF_SPACE => emm::CONGESTION,
        ResultCode::UNABLE_TO_COMPLY
        | ResultCode::INVALID_AVP_VALUE
        | ResultCode::AVP_UNSUPPORTED
        | ResultCode::MISSING_AVP
        | ResultCode::AVP_OCCURS_TOO_MANY_TIMES
        | ResultCode::LOOP_DETECTED
        | ResultCode(5006) => emm::NETWORK_FAILURE,
        _ => emm::SEVERE_NETWORK_FAILURE,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rows of TS 29.272 table A.1, checked against what is public about it:
    ///
    /// - a: the issue 449 of magma/magma quotes the row of 5003: #15, #17 or #42;
    /// - b: the pull request 3928 of open5gs/open5gs (2025) states and sets the row of 5001, and the source that it changes names the others;
    /// - c: the reference of commands of Cisco's MME (StarOS 19) gives as defaults #17 for 5012 and #15 for 5420;
    /// - d: the reference of commands of ZTE's MME (SET DIAMERR EMM) lists the rows, with and without Error-Diagnostic, and shows #8 for 5001;
    /// - e: the mapping of OpenAirInterface's MME names the operator's choice for 5421 (#12, #13 or #15), and lists ODB_HPLMN_APN and
    ///   ODB_VPLMN_APN as one row of 5004, ODB_ALL_APN as another;
    /// - f: the changes of Cisco's MME in StarOS 21.0 (CSCuz71936) tell what it answers who is barred from all packet services: #19 with ESM
    ///   cause #8 before 17.5, #15 from then on, which is the default since it can be set.
    ///
    /// ODB_ALL_APN: b notes #19, f went from #19 to #15 for its customers, and so it is here: #19 has an ESM message with it, which
    /// answers a session that nobody has looked at by then, and lets the phone come back five times at once. For 3004 and 3005, which
    /// are not in the table (d lists 3004 apart from it), no public source was found.
    #[test]
    fn annex_a_row_by_row() {
        let tgpp = |code, diagnostic| {
            let outcome = Outcome::Experimental { vendor: vendor::TGPP, code };
            cause(&Refusal::Result { outcome, diagnostic })
        };
        let rows = [
            (5001, None, 8),  // b, d
            (5420, None, 15), // b, c, d
            (5420, Some(0), 15),
            (5420, Some(1), 7),  // d has the row
            (5421, None, 15),    // e
            (5004, None, 11),    // b, d, e
            (5004, Some(3), 14), // b
            (5004, Some(4), 14), // e: the row of 3
            (5004, Some(2), 15), // f
            (5422, None, 6),
            (4181, None, 17), // b
            (5999, None, 42),
        ];
        for (code, diagnostic, expected) in rows {
            assert_eq!(tgpp(code, diagnostic), expected, "{code} {diagnostic:?}");
        }
        let base = |code| cause(&Refusal::Result { outcome: Outcome::Base(ResultCode(code)), diagnostic: None });
        let rows = [
            (5003, 15), // a, b
            (3002, 15), // b, d
            (3003, 15), // b, d
            (5012, 17), // b, c
            (5004, 17), // b, d
            (5001, 17), // b, d
            (5005, 17), // b, d
            (5006, 17), // b, d
            (5009, 17), // b, d
            (3004, 22),
            (3005, 17),
            (3010, 42),
        ];
        for (code, expected) in rows {
            assert_eq!(base(code), expected, "{code}");
        }
        assert_eq!(cause(&Refusal::Malformed("")), 17);
        let stranger = Outcome::Experimental { vendor: 99, code: 5001 };
        assert_eq!(cause(&Refusal::Result { outcome: stranger, diagnostic: None }), 42, "another vendor's 5001");
    }
}
