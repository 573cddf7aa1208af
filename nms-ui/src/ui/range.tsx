import { SegmentedControl } from "@mantine/core";
import { useWords } from "@/i18n";
import { isRange, type Range } from "@/lib/time";
import { useAddress } from "@/lib/search";
import { useNow } from "./age";

const STEP = 60_000;

const USUAL: Range[] = ["15m", "1h", "24h", "7d", "30d"];

/** The time that a page looks at; it stands in the address. */
export function RangeChoice({ of = USUAL }: { of?: Range[] }) {
  const { t } = useWords();
  const [{ range }, setAddress] = useAddress();
  return (
    <SegmentedControl
      size="xs"
      aria-label={t("field.range")}
      data={of}
      value={isRange(range) ? range : "24h"}
      onChange={(chosen) => setAddress({ range: chosen, from: "", to: "" })}
    />
  );
}

/** A moment that long ago, rounded to minutes, so that questions about it can be kept. */
export function useSince(span: number): number {
  return Math.floor((useNow() - span) / STEP) * STEP;
}

export function useRange(): Range {
  const [{ range }] = useAddress();
  return isRange(range) ? range : "24h";
}
