// Which lines stand together, and how their numbers are said.
import type { MessageKey } from "@/i18n";
import { numbers } from "@/lib/intl";
import { count, rate } from "@/lib/units";

export type Unit = "share" | "seconds" | "rate" | "count" | "packets";

export interface ChartOf {
  id: string;
  title: MessageKey;
  unit: Unit;
  series: readonly string[];
}

/** All charts of the page; together at most 32 series, which is what one question may ask for. */
export const CHARTS = [
  { id: "success", title: "metrics.chart.success", unit: "share", series: ["attach_success_ratio", "service_request_success_ratio", "tracking_area_update_success_ratio", "paging_success_ratio"] },
  { id: "throughput", title: "metrics.chart.throughput", unit: "rate", series: ["downlink_throughput", "uplink_throughput"] },
  { id: "phones", title: "metrics.chart.phones", unit: "count", series: ["registered_phones", "connected_phones", "sessions"] },
  { id: "times", title: "metrics.chart.times", unit: "seconds", series: ["attach_time_seconds", "service_request_time_seconds"] },
  { id: "attempts", title: "metrics.chart.attempts", unit: "count", series: ["attach_attempts", "service_request_attempts", "tracking_area_update_attempts", "paging_attempts"] },
  { id: "further", title: "metrics.chart.further", unit: "share", series: ["authentication_success_ratio", "pdn_connectivity_success_ratio", "handover_success_ratio", "federation_success_ratio"] },
  { id: "there", title: "metrics.chart.there", unit: "count", series: ["up", "enbs"] },
  { id: "drops", title: "metrics.chart.drops", unit: "packets", series: ["drop_rate"] },
  { id: "use", title: "metrics.chart.use", unit: "share", series: ["availability_ratio", "address_use_ratio"] },
  { id: "trouble", title: "metrics.chart.trouble", unit: "count", series: ["data_plane_errors", "data_plane_repairs", "retransmissions", "suspicious_messages"] },
] as const satisfies readonly ChartOf[];

export type Series = (typeof CHARTS)[number]["series"][number];
export const ALL: Series[] = CHARTS.flatMap((chart) => [...chart.series]);

/** KPIs that stand above the charts; below the bound, a share is told as bad. */
export const TILES: { name: Series; unit: Unit; least?: number; most?: number }[] = [
  { name: "attach_success_ratio", unit: "share", least: 0.95 },
  { name: "service_request_success_ratio", unit: "share", least: 0.95 },
  { name: "paging_success_ratio", unit: "share", least: 0.9 },
  { name: "attach_time_seconds", unit: "seconds", most: 2 },
  { name: "downlink_throughput", unit: "rate" },
  { name: "uplink_throughput", unit: "rate" },
  { name: "registered_phones", unit: "count" },
  { name: "availability_ratio", unit: "share", least: 0.999 },
  { name: "address_use_ratio", unit: "share", most: 0.9 },
  { name: "drop_rate", unit: "packets" },
];

/** A number with its unit. */
export function said(value: number, unit: Unit, language: string): string {
  const digits = (most: number) => numbers(language, { maximumFractionDigits: most });
  switch (unit) {
    case "share":
      return numbers(language, { style: "percent", maximumFractionDigits: 1 }).format(value);
    case "seconds":
      return value < 1 ? `${digits(0).format(value * 1000)} ms` : `${digits(2).format(value)} s`;
    case "rate":
      return rate(value, language);
    case "packets":
      return `${digits(1).format(value)} /s`;
    case "count":
      return value < 10 ? digits(1).format(value) : count(Math.round(value), language);
  }
}
