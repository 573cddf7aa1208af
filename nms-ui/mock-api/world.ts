// A made-up network: the same one for the same size, at the present time.
import type { GatewayState, Phone } from "@/api/answers";
import { Traces } from "./traces";
import { Upgrades } from "./upgrades";
import { Staged } from "./staged";
import type { AnyObject } from "@/api/objects";

export interface Size {
  gateways: number;
  subscribers: number;
  phones: number;
}

const SMALL: Size = { gateways: 9, subscribers: 120, phones: 74 };
const HOUR = 3_600_000;
const PLACES = ["Hill", "Harbour", "Quarry", "Mill", "School", "Lighthouse", "Market", "Ridge", "Valley"];
const PEOPLE = ["Pump house", "Ana Silva", "Bakery", "Jean Dupont", "Clinic", "María López", "Tractor 7", "Camera north", "Ines Costa", "Town hall"];

export interface Audit {
  id: number;
  at: number;
  who: string;
  network: string;
  action: string;
  target: string;
  outcome: number;
}

/** Numbers from a seed, so that tests and pictures are the same each time. */
export function seeded(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state * 1_664_525 + 1_013_904_223) % 4_294_967_296;
    return state / 4_294_967_296;
  };
}

/** Everything that the pretended orchestrator knows. */
export class World {
  readonly size: Size;
  readonly began = Date.now();
  /** Who is logged in. */
  session: string | null = null;
  /** Further sessions of the same user. */
  readonly elsewhere = ["Firefox on Android", "Safari on macOS"].map((title, at) => ({ id: `s${at + 2}`, title, created_at: this.began - (at + 3) * HOUR, expires_at: this.began + 6 * HOUR, current: false }));
  /** By network and collection; those of the installation under "". */
  readonly objects = new Map<string, Map<string, AnyObject>>();
  readonly versions = new Map<string, { revision: number; at: number; who: string; before: unknown; after: unknown }[]>();
  readonly audit: Audit[] = [];
  readonly tokens: Record<string, unknown>[] = [];
  readonly keys: Record<string, unknown>[] = [];
  /** Tests of receivers. */
  readonly tests: { receiver: string; at: number }[] = [];
  readonly commands: Record<string, unknown>[] = [];
  /** Gateways that take no new phones. */
  readonly drained = new Set<string>();
  readonly users: Record<string, unknown>[] = [
    { name: "ann", grants: [{ role: "admin", scope: "everything" }], locked_until: 0, created_at: Date.now() - 900 * HOUR },
    { name: "joe", grants: [{ role: "operator", scope: { network: "demo" } }], locked_until: 0, created_at: Date.now() - 300 * HOUR },
    { name: "zoe", grants: [{ role: "viewer", scope: { network: "demo" } }], locked_until: 0, created_at: Date.now() - 100 * HOUR },
  ];
  readonly upgrades: Upgrades;
  readonly staged: Staged;
  readonly traces: Traces;
  private next = 1;

  constructor(size: Size = SMALL) {
    this.size = size;
    this.fill();
    this.upgrades = new Upgrades(this);
    this.staged = new Staged(this);
    this.traces = new Traces(this);
  }

  id(): number {
    return this.next++;
  }

  collection(network: string, name: string): Map<string, AnyObject> {
    const key = `${network}/${name}`;
    const found = this.objects.get(key) ?? new Map<string, AnyObject>();
    this.objects.set(key, found);
    return found;
  }

  private put(network: string, collection: string, name: string, body: Record<string, unknown>, secrets = false): void {
    const at = this.began - ((name.length * 7919) % 400) * HOUR;
    this.collection(network, collection).set(name, { name, revision: this.id(), changed_at: at, changed_by: "ann", has_secrets: secrets, body });
  }

