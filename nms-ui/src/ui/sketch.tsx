import { useWords } from "@/i18n";
import { age } from "@/lib/time";

interface Props {
  /** Seconds since 1970, then a line for each name. */
  data: (number | null)[][];
  names: string[];
  unit: (value: number) => string;
  /** The time that is drawn, seconds since 1970. */
  span: [number, number];
  height: number;
  /** Somebody wants to read more of it. */
  onOpen: () => void;
}

/** Places within the drawing, which is stretched to its room. */
const WIDTH = 1000;
const HEIGHT = 100;

/** The lines of a path: a hole in the data is one in the line. */
export function pathOf(times: readonly (number | null)[], line: readonly (number | null)[], [from, to]: [number, number], most: number): string {
  let isOn = false;
  const parts = line.map((value, at) => {
    const time = times[at];
    if (value === null || time === null || time === undefined) {
      isOn = false;
      return "";
    }
    const place = `${isOn ? "L" : "M"}${((WIDTH * (time - from)) / (to - from)).toFixed(1)} ${(HEIGHT * (1 - value / most)).toFixed(1)}`;
    isOn = true;
    return place;
  });
  return parts.join("");
}

/** A chart in outline, for small screens: it needs no library. The chart itself comes when it is touched. */
export function Sketch({ data, names, unit, span, height, onOpen }: Props) {
  const { t } = useWords();
  const [times = [], ...lines] = data;
  const highest = Math.max(...lines.flat().map((it) => it ?? 0));
  const most = highest * 1.1 || 1;
  return (
    <button type="button" className="sketch" onClick={onOpen}>
      <span className="sketch-row">
        <span className="soft">{unit(highest)}</span>
        <span className="sketch-open">{t("chart.open")}</span>
      </span>
      <svg viewBox={`0 0 ${WIDTH} ${HEIGHT}`} preserveAspectRatio="none" height={height} aria-hidden="true">
        {lines.map((line, at) => (
          <path key={names[at]} d={pathOf(times, line, span, most)} stroke={`var(--b-chart-${at + 1})`} />
        ))}
      </svg>
      <span className="sketch-row soft">
        <span>{age(span[0] * 1000, span[1] * 1000, t)}</span>
        {names.map((name, at) => (
          <span key={name} className="sketch-name" style={{ "--line": `var(--b-chart-${at + 1})` } as object}>
            {name}
          </span>
        ))}
        <span>{t("age.now")}</span>
      </span>
    </button>
  );
}
