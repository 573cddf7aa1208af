// How far a rollout of a program is, and what a file of one is called.

export const STAGES = ["canary", "soak", "rest"] as const;

export function stageOf(text: string): (typeof STAGES)[number] {
  return STAGES.find((it) => it === text) ?? "rest";
}

/** A release's name. */
export function nameOf(release: { product: string; version: string; platform: string }): string {
  return `${release.product}-${release.version}-${release.platform}`;
}

/** Product, version and platform, where a file is called as packages are: `agwd-0.2.0-x86_64-linux`. */
export function fromFileName(name: string): { product?: string; version?: string; platform?: string } {
  const found = /^([A-Za-z][A-Za-z0-9]*)-(\d+\.\d+\.\d+[A-Za-z0-9.]*)-([A-Za-z0-9_]+-[a-z]+)$/.exec(name.replace(/\.(bin|exe)$/, ""));
  if (!found) return {};
  const [, product = "", version = "", platform = ""] = found;
  return { product, version, platform };
}

export function hex(octets: ArrayBuffer): string {
  return [...new Uint8Array(octets)].map((it) => it.toString(16).padStart(2, "0")).join("");
}
