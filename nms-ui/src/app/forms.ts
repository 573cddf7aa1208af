// How each kind of object is edited. The fields that people set have inputs; all others are in the document beside the form.
import type { Translate } from "@/i18n";
import type { ReactNode } from "react";
import type { Field, OwnProps } from "@/ui/editor/fields";
import type { ObjectForm } from "@/ui/editor";

const text = (label: Field["label"], ...path: string[]): Field => ({ kind: "text", label, path });
const title = text("field.title", "title");

const choices = (...values: string[]) => values.map((value) => ({ value, label: { text: value } }));
export function gatewayForm(network: string, t: Translate): ObjectForm {
  return {
    network,
    collection: "gateways",
    what: "kind.gateway",
    nameHint: "form.nameHint",
    start: { tier: "default" },
    blast: (name) => t("gateway.deleteBlast", { name }),
    fields: [
      title,
      { kind: "ref", collection: "tiers", label: "gateways.tier", path: ["tier"], required: true },
      text("field.description", "description"),
      { kind: "number", label: "form.latitude", path: ["place", "latitude"], hint: "form.placeHint" },
      { kind: "number", label: "form.longitude", path: ["place", "longitude"] },
      { kind: "text", label: "form.pool4", path: ["epc", "ip_block"], hint: "form.pool4Hint" },
      { kind: "text", label: "form.pool6", path: ["epc", "ipv6_block"] },
      { kind: "lines", label: "form.dns", path: ["epc", "dns_servers"] },
      { kind: "switch", label: "form.nat", path: ["epc", "nat_enabled"] },
    ],
  };
}

export function subscriberForm(network: string, t: Translate): ObjectForm {
  return {
    network,
    collection: "subscribers",
    what: "kind.subscriber",
    nameHint: "form.imsiHint",
    start: { state: "ACTIVE" },
    blast: () => t("confirm.phones", { count: 1 }),
    fields: [
      title,
      { kind: "choice", label: "subscribers.state", path: ["state"], required: true, choices: [{ value: "ACTIVE", label: "subscribers.active" }, { value: "INACTIVE", label: "subscribers.suspended" }] },
      text("subscribers.msisdn", "msisdn"),
      { kind: "ref", collection: "data-plans", label: "subscribers.plan", path: ["data_plan"] },
      { kind: "secret", label: "form.k", path: ["keys", "k"], hint: "form.keysHint" },
      { kind: "secret", label: "form.opc", path: ["keys", "opc"], hint: "form.keysHint" },
      { kind: "choice", label: "form.algorithm", path: ["auth_algo"], choices: choices("MILENAGE", "TUAK") },
      { kind: "refs", collection: "policy-rules", label: "kind.rules", path: ["active_policies"] },
      { kind: "json", label: "form.apns", path: ["active_apns"], hint: "form.apnsHint" },
      { kind: "json", label: "form.labels", path: ["labels"] },
    ],
  };
}

export function planForm(network: string): ObjectForm {
  return {
    network,
    collection: "data-plans",
    what: "kind.plan",
    nameHint: "form.nameHint",
    start: {},
    fields: [
      title,
      { kind: "rates", label: "form.rate", path: ["ambr"] },
      { kind: "octets", label: "form.quota", path: ["quota_octets"], hint: "form.quotaHint" },
      { kind: "rates", label: "form.after", path: ["after_quota"] },
      { kind: "number", label: "form.period", path: ["period_days"], hint: "form.periodHint" },
      { kind: "refs", collection: "policy-rules", label: "kind.rules", path: ["policy_rules"] },
    ],
  };
}

export function apnForm(network: string): ObjectForm {
  return {
    network,
    collection: "apns",
    what: "kind.apn",
    nameHint: "form.apnHint",
    start: { qci: 9, ambr: { max_ul_bit_rate: 50_000_000, max_dl_bit_rate: 100_000_000 } },
    fields: [
      text("form.purpose", "purpose"),
      { kind: "rates", label: "form.rate", path: ["ambr"], required: true },
      { kind: "number", label: "form.qci", path: ["qci"], hint: "form.qciHint", required: true },
      { kind: "choice", label: "form.pdn", path: ["pdn_type"], choices: choices("ipv4", "ipv6", "ipv4v6") },
      { kind: "lines", label: "form.dns", path: ["dns_servers"] },
      { kind: "lines", label: "form.pcscf", path: ["p_cscf"] },
      { kind: "number", label: "form.vlan", path: ["vlan"] },
      { kind: "json", label: "form.blocks", path: ["ip_blocks"], hint: "form.blocksHint" },
      { kind: "json", label: "form.arp", path: ["arp"] },
    ],
  };
}

