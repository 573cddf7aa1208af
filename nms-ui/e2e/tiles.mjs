// A small file of tiles (PMTiles, version 3) for tests: one picture of 256 by 256 points for the whole Earth.
import { deflateSync } from "node:zlib";

function crc(octets) {
  let value = ~0;
  for (const octet of octets) {
    value ^= octet;
    for (let bit = 0; bit < 8; bit += 1) value = (value >>> 1) ^ (value & 1 ? 0xedb88320 : 0);
  }
  return ~value >>> 0;
}

function chunk(name, data) {
  const body = Buffer.concat([Buffer.from(name), data]);
  const frame = Buffer.alloc(8);
  frame.writeUInt32BE(data.length, 0);
  frame.writeUInt32BE(crc(body), 4);
  return Buffer.concat([frame.subarray(0, 4), body, frame.subarray(4)]);
}

/** A picture of squares, light and lighter. */
function picture() {
  const rows = Array.from({ length: 256 }, (_, y) => Buffer.from([0, ...Array.from({ length: 256 }, (_, x) => ((x >> 4) + (y >> 4)) % 2 ? 228 : 240)]));
  const head = Buffer.alloc(13);
  head.writeUInt32BE(256, 0);
  head.writeUInt32BE(256, 4);
  head[8] = 8;
  const start = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]);
  return Buffer.concat([start, chunk("IHDR", head), chunk("IDAT", deflateSync(Buffer.concat(rows))), chunk("IEND", Buffer.alloc(0))]);
}

function varint(value) {
  const octets = [];
  let rest = value;
  while (rest > 127) {
    octets.push((rest & 127) | 128);
    rest >>= 7;
  }
  return [...octets, rest];
}

/** Header, root directory of one entry, metadata, the tile; nothing compressed. */
export function tiles() {
  const tile = picture();
  // One entry: tile 0, a run of 1, its length, and its place plus 1.
  const directory = Buffer.from([1, 0, 1, ...varint(tile.length), 1]);
  const metadata = Buffer.from(JSON.stringify({ name: "test", attribution: "made up" }));
  const head = Buffer.alloc(127);
  head.write("PMTiles", 0);
  head[7] = 3;
  const places = [127, directory.length, 127 + directory.length, metadata.length, 0, 0, 127 + directory.length + metadata.length, tile.length, 1, 1, 1];
  places.forEach((place, at) => head.writeBigUInt64LE(BigInt(place), 8 + 8 * at));
  // Clustered; directories and tiles not compressed; PNG; zoom 0 to 0; the whole Earth in parts of 10^-7 degrees.
  head.set([1, 1, 1, 2, 0, 0], 96);
  [-1_800_000_000, -850_000_000, 1_800_000_000, 850_000_000].forEach((edge, at) => head.writeInt32LE(edge, 102 + 4 * at));
  return Buffer.concat([head, directory, metadata, tile]);
}
