// An `anshin` on an empty directory, for as long as the pages are looked at.

import { spawn, spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";

// A browser: Debian's Chromium.
export function launch(chromium) {
  return chromium.launch({
    executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
    // In a container there is often nobody but root, as whom its sandbox does not work.
    chromiumSandbox: process.getuid() !== 0,
  });
}

// Starts the roles of one machine; `url` is where the pages are, `console` where the officials' API is. `more` of the
// configuration may name other servers.
export async function start(binary, more = {}) {
  const dir = mkdtempSync(join(tmpdir(), "anshin-pages-"));
  const env = {
    PATH: process.env.PATH,
    ANSHIN__LOG__URL: `embedded://${dir}/data`,
    ANSHIN__STORE__URL: `embedded://${dir}/data`,
    ANSHIN__KEYS__FILE: `${dir}/keys.json`,
    ANSHIN__KEYS__PLACES_FILE: `${dir}/places.json`,
    ANSHIN__LINE__CHANNEL_ID: "1656000000",
    ANSHIN__LINE__CHANNEL_SECRETS: "8c570fa6dd201bb328f1c1eac23a96d8",
    ANSHIN__LINE__ACCOUNT_ID: "@216ruabc",
    ANSHIN__LINE__ACCOUNT_NAME: "三重県 安心みえるLINE",
    // Nothing listens there.
    ANSHIN__LINE__API_URL: "http://127.0.0.1:9",
    ANSHIN__INGEST__LISTEN: "127.0.0.1:0",
    ANSHIN__CONSOLE__LISTEN: "127.0.0.1:0",
    ANSHIN__VENUES__LISTEN: "127.0.0.1:0",
    ANSHIN__ADMIN__LISTEN: "127.0.0.1:0",
    ANSHIN__VENUES__PREFECTURE: "三重県",
    // One browser is many operators here.
    ANSHIN__VENUES__CLIENT_PER_HOUR: "100000",
    ANSHIN__AUTHORITY__NAME: "三重県",
    ANSHIN__AUTHORITY__DIVISION: "医療保健部 感染症対策課",
    ANSHIN__AUTHORITY__ADDRESS: "〒514-8570 三重県津市広明町13番地",
    ANSHIN__AUTHORITY__PHONE: "059-000-0000",
    ANSHIN__AUTHORITY__FAX: "059-000-0001",
    ANSHIN__AUTHORITY__MAIL: "kansen@pref.example.jp",
    ANSHIN__MAIL__FOLDER: `${dir}/mailbox`,
    ...more,
  };
  const tool = (...command) => {
    const done = spawnSync(binary, command, { env, encoding: "utf8" });
    if (done.status !== 0) throw new Error(`anshin ${command.join(" ")}: ${done.stderr}`);
    return done.stdout;
  };
  tool("keys", "init");
  if (Object.keys(more).length > 0) tool("migrate");
  const child = spawn(binary, ["all"], { env, stdio: ["ignore", "ignore", "pipe"] });
  const { venues, console } = await new Promise((found, failed) => {
    let said = "";
    createInterface({ input: child.stderr }).on("line", (line) => {
      said += `${line}\n`;
      try {
        const { fields } = JSON.parse(line);
        if (fields?.message === "started") found(fields);
      } catch {
        // The one sentence of a process that does not start is no JSON.
      }
    });
    child.once("error", failed);
    child.once("exit", (code) => failed(new Error(`anshin ended with ${code}:\n${said}`)));
  });
  return {
    url: `http://${venues}`,
    console: `http://${console}`,
    dir,
    tool,
    async stop() {
      const ended = new Promise((end) => child.once("exit", end));
      child.kill("SIGTERM");
      await ended;
      rmSync(dir, { recursive: true, force: true });
    },
  };
}
