// What people set on the pages of networking and alarms, what they look for among events, and what a role keeps from them, in Chromium
// against the made-up network.
import { becomes } from "./browser.mjs";
import { must, rowsOf } from "./mock-parts.mjs";

export const CONFIGURE = {
  async "addresses of a network are set: its mode, its blocks, and who has some of its own"(page, at) {
    const form = page.getByRole("dialog");
    await page.goto(`${at}/n/demo/networking`);
    const about = page.locator("section").filter({ has: page.getByRole("heading", { name: "Addresses of phones" }) });
    await about.getByText("10.45.0.0/16").waitFor();
    await page.getByRole("region", { name: /Pools as gateways have them/ }).getByRole("row", { name: /gw-0001.*internet/ }).waitFor();
    await page.getByRole("region", { name: /Static addresses and framed routes/ }).getByRole("row", { name: /001010000000004.*10\.46\.0\.\d+.*192\.168\.40\.0\/24/ }).waitFor();
    await page.getByRole("button", { name: "Edit", exact: true }).click();
    await form.getByRole("combobox", { name: "Mode" }).click();
    await page.getByRole("option", { name: "STATIC" }).click();
    await form.getByLabel("Blocks").fill("10.45.0.0/16\n10.99.0.0/24");
    await form.getByRole("button", { name: "Save" }).click();
    await form.waitFor({ state: "detached" });
    await about.getByText("10.45.0.0/16, 10.99.0.0/24").waitFor();
    await about.getByText("STATIC").waitFor();
  },

  async "an APN gets a VLAN, and a subscriber an address and a network behind it"(page, at) {
    const form = page.getByRole("dialog");
    await page.goto(`${at}/n/demo/policies?tab=apns&id=internet`);
    await form.getByLabel("VLAN").fill("40");
    await form.getByRole("button", { name: "Save" }).click();
    await form.waitFor({ state: "detached" });
    await page.goto(`${at}/n/demo/subscribers/001010000000001`);
    await page.getByRole("button", { name: "Edit", exact: true }).click();
    await form.getByLabel(/^APNs/).fill(JSON.stringify([{ apn: "internet", static_address: { ipv4: "10.46.9.9" }, framed_routes: ["192.168.77.0/24"] }]));
    await form.getByRole("button", { name: "Save" }).click();
    await form.waitFor({ state: "detached" });
    // Within the page: what is made up lives as long as it.
    await page.getByRole("link", { name: "Networking", exact: true }).click();
    await page.getByRole("row", { name: /001010000000001.*10\.46\.9\.9.*192\.168\.77\.0\/24/ }).waitFor();
  },

  async "events are those of a gateway, of a phone typed digit by digit, of a time; none is told with the way back"(page, at) {
    await page.goto(`${at}/n/demo/events?range=7d`);
    const table = page.getByRole("table");
    await page.getByRole("combobox", { name: "Gateway" }).click();
    await page.getByRole("option", { name: "gw-0003" }).click();
    await page.waitForURL((url) => url.searchParams.get("gateway") === "gw-0003");
    await becomes("events of one gateway", () => rowsOf(table, 3), (rows) => rows.length > 0 && rows.every((it) => it === "gw-0003"));
    const [wanted] = (await rowsOf(table, 4)).filter((it) => /^\d{15}$/.test(it));
    must(wanted, "no event of a phone");
    await page.getByRole("textbox", { name: "IMSI" }).pressSequentially(wanted);
    await page.waitForURL((url) => url.searchParams.get("imsi") === wanted);
    await becomes("events of one phone", () => rowsOf(table, 4), (rows) => rows.length > 0 && rows.every((it) => it === wanted));
    await page.getByRole("textbox", { name: "IMSI" }).fill("999");
    await page.getByText("Nothing fits this search").waitFor();
    await page.getByRole("button", { name: "Clear search and filters" }).click();
    await page.waitForURL((url) => !url.searchParams.has("imsi") && !url.searchParams.has("gateway"));
    await becomes("all of them", () => rowsOf(table, 3), (rows) => new Set(rows).size > 1);
  },

  async "a webhook and a receiver of alarms are added, tried and deleted, and a secret is not shown again"(page, at) {
    const form = page.getByRole("dialog");
    await page.goto(`${at}/n/demo/alarms?tab=webhooks`);
    await page.getByRole("button", { name: "Add", exact: true }).first().click();
    await form.getByLabel("Name").fill("billing");
    await form.getByLabel("Address").fill("https://billing.example/hook");
    await form.locator("input[type=password]").fill("0123456789abcdef-signing-key");
    await form.getByRole("button", { name: "Save" }).click();
    const hook = page.getByRole("row", { name: /billing.*https:\/\/billing\.example\/hook.*alarm/ });
    await hook.getByRole("button", { name: "Send a test" }).click();
    await page.getByText("A test is on its way").waitFor();
    await page.getByRole("button", { name: "billing", exact: true }).click();
    await becomes("the secret is not given again", () => form.locator("input[type=password]").inputValue(), (it) => it === "");
    await form.getByRole("button", { name: "Delete", exact: true }).click();
    await page.getByRole("dialog", { name: "Delete: billing" }).getByRole("button", { name: "Delete" }).click();
    await hook.waitFor({ state: "detached" });
    await page.goto(`${at}/n/demo/alarms?tab=receivers`);
    await page.getByRole("button", { name: "Add", exact: true }).first().click();
    await form.getByLabel("Name").fill("duty");
    await form.getByRole("combobox", { name: "Channel" }).click();
    await page.getByRole("option", { name: "email" }).click();
    await form.getByLabel("Address").fill("duty@valley.example");
    await form.getByRole("button", { name: "Save" }).click();
    await page.getByRole("row", { name: /duty.*email.*duty@valley\.example/ }).waitFor();
  },

  async "who only looks is offered nothing that changes a network, and what roles may is told"(page, at) {
    await page.goto(`${at}/n/demo/access?tab=roles`);
    for (const role of ["Viewer", "Operator", "Administrator"]) await page.getByRole("heading", { name: role, exact: true }).waitFor();
    await becomes("tabs of an administrator are not there", () => page.getByRole("tab").allInnerTexts(), (tabs) => tabs.includes("Roles") && !tabs.includes("Users") && !tabs.includes("Tenants"));
    await page.goto(`${at}/n/demo/gateways`);
    await page.getByRole("link", { name: "gw-0001" }).waitFor();
    must((await page.getByRole("button", { name: "Add a gateway" }).count()) === 0, "a viewer is offered to add a gateway");
    await page.goto(`${at}/n/demo/subscribers/001010000000002`);
    await page.getByRole("heading", { level: 1 }).waitFor();
    await page.getByRole("tab", { name: "Usage" }).waitFor();
    for (const name of ["Edit", "Suspend", "Disconnect", "Delete"]) {
      const offered = page.getByRole("button", { name, exact: true });
      must((await offered.count()) === 0 || (await offered.isDisabled()), `a viewer is offered: ${name}`);
    }
  },
};
