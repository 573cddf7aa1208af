import { useWords } from "@/i18n";
import type { Health } from "@/lib/fleet";
import { Status, type Tone } from "./status";

const TONES: Record<Health, Tone> = { connected: "good", behind: "info", refusing: "warn", silent: "bad", never: "quiet" };

/** How a gateway is, in a word. */
export function HealthMark({ of }: { of: Health }) {
  const { t } = useWords();
  return <Status tone={TONES[of]}>{t(`health.${of}`)}</Status>;
}
