// The built console before an interface that runs elsewhere: a page that is worked on, against an orchestrator that carries an older one.
import { request as ask } from "node:http";
import { fileURLToPath } from "node:url";
import { serve } from "./serve.mjs";

/** Serves `dist`; what stands below /api/v1 is answered by the orchestrator at an address of plain HTTP. */
export async function serveBefore(orchestrator) {
  const there = new URL(orchestrator);
  return serve(fileURLToPath(new URL("../dist", import.meta.url)), (request, response) => {
    const headers = { ...request.headers, host: there.host, ...(request.headers.origin ? { origin: there.origin } : {}) };
    const onward = ask({ host: there.hostname, port: there.port, path: request.url, method: request.method, headers }, (answer) => {
      response.writeHead(answer.statusCode ?? 502, answer.headers);
      answer.pipe(response);
    });
    onward.on("error", () => response.writeHead(502).end());
    response.on("close", () => onward.destroy());
    request.pipe(onward);
  });
}
