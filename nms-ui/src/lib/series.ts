import type { HistoryAnswer } from "@/api/answers";

/** The lines of a chart beside each other: moments in seconds, then the values of each name; nothing where one has none. */
export function aligned(answer: HistoryAnswer, names: readonly string[]): (number | null)[][] {
  const lines = names.map((name) => new Map(answer.series.find((it) => it.name === name)?.points));
  const moments = [...new Set(lines.flatMap((line) => [...line.keys()]))].sort((a, b) => a - b);
  // A hole is drawn as one: a step without any value stands in the data.
  const whole = filled(moments, answer.step * 1000);
  return [whole.map((at) => at / 1000), ...lines.map((line) => whole.map((at) => line.get(at) ?? null))];
}

function filled(moments: number[], step: number): number[] {
  return moments.flatMap((at, index) => {
    const before = moments[index - 1];
    return before !== undefined && at - before > step * 1.5 ? [before + step, at] : [at];
  });
}