export function ruleForm(network: string): ObjectForm {
  return {
    network,
    collection: "policy-rules",
    what: "kind.rule",
    nameHint: "form.nameHint",
    start: { priority: 100 },
    fields: [
      { kind: "number", label: "form.priority", path: ["priority"], hint: "form.priorityHint" },
      { kind: "ref", collection: "qos-profiles", label: "kind.qos", path: ["qos_profile"] },
      { kind: "json", label: "form.flows", path: ["flow_list"], hint: "form.flowsHint" },
      { kind: "ref", collection: "rating-groups", label: "kind.rating", path: ["rating_group"] },
      { kind: "choice", label: "form.tracking", path: ["tracking_type"], choices: choices("NO_TRACKING", "ONLY_OCS", "ONLY_PCRF", "OCS_AND_PCRF") },
      text("form.monitoring", "monitoring_key"),
      { kind: "json", label: "form.redirect", path: ["redirect"] },
    ],
  };
}

export function qosForm(network: string): ObjectForm {
  return {
    network,
    collection: "qos-profiles",
    what: "kind.qos",
    nameHint: "form.nameHint",
    start: { qci: 9 },
    fields: [
      { kind: "number", label: "form.qci", path: ["qci"], hint: "form.qciHint", required: true },
      { kind: "rates", label: "form.max", path: ["max"] },
      { kind: "rates", label: "form.guaranteed", path: ["guaranteed"] },
      { kind: "json", label: "form.arp", path: ["arp"] },
    ],
  };
}

export function stationForm(network: string): ObjectForm {
  return {
    network,
    collection: "enodebs",
    what: "kind.station",
    nameHint: "form.serialHint",
    start: { config_type: "UNMANAGED", cell_id: 1 },
    fields: [
      title,
      { kind: "number", label: "form.cell", path: ["cell_id"], required: true },
      { kind: "number", label: "network.tac", path: ["tac"] },
      { kind: "ref", collection: "gateways", label: "kind.gateway", path: ["gateway"] },
      { kind: "choice", label: "form.config", path: ["config_type"], required: true, choices: choices("UNMANAGED", "MANAGED") },
      text("form.address", "ip_address"),
      { kind: "number", label: "form.pci", path: ["pci"] },
      { kind: "number", label: "form.earfcn", path: ["earfcndl"] },
      { kind: "number", label: "form.bandwidth", path: ["bandwidth_mhz"] },
      { kind: "switch", label: "form.transmit", path: ["transmit_enabled"] },
    ],
  };
}

export function tierForm(network: string): ObjectForm {
  return {
    network,
    collection: "tiers",
    what: "gateways.tier",
    nameHint: "form.nameHint",
    start: {},
    fields: [title, text("gateways.version", "version"), { kind: "number", label: "form.parallel", path: ["parallel_percent"], hint: "form.parallelHint" }, { kind: "json", label: "form.automatic", path: ["automatic"], hint: "form.automaticHint" }],
  };
}

export function areaForm(network: string): ObjectForm {
  return {
    network,
    collection: "tracking-areas",
    what: "kind.area",
    nameHint: "form.nameHint",
    start: { tac: 1 },
    fields: [title, { kind: "number", label: "network.tac", path: ["tac"], required: true }, { kind: "refs", collection: "gateways", label: "nav.gateways", path: ["gateways"] }, { kind: "number", label: "form.offset", path: ["utc_offset_seconds"] }],
  };
}

export function alertRuleForm(network: string, condition: (props: OwnProps) => ReactNode): ObjectForm {
  return {
    network,
    collection: "alert-rules",
    what: "kind.alertRule",
    nameHint: "form.nameHint",
    start: { severity: "major", condition: { metric: "basalt_agw_enbs", is: "below", value: 1 }, for_seconds: 60 },
    fields: [
      text("form.summary", "summary"),
      { kind: "own", label: "alarms.condition", path: ["condition"], draw: condition },
      { kind: "number", label: "form.for", path: ["for_seconds"] },
      { kind: "choice", label: "alarms.severity", path: ["severity"], required: true, choices: choices("info", "minor", "major", "critical") },
      { kind: "refs", collection: "alert-receivers", label: "alarms.receivers", path: ["receivers"] },
      { kind: "json", label: "form.labels", path: ["labels"] },
    ],
  };
}

