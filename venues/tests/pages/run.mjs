// Looks at every page: node run.mjs BINARY [--pictures DIR] [--only NAME]
// Exits with 1 and a list of what is wrong where anything is.

import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { chromium } from "playwright-core";
import { ofDocument, ofLoading, ofView } from "./checks.mjs";
import { languages, pages, views } from "./pages.mjs";
import { start } from "./service.mjs";

const { values: options, positionals } = parseArgs({
  options: { pictures: { type: "string" }, only: { type: "string" } },
  allowPositionals: true,
});
const HEIGHT = 800;

// A new browser window at the page, and what was loaded for it.
async function open(browser, view, url, path) {
  const context = await browser.newContext({
    viewport: { width: view.width, height: HEIGHT },
    deviceScaleFactor: view.density ?? 1,
    forcedColors: view.forcedColors ?? "none",
    // For `largeText` only: the pages themselves allow nothing that is not theirs.
    bypassCSP: view.largeText ?? false,
  });
  const page = await context.newPage();
  const [loaded, complaints] = [[], []];
  page.on("response", async (response) => {
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
  return { context, page, response, loaded, complaints };
}

async function look(browser, service, what, language, view) {
  const path = language.prefix + (what.path === "/" && language.prefix ? "" : what.path);
  const opened = await open(browser, view, service.url, path);
  const { context, page, response, loaded, complaints } = opened;
  const wrong = [];
  const status = what.status ?? 200;
  if (response.status() !== status) wrong.push(`it answers ${response.status()}, not ${status}`);
  if (what.prepare) await what.prepare(page, { service, language });
  if (view === views[0]) {
    const html = what.prepare ? `<!DOCTYPE html>\n${await page.content()}` : await response.text();
    wrong.push(...(await ofDocument(html, language.lang)));
    wrong.push(...ofLoading(loaded, service.url));
  }
  wrong.push(...(await ofView(page)));
  wrong.push(...complaints.map((text) => `the browser complains: ${text}`));
  await context.close();
  return wrong.map((text) => `${what.name} (${language.name}, ${view.name}): ${text}`);
}

async function picture(browser, service, what, language, view) {
  const path = language.prefix + (what.path === "/" && language.prefix ? "" : what.path);
  const { context, page } = await open(browser, view, service.url, path);
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
  const browser = await chromium.launch({
    executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
    // In a container there is often nobody but root, as whom its sandbox does not work.
    chromiumSandbox: process.getuid() !== 0,
  });
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
        : languages.flatMap((language) => views.map((view) => () => look(browser, service, what, language, view))),
    );
    wrong.push(...(await all(tasks)));
    looks += tasks.length;
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
