//! Codes of TS 29.272 §7.3 and of what it borrows.

use basalt_diameter::AvpId;

macro_rules! names {
    ($($name:ident = $kind:ident $code:literal,)*) => { $(pub(crate) const $name: AvpId = AvpId::$kind($code);)* };
}

names! {
    SERVICE_SELECTION = ietf 493,
    CHARGING_CHARACTERISTICS = tgpp 13,
    MAX_BANDWIDTH_DL = tgpp 515,
    MAX_BANDWIDTH_UL = tgpp 516,
    MSISDN = tgpp 701,
    QCI = tgpp 1028,
    ARP = tgpp 1034,
    PRIORITY_LEVEL = tgpp 1046,
    PREEMPTION_CAPABILITY = tgpp 1047,
    PREEMPTION_VULNERABILITY = tgpp 1048,
    SUBSCRIPTION_DATA = tgpp 1400,
    TERMINAL_INFORMATION = tgpp 1401,
    IMEI = tgpp 1402,
    ULA_FLAGS = tgpp 1406,
    VISITED_PLMN_ID = tgpp 1407,
    REQUESTED_EUTRAN = tgpp 1408,
    NUMBER_OF_VECTORS = tgpp 1410,
    RESYNCHRONIZATION = tgpp 1411,
    AUTHENTICATION_INFO = tgpp 1413,
    EUTRAN_VECTOR = tgpp 1414,
    NETWORK_ACCESS_MODE = tgpp 1417,
    ITEM_NUMBER = tgpp 1419,
    CANCELLATION_TYPE = tgpp 1420,
    DSR_FLAGS = tgpp 1421,
    CONTEXT_IDENTIFIER = tgpp 1423,
    SUBSCRIBER_STATUS = tgpp 1424,
    ACCESS_RESTRICTION = tgpp 1426,
    ALL_APNS_INCLUDED = tgpp 1428,
    APN_PROFILE = tgpp 1429,
    APN_CONFIGURATION = tgpp 1430,
    EPS_QOS_PROFILE = tgpp 1431,
    AMBR = tgpp 1435,
    PUA_FLAGS = tgpp 1442,
    USER_ID = tgpp 1444,
    EQUIPMENT_STATUS = tgpp 1445,
    ZONE_CODE = tgpp 1446,
    RAND = tgpp 1447,
    XRES = tgpp 1448,
    AUTN = tgpp 1449,
    KASME = tgpp 1450,
    PDN_TYPE = tgpp 1456,
    IDR_FLAGS = tgpp 1490,
    ERROR_DIAGNOSTIC = tgpp 1614,
    CLR_FLAGS = tgpp 1638,
}
