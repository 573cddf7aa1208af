//! Which PDN type a session gets (TS 24.301 §6.2.2, §6.5.1.3, §6.5.1.4; TS 23.401 §5.3.1.1).

use crate::addresses::Kinds;
use agw_types::PdnTypes;
use basalt_nas::ie::{EsmCause, PdnType};

/// What is granted, with the cause that tells the UE why it is less than it asked for; or the cause to refuse with.
pub(crate) fn decide(
    requested: PdnType,
    subscribed: PdnTypes,
    configured: PdnTypes,
) -> Result<(Kinds, Option<EsmCause>), EsmCause> {
    const IPV4: Kinds = Kinds { ipv4: true, ipv6: false };
    const IPV6: Kinds = Kinds { ipv4: false, ipv6: true };
    const BOTH: Kinds = Kinds { ipv4: true, ipv6: true };
    let ([ipv4, ipv6, both], [there4, there6, there_both]) = (subscribed.allowed(), configured.allowed());
    let (ipv4, ipv6, both) = (ipv4 && there4, ipv6 && there6, both && there_both);
    match requested {
        PdnType::Ipv4 if ipv4 => Ok((IPV4, None)),
        PdnType::Ipv6 | PdnType::Unused4 if ipv6 => Ok((IPV6, None)),
        PdnType::Ipv4v6 if both => Ok((BOTH, None)),
        // The UE may ask for the other version in a session of its own (§6.2.2).
        PdnType::Ipv4v6 if ipv4 && ipv6 => Ok((IPV4, Some(EsmCause::SingleAddressBearersOnlyAllowed))),
        PdnType::Ipv4v6 if ipv4 => Ok((IPV4, Some(EsmCause::PdnTypeIpv4OnlyAllowed))),
        PdnType::Ipv4v6 if ipv6 => Ok((IPV6, Some(EsmCause::PdnTypeIpv6OnlyAllowed))),
        _ => Err(match (ipv4, ipv6, both) {
            (_, _, true) => EsmCause::PdnTypeIpv4v6OnlyAllowed,
            (true, true, false) => EsmCause::SingleAddressBearersOnlyAllowed,
            (true, false, false) => EsmCause::PdnTypeIpv4OnlyAllowed,
            (false, true, false) => EsmCause::PdnTypeIpv6OnlyAllowed,
            (false, false, false) => EsmCause::ServiceOptionNotSubscribed,
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use PdnTypes::{Ipv4, Ipv4OrIpv6, Ipv4v6, Ipv6};

    #[test]
    fn what_is_granted_is_what_all_three_allow() {
        let show = |requested, subscribed, configured| match decide(requested, subscribed, configured) {
            Ok((kinds, cause)) => (kinds.ipv4, kinds.ipv6, cause.map_or(0, EsmCause::code)),
            Err(cause) => (false, false, cause.code()),
        };
        for (requested, subscribed, configured, expected) in [
            (PdnType::Ipv4, Ipv4v6, Ipv4v6, (true, false, 0)),
            (PdnType::Ipv6, Ipv4v6, Ipv4v6, (false, true, 0)),
            (PdnType::Unused4, Ipv4v6, Ipv4v6, (false, true, 0)),
            (PdnType::Ipv4v6, Ipv4v6, Ipv4v6, (true, true, 0)),
            (PdnType::Ipv4v6, Ipv4, Ipv4v6, (true, false, 50)),
            (PdnType::Ipv4v6, Ipv4v6, Ipv6, (false, true, 51)),
            (PdnType::Ipv4v6, Ipv4OrIpv6, Ipv4v6, (true, false, 52)),
            (PdnType::Ipv4v6, Ipv4v6, Ipv4OrIpv6, (true, false, 52)),
            (PdnType::Ipv6, Ipv4v6, Ipv4OrIpv6, (false, true, 0)),
            (PdnType::Ipv6, Ipv4v6, Ipv4, (false, false, 50)),
            (PdnType::Ipv4, Ipv6, Ipv4v6, (false, false, 51)),
            (PdnType::Ipv4v6, Ipv4, Ipv6, (false, false, 33)),
            (PdnType::NonIp, Ipv4v6, Ipv4v6, (false, false, 57)),
            (PdnType::Other(7), Ipv4v6, Ipv4, (false, false, 50)),
        ] {
            assert_eq!(
                show(requested, subscribed, configured),
                expected,
                "{requested:?} {subscribed:?} {configured:?}"
            );
        }
    }
}
