// The beginning: what the console needs is asked for at once and beside each other - the console itself, the words of the language,
// who looks at it, and the page that the address names. The frame that index.html draws stays until all of that is there.
import { already } from "@/api/already";
import { loadMessages, preferred } from "@/i18n/language";
import { begin } from "@/app/first-pages";
import { turn } from "@/lib/turn";

const isMock = import.meta.env.MODE === "mock";
const DOORS = ["/login", "/setup"];

async function start(): Promise<void> {
  const { pathname } = location;
  const ask = isMock ? undefined : (address: string) => fetch(address, { credentials: "same-origin" });
  if (ask && !DOORS.includes(pathname)) already("/api/v1/me", ask("/api/v1/me"));
  const language = preferred();
  const console = inParts();
  const words = loadMessages(language);
  await turn();
  begin(pathname, ask);
  const pretending = isMock ? import("@mock/start") : undefined;
  (await pretending)?.pretend();
  const [{ show }, messages] = [await console, await words];
  await turn();
  await show({ language, messages });
}

/** The console's code. React is its half: it is read in a turn of its own. */
async function inParts() {
  await import("react-dom/client");
  await turn();
  return import("@/app/start");
}

void start();
