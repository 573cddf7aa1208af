// Server-sent events as they come in pieces (WHATWG HTML §9.2.6).

export interface SseMessage {
  id: string;
  event: string;
  data: string;
}

/** Takes octets, gives whole messages. Comments are nothing but a sign of life. */
export class SseReader {
  private readonly decoder = new TextDecoder();
  private rest = "";

  read(octets: Uint8Array): SseMessage[] {
    this.rest += this.decoder.decode(octets, { stream: true }).replaceAll("\r\n", "\n");
    const parts = this.rest.split("\n\n");
    this.rest = parts.pop() ?? "";
    return parts.map(message).filter((it) => it.data !== "");
  }
}

function message(text: string): SseMessage {
  const told: SseMessage = { id: "", event: "message", data: "" };
  for (const line of text.split("\n")) {
    const colon = line.indexOf(":");
    if (colon <= 0) continue;
    const [field, value] = [line.slice(0, colon), line.slice(colon + 1).replace(/^ /, "")];
    if (field === "data") told.data += told.data === "" ? value : `\n${value}`;
    else if (field === "event" || field === "id") told[field] = value;
  }
  return told;
}
