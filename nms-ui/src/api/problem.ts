import type { components } from "./generated/schema";

/** A refusal as the orchestrator tells it (RFC 9457). */
export type Problem = components["schemas"]["Problem"];
export type FieldError = components["schemas"]["FieldError"];
export type RowError = components["schemas"]["RowError"];

/** A request that did not do what it should. */
export class Refused extends Error {
  constructor(readonly problem: Problem) {
    super(problem.detail);
    this.name = "Refused";
  }

  /** The last word of the problem's type: `changed-meanwhile`. */
  get kind(): string {
    return this.problem.type.split(":").at(-1) ?? "";
  }

  /** Somebody else was faster. */
  get isConflict(): boolean {
    return this.problem.status === 412;
  }
}

/** What to tell of whatever was thrown. */
export function toProblem(error: unknown): Problem {
  if (error instanceof Refused) return error.problem;
  return { type: "about:blank", status: 0, detail: error instanceof Error ? error.message : String(error) };
}
