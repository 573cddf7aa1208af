// What people do, and what goes wrong for them, in Chromium against the made-up network. By roles and names, as they find things.
import { SIZES, becomes, launch, open, palette, settled } from "./browser.mjs";
import { CONFIGURE } from "./mock-configure.mjs";
import { MANAGE } from "./mock-manage.mjs";
import { must } from "./mock-parts.mjs";

const TESTS = {
  async "a wrong password is told, the right one leads in"(page, at) {
    await page.goto(`${at}/n/demo/gateways`);
    const company = page.getByRole("link", { name: "Log in with Company" });
    must((await company.getAttribute("href")) === "/api/v1/login/oidc/company?return_to=%2Fn%2Fdemo%2Fgateways", "the provider is told another way back");
    await page.getByLabel("Name").fill("ann");
    await page.locator("input[type=password]").fill("wrong");
    await page.getByRole("button", { name: "Log in" }).click();
    await page.getByRole("alert").filter({ hasText: "Name or password is wrong" }).waitFor();
    await page.locator("input[type=password]").fill("correct horse battery");
    await page.getByRole("button", { name: "Log in" }).click();
    await page.getByRole("heading", { name: "Gateways", exact: true }).waitFor();
  },

  async "Ctrl-K finds a gateway, and Enter opens it"(page, at) {
    await page.goto(`${at}/n/demo`);
    await settled(page);
    await (await palette(page)).fill("gw-0003");
    await page.getByRole("option", { name: /gw-0003 Quarry/ }).waitFor();
    await page.keyboard.press("Enter");
    await page.getByRole("heading", { name: "gw-0003" }).waitFor();
    await page.getByText("No contact").waitFor();
  },

  async "a search begins with / and stands in the address"(page, at) {
    await page.goto(`${at}/n/demo/subscribers`);
    await settled(page);
    await page.getByRole("link", { name: "001010000000001" }).waitFor();
    await page.keyboard.press("/");
    await page.keyboard.type("clinic");
    await page.getByText(/^\d+ of 120$/).waitFor();
    await page.waitForURL((url) => url.searchParams.get("q") === "clinic");
    await page.reload();
    await page.getByText(/^\d+ of 120$/).waitFor();
    await page.getByRole("button", { name: "Number" }).click();
    await page.getByRole("button", { name: "Number" }).click();
    await page.waitForURL(/sort=-msisdn/);
    await becomes("sorted downwards", () => page.locator("tbody tr[data-row] a").first().textContent(), (first) => Number(first?.slice(-4)) > 100);
  },

  async "rows are walked by keys and opened by Enter"(page, at) {
    await page.goto(`${at}/n/demo/gateways`);
    await page.getByRole("link", { name: "gw-0001" }).focus();
    await page.keyboard.press("ArrowDown");
    await page.keyboard.press("j");
    await page.keyboard.press("Enter");
    await page.getByRole("heading", { name: "gw-0003" }).waitFor();
  },

  async "a conflict is shown as a difference, and either side can be kept"(page, at) {
    await page.goto(`${at}/n/demo/policies?id=home`);
    await page.getByRole("dialog").getByLabel("Title").fill("Mine");
    await page.evaluate(() => {
      const it = globalThis.pretended.collection("demo", "data-plans").get("home");
      globalThis.pretended.collection("demo", "data-plans").set("home", { ...it, revision: it.revision + 1, changed_by: "joe", changed_at: Date.now(), body: { ...it.body, title: "Theirs" } });
    });
    await page.getByRole("button", { name: "Save" }).click();
    const asked = page.getByRole("alertdialog");
    await asked.getByText("Somebody changed this meanwhile").waitFor();
    await becomes("both sides are shown", () => asked.innerText(), (told) => told.includes("Theirs") && told.includes("Mine"));
    await asked.getByRole("button", { name: "Save yours over it" }).click();
    await page.getByRole("cell", { name: "Mine" }).waitFor();
  },

  async "what the orchestrator refuses stands at the field"(page, at) {
    await page.goto(`${at}/n/demo/policies?tab=apns&id=internet`);
    await page.getByRole("dialog").getByLabel("QCI").fill("fast");
    await page.getByRole("button", { name: "Save" }).click();
    await page.getByText("is no number; allowed: a whole number").first().waitFor();
  },

  async "an import tells the rows that are wrong, and stores all or nothing"(page, at) {
    await page.goto(`${at}/n/demo/import`);
    await settled(page);
    const rows = page.getByLabel("Rows", { exact: true });
    await rows.fill("name,title\nnobody,First\n001010000009999,Second\n");
    await page.getByRole("button", { name: "Check all rows" }).click();
    await page.getByText("1 row is wrong; nothing was stored.").waitFor();
    await page.getByText("is no IMSI; allowed: 6 to 15 digits").waitFor();
    await rows.fill("name,title\n001010000009999,Second\n");
    await page.getByRole("button", { name: "Check all rows" }).click();
    await page.getByText("All rows are good: 1 new, 0 replaced.").waitFor();
    await page.getByRole("button", { name: "Import 1 row" }).click();
    await page.getByText("1 row imported").waitFor();
    await page.getByRole("link", { name: "Subscribers", exact: true }).click();
    await page.getByLabel("Search", { exact: true }).pressSequentially("9999");
    await page.waitForURL((url) => url.searchParams.get("q") === "9999");
    await page.getByRole("link", { name: "001010000009999" }).waitFor();
  },

  async "suspending says whom it disconnects"(page, at) {
    await page.goto(`${at}/n/demo/subscribers/001010000000002`);
    await page.getByText("Registered at any gateway").waitFor({ state: "detached" });
    await page.getByRole("button", { name: "Suspend" }).click();
    await page.getByRole("dialog").getByText(/Disconnects 1 phone now|refused from now on/).waitFor();
    await page.getByRole("dialog").getByRole("button", { name: "Suspend" }).click();
    await page.getByRole("button", { name: "Resume" }).waitFor();
  },

  async "many are changed after a rehearsal"(page, at) {
    await page.goto(`${at}/n/demo/subscribers?q=bakery`);
    await settled(page);
    await page.getByRole("button", { name: "Change many" }).click();
    const panel = page.getByRole("dialog");
    must(await panel.getByRole("button", { name: "Change them" }).isDisabled(), "nothing happens without a rehearsal");
    await panel.getByRole("button", { name: "Rehearse" }).click();
    await panel.getByText(/Would change \d+ subscribers/).waitFor();
    await panel.getByRole("button", { name: "Change them" }).click();
    await page.getByText(/\d+ subscribers changed/).waitFor();
  },

  async "a command's output comes as the gateway says it"(page, at) {
    await page.goto(`${at}/n/demo/gateways/gw-0001?tab=commands`);
    await page.getByRole("button", { name: "Run", exact: true }).click();
    await page.getByText("pool internet: 65519 free of 65533").waitFor();
    await page.getByText("done", { exact: true }).waitFor();
  },

  async "a gateway is drained after being told what that does, says so, and takes phones again"(page, at) {
    const run = async (command) => {
      await page.getByRole("combobox", { name: "Command" }).click();
      await page.getByRole("option", { name: command }).click();
      await page.getByRole("button", { name: "Run", exact: true }).click();
    };
    await page.goto(`${at}/n/demo/gateways/gw-0001?tab=commands`);
    await run("Take no new phones");
    const asked = page.getByRole("dialog");
    await asked.getByText(/^Takes no new phones until told otherwise, and lets 1\d registered phones go/).waitFor();
    await asked.getByRole("button", { name: "Run", exact: true }).click();
    await page.getByRole("heading", { name: "Take no new phones" }).waitFor();
    await page.getByRole("tab", { name: "State" }).click();
    await page.getByRole("note").filter({ hasText: "It takes no new phones" }).waitFor();
    await page.getByRole("tab", { name: "Commands" }).click();
    await run("Take new phones again");
    await page.getByRole("heading", { name: "Take new phones again" }).waitFor();
    await page.getByText("drained", { exact: true }).waitFor({ state: "detached" });
  },

  async "an unknown base station is adopted: its form begins with its cell, and it is a configured one then"(page, at) {
    await page.goto(`${at}/n/demo/base-stations`);
    const row = page.getByRole("row", { name: /001-01\/0x66/ });
    await row.getByRole("button", { name: "Adopt" }).click();
    const form = page.getByRole("dialog");
    // The first cell of the macro eNB 0x66 (TS 36.413 §9.2.1.38).
    await becomes("the form has the cell", () => form.getByRole("textbox", { name: /^Cell identity/ }).inputValue(), (cell) => Number(cell) === 0x6601);
    await form.getByRole("textbox", { name: /^Name/ }).fill("120200004918");
    await form.getByRole("button", { name: "Save" }).click();
    await row.getByRole("button", { name: "120200004918" }).waitFor();
    must((await row.getByRole("button", { name: "Adopt" }).count()) === 0, "it is still unknown");
    const stored = await page.evaluate(() => globalThis.pretended.collection("demo", "enodebs").get("120200004918").body);
    must(stored.gateway === "gw-0002" && stored.cell_id === 0x6601, JSON.stringify(stored));
  },

  async "on a phone the day's traffic is drawn at once, and its chart comes when it is touched"(page, at) {
    await page.setViewportSize(SIZES.phone);
    await page.goto(`${at}/n/demo`);
    const sketch = page.getByRole("button", { name: /open the chart/ });
    await sketch.waitFor();
    const drawn = await sketch.locator("path").evaluateAll((paths) => paths.map((it) => it.getTotalLength()));
    must(drawn.length === 2 && drawn.every((length) => length > 900), `lines as long as ${drawn}`);
    must((await page.locator(".chart").count()) === 0, "the chart is there already");
    await sketch.click();
    await page.locator(".chart .u-over").waitFor();
  },

  async "the numbers lead to Grafana where the orchestrator names one"(page, at) {
    await page.goto(`${at}/n/demo/metrics?tab=elsewhere`);
    const link = page.getByRole("link", { name: "Open Grafana" });
    await link.waitFor();
    must((await link.getAttribute("href")) === "https://grafana.example.net/d/basalt", "it leads elsewhere");
    must(/noreferrer/.test((await link.getAttribute("rel")) ?? ""), "Grafana is told who comes from where");
  },

  async "a token becomes a line and a code"(page, at) {
    await page.goto(`${at}/n/demo/gateways`);
    await page.getByRole("button", { name: "Add a gateway" }).first().click();
    await page.getByRole("button", { name: "Make the token" }).click();
    await page.getByText(/^basalt gateway join bgt1\./).waitFor();
    await page.getByRole("img", { name: "The same line as a QR code" }).waitFor();
  },

  async "a table is saved as CSV, with the rows that are shown"(page, at) {
    await page.goto(`${at}/n/demo/gateways?state=silent`);
    await page.getByRole("link", { name: "gw-0003" }).waitFor();
    await page.getByRole("button", { name: "CSV" }).click();
    must((await page.getByRole("menuitem", { name: "Everything, as CSV" }).getAttribute("href")) === "/api/v1/networks/demo/gateways?format=csv", "no export by the orchestrator");
    const [file] = await Promise.all([page.waitForEvent("download"), page.getByRole("menuitem", { name: /these rows/ }).click()]);
    const lines = (await (await file.createReadStream()).toArray()).join("").trim().split("\r\n");
    must(lines.length === 2 && lines[0].startsWith("Name,Title") && lines[1].startsWith("gw-0003,Quarry"), lines.join("\n"));
  },

  async "gateways stand on the map of the orchestrator's tiles, or the network is drawn plainly"(page, at) {
    await page.goto(`${at}/n/demo/map`);
    const canDraw = await page.evaluate(() => document.createElement("canvas").getContext("webgl2") !== null);
    if (canDraw) await page.locator(".geo canvas").waitFor();
    await page.getByRole("link", { name: /Harbour/ }).waitFor();
    console.log(`  the map ${canDraw ? "was drawn" : "was not drawn: this browser has no WebGL 2"}`);
  },

  async "an alarm is acknowledged, and others like it are silenced"(page, at) {
    await page.goto(`${at}/n/demo/alarms`);
    await page.getByRole("button", { name: "Acknowledge" }).first().click();
    await page.getByRole("table").getByText("Acknowledged").waitFor();
    await page.getByRole("button", { name: "Silence", exact: true }).first().click();
    await page.getByRole("dialog").getByRole("button", { name: "Silence", exact: true }).click();
    await page.getByRole("table").getByText("Silenced").first().waitFor();
  },

  async "a rollout is started, and taken back after being told what that does; a signed program is uploaded"(page, at) {
    await page.goto(`${at}/n/demo/upgrades`);
    await page.getByRole("button", { name: "Start a rollout" }).click();
    const panel = page.getByRole("dialog");
    await panel.getByRole("combobox", { name: "Release" }).click();
    await page.getByRole("option", { name: "agwd-0.2.0-x86_64-linux" }).click();
    await panel.getByRole("combobox", { name: "Tier" }).click();
    await page.getByRole("option", { name: "canary" }).click();
    await panel.getByText(/Upgrades 1 gateway of this tier/).waitFor();
    await panel.getByRole("button", { name: "Start a rollout" }).click();
    await page.getByRole("dialog").getByRole("button", { name: "Roll back" }).click();
    await page.getByText(/go(es)? back to what (it|they) ran before/).waitFor();
    await page.getByRole("button", { name: "Roll back" }).last().click();
    await page.getByText("taken back").first().waitFor();
    await page.goto(`${at}/n/demo/upgrades?tab=releases`);
    await page.getByRole("button", { name: "Upload a release" }).click();
    await page.getByLabel("Program", { exact: true }).setInputFiles({ name: "agwd-0.4.0-x86_64-linux", mimeType: "application/octet-stream", buffer: Buffer.from("x".repeat(1_200_000)) });
    await page.getByLabel("Signature").fill("ab".repeat(64));
    await becomes("the program is digested", () => page.getByLabel("SHA-256 of the program").inputValue(), (digest) => digest.length === 64);
    await page.getByRole("dialog").getByRole("button", { name: "Upload a release" }).click();
    await page.getByRole("row", { name: /agwd-0.4.0-x86_64-linux.*complete/ }).waitFor();
  },

  async "a change is rolled out in stages, paused after being told what that does, and taken back"(page, at) {
    await page.goto(`${at}/n/demo/policies?id=business`);
    const panel = page.getByRole("dialog");
    await panel.getByLabel("Title").fill("Business, faster");
    await panel.getByRole("button", { name: "Roll out in stages" }).click();
    await panel.getByRole("cell", { name: "Business, faster" }).waitFor();
    await panel.getByText(/Reaches up to 9 gateways: 1 first/).waitFor();
    await panel.getByRole("textbox", { name: "Go first" }).fill("34");
    await panel.getByText(/Reaches up to 9 gateways: 4 first/).waitFor();
    await panel.getByRole("button", { name: "Begin" }).click();
    await page.waitForURL(/configuration\?tab=staged&id=/);
    await panel.getByText("The first 34 % are being looked at").waitFor();
    await panel.getByRole("timer").filter({ hasText: /^(30:00|29:\d\d) left of the look$/ }).waitFor();
    await panel.getByRole("button", { name: "Pause" }).click();
    const asked = page.getByRole("dialog", { name: /^Pause/ });
    await asked.getByText("5 gateways keep waiting").waitFor();
    await asked.getByRole("button", { name: "Pause" }).click();
    await panel.getByText("paused").waitFor();
    await panel.getByRole("button", { name: "Roll back" }).click();
    await page.getByText("4 gateways go back to what they had").waitFor();
    await page.getByRole("dialog", { name: /^Roll back/ }).getByRole("button", { name: "Roll back" }).click();
    await panel.getByText("taken back").waitFor();
    await page.goto(`${at}/n/demo/policies?id=business`);
    await becomes("the object stays as it was", () => page.getByRole("dialog").getByLabel("Title").inputValue(), (title) => title === "Business");
  },

  async "of an object whose change goes on in stages that is told, and a second one is refused"(page, at) {
    await page.goto(`${at}/n/demo/policies?tab=apns&id=internet`);
    const panel = page.getByRole("dialog");
    await panel.getByText("A staged change of this object goes on").waitFor();
    await panel.getByLabel("QCI").fill("8");
    await panel.getByRole("button", { name: "Roll out in stages" }).click();
    await panel.getByRole("button", { name: "Begin" }).click();
    await panel.getByRole("alert").filter({ hasText: "a staged change of apns/internet goes on" }).waitFor();
    await panel.getByRole("button", { name: "Back to the form" }).click();
    await becomes("what was typed is still there", () => panel.getByLabel("QCI").inputValue(), (qci) => qci === "8");
    await panel.getByRole("link", { name: "Look at it" }).click();
    await page.getByRole("dialog", { name: "apns/internet" }).getByRole("row", { name: /gw-0001.*have it/ }).waitFor();
  },

  async "a phone's signalling is recorded, read as a ladder, found in, saved and deleted"(page, at) {
    await page.goto(`${at}/n/demo/subscribers/001010000000005`);
    await page.getByRole("button", { name: "Trace", exact: true }).click();
    await page.getByRole("button", { name: "Begin" }).click();
    await page.getByRole("button", { name: /ATTACH REJECT.*Cannot find suitable cells/ }).click();
    await page.getByRole("region", { name: "ATTACH REJECT" }).getByText("emm_cause").waitFor();
    await page.goto(`${at}/n/demo/trace?id=t1past`);
    await page.getByRole("button", { name: /^service request/ }).click();
    await becomes("one procedure alone", () => page.locator("button.message").count(), (messages) => messages === 4);
    await page.getByRole("button", { name: /^service request/ }).click();
    await page.getByLabel("Find in messages").fill("kasme");
    await page.getByRole("button", { name: /Authentication-Information-Answer/ }).waitFor();
    await becomes("only what has the word", () => page.locator("button.message").count(), (messages) => messages === 1);
    const [file] = await Promise.all([page.waitForEvent("download"), page.getByRole("button", { name: "pcapng" }).click()]);
    must(file.suggestedFilename() === "trace-t1past.pcapng", file.suggestedFilename());
    await page.getByRole("button", { name: "Delete" }).click();
    await page.getByRole("dialog").getByRole("button", { name: "Delete" }).click();
    await page.getByRole("heading", { name: "Call trace" }).waitFor();
    await page.getByRole("link", { name: "001-01/0x65" }).waitFor();
  },

  async "a home network's peer is looked at and tried"(page, at) {
    await page.goto(`${at}/n/demo/federation`);
    await page.getByRole("row", { name: /hss2/ }).getByText("down").waitFor();
    await page.getByRole("button", { name: "hss1.valley-partner.example" }).click();
    await page.getByRole("dialog").getByText("10415/5420").waitFor();
    await page.getByRole("button", { name: "Send a test request" }).click();
    await page.getByText(/after 7.4 ms, result 10415\/5001/).waitFor();
    await page.goto(`${at}/n/demo/federation?tab=routing`);
    await page.getByRole("row", { name: /262-01/ }).getByText("1 of 2 up").waitFor();
  },

  async "a copy of the orchestrator is made for whom it is meant"(page, at) {
    await page.goto(`${at}/n/demo/backup`);
    await page.getByLabel("For whom").fill("AGE-SECRET-KEY-1QQQ");
    await page.getByText(/AGE-SECRET-KEY-… is no recipient/).waitFor();
    await page.getByLabel("For whom").fill(`age1${"q".repeat(58)}`);
    const [file] = await Promise.all([page.waitForEvent("download"), page.getByRole("button", { name: "Make and download" }).click()]);
    must(/^orchestrator-\d{8}-\d{6}\.backup\.age$/.test(file.suggestedFilename()), file.suggestedFilename());
  },

  async "an alarm has its page of the handbook, a rule is previewed, a receiver is tried"(page, at) {
    await page.goto(`${at}/n/demo/alarms?state=open`);
    await page.getByRole("button", { name: "What to do" }).first().click();
    await page.getByRole("dialog").getByRole("heading", { name: "What it means" }).waitFor();
    await page.goto(`${at}/n/demo/alarms?tab=rules&id=few-stations`);
    const panel = page.getByRole("dialog");
    await panel.getByRole("button", { name: "Where does it hold now?" }).click();
    await panel.getByText("Holds in 2 places now").waitFor();
    await panel.getByText("PromQL", { exact: true }).click();
    await becomes("the simple form is written as PromQL", () => panel.getByRole("textbox", { name: /expression/i }).inputValue(), (it) => it === "basalt_agw_enbs < 1");
    await page.goto(`${at}/n/demo/alarms?tab=receivers`);
    await page.getByRole("row", { name: /noc@valley/ }).getByRole("button", { name: "Send a test" }).click();
    await page.getByRole("dialog").getByText("arrived").first().waitFor();
  },

  async "a phone is measured hop by hop, and let go after being told what that does"(page, at) {
    await page.goto(`${at}/n/demo/subscribers/001010000000005`);
    await page.getByRole("button", { name: /^Measure/ }).click();
    await page.getByText("Packets from the phone stop in the gateway").waitFor();
    await page.getByText(/spoofed_source/).waitFor();
    await page.getByRole("button", { name: "Disconnect" }).click();
    await page.getByText(/Disconnects this phone and ends its session/).waitFor();
    await page.getByRole("dialog").getByRole("button", { name: "Disconnect" }).click();
    await page.getByText("The gateway was asked to let it go").waitFor();
  },

  async "a time is chosen by dragging over a chart, for all of them, and given back"(page, at) {
    await page.goto(`${at}/n/demo/metrics`);
    const over = page.locator(".chart .u-over").first();
    await over.scrollIntoViewIfNeeded();
    const box = await over.boundingBox();
    await page.mouse.move(box.x + box.width * 0.3, box.y + 40);
    await page.mouse.down();
    await page.mouse.move(box.x + box.width * 0.6, box.y + 40, { steps: 5 });
    await page.mouse.up();
    await page.waitForURL(/from=\d+&to=\d+/);
    await page.getByRole("button", { name: /back to now/ }).click();
    await page.waitForURL((url) => !url.searchParams.has("from"));
    await page.getByRole("button", { name: /^Attach/ }).click();
    await becomes("one line stands alone", () => page.locator(".chart").count(), (charts) => charts === 1);
  },

  async "a base station that was refused is told with what to set"(page, at) {
    await page.goto(`${at}/n/demo/base-stations`);
    await page.getByRole("note").filter({ hasText: "001-02/0x19b" }).getByText(/set the same network on both \(2 times/).waitFor();
  },

  async "who has an address now is found by it"(page, at) {
    await page.goto(`${at}/n/demo/sessions`);
    await page.getByText("74 rows").waitFor();
    const row = await page.locator("tbody tr[data-row]").first().innerText();
    const [, imsi] = /(\d{15})/.exec(row) ?? [];
    const [, address] = /(\d+\.\d+\.\d+\.\d+)/.exec(row) ?? [];
    await page.goto(`${at}/n/demo/subscribers?q=${address}`);
    await page.getByRole("note").getByRole("link", { name: imsi }).waitFor();
  },

  async "the end of a gateway's log is read, searched and saved"(page, at) {
    await page.goto(`${at}/n/demo/gateways/gw-0001?tab=logs`);
    await page.getByRole("button", { name: "Read the last lines" }).click();
    const log = page.getByRole("region", { name: "Logs" });
    await log.getByText("no address is left").waitFor();
    await page.getByLabel("Only lines with").fill("refused");
    await becomes("only lines with the word", () => log.innerText(), (lines) => lines.trim().split("\n").length === 1);
    const [file] = await Promise.all([page.waitForEvent("download"), page.getByRole("button", { name: "Save", exact: true }).click()]);
    must(file.suggestedFilename() === "gw-0001.log", file.suggestedFilename());
  },

  async "an orchestrator that fails is told, and asked again"(page, at) {
    await page.goto(`${at}/n/demo/subscribers/fails?tab=history`);
    await page.goto(`${at}/n/demo/gateways/fails`);
    await page.getByText("the database cannot be used now; nothing was changed").waitFor();
    await page.getByRole("button", { name: "Try again" }).waitFor();
  },

  async "the language changes at once, and no message is missing"(page, at) {
    await page.goto(`${at}/n/demo`);
    await settled(page);
    for (const [language, word] of [["Español", "Pasarelas"], ["Français", "Passerelles"], ["Português", "Visão geral"], ["English", "Overview"]]) {
      await page.locator(".shell-account").click();
      await page.getByRole("menuitem", { name: language }).click();
      await page.getByRole("navigation").getByText(word).waitFor();
      await becomes(`${language}: a key is shown`, () => page.locator("body").innerText(), (told) => !/\b(nav|overview|state)\.[a-z]+/.test(told));
    }
  },

  async "a page that does not exist says so"(page, at) {
    await page.goto(`${at}/nowhere`);
    await page.getByText("There is no such page").waitFor();
  },
};

/** Who stands before the page, and before what, where that is not an administrator of a network, by the first words of a test. */
const DOORS = { "a wrong password": { "mock-session": "none" }, "a first network": { "mock-networks": "none" }, "who only looks": { "mock-session": "zoe" } };

export async function mock(address, only = "") {
  const browser = await launch();
  const failures = [];
  let passed = 0;
  for (const [name, test] of Object.entries({ ...TESTS, ...CONFIGURE, ...MANAGE }).filter(([name]) => name.includes(only))) {
    const door = DOORS[Object.keys(DOORS).find((it) => name.startsWith(it))] ?? {};
    const { page, context, complaints } = await open(browser, { network: door });
    try {
      await test(page, address);
      must(complaints.length === 0, complaints.join("\n"));
      passed += 1;
    } catch (error) {
      failures.push(`${name}: ${error.message}`);
    }
    await context.close();
  }
  await browser.close();
  console.log(`console in Chromium: ${passed} passed, ${failures.length} failed`);
  if (failures.length > 0) throw new Error(failures.join("\n\n"));
}
