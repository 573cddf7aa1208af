import { SegmentedControl } from "@mantine/core";
import { useWords } from "@/i18n";
import { RANGES, isRange, type Range } from "@/lib/time";
import { useAddress } from "@/lib/search";
import { useNow } from "./age";

const STEP = 60_000;

/** The time that a page looks at; it stands in the address. */
export function RangeChoice() {
  const { t } = useWords();
  const [{ range }, setAddress] = useAddress();
  return (
    <SegmentedControl
      size="xs"
      aria-label={t("field.range")}
      data={Object.keys(RANGES)}
      value={isRange(range) ? range : "24h"}
      onChange={(chosen) => setAddress({ range: chosen })}
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