  private fill(): void {
    this.put("", "tenants", "valley", { title: "Valley cooperative", contact: "noc@valley.example" });
    const mobility = { ip_allocation_mode: "NAT", nat_ip_blocks: ["10.45.0.0/16"], reserved_addresses: ["10.45.0.1"], enable_static_ip_assignments: true };
    this.put("", "networks", "demo", { tenant: "valley", title: "Valley", epc: { mcc: "001", mnc: "01", tac: 1, mobility } });
    this.put("demo", "tiers", "default", { title: "Default", version: "0.1.0", parallel_percent: 10 });
    this.put("demo", "tiers", "canary", { title: "First to upgrade", version: "0.2.0", parallel_percent: 100 });
    this.put("demo", "apns", "internet", { qci: 9, pdn_type: "ipv4v6", ambr: { max_dl_bit_rate: 100_000_000, max_ul_bit_rate: 50_000_000 }, dns_servers: ["10.45.0.1"] });
    this.put("demo", "apns", "ims", { qci: 5, pdn_type: "ipv6", ambr: { max_dl_bit_rate: 2_000_000, max_ul_bit_rate: 2_000_000 } });
    this.put("demo", "data-plans", "home", { title: "Home", ambr: { max_dl_bit_rate: 10_000_000, max_ul_bit_rate: 2_000_000 }, quota_octets: 50_000_000_000, period_days: 30, after_quota: { max_dl_bit_rate: 1_000_000, max_ul_bit_rate: 1_000_000 } });
    this.put("demo", "data-plans", "business", { title: "Business", ambr: { max_dl_bit_rate: 80_000_000, max_ul_bit_rate: 40_000_000 } });
    this.put("demo", "data-plans", "meter", { title: "Meters", ambr: { max_dl_bit_rate: 256_000, max_ul_bit_rate: 256_000 }, quota_octets: 200_000_000, period_days: 30 });
    this.put("demo", "policy-rules", "no-smtp", { priority: 10, flow_list: [{ direction: "UPLINK", action: "DENY", ip_proto: 6, port_dst: 25 }] });
    this.put("demo", "qos-profiles", "voice", { qci: 1, guaranteed: { max_dl_bit_rate: 64_000, max_ul_bit_rate: 64_000 } });
    this.put("demo", "enodebs", "120200004917", { title: "Hill north", config_type: "UNMANAGED", cell_id: 25_857, gateway: "gw-0001" });
    this.put("demo", "alert-rules", "gateway-silent", { summary: "A gateway is silent", severity: "major", expression: "basalt_gateway_connected == 0", for_seconds: 300 });
    this.put("demo", "alert-rules", "few-stations", { summary: "Fewer base stations than there should be", severity: "minor", condition: { metric: "basalt_agw_enbs", is: "below", value: 1 }, for_seconds: 120, receivers: ["noc"] });
    this.put("demo", "alert-receivers", "noc", { channel: "email", target: "noc@valley.example", severity: "major", send_resolved: true });
    this.put("demo", "alert-receivers", "chat", { channel: "slack", target: "https://hooks.example/T0/B0", severity: "minor" }, true);
    this.put("demo", "alert-receivers", "pager", { channel: "pagerduty", target: "https://events.example/v2/enqueue", severity: "critical" }, true);
    this.put("demo", "federations", "valley-partner", { gateways: [{ gateway: "feg1" }], networks: [{ plmn: "262-01" }], peers: [{ host: "hss1.valley-partner.example", address: "192.0.2.10:3868", realms: ["epc.mnc001.mcc262.3gppnetwork.org"] }, { host: "hss2.valley-partner.example", address: "192.0.2.11:3868", rank: 1 }] });
    this.put("demo", "federations", "roaming", { gateways: [{ gateway: "feg1" }], networks: [{ plmn: "208-10", imsis: ["208101"] }, { plmn: "310-410" }], peers: [{ host: "dra.roaming.example", address: "198.51.100.7:3868", realms: ["*"] }] });
    this.put("demo", "tracking-areas", "valley", { title: "Valley floor", tac: 1, gateways: ["gw-0001"] });
    for (let i = 0; i < this.size.gateways; i += 1) {
      const name = `gw-${String(i + 1).padStart(4, "0")}`;
      const place = { latitude: 46.5 + ((i * 37) % 100) / 250, longitude: 7.4 + ((i * 61) % 100) / 160 };
      this.put("demo", "gateways", name, { place, tier: i % 9 === 4 ? "canary" : "default", title: `${PLACES[i % PLACES.length]}${i < PLACES.length ? "" : ` ${i}`}` });
    }
    for (let i = 0; i < this.size.subscribers; i += 1) this.subscriber(i);
    this.remember();
  }

  private subscriber(i: number): void {
    const imsi = `00101${String(i + 1).padStart(10, "0")}`;
    const plan = ["home", "home", "business", "meter"][i % 4];
    const state = i % 17 === 9 ? "INACTIVE" : "ACTIVE";
    const own = i % 20 === 3 ? { active_apns: [{ apn: "internet", static_address: { ipv4: `10.46.${(i >> 8) & 255}.${i & 255}` }, framed_routes: ["192.168.40.0/24"] }] } : {};
    this.put("demo", "subscribers", imsi, { title: `${PEOPLE[i % PEOPLE.length]}${i < 10 ? "" : ` ${i}`}`, msisdn: `1555${String(i + 1).padStart(6, "0")}`, state, data_plan: plan, ...own }, true);
  }

