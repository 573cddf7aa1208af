// Another version of the gateway's program, and its signature, as `basalt release add` makes it (crates/release).
import { createHash, generateKeyPairSync, sign } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";

const BEGIN = Buffer.from("\x02basalt program\x02");
const BETWEEN = 0x1f;
const STAMP = 160;
const CONTEXT = "basalt release v1";

/** What a program's file says of itself, and where. */
function stampOf(octets) {
  for (let at = octets.indexOf(BEGIN); at >= 0; at = octets.indexOf(BEGIN, at + 1)) {
    const words = octets.subarray(at + BEGIN.length, at + STAMP).toString("latin1").split(String.fromCharCode(BETWEEN));
    const [product, version, platform] = words;
    if (words.length > 3 && [product, version, platform].every((it) => /^[A-Za-z0-9][A-Za-z0-9._+-]{0,39}$/.test(it))) return { at, product, version, platform };
  }
  throw new Error("the program does not say what it is");
}

/** Writes a program's file so that it says that it is another version; what it is called then, and what it was. */
export function otherVersion(from, to, version) {
  const octets = Buffer.from(readFileSync(from));
  const known = stampOf(octets);
  const between = String.fromCharCode(BETWEEN);
  const words = Buffer.from([known.product, version, known.platform, ""].join(between), "latin1");
  octets.fill(0, known.at + BEGIN.length, known.at + STAMP);
  words.copy(octets, known.at + BEGIN.length);
  writeFileSync(to, octets, { mode: 0o755 });
  return { product: known.product, version, platform: known.platform, former: known.version };
}

/** A key of releases: its public half in hexadecimal digits, and what it signs. */
export function releaseKey() {
  const { publicKey, privateKey } = generateKeyPairSync("ed25519");
  return {
    public: publicKey.export({ type: "spki", format: "der" }).subarray(-32).toString("hex"),
    /** The signature of a release whose program is a file. */
    sign({ product, version, platform }, path) {
      const octets = readFileSync(path);
      const digest = createHash("sha256").update(octets).digest("hex");
      const text = [CONTEXT, product, version, platform, String(octets.length), digest].join("\0");
      return sign(null, Buffer.from(text), privateKey).toString("hex");
    },
  };
}
