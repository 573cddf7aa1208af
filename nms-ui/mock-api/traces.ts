// Recorded signalling of the made-up network: a phone that attaches, is refused elsewhere, moves and sleeps.
import type { Ladder, Participant, Procedure, Trace, TraceRequest, TracedMessage } from "@/api/traces";
import type { World } from "./world";

const MINUTE = 60_000;

type Line = [after: number, from: string, to: string, protocol: string, name: string, fields?: Record<string, unknown>, cause?: string];
interface Part {
  name: string;
  lines: Line[];
  parts?: Part[];
  result?: string;
  cause?: string;
}

const S1 = { mme_ue_s1ap_id: 17, enb_ue_s1ap_id: 4 };
const GUTI = { plmn: "001-01", mme_group_id: 1, mme_code: 1, m_tmsi: "0xc0ffee01" };

/** What happens, in order; times are microseconds after the message before. */
const STORY: Part[] = [
  {
    name: "attach",
    result: "failure",
    cause: "Cannot find suitable cells in this tracking area (EMM cause 15): the subscriber's plan does not allow this area",
    lines: [
      [0, "ue", "enb", "NAS", "ATTACH REQUEST", { eps_attach_type: "combined", imsi: "001010000000005", ue_network_capability: { eea: "EEA0, EEA1, EEA2", eia: "EIA1, EIA2" }, esm: { message: "PDN CONNECTIVITY REQUEST", pdn_type: "ipv4v6" } }],
      [400, "enb", "agw", "S1AP", "INITIAL UE MESSAGE", { ...S1, tai: "001-01/2", cell: "001-01/0x6501", rrc_establishment_cause: "mo-Signalling" }],
      [900, "agw", "enb", "S1AP", "DOWNLINK NAS TRANSPORT", S1],
      [300, "enb", "ue", "NAS", "ATTACH REJECT", { emm_cause: 15 }, "Cannot find suitable cells in this tracking area (15)"],
    ],
  },
  {
    name: "attach",
    lines: [
      [8_400_000, "ue", "enb", "NAS", "ATTACH REQUEST", { eps_attach_type: "combined", imsi: "001010000000005", ue_network_capability: { eea: "EEA0, EEA1, EEA2", eia: "EIA1, EIA2" } }],
      [300, "enb", "agw", "S1AP", "INITIAL UE MESSAGE", { ...S1, tai: "001-01/1", cell: "001-01/0x6502" }],
    ],
    parts: [
      { name: "authentication", lines: [[21_000, "agw", "hss", "Diameter", "Authentication-Information-Request", { session_id: "gw-0001;1;77", user_name: "001010000000005", visited_plmn: "001-01", vectors: 1 }], [8_900, "hss", "agw", "Diameter", "Authentication-Information-Answer", { result_code: 2001, e_utran_vectors: 1, kasme: "taken out" }], [600, "agw", "ue", "NAS", "AUTHENTICATION REQUEST", { ksi: 2, rand: "9f1b…", autn: "taken out" }], [74_000, "ue", "agw", "NAS", "AUTHENTICATION RESPONSE", { res: "taken out" }]] },
      { name: "security mode", lines: [[500, "agw", "ue", "NAS", "SECURITY MODE COMMAND", { ciphering: "EEA2", integrity: "EIA2", replayed_capabilities: { eea: "EEA0, EEA1, EEA2" } }], [31_000, "ue", "agw", "NAS", "SECURITY MODE COMPLETE", { imeisv: "3534900698733190" }]] },
      { name: "session", lines: [[12_000, "agw", "hss", "Diameter", "Update-Location-Request", { ulr_flags: "S6a, initial attach" }], [9_700, "hss", "agw", "Diameter", "Update-Location-Answer", { result_code: 2001, apn: "internet", ambr: { downlink: 10_000_000, uplink: 2_000_000 } }]] },
      { name: "context setup", lines: [[900, "agw", "enb", "S1AP", "INITIAL CONTEXT SETUP REQUEST", { ...S1, e_rabs: [{ id: 5, qci: 9, teid: "0xdafe0005", address: "10.0.0.1" }], nas: "ATTACH ACCEPT" }], [200, "enb", "ue", "NAS", "ATTACH ACCEPT", { result: "combined", guti: GUTI, tai_list: ["001-01/1"], esm: { message: "ACTIVATE DEFAULT EPS BEARER CONTEXT REQUEST", apn: "internet", address: "10.45.0.6" } }], [48_000, "enb", "agw", "S1AP", "INITIAL CONTEXT SETUP RESPONSE", { ...S1, e_rabs: [{ id: 5, teid: "0x51", address: "10.0.1.20" }] }], [9_000, "ue", "agw", "NAS", "ATTACH COMPLETE", { esm: "ACTIVATE DEFAULT EPS BEARER CONTEXT ACCEPT" }], [400, "agw", "enb", "GTP-U", "Echo Request", { sequence: 41 }], [700, "enb", "agw", "GTP-U", "Echo Response", { sequence: 41, recovery: 0 }]] },
    ],
  },
  { name: "release", lines: [[11_200_000, "enb", "agw", "S1AP", "UE CONTEXT RELEASE REQUEST", { ...S1, cause: "radioNetwork: user-inactivity" }], [600, "agw", "enb", "S1AP", "UE CONTEXT RELEASE COMMAND", { ...S1, cause: "radioNetwork: user-inactivity" }], [4_100, "enb", "agw", "S1AP", "UE CONTEXT RELEASE COMPLETE", S1]] },
  { name: "paging", lines: [[27_300_000, "agw", "enb", "S1AP", "PAGING", { s_tmsi: "1/0xc0ffee01", tai_list: ["001-01/1"], ue_identity_index: 511 }]] },
  { name: "service request", lines: [[312_000, "ue", "enb", "NAS", "SERVICE REQUEST", { ksi: 2, sequence: 5 }], [300, "enb", "agw", "S1AP", "INITIAL UE MESSAGE", { s_tmsi: "1/0xc0ffee01" }], [700, "agw", "enb", "S1AP", "INITIAL CONTEXT SETUP REQUEST", S1], [39_000, "enb", "agw", "S1AP", "INITIAL CONTEXT SETUP RESPONSE", S1]] },
  { name: "tracking area update", result: "open", lines: [[19_000_000, "ue", "agw", "NAS", "TRACKING AREA UPDATE REQUEST", { update_type: "periodic", old_guti: GUTI }]] },
];

