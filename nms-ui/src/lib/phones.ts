import type { MessageKey } from "@/i18n";
import type { Tone } from "@/ui/status";

const STATES: Record<string, { tone: Tone; key: MessageKey }> = {
  connected: { tone: "good", key: "phone.connected" },
  idle: { tone: "info", key: "phone.idle" },
  registered: { tone: "good", key: "phone.registered" },
  deregistered: { tone: "quiet", key: "phone.away" },
  attaching: { tone: "warn", key: "phone.attaching" },
};

/** A phone's state in words; one that this console does not know stands as it came. */
export function phoneState(state: string): { tone: Tone; key?: MessageKey } {
  return STATES[state] ?? { tone: "quiet" };
}
