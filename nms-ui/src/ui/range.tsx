import { SegmentedControl } from "@mantine/core";
import { useWords } from "@/i18n";
import { isRange, type Range } from "@/lib/time";
import { useAddress } from "@/lib/search";

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