  private remember(): void {
    const targets = ["data-plans/home", "gateways/gw-0003", "subscribers/001010000000004", "apns/internet", "policy-rules/no-smtp"];
    targets.forEach((target, at) => {
      this.audit.push({ id: 1000 - at, at: this.began - (at * 3 + 1) * HOUR, who: at % 2 ? "joe" : "ann", network: "demo", action: "PUT", target: `/api/v1/networks/demo/${target}`, outcome: 200 });
    });
    const home = this.collection("demo", "data-plans").get("home");
    const former = { ...home?.body, ambr: { max_dl_bit_rate: 5_000_000, max_ul_bit_rate: 1_000_000 } };
    this.versions.set("demo/data-plans/home", [
      { revision: home?.revision ?? 2, at: this.began - HOUR, who: "ann", before: former, after: home?.body },
      { revision: 1, at: this.began - 400 * HOUR, who: "joe", before: null, after: former },
    ]);
  }

  /** How gateways are now: the third is silent, the sixth refuses a rule, the last has never come. */
  states(): GatewayState[] {
    const now = Date.now();
    const names = [...this.collection("demo", "gateways").keys()];
    const phones = new Map<string, number>();
    for (const phone of this.phones()) phones.set(phone.gateway, (phones.get(phone.gateway) ?? 0) + 1);
    return names.slice(0, names.length === 1 ? 1 : -1).map((gateway, at) => {
      const isSilent = at % 50 === 2;
      const seen = isSilent ? now - 5.2 * HOUR : now - (now % 4000);
      const here = phones.get(gateway) ?? 0;
      const refusals = at % 50 === 5 ? [{ collection: "policy-rules", name: "no-smtp", reason: "rules with IPv6 far ends are not forwarded yet" }] : [];
      const enbs = at % 50 === 7 ? [] : [{ id: `001-01/0x${(101 + at).toString(16)}`, name: `${PLACES[at % PLACES.length]} north`, since: Math.floor((this.began - 90 * HOUR) / 1000) }];
      return {
        gateway,
        connected: !isSilent,
        connected_at: this.began - 30 * HOUR,
        seen_at: seen,
        joined_at: this.began - 800 * HOUR,
        revoked_at: null,
        certificate_expires_at: this.began + (at % 50 === 2 ? 7 : 30 + ((at * 7) % 42)) * HOUR,
        sync: { in_sync: at % 50 !== 6, items: 141, refused: refusals },
        state: {
          at: seen,
          version: at % 9 === 4 ? "0.2.0" : "0.1.0",
          name: gateway,
          data_plane: at % 3 === 1 ? "software" : "xdp",
          sctp: "kernel",
          started_at: Math.floor((this.began - (at + 2) * 50 * HOUR) / 1000),
          enbs,
          draining: this.drained.has(gateway),
          registered_ues: here,
          connected_ues: Math.ceil(here / 3),
          sessions: here,
          subscribers: this.size.subscribers,
          pools: { internet: { free: 65_533 - here, total: 65_533 } },
        },
      };
    });
  }

  /** Phones as they are now; some of them change between two looks. */
  phones(): Phone[] {
    const now = Date.now();
    const tick = Math.floor(now / 2000);
    return Array.from({ length: Math.min(this.size.phones, this.size.subscribers) }, (_, i) => {
      const name = `00101${String(i + 1).padStart(10, "0")}`;
      const at = i % Math.min(8, this.size.gateways);
      const isActive = (i + tick) % 3 === 0;
      return {
        imsi: name,
        title: String(this.collection("demo", "subscribers").get(name)?.body?.["title"] ?? ""),
        known: true,
        gateway: `gw-${String(at + 1).padStart(4, "0")}`,
        state: isActive ? "connected" : "idle",
        enb: `001-01/0x${(101 + at).toString(16)}`,
        cell: `001-01/0x${((101 + at) * 256 + 1).toString(16)}`,
        area: "001-01/1",
        apns: ["internet"],
        addresses: [`10.45.${(i >> 8) & 255}.${(i & 255) + 2}`],
        description: isActive ? "registered, active in its cell" : "registered, idle",
        last_seen: Math.floor(now / 1000) - (isActive ? 0 : (i * 37) % 1200),
        told_at: now - (now % 2000),
        sessions: [{ apn: "internet", address: `10.45.${(i >> 8) & 255}.${(i & 255) + 2}`, state: isActive ? "active" : "idle", ebi: 5, qci: 9, ambr_downlink: 10_000_000, ambr_uplink: 2_000_000, teid: `0xdafe${i.toString(16).padStart(4, "0")}`, bearers: [] }],
        last_reject: i % 11 === 4 ? { emm_cause: 19, procedure: "attach", at: Math.floor((now - 40 * HOUR) / 1000) } : null,
      };
    });
  }
}
