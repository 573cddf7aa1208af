// What changes in the made-up network, told as the orchestrator tells it: every two seconds those phones that changed.
import type { World } from "./world";

const EVERY = 2_000;
/** Gateways of a look: as many as the orchestrator tells at once. */
const SOME = 50;

export function watched(world: World): Response {
  const encoder = new TextEncoder();
  let timer: ReturnType<typeof setInterval> | undefined;
  const before = new Map<string, string>();
  const look = () => {
    const changed = world.phones().filter((it) => before.get(it.imsi) !== it.state);
    for (const phone of changed) before.set(phone.imsi, phone.state);
    const phones = changed.map((phone) => ({ ...phone, title: null, known: false })).map((phone) => `event: phone\ndata: ${JSON.stringify(phone)}\n\n`);
    const gateways = world.size.gateways > SOME ? [] : world.states().map((state) => `event: gateway\ndata: ${JSON.stringify(state)}\n\n`);
    return encoder.encode([...phones, ...gateways].join("") || ":\n\n");
  };
  const body = new ReadableStream<Uint8Array>({
    start(controller) {
      controller.enqueue(encoder.encode(":\n\n"));
      for (const phone of world.phones()) before.set(phone.imsi, phone.state);
      timer = setInterval(() => controller.enqueue(look()), EVERY);
    },
    cancel() {
      clearInterval(timer);
    },
  });
  return new Response(body, { status: 200, headers: { "content-type": "text/event-stream" } });
}