export function receiverForm(network: string): ObjectForm {
  return {
    network,
    collection: "alert-receivers",
    what: "kind.receiver",
    nameHint: "form.nameHint",
    start: { channel: "webhook", target: "" },
    fields: [
      { kind: "choice", label: "alarms.channel", path: ["channel"], required: true, choices: choices("webhook", "email", "slack", "pagerduty", "alertmanager") },
      { kind: "text", label: "alarms.target", path: ["target"], required: true },
      { kind: "choice", label: "alarms.from", path: ["severity"], hint: "alarms.fromHint", choices: choices("info", "minor", "major", "critical") },
      { kind: "secret", label: "alarms.secret", path: ["secret"], hint: "alarms.secretHint" },
      { kind: "switch", label: "alarms.resolved", path: ["send_resolved"] },
    ],
  };
}

export function silenceForm(network: string): ObjectForm {
  return {
    network,
    collection: "silences",
    what: "kind.silence",
    nameHint: "form.nameHint",
    start: { gateway: "", kind: "", from: Date.now(), until: Date.now() + 4 * 3_600_000, comment: "" },
    fields: [
      { kind: "ref", collection: "gateways", label: "kind.gateway", path: ["gateway"], hint: "alarms.allGateways" },
      { kind: "text", label: "events.kind", path: ["kind"], hint: "alarms.allKinds" },
      { kind: "number", label: "alarms.until", path: ["until"], hint: "alarms.untilHint", required: true },
      { kind: "text", label: "alarms.why", path: ["comment"] },
    ],
  };
}

export function webhookForm(network: string): ObjectForm {
  return {
    network,
    collection: "webhooks",
    what: "kind.webhook",
    nameHint: "form.nameHint",
    start: { url: "https://", events: ["alarm"], active: true },
    fields: [
      { kind: "text", label: "alarms.target", path: ["url"], required: true, hint: "webhooks.urlHint" },
      { kind: "lines", label: "nav.events", path: ["events"], hint: "webhooks.eventsHint" },
      { kind: "secret", label: "alarms.secret", path: ["secret"], hint: "webhooks.secretHint" },
      { kind: "switch", label: "field.on", path: ["active"] },
    ],
  };
}

export function federationForm(network: string): ObjectForm {
  return {
    network,
    collection: "federations",
    what: "kind.federation",
    nameHint: "form.nameHint",
    start: {},
    fields: (["s6a", "gx", "gy", "swx"] as const).map((it): Field => ({ kind: "json", label: `federation.${it}`, path: [it] })).concat([
      { kind: "json", label: "federation.gateways", path: ["gateways"] },
      { kind: "json", label: "federation.networks", path: ["networks"] },
      { kind: "json", label: "federation.tab.peers", path: ["peers"] },
      { kind: "lines", label: "federation.served", path: ["served_networks"] },
      { kind: "json", label: "federation.routes", path: ["nh_routes"] },
    ]),
  };
}

export function networkForm(name: string, t: Translate): ObjectForm {
  return {
    network: null,
    collection: "networks",
    what: "shell.network",
    start: {},
    blast: () => t("network.deleteBlast", { name }),
    fields: [
      title,
      text("field.description", "description"),
      text("network.mcc", "epc", "mcc"),
      text("network.mnc", "epc", "mnc"),
      { kind: "number", label: "network.tac", path: ["epc", "tac"] },
      { kind: "choice", label: "networking.mode", path: ["epc", "mobility", "ip_allocation_mode"], choices: choices("NAT", "STATIC", "DHCP_PASSTHROUGH", "DHCP_BROADCAST") },
      { kind: "lines", label: "networking.blocks", path: ["epc", "mobility", "nat_ip_blocks"] },
      { kind: "lines", label: "networking.reserved", path: ["epc", "mobility", "reserved_addresses"] },
      { kind: "switch", label: "networking.static", path: ["epc", "mobility", "enable_static_ip_assignments"] },
      { kind: "lines", label: "networking.allowed", path: ["epc", "allowed_plmns"] },
      { kind: "json", label: "networking.profiles", path: ["epc", "sub_profiles"] },
    ],
  };
}

export function tenantForm(): ObjectForm {
  return { network: null, collection: "tenants", what: "network.tenant", nameHint: "form.nameHint", start: {}, fields: [title, text("access.contact", "contact")] };
}
