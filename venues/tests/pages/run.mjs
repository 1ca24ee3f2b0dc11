// Looks at every page: node run.mjs BINARY [--pictures DIR] [--only NAME]
// Exits with 1 and a list of what is wrong where anything is.

import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { chromium } from "playwright-core";
import { ofDocument, ofLoading, ofView } from "./checks.mjs";
import { languages, pages, views } from "./pages.mjs";
import { cafe, describe, letIn, press, register } from "./operator.mjs";
import { launch, start } from "./service.mjs";

const { values: options, positionals } = parseArgs({
  options: { pictures: { type: "string" }, only: { type: "string" } },
  allowPositionals: true,
});
const HEIGHT = 800;

// What browsers of operators keep: of one in the middle of registering, of one who has; and what they registered.
const kept = {};
const ids = {};

async function operators(browser) {
  if (!chosen.some((what) => what.as)) return;
  const drafting = await (await browser.newContext()).newPage();
  await letIn(drafting, service, "drafting@example.jp");
  // Elsewhere, so that there is something to warn about.
  await describe(drafting, { ...cafe, address: "神奈川県横浜市中区新港1-2-3" });
  await drafting.fill("#new", "1階 客席");
  await press(drafting, 'button[value="add"]');
  await drafting.fill("#new", "2階 個室");
  await press(drafting, '.actions button[value="next"]');
  kept.drafting = await drafting.context().storageState();
  const registered = await (await browser.newContext()).newPage();
  await letIn(registered, service, "registered@example.jp");
  ids.facility = await register(registered, ["1階 客席", "2階 個室", "屋上"]);
  await registered.goto(`${service.url}/manage/${ids.facility}`);
  ids.venue = (await registered.getAttribute(".entries a", "href")).split("/").at(-1);
  kept.registered = await registered.context().storageState();
}

function address(what, language) {
  const path = typeof what.path === "function" ? what.path(ids) : what.path;
  return language.prefix + (path === "/" && language.prefix ? "" : path);
}

// A new browser window at the page, and what was loaded for it.
async function open(browser, view, url, { path, as }) {
  const context = await browser.newContext({
    storageState: kept[as],
    viewport: { width: view.width, height: HEIGHT },
    // For `largeText` only: the pages themselves allow nothing that is not theirs.
    bypassCSP: view.largeText ?? false,
  });
  const page = await context.newPage();
  const [loaded, complaints] = [[], []];
  const last = {};
  page.on("response", async (response) => {
    if (response.request().isNavigationRequest()) last.document = response;
    const size = await response.body().then((body) => body.length, () => 0);
    loaded.push({ address: response.url(), size });
  });
  page.on("console", (message) => {
    // That a page was not found is what such a page is for.
    const about = message.text();
    if (message.type() === "error" && !about.includes("the server responded with a status of")) complaints.push(about);
  });
  page.on("pageerror", (error) => complaints.push(error.message));
  const response = await page.goto(url + path, { waitUntil: "networkidle" });
  if (view.largeText) await page.addStyleTag({ content: "html { font-size: 200% }" });
  return { context, page, response, last, loaded, complaints };
}

// Looks at a page in one language, in every view: loaded once, for a window can be made larger and smaller.
async function look(browser, service, what, language) {
  const at = { path: address(what, language), as: what.as };
  const wrong = [];
  const told = (view, texts) => wrong.push(...texts.map((text) => `${what.name} (${language.name}, ${view.name}): ${text}`));
  const wanted = views.filter(({ name }) => !language.views || language.views.includes(name));
  for (const together of [wanted.filter(({ largeText }) => !largeText), wanted.filter(({ largeText }) => largeText)]) {
    const [first] = together;
    const { context, page, response, last, loaded, complaints } = await open(browser, first, service.url, at);
    const status = what.status ?? 200;
    if (response.status() !== status) told(first, [`it answers ${response.status()}, not ${status}`]);
    if (what.prepare) await what.prepare(page, { service, language });
    if (first === views[0]) {
      told(first, await ofDocument(await last.document.text(), language.lang));
      told(first, ofLoading(loaded, service.url));
    }
    for (const view of together) {
      await page.setViewportSize({ width: view.width, height: HEIGHT });
      await page.emulateMedia({ forcedColors: view.forcedColors ?? "none" });
      told(view, await ofView(page));
      looks += 1;
    }
    told(first, complaints.map((text) => `the browser complains: ${text}`));
    await context.close();
  }
  return wrong;
}

async function picture(browser, service, what, language, view) {
  const { context, page } = await open(browser, view, service.url, { path: address(what, language), as: what.as });
  if (what.prepare) await what.prepare(page, { service, language });
  const name = `${what.name}.${language.name}.${view.width}.png`;
  await page.screenshot({ path: join(options.pictures, name), fullPage: true });
  await context.close();
}

// Which pictures a person looks at: the narrow and the wide window in Japanese, the narrow one in the others.
function* wanted(what) {
  const [narrow, , wide] = views;
  if (what.pictures === false) return;
  for (const language of languages) yield [language, narrow];
  yield [languages[0], wide];
}

// So many windows at the same time.
const AT_ONCE = 3;
async function all(tasks) {
  const results = [];
  const next = tasks[Symbol.iterator]();
  const worker = async () => {
    for (const task of next) results.push(...((await task()) ?? []));
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
  return results;
}

const [binary] = positionals;
if (!binary) {
  console.error("usage: node run.mjs BINARY [--pictures DIR] [--only NAME]");
  process.exit(64);
}
const chosen = pages.filter(({ name }) => !options.only || name.startsWith(options.only));
const service = await start(binary);
const wrong = [];
let looks = 0;
try {
  const browser = await launch(chromium);
  await operators(browser);
  if (options.pictures) mkdirSync(options.pictures, { recursive: true });
  for (const state of new Set(chosen.map((what) => what.service ?? "running"))) {
    const now = new Date(Date.now() + 31_000).toISOString();
    if (state !== "running") {
      service.tool("service", "set", state, "--reason", "台風接近のため", "--from", now);
      await shown(service.url);
    }
    const these = chosen.filter((what) => (what.service ?? "running") === state);
    const tasks = these.flatMap((what) =>
      options.pictures
        ? [...wanted(what)].map(([language, view]) => () => picture(browser, service, what, language, view))
        : languages.map((language) => () => look(browser, service, what, language)),
    );
    wrong.push(...(await all(tasks)));
    if (options.pictures) looks += tasks.length;
  }
  await browser.close();
} finally {
  await service.stop();
}

// Waits until the notice is on the pages: a change counts half a minute after it was set.
async function shown(url) {
  for (let tries = 0; tries < 120; tries += 1) {
    const html = await (await fetch(url)).text();
    if (html.includes('id="service-notice"')) return;
    await new Promise((later) => setTimeout(later, 500));
  }
  throw new Error("the pages do not say that the service is suspended");
}

for (const text of wrong) console.log(text);
const which = options.pictures ? "pictures" : "looks at pages";
console.log(`${looks} ${which}, ${wrong.length} things wrong`);
process.exit(wrong.length === 0 ? 0 : 1);
