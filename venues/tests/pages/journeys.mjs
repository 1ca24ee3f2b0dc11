// Journeys of operators in a browser, without JavaScript: node journeys.mjs BINARY [--only NAME]
// Exits with 1 and what went wrong where anything did.

import assert from "node:assert/strict";
import { parseArgs } from "node:util";
import { chromium } from "playwright-core";
import { cafe, describe, letIn, link, names, press, register } from "./operator.mjs";
import { launch, start } from "./service.mjs";

const { values: options, positionals } = parseArgs({ options: { only: { type: "string" } }, allowPositionals: true });
const [binary] = positionals;
if (!binary) {
  console.error("usage: node journeys.mjs BINARY [--only NAME]");
  process.exit(64);
}

const PHONE = { viewport: { width: 375, height: 667 }, javaScriptEnabled: false, hasTouch: true };
const heading = (page) => page.locator("h1").innerText();

const journeys = {
  // One floor, on a phone, in at most 12 fields.
  async phone(page, service) {
    await letIn(page, service, "phone@example.jp");
    const fields = 1 + (await describe(page)) + 1;
    assert(fields <= 12, `${fields} fields`);
    assert.equal(await page.inputValue("#new"), "店内", "a room is there already");
    await press(page, '.actions button[value="next"]');
    await press(page);
    assert.equal(await heading(page), "登録しました");
    assert.match(await page.locator("code").first().innerText(), /^[0-9A-Z]{5}(-[0-9A-Z]{5}){3}$/);
    await Promise.all([page.waitForNavigation(), page.click('a.button[href^="/flyers/"]')]);
    const pdf = await page.getAttribute('a[href*="/files/a4"]', "href");
    const file = await page.request.get(service.url + pdf);
    assert.equal((await file.body()).subarray(0, 5).toString(), "%PDF-");
  },

  // Fifty floors from a file, three lines of it wrong.
  async file(page, service) {
    await letIn(page, service, "file@example.jp");
    await describe(page);
    await Promise.all([page.waitForNavigation(), page.click('a[href="/register/rooms/file"]')]);
    const send = async (lines) => {
      const buffer = Buffer.from(`名前\r\n${lines.join("\r\n")}\r\n`);
      await page.setInputFiles("#file", { name: "floors.csv", mimeType: "text/csv", buffer });
      await press(page);
    };
    const good = Array.from({ length: 50 }, (_, n) => `${n + 1}階`);
    const bad = good.with(6, "x".repeat(51)).with(19, "http://evil.example").with(30, "2階");
    await send(bad);
    const wrong = await page.locator("main tbody td:first-child").allInnerTexts();
    assert.deepEqual(wrong, ["8", "21", "32"], "every line that is wrong, at once");
    await send(good);
    assert.equal(await page.locator(".room").count(), 50);
    await press(page, '.actions button[value="next"]');
    await press(page);
    assert.equal(await page.locator("main tbody tr").count(), 50);
  },

  // With nothing but a keyboard.
  async keyboard(page, service) {
    const before = names(`${service.dir}/mailbox`).length;
    await page.goto(`${service.url}/register`);
    const focused = () => page.locator(":focus");
    // Tabs until it stands on what is wanted; whatever has the focus has to show it.
    const reach = async (selector) => {
      for (let tabs = 0; tabs < 80; tabs += 1) {
        await page.keyboard.press("Tab");
        const style = await focused().evaluate((one) => getComputedStyle(one).outlineStyle);
        assert.notEqual(style, "none", "the focus can be seen");
        if (await focused().evaluate((one, wanted) => one.matches(wanted), selector)) return;
      }
      throw new Error(`${selector} can't be reached`);
    };
    const enter = () => Promise.all([page.waitForNavigation(), page.keyboard.press("Enter")]);
    await reach("#mail");
    await page.keyboard.type("keyboard@example.jp");
    await enter();
    await page.goto(service.url + (await link(service, before)));
    await reach("main .actions button");
    await enter();
    const { kind: _, ...texts } = cafe;
    for (const [id, text] of Object.entries(texts)) {
      if (id === "postcode") {
        await reach('input[name="kind"]');
        await page.keyboard.press("Space");
      }
      await reach(`#${id}`);
      await page.keyboard.insertText(text);
    }
    await enter();
    assert.match(page.url(), /\/register\/rooms$/);
    await reach('.actions button[value="next"]');
    await enter();
    await reach("main .actions button");
    await enter();
    assert.equal(await heading(page), "登録しました");
  },

  // The tab is closed in the middle; days later another phone goes on.
  async draft(page, service, other) {
    await letIn(page, service, "draft@example.jp");
    await describe(page);
    await page.context().close();
    const phone = await other();
    await letIn(phone, service, "draft@example.jp");
    assert.match(phone.url(), /\/register\/rooms$/);
    await phone.goto(`${service.url}/register/facility`);
    assert.equal(await phone.inputValue("#name"), cafe.name);
    assert.equal(await phone.inputValue("#phone"), "0591234567");
  },

  // The back button registers nothing twice.
  async back(page, service) {
    await letIn(page, service, "back@example.jp");
    const reference = await register(page, ["1階"]);
    await page.goBack();
    if (/\/register\/check$/.test(page.url()) && (await page.locator("main .actions button").count()) > 0) await press(page);
    await page.goto(`${service.url}/register/done`);
    assert.equal(await page.locator(".reference").innerText(), reference);
    await page.goto(`${service.url}/manage`);
    assert.equal(await page.locator(".entries li").count(), 1);
  },

  // A code is issued anew; another is retired; the place is removed.
  async manage(page, service) {
    await letIn(page, service, "manage@example.jp");
    await register(page, ["1階", "2階"]);
    await page.context().clearCookies();
    await letIn(page, service, "manage@example.jp", "/manage/link");
    assert.equal(await heading(page), "登録した施設");
    const follow = (selector) => Promise.all([page.waitForNavigation(), page.click(selector)]);
    await follow(".entries a");
    const codes = await page.locator(".entries code").allInnerTexts();
    await follow(".entries li:nth-child(2) a");
    await follow('a[href$="/do/reissue"]');
    await page.check('input[value="now"]');
    await press(page);
    await page.locator('[role="status"]').waitFor();
    const fresh = await page.locator("main code").first().innerText();
    assert(!codes.includes(fresh), "the code is another one");
    await follow('a[href$="/do/retire"]');
    await press(page);
    assert.equal(await page.locator('a[href^="/flyers/"]').count(), 0, "nothing to print of a retired code");
    await page.fill("#name", "屋上");
    await follow("main form button");
    assert.equal(await heading(page), "屋上");
    await follow('a[href$="/do/remove"]');
    await press(page);
    assert.equal(await page.locator(".entries li").count(), 1);
    await page.fill("#new", "地下");
    await follow("main form button");
    assert.equal(await page.locator(".entries li").count(), 2);
    await follow('a[href$="/do/remove"]');
    await press(page);
    assert.match(await page.locator('[role="status"]').innerText(), /削除しました/);
    assert.equal(await page.locator(".entries").count(), 0);
  },
};

const chosen = Object.entries(journeys).filter(([name]) => !options.only || name === options.only);
const service = await start(binary);
let failed = 0;
try {
  const browser = await launch(chromium);
  const fresh = async () => (await browser.newContext(PHONE)).newPage();
  for (const [name, journey] of chosen) {
    try {
      await journey(await fresh(), service, fresh);
      console.log(`journey ${name}: ok`);
    } catch (error) {
      failed += 1;
      console.log(`journey ${name}: ${error.stack}`);
    }
  }
  await browser.close();
} finally {
  await service.stop();
}
console.log(`${chosen.length} journeys, ${failed} failed`);
process.exit(failed === 0 ? 0 : 1);
