import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { App, hasten, makeCore } from "@/app/app";
import { loadMessages, preferred } from "@/i18n";
import "@/app/styles";

// What libraries put into the page as styles needs the number that the orchestrator drew for this page.
const nonce = document.querySelector<HTMLMetaElement>('meta[name="csp-nonce"]')?.content ?? "";
Object.assign(globalThis, { __webpack_nonce__: nonce });

async function start(): Promise<void> {
  if (import.meta.env.MODE === "mock") {
    const { pretend } = await import("@mock/start");
    pretend();
  }
  const core = makeCore();
  hasten(core);
  const language = preferred();
  const messages = await loadMessages(language);
  const place = document.getElementById("root");
  if (!place) return;
  createRoot(place).render(
    <StrictMode>
      <App nonce={nonce} core={core} first={{ language, messages }} />
    </StrictMode>,
  );
}

void start();
