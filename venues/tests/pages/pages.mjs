// Every page and state that is looked at. To add one, add it here: a path, the states of the service in which it is
// looked at, and perhaps who looks (`as`: an operator in the middle of registering, or one who has) and what to do first
// (`prepare`, with a Playwright page at `path`). `pictures: false` keeps no picture.

import { press } from "./operator.mjs";

export const languages = [
  { name: "ja", prefix: "", lang: "ja" },
  // As Japanese, with other words: seen in fewer views.
  { name: "easy", prefix: "/easy", lang: "ja", views: ["375", "1280", "375 large text"] },
  { name: "en", prefix: "/en", lang: "en" },
];

// Sends a form with nothing in its fields.
const empty = (selector) => async (page) => {
  for (const field of await page.locator("main input[type=text], main input[type=email], main input[type=tel]").all()) {
    await field.fill("");
  }
  await press(page, selector);
};
const drafting = (name, path, more = {}) => ({ name: `register-${name}`, path: `/register/${path}`, as: "drafting", ...more });
const registered = (name, path, more = {}) => ({ name, path, as: "registered", ...more });
const facility = (rest) => (ids) => `/manage/${ids.facility}${rest}`;
const venue = (rest) => (ids) => `/manage/${ids.facility}/${ids.venue}${rest}`;

export const pages = [
  { name: "start", path: "/" },
  { name: "about", path: "/about" },
  { name: "guide-operators", path: "/guide/operators" },
  { name: "guide-visitors", path: "/guide/visitors" },
  { name: "faq", path: "/faq" },
  { name: "contact", path: "/contact" },
  { name: "not-found", path: "/no-such-page", status: 404, pictures: false },
  { name: "register-mail", path: "/register" },
  { name: "register-mail-wrong", path: "/register", prepare: empty("main .actions button"), pictures: false },
  { name: "register-sent", path: "/register/sent" },
  { name: "register-bad-link", path: "/link/00000000000000000000000000000000", status: 404, pictures: false },
  { name: "register-nobody", path: "/register/facility", status: 403, pictures: false },
  drafting("facility", "facility"),
  drafting("facility-wrong", "facility", { prepare: empty('.actions button[value="next"]') }),
  drafting("days", "days"),
  drafting("days-wrong", "days", { prepare: empty("main .actions button"), pictures: false }),
  drafting("rooms", "rooms"),
  drafting("rooms-wrong", "rooms", { prepare: empty('button[value="add"]'), pictures: false }),
  drafting("rooms-file", "rooms/file"),
  drafting("rooms-file-wrong", "rooms/file", {
    prepare: async (page) => {
      const buffer = Buffer.from("1階\nhttp://evil.example\n地下\n地下\n");
      await page.setInputFiles("#file", { name: "rooms.csv", mimeType: "text/csv", buffer });
      await press(page);
    },
  }),
  drafting("check", "check"),
  registered("register-done", "/register/done"),
  registered("flyers", (ids) => `/flyers/${ids.facility}`),
  registered("flyers-venue", (ids) => `/flyers/${ids.facility}/${ids.venue}`, { pictures: false }),
  { name: "manage-mail", path: "/manage/link" },
  registered("manage", "/manage"),
  registered("manage-facility", facility("")),
  registered("manage-facility-done", facility("?done=added"), { pictures: false }),
  registered("manage-facility-wrong", facility(""), { prepare: empty("main form button"), pictures: false }),
  registered("manage-edit", facility("/edit"), { pictures: false }),
  registered("manage-file", facility("/file"), { pictures: false }),
  registered("manage-copy", facility("/do/copy"), { pictures: false }),
  registered("manage-remove", facility("/do/remove")),
  registered("manage-venue", venue("")),
  registered("manage-venue-wrong", venue(""), { prepare: empty("main form button"), pictures: false }),
  registered("manage-reissue", venue("/do/reissue")),
  registered("manage-retire", venue("/do/retire"), { pictures: false }),
  registered("manage-try", venue("/do/try"), { pictures: false }),
  { name: "start-suspended", path: "/", service: "suspended" },
  { name: "faq-suspended", path: "/faq", service: "suspended", pictures: false },
  { name: "closed", path: "/register", service: "suspended", status: 503 },
  registered("manage-facility-suspended", facility(""), { service: "suspended", pictures: false }),
];

// How each is looked at. 200 % zoom of a window is half its width in CSS pixels. `largeText` is a browser whose letters
// are twice as large.
export const views = [
  { name: "375", width: 375 },
  { name: "768", width: 768 },
  { name: "1280", width: 1280 },
  { name: "375 forced colours", width: 375, forcedColors: "active" },
  { name: "768 forced colours", width: 768, forcedColors: "active" },
  { name: "1280 forced colours", width: 1280, forcedColors: "active" },
  { name: "768 at 200 %", width: 384 },
  { name: "1280 at 200 %", width: 640 },
  { name: "375 large text", width: 375, largeText: true },
];
