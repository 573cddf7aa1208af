// Answers, as the document types them. What it calls an object and says no more about is said here, and only that.
import type { components } from "./generated/schema";

type Schemas = components["schemas"];
type Saying<T, More> = Omit<T, keyof More> & More;

export type Me = Schemas["Me"];
export type OwnSession = Schemas["OwnSession"];
export type GatewayEvent = Schemas["Event"];
export type UsageRecord = Schemas["UsageRecord"];
export type UsageSum = Schemas["UsageSum"];
export type Certificate = Schemas["Certificate"];
export type AuditEntry = Schemas["AuditLine"];
export type ApiKey = Schemas["ApiKey"];
export type SeenStation = Schemas["BaseStation"];
export type Command = Saying<Schemas["Command"], { kind: Schemas["CommandKind"]; state: CommandState; arguments?: Record<string, unknown> | null }>;
export type CommandState = "queued" | "sent" | "running" | "done" | "failed" | "not-supported" | "expired" | "interrupted";
export type GatewayToken = Saying<Schemas["GatewayToken"], { used?: { at: number; by: string } | null }>;

export type GatewayState = Saying<Schemas["GatewayStatus"], { state?: ReportedState | null; sync?: Sync | null; certificate_expires_at?: number | null }>;

/** What a gateway has of what it should. */
export interface Sync {
  in_sync?: boolean;
  items?: number;
  /** What it has and cannot put into force. */
  refused?: { collection: string; name: string; reason: string }[];
}

/** What a gateway says about itself; moments in seconds since 1970. */
export interface ReportedState {
  at?: number;
  version?: string;
  name?: string;
  data_plane?: string;
  sctp?: string;
  started_at?: number;
  enbs?: { id: number | string; name: string; since: number }[];
  registered_ues?: number;
  connected_ues?: number;
  sessions?: number;
  subscribers?: number;
  pools?: Record<string, { free: number; total: number }>;
  /** `federation` for a federation gateway. */
  role?: string;
  draining?: boolean;
  /** Of a federation gateway: access gateways that are connected to it, home networks, Diameter peers. */
  gateways?: string[];
  networks?: string[];
  peers?: DiameterPeer[];
}

/** A Diameter peer as its federation gateway tells; `since` in seconds since 1970. */
export interface DiameterPeer {
  host: string;
  up: boolean;
  since: number;
  lost?: string | null;
  losses: number;
  answers: number;
  requests: number;
  /** How often each result came: `2001`, or `vendor/code`. */
  results?: Record<string, number>;
  latency_mean_us: number;
  latency_bounds_us?: number[];
  latency_counts?: number[];
  realms?: string[];
}

/** A phone as its gateway last told. */
export type Phone = Saying<Schemas["Phone"], { sessions?: Record<string, unknown>[] | null; last_reject?: Reject | null }>;

/** Why it was refused last; `at` in seconds since 1970. */
export interface Reject {
  at?: number;
  procedure?: string;
  emm_cause?: number | null;
  esm_cause?: number | null;
  reason?: string;
  advice?: string;
}

/** A network in numbers. */
export type Numbers = Saying<
  Schemas["Overview"],
  { gateways: { total: number; connected: number }; base_stations: { configured: number; connected: number } }
>;

export type Release = Schemas["Release"];

/** Gateways of a tier on their way to a release. */
export type Rollout = Schemas["Rollout"];
export type Alarm = Schemas["Alarm"];
export type AlarmRule = Schemas["AlarmRule"];
export type ReceiverDelivery = Schemas["Delivery"];

/** Where the condition of a rule holds now. */
export type RulePreviewed = Saying<Schemas["RulePreview"], { items: { labels: Record<string, string>; value: number }[] }>;

/** Lines over time: pairs of the beginning of a step, milliseconds since 1970, and its value. */
export type HistoryAnswer = Saying<Schemas["History"], { series: Saying<Schemas["HistorySeries"], { points: [number, number][] }>[] }>;

/** A span of time in numbers; drops and base stations are as they are now. */
export type KpisAnswer = Saying<Schemas["Kpis"], { drops: { reason: string; packets: number }[] }>;

export interface Imported {
  rows: number;
  created: number;
  replaced: number;
  dry_run: boolean;
}
