// Imports: small ones are answered at once, large ones go on behind their answer and tell how far they are.
import type { Imported } from "./answers";
import { request } from "./client";
import { Refused, type Problem } from "./problem";

/** Characters above which an import is a job. */
const LARGE = 500_000;
/** Between two looks at a job, milliseconds. */
const LOOK = 1_000;

interface Job {
  id: string;
  state: "running" | "done" | "failed" | "lost";
  percent: number;
  result: unknown;
}

/** Many objects at once, all or none of them; only looked at with `dry`. */
export async function importRows(network: string, collection: string, text: string, form: string, dry: boolean, told: (percent: number) => void): Promise<Imported> {
  const base = `/api/v1/networks/${encodeURIComponent(network)}`;
  const isLarge = text.length > LARGE;
  const path = `${base}/${collection}/import?dry_run=${dry}${isLarge ? "&background=true" : ""}`;
  const answer = (await request("POST", path, text, { "content-type": form })).body;
  if (!isLarge) return answer as Imported;
  let job = answer as Job;
  while (job.state === "running") {
    told(job.percent);
    await new Promise((done) => setTimeout(done, LOOK));
    job = (await request("GET", `${base}/jobs/${job.id}`)).body as Job;
  }
  if (job.state === "done") return job.result as Imported;
  throw new Refused(job.state === "failed" ? (job.result as Problem) : { type: "urn:basalt:problem:job-lost", status: 503, detail: "the orchestrator was started anew meanwhile; look whether the rows are there" });
}
