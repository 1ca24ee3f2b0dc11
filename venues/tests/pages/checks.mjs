// What is wrong with a page, as a list of sentences.

import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { HtmlValidate } from "html-validate";

const require = createRequire(import.meta.url);
const axe = readFileSync(require.resolve("axe-core/axe.min.js"), "utf8");
const tags = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22a", "wcag22aa", "best-practice"];
const MAX_BYTES = 100 * 1024;

const htmlValidate = new HtmlValidate({
  root: true,
  extends: ["html-validate:recommended"],
  rules: {
    // Templates leave a line's end where a condition was.
    "no-trailing-whitespace": "off",
    // The stylesheet keeps numbers on one line.
    "tel-non-breaking": "off",
    // Of several buttons with one name, the one that is pressed is sent.
    "form-dup-name": ["error", { shared: ["radio", "button", "reset", "submit"] }],
  },
});

// The document as it was sent: the same for every view.
export async function ofDocument(html, lang) {
  const wrong = [];
  const report = await htmlValidate.validateString(html);
  for (const result of report.results) {
    for (const { line, column, message, ruleId } of result.messages) {
      wrong.push(`html ${line}:${column} ${message} (${ruleId})`);
    }
  }
  if (!html.includes(`<html lang="${lang}"`)) wrong.push(`the document does not say lang="${lang}"`);
  return wrong;
}

// The document as it is shown.
export async function ofView(page) {
  if (!(await page.evaluate(() => "axe" in globalThis))) await page.evaluate(axe);
  const found = await page.evaluate(
    (values) => globalThis.axe.run(document, { runOnly: { type: "tag", values }, resultTypes: ["violations"] }),
    tags,
  );
  const wrong = found.violations.map(({ id, help, nodes }) => {
    const where = nodes.slice(0, 3).map((node) => `${node.target.join(" ")}: ${node.failureSummary.replace(/\s+/g, " ")}`);
    return `axe ${id}: ${help} [${where.join(" | ")}]`;
  });
  const beyond = await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
  if (beyond > 0) wrong.push(`${beyond} px stick out to the right`);
  return wrong;
}

// What was loaded for it.
export function ofLoading(loaded, url) {
  const wrong = [];
  const bytes = loaded.reduce((sum, { size }) => sum + size, 0);
  if (bytes > MAX_BYTES) wrong.push(`${bytes} bytes were loaded; ${MAX_BYTES} are allowed`);
  for (const { address } of loaded) {
    if (new URL(address).origin !== url) wrong.push(`something came from elsewhere: ${address}`);
  }
  return wrong;
}
