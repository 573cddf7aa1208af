// What gateways of the made-up network say of what they are asked.
import { pinged } from "./federation";

/** A command goes on by itself: its output comes line by line. */
export function running(command: Record<string, unknown>): Record<string, unknown> {
  const passed = Math.floor((Date.now() - Number(command["created_at"])) / 1000);
  if (command["kind"] === "test-ping") return pinged(command);
  if (command["kind"] === "describe-phone") return counting(command, passed);
  const log = ["2026-11-22T01:00:00Z  INFO agwd: S1 set up with Hill north", "2026-11-22T01:00:07Z  INFO agwd: attached in cell 001-01/0x6501", "2026-11-22T01:00:09Z  WARN agwd: attach refused: cause 11, PLMN not allowed", "2026-11-22T01:00:12Z ERROR agwd: no address is left in the pool of ims"];
  const lines = command["kind"] === "log-tail" ? log : ["data plane: xdp", "sessions: 14", "drops: rate 12, spoof 0", "pool internet: 65519 free of 65533"];
  const shown = lines.slice(0, passed);
  const isDone = passed >= lines.length;
  return { ...command, state: isDone ? "done" : passed > 0 ? "running" : "sent", percent: Math.min(passed * 25, 100), output: shown.join("\n") };
}

/** What a gateway counts of a phone: a line each second. */
function counting(command: Record<string, unknown>, passed: number): Record<string, unknown> {
  const begun = Number(command["created_at"]);
  const lines = Array.from({ length: Math.min(passed + 12, 60) }, (_, at) => {
    const second = at + 1;
    const hop = (packets: number, size: number, reasons = {}) => ({ packets, octets: packets * size, reasons });
    const down = Math.round(second * 1_100_000 + 90_000 * Math.sin(second) * second);
    const sessions = [{ ebi: 5, apn: "internet", address: "10.45.0.6", uplink_bytes: second * 90_000, uplink_packets: second * 300, downlink_bytes: down, downlink_packets: second * 900 }];
    const hops = { "radio-in": hop(second * 300, 300), "uplink-dropped": hop(second, 80, { spoofed_source: second }), "internet-out": hop(second * 299, 300), "internet-in": hop(second * 900, 1220), "radio-out": hop(second * 900, 1220) };
    return JSON.stringify({ at: begun + second * 1000, state: "connected", sessions, hops });
  });
  return { ...command, state: passed >= 48 ? "done" : "running", percent: Math.min(passed * 2, 100), output: `${lines.join("\n")}\n` };
}
