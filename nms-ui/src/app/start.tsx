// The console, drawn over the frame of index.html.
import { StrictMode, startTransition } from "react";
import { createRoot } from "react-dom/client";
import type { Language, Messages } from "@/i18n/language";
import { turn } from "@/lib/turn";
import { showHints } from "@/ui/hint";
import { App, hasten, makeCore } from "./app";
import "./styles";

/** Draws the console. What it takes is done in parts: between them a slow phone hears its user, and paints. */
export async function show(first: { language: Language; messages: Messages }): Promise<void> {
  const place = document.getElementById("root");
  if (!place) return;
  // What libraries put into the page as styles needs the number that the orchestrator drew for this page.
  const nonce = document.querySelector<HTMLMetaElement>('meta[name="csp-nonce"]')?.content ?? "";
  Object.assign(globalThis, { __webpack_nonce__: nonce });
  const core = makeCore();
  hasten(core);
  showHints(document);
  await turn();
  const root = createRoot(place);
  // In slices: a slow phone hears its user in between.
  startTransition(() =>
    root.render(
      <StrictMode>
        <App nonce={nonce} core={core} first={first} />
      </StrictMode>,
    ),
  );
}
