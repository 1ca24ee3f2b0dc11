// Registration under load: node load.mjs BINARY [--seconds 60] [--views 200] [--registrations 20]
// So many page views and registrations begin each second, however long they take. With ANSHIN_TEST_KAFKA and
// ANSHIN_TEST_CQL (scripts/servers/with sets them) on these, otherwise in a directory. Exits with 1 where a page failed
// or a registration is not there at the end.

import { readdirSync, readFileSync } from "node:fs";
import { Agent, request } from "node:http";
import { parseArgs } from "node:util";
import { cafe } from "./operator.mjs";
import { start } from "./service.mjs";

const { values: options, positionals } = parseArgs({
  options: {
    seconds: { type: "string", default: "60" },
    views: { type: "string", default: "200" },
    registrations: { type: "string", default: "20" },
  },
  allowPositionals: true,
});
const [seconds, views, registrations] = [options.seconds, options.views, options.registrations].map(Number);
const agent = new Agent({ keepAlive: true, maxSockets: 256 });
const waits = { view: [], page: [], registration: [] };
const failed = [];
const { ANSHIN_TEST_KAFKA: kafka, ANSHIN_TEST_CQL: cql } = process.env;
const service = await start(
  positionals[0],
  kafka && cql
    ? {
        ANSHIN__LOG__URL: `kafka://${kafka}`,
        ANSHIN__KAFKA__PREFIX: `pages${Date.now()}.`,
        ANSHIN__KAFKA__REPLICATION: "1",
        ANSHIN__KAFKA__MIN_IN_SYNC: "1",
        ANSHIN__STORE__URL: `cql://${cql}/pages${Date.now()}`,
        ANSHIN__CQL__REPLICATION: "1",
      }
    : {},
);

// An operator's browser: keeps cookies, and sends forms with the token that they were shown with.
class Operator {
  cookies = new Map();

  ask(method, path, form) {
    const headers = { cookie: [...this.cookies].map(([key, value]) => `${key}=${value}`).join("; ") };
    if (form) {
      headers["content-type"] = "application/x-www-form-urlencoded";
      headers.origin = service.url;
    }
    const began = performance.now();
    return new Promise((resolve, reject) => {
      const asked = request(service.url + path, { method, headers, agent }, (response) => {
        for (const cookie of response.headers["set-cookie"] ?? []) {
          const [key, value] = cookie.split(";")[0].split("=");
          this.cookies.set(key, value);
        }
        let text = "";
        response.setEncoding("utf8");
        response.on("data", (part) => (text += part));
        response.on("error", reject);
        response.on("end", () => {
          waits[this.is ?? "page"].push(performance.now() - began);
          const { statusCode: status, headers: answered } = response;
          if (status >= 400) reject(new Error(`${method} ${path}: ${status}`));
          else resolve({ text, location: answered.location });
        });
      });
      asked.on("error", reject);
      asked.end(form && new URLSearchParams(form).toString());
    });
  }

  async fill(path, fields, action = path) {
    const { text } = await this.ask("GET", path);
    const hidden = Object.fromEntries([...text.matchAll(/type="hidden" name="(\w+)" value="([^"]*)"/g)].map(([, key, value]) => [key, value]));
    return this.ask("POST", action, { ...hidden, ...fields });
  }
}

// Links by mail address, as they come in.
const links = new Map();
const read = new Set();
function lookForMails() {
  const folder = `${service.dir}/mailbox`;
  let files = [];
  try {
    files = readdirSync(folder);
  } catch {
    return;
  }
  for (const file of files.filter((file) => file.endsWith(".txt") && !read.has(file))) {
    read.add(file);
    const text = readFileSync(`${folder}/${file}`, "utf8");
    const to = text.match(/[\w.]+@load\.example\.jp/)?.[0];
    const link = text.match(/https?:\/\/\S+\/link\/\S+/)?.[0];
    if (to && link) links.set(to, new URL(link).pathname);
  }
}

async function link(mail) {
  for (let tries = 0; tries < 1200; tries += 1) {
    lookForMails();
    if (links.has(mail)) return links.get(mail);
    await new Promise((later) => setTimeout(later, 50));
  }
  throw new Error("no mail within a minute");
}

async function register(n) {
  const began = performance.now();
  const operator = new Operator();
  const mail = `o${n}@load.example.jp`;
  await operator.fill("/register", { mail });
  await operator.fill(await link(mail), {});
  await operator.fill("/register/facility", { ...cafe, name: `カフェ${n}`, do: "next" });
  await operator.fill("/register/rooms", { new: "店内", do: "next" });
  await operator.fill("/register/check", {});
  const { text } = await operator.ask("GET", "/register/done");
  waits.registration.push(performance.now() - began);
  return text.match(/class="reference">([^<]+)</)[1];
}

const looked = ["/", "/about", "/guide/operators", "/faq", "/en", "/easy/guide/visitors"];
async function view(n) {
  const visitor = new Operator();
  visitor.is = "view";
  await visitor.ask("GET", looked[n % looked.length]);
}

const under_way = [];
const references = new Set();
const begun = performance.now();
let [viewed, registered] = [0, 0];
while (performance.now() - begun < seconds * 1000) {
  const at = (performance.now() - begun) / 1000;
  for (; viewed < at * views; viewed += 1) under_way.push(view(viewed).catch((error) => failed.push(error)));
  for (; registered < at * registrations; registered += 1) {
    const reference = register(registered).then((reference) => references.add(reference));
    under_way.push(reference.catch((error) => failed.push(error)));
  }
  await new Promise((later) => setTimeout(later, 5));
}
await Promise.all(under_way);

// What the officials find is what was registered.
const token = service.tool("tokens", "create", "--official", "sato", "--role", "drafter").trim();
const found = new Set();
let cursor = "";
do {
  const answer = await fetch(`${service.console}/api/v1/facilities?cursor=${cursor}`, {
    headers: { authorization: `Bearer ${token}` },
  });
  const page = await answer.json();
  for (const { facility } of page.facilities) found.add(facility);
  cursor = page.next_cursor;
} while (cursor);
await service.stop();

const lost = [...references].filter((reference) => !found.has(reference));
const at = (list, part) => list.toSorted((a, b) => a - b)[Math.floor(list.length * part)]?.toFixed(1) ?? "-";
for (const [what, list] of Object.entries(waits)) {
  console.log(`${what}: ${list.length}, p50 ${at(list, 0.5)} ms, p99 ${at(list, 0.99)} ms, longest ${at(list, 0.9999)} ms`);
}
for (const error of failed.slice(0, 10)) console.log(error.message);
console.log(`${registered} registrations begun, ${references.size} done, ${found.size} found, ${lost.length} lost; ${failed.length} failed`);
process.exit(failed.length + lost.length === 0 && found.size === registered ? 0 : 1);