const PARTICIPANTS: Participant[] = [
  { id: "ue", kind: "phone", name: "Tractor 7" },
  { id: "enb", kind: "base-station", name: "Hill north" },
  { id: "agw", kind: "gateway", name: "gw-0001" },
  { id: "hss", kind: "home-network", name: "262-01" },
];

/** The story until a moment: each trace tells it from its own beginning. */
function told(trace: Trace, now: number): Ladder {
  const messages: TracedMessage[] = [];
  const procedures: Procedure[] = [];
  let at = (trace.created_at + 1_500) * 1000;
  const part = (of: Part, parent: number | null) => {
    const number = procedures.length + 1;
    const procedure: Procedure = { number, name: of.name, imsi: trace.imsi ?? "001010000000005", began: 0, duration: 0, result: of.result ?? "success", cause: of.cause ?? null, messages: [], parent };
    procedures.push(procedure);
    for (const [after, from, to, protocol, name, fields = {}, cause = null] of of.lines) {
      at += after;
      if (at > now * 1000) continue;
      procedure.began ||= at;
      procedure.duration = at - procedure.began;
      procedure.messages.push(messages.length + 1);
      messages.push({ number: messages.length + 1, at, from, to, protocol, name, fields, cause, result: cause ? "failure" : null, imsi: procedure.imsi, gateway: "gw-0001", procedure: number });
    }
    for (const inner of of.parts ?? []) part(inner, number);
    const last = messages.at(-1);
    if (last && procedure.began) procedure.duration = last.at - procedure.began;
  };
  for (const of of STORY) part(of, null);
  return { trace: trace.id, participants: PARTICIPANTS, messages, procedures: procedures.filter((it) => it.began > 0), dropped: 0, left_out: 0, clocks: [{ gateway: "gw-0001", offset_ms: 2 }] };
}

export class Traces {
  private readonly all: Omit<Trace, "state" | "gateways">[];

  constructor(private readonly world: World) {
    const of = { imsi: null, gateway: null, base_station: null, created_by: "ann", octets: 2_097_152 };
    this.all = [
      { ...of, id: "t1past", imsi: "001010000000005", created_at: world.began - 90 * MINUTE, until: world.began - 80 * MINUTE },
      { ...of, id: "t2past", base_station: "001-01/0x65", created_by: "joe", created_at: world.began - 300 * MINUTE, until: world.began - 290 * MINUTE },
    ];
  }

  list(): Trace[] {
    return this.all.map((it) => this.shown(it));
  }

  find(id: string): Trace | undefined {
    return this.list().find((it) => it.id === id);
  }

  start(wanted: TraceRequest): Trace {
    const now = Date.now();
    const made = { id: `t${this.world.id()}`, imsi: wanted.imsi ?? null, gateway: wanted.gateway ?? null, base_station: wanted.base_station ?? null, created_by: this.world.session ?? "", created_at: now, until: now + (wanted.minutes ?? 10) * MINUTE, octets: wanted.octets ?? 2_097_152 };
    this.all.unshift(made);
    return this.shown(made);
  }

  remove(id: string): void {
    this.all.splice(0, this.all.length, ...this.all.filter((it) => it.id !== id));
  }

  ladder(trace: Trace): Ladder {
    return told(trace, Math.min(Date.now(), trace.until));
  }

  private shown(of: Omit<Trace, "state" | "gateways">): Trace {
    const isRunning = Date.now() < of.until;
    const state = isRunning ? "running" : "done";
    const gateways = ["gw-0001", "gw-0002"].map((gateway, at) => ({ gateway, command: `c${of.id}${at}`, state, octets: at === 0 ? 18_212 : 0, said: at === 0 ? "" : "it was not seen here" }));
    return { ...of, state: isRunning ? "running" : "ended", gateways };
  }
}
