import { fireEvent, screen } from "@testing-library/react";
import type { World } from "@mock/world";
import { beforeEach, expect, test, vi } from "vitest";
import { at } from "@/test/render";

interface Form {
  /** Where it is written. */
  file: string;
  /** Where it stands, and what is pressed to open it. */
  path: string;
  press?: (string | RegExp)[];
  before?: (world: World) => void;
}

const FORMS: Form[] = [
  { file: "ui/editor/editor.tsx", path: "/n/demo/policies?id=home" },
  { file: "ui/editor/stage.tsx", path: "/n/demo/policies?id=home", press: [/^Roll out in stages/] },
  { file: "pages/access/keys.tsx", path: "/n/demo/access?tab=keys", press: ["Add"] },
  { file: "pages/access/mine.tsx", path: "/n/demo/access" },
  { file: "pages/access/users.tsx", path: "/n/demo/access?tab=users", press: ["Add"] },
  { file: "pages/alarms/history.tsx", path: "/n/demo/alarms", press: ["Silence"] },
  { file: "pages/backup/view.tsx", path: "/n/demo/backup" },
  { file: "pages/explorer/view.tsx", path: "/n/demo/api?id=list_gateway_states" },
  { file: "pages/federation/ping.tsx", path: "/n/demo/federation?id=feg1%2Fhss1.valley-partner.example" },
  { file: "pages/gateway/commands.tsx", path: "/n/demo/gateways/gw-0001?tab=commands" },
  { file: "pages/gateway/logs.tsx", path: "/n/demo/gateways/gw-0001?tab=logs" },
  { file: "pages/gateways/add.tsx", path: "/n/demo/gateways", press: ["Add a gateway"] },
  { file: "pages/home/view.tsx", path: "/", before: (world) => world.collection("", "networks").clear() },
  { file: "pages/import/view.tsx", path: "/n/demo/import", press: ["Show an example"] },
  { file: "pages/subscribers/bulk.tsx", path: "/n/demo/subscribers?q=bakery", press: ["Change many"] },
  { file: "pages/trace/start.tsx", path: "/n/demo/trace?imsi=001010000000005" },
  { file: "pages/upgrades/start.tsx", path: "/n/demo/upgrades", press: ["Start a rollout"] },
  { file: "pages/upgrades/upload.tsx", path: "/n/demo/upgrades?tab=releases", press: ["Upload a release"] },
];

// A menu that stays hidden has nothing to put the focus on, which Mantine tells with the whole of the page.
beforeEach(() => void vi.spyOn(console, "warn").mockImplementation(() => undefined));

/** Who stands there has no key yet. */
const DOORS = ["pages/login/view.tsx", "pages/setup/view.tsx"];

test.each(FORMS.map((form) => [form.file, form] as const))("the form of %s can be copied for a shell, for the basalt command and for files", async (_, form) => {
  await at(form.path, form.before ? { before: form.before } : {});
  for (const name of form.press ?? []) fireEvent.click((await screen.findAllByRole("button", { name }))[0]!);
  const all = await screen.findAllByRole("button", { name: "Copy as" });
  fireEvent.click(all.at(-1)!);
  // Where it opens is computed of sizes, which jsdom has none of: there it stays hidden.
  expect(await screen.findByRole("menuitem", { name: "curl", hidden: true })).toBeTruthy();
  expect(await screen.findByRole("menuitem", { name: "Terraform JSON", hidden: true })).toBeTruthy();
  expect(await screen.findByRole("menuitem", { name: "basalt", hidden: true })).toBeTruthy();
});

test("no form is missing here, and each that asks says what it sends", () => {
  const sources = Object.entries(import.meta.glob("/src/**/*.tsx", { eager: true, query: "?raw", import: "default" })) as [string, string][];
  const own = sources.filter(([path]) => !path.endsWith(".test.tsx")).map(([path, source]) => [path.replace("/src/", ""), source] as const);
  const forms = own.filter(([, source]) => /<form[ >]|<CopyAs /.test(source)).map(([path]) => path);
  expect(forms.filter((path) => path !== "ui/confirm.tsx").sort()).toEqual([...FORMS.map((it) => it.file), ...DOORS].sort());
  const asking = own.filter(([path, source]) => path !== "ui/confirm.tsx" && source.includes("<Confirm"));
  const silent = asking.filter(([, source]) => !/<Confirm\s[^]*?write=/.test(source)).map(([path]) => path);
  expect(silent).toEqual([]);
});
