//! AVPs as data: code, vendor, name, type, and whether the M bit is set.
//!
//! Names, codes, types and flags are those of the specifications' tables. A reader needs them for two things only: to look into
//! groups, and to name what it reports. What is not in the tables passes through untouched.

mod base;
mod charging;
mod cx;
mod hss;
mod rx;

use crate::avp::AvpId;
use crate::vendor;

/// The type of an AVP's value (RFC 6733 §4.2, §4.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Any octets.
    OctetString,
    /// Text.
    Utf8String,
    /// The name of a host or realm.
    DiameterIdentity,
    /// A host with port and transport.
    DiameterUri,
    /// Four octets without sign.
    Unsigned32,
    /// Eight octets without sign.
    Unsigned64,
    /// Four octets with sign.
    Integer32,
    /// Eight octets with sign.
    Integer64,
    /// Four octets: one of a list.
    Enumerated,
    /// IEEE 754, four octets.
    Float32,
    /// AVPs.
    Grouped,
    /// Seconds since 1900.
    Time,
    /// An address with its family.
    Address,
    /// A packet filter.
    IpFilterRule,
}

/// What is known of an AVP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Info {
    /// Its name in the specification.
    pub name: &'static str,
    /// Its code.
    pub code: u16,
    /// The type of its value.
    pub kind: Kind,
    /// Whether it is sent with the M bit. Where several applications differ, as the one that defined it does.
    pub mandatory: bool,
}

macro_rules! rows {
    ($(#[$doc:meta])* $table:ident of $vendor:ident; $($code:literal $name:literal $kind:ident $mandatory:ident,)*) => {
        $(#[$doc])*
        pub(super) const $table: &[Info] = &[
            $(Info { name: $name, code: $code, kind: Kind::$kind, mandatory: rows!(@ $mandatory) },)*
        ];
    };
    (@ M) => { true };
    (@ O) => { false };
}
use rows;

const IETF: [&[Info]; 3] = [base::ACCESS, base::BASE, base::CREDIT];
const TGPP: [&[Info]; 7] = [rx::RADIUS, rx::RX, cx::CX, charging::CHARGING, rx::GX, hss::S6A, hss::SWX];

static IETF_INDEX: [u16; 1024] = index(&IETF);
static TGPP_INDEX: [u16; 4096] = index(&TGPP);

/// Where each code stands: the number of its table times 1024 and its place there, plus one. 0 is nowhere.
const fn index<const CODES: usize>(tables: &[&[Info]]) -> [u16; CODES] {
    let mut index = [0; CODES];
    let mut table = 0;
    while table < tables.len() {
        let mut row = 0;
        while row < tables[table].len() {
            let code = tables[table][row].code as usize;
            assert!(code < CODES && index[code] == 0, "each code once");
            index[code] = (table * 1024 + row + 1) as u16;
            row += 1;
        }
        table += 1;
    }
    index
}

/// What is known of an AVP.
#[must_use]
#[inline]
pub fn find(id: AvpId) -> Option<&'static Info> {
    let (index, tables): (&[u16], &[&'static [Info]]) = match id.vendor {
        vendor::IETF => (&IETF_INDEX, &IETF),
        vendor::TGPP => (&TGPP_INDEX, &TGPP),
        _ => return None,
    };
    let place = usize::from(*index.get(id.code as usize)?).checked_sub(1)?;
    tables.get(place / 1024)?.get(place % 1024)
}

/// The AVP of that name, in the specification's letters.
#[must_use]
pub fn by_name(name: &str) -> Option<AvpId> {
    let find = |tables: &[&'static [Info]]| {
        tables.iter().flat_map(|table| table.iter()).find(|info| info.name == name).map(|info| u32::from(info.code))
    };
    find(&IETF).map(AvpId::ietf).or_else(|| find(&TGPP).map(AvpId::tgpp))
}

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident = $vendor:ident $code:literal,)*) => {
        $($(#[$doc])* pub const $name: AvpId = AvpId::$vendor($code);)*
    };
}

ids! {
    /// User-Name: on S6a the IMSI in digits.
    USER_NAME = ietf 1,
    /// Host-IP-Address.
    HOST_IP_ADDRESS = ietf 257,
    /// Auth-Application-Id.
    AUTH_APPLICATION_ID = ietf 258,
    /// Acct-Application-Id.
    ACCT_APPLICATION_ID = ietf 259,
    /// Vendor-Specific-Application-Id.
    VENDOR_SPECIFIC_APPLICATION_ID = ietf 260,
    /// Session-Id.
    SESSION_ID = ietf 263,
    /// Origin-Host.
    ORIGIN_HOST = ietf 264,
    /// Supported-Vendor-Id.
    SUPPORTED_VENDOR_ID = ietf 265,
    /// Vendor-Id.
    VENDOR_ID = ietf 266,
    /// Firmware-Revision.
    FIRMWARE_REVISION = ietf 267,
    /// Result-Code.
    RESULT_CODE = ietf 268,
    /// Product-Name.
    PRODUCT_NAME = ietf 269,
    /// Disconnect-Cause.
    DISCONNECT_CAUSE = ietf 273,
    /// Auth-Session-State.
    AUTH_SESSION_STATE = ietf 277,
    /// Origin-State-Id.
    ORIGIN_STATE_ID = ietf 278,
    /// Failed-AVP.
    FAILED_AVP = ietf 279,
    /// Error-Message.
    ERROR_MESSAGE = ietf 281,
    /// Route-Record.
    ROUTE_RECORD = ietf 282,
    /// Destination-Realm.
    DESTINATION_REALM = ietf 283,
    /// Proxy-Info.
    PROXY_INFO = ietf 284,
    /// Destination-Host.
    DESTINATION_HOST = ietf 293,
    /// Error-Reporting-Host.
    ERROR_REPORTING_HOST = ietf 294,
    /// Origin-Realm.
    ORIGIN_REALM = ietf 296,
    /// Experimental-Result.
    EXPERIMENTAL_RESULT = ietf 297,
    /// Experimental-Result-Code.
    EXPERIMENTAL_RESULT_CODE = ietf 298,
    /// Inband-Security-Id.
    INBAND_SECURITY_ID = ietf 299,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_codes_find_each_other() {
        for (tables, vendor) in [(&IETF[..], vendor::IETF), (&TGPP[..], vendor::TGPP)] {
            for info in tables.iter().flat_map(|table| table.iter()) {
                let id = AvpId { code: info.code.into(), vendor };
                assert_eq!(find(id).map(|found| found.name), Some(info.name));
            }
        }
        assert_eq!(by_name("Subscription-Data"), Some(AvpId::tgpp(1400)));
        assert_eq!(find(AvpId::tgpp(1400)).map(|info| (info.kind, info.mandatory)), Some((Kind::Grouped, true)));
        assert_eq!(find(SESSION_ID).map(|info| info.name), Some("Session-Id"));
        assert_eq!(find(AvpId { code: u32::MAX, vendor: 0 }), None);
        assert_eq!(find(AvpId { code: 1, vendor: 99 }), None);
    }
}
