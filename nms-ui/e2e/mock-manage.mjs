// What people do on the pages of managing, in Chromium against the made-up network: who may come in, what was changed, what was used.
import { becomes, settled } from "./browser.mjs";
import { must, rowsOf } from "./mock-parts.mjs";

/** Stores `text` as what the clipboard has, and gives it. */
async function copied(page, button, entry) {
  await button.click();
  await page.getByRole("menuitem", { name: entry, exact: true }).click();
  return page.evaluate(() => navigator.clipboard.readText());
}

export const MANAGE = {
  async "a user is added with a right in one network, gets another, and is deleted after being told what that ends"(page, at) {
    const form = page.getByRole("dialog");
    await page.goto(`${at}/n/demo/access?tab=users`);
    await page.getByRole("button", { name: "Add", exact: true }).click();
    await form.getByLabel("Name").fill("vera");
    await form.locator("input[type=password]").fill("staples are for paper");
    await form.getByRole("button", { name: "Add", exact: true }).click();
    await form.getByRole("button", { name: "Save" }).click();
    await page.getByRole("row", { name: /vera.*Viewer everywhere/ }).waitFor();
    await page.getByRole("button", { name: "vera", exact: true }).click();
    await form.getByRole("combobox", { name: "Role" }).click();
    await page.getByRole("option", { name: "Operator" }).click();
    await form.getByRole("combobox", { name: "Where" }).click();
    await page.getByRole("option", { name: "in a network" }).click();
    await form.getByRole("textbox", { name: "Name" }).fill("demo");
    await form.getByRole("button", { name: "Delete: Operator in network demo" }).waitFor();
    await form.getByRole("button", { name: "Save" }).click();
    await page.getByRole("row", { name: /vera.*Operator in network demo/ }).waitFor();
    await page.getByRole("button", { name: "vera", exact: true }).click();
    await form.getByRole("button", { name: "Delete", exact: true }).click();
    const asked = page.getByRole("dialog", { name: "Delete: vera" });
    await asked.getByText("Ends the user’s sessions and API keys now.").waitFor();
    await asked.getByRole("button", { name: "Cancel" }).click();
    await form.getByRole("button", { name: "Delete", exact: true }).click();
    await asked.getByRole("button", { name: "Delete" }).click();
    await page.getByRole("row", { name: /vera/ }).waitFor({ state: "detached" });
    await page.getByRole("row", { name: /joe/ }).waitFor();
  },

  async "an API key is refused with too many days, shown once, and revoked"(page, at) {
    const form = page.getByRole("dialog");
    await page.goto(`${at}/n/demo/access?tab=keys`);
    await page.getByText("No API keys").waitFor();
    await page.getByRole("button", { name: "Add", exact: true }).click();
    await form.getByLabel("Title").fill("reports");
    await form.getByLabel("Days until it expires").fill("400");
    await form.getByRole("button", { name: "Make the key" }).click();
    await form.getByRole("alert").filter({ hasText: "1 to 366" }).waitFor();
    await form.getByLabel("Days until it expires").fill("30");
    await form.getByRole("button", { name: "Make the key" }).click();
    await form.getByText("bst_made-up-token-shown-once").waitFor();
    await form.getByText("Copy it now: it is not shown again.").waitFor();
    await page.keyboard.press("Escape");
    const row = page.getByRole("row", { name: /reports.*Viewer everywhere/ });
    await row.getByText(/in (29|30) days/).waitFor();
    must(!(await page.content()).includes("bst_made-up"), "the key stays in the page");
    await row.getByRole("button", { name: "Revoke" }).click();
    await form.getByText("Programs with this key are refused at once.").waitFor();
    await form.getByRole("button", { name: "Revoke" }).click();
    await page.getByText("No API keys").waitFor();
  },

  async "another session of one's own is ended, and a new password ends the others"(page, at) {
    await page.goto(`${at}/n/demo/access`);
    const others = page.getByRole("button", { name: "End", exact: true });
    await becomes("two further sessions", () => others.count(), (count) => count === 2);
    await others.first().click();
    await becomes("one further session", () => others.count(), (count) => count === 1);
    await page.getByLabel("Present password").fill("wrong");
    await page.getByLabel("New password").fill("staples are for paper");
    await page.getByRole("button", { name: "Save" }).click();
    await page.getByRole("alert").filter({ hasText: /wrong/ }).waitFor();
    await page.getByLabel("Present password").fill("correct horse battery");
    await page.getByRole("button", { name: "Save" }).click();
    await page.getByText("Saved").waitFor();
    await becomes("no further session", () => others.count(), (count) => count === 0);
    await page.getByText("this one").waitFor();
  },

  async "a tenant is added, and is there for networks"(page, at) {
    const form = page.getByRole("dialog");
    await page.goto(`${at}/n/demo/access?tab=tenants`);
    await page.getByRole("button", { name: "Add", exact: true }).click();
    await form.getByRole("textbox", { name: /^Name/ }).fill("hills");
    await form.getByLabel("Title").fill("Hill cooperative");
    await form.getByRole("button", { name: "Save" }).click();
    await page.getByRole("row", { name: /hills.*Hill cooperative/ }).waitFor();
  },

  async "what was used is told by phone, APN, cell and gateway, most first, in a time of one's own, and saved"(page, at) {
    await page.goto(`${at}/n/demo/usage`);
    const table = page.getByRole("table", { name: "Top talkers" });
    await table.getByRole("link", { name: "001010000000001" }).waitFor();
    const used = () => rowsOf(table, 1);
    const octets = (text) => Number.parseFloat(text) * { B: 1, kB: 1e3, MB: 1e6, GB: 1e9 }[text.split(/\s/).at(-1)];
    await becomes("most first", used, (told) => told.length > 8 && told.every((it, place) => place === 0 || octets(told[place - 1]) >= octets(it)));
    for (const [by, first, rows] of [["APN", /internet/, 2], ["Cell", /0x19b01/, 4], ["Gateway", /gw-000\d/, 8]]) {
      await page.getByRole("radiogroup", { name: "Group by" }).getByText(by, { exact: true }).click();
      await table.getByRole("row", { name: first }).first().waitFor();
      await page.getByText(`${rows} rows`).waitFor();
    }
    await page.getByRole("radiogroup", { name: "Time range" }).getByText("7d").click();
    await page.waitForURL((url) => url.searchParams.get("range") === "7d" && url.searchParams.get("by") === "gateway");
    await page.reload();
    await page.getByText("8 rows").waitFor();
    const [file] = await Promise.all([page.waitForEvent("download"), page.getByRole("button", { name: "CSV" }).click()]);
    const lines = (await (await file.createReadStream()).toArray()).join("").trim().split("\r\n");
    must(lines.length === 9 && /^Gateway,Together,Downlink,Uplink,Packets$/.test(lines[0]) && lines.slice(1).every((it) => /^gw-000\d,\d+,\d+,\d+,\d+$/.test(it)), lines.join("\n"));
    await table.getByRole("link", { name: "gw-0001" }).click();
    await page.getByRole("heading", { name: "gw-0001" }).waitFor();
  },

  async "each version says what it changed, and going back is a version of its own"(page, at) {
    const past = page.getByRole("dialog", { name: "data-plans/home" });
    await page.goto(`${at}/n/demo/configuration`);
    await page.getByRole("row", { name: /data-plans.*home.*ann/ }).getByRole("button", { name: "home" }).click();
    const change = past.getByRole("row", { name: /max_dl_bit_rate/ }).first();
    await becomes("the difference", () => change.innerText(), (told) => told.split(/\s+/).join(" ") === "/ambr/max_dl_bit_rate 5000000 10000000");
    const back = past.getByRole("button", { name: "Go back to this" });
    must((await back.count()) === 1, "what is now can be gone back to");
    await back.click();
    await becomes("what was now, too, can be gone back to", () => back.count(), (count) => count === 2);
    await becomes("the difference is the other way round", () => change.innerText(), (told) => told.split(/\s+/).join(" ") === "/ambr/max_dl_bit_rate 10000000 5000000");
    await page.keyboard.press("Escape");
    await past.waitFor({ state: "detached" });
    await page.getByRole("link", { name: "Audit log" }).click();
    await page.getByRole("row", { name: /POST.*data-plans\/home\/rollback.*200/ }).waitFor();
    await page.getByRole("switch", { name: "Whole installation" }).click();
    await page.getByRole("columnheader", { name: "Network" }).waitFor();
  },

  async "the interface is asked in the explorer, and a write is asked about first"(page, at) {
    await page.goto(`${at}/n/demo/api`);
    await page.getByLabel("Search", { exact: true }).fill("gateway-states");
    await page.getByRole("button", { name: "GET /networks/{network}/gateway-states" }).click();
    await page.getByLabel("limit (query)").fill("1");
    await page.getByRole("button", { name: "Run", exact: true }).click();
    await becomes("the answer", () => page.locator("form pre.block").innerText(), (told) => JSON.parse(told).items.length === 1);
    await page.getByLabel("Search", { exact: true }).fill("data-plans/{name}");
    await page.getByRole("button", { name: "DELETE /networks/{network}/data-plans/{name}" }).click();
    await page.getByLabel("name (path)").fill("meter");
    await page.getByRole("button", { name: "Run", exact: true }).click();
    await page.getByRole("dialog", { name: "DELETE /api/v1/networks/demo/data-plans/meter" }).getByRole("button", { name: "Run" }).click();
    await becomes("it is gone", () => page.evaluate(() => globalThis.pretended.collection("demo", "data-plans").has("meter")), (isThere) => !isThere);
  },

  async "a form is copied for a shell, for the command, and as a resource"(page, at) {
    await page.context().grantPermissions(["clipboard-read", "clipboard-write"]);
    await page.goto(`${at}/n/demo/policies?id=home`);
    const form = page.getByRole("dialog");
    await form.getByLabel("Title").fill("Our home");
    const button = form.getByRole("button", { name: "Copy as" });
    const curl = await copied(page, button, "curl");
    must(curl.includes("/api/v1/networks/demo/data-plans/home") && curl.includes("Our home") && /-X PUT|--request PUT/.test(curl), curl);
    must(/^basalt apply -f - <<'END'\n.*"Our home".*\nEND$/s.test(await copied(page, button, "basalt")), "no words of the command");
    must(JSON.stringify(JSON.parse(await copied(page, button, "Terraform JSON"))).includes("Our home"), "no resource");
  },

  async "live sessions change by themselves, and stand still while they are paused"(page, at) {
    await page.goto(`${at}/n/demo/sessions?hide=seen`);
    const table = page.getByRole("table", { name: "Live sessions" });
    await table.getByRole("link", { name: "001010000000001" }).waitFor();
    const states = async () => (await rowsOf(table, 2)).join();
    const before = await states();
    await becomes("other phones are active", states, (now) => now !== before);
    await page.getByRole("button", { name: "Pause" }).click();
    const kept = await states();
    // The made-up phones change every two seconds.
    const round = await page.evaluate(() => JSON.stringify(globalThis.pretended.phones().map((it) => it.state)));
    await becomes("the phones changed", () => page.evaluate(() => JSON.stringify(globalThis.pretended.phones().map((it) => it.state))), (now) => now !== round);
    must((await states()) === kept, "the paused list changed");
    await page.getByRole("button", { name: "Go on" }).click();
    await becomes("they go on", states, (now) => now !== kept);
  },

  async "a first network is made where there is none, with its tier"(page, at) {
    await page.goto(`${at}/`);
    await page.getByRole("heading", { name: "There is no network yet" }).waitFor();
    await page.getByLabel("Name of the network").fill("hill");
    await page.getByRole("button", { name: "Make the network" }).click();
    await page.waitForURL(/\/n\/hill/);
    const made = await page.evaluate(() => [globalThis.pretended.collection("", "networks").get("hill").body.epc.mcc, globalThis.pretended.collection("hill", "tiers").has("default")]);
    must(made[0] === "001" && made[1], JSON.stringify(made));
    await settled(page);
  },

  async "on a phone the drawing of the network is as wide as the phone, and leads to a gateway"(page, at) {
    await page.setViewportSize({ width: 390, height: 844 });
    await page.goto(`${at}/n/demo/map`);
    const sites = page.locator(".topology [role=link]");
    await becomes("all gateways", () => sites.count(), (count) => count === 9);
    const boxes = await sites.evaluateAll((all) => all.map((it) => it.getBoundingClientRect().toJSON()));
    must(boxes.every((it) => it.left >= 0 && it.right <= 390 && it.height >= 44), JSON.stringify(boxes));
    await page.locator(".topology").getByRole("link", { name: /Quarry/ }).click();
    await page.getByRole("heading", { name: "gw-0003" }).waitFor();
  },
};
