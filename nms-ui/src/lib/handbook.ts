// Pages of the handbook: the part of Markdown that they are written in.

export type Block = { kind: "title" | "heading" | "text" | "code"; text: string } | { kind: "list"; items: string[] };

/** A page as blocks, in order. */
export function blocks(text: string): Block[] {
  const all: Block[] = [];
  const lines = text.split("\n");
  for (let at = 0; at < lines.length; at += 1) {
    const line = lines[at] ?? "";
    const last = all.at(-1);
    const isAfterGap = (lines[at - 1] ?? "").trim() === "";
    if (line.startsWith("```")) {
      const end = lines.findIndex((it, place) => place > at && it.startsWith("```"));
      const until = end < 0 ? lines.length : end;
      all.push({ kind: "code", text: lines.slice(at + 1, until).join("\n") });
      at = until;
    } else if (line.startsWith("# ")) all.push({ kind: "title", text: line.slice(2) });
    else if (/^##+ /.test(line)) all.push({ kind: "heading", text: line.replace(/^#+ /, "") });
    else if (/^([-*]|\d+\.) /.test(line)) {
      const item = line.replace(/^([-*]|\d+\.) /, "");
      if (last?.kind === "list") last.items.push(item);
      else all.push({ kind: "list", items: [item] });
    } else if (line.trim() === "") continue;
    else if (last?.kind === "list" && line.startsWith("  ") && !isAfterGap) last.items.push(`${last.items.pop() ?? ""} ${line.trim()}`);
    else if (last?.kind === "text" && !isAfterGap) last.text += ` ${line}`;
    else all.push({ kind: "text", text: line });
  }
  return all;
}

/** A line in pieces, those between backticks apart; of links their text. */
export function pieces(line: string): { text: string; isCode: boolean }[] {
  const plain = line.replace(/\[([^\]]+)\]\([^)]*\)/g, "$1").replaceAll("**", "");
  return plain.split("`").map((text, at) => ({ text, isCode: at % 2 === 1 })).filter((piece) => piece.text !== "");
}
