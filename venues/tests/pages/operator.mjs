// What an operator does in a browser: opens a link from a mail, answers the questions.

import { readdirSync, readFileSync } from "node:fs";

export const cafe = {
  name: "カフェこもれび 駅前店",
  kana: "カフェコモレビ",
  kind: "restaurant",
  postcode: "514-0004",
  address: "三重県津市栄町1-2-3",
  phone: "059-123-4567",
};

// The path of the link in the newest mail; `before` is how many there were.
export async function link(service, before) {
  const folder = `${service.dir}/mailbox`;
  for (let tries = 0; tries < 200; tries += 1) {
    const mails = names(folder);
    if (mails.length > before) {
      const text = readFileSync(`${folder}/${mails.at(-1)}`, "utf8");
      return new URL(text.match(/https?:\/\/\S+\/link\/\S+/)[0]).pathname;
    }
    await new Promise((later) => setTimeout(later, 50));
  }
  throw new Error("no mail has come");
}

export function names(folder) {
  try {
    return readdirSync(folder)
      .filter((name) => name.endsWith(".txt"))
      .sort();
  } catch {
    return [];
  }
}

// Asks for a link, and opens it.
export async function letIn(page, service, mail, asks = "/register") {
  const before = names(`${service.dir}/mailbox`).length;
  await page.goto(service.url + asks);
  await page.fill("#mail", mail);
  await press(page);
  await page.goto(service.url + (await link(service, before)));
  await press(page);
}

// Presses the button that goes on, and waits for the page after it.
export async function press(page, selector = "main .actions button") {
  await Promise.all([page.waitForNavigation(), page.click(selector)]);
}

// Answers the page about the facility; how many fields that took.
export async function describe(page, facility = cafe) {
  const { kind, ...texts } = facility;
  for (const [id, text] of Object.entries(texts)) await page.fill(`#${id}`, text);
  await page.check(`input[name="kind"][value="${kind}"]`);
  await press(page, '.actions button[value="next"]');
  return Object.keys(facility).length;
}

// Registers a facility with these floors; its id.
export async function register(page, floors) {
  await describe(page);
  for (const floor of floors) {
    await page.fill("#new", floor);
    await press(page, 'button[value="add"]');
  }
  await page.fill("#new", "");
  await press(page, '.actions button[value="next"]');
  await press(page);
  return page.locator(".reference").innerText();
}
