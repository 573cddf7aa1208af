// What was said about alarms: who looks after one, and which are silenced.
import type { GatewayEvent } from "@/api/answers";
import type { Stored } from "@/api/objects";

export interface Alarm extends GatewayEvent {
  acknowledged: Stored<"acknowledgements"> | undefined;
  silence: Stored<"silences"> | undefined;
}

/** Whether a silence covers an alarm. */
export function covers(silence: Stored<"silences">, alarm: GatewayEvent): boolean {
  const { gateway = "", kind = "", from = 0, until = 0 } = silence.body ?? {};
  return alarm.at >= from && alarm.at < until && (gateway === "" || gateway === alarm.gateway) && (kind === "" || kind === alarm.kind);
}

/** Alarms with what was said about them. */
export function told(events: GatewayEvent[], acknowledgements: Stored<"acknowledgements">[], silences: Stored<"silences">[]): Alarm[] {
  const byName = new Map(acknowledgements.map((it) => [it.name, it]));
  return events.map((event) => ({ ...event, acknowledged: byName.get(String(event.id)), silence: silences.find((it) => covers(it, event)) }));
}
