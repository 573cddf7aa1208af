import { expect, test } from "vitest";
import type { GatewayEvent, Phone } from "./answers";
import { SseReader } from "./sse";
import { mergedEvents, mergedPhones } from "./watch";

const octets = (text: string) => new TextEncoder().encode(text);

test("messages are whole however they are cut, and comments are none", () => {
  const text = ':\n\nid: 1-2-3\nevent: phone\ndata: {"a":\ndata: "é"}\n\nevent: end\ndata: {}\n\n';
  for (const size of [1, 2, 7, 1000]) {
    const reader = new SseReader();
    const all = octets(text);
    const found = [];
    for (let at = 0; at < all.length; at += size) found.push(...reader.read(all.slice(at, at + size)));
    expect(found).toEqual([
      { id: "1-2-3", event: "phone", data: '{"a":\n"é"}' },
      { id: "", event: "end", data: "{}" },
    ]);
  }
});

const phone = (imsi: string, state: string, title: string | null = null) => ({ imsi, state, title, known: title !== null, gateway: "g" }) as unknown as Phone;
const news = (...phones: Phone[]) => new Map(phones.map((it) => [`${it.imsi}/g`, it]));

test("phones change, come and go, and keep the titles that a stream does not tell", () => {
  const all = [phone("1", "idle", "Ann"), phone("3", "idle", "Joe")];
  const after = mergedPhones(all, news(phone("1", "connected"), phone("2", "connected"), phone("3", "gone")), undefined);
  expect(after.map((it) => [it.imsi, it.state, it.title])).toEqual([
    ["1", "connected", "Ann"],
    ["2", "connected", null],
  ]);
  expect(mergedPhones(all, news(phone("2", "idle")), "1")).toBe(all);
});

test("events are those that the page wants, each once, the newest first", () => {
  const event = (id: number, gateway: string, alarm = false) => ({ id, gateway, alarm, at: id, imsi: "" }) as unknown as GatewayEvent;
  const all = [event(2, "a")];
  const told = [event(3, "b"), event(2, "a"), event(4, "a", true)];
  expect(mergedEvents(all, told, { gateway: "a" }, 10).map((it) => it.id)).toEqual([4, 2]);
  expect(mergedEvents(all, told, { alarms: true }, 10).map((it) => it.id)).toEqual([4, 2]);
  expect(mergedEvents(all, told, {}, 2).map((it) => it.id)).toEqual([4, 3]);
});
